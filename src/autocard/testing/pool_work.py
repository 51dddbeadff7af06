"""What every pool promises about changes: made whole, made again, made inside the host's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from autocard.ports import Pool, Transaction
from autocard.records import EventEntry
from autocard.testing.shelf import NOW, bring, levels, line, order, picture, sell, stored, together

Host = Callable[[Pool], AbstractContextManager[Any]]
_MEET_S = 0.5
"""How long two changes wait to meet; where one writer works at a time they never do."""


class WorkPromises:
    """The part of `PoolSuite` that is about making changes."""

    def test_a_change_returns_what_its_work_returned(self, pool: Pool) -> None:
        """It is committed by then, and work that needs no second try is done once."""
        done: list[int] = []

        def work(change: Transaction) -> str:
            done.append(1)
            change.place(order("A1"))
            return "told"

        assert pool.change(work) == "told"
        assert pool.order("shop", "A1") is not None
        assert done == [1]
        assert pool.change(lambda _: None) is None

    def test_work_that_fails_is_not_done_again(self, pool: Pool) -> None:
        """Its own error comes out as it was, and nothing of it is stored."""
        done: list[int] = []

        def work(change: Transaction) -> None:
            done.append(1)
            change.place(order("A1"))
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            pool.change(work)
        assert done == [1]
        assert pool.order("shop", "A1") is None
        assert not pool.in_transaction()

    def test_changes_of_one_thread_do_not_nest(self, pool: Pool) -> None:
        """A second change inside the first would commit half of it."""
        with pool.transaction(), pytest.raises(RuntimeError, match="inside"):
            pool.change(lambda change: change.place(order("A1")))
        assert not pool.in_transaction()
        assert pool.order("shop", "A1") is None

    def test_changes_that_stand_in_each_others_way_are_made_one_after_the_other(
        self, pool: Pool
    ) -> None:
        """Each holds what the other needs; the one that is undone is made again, whole."""
        for number in ("A1", "A2"):
            sell(pool, number)
        meeting = threading.Barrier(2)

        def cross(thread: int) -> None:
            first, second = ("A1", "A2") if thread == 0 else ("A2", "A1")

            def work(change: Transaction) -> None:
                change.record([EventEntry(kind=f"crossed.{thread}", at_ms=NOW)])
                change.order("shop", first)
                with suppress(threading.BrokenBarrierError):
                    meeting.wait(_MEET_S)
                change.order("shop", second)

            pool.change(work)

        together(2, cross)
        assert sorted(x.kind for x in pool.events()) == ["crossed.0", "crossed.1"]

    def test_the_clock_tells_the_time(self, pool: Pool) -> None:
        """It is aware, in UTC, near the time of this machine, and does not go backwards."""
        told = [pool.clock.now() for _ in range(3)]
        assert all(x.tzinfo is UTC for x in told)
        assert told == sorted(told)
        assert abs((told[0] - datetime.now(UTC)).total_seconds()) < 600

    # --- the host's transaction ---

    def test_a_hosts_rollback_leaves_no_trace(self, pool: Pool, host: Host | None) -> None:
        """What was changed on the host's connection goes with what the host changed."""
        if host is None:
            pytest.skip("no host can join")
        bring(pool, "a", "b")
        before = picture(pool)
        with host(pool) as connection:
            placed = pool.change(lambda change: change.place(order("A1")), connection)
            assert placed is not None
            assert placed.lines[0][1]
            connection.rollback()
        assert picture(pool) == before
        assert sell(pool, "A1").lines[0][1]

    def test_a_hosts_commit_commits_both(self, pool: Pool, host: Host | None) -> None:
        """Until then nobody else sees the change."""
        if host is None:
            pytest.skip("no host can join")
        bring(pool, "a", "b")
        seen: list[object] = []
        with host(pool) as connection:
            pool.change(
                lambda change: change.place(order("A1", line(), line(2, quantity=5))), connection
            )
            assert not pool.in_transaction()
            together(1, lambda _: seen.append(pool.order("shop", "A1")))
            connection.commit()
        assert seen == [None]
        assert len(stored(pool).lines) == 2
        assert levels(pool) == {"available": 1, "delivered": 1}

    def test_inside_a_hosts_transaction_work_is_done_once(
        self, pool: Pool, host: Host | None
    ) -> None:
        """Its error reaches the host, who rolls back; the thread is free again."""
        if host is None:
            pytest.skip("no host can join")
        done: list[int] = []

        def work(change: Transaction) -> None:
            assert pool.in_transaction()
            done.append(1)
            change.place(order("A1"))
            raise ZeroDivisionError

        with host(pool) as connection:
            with pytest.raises(ZeroDivisionError):
                pool.change(work, connection)
            assert not pool.in_transaction()
            connection.rollback()
        assert done == [1]
        assert pool.order("shop", "A1") is None
