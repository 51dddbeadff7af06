"""What a pool knows of its store without asking."""

from __future__ import annotations

import time
from typing import Final

import attrs

LAST_ID: Final = 2**63 - 1
_HEAD_S: Final = 1.0
"""For how long a take begins where the last one did."""

Position = tuple[int, int]
"""An expiry and a card id: what lies beyond is looked at."""


@attrs.frozen
class _Head:
    """Where the cards of a warehouse began when it was last looked at from its very beginning."""

    position: Position
    alive_at_ms: int
    """Cards that expire until then were not looked at."""
    seen_s: float


@attrs.define
class Remembered:
    """
    What a pool knows of a store without asking. Threads may share it.

    Until the database has cleaned up, sold cards stay in the index that takes walk, ahead of
    those that are left. Beginning where the last take began passes them by. For at most a second
    a card that came back, or came in with an earlier expiry, may be passed by as well.
    """

    spread: int = 1
    """Over how many cards takes are spread, so that nodes do not fight over the same ones."""
    shelves: dict[tuple[str, str], int] = attrs.field(factory=dict)
    heads: dict[int, _Head] = attrs.field(factory=dict)

    def begin_at(self, warehouse_id: int, alive_at_ms: int) -> Position | None:
        """Return where a take of cards that outlive a moment may begin, if that is known."""
        head = self.heads.get(warehouse_id)
        if head is None or head.alive_at_ms > alive_at_ms:
            return None
        return None if time.monotonic() - head.seen_s > _HEAD_S else head.position

    def began_at(
        self, warehouse_id: int, first: tuple[int, int], alive_at_ms: int, *, from_start: bool
    ) -> None:
        """Remember the first card that was there, by id and expiry."""
        position = (first[1], first[0] - 1)
        head = self.heads.get(warehouse_id)
        if from_start or head is None:
            self.heads[warehouse_id] = _Head(position, alive_at_ms, time.monotonic())
        else:
            self.heads[warehouse_id] = attrs.evolve(head, position=position)

    def forget_heads(self) -> None:
        """Look from the beginning again: cards came in, came back or were not taken after all."""
        self.heads.clear()
