"""The host's own transaction: order and cards are there with its rows, or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress

import psycopg
import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from autocard import (
    IllegalTransition,
    OrderConflict,
    OrderLine,
    Outcome,
    Reason,
    StoreError,
    StoreUnavailable,
)
from autocard.flow import Flow
from autocard.vault import BrokenCard

SERVERS = ["postgresql", "mariadb"]
SALES = "autocard_host_sales"
TABLES = (
    "orders", "lines", "cards", "shares", "intents", "movements", "levels", "events", "warehouses",
)  # fmt: skip


class Host:
    """A host's SQLAlchemy engine on the database of the store, with a table of its own."""

    def __init__(self, shop):
        self.engine = sa.create_engine(shop.url)
        self.sql("CREATE TABLE {} (number VARCHAR(40) PRIMARY KEY)")

    def sql(self, statement, connection=None):
        if connection is None:
            with self.engine.begin() as its_own:
                return self.sql(statement, its_own)
        found = connection.exec_driver_sql(statement.format(SALES))
        return [row[0] for row in found] if found.returns_rows else None

    def sell(self, connection, number="A1"):
        self.sql(f"INSERT INTO {{}} VALUES ('{number}')", connection)

    @property
    def sales(self):
        return self.sql("SELECT number FROM {} ORDER BY number")

    def close(self):
        self.sql("DROP TABLE {}")
        self.engine.dispose()


@pytest.fixture(name="engine")
def _engine(shop):
    engine = shop.open()
    shop.stock(engine, 5)
    return engine


@pytest.fixture(name="host")
def _host(shop, engine):
    host = Host(shop)
    yield host
    host.close()


@pytest.fixture(name="books")
def _books(shop):
    """Return a function that returns every row that a dispatch could write."""
    return lambda: [shop.run(f"SELECT * FROM autocard_{name} ORDER BY 1, 2") for name in TABLES]


def raw_connection(url):
    """Return the driver's own connection, which begins by itself."""
    at = sa.make_url(url)
    if at.get_backend_name() == "sqlite":
        return closing(sqlite3.connect(at.database))
    where = {"host": at.host, "port": at.port, "user": at.username, "password": at.password or ""}
    if at.get_backend_name() == "postgresql":
        return closing(psycopg.connect(**where, dbname=at.database))
    return closing(pymysql.connect(**where, database=at.database))


class TestCommitAndRollback:
    def test_a_rollback_leaves_no_trace(self, shop, engine, host, books):
        """What the host rolls back was never there: no order, no event, no card gone."""
        before = books()
        with host.engine.connect() as connection:
            host.sell(connection)
            receipt = engine.dispatch(shop.order(quantity=2), connection=connection)
            assert receipt.outcome is Outcome.DELIVERED
            connection.rollback()
        assert books() == before
        assert host.sales == []
        assert engine.receipt("shop", "A1") is None
        assert engine.dispatch(shop.order(quantity=2)).replayed is False

    def test_a_commit_stores_both(self, shop, engine, host):
        """The cards that were returned are the order's after the host's commit."""
        with host.engine.begin() as connection:
            host.sell(connection)
            receipt = engine.dispatch(shop.order(), connection=connection)
        assert host.sales == ["A1"]
        again = engine.dispatch(shop.order())
        assert again.replayed
        assert shop.texts(again) == shop.texts(receipt) == ["STEAM-000000"]

    def test_a_host_that_dies_leaves_no_trace(self, shop, engine, host, books):
        """A connection that breaks before the host's commit is a rollback."""
        before = books()
        with raw_connection(shop.url) as connection:
            engine.dispatch(shop.order(), connection=connection)
        assert books() == before

    def test_several_orders_in_one_transaction(self, shop, engine, host):
        """Each has its own cards, a repetition the same; all are there after one commit."""
        with host.engine.begin() as connection:
            first = engine.dispatch(shop.order("B1"), connection=connection)
            second = engine.dispatch(shop.order("B2", quantity=2), connection=connection)
            again = engine.dispatch(shop.order("B1"), connection=connection)
            short = engine.dispatch(shop.order("B3", quantity=3), connection=connection)
        assert again.replayed
        assert shop.texts(again) == shop.texts(first)
        assert len({*shop.texts(first), *shop.texts(second)}) == 3
        assert short.lines[0].reason is Reason.SHORT
        for number, quantity in (("B1", 1), ("B2", 2), ("B3", 0)):
            assert len(engine.receipt("shop", number).cards) == quantity

    def test_a_repetition_inside_of_what_was_served_outside(self, shop, engine, host, books):
        """An order that is known already is answered as it was, and the host commits nothing new."""
        receipt = engine.dispatch(shop.order(quantity=2))
        before = books()
        with host.engine.begin() as connection:
            again = engine.dispatch(shop.order(quantity=2), connection=connection)
        assert again.replayed
        assert shop.texts(again) == shop.texts(receipt)
        assert books() == before

    def test_a_reserved_order_is_paid_inside(self, shop, engine, host):
        """The cards that were held go out with the host's commit, and stay held without it."""
        engine.reserve(shop.order(paid=None, quantity=2), ttl_s=600)
        with host.engine.connect() as connection:
            engine.dispatch(shop.order(quantity=2), connection=connection)
            connection.rollback()
        assert [x.reserved for x in engine.cards.stock()] == [2]
        with host.engine.begin() as connection:
            receipt = engine.dispatch(shop.order(quantity=2), connection=connection)
        assert shop.texts(receipt) == ["STEAM-000000", "STEAM-000001"]
        assert [(x.reserved, x.delivered) for x in engine.cards.stock()] == [(0, 2)]

    def test_shared_cards_and_several_lines(self, shop, host):
        """Every kind of line works inside, and is counted only after the commit."""
        engine = shop.open(
            skus={"steam": {}, "gift": {"kind": "shared", "cap": 3, "per_buyer": 2}, "fair": {"overtake": False}}
        )  # fmt: skip
        engine.cards.add("gift", ["GIFT-1"])
        shop.stock(engine, 1, sku="fair")
        lines = [OrderLine(item=x, quantity=2) for x in ("steam", "gift", "fair", "gift")]
        order = shop.order(lines=lines, paid="8.00")
        for ending in ("rollback", "commit"):
            with host.engine.connect() as connection:
                receipt = engine.dispatch(order, connection=connection)
                assert engine.dispatch(order, connection=connection).lines == receipt.lines
                getattr(connection, ending)()
            told = [(str(x.outcome), str(x.reason)) for x in receipt.lines]
            assert told == [
                ("delivered", ""), ("delivered", ""), ("pending", "short"), ("held", "buyer_limit"),
            ]  # fmt: skip

    def test_nothing_is_said_before_the_commit(self, shop, host):
        """A push waits for `resume`, which finds nothing where the host rolled back."""
        engine = shop.pushing()
        shop.stock(engine, 2, start=10)
        with host.engine.connect() as connection:
            engine.dispatch(shop.order(), connection=connection)
            connection.rollback()
        assert engine.resume().total == 0
        with host.engine.begin() as connection:
            engine.dispatch(shop.order(), connection=connection)
        assert shop.script.calls == 0
        assert engine.resume().delivered == 1


class TestFailures:
    """A dispatch that raises leaves the host's transaction as it was; the host may go on with it."""

    def test_a_conflict(self, shop, engine, host, books):
        """The host catches `OrderConflict` and commits its own row alone."""
        engine.dispatch(shop.order())
        before = books()
        with host.engine.begin() as connection:
            host.sell(connection)
            with pytest.raises(OrderConflict):
                engine.dispatch(shop.order(quantity=2), connection=connection)
        assert books() == before
        assert host.sales == ["A1"]

    def test_a_broken_card(self, shop, engine, host, books):
        """A card whose seal does not open leaves no half an order in the host's transaction."""
        shop.run("UPDATE autocard_cards SET sealed = :x WHERE id = 1", x=b"12")
        before = books()
        with host.engine.begin() as connection:
            host.sell(connection)
            with pytest.raises(BrokenCard):
                engine.dispatch(shop.order(), connection=connection)
        assert books() == before
        assert host.sales == ["A1"]
        assert engine.dispatch(shop.order()).outcome is Outcome.DELIVERED

    @pytest.mark.parametrize(
        ("refusal", "told"),
        [
            (IllegalTransition("the line has moved on"), IllegalTransition),
            (OverflowError(), StoreError),
        ],
    )
    def test_a_refusal_half_way(self, shop, engine, host, monkeypatch, refusal, told):
        """Whatever was written before the refusal is undone, what the host wrote is not."""
        allocate = Flow._allocate

        def refused(*arguments):
            allocate(*arguments)
            raise refusal

        monkeypatch.setattr(Flow, "_allocate", refused)
        with host.engine.begin() as connection:
            host.sell(connection)
            with pytest.raises(told):
                engine.dispatch(shop.order(), connection=connection)
            monkeypatch.undo()
            engine.dispatch(shop.order("B2"), connection=connection)
        assert host.sales == ["A1"]
        assert engine.receipt("shop", "A1") is None
        assert shop.texts(engine.receipt("shop", "B2")) == ["STEAM-000000"]

    @pytest.mark.parametrize("store_kind", ["postgresql"])
    def test_a_transaction_that_failed_before(self, shop, engine, host):
        """PostgreSQL takes nothing more in a transaction with an error; the message says so."""
        with host.engine.connect() as connection:
            with suppress(sa.exc.ProgrammingError):
                connection.exec_driver_sql("SELECT nonsense")
            with pytest.raises(StoreUnavailable, match="roll it back first"):
                engine.dispatch(shop.order(), connection=connection)
            connection.rollback()
            engine.dispatch(shop.order(), connection=connection)
            connection.commit()
        assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED

    @pytest.mark.parametrize("store_kind", SERVERS)
    def test_a_connection_that_was_killed(self, shop, engine, host, stores):
        """The host sees one documented error, nothing is stored, and again is served once."""
        with host.engine.connect() as connection:
            engine.dispatch(shop.order("B1"), connection=connection)
            number = connection.exec_driver_sql(
                "SELECT pg_backend_pid()" if "postgresql" in shop.url else "SELECT CONNECTION_ID()"
            ).scalar()
            kill = "SELECT pg_terminate_backend({})" if "postgresql" in shop.url else "KILL {}"
            stores.run(shop.url, kill.format(number))
            with pytest.raises(StoreUnavailable, match="roll your transaction back"):
                engine.dispatch(shop.order("B2"), connection=connection)
            connection.invalidate()
        assert engine.orders() == []
        with host.engine.begin() as connection:
            for number in ("B1", "B2"):
                engine.dispatch(shop.order(number), connection=connection)
        assert engine.cards.stock()[0].delivered == 2


class TestOldPictures:
    """The host's transaction began before somebody else's commit, and reads what was then."""

    @pytest.fixture(name="old")
    def _old(self, shop, engine, host):
        """Return a connection that looked at the database and keeps to what it saw."""
        with host.engine.connect().execution_options(
            isolation_level="REPEATABLE READ"
        ) as connection:
            assert host.sql("SELECT number FROM {}", connection) == []
            assert host.sql("SELECT COUNT(*) FROM autocard_orders", connection) == [0]
            yield connection

    @pytest.mark.parametrize("store_kind", ["mariadb"])
    def test_an_order_that_another_host_served(self, shop, engine, host, old):
        """The same cards are returned although the host's picture has no such order."""
        order = shop.order(quantity=2)
        receipt = engine.dispatch(order)
        host.sell(old)
        again = engine.dispatch(order, connection=old)
        assert again.replayed
        assert shop.texts(again) == shop.texts(receipt)
        assert host.sql("SELECT COUNT(*) FROM autocard_orders", old) == [0]
        old.commit()
        assert engine.cards.stock()[0].delivered == 2

    @pytest.mark.parametrize("store_kind", ["mariadb"])
    def test_cards_that_another_host_sold_or_brought(self, shop, engine, host, old):
        """Cards that are gone by now are not taken, those that came are."""
        engine.dispatch(shop.order("B1", quantity=5))
        shop.stock(engine, 1, start=90)
        receipt = engine.dispatch(shop.order("B2"), connection=old)
        short = engine.dispatch(shop.order("B3"), connection=old)
        old.commit()
        assert shop.texts(receipt) == ["STEAM-000090"]
        assert short.lines[0].reason is Reason.SHORT

    @pytest.mark.parametrize("store_kind", ["mariadb"])
    def test_an_order_that_another_host_registered(self, shop, engine, host, old):
        """What was reserved meanwhile is found and paid."""
        engine.reserve(shop.order(paid=None, quantity=2), ttl_s=60)
        receipt = engine.dispatch(shop.order(quantity=2), connection=old)
        old.commit()
        assert shop.texts(receipt) == ["STEAM-000000", "STEAM-000001"]
        assert engine.cards.stock()[0].reserved == 0

    @pytest.mark.parametrize("store_kind", ["mariadb"])
    def test_a_server_that_refuses_old_pictures(self, shop, engine, host, old):
        """With `innodb_snapshot_isolation` the host is told to roll back; again is served once."""
        try:
            old.exec_driver_sql("SET SESSION innodb_snapshot_isolation = ON")
        except sa.exc.OperationalError:
            pytest.skip("this server has no innodb_snapshot_isolation")
        receipt = engine.dispatch(shop.order())
        with pytest.raises(StoreUnavailable, match="roll your transaction back"):
            engine.dispatch(shop.order(), connection=old)
        old.rollback()
        again = engine.dispatch(shop.order(), connection=old)
        old.commit()
        assert shop.texts(again) == shop.texts(receipt)

    @pytest.mark.parametrize("store_kind", ["postgresql"])
    def test_postgresql_refuses_an_old_picture(self, shop, engine, host, old):
        """The host is told to roll back and make its transaction again; again is served once."""
        receipt = engine.dispatch(shop.order())
        with pytest.raises(StoreUnavailable, match="roll your transaction back"):
            engine.dispatch(shop.order(), connection=old)
        old.rollback()
        again = engine.dispatch(shop.order(), connection=old)
        old.commit()
        assert again.replayed
        assert shop.texts(again) == shop.texts(receipt)


class TestConnections:
    def test_the_drivers_own(self, shop, engine, host, books):
        """A connection of the driver will do; it begins by itself."""
        before = books()
        with raw_connection(shop.url) as connection:
            engine.dispatch(shop.order(), connection=connection)
            connection.rollback()
            assert books() == before
            engine.dispatch(shop.order(), connection=connection)
            connection.commit()
        assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED

    def test_one_without_a_transaction_is_refused(self, shop, engine, host, books):
        """Where each statement would commit by itself nothing is written."""
        before = books()
        with raw_connection(shop.url) as connection:
            _commit_each_statement(connection)
            with pytest.raises(StoreError, match="begin your transaction first"):
                engine.dispatch(shop.order(), connection=connection)
            connection.cursor().execute("BEGIN")
            engine.dispatch(shop.order(), connection=connection)
            connection.rollback()
        unbound = host.engine.execution_options(isolation_level="AUTOCOMMIT")
        with (
            unbound.connect() as connection,
            pytest.raises(StoreError, match="begin your transaction first"),
        ):
            engine.dispatch(shop.order(), connection=connection)
        assert books() == before

    def test_one_of_another_database_is_refused(self, shop, engine, host):
        """The error names what the store speaks and what it was given."""
        other = psycopg if "postgresql" not in shop.url else sqlite3
        stranger = type("Connection", (), {"__module__": other.__name__})()
        with pytest.raises(StoreError, match=f"speaks .*, and this is a {other.__name__}"):
            engine.dispatch(shop.order(), connection=stranger)
        with pytest.raises(StoreError, match="this store speaks"):
            engine.dispatch(shop.order(), connection=host.engine)
        assert engine.orders() == []

    def test_the_sqlalchemy_session(self, shop, engine, host):
        """A host that works with sessions passes `session.connection()`."""
        with Session(host.engine) as session:
            session.execute(sa.text(f"INSERT INTO {SALES} VALUES ('A1')"))
            engine.dispatch(shop.order(), connection=session.connection())
            session.rollback()
            assert engine.orders() == []
            session.execute(sa.text(f"INSERT INTO {SALES} VALUES ('A1')"))
            engine.dispatch(shop.order(), connection=session.connection())
            session.commit()
        assert host.sales == ["A1"]
        assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED

    def test_a_savepoint_of_the_host(self, shop, engine, host):
        """A nested block that is rolled back takes its order along, and no other."""
        with host.engine.begin() as connection:
            engine.dispatch(shop.order("B1"), connection=connection)
            nested = connection.begin_nested()
            engine.dispatch(shop.order("B2"), connection=connection)
            nested.rollback()
        assert [x.order_no for x in engine.orders()] == ["B1"]


def _commit_each_statement(connection):
    if isinstance(connection, sqlite3.Connection):
        connection.isolation_level = None
    elif isinstance(connection, psycopg.Connection):
        connection.autocommit = True
    else:
        connection.autocommit(True)
