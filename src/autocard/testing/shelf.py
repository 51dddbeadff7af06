"""What the suite for pools puts into a store, and how it looks at all of it at once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from autocard.clock import NEVER_MS
from autocard.model import BatchId, OrderId, Reference
from autocard.ports import Pool, Transaction
from autocard.records import (
    BatchEntry,
    IntentEntry,
    LineEntry,
    NewCard,
    OrderEntry,
    Placed,
    Plan,
    PurchaseEntry,
    Status,
    StoredLine,
    StoredOrder,
    StoredPurchase,
)
from autocard.states import CardState, Outcome, Reason

NOW: Final = 1_767_323_045_678
DELIVERED: Final = Status(Outcome.DELIVERED)
SHORT: Final = Status(Outcome.PENDING, Reason.SHORT)
ISSUED: Final = Status(Outcome.PENDING, Reason.DELIVERING)
UNPAID: Final = Status(Outcome.PENDING, Reason.UNPAID)
BUYING: Final = Status(Outcome.PENDING, Reason.BUYING)
UNHEARD_OF: Final = 2**62
"""An id that no store has given to anything; small ones may have been given and forgotten."""


def digest(text: str, size: int = 16) -> bytes:
    """Return bytes that stand for *text*, as a keyed digest would."""
    return hashlib.sha256(text.encode()).digest()[:size]


def new_cards(names: Sequence[str], expires_ms: int = NEVER_MS) -> list[NewCard]:
    """Return sealed cards, one a name."""
    return [
        NewCard(number, digest(name), b"sealed " + name.encode(), expires_ms)
        for number, name in enumerate(names, start=1)
    ]


def bring(
    pool: Pool,
    *names: str,
    sku: str = "steam",
    warehouse: str = "main",
    expires_ms: int = NEVER_MS,
    **entry: Any,
) -> BatchId:
    """Import cards as one batch."""
    told = {"format": "plain", "imported_ms": NOW, **entry}

    def work(change: Transaction) -> BatchId:
        batch = change.begin_batch(BatchEntry(sku=sku, warehouse=warehouse, **told))
        change.add_cards(batch, new_cards(names, expires_ms), now_ms=NOW)
        return batch

    return pool.change(work)


def line(line_no: int = 1, *, quantity: int = 1, sku: str = "steam", **entry: Any) -> LineEntry:
    """Return a line that takes *quantity* cards; `plan_…` options go into its plan."""
    planned = {x[5:]: entry.pop(x) for x in list(entry) if x.startswith("plan_")}
    plan = Plan(sku=sku, quantity=quantity, **planned)
    wanted = {"units": quantity, "plan": plan, **entry}
    return LineEntry(line_no=line_no, item=f"{sku} card", quantity=quantity, sku=sku, **wanted)


def order(number: str = "A1", *lines: LineEntry, **entry: Any) -> OrderEntry:
    """Return a paid order; without lines one that takes one card."""
    told: dict[str, Any] = {
        "platform": "shop",
        "digest": digest(f"lines of {number}", 32),
        "payload": b"sealed order " + number.encode(),
        "accepted_ms": NOW,
        "paid_ms": NOW - 1000,
        "amount_minor": 1000,
        "currency": "CNY",
        "lines": lines or (line(),),
        **entry,
    }
    return OrderEntry(order_no=number, **told)


def unpaid(number: str = "A1", *lines: LineEntry, **entry: Any) -> OrderEntry:
    """Return an order that is registered before its payment."""
    blank = {"paid_ms": None, "amount_minor": None, "currency": None, **entry}
    return order(number, *lines, **blank)


def reserving(line_no: int = 1, **entry: Any) -> LineEntry:
    """Return a line that reserves its cards."""
    return line(line_no, card_state=CardState.RESERVED, filled=UNPAID, **entry)


def place(pool: Pool, entry: OrderEntry) -> Placed:
    """Accept an order that is new."""
    placed = pool.change(lambda change: change.place(entry))
    assert placed is not None, "a new order is accepted"
    return placed


def sell(pool: Pool, number: str, quantity: int = 1, **options: Any) -> Placed:
    """Accept an order of one line, which takes *quantity* cards where they are."""
    return place(pool, order(number, line(quantity=quantity, **options)))


def stored(pool: Pool, number: str = "A1", platform: str = "shop") -> StoredOrder:
    """Return an order that is known."""
    found = pool.order(platform, number)
    assert found is not None, "an accepted order is found"
    return found


def stored_line(pool: Pool, number: str = "A1", line_no: int = 1) -> StoredLine:
    """Return a line of a known order."""
    return stored(pool, number).lines[line_no - 1]


def names_of(cards: Sequence[Any]) -> list[str]:
    """Return the names that sealed cards were made of."""
    return [bytes(card.sealed).removeprefix(b"sealed ").decode() for card in cards]


def card_id(pool: Pool, name: str) -> Any:
    """Return the id of a card by its name."""
    found = pool.find_card(digest(name))
    assert found is not None, "an imported card is found"
    return found.id


def state_of(pool: Pool, name: str) -> CardState:
    """Return the state of a card by its name."""
    found = pool.find_card(digest(name))
    assert found is not None, "an imported card is found"
    return found.state


def intent(reference: str = "r1", **entry: Any) -> IntentEntry:
    """Return an intent that is due at once."""
    return IntentEntry(
        **{"route": "platform", "reference": Reference(reference), "due_ms": NOW, **entry}
    )


def buying(reference: str = "p1", **entry: Any) -> PurchaseEntry:
    """Return a purchase of one card for stock, due at once; each reference is a need of its own."""
    told: dict[str, Any] = {
        "reference": Reference(reference),
        "need": f"restock:steam/{reference}",
        "supplier": "fulu",
        "sku": "steam",
        "item": "steam-50",
        "quantity": 1,
        "warehouse": "main",
        "price_minor": 4600,
        "ceiling_minor": 4700,
        "currency": "CNY",
        "worth_minor": 4600,
        "created_ms": NOW,
        "due_ms": NOW,
        **entry,
    }
    return PurchaseEntry(**told)


def buying_for(order_id: OrderId, reference: str = "p1", **entry: Any) -> PurchaseEntry:
    """Return a purchase for line 1 of an order."""
    need = {"need": f"line:{order_id}/1", "order_id": order_id, "line_no": 1}
    return buying(reference, **{**need, **entry})


def begin(pool: Pool, entry: PurchaseEntry) -> StoredPurchase:
    """Write a purchase down whose need has no open one."""
    assert pool.change(lambda change: change.begin_purchase(entry)) is not None
    found = pool.purchase(entry.reference)
    assert found is not None, "a purchase that was begun is found"
    return found


def levels(pool: Pool, sku: str = "steam", warehouse: str = "main") -> dict[str, int]:
    """Return the levels of one warehouse that are not zero."""
    for level in pool.stock(sku):
        if level.warehouse == warehouse:
            return {state: n for state in CardState if (n := getattr(level, state))}
    return {}


def picture(pool: Pool) -> Any:
    """Return everything a pool shows, to be compared with later."""
    orders = pool.orders(limit=10_000)
    return (
        orders,
        pool.stock(),
        pool.batches(),
        pool.events(limit=10_000),
        pool.data_keys(),
        [(pool.intents_of(x.id), pool.cards_of(x.id)) for x in orders],
        (pool.purchases(limit=10_000), pool.supplier_records(), pool.offers()),
        [pool.sales(sku, 0) for sku in sorted({level.sku for level in pool.stock()})],
    )


def together(count: int, work: Callable[[int], None]) -> None:
    """Run *work* in *count* threads that start at once; the first error is raised."""
    gate = threading.Barrier(count)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            gate.wait()
            work(number)
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def in_state(pool: Pool, state: CardState, name: str = "card") -> OrderId:
    """Bring one card to *state* on line 1 of order A1; an AVAILABLE one belongs to nobody."""
    if state is CardState.AVAILABLE:
        placed = sell(pool, "A1", plan_warehouses=("nowhere",))
        bring(pool, name)
        return placed.order_id
    bring(pool, name)
    target = CardState.DELIVERED if state is CardState.VOID else state
    order_id = place(pool, order("A1", line(card_state=target))).order_id
    if state is CardState.VOID:
        with pool.transaction() as change:
            change.void_card(card_id(pool, name), target, now_ms=NOW)
    return order_id


def insert(pool: Pool, *intents: IntentEntry) -> None:
    """Commit to outside calls for line 1 of order A1."""
    order_id = stored(pool).id
    pool.change(lambda change: change.insert_intents(order_id, 1, intents, now_ms=NOW))
