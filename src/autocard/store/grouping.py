"""Many orders in one change: what they have in common is said once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, groupby, islice
from typing import Any, Final, TypeVar

from autocard.model import OrderId
from autocard.records import EventEntry, OrderEntry, Placed, Plan, SealedCard
from autocard.states import CardState
from autocard.store.locking import LockingTransaction
from autocard.store.transaction import line_values, order_values

_MOST_ROWS: Final = 200
_MOST_CARDS: Final = 5_000
"""More cards than this are not taken in one statement."""
_T = TypeVar("_T")


class GroupingTransaction(LockingTransaction, ABC):
    """A change that accepts common orders in statements of many rows."""

    def place_many(self, entries: Sequence[OrderEntry]) -> list[Placed | None]:
        placed: list[Placed | None] = []
        for shelf, group in groupby(entries, self._common_shelf):
            for run in _parts(list(group)):
                if shelf is None or len(run) == 1 or _cards(run) > _MOST_CARDS:
                    placed += [self.place(entry) for entry in run]
                else:
                    placed += self._place_run(shelf, run)
        return placed

    def _common_shelf(self, entry: OrderEntry) -> int | None:
        """Return the first warehouse of an order of one line that takes its cards from shelves."""
        if len(entry.lines) != 1:
            return None
        plan = entry.lines[0].plan
        if plan is None or plan.shared or plan.batches or plan.in_turn or not plan.warehouses:
            return None
        return self._shelf_id(plan.sku, plan.warehouses[0])

    def _place_run(self, shelf: int, run: Sequence[OrderEntry]) -> list[Placed | None]:
        """Place common orders that take from one shelf first."""
        accepted = self._accept(run)
        ids = [accepted.pop((entry.platform, entry.order_no), None) for entry in run]
        fresh = [(x, entry) for x, entry in zip(ids, run, strict=True) if x is not None]
        filled = self._fill_from(shelf, fresh)
        return [
            None if order_id is None else filled.get(order_id) or self._place_alone(order_id, entry)
            for order_id, entry in zip(ids, run, strict=True)
        ]

    def _place_alone(self, order_id: OrderId, entry: OrderEntry) -> Placed:
        """Place an accepted order whose cards are not all on the first shelf."""
        return Placed(order_id, (self._place_line(order_id, entry, entry.lines[0]),))

    def _accept(self, run: Sequence[OrderEntry]) -> dict[tuple[str, str], OrderId]:
        """Insert the orders that are not known; return their ids by platform and number."""
        first = first_by_name(run)
        self._insert_many(self.sql.INSERT_ORDERS, [order_values(x) for x in first.values()])
        return {(row[1], row[2]): OrderId(row[0]) for row in self._cursor.fetchall()}

    def _fill_from(
        self, shelf: int, orders: Sequence[tuple[OrderId, OrderEntry]]
    ) -> dict[OrderId, Placed]:
        """Give as many orders as possible all their cards from one shelf, in their order."""
        if not orders:
            return {}
        plans = [plan_of(entry) for _, entry in orders]
        alive_at_ms = max(plan.alive_at_ms for plan in plans)
        rows = iter(self._next_cards(shelf, alive_at_ms, sum(plan.quantity for plan in plans)))
        taken = []
        for (order_id, entry), plan in zip(orders, plans, strict=True):
            cards = tuple(SealedCard(*row) for row in islice(rows, plan.quantity))
            if len(cards) < plan.quantity:
                break  # what is left may serve a smaller one; each is looked at alone
            taken.append((order_id, entry, cards))
        self._write_run(shelf, taken)
        return {x: Placed(x, ((entry.lines[0].filled, cards),)) for x, entry, cards in taken}

    def _write_run(
        self, shelf: int, taken: Sequence[tuple[OrderId, OrderEntry, tuple[SealedCard, ...]]]
    ) -> None:
        by_state: defaultdict[CardState, list[tuple[int, OrderId, int]]] = defaultdict(list)
        for order_id, entry, cards in taken:
            line = entry.lines[0]
            by_state[line.card_state] += [(card.id, order_id, line.line_no) for card in cards]
        for state, rows in by_state.items():
            self._give_each(state, rows)
        self._later_many(
            self.sql.INSERT_LINES,
            [
                (x, *line_values(entry.lines[0], entry.lines[0].filled, entry.accepted_ms))
                for x, entry, _ in taken
            ],
        )
        self.moved += len(taken)
        self._later_many(
            self.sql.INSERT_MOVEMENTS,
            [
                (
                    shelf, CardState.AVAILABLE, entry.lines[0].card_state, len(cards), "order", x,
                    entry.accepted_ms,
                )
                for x, entry, cards in taken
            ],
        )  # fmt: skip
        for order_id, entry, _ in taken:
            line = entry.lines[0]
            if line.intents:
                self.insert_intents(order_id, line.line_no, line.intents, now_ms=entry.accepted_ms)

    @abstractmethod
    def _give_each(self, state: CardState, rows: Sequence[tuple[int, OrderId, int]]) -> None:
        """Take available cards to *state*, each for its own order and line."""

    def record(self, events: Sequence[EventEntry]) -> None:
        self._later_many(
            self.sql.INSERT_EVENTS,
            [(x.kind, x.at_ms, x.order_id, x.line_no, x.detail) for x in events],
        )

    def _later_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        for part in _parts(rows):
            marked = self.sql.marked_rows(statement, len(part), len(part[0]))
            self._later(marked, tuple(chain.from_iterable(part)))

    def _insert_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        for part in _parts(rows):
            marked = self.sql.marked_rows(statement, len(part), len(part[0]))
            self._cursor.execute(marked, tuple(chain.from_iterable(part)))


def first_by_name(run: Sequence[OrderEntry]) -> dict[tuple[str, str], OrderEntry]:
    """Return the first of the orders of each platform and number, in the order they came in."""
    first: dict[tuple[str, str], OrderEntry] = {}
    for entry in run:
        first.setdefault((entry.platform, entry.order_no), entry)
    return first


def _parts(rows: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Give *rows* in parts that fit into one statement and one packet."""
    for start in range(0, len(rows), _MOST_ROWS):
        yield rows[start : start + _MOST_ROWS]


def _cards(entries: Sequence[OrderEntry]) -> int:
    return sum(entry.lines[0].units for entry in entries)


def plan_of(entry: OrderEntry) -> Plan:
    """Return the plan of a common order."""
    plan = entry.lines[0].plan
    assert plan is not None
    return plan
