"""Hooks, pauses, crowded suppliers, changed settings, and what the desk refuses."""

from __future__ import annotations

import threading

import attrs
import pytest

from autocard import Inbound, Money, Outcome, Reason
from autocard.errors import (
    ConfigurationError,
    IllegalTransition,
    InvalidOrder,
    PurchaseNotFound,
    StoreUnavailable,
    UnsupportedFeature,
)
from autocard.spi import Capability, TransientError, UnknownOutcome, hookimpl
from autocard.testing import Wholesaler


class Chooser:
    """Takes the dearest offer, and writes down the news."""

    def __init__(self, answer=None):
        self.answer = answer
        self.heard = []

    @hookimpl
    def autocard_choose_offer(self, match, offers, ceiling):
        """Choose."""
        if self.answer is not None:
            return self.answer
        assert match.sku == "steam"
        return max(offers, key=lambda offer: offer.cost)

    @hookimpl
    def autocard_recorded(self, event):
        """Note it."""
        self.heard.append(event.kind)


class Slow(Wholesaler):
    """Sells once it is let."""

    def __init__(self, **habits):
        super().__init__(**habits)
        self.entered, self.leave = threading.Event(), threading.Event()

    def call(self, capability, argument, effect):
        """Wait outside the lock of the wholesaler, as a network does."""
        if capability is Capability.BUY:
            self.entered.set()
            self.leave.wait(30)
        return super().call(capability, argument, effect)


class Foreign(Wholesaler):
    """Says what it charged in euros, whatever it asked for."""

    def sell(self, purchase):
        """Sell."""
        return attrs.evolve(super().sell(purchase), cost=Money("1.00", "EUR"))


def held(market, **tables):
    """Return an engine and its purchase, held because its answer cannot be looked up."""
    market.acme.finds = "nothing"
    market.acme.again = "buys"
    engine = market.open(**tables)
    market.acme.fail(Capability.BUY, (UnknownOutcome("lost"),))
    engine.dispatch(market.order("A1"))
    market.settle(engine, passes=3)
    (purchase,) = engine.supply.purchases(state="held")
    return engine, purchase


# --- hooks ---


def test_a_hook_chooses_the_offer_and_hears_what_was_bought(market):
    """Not the cheapest; and every event of the purchase is news, also from a resume."""
    chooser = Chooser()
    market.bolt.waits = 1
    engine = market.open(plugins=[chooser])
    engine.dispatch(market.order("A1"))
    market.settle(engine, passes=4)
    assert len(market.bolt.sold) == 1
    assert market.acme.sold == ()
    told = [kind for kind in chooser.heard if kind.startswith("purchase.")]
    assert told == ["purchase.begun", "purchase.accepted", "purchase.accepted", "purchase.served"]
    assert "line.delivered" in chooser.heard


def test_a_hook_that_chooses_what_was_not_offered_buys_nothing(market):
    """The line waits and says so."""
    engine = market.open(plugins=[Chooser(answer=object())])
    receipt = engine.dispatch(market.order())
    assert receipt.outcome is Outcome.PENDING
    assert receipt.lines[0].why == "a hook chose none of the offers"
    assert market.acme.sold == ()


def test_news_of_stock_is_heard_too(market):
    """A restock belongs to no order; whoever begins, approves, carries out or settles it tells."""
    chooser = Chooser()
    sku = {
        "sources": ["warehouse:main"], "ceiling": "9.00 CNY", "low": 2,
        "restock": {"quantity": 3, "suppliers": ["acme"], "approve": True},
    }  # fmt: skip
    engine = market.open(sku=sku, plugins=[chooser])
    (first,) = engine.supply.restock()
    engine.supply.decline(first.reference, by="li", why="not today")
    (second,) = engine.supply.restock()
    engine.supply.approve(second.reference, by="li")
    market.acme.waits = 1
    engine.resume()
    market.acme.finish()
    body = second.reference.encode()
    market.clock.advance(10)
    engine.receive(
        "acme", Inbound(method="POST", path="/", headers={"proof": "genuine"}, body=body)
    )
    assert [kind for kind in chooser.heard if kind.startswith("purchase.")] == [
        "purchase.begun", "purchase.declined", "purchase.begun", "purchase.approved",
        "purchase.accepted", "purchase.served",
    ]  # fmt: skip
    assert "offer.listed" in chooser.heard
    evidence = [[x.kind for x in engine.supply.evidence(y.reference)] for y in (first, second)]
    assert evidence == [
        ["purchase.begun", "purchase.declined"],
        ["purchase.begun", "purchase.approved", "purchase.accepted", "purchase.served"],
    ]


def test_one_connection_is_enough(market, store_kind):
    """Nothing looks anything up beside the change that is open."""
    if store_kind != "sqlite":
        market.url += "?pool_size=1&wait_s=2"
    market.acme.finds = "nothing"
    market.acme.again = "buys"
    engine = market.open(
        sku={"low": 2, "ceiling": "9.00 CNY", "restock": {"quantity": 3, "suppliers": ["bolt"]}}
    )
    assert [x.problem for x in engine.supply.sync()] == ["", ""]
    assert engine.dispatch(market.order()).outcome is Outcome.DELIVERED
    market.acme.fail(Capability.BUY, (UnknownOutcome("lost"),))
    engine.dispatch(market.order("A9"))
    market.settle(engine, passes=3)
    (purchase,) = engine.supply.purchases(state="held")
    engine.supply.retry(purchase.reference, by="li")
    engine.supply.resolve(purchase.reference, "bought", by="li", why="seen", cards=["T-1"])
    market.settle(engine, passes=2)
    assert engine.receipt("shop", "A9").outcome is Outcome.DELIVERED
    assert engine.ledger.verify().faults == ()


# --- one after the other ---


def test_an_account_is_used_as_often_at_once_as_it_takes(market):
    """While one call is under way the next purchase waits for its turn; then it is made."""
    market.acme = slow = Slow(goods=market.acme.goods)
    engine = market.open(acme={"calls_at_once": 1})
    first = threading.Thread(target=engine.dispatch, args=[market.order("A1")])
    first.start()
    slow.entered.wait(30)
    second = engine.dispatch(market.order("A2"))
    assert second.lines[0].reason is Reason.BUYING
    assert [str(x.state) for x in engine.supply.purchases()] == ["due", "sending"]
    assert engine.resume().bought == 0
    slow.leave.set()
    first.join()
    market.settle(engine, passes=2)
    assert engine.receipt("shop", "A2").outcome is Outcome.DELIVERED
    assert len(market.acme.sold) == 2


def test_a_paused_supplier_is_looked_at_but_not_bought_from(market):
    """What was bought before the pause is still fetched."""
    market.acme.waits = 1
    engine = market.open(acme={"pause_after": 1, "pause_s": 86_400.0})
    engine.dispatch(market.order("A1"))
    market.acme.fail(Capability.FIND_PURCHASE, TransientError("busy"))
    market.clock.advance(10)
    engine.resume()
    assert engine.supply.balances()[0].paused_until is not None
    engine.dispatch(market.order("A2"))
    assert len(market.bolt.sold) == 1
    market.clock.advance(60)
    market.settle(engine, passes=3)
    assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED


def test_when_all_are_paused_a_line_waits_and_says_so(market):
    """Nothing is bought anywhere; later it is."""
    for wholesaler in (market.acme, market.bolt):
        wholesaler.fail(Capability.BUY, *[TransientError("down")] * 2)
    pause = {"pause_after": 1, "pause_s": 300.0, "tries": 9}
    engine = market.open(acme=pause, bolt=pause)
    engine.dispatch(market.order("A1"))
    engine.dispatch(market.order("A2"))
    receipt = engine.dispatch(market.order("A3"))
    assert receipt.lines[0].why == "its suppliers are paused"
    market.settle(engine, passes=30)
    assert engine.receipt("shop", "A3").outcome is Outcome.DELIVERED
    assert engine.ledger.verify().faults == ()


# --- settings that changed ---


def test_a_supplier_that_left_the_configuration_leaves_its_purchases_to_a_person(market):
    """What was asked of it may have been done; nobody can look."""
    market.acme.waits = 9
    engine = market.open()
    engine.dispatch(market.order("A1"))
    engine.close()
    table = {"bolt": market.table(market.bolt, "b1")}
    engine = market.open(sku={"sources": ["warehouse:main", "supplier:bolt"]}, suppliers=table)
    market.settle(engine, passes=3)
    receipt = engine.receipt("shop", "A1")
    assert (receipt.outcome, receipt.lines[0].reason) == (Outcome.HELD, Reason.SUPPLY)
    assert "no longer configured" in receipt.lines[0].why
    assert market.bolt.sold == ()
    (purchase,) = engine.supply.purchases()
    engine.supply.resolve(purchase.reference, "failed", by="li", why="account closed, paid back")
    market.settle(engine, passes=2)
    assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED


def test_sources_that_no_configured_supplier_serves(market):
    """A match may name what the configuration does not know."""
    engine = market.open(suppliers={"bolt": {**market.table(market.bolt, "b1"), "items": {}}},
                         sku={"sources": ["supplier:bolt"]})  # fmt: skip
    receipt = engine.dispatch(market.order())
    assert receipt.lines[0].why == "no supplier offers it now"


# --- what the desk refuses ---


def test_the_desk_insists_on_who_and_why(market):
    """Nothing is decided by nobody."""
    engine, purchase = held(market)
    name = purchase.reference
    for act in (
        lambda: engine.supply.resolve(name, "failed", by="", why="x"),
        lambda: engine.supply.resolve(name, "failed", by="li", why=""),
        lambda: engine.supply.resolve(name, "perhaps", by="li", why="x"),
        lambda: engine.supply.resolve(name, "bought", by="li", why="x", cards=["A", "B"]),
        lambda: engine.supply.resolve(name, "failed", by="li", why="x", cost=Money("1.00", "EUR")),
        lambda: engine.supply.resolve(name, "failed", by="li", why="x", cost=Money("-1.00", "CNY")),
        lambda: engine.supply.retry(name, by=""),
        lambda: engine.supply.decline(name, by="li", why=""),
        lambda: engine.supply.offers("steam", 0),
    ):
        with pytest.raises(InvalidOrder):
            act()
    for act in (engine.supply.purchase, engine.supply.evidence):
        with pytest.raises(PurchaseNotFound, match="p0"):
            act("p0")
    with pytest.raises(IllegalTransition):
        engine.supply.approve(name, by="li")
    with pytest.raises(ConfigurationError, match="steem"):
        engine.supply.offers("steem")
    assert str(engine.supply.purchase(name).state) == "held"


def test_a_card_that_is_known_cannot_be_typed_in_as_bought(market):
    """All of it is refused, and the purchase stays held."""
    engine, purchase = held(market)
    engine.cards.add("steam", ["STOCK-9"])
    with pytest.raises(InvalidOrder, match="we have this card already"):
        engine.supply.resolve(purchase.reference, "bought", by="li", why="seen", cards=["STOCK-9"])
    assert str(engine.supply.purchase(purchase.reference).state) == "held"
    assert engine.ledger.verify().faults == ()


def test_a_held_purchase_that_still_cannot_be_found_stays_held(market):
    """Looking again changes nothing."""
    engine, purchase = held(market)
    again = engine.supply.retry(purchase.reference, by="li", why="they said try again")
    assert str(again.state) == "held"
    assert "cannot be asked" in again.problem
    kinds = [x.kind for x in engine.supply.evidence(purchase.reference)]
    assert kinds[-2:] == ["purchase.retried", "purchase.held"]


def test_a_line_that_a_person_served_keeps_what_it_has(market):
    """The purchase comes in later, and its card goes into stock."""
    market.acme.waits = 3
    engine = market.open(acme={"patience_s": 60.0})
    engine.dispatch(market.order("A1"))
    market.settle(engine, passes=3)
    (purchase,) = engine.supply.purchases(state="held")
    engine.review.fulfil("shop", "A1", 1, by="li", cards=["BY-HAND-1"])
    market.acme.finish()
    engine.supply.retry(purchase.reference, by="li")
    assert market.texts(engine.receipt("shop", "A1")) == ["BY-HAND-1"]
    assert sum(x.available for x in engine.cards.stock("steam")) == 1
    assert engine.ledger.verify().faults == ()


def test_an_order_that_is_being_bought_for_cannot_be_cancelled(market):
    """The money may be spent already."""
    market.acme.waits = 1
    engine = market.open()
    engine.dispatch(market.order("A1"))
    with pytest.raises(IllegalTransition, match="being bought"):
        engine.cancel("shop", "A1", reason="changed their mind")
    market.settle(engine, passes=3)
    assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED


# --- messages ---


def test_a_message_comes_again_when_the_store_cannot_be_used(market, monkeypatch):
    """The supplier is told to send it later."""
    engine = market.open()
    genuine = Inbound(method="POST", path="/", headers={"proof": "genuine"}, body=b"p1")

    def closed(_reference):
        raise StoreUnavailable("gone")

    monkeypatch.setattr(engine._flow.pool, "purchase", closed)
    assert engine.receive("acme", genuine).body == b"later"


def test_a_message_that_breaks_its_adapter_is_refused(market, monkeypatch):
    """It proves nothing."""
    engine = market.open()
    inbound = Inbound(method="POST", path="/", headers={"proof": "genuine"}, body=b"p1")
    acme = engine._flow.buyer.suppliers["acme"]
    monkeypatch.setattr(acme, "parse", lambda *_, **__: 1 / 0)
    assert engine.receive("acme", inbound).body == b"refused"
    monkeypatch.setattr(acme, "parse", lambda *_, **__: acme._unsupported(Capability.RECEIVE))
    with pytest.raises(UnsupportedFeature):
        engine.receive("acme", inbound)


def test_money_in_another_currency_than_offered_is_not_booked(market):
    """The adapter's word about the cost is left out, and the purchase counts as offered."""
    market.acme = Foreign(goods=market.acme.goods)
    engine = market.open()
    engine.dispatch(market.order())
    (purchase,) = engine.supply.purchases()
    assert purchase.cost is None
    assert "another currency" in purchase.problem
    assert str(engine.supply.balances()[0].spent_today) == "8.00 CNY"


def test_an_accepted_purchase_that_cannot_be_asked_about_is_held(market, monkeypatch):
    """A person looks; the supplier is not blamed for it."""
    market.acme.waits = 3
    engine = market.open(acme={"pause_after": 1})
    engine.dispatch(market.order("A1"))
    acme = engine._flow.buyer.suppliers["acme"]
    unable = lambda _: acme._unsupported(Capability.FIND_PURCHASE)  # noqa: E731 - said once
    monkeypatch.setattr(acme, "find_purchase", unable)
    market.settle(engine, passes=2)
    receipt = engine.receipt("shop", "A1")
    assert (receipt.outcome, receipt.lines[0].reason) == (Outcome.HELD, Reason.SUPPLY)
    assert engine.supply.balances()[0].paused_until is None


def test_a_supplier_that_serves_again_is_no_longer_paused(market):
    """What was bought before is looked up, and that it came ends the pause."""
    market.acme.waits = 1
    engine = market.open(acme={"pause_after": 1, "pause_s": 86_400.0})
    engine.dispatch(market.order("A1"))
    market.acme.fail(Capability.FIND_PURCHASE, TransientError("busy"))
    market.clock.advance(10)
    engine.resume()
    assert engine.supply.balances()[0].paused_until is not None
    market.clock.advance(60)
    engine.resume()
    assert engine.supply.balances()[0].paused_until is not None, "it only says that it works on it"
    market.clock.advance(60)
    engine.resume()
    assert engine.supply.balances()[0].paused_until is None
    assert "supplier.resumed" in [x.kind for x in engine.ledger.events()]
