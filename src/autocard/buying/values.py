"""What the parts of buying pass to each other."""

from __future__ import annotations

import secrets
from typing import Final

import attrs

from autocard.bargain import Offer, Supplied
from autocard.model import OrderId, PurchaseId, Reference
from autocard.money import Money
from autocard.records import EventEntry, Status, StoredLine, StoredOrder, StoredPurchase
from autocard.states import Outcome, PurchaseState, Reason

BUYING: Final = Status(Outcome.PENDING, Reason.BUYING)
SHORT: Final = Status(Outcome.PENDING, Reason.SHORT)
WAITING: Final = (SHORT, Status(Outcome.PENDING, Reason.MANUAL))
OURS: Final = (
    *WAITING,
    BUYING,
    Status(Outcome.HELD, Reason.UNKNOWN_PURCHASE),
    Status(Outcome.HELD, Reason.SUPPLY),
)
"""Where a line may be that is still to be served by what is bought for it."""
DAY_MS: Final = 86_400_000
_LETTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def line_need(order_id: OrderId, line_no: int) -> str:
    """Return the name of what one line needs."""
    return f"line:{order_id}/{line_no}"


def new_purchase_reference() -> Reference:
    """Return a new number for one purchase: 18 characters, the shortest that any supplier takes."""
    return Reference("p" + "".join(secrets.choice(_LETTERS) for _ in range(17)))


def provenance_of(purchase: StoredPurchase) -> str:
    """Return what the imports of a purchase's cards say of where they come from."""
    return f"purchase {purchase.reference} from {purchase.supplier}"


@attrs.frozen(kw_only=True)
class Decision:
    """What was decided of a need: an offer to take, or why nothing is bought now."""

    offer: Offer | None = None
    quantity: int = 0
    limit: Money | None = None
    """The most that one unit may cost, in the currency of the settings."""
    after: PurchaseId | None = None
    """The last purchase for the need that was known then; another one since makes this stale."""
    status: Status | None = None
    """Where the line goes when nothing is bought; None leaves it."""


NOTHING: Final = Decision()


@attrs.frozen(kw_only=True)
class Heard:
    """What one call or look-up came to, before it is written down."""

    state: PurchaseState
    supplied: Supplied | None = None
    problem: str = ""
    retry_after_s: float = 0.0
    is_fault: bool = False
    """The supplier did not do what suppliers do; enough of that in a row and nothing is bought."""
    misses: int = 0
    is_call: bool = False
    """It was asked to sell once more, as opposed to being looked up."""
    is_unmade: bool = False
    """The call that was about to be made certainly did not reach the supplier."""
    look_ms: int | None = None
    """When it is to be looked up next; None leaves that to how often it was asked for."""


@attrs.frozen(kw_only=True)
class Supply:
    """What the attempt to supply a line came to."""

    events: tuple[EventEntry, ...] = ()
    pushed: frozenset[Reference] = frozenset()

    def __add__(self, other: Supply) -> Supply:
        return Supply(events=self.events + other.events, pushed=self.pushed | other.pushed)


def line_of(stored: StoredOrder, line_no: int) -> StoredLine:
    """Return one line of an order."""
    return next(line for line in stored.lines if line.line_no == line_no)


def is_wanted(purchase: StoredPurchase, stored: StoredOrder | None) -> bool:
    """Say whether somebody still waits for a purchase: stock always does."""
    if stored is None or purchase.line_no is None:
        return True
    return line_of(stored, purchase.line_no).status in OURS
