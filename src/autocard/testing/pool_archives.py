"""What every pool promises about archives: only what is over leaves, and it can come back."""

from __future__ import annotations

import attrs
import pytest

from autocard.errors import IllegalTransition
from autocard.model import OrderId
from autocard.ports import Pool
from autocard.records import (
    ArchiveState,
    EventEntry,
    OldRecord,
    RecordKind,
    Status,
    StoredArchive,
    StoredOrder,
)
from autocard.states import CardState, IntentState, Outcome, Reason
from autocard.testing.shelf import (
    DELIVERED,
    NOW,
    begin,
    bring,
    buying_for,
    intent,
    levels,
    line,
    order,
    place,
    reserving,
    sell,
    stored,
    stored_line,
    unpaid,
)

_LATER = NOW + 1
_SOLD = EventEntry(kind="line.delivered", at_ms=NOW, order_id=None, line_no=1)
_MADE = EventEntry(kind="archive.made", at_ms=_LATER)


class ArchivePromises:
    """The part of `PoolSuite` that is about archives."""

    def test_only_orders_that_are_over_may_leave(self, pool: Pool) -> None:
        """Not those that wait, are held, reserved, on their way, bought for, or stirred lately."""
        bring(pool, *(f"card {i}" for i in range(9)))
        over = sell(pool, "D1").order_id
        place(pool, order("D2", accepted_ms=NOW + 9))
        stirred = sell(pool, "D3").order_id
        begin(pool, buying_for(sell(pool, "D4").order_id))
        sell(pool, "W1", 99)
        place(pool, unpaid("R1", reserving(), reserved_until_ms=NOW + 60))
        place(pool, order("P1", line(intents=(intent(),))))
        place(pool, order("L1", digest=None, lines=()))
        with pool.transaction() as change:
            change.record([attrs.evolve(_SOLD, order_id=stirred, at_ms=_LATER)])
        assert _old(pool, RecordKind.ORDER) == [over]
        assert _old(pool, RecordKind.ORDER, before_ms=NOW) == []
        assert _old(pool, RecordKind.ORDER, after=over) == []

    def test_only_the_payload_of_an_order_leaves(self, pool: Pool) -> None:
        """Its name, digest, lines, buyer and cards stay; it says where the payload is."""
        before = _sold(pool)
        records = _cleared(pool)
        (record,) = (x for x in records if x.kind is RecordKind.ORDER)
        after = stored(pool, "D1")
        assert after == attrs.evolve(before, payload=b"", archive="a1")
        assert record.columns["payload"] == before.payload
        assert len(pool.cards_of(after.id)[1]) == 2
        assert levels(pool) == {"delivered": 2}
        with pool.transaction() as change:
            assert change.place(order("D1")) is None
        assert pool.audit() == []

    def test_events_and_closed_intents_leave_with_their_order(self, pool: Pool) -> None:
        """Those of others stay, as does the newest intent, whose number must not be given twice."""
        _sold(pool)
        place(pool, order("P2", line(quantity=9, intents=())))
        with pool.transaction() as change:
            change.insert_intents(stored(pool, "P2").id, 1, [intent("r2")], now_ms=NOW)
        records = _cleared(pool)
        assert [x.columns["reference"] for x in records if x.kind is RecordKind.INTENT] == ["r1"]
        assert pool.intents_of(stored(pool, "D1").id) == []
        assert len(pool.intents_of(stored(pool, "P2").id)) == 1
        assert [x.kind for x in pool.events()] == ["archive.made"]

    def test_clearing_again_does_nothing(self, pool: Pool) -> None:
        """As after a run that was cut off in the middle."""
        _sold(pool)
        records = _begun(pool)
        with pool.transaction() as change:
            assert change.clear(_archive(), records) == len(records)
        with pool.transaction() as change:
            assert change.clear(_archive(), records) == 0
            change.close_archive("a1")
        with pytest.raises(IllegalTransition), pool.transaction() as change:
            change.clear(_archive(), records)
        with pytest.raises(IllegalTransition), pool.transaction() as change:
            change.close_archive("a1")
        assert [x.state for x in pool.archives()] == [ArchiveState.DONE]

    @pytest.mark.parametrize("move", ["held", "sending", "buying", "stirred", "reserved"])
    def test_an_order_that_moved_on_keeps_everything(self, pool: Pool, move: str) -> None:
        """What was written of it is a copy then, and its events and intents are not taken."""
        place(pool, unpaid("C1", line(plan_warehouses=("nowhere",), short=_CANCELLED)))
        before = stored(pool, "C1")
        with pool.transaction() as change:
            change.record([attrs.evolve(_SOLD, order_id=before.id, kind="line.cancelled")])
        records = _begun(pool)
        with pool.transaction() as change:
            if move == "held":
                change.settle_line(before.lines[0], Status(Outcome.HELD), now_ms=NOW)
            elif move == "sending":
                change.insert_intents(before.id, 1, [intent("new")], now_ms=NOW)
            elif move == "buying":
                change.begin_purchase(buying_for(before.id))
            elif move == "stirred":
                change.record([attrs.evolve(_SOLD, order_id=before.id, at_ms=_LATER)])
            else:
                entry = unpaid("C1", reserved_until_ms=NOW + 60, payload=b"again")
                change.attach(before.id, entry)
        moved = stored(pool, "C1")
        with pool.transaction() as change:
            assert change.clear(_archive(), records) == 0
        assert stored(pool, "C1") == moved
        assert "line.cancelled" in [x.kind for x in pool.events(order_id=before.id)]

    def test_a_vanished_writer_is_replaced(self, pool: Pool) -> None:
        """Whoever comes later takes over; what the first one still writes does not count."""
        with pool.transaction() as change:
            assert change.begin_archive(_archive()) is None
        with pool.transaction() as change:
            assert change.begin_archive(_archive("a2")) == "a1"
        with pytest.raises(IllegalTransition), pool.transaction() as change:
            change.seal_archive(_sealed())
        with pool.transaction() as change:
            change.seal_archive(_sealed("a2"))
        counting = attrs.evolve(_sealed("a2"), state=ArchiveState.CLEARING, replaces="a1")
        assert pool.archives() == [counting]
        with pool.transaction() as change:
            assert change.begin_archive(_archive("a3")) is None
        assert [x.name for x in pool.archives()] == ["a2", "a3"]

    def test_an_order_comes_back_as_it_was(self, pool: Pool) -> None:
        """With its intents, once; events stay where they are."""
        before = _sold(pool)
        with pool.transaction() as change:
            change.insert_intents(before.id, 1, [intent("r2")], now_ms=NOW)
        (_, newest) = pool.intents_of(before.id)
        with pool.transaction() as change:
            change.settle_intent(newest, IntentState.SENDING)
            change.settle_intent(attrs.evolve(newest, state=IntentState.SENDING), IntentState.DONE)
        intents = pool.intents_of(before.id)
        records = _cleared(pool)
        archived = stored(pool, "D1")
        kept = [x for x in records if x.kind is RecordKind.INTENT]
        with pool.transaction() as change:
            change.restore_order(archived, before.payload, kept)
            change.record([attrs.evolve(_MADE, kind="order.restored", order_id=before.id)])
        assert stored(pool, "D1") == before
        assert pool.intents_of(before.id) == intents
        assert pool.audit() == []
        with pytest.raises(IllegalTransition), pool.transaction() as change:
            change.restore_order(archived, before.payload, kept)

    def test_an_archived_order_is_paid_late(self, pool: Pool) -> None:
        """The payment is written down, once; what was bought stays in the archive."""
        place(pool, unpaid("C1", line(plan_warehouses=("nowhere",), short=_CANCELLED)))
        _cleared(pool)
        entry = order("C1", payload=b"a payment", digest=None)
        with pool.transaction() as change:
            change.pay_archived(stored(pool, "C1").id, entry)
        found = stored(pool, "C1")
        assert (found.payload, found.archive, found.paid_ms) == (b"a payment", "a1", entry.paid_ms)
        with pytest.raises(IllegalTransition), pool.transaction() as change:
            change.pay_archived(found.id, entry)

    def test_what_was_rolled_up_may_leave(self, pool: Pool) -> None:
        """Levels are exact without the movements that they hold."""
        bring(pool, "a", "b", "c")
        sell(pool, "D1")
        sell(pool, "D2")
        before = levels(pool)
        with pool.transaction() as change:
            change.begin_archive(_archive())
            change.seal_archive(_sealed())
        # A pool may roll up what it likes by itself; what it has not does not leave.
        for work in (lambda _: None, lambda change: change.roll_up()):
            with pool.transaction() as change:
                work(change)
            page = pool.old_records(RecordKind.MOVEMENT, _LATER)
            with pool.transaction() as change:
                assert change.clear(_archive(), page.records) == len(page.records)
            assert levels(pool) == before
        assert _old(pool, RecordKind.MOVEMENT) == []


_CANCELLED = Status(Outcome.CANCELLED, Reason.SHORT)


def _archive(name: str = "a1") -> StoredArchive:
    return StoredArchive(name=name, before_ms=_LATER, made_ms=_LATER, by="ann", why="old")


def _sealed(name: str = "a1") -> StoredArchive:
    return attrs.evolve(
        _archive(name), since_ms=NOW, until_ms=NOW, orders=1, size=99, sha256=bytes(32)
    )


def _old(
    pool: Pool, kind: RecordKind, *, before_ms: int = _LATER, after: int = 0
) -> list[OrderId | int]:
    return [record.id for record in pool.old_records(kind, before_ms, after=after).records]


def _sold(pool: Pool) -> StoredOrder:
    """Sell and push two cards, and tell of it."""
    bring(pool, "a", "b")
    pushed = line(quantity=2, intents=(intent("r1"),), card_state=CardState.DELIVERED)
    order_id = place(pool, order("D1", attrs.evolve(pushed, filled=DELIVERED))).order_id
    (sent,) = pool.intents_of(order_id)
    with pool.transaction() as change:
        change.settle_intent(sent, IntentState.SENDING)
        change.settle_intent(attrs.evolve(sent, state=IntentState.SENDING), IntentState.DONE)
        change.record([attrs.evolve(_SOLD, order_id=order_id)])
    assert stored_line(pool, "D1").status == DELIVERED
    return stored(pool, "D1")


def _begun(pool: Pool) -> list[OldRecord]:
    """Let an archive count that holds every order that is over, and return its records."""
    page = pool.old_records(RecordKind.ORDER, _LATER).records
    with pool.transaction() as change:
        change.begin_archive(_archive())
        change.seal_archive(_sealed())
        change.record([_MADE])
    return [*page, *pool.records_of([OrderId(x.id) for x in page])]


def _cleared(pool: Pool) -> list[OldRecord]:
    """Archive every order that is over; return what has left."""
    records = _begun(pool)
    with pool.transaction() as change:
        change.clear(_archive(), records)
        change.close_archive("a1")
    return records
