"""Errors, named by what the caller does next. Attributes are ids, names and numbers only."""

from __future__ import annotations

from typing import Any


class AutocardError(Exception):
    """
    Base of everything autocard raises on purpose.

    `report` is the `ImportReport` of an import that was stopped half way: what came in before.
    """

    report: Any = None


class ConfigurationError(AutocardError):
    """Fix the setup: a setting, a file, a package."""


class AdapterNotFound(ConfigurationError):
    """No installed package offers the adapter that the configuration names."""


class AdapterConflict(ConfigurationError):
    """Two installed packages offer the same adapter name; remove one."""


class AdapterBroken(ConfigurationError):
    """An adapter package was found but cannot be imported or registered."""


class InvalidOrder(AutocardError, ValueError):
    """
    The order itself is malformed; nothing was stored.

    `field` says which part, for instance `lines[0].quantity`.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def __reduce__(self) -> tuple[type[InvalidOrder], tuple[str, str]]:
        return type(self), (self.field, self.problem)


class OrderConflict(AutocardError):
    """The same order number came with different content. Nothing was changed."""


class OrderNotFound(AutocardError, LookupError):
    """No order with this platform and number has been registered or accepted."""


class UnreadableSource(AutocardError, ValueError):
    """A file or list of cards cannot be read as a whole; the message says what to do about it."""


class CardNotFound(AutocardError, LookupError):
    """No card, batch or warehouse answers to this description."""


class PurchaseNotFound(AutocardError, LookupError):
    """No purchase has this reference."""


class VerificationError(AutocardError):
    """Refuse the message: it is not proved genuine. Nothing was stored."""


class AdapterError(AutocardError):
    """A platform, supplier or channel did not do what was asked."""


class TransientError(AdapterError):
    """Certainly not done; trying again later is safe."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RejectedError(AdapterError):
    """Certainly not done, and trying the same again will not help."""


class UnknownOutcome(AdapterError):
    """It may or may not have been done. Look it up; never repeat it blindly."""


class UnsupportedFeature(AdapterError):
    """The adapter does not declare the capability that this call needs."""


class StoreError(AutocardError):
    """The store refused."""


class IllegalTransition(StoreError):
    """The card or line is not in a state that allows this. Nothing was changed."""


class OrderArchived(IllegalTransition):
    """What was sealed with the order is in an archive: restore it first. Nothing was changed."""

    def __init__(self, platform: str, order_no: str, archive: str) -> None:
        super().__init__(
            f"{platform}/{order_no} is in the archive {archive}; bring it back first with "
            f"`autocard archive restore`"
        )
        self.platform = platform
        self.order_no = order_no
        self.archive = archive

    def __reduce__(self) -> tuple[type[OrderArchived], tuple[str, str, str]]:
        return type(self), (self.platform, self.order_no, self.archive)


class SchemaMismatch(StoreError):
    """The store was written by another version: migrate it, or install the newer autocard."""


class StoreUnavailable(StoreError):
    """The database is locked, full, read-only or gone; nothing was half-written. Try again."""


class SealError(AutocardError):
    """A sealed value does not open: it was changed, or belongs to another row or keyring."""


class UnknownSealKey(SealError):
    """The keyring does not hold the key this store or value was sealed with."""
