"""Cards leave stock: taken whole or not at all, shared, reserved, given by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from autocard.model import CardId, OrderId
from autocard.records import (
    Plan,
    SealedCard,
    Status,
    StoredLine,
)
from autocard.states import (
    CardState,
    Outcome,
    Reason,
    check_card_move,
)
from autocard.store.guarded import Guarded
from autocard.store.problems import Conflict
from autocard.store.rows import Taken

_NO_CAP: Final = 2**31 - 1


class Taking(Guarded):
    """The part of a change that gives cards to lines."""

    def _take(
        self,
        plan: Plan,
        order_id: OrderId,
        line_no: int,
        target: CardState,
        buyer: bytes | None,
        now_ms: int,
        *,
        filled: Status,
        short: Status,
    ) -> tuple[Status, Taken]:
        if plan.in_turn and self._somebody_waits(plan.sku, order_id, line_no):
            return short, ()
        if plan.shared:
            return self._take_shared(plan, order_id, line_no, buyer, now_ms, filled, short)
        picked = self._pick(plan)
        if not picked:
            return short, ()
        taken: list[SealedCard] = []
        for warehouse_id, rows in picked:
            self._give(target, order_id, line_no, [row[0] for row in rows])
            self._move(
                warehouse_id, CardState.AVAILABLE, target, len(rows), "order", order_id, now_ms
            )
            taken += [SealedCard(*row) for row in rows]
        return filled, tuple(taken)

    def _give(
        self, target: CardState, order_id: OrderId, line_no: int, cards: Sequence[int]
    ) -> None:
        """Take available cards to *target* for a line; every one, or `IllegalTransition`."""
        self._change(
            self.sql.TAKE_CARD,
            [(target, order_id, line_no, card) for card in cards],
            "a card is not available; somebody else was faster",
        )

    def _somebody_waits(self, sku: str, order_id: OrderId, line_no: int) -> bool:
        self._cursor.execute(self.sql.WAITS_BEFORE, (sku, order_id, line_no))
        return self._cursor.fetchone() is not None

    def _pick(self, plan: Plan) -> list[tuple[int, list[Any]]]:
        """Return `quantity` cards by the warehouse they lie in, or none at all."""
        picked: list[tuple[int, list[Any]]] = []
        missing = plan.quantity
        for warehouse_id in self._warehouses(plan):
            rows = self._shelf(plan, warehouse_id, missing)
            missing -= len(rows)
            if rows:
                picked.append((warehouse_id, rows))
            if not missing:
                return picked
        return []

    def _shelf(self, plan: Plan, warehouse_id: int, most: int) -> list[Any]:
        """Return up to *most* cards of one warehouse in the order they are sold."""
        if not plan.batches:
            return self._next_cards(warehouse_id, plan.alive_at_ms, most)
        rows: list[Any] = []
        for batch in dict.fromkeys(plan.batches):
            left = most - len(rows)
            self._cursor.execute(
                self.sql.PICK_BATCH_CARDS, (batch, warehouse_id, plan.alive_at_ms, left)
            )
            rows += self._cursor.fetchall()
        return rows

    def _take_shared(
        self,
        plan: Plan,
        order_id: OrderId,
        line_no: int,
        buyer: bytes | None,
        now_ms: int,
        filled: Status,
        short: Status,
    ) -> tuple[Status, Taken]:
        if plan.per_buyer is not None and self._had(buyer, plan) > plan.per_buyer:
            why = f"one buyer may have {plan.per_buyer} of {plan.sku}"
            return Status(Outcome.HELD, Reason.BUYER_LIMIT, why), ()
        cap = _NO_CAP if plan.cap is None else plan.cap
        chosen: list[tuple[int, tuple[Any, ...], int]] = []
        missing = plan.quantity
        for warehouse_id in self._warehouses(plan):
            for row in self._shared(plan, warehouse_id, cap):
                units = min(missing, cap - row[4])
                if units:
                    chosen.append((warehouse_id, row, units))
                    missing -= units
        if missing:
            return short, ()
        for warehouse_id, row, units in chosen:
            self._use_shared(plan, warehouse_id, row, units, cap, now_ms, order_id)
            self._cursor.execute(
                self.sql.INSERT_SHARE, (order_id, line_no, row[0], units, plan.sku, buyer)
            )
        return filled, tuple(SealedCard(*row[:4]) for _, row, units in chosen for _ in range(units))

    def _shared(self, plan: Plan, warehouse_id: int, cap: int) -> Iterable[Any]:
        """Return at least as many shared cards of one warehouse as the plan can need."""
        cursor = self._cursor
        limits = (warehouse_id, plan.alive_at_ms, cap, plan.quantity)
        if not plan.batches:
            cursor.execute(self.sql.PICK_SHARED, limits)
            yield from cursor.fetchall()
        for batch in dict.fromkeys(plan.batches):
            cursor.execute(self.sql.PICK_BATCH_SHARED, (batch, *limits))
            yield from cursor.fetchall()

    def _had(self, buyer: bytes | None, plan: Plan) -> int:
        """Return how many this buyer would have had; an unknown buyer counts each time alone."""
        if buyer is None:
            return plan.quantity
        for name in plan.warehouses:
            self._cursor.execute(self.sql.LOCK_WAREHOUSE, (plan.sku, name))
            self._cursor.fetchall()
        self._cursor.execute(self.sql.COUNT_SHARES, (buyer, plan.sku))
        return int(self._cursor.fetchone()[0]) + plan.quantity

    def _use_shared(
        self, plan: Plan, warehouse_id: int, row: Any, units: int, cap: int, now_ms: int,
        order_id: OrderId,
    ) -> None:  # fmt: skip
        spent = row[4] + units >= cap
        state = CardState.DELIVERED if spent else CardState.AVAILABLE
        self._change(
            self.sql.USE_SHARED, [(units, state, row[0], row[4])], f"a card of {plan.sku} moved on"
        )
        if spent:
            self._move(warehouse_id, CardState.AVAILABLE, state, 1, "order", order_id, now_ms)

    def _line_cards(self, line: StoredLine, state: CardState) -> Taken:
        self._cursor.execute(self.sql.LINE_CARDS, (line.order_id, line.line_no, state))
        return tuple(SealedCard(*row) for row in self._cursor.fetchall())

    def move_line_cards(
        self, order_id: OrderId, line_no: int, state: CardState, target: CardState, *, now_ms: int
    ) -> int:
        check_card_move(state, target)
        cursor = self._cursor
        cursor.execute(self.sql.COUNT_LINE_CARDS, (order_id, line_no, state))
        counts = cursor.fetchall()
        if target is CardState.AVAILABLE:
            cursor.execute(self.sql.RELEASE_LINE_CARDS, (order_id, line_no))
        else:
            cursor.execute(self.sql.MOVE_LINE_CARDS, (target, order_id, line_no, state))
        moved: int = sum(count for _, count in counts)
        if cursor.rowcount != moved:  # counted without a lock, which every delivery would pay for
            raise Conflict("a card of the line was voided by somebody else just now")
        for warehouse_id, count in counts:
            self._move(warehouse_id, state, target, count, "order", order_id, now_ms)
        return moved

    def give_cards(
        self, line: StoredLine, cards: Sequence[CardId], target: CardState, *, now_ms: int
    ) -> None:
        # In one order, so that two who pick the same cards do not wait for each other in a circle.
        warehouses = Counter(self._card_warehouse(card, line.sku) for card in sorted(cards))
        self._change(
            self.sql.TAKE_CARD,
            [(target, line.order_id, line.line_no, card) for card in cards],
            "a picked card is not available",
        )
        for warehouse_id, count in warehouses.items():
            self._move(
                warehouse_id, CardState.AVAILABLE, target, count, "order", line.order_id, now_ms
            )
