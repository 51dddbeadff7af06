"""Common orders on PostgreSQL: BEGIN and everything one writes go in one round trip."""

from __future__ import annotations

import select
import sys
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult

from autocard.store.columns import Spread

# Also to a savepoint: after a ROLLBACK that it sees, psycopg deallocates what is prepared.
_ENDS: Final = ("COMMIT", "ROLLBACK")
PREPARED: Final = b"autocard_place"
_GOOD: Final = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)

PlacedRow = tuple[int, int | None, bytes, bytes, int]
"""The id of an order and, where it was filled, one of its cards: id, fingerprint, seal, expiry."""

# Accept an order and, where all its cards are on the shelf, take them and write its line, the
# movement and the event. Without them only the order is written. Nothing is returned when
# platform and number are known; no card, when there are too few. What is added to the state keeps
# the planner from walking the index of everything available for a few rows that it knows by id.
PLACE: Final = """
WITH accepted AS (
  INSERT INTO autocard_orders
    (platform, order_no, digest, payload, buyer, contact, accepted_at, paid_at, amount_minor,
     currency, reserved_until)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
  ON CONFLICT (platform, order_no) DO NOTHING
  RETURNING id
), picked AS MATERIALIZED (
  SELECT id FROM autocard_cards
  WHERE warehouse_id = $12 AND state = 'available' AND (expires_at, id) > ($13, $14)
    AND EXISTS (SELECT FROM accepted)
  ORDER BY expires_at, id LIMIT $15 FOR UPDATE SKIP LOCKED
), filled AS (
  SELECT id AS order_id FROM accepted WHERE (SELECT COUNT(*) FROM picked) = $15
), taken AS (
  UPDATE autocard_cards SET state = $16, order_id = filled.order_id, line_no = $17
  FROM filled
  WHERE autocard_cards.id = ANY (ARRAY(SELECT id FROM picked))
    AND autocard_cards.state || '' = 'available'
  RETURNING autocard_cards.id, fingerprint, sealed, expires_at
), line AS (
  INSERT INTO autocard_lines
    (order_id, line_no, item, quantity, sku, units, sources, outcome, reason, why, changed_at)
  SELECT order_id, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26 FROM filled
), movement AS (
  INSERT INTO autocard_movements (warehouse_id, origin, target, quantity, cause, cause_id, at)
  SELECT $12, 'available', $16, $15, 'order', order_id, $26 FROM filled
), told AS (
  INSERT INTO autocard_events (kind, at, order_id, line_no, detail)
  SELECT $27, $26, order_id, $17, $28 FROM filled
)
SELECT accepted.id, taken.id, fingerprint, sealed, expires_at
FROM accepted LEFT JOIN taken ON TRUE ORDER BY expires_at, taken.id
"""


class BeginningCursor:
    """
    A cursor of psycopg that says BEGIN with the first thing it is asked for.

    Common orders go through libpq itself (`psycopg.pq`): BEGIN and a statement that the server has
    prepared are one round trip there, and cost half of what the cursor takes. That one rewrites
    the placeholders of a long statement every time, and prepares it only at its fifth use.
    """

    __slots__ = ("_cursor", "_has_begun", "_known", "_server")

    def __init__(self, cursor: psycopg.Cursor[Any], known: dict[Any, Any]) -> None:
        self._cursor = cursor
        self._server = cursor.connection.pgconn
        self._known = known  # of this connection, for as long as it lives
        self._has_begun = False

    def place(self, values: Sequence[Any]) -> list[PlacedRow]:
        """Place a common order by the values of `PLACE`."""
        placed = self._prepared(PREPARED, PLACE, [_sent(value) for value in values])
        return [_row(placed, number) for number in range(placed.ntuples)]

    def spread(
        self, spread: Spread, rows: Sequence[Sequence[Any]], *first: Any
    ) -> tuple[int, list[list[bytes | None]]]:
        """Execute a statement on *rows*; return how many it met, and what it returned of them."""
        columns = [(column, Format.BINARY) for column in spread.columns(rows)]
        sent = [*map(_sent, first), *columns]
        answer = self._prepared(spread.name, spread.numbered, sent)
        width = range(answer.nfields)
        met = [[answer.get_value(row, x) for x in width] for row in range(answer.ntuples)]
        return answer.command_tuples or 0, met

    def _prepared(
        self, name: bytes, statement: str, sent: Sequence[tuple[bytes | None, Format]]
    ) -> PGresult:
        """Execute a statement that the server prepares when it is first met on a connection."""
        if name not in self._known:
            _check(self._server.prepare(name, statement.encode()))
            self._known[name] = True
        try:
            return self._together(name, sent)
        except psycopg.errors.InvalidSqlStatementName:
            del self._known[name]  # somebody deallocated it; the change is made again
            raise

    def _together(self, name: bytes, sent: Sequence[tuple[bytes | None, Format]]) -> PGresult:
        """Send BEGIN, where it is due, and a prepared statement; return what that one gave."""
        server = self._server
        server.enter_pipeline_mode()
        try:
            if not self._has_begun:
                self._has_begun = True
                server.send_query_params(b"BEGIN", None)
            server.send_query_prepared(
                name, [x for x, _ in sent], [x for _, x in sent], result_format=Format.BINARY
            )
            server.pipeline_sync()
            answers = self._answers()
            server.exit_pipeline_mode()
        except BaseException:  # a signal, perhaps: what comes from the server next has no reader
            server.finish()
            raise
        for answer in answers:
            _check(answer)
        return answers[-1]

    def _answers(self) -> list[PGresult]:
        server = self._server
        while server.flush():
            _wait(server.socket, to_write=True)
        answers: list[PGresult] = []
        while True:
            while server.is_busy():
                _wait(server.socket)  # other threads may work meanwhile
                server.consume_input()
            answer = server.get_result()
            if answer is not None and answer.status == ExecStatus.PIPELINE_SYNC:
                return answers
            if answer is not None:
                answers.append(answer)
            elif server.status != ConnStatus.OK:
                raise psycopg.OperationalError("the connection is lost")

    # --- what a cursor does ---

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> None:
        """Not known to this driver; `RETURNING` is."""

    def execute(self, statement: Any, parameters: Any = None, /) -> Any:
        if statement.startswith(_ENDS):
            if self._has_begun:
                self._run(statement.encode())
            return None
        self._begin()
        return self._cursor.execute(statement, parameters)

    def executemany(self, statement: Any, parameters: Any, /) -> Any:
        self._begin()
        return self._cursor.executemany(statement, parameters)

    def copy(self, statement: Any, /) -> Any:
        self._begin()
        return self._cursor.copy(statement)

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def fetchall(self) -> Any:
        return self._cursor.fetchall()

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._run(b"BEGIN")

    def _run(self, command: bytes) -> None:
        answer = self._server.exec_(command)
        _check(answer)
        if command == b"COMMIT" and answer.command_status == b"ROLLBACK":
            raise psycopg.errors.InFailedSqlTransaction  # a statement had failed, unnoticed


def run(connection: psycopg.Connection[Any], command: bytes) -> None:
    """Run *command* as it is, unseen by psycopg."""
    _check(connection.pgconn.exec_(command))


def _wait(socket: int, *, to_write: bool = False) -> None:
    """Wait until the server has something for us, or room for something from us."""
    if sys.platform == "win32":  # pragma: no cover - the tests run where poll is
        select.select([] if to_write else [socket], [socket] if to_write else [], [])
        return
    waiting = select.poll()  # unlike select, it takes sockets of any number
    waiting.register(socket, select.POLLOUT if to_write else select.POLLIN)
    waiting.poll()


def _check(result: PGresult) -> None:
    if result.status not in _GOOD:
        raise error_from_result(result)


def _sent(value: Any) -> tuple[bytes | None, Format]:
    """Return *value* as it goes over the wire."""
    if isinstance(value, bytes):
        return value, Format.BINARY
    if value is None:
        return None, Format.TEXT
    text = str(value)
    if "\0" in text:  # libpq would end the text there
        raise psycopg.DataError("a text contains NUL")
    return text.encode(), Format.TEXT


def _row(result: PGresult, number: int) -> PlacedRow:
    order_id, card, fingerprint, sealed, expires_ms = (
        result.get_value(number, column) for column in range(5)
    )
    if card is None:
        return whole(order_id), None, b"", b"", 0
    return whole(order_id), whole(card), fingerprint or b"", sealed or b"", whole(expires_ms)


def whole(binary: bytes | None) -> int:
    """Return the number that the server wrote in binary."""
    return int.from_bytes(binary or b"", "big", signed=True)
