"""Looks at stock stay short, whether or not anybody resumes; they are exact all the time."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from autocard.store import pool as room
from autocard.store.opening import open_pool
from autocard.testing.shelf import NOW, bring, levels, line, order

_UNFOLDED = "SELECT COUNT(*) FROM autocard_movements WHERE folded = FALSE"


@pytest.fixture(name="pool")
def _pool(store_url):
    pool = open_pool(store_url, base=Path(), create=False)
    yield pool
    pool.close()


@pytest.fixture(autouse=True)
def _same_dice(monkeypatch):
    """Roll-ups come by chance; here it is the same chance every time."""
    monkeypatch.setattr(room, "random", random.Random(7))


def sell(pool, number, count=1):
    def work(change):
        for each in range(count):
            assert change.place(order(f"A{number}-{each}", line())) is not None

    pool.change(work)


@pytest.mark.parametrize("at_once", [1, 30])
def test_writers_keep_it_short(pool, store_url, stores, monkeypatch, at_once):
    """However many orders there are, few movements are left over, and the levels are exact."""
    monkeypatch.setattr(room, "_FOLD_EVERY", 20)
    count = 300
    bring(pool, *(f"card {i}" for i in range(count)))
    most = 0
    for number in range(count // at_once):
        sell(pool, number, at_once)
        ((unfolded,),) = stores.run(store_url, _UNFOLDED)
        most = max(most, unfolded)
    # One in twenty brings a roll-up of forty; ten times as many in a row without one are unheard of.
    assert most < 200
    assert levels(pool) == {"delivered": count}
    assert pool.sales("steam", 0) == {("main", NOW // 86_400_000): count}
    assert stores.run(store_url, "SELECT COUNT(*) FROM autocard_movements")[0][0] > count // 2


def test_a_look_that_found_many_has_them_rolled_up(pool, store_url, stores, monkeypatch):
    """In a change of its own after the look, for those who write inside a host's transaction."""
    monkeypatch.setattr(room, "_FOLD_EVERY", 10**9)
    monkeypatch.setattr(room, "_MANY", 20)
    bring(pool, *(f"card {i}" for i in range(40)))
    for number in range(20):
        sell(pool, number)
    assert stores.run(store_url, _UNFOLDED) == [(21,)]
    before = pool.stock()
    assert stores.run(store_url, _UNFOLDED) == [(0,)]
    assert pool.stock() == before


def test_a_look_inside_a_change_writes_nothing(pool, store_url, stores, monkeypatch):
    """It would wait for itself."""
    monkeypatch.setattr(room, "_MANY", 0)
    bring(pool, "a")
    with pool.transaction():
        assert levels(pool) == {"available": 1}
    assert stores.run(store_url, _UNFOLDED) == [(1,)]


def test_a_roll_up_that_cannot_be_made_harms_nobody(pool, monkeypatch):
    """What was committed is committed; the next one rolls up."""
    bring(pool, "a")
    monkeypatch.setattr(room, "_FOLD_EVERY", 0)

    monkeypatch.setattr(pool.sql, "OPEN_MOVEMENTS", "SELECT nothing FROM nowhere LIMIT ?")
    sell(pool, 1)
    monkeypatch.undo()
    assert levels(pool) == {"delivered": 1}


def test_the_rows_that_a_look_reads_do_not_grow_with_sales(pool, store_url, stores, monkeypatch):
    """Asked of the database itself: the second thousand costs what the first did."""
    monkeypatch.setattr(room, "_FOLD_EVERY", 50)

    def sell_many(start):
        bring(pool, *(f"card {i}" for i in range(start, start + 600)))
        for number in range(start, start + 600, 20):
            sell(pool, number, 20)
        while pool.change(lambda change: change.roll_up()):
            pass
        sell(pool, f"last {start}", 0)

    sell_many(0)
    few = _rows_read(pool, stores, store_url)
    sell_many(600)
    assert _rows_read(pool, stores, store_url) <= few + 20
    assert levels(pool) == {"delivered": 1200}


def _rows_read(pool, stores, url):
    """Return how much work a look at stock is, in the database's own words."""
    kind = type(pool).__name__
    if kind == "SqlitePool":
        return _steps(pool)
    if kind == "PostgresPool":
        return _explained(pool)
    return _handled(pool)


def _steps(pool):
    count = 0

    def tick():
        nonlocal count
        count += 1

    with pool._engine.connect() as connection:
        raw = connection.connection.driver_connection
        raw.set_progress_handler(tick, 10)
        try:
            room.looks.stock(connection, None)
        finally:
            raw.set_progress_handler(None, 0)
    return count


def _explained(pool):
    import sqlalchemy as sa

    asked = []

    def note(_connection, _cursor, statement, parameters, *_):
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    sa.event.listen(pool._engine, "before_cursor_execute", note)
    pool.stock()
    sa.event.remove(pool._engine, "before_cursor_execute", note)
    rows = 0
    with pool._engine.connect() as connection:
        connection.exec_driver_sql("VACUUM")  # so that it counts rows, not what was left of them
        for statement, parameters in asked:
            explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
            ((plan,),) = connection.exec_driver_sql(explain, parameters)
            rows += _plan_rows(plan[0]["Plan"])
    return rows


def _plan_rows(node):
    own = node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
    return own + sum(map(_plan_rows, node.get("Plans", [])))


def _handled(pool):
    with pool._engine.connect() as connection:
        connection.exec_driver_sql("FLUSH STATUS")
        room.looks.stock(connection, None)
        told = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'").fetchall()
    return sum(int(value) for _, value in told)
