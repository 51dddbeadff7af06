"""
autocard: a paid order becomes the right card in the buyer's hands, exactly once.

Open an `Engine`, import cards, dispatch orders. See docs/quickstart.md.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from autocard.errors import (
    AdapterBroken,
    AdapterConflict,
    AdapterError,
    AdapterNotFound,
    AutocardError,
    CardNotFound,
    ConfigurationError,
    IllegalTransition,
    InvalidOrder,
    OrderArchived,
    OrderConflict,
    OrderNotFound,
    PurchaseNotFound,
    RejectedError,
    SchemaMismatch,
    SealError,
    StoreError,
    StoreUnavailable,
    TransientError,
    UnknownOutcome,
    UnknownSealKey,
    UnreadableSource,
    UnsupportedFeature,
    VerificationError,
)
from autocard.model import (
    Batch,
    Buyer,
    Card,
    CardRecord,
    Event,
    Inbound,
    LineReceipt,
    Order,
    OrderLine,
    Payment,
    Receipt,
    Reply,
    StockLevel,
)
from autocard.money import Money
from autocard.secret import Secret
from autocard.states import CardState, Outcome, PurchaseState, Reason

if TYPE_CHECKING:
    from autocard.archiving.values import Archive, ArchivedRecord, ArchiveReport
    from autocard.config import Settings
    from autocard.desks.intake import Progress
    from autocard.desks.ledger import VerifyReport
    from autocard.desks.review import HeldOrder
    from autocard.desks.supply import PurchaseReport, SupplierReport
    from autocard.engine import CheckReport, Engine
    from autocard.importing.report import ImportReport
    from autocard.importing.values import ReadOptions
    from autocard.restocking import Restock
    from autocard.resuming import ResumeReport
    from autocard.syncing import SyncReport

__version__ = "26.1.0"

__all__ = [
    "AdapterBroken",
    "AdapterConflict",
    "AdapterError",
    "AdapterNotFound",
    "Archive",
    "ArchiveReport",
    "ArchivedRecord",
    "AutocardError",
    "Batch",
    "Buyer",
    "Card",
    "CardNotFound",
    "CardRecord",
    "CardState",
    "CheckReport",
    "ConfigurationError",
    "Engine",
    "Event",
    "HeldOrder",
    "IllegalTransition",
    "ImportReport",
    "Inbound",
    "InvalidOrder",
    "LineReceipt",
    "Money",
    "Order",
    "OrderArchived",
    "OrderConflict",
    "OrderLine",
    "OrderNotFound",
    "Outcome",
    "Payment",
    "Progress",
    "PurchaseNotFound",
    "PurchaseReport",
    "PurchaseState",
    "ReadOptions",
    "Reason",
    "Receipt",
    "RejectedError",
    "Reply",
    "Restock",
    "ResumeReport",
    "SchemaMismatch",
    "SealError",
    "Secret",
    "Settings",
    "StockLevel",
    "StoreError",
    "StoreUnavailable",
    "SupplierReport",
    "SyncReport",
    "TransientError",
    "UnknownOutcome",
    "UnknownSealKey",
    "UnreadableSource",
    "UnsupportedFeature",
    "VerificationError",
    "VerifyReport",
]

# What stands on a database library or on files is imported when it is first asked for.
_LATER: Final = {
    "Archive": "autocard.archiving.values",
    "ArchiveReport": "autocard.archiving.values",
    "ArchivedRecord": "autocard.archiving.values",
    "CheckReport": "autocard.engine",
    "Engine": "autocard.engine",
    "HeldOrder": "autocard.desks.review",
    "ImportReport": "autocard.importing.report",
    "Progress": "autocard.desks.intake",
    "PurchaseReport": "autocard.desks.supply",
    "ReadOptions": "autocard.importing.values",
    "Restock": "autocard.restocking",
    "ResumeReport": "autocard.resuming",
    "Settings": "autocard.config",
    "SupplierReport": "autocard.desks.supply",
    "SyncReport": "autocard.syncing",
    "VerifyReport": "autocard.desks.ledger",
}

# Whether and where our warnings are shown is for the host to say.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'autocard' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
