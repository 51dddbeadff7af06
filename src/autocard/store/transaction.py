"""One atomic change: the hot transitions, each guarded by the state it expects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autocard.errors import IllegalTransition
from autocard.model import OrderId
from autocard.records import (
    EventEntry,
    IntentEntry,
    LineEntry,
    OrderEntry,
    Placed,
    Plan,
    Status,
    StoredIntent,
    StoredLine,
    StoredOrder,
)
from autocard.states import (
    INTENT_MOVES,
    CardState,
    IntentState,
    check_line_move,
)
from autocard.store.archiving import Archiving
from autocard.store.problems import Conflict
from autocard.store.purchasing import Purchasing
from autocard.store.rows import Taken, read_cards, read_order, sources_text, stored_intent
from autocard.store.stocking import Stocking
from autocard.store.taking import Taking


class SqlTransaction(Taking, Stocking, Purchasing, Archiving):
    """The changes of `autocard.ports.Transaction` on a driver's cursor."""

    # --- accept ---

    def place(self, entry: OrderEntry) -> Placed | None:
        row_id = self._insert(self.sql.INSERT_ORDER, order_values(entry))
        if row_id is None:
            return None
        order_id = OrderId(row_id)
        return Placed(order_id, tuple(self._place_line(order_id, entry, x) for x in entry.lines))

    def place_many(self, entries: Sequence[OrderEntry]) -> list[Placed | None]:
        return [self.place(entry) for entry in entries]

    def _place_line(
        self, order_id: OrderId, entry: OrderEntry, line: LineEntry
    ) -> tuple[Status, Taken]:
        now_ms = entry.accepted_ms
        status: Status = line.short
        taken: Taken = ()
        if line.plan is not None:
            status, taken = self._take(
                line.plan, order_id, line.line_no, line.card_state, entry.buyer, now_ms,
                filled=line.filled, short=line.short,
            )  # fmt: skip
        self._insert_line(order_id, line, status, now_ms)
        if taken and line.intents:
            self.insert_intents(order_id, line.line_no, line.intents, now_ms=now_ms)
        return status, taken

    def _insert_line(self, order_id: OrderId, line: LineEntry, status: Status, now_ms: int) -> None:
        self._later(
            self.sql.INSERT_LINE,
            (order_id, *line_values(line, status, now_ms)),
        )

    def fill(
        self,
        line: StoredLine,
        plan: Plan,
        *,
        card_state: CardState,
        filled: Status,
        short: Status,
        intents: Sequence[IntentEntry] = (),
        buyer: bytes | None = None,
        now_ms: int,
    ) -> tuple[Status, Taken]:
        taken = self._line_cards(line, CardState.RESERVED)
        if taken and not _are_fit(taken, plan):  # one was voided or expired while reserved
            self.move_line_cards(
                line.order_id, line.line_no, CardState.RESERVED, CardState.AVAILABLE, now_ms=now_ms
            )
            taken = ()
        if taken:
            if card_state is not CardState.RESERVED:  # a reservation may be asked for again
                moved = self.move_line_cards(
                    line.order_id, line.line_no, CardState.RESERVED, card_state, now_ms=now_ms
                )
                if moved != len(taken):  # never is a card told that the store did not give
                    raise Conflict("the cards of the line were changed by somebody else just now")
            status = filled
        else:
            status, taken = self._take(
                plan, line.order_id, line.line_no, card_state, buyer, now_ms,
                filled=filled, short=short,
            )  # fmt: skip
        if taken or status != line.status:  # cards never go to a line that has moved on
            self.settle_line(line, status, now_ms=now_ms)
        if taken and intents:
            self.insert_intents(line.order_id, line.line_no, intents, now_ms=now_ms)
        return status, taken

    # --- orders and lines ---

    def order(self, platform: str, order_no: str) -> StoredOrder | None:
        return read_order(self._cursor, self.sql, self.sql.LOCK_ORDER, (platform, order_no))

    def cards_of(self, order_id: OrderId) -> dict[int, Taken]:
        return read_cards(self._cursor, self.sql, order_id)

    def intents_of(self, order_id: OrderId) -> list[StoredIntent]:
        self._cursor.execute(self.sql.INTENTS_OF, (order_id,))
        return [stored_intent(row) for row in self._cursor.fetchall()]

    def attach(self, order_id: OrderId, entry: OrderEntry) -> None:
        cursor = self._cursor
        cursor.execute(
            self.sql.ATTACH_ORDER,
            (
                entry.digest, entry.payload, entry.buyer, entry.contact, entry.paid_ms,
                entry.amount_minor, entry.currency, entry.reserved_until_ms, order_id,
            ),
        )  # fmt: skip
        if cursor.rowcount != 1:
            raise IllegalTransition("the order was paid and joined meanwhile")
        cursor.execute(self.sql.FIND_LINES, (order_id,))
        if not cursor.fetchall():
            for line in entry.lines:
                self._insert_line(order_id, line, line.short, entry.accepted_ms)

    def end_reservation(self, order_id: OrderId, *, now_ms: int) -> bool:
        self._cursor.execute(self.sql.END_RESERVATION, (order_id, now_ms))
        return self._cursor.rowcount == 1

    def settle_line(self, line: StoredLine, status: Status, *, now_ms: int) -> None:
        check_line_move(line.status.outcome, status.outcome)
        self._change(
            self.sql.SETTLE_LINE,
            [
                (
                    status.outcome, status.reason, status.why, now_ms, line.order_id,
                    line.line_no, line.status.outcome, line.status.reason,
                )
            ],
            "the line has moved on",
        )  # fmt: skip

    def rematch(self, line: StoredLine, *, now_ms: int) -> None:
        sources = sources_text(line.sources, line.batches)
        self._change(
            self.sql.REMATCH_LINE,
            [
                (
                    line.sku, line.units, sources, now_ms, line.order_id, line.line_no,
                    line.status.outcome, line.status.reason,
                )
            ],
            "the line has moved on",
        )  # fmt: skip

    # --- intents and events ---

    def insert_intents(
        self, order_id: OrderId, line_no: int, intents: Sequence[IntentEntry], *, now_ms: int
    ) -> None:
        for intent in intents:
            claimed = intent.lease_ms is not None
            self._later(
                self.sql.INSERT_INTENT,
                (
                    intent.kind, order_id, line_no, intent.route, intent.reference,
                    IntentState.SENDING if claimed else IntentState.DUE, int(claimed),
                    intent.lease_ms if claimed else intent.due_ms, now_ms, intent.amount_minor,
                    intent.currency,
                ),
            )  # fmt: skip

    def settle_intent(
        self,
        intent: StoredIntent,
        state: IntentState,
        *,
        due_ms: int = 0,
        problem: str = "",
        remote: str = "",
    ) -> None:
        if state not in INTENT_MOVES[intent.state]:
            raise IllegalTransition(f"an intent cannot go from {intent.state} to {state}")
        self._change(
            self.sql.SETTLE_INTENT,
            [(state, due_ms, problem, remote[:255], intent.id, intent.state, intent.attempts)],
            "somebody else works on this intent",
        )

    def claim_intent(self, intent: StoredIntent, state: IntentState, until_ms: int) -> bool:
        """Own *intent* as *state* until a moment; False when somebody else was faster."""
        self._cursor.execute(
            self.sql.CLAIM_INTENT, (state, until_ms, intent.id, intent.state, intent.attempts)
        )
        return self._cursor.rowcount == 1

    def open_intents(self, order_id: OrderId, line_no: int) -> int:
        self._cursor.execute(self.sql.OPEN_INTENTS, (order_id, line_no))
        return int(self._cursor.fetchone()[0])

    def record(self, events: Sequence[EventEntry]) -> None:
        for event in events:
            self._later(
                self.sql.INSERT_EVENT,
                (event.kind, event.at_ms, event.order_id, event.line_no, event.detail),
            )


def order_values(entry: OrderEntry) -> tuple[Any, ...]:
    """Return what stands in the row of an order."""
    return (
        entry.platform, entry.order_no, entry.digest, entry.payload, entry.buyer, entry.contact,
        entry.accepted_ms, entry.paid_ms, entry.amount_minor, entry.currency,
        entry.reserved_until_ms,
    )  # fmt: skip


def line_values(line: LineEntry, status: Status, now_ms: int) -> tuple[Any, ...]:
    """Return what stands in the row of a line, beside the order it belongs to."""
    return (
        line.line_no, line.item, line.quantity, line.sku, line.units,
        sources_text(line.sources, line.batches), status.outcome, status.reason, status.why, now_ms,
    )  # fmt: skip


def _are_fit(reserved: Taken, plan: Plan) -> bool:
    return len(reserved) == plan.quantity and all(
        card.expires_ms > plan.alive_at_ms for card in reserved
    )
