"""Between Paperplane's words and ours. Pure: no network, no clock, no file; any bytes may come."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from autocard import InvalidOrder
from autocard.spi import (
    Answer,
    Buyer,
    Delivery,
    Inbound,
    Money,
    Order,
    OrderLine,
    Payment,
    RejectedError,
    Reply,
    Response,
    Secret,
    TransientError,
    UnknownOutcome,
    VerificationError,
    check_status,
    same,
)

NAME: Final = "paperplane"
_SECONDS: Final = re.compile(r"[0-9]{10}")
_MAX_NUMBER: Final = 128
_STATUSES: Final = {Answer.ACCEPTED: 200, Answer.REFUSED: 401, Answer.LATER: 503}


# --- messages to us -------------------------------------------------------------------------


def signature(credential: Secret, sent: str, body: bytes) -> str:
    """
    Return the signature of a message: HMAC-SHA256 over its time, a dot and its body, in hex.

    Secrets: reveals *credential* once, into the digest only.
    Source: Paperplane API (invented), section "Signatures".
    """
    signed = sent.encode("utf-8", "surrogatepass") + b"." + body
    return hmac.new(credential.reveal().encode(), signed, hashlib.sha256).hexdigest()


def check_message(inbound: Inbound, credential: Secret, *, now: datetime, window_s: int) -> None:
    """
    Return when *inbound* is genuine and recent.

    Raises:
        VerificationError: It is not. The text is the same for every cause.

    Source: Paperplane API (invented), section "Signatures".
    """
    sent = inbound.headers.get("paperplane-time", "")
    signed = inbound.headers.get("paperplane-signature", "")
    recent = bool(_SECONDS.fullmatch(sent)) and abs(now.timestamp() - int(sent)) <= window_s
    genuine = same(signed, signature(credential, sent, inbound.body))
    # What is not signed must not be there: it would be read as if it were.
    if not (recent and genuine and inbound.method == "POST" and not inbound.query):
        raise VerificationError("paperplane: the message is not proved genuine")


def order_from_message(body: bytes) -> Order:
    """
    Return the order of a proved message. Unknown fields are ignored.

    Raises:
        InvalidOrder: A field is missing or malformed; the error names it, and never quotes it.
        VerificationError: It does not say that anything was paid.

    Source: Paperplane API (invented), section "Order paid".
    """
    said = _members(body)
    rows = said.get("lines")
    if not isinstance(rows, list) or not rows:
        raise InvalidOrder("lines", "must be a list of at least one line")
    currency = said.get("currency")
    return Order(
        platform=NAME,
        order_no=said.get("order", ""),
        lines=tuple(_line(row, currency) for row in rows),
        payment=_payment(said, currency),
        buyer=_buyer(said.get("buyer")),
    )


def _line(row: object, currency: object) -> OrderLine:
    fields = row if isinstance(row, dict) else {}
    price = _money(fields.get("price"), currency)
    if price is None:  # without it nobody could check what was paid
        raise InvalidOrder("lines.price", "must be an amount as text, in the order's currency")
    return OrderLine(item=fields.get("item", ""), quantity=fields.get("count", 1), unit_price=price)


def _payment(said: Mapping[str, Any], currency: object) -> Payment:
    paid = _money(said.get("paid"), currency)
    if paid is None or paid.amount <= 0:
        raise VerificationError("paperplane: the message does not say how much was paid")
    return Payment(paid=paid, paid_at=_time(said.get("paid_at")))


def _buyer(said: object) -> Buyer:
    fields = said if isinstance(said, dict) else {}
    return Buyer(id=fields.get("id", ""), contact=fields.get("mail", ""))


def reply_from_answer(answer: Answer) -> Reply:
    """Return a bare status: a refusal explains nothing, and no reply holds a card."""
    return Reply(status=_STATUSES[answer])


# --- answers to our calls -------------------------------------------------------------------


def payment_from_response(response: Response, order_no: str) -> Payment | None:
    """
    Return the payment of an order that Paperplane was asked about; None while it is unpaid.

    Raises:
        RejectedError: It was paid back, or Paperplane refused to say.
        TransientError: No usable answer; ask again later.

    Source: Paperplane API (invented), section "Look up an order".
    """
    check_status(response, safe=True)
    said = _members(response.body)
    paid = _money(said.get("paid"), said.get("currency"))
    match said.get("order") == order_no and said.get("state"):
        case "open":
            return None
        case "paid" if paid is not None and paid.amount > 0:
            return Payment(paid=paid, paid_at=_time(said.get("paid_at")))
        case "refunded":
            raise RejectedError("paperplane: the order was paid back; do not deliver it")
    raise TransientError("paperplane: the answer about the order is not understood")


def cards_from_delivery(delivery: Delivery) -> dict[str, Any]:
    """
    Return what Paperplane is told when it takes the cards of a line.

    Secrets: reveals each card once.
    Source: Paperplane API (invented), section "Deliver".
    """
    return {
        "reference": delivery.reference,
        "order": delivery.order_no,
        "line": delivery.line_no,
        "cards": [card.text().reveal() for card in delivery.cards],
    }


def plane_from_delivery(delivery: Delivery) -> dict[str, Any]:
    """
    Return the message that flies to the buyer. Paperplane sends one plane for one number.

    Raises:
        RejectedError: Nobody knows where to fly to.

    Secrets: reveals each card and the contact once.
    Source: Paperplane API (invented), section "Planes".
    """
    if not delivery.buyer.contact:
        raise RejectedError("paperplane: the order has no buyer.contact to fly to")
    return {
        "number": delivery.reference,
        "to": delivery.buyer.contact,
        "cards": [card.text().reveal() for card in delivery.cards],
    }


def number_from_response(response: Response, name: str) -> str:
    """
    Return Paperplane's own number, the text *name*, for something it has taken.

    Raises:
        RejectedError: It refused.
        TransientError: It has certainly not taken it, and may later.
        UnknownOutcome: It may have taken it: it broke down, or its answer is not understood.
    """
    check_status(response, safe=False)
    number = _members(response.body).get(name)
    if not isinstance(number, str) or not 0 < len(number) <= _MAX_NUMBER or not number.isascii():
        raise UnknownOutcome("paperplane: its answer is not understood; look the delivery up")
    return number


def found_from_response(response: Response) -> bool:
    """
    Return whether Paperplane knows a delivery.

    Raises:
        RejectedError: It refused to say.
        TransientError: No usable answer; ask again later.

    Source: Paperplane API (invented), section "Look up a delivery".
    """
    check_status(response, safe=True)
    found = _members(response.body).get("found")
    if not isinstance(found, bool):
        raise TransientError("paperplane: the answer about the delivery is not understood")
    return found


# --- pieces ---------------------------------------------------------------------------------


def _members(body: bytes) -> dict[str, Any]:
    """Return the JSON object in *body*; anything else has no members."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        # Not raised from here: the error of the parser holds the whole body.
        return {}
    return said if isinstance(said, dict) else {}


def _money(amount: object, currency: object) -> Money | None:
    """Return an amount that came as text. A JSON number would have become a float on its way."""
    if not isinstance(amount, str) or not isinstance(currency, str):
        return None
    try:
        return Money(amount, currency)
    except ValueError:
        return None


def _time(seconds: object) -> datetime | None:
    """Return a time given in Unix seconds; what is not one is left out."""
    if type(seconds) is not int or not 0 <= seconds < 10**10:
        return None
    return datetime.fromtimestamp(seconds, UTC)
