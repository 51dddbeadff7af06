"""Exit codes, by what the caller does next."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from autocard.errors import (
    AdapterError,
    AutocardError,
    CardNotFound,
    ConfigurationError,
    IllegalTransition,
    InvalidOrder,
    OrderConflict,
    OrderNotFound,
    PurchaseNotFound,
    SealError,
    StoreError,
    TransientError,
    UnknownOutcome,
    UnreadableSource,
    VerificationError,
)


class Exit(IntEnum):
    """What the command ends with."""

    DONE = 0
    """Everything was done."""
    ATTENTION = 1
    """Done, but something needs a look: a held or waiting order, a bad row, a fault in the books."""
    USAGE = 2
    """The command or the configuration is wrong, or what was named does not exist."""
    REFUSED = 3
    """The order or the step was refused; nothing was changed."""
    UNAVAILABLE = 4
    """The store, or another system that was asked, is not available; try again."""
    SEALED = 5
    """The keyring is not the one of this store, or a sealed value does not open."""
    UNEXPECTED = 70
    """A mistake in autocard or an adapter; `--debug` shows where."""
    INTERRUPTED = 130
    """Stopped by the keyboard."""


# The first that fits counts, so the particular stand before the general.
_CODES: Final[tuple[tuple[type[AutocardError], Exit], ...]] = (
    (ConfigurationError, Exit.USAGE),
    (UnreadableSource, Exit.USAGE),
    (OrderNotFound, Exit.USAGE),
    (CardNotFound, Exit.USAGE),
    (PurchaseNotFound, Exit.USAGE),
    (InvalidOrder, Exit.REFUSED),
    (OrderConflict, Exit.REFUSED),
    (VerificationError, Exit.REFUSED),
    (IllegalTransition, Exit.REFUSED),
    (StoreError, Exit.UNAVAILABLE),
    (TransientError, Exit.UNAVAILABLE),
    (UnknownOutcome, Exit.ATTENTION),
    (AdapterError, Exit.REFUSED),
    (SealError, Exit.SEALED),
)


def code_of(error: AutocardError) -> Exit:
    """Return the exit code that says what to do about *error*."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.UNEXPECTED)
