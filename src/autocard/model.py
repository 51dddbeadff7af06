"""The values that stages, adapters and hosts exchange. All are frozen; none does anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NewType

import attrs

from autocard.clock import as_utc
from autocard.errors import InvalidOrder
from autocard.money import Money
from autocard.secret import Secret
from autocard.states import CardState, Outcome, Reason

CardId = NewType("CardId", int)
OrderId = NewType("OrderId", int)
BatchId = NewType("BatchId", int)
PurchaseId = NewType("PurchaseId", int)
Reference = NewType("Reference", str)
"""Our idempotency value for one outside call. The same on every try of that call."""

MAX_QUANTITY: Final = 10_000
MAX_LINES: Final = 100
MAX_TEXT: Final = 512
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


# --- orders ---------------------------------------------------------------------------------


def _text(value: object, field: str, *, least: int = 1, most: int = MAX_TEXT) -> None:
    if not isinstance(value, str):
        raise InvalidOrder(field, f"must be text, not {type(value).__name__}")
    if not least <= len(value) <= most:
        raise InvalidOrder(field, f"must have {least} to {most} characters")
    if _CONTROL.search(value):
        raise InvalidOrder(field, "must not contain control characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidOrder(field, "must be valid Unicode") from None


def _time(value: object, field: str) -> datetime:
    if not isinstance(value, datetime):
        raise InvalidOrder(field, f"must be a datetime, not {type(value).__name__}")
    try:
        return as_utc(value, field)
    except (ValueError, OverflowError):
        raise InvalidOrder(field, "must have a time zone and lie within years 1 to 9999") from None


@attrs.frozen(kw_only=True)
class OrderLine:
    """
    One row of an order.

    Args:
        item: The platform's name for what was bought, 1 to 512 characters.
        quantity: 1 to 10,000.
        unit_price: What the buyer pays for one; with it the payment is checked.
        target: The account a top-up goes to; sealed at rest.
        options: Further choices of the buyer, text to text; sealed at rest.
    """

    item: str
    quantity: int = 1
    unit_price: Money | None = None
    target: str = attrs.field(default="", repr=False)
    options: Mapping[str, str] = attrs.field(default=_NOTHING, repr=False, hash=False)

    def __attrs_post_init__(self) -> None:
        _text(self.item, "item")
        if isinstance(self.quantity, bool) or not isinstance(self.quantity, int):
            raise InvalidOrder("quantity", "must be a whole number")
        if not 1 <= self.quantity <= MAX_QUANTITY:
            raise InvalidOrder("quantity", f"must be 1 to {MAX_QUANTITY:,}")
        if self.unit_price is not None and not isinstance(self.unit_price, Money):
            raise InvalidOrder("unit_price", "must be Money, such as Money('50.00', 'CNY')")
        if self.unit_price is not None and self.unit_price.amount < 0:
            raise InvalidOrder("unit_price", "must not be negative")
        if self.target:
            _text(self.target, "target")
        if self.options is not _NOTHING:
            if not isinstance(self.options, Mapping):
                raise InvalidOrder("options", "must be a mapping of text to text")
            for name, value in self.options.items():
                _text(name, "options")
                _text(value, "options", least=0)
            object.__setattr__(self, "options", MappingProxyType(dict(self.options)))


def _lines(lines: Sequence[OrderLine]) -> tuple[OrderLine, ...]:
    if not isinstance(lines, (tuple, list)):
        raise InvalidOrder("lines", "must be a list of OrderLine")
    if len(lines) > MAX_LINES:
        raise InvalidOrder("lines", f"must be at most {MAX_LINES}")
    for index, line in enumerate(lines):
        if not isinstance(line, OrderLine):
            raise InvalidOrder(f"lines[{index}]", "must be an OrderLine")
    return tuple(lines)


@attrs.frozen(kw_only=True)
class Payment:
    """The proof, or the host's word, that an order is paid."""

    paid: Money
    paid_at: datetime | None = None
    reference: str = ""
    """The payment's own number at whoever took the money."""

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.paid, Money):
            raise InvalidOrder("payment.paid", "must be Money, such as Money('50.00', 'CNY')")
        if self.paid.amount < 0:
            raise InvalidOrder("payment.paid", "must not be negative")
        if self.paid_at is not None:
            object.__setattr__(self, "paid_at", _time(self.paid_at, "payment.paid_at"))
        if self.reference:
            _text(self.reference, "payment.reference")


@attrs.frozen(kw_only=True)
class Buyer:
    """Who bought. Everything here is sealed at rest; id and contact get a keyed index."""

    id: str = ""
    level: str = ""
    contact: str = attrs.field(default="", repr=False)
    """Where this buyer can be reached, usually a mail address."""
    ip: str = attrs.field(default="", repr=False)

    def __attrs_post_init__(self) -> None:
        for field in ("id", "level", "contact", "ip"):
            if getattr(self, field):
                _text(getattr(self, field), f"buyer.{field}")
            elif not isinstance(getattr(self, field), str):
                raise InvalidOrder(f"buyer.{field}", "must be text")


@attrs.frozen(kw_only=True)
class Order:
    """
    What a platform sent: who bought what, and whether it is paid.

    A payment notification that knows only a number and an amount is an order without lines;
    the engine joins it with what `Engine.expect` or `Engine.reserve` registered.

    Raises:
        InvalidOrder: A field is malformed; the error names it.
    """

    platform: str
    order_no: str
    lines: tuple[OrderLine, ...] = attrs.field(default=(), converter=_lines)
    payment: Payment | None = None
    buyer: Buyer = Buyer()
    placed_at: datetime | None = None

    def __attrs_post_init__(self) -> None:
        _text(self.platform, "platform", most=64)
        _text(self.order_no, "order_no", most=128)
        if self.payment is not None and not isinstance(self.payment, Payment):
            raise InvalidOrder("payment", "must be a Payment")
        if not isinstance(self.buyer, Buyer):
            raise InvalidOrder("buyer", "must be a Buyer")
        if self.placed_at is not None:
            object.__setattr__(self, "placed_at", _time(self.placed_at, "placed_at"))


def lines_add_up(lines: Iterable[OrderLine], paid: Money) -> bool:
    """Say whether the prices of *lines*, all in one currency, add up to exactly *paid*."""
    minor = 0
    for line in lines:
        price = line.unit_price
        if price is None or price.currency != paid.currency:
            return False
        minor += price.minor * line.quantity
    return minor == paid.minor


def order_total(lines: Iterable[OrderLine]) -> Money | None:
    """Return what *lines* cost together; None when a price is missing, or they do not add up."""
    prices = [(line.unit_price, line.quantity) for line in lines]
    minor = sum(price.minor * quantity for price, quantity in prices if price is not None)
    currencies = {price and price.currency for price, _ in prices}
    if len(currencies) != 1 or None in currencies:
        return None
    try:
        return Money.from_minor(minor, str(currencies.pop()))
    except ValueError:  # more than any payment could be
        return None


# --- cards ----------------------------------------------------------------------------------


@attrs.frozen
class CardParts:
    """
    One card in plaintext, as a card format took it apart. Lives only while it is worked on.

    Args:
        text: The original text, unchanged after decoding.
        secret: The valuable part.
        number: The card number, or "".
        extra: Further named parts in their order.
        expires_at: When the card stops working; None means never.
    """

    text: str = attrs.field(repr=False)
    secret: str = attrs.field(repr=False)
    number: str = attrs.field(default="", repr=False)
    extra: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    expires_at: datetime | None = None


@attrs.frozen
class Card:
    """One sellable secret (卡密) on its way to a buyer."""

    id: CardId
    sku: str
    secret: Secret
    number: str = attrs.field(default="", repr=False)
    extra: Mapping[str, Secret] = attrs.field(factory=dict, repr=False, hash=False)
    expires_at: datetime | None = None
    original: Secret = attrs.field(default=Secret(""), repr=False)

    def text(self) -> Secret:
        """Return the card's original text, exactly as it was imported."""
        return self.original


@attrs.frozen
class CardRecord:
    """What the store knows of one card without opening its seal."""

    id: CardId
    sku: str
    warehouse: str
    state: CardState
    batch: BatchId
    expires_at: datetime | None = None
    platform: str = ""
    order_no: str = ""
    line_no: int = 0


@attrs.frozen(kw_only=True)
class StockLevel:
    """How many cards of one sku lie in one warehouse, by state."""

    sku: str
    warehouse: str
    available: int = 0
    reserved: int = 0
    issued: int = 0
    delivered: int = 0
    void: int = 0


@attrs.frozen(kw_only=True)
class Batch:
    """One import of cards, with its provenance."""

    id: BatchId
    sku: str
    warehouse: str
    format: str
    supplier: str = ""
    cost: Money | None = None
    """What one card cost."""
    provenance: str = ""
    imported_by: str = ""
    imported_at: datetime
    added: int = 0
    available: int = 0
    undone: bool = False


# --- decisions ------------------------------------------------------------------------------


@attrs.frozen
class Match:
    """
    What a line means to us.

    Args:
        sku: Our name for what was bought.
        quantity: How many cards; None means as many as the line says.
        sources: Where they come from, in order, such as `warehouse:main`; empty means the sku's.
        batches: When not empty, only these batches, in this order.
    """

    sku: str
    quantity: int | None = None
    sources: tuple[str, ...] = ()
    batches: tuple[BatchId, ...] = ()


@attrs.frozen
class Hold:
    """A verdict: a person should look first. `why` is shown to that person."""

    why: str
    reason: Reason = Reason.REVIEW


@attrs.frozen
class Reject:
    """A verdict: this line must not be served. `why` is shown to the operator."""

    why: str


Verdict = Hold | Reject | None


@attrs.frozen(kw_only=True)
class History:
    """What the store knows of a buyer before this order."""

    first_order_at: datetime | None = None
    orders_last_hour: int = 0
    orders_last_day: int = 0


# --- results --------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class LineReceipt:
    """The state of one line, with its cards once they may be shown."""

    line_no: int
    item: str
    sku: str = ""
    quantity: int
    outcome: Outcome
    reason: Reason = Reason.NONE
    why: str = ""
    cards: tuple[Card, ...] = ()


# The most urgent first: what an order's outcome is when its lines differ.
_URGENCY: Final = (Outcome.HELD, Outcome.PENDING, Outcome.REJECTED, Outcome.CANCELLED)


@attrs.frozen(kw_only=True)
class Receipt:
    """What `Engine.dispatch` returns: one `LineReceipt` a line, in the order of the lines."""

    platform: str
    order_no: str
    lines: tuple[LineReceipt, ...]
    replayed: bool = False
    """True when the order had been accepted before and nothing was changed."""

    @property
    def cards(self) -> tuple[Card, ...]:
        """All cards of all lines that may be shown to the buyer."""
        return tuple(card for line in self.lines for card in line.cards)

    @property
    def outcome(self) -> Outcome:
        """DELIVERED when every line is; otherwise the outcome that asks most for attention."""
        outcomes = {line.outcome for line in self.lines}
        for outcome in _URGENCY:
            if outcome in outcomes:
                return outcome
        return Outcome.DELIVERED if self.lines else Outcome.HELD


@attrs.frozen(kw_only=True)
class Delivery:
    """What a platform or channel is asked to hand to the buyer: the cards of one line."""

    reference: Reference
    platform: str
    order_no: str
    line_no: int
    item: str
    sku: str
    cards: tuple[Card, ...]
    buyer: Buyer = Buyer()
    target: str = attrs.field(default="", repr=False)
    placed_at: datetime | None = None
    """When the delivery was decided; the same on every try."""
    sent_at: datetime | None = None
    """When this try is made."""


@attrs.frozen(kw_only=True)
class Refund:
    """What a platform is asked to pay back."""

    reference: Reference
    platform: str
    order_no: str
    amount: Money
    payment_reference: str = ""


@attrs.frozen(kw_only=True)
class Event:
    """One decision or state change. `detail` holds ids, names and numbers, never a card."""

    id: int = 0
    kind: str
    """`<noun>.<past participle>`, for instance `line.delivered`."""
    at: datetime
    platform: str = ""
    order_no: str = ""
    line_no: int = 0
    detail: Mapping[str, Any] = attrs.field(factory=dict, hash=False)


# --- talk -----------------------------------------------------------------------------------


def _headers(value: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({str(name).lower(): text for name, text in value.items()})


@attrs.frozen(kw_only=True)
class Inbound:
    """A request that reached the host, in no framework's shape. Nothing in it is trusted."""

    method: str
    path: str
    query: str = attrs.field(default="", repr=False)
    headers: Mapping[str, str] = attrs.field(
        factory=dict, converter=_headers, repr=False, hash=False
    )
    body: bytes = attrs.field(default=b"", repr=False)
    remote_addr: str = attrs.field(default="", repr=False)


@attrs.frozen(kw_only=True)
class Reply:
    """What the host sends back, in no framework's shape."""

    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    body: bytes = attrs.field(default=b"", repr=False)


class Answer(StrEnum):
    """What a platform is told about its message."""

    ACCEPTED = "accepted"
    """It is ours now, or was before; do not send it again."""
    REFUSED = "refused"
    """It is not proved genuine. The reply says no more than that."""
    LATER = "later"
    """We cannot take it now; send it again."""


@attrs.frozen
class Verified:
    """An inbound message that its platform adapter has proved genuine."""

    inbound: Inbound
    fields: Mapping[str, str] = attrs.field(factory=dict, repr=False, hash=False)


@attrs.frozen(kw_only=True)
class Response:
    """The answer to one outside call; `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str] = attrs.field(
        factory=dict, converter=_headers, repr=False, hash=False
    )
    body: bytes = attrs.field(default=b"", repr=False)


def decimal_text(amount: Decimal) -> str:
    """Return *amount* without an exponent or needless zeros: 9.90 is "9.9", 10 is "10"."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
