"""Stores where many write at once: rows are locked, and what rarely changes is remembered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from autocard.model import OrderId
from autocard.records import KnownCard, Plan
from autocard.states import CardState
from autocard.store.problems import Conflict
from autocard.store.remembered import LAST_ID, Position, Remembered
from autocard.store.statements import LINE_COLUMNS, ORDER_COLUMNS, Statements
from autocard.store.stocking import CardRow
from autocard.store.transaction import SqlTransaction


class LockingStatements(Statements, mark="%s"):
    """What is said differently where many write at once."""

    # The next cards of a warehouse from a position on, passing by those that others are taking.
    PICK_CARDS = """
    SELECT id, fingerprint, sealed, expires_at FROM autocard_cards
    WHERE warehouse_id = ? AND state = 'available' AND (expires_at, id) > (?, ?)
    ORDER BY expires_at, id LIMIT ? FOR UPDATE SKIP LOCKED
    """

    # The same, waiting for those that others are taking: they may come back.
    WAIT_FOR_CARDS = """
    SELECT id, fingerprint, sealed, expires_at FROM autocard_cards
    WHERE warehouse_id = ? AND state = 'available' AND (expires_at, id) > (?, ?)
    ORDER BY expires_at, id LIMIT ? FOR UPDATE
    """

    # The next cards of one batch inside one warehouse, in the same order. The sum keeps the
    # planner from walking the whole warehouse for them.
    PICK_BATCH_CARDS = """
    SELECT id, fingerprint, sealed, expires_at FROM autocard_cards
    WHERE batch_id = ? AND warehouse_id + 0 = ? AND state = 'available' AND expires_at > ?
    ORDER BY expires_at, id LIMIT ? FOR UPDATE
    """

    # Shared cards of a warehouse that may still be sold; one order after the other.
    PICK_SHARED = Statements.PICK_SHARED + "FOR UPDATE"

    # Shared cards of one batch inside one warehouse that may still be sold, in the same order.
    PICK_BATCH_SHARED = (
        Statements.PICK_BATCH_SHARED.replace("+warehouse_id", "warehouse_id + 0") + "FOR UPDATE"
    )

    # Cards of a batch that can still be taken back, by warehouse they lie in now.
    PICK_UNDO = Statements.PICK_UNDO + " FOR UPDATE"

    # Accept orders; those that are known are passed by.
    INSERT_ORDERS = """
    INSERT INTO autocard_orders
      (platform, order_no, digest, payload, buyer, contact, accepted_at, paid_at, amount_minor,
       currency, reserved_until)
    VALUES (:rows)
    """

    # Write lines of accepted orders in the states they were placed in.
    INSERT_LINES = """
    INSERT INTO autocard_lines
      (order_id, line_no, item, quantity, sku, units, sources, outcome, reason, why, changed_at)
    VALUES (:rows)
    """

    # Write down that cards went from one state to another in one warehouse, several times.
    INSERT_MOVEMENTS = """
    INSERT INTO autocard_movements (warehouse_id, origin, target, quantity, cause, cause_id, at)
    VALUES (:rows)
    """

    # Append events.
    INSERT_EVENTS = """
    INSERT INTO autocard_events (kind, at, order_id, line_no, detail) VALUES (:rows)
    """

    # One order by name, so that nobody else changes it until the end of this change.
    LOCK_ORDER = f"""
    SELECT {ORDER_COLUMNS} FROM autocard_orders WHERE platform = ? AND order_no = ? FOR UPDATE
    """

    # The cards of a line in one state, so that nobody voids one until the end of this change.
    LINE_CARDS = Statements.LINE_CARDS + "FOR UPDATE"

    # Where a card lies, so that nobody carries it away until the end of this change.
    CARD_WAREHOUSE = Statements.CARD_WAREHOUSE + " FOR UPDATE"

    # The warehouse of a sku, so that one buyer's orders for a shared sku are counted in turn.
    LOCK_WAREHOUSE = Statements.LOCK_WAREHOUSE + " FOR UPDATE"

    # Payloads that are here, so that nobody changes their orders until the end of this change.
    LOCK_PAYLOADS = Statements.LOCK_PAYLOADS + "FOR UPDATE"

    # What is known of a supplier, so that nobody else changes it until the end of this change.
    LOCK_SUPPLIER = Statements.LOCK_SUPPLIER + " FOR UPDATE"

    # What is not rolled up yet and that nobody else is rolling up, oldest first.
    OPEN_MOVEMENTS = Statements.OPEN_MOVEMENTS + "FOR UPDATE SKIP LOCKED"

    # Paid lines that wait for stock, first come first, beyond an order and line.
    WAITING_LINES = f"""
    SELECT {LINE_COLUMNS} FROM autocard_lines
    WHERE outcome = 'pending' AND reason IN ('short', 'manual') AND (order_id, line_no) > (?, ?)
    ORDER BY order_id, line_no LIMIT ?
    """


class LockingTransaction(SqlTransaction, ABC):
    """A change that locks what it takes and passes by what others are taking."""

    sql: ClassVar[type[LockingStatements]] = LockingStatements

    def __init__(self, cursor: Any, remembered: Remembered | None = None) -> None:
        super().__init__(cursor, remembered)
        self._waits = False

    # --- which cards ---

    def _pick(self, plan: Plan) -> list[tuple[int, list[Any]]]:
        picked = super()._pick(plan)
        if picked:
            return picked
        # Some may be locked by changes that are rolled back in the end: wait for those.
        self._waits = True
        try:
            return super()._pick(plan)
        finally:
            self._waits = False

    def _next_cards(self, warehouse_id: int, alive_at_ms: int, most: int) -> list[Any]:
        start, from_start = self._start(warehouse_id, alive_at_ms)
        rows = self._cards_beyond(warehouse_id, start, most)
        if len(rows) < most and not from_start:
            from_start = True
            rows = self._cards_beyond(warehouse_id, (alive_at_ms, LAST_ID), most)
        if rows:
            first = self._first(rows)
            self._remembered.began_at(warehouse_id, first, alive_at_ms, from_start=from_start)
        return rows

    def _first(self, rows: Sequence[Any]) -> tuple[int, int]:
        """Return id and expiry of the first card that was there."""
        return rows[0][0], rows[0][3]

    def _start(self, warehouse_id: int, alive_at_ms: int) -> tuple[Position, bool]:
        """Return beyond which position to look, and whether that is the very beginning."""
        start = (alive_at_ms, LAST_ID)
        known = None if self._waits else self._remembered.begin_at(warehouse_id, alive_at_ms)
        return (start, True) if known is None or known <= start else (known, False)

    def _cards_beyond(self, warehouse_id: int, position: Position, most: int) -> list[Any]:
        statement = self.sql.WAIT_FOR_CARDS if self._waits else self.sql.PICK_CARDS
        self._cursor.execute(statement, (warehouse_id, *position, most))
        return list(self._cursor.fetchall())

    def _give(
        self, target: CardState, order_id: OrderId, line_no: int, cards: Sequence[int]
    ) -> None:
        if len(cards) == 1:
            super()._give(target, order_id, line_no, cards)
            return
        self._change_each(
            self.sql.TAKE_CARDS,
            cards,
            "a card is not available; somebody else was faster",
            (target, order_id, line_no),
        )

    # --- cards that come in ---

    def _insert_new(self, rows: Sequence[CardRow]) -> dict[bytes, KnownCard]:
        if self._insert_all(rows):
            return {}
        known = self.known([row[4] for row in rows])
        new = [row for row in rows if row[4] not in known]
        if new and not self._insert_all(new):
            raise Conflict("the same cards are being imported by somebody else")
        return known

    def _insert_all(self, rows: Sequence[CardRow]) -> bool:
        """Insert all cards at once; False, and nothing is inserted, where one is known."""
        cursor = self._cursor
        cursor.execute("SAVEPOINT autocard_cards")
        is_new = True
        try:
            self._write_cards(rows)
        except self.duplicate:
            is_new = False
            cursor.execute("ROLLBACK TO SAVEPOINT autocard_cards")
        cursor.execute("RELEASE SAVEPOINT autocard_cards")
        return is_new

    @abstractmethod
    def _write_cards(self, rows: Sequence[CardRow]) -> int:
        """Insert cards as fast as the driver can; all of them, or its error of a `duplicate`."""

    # --- what is remembered ---

    def add_cards(self, *arguments: Any, **options: Any) -> Any:
        self._remembered.forget_heads()
        return super().add_cards(*arguments, **options)

    def move_cards(
        self, sku: str, origin: str, destination: str, *, limit: int, now_ms: int
    ) -> int:
        self._remembered.forget_heads()
        self._waits = True  # a card that somebody nearly took is to be carried along
        try:
            return super().move_cards(sku, origin, destination, limit=limit, now_ms=now_ms)
        finally:
            self._waits = False

    def move_line_cards(
        self, order_id: OrderId, line_no: int, state: CardState, target: CardState, *, now_ms: int
    ) -> int:
        if target is CardState.AVAILABLE:
            self._remembered.forget_heads()
        return super().move_line_cards(order_id, line_no, state, target, now_ms=now_ms)
