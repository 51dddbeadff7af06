"""What every pool promises about buying: one open purchase a need, one owner, sales by the day."""

from __future__ import annotations

from typing import Any, Final

import attrs
import pytest

from autocard.errors import IllegalTransition, StoreError
from autocard.model import OrderId
from autocard.ports import Pool
from autocard.records import (
    EventEntry,
    OfferRecord,
    Plan,
    Settlement,
    StoredPurchase,
    SupplierRecord,
)
from autocard.states import FINAL, PURCHASE_MOVES, CardState, PurchaseState
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
    line,
    order,
    picture,
    place,
    reserving,
    sell,
    stored,
    stored_line,
    unpaid,
)

_DAY_MS: Final = 86_400_000
_TODAY: Final = NOW // _DAY_MS
_ALL_TOLD: Final = Settlement(
    state=PurchaseState.UNKNOWN, due_ms=NOW + 7, calls=2, misses=1, remote="R1", arrived=3,
    cost_minor=4500, worth_minor=4400, problem="why",
)  # fmt: skip


def _told(kind: str, reference: str, order_id: OrderId | None = None) -> EventEntry:
    detail = f'{{"reference":"{reference}"}}'
    return EventEntry(kind=kind, at_ms=NOW, order_id=order_id, detail=detail)


class PurchasePromises:
    """The part of `PoolSuite` that is about buying."""

    # --- one purchase a need ---

    def test_a_purchase_is_kept_as_it_was_decided(self, pool: Pool) -> None:
        """Every word and number comes back; nobody has asked its supplier yet."""
        order_id = place(pool, order("A1", line(plan=None, short=BUYING))).order_id
        entry = buying_for(order_id, quantity=3, warehouse="backup", due_ms=NOW + 5)
        kept = begin(pool, entry)
        told = attrs.asdict(kept)
        assert {x: told[x] for x in attrs.asdict(entry)} == attrs.asdict(entry)
        untouched = (kept.attempts, kept.calls, kept.misses, kept.arrived, kept.cost_minor)
        assert untouched == (0, 0, 0, 0, None)
        assert (kept.remote, kept.problem, kept.changed_ms) == ("", "", NOW)
        assert pool.audit() == []

    def test_a_need_has_one_open_purchase(self, pool: Pool) -> None:
        """A second one is not written while the first is open, and is once it is over."""
        first = begin(pool, buying("p1", need="line:1/1"))
        with pool.transaction() as change:
            assert change.begin_purchase(buying("p2", need="line:1/1")) is None
            assert change.begin_purchase(buying("p3", need="line:1/2")) is not None
        assert pool.purchase("p2") is None
        for state in (PurchaseState.SENDING, PurchaseState.HELD):
            first = _moved(pool, first, state)
            with pool.transaction() as change:
                assert change.begin_purchase(buying("p2", need="line:1/1")) is None
        for number, state in enumerate(sorted(FINAL), start=4):
            _moved(pool, first, state)
            first = _moved(
                pool, begin(pool, buying(f"p{number}", need="line:1/1")), PurchaseState.SENDING
            )
        assert len(pool.purchases(need="line:1/1")) == 3

    def test_a_purchase_tells_which_one_was_before_it(self, pool: Pool) -> None:
        """For its own need; so whoever decided before that one knows that he decided too early."""
        begin(pool, buying("p1", need="line:1/2"))
        with pool.transaction() as change:
            first = change.begin_purchase(buying("p2", need="line:1/1"))
            assert first is not None
            assert change.purchase_before(first, "line:1/1") is None
        kept = pool.purchase("p2")
        assert kept is not None
        _moved(pool, kept, PurchaseState.FAILED)
        with pool.transaction() as change:
            second = change.begin_purchase(buying("p3", need="line:1/1"))
            assert second is not None
            assert change.purchase_before(second, "line:1/1") == first

    def test_a_reference_is_given_once(self, pool: Pool) -> None:
        """Also after its purchase is over; a supplier would take it for a repetition."""
        first = _moved(pool, begin(pool, buying("p1")), PurchaseState.FAILED)
        before = picture(pool)
        for need in (first.need, "line:1/1"):
            with pytest.raises(StoreError), pool.transaction() as change:
                change.begin_purchase(buying("p1", need=need))
        assert picture(pool) == before

    def test_a_purchase_that_is_sent_at_once_is_the_callers(self, pool: Pool) -> None:
        """Committed as SENDING it is a call; who vanishes leaves it due at the end of the lease."""
        kept = begin(pool, buying(state=PurchaseState.SENDING, due_ms=NOW + 50))
        assert (kept.state, kept.attempts, kept.calls) == (PurchaseState.SENDING, 1, 1)
        assert pool.due_purchases(NOW + 49, 9) == []
        assert pool.due_purchases(NOW + 50, 9) == [kept]

    # --- one owner ---

    @pytest.mark.parametrize("target", list(PurchaseState))
    @pytest.mark.parametrize("state", list(PurchaseState))
    def test_purchases_move_as_the_table_of_states_allows(
        self, pool: Pool, state: PurchaseState, target: PurchaseState
    ) -> None:
        """What the table does not allow is refused and changes nothing."""
        found = _in_state(pool, state)
        before = picture(pool)
        settlement = attrs.evolve(_ALL_TOLD, state=target)
        if target in PURCHASE_MOVES[state]:
            with pool.transaction() as change:
                change.settle_purchase(found, settlement, now_ms=NOW + 1)
            told = attrs.asdict(settlement)
            assert pool.purchase("p1") == attrs.evolve(found, changed_ms=NOW + 1, **told)
        else:
            with pytest.raises(IllegalTransition), pool.transaction() as change:
                change.settle_purchase(found, settlement, now_ms=NOW + 1)
            assert picture(pool) == before

    @pytest.mark.parametrize("target", list(PurchaseState))
    @pytest.mark.parametrize("state", list(PurchaseState))
    def test_purchases_are_claimed_as_the_table_of_states_allows(
        self, pool: Pool, state: PurchaseState, target: PurchaseState
    ) -> None:
        """Each claim is a try, and a call when it is sent; nobody works on what is over."""
        found = _in_state(pool, state)
        before = picture(pool)
        if target in PURCHASE_MOVES[state] - FINAL:
            with pool.transaction() as change:
                claimed = change.claim_purchase(found, target, NOW + 50)
            is_call = target is PurchaseState.SENDING
            assert claimed == pool.purchase("p1") == attrs.evolve(
                found, state=target, due_ms=NOW + 50, attempts=found.attempts + 1,
                calls=found.calls + is_call,
            )  # fmt: skip
        else:
            with pytest.raises(IllegalTransition), pool.transaction() as change:
                change.claim_purchase(found, target, NOW + 50)
            assert picture(pool) == before

    def test_a_settlement_leaves_what_it_does_not_tell(self, pool: Pool) -> None:
        """What is None stays as it was; a long number is cut, and found all the same."""
        first = _moved(pool, begin(pool, buying()), PurchaseState.SENDING)
        with pool.transaction() as change:
            change.settle_purchase(first, attrs.evolve(_ALL_TOLD, remote="R" * 300), now_ms=NOW)
        second = _found(pool)
        with pool.transaction() as change:
            again = Settlement(state=PurchaseState.UNKNOWN, due_ms=NOW + 9)
            change.settle_purchase(second, again, now_ms=NOW + 8)
        assert _found(pool) == attrs.evolve(second, due_ms=NOW + 9, changed_ms=NOW + 8)
        assert _found(pool).remote == "R" * 255
        assert pool.purchase_of("fulu", "R" * 300) == _found(pool)

    def test_a_late_buyer_is_fenced_off(self, pool: Pool) -> None:
        """Whoever claimed last has the word; who claims what was claimed gets nothing."""
        seen = begin(pool, buying())
        first = _claimed(pool, seen, PurchaseState.SENDING)
        assert first is not None
        assert _claimed(pool, seen, PurchaseState.SENDING) is None
        second = _claimed(pool, first, PurchaseState.UNKNOWN)
        assert second is not None
        third = _claimed(pool, second, PurchaseState.UNKNOWN)
        assert third is not None
        failed = Settlement(state=PurchaseState.FAILED)
        for late in (seen, first, second):
            with pytest.raises(IllegalTransition), pool.transaction() as change:
                change.settle_purchase(late, failed, now_ms=NOW)
        with pool.transaction() as change:
            change.settle_purchase(third, Settlement(state=PurchaseState.DONE), now_ms=NOW)
        assert (_found(pool).attempts, _found(pool).calls) == (3, 1)

    def test_due_purchases_are_the_most_overdue_first(self, pool: Pool) -> None:
        """A person's are left to the person; one that somebody owns is due at the end of that."""
        for number, state in enumerate(PurchaseState):
            if state not in (PurchaseState.PROPOSED, PurchaseState.DUE):
                found = _moved(pool, begin(pool, buying(f"p{number}")), PurchaseState.SENDING)
                if state is not PurchaseState.SENDING:
                    _moved(pool, found, state, due_ms=NOW - number)
            else:
                begin(pool, buying(f"p{number}", state=state))
        due = pool.due_purchases(NOW, 9)
        assert [x.state for x in due] == ["accepted", "unknown", "due"]
        assert pool.due_purchases(NOW, 2) == due[:2]
        _claimed(pool, due[0], PurchaseState.ACCEPTED)
        assert pool.due_purchases(NOW, 9) == due[1:]
        assert [x.state for x in pool.due_purchases(NOW + 50, 9)] == [
            "unknown", "due", "sending", "accepted",
        ]  # fmt: skip

    def test_calls_are_open_while_somebody_owns_the_purchase(self, pool: Pool) -> None:
        """From the claim to its settlement or the end of the lease, each with its supplier."""

        def count(now_ms: int = NOW, supplier: str = "fulu") -> int:
            return pool.change(lambda change: change.calls_open(supplier, now_ms))

        begin(pool, buying("p1", state=PurchaseState.SENDING, due_ms=NOW + 50))
        begin(pool, buying("p2", supplier="other", state=PurchaseState.SENDING, due_ms=NOW + 50))
        waiting = begin(pool, buying("p3"))
        assert (count(), count(supplier="other"), count(supplier="none")) == (1, 1, 0)
        claimed = _claimed(pool, waiting, PurchaseState.SENDING)
        assert (count(), count(NOW + 49), count(NOW + 50)) == (2, 2, 0)
        assert claimed is not None
        with pool.transaction() as change:
            later = Settlement(state=PurchaseState.UNKNOWN, due_ms=NOW + 99)
            change.settle_purchase(claimed, later, now_ms=NOW)
            assert change.calls_open("fulu", NOW) == 1

    # --- looks ---

    def test_purchases_are_found_by_what_is_known_of_them(self, pool: Pool) -> None:
        """The newest first and no more than asked, by one thing or several."""
        first, second = (sell(pool, number).order_id for number in ("A1", "A2"))
        begin(pool, buying_for(first, "p1"))
        begin(pool, buying_for(second, "p2", supplier="other"))
        begin(pool, buying("p3", state=PurchaseState.PROPOSED))
        _moved(pool, _found(pool), PurchaseState.FAILED)
        begin(pool, buying_for(first, "p4"))
        for given, names in (
            ({}, ["p4", "p3", "p2", "p1"]),
            ({"limit": 2}, ["p4", "p3"]),
            ({"state": PurchaseState.DUE}, ["p4", "p2"]),
            ({"supplier": "fulu"}, ["p4", "p3", "p1"]),
            ({"order_id": first}, ["p4", "p1"]),
            ({"need": f"line:{first}/1"}, ["p4", "p1"]),
            ({"need": f"line:{first}/1", "state": PurchaseState.FAILED}, ["p1"]),
            ({"order_id": first, "supplier": "other"}, []),
        ):
            assert [x.reference for x in pool.purchases(**given)] == names, given
        with pool.transaction() as change:
            counts = [change.open_purchases(OrderId(x)) for x in (first, second, 2**40)]
        assert counts == [1, 1, 0]

    def test_a_purchase_is_found_by_its_suppliers_number(self, pool: Pool) -> None:
        """The newest, of that supplier; one whose number is not known is not found by none."""
        for name, supplier, remote in (
            ("p1", "fulu", "R1"), ("p2", "fulu", "R1"), ("p3", "other", "R1"), ("p4", "fulu", "r1"),
        ):  # fmt: skip
            found = _moved(
                pool, begin(pool, buying(name, supplier=supplier)), PurchaseState.SENDING
            )
            _moved(pool, found, PurchaseState.ACCEPTED, remote=remote)
        begin(pool, buying("p5"))
        found_by = {
            (supplier, remote): found and found.reference
            for supplier in ("fulu", "other")
            for remote in ("R1", "r1", "")
            for found in (pool.purchase_of(supplier, remote),)
        }
        assert found_by == {
            ("fulu", "R1"): "p2", ("fulu", "r1"): "p4", ("fulu", ""): None,
            ("other", "R1"): "p3", ("other", "r1"): None, ("other", ""): None,
        }  # fmt: skip
        assert pool.purchase("P1") is None

    def test_the_events_of_a_restock_are_found_by_its_reference(self, pool: Pool) -> None:
        """Those of no order that name exactly this one, in the order they were recorded."""
        order_id = sell(pool, "A1").order_id
        with pool.transaction() as change:
            change.record([
                _told("purchase.begun", "p1"), _told("purchase.done", "p10"),
                _told("purchase.begun", "p1", order_id), _told("purchase.held", "P1"),
                _told("stock.low", ""), _told("purchase.done", "p1"),
            ])  # fmt: skip
        found = pool.restock_events("p1")
        assert [x.kind for x in found] == ["purchase.begun", "purchase.done"]
        assert found[0].id < found[1].id
        assert not found[0].order_no
        assert [x.kind for x in pool.restock_events("p10")] == ["purchase.done"]
        assert pool.restock_events("p%") == []

    # --- suppliers ---

    def test_what_is_known_of_a_supplier_is_written_over(self, pool: Pool) -> None:
        """Nothing at first; then all of it, fractions too."""
        record = SupplierRecord(
            name="fulu", day=20_454, spent_minor=2**40, failures=2, pauses=1,
            paused_until_ms=NOW + 9, balance_minor=-5, currency="CNY", balance_ms=NOW,
            is_low=True, looked_ms=NOW, served=0.1, asked=1 / 3, took_ms=1234.5,
        )  # fmt: skip
        with pool.transaction() as change:
            assert change.supplier("fulu") == SupplierRecord(name="fulu")
            change.write_supplier(record)
            assert change.supplier("fulu") == record
            change.supplier("another")
            change.write_supplier(record)
        assert pool.supplier_records() == [SupplierRecord(name="another"), record]

    def test_a_supplier_that_was_not_read_is_not_written(self, pool: Pool) -> None:
        """What somebody else knows of it would be lost."""
        with pytest.raises(IllegalTransition), pool.transaction() as change:
            change.write_supplier(SupplierRecord(name="fulu"))
        assert pool.supplier_records() == []

    def test_the_last_offer_counts(self, pool: Pool) -> None:
        """One for each supplier and sku, by these."""
        first = _offer("fulu", "steam", 1)
        others = [_offer("fulu", "psn", 2), _offer("acme", "steam", 3)]
        last = attrs.evolve(first, item="new", price_minor=9, available=None, on_sale=False)
        with pool.transaction() as change:
            for each in (first, *others, last):
                change.write_offer(each)
        assert pool.offers() == [others[1], others[0], last]
        assert pool.offers("fulu") == [others[0], last]
        assert pool.offers("none") == []

    # --- sales ---

    def test_sales_are_counted_by_warehouse_and_day(self, pool: Pool) -> None:
        """When a card leaves for a line, once; before, between and after roll-ups alike."""
        bring(pool, *(f"card {i}" for i in range(9)))
        bring(pool, "spare", warehouse="backup")
        bring(pool, "game", sku="psn")
        last_night = _TODAY * _DAY_MS - 1
        place(pool, order("A1", line(quantity=2), accepted_ms=last_night))
        place(pool, order("A2", line(card_state=CardState.ISSUED, filled=ISSUED)))
        _rolled_up(pool)
        sell(pool, "A3", plan_warehouses=("backup",))
        sell(pool, "A4", sku="psn")
        place(pool, order("A5", line(quantity=3), accepted_ms=last_night + 1))
        expected = {("main", _TODAY - 1): 2, ("main", _TODAY): 4, ("backup", _TODAY): 1}
        assert pool.sales("steam", 0) == expected
        _rolled_up(pool)
        assert pool.sales("steam", 0) == expected
        del expected["main", _TODAY - 1]
        assert pool.sales("steam", _TODAY) == expected
        assert pool.sales("steam", _TODAY + 1) == {}
        assert pool.sales("psn", 0) == {("main", _TODAY): 1}

    def test_what_is_not_sold_is_no_sale(self, pool: Pool) -> None:
        """Cards that come, move, are held or taken out of use; a sold one is counted once."""
        bring(pool, "a", "b", "c", "d", "e")
        held = place(pool, unpaid("A1", reserving()))
        sell(pool, "A2", plan_warehouses=("nowhere",))
        given = card_id(pool, "c")
        with pool.transaction() as change:
            change.void_card(card_id(pool, "b"), CardState.AVAILABLE, now_ms=NOW)
            change.move_cards("steam", "main", "backup", limit=1, now_ms=NOW)
            change.move_line_cards(
                held.order_id, 1, CardState.RESERVED, CardState.AVAILABLE, now_ms=NOW
            )
        assert pool.sales("steam", 0) == {}
        with pool.transaction() as change:
            change.give_cards(stored_line(pool, "A2"), [given], CardState.ISSUED, now_ms=NOW)
            change.move_line_cards(
                stored(pool, "A2").id, 1, CardState.ISSUED, CardState.DELIVERED,
                now_ms=NOW + _DAY_MS,
            )  # fmt: skip
            change.void_card(given, CardState.DELIVERED, now_ms=NOW)
        assert list(pool.sales("steam", 0).values()) == [1]
        _rolled_up(pool)
        assert list(pool.sales("steam", 0).values()) == [1]

    def test_a_reserved_card_is_sold_when_it_is_paid(self, pool: Pool) -> None:
        """Its day is that of the payment."""
        bring(pool, "a")
        place(pool, unpaid("A1", reserving()))
        with pool.transaction() as change:
            change.fill(
                stored_line(pool), Plan(sku="steam", quantity=1), card_state=CardState.DELIVERED,
                filled=DELIVERED, short=SHORT, now_ms=NOW + _DAY_MS,
            )  # fmt: skip
        assert pool.sales("steam", 0) == {("main", _TODAY + 1): 1}

    def test_a_shared_card_is_a_sale_when_it_is_used_up(self, pool: Pool) -> None:
        """Until then it stays where it is, however often it is sold."""
        bring(pool, "link")
        sell(pool, "A1", 2, plan_shared=True, plan_cap=3)
        assert pool.sales("steam", 0) == {}
        sell(pool, "A2", plan_shared=True, plan_cap=3)
        assert pool.sales("steam", 0) == {("main", _TODAY): 1}

    # --- the audit ---

    def test_the_audit_misses_a_purchase(self, pool: Pool) -> None:
        """A line that is being bought has an open one, and an open one has its line."""
        placed = place(pool, order("A1", line(plan=None, short=BUYING)))
        assert len(pool.audit()) == 1
        begun = begin(pool, buying_for(placed.order_id))
        assert pool.audit() == []
        with pool.transaction() as change:
            change.settle_line(stored_line(pool), SHORT, now_ms=NOW)
        assert len(pool.audit()) == 1
        sent = _moved(pool, begun, PurchaseState.SENDING)
        assert len(pool.audit()) == 1
        held = _moved(pool, sent, PurchaseState.HELD)
        assert pool.audit() == [], "a person decides about both"
        _moved(pool, held, PurchaseState.FAILED)
        assert pool.audit() == []


def _found(pool: Pool) -> StoredPurchase:
    found = pool.purchase("p1")
    assert found is not None
    return found


def _claimed(pool: Pool, seen: StoredPurchase, state: PurchaseState) -> StoredPurchase | None:
    return pool.change(lambda change: change.claim_purchase(seen, state, NOW + 50))


def _moved(pool: Pool, found: StoredPurchase, state: PurchaseState, **told: Any) -> StoredPurchase:
    """Take a purchase to *state*, as SENDING for a while."""
    with pool.transaction() as change:
        if state is PurchaseState.SENDING:
            change.claim_purchase(found, state, NOW + 50)
        else:
            change.settle_purchase(found, Settlement(state=state, **told), now_ms=NOW)
    moved = pool.purchase(found.reference)
    assert moved is not None
    return moved


def _in_state(pool: Pool, state: PurchaseState) -> StoredPurchase:
    is_new = state in (PurchaseState.PROPOSED, PurchaseState.DUE, PurchaseState.SENDING)
    found = begin(pool, buying(state=state if is_new else PurchaseState.SENDING))
    return found if is_new else _moved(pool, found, state)


def _offer(supplier: str, sku: str, price_minor: int) -> OfferRecord:
    return OfferRecord(
        supplier=supplier, sku=sku, item=f"{sku}-50", price_minor=price_minor, currency="CNY",
        available=2**40, on_sale=True, seen_ms=NOW,
    )  # fmt: skip


def _rolled_up(pool: Pool) -> None:
    while pool.change(lambda change: change.roll_up()):
        pass
