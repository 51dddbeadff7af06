"""What becomes of a line that stock cannot fill: which sources there are, and what they may cost."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

import attrs

from autocard.bargain import Offer
from autocard.config import SkuSettings
from autocard.config.fields import TARGETS
from autocard.model import Order, OrderLine
from autocard.money import Money, exponent
from autocard.records import Status, StoredLine
from autocard.states import Outcome, Reason

MANUAL: Final = "manual"
WAREHOUSE: Final = "warehouse:"
SUPPLIER: Final = "supplier:"


def is_source(text: str) -> bool:
    """Say whether *text* names a source: `warehouse:NAME`, `supplier:NAME` or `manual`."""
    kind, colon, name = text.partition(":")
    return text == MANUAL or (f"{kind}{colon}" in (WAREHOUSE, SUPPLIER) and bool(name))


def warehouses(sources: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the warehouses among *sources*, in order."""
    return tuple(x.removeprefix(WAREHOUSE) for x in sources if x.startswith(WAREHOUSE))


def suppliers(sources: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the suppliers among *sources*, in order."""
    return tuple(x.removeprefix(SUPPLIER) for x in sources if x.startswith(SUPPLIER))


def shortage(sku: SkuSettings, sources: tuple[str, ...]) -> Status:
    """
    Return how a paid line waits that stock does not fill.

    For suppliers and stock; when no supplier is among its *sources*, for stock and a person.
    """
    if not suppliers(sources) and (sku.kind == "topup" or MANUAL in sources):
        return Status(Outcome.PENDING, Reason.MANUAL)
    return Status(Outcome.PENDING, Reason.SHORT)


def still_short(sku: SkuSettings, sources: tuple[str, ...], line: StoredLine) -> Status:
    """Return how a waiting line goes on waiting: one that suppliers left to a person stays there."""
    return line.status if suppliers(sources) else shortage(sku, sources)


def exhausted(sources: tuple[str, ...], why: str) -> Status:
    """Return what becomes of a line once no supplier is left to be asked."""
    if MANUAL in sources:
        return Status(Outcome.PENDING, Reason.MANUAL, why)
    return Status(Outcome.HELD, Reason.SUPPLY, why)


def target_problem(sku: SkuSettings, target: str) -> str:
    """Return what is wrong with the target of a top-up, or ""; the target is not quoted."""
    if not target:
        return "a top-up needs a target, and the line has none"
    if sku.target is None:
        return ""
    pattern = TARGETS.get(sku.target, sku.target.removeprefix("pattern:"))
    return "" if re.fullmatch(pattern, target) else f"its target does not fit {sku.target!r}"


# --- prices ---------------------------------------------------------------------------------


def ceiling(
    sku: SkuSettings,
    line: OrderLine | None,
    units: int,
    currency: str,
    *,
    share: Money | None = None,
) -> Money | None:
    """
    Return the most that one unit may cost, in *currency*; None: nothing may be bought.

    That is the sku's ceiling, and no more than the buyer paid for one unit unless the sku allows
    a loss. Without either there is no telling what is too much.

    Args:
        sku: Says the ceiling.
        line: What the buyer asked for; None where stock is bought.
        units: How many units the line is.
        currency: Of the settings.
        share: What was paid for one unit where the line has no price, as far as the payment tells.
            It only lowers a ceiling: of an order of several goods it is a mean, so it must not by
            itself allow the cheapest of them to be bought as if it were the dearest.
    """
    limits = []
    if sku.ceiling is not None:
        if sku.ceiling.currency != currency:
            return None
        limits.append(sku.ceiling)
    paid = share if limits else None
    if line is not None and line.unit_price is not None:
        price = line.unit_price
        paid = Money.from_minor(price.minor * line.quantity // max(units, 1), price.currency)
    if paid is not None and not (sku.allow_loss and limits):
        if paid.currency != currency:
            return None
        limits.append(paid)
    return min(limits, default=None)


def unit_share(order: Order, lines: Iterable[StoredLine], currency: str) -> Money:
    """
    Return what of the payment falls to one unit of the lines without a price, rounded down.

    The lines with a price take theirs first. Nothing is left where that is all, or where nobody
    says what was paid, in *currency* then; and where prices in another currency than the
    payment's keep one from telling what is left.
    """
    if order.payment is None:
        return Money.from_minor(0, currency)
    paid = order.payment.paid
    left, units = paid.minor, 0
    for line, stored in zip(order.lines, lines, strict=True):
        if line.unit_price is None:
            units += stored.units or stored.quantity
        elif line.unit_price.currency == paid.currency:
            left -= line.unit_price.minor * line.quantity
        else:
            left = 0
            break
    return Money.from_minor(max(left, 0) // max(units, 1), paid.currency)


def in_currency(price: Money, rate: str | None, currency: str) -> Money | None:
    """Return *price* in *currency*, rounded up; None when no rate says how."""
    if price.currency == currency:
        return price
    if rate is None:
        return None
    return Money.from_minor(
        math.ceil(price.minor * _minor_rate(rate, price.currency, currency)), currency
    )


def out_of_currency(limit: Money, rate: str | None, currency: str) -> Money:
    """Return *limit* in a supplier's *currency*, rounded down; the other way of `in_currency`."""
    if limit.currency == currency:
        return limit
    assert rate is not None
    return Money.from_minor(
        math.floor(limit.minor / _minor_rate(rate, currency, limit.currency)), currency
    )


def _minor_rate(rate: str, origin: str, target: str) -> Fraction:
    """Return how many minor units of *target* one minor unit of *origin* is."""
    return Fraction(rate) * Fraction(10) ** (exponent(target) - exponent(origin))


# --- offers ---------------------------------------------------------------------------------


@attrs.frozen
class Wanted:
    """Offers that can serve a need, and how many units may be bought from one of them."""

    offers: tuple[Offer, ...]
    quantity: int

    def units(self, offer: Offer) -> int:
        """Return how many units to buy from *offer*."""
        return min(self.quantity, room(offer, self.quantity))


def room(offer: Offer, quantity: int) -> int:
    """Return how many of *quantity* units *offer* can serve; 0 when it cannot at all."""
    if not offer.on_sale or quantity < offer.least:
        return 0
    most = min(quantity, offer.most or quantity)
    most = most if offer.available is None else min(most, offer.available)
    return most if most >= offer.least else 0


def wanted(
    offers: Iterable[Offer],
    quantity: int,
    ceiling: Money,
    *,
    in_full: bool = True,
    in_parts: bool = True,
) -> Wanted:
    """
    Return the offers to choose from for a need of *quantity* units.

    Those that can serve all of it; where there is none, and it may be bought *in_parts*, those
    that can serve a part. With *in_full* only those that the others can follow until all is
    served: a buyer gets everything or nothing.
    """
    fit = [x for x in offers if x.cost is not None and x.cost <= ceiling and room(x, quantity)]
    whole = tuple(x for x in fit if room(x, quantity) == quantity)
    if whole or not in_parts:
        return Wanted(whole, quantity)
    if in_full:
        fit = [x for x in fit if _reaches(_bought(fit, x, quantity), quantity - room(x, quantity))]
    return Wanted(tuple(fit), quantity)


def _reaches(offers: Sequence[Offer], quantity: int) -> bool:
    """
    Say whether *offers*, bought from one after the other, serve exactly *quantity* units.

    It follows the way that buying goes when nobody interferes: whoever has all that is left, else
    the cheapest, as much as there is. Another way may lead there where this one does not; but a
    part must not be bought in the hope of one.
    """
    while quantity:
        fit = [x for x in offers if room(x, quantity)]
        if not fit:
            return False
        if any(_is_enough(x, quantity) for x in fit):
            return True
        cheapest = min(fit, key=_cost)
        offers = _bought(offers, cheapest, quantity)
        quantity -= room(cheapest, quantity)
    return True


def _is_enough(offer: Offer, quantity: int) -> bool:
    """Say whether *offer* alone serves *quantity* units, at once or in as many parts as it takes."""
    has_all = offer.available is None or offer.available >= quantity
    return room(offer, quantity) == quantity or (has_all and offer.least <= 1)


def _bought(offers: Sequence[Offer], offer: Offer, quantity: int) -> list[Offer]:
    """Return *offers* as they are once as much of *quantity* units as there is was bought of one."""
    if offer.available is None:
        return list(offers)
    rest = attrs.evolve(offer, available=offer.available - room(offer, quantity))
    return [rest if x is offer else x for x in offers]


def _cost(offer: Offer) -> Money:
    assert offer.cost is not None
    return offer.cost


def refusal(
    offers: Sequence[Offer], quantity: int, ceiling: Money, *, in_parts: bool = True
) -> str:
    """Return in a few words why none of *offers* serves a need."""
    if not offers:
        return "no supplier offers it now"
    if not any(room(offer, quantity) for offer in offers):
        return "no supplier has enough of it now"
    if not any(offer.cost is not None and offer.cost <= ceiling for offer in offers):
        return f"every offer is above {ceiling}"
    if not in_parts:
        return f"no offer within {ceiling} is for all {quantity} at once, as a top-up has to be"
    return "the offers do not reach for all of it"
