"""Stores are made, recognised and never touched by the wrong version."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from autocard.clock import NEVER_MS
from autocard.errors import ConfigurationError, SchemaMismatch, StoreUnavailable
from autocard.store import looks, opening, server
from autocard.store import pool as room
from autocard.store.opening import migrate, open_pool
from autocard.store.schema import PREFIX, REVISION, REVISIONS, metadata
from autocard.testing.shelf import NOW, bring, digest, levels, sell


@pytest.fixture(name="open_it")
def _open_it(tmp_path):
    """Return a function that opens `shop.db`, and closes it at the end."""
    opened = []

    def open_it(*, create=False, url="sqlite:///shop.db"):
        opened.append(open_pool(url, base=tmp_path, create=create))
        return opened[-1]

    yield open_it
    for pool in opened:
        pool.close()


def difference(connection):
    """Return what a migrated database has otherwise than the tables say, by Alembic's word."""

    def is_meant(found, name, kind, reflected, _other):
        if kind == "table" and reflected:
            return name.startswith(PREFIX)  # what else is there is the host's
        if kind != "index" or reflected:
            return True
        return found._ddl_if is None or found._ddl_if.callable_(dialect=connection.dialect)

    options = {"version_table": f"{PREFIX}version", "include_object": is_meant}
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def schema(path):
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.execute("SELECT name, sql FROM sqlite_master").fetchall())


INDEXES = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE INDEX%'",
    "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' "
    "AND tablename <> 'autocard_version'",
    "mariadb": "SELECT index_name, GROUP_CONCAT(column_name ORDER BY seq_in_index) "
    "FROM information_schema.statistics WHERE table_schema = DATABASE() "
    "AND table_name <> 'autocard_version' GROUP BY table_name, index_name",
}
TABLES = {
    "sqlite": "SELECT name, sql FROM sqlite_master ORDER BY name",
    "postgresql": "SELECT table_name, column_name, data_type, is_nullable, column_default "
    "FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
    "mariadb": "SELECT table_name, column_name, column_type, is_nullable, column_default, "
    "collation_name FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY 1, 2",
}


def opened(url, *, create=False):
    return open_pool(url, base=Path(), create=create)


def upgrade(url, revision):
    """Take a store to an older revision than the newest, as an older release would have."""
    place = opening.place_of(url, Path())
    with place.migrating() as connection:
        opening._upgrade(connection, revision)
    place.pool().close()


class TestSchema:
    def test_migrations_from_zero_arrive_at_the_tables(self, blank_url):
        """What Alembic makes is what the code believes in, indexes included."""
        opened(blank_url, create=True).close()
        engine = sa.create_engine(blank_url, poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            assert difference(connection) == []

    def test_indexes_are_the_same_to_the_letter(self, stores, store_kind, blank_url):
        """Alembic does not compare conditions of indexes; the database's own words do."""
        opened(blank_url, create=True).close()
        direct = stores.blank(store_kind)
        engine = sa.create_engine(direct, poolclass=sa.pool.NullPool)
        metadata.create_all(engine)

        def indexes(url):
            found = stores.run(url, INDEXES[store_kind])
            return sorted((name, " ".join(told.split())) for name, told in found)

        assert indexes(blank_url) == indexes(direct)
        assert len(indexes(direct)) > 10
        stores.give_back(direct)

    @pytest.mark.parametrize("store_kind", ["mariadb"])
    def test_texts_are_compared_byte_by_byte(self, stores, store_url):
        """Numbers that differ by case, accent or a blank are numbers of different orders."""
        found = stores.run(store_url, TABLES["mariadb"])
        ours = [row for row in found if row[0] in metadata.tables]  # a host may have its own
        assert {row[5] for row in ours} == {None, "utf8mb4_nopad_bin"}

    def test_every_table_bears_the_prefix(self):
        """The store may share a database with the host."""
        assert all(name.startswith(PREFIX) for name in metadata.tables)


class TestOpening:
    def test_creating_again_is_harmless(self, open_it, file):
        """A store that is there is opened as it is."""
        bring(open_it(create=True), "a")
        before = schema(file)
        assert levels(open_it(create=True)) == {"available": 1}
        assert schema(file) == before

    @pytest.mark.skipif(sys.platform == "win32", reason="no modes there")
    def test_only_the_owner_reads_the_file(self, open_it, file):
        """Also the journal beside it and the lock file."""
        bring(open_it(create=True), "a")
        files = [x for x in file.parent.iterdir() if x.name.startswith("shop.db")]
        assert len(files) >= 3
        assert {stat.S_IMODE(x.stat().st_mode) for x in files} == {0o600}

    def test_there_is_no_store(self, open_it, file, tmp_path):
        """Without create nothing is made, and the message says how to make one."""
        with pytest.raises(ConfigurationError, match="autocard init"):
            open_it()
        assert not file.exists()
        with pytest.raises(ConfigurationError, match="folder"):
            open_it(create=True, url="sqlite:///nowhere/shop.db")
        file.touch()  # an empty file is no store either, but may become one
        with pytest.raises(ConfigurationError, match="create=True"):
            open_it()
        open_it(create=True)

    def test_a_database_of_somebody_else(self, open_it, file):
        """Opened it is refused; with create our tables are made beside the others."""
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE host (x)")
            connection.commit()
        with pytest.raises(SchemaMismatch, match="no autocard store yet"):
            open_it()
        open_it(create=True)
        assert "host" in dict(schema(file))

    def test_a_file_that_is_no_database(self, open_it, file):
        """It is neither overwritten nor opened."""
        file.write_bytes(b"%PDF-1.7 " + b"not a database " * 100)
        for create in (False, True):
            with pytest.raises(StoreUnavailable, match=r"not an autocard database.*`store`"):
                open_it(create=create)
        assert file.read_bytes().startswith(b"%PDF")

    def test_a_folder_is_no_database(self, open_it, file):
        """The message says what to look at."""
        file.mkdir()
        with pytest.raises(StoreUnavailable, match="permissions"):
            open_it(create=True)

    @pytest.mark.parametrize(
        "url",
        [
            "shop.db", "", "://", "sqlite://", "sqlite:///:memory:", "oracle://h/x",
            "sqlite:///a.db?wait_s=soon", "sqlite:///a.db?wait_s=nan", "sqlite:///a.db?wait_s=-1",
            "sqlite:///a.db?wait_s=1e99",
        ],
    )  # fmt: skip
    def test_a_url_that_cannot_be(self, open_it, tmp_path, url):
        """The setting is named, and nothing is made."""
        with pytest.raises(ConfigurationError, match="store: "):
            open_it(create=True, url=url)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("create", [False, True])
def test_a_newer_store_is_refused_untouched(stores, store_kind, blank_url, create):
    """Neither opening nor migrating changes anything; the message says what to install."""
    opened(blank_url, create=True).close()
    stores.run(blank_url, "UPDATE autocard_version SET version_num = '9999'")
    before = stores.run(blank_url, TABLES[store_kind])
    for attempt in (
        lambda: opened(blank_url, create=create),
        lambda: migrate(blank_url, base=Path()),
    ):
        with pytest.raises(
            SchemaMismatch, match=f"(?s)9999.*{REVISION}.*install the newer"
        ) as told:
            attempt()
        assert "Nothing was changed" in str(told.value)
    assert stores.run(blank_url, TABLES[store_kind]) == before
    assert stores.run(blank_url, "SELECT version_num FROM autocard_version") == [("9999",)]


def test_migrating_says_what_there_was_and_what_there_is(blank_url, stores):
    """A database without tables gets them; a second time there is nothing to do."""
    if blank_url.startswith("sqlite"):
        with pytest.raises(ConfigurationError, match="no database"):  # a misspelt path, perhaps
            migrate(blank_url, base=Path())
        stores.run(blank_url, "CREATE TABLE host (x INTEGER)")
    with pytest.raises(SchemaMismatch, match=r"no autocard store yet.*autocard migrate"):
        opened(blank_url)
    assert migrate(blank_url, base=Path()) == (None, REVISION)
    assert migrate(blank_url, base=Path()) == (REVISION, REVISION)
    opened(blank_url).close()


# --- older stores ---------------------------------------------------------------------------

# A store of the first release that sold one of three cards, before and after it rolled up.
ROWS = {
    "0001": [
        "INSERT INTO autocard_warehouses (id, sku, name) VALUES (1, 'steam', 'main')",
        f"INSERT INTO autocard_batches VALUES (1, 1, 'plain', '', NULL, NULL, '', '', {NOW}, 3, FALSE)",
        *(
            "INSERT INTO autocard_cards (id, warehouse_id, batch_id, state, expires_at, "
            f"fingerprint, sealed, order_id, line_no, uses) VALUES ({number}, 1, 1, '{state}', "
            f"{NEVER_MS}, {print_}, {print_}, {sold}, 0)"
            for number, state, print_, sold in (
                (1, "delivered", "%(one)s", "1, 1"),
                (2, "available", "%(two)s", "NULL, NULL"),
                (3, "available", "%(three)s", "NULL, NULL"),
            )
        ),
        f"""
        INSERT INTO autocard_orders (id, platform, order_no, digest, payload, accepted_at, paid_at)
        VALUES (1, 'shop', 'A1', %(one)s, %(one)s, {NOW}, {NOW})
        """,
        f"""
        INSERT INTO autocard_lines VALUES
        (1, 1, 'steam card', 1, 'steam', 1, '', 'delivered', '', '', {NOW})
        """,
        f"""
        INSERT INTO autocard_events (id, kind, at, order_id, line_no, detail)
        VALUES (1, 'line.delivered', {NOW}, 1, 1, '{{}}')
        """,
        f"""
        INSERT INTO autocard_movements
          (id, warehouse_id, origin, target, quantity, cause, cause_id, at)
        VALUES (1, 1, '', 'available', 3, 'import', 1, {NOW}),
          (2, 1, 'available', 'delivered', 1, 'order', 1, {NOW})
        """,
    ],
}
ROWS["0002"] = ROWS["0003"] = ROWS["0001"]
_LEVEL = "INSERT INTO autocard_levels (warehouse_id, state, quantity) VALUES (1, 'available', 3)"
ROLLED_UP = {
    "0001": [_LEVEL, "INSERT INTO autocard_meta (name, value) VALUES ('rolled_up', '1')"],
    "0002": [_LEVEL, "UPDATE autocard_movements SET folded = TRUE WHERE id = 1"],
    "0003": [
        _LEVEL.replace("3)", "2), (1, 'delivered', 1)"),
        "UPDATE autocard_movements SET folded = TRUE",
    ],
}
_TODAY = NOW // 86_400_000
BYTES = {
    "sqlite": "x'%s'", "postgresql": "decode('%s', 'hex')", "mariadb": "x'%s'"
}  # fmt: skip


def fill(stores, url, kind, revision, *, rolled_up):
    prints = {name: BYTES[kind] % digest(name).hex() for name in ("one", "two", "three")}
    for statement in ROWS[revision] + (ROLLED_UP[revision] if rolled_up else []):
        stores.run(url, statement % prints if "%(" in statement else statement)
    if kind == "postgresql":  # which does not count the ids that somebody else chose
        for name in ("warehouses", "batches", "cards", "orders", "events", "movements"):
            stores.run(url, f"SELECT setval('autocard_{name}_id_seq', 9)")


@pytest.fixture(name="nothing_by_chance")
def _nothing_by_chance(monkeypatch):
    """Let nothing be rolled up but on request; else a sale does so once in 200 times."""
    monkeypatch.setattr(room, "_FOLD_EVERY", 10**9)


def check_filled(pool):
    assert levels(pool) == {"available": 2, "delivered": 1}
    assert pool.audit() == []
    assert pool.sales("steam", 0) == {("main", _TODAY): 1}
    pool.change(lambda change: change.roll_up())
    assert levels(pool) == {"available": 2, "delivered": 1}
    assert pool.sales("steam", 0) == {("main", _TODAY): 1}
    assert pool.order("shop", "A1").lines[0].status.outcome == "delivered"
    assert sell(pool, "A2", 2).lines[0][1]
    assert levels(pool) == {"delivered": 3}
    assert pool.change(lambda change: change.roll_up()) == 1, "what was rolled up stays so"
    assert pool.sales("steam", 0) == {("main", _TODAY): 3}


def test_there_is_a_filled_store_of_every_release():
    """Who adds a migration says here what a store of the release before it looked like."""
    assert tuple(ROWS) == tuple(ROLLED_UP) == REVISIONS[:-1]


@pytest.mark.usefixtures("nothing_by_chance")
@pytest.mark.parametrize("rolled_up", [False, True], ids=["fresh", "rolled up"])
@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_a_store_of_every_release_is_brought_up_to_date(
    stores, store_kind, blank_url, revision, rolled_up
):
    """Its cards are counted as before, and it goes on selling."""
    upgrade(blank_url, revision)
    fill(stores, blank_url, store_kind, revision, rolled_up=rolled_up)
    with pytest.raises(SchemaMismatch, match=rf"schema {revision}.*autocard migrate"):
        opened(blank_url)
    assert migrate(blank_url, base=Path()) == (revision, REVISION)
    pool = opened(blank_url)
    check_filled(pool)
    pool.close()


# --- starts that are cut off ----------------------------------------------------------------


class CutOff(Exception):
    """The machine went down."""


@contextmanager
def cut_off_after(count):
    """Let *count* statements that change a schema through, and fail at the next one."""
    left = [count]

    def tick(_connection, _cursor, statement, *_):
        if statement.lstrip().startswith(("CREATE", "ALTER", "UPDATE autocard_version")):
            left[0] -= 1
            if left[0] < 0:
                raise CutOff

    sa.event.listen(sa.Engine, "before_cursor_execute", tick)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", tick)


@pytest.mark.parametrize("count", [1, 9, 20, 29, 40])
@pytest.mark.parametrize("store_kind", ["mariadb"])
def test_a_start_that_was_cut_off_is_finished_by_the_next(stores, blank_url, count):
    """MariaDB commits every table by itself, so some are there already."""
    with cut_off_after(count), pytest.raises(CutOff):
        opened(blank_url, create=True)
    assert len(stores.run(blank_url, "SHOW TABLES")) >= 1
    opened(blank_url, create=True).close()
    engine = sa.create_engine(blank_url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        assert difference(connection) == []


@pytest.mark.parametrize("store_kind", ["sqlite", "postgresql"])
def test_a_start_that_was_cut_off_leaves_nothing(stores, store_kind, blank_url):
    """Where a schema changes in a transaction, nothing is there or all of it."""
    with cut_off_after(12), pytest.raises(CutOff):
        opened(blank_url, create=True)
    assert stores.run(blank_url, TABLES[store_kind]) == []
    opened(blank_url, create=True).close()


@pytest.mark.usefixtures("nothing_by_chance")
@pytest.mark.parametrize(
    ("revision", "count"), [("0001", 0), ("0001", 1), ("0001", 2), ("0003", 4), ("0003", 10)]
)
def test_bringing_up_to_date_may_be_cut_off(stores, store_kind, blank_url, revision, count):
    """No card, and no sale, is counted twice by the start that finishes it."""
    upgrade(blank_url, revision)
    fill(stores, blank_url, store_kind, revision, rolled_up=True)
    with cut_off_after(count), pytest.raises(CutOff):
        migrate(blank_url, base=Path())
    pool = opened(blank_url, create=True)
    check_filled(pool)
    pool.close()


@pytest.mark.parametrize("store_kind", ["mariadb"])
def test_a_host_that_failed_to_migrate_does_not_keep_others_from_it(stores, blank_url):
    """The lock that it took is free, though its process lives on."""
    place = opening.place_of(blank_url, Path())
    with pytest.raises(CutOff), place.migrating():
        raise CutOff
    holding = """
    SELECT COUNT(*) FROM information_schema.processlist
    WHERE db = DATABASE() AND id = IS_USED_LOCK('autocard_migrate')
    """
    assert stores.run(blank_url, holding) == [(0,)]
    place.pool().close()


# --- long migrations ------------------------------------------------------------------------

LOCKS = {
    "postgresql": f"SELECT pg_advisory_lock({0x6175746F63617264})",
    "mariadb": "SELECT GET_LOCK('autocard_migrate', 60)",
}


@contextmanager
def another_migrates(url, kind):
    """Hold the lock that another host would."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(LOCKS[kind])
        yield connection


@pytest.mark.parametrize("store_kind", ["postgresql", "mariadb"])
def test_two_hosts_never_migrate_at_once(stores, store_kind, blank_url, monkeypatch):
    """Whoever comes second waits, and gives up after some minutes without having changed anything."""
    assert server.TURN_MINUTES == 10  # as the docs say
    monkeypatch.setattr(server, "TURN_MINUTES", 0.01)
    with another_migrates(blank_url, store_kind):
        for attempt in (
            lambda: migrate(blank_url, base=Path()),
            lambda: opened(blank_url, create=True),
        ):
            with pytest.raises(StoreUnavailable, match=r"another process migrates.*start again"):
                attempt()
        assert stores.run(blank_url, TABLES[store_kind]) == []
    assert migrate(blank_url, base=Path()) == (None, REVISION)


@pytest.mark.parametrize("store_kind", ["postgresql", "mariadb"])
def test_who_comes_second_waits_longer_than_for_rows(store_kind, blank_url):
    """A migration takes longer than what `wait_s` is for."""
    with another_migrates(blank_url, store_kind) as other:
        ending = threading.Timer(2.5, other.close)
        ending.start()
        found = migrate(f"{blank_url}?wait_s=0.2", base=Path())
        ending.join()
    assert found == (None, REVISION)


@pytest.mark.parametrize("store_kind", ["mariadb"])
def test_a_migration_may_take_longer_than_an_answer(blank_url):
    """An index over millions of rows is built before the server says anything."""
    place = opening.place_of(f"{blank_url}?read_timeout=1", Path())
    with place.migrating() as connection:
        assert connection.exec_driver_sql("SELECT SLEEP(2.5)").scalar() == 0
    place.leave()


@pytest.mark.parametrize("store_kind", ["mariadb"])
def test_an_audit_may_take_longer_than_an_answer(store_url, monkeypatch):
    """It reads every row there is."""
    pool = opened(f"{store_url}?read_timeout=1&wait_s=0.1")
    monkeypatch.setattr(looks, "audit", lambda c: [c.exec_driver_sql("SELECT SLEEP(2.5)").scalar()])
    assert pool.audit() == [0]
    with pytest.raises(StoreUnavailable, match="broke"):  # whom a buyer waits for
        pool._cold(looks.audit)
    pool.close()


def test_a_host_that_is_frozen_is_not_waited_for_by_a_migration():
    """That it answers at all is seen first."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        port = frozen.getsockname()[1]
        place = opening.place_of(f"mysql+pymysql://u@127.0.0.1:{port}/x?read_timeout=1", Path())
        with pytest.raises(StoreUnavailable), opening.told(place), place.migrating():
            pass
        place.leave()


# --- several at once, and beside others -----------------------------------------------------

_CREATE = """
import sys, time
from pathlib import Path
from autocard.store.opening import open_pool
from autocard.testing.shelf import bring
while not Path(sys.argv[1], "go").exists():
    time.sleep(0.001)
pool = open_pool(sys.argv[2], base=Path(), create=True)
bring(pool, sys.argv[3])
pool.close()
"""


@pytest.mark.parametrize(
    ("store_kind", "start"),
    [("sqlite", "empty"), ("postgresql", "0001"), ("mariadb", "empty"), ("mariadb", "0001")],
)
def test_processes_that_create_at_once_make_one_store(
    stores, store_kind, tmp_path, blank_url, start
):
    """All of them open it, each migration runs once, and what each process writes is there."""
    if start != "empty":
        upgrade(blank_url, start)
        fill(stores, blank_url, store_kind, start, rolled_up=True)
    workers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _CREATE, str(tmp_path), blank_url, f"card {x}"],
            env=os.environ | {"COVERAGE_PROCESS_START": ""},
            stderr=subprocess.PIPE,
        )
        for x in range(3)
    ]
    (tmp_path / "go").touch()
    told = [worker.communicate(timeout=120)[1].decode() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 3, told
    pool = opened(blank_url)
    before = {} if start == "empty" else {"delivered": 1}
    assert levels(pool) == {"available": 3 + 2 * (start != "empty"), **before}
    assert pool.audit() == []
    pool.close()
    assert stores.run(blank_url, "SELECT version_num FROM autocard_version") == [(REVISION,)]


def test_the_hosts_own_tables_stay_as_they_are(stores, blank_url):
    """Also those of the host's own Alembic, whose version is another one than ours."""
    stores.run(blank_url, "CREATE TABLE orders (id INTEGER PRIMARY KEY, name VARCHAR(9))")
    stores.run(blank_url, "INSERT INTO orders VALUES (1, 'host')")
    stores.run(blank_url, "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    stores.run(blank_url, "INSERT INTO alembic_version VALUES ('host-7')")
    with pytest.raises(SchemaMismatch, match="no autocard store yet"):
        opened(blank_url)
    pool = opened(blank_url, create=True)
    bring(pool, "a")
    pool.close()
    assert stores.run(blank_url, "SELECT * FROM orders") == [(1, "host")]
    assert stores.run(blank_url, "SELECT * FROM alembic_version") == [("host-7",)]
    engine = sa.create_engine(blank_url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        assert difference(connection) == []
