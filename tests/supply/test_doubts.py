"""What is doubtful, came late or is not so any more: nothing is bought or sold on the strength of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from autocard import IllegalTransition, Inbound, InvalidOrder, Money
from autocard.bargain import BoughtCard, Hint, Shape, Stage, Supplied
from autocard.errors import RejectedError, StoreError, TransientError, UnknownOutcome
from autocard.http.pace import TooManyCalls
from autocard.secret import Secret
from autocard.spi import Capability
from autocard.testing import FakeSupplier, Good, Wholesaler

DAY_S = 86_400
APPROVED = {"low": 5, "restock": {"quantity": 10, "approve": True}, "ceiling": "9.00 CNY"}


def stand(receipt):
    """Return outcome and reason of the only line."""
    (line,) = receipt.lines
    return f"{line.outcome}/{line.reason}"


def newest(engine):
    """Return the newest purchase."""
    return engine.supply.purchases(limit=1)[0]


def state(engine):
    """Return where the newest purchase stands."""
    return str(newest(engine).state)


def hint(engine, reference):
    """Let the supplier say that something is new about a purchase."""
    body = reference.encode()
    engine.receive(
        "acme", Inbound(method="POST", path="/", headers={"proof": "genuine"}, body=body)
    )


def asked(market, capability):
    """Return how often the supplier was asked for something."""
    return sum(each is capability for each, _ in market.acme.calls)


# --- looks ahead of time ---


def test_a_burst_of_messages_does_not_wear_patience_out(market):
    """However many come at once, a purchase is missing only after looks with time in between."""
    market.acme.again = "buys"
    market.acme.hides = 100
    market.acme.fail(Capability.BUY, (UnknownOutcome("lost"),))
    engine = market.open()
    engine.dispatch(market.order("A1"))
    begun = newest(engine)
    for _ in range(5):
        hint(engine, begun.reference)
    assert (state(engine), asked(market, Capability.FIND_PURCHASE)) == ("unknown", 5)
    market.clock.advance(1.2)
    engine.resume()
    assert asked(market, Capability.FIND_PURCHASE) == 6, (
        "the look that was due is made all the same"
    )
    market.acme.finish()
    hint(engine, begun.reference)
    assert engine.receipt("shop", "A1").outcome == "delivered"
    assert len(market.acme.sales[begun.reference]) == 1


def test_a_message_may_say_the_suppliers_number(market, monkeypatch):
    """Where only that finds a purchase, a lost one is found as soon as it is told."""
    market.acme.finds = "number"
    market.acme.fail(Capability.BUY, (UnknownOutcome("lost"),))
    engine = market.open()
    engine.dispatch(market.order("A1"))
    reference = newest(engine).reference
    monkeypatch.setattr(
        FakeSupplier, "parse", lambda *_, now: Hint(reference=reference, remote="W-1")
    )
    hint(engine, reference)
    assert engine.receipt("shop", "A1").outcome == "delivered"


def test_what_a_supplier_had_confirmed_is_not_sent_again(market):
    """A person has it looked up once more, and it is not to be found: that proves nothing."""
    market.acme.again = "buys"
    market.acme.deal(["CARD-1"])
    engine = market.open()
    engine.dispatch(market.order("A1", quantity=2))
    held = newest(engine)
    assert (str(held.state), held.arrived) == ("held", 1)
    market.acme.sales[held.reference][0].hidden = 100
    engine.supply.retry(held.reference, by="li")
    for _ in range(9):
        market.clock.advance(60)
        engine.resume()
    assert state(engine) == "held"
    assert len(market.acme.sales[held.reference]) == 1


# --- answers that nobody waits for ---


@pytest.mark.parametrize("is_decided", [False, True])
def test_cards_of_an_answer_that_comes_too_late_are_kept(market, is_decided):
    """Another host has given the purchase to a person, who may have decided: they are set aside."""
    market.acme.finds = "nothing"
    market.acme.again = "buys"
    engine, other = market.open(), market.open()

    def outlast_the_lease():
        market.clock.advance(engine._flow.settings.supply.lease_s + 1)
        other.resume()
        if is_decided:
            other.supply.resolve(newest(other).reference, "failed", by="li", why="they say no")

    market.acme.meanwhile[Capability.BUY] = outlast_the_lease
    engine.dispatch(market.order("A1"))
    first = engine.supply.purchases(limit=10)[-1]
    assert str(first.state) == ("failed" if is_decided else "held")
    kinds = [each.kind for each in engine.supply.evidence(first.reference)]
    assert "purchase.late" in kinds
    levels = {each.warehouse: each.available for each in engine.cards.stock("steam")}
    assert levels["quarantine"] == 1
    assert engine.cards.find(market.acme.sold[0]).batch is not None


def test_a_late_answer_that_is_known_leaves_no_trace(market):
    """Another host looked it up and has its cards."""
    engine, other = market.open(), market.open()

    def outlast_the_lease():
        market.clock.advance(engine._flow.settings.supply.lease_s + 1)
        other.resume()

    market.acme.meanwhile[Capability.BUY] = outlast_the_lease
    engine.dispatch(market.order("A1"))
    assert engine.receipt("shop", "A1").outcome == "delivered"
    kinds = [each.kind for each in engine.supply.evidence(newest(engine).reference)]
    assert "purchase.late" not in kinds
    assert {each.warehouse for each in engine.cards.stock("steam")} == {"main"}


def test_a_late_answer_comes_again_where_it_can_be_looked_up(market):
    """The other host goes on with the purchase: nothing is set aside."""
    market.acme.waits = 1
    engine, other = market.open(), market.open()

    def outlast_the_lease():
        market.clock.advance(engine._flow.settings.supply.lease_s + 1)
        other.resume()
        sale = market.acme.sales[newest(other).reference][0]
        sale.first = sale.ending

    market.acme.meanwhile[Capability.BUY] = outlast_the_lease
    engine.dispatch(market.order("A1"))
    assert state(engine) == "accepted"
    market.settle(engine, passes=3)
    assert engine.receipt("shop", "A1").outcome == "delivered"
    assert {each.warehouse for each in engine.cards.stock("steam")} == {"main"}


# --- what cannot be used ---


def test_cards_with_too_little_life_are_bought_once(market):
    """They are set aside for a person, like any other that its sku cannot use."""
    soon = market.clock.now() + timedelta(days=10)
    for number in range(3):
        market.acme.deal([BoughtCard(secret=Secret(f"CARD-{number}"), expires_at=soon)])
    engine = market.open(sku={"minimum_life_days": 30})
    receipt = engine.dispatch(market.order("A1"))
    assert stand(receipt) == "held/supply"
    assert "less life left" in receipt.lines[0].why
    market.settle(engine, passes=5)
    assert len(engine.supply.purchases()) == 1


def test_a_card_that_came_in_under_another_format_is_known(market):
    """It was sold before its sku got a format of its own: the supplier sells it a second time."""
    first = market.open()
    first.cards.add("steam", ["A1B2C-D3E4F-G5H6J"])
    first.dispatch(market.order("A1"))
    engine = market.open(sku={"format": "steam"})
    market.acme.deal(["A1B2C-D3E4F-G5H6J"])
    receipt = engine.dispatch(market.order("A2"))
    assert stand(receipt) == "held/supply"
    assert "1 were known already" in receipt.lines[0].why


def test_a_sku_that_left_the_configuration(market):
    """What was bought for it comes in, its line is held, and others go on."""
    market.acme.waits = 1
    engine = market.open()
    engine.dispatch(market.order("A1"))
    market.clock.advance(60)
    other = market.open(skus={"psn": {"sources": ["supplier:acme"]}}, suppliers={
        "acme": {**market.table(market.acme, "a1"), "items": {"psn": "a1"}}
    })  # fmt: skip
    market.settle(other, passes=4)
    assert state(other) == "done"
    receipt = other.receipt("shop", "A1")
    assert stand(receipt) == "held/supply"
    assert "not in the configuration" in receipt.lines[0].why
    assert other.cards.stock()[0].available == 1


@pytest.mark.parametrize("words", ["bad \ud800", "a\0b", "x" * 70_000])
@pytest.mark.parametrize("says", ["problem", "remote", "error"])
def test_words_that_no_store_takes_are_made_legible(market, monkeypatch, words, says):
    """What was bought is written down all the same, and nobody else is held up."""
    engine = market.open()
    if says == "error":
        market.acme.fail(Capability.BUY, (UnknownOutcome(words),))
    elif says == "problem":
        market.acme.deal(problem=words)
    else:
        monkeypatch.setattr(Wholesaler, "sell", lambda self, purchase: Supplied(
            remote=words, stage=Stage.DONE, cards=[BoughtCard(secret=Secret("CARD-1"))]
        ))  # fmt: skip
    engine.dispatch(market.order("A1"))
    market.settle(engine, passes=3)
    assert engine.receipt("shop", "A1").outcome == "delivered"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: BoughtCard(secret="CARD-1"),
        lambda: BoughtCard(secret=Secret("CARD-1"), expires_at=datetime(2030, 1, 1)),  # noqa: DTZ001 - that is what is wrong
        lambda: BoughtCard(secret=Secret("CARD-1"), number=7),
        lambda: BoughtCard(secret=Secret("CARD-1"), extra={"pin": "7"}),
        lambda: BoughtCard(secret=Secret("CARD-1"), shape="text"),
        lambda: Supplied(stage="done"),
        lambda: Supplied(stage=Stage.DONE, cards=["CARD-1"]),
        lambda: Supplied(stage=Stage.DONE, cost="5.00"),
        lambda: Supplied(stage=Stage.DONE, remote=7),
    ],
)
def test_an_adapter_cannot_say_what_nobody_can_write_down(wrong):
    """It is refused where it says it; a card is not quoted."""
    with pytest.raises((TypeError, ValueError)) as caught:
        wrong()
    assert "CARD" not in str(caught.value)


def test_values_that_are_right_are_as_they_were():
    """Times are in UTC, and a list of cards is as good as a tuple."""
    later = datetime(2030, 1, 1, 8, tzinfo=UTC)
    card = BoughtCard(secret=Secret("C"), expires_at=later, extra={"pin": Secret("7")})
    assert (card.expires_at, card.shape) == (later, Shape.TEXT)
    assert Supplied(stage=Stage.DONE, cards=[card]).cards == (card,)


# --- money ---


def test_more_paid_back_than_charged_is_for_a_person(market):
    """No purchase costs less than nothing."""
    market.acme.deal(refunded=Money("10.00", "CNY"))
    engine = market.open()
    receipt = engine.dispatch(market.order("A1"))
    assert stand(receipt) == "held/supply"
    assert str(newest(engine).cost) == "8.00 CNY"


def test_a_top_up_of_which_a_part_was_paid_back_is_for_a_person(market):
    """The target may have got a part of it, or nothing."""
    market.acme.deal(refunded=Money("4.00", "CNY"))
    engine = market.open(sku={"kind": "topup", "sources": ["supplier:acme"]})
    receipt = engine.dispatch(market.order("A1", target="13800138000"))
    assert stand(receipt) == "held/supply"
    assert "paid back" in receipt.lines[0].why


def proposed(market, **acme):
    """Return an engine with a restock that waits for approval."""
    engine = market.open(sku=APPROVED, acme=acme, supply={"restock_every_s": 1e7})
    (look,) = engine.supply.restock()
    assert look.reference
    return engine, look.reference


def test_an_approval_counts_in_the_budget_of_its_own_day(market):
    """What was spent since is spent."""
    engine, reference = proposed(market, daily_budget="80.00 CNY")
    market.clock.advance(2 * DAY_S)
    engine.dispatch(market.order("A1"))
    assert str(engine.supply.balances()[0].spent_today) == "8.00 CNY"
    with pytest.raises(IllegalTransition, match="budget of acme for today"):
        engine.supply.approve(reference, by="li")
    assert state(engine) == "done"
    market.clock.advance(DAY_S)
    assert str(engine.supply.approve(reference, by="li").state) == "due"
    assert str(engine.supply.balances()[0].spent_today) == "80.00 CNY"
    engine.resume()
    assert str(engine.supply.purchase(reference).state) == "done"
    assert str(engine.supply.balances()[0].spent_today) == "80.00 CNY"


def test_what_waited_over_midnight_counts_on_the_day_it_is_sent(market):
    """Where today's budget does not reach it goes on waiting."""
    engine, reference = proposed(market, daily_budget="80.00 CNY")
    engine.supply.approve(reference, by="li")
    market.clock.advance(2 * DAY_S)
    engine.dispatch(market.order("A1"))
    engine.resume()
    assert str(engine.supply.purchase(reference).state) == "due"
    market.clock.advance(DAY_S)
    engine.resume()
    assert str(engine.supply.purchase(reference).state) == "done"
    assert str(engine.supply.balances()[0].spent_today) == "80.00 CNY"


@pytest.mark.parametrize("change", ["dearer", "gone"])
def test_what_is_approved_late_is_bought_at_todays_price_only(market, monkeypatch, change):
    """Not above the ceiling, whether or not the supplier takes a price guard."""
    engine, reference = proposed(market)
    market.clock.advance(5 * DAY_S)
    good = market.acme.goods["a1"]
    monkeypatch.setattr(Wholesaler, "_good", lambda *_: good)  # it takes no guard
    if change == "dearer":
        good.price = Money("30.00", "CNY")
    else:
        market.acme.goods = {}
    engine.supply.approve(reference, by="li")
    market.settle(engine, passes=30)
    assert str(engine.supply.purchase(reference).state) == "failed"
    assert market.acme.sold == ()


def test_a_purchase_above_its_ceiling_is_told_of(market, monkeypatch):
    """Where a supplier charges what it likes, the event says what was allowed."""
    engine = market.open(sku={"ceiling": "9.00 CNY"})
    monkeypatch.setattr(Wholesaler, "_good", lambda *_: Good(Money("30.00", "CNY")))
    engine.dispatch(market.order("A1"))
    (served,) = [x for x in engine.ledger.events() if x.kind == "purchase.served"]
    assert (served.detail["cost"], served.detail["above_ceiling"]) == ("30.00 CNY", "9.00 CNY")


def test_a_host_whose_clock_is_behind_does_not_begin_yesterday_anew(market):
    """Around midnight two hosts share one budget."""
    engine = market.open(acme={"daily_budget": "20.00 CNY"}, sku={"sources": ["supplier:acme"]})
    midnight = market.clock.now().replace(hour=0, minute=0, second=0) + timedelta(days=1)
    for number in range(6):
        moment = midnight + timedelta(seconds=-5 if number % 2 else 5)
        market.clock.advance((moment - market.clock.now()).total_seconds())
        engine.dispatch(market.order(f"A{number}"))
    assert str(market.acme.spent) == "16.00 CNY"


# --- who is to blame ---


def test_a_supplier_that_only_answers_questions_stays_paused(market):
    """A purchase that is being waited for says nothing of whether the supplier sells."""
    engine = market.open(
        acme={"pause_after": 3, "pause_s": 600.0, "tries": 100},
        supply={"longest_look_s": 1.0}, sku={"sources": ["supplier:acme"]},
    )  # fmt: skip
    market.acme.waits = 1_000_000
    engine.dispatch(market.order("A0"))
    market.acme.fail(Capability.BUY, *[UnknownOutcome("HTTP 500")] * 50)
    for number in range(1, 9):
        market.clock.advance(2)
        engine.dispatch(market.order(f"A{number}"))
        engine.resume()
    kinds = [x.kind for x in engine.ledger.events(limit=1000) if x.kind.startswith("supplier.")]
    assert kinds == ["supplier.paused"]
    assert asked(market, Capability.BUY) == 4


def test_our_own_pace_is_no_fault_of_the_supplier(market):
    """A call that we hold back does not pause anybody."""
    engine = market.open(acme={"pause_after": 2})
    market.acme.fail(Capability.BUY, *[TooManyCalls("too many")] * 2)
    for number in range(2):
        engine.dispatch(market.order(f"A{number}"))
    assert engine.supply.balances()[0].paused_until is None
    market.acme.fail(Capability.BUY, *[TransientError("busy")] * 2)
    for number in range(2, 4):
        engine.dispatch(market.order(f"A{number}"))
    assert engine.supply.balances()[0].paused_until is not None


# --- what people may do about it ---


def held(market):
    """Return an engine with an order whose purchase is held, and its reference."""
    market.acme.finds = "nothing"
    market.acme.again = "buys"
    market.acme.fail(Capability.BUY, (UnknownOutcome("lost"),))
    engine = market.open(sku={"sources": ["warehouse:main", "supplier:acme"]})
    engine.dispatch(market.order("A1"))
    market.settle(engine, passes=3)
    assert state(engine) == "held"
    return engine, newest(engine).reference


def test_approving_a_line_needs_stock_while_its_purchase_is_not_clear(market):
    """Without stock it would wait where nobody sees it; with stock it is served."""
    engine, reference = held(market)
    with pytest.raises(IllegalTransition, match=f"purchase {reference} is not clear"):
        engine.review.approve("shop", "A1", by="li")
    assert stand(engine.receipt("shop", "A1")) == "held/unknown_purchase"
    engine.cards.add("steam", ["STOCK-1"])
    assert engine.review.approve("shop", "A1", by="li").outcome == "delivered"


def test_failed_brings_no_cards(market):
    """Cards that came cost something: such a purchase did not fail."""
    engine, reference = held(market)
    with pytest.raises(InvalidOrder, match='say "bought"'):
        engine.supply.resolve(reference, "failed", by="li", why="x", cards=["CARD-1"])
    assert state(engine) == "held"


def test_an_order_with_a_purchase_that_is_not_clear_cannot_be_cancelled(market):
    """Whatever the reason of its line; once that is settled it can."""
    market.acme.deal([], stage=Stage.UNCLEAR, problem="half")
    engine = market.open(sku={"sources": ["supplier:acme", "manual"]})
    assert stand(engine.dispatch(market.order("A1"))) == "held/supply"
    with pytest.raises(IllegalTransition, match="being bought"):
        engine.cancel("shop", "A1", reason="no")
    market.acme.fail(Capability.BUY, *[RejectedError("no")] * 9)
    engine.supply.resolve(newest(engine).reference, "failed", by="li", why="they say so")
    assert engine.cancel("shop", "A1", reason="no").outcome == "cancelled"


def test_no_purchase_holds_up_the_others(market, monkeypatch):
    """One that the store cannot take is passed by; the next is settled."""
    market.acme.waits = 1
    engine = market.open()
    for number in range(2):
        engine.dispatch(market.order(f"A{number}"))
    settle = type(engine._flow.buyer.settler).settle
    first = engine.supply.purchases()[-1].reference

    def refusing(self, purchase, stored, heard):
        if purchase.reference == first:
            raise StoreError("a text is not valid Unicode")
        return settle(self, purchase, stored, heard)

    monkeypatch.setattr(type(engine._flow.buyer.settler), "settle", refusing)
    market.settle(engine, passes=3)
    assert [engine.receipt("shop", f"A{n}").outcome for n in range(2)] == ["pending", "delivered"]
