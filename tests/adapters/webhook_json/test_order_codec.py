"""Orders to JSON and back: nothing lost, nothing guessed, every mistake named."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.errors import InvalidOrder
from autocard.spi import (
    Buyer,
    Money,
    Order,
    OrderLine,
    Payment,
    order_from_body,
    order_from_json,
    order_to_json,
)

PAID = {"amount": "100.00", "currency": "CNY"}

_NAMES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20)
_TIMES = st.datetimes(timezones=st.just(UTC)) | st.none()
_MONEY = st.builds(
    Money.from_minor, st.integers(0, 10**14), st.sampled_from(["CNY", "JPY", "KWD", "EUR"])
)
_LINES = st.builds(
    OrderLine,
    item=_NAMES,
    quantity=st.integers(1, 10_000),
    unit_price=st.none() | _MONEY,
    target=st.just("") | _NAMES,
    options=st.dictionaries(_NAMES, _NAMES, max_size=3),
)
_ORDERS = st.builds(
    Order,
    platform=st.just("shop"),
    order_no=_NAMES,
    lines=st.lists(_LINES, max_size=3),
    payment=st.none()
    | st.builds(Payment, paid=_MONEY, paid_at=_TIMES, reference=st.just("") | _NAMES),
    buyer=st.builds(Buyer, id=st.just("") | _NAMES, contact=st.just("") | _NAMES),
    placed_at=_TIMES,
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(_ORDERS)
def test_an_order_survives_the_journey(order):
    """What is written as JSON text is read back as the same order."""
    text = json.dumps(order_to_json(order))
    assert order_from_json(json.loads(text), "shop") == order
    assert order_from_body(text.encode(), "shop") == order


def test_empty_fields_are_left_out():
    """An order of which only the number is known is one field."""
    assert order_to_json(Order(platform="shop", order_no="A1")) == {"order_no": "A1"}


def test_the_written_form():
    """Money is text with its decimals; times end in Z."""
    order = Order(
        platform="shop",
        order_no="A1",
        lines=[OrderLine(item="x", unit_price=Money("9.9", "CNY"))],
        payment=Payment(paid=Money(0, "JPY"), paid_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    )
    assert order_to_json(order) == {
        "order_no": "A1",
        "lines": [
            {"item": "x", "quantity": 1, "unit_price": {"amount": "9.90", "currency": "CNY"}}
        ],
        "payment": {
            "paid": {"amount": "0", "currency": "JPY"}, "paid_at": "2026-01-02T03:04:05Z"
        },
    }  # fmt: skip


def test_null_counts_as_absent():
    """A field that is null is as good as none."""
    data = {
        "order_no": "A1", "payment": None, "buyer": None, "placed_at": None, "lines": None,
    }  # fmt: skip
    assert order_from_json(data, "shop") == Order(platform="shop", order_no="A1")
    line = {"item": "x", "quantity": None, "unit_price": None, "target": None, "options": None}
    order = order_from_json({"order_no": "A1", "lines": [line], "buyer": {"id": None}}, "shop")
    assert order.lines == (OrderLine(item="x"),)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (None, "order"),
        ([], "order"),
        ({}, "order_no"),
        ({"order_no": 7}, "order_no"),
        ({"lines": {}}, "lines"),
        ({"lines": ["x"]}, "lines[0]"),
        ({"lines": [{"item": "x"}, {}]}, "lines[1].item"),
        ({"lines": [{"item": "x", "quantity": 1.0}]}, "lines[0].quantity"),
        ({"lines": [{"item": "x", "quantity": True}]}, "lines[0].quantity"),
        ({"lines": [{"item": "x", "quantity": "2"}]}, "lines[0].quantity"),
        ({"lines": [{"item": "x", "target": 1}]}, "lines[0].target"),
        ({"lines": [{"item": "x", "options": []}]}, "lines[0].options"),
        ({"lines": [{"item": "x", "options": {"a": 1}}]}, "lines[0].options"),
        ({"lines": [{"item": "x", "unit_price": "5"}]}, "lines[0].unit_price"),
        (
            {"lines": [{"item": "x", "unit_price": {"amount": 9.9, "currency": "CNY"}}]},
            "lines[0].unit_price.amount",
        ),
        (
            {"lines": [{"item": "x", "unit_price": {"amount": "-1", "currency": "CNY"}}]},
            "lines[0].unit_price",
        ),
        ({"payment": "paid"}, "payment"),
        ({"payment": {}}, "payment.paid"),
        ({"payment": {"paid": {"amount": 100, "currency": "CNY"}}}, "payment.paid.amount"),
        ({"payment": {"paid": {"amount": "1"}}}, "payment.paid.currency"),
        ({"payment": {"paid": {"amount": "1.001", "currency": "CNY"}}}, "payment.paid"),
        ({"payment": {"paid": {"amount": "1e2", "currency": "CNY"}}}, "payment.paid"),
        ({"payment": {"paid": PAID, "paid_at": "yesterday"}}, "payment.paid_at"),
        ({"payment": {"paid": PAID, "paid_at": 1767323045}}, "payment.paid_at"),
        ({"payment": {"paid": PAID, "paid_at": "2026-01-02T03:04:05"}}, "payment.paid_at"),
        ({"payment": {"paid": PAID, "reference": 77}}, "payment.reference"),
        ({"buyer": []}, "buyer"),
        ({"buyer": {"id": 1}}, "buyer.id"),
        ({"buyer": {"contact": 0}}, "buyer.contact"),
        ({"placed_at": "2026-01-02"}, "placed_at"),
        ({"placed_at": "0001-01-01T00:00:00+14:00"}, "placed_at"),
    ],
)
def test_each_mistake_is_named(data, field):
    """A malformed order is refused with the name of the field."""
    if isinstance(data, dict) and field != "order_no":
        data = {"order_no": "A1", **data}
    with pytest.raises(InvalidOrder) as caught:
        order_from_json(data, "shop")
    assert caught.value.field == field


@given(_JSON)
def test_any_value_is_an_order_or_invalid(data):
    """Arbitrary JSON gives an order or `InvalidOrder`."""
    for each in (data, {"order_no": "A1", "lines": data}, {"order_no": "A1", "lines": [data]}):
        _try(order_from_json, each)


@given(
    st.fixed_dictionaries(
        {"order_no": st.just("A1")},
        optional={
            "lines": st.lists(
                st.fixed_dictionaries(
                    {"item": _JSON}, optional={"unit_price": _JSON, "options": _JSON}
                )
            ),
            "payment": st.fixed_dictionaries(
                {"paid": st.fixed_dictionaries({"amount": _JSON, "currency": _JSON}) | _JSON},
                optional={"paid_at": _JSON, "reference": _JSON},
            ),
            "buyer": st.dictionaries(st.sampled_from(["id", "level", "contact", "ip"]), _JSON),
            "placed_at": _JSON,
        },
    )
)
def test_any_value_in_any_field_is_an_order_or_invalid(data):
    """Arbitrary JSON in the known fields gives an order or `InvalidOrder`."""
    _try(order_from_json, data)


@given(st.binary() | st.sampled_from([b"[" * 100_000, b"1" * 5000, b"NaN", b"\xff\xfe{\x00}\x00"]))
def test_any_body_is_an_order_or_invalid(body):
    """Arbitrary bytes give an order or `InvalidOrder`; deep nesting and huge numbers too."""
    _try(order_from_body, body)


def test_a_bad_body_is_not_kept_in_the_error():
    """The error about a body holds no trace of it, not even as its context."""
    with pytest.raises(InvalidOrder) as caught:
        order_from_body(b"{\xff", "shop")
    assert caught.value.field == "order"
    assert caught.value.__context__ is None


def _try(function, value):
    try:
        order = function(value, "shop")
    except InvalidOrder as error:
        assert error.field  # noqa: PT017 - either way out is right
    else:
        assert order.platform == "shop"
