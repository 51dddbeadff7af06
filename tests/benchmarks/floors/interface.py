"""
What every floor does, and nothing more.

One order is one transaction: order (unique), line, one card taken (earliest expiry first, by the
index of what is available), stock movement, event, commit with fsync; and the card's seal is
opened. A floor has no rules, no review, no sealed payload, no buyer and no outside: whatever is
above it, these cost. Its tables have the indexes of the real store wherever they serve one of
these guarantees. It is written as well as we can; what was tried stands in each.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final, Protocol

import attrs
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NEVER_MS: Final = 253_402_300_799_000
WAREHOUSE: Final = 1
_NONCE: Final = 12

CardRow = tuple[int, int, bytes, bytes]
"""Warehouse, expiry, fingerprint, sealed."""


class Floor(Protocol):
    """A store of the floor. Open it in the process that uses it."""

    def add(self, rows: list[CardRow]) -> None:
        """Bring ready rows into stock, all in one commit; a card that is there already refuses."""

    def dispatch(self, order_no: str) -> str:
        """Serve one order of one card; return the card."""

    def close(self) -> None:
        """Close the connection."""


@attrs.frozen
class Seal:
    """The cipher of the floors: AES-256-GCM, bound to the fingerprint."""

    secret: bytes = attrs.field(factory=lambda: os.urandom(32), repr=False)
    _cipher: AESGCM = attrs.field(init=False, eq=False, repr=False)

    @_cipher.default
    def _make_cipher(self) -> AESGCM:
        return AESGCM(self.secret)

    def __reduce__(self) -> tuple[type[Seal], tuple[bytes]]:
        return Seal, (self.secret,)  # so that other processes may have it

    def rows(self, texts: Iterable[str]) -> list[CardRow]:
        """Return rows that are ready to be inserted."""
        rows = []
        for text in texts:
            fingerprint, nonce = os.urandom(16), os.urandom(_NONCE)
            sealed = nonce + self._cipher.encrypt(nonce, text.encode(), fingerprint)
            rows.append((WAREHOUSE, NEVER_MS, fingerprint, sealed))
        return rows

    def open(self, fingerprint: bytes, sealed: bytes) -> str:
        """Return the text of a card."""
        return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], fingerprint).decode()
