"""What a host may replace besides the store: who matches, who dispatches, who holds the keys."""

from __future__ import annotations

from typing import Protocol

from autocard.model import (
    Match,
    Order,
    OrderLine,
)
from autocard.records import (
    Allocation,
    EventEntry,
)


class Matcher(Protocol):
    """Says what a line means to us."""

    def match(self, order: Order, line: OrderLine) -> Match | None:
        """Return the match, or None: then the line is held, never guessed."""
        ...


class Dispatcher(Protocol):
    """Carries out what orders intend: pushes to platforms and channels."""

    def routes(self, platform: str) -> tuple[str, ...]:
        """Return how cards of this platform's orders reach the buyer; `direct` is one way."""
        ...

    def known_routes(self, platform: str) -> frozenset[str]:
        """Return every route by which cards of this platform could be sent."""
        ...

    def deliver(self, allocation: Allocation) -> tuple[EventEntry, ...]:
        """
        Carry out the intents `allocation.pushed`; return the events that were recorded.

        Effects: outside calls, and a commit for each.
        """
        ...

    def deliver_due(self, limit: int) -> tuple[int, int]:
        """Claim and carry out due intents; return how many are done and how many are not."""
        ...


class Keyring(Protocol):
    """Holds the key-encryption keys. It wraps data keys; it never sees a card."""

    @property
    def current(self) -> str:
        """The id of the key that wraps from now on."""
        ...

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """Return *data_key* wrapped with the current key, bound to *context*."""
        ...

    def unwrap(self, key_id: str, wrapped: bytes, context: bytes) -> bytes:
        """
        Return the data key inside *wrapped*.

        Raises:
            UnknownSealKey: This keyring does not hold *key_id*, or it is not the right one.
        """
        ...
