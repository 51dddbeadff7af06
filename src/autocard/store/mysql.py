"""MariaDB and MySQL, alone or as a Galera cluster."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, ClassVar, Final

import pymysql
import sqlalchemy as sa
from pymysql.constants import CLIENT, SERVER_STATUS

from autocard.errors import IllegalTransition, StoreError, StoreUnavailable
from autocard.model import OrderId, PurchaseId
from autocard.records import LineEntry, OrderEntry, Placed, Plan, PurchaseEntry, SealedCard
from autocard.states import CardState
from autocard.store.grouping import GroupingTransaction, first_by_name, plan_of
from autocard.store.hosts import BEGIN_FIRST, begin_unseen, driver_connection
from autocard.store.locking import LockingStatements
from autocard.store.mysql_address import arguments_of, connected
from autocard.store.packets import PacketCursor
from autocard.store.problems import UNREACHED, Conflict, Lost, Unforeseen, repeated, unwritable
from autocard.store.remembered import Position, Remembered
from autocard.store.rows import Cursor, Taken
from autocard.store.server import CONNECT_S, ServerPool
from autocard.store.statements import Statements
from autocard.store.stocking import CardRow
from autocard.store.transaction import order_values
from autocard.store.urls import Host

_PORT: Final = 3306
# A node that is frozen answers nothing at all; `?read_timeout=8` in the address is more impatient.
_PATIENCE: Final = {"connect_timeout": CONNECT_S, "read_timeout": 120, "write_timeout": 120}
_CLUSTER_ERROR: Final = "this node of the cluster is not ready"
# https://mariadb.com/kb/en/mariadb-error-code-reference/ and the client's own from 2000 on
_CONFLICTS: Final = frozenset({1020, 1205, 1213, 1180})
_UNUSABLE: Final = frozenset(
    {1047, 1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1205, 1290, 1836, 1927, 4031}
)
_NO_ANSWER: Final = (2002, 2003, 2005)
_CLIENT: Final = range(2000, 3000)
_REPEATED: Final = 1062
_DATA: Final = frozenset({1048, 1264, 1366, 1406, 1690, 3854})
_PROBLEMS: Final = {
    1021: "the disk of the database is full; free some space and try again",
    1114: "the disk of the database is full; free some space and try again",
    1040: "the database has no connection left; lower pool_size in `store` or raise its limit",
    1203: "the database has no connection left; lower pool_size in `store` or raise its limit",
    1044: "the database does not let this user in; look at user and password in `store`",
    1045: "the database does not let this user in; look at user and password in `store`",
    1698: "the database does not let this user in; look at user and password in `store`",
    1049: "there is no such database; make it, or look at its name in `store`",
    1142: "this user may not use the tables; grant it the rights, or use their owner",
    1146: "there are no autocard tables; run `autocard migrate`",
    1153: "a packet is larger than the database takes; raise its max_allowed_packet",
}
# Texts are compared byte by byte, nothing is cut off silently, and what one statement of a
# transaction committed the next may see.
_SESSION: Final = (
    "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
)
# By itself the server begins at the head of the warehouse, where sold cards lie until it has
# cleaned up, and walks over all of them.
_CARDS: Final = "autocard_cards FORCE INDEX (autocard_cards_take_all)"
_BEYOND: Final = "(expires_at > ? OR (expires_at = ? AND id > ?))"


class MysqlStatements(LockingStatements, mark="%s"):
    """What MariaDB and MySQL say differently."""

    # Accept an order; the last id is 0 when platform and number are known. A plain INSERT would
    # share a lock on the known row with every repetition, and none could then lock it alone.
    INSERT_ORDER = Statements.INSERT_ORDER.replace(
        "ON CONFLICT (platform, order_no) DO NOTHING",
        "ON DUPLICATE KEY UPDATE id = id + LAST_INSERT_ID(0)",
    )

    # The next cards of a warehouse for the order accepted just now; none when it was known.
    PICK_ACCEPTED = f"""
    SELECT id, fingerprint, sealed, expires_at FROM {_CARDS}
    WHERE warehouse_id = ? AND state = 'available' AND {_BEYOND} AND LAST_INSERT_ID() > 0
    ORDER BY expires_at, id LIMIT ? FOR UPDATE SKIP LOCKED
    """

    # Write down the cards that the statement before has taken. Where it took fewer than it was to,
    # this fails, and the statements behind it in the packet are not executed: no COMMIT, too.
    INSERT_TAKEN = """
    INSERT INTO autocard_movements (warehouse_id, origin, target, quantity, cause, cause_id, at)
    VALUES (?, 'available', ?, IF(ROW_COUNT() = ?, ROW_COUNT(), NULL), 'order', ?, ?)
    """

    # Which of these orders there are, and their ids.
    FIND_ORDERS = """
    SELECT id, platform, order_no FROM autocard_orders WHERE (platform, order_no) IN ( (:rows) )
    """

    # Give available cards to the first lines of orders, each to its own.
    GIVE_EACH = """
    UPDATE autocard_cards SET state = ?, line_no = ?, order_id = CASE id (:cases) END
    WHERE state = 'available' AND id IN (:list)
    """

    # Bring cards into stock.
    INSERT_CARDS = """
    INSERT INTO autocard_cards (warehouse_id, batch_id, state, expires_at, fingerprint, sealed)
    VALUES (:rows)
    """

    # Make a warehouse where it is new.
    INSERT_WAREHOUSE = "INSERT IGNORE INTO autocard_warehouses (sku, name) VALUES (?, ?)"

    # Raise or lower a level by what was rolled up.
    RAISE_LEVEL = """
    INSERT INTO autocard_levels (warehouse_id, state, quantity) VALUES (?, ?, ?)
    ON DUPLICATE KEY UPDATE quantity = quantity + VALUES(quantity)
    """

    # Count what was sold on a day, as it is rolled up.
    RAISE_SALES = """
    INSERT INTO autocard_sales (warehouse_id, day, quantity) VALUES (?, ?, ?)
    ON DUPLICATE KEY UPDATE quantity = quantity + VALUES(quantity)
    """

    # Write a purchase down; the last id is 0 while its need has an open one, or when its reference
    # is known.
    INSERT_PURCHASE = Statements.INSERT_PURCHASE.replace(
        "ON CONFLICT (slot) DO NOTHING", "ON DUPLICATE KEY UPDATE id = id + LAST_INSERT_ID(0)"
    )

    # Whether an open purchase holds a need.
    FIND_SLOT = "SELECT 1 FROM autocard_purchases WHERE slot = ?"

    # The warehouses of a sku, so that hosts whose lines must not overtake come one by one.
    LOCK_SKU = "SELECT id FROM autocard_warehouses WHERE sku = ? FOR UPDATE"

    # Begin to know a supplier.
    INSERT_SUPPLIER = Statements.INSERT_SUPPLIER.replace(
        "ON CONFLICT (name) DO NOTHING", "ON DUPLICATE KEY UPDATE name = VALUES(name)"
    )

    # Write over the last offer of a supplier for a sku.
    WRITE_OFFER = """
    INSERT INTO autocard_offers
      (supplier, sku, item, price_minor, currency, available, on_sale, seen_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON DUPLICATE KEY UPDATE item = VALUES(item), price_minor = VALUES(price_minor),
      currency = VALUES(currency), available = VALUES(available), on_sale = VALUES(on_sale),
      seen_at = VALUES(seen_at)
    """

    # The next cards of a warehouse from a position on, passing by those that others are taking.
    PICK_CARDS = f"""
    SELECT id, fingerprint, sealed, expires_at FROM {_CARDS}
    WHERE warehouse_id = ? AND state = 'available' AND {_BEYOND}
    ORDER BY expires_at, id LIMIT ? FOR UPDATE SKIP LOCKED
    """

    # The same, waiting for those that others are taking: they may come back.
    WAIT_FOR_CARDS = f"""
    SELECT id, fingerprint, sealed, expires_at FROM {_CARDS}
    WHERE warehouse_id = ? AND state = 'available' AND {_BEYOND}
    ORDER BY expires_at, id LIMIT ? FOR UPDATE
    """

    # The numbers of the next cards; nothing is locked.
    PEEK_CARDS = f"""
    SELECT id, expires_at FROM {_CARDS}
    WHERE warehouse_id = ? AND state = 'available' AND {_BEYOND}
    ORDER BY expires_at, id LIMIT ?
    """

    # These cards, where they are still available in a warehouse and nobody is taking them. The sum
    # keeps the planner from walking the whole warehouse for them.
    PICK_THESE = """
    SELECT id, fingerprint, sealed, expires_at FROM autocard_cards
    WHERE warehouse_id + 0 = ? AND state = 'available' AND id IN (:list)
    ORDER BY expires_at, id FOR UPDATE SKIP LOCKED
    """


_SHARED: Final = " LOCK IN SHARE MODE"


class MysqlHostStatements(MysqlStatements, mark="%s"):
    """
    The same inside a host's transaction.

    A host usually works on a picture of the database that is as old as its transaction. What we
    decide by has to be as it is now, and only reads that lock see that.
    """

    # The lines of an order by number.
    FIND_LINES = Statements.FIND_LINES + _SHARED

    # How many cards of a line are in one state, by warehouse.
    COUNT_LINE_CARDS = Statements.COUNT_LINE_CARDS + _SHARED

    # All cards of an order that may be shown, by line.
    ORDER_CARDS = (
        Statements.ORDER_CARDS.replace("UNION ALL", f"{_SHARED}) UNION ALL (")
        .replace("ORDER BY 1, 5, 2", f"{_SHARED}) ORDER BY 1, 5, 2")
        .replace("SELECT", "(SELECT", 1)
    )

    # What was intended for an order, in the order it was committed.
    INTENTS_OF = Statements.INTENTS_OF + _SHARED

    # How many deliveries of a line are neither done nor given up.
    OPEN_INTENTS = Statements.OPEN_INTENTS + _SHARED

    # How many purchases of a supplier somebody owns.
    OWNED_PURCHASES = Statements.OWNED_PURCHASES + _SHARED

    # How many purchases for an order are not over.
    OPEN_PURCHASES = Statements.OPEN_PURCHASES + _SHARED

    # Whether an open purchase holds a need.
    FIND_SLOT = MysqlStatements.FIND_SLOT + _SHARED

    # How many of a shared sku one buyer has had.
    COUNT_SHARES = Statements.COUNT_SHARES + _SHARED

    # Which of these fingerprints are known, and where.
    FIND_KNOWN = Statements.FIND_KNOWN + _SHARED

    # The warehouse of a sku by name.
    FIND_WAREHOUSE = Statements.FIND_WAREHOUSE + _SHARED

    # The sku of what lies in a warehouse.
    WAREHOUSE_SKU = Statements.WAREHOUSE_SKU + _SHARED

    # Whether a paid line of the same sku waits before this one.
    WAITS_BEFORE = Statements.WAITS_BEFORE + _SHARED


class MysqlHostTransaction(GroupingTransaction):
    """A change inside a host's transaction."""

    sql: ClassVar[type[MysqlStatements]] = MysqlHostStatements
    duplicate = pymysql.err.IntegrityError
    _passed: tuple[int, int] | None = None

    def _insert(self, statement: str, parameters: tuple[Any, ...]) -> int | None:
        self._cursor.execute(statement, parameters)
        return self._cursor.lastrowid or None

    def _somebody_waits(self, sku: str, order_id: OrderId, line_no: int) -> bool:
        self._queue_for(sku)
        return super()._somebody_waits(sku, order_id, line_no)

    def _queue_for(self, sku: str) -> None:
        """Let nobody else ask who waits: both would lock the place where the other's line goes."""
        self._cursor.execute(self.sql.LOCK_SKU, (sku,))
        self._cursor.fetchall()

    def begin_purchase(self, entry: PurchaseEntry) -> PurchaseId | None:
        begun = super().begin_purchase(entry)
        if begun is None:
            self._cursor.execute(self.sql.FIND_SLOT, (entry.need,))
            if self._cursor.fetchone() is None:
                raise repeated()  # it is the reference that was given before
        return begun

    def _accept(self, run: Sequence[OrderEntry]) -> dict[tuple[str, str], OrderId]:
        first = first_by_name(run)
        try:
            self._insert_many(self.sql.INSERT_ORDERS, [order_values(x) for x in first.values()])
        except self.duplicate:  # the statement alone is undone
            for known in self._find_orders(first):
                del first[known]
            try:
                self._insert_many(self.sql.INSERT_ORDERS, [order_values(x) for x in first.values()])
            except self.duplicate:
                raise Conflict("the same orders are being accepted by somebody else") from None
        return self._find_orders(first)

    def _find_orders(self, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], OrderId]:
        wanted = list(names)
        if not wanted:
            return {}
        self._cursor.execute(
            self.sql.marked_rows(self.sql.FIND_ORDERS, len(wanted), 2),
            tuple(chain.from_iterable(wanted)),
        )
        return {(row[1], row[2]): OrderId(row[0]) for row in self._cursor.fetchall()}

    def _write_cards(self, rows: Sequence[CardRow]) -> int:
        self._insert_many(self.sql.INSERT_CARDS, rows)
        return len(rows)

    def _give_each(self, state: CardState, rows: Sequence[tuple[int, OrderId, int]]) -> None:
        mark = self.sql.mark
        for line_no, group in groupby(sorted(rows, key=itemgetter(2)), itemgetter(2)):
            given = [row[:2] for row in group]
            cases = " ".join([f"WHEN {mark} THEN {mark}"] * len(given))
            statement = self.sql.marked(self.sql.GIVE_EACH, len(given)).replace("(:cases)", cases)
            ids = [card for card, _ in given]
            self._cursor.execute(statement, (state, line_no, *chain.from_iterable(given), *ids))
            if self._cursor.rowcount != len(given):
                raise IllegalTransition("a card was taken by somebody else")

    def _cards_beyond(self, warehouse_id: int, position: Position, most: int) -> list[Any]:
        self._passed = None
        where = (warehouse_id, position[0], *position)
        if self._remembered.spread > 1 and not self._waits:
            rows = self._spread_cards(where, most)
            if len(rows) == most:
                return rows
        statement = self.sql.WAIT_FOR_CARDS if self._waits else self.sql.PICK_CARDS
        self._cursor.execute(statement, (*where, most))
        return list(self._cursor.fetchall())

    def _spread_cards(self, where: tuple[int, ...], most: int) -> list[Any]:
        offset = random.randrange(self._remembered.spread)  # noqa: S311 - spreads hosts only
        self._cursor.execute(self.sql.PEEK_CARDS, (*where, offset + most))
        peeked = self._cursor.fetchall()
        ids = [row[0] for row in peeked[offset:]]
        if len(ids) < most:
            return []
        self._passed = peeked[0]
        self._cursor.execute(self.sql.marked(self.sql.PICK_THESE, len(ids)), (where[0], *ids))
        return list(self._cursor.fetchall())

    def _first(self, rows: Sequence[Any]) -> tuple[int, int]:
        # Beginning behind what was passed by would carry takes further and further away.
        return self._passed or super()._first(rows)


class MysqlTransaction(MysqlHostTransaction):
    """A change of our own on MariaDB or MySQL."""

    sql = MysqlStatements
    _cursor: PacketCursor

    def place(self, entry: OrderEntry) -> Placed | None:
        shelf = None if self._remembered.spread > 1 else self._common_shelf(entry)
        if shelf is None:
            return super().place(entry)
        (line,) = entry.lines
        order_id, cards = self._accept_and_pick(entry, plan_of(entry), shelf)
        if order_id is None:
            return None
        if not cards:  # the shelf has too few: somewhere else, or short
            return self._place_alone(order_id, entry)
        self._write_taken(order_id, entry, line, shelf, cards)
        return Placed(order_id, ((line.filled, cards),))

    def _queue_for(self, sku: str) -> None:
        """Who looks without a lock needs no queue, and sees what is committed by now."""

    def _accept_and_pick(
        self, entry: OrderEntry, plan: Plan, shelf: int
    ) -> tuple[OrderId | None, Taken]:
        """Return the id of the order, where it is new, and all its cards or none."""
        start, from_start = self._start(shelf, plan.alive_at_ms)
        given = self._cursor.insert_and(
            self.sql.INSERT_ORDER,
            order_values(entry),
            self.sql.PICK_ACCEPTED,
            (shelf, start[0], *start, plan.quantity),
        )
        rows = self._cursor.fetchall()
        order_id = OrderId(given) if given else None
        if len(rows) < plan.quantity:
            return order_id, ()
        first = (rows[0][0], rows[0][3])
        self._remembered.began_at(shelf, first, plan.alive_at_ms, from_start=from_start)
        return order_id, tuple(SealedCard(*row) for row in rows)

    def _write_taken(
        self, order_id: OrderId, entry: OrderEntry, line: LineEntry, shelf: int, cards: Taken
    ) -> None:
        """Take cards that are locked, write the line and the movement: all with the COMMIT."""
        now_ms, count, state = entry.accepted_ms, len(cards), line.card_state
        self._later(
            self.sql.marked(self.sql.TAKE_CARDS, count),
            (state, order_id, line.line_no, *[card.id for card in cards]),
        )
        self._later(self.sql.INSERT_TAKEN, (shelf, state, count, order_id, now_ms))
        self.moved += 1
        self._insert_line(order_id, line, line.filled, now_ms)
        if line.intents:
            self.insert_intents(order_id, line.line_no, line.intents, now_ms=now_ms)

    def _later(self, statement: str, parameters: tuple[Any, ...]) -> None:
        self._cursor.later(statement, parameters)


class MysqlPool(ServerPool):
    """The store on MariaDB 10.6 or newer, or MySQL 8."""

    sql = MysqlStatements
    picture = (
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    )
    # UTC, because the hour that a time zone has twice a year has two meanings.
    time_ms = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000"
    # Nodes of a cluster do not know such locks.
    migration_lock = "SELECT GET_LOCK('autocard_migrate', 1)"
    driver_error = pymysql.MySQLError
    transaction_class = MysqlTransaction
    host_transaction_class = MysqlHostTransaction

    def __init__(
        self, url: sa.URL, *, hosts: Sequence[Host], spread: int = 1, **options: Any
    ) -> None:
        self._hosts = hosts
        self._is_cluster = False
        super().__init__(url, creator=self._connector(url, hosts, self._connected), **options)
        self.remembered = Remembered(spread=spread)

    def _migrating_engine(self) -> sa.Engine:
        """Nodes of a cluster do not know each other's locks, so all hosts ask the same node."""
        hosts = sorted(self._hosts, key=lambda host: (host.name, host.port or _PORT))
        return self._patient_engine(hosts)

    def _auditing_engine(self) -> sa.Engine:
        return self._patient_engine(self._hosts)

    def _patient_engine(self, hosts: Sequence[Host]) -> sa.Engine:
        url = self._engine.url
        connect = self._connector(url, hosts, self._patiently_connected)
        return sa.create_engine(
            url, hide_parameters=True, creator=connect, poolclass=sa.pool.NullPool
        )

    def _connector(
        self, url: sa.URL, hosts: Sequence[Host], to: Callable[[dict[str, Any]], Any]
    ) -> Callable[[], Any]:
        """Return what connects to the first host that is alive and takes writes."""
        arguments = arguments_of(url)

        def connect() -> Any:
            last: pymysql.MySQLError | None = None
            for host in hosts:
                try:
                    return to({**_PATIENCE, **arguments, **_address(host)})
                except pymysql.MySQLError as error:
                    last = error
            assert last is not None
            raise last

        return connect

    def _patiently_connected(self, arguments: dict[str, Any]) -> Any:
        """Wait for an answer as long as it takes, of a host that has just given one in time."""
        self._connected(arguments).close()
        return self._connected({**arguments, "read_timeout": None, "write_timeout": None})

    def _connected(self, arguments: dict[str, Any]) -> Any:
        # Several statements in one packet, and rows counted as found, also if nothing changes.
        flags = CLIENT.MULTI_STATEMENTS | CLIENT.FOUND_ROWS
        connection = connected(
            {"charset": "utf8mb4", **arguments, "client_flag": flags, "autocommit": True}
        )
        try:
            with connection.cursor() as cursor:
                for statement in _SESSION:
                    cursor.execute(statement)
                # Of rows, and of tables that somebody alters or locks: by default that is a day.
                patience_s = int(self.wait_s) or 1
                cursor.execute(
                    f"SET SESSION innodb_lock_wait_timeout = {patience_s}, "
                    f"lock_wait_timeout = {patience_s}"
                )
                self._is_cluster = _joined_cluster(cursor)
        except BaseException:
            connection.close()
            raise
        return connection

    def cursor(self, held: Any) -> Cursor:
        found: Cursor = held.driver_connection.cursor()
        return found

    def begun(self, held: Any) -> Cursor:
        return PacketCursor(held.driver_connection.cursor(), alone=self._is_cluster)

    def host_cursor(self, connection: Any) -> Any:
        begin_unseen(connection)
        raw = driver_connection(connection, pymysql.Connection, "PyMySQL")
        if raw.get_autocommit() and not raw.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS:
            raise StoreError(BEGIN_FIRST)
        return raw.cursor(pymysql.cursors.Cursor)

    def problem(self, error: BaseException) -> StoreError:
        if not isinstance(error, pymysql.MySQLError):
            return unwritable()
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if number in _CONFLICTS:
            return Conflict(f"the database is busy with the same rows ({number})")
        if number in _NO_ANSWER:
            return Lost(f"{UNREACHED} ({number})")
        if number in _UNUSABLE or number in _CLIENT or isinstance(error, pymysql.InterfaceError):
            return Lost(f"the database broke the connection off ({number or 'closed'})")
        if number == _REPEATED:
            return repeated()
        if number in _DATA or isinstance(error, pymysql.DataError):
            return unwritable()
        words = _PROBLEMS.get(number)
        if words is None:
            return Unforeseen(f"the database refused: {type(error).__name__} ({number})")
        return StoreUnavailable(f"{words} ({number})")


def _address(host: Host) -> dict[str, Any]:
    if not host.name:
        return {}
    return {"host": host.bare, "port": host.port or _PORT}


def _joined_cluster(cursor: Any) -> bool:
    """
    Return whether this is a node of a cluster, and see what other nodes have committed.

    Raises:
        pymysql.OperationalError: It is one that is not in step.
    """
    cursor.execute("SHOW SESSION VARIABLES LIKE 'wsrep_on'")
    found = cursor.fetchone()
    if found is None or found[1] != "ON":
        return False
    cursor.execute("SHOW STATUS LIKE 'wsrep_ready'")
    ready = cursor.fetchone()
    if ready is None or ready[1] != "ON":
        raise pymysql.OperationalError(1047, _CLUSTER_ERROR)
    cursor.execute("SET SESSION wsrep_sync_wait = 1")
    return True
