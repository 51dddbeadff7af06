"""What may be sold of what a supplier sent, and what is set aside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard import Engine
from autocard.arriving import judge
from autocard.bargain import BoughtCard, Shape
from autocard.secret import Secret

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(name="judged", scope="module")
def _judged(tmp_path_factory):
    """Return a function that judges cards by the format of that name."""
    folder = tmp_path_factory.mktemp("judging")
    table = {"store": f"sqlite:///{folder}/shop.db", "keyring": f"file:{folder}/shop.keyring"}
    with Engine.open(table, create=True) as engine:
        settler = engine._flow.buyer.settler

        def judged(*cards, card_format="opaque", **options):
            return judge(
                cards,
                sku="steam",
                card_format=settler.format_of(card_format),
                vault=settler.vault,
                alive_at=NOW,
                **options,
            )

        yield judged


def card(text, **fields):
    """Return a card as it came."""
    return BoughtCard(secret=Secret(text), **fields)


def test_good_cards_are_sealed_with_number_and_expiry(judged):
    """What the supplier says of each goes with it."""
    later = NOW + timedelta(days=9)
    found = judged(card("PW-1", number="NO-1", expires_at=later), card("PW-2"))
    assert (len(found.good), found.odd, found.problems) == (2, (), ())
    assert found.good[0].expires_ms == int(later.timestamp() * 1000)


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (card("N/A"), "placeholder"),
        (card("null"), "placeholder"),
        (card("很抱歉，有人在你付款之前抢走了商品，请联系客服。"), "sentence"),
        (card("正在发货中，请耐心等待"), "sentence"),
        (card("https://x.example/1", shape=Shape.LINK), "it is a link"),
        (card("aGVsbG8=", shape=Shape.IMAGE), "it is a picture"),
        (card(" https://x.example/redeem/abc "), "it is a link"),
        (card("PW-1", number="HTTP://x.example/1"), "it is a link"),
        (card("<img src='https://x.example/1.png'>"), "it is a picture"),
        (card("data:image/png;base64,aGVsbG8="), "it is a picture"),
        (card("０"), "placeholder"),
        (card("0000"), "placeholder"),
        (card("Ｎ／Ａ"), "placeholder"),
        (card("N / A"), "placeholder"),
        (card("[]"), "placeholder"),
        (card("PW-1", number="无"), "placeholder"),
        (card("待发货"), "sentence"),
        (card("已售罄"), "sentence"),
        (card("Out of stock"), "sentence"),
        (card("REAL-CODE-1", number="抱歉，请联系客服"), "sentence"),
        (card("OLD-1", expires_at=NOW), "expired"),
        (card("", number="ONLY-A-NUMBER"), "empty"),
    ],
)
def test_what_is_no_card_is_kept_and_set_aside(judged, odd, said):
    """It was paid for, so it is not thrown away; it is just not for sale."""
    found = judged(odd)
    assert found.good == ()
    assert len(found.odd) == 1
    assert said in found.problems[0]


def test_a_sku_may_sell_links(judged):
    """As they came, whatever its format says of other cards."""
    links = card("https://x.example/1", shape=Shape.LINK), card("https://x.example/2")
    found = judged(*links, sells_links=True)
    assert (len(found.good), found.problems) == (2, ())


@pytest.mark.parametrize("lost", [card(""), card("x" * 9000), card("\ud800")])
def test_what_cannot_be_kept_is_said(judged, lost):
    """Nothing, far too much, or no text at all."""
    found = judged(lost)
    assert (found.good, found.odd) == ((), ())
    assert len(found.problems) == 1


def test_the_same_card_twice_in_one_answer_counts_once(judged):
    """The second is a fault of the supplier's."""
    found = judged(card("A-1"), card("A-1"))
    assert len(found.good) == 1
    assert found.problems == ("the same card came twice in one answer",)


def test_a_card_that_its_format_refuses_is_set_aside_whole(judged):
    """It is kept under its own text."""
    found = judged(card("not a steam key"), card_format="steam")
    assert (found.good, len(found.odd)) == ((), 1)
    assert "not a steam key" not in found.problems[0]


@given(st.lists(st.builds(card, st.text(max_size=40), number=st.text(max_size=20)), max_size=5))
def test_whatever_comes_is_judged(judged, cards):
    """Each is for sale, set aside, or said to be lost; no text breaks it, none is repeated."""
    found = judged(*cards)
    assert len(found.good) + len(found.odd) <= len(cards)
    assert len(found.good) + len(found.odd) + len(found.problems) >= len(cards)
    for problem in found.problems:
        assert not any(len(x.secret.reveal()) > 6 and x.secret.reveal() in problem for x in cards)
