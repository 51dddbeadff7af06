"""What a database's refusal asks of whoever made the change."""

from __future__ import annotations

from typing import Final

from autocard.errors import StoreError, StoreUnavailable

UNREACHED: Final = "no database answers; look at host and port in `store`, and whether it runs"


class Conflict(StoreUnavailable):
    """The database undid the whole change for the sake of another one; it is to be made again."""


class Lost(StoreUnavailable):
    """The connection broke before the commit was sent: nothing was stored, and another may work."""


class Unforeseen(StoreUnavailable):
    """The database refused something that it was never meant to be asked."""


def unwritable() -> StoreError:
    """Return what to say of a value that no database can hold."""
    return StoreError("a text is not valid Unicode or a number is too large; nothing was stored")


def repeated() -> StoreError:
    """Return what to say of a row that is there already, under a number that is given once."""
    return StoreError("it is stored already, under the same number; nothing was stored now")
