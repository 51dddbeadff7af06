"""The connection that was used last, ready for the next change."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs


@attrs.frozen
class Kept:
    """A connection that nobody uses, and since when."""

    held: Any
    since_s: float


class AtHand:
    """
    At most one connection of a pool, kept out of it. Threads may share it.

    What SQLAlchemy does to hand a connection out and to take it back is a twelfth of an order.
    The pool counts what is kept here as being in use, so nothing is kept while somebody asks there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: Kept | None = None
        self._asking = 0

    def take(self) -> Kept | None:
        """Return what is kept, if anything; it is the caller's now."""
        with self._lock:
            kept, self._kept = self._kept, None
        return kept

    def give(self, held: Any) -> None:
        """Keep a connection or, where the pool needs it, give it back to that."""
        with self._lock:
            if self._kept is None and not self._asking:
                self._kept = Kept(held, time.monotonic())
                return
        held.close()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Leave everything to the pool while somebody asks there."""
        self.stop()
        try:
            yield
        finally:
            with self._lock:
                self._asking -= 1

    def stop(self) -> None:
        """Give back what is kept, and keep nothing from now on."""
        with self._lock:
            self._asking += 1
        kept = self.take()
        if kept is not None:
            kept.held.close()
