"""Rules: which sku a line means."""

from __future__ import annotations

import fnmatch
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.config import load_settings
from autocard.matching import RuleMatcher
from autocard.model import Buyer, Match, Order, OrderLine
from autocard.money import Money
from autocard.ports import Matcher


class Noon:
    """A clock that stands still on a Wednesday, 12:00 UTC."""

    def now(self):
        return datetime(2026, 1, 7, 12, tzinfo=UTC)


def matcher(*rules, skus=("a", "b")) -> Matcher:
    settings = load_settings({"skus": {sku: {} for sku in skus}, "rules": list(rules)})
    return RuleMatcher(settings, clock=Noon())


def order(item="1024", *, quantity=1, price=None, platform="shop", level="", placed_at=None):
    line = OrderLine(item=item, quantity=quantity, unit_price=Money.parse(price) if price else None)
    return Order(
        platform=platform,
        order_no="A1",
        lines=[line],
        buyer=Buyer(level=level),
        placed_at=placed_at,
    )


def sku_of(matcher: Matcher, asked: Order) -> str | None:
    match = matcher.match(asked, asked.lines[0])
    return match and match.sku


def test_without_a_rule_the_item_is_the_sku_exactly():
    """A guess would sell the wrong card; None lets a person decide."""
    assert matcher().match(order("a"), order("a").lines[0]) == Match("a")
    for item in ("A", " a", "a ", "ａ", "c", "*"):
        assert sku_of(matcher(), order(item)) is None


def test_the_first_rule_that_matches_counts():
    """The order of the file decides, also between spelt-out items and patterns."""
    rules = [
        {"item": "1024", "buyer_level": "vip", "sku": "a"},
        {"item": "10*", "platform": "other", "sku": "c"},
        {"item": ["1024", "1024"], "platform": "shop", "sku": "b"},
        {"item": "*", "sku": "a"},
        {"sku": "c"},
    ]
    made = matcher(*rules, skus=("a", "b", "c"))
    assert sku_of(made, order(level="vip")) == "a"
    assert sku_of(made, order(platform="other", level="vip")) == "a"
    assert sku_of(made, order(platform="other")) == "c"
    assert sku_of(made, order()) == "b"
    assert sku_of(made, order("2048")) == "a"


def test_a_rule_goes_before_the_name_of_a_sku():
    """What the merchant wrote down is stronger than an equal name."""
    made = matcher({"item": "a", "buyer_level": "vip", "sku": "b"})
    assert sku_of(made, order("a", level="vip")) == "b"
    assert sku_of(made, order("a")) == "a"


@pytest.mark.parametrize(
    ("rule", "yes", "no"),
    [
        ({"platform": ["shop", "x"]}, order(), order(platform="Shop")),
        ({"buyer_level": ["vip", "svip"]}, order(level="svip"), order(level="VIP")),
        ({"buyer_level": "vip"}, order(level="vip"), order()),
        ({"quantity_from": 2}, order(quantity=2), order(quantity=1)),
        ({"quantity_to": 2}, order(quantity=2), order(quantity=3)),
        ({"quantity_from": 2, "quantity_to": 2}, order(quantity=2), order(quantity=3)),
        ({"amount_from": "10 CNY"}, order(quantity=2, price="5 CNY"), order(price="9.99 CNY")),
        ({"amount_to": "10 CNY"}, order(quantity=2, price="5 CNY"), order(price="10.01 CNY")),
        ({"amount_to": "10 CNY"}, order(price="0 CNY"), order()),
        ({"amount_from": "10 CNY"}, order(price="10 CNY"), order(price="10 USD")),
        (
            {"amount_from": "10 JPY"},
            order(quantity=10_000, price="900000000000000 JPY"),
            order(price="9 JPY"),
        ),
    ],
)
def test_each_condition(rule, yes, no):
    """Bounds count in; a price that is unknown or in another currency never does."""
    made = matcher({**rule, "sku": "b"})
    assert sku_of(made, yes) == "b"
    assert sku_of(made, no) is None


def at(text: str) -> Order:
    return order(placed_at=datetime.fromisoformat(text))


NIGHT = {"hours": "22:00-06:00", "timezone": "Asia/Shanghai"}


@pytest.mark.parametrize(
    ("rule", "yes", "no"),
    [
        ({"from": datetime(2026, 1, 7, tzinfo=UTC)}, ["2026-01-07T00:00Z"], ["2026-01-06T23:59Z"]),
        ({"until": datetime(2026, 1, 7, tzinfo=UTC)}, ["2026-01-06T23:59Z"], ["2026-01-07T00:00Z"]),
        (
            {"hours": "09:00-18:00"},
            ["2026-01-07T09:00Z", "2026-01-07T17:59:59Z", "2026-01-07T17:00+08:00"],
            ["2026-01-07T08:59:59Z", "2026-01-07T18:00Z"],
        ),
        (
            NIGHT,
            ["2026-01-07T22:00+08:00", "2026-01-07T05:59+08:00", "2026-01-07T14:00Z"],
            ["2026-01-07T06:00+08:00", "2026-01-07T21:59+08:00"],
        ),
        (
            {"days": ["sat", "sun"]},
            ["2026-01-10T00:00Z", "2026-01-11T23:59Z"],
            ["2026-01-09T23:59Z", "2026-01-12T00:00Z"],
        ),
        (
            {**NIGHT, "days": "sun"},  # the night that begins on Sunday
            ["2026-01-11T22:00+08:00", "2026-01-12T05:59+08:00"],
            ["2026-01-11T05:59+08:00", "2026-01-12T22:00+08:00"],
        ),
        ({"hours": "20:00-24:00"}, ["2026-01-07T23:59Z"], ["2026-01-07T00:00Z"]),
        (
            {"hours": "00:00-24:00", "timezone": "America/New_York"},
            ["2026-01-07T00:00Z"],
            ["0001-01-01T00:00Z"],  # before the calendar begins in New York
        ),
    ],
)
def test_each_condition_about_time(rule, yes, no):
    """The first minute counts, the last does not; a night belongs to the day it began."""
    made = matcher({**rule, "sku": "b"})
    for text in yes:
        assert sku_of(made, at(text)) == "b", text
    for text in no:
        assert sku_of(made, at(text)) is None, text


def test_the_clock_is_asked_when_the_order_has_no_time():
    """A rule about time needs one, and looks only once."""
    noon = matcher({"hours": "11:00-12:00", "sku": "a"}, {"hours": "12:00-12:01", "sku": "b"})
    assert sku_of(noon, order()) == "b"


def test_no_clock_is_needed_by_default():
    """The system's clock stands in."""
    settings = load_settings({"skus": {"a": {}}, "rules": [{"hours": "00:00-24:00", "sku": "a"}]})
    assert sku_of(RuleMatcher(settings), order()) == "a"


def test_units_and_sources_are_part_of_the_result():
    """A bundle item takes several cards per unit bought."""
    made = matcher({"sku": "a", "units": 5, "sources": ["warehouse:backup", "manual"]})
    line = OrderLine(item="bundle", quantity=3)
    asked = Order(platform="p", order_no="1", lines=[line])
    assert made.match(asked, line) == Match("a", 15, ("warehouse:backup", "manual"))
    plain = matcher({"sku": "a", "sources": "manual"})
    assert plain.match(asked, line) == Match("a", None, ("manual",))


def test_brackets_are_no_wildcards():
    """Platform items do contain brackets."""
    made = matcher({"item": "[v]ip*", "sku": "a"})
    assert sku_of(made, order("[v]ip 50")) == "a"
    assert sku_of(made, order("vip 50")) is None


@given(
    st.lists(st.text(alphabet="ab*?.", max_size=6), min_size=1, max_size=3),
    st.text(alphabet="ab.\u2028卡", min_size=1, max_size=8),
)
def test_wildcards_agree_with_those_of_the_standard_library(patterns, item):
    """`*` and `?` mean what they mean in file names, for any text."""
    expected = any(fnmatch.fnmatchcase(item, pattern) for pattern in patterns)
    made = matcher({"item": patterns, "sku": "hit"}, skus=["hit"])
    assert (sku_of(made, order(item)) == "hit") is expected


def test_no_item_makes_a_pattern_slow():
    """The longest item against an awkward pattern takes a moment, not minutes."""
    made = matcher({"item": "*a" * 30 + "*b", "sku": "a"})
    began = time.perf_counter()
    assert sku_of(made, order("a" * 512)) is None
    assert time.perf_counter() - began < 30


def test_many_rules_do_not_slow_each_other_down():
    """Rules that spell out other items are never looked at."""
    made = matcher(*({"item": f"i{number}", "sku": "a"} for number in range(3000)), {"sku": "b"})
    assert len(list(made._candidates("i7"))) == 2
    assert sku_of(made, order("i7")) == "a"
    assert sku_of(made, order("else")) == "b"
