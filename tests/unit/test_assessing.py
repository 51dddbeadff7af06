"""Review rules: which orders a person looks at first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.assessing import Reviewer
from autocard.config import ReviewSettings
from autocard.model import Buyer, History, Order, OrderLine, Payment
from autocard.money import Money
from autocard.states import Reason

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
KNOWN = History(first_order_at=NOW - timedelta(days=400))


class Clock:
    def now(self):
        return NOW


def reviewer(**settings) -> Reviewer:
    return Reviewer(ReviewSettings(**settings), clock=Clock())


def order(*prices, paid=None, quantity=1, **buyer) -> Order:
    lines = [
        OrderLine(item="a", quantity=quantity, unit_price=Money.parse(price) if price else None)
        for price in prices
    ]
    payment = Payment(paid=Money.parse(paid)) if paid else None
    return Order(platform="p", order_no="1", lines=lines, payment=payment, buyer=Buyer(**buyer))


def why(made: Reviewer, asked: Order, history: History = KNOWN) -> str:
    hold = made.assess(asked, history)
    if hold is None:
        return ""
    assert hold.reason is Reason.REVIEW
    return hold.why


def test_without_settings_nothing_is_held():
    """The common case costs nothing and looks nothing up."""
    made = reviewer(allow=("buyer:u1",))
    assert not made.has_rules
    assert not made.needs_history
    assert made.assess(order("1 CNY", ip="nonsense"), History()) is None


@pytest.mark.parametrize(
    ("settings", "needs_history"),
    [
        ({"amount_over": Money("1", "CNY")}, False),
        ({"deny": ("buyer:u1",)}, False),
        ({"new_buyer_days": 1}, True),
        ({"orders_per_hour": 1}, True),
        ({"orders_per_day": 1}, True),
    ],
)
def test_the_history_is_looked_up_only_where_it_is_needed(settings, needs_history):
    """Each rule says whether it looks at the past."""
    made = reviewer(**settings)
    assert made.has_rules
    assert made.needs_history is needs_history


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (order("500 CNY", paid="500 CNY"), ""),
        (order("500 CNY", paid="500.01 CNY"), "above 500.00 CNY"),
        (order("500.01 CNY", paid="500 CNY"), "above 500.00 CNY"),
        (order("300 CNY", "300 CNY"), "above 500.00 CNY"),
        (order("50 CNY", quantity=11), "above 500.00 CNY"),
        (order(None, paid="500 CNY"), ""),
        (order("1 USD", paid="1 CNY"), "not in CNY"),
        (order("1 CNY", "1 USD"), "not in CNY"),
        (order(None, paid="1 USD"), "not in CNY"),
        (order(None), "the amount is not known"),
        (order(), "the amount is not known"),
        (order("1 CNY", None), "the amount is not known"),
        (order("92233720368547758.07 CNY"[-20:], quantity=10_000), "above 500.00 CNY"),
    ],
)
def test_large_and_unknown_amounts_are_held(asked, expected):
    """The payment and the lines both count; what cannot be compared is held."""
    message = why(reviewer(amount_over=Money("500", "CNY")), asked)
    assert expected in message if expected else message == ""


@pytest.mark.parametrize(
    ("buyer", "first", "expected"),
    [
        ({"id": "u1"}, NOW - timedelta(days=7), ""),
        ({"contact": "a@b"}, NOW - timedelta(days=7), ""),
        ({"id": "u1"}, NOW - timedelta(days=7) + timedelta(seconds=1), "less than 7 days old"),
        ({"id": "u1"}, None, "first order"),
        ({"id": "u1"}, NOW + timedelta(days=1), "less than 7 days old"),
        ({}, NOW - timedelta(days=7), "not known"),
        ({"ip": "10.0.0.1"}, None, "not known"),
    ],
)
def test_new_buyers_are_held(buyer, first, expected):
    """A buyer without id and contact is always new."""
    made = reviewer(new_buyer_days=7)
    message = why(made, order("1 CNY", **buyer), History(first_order_at=first))
    assert expected in message if expected else message == ""


@pytest.mark.parametrize(
    ("settings", "history", "expected"),
    [
        ({"orders_per_hour": 2}, History(orders_last_hour=1), ""),
        ({"orders_per_hour": 2}, History(orders_last_hour=2), "more than 2 orders within an hour"),
        ({"orders_per_day": 5}, History(orders_last_hour=4, orders_last_day=4), ""),
        ({"orders_per_day": 5}, History(orders_last_day=5), "more than 5 orders within a day"),
    ],
)
def test_too_many_orders_are_held(settings, history, expected):
    """The history holds earlier orders only, so this one is the one more."""
    assert why(reviewer(**settings), order("1 CNY"), history) == expected


@pytest.mark.parametrize(
    ("entry", "yes", "no"),
    [
        ("buyer:u1", {"id": "u1"}, {"id": "U1"}),
        ("buyer:u1", {"id": "u1"}, {"contact": "u1"}),
        ("buyer:a:b", {"id": "a:b"}, {"id": "a"}),
        ("contact:A@Example.com ", {"contact": " a@example.COM"}, {"id": "a@example.com"}),
        ("ip:203.0.113.9", {"ip": "203.0.113.9"}, {"ip": "203.0.113.8"}),
        ("ip:203.0.113.9/24", {"ip": "203.0.113.200"}, {"ip": "203.0.114.1"}),
        ("ip:203.0.113.9", {"ip": "::ffff:203.0.113.9"}, {"ip": ""}),
        ("ip:2001:db8::/32", {"ip": " 2001:db8::1"}, {"ip": "203.0.113.9"}),
        ("ip:::ffff:203.0.113.9", {"ip": "203.0.113.9"}, {"ip": "203.0.113.8"}),
        ("ip:::ffff:203.0.113.9", {"ip": "::ffff:203.0.113.9"}, {"ip": "2001:db8::1"}),
        ("ip:::ffff:203.0.113.9/120", {"ip": "203.0.113.200"}, {"ip": "203.0.114.1"}),
    ],
)
def test_each_kind_of_entry(entry, yes, no):
    """Ids are exact, contacts ignore case and spaces, addresses may be networks."""
    made = reviewer(deny=(entry,))
    assert why(made, order("1 CNY", **yes)) == "the buyer is on the deny list"
    assert why(made, order("1 CNY", **no)) == ""


def test_allow_skips_the_rules_and_deny_is_stronger():
    """A trusted buyer is held by nothing here, except by name."""
    limit = {"amount_over": Money("1", "CNY"), "new_buyer_days": 7, "orders_per_hour": 1}
    asked = order("5 USD", id="u1", ip="10.0.0.1")
    busy = History(orders_last_hour=9)
    assert why(reviewer(**limit, allow=("buyer:u1",)), asked, busy) == ""
    assert why(reviewer(**limit, allow=("buyer:u2",)), asked, busy) != ""
    both = reviewer(**limit, allow=("buyer:u1",), deny=("ip:10.0.0.0/8",))
    assert why(both, asked, busy) == "the buyer is on the deny list"


def test_an_address_that_cannot_be_read_passes_no_deny_list():
    """Nobody slips by a denied network with nonsense; without such a list it does not matter."""
    asked = order("1 CNY", ip="203.0.113.9:80")
    assert "cannot be read" in why(reviewer(deny=("ip:203.0.113.0/24",)), asked)
    assert why(reviewer(deny=("buyer:u9",)), asked) == ""
    allowed = reviewer(allow=("ip:203.0.113.0/24",), amount_over=Money("0.5", "CNY"))
    assert "above" in why(allowed, asked)


def test_reasons_do_not_name_the_buyer():
    """The reason is stored and shown; the buyer's contact is sealed."""
    asked = order("1 CNY", id="u1", contact="canary@example.com", ip="203.0.113.9")
    for entry in ("buyer:u1", "contact:canary@example.com", "ip:203.0.113.9"):
        assert "canary" not in why(reviewer(deny=(entry,)), asked)


def test_the_system_clock_stands_in():
    """Hosts need not bring a clock."""
    made = Reviewer(ReviewSettings(new_buyer_days=1))
    assert why(made, order("1 CNY", id="u1"), KNOWN) == ""


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_no_buyer_makes_a_rule_fail(contact, address):
    """Whatever a platform says about its buyer, the answer is a hold or nothing."""
    clean = "".join(each for each in contact if each >= " " and each != "\x7f") or "x"
    made = reviewer(deny=("ip:10.0.0.0/8", "contact:x"), new_buyer_days=1)
    made.assess(order("1 CNY", contact=clean.encode(errors="replace").decode()), KNOWN)
    address = "".join(each for each in address if " " <= each < "\x7f") or "x"
    made.assess(order("1 CNY", ip=address), KNOWN)
