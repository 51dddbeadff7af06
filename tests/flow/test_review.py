"""What waits for a person, and what a person can do."""

from __future__ import annotations

import pytest

from autocard import (
    Buyer,
    ConfigurationError,
    IllegalTransition,
    InvalidOrder,
    OrderNotFound,
    Outcome,
    Reason,
    RejectedError,
    UnsupportedFeature,
)
from autocard.spi import Hold, Match, Reject, hookimpl


def held(shop, **settings):
    """Return an engine that holds every order above 5 CNY, with one order held."""
    engine = shop.open(review={"amount_over": "5.00 CNY"}, **settings)
    shop.stock(engine, 3)
    line = engine.dispatch(shop.order()).lines[0]
    assert (line.outcome, line.reason) == (Outcome.HELD, Reason.REVIEW)
    return engine


class TestPending:
    def test_held_orders_are_listed_with_their_reasons(self, shop):
        """The list says who paid how much and why it is held."""
        engine = held(shop)
        (order,) = engine.review.pending()
        assert (order.platform, order.order_no, str(order.paid)) == ("shop", "A1", "10.00 CNY")
        assert "5.00 CNY" in order.lines[0].why
        assert engine.cards.stock()[0].available == 3


class TestApprove:
    def test_an_approved_order_is_served(self, shop):
        """Approval serves as if nothing had held it, and says who approved."""
        engine = held(shop)
        receipt = engine.review.approve("shop", "A1", by="ann", why="knows the buyer")
        assert shop.texts(receipt) == ["STEAM-000000"]
        told = engine.ledger.events(platform="shop", order_no="A1")
        assert [x.kind for x in told] == ["line.held", "line.approved", "line.delivered"]
        assert told[1].detail == {"by": "ann", "why": "knows the buyer", "sku": "steam"}

    def test_approving_twice_changes_nothing(self, shop):
        """The second approval finds nothing held."""
        engine = held(shop)
        engine.review.approve("shop", "A1", by="ann")
        with pytest.raises(IllegalTransition, match="line 1 is delivered"):
            engine.review.approve("shop", "A1", by="bob")
        assert engine.cards.stock()[0].delivered == 1

    def test_short_of_stock_it_waits_in_turn(self, shop):
        """An approved order without stock waits like any other."""
        engine = shop.open()
        engine.dispatch(shop.order(paid="1.00"))
        receipt = engine.review.approve("shop", "A1", by="ann")
        assert receipt.lines[0].reason is Reason.SHORT
        shop.stock(engine, 1)
        assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED

    def test_a_person_can_say_the_sku(self, shop):
        """An unmatched line is approved by naming what it is."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.dispatch(shop.order(item="mystery"))
        with pytest.raises(IllegalTransition, match="say which sku"):
            engine.review.approve("shop", "A1", by="ann")
        with pytest.raises(ConfigurationError, match="'stem'"):
            engine.review.approve("shop", "A1", by="ann", sku="stem")
        receipt = engine.review.approve("shop", "A1", by="ann", sku="steam", line_no=1)
        assert (receipt.outcome, receipt.lines[0].sku) == (Outcome.DELIVERED, "steam")

    def test_a_topup_approved_waits_for_being_done(self, shop):
        """Approval of a top-up does not pretend that it was done."""
        engine = shop.open(skus={"phone": {"kind": "topup"}})
        engine.dispatch(shop.order(item="phone", target="1", paid="1.00"))
        receipt = engine.review.approve("shop", "A1", by="ann")
        assert receipt.lines[0].reason is Reason.MANUAL

    def test_it_pushes_where_the_platform_takes_cards(self, shop):
        """An approved order leaves by the platform's usual way."""
        engine = shop.pushing(review={"amount_over": "5.00 CNY"})
        shop.stock(engine, 1)
        engine.dispatch(shop.order())
        assert engine.review.approve("shop", "A1", by="ann").outcome is Outcome.DELIVERED
        assert len(shop.script.delivered) == 1

    def test_somebody_must_do_it(self, shop):
        """An act without a name is refused; an unknown order is not found."""
        engine = held(shop)
        with pytest.raises(InvalidOrder, match="by"):
            engine.review.approve("shop", "A1", by="")
        with pytest.raises(OrderNotFound):
            engine.review.approve("shop", "B", by="ann")
        with pytest.raises(IllegalTransition, match="no such line"):
            engine.review.approve("shop", "A1", by="ann", line_no=7)

    def test_reserved_cards_of_another_sku_go_back(self, shop):
        """A person says that the line is something else than was held for it."""
        engine = shop.open(skus={"steam": {}, "psn": {}})
        engine.cards.add("steam", ["S-1"])
        engine.cards.add("psn", ["P-1"])
        engine.reserve(shop.order(paid=None), ttl_s=60)
        engine.dispatch(shop.order(paid="1.00"))
        receipt = engine.review.approve("shop", "A1", by="ann", sku="psn")
        assert shop.texts(receipt) == ["P-1"]
        assert [(x.sku, x.available, x.void) for x in engine.cards.stock("steam")] == [
            ("steam", 1, 0)
        ]


class TestWithdrawn:
    def test_an_order_for_a_sku_that_is_sold_no_more_is_a_persons(self, shop):
        """It is listed; it can be served as another sku, and by hand once the sku is back."""
        before = shop.open(skus={"gone": {}, "steam": {}})
        before.dispatch(shop.order("A1", item="gone"))
        before.dispatch(shop.order("A2", item="steam"))
        before.close()
        engine = shop.open()
        assert engine.resume().served == 0
        assert [(x.order_no, len(x.lines)) for x in engine.review.pending()] == [("A1", 1)]
        with pytest.raises(ConfigurationError, match="no sku 'gone' any more"):
            engine.review.fulfil("shop", "A1", 1, by="ann", cards=["X1"])
        with pytest.raises(IllegalTransition, match="say which sku"):
            engine.review.approve("shop", "A1", by="ann")
        shop.stock(engine, 2)
        assert (
            engine.review.approve("shop", "A1", by="ann", sku="steam").outcome is Outcome.DELIVERED
        )
        assert engine.review.pending() == []


class TestReject:
    def test_a_rejected_line_is_never_served(self, shop):
        """Rejection is final: repeating, resuming and approving do not serve it."""
        engine = held(shop)
        receipt = engine.review.reject("shop", "A1", by="ann", why="fraud")
        assert (receipt.outcome, receipt.lines[0].why) == (Outcome.REJECTED, "fraud")
        assert engine.dispatch(shop.order()).outcome is Outcome.REJECTED
        with pytest.raises(IllegalTransition):
            engine.review.approve("shop", "A1", by="ann")

    def test_cards_on_their_way_are_voided(self, shop):
        """A card that left stock for a rejected line is never sold to somebody else."""
        engine = shop.pushing(delivery={"tries": 1})
        shop.stock(engine, 1)
        shop.script.fail(RejectedError("closed"))
        engine.dispatch(shop.order())
        engine.review.reject("shop", "A1", by="ann", why="closed")
        assert engine.cards.stock()[0].void == 1

    def test_a_reserved_card_returns(self, shop):
        """A held order that had reserved cards gives them back."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.reserve(shop.order(paid=None), ttl_s=60)
        engine.dispatch(shop.order(paid="1.00"))
        assert engine.cards.stock()[0].reserved == 1
        engine.review.reject("shop", "A1", by="ann", why="too little")
        assert engine.cards.stock()[0].available == 1

    def test_a_platform_that_cannot_refund_says_so(self, shop):
        """A refund nobody can make is refused before anything changes."""
        engine = held(shop)
        with pytest.raises(UnsupportedFeature, match="by hand"):
            engine.review.reject("shop", "A1", by="ann", why="x", refund=True)
        assert engine.receipt("shop", "A1").outcome is Outcome.HELD

    def test_a_half_served_order_is_not_refunded_whole(self, shop):
        """The automatic refund pays the whole order, so part of it must not be served."""
        engine = shop.pushing()
        shop.stock(engine, 1)
        lines = [*shop.order().lines, *shop.order(item="mystery").lines]
        engine.dispatch(shop.order(lines=lines))
        with pytest.raises(IllegalTransition, match="by hand"):
            engine.review.reject("shop", "A1", by="ann", why="x", refund=True)


class TestFulfil:
    def test_typed_cards_are_sealed_and_delivered(self, shop):
        """Cards typed in become a batch of their own and go out by the usual way."""
        engine = shop.pushing(skus={"steam": {"sources": ["manual"]}})
        engine.dispatch(shop.order(quantity=2))
        receipt = engine.review.fulfil("shop", "A1", 1, by="ann", cards=["ONE-1", " TWO-2 "])
        assert shop.texts(receipt) == ["ONE-1", "TWO-2"]
        assert len(shop.script.delivered) == 1
        (batch,) = engine.cards.batches()
        assert (batch.imported_by, batch.provenance, batch.added) == ("ann", "typed in by hand", 2)

    def test_cards_can_be_picked_from_stock(self, shop):
        """A person may choose which cards go out."""
        engine = shop.open(skus={"steam": {"sources": ["warehouse:other", "manual"]}})
        shop.stock(engine, 3)
        engine.dispatch(shop.order())
        card = engine.cards.find("STEAM-000002").id
        receipt = engine.review.fulfil("shop", "A1", 1, by="ann", picks=[card])
        assert shop.texts(receipt) == ["STEAM-000002"]
        engine.dispatch(shop.order("B"))
        with pytest.raises(IllegalTransition, match="not available"):
            engine.review.fulfil("shop", "B", 1, by="ann", picks=[card])

    def test_a_card_of_an_undone_batch_cannot_be_picked(self, shop):
        """Nothing is left of it to hand over."""
        engine = shop.open(skus={"steam": {"sources": ["warehouse:other", "manual"]}})
        shop.stock(engine, 1)
        engine.dispatch(shop.order())
        engine.cards.undo(1, by="ann", why="the wrong file")
        with pytest.raises(IllegalTransition, match="not available"):
            engine.review.fulfil("shop", "A1", 1, by="ann", picks=[1])
        assert engine.receipt("shop", "A1").lines[0].reason is Reason.MANUAL

    @pytest.mark.parametrize(
        ("cards", "problem"),
        [
            ([], "needs 2 cards"),
            (["A"], "needs 2 cards"),
            (["SAME", "SAME"], "twice"),
            (["OK-1", "bad\x00"], r"cards\[1\]"),
            (["OK-1", "STEAM-000000"], "have this card already"),
        ],
    )
    def test_wrong_cards_change_nothing(self, shop, cards, problem):
        """Too few, repeated, malformed and known cards are refused whole."""
        engine = shop.open(skus={"steam": {"sources": ["warehouse:other", "manual"]}})
        shop.stock(engine, 1)
        engine.dispatch(shop.order(quantity=2))
        with pytest.raises(InvalidOrder, match=problem):
            engine.review.fulfil("shop", "A1", 1, by="ann", cards=cards)
        assert engine.receipt("shop", "A1").lines[0].reason is Reason.MANUAL
        assert len(engine.cards.batches()) == 1

    def test_a_held_line_can_be_fulfilled_by_hand(self, shop):
        """Approval and fulfilment in one act, where the line is matched."""
        engine = held(shop)
        receipt = engine.review.fulfil("shop", "A1", 1, by="ann", cards=["HAND-1"])
        assert shop.texts(receipt) == ["HAND-1"]

    def test_a_line_that_needs_no_person_is_refused(self, shop):
        """A delivered line cannot be fulfilled again."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.dispatch(shop.order())
        with pytest.raises(IllegalTransition):
            engine.review.fulfil("shop", "A1", 1, by="ann", cards=["X"])


class TestHooks:
    def test_the_strictest_verdict_wins_and_a_failure_holds(self, shop):
        """Hooks assess each line; whoever fails holds."""

        class Rules:
            @hookimpl
            def autocard_assess(self, order, line, history):
                if line.item == "evil":
                    return Reject("never")
                if line.item == "odd":
                    return Hold("look at it")
                if line.item == "bug":
                    raise ValueError("quotes the buyer")
                return None

        engine = shop.open(plugins=[Rules()])
        shop.stock(engine, 1)
        lines = [x for item in ("evil", "odd", "bug", "steam") for x in shop.order(item=item).lines]
        receipt = engine.dispatch(shop.order(lines=lines))
        assert [x.outcome for x in receipt.lines] == ["rejected", "held", "held", "delivered"]
        assert [x.why for x in receipt.lines[:2]] == ["never", "look at it"]
        assert "buyer" not in receipt.lines[2].why
        assert not engine.check().ok

    def test_history_reaches_the_hook(self, shop):
        """A hook sees how often this buyer ordered before."""
        seen = []

        class Rules:
            @hookimpl
            def autocard_assess(self, order, history):
                seen.append((history.orders_last_hour, history.first_order_at))

        engine = shop.open(plugins=[Rules()])
        engine.dispatch(shop.order("A"))
        engine.dispatch(shop.order("B"))
        engine.dispatch(shop.order("C", buyer=Buyer(contact="U1@EXAMPLE.com")))
        assert seen == [(0, None), (1, shop.clock.now()), (0, None)]

    def test_a_better_buyer_gets_the_cheaper_batch(self, shop):
        """A match hook picks the batches; the engine takes from them in that order."""

        class Levels:
            engine = None

            @hookimpl
            def autocard_match(self, order, line):
                if order.buyer.level != "vip":
                    return None
                batches = [x for x in self.engine.cards.batches("steam") if x.available]
                cheapest = sorted(batches, key=lambda batch: batch.cost.amount)
                return Match("steam", batches=tuple(batch.id for batch in cheapest))

        levels = Levels()
        levels.engine = engine = shop.open(plugins=[levels])
        shop.stock(engine, 2, start=0, cost="9.00")
        shop.stock(engine, 2, start=50, cost="5.00 CNY")
        vip = engine.dispatch(shop.order("V", quantity=3, buyer=Buyer(id="v", level="vip")))
        plain = engine.dispatch(shop.order("P"))
        assert shop.texts(vip) == ["STEAM-000050", "STEAM-000051", "STEAM-000000"]
        assert shop.texts(plain) == ["STEAM-000001"]

    @pytest.mark.parametrize(
        "answer",
        [Match("gone"), Match("steam", 0), Match("steam", 10_001), Match("steam", None, ("x",)), 7],
    )
    def test_a_match_that_cannot_be_is_held(self, shop, answer):
        """What a hook says is checked before anything is taken."""

        class Odd:
            @hookimpl
            def autocard_match(self, order, line):
                return answer

        engine = shop.open(plugins=[Odd()])
        shop.stock(engine, 1)
        assert engine.dispatch(shop.order()).lines[0].reason is Reason.UNMATCHED

    def test_news_come_after_the_commit_and_failures_stay_theirs(self, shop):
        """Every observer hears of every event; one that fails disturbs nobody."""
        heard = []

        class Bad:
            @hookimpl
            def autocard_recorded(self, event):
                raise ValueError

        class Good:
            engine = None

            @hookimpl
            def autocard_recorded(self, event):
                heard.append((event.kind, self.engine.receipt("shop", "A1") is not None))

        good = Good()
        good.engine = engine = shop.open(plugins=[Bad(), good])
        shop.stock(engine, 1)
        engine.dispatch(shop.order())
        assert heard == [("line.delivered", True)]
