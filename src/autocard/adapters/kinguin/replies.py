"""What Kinguin answers to questions, as money and offers. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any, Final

import attrs

from autocard.adapters.kinguin.refusals import (
    check_question,
    json_value,
    refusal_from_response,
)
from autocard.spi import (
    Money,
    Offer,
    Response,
    TransientError,
)

CURRENCY: Final = "EUR"
PAGE: Final = 100
"""The most orders, products or cards that are listed at once."""
MOST: Final = 9
"""The most units of one product in one order; more is wholesale and needs a chosen offer."""
_CENT: Final = Decimal("0.01")
# The host may have set the precision of its own decimals to a few digits.
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_UP, traps=[InvalidOperation])
_AMOUNT: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")
UNREADABLE: Final = "Kinguin's answer is not in its documented shape; try again later"


def euros(value: object) -> Money | None:
    """
    Return *value*, a JSON number or its text, in whole cents; None where it is neither.

    Prices are floats on Kinguin's side, so that 17.37 may arrive as 17.369999999999997.

    Source: Kinguin eCommerce API, "Order object": `paymentPrice` is described as a string.
    """
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    try:
        return Money(_EXACT.quantize(Decimal(value), _CENT), CURRENCY)
    except (ArithmeticError, ValueError):
        return None


def balance_from_response(response: Response) -> Money:
    """
    Return what is left of the prepaid balance.

    Raises:
        RejectedError: Kinguin refused.
        TransientError: No usable answer.

    Source: Kinguin eCommerce API, "Balance".
    """
    check_question(response)
    balance = euros(members(response).get("balance"))
    if balance is None:
        raise TransientError(UNREADABLE)
    return balance


def members(response: Response) -> Mapping[str, Any]:
    """Return the JSON object of an answer, empty where it is none."""
    found = json_value(response.body)
    return found if isinstance(found, dict) else {}


def rows(found: object) -> list[Mapping[str, Any]] | None:
    """Return the objects of a JSON array; None where it is none or holds anything else."""
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        return None
    return found


# --- offers ---------------------------------------------------------------------------------


@attrs.frozen
class _Listing:
    """What one seller asks; `count` is None where we are not shown it."""

    price: Money
    count: int | None


def offers_from_response(
    response: Response, items: Sequence[str], *, text_only: bool
) -> list[Offer]:
    """
    Return an offer for each of *items* that is listed, in their order.

    Raises:
        RejectedError: Kinguin refused.
        TransientError: No usable answer.

    Source: Kinguin eCommerce API, "Products API v1" and "Product object".
    """
    if response.status == 404 and refusal_from_response(response) is not None:
        return []  # what is sold out may be answered like what was never there
    check_question(response)
    products = rows(members(response).get("results"))
    if products is None:
        raise TransientError(UNREADABLE)
    listed = {product.get("productId"): product for product in products if _has_id(product)}
    known = [item for item in items if item in listed]
    offers = (_offer(item, listed[item], text_only=text_only) for item in known)
    return [offer for offer in offers if offer is not None]


def _has_id(product: Mapping[str, Any]) -> bool:
    return isinstance(product.get("productId"), str)


def _offer(item: str, product: Mapping[str, Any], *, text_only: bool) -> Offer | None:
    listings = _listings(product, text_only=text_only)
    served = [listing for listing in listings if listing.count != 0]
    if not listings:
        return None  # without a price there is nothing to offer
    price = min(listing.price for listing in served or listings)
    name = product.get("name")
    return Offer(
        item=item,
        price=price,
        available=_available(served, price),
        on_sale=bool(served) and product.get("isPreorder") is not True,
        most=MOST,
        name=name[:200] if isinstance(name, str) else "",
    )


def _available(served: Sequence[_Listing], price: Money) -> int | None:
    """
    Return how many there are at *price*, the lowest; None where there are dearer ones too.

    One order takes keys from several offers, up to the ceiling of its purchase. That is not known
    here, so that only the order tells how many it reaches.

    Source: Kinguin eCommerce API, "Orders API v2", "Place an order", `price`.
    """
    counts = [listing.count for listing in served]
    if None in counts or any(listing.price > price for listing in served):
        return None
    return sum(count for count in counts if count)


def _listings(product: Mapping[str, Any], *, text_only: bool) -> list[_Listing]:
    """Return what sellers ask, or what the product says where their offers are not shown to us."""
    offers = [row for row in rows(product.get("offers")) or () if row.get("isPreorder") is not True]
    listings = [_listing(row, text_only=text_only) for row in offers or (product,)]
    known = [listing for listing in listings if listing is not None]
    if offers or not _has_dearer(product):
        return known
    return [x if x.count == 0 else attrs.evolve(x, count=None) for x in known]


def _has_dearer(product: Mapping[str, Any]) -> bool:
    """Say whether there are more keys of *product* than those at its lowest price."""
    cheapest, altogether = (count_from(product.get(name)) for name in ("qty", "totalQty"))
    return (altogether or 0) > (cheapest or 0)


def _listing(row: Mapping[str, Any], *, text_only: bool) -> _Listing | None:
    price = euros(row.get("price"))
    if price is None or price.minor <= 0:
        return None
    names = ("textQty", "qty") if text_only else ("qty",)
    counts = (count_from(row.get(name)) for name in names)
    return _Listing(price, next((count for count in counts if count is not None), None))


def count_from(value: object) -> int | None:
    """Return *value*, a JSON number, as a count; None where it is no whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return max(value, 0)
