"""MariaDB and MySQL: what needs no answer goes in one packet with what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pymysql

BEGIN: Final = "START TRANSACTION"
NOT_READY: Final = 1047
_BUSY: Final = ((1205,), (1213,))


class PacketCursor:
    """
    A cursor of PyMySQL inside a transaction that begins with the first thing it is asked for.

    Every statement is a packet there and one back, and most of an order's time goes into them.
    So those whose answer nobody reads wait for the next one: in the end, for COMMIT.

    Args:
        alone: Send each statement in a packet of its own. A node of a Galera cluster may undo a
            transaction between two packets; it then passes by the first statement of the next
            packet, goes on with the others, and would commit those.
    """

    __slots__ = ("_alone", "_cursor", "_ids", "_waiting")

    def __init__(self, cursor: pymysql.cursors.Cursor, *, alone: bool) -> None:
        self._cursor = cursor
        self._alone = alone
        self._waiting = [BEGIN]
        self._ids: list[int] = []

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid

    def later(self, statement: str, parameters: Any) -> None:
        """Execute *statement* together with the next one; an error of it is raised there."""
        self._waiting.append(self._cursor.mogrify(statement, parameters))
        if self._alone:
            self._send(self._waiting)

    def insert_and(self, insert: str, values: Any, statement: str, parameters: Any) -> int:
        """Execute *insert* and another statement together; return the id that the row was given."""
        inserts = [*self._waiting, self._cursor.mogrify(insert, values)]
        self._send([*inserts, self._cursor.mogrify(statement, parameters)])
        return self._ids[len(inserts) - 1]

    def execute(self, statement: str, parameters: Any = None, /) -> Any:
        if statement == "ROLLBACK":
            self._waiting.clear()
        self._send([*self._waiting, self._cursor.mogrify(statement, parameters)])

    def executemany(self, statement: str, parameters: Any, /) -> Any:
        if self._waiting:
            self._send(self._waiting)
        return self._cursor.executemany(statement, parameters)

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def fetchall(self) -> Any:
        return self._cursor.fetchall()

    def _send(self, statements: Sequence[str]) -> None:
        """Execute all and stand at the answer of the last."""
        self._waiting = []
        self._ids = []
        if self._alone:
            for statement in statements:
                self._send_together([statement])
        else:
            self._send_together(statements)

    def _send_together(self, statements: Sequence[str]) -> None:
        try:
            self._cursor.execute(";".join(statements))
        except pymysql.MySQLError as error:
            if statements[0] == BEGIN and error.args[:1] in _BUSY:
                # Over nothing yet: it is the server that is not ready, such as one that was frozen.
                raise pymysql.OperationalError(NOT_READY, "it cannot begin a transaction") from None
            raise
        self._note_id()
        for _ in statements[1:]:
            self._cursor.nextset()
            self._note_id()

    def _note_id(self) -> None:
        self._ids.append(self._cursor.lastrowid or 0)
