"""What the vault seals of an order is JSON, and stays the same JSON from version to version."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

import attrs
from hypothesis import given
from hypothesis import strategies as st

from autocard import Buyer, Money, Order, OrderLine, Payment
from autocard.clock import to_ms
from autocard.events import line_event
from autocard.model import OrderId
from autocard.records import LineEntry, Status, legible
from autocard.seal.sealer import Sealer
from autocard.states import Outcome, Reason
from autocard.vault import Vault

words = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('"\\/<\u2028\U0001f511'),
    min_size=1,
    max_size=12,
)
money = st.builds(
    Money.from_minor, st.integers(0, 2**63 - 1), st.sampled_from(["CNY", "JPY", "KWD"])
)
moments = st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
lines = st.builds(
    OrderLine,
    item=words,
    quantity=st.integers(1, 10_000),
    unit_price=st.none() | money,
    target=st.just("") | words,
    options=st.dictionaries(words, words, max_size=3),
)
payments = st.builds(
    Payment, paid=money, paid_at=st.none() | moments, reference=st.just("") | words
)
people = st.builds(Buyer, **dict.fromkeys(("id", "level", "contact", "ip"), st.just("") | words))
orders = st.builds(
    Order,
    platform=st.just("shop"),
    order_no=words,
    lines=st.lists(lines, max_size=3),
    payment=st.none() | payments,
    buyer=people,
    placed_at=st.none() | moments,
)


class _Glass(Sealer):
    """Keeps what it was given to seal."""

    __slots__ = ("plain",)

    def __init__(self) -> None:
        super().__init__({1: os.urandom(32)}, os.urandom(32))

    def seal(self, kind, sku, fingerprint, plaintext):
        self.plain = plaintext
        return super().seal(kind, sku, fingerprint, plaintext)

    def digest(self, data):
        self.plain = data
        return super().digest(data)


class TestOrders:
    @given(orders)
    def test_an_order_is_sealed_as_json(self, order):
        """Byte for byte what the encoder of the standard library writes; it opens to the same."""
        glass = _Glass()
        payload = Vault(glass).seal_order(order)
        assert glass.plain == _json(_payload(order))
        opened = Vault(glass).open_payload("shop", order.order_no, payload)
        assert opened == attrs.evolve(order, placed_at=opened.placed_at, payment=opened.payment)

    @given(orders)
    def test_a_digest_is_of_json(self, order):
        """An order that comes again after an upgrade is still the same order."""
        glass = _Glass()
        Vault(glass).digest(order)
        assert glass.plain == _json(_content(order))


@given(words, st.integers(1, 10_000), st.text(max_size=20))
def test_what_a_line_event_tells_is_json(sku, quantity, why):
    """Written by hand or by the encoder, an observer cannot tell the difference."""
    line = LineEntry(line_no=1, item="x", quantity=quantity, sku=sku)
    plain = line_event(OrderId(1), line, Status(Outcome.DELIVERED), 5)
    assert plain.detail.encode("utf-8", "surrogatepass") == _json(
        {"sku": sku, "quantity": quantity}
    )
    held = line_event(OrderId(1), line, Status(Outcome.HELD, Reason.REVIEW, why), 5)
    told = {"sku": sku, "quantity": quantity, "reason": "review"}
    told |= {"why": legible(why)} if why else {}
    assert held.detail.encode("utf-8", "surrogatepass") == _json(told)


def _json(value):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _payload(order):
    payment, buyer = order.payment, order.buyer
    return [
        [
            [x.item, x.quantity, _price(x.unit_price), x.target, dict(x.options)]
            for x in order.lines
        ],
        payment and [_price(payment.paid), _ms(payment.paid_at), payment.reference],
        [buyer.id, buyer.level, buyer.contact, buyer.ip],
        _ms(order.placed_at),
    ]


def _content(order):
    return [
        [
            x.item,
            x.quantity,
            x.unit_price and x.unit_price.minor,
            x.unit_price and x.unit_price.currency,
            x.target,
            sorted(map(list, x.options.items())),
        ]
        for x in order.lines
    ]


def _price(amount):
    return amount and [amount.minor, amount.currency]


def _ms(moment):
    return None if moment is None else to_ms(moment)
