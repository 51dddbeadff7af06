"""The embedded store under real conditions: other threads, forks, full disks, damaged files."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress

import pytest
import sqlalchemy as sa

from autocard.errors import StoreUnavailable
from autocard.store.sqlite import SqlitePool, unavailable
from autocard.testing.pool_changes import live
from autocard.testing.shelf import (
    bring,
    digest,
    levels,
    order,
    picture,
    place,
    sell,
    stored,
    together,
)

MARKER = "TH1S-1S-4-C4RD"
_HOLD = """
import fcntl, sys
f = open(sys.argv[1], "w")
fcntl.flock(f, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def pragma(pool, name):
    return pool.cursor().execute(f"PRAGMA {name}").fetchone()[0]


def told(error):
    """Return all texts that come along with an error, its attributes included."""
    seen = []
    while error is not None:
        seen += [str(error), repr(error), repr(vars(error)), repr(error.args)]
        error = error.__cause__ or error.__context__
    return "\n".join(seen)


class TestSettings:
    def test_every_connection_is_durable(self, store):
        """A commit is on the disk when it returns, in every thread and for cold looks too."""
        seen = []
        together(
            2, lambda _: seen.append((pragma(store, "journal_mode"), pragma(store, "synchronous")))
        )
        with store._engine.connect() as connection:
            cold = connection.exec_driver_sql("PRAGMA synchronous").scalar()
        assert seen == [("wal", 2)] * 2
        assert cold == 2

    def test_the_journal_of_many_orders_stays_short(self, store, file):
        """It is written over, which is faster than letting it grow, and read in no time after a crash."""
        journal = file.with_name(file.name + "-wal")
        sizes = []
        for number in range(900):
            sell(store, f"A{number}")
            sizes.append(journal.stat().st_size)
        assert sizes[899] < 1.5 * sizes[299]

    def test_connections_of_ended_threads_are_used_again(self, store):
        """A server that makes a thread for every request does not gather connections."""
        for _ in range(20):
            together(2, lambda _: store.order("shop", "A1"))
        gc.collect()
        assert store._engine.pool.checkedout() <= 1
        assert store._engine.pool.checkedin() <= 6

    def test_closing_reaches_the_connections_of_other_threads(self, make_store):
        """A thread that still lives finds the store closed; closing twice is fine."""
        pool = make_store()
        gate, closed = threading.Event(), threading.Event()
        errors = []

        def work():
            cursor = pool.cursor()
            gate.set()
            closed.wait(10)
            try:
                cursor.execute("SELECT 1")
            except sqlite3.ProgrammingError as error:
                errors.append(str(error))

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        gate.wait(10)
        pool.close()
        pool.close()
        closed.set()
        thread.join(10)
        assert "closed" in errors[0]


class TestWaiting:
    def test_writers_wait_for_their_turn(self, store):
        """A change that begins while another is open goes through after it."""
        begun = threading.Event()

        def slow():
            with store.transaction() as change:
                begun.set()
                time.sleep(0.2)
                change.place(order("A1"))

        thread = threading.Thread(target=slow)
        thread.start()
        begun.wait()
        placed = sell(store, "A2")
        thread.join()
        assert placed.order_id > stored(store, "A1").id

    def test_a_thread_waits_no_longer_than_configured(self, open_store):
        """Then the store is unavailable, and usable again once the other is done."""
        pool = open_store(query="?wait_s=0.1")
        errors = []

        def late(_):
            try:
                sell(pool, "A1")
            except StoreUnavailable as error:
                errors.append(str(error))

        with pool.transaction():
            together(1, late)
        assert errors == ["the database is locked by another thread; try again"]
        assert sell(pool, "A1")

    def test_another_process_is_waited_for_as_long(self, open_store, file):
        """The queue of processes has the same patience."""
        pool = open_store(query="?wait_s=0.1")
        sell(pool, "A0")
        holder = subprocess.Popen(
            [
                sys.executable, "-c",
_HOLD, f"{file}-lock",
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        holder.stdout.readline()
        with pytest.raises(StoreUnavailable, match="another process; try again"):
            sell(pool, "A1")
        assert pool.order("shop", "A0") is not None, "looks do not wait for writers"
        holder.communicate()
        assert sell(pool, "A1")

    def test_a_program_outside_the_queue_is_waited_for(self, open_store, file):
        """Somebody's own SQL may hold the lock, too."""
        pool = open_store(query="?wait_s=0.1")
        sell(pool, "A0")
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match=r"locked.*try again"):
                sell(pool, "A1")
            assert pool.order("shop", "A1") is None
            other.execute("ROLLBACK")
        assert sell(pool, "A1")
        assert not pool.in_transaction()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
class TestFork:
    def test_a_child_has_its_own_connections(self, store, raw):
        """Parent and children write at the same time after a fork, each its own orders."""
        bring(store, *(f"card {i}" for i in range(30)))
        children = []
        for number in range(3):
            child = os.fork()
            if child == 0:  # pragma: no cover - measured in the parent only
                status = 1
                with suppress(BaseException):
                    for i in range(5):
                        sell(store, f"C{number}-{i}")
                    status = 0
                os._exit(status)
            children.append(child)
        for i in range(5):
            sell(store, f"P-{i}")
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
        assert levels(store) == {"available": 10, "delivered": 20}
        assert raw("PRAGMA integrity_check") == [("ok",)]

    def test_a_child_that_lives_on_does_not_hold_the_lock_of_a_dead_parent(self, file, store):
        """A killed master leaves nothing locked while its workers go on."""
        script = f"""
import os, sys, time
from pathlib import Path
from autocard.store.opening import open_pool
from autocard.testing.shelf import sell
pool = open_pool("sqlite:///shop.db?wait_s=5", base=Path({str(file.parent)!r}), create=False)
sell(pool, "M1")
ready, go = os.pipe()
if os.fork() == 0:
    pool.order("shop", "M1")
    os.write(go, b"x")
    try:
        sell(pool, "C1")
    finally:
        sys.exit()
with pool.transaction():
    os.read(ready, 1)
    os.kill(os.getpid(), 9)
"""
        worker = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
        _, errors = worker.communicate(timeout=60)
        assert worker.returncode == -9, errors
        for _ in range(100):
            if store.order("shop", "C1") is not None:
                break
            time.sleep(0.05)
        assert store.order("shop", "C1") is not None, errors.decode()


class TestTrouble:
    def test_a_full_disk_leaves_everything_as_it_was(self, store):
        """The change that did not fit is gone; with space there is another chance."""
        bring(store, "a")
        before = picture(store)
        pages = pragma(store, "page_count")
        store.cursor().execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreUnavailable, match="disk is full; free some space") as caught:
            bring(store, *(f"{MARKER} {i}" for i in range(3_000)))
        assert MARKER not in told(caught.value)
        assert picture(store) == before
        assert not store.in_transaction()
        store.cursor().execute("PRAGMA max_page_count = 1000000")
        assert sell(store, "A1").lines[0][1]

    def test_a_store_that_may_not_be_written(self, store):
        """The change is refused as a whole, and possible again later."""
        bring(store, "a")
        before = picture(store)
        store.cursor().execute("PRAGMA query_only = ON")
        with pytest.raises(StoreUnavailable, match="read-only"):
            sell(store, "A1")
        store.cursor().execute("PRAGMA query_only = OFF")
        assert picture(store) == before
        assert sell(store, "A1").lines[0][1]

    def test_a_read_only_database_can_be_looked_at(self, store, file):
        """Looks answer; changes say what is missing."""
        bring(store, "a")
        url = sa.URL.create("sqlite", database=f"file:{file}", query={"mode": "ro", "uri": "true"})
        pool = SqlitePool(url)
        assert levels(pool) == {"available": 1}
        with pytest.raises(StoreUnavailable, match="write access"):
            sell(pool, "A1")
        pool.close()

    def test_a_damaged_file_is_told_of(self, open_store, file, raw):
        """Looks, changes and opening name the remedy."""
        pool = open_store()
        bring(pool, *(f"card {i}" for i in range(500)))
        pool.close()
        raw("PRAGMA wal_checkpoint(TRUNCATE)")
        data = bytearray(file.read_bytes())
        data[4096:] = os.urandom(len(data) - 4096)
        file.write_bytes(data)
        with pytest.raises(StoreUnavailable, match="damaged; restore a backup"):
            open_store()
        direct = SqlitePool(sa.URL.create("sqlite", database=str(file)))
        for broken in (lambda: direct.order("shop", "A1"), direct.stock, lambda: sell(direct, "A")):
            with pytest.raises(StoreUnavailable, match="damaged; restore a backup"):
                broken()
        assert not direct.in_transaction()
        direct.close()

    def test_a_file_that_was_taken_away(self, open_store, tmp_path):
        """A folder that is gone is named by what to look at."""
        pool = SqlitePool(sa.URL.create("sqlite", database=str(tmp_path / "gone" / "shop.db")))
        for broken in (lambda: pool.order("shop", "A1"), pool.stock, lambda: sell(pool, "A1")):
            with pytest.raises(StoreUnavailable, match="look at its folder"):
                broken()
        pool.close()

    def test_a_lock_file_that_cannot_be_opened(self, store, file):
        """The message names it."""
        lock = file.with_name("shop.db-lock")
        lock.unlink(missing_ok=True)
        lock.mkdir()
        with pytest.raises(StoreUnavailable, match=r"shop[.]db-lock"):
            sell(store, "A1")

    def test_errors_carry_no_parameters(self, tmp_path):
        """Neither the statement's values nor SQLAlchemy's own error come along."""
        pool = SqlitePool(sa.URL.create("sqlite", database=str(tmp_path / "empty.db")))
        contact = digest(MARKER)
        with pytest.raises(StoreUnavailable) as cold:
            pool.orders(contact=contact)
        with pytest.raises(StoreUnavailable) as hot:
            pool.order("shop", MARKER)
        with pytest.raises(StoreUnavailable) as change:
            place(pool, order(MARKER))
        pool.close()
        for caught in (cold, hot, change):
            text = told(caught.value)
            assert MARKER not in text
            assert repr(contact) not in text
            assert "parameters" not in text

    def test_an_error_without_a_name_is_told_in_its_own_words(self):
        """Older drivers do not name their errors."""
        assert "odd" in str(unavailable(sqlite3.OperationalError("odd")))


class TestHostTransaction:
    def test_the_hosts_error_is_the_hosts(self, store, file):
        """A failing statement inside the host's transaction is told as ours, and it rolls back."""
        bring(store, "a")
        before = picture(store)
        engine = sa.create_engine(f"sqlite:///{file}")
        with engine.connect() as connection:
            with store.transaction(connection) as change:
                change.place(order("A1"))
                assert store.in_transaction()
            assert not store.in_transaction()
            with pytest.raises(StoreUnavailable), store.transaction(connection) as change:
                change._cursor.execute("SELECT nothing FROM nowhere")
            connection.rollback()
        engine.dispose()
        assert picture(store) == before


FAULTS = {
    "UPDATE autocard_cards SET state = 'void' WHERE id = 7": "books say",
    "DELETE FROM autocard_movements WHERE id = 1": "books say",
    "UPDATE autocard_batches SET added = added + 1 WHERE id = 2": "says that it brought 6",
    "UPDATE autocard_cards SET order_id = NULL, line_no = NULL WHERE order_id = 1 AND "
    "state = 'delivered'": "should have 2 cards, has 1",
    "UPDATE autocard_lines SET units = 3 WHERE order_id = 1": "should have 3 cards, has 2",
    "UPDATE autocard_lines SET outcome = 'held' WHERE order_id = 1": "should have 0 cards, has 1",
    "UPDATE autocard_cards SET line_no = 9 WHERE order_id = 2": "has cards but no line 9",
    "UPDATE autocard_cards SET order_id = 1, line_no = 1 WHERE id = 7": "is available and belongs",
    "UPDATE autocard_cards SET order_id = NULL WHERE state = 'reserved'": "without an order",
    "UPDATE autocard_lines SET outcome = 'cancelled' WHERE order_id = 3": "no line waits for it",
    "UPDATE autocard_cards SET uses = uses + 1 WHERE uses > 0": "was not sold as often",
    "DELETE FROM autocard_shares": "was not sold as often",
    "UPDATE autocard_intents SET state = 'failed'": "nothing is left to be sent",
    "DELETE FROM autocard_events": "no event says so",
    "INSERT INTO autocard_lines VALUES (99, 1, '', 1, 's', 1, '', 'pending', 'short', '', 1)": (
        "there are lines of order 99"
    ),
    "UPDATE autocard_purchases SET order_id = 99 WHERE id = 1": "purchases of order 99",
    "UPDATE autocard_purchases SET state = 'failed', slot = NULL": "no purchase for it is open",
    "UPDATE autocard_purchases SET line_no = 2 WHERE id = 1": "its line does not wait for it",
    "UPDATE autocard_purchases SET slot = NULL WHERE id = 2": "does not hold its need",
    "UPDATE autocard_purchases SET slot = 'another' WHERE id = 2": "does not hold its need",
    "UPDATE autocard_purchases SET state = 'done' WHERE id = 2": "still holds its need",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_audit_finds_planted_faults(store, raw, fault, monkeypatch):
    """Every book is compared with another; whoever changes one is found out."""
    monkeypatch.setattr("autocard.store.pool.random.random", lambda: 1.0)  # nothing is rolled up
    live(store)
    assert store.audit() == []
    raw(fault)
    found = store.audit()
    assert any(FAULTS[fault] in x for x in found), found
