"""Every fault that a simulated supplier knows, one at a time: nothing is paid for twice or lost."""

from __future__ import annotations

import pytest

from autocard import Outcome

from .merchant import Merchant
from .sellers import AcgFaka, Fulu, Kasushou, Kinguin

KINDS = (Fulu, Kasushou, AcgFaka, Kinguin)
BUYING = [(kind, fault) for kind in KINDS for fault in kind.buying]
LOOKING = [(kind, fault) for kind in KINDS for fault in kind.looking]
CARD_FAULTS = {
    "fewer", "more", "twice", "known", "apology", "no_number", "no_password", "nothing", "null",
    "link", "picture", "sealed", "late_cards", "no_cards", "duplicate", "blank",
    "refunded_with_cards",
}  # fmt: skip
TOP_UPS = [(kind, x) for kind in (Fulu, Kasushou) for x in kind.buying if x not in CARD_FAULTS]


def _id(value):
    return getattr(value, "name", value)


@pytest.fixture(name="seller")
def _seller(kind):
    with kind() as seller:
        yield seller


@pytest.fixture(name="merchant")
def _merchant(seller, folder):
    with Merchant(folder, [seller]) as merchant:
        merchant.engine.dispatch(merchant.order(("game", 1)))  # so that there are known cards
        merchant.settle()
        yield merchant


def _hides_what_it_sold(seller):
    """Lose an answer; from then on the order is never shown, and its number refused as used."""
    seller.spoil("drop_after")
    for _ in range(50):
        if seller.name == "kinguin":
            seller.site.fault("unlisted")
        else:
            seller.spoil("missing", look=True)


def _served(merchant, order):
    """Let everything end, by a person where need be; the books must agree before and after."""
    merchant.engine.dispatch(order)
    merchant.settle()
    merchant.check()
    merchant.decide()
    merchant.check()
    return merchant.engine.receipt("shop", order.order_no)


@pytest.mark.parametrize(("kind", "fault"), BUYING, ids=_id)
def test_a_purchase_goes_wrong(kind, fault, seller, merchant):
    """The buyer gets two cards in the end, and nothing was paid that is not accounted for."""
    seller.spoil(fault)
    receipt = _served(merchant, merchant.order(("game", 2)))
    assert receipt.outcome is Outcome.DELIVERED


@pytest.mark.parametrize(("kind", "fault"), TOP_UPS, ids=_id)
def test_a_top_up_goes_wrong(kind, fault, seller, merchant):
    """The target is charged once in the end."""
    seller.spoil(fault)
    receipt = _served(merchant, merchant.order(("phone", 1)))
    assert receipt.outcome is Outcome.DELIVERED


@pytest.mark.parametrize(("kind", "fault"), LOOKING, ids=_id)
def test_an_answer_is_lost_and_then_a_look_up_goes_wrong(kind, fault, seller, merchant):
    """A failed question changes nothing: one purchase, two cards, found by a later question."""
    if kind is not AcgFaka:  # which is asked about what it has accepted only
        seller.spoil("drop_after")
    seller.spoil(fault, look=True)
    receipt = _served(merchant, merchant.order(("game", 2)))
    assert receipt.outcome is Outcome.DELIVERED
    assert len(merchant.purchases()) == 2


@pytest.mark.parametrize("kind", [Fulu, Kasushou, Kinguin], ids=_id)
def test_what_is_never_shown_is_not_bought_elsewhere(kind, seller, folder):
    """However often an order is not to be found, a person decides before another one is made."""
    with Merchant(folder, [seller], patience_s=10**6) as merchant:
        _hides_what_it_sold(seller)
        merchant.engine.dispatch(merchant.order(("game", 2)))
        merchant.settle()
        merchant.check()
        (purchase,) = merchant.purchases()
        assert (purchase.state, purchase.calls) == ("held", 3)
        assert "sent 3 times" in purchase.problem
        merchant.decide()
        merchant.check()
        assert merchant.outcomes() == {"delivered/": 1}


@pytest.mark.parametrize("habit", ["refused", "locked", "created"])
def test_what_a_search_shows_late_is_bought_once(habit, folder):
    """Whatever becomes of a repeated number: it is not repeated before it was missed three times."""
    with Kinguin() as seller, Merchant(folder, [seller]) as merchant:
        seller.site.duplicates = habit
        seller.spoil("drop_after")
        seller.spoil("late")
        receipt = _served(merchant, merchant.order(("game", 2)))
        assert receipt.outcome is Outcome.DELIVERED
        assert [sale.times for sale in seller.sales().values()] == [1]
