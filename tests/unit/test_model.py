"""Orders are checked where they are made; nothing odd gets any further."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest

from autocard import Buyer, InvalidOrder, Money, Order, OrderLine, Payment
from autocard.model import MAX_LINES, order_total

LINE = OrderLine(item="steam")
PAID = Payment(paid=Money("1.00", "CNY"))
LARGEST = Money.from_minor(2**63 - 1, "CNY")


@pytest.mark.parametrize("quantity", [0, -1, 10_001, True, 1.0, "1", None])
def test_a_quantity_is_1_to_10000(quantity):
    """Whole numbers from 1 to 10,000 and nothing else."""
    with pytest.raises(InvalidOrder, match="quantity"):
        OrderLine(item="steam", quantity=quantity)
    assert OrderLine(item="steam", quantity=10_000).quantity == 10_000


@pytest.mark.parametrize("text", ["", "x" * 600, "a\nb", "a\x00", "\ud800", 5, None, b"x"])
def test_names_are_short_plain_text(text):
    """Item, order number and platform: the error says which, and quotes nothing."""
    for field, make in (
        ("item", lambda: OrderLine(item=text)),
        ("order_no", lambda: Order(platform="shop", order_no=text)),
        ("platform", lambda: Order(platform=text, order_no="A1")),
    ):
        with pytest.raises(InvalidOrder, match=f"^{field}: ") as caught:
            make()
        assert caught.value.field == field


@pytest.mark.parametrize(
    "make",
    [
        lambda x: Payment(paid=PAID.paid, paid_at=x),
        lambda x: Order(platform="shop", order_no="A1", placed_at=x),
    ],
)
@pytest.mark.parametrize(
    "moment",
    [datetime(2026, 1, 1), "2026-01-01", 0, datetime.min.replace(tzinfo=timezone.max)],  # noqa: DTZ001 - naive is what is refused
)
def test_times_have_a_zone(make, moment):
    """Naive times and what is no time are refused; aware ones become UTC."""
    with pytest.raises(InvalidOrder, match="_at: "):
        make(moment)
    beijing = datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    made = make(beijing)
    assert datetime(2026, 1, 1, tzinfo=UTC) in attrs.astuple(made, recurse=False)


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("unit_price", lambda: OrderLine(item="steam", unit_price=5)),
        ("unit_price", lambda: OrderLine(item="steam", unit_price=Money("-1", "CNY"))),
        ("options", lambda: OrderLine(item="steam", options={"a": 5})),
        ("options", lambda: OrderLine(item="steam", options=[("a", "b")])),
        ("target", lambda: OrderLine(item="steam", target=5)),
        ("payment.paid", lambda: Payment(paid="1.00 CNY")),
        ("payment.paid", lambda: Payment(paid=Money("-1", "CNY"))),
        ("payment.reference", lambda: Payment(paid=PAID.paid, reference=5)),
        ("buyer.contact", lambda: Buyer(contact=5)),
        ("buyer.id", lambda: Buyer(id=None)),
        ("lines", lambda: Order(platform="shop", order_no="A1", lines={LINE})),
        ("lines[0]", lambda: Order(platform="shop", order_no="A1", lines=["steam"])),
        ("lines", lambda: Order(platform="shop", order_no="A1", lines=[LINE] * (MAX_LINES + 1))),
        ("payment", lambda: Order(platform="shop", order_no="A1", payment=PAID.paid)),
        ("buyer", lambda: Order(platform="shop", order_no="A1", buyer="u1")),
    ],
)
def test_each_field_has_its_type(field, make):
    """The error names the field."""
    with pytest.raises(InvalidOrder) as caught:
        make()
    assert caught.value.field == field


def test_nothing_can_be_changed_afterwards():
    """Values are frozen, and so is what they hold."""
    choices = {"server": "1"}
    line = OrderLine(item="steam", options=choices)
    choices["server"] = "2"
    assert line.options == {"server": "1"}
    with pytest.raises(TypeError):
        line.options["server"] = "2"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        line.quantity = 2


@pytest.mark.parametrize(
    ("prices", "total"),
    [
        ([Money("1.50", "CNY"), Money("2", "CNY")], Money("7.00", "CNY")),
        ([Money("1.50", "CNY"), None], None),
        ([Money("1.50", "CNY"), Money("2", "JPY")], None),
        ([LARGEST], None),
        ([LARGEST, LARGEST], None),
        ([], None),
    ],
)
def test_what_lines_cost(prices, total):
    """The sum of price times quantity; None where there is none, never an error."""
    assert order_total([OrderLine(item="x", quantity=2, unit_price=x) for x in prices]) == total
