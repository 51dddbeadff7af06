"""PostgreSQL: rows are locked one by one, and the common order is one statement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any, ClassVar, Final, cast

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg.types.numeric import Int8BinaryDumper

from autocard.errors import ConfigurationError, IllegalTransition, StoreError, StoreUnavailable
from autocard.events import line_event
from autocard.model import CardId, OrderId
from autocard.records import LineEntry, OrderEntry, Placed, SealedCard
from autocard.states import CardState
from autocard.store.beginning import BeginningCursor, PlacedRow, run, whole
from autocard.store.columns import Spread
from autocard.store.grouping import GroupingTransaction, first_by_name, plan_of
from autocard.store.hosts import BEGIN_FIRST, begin_unseen, driver_connection
from autocard.store.locking import LockingStatements
from autocard.store.problems import UNREACHED, Conflict, Lost, Unforeseen, repeated, unwritable
from autocard.store.rows import Cursor
from autocard.store.server import CONNECT_S, ServerPool
from autocard.store.statements import Statements
from autocard.store.stocking import CardRow
from autocard.store.transaction import line_values, order_values
from autocard.store.urls import OURS, Host, refuse_unknown, untakeable

_PORT: Final = 5432
# The driver's settings, but for what is said elsewhere in the address, or decided by us.
_KNOWN: Final = frozenset(
    option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()
) - {"dbname", "client_encoding"}
# How libpq, and psycopg for itself, say that a setting has no such value.
_REFUSED: Final = re.compile(
    r"invalid \"?(\w+)\"? value: |invalid (port) number|for connection option \"(\w+)\"|bad value for '?(\w+)"
)
# SQLSTATEs by what they ask for: https://www.postgresql.org/docs/current/errcodes-appendix.html
# 26000: what was prepared is gone, as behind a pooler that hands on other connections.
_CONFLICTS: Final = ("40001", "40P01", "55P03", "26000")
_UNUSABLE: Final = ("57P01", "57P02", "57P03", "57P05", "25006", "25P03")
_BROKEN: Final = "08"
_REPEATED: Final = "23505"
_DATA: Final = ("22", "23")
_PROBLEMS: Final = {
    "53100": "the disk of the database is full; free some space and try again",
    "53300": "the database has no connection left; lower pool_size in `store` or raise its limit",
    "53": "the database is out of resources; look at its log",
    "28": "the database does not let this user in; look at user and password in `store`",
    "3D": "there is no such database; make it, or look at its name in `store`",
    "25P02": "an earlier statement of your transaction failed; roll it back first",
    "42501": "this user may not use the tables; grant it the rights, or use their owner",
    "42P01": "there are no autocard tables; run `autocard migrate`",
    "57014": "the database cancelled the statement; look at its statement_timeout",
}
# What the server says before it lets anybody in comes as text alone.
_NOT_LET_IN: Final = (
    ("pg_hba.conf", "28"), ("authentication", "28"), ('role "', "28"), ('database "', "3D"),
    ("slots", "53300"), ("too many", "53300"),
)  # fmt: skip
_NO_ANSWER: Final = (
    "connection failed", "connection is bad", "connection timeout", "failed to resolve"
)  # fmt: skip
_COPY: Final = (
    "COPY autocard_cards (warehouse_id, batch_id, state, expires_at, fingerprint, sealed) "
    "FROM STDIN (FORMAT BINARY)"
)
_COPY_TYPES: Final = ("int8", "int8", "varchar", "int8", "bytea", "bytea")


_NOT_REPLICATED: Final = "not_replicated"


class PostgresStatements(LockingStatements, mark="%s"):
    """What PostgreSQL says differently."""

    # Accept an order; nothing is returned when platform and number are known.
    INSERT_ORDER = Statements.INSERT_ORDER + "RETURNING id"

    # Accept orders; those that are known are passed by.
    INSERT_ORDERS = (
        LockingStatements.INSERT_ORDERS
        + "ON CONFLICT (platform, order_no) DO NOTHING RETURNING id, platform, order_no"
    )

    # Give several available cards to a line. What is added to the state keeps the planner from
    # walking the index of everything available for rows that it knows by id.
    TAKE_CARDS = Statements.TAKE_CARDS.replace("state = 'available'", "state || '' = 'available'")

    # Give available cards to lines, each to its own; found by id, as above.
    GIVE_EACH = """
    UPDATE autocard_cards SET state = ?, order_id = given.order_id, line_no = given.line_no
    FROM (VALUES (:rows)) AS given (id, order_id, line_no)
    WHERE autocard_cards.id = given.id AND state || '' = 'available'
    """

    # Write a purchase down; nothing is returned while its need has an open one.
    INSERT_PURCHASE = Statements.INSERT_PURCHASE + "RETURNING id"

    # Begin an import.
    INSERT_BATCH = Statements.INSERT_BATCH + "RETURNING id"

    # Forget a card that was never sold: it may be imported again. A shared one that was sold
    # leaves stock too, but its buyers may ask for it again, so it stays readable.
    FORGET_CARD = Statements.FORGET_CARD.replace("x''", "''")


_ROWS: Final = "VALUES (:rows)"
_SPREAD: Final = "SELECT * FROM :columns"
_ORDERS: Final = Spread(
    b"autocard_orders",
    PostgresStatements.INSERT_ORDERS.replace(_ROWS, _SPREAD),
    (
        "text", "text", "bytea", "bytea", "bytea", "bytea", "int8", "int8", "int8", "text", "int8"
    ),
)  # fmt: skip
_GIVEN: Final = Spread(
    b"autocard_given",
    PostgresStatements.GIVE_EACH.replace("%s", "?").replace(f"({_ROWS})", ":columns"),
    ("int8", "int8", "int8"),
)
_LATER: Final = {
    PostgresStatements.INSERT_LINES: Spread(
        b"autocard_lines",
        PostgresStatements.INSERT_LINES.replace(_ROWS, _SPREAD),
        (
            "int8", "int8", "text", "int8", "text", "int8", "text", "text", "text", "text", "int8"
        ),
    ),
    PostgresStatements.INSERT_MOVEMENTS: Spread(
        b"autocard_movements",
        PostgresStatements.INSERT_MOVEMENTS.replace(_ROWS, _SPREAD),
        ("int8", "text", "text", "int8", "text", "int8", "int8"),
    ),
    PostgresStatements.INSERT_EVENTS: Spread(
        b"autocard_events",
        PostgresStatements.INSERT_EVENTS.replace(_ROWS, _SPREAD),
        ("text", "int8", "int8", "int8", "text"),
    ),
}  # fmt: skip
"""What is said of many rows at once, by the statement that says it of each."""


class PostgresHostTransaction(GroupingTransaction):
    """A change inside a host's transaction."""

    sql: ClassVar[type[PostgresStatements]] = PostgresStatements
    duplicate = psycopg.errors.UniqueViolation

    def _give_each(self, state: CardState, rows: Sequence[tuple[int, OrderId, int]]) -> None:
        self._cursor.execute(
            self.sql.marked_rows(self.sql.GIVE_EACH, len(rows), 3),
            (state, *chain.from_iterable(rows)),
        )
        if self._cursor.rowcount != len(rows):
            raise IllegalTransition("a card was taken by somebody else")

    def _insert(self, statement: str, parameters: tuple[Any, ...]) -> int | None:
        self._cursor.execute(statement, parameters)
        row = self._cursor.fetchone()
        return None if row is None else int(row[0])

    def _write_cards(self, rows: Sequence[CardRow]) -> int:
        cursor = cast("psycopg.Cursor[Any]", self._cursor)
        with cursor.copy(_COPY) as copy:
            copy.set_types(_COPY_TYPES)
            for row in rows:
                copy.write_row(row)
        return len(rows)


class PostgresTransaction(PostgresHostTransaction):
    """A change of our own: the common order is one round trip, and the commit another."""

    _cursor: BeginningCursor

    def place(self, entry: OrderEntry) -> Placed | None:
        shelf = self._common_shelf(entry)
        if shelf is None:
            return super().place(entry)
        (line,) = entry.lines
        rows = self._place_common(entry, line, shelf)
        if not rows:
            return None
        order_id = OrderId(rows[0][0])
        if rows[0][1] is None:  # the shelf has too few: somewhere else, or short
            return self._place_alone(order_id, entry)
        if len(rows) != plan_of(entry).quantity:
            raise IllegalTransition("a card was taken by somebody else")
        cards = tuple(SealedCard(CardId(row[1] or 0), *row[2:]) for row in rows)
        if line.intents:
            self.insert_intents(order_id, line.line_no, line.intents, now_ms=entry.accepted_ms)
        return Placed(order_id, ((line.filled, cards),), is_told=True)

    def _accept(self, run: Sequence[OrderEntry]) -> dict[tuple[str, str], OrderId]:
        first = first_by_name(run)
        _, rows = self._cursor.spread(_ORDERS, [order_values(x) for x in first.values()])
        return {_name(row[1:]): OrderId(whole(row[0])) for row in rows}

    def _give_each(self, state: CardState, rows: Sequence[tuple[int, OrderId, int]]) -> None:
        given, _ = self._cursor.spread(_GIVEN, rows, state)
        if given != len(rows):
            raise IllegalTransition("a card was taken by somebody else")

    def _later_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            self._cursor.spread(_LATER[statement], rows)

    def _place_common(self, entry: OrderEntry, line: LineEntry, shelf: int) -> list[PlacedRow]:
        plan, now_ms, target = plan_of(entry), entry.accepted_ms, line.card_state
        told = line_event(OrderId(0), line, line.filled, now_ms)  # of the order it makes
        start, from_start = self._start(shelf, plan.alive_at_ms)
        rows = self._cursor.place(
            (
                *order_values(entry), shelf, *start, plan.quantity, target,
                *line_values(line, line.filled, now_ms), told.kind, told.detail,
            )
        )  # fmt: skip
        if rows and rows[0][1] is not None:
            self.moved += 1
            first = (rows[0][1], rows[0][4])
            self._remembered.began_at(shelf, first, plan.alive_at_ms, from_start=from_start)
        return rows


class PostgresPool(ServerPool):
    """The store on PostgreSQL 14 or newer."""

    sql = PostgresStatements
    # Where no statistics were made yet, it takes half of the movements for not rolled up and walks
    # all of them, or starts workers and compiles what is read once. A plain walk of the index also
    # marks what was rolled up since, so that the next one passes it by; a bitmap does not.
    quickly = (
        (
            "SELECT set_config('enable_seqscan', 'off', true), "
            "set_config('enable_bitmapscan', 'off', true), "
            "set_config('max_parallel_workers_per_gather', '0', true), "
            "set_config('jit', 'off', true)"
        ),
    )
    picture = ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",)
    time_ms = "SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint"
    migration_lock = f"SELECT pg_try_advisory_xact_lock({0x6175746F63617264})"  # "autocard"
    driver_error = psycopg.Error
    transaction_class = PostgresTransaction
    host_transaction_class = PostgresHostTransaction

    def __init__(self, url: sa.URL, *, hosts: Sequence[Host], **options: Any) -> None:
        refuse_unknown(url.query, (*OURS, *_KNOWN))
        arguments: dict[str, Any] = {
            "application_name": "autocard",
            "client_encoding": "utf8",
            "connect_timeout": CONNECT_S,
            # A host that vanished without a word is given up after a minute.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "tcp_user_timeout": 60_000,
        }
        if len(hosts) > 1:
            arguments |= {
                "host": ",".join(host.bare for host in hosts),
                "port": ",".join(str(host.port or _PORT) for host in hosts),
                "target_session_attrs": "read-write",  # a standby is passed by
            }
        # SQLAlchemy would let these go before what the address says.
        arguments = {name: value for name, value in arguments.items() if name not in url.query}
        super().__init__(url, connect_args=arguments, **options)
        sa.event.listen(self._engine, "do_connect", _connected)
        sa.event.listen(self._engine, "connect", self._set_up)

    def _set_up(self, connection: Any, record: Any) -> None:
        def note(told: psycopg.errors.Diagnostic) -> None:
            # The commit itself succeeds all the same; only this warning says what it lacks.
            if "synchronous replication" in (told.message_primary or ""):
                record.info[_NOT_REPLICATED] = True

        connection.add_notice_handler(note)
        # One type for every integer, so that a statement is prepared once and not per magnitude.
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        # Every ANALYZE makes the server plan anew; these statements need no second opinion.
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute(f"SET lock_timeout = {int(self.wait_s * 1000) or 1}")

    def doubt(self, held: Any) -> str:
        if not held.info.pop(_NOT_REPLICATED, False):
            return ""
        return (
            "the commit is on the primary alone: its wait for the standby was cancelled; make the "
            "same call again once the standby is back: what was stored is not done twice"
        )

    def cursor(self, held: Any) -> Cursor:
        found: Cursor = _cursor(held.driver_connection)
        return found

    def begun(self, held: Any) -> Cursor:
        return BeginningCursor(_cursor(held.driver_connection), held.info)

    def undo(self, held: Any) -> None:
        run(held.driver_connection, b"ROLLBACK")

    def host_cursor(self, connection: Any) -> Any:
        begin_unseen(connection)
        raw = driver_connection(connection, psycopg.Connection, "psycopg 3")
        if raw.autocommit and raw.info.transaction_status is TransactionStatus.IDLE:
            raise StoreError(BEGIN_FIRST)
        return _cursor(raw)

    def problem(self, error: BaseException) -> StoreError:
        if not isinstance(error, psycopg.Error):
            return unwritable()
        state = error.sqlstate or ""
        if state in _CONFLICTS:
            return Conflict(f"the database is busy with the same rows ({state})")
        if not state:
            return _without_state(error)
        if state in _UNUSABLE or state.startswith(_BROKEN):
            return Lost(f"the database broke the connection off ({state})")
        if state == _REPEATED:
            return repeated()
        if state.startswith(_DATA):
            return unwritable()
        words = _PROBLEMS.get(state) or _PROBLEMS.get(state[:2])
        if words is None:
            return Unforeseen(f"the database refused: {type(error).__name__} ({state})")
        return StoreUnavailable(f"{words} ({state})")


def _connected(dialect: Any, _record: object, arguments: list[Any], named: dict[str, Any]) -> Any:
    """Connect; `ConfigurationError` where it is the address that the driver does not take."""
    try:
        return dialect.connect(*arguments, **named)
    except psycopg.Error as error:
        name = _refused_setting(error)
        if name is None:
            raise
        problem = ConfigurationError(f"store: {name} has a value that the driver does not know")
    except Exception as error:  # noqa: BLE001 - whatever a driver thinks of
        problem = untakeable(error)
    # Raised out here: the driver's own error may carry the password along.
    raise problem


def _refused_setting(error: psycopg.Error) -> str | None:
    """Return the setting whose value the driver does not understand."""
    found = None if error.sqlstate else _REFUSED.search(str(error))
    name = found and next(filter(None, found.groups()))
    return name if name in _KNOWN else None


def _name(binary: Sequence[bytes | None]) -> tuple[str, str]:
    platform, order_no = ((x or b"").decode() for x in binary)
    return platform, order_no


def _without_state(error: psycopg.Error) -> StoreError:
    """Say what the driver found out by itself, or was told while it connected."""
    if isinstance(error, psycopg.DataError):
        return unwritable()
    if isinstance(error, (psycopg.ProgrammingError, psycopg.NotSupportedError)):
        return StoreUnavailable(f"the driver refused: {type(error).__name__}")
    told = str(error)
    for words, state in _NOT_LET_IN:
        if "FATAL" in told and words in told:
            return StoreUnavailable(f"{_PROBLEMS[state]} ({state})")
    if told.startswith(_NO_ANSWER):
        return Lost(UNREACHED)
    return Lost(f"the database broke the connection off ({type(error).__name__})")


def _cursor(connection: Any) -> Any:
    return psycopg.Cursor(connection, row_factory=tuple_row)
