"""How fast one account may be used: so many calls at once, so many begun within a second."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, final

from autocard.errors import TransientError
from autocard.model import Response
from autocard.ports import Client

_BUSY: Final = "too many calls are waiting for this account; try again later"


class TooManyCalls(TransientError):
    """We hold a call back ourselves: it says nothing about whom it was for."""


@final
class Pace:
    """
    Lets calls begin one after the other. Threads share it; a forked child begins anew.

    Written here because the limiters we know keep a thread or a held lock, which a fork loses.

    Args:
        at_once: How many calls may be under way, ≥ 1.
        per_second: How many may begin within a second, > 0.
        wait_s: How long a call waits for its turn before it is given up, unsent.
    """

    def __init__(
        self,
        *,
        at_once: int,
        per_second: float,
        wait_s: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._at_once = at_once
        self._gap_s = 1.0 / per_second
        self._wait_s = wait_s
        self._now = now
        self._sleep = sleep
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._slots = threading.BoundedSemaphore(self._at_once)
        self._lock = threading.Lock()
        self._next_at = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and hold it; `TransientError` when it does not come in time."""
        if self._pid != os.getpid():
            self._begin()
        slots = self._slots
        if not slots.acquire(timeout=self._wait_s):
            raise TooManyCalls(_BUSY)
        try:
            self._sleep(self._time_to_wait())
            yield
        finally:
            slots.release()

    def _time_to_wait(self) -> float:
        with self._lock:
            now = self._now()
            begin_at = max(now, self._next_at)
            if begin_at - now > self._wait_s:
                raise TooManyCalls(_BUSY, retry_after_s=begin_at - now)
            self._next_at = begin_at + self._gap_s
        return begin_at - now


@final
class PacedClient:
    """Implements `autocard.spi.Client`: another client's calls, each in its turn."""

    def __init__(self, client: Client, pace: Pace) -> None:
        self._client = client
        self._pace = pace

    def request(self, method: str, url: str, *, safe: bool, **content: Any) -> Response:
        """Make one request when its turn comes; as `Client.request`."""
        with self._pace.turn():
            return self._client.request(method, url, safe=safe, **content)
