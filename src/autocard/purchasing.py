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
from autocard.model import OrderLine
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


def ceiling(sku: SkuSettings, line: OrderLine | None, units: int, currency: str) -> Money | None:
    """
    Return the most that one unit may cost, in *currency*; None: nothing may be bought.

    That is the sku's ceiling, and no more than the buyer paid for one unit unless the sku allows
    a loss. Without either there is no telling what is too much.

    Args:
        sku: Says the ceiling.
        line: What the buyer asked for; None where stock is bought.
        units: How many units the line is.
        currency: Of the settings.
    """
    limits = []
    if sku.ceiling is not None:
        if sku.ceiling.currency != currency:
            return None
        limits.append(sku.ceiling)
    price = None if line is None else line.unit_price
    if line is not None and price is not None and not (sku.allow_loss and limits):
        if price.currency != currency:
            return None
        limits.append(Money.from_minor(price.minor * line.quantity // max(units, 1), currency))
    return min(limits, default=None)


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
    offers: Iterable[Offer], quantity: int, ceiling: Money, *, in_full: bool = True
) -> Wanted:
    """
    Return the offers to choose from for a need of *quantity* units.

    Those that can serve all of it; where there is none, those that can serve a part. With
    *in_full* only provided that together they can serve all: a buyer gets everything or nothing.
    """
    fit = [x for x in offers if x.cost is not None and x.cost <= ceiling and room(x, quantity)]
    whole = tuple(x for x in fit if room(x, quantity) == quantity)
    if whole:
        return Wanted(whole, quantity)
    is_enough = not in_full or sum(_reach(x, quantity) for x in fit) >= quantity
    return Wanted(tuple(fit) if is_enough else (), quantity)


def _reach(offer: Offer, quantity: int) -> int:
    """Return how many units *offer* can serve in several purchases, one after the other."""
    return quantity if offer.available is None else min(quantity, offer.available)


def refusal(offers: Sequence[Offer], quantity: int, ceiling: Money) -> str:
    """Return in a few words why none of *offers* serves a need."""
    if not offers:
        return "no supplier offers it now"
    if not any(room(offer, quantity) for offer in offers):
        return "no supplier has enough of it now"
    if not any(offer.cost is not None and offer.cost <= ceiling for offer in offers):
        return f"every offer is above {ceiling}"
    return "the offers do not reach for all of it"
