"""
The states of cards, lines and intents as data.

Guards, documents and tests are made from the tables here. Every update in the store says
`WHERE state = expected` and checks how many rows it changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from autocard.errors import IllegalTransition


class CardState(StrEnum):
    """Where a card is in its life. A card that was ISSUED never becomes AVAILABLE again."""

    AVAILABLE = "available"
    RESERVED = "reserved"
    ISSUED = "issued"
    DELIVERED = "delivered"
    VOID = "void"


CARD_MOVES: Final[Mapping[CardState, frozenset[CardState]]] = MappingProxyType(
    {
        CardState.AVAILABLE: frozenset({CardState.RESERVED, CardState.VOID}),
        CardState.RESERVED: frozenset({CardState.AVAILABLE, CardState.ISSUED, CardState.VOID}),
        CardState.ISSUED: frozenset({CardState.DELIVERED, CardState.VOID}),
        CardState.DELIVERED: frozenset({CardState.VOID}),
        CardState.VOID: frozenset(),
    }
)


class Outcome(StrEnum):
    """What a host sees of a line."""

    DELIVERED = "delivered"
    PENDING = "pending"
    """The engine goes on by itself."""
    HELD = "held"
    """A person decides."""
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a line has its outcome. Empty for a delivered line."""

    NONE = ""
    UNPAID = "unpaid"
    """PENDING: registered, payment not yet seen. HELD: the platform says it is not paid."""
    UNCONFIRMED = "unconfirmed"
    """PENDING: said to be paid; the platform could not be asked yet, and is asked again."""
    SHORT = "short"
    """PENDING: paid, waits for stock in first-come order. CANCELLED: could not be reserved."""
    MANUAL = "manual"
    """PENDING: a person fulfils it by hand, or stock arrives."""
    BUYING = "buying"
    """PENDING: a purchase is under way at a supplier."""
    DELIVERING = "delivering"
    """PENDING: the cards are issued, an intent to push them is committed."""
    UNMATCHED = "unmatched"
    """HELD: no rule says which sku this is, or a match hook failed."""
    REVIEW = "review"
    """HELD: a review rule or an assess hook asks for a person."""
    AMOUNT_MISMATCH = "amount_mismatch"
    """HELD: the payment does not add up to the lines."""
    UNKNOWN_PURCHASE = "unknown_purchase"
    """HELD: whether a supplier was paid is not known and cannot be looked up."""
    SUPPLY = "supply"
    """HELD: no supplier may or can serve it, or one sent something else; see why."""
    UNKNOWN_DELIVERY = "unknown_delivery"
    """HELD: the answer to a push was lost and cannot be looked up."""
    UNDELIVERED = "undelivered"
    """HELD: a push was refused, or was tried as often as configured."""
    BUYER_LIMIT = "buyer_limit"
    """HELD: this buyer has had as many of a shared card as one buyer may."""
    EXPIRED = "expired"
    """CANCELLED: the reservation lapsed. HELD: paid late and no stock; refund or wait."""
    CANCELLED = "cancelled"
    """CANCELLED: by the host. HELD: paid after it was cancelled; refund or approve."""
    REJECTED = "rejected"
    """REJECTED: by a person or an assess hook."""


# RESERVED lines are PENDING/unpaid; what a payment after CANCELLED means is decided by the flow.
LINE_MOVES: Final[Mapping[Outcome, frozenset[Outcome]]] = MappingProxyType(
    {
        Outcome.PENDING: frozenset(Outcome),
        Outcome.HELD: frozenset(Outcome),
        # For another reason: what lapsed could not be reserved again.
        Outcome.CANCELLED: frozenset(Outcome) - {Outcome.REJECTED},
        Outcome.REJECTED: frozenset(),
        Outcome.DELIVERED: frozenset(),
    }
)


class IntentState(StrEnum):
    """Where one intended outside call is. `DUE` is committed with the order, before any call."""

    DUE = "due"
    SENDING = "sending"
    UNKNOWN = "unknown"
    DONE = "done"
    FAILED = "failed"


INTENT_MOVES: Final[Mapping[IntentState, frozenset[IntentState]]] = MappingProxyType(
    {
        IntentState.DUE: frozenset({IntentState.SENDING}),
        IntentState.SENDING: frozenset(
            {IntentState.DUE, IntentState.DONE, IntentState.UNKNOWN, IntentState.FAILED}
        ),
        IntentState.UNKNOWN: frozenset(
            {IntentState.UNKNOWN, IntentState.DUE, IntentState.DONE, IntentState.FAILED}
        ),
        # A person may ask for a delivery to be sent again; the same cards go out.
        IntentState.DONE: frozenset({IntentState.DUE}),
        IntentState.FAILED: frozenset({IntentState.DUE}),
    }
)


class PurchaseState(StrEnum):
    """Where one purchase is. Committed before its supplier hears of it."""

    PROPOSED = "proposed"
    """Stock is to be bought; a person approves it first."""
    DUE = "due"
    """Decided; its supplier has certainly not been asked yet, or certainly did nothing."""
    SENDING = "sending"
    """The supplier is being asked."""
    UNKNOWN = "unknown"
    """It was asked and the answer is lost; it is looked up, never bought again instead."""
    ACCEPTED = "accepted"
    """The supplier has taken it on; what it brings is still to come."""
    HELD = "held"
    """What the supplier says proves nothing, or it sent something else. A person decides."""
    DONE = "done"
    """Its cards are in the store, or its target is charged."""
    FAILED = "failed"
    """Nothing was bought, or all of it was paid back."""


PURCHASE_MOVES: Final[Mapping[PurchaseState, frozenset[PurchaseState]]] = MappingProxyType(
    {
        PurchaseState.PROPOSED: frozenset({PurchaseState.DUE, PurchaseState.FAILED}),
        PurchaseState.DUE: frozenset({PurchaseState.SENDING, PurchaseState.FAILED}),
        PurchaseState.SENDING: frozenset(
            {
                PurchaseState.DUE, PurchaseState.UNKNOWN, PurchaseState.ACCEPTED,
                PurchaseState.HELD, PurchaseState.DONE, PurchaseState.FAILED,
            }
        ),
        # DUE only when its supplier said often enough that it is not there: the same reference
        # is sent again.
        PurchaseState.UNKNOWN: frozenset(
            {
                PurchaseState.DUE, PurchaseState.UNKNOWN, PurchaseState.ACCEPTED,
                PurchaseState.HELD, PurchaseState.DONE, PurchaseState.FAILED,
            }
        ),
        PurchaseState.ACCEPTED: frozenset(
            {
                PurchaseState.ACCEPTED, PurchaseState.HELD, PurchaseState.DONE,
                PurchaseState.FAILED,
            }
        ),
        # A person may have it looked up once more, or says what became of it.
        PurchaseState.HELD: frozenset(
            {PurchaseState.UNKNOWN, PurchaseState.DONE, PurchaseState.FAILED}
        ),
        PurchaseState.DONE: frozenset(),
        PurchaseState.FAILED: frozenset(),
    }
)  # fmt: skip
FINAL: Final = frozenset({PurchaseState.DONE, PurchaseState.FAILED})
"""A purchase in one of these is over; every other is open, and its need is not bought again."""


def can_become(state: CardState, target: CardState) -> bool:
    """
    Say whether one transaction may take a card from *state* to *target*.

    A transaction may pass several states at once: a direct dispatch takes a card from AVAILABLE
    to DELIVERED in one commit.
    """
    seen = {state}
    todo = [state]
    while todo:
        for following in CARD_MOVES[todo.pop()]:
            # Only the way forward may be skipped along: releasing and voiding end a passage.
            if following not in seen and following is not CardState.AVAILABLE:
                seen.add(following)
                todo.append(following)
    return target in seen - {state} or target in CARD_MOVES[state]


def check_card_move(state: CardState, target: CardState) -> None:
    """Raise `IllegalTransition` unless a card may go from *state* to *target*."""
    if not can_become(state, target):
        raise IllegalTransition(f"a card cannot go from {state} to {target}")


def check_line_move(outcome: Outcome, target: Outcome) -> None:
    """Raise `IllegalTransition` unless a line may go from *outcome* to *target*."""
    if target not in LINE_MOVES[outcome]:
        raise IllegalTransition(f"a line cannot go from {outcome} to {target}")


def check_purchase_move(state: PurchaseState, target: PurchaseState) -> None:
    """Raise `IllegalTransition` unless a purchase may go from *state* to *target*."""
    if target not in PURCHASE_MOVES[state]:
        raise IllegalTransition(f"a purchase cannot go from {state} to {target}")
