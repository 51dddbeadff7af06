"""How much an import stores at once: a lot while it is alone, little while orders come in."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from autocard.model import OrderId
from autocard.ports import Pool

WHOLE: Final = 2_000
"""Rows of a chunk."""
LEAST: Final = 100
MOST_TOGETHER: Final = 5
"""Chunks that are stored together at most, and so many come first, each alone."""
_TURN_S: Final = 0.010
_ALONE_S: Final = 0.1
_REST_S: Final = 0.004
_LOOK_S: Final = 0.1
_LULL_S: Final = 5.0

_T = TypeVar("_T")


Turn = list[tuple[int, Sequence[_T]]]
"""What is stored in one commit: parts of chunks, each with the place of its chunk in the group."""


class Pace:
    """
    Looks every now and then whether there are new orders, from this program or another one.

    While there are none, a long import stores several chunks in one commit: cards lie all over the
    index of fingerprints, and each commit writes every page of it that it came by. Whoever comes
    first then waits a tenth of a second at most.

    While there are, an import stores only as much in one turn as takes ten milliseconds, and rests
    after each: on a store where one writes at a time, whoever waits looks again every few
    milliseconds, and would find it taken by an import that has its next cards ready.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._newest = self._newest_order()
        self._looked = time.monotonic()
        self._busy_until = self._looked
        self._per_s = WHOLE / _TURN_S
        self._chunks = 0

    def groups(self, chunks: Iterable[_T]) -> Iterator[list[_T]]:
        """
        Give *chunks* by how many of them may be stored together.

        What was gathered is given before an error of *chunks* is passed on.
        """
        group: list[_T] = []
        failure: Exception | None = None
        rest = iter(chunks)
        while True:
            try:
                group.append(next(rest))
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001 - raised below, after what came before it
                failure = error
                break
            if len(group) >= self._together():
                yield group
                group = []
        if group:
            yield group
        if failure is not None:
            raise failure

    def turns(self, chunks: Sequence[Sequence[_T]]) -> Iterator[Turn[_T]]:
        """Give a group of *chunks* in turns of the size that is right by then."""
        waiting = deque((place, chunk) for place, chunk in enumerate(chunks) if chunk)
        while waiting:
            is_busy = self._is_busy()
            turn = self._part(waiting) if is_busy else list(waiting)
            if not is_busy:
                waiting.clear()
            size = sum(len(part) for _, part in turn)
            began = time.monotonic()
            yield turn
            if size >= LEAST:  # what is left over at the end of a chunk tells little
                # Waiting for the turn is in it: the more others write, the less is stored.
                self._per_s = size / max(time.monotonic() - began, 0.001)
            if is_busy:
                time.sleep(_REST_S)

    def _together(self) -> int:
        """Return how many chunks are gathered before they are stored."""
        self._chunks += 1
        if self._chunks <= MOST_TOGETHER or self._is_busy():
            return 1
        return min(MOST_TOGETHER, int(self._per_s * _ALONE_S / WHOLE))

    def _part(self, waiting: deque[tuple[int, Sequence[_T]]]) -> Turn[_T]:
        """Take as much of the first chunk as is stored in one short turn."""
        size = max(LEAST, int(self._per_s * _TURN_S))
        place, chunk = waiting.popleft()
        if len(chunk) > size:
            waiting.appendleft((place, chunk[size:]))
        return [(place, chunk[:size])]

    def _is_busy(self) -> bool:
        now = time.monotonic()
        if now - self._looked >= _LOOK_S:
            newest = self._newest_order()
            if newest != self._newest:
                self._newest, self._busy_until = newest, now + _LULL_S
            self._looked = now
        return now < self._busy_until

    def _newest_order(self) -> OrderId | None:
        return next((order.id for order in self._pool.orders(limit=1)), None)
