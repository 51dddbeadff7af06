"""The conformance suite for pools: subclass it, give it a fixture, run pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import attrs
import pytest

from autocard.errors import StoreError
from autocard.model import PurchaseId
from autocard.ports import Pool, Transaction
from autocard.records import (
    PurchaseEntry,
    Status,
    StoredPurchase,
    WrappedKey,
)
from autocard.states import Outcome, PurchaseState
from autocard.testing.pool_archives import ArchivePromises
from autocard.testing.pool_cards import CardPromises
from autocard.testing.pool_changes import CHANGES, live
from autocard.testing.pool_intents import IntentPromises
from autocard.testing.pool_orders import OrderPromises
from autocard.testing.pool_purchases import PurchasePromises
from autocard.testing.pool_work import Host, WorkPromises
from autocard.testing.shelf import (
    NOW,
    begin,
    bring,
    buying,
    insert,
    intent,
    levels,
    order,
    picture,
    sell,
    stored_line,
    together,
)
from autocard.testing.suite import Suite

_LEASE_MS = 1000


class PoolSuite(
    ArchivePromises,
    CardPromises,
    OrderPromises,
    IntentPromises,
    PurchasePromises,
    WorkPromises,
    Suite,
):
    """
    What every store must do. Subclass it with a name that begins with `Test`.

    Give these fixtures; only `make_pool` is required:

    - `make_pool`: called without arguments it returns a `Pool` on a new, empty store;
    - `reopen`: called with a closed pool it returns another one on the same store; None where
      nothing outlives the process;
    - `host`: called with a pool it returns a context manager that gives a connection of a host to
      the same database, with `commit` and `rollback`; None where no host can join.
    """

    # --- fixtures ---------------------------------------------------------------------------

    @pytest.fixture(name="make_pool")
    def _make_pool(self) -> Callable[[], Pool]:
        pytest.fail("the suite needs a fixture 'make_pool' that returns a function")

    @pytest.fixture(name="reopen")
    def _reopen(self) -> Callable[[Pool], Pool] | None:
        return None

    @pytest.fixture(name="host")
    def _host(self) -> Host | None:
        return None

    @pytest.fixture(name="pool")
    def _pool(self, make_pool: Callable[[], Pool]) -> Iterator[Pool]:
        pool = make_pool()
        yield pool
        pool.close()

    @pytest.fixture(autouse=True)
    def _skip_exempt(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", request.node.name)
        if name in self.exempt:
            pytest.skip(f"exempt: {self.exempt[name]}")

    # --- a new store ------------------------------------------------------------------------

    def test_an_empty_store_has_nothing(self, pool: Pool) -> None:
        """Every look answers, with nothing."""
        assert picture(pool) == ([], [], [], [], [], [], ([], [], []), [])
        assert (pool.waiting(limit=9), pool.unconfirmed(9), pool.lapsed(NOW, 9)) == ([], [], [])
        assert (pool.claim_intents(NOW, _LEASE_MS, 9), pool.audit()) == ([], [])
        assert (pool.due_purchases(NOW, 9), pool.sales("steam", 0)) == ([], {})
        with pool.transaction() as change:
            assert change.roll_up() == 0
        assert (pool.stock("steam"), pool.batches("steam")) == ([], [])

    def test_two_stores_do_not_know_each_other(self, make_pool: Callable[[], Pool]) -> None:
        """Every call of `make_pool` begins with an empty store."""
        first, second = make_pool(), make_pool()
        bring(first, "a")
        assert second.stock() == []
        first.close()
        second.close()

    def test_everything_is_there_after_reopening(
        self, pool: Pool, reopen: Callable[[Pool], Pool] | None
    ) -> None:
        """What was committed outlives the pool; closing twice is fine."""
        if reopen is None:
            pytest.skip("nothing outlives this process")
        live(pool)
        before = picture(pool)
        pool.close()
        pool.close()
        again = reopen(pool)
        assert picture(again) == before
        again.close()

    def test_data_keys_are_kept_by_number(self, pool: Pool) -> None:
        """Each number is there once."""
        made = datetime(2026, 1, 2, tzinfo=UTC)
        rows = [WrappedKey(n, "seal", "k1", bytes([0, n, 255]), made) for n in (2, 1)]
        with pool.transaction() as change:
            change.insert_data_keys(rows)
        assert pool.data_keys() == rows[::-1]
        with pytest.raises(StoreError), pool.transaction() as change:
            change.insert_data_keys(rows[:1])

    def test_the_books_agree_after_a_full_life(self, pool: Pool) -> None:
        """The audit has nothing to say of what the flow may do, before and after a roll-up."""
        live(pool)
        assert pool.audit() == []
        with pool.transaction() as change:
            change.roll_up()
        assert pool.audit() == []

    def test_the_audit_misses_a_card(self, pool: Pool) -> None:
        """A delivered line without cards, and without an event, is told of."""
        sell(pool, "A1")
        with pool.transaction() as change:
            change.settle_line(stored_line(pool), Status(Outcome.DELIVERED), now_ms=NOW)
        assert len(pool.audit()) == 2

    # --- transactions -----------------------------------------------------------------------

    @pytest.mark.parametrize("work", CHANGES, ids=lambda work: work.__name__)
    def test_a_change_that_fails_leaves_nothing(
        self, pool: Pool, work: Callable[[Pool, Transaction], None]
    ) -> None:
        """Whatever was done before the failure is gone, and the next change goes through."""
        live(pool)
        before = picture(pool)
        with suppress(ZeroDivisionError), pool.transaction() as change:
            work(pool, change)
            raise ZeroDivisionError
        assert picture(pool) == before
        with pool.transaction() as change:
            work(pool, change)

    def test_a_change_sees_itself_before_others_do(self, pool: Pool) -> None:
        """Another thread looks at what is committed, without waiting for the writer."""
        seen: list[object] = []
        with pool.transaction() as change:
            change.place(order())
            assert change.order("shop", "A1") is not None
            together(1, lambda _: seen.append(pool.order("shop", "A1")))
        assert seen == [None]
        assert pool.order("shop", "A1") is not None

    def test_a_thread_knows_whether_it_is_inside_a_change(self, pool: Pool) -> None:
        """Inside, nothing may be called outside; other threads are not concerned."""
        seen: list[bool] = []
        assert not pool.in_transaction()
        with pool.transaction():
            assert pool.in_transaction()
            together(1, lambda _: seen.append(pool.in_transaction()))
        assert seen == [False]
        with suppress(ZeroDivisionError), pool.transaction():
            raise ZeroDivisionError
        assert not pool.in_transaction()

    # --- many at once -----------------------------------------------------------------------

    def test_threads_never_share_a_card(self, pool: Pool) -> None:
        """Orders that race get different cards; those that come too late get none."""
        bring(pool, *(f"card {i}" for i in range(30)))
        taken: list[int] = []

        def buy(number: int) -> None:
            for i in range(5):
                placed = sell(pool, f"A{number}-{i}", 2)
                taken.extend(card.id for _, cards in placed.lines for card in cards)

        together(6, buy)
        assert len(taken) == len(set(taken)) == 30
        assert levels(pool) == {"delivered": 30}
        assert sum(len(pool.cards_of(x.id)) for x in pool.orders(limit=99)) == 15

    def test_threads_accept_a_number_once(self, pool: Pool) -> None:
        """The same order from everywhere at once is placed by one of them."""
        bring(pool, *(f"card {i}" for i in range(12)))
        placed: list[bool] = []

        def accept(_: int) -> None:
            numbers = ("A0", "A1", "A2")
            placed.extend([pool.change(partial(_is_new, number=x)) for x in numbers])

        together(4, accept)
        assert (placed.count(True), placed.count(False)) == (3, 9)
        assert levels(pool) == {"available": 9, "delivered": 3}

    def test_threads_add_a_card_once(self, pool: Pool) -> None:
        """The same file imported from everywhere at once brings each card once."""
        names = [f"card {i}" for i in range(40)]

        def import_all(_: int) -> None:
            for name in names:
                bring(pool, name)

        together(4, import_all)
        assert levels(pool) == {"available": 40}
        assert sum(x.added for x in pool.batches()) == 40

    def test_threads_claim_an_intent_once(self, pool: Pool) -> None:
        """Hosts that resume at the same time do not make a call twice."""
        sell(pool, "A1")
        insert(pool, *(intent(f"r{i}") for i in range(40)))
        claimed: list[str] = []

        def work(_: int) -> None:
            while found := pool.claim_intents(NOW, _LEASE_MS, 3):
                claimed.extend(x.reference for x in found)

        together(4, work)
        assert len(claimed) == len(set(claimed)) == 40

    def test_threads_begin_one_purchase_for_a_need(self, pool: Pool) -> None:
        """However many hosts find the same shortage at once, one of them buys."""
        begun: list[PurchaseId | None] = []

        def buy(number: int) -> None:
            for i in range(5):
                entry = buying(f"p{number}x{i}", need=f"line:{i}/1")
                begun.append(pool.change(partial(_begun, entry=entry)))

        together(4, buy)
        assert len([x for x in begun if x is not None]) == 5
        assert len(pool.purchases()) == 5

    def test_threads_claim_a_purchase_once(self, pool: Pool) -> None:
        """Hosts that resume at the same time do not buy twice."""
        for i in range(20):
            begin(pool, buying(f"p{i}"))
        claimed: list[str] = []

        def work(_: int) -> None:
            while found := pool.due_purchases(NOW, 3):
                won = [x for x in found if pool.change(partial(_claimed, purchase=x))]
                claimed.extend(x.reference for x in won)

        together(4, work)
        assert len(claimed) == len(set(claimed)) == 20

    def test_threads_know_a_supplier_once(self, pool: Pool) -> None:
        """What one counts up the next one has read, from the first time on."""

        def spend(change: Transaction) -> None:
            known = change.supplier("fulu")
            change.write_supplier(attrs.evolve(known, spent_minor=known.spent_minor + 1))

        def spend_often(_: int) -> None:
            for _ in range(10):
                pool.change(spend)

        together(4, spend_often)
        assert [x.spent_minor for x in pool.supplier_records()] == [40]

    def test_threads_use_a_shared_card_up_exactly(self, pool: Pool) -> None:
        """The cap holds, however many sell at once."""
        bring(pool, "link")
        filled: list[bool] = []

        def buy(number: int) -> None:
            for i in range(5):
                placed = sell(pool, f"A{number}-{i}", plan_shared=True, plan_cap=13)
                filled.append(bool(placed.lines[0][1]))

        together(4, buy)
        assert filled.count(True) == 13
        assert levels(pool) == {"delivered": 1}


def _begun(change: Transaction, entry: PurchaseEntry) -> PurchaseId | None:
    return change.begin_purchase(entry)


def _claimed(change: Transaction, purchase: StoredPurchase) -> bool:
    return change.claim_purchase(purchase, PurchaseState.SENDING, NOW + _LEASE_MS) is not None


def _is_new(change: Transaction, number: str) -> bool:
    return change.place(order(number)) is not None
