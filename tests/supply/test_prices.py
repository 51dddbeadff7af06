"""What may be paid, in which currency, and which offers serve a need."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard import Money, Order, OrderLine, Outcome, Payment, Reason
from autocard.bargain import Offer
from autocard.config import SkuSettings
from autocard.model import OrderId
from autocard.purchasing import (
    ceiling,
    in_currency,
    out_of_currency,
    refusal,
    room,
    target_problem,
    unit_share,
    wanted,
)
from autocard.records import Status, StoredLine

CNY = Money("10.00", "CNY")


def money(text):
    """Return the money that *text* names, such as `5.00 CNY`."""
    return Money(*text.split())


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


@pytest.mark.parametrize(
    ("sku", "share", "limit"),
    [
        ({"ceiling": Money("9.00", "CNY")}, "5.00", "5.00 CNY"),
        ({"ceiling": Money("9.00", "CNY")}, "12.00", "9.00 CNY"),
        ({"ceiling": Money("9.00", "CNY"), "allow_loss": True}, "5.00", "9.00 CNY"),
        ({}, "5.00", "None"),
    ],
)
def test_a_share_of_the_payment_lowers_a_ceiling_and_is_none_itself(sku, share, limit):
    """It bounds what a line without a price may cost; where there is no ceiling it is a guess."""
    line, money = OrderLine(item="a"), Money(share, "CNY")
    assert str(ceiling(SkuSettings(**sku), line, 1, "CNY", share=money)) == limit


def test_the_price_of_a_line_counts_before_its_share():
    """What the buyer paid for this very line is known."""
    line, sku = OrderLine(item="a", unit_price=CNY), SkuSettings(ceiling=Money("12.00", "CNY"))
    assert ceiling(sku, line, 1, "CNY", share=Money("5.00", "CNY")) == CNY


@pytest.mark.parametrize(
    ("lines", "paid", "share"),
    [
        ([(1, None, 1)], "1.00 CNY", "1.00 CNY"),
        ([(1, None, 3)], "10.00 CNY", "3.33 CNY"),
        ([(2, None, 2), (1, None, 0)], "10.00 CNY", "3.33 CNY"),
        ([(2, "3.00 CNY", 2), (2, None, 2)], "10.00 CNY", "2.00 CNY"),
        ([(2, "6.00 CNY", 2), (2, None, 2)], "10.00 CNY", "0.00 CNY"),
        ([(1, "1.00 EUR", 1), (1, None, 1)], "10.00 CNY", "0.00 CNY"),
        ([(1, None, 1)], None, "0.00 CNY"),
        ([(1, "3.00 CNY", 1)], "3.00 CNY", "0.00 CNY"),
        ([(1, None, 1)], "5.00 EUR", "5.00 EUR"),
    ],
)
def test_what_is_left_of_a_payment_is_shared_by_units_without_a_price(lines, paid, share):
    """Quantity, price and cards of each line; where nobody can tell what is left, nothing is."""
    asked = [
        OrderLine(item="a", quantity=quantity, unit_price=price and money(price))
        for quantity, price, _ in lines
    ]
    order = Order(
        platform="shop", order_no="A1", lines=asked, payment=paid and Payment(paid=money(paid))
    )
    stored = [
        StoredLine(
            order_id=OrderId(1), line_no=number, item="a", quantity=quantity, sku="a", units=units,
            sources=(), batches=(), status=Status(Outcome.PENDING, Reason.SHORT),
        )
        for number, (quantity, _, units) in enumerate(lines, start=1)
    ]  # fmt: skip
    assert str(unit_share(order, stored, "CNY")) == share


def test_a_limit_in_another_currency_is_no_limit():
    """It cannot be compared, so nothing may be bought."""
    euro = Money("9.00", "EUR")
    assert ceiling(SkuSettings(ceiling=euro), None, 1, "CNY") is None
    line = OrderLine(item="a", quantity=1, unit_price=euro)
    assert ceiling(SkuSettings(), line, 1, "CNY") is None
    line = OrderLine(item="a", quantity=1)
    assert ceiling(SkuSettings(ceiling=CNY), line, 1, "CNY", share=euro) is None


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


def test_a_top_up_is_served_by_one_purchase_or_not_at_all():
    """Two that together reach charge an account in part, and that cannot be taken back."""
    some, other = offer(available=3, supplier="x"), offer(most=4, supplier="y")
    assert wanted([some, other], 5, CNY, in_parts=False).offers == ()
    assert wanted([some, other], 4, CNY, in_parts=False).offers == (other,)
    assert "for all 5 at once" in refusal([some, other], 5, CNY, in_parts=False)


@pytest.mark.parametrize(
    ("offers", "quantity", "beginnings"),
    [
        # Two here leave one, which the other does not sell; two there leave one, which is here.
        ([{"available": 2}, {"least": 2, "most": 2}], 3, [1]),
        ([{"available": 1}, {"least": 3, "most": 3}], 3, [1]),
        ([{"available": 2}, {"least": 2, "most": 2}], 4, [0, 1]),
        ([{"available": 2}, {"least": 2, "available": 2}], 3, [1]),
        ([{"most": 3}], 7, [0]),
        ([{"most": 3, "available": 6}], 7, []),
        ([{"least": 2, "most": 3}], 7, []),
        ([{"least": 2, "most": 3}], 6, [0]),
        ([{"least": 2, "most": 3}, {"available": 1}], 7, [0, 1]),
        ([{"available": 4}, {"least": 6}], 5, []),
    ],
)
def test_a_part_is_bought_only_where_the_rest_can_follow(offers, quantity, beginnings):
    """What is left must not be fewer than anybody sells."""
    known = [offer(supplier=str(number), **fields) for number, fields in enumerate(offers)]
    assert wanted(known, quantity, CNY).offers == tuple(known[x] for x in beginnings)


@given(
    offers=st.lists(
        st.builds(
            offer,
            st.sampled_from(["8.00", "9.00", "10.00"]),
            available=st.none() | st.integers(0, 12),
            least=st.integers(1, 5),
            most=st.none() | st.integers(1, 6),
        ),
        max_size=4,
    ),
    quantity=st.integers(1, 20),
    choice=st.randoms(use_true_random=False),
)
def test_whatever_is_chosen_of_what_is_wanted_all_is_served_in_the_end(offers, quantity, choice):
    """A hook may take any of them each time: once something was bought, the rest never fails."""
    left = wanted(offers, quantity, CNY).offers and quantity
    while left:
        wish = wanted(offers, left, CNY)
        chosen = choice.choice(wish.offers)
        units = wish.units(chosen)
        assert chosen.least <= units <= (chosen.most or units)
        left -= units
        if chosen.available is not None:
            rest = attrs.evolve(chosen, available=chosen.available - units)
            offers = [rest if x is chosen else x for x in offers]
    assert not left


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
