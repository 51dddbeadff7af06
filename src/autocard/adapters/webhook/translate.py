"""From a delivery to a signed event, and from the consumer's reply to what comes next. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs

from autocard.spi import (
    Delivery,
    RejectedError,
    Response,
    Secret,
    TransientError,
    check_status,
    webhook_headers,
    webhook_id,
)

EVENT_TYPE: Final = "delivery.completed"
_GONE: Final = 410


@attrs.frozen
class Event:
    """The headers and the exact bytes of one try."""

    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


def event_from_delivery(delivery: Delivery, secrets: Sequence[Secret]) -> Event:
    """
    Return the event of *delivery*, signed with every one of *secrets*.

    Its id and body are the same on every try; only the time and the signature change.

    Raises:
        RejectedError: The delivery carries no time.

    Source: Standard Webhooks 1.0, section "Payload"; ids only, because a payload is not the
        place for secrets.
    """
    decided = delivery.placed_at or delivery.sent_at
    tried = delivery.sent_at or delivery.placed_at
    if decided is None or tried is None:
        raise RejectedError("a delivery needs the time of its try (sent_at) to be signed")
    body = json.dumps(_event(delivery, decided), separators=(",", ":")).encode()
    sender_id = webhook_id(delivery.reference)
    return Event(webhook_headers(secrets, sender_id, int(tried.timestamp()), body) | _KIND, body)


_KIND: Final = {"content-type": "application/json"}


def _event(delivery: Delivery, decided: datetime) -> dict[str, object]:
    return {
        "type": EVENT_TYPE,
        "timestamp": decided.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "data": {
            "platform": delivery.platform,
            "order_no": delivery.order_no,
            "line_no": delivery.line_no,
            "item": delivery.item,
            "sku": delivery.sku,
            "quantity": len(delivery.cards),
            "reference": delivery.reference,
        },
    }


def check_reply(response: Response) -> None:
    """
    Return when the consumer took the event (2xx).

    Raises:
        RejectedError: 410; the consumer wants no more events.
        TransientError: 3xx, any other 4xx, or a 503 that says when to come back.
        UnknownOutcome: 5xx; it may have been taken.

    Source: Standard Webhooks 1.0, section "Deliverability and reliability".
    """
    if response.status == _GONE:
        raise RejectedError("the consumer answered HTTP 410: remove this channel or its address")
    try:
        check_status(response, safe=False)
    except RejectedError as error:
        # A consumer that is being deployed answers 404 or 401 for a while; the event is not lost.
        raise TransientError(str(error)) from None
