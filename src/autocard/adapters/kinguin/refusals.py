"""What Kinguin's refusals mean for the call that was refused. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, NoReturn

import attrs

from autocard.spi import (
    Purchase,
    RejectedError,
    Response,
    TransientError,
    UnknownOutcome,
    check_status,
)

_FINAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ConstraintViolation": "it finds a mistake in the request; check item, quantity and price",
        "Http": "it calls the request invalid; check item and base_url",
        "Authorization": (
            "it does not accept us; check credential and base_url, which differ in the sandbox, "
            "and the store's list of IP addresses"
        ),
        "InsufficientBalance": "the balance does not pay for it; top it up at Kinguin",
        "BalanceRequired": "the balance is below the least that Kinguin asks for; top it up",
        "ProductUnavailable": "nobody sells that many at this price now",
        "Preorder": "it is a pre-order, or breaks a rule of pre-orders",
        "OrderNotFound": "it knows no such order or product",
        "OrderNotSupported": "the order is too old for this API",
        "OrderNotPaid": "the payment from the balance failed",
        "DispatchNotFound": "it knows no such dispatch",
        "NoKeysToReturn": "there is nothing to return",
    }
)
"""Kinds of refusal after which nothing was done, and what to tell people."""
_UNSURE: Final = frozenset(
    ("OrderFailed", "ResourceLock", "HttpClient", "Error", "OrderHold", "OrderNotDispatchedYet")
) | {"OrderPartiallyDispatched", "ProcessingPreorder"}
"""Kinds after which an order may exist all the same."""
_BUSY: Final = frozenset((425, 429))
"""Statuses that ask us to wait. That nothing was done before is promised nowhere."""
_MAYBE_BEGUN: Final = frozenset((408, 409, 423))
_TRACE: Final = re.compile(r"[0-9a-f]{4,32}")
_EXTERNAL_ID: Final = re.compile(r"external_?id", re.IGNORECASE)
_QUOTING: Final = ("propertyPath", "detail", "invalidValue")


def json_value(body: bytes) -> Any:
    """Return the JSON of *body*, its broken numbers as `Decimal`; None where it is no JSON."""
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return None


@attrs.frozen
class Refusal:
    """
    A refusal in Kinguin's own shape. It keeps nothing of the request that the answer quotes.

    Args:
        kind: What Kinguin calls it; "" for a kind that we do not know.
        status: The HTTP status that it came with.
        names_number: True when it complains about our own number of the order.
        trace: What Kinguin's support asks for; "" without.
    """

    kind: str
    status: int
    names_number: bool
    trace: str

    @property
    def is_final(self) -> bool:
        """True when nothing was done. The kind says so; for unknown kinds the status does."""
        if self.status in _BUSY:
            return False
        if self.kind:
            return self.kind in _FINAL
        return 400 <= self.status < 500 and self.status not in _MAYBE_BEGUN

    def __str__(self) -> str:
        said = _FINAL.get(self.kind, self.kind or f"it answered HTTP {self.status}")
        return f"{said} (trace {self.trace})" if self.trace else said


def refusal_from_response(response: Response, reference: str = "") -> Refusal | None:
    """
    Return what *response* refuses; None where it is not in the shape of a refusal.

    Args:
        response: The answer.
        reference: Our number of the order that was to be made; "" for other calls.

    Source: Kinguin eCommerce API, "Error codes".
    """
    members = json_value(response.body)
    if not isinstance(members, dict) or not isinstance(members.get("kind"), str):
        return None
    kind, trace = members["kind"], members.get("trace")
    texts = [members.get(name) for name in _QUOTING]
    quoted = " ".join(text for text in texts if isinstance(text, str))
    named = bool(_EXTERNAL_ID.search(quoted)) or (reference != "" and reference in quoted)
    return Refusal(
        kind=kind if kind in _FINAL or kind in _UNSURE else "",
        status=response.status,
        names_number=named,
        trace=trace if isinstance(trace, str) and _TRACE.fullmatch(trace) else "",
    )


def raise_not_ordered(response: Response, purchase: Purchase) -> NoReturn:
    """
    Say what became of *purchase*, whose answer is no order.

    Raises:
        RejectedError: Nothing was bought.
        UnknownOutcome: It may have been bought: a server failed or was busy, our number is taken,
            the answer is not Kinguin's, or it refuses what was sent before.

    Source: Kinguin eCommerce API, "Error codes" and "How to prevent order duplicates".
    """
    refusal = refusal_from_response(response, purchase.reference)
    if refusal is None:
        raise UnknownOutcome("the answer is not one of Kinguin's orders; look it up there")
    if purchase.attempts > 1:
        # The first order may be why: it took the last card, the money or our number. How a number
        # is refused that was used before is not documented, and a search may overlook an order.
        raise UnknownOutcome(f"Kinguin refused a repeated order: {refusal}; look it up there")
    if refusal.is_final and not refusal.names_number:
        raise RejectedError(f"Kinguin refused the order: {refusal}")
    raise UnknownOutcome(f"Kinguin may have made the order: {refusal}; look it up there")


def check_question(response: Response, *, is_about_purchase: bool = False) -> None:
    """
    Return when *response* answers a question; otherwise say what to do.

    Args:
        response: The answer.
        is_about_purchase: True when a refusal must not look as if nothing had been bought.

    Raises:
        TransientError: Kinguin did not answer, or not in its own shape; or it refused to speak
            about a purchase.
        RejectedError: It refused, and will do so again.
    """
    if 200 <= response.status < 300:
        return
    refusal = refusal_from_response(response)
    if refusal is not None and refusal.is_final:
        problem = f"Kinguin refused to answer: {refusal}"
        raise TransientError(problem) if is_about_purchase else RejectedError(problem)
    if response.status in _BUSY or response.status >= 500:
        check_status(response, safe=True)  # reads how long Kinguin asks us to wait
    raise TransientError("Kinguin did not answer the question; try again later")
