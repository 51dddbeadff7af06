"""What is said to Kinguin, and what its messages are about. Pure: no network, no clock."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from autocard.adapters.kinguin.options import KinguinOptions
from autocard.adapters.kinguin.orders import ORDER_NO
from autocard.adapters.kinguin.refusals import json_value
from autocard.adapters.kinguin.replies import CURRENCY
from autocard.spi import Hint, Inbound, Purchase, RejectedError, Secret, VerificationError, same

SUPPLIER: Final = "kinguin"
_PRODUCT_ID: Final = re.compile(r"[0-9a-fA-F]{8,64}")
_REFERENCE: Final = re.compile(r"[!-~]{1,128}")
_MAX_BYTES: Final = 65_536
_NOT_PROVED: Final = "kinguin: the message is not proved genuine"
_NOT_KNOWN: Final = "kinguin: the message is not of a kind that this version knows"


# --- requests -------------------------------------------------------------------------------


def headers(options: KinguinOptions) -> dict[str, str]:
    """
    Return the headers of every call. Nothing is signed; the API key alone says who we are.

    Secrets: reveals the credential once, into the returned headers.

    Source: Kinguin eCommerce API, "Authentication".
    """
    return {"X-Api-Key": options.credential.reveal(), "Accept": "application/json"}


def is_product_id(item: str) -> bool:
    """Say whether *item* may be a `productId`; the older `kinguinId`, a short number, is none."""
    return _PRODUCT_ID.fullmatch(item) is not None


def order_body(purchase: Purchase, *, text_only: bool) -> bytes:
    """
    Return the body of `POST /v2/order`: one product, the most that one unit may cost, our number.

    Kinguin picks the cheapest offers at or below that price, and charges what those cost.

    Raises:
        RejectedError: The item is no `productId`, or the ceiling is not in euros.

    Source: Kinguin eCommerce API, "Orders API v2", "Place an order".
    """
    if not is_product_id(purchase.item):
        raise RejectedError(
            "the item is no productId (hexadecimal, such as 5c9b68662539a4e8f17ae2fe); "
            "a kinguinId will not do; nothing was bought"
        )
    if purchase.ceiling.currency != CURRENCY:
        raise RejectedError("Kinguin sells in EUR; the ceiling is in another currency")
    # Written by hand, because the price is a JSON number and must never be a float.
    kind = ',"keyType":"text"' if text_only else ""
    line = (
        f'{{"productId":"{purchase.item}","qty":{purchase.quantity},'
        f'"price":{purchase.ceiling.amount:.2f}{kind}}}'
    )
    number = json.dumps(purchase.reference)
    return f'{{"products":[{line}],"orderExternalId":{number}}}'.encode()


# --- messages -------------------------------------------------------------------------------


def hint_from_inbound(inbound: Inbound, secret: Secret) -> Hint:
    """
    Return what a message is about, whose header holds *secret*.

    The secret does not sign the body, so nothing in it is more than a hint.

    Raises:
        VerificationError: The header does not hold the secret, there is none to compare it with,
            or the message is not of a kind that we know.

    Source: Kinguin eCommerce API, "Webhooks".
    """
    if inbound.method.upper() != "POST" or len(inbound.body) > _MAX_BYTES:
        raise VerificationError(_NOT_PROVED)
    if not is_secret(inbound.headers.get("x-event-secret", ""), secret):
        raise VerificationError(_NOT_PROVED)
    hint = _hint(inbound.headers.get("x-event-name", ""), json_value(inbound.body))
    if hint is None:
        raise VerificationError(_NOT_KNOWN)
    return hint


def is_secret(said: str, secret: Secret) -> bool:
    """
    Compare a header with *secret* in constant time; an empty secret equals nothing.

    Secrets: reveals *secret* once, for the comparison only.
    """
    expected = secret.reveal().encode()
    as_text = same(said, expected)
    # Many servers hand a header over with each byte as one character (PEP 3333).
    as_bytes = same(_each_byte(said), expected)
    return expected != b"" and (as_text or as_bytes)


def _each_byte(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return b""


def _hint(event: str, body: Any) -> Hint | None:
    if not isinstance(body, dict):
        return None
    match event:
        case "order.status" | "order.complete":
            hint = Hint(
                reference=_text(body.get("orderExternalId"), _REFERENCE),
                remote=_text(body.get("orderId"), ORDER_NO),
            )
            return hint if hint.reference or hint.remote else None
        case "product.update":
            item = _text(body.get("productId"), _PRODUCT_ID)
            return Hint(items=(item,)) if item else None
        case _:
            return None


def _text(value: object, pattern: re.Pattern[str]) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""
