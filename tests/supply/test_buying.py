"""What stock lacks is bought: once, at a price the merchant allows, whatever the network does."""

from __future__ import annotations

import attrs
import pytest

from autocard import Money, Outcome, Reason
from autocard.errors import IllegalTransition
from autocard.spi import (
    BoughtCard,
    Capability,
    RejectedError,
    Secret,
    Shape,
    Stage,
    TransientError,
    UnknownOutcome,
)
from autocard.testing import Wholesaler

DELIVERED = (Outcome.DELIVERED, Reason.NONE)
BUYING = (Outcome.PENDING, Reason.BUYING)
SHORT = (Outcome.PENDING, Reason.SHORT)


def stand(receipt):
    """Return outcome and reason of the only line."""
    (line,) = receipt.lines
    return line.outcome, line.reason


def purchases(engine):
    """Return supplier, state and number of cards of each purchase, oldest first."""
    found = engine.supply.purchases(limit=1000)
    return [(x.supplier, str(x.state), x.arrived) for x in reversed(found)]


def agreed(engine):
    """Insist that the books agree."""
    assert engine.ledger.verify().faults == ()


class Telltale(Wholesaler):
    """Numbers a sale by the card that it sold."""

    def sell(self, purchase):
        """Sell."""
        supplied = super().sell(purchase)
        return attrs.evolve(supplied, remote=f"W-{supplied.cards[0].secret.reveal()}")


# --- the usual way ---


def test_what_stock_lacks_is_bought_within_the_call(market):
    """Two cards in stock, three from the cheaper supplier; the buyer gets five."""
    engine = market.open()
    engine.cards.add("steam", ["STOCK-1", "STOCK-2"])
    receipt = engine.dispatch(market.order(quantity=5))
    assert stand(receipt) == DELIVERED
    assert sorted(market.texts(receipt)) == sorted(["STOCK-1", "STOCK-2", *market.acme.sold])
    assert len(market.acme.sold) == 3
    assert market.bolt.sold == ()
    (purchase,) = engine.supply.purchases()
    assert (purchase.state, purchase.quantity, purchase.arrived) == ("done", 3, 3)
    assert str(purchase.cost) == "24.00 CNY"
    agreed(engine)


def test_the_same_order_again_buys_nothing(market):
    """A repeated order gets what was bought for it."""
    engine = market.open()
    order = market.order(quantity=2)
    first = engine.dispatch(order)
    again = engine.dispatch(order)
    assert again.replayed
    assert market.texts(again) == market.texts(first)
    assert len(market.acme.sold) == 2


def test_the_same_order_again_changes_nothing_while_it_waits(market):
    """Nobody had a card; now somebody has, and the repetition leaves buying it to `resume`."""
    market.acme.goods["a1"].stock = market.bolt.goods["b1"].stock = 0
    engine = market.open(supply={"offer_s": 0})
    order = market.order("A1")
    assert stand(engine.dispatch(order)) == SHORT
    market.acme.goods["a1"].stock = 1
    again = engine.dispatch(order)
    assert (again.replayed, stand(again)) == (True, SHORT)
    assert purchases(engine) == []
    engine.resume()
    assert stand(engine.receipt("shop", "A1")) == DELIVERED


def test_buying_may_be_left_to_resume(market):
    """With `inline = false` the call returns at once, and the next pass buys."""
    engine = market.open(supply={"inline": False})
    assert stand(engine.dispatch(market.order("A1"))) == SHORT
    report = engine.resume()
    assert report.bought
    assert stand(engine.receipt("shop", "A1")) == DELIVERED
    agreed(engine)


def test_several_orders_in_one_commit_are_bought_for(market):
    """`dispatch_many` buys for each that is short."""
    engine = market.open()
    receipts = engine.dispatch_many([market.order() for _ in range(3)])
    assert [stand(x) for x in receipts] == [DELIVERED] * 3
    assert len(market.acme.sold) == 3


def test_one_line_is_filled_by_several_suppliers_where_none_has_all(market):
    """Three here and two there make five, and the buyer gets them all at once."""
    market.acme.goods["a1"].stock = 3
    market.bolt.goods["b1"].stock = 2
    engine = market.open()
    receipt = engine.dispatch(market.order(quantity=5))
    assert stand(receipt) == DELIVERED
    assert sorted(market.texts(receipt)) == sorted(market.acme.sold + market.bolt.sold)
    agreed(engine)


def test_parts_are_put_together_without_a_warehouse_too(market):
    """With suppliers as the only sources what came from the first counts for the second."""
    market.acme.goods["a1"].stock = 3
    market.bolt.goods["b1"].stock = 2
    engine = market.open(sku={"sources": ["supplier:acme", "supplier:bolt"]})
    receipt = engine.dispatch(market.order(quantity=5))
    assert stand(receipt) == DELIVERED
    assert sorted(market.texts(receipt)) == sorted(market.acme.sold + market.bolt.sold)
    agreed(engine)


def test_a_card_costs_what_was_charged_for_it(market):
    """The price rose after it was asked for; the batch says what was paid, not what was hoped."""
    engine = market.open(supply={"offer_s": 3600})
    engine.supply.offers("steam")
    market.acme.goods["a1"].price = Money("8.50", "CNY")
    assert stand(engine.dispatch(market.order(quantity=2))) == DELIVERED
    (batch,) = engine.cards.batches("steam")
    assert str(batch.cost) == "8.50 CNY"
    assert str(engine.supply.purchases()[0].cost) == "17.00 CNY"


def test_what_was_decided_before_another_host_bought_counts_no_more(market):
    """One host decides; before it commits another has bought a part: it is not bought once more."""
    settings = {"supply": {"offer_s": 0, "sync_every_s": 0, "inline": False}}
    slow, fast = market.open(**settings), market.open(**settings)
    slow.dispatch(market.order("A1", quantity=5))
    market.acme.goods["a1"].most = market.bolt.goods["b1"].most = 3
    # The other host gets three of the five, and is refused the rest.
    market.acme.fail(Capability.BUY, None, RejectedError("not now"))
    market.bolt.fail(Capability.BUY, RejectedError("not now"))
    market.bolt.meanwhile[Capability.OFFERS] = fast.resume
    slow.resume()
    market.settle(slow, passes=3)
    assert stand(slow.receipt("shop", "A1")) == DELIVERED
    assert len(market.acme.sold) + len(market.bolt.sold) == 5
    agreed(slow)


def test_where_all_together_have_too_few_nothing_is_bought(market):
    """A part of a line would lie in stock, paid for and of no use to its buyer."""
    market.acme.goods["a1"].stock = 3
    market.bolt.goods["b1"].stock = 1
    engine = market.open()
    receipt = engine.dispatch(market.order(quantity=5))
    assert stand(receipt) == SHORT
    assert "do not reach" in receipt.lines[0].why
    assert purchases(engine) == []


# --- which offer ---


def test_the_next_supplier_is_asked_when_one_refuses(market):
    """A refusal is final for that purchase; the next source serves the line in the same call."""
    market.acme.fail(Capability.BUY, RejectedError("sold out"))
    engine = market.open()
    receipt = engine.dispatch(market.order())
    assert market.texts(receipt) == list(market.bolt.sold)
    assert purchases(engine) == [("acme", "failed", 0), ("bolt", "done", 1)]
    agreed(engine)


def test_a_supplier_that_cannot_be_asked_offers_nothing(market):
    """Its price is not known, so it is not bought from; the other one is."""
    market.acme.fail(Capability.OFFERS, *[TransientError("busy")] * 3)
    engine = market.open()
    receipt = engine.dispatch(market.order())
    assert market.texts(receipt) == list(market.bolt.sold)


@pytest.mark.parametrize(
    ("sku", "price", "bought"),
    [
        ({}, "8.00", True),
        ({}, "7.99", False),
        ({"ceiling": "7.00 CNY"}, "10.00", False),
        ({"ceiling": "8.00 CNY"}, "10.00", True),
        ({"ceiling": "8.00 CNY"}, "5.00", False),
        ({"ceiling": "8.00 CNY", "allow_loss": True}, "5.00", True),
    ],
)
def test_nothing_is_bought_above_what_is_allowed(market, sku, price, bought):
    """Neither above the ceiling nor, unless that is allowed, above what the buyer paid."""
    engine = market.open(sku=sku)
    receipt = engine.dispatch(market.order(price=price))
    assert stand(receipt) == (DELIVERED if bought else SHORT)
    assert len(market.acme.sold) == bought
    if not bought:
        assert "is above" in receipt.lines[0].why


def test_without_any_limit_nothing_is_bought(market):
    """No ceiling and no price: nobody has said what is too much."""
    engine = market.open()
    order = market.order()
    order = attrs.evolve(order, lines=[attrs.evolve(order.lines[0], unit_price=None)])
    receipt = engine.dispatch(order)
    assert stand(receipt) == SHORT
    assert "set ceiling of [skus.steam]" in receipt.lines[0].why


def test_prices_in_another_currency_need_a_rate_and_are_compared_with_it(market):
    """1.10 EUR at 7.50 is 8.25 CNY: dearer than 8.00 of the other; 1.00 EUR is cheaper."""
    market.bolt.goods["b1"].price = Money("1.10", "EUR")
    market.bolt.money = Money("100.00", "EUR")
    engine = market.open()
    engine.dispatch(market.order())
    assert len(market.acme.sold) == 1
    engine = market.open(bolt={"rate": "7.50"})
    engine.dispatch(market.order())
    assert len(market.acme.sold) == 2
    market.bolt.goods["b1"].price = Money("1.00", "EUR")
    engine = market.open(bolt={"rate": "7.50"})
    engine.dispatch(market.order())
    assert len(market.bolt.sold) == 1
    (purchase, *_) = engine.supply.purchases()
    assert str(purchase.cost) == "1.00 EUR"
    assert [str(x.spent_today) for x in engine.supply.balances()] == ["16.00 CNY", "7.50 CNY"]


def test_a_daily_budget_is_kept_and_begins_anew_the_next_day(market):
    """Two at 8.00 fit into 20.00; the third is bought elsewhere, and tomorrow here again."""
    engine = market.open(acme={"daily_budget": "20.00 CNY"})
    for _ in range(3):
        engine.dispatch(market.order())
    assert (len(market.acme.sold), len(market.bolt.sold)) == (2, 1)
    market.clock.advance(86_400)
    engine.dispatch(market.order())
    assert len(market.acme.sold) == 3
    agreed(engine)


def test_when_no_budget_reaches_the_line_says_so(market):
    """It waits for tomorrow, or for a larger budget."""
    budget = {"daily_budget": "5.00 CNY"}
    engine = market.open(acme=budget, bolt=budget)
    receipt = engine.dispatch(market.order())
    assert stand(receipt) == SHORT
    assert receipt.lines[0].why == "the budgets of its suppliers for today do not reach"


# --- what goes wrong ---


def test_a_lost_answer_is_looked_up_and_nothing_is_bought_twice(market):
    """The call is made, its answer lost: the line waits, and is served by what was bought."""
    engine = market.open()
    market.acme.fail(Capability.BUY, (UnknownOutcome("lost"),))
    assert stand(engine.dispatch(market.order("A1"))) == BUYING
    market.settle(engine, passes=5)
    assert market.texts(engine.receipt("shop", "A1")) == list(market.acme.sold)
    assert len(market.acme.sold) == 1
    assert market.bolt.sold == ()
    agreed(engine)


def test_a_purchase_that_is_certainly_not_there_is_sent_again_under_its_number(market):
    """The call never arrived; only after several misses it is made once more."""
    engine = market.open()
    market.acme.fail(Capability.BUY, UnknownOutcome("lost on the way"))
    engine.dispatch(market.order("A1"))
    market.settle(engine, passes=8)
    assert stand(engine.receipt("shop", "A1")) == DELIVERED
    bought = [x.reference for kind, x in market.acme.calls if kind is Capability.BUY]
    looked = [x for kind, x in market.acme.calls if kind is Capability.FIND_PURCHASE]
    assert len(bought) == 2
    assert len(set(bought)) == 1
    assert len(looked) == 3
    assert len(market.acme.sold) == 1


def test_nothing_else_is_bought_while_an_answer_is_unknown(market):
    """However often one resumes and however cheap the others are."""
    market.acme.hides = 10**6
    market.acme.again = "buys"
    market.acme.finds = "nothing"
    engine = market.open()
    market.acme.fail(Capability.BUY, (UnknownOutcome("lost"),))
    engine.dispatch(market.order("A1"))
    market.settle(engine, passes=10)
    receipt = engine.receipt("shop", "A1")
    assert stand(receipt) == (Outcome.HELD, Reason.UNKNOWN_PURCHASE)
    assert len(market.acme.sold) == 1
    assert market.bolt.sold == ()
    (purchase,) = engine.supply.purchases(state="held")
    assert "the balance is" in purchase.problem
    assert "the balance was" in purchase.problem
    with pytest.raises(IllegalTransition):
        engine.cancel("shop", "A1", reason="tired of waiting")
    agreed(engine)


def test_a_call_that_was_not_made_is_made_again_and_then_left(market):
    """`tries` times; after that it certainly was not bought, and the next supplier is asked."""
    market.acme.fail(Capability.BUY, *[TransientError("no connection")] * 9)
    engine = market.open(acme={"tries": 2})
    assert stand(engine.dispatch(market.order("A1"))) == BUYING
    market.settle(engine, passes=6)
    assert stand(engine.receipt("shop", "A1")) == DELIVERED
    assert len(market.bolt.sold) == 1
    assert market.acme.sold == ()


def test_an_adapter_that_breaks_may_have_bought(market):
    """Any other exception is an unknown outcome, and its text is told to nobody."""
    market.acme.fail(Capability.BUY, (KeyError("SECRET-9"),))
    engine = market.open()
    assert stand(engine.dispatch(market.order("A1"))) == BUYING
    (purchase,) = engine.supply.purchases()
    assert (str(purchase.state), purchase.problem) == (
        "unknown",
        "the adapter failed with KeyError",
    )
    market.settle(engine, passes=5)
    assert market.texts(engine.receipt("shop", "A1")) == list(market.acme.sold)


def test_cards_that_come_later_are_fetched(market):
    """Accepted at first; after some look-ups the cards are there."""
    market.acme.waits = 2
    engine = market.open()
    assert stand(engine.dispatch(market.order("A1"))) == BUYING
    market.settle(engine, passes=6)
    assert stand(engine.receipt("shop", "A1")) == DELIVERED
    kinds = [x.kind for x in engine.supply.evidence(engine.supply.purchases()[0].reference)]
    assert kinds == ["purchase.begun", *["purchase.accepted"] * 3, "purchase.served"]


def test_a_purchase_that_never_ends_is_handed_to_a_person(market):
    """After `patience_s` somebody has to look."""
    market.acme.waits = 10**6
    engine = market.open(acme={"patience_s": 600.0})
    engine.dispatch(market.order("A1"))
    market.settle(engine, passes=15)
    receipt = engine.receipt("shop", "A1")
    assert stand(receipt) == (Outcome.HELD, Reason.SUPPLY)
    assert "not finished after 600 s" in receipt.lines[0].why
    assert market.bolt.sold == ()


def test_when_every_supplier_is_used_up_a_person_decides(market):
    """Each refused as often as it may; the line says what the last one said."""
    market.acme.fail(Capability.BUY, *[RejectedError("no stock")] * 9)
    market.bolt.fail(Capability.BUY, *[RejectedError("not for you")] * 9)
    engine = market.open(acme={"tries": 2}, bolt={"tries": 2})
    engine.dispatch(market.order("A1"))
    market.settle(engine, passes=10)
    receipt = engine.receipt("shop", "A1")
    assert stand(receipt) == (Outcome.HELD, Reason.SUPPLY)
    assert "not for you" in receipt.lines[0].why
    assert len(purchases(engine)) == 4
    references = [x.reference for x in engine.supply.purchases()]
    assert len(set(references)) == 4


def test_a_person_is_the_last_source(market):
    """With `manual` behind the suppliers the line ends there, and stock still serves it."""
    market.acme.fail(Capability.BUY, *[RejectedError("no stock")] * 9)
    engine = market.open(
        sku={"sources": ["warehouse:main", "supplier:acme", "manual"]}, acme={"tries": 1}
    )
    receipt = engine.dispatch(market.order("A1"))
    assert stand(receipt) == (Outcome.PENDING, Reason.MANUAL)
    market.settle(engine, passes=3)
    assert stand(engine.receipt("shop", "A1")) == (Outcome.PENDING, Reason.MANUAL)
    engine.cards.add("steam", ["STOCK-1"])
    assert stand(engine.receipt("shop", "A1")) == DELIVERED


def test_purchases_of_a_paused_supplier_do_not_keep_others_waiting(market):
    """However many of them are due first, and however little one pass may do."""
    engine = market.open(acme={"pause_after": 3, "pause_s": 3600.0, "tries": 9})
    market.acme.fail(Capability.BUY, *[TransientError("down")] * 3)
    for _ in range(3):
        assert stand(engine.dispatch(market.order())) == BUYING
    market.clock.advance(30)
    market.bolt.fail(Capability.BUY, (UnknownOutcome("lost"),))
    assert stand(engine.dispatch(market.order("A9"))) == BUYING
    market.clock.advance(30)
    engine.resume(limit=2)
    assert stand(engine.receipt("shop", "A9")) == DELIVERED
    agreed(engine)


def test_a_supplier_that_fails_again_and_again_is_left_alone_for_a_while(market):
    """Failures in a row pause it; the others go on, and later it is asked again."""
    engine = market.open(acme={"pause_after": 2, "pause_s": 300.0, "tries": 3})
    market.acme.fail(Capability.BUY, *[TransientError("down")] * 2)
    engine.dispatch(market.order())
    engine.dispatch(market.order())
    engine.dispatch(market.order("A9"))
    assert stand(engine.receipt("shop", "A9")) == DELIVERED
    assert (len(market.acme.sold), len(market.bolt.sold)) == (0, 1)
    (acme, _) = engine.supply.balances()
    assert acme.paused_until is not None
    market.clock.advance(301)
    market.settle(engine, passes=3)
    assert len(market.acme.sold) == 2
    (acme, _) = engine.supply.balances()
    assert acme.paused_until is None
    agreed(engine)


# --- what arrives ---


@pytest.mark.parametrize("rubbish", ["0", "N/A", "", "很抱歉，请联系客服。", "  "])
def test_what_is_no_card_is_never_delivered(market, rubbish):
    """Placeholders and sentences are set aside, and a person is told."""
    market.acme.deal([rubbish])
    engine = market.open()
    receipt = engine.dispatch(market.order("A1"))
    assert stand(receipt) == (Outcome.HELD, Reason.SUPPLY)
    assert "0 of 1 cards can be sold" in receipt.lines[0].why
    assert market.bolt.sold == ()
    agreed(engine)


@pytest.mark.parametrize("shape", [Shape.LINK, Shape.IMAGE])
def test_links_and_pictures_are_no_cards(market, shape):
    """They are kept in quarantine for a person to look at."""
    card = BoughtCard(secret=Secret("https://cards.example/1"), shape=shape)
    market.acme.deal([card])
    engine = market.open()
    assert stand(engine.dispatch(market.order("A1"))) == (Outcome.HELD, Reason.SUPPLY)
    levels = {x.warehouse: x.available for x in engine.cards.stock("steam")}
    assert levels["quarantine"] == 1


def test_fewer_cards_than_ordered_wait_for_a_person_and_are_not_lost(market):
    """Two of three came: they are in stock, and what is missing is not bought blindly."""
    market.acme.deal(["P-1", "P-2"])
    engine = market.open()
    receipt = engine.dispatch(market.order("A1", quantity=3))
    assert stand(receipt) == (Outcome.HELD, Reason.SUPPLY)
    (purchase,) = engine.supply.purchases()
    assert (purchase.arrived, str(purchase.state)) == (2, "held")
    engine.supply.resolve(purchase.reference, "failed", by="li", why="they paid back one")
    market.settle(engine, passes=3)
    receipt = engine.receipt("shop", "A1")
    assert stand(receipt) == DELIVERED
    assert set(market.texts(receipt)) > {"P-1", "P-2"}
    agreed(engine)


def test_more_cards_than_ordered_are_all_set_aside(market):
    """Nobody knows which of them is what was ordered."""
    market.acme.deal(["M-1", "M-2", "M-3"])
    engine = market.open()
    receipt = engine.dispatch(market.order("A1", quantity=2))
    assert stand(receipt) == (Outcome.HELD, Reason.SUPPLY)
    levels = {x.warehouse: x.available for x in engine.cards.stock("steam")}
    assert levels["quarantine"] == 3


def test_a_card_we_know_already_is_the_suppliers_fault(market):
    """A card that was sold before is not sold again; its ids are in the event."""
    engine = market.open()
    engine.cards.add("steam", ["OLD-1"])
    engine.dispatch(market.order("A1"))
    market.acme.deal(["OLD-1"])
    receipt = engine.dispatch(market.order("A2"))
    assert stand(receipt) == (Outcome.HELD, Reason.SUPPLY)
    (purchase,) = engine.supply.purchases()
    told = engine.supply.evidence(purchase.reference)[-1]
    assert len(told.detail["known"]) == 1
    agreed(engine)


def test_a_refused_purchase_with_cards_is_looked_at_by_a_person(market):
    """Cancelled with its cards in the answer: they may not work, so they are not sold."""
    market.acme.deal(["C-1"], stage=Stage.FAILED, refunded=Money("8.00", "CNY"))
    engine = market.open()
    assert stand(engine.dispatch(market.order("A1"))) == (Outcome.HELD, Reason.SUPPLY)
    levels = {x.warehouse: x.available for x in engine.cards.stock("steam")}
    assert levels["quarantine"] == 1


def test_a_partial_refund_is_looked_at_by_a_person(market):
    """UNCLEAR is never settled by the engine itself."""
    market.acme.deal([], stage=Stage.UNCLEAR, refunded=Money("1.00", "CNY"), problem="half")
    engine = market.open()
    receipt = engine.dispatch(market.order("A1"))
    assert stand(receipt) == (Outcome.HELD, Reason.SUPPLY)
    assert "half" in receipt.lines[0].why


def test_cards_that_nobody_knows_are_brought_in_without_a_look_at_all_imports(market, monkeypatch):
    """Every purchase is an import of its own: a list of all of them grows without end."""
    market.acme.waits = 1
    engine = market.open()
    engine.dispatch(market.order("A1"))
    monkeypatch.setattr(type(engine._flow.pool), "batches", None)
    market.settle(engine, passes=4)
    assert stand(engine.receipt("shop", "A1")) == DELIVERED


def test_what_a_supplier_says_repeats_no_card_and_no_buyer(market):
    """Neither its words nor its number for the purchase may bring them into the store."""
    market.acme.deal(["TELLTALE-1"], stage=Stage.UNCLEAR, problem="ask us about TELLTALE-1")
    market.acme.deal(["TELLTALE-2"], stage=Stage.UNCLEAR, problem="sent to u1@example.com")
    engine = market.open()
    for number in ("A1", "A2"):
        engine.dispatch(market.order(number))
    found = engine.supply.purchases()
    assert all("left out" in purchase.problem for purchase in found)
    told = [str(event.detail) for event in engine.ledger.events()]
    assert not [x for x in told if "TELLTALE" in x or "u1@example.com" in x]


def test_a_number_that_repeats_a_card_is_not_kept(market):
    """Some shops call an order by what they sold."""
    market.acme = Telltale(goods=market.acme.goods)
    engine = market.open()
    engine.dispatch(market.order("A1"))
    (purchase,) = engine.supply.purchases()
    assert (purchase.remote, purchase.arrived) == ("", 1)


# --- top-ups ---


TOPUP = {"kind": "topup", "sources": ["supplier:acme", "supplier:bolt"], "target": "phone"}


def test_a_top_up_charges_its_target_once(market):
    """No card moves; the line is delivered."""
    engine = market.open(sku=TOPUP)
    receipt = engine.dispatch(market.order("A1", quantity=2, target="13800000000"))
    assert stand(receipt) == DELIVERED
    assert receipt.cards == ()
    assert market.acme.charged == ("13800000000",)
    (sales,) = market.acme.sales.values()
    assert sales[0].purchase.quantity == 2
    agreed(engine)


def test_a_lost_top_up_is_looked_up(market):
    """As with cards."""
    engine = market.open(sku=TOPUP)
    market.acme.fail(Capability.TOP_UP, (UnknownOutcome("lost"),))
    engine.dispatch(market.order("A1", target="13800000000"))
    market.settle(engine, passes=4)
    assert stand(engine.receipt("shop", "A1")) == DELIVERED
    assert market.acme.charged == ("13800000000",)
    assert market.bolt.charged == ()


@pytest.mark.parametrize("target", ["", "12345", "1380000000a"])
def test_a_target_that_cannot_be_is_held(market, target):
    """Nothing is bought for it, and it is not repeated."""
    engine = market.open(sku=TOPUP)
    receipt = engine.dispatch(market.order("A1", target=target))
    assert stand(receipt) == (Outcome.HELD, Reason.UNMATCHED)
    assert market.acme.charged == ()
    if target:
        assert target not in receipt.lines[0].why


# --- a person decides ---


def test_a_held_purchase_is_looked_up_again_on_request(market):
    """It was unclear; now the supplier says that it is done."""
    market.acme.waits = 10**6
    engine = market.open(acme={"patience_s": 60.0})
    engine.dispatch(market.order("A1"))
    market.settle(engine, passes=4)
    (held,) = engine.supply.purchases(state="held")
    market.acme.finish()
    report = engine.supply.retry(held.reference, by="li")
    assert str(report.state) == "done"
    assert stand(engine.receipt("shop", "A1")) == DELIVERED
    agreed(engine)


def test_what_is_looked_up_again_has_a_line_that_waits(market):
    """Its order may not be ended meanwhile; once it is ended nothing is sent again for it."""
    market.acme.deal([], stage=Stage.UNCLEAR, problem="half")
    engine = market.open()
    engine.dispatch(market.order("A1"))
    (held,) = engine.supply.purchases(state="held")
    market.acme.fail(Capability.FIND_PURCHASE, TransientError("busy", retry_after_s=60))
    assert str(engine.supply.retry(held.reference, by="li").state) == "unknown"
    assert stand(engine.receipt("shop", "A1")) == BUYING
    agreed(engine)
    market.settle(engine, passes=3)
    engine.review.reject("shop", "A1", by="li", why="they gave up")
    market.acme.sales.clear()
    engine.supply.retry(held.reference, by="li")
    market.settle(engine, passes=9)
    assert str(engine.supply.purchase(held.reference).state) == "held"
    assert market.acme.sold == ()
    agreed(engine)


def test_a_person_says_that_it_was_bought_and_types_the_cards(market):
    """The line is served with them, and who said so is recorded."""
    market.acme.finds = "nothing"
    market.acme.again = "buys"
    engine = market.open()
    market.acme.fail(Capability.BUY, (UnknownOutcome("lost"),))
    engine.dispatch(market.order("A1"))
    market.settle(engine, passes=3)
    (held,) = engine.supply.purchases(state="held")
    report = engine.supply.resolve(
        held.reference, "bought", by="li", why="order 77 in their shop",
        cards=list(market.acme.sold), cost=Money("8.00", "CNY"),
    )  # fmt: skip
    assert (str(report.state), report.arrived, str(report.cost)) == ("done", 1, "8.00 CNY")
    assert market.texts(engine.receipt("shop", "A1")) == list(market.acme.sold)
    (batch,) = engine.cards.batches("steam")
    assert (batch.supplier, str(batch.cost), batch.imported_by) == ("acme", "8.00 CNY", "li")
    assert batch.provenance == f"purchase {held.reference} from acme"
    with pytest.raises(IllegalTransition):
        engine.supply.resolve(held.reference, "failed", by="li", why="changed my mind")
    agreed(engine)


def test_a_person_says_that_it_failed_and_the_next_supplier_serves(market):
    """Only now is it bought elsewhere."""
    market.acme.finds = "nothing"
    market.acme.again = "buys"
    engine = market.open(acme={"tries": 1})
    market.acme.fail(Capability.BUY, UnknownOutcome("lost"))
    engine.dispatch(market.order("A1"))
    market.settle(engine, passes=3)
    (held,) = engine.supply.purchases(state="held")
    engine.supply.resolve(held.reference, "failed", by="li", why="not in their records")
    market.settle(engine, passes=3)
    assert market.texts(engine.receipt("shop", "A1")) == list(market.bolt.sold)
    assert market.acme.sold == ()
    agreed(engine)
