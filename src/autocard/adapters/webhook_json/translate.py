"""Our JSON, out: deliveries, and replies to the host. Pure. Orders come in by `autocard.spi`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from autocard.spi import (
    Answer,
    Card,
    Delivery,
    Receipt,
    RejectedError,
    Reply,
    Response,
    Secret,
    webhook_headers,
    webhook_id,
)

_KIND: Final = {"content-type": "application/json"}
_LATER_S: Final = 30
_MAX_NUMBER: Final = 128


@attrs.frozen
class Message:
    """The headers and the exact bytes of one try. Shows neither."""

    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


def message_from_delivery(delivery: Delivery, secrets: Sequence[Secret]) -> Message:
    """
    Return the signed message that hands *delivery* over.

    Its id and body are the same on every try; only the time and the signature change.

    Raises:
        RejectedError: The delivery carries no time.

    Secrets: reveals each card, into the body only.
    """
    tried = delivery.sent_at or delivery.placed_at
    if tried is None:
        raise RejectedError("a delivery needs the time of its try (sent_at) to be signed")
    # ASCII only: whatever characters a card holds, writing it cannot fail and quote it.
    body = json.dumps(_delivery(delivery), separators=(",", ":")).encode()
    sender_id = webhook_id(delivery.reference)
    return Message(webhook_headers(secrets, sender_id, int(tried.timestamp()), body) | _KIND, body)


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "reference": delivery.reference,
        "order_no": delivery.order_no,
        "line_no": delivery.line_no,
        "item": delivery.item,
        "sku": delivery.sku,
        "cards": [_card(card) for card in delivery.cards],
    }


def _card(card: Card) -> dict[str, Any]:
    expires = card.expires_at
    return {
        "number": card.number,
        "secret": card.secret.reveal(),
        "text": card.text().reveal(),
        "expires_at": None if expires is None else expires.isoformat().replace("+00:00", "Z"),
        "extra": {name: value.reveal() for name, value in card.extra.items()},
    }


def number_from_response(response: Response) -> str:
    """Return the text in `delivery_no` of a JSON reply; "" when there is no such thing."""
    try:
        found = json.loads(response.body)
    except (ValueError, RecursionError):
        return ""
    number = found.get("delivery_no") if isinstance(found, dict) else None
    if not isinstance(number, str) or not number.isprintable():
        return ""
    return number if len(number) <= _MAX_NUMBER else ""


def reply_from_answer(answer: Answer, receipt: Receipt | None) -> Reply:
    """Return what the host is told; a refusal explains nothing."""
    if answer is Answer.REFUSED:
        return Reply(status=401)
    if answer is Answer.LATER:
        return Reply(status=503, headers={"retry-after": str(_LATER_S)})
    told: dict[str, str] = {"status": "accepted"}
    if receipt is not None:
        told |= {"order_no": receipt.order_no, "outcome": receipt.outcome}
    return Reply(headers=dict(_KIND), body=json.dumps(told, separators=(",", ":")).encode())
