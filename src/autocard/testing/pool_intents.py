"""What every pool promises about intents: claimed once, fenced, settled as the states allow."""

from __future__ import annotations

import attrs
import pytest

from autocard.errors import IllegalTransition, StoreError
from autocard.ports import Pool
from autocard.records import IntentKind, StoredIntent
from autocard.states import INTENT_MOVES, IntentState
from autocard.testing.shelf import (
    NOW,
    bring,
    insert,
    intent,
    line,
    order,
    picture,
    place,
    sell,
    stored,
)

_LEASE_MS = 1000


class IntentPromises:
    """The part of `PoolSuite` that is about outside calls."""

    @pytest.mark.parametrize("target", list(IntentState))
    @pytest.mark.parametrize("state", list(IntentState))
    def test_intents_move_as_the_table_of_states_allows(
        self, pool: Pool, state: IntentState, target: IntentState
    ) -> None:
        """What the table does not allow is refused and changes nothing."""
        found = _intent_in(pool, state)
        before = picture(pool)
        if target in INTENT_MOVES[state]:
            with pool.transaction() as change:
                change.settle_intent(found, target, due_ms=NOW + 7, problem="why", remote="R" * 300)
            (now,) = pool.intents_of(found.order_id)
            assert now == attrs.evolve(found, state=target, problem="why")
        else:
            with pytest.raises(IllegalTransition), pool.transaction() as change:
                change.settle_intent(found, target)
            assert picture(pool) == before

    def test_an_intent_is_kept_as_it_was_committed(self, pool: Pool) -> None:
        """Money and route come back; the reference is there once in the whole store."""
        order_id = sell(pool, "A1").order_id
        refund = intent("r2", kind=IntentKind.REFUND, amount_minor=1000, currency="CNY")
        with pool.transaction() as change:
            change.insert_intents(order_id, 0, [intent("r1"), refund], now_ms=NOW)
            assert len(change.intents_of(order_id)) == 2
        first, second = pool.intents_of(order_id)
        assert (first.state, first.attempts, first.created_ms) == (IntentState.DUE, 0, NOW)
        assert (second.kind, second.amount_minor, second.currency) == ("refund", 1000, "CNY")
        assert (second.reference, second.route, second.line_no) == ("r2", "platform", 0)
        with pytest.raises(StoreError), pool.transaction() as change:
            change.insert_intents(order_id, 1, [intent("r1")], now_ms=NOW)

    def test_due_intents_are_claimed_once_for_a_while(self, pool: Pool) -> None:
        """The earliest first and no more than asked; whoever vanishes leaves it UNKNOWN."""
        order_id = sell(pool, "A1").order_id
        wanted = [intent("late", due_ms=NOW + 5), intent("now"), intent("soon", due_ms=NOW - 5)]
        with pool.transaction() as change:
            change.insert_intents(order_id, 1, wanted, now_ms=NOW)
        assert _claimed(pool, NOW, 1) == [("soon", "sending", 1)]
        assert _claimed(pool, NOW) == [("now", "sending", 1)]
        assert _claimed(pool, NOW + 5) == [("late", "sending", 1)]
        assert _claimed(pool, NOW + _LEASE_MS - 1) == []
        again = _claimed(pool, NOW + _LEASE_MS, 1) + _claimed(pool, NOW + _LEASE_MS)
        assert sorted(again) == [("now", "unknown", 2), ("soon", "unknown", 2)]

    def test_the_intents_of_one_order_are_claimed_alone(self, pool: Pool) -> None:
        """Those of other orders stay due, however long they have been."""
        sell(pool, "A1")
        insert(pool, intent("other", due_ms=NOW - 9))
        order_id = sell(pool, "A2").order_id
        with pool.transaction() as change:
            change.insert_intents(order_id, 1, [intent("a"), intent("b")], now_ms=NOW)
            change.insert_intents(order_id, 2, [intent("c", due_ms=NOW + 1)], now_ms=NOW)
        first = pool.claim_intents(NOW, _LEASE_MS, 1, order_id=order_id)
        rest = pool.claim_intents(NOW, _LEASE_MS, 9, order_id=order_id)
        assert [x.reference for x in (*first, *rest)] == ["a", "b"]
        assert pool.claim_intents(NOW, _LEASE_MS, 9, order_id=order_id) == []
        assert _claimed(pool, NOW) == [("other", "sending", 1)]

    def test_an_intent_of_the_caller_is_its_own_until_the_lease_ends(self, pool: Pool) -> None:
        """Committed as SENDING, nobody else takes it; afterwards its outcome is unknown."""
        bring(pool, "a")
        mine = intent("r1", lease_ms=NOW + 50)
        order_id = place(pool, order("A1", line(intents=(mine,)))).order_id
        (found,) = pool.intents_of(order_id)
        assert (found.state, found.attempts) == (IntentState.SENDING, 1)
        assert _claimed(pool, NOW + 49) == []
        assert _claimed(pool, NOW + 50) == [("r1", "unknown", 2)]

    def test_a_late_sender_is_fenced_off(self, pool: Pool) -> None:
        """Whoever claimed last has the word; the answer of the one before changes nothing."""
        sell(pool, "A1")
        insert(pool, intent())
        (first,) = pool.claim_intents(NOW, _LEASE_MS, 9)
        (second,) = pool.claim_intents(NOW + _LEASE_MS, _LEASE_MS, 9)
        (third,) = pool.claim_intents(NOW + 2 * _LEASE_MS, _LEASE_MS, 9)
        for late in (first, second):
            with pytest.raises(IllegalTransition), pool.transaction() as change:
                change.settle_intent(late, IntentState.DONE)
        with pool.transaction() as change:
            change.settle_intent(third, IntentState.DONE)

    def test_a_settled_intent_waits_for_its_moment(self, pool: Pool) -> None:
        """Put off it is due again later; done or failed it is claimed no more."""
        sell(pool, "A1")
        insert(pool, intent("again"), intent("lost"), intent("done"), intent("failed"))
        claimed = {str(x.reference): x for x in pool.claim_intents(NOW, _LEASE_MS, 9)}
        with pool.transaction() as change:
            for name, state in (
                ("again", IntentState.DUE), ("lost", IntentState.UNKNOWN),
                ("done", IntentState.DONE), ("failed", IntentState.FAILED),
            ):  # fmt: skip
                change.settle_intent(claimed[name], state, due_ms=NOW + 9)
            assert change.open_intents(stored(pool).id, 1) == 2
        assert _claimed(pool, NOW + 8) == []
        assert _claimed(pool, NOW + 9) == [("again", "sending", 2), ("lost", "unknown", 2)]

    def test_open_intents_are_deliveries_of_the_line_that_go_on(self, pool: Pool) -> None:
        """What is done or given up, a refund, and what belongs to another line, do not count."""
        order_id = sell(pool, "A1").order_id
        with pool.transaction() as change:
            change.insert_intents(order_id, 1, [intent("a"), intent("b")], now_ms=NOW)
            change.insert_intents(order_id, 2, [intent("c")], now_ms=NOW)
            change.insert_intents(order_id, 1, [intent("d", kind=IntentKind.REFUND)], now_ms=NOW)
            counts = [change.open_intents(order_id, number) for number in (0, 1, 2)]
        assert counts == [0, 2, 1]


def _claimed(pool: Pool, now_ms: int, limit: int = 9) -> list[tuple[str, str, int]]:
    found = pool.claim_intents(now_ms, _LEASE_MS, limit)
    return [(x.reference, str(x.state), x.attempts) for x in found]


def _intent_in(pool: Pool, state: IntentState) -> StoredIntent:
    order_id = sell(pool, "A1").order_id
    is_due = state is IntentState.DUE
    insert(pool, intent(lease_ms=None if is_due else NOW + 50))
    (found,) = pool.intents_of(order_id)
    if state is not found.state:
        with pool.transaction() as change:
            change.settle_intent(found, state)
        (found,) = pool.intents_of(order_id)
    return found
