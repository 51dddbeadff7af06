"""A little of everything that happens in a store, and one of each kind of change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from autocard.model import CardId
from autocard.ports import Pool, Transaction
from autocard.records import BatchEntry, EventEntry, OfferRecord, Plan, Settlement, Status
from autocard.states import CardState, IntentState, Outcome, PurchaseState, Reason
from autocard.testing.shelf import (
    BUYING,
    DELIVERED,
    ISSUED,
    NOW,
    SHORT,
    begin,
    bring,
    buying,
    buying_for,
    card_id,
    digest,
    intent,
    line,
    new_cards,
    order,
    place,
    reserving,
    sell,
    stored,
    stored_line,
    unpaid,
)


def live(pool: Pool) -> None:
    """Sell, reserve, share, push, wait, buy, void and move, as the flow would do it."""
    bring(pool, "p", "q", sku="psn", warehouse="backup", expires_ms=NOW + 99)
    bring(pool, "a", "b", "c", "d", "e")
    delivered = sell(pool, "D1", 2)
    pushed = line(intents=(intent("i1"),), card_state=CardState.ISSUED, filled=ISSUED)
    place(pool, order("I1", pushed))
    place(pool, unpaid("R1", reserving(), reserved_until_ms=NOW + 60))
    place(pool, order("W1", line(quantity=3), buyer=digest("ann")))
    shared = sell(pool, "S1", 2, sku="psn", plan_shared=True, plan_warehouses=("backup",))
    bought = place(pool, order("B1", line(plan=None, short=BUYING)))
    begin(pool, buying_for(bought.order_id, state=PurchaseState.SENDING, due_ms=NOW + 99))
    begin(pool, buying("p2"))
    told = [
        EventEntry(kind="line.delivered", at_ms=NOW, order_id=each.order_id, line_no=1)
        for each in (delivered, shared)
    ]
    with pool.transaction() as change:
        change.record(told)
        change.void_card(card_id(pool, "a"), CardState.DELIVERED, now_ms=NOW)
        change.move_cards("psn", "backup", "main", limit=1, now_ms=NOW)
        change.write_supplier(attrs.evolve(change.supplier("fulu"), balance_minor=7, asked=0.7))
        change.write_offer(_offer(4600))


def _offer(price_minor: int) -> OfferRecord:
    return OfferRecord(
        supplier="fulu", sku="steam", item="steam-50", price_minor=price_minor, currency="CNY",
        available=None, on_sale=True, seen_ms=NOW,
    )  # fmt: skip


def _place(_: Pool, change: Transaction) -> None:
    change.place(order("N1"))


def _place_two_lines(_: Pool, change: Transaction) -> None:
    shared = line(2, sku="psn", plan_shared=True, plan_warehouses=("main", "backup"))
    change.place(order("N2", line(1), shared))


def _attach(pool: Pool, change: Transaction) -> None:
    change.attach(stored(pool, "R1").id, order("R1"))


def _fill(pool: Pool, change: Transaction) -> None:
    change.fill(
        stored_line(pool, "R1"), Plan(sku="steam", quantity=1), card_state=CardState.DELIVERED,
        filled=DELIVERED, short=SHORT, now_ms=NOW,
    )  # fmt: skip


def _end_reservation(pool: Pool, change: Transaction) -> None:
    change.end_reservation(stored(pool, "R1").id, now_ms=NOW + 60)


def _settle_line(pool: Pool, change: Transaction) -> None:
    change.settle_line(
        stored_line(pool, "W1"), Status(Outcome.HELD, Reason.REVIEW, "look"), now_ms=NOW
    )


def _rematch(pool: Pool, change: Transaction) -> None:
    change.rematch(attrs.evolve(stored_line(pool, "W1"), sku="psn", units=1), now_ms=NOW)


def _move_line_cards(pool: Pool, change: Transaction) -> None:
    order_id = stored(pool, "R1").id
    change.move_line_cards(order_id, 1, CardState.RESERVED, CardState.AVAILABLE, now_ms=NOW)


def _give_cards(pool: Pool, change: Transaction) -> None:
    picked: list[CardId] = [card_id(pool, "e")]
    change.give_cards(stored_line(pool, "W1"), picked, CardState.ISSUED, now_ms=NOW)


def _insert_intents(pool: Pool, change: Transaction) -> None:
    change.insert_intents(stored(pool, "W1").id, 1, [intent("new")], now_ms=NOW)


def _settle_intent(pool: Pool, change: Transaction) -> None:
    (found,) = pool.intents_of(stored(pool, "I1").id)
    change.settle_intent(found, IntentState.SENDING)


def _record(_: Pool, change: Transaction) -> None:
    change.record([EventEntry(kind="batch.begun", at_ms=NOW)])


def _add_cards(_: Pool, change: Transaction) -> None:
    entry = BatchEntry(sku="new", warehouse="new", format="plain", imported_ms=NOW)
    change.add_cards(change.begin_batch(entry), new_cards(["new"]), now_ms=NOW)


def _undo_batch(pool: Pool, change: Transaction) -> None:
    batch = pool.batches("steam")[0].id
    change.undo_batch(batch, limit=9, now_ms=NOW)
    change.close_batch(batch)


def _void_card(pool: Pool, change: Transaction) -> None:
    change.void_card(card_id(pool, "e"), CardState.AVAILABLE, now_ms=NOW)


def _move_cards(_: Pool, change: Transaction) -> None:
    change.move_cards("steam", "main", "elsewhere", limit=9, now_ms=NOW)
    change.roll_up()


def _begin_purchase(pool: Pool, change: Transaction) -> None:
    change.begin_purchase(buying_for(stored(pool, "W1").id, "p3"))


def _claim_purchase(pool: Pool, change: Transaction) -> None:
    change.claim_purchase(pool.purchases()[0], PurchaseState.SENDING, NOW + 99)


def _settle_purchase(pool: Pool, change: Transaction) -> None:
    done = Settlement(state=PurchaseState.DONE, arrived=1, cost_minor=4600, remote="R1")
    change.settle_purchase(pool.purchases()[1], done, now_ms=NOW + 1)


def _write_supplier(_: Pool, change: Transaction) -> None:
    change.write_supplier(attrs.evolve(change.supplier("fulu"), failures=1))
    change.supplier("another")


def _write_offer(_: Pool, change: Transaction) -> None:
    change.write_offer(_offer(4500))


CHANGES: Final[tuple[Callable[[Pool, Transaction], None], ...]] = (
    _place,
    _place_two_lines,
    _attach,
    _fill,
    _end_reservation,
    _settle_line,
    _rematch,
    _move_line_cards,
    _give_cards,
    _insert_intents,
    _settle_intent,
    _record,
    _add_cards,
    _undo_batch,
    _void_card,
    _move_cards,
    _begin_purchase,
    _claim_purchase,
    _settle_purchase,
    _write_supplier,
    _write_offer,
)
"""Each is possible once after `live`."""
