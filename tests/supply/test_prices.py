"""What may be paid, in which currency, and which offers serve a need."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard import Money, OrderLine
from autocard.bargain import Offer
from autocard.config import SkuSettings
from autocard.purchasing import (
    ceiling,
    in_currency,
    out_of_currency,
    refusal,
    room,
    target_problem,
    wanted,
)

CNY = Money("10.00", "CNY")


def offer(cost="10.00", **fields):
    """Return an offer whose cost is known."""
    money = Money(cost, "CNY")
    return Offer(item="a", price=money, cost=money, supplier=fields.pop("supplier", "x"), **fields)


@given(
    minor=st.integers(1, 10**12),
    rate=st.from_regex(r"[1-9][0-9]{0,3}(\.[0-9]{1,6})?", fullmatch=True),
    currencies=st.sampled_from([("EUR", "CNY"), ("JPY", "CNY"), ("CNY", "JPY"), ("KWD", "CNY")]),
)
def test_a_rate_never_makes_anything_cheaper_than_it_is(minor, rate, currencies):
    """Prices are rounded up and limits down: what is within the limit there is within it here."""
    theirs, ours = currencies
    price = Money.from_minor(minor, theirs)
    cost = in_currency(price, rate, ours)
    assert out_of_currency(cost, rate, theirs).minor >= price.minor
    limit = Money.from_minor(minor, ours)
    back = in_currency(out_of_currency(limit, rate, theirs), rate, ours)
    assert back <= limit


def test_without_a_rate_another_currency_costs_nothing_we_know():
    """None, and such an offer is never taken; the same currency needs no rate."""
    assert in_currency(Money("1.00", "EUR"), None, "CNY") is None
    assert in_currency(CNY, None, "CNY") == CNY
    assert out_of_currency(CNY, None, "CNY") == CNY


@pytest.mark.parametrize(
    ("sku", "price", "units", "limit"),
    [
        ({"ceiling": Money("9.00", "CNY")}, None, 1, "9.00 CNY"),
        ({}, "12.00", 1, "12.00 CNY"),
        ({}, "12.00", 10, "1.20 CNY"),
        ({}, "10.00", 3, "3.33 CNY"),
        ({"ceiling": Money("9.00", "CNY")}, "12.00", 1, "9.00 CNY"),
        ({"ceiling": Money("9.00", "CNY")}, "5.00", 1, "5.00 CNY"),
        ({"ceiling": Money("9.00", "CNY"), "allow_loss": True}, "5.00", 1, "9.00 CNY"),
        ({"allow_loss": True}, "5.00", 1, "5.00 CNY"),
        ({}, None, 1, "None"),
    ],
)
def test_the_most_that_one_unit_may_cost(sku, price, units, limit):
    """The ceiling, and no more than the buyer paid for one unit unless a loss is allowed."""
    money = None if price is None else Money(price, "CNY")
    line = OrderLine(item="a", quantity=1, unit_price=money)
    assert str(ceiling(SkuSettings(**sku), line, units, "CNY")) == limit


def test_a_limit_in_another_currency_is_no_limit():
    """It cannot be compared, so nothing may be bought."""
    euro = Money("9.00", "EUR")
    assert ceiling(SkuSettings(ceiling=euro), None, 1, "CNY") is None
    line = OrderLine(item="a", quantity=1, unit_price=euro)
    assert ceiling(SkuSettings(), line, 1, "CNY") is None


@pytest.mark.parametrize(
    ("fields", "quantity", "units"),
    [
        ({}, 5, 5),
        ({"on_sale": False}, 5, 0),
        ({"available": 3}, 5, 3),
        ({"most": 2}, 5, 2),
        ({"least": 6}, 5, 0),
        ({"least": 3, "available": 2}, 5, 0),
        ({"available": 0}, 5, 0),
    ],
)
def test_how_much_an_offer_can_serve(fields, quantity, units):
    """As much as there is and may be ordered at once; nothing below the fewest."""
    assert room(offer(**fields), quantity) == units


def test_offers_that_serve_all_come_before_those_that_serve_a_part():
    """A part only where together they reach; for stock any part will do."""
    some, all_of_it = offer(available=3, supplier="x"), offer(supplier="y")
    assert wanted([some, all_of_it], 5, CNY).offers == (all_of_it,)
    other = offer(available=2, supplier="z")
    choice = wanted([some, other], 5, CNY)
    assert choice.offers == (some, other)
    assert [choice.units(x) for x in choice.offers] == [3, 2]
    assert wanted([some], 5, CNY).offers == ()
    assert wanted([some], 5, CNY, in_full=False).offers == (some,)
    assert wanted([offer("10.01")], 5, CNY).offers == ()


@pytest.mark.parametrize(
    ("offers", "said"),
    [
        ([], "no supplier offers it now"),
        ([offer(on_sale=False)], "no supplier has enough of it now"),
        ([offer("10.01")], "every offer is above 10.00 CNY"),
        ([offer(available=3)], "the offers do not reach for all of it"),
    ],
)
def test_a_refusal_says_why(offers, said):
    """In words for the line that goes on waiting."""
    assert refusal(offers, 5, CNY) == said


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("phone", "13800000000", "12800000000"),
        ("qq", "10001", "0123456"),
        ("email", "a@b.example", "a@b"),
        ("digits", "007", "7a"),
        ("pattern:[A-Z]{3}", "ABC", "ABCD"),
    ],
)
def test_targets_are_checked_by_rule(kind, good, bad):
    """The whole target has to fit; what does not is not repeated."""
    sku = SkuSettings(kind="topup", target=kind)
    assert target_problem(sku, good) == ""
    assert bad not in target_problem(sku, bad)
    assert target_problem(sku, bad)
    assert "needs a target" in target_problem(sku, "")
