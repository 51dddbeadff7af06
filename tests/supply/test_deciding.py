"""How much is bought at once, and what it may cost: a buyer gets everything, at no loss of ours."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from autocard import Money, Outcome, Payment, Reason
from autocard.spi import Capability, RejectedError

DELIVERED = (Outcome.DELIVERED, Reason.NONE)
SHORT = (Outcome.PENDING, Reason.SHORT)
TOPUP = {"kind": "topup", "sources": ["supplier:acme", "supplier:bolt"], "target": "phone"}


def stand(receipt):
    """Return outcome and reason of the only line."""
    (line,) = receipt.lines
    return line.outcome, line.reason


def unpriced(order, paid):
    """Return *order* without prices; only its payment says what the buyer gave."""
    lines = [attrs.evolve(line, unit_price=None) for line in order.lines]
    return attrs.evolve(order, lines=lines, payment=Payment(paid=Money(paid, "CNY")))


# --- top-ups are not divided ---


@pytest.mark.parametrize("limits", [{"most": 3}, {"stock": 3}])
def test_a_top_up_is_not_charged_in_part(market, limits):
    """Five were paid for: three here and the rest there would be a charge in part, called done."""
    for good in (market.acme.goods["a1"], market.bolt.goods["b1"]):
        for name, value in limits.items():
            setattr(good, name, value)
    engine = market.open(sku=TOPUP)
    receipt = engine.dispatch(market.order("A1", quantity=5, target="13800000000"))
    assert stand(receipt) == SHORT
    assert "for all 5 at once" in receipt.lines[0].why
    assert engine.supply.purchases() == []


def test_a_top_up_is_charged_by_whoever_can_charge_all(market):
    """The cheaper supplier takes three at most, so the other one charges five; nobody the rest."""
    market.acme.goods["a1"].most = 3
    engine = market.open(sku=TOPUP)
    assert stand(engine.dispatch(market.order(quantity=5, target="13800000000"))) == DELIVERED
    assert market.acme.charged == ()
    (purchase,) = engine.supply.purchases()
    assert (purchase.supplier, purchase.quantity) == ("bolt", 5)


def test_a_refused_top_up_is_not_continued_elsewhere_in_part(market):
    """The one that could charge all refuses; what is left can charge three, so nothing is."""
    market.acme.fail(Capability.TOP_UP, RejectedError("not now"))
    market.bolt.goods["b1"].most = 3
    engine = market.open(sku=TOPUP)
    assert stand(engine.dispatch(market.order("A1", quantity=5, target="13800000000"))) == SHORT
    assert market.bolt.charged == ()
    market.settle(engine, passes=3)
    assert stand(engine.receipt("shop", "A1")) == DELIVERED
    assert len(market.acme.charged) == 1


# --- what one may cost ---


@pytest.mark.parametrize(
    ("sku", "paid", "bought"),
    [
        ({"ceiling": "47.00 CNY"}, "1.00", False),
        ({"ceiling": "47.00 CNY"}, "15.99", False),
        ({"ceiling": "47.00 CNY"}, "16.00", True),
        ({"ceiling": "47.00 CNY", "allow_loss": True}, "1.00", True),
    ],
)
def test_without_a_price_the_payment_guards_the_margin(market, sku, paid, bought):
    """Two at 8.00 each are not bought for a buyer who paid less than 16.00 for them."""
    engine = market.open(sku=sku)
    receipt = engine.dispatch(unpriced(market.order(quantity=2), paid))
    assert stand(receipt) == (DELIVERED if bought else SHORT)
    assert len(market.acme.sold) == 2 * bought


def test_a_payment_is_shared_by_the_units_of_all_lines(market):
    """One and three units for 32.00 are 8.00 each, whatever each line alone would say."""
    engine = market.open(sku={"ceiling": "47.00 CNY"})
    order = market.order(quantity=1)
    order = attrs.evolve(order, lines=[order.lines[0], attrs.evolve(order.lines[0], quantity=3)])
    receipt = engine.dispatch(unpriced(order, "32.00"))
    assert receipt.outcome is Outcome.DELIVERED
    market.acme.goods["a1"].price = Money("8.01", "CNY")
    market.bolt.goods["b1"].price = Money("8.01", "CNY")
    engine.supply.offers("steam")
    receipt = engine.dispatch(unpriced(attrs.evolve(order, order_no="A9"), "32.00"))
    assert [line.why for line in receipt.lines] == ["every offer is above 8.00 CNY"] * 2


def test_a_payment_in_another_currency_is_no_guard_and_so_allows_nothing(market):
    """Nobody knows what 9.00 EUR are; the merchant may say that the ceiling alone counts."""
    order = market.order("A1")
    euros = attrs.evolve(unpriced(order, "1.00"), payment=Payment(paid=Money("9.00", "EUR")))
    engine = market.open(sku={"ceiling": "47.00 CNY"})
    receipt = engine.dispatch(euros)
    assert stand(receipt) == SHORT
    assert "allow_loss" in receipt.lines[0].why
    market.open(sku={"ceiling": "47.00 CNY", "allow_loss": True}).resume()
    assert stand(engine.receipt("shop", "A1")) == DELIVERED


# --- everything or nothing ---


@pytest.mark.parametrize("life", [0, 8])
def test_cards_that_live_too_short_are_bought_as_if_they_were_not_there(market, life):
    """One of two expired, or may not be sold any more: two are bought, not one and then all again."""
    engine = market.open(sku={"minimum_life_days": life})
    engine.cards.add("steam", ["SOON-1"], expires_at=market.clock.now() + timedelta(days=7))
    if not life:
        market.clock.advance(7 * 86_400)
    receipt = engine.dispatch(market.order(quantity=2))
    assert stand(receipt) == DELIVERED
    assert sorted(market.texts(receipt)) == sorted(market.acme.sold)
    assert len(market.acme.sold) == 2


def test_a_part_is_not_bought_where_the_rest_is_fewer_than_anybody_sells(market):
    """Two of three are here; the last one is sold only with a second that nobody wants."""
    market.acme.goods["a1"].stock = 2
    market.bolt.goods["b1"].least = 2
    market.bolt.goods["b1"].stock = 2
    market.acme.goods["a1"].least = 2
    engine = market.open()
    receipt = engine.dispatch(market.order(quantity=3))
    assert stand(receipt) == SHORT
    assert "do not reach" in receipt.lines[0].why
    assert engine.supply.purchases() == []


def test_the_order_of_buying_is_such_that_it_comes_to_an_end(market):
    """The dearer supplier sells exactly two, so it is asked first and the cheaper one for the rest."""
    market.acme.goods["a1"].stock = 2
    market.bolt.goods["b1"].least = market.bolt.goods["b1"].most = 2
    engine = market.open()
    assert stand(engine.dispatch(market.order(quantity=3))) == DELIVERED
    assert (len(market.acme.sold), len(market.bolt.sold)) == (1, 2)
