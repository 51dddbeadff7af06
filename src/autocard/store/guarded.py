"""What every change stands on: guarded updates, movements, and ids."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from autocard.errors import CardNotFound, IllegalTransition
from autocard.model import BatchId, CardId
from autocard.records import (
    Plan,
)
from autocard.store.remembered import Remembered
from autocard.store.rows import CHUNK, Cursor
from autocard.store.statements import Statements


class Guarded:
    """A driver's cursor, and updates on it that insist on changing the rows they name."""

    sql: ClassVar[type[Statements]] = Statements
    duplicate: ClassVar[type[Exception]] = sqlite3.IntegrityError
    """What the driver raises where a row is there already."""

    def __init__(self, cursor: Cursor, remembered: Remembered | None = None) -> None:
        self._cursor = cursor
        self._remembered = remembered or Remembered()
        self._made_shelf = False
        self.moved = 0
        """How many movements this change has written."""

    def _change(self, statement: str, parameters: list[tuple[Any, ...]], moved_on: str) -> None:
        """Execute a guarded update and insist that it changed every row it names."""
        cursor = self._cursor
        if len(parameters) == 1:
            cursor.execute(statement, parameters[0])
        elif parameters:
            cursor.executemany(statement, parameters)
        if parameters and cursor.rowcount != len(parameters):
            raise IllegalTransition(moved_on)

    def _move(
        self, warehouse_id: int, origin: str, target: str, quantity: int, cause: str,
        cause_id: int, now_ms: int,
    ) -> None:  # fmt: skip
        self.moved += 1
        self._later(
            self.sql.INSERT_MOVEMENT,
            (warehouse_id, origin, target, quantity, cause, cause_id, now_ms),
        )

    def _change_each(
        self, statement: str, ids: Sequence[int], moved_on: str, first: tuple[Any, ...] = ()
    ) -> None:
        """Execute a guarded update of a list of rows and insist that it changed every one."""
        changed = 0
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            self._cursor.execute(self.sql.marked(statement, len(part)), (*first, *part))
            changed += self._cursor.rowcount
        if changed != len(ids):
            raise IllegalTransition(moved_on)

    def _next_cards(self, warehouse_id: int, alive_at_ms: int, most: int) -> list[Any]:
        """Return up to *most* available cards of a warehouse in the order they are sold."""
        self._cursor.execute(self.sql.PICK_CARDS, (warehouse_id, alive_at_ms, most))
        return list(self._cursor.fetchall())

    def _warehouse(self, sku: str, name: str) -> int | None:
        self._cursor.execute(self.sql.FIND_WAREHOUSE, (sku, name))
        row = self._cursor.fetchone()
        return None if row is None else int(row[0])

    def _batch_warehouse(self, batch: BatchId) -> int:
        self._cursor.execute(self.sql.BATCH_WAREHOUSE, (batch,))
        row = self._cursor.fetchone()
        if row is None:
            raise CardNotFound(f"there is no batch {batch}")
        return int(row[0])

    def _warehouses(self, plan: Plan) -> Iterable[int]:
        """Return the warehouses of a plan that exist, each once."""
        for name in dict.fromkeys(plan.warehouses):
            warehouse_id = self._shelf_id(plan.sku, name)
            if warehouse_id is not None:
                yield warehouse_id

    def _shelf_id(self, sku: str, name: str) -> int | None:
        """Return the id of a warehouse; once it is committed it never changes."""
        shelves = self._remembered.shelves
        found = shelves.get((sku, name))
        if found is None:
            found = self._warehouse(sku, name)
            if found is not None and not self._made_shelf:
                shelves[sku, name] = found
        return found

    def _card_warehouse(self, card: CardId, sku: str | None = None) -> int:
        """Return where a card lies, and see to it that it stays there while this change lasts."""
        self._cursor.execute(self.sql.CARD_WAREHOUSE, (card,))
        row = self._cursor.fetchone()
        # Asked apart and afterwards: the card may have come into a new warehouse while it was
        # waited for, and one statement would not see that.
        if row is None or (sku is not None and self._sku_of(row[0]) != sku):
            raise CardNotFound(f"there is no card {card}" + (f" of {sku}" if sku else ""))
        return int(row[0])

    def _sku_of(self, warehouse_id: int) -> str:
        self._cursor.execute(self.sql.WAREHOUSE_SKU, (warehouse_id,))
        return str(self._cursor.fetchone()[0])

    def _later(self, statement: str, parameters: tuple[Any, ...]) -> None:
        """Execute what has no answer to read, by the end of the change at the latest."""
        self._cursor.execute(statement, parameters)

    def _insert(self, statement: str, parameters: tuple[Any, ...]) -> int | None:
        """Insert one row and return its id; None where such a row is there already."""
        self._cursor.execute(statement, parameters)
        return self._cursor.lastrowid if self._cursor.rowcount == 1 else None
