"""Cards come into stock and leave it unsold; the books are kept short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Final

from autocard.clock import to_ms
from autocard.errors import CardNotFound
from autocard.model import BatchId, CardId
from autocard.records import (
    BatchEntry,
    KnownCard,
    NewCard,
    WrappedKey,
)
from autocard.states import (
    CardState,
    check_card_move,
)
from autocard.store.guarded import Guarded
from autocard.store.purchases import DAY_MS, SOLD, UNSOLD
from autocard.store.rows import read_known

CardRow = tuple[int, int, str, int, bytes, bytes]
"""Warehouse, batch, state, expiry, fingerprint and seal of a card that comes in."""
_CARD_WIDTH: Final = 6
_TOGETHER: Final = 50
"""So many cards go into one statement, which takes a fifth less than one for each."""


class Stocking(Guarded):
    """The part of a change that is not about orders."""

    def begin_batch(self, entry: BatchEntry) -> BatchId:
        self._make_shelf(entry.sku, entry.warehouse)
        row_id = self._insert(
            self.sql.INSERT_BATCH,
            (
                self._warehouse(entry.sku, entry.warehouse), entry.format, entry.supplier,
                entry.cost_minor, entry.currency, entry.provenance, entry.imported_by,
                entry.imported_ms,
            ),
        )  # fmt: skip
        assert row_id is not None
        return BatchId(row_id)

    def add_cards(
        self, batch: BatchId, cards: Sequence[NewCard], *, now_ms: int
    ) -> dict[bytes, KnownCard]:
        warehouse_id = self._batch_warehouse(batch)
        state = CardState.AVAILABLE.value
        rows = [(warehouse_id, batch, state, x.expires_ms, x.fingerprint, x.sealed) for x in cards]
        known = self._insert_new(rows)
        added = len(rows) - len(known)
        if added:
            self._change(self.sql.GROW_BATCH, [(added, batch)], "the batch was undone meanwhile")
            self._move(warehouse_id, "", CardState.AVAILABLE, added, "import", batch, now_ms)
        return known

    def _insert_new(self, rows: Sequence[CardRow]) -> dict[bytes, KnownCard]:
        """Insert those cards that are new, and return the others by fingerprint."""
        cursor = self._cursor
        cursor.execute(self.sql.NEWEST_CARD)
        newest = cursor.fetchone()[0]
        if self._write_cards(rows) == len(rows):
            return {}
        found = self.known([row[4] for row in rows])
        return {fingerprint: card for fingerprint, card in found.items() if card.id <= newest}

    def _write_cards(self, rows: Sequence[CardRow]) -> int:
        """Insert those cards that are new; return how many."""
        whole = len(rows) - len(rows) % _TOGETHER
        runs = [rows[at : at + _TOGETHER] for at in range(0, whole, _TOGETHER)]
        together = [tuple(chain.from_iterable(run)) for run in runs]
        added = 0
        for count, parameters in ((_TOGETHER, together), (1, rows[whole:])):
            statement = self.sql.marked_rows(self.sql.INSERT_CARDS, count, _CARD_WIDTH)
            self._cursor.executemany(statement, parameters)
            added += self._cursor.rowcount
        return added

    def known(self, fingerprints: Sequence[bytes]) -> dict[bytes, KnownCard]:
        return read_known(self._cursor, self.sql, fingerprints)

    def undo_batch(self, batch: BatchId, *, limit: int, now_ms: int) -> int:
        self._batch_warehouse(batch)
        self._cursor.execute(self.sql.PICK_UNDO, (batch, limit))
        picked = self._cursor.fetchall()
        self._change(
            self.sql.FORGET_CARD, [(card,) for card, _ in picked], "a card was sold meanwhile"
        )
        for warehouse_id, count in Counter(warehouse for _, warehouse in picked).items():
            self._move(
                warehouse_id, CardState.AVAILABLE, CardState.VOID, count, "undo", batch, now_ms
            )
        return len(picked)

    def close_batch(self, batch: BatchId) -> None:
        self._change(self.sql.CLOSE_BATCH, [(batch,)], "the batch was undone before")

    def void_card(self, card: CardId, state: CardState, *, now_ms: int) -> None:
        check_card_move(state, CardState.VOID)
        warehouse_id = self._card_warehouse(card)
        is_unsold = state in (CardState.AVAILABLE, CardState.RESERVED)
        statement = self.sql.VOID_UNSOLD_CARD if is_unsold else self.sql.VOID_CARD
        self._change(statement, [(card, state)], f"the card is no longer {state}")
        self._move(warehouse_id, state, CardState.VOID, 1, "void", card, now_ms)

    def move_cards(
        self, sku: str, origin: str, destination: str, *, limit: int, now_ms: int
    ) -> int:
        start = self._warehouse(sku, origin)
        if start is None:
            raise CardNotFound(f"{sku} has no warehouse {origin!r}")
        self._make_shelf(sku, destination)
        end = self._warehouse(sku, destination)
        assert end is not None
        picked = self._next_cards(start, 0, limit)
        self._change(
            self.sql.CARRY_CARD, [(end, row[0]) for row in picked], "a card was sold meanwhile"
        )
        if picked:
            self._move(start, CardState.AVAILABLE, "", len(picked), "move", end, now_ms)
            self._move(end, "", CardState.AVAILABLE, len(picked), "move", start, now_ms)
        return len(picked)

    def _make_shelf(self, sku: str, name: str) -> None:
        self._made_shelf = True  # it may be rolled back with this change
        self._cursor.execute(self.sql.INSERT_WAREHOUSE, (sku, name))

    # --- housekeeping ---

    def insert_data_keys(self, rows: Sequence[WrappedKey]) -> None:
        self._cursor.executemany(
            self.sql.INSERT_DATA_KEY,
            [(r.number, r.purpose, r.keyring_id, r.wrapped, to_ms(r.created_at)) for r in rows],
        )

    def roll_up(self, limit: int = 10_000) -> int:
        self._cursor.execute(self.sql.OPEN_MOVEMENTS, (limit,))
        rows = self._cursor.fetchall()
        changes: Counter[tuple[int, str]] = Counter()
        sold: Counter[tuple[int, int]] = Counter()
        for _, warehouse_id, origin, target, quantity, at_ms in rows:
            changes[warehouse_id, origin] -= quantity
            changes[warehouse_id, target] += quantity
            if origin in UNSOLD and target in SOLD:
                sold[warehouse_id, at_ms // DAY_MS] += quantity
        self._change_each(
            self.sql.FOLD_MOVEMENTS, [row[0] for row in rows], "a movement was rolled up twice"
        )
        # In one order, so that two hosts that roll up do not wait for each other in a circle.
        for (warehouse_id, state), quantity in sorted(changes.items()):
            if state and quantity:
                self._cursor.execute(self.sql.RAISE_LEVEL, (warehouse_id, state, quantity))
        for (warehouse_id, day), quantity in sorted(sold.items()):
            self._cursor.execute(self.sql.RAISE_SALES, (warehouse_id, day, quantity))
        return len(rows)
