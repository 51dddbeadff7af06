"""The values of buying: what suppliers offer, what is asked of them, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType, NoneType
from typing import Final

import attrs

from autocard.clock import as_utc
from autocard.model import Reference
from autocard.money import Money
from autocard.secret import Secret

_NO_SECRETS: Final[Mapping[str, Secret]] = MappingProxyType({})
_NO_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({})


def _must_be(field: str, value: object, *kinds: type) -> None:
    """Refuse what an adapter got wrong where it says it, before anything is written down of it."""
    if not isinstance(value, kinds):  # the value is not quoted: it may be a card
        raise TypeError(f"{field} must be {kinds[0].__name__}, not {type(value).__name__}")


def _frozen(value: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(value))


@attrs.frozen(kw_only=True)
class Offer:
    """
    A supplier's quote for one unit of a good.

    An adapter says item, price, `available`, `on_sale`, `least` and `most`; who offers, for which
    sku, and how it has served before is written in by whoever asked.

    Args:
        item: The supplier's own name of the good.
        price: What one unit costs us, in the supplier's currency.
        available: How many there are; None where the supplier does not say.
        on_sale: False for a good that is known and cannot be bought now.
        least: The fewest units that one purchase may ask for.
        most: The most units that one purchase may ask for; None without limit.
        name: What the supplier calls it, for people.
        supplier: The configured name of the supplier.
        sku: Our name for what would arrive.
        cost: `price` in the currency of the shop; what offers are compared by.
        success_rate: Which share of the last purchases was served, 0 to 1.
        delay_s: How long those took on average, in seconds.
    """

    item: str = ""
    price: Money
    available: int | None = None
    on_sale: bool = True
    least: int = 1
    most: int | None = None
    name: str = ""
    supplier: str = ""
    sku: str = ""
    cost: Money | None = None
    success_rate: float = 1.0
    delay_s: float = 0.0


@attrs.frozen(kw_only=True)
class Purchase:
    """
    One act of buying, as the adapter of its supplier sees it.

    Args:
        reference: Ours, on every try the same: 18 characters from `a-z0-9`, of which the first is
            a letter. A purchase that failed is never tried again under its reference.
        sku: Our name for what is to arrive.
        item: The supplier's own name of the good.
        quantity: How many units, 1 to 10,000.
        price: What the offer asked for one unit, in the supplier's currency.
        ceiling: The most that one unit may cost, in the same currency; `price` or more. Send it
            where the supplier takes a price guard, in the unit that it means.
        target: The account to be charged; "" for cards.
        options: What the buyer chose besides, by the platform's names.
        remote: The supplier's own number for it; "" until it is known.
        attempts: How often the call may have reached the supplier, this one included; 1 means that
            no earlier one did.
        begun_at: When it was decided; the same on every try. Aware UTC.
        sent_at: When this call is made. Aware UTC.
    """

    reference: Reference
    sku: str
    item: str
    quantity: int
    price: Money
    ceiling: Money
    target: str = attrs.field(default="", repr=False)
    options: Mapping[str, str] = attrs.field(
        default=_NO_OPTIONS, converter=_frozen, repr=False, hash=False
    )
    remote: str = ""
    attempts: int = 1
    begun_at: datetime
    sent_at: datetime


class Shape(StrEnum):
    """What a bought card is made of."""

    TEXT = "text"
    LINK = "link"
    """An address that leads to the card."""
    IMAGE = "image"
    """A picture of the card, as base64 text."""


@attrs.frozen(kw_only=True)
class BoughtCard:
    """
    One card as it came from a supplier. Whether it may be sold is for the core to judge.

    An adapter leaves out what its supplier's rules call no card, such as an apology, and says so
    with `Stage.UNCLEAR`; a field that came empty is "" or absent here.
    """

    secret: Secret
    number: str = attrs.field(default="", repr=False)
    extra: Mapping[str, Secret] = attrs.field(default=_NO_SECRETS, repr=False, hash=False)
    expires_at: datetime | None = None
    shape: Shape = Shape.TEXT

    def __attrs_post_init__(self) -> None:
        _must_be("secret", self.secret, Secret)
        _must_be("number", self.number, str)
        for name, value in self.extra.items():
            _must_be("extra", name, str)
            _must_be("extra", value, Secret)
        if self.expires_at is not None:
            object.__setattr__(self, "expires_at", as_utc(self.expires_at, "expires_at"))
        _must_be("shape", self.shape, Shape)


class Stage(StrEnum):
    """How far a supplier is with a purchase."""

    WORKING = "working"
    """It is accepted and not finished; look again later."""
    DONE = "done"
    """Final: the cards are here, or the target is charged."""
    FAILED = "failed"
    """Final: nothing was bought, or all of it was paid back."""
    UNCLEAR = "unclear"
    """What the supplier says needs a person: part of it was paid back, or its words prove nothing."""


@attrs.frozen(kw_only=True)
class Supplied:
    """
    What a supplier says of a purchase.

    Args:
        stage: How far it is.
        remote: The supplier's own number; "" where none was given.
        cards: What arrived. At FAILED and UNCLEAR too, where some came all the same.
        cost: What was charged for all of it; None where the supplier does not say.
        refunded: What was paid back of that.
        problem: In a few words what went wrong; quotes no card and no target.
    """

    stage: Stage
    remote: str = ""
    cards: tuple[BoughtCard, ...] = ()
    cost: Money | None = None
    refunded: Money | None = None
    problem: str = ""

    def __attrs_post_init__(self) -> None:
        _must_be("stage", self.stage, Stage)
        _must_be("remote", self.remote, str)
        object.__setattr__(self, "cards", tuple(self.cards))
        for card in self.cards:
            _must_be("cards", card, BoughtCard)
        for name in ("cost", "refunded"):
            _must_be(name, getattr(self, name), Money, NoneType)
        _must_be("problem", self.problem, str)


@attrs.frozen(kw_only=True)
class Hint:
    """
    What a supplier's message is about. Nothing in it is believed: what it names is looked up.

    Args:
        reference: Ours, of a purchase; "" where the message does not say it.
        remote: The supplier's own number of a purchase; "" where the message does not say it.
        items: Goods whose price or stock has changed.
    """

    reference: str = ""
    remote: str = ""
    items: tuple[str, ...] = ()
