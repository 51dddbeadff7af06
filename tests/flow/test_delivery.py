"""Cards are pushed after the commit; whatever the answer, they go out once."""

from __future__ import annotations

import pytest

from autocard import (
    ConfigurationError,
    IllegalTransition,
    Outcome,
    Reason,
    RejectedError,
    TransientError,
    UnknownOutcome,
)
from autocard.testing import Script

LATER = TransientError("busy")
LOST = (UnknownOutcome("the answer was lost"),)
REFUSED = RejectedError("no such order")


def line_of(engine, number="A1"):
    return engine.receipt("shop", number).lines[0]


class TestPush:
    def test_a_push_is_delivered_within_the_call(self, shop):
        """The platform gets the cards with a reference; then the line is delivered."""
        engine = shop.pushing()
        shop.stock(engine, 2)
        receipt = engine.dispatch(shop.order(quantity=2))
        assert receipt.outcome is Outcome.DELIVERED
        ((delivery,),) = shop.script.delivered.values()
        assert [x.text().reveal() for x in delivery.cards] == shop.texts(receipt)
        assert delivery.buyer.contact == "u1@example.com"
        assert (delivery.sent_at, delivery.placed_at) == (shop.clock.now(), shop.clock.now())
        assert engine.cards.stock()[0].delivered == 2

    def test_a_busy_platform_is_tried_again_later(self, shop):
        """A transient failure waits with backoff; the cards are issued, not shown."""
        engine = shop.pushing()
        shop.stock(engine, 1)
        shop.script.fail(LATER, LATER)
        receipt = engine.dispatch(shop.order())
        assert receipt.lines[0].reason is Reason.DELIVERING
        assert receipt.cards == ()
        assert engine.resume().total == 0
        shop.clock.advance(10)
        assert engine.resume().delayed == 1
        shop.clock.advance(6)
        assert engine.resume().total == 0
        shop.clock.advance(10)
        assert engine.resume().delivered == 1
        assert line_of(engine).outcome is Outcome.DELIVERED
        assert len(shop.script.delivered) == 1

    def test_a_platform_may_say_when(self, shop):
        """A Retry-After longer than the schedule is honoured."""
        engine = shop.pushing()
        shop.stock(engine, 1)
        shop.script.fail(TransientError("busy", retry_after_s=1000))
        engine.dispatch(shop.order())
        shop.clock.advance(900)
        assert engine.resume().total == 0
        shop.clock.advance(101)
        assert engine.resume().delivered == 1

    def test_it_gives_up_visibly(self, shop):
        """After the configured tries the line is HELD/undelivered; resend sends the same cards."""
        engine = shop.pushing(delivery={"tries": 2, "first_retry_s": 1})
        shop.stock(engine, 2)
        shop.script.fail(LATER, LATER)
        engine.dispatch(shop.order())
        shop.clock.advance(5)
        engine.resume()
        assert (line_of(engine).outcome, line_of(engine).reason) == ("held", "undelivered")
        receipt = engine.review.resend("shop", "A1", by="op", why="the platform is back")
        assert receipt.outcome is Outcome.DELIVERED
        assert shop.texts(receipt) == ["STEAM-000000"]

    def test_a_refusal_is_held_at_once(self, shop):
        """What the platform refuses is not tried again by itself."""
        engine = shop.pushing()
        shop.stock(engine, 1)
        shop.script.fail(REFUSED)
        receipt = engine.dispatch(shop.order())
        assert receipt.lines[0].reason is Reason.UNDELIVERED
        assert "no such order" in receipt.lines[0].why
        assert engine.cards.stock()[0].issued == 1

    @pytest.mark.parametrize("words", ["bad \ud800", "a\0b", "x" * 70_000])
    def test_a_refusal_that_no_store_takes_is_made_legible(self, shop, words):
        """The call was made: what came of it is written down whatever it says."""
        engine = shop.pushing()
        shop.stock(engine, 1)
        shop.script.fail(RejectedError(words))
        receipt = engine.dispatch(shop.order())
        assert receipt.lines[0].reason is Reason.UNDELIVERED
        assert engine.receipt("shop", "A1").lines[0].why.isprintable()

    @pytest.mark.parametrize("error", [ValueError("quotes STEAM-000000"), KeyError("x")])
    def test_an_adapter_that_breaks_may_have_sent(self, shop, error):
        """An exception of any other kind is an unknown outcome, and its text is not kept."""
        engine = shop.pushing()
        shop.stock(engine, 1)
        shop.script.fail((error,))
        engine.dispatch(shop.order())
        shop.clock.advance(20)
        assert engine.resume().delivered == 1
        assert len(shop.script.delivered) == 1
        assert "STEAM" not in repr(engine.ledger.events())


class TestLostAnswers:
    def test_a_lost_answer_is_looked_up(self, shop):
        """What arrived is found and not sent again."""
        engine = shop.pushing()
        shop.stock(engine, 1)
        shop.script.fail(LOST)
        engine.dispatch(shop.order())
        shop.clock.advance(20)
        assert engine.resume().delivered == 1
        assert [len(x) for x in shop.script.delivered.values()] == [1]

    def test_what_did_not_arrive_is_sent_again(self, shop):
        """A look-up that says no allows the same delivery once more."""
        engine = shop.pushing()
        shop.stock(engine, 1)
        shop.script.fail(UnknownOutcome("lost on the way there"))
        engine.dispatch(shop.order())
        shop.clock.advance(20)
        assert engine.resume().delivered == 1
        assert [len(x) for x in shop.script.delivered.values()] == [1]

    def test_a_look_up_that_fails_is_made_later(self, shop):
        """While the platform cannot be asked nothing is sent."""
        engine = shop.pushing()
        shop.stock(engine, 1)
        shop.script.fail(LOST, LATER, ValueError("nonsense"))
        engine.dispatch(shop.order())
        for _ in range(2):
            shop.clock.advance(100)
            assert engine.resume().delayed == 1
        shop.clock.advance(100)
        assert engine.resume().delivered == 1
        assert [len(x) for x in shop.script.delivered.values()] == [1]

    def test_a_channel_that_cannot_be_asked_needs_a_person(self, shop):
        """Without look-up and without proof of repeatability a person decides."""
        engine = shop.pushing(deliver=["channel:mail"])
        shop.stock(engine, 1)
        shop.mail.fail(LOST)
        engine.dispatch(shop.order())
        shop.clock.advance(100)
        engine.resume()
        assert (line_of(engine).outcome, line_of(engine).reason) == ("held", "unknown_delivery")
        receipt = engine.review.settle("shop", "A1", by="op", why="the buyer has it")
        assert receipt.outcome is Outcome.DELIVERED
        assert sum(len(x) for x in shop.mail.delivered.values()) == 1

    def test_a_channel_that_repeats_safely_repeats(self, shop):
        """The same reference goes out again, and the other side knows it."""
        engine = shop.pushing(deliver=["channel:hook"])
        shop.stock(engine, 1)
        shop.mail.fail(LOST)
        engine.dispatch(shop.order())
        shop.clock.advance(100)
        assert engine.resume().delivered == 1
        ((first, second),) = shop.mail.delivered.values()
        assert first.reference == second.reference
        assert first.cards == second.cards

    def test_a_vanished_sender_is_looked_up_after_its_lease(self, shop):
        """A host that died while it sent leaves an intent that others look up, not send."""
        engine = shop.pushing()
        shop.stock(engine, 1)
        shop.script.fail((KeyboardInterrupt(),))  # raised through everything, as a kill would be
        with pytest.raises(BaseException):  # noqa: B017 - the stand-in for a kill
            engine.dispatch(shop.order())
        assert engine.resume().total == 0
        shop.clock.advance(121)
        assert engine.resume().delivered == 1
        assert [len(x) for x in shop.script.delivered.values()] == [1]


class TestRoutes:
    def test_several_routes_must_all_arrive(self, shop):
        """A line is delivered when every intended push is done."""
        engine = shop.pushing(deliver=["platform", "channel:mail"])
        shop.stock(engine, 1)
        shop.mail.fail(LATER)
        receipt = engine.dispatch(shop.order())
        assert receipt.lines[0].reason is Reason.DELIVERING
        shop.clock.advance(20)
        engine.resume()
        assert line_of(engine).outcome is Outcome.DELIVERED

    def test_another_way_makes_up_for_one_that_failed(self, shop):
        """A line whose push was refused is delivered once its cards went out another way."""
        engine = shop.pushing()
        shop.stock(engine, 1)
        shop.script.fail(RejectedError("never"))
        assert engine.dispatch(shop.order()).lines[0].reason is Reason.UNDELIVERED
        receipt = engine.review.resend("shop", "A1", by="op", why="by mail", route="channel:mail")
        assert receipt.outcome is Outcome.DELIVERED
        assert len(shop.mail.delivered) == 1
        assert engine.resume().total == 0

    def test_one_that_fails_is_held_and_the_other_stays_sent(self, shop):
        """After a resend of what failed the line is delivered."""
        engine = shop.pushing(deliver=["platform", "channel:mail"])
        shop.stock(engine, 1)
        shop.script.fail(REFUSED)
        engine.dispatch(shop.order())
        assert line_of(engine).reason is Reason.UNDELIVERED
        assert sum(len(x) for x in shop.mail.delivered.values()) == 1
        receipt = engine.review.resend("shop", "A1", by="op", why="fixed", route="platform")
        assert receipt.outcome is Outcome.DELIVERED
        assert sum(len(x) for x in shop.mail.delivered.values()) == 1

    def test_direct_and_a_copy_by_channel(self, shop):
        """A direct receipt does not wait for its copy."""
        engine = shop.pushing(deliver=["direct", "channel:mail"])
        shop.stock(engine, 1)
        shop.mail.fail(LATER)
        assert shop.texts(engine.dispatch(shop.order())) == ["STEAM-000000"]
        shop.clock.advance(20)
        assert engine.resume().delivered == 1

    def test_what_was_lost_once_is_never_called_undelivered(self, shop):
        """The first try may have arrived, whatever became of the later ones; a person should know."""
        engine = shop.pushing(deliver=["channel:hook"])
        shop.stock(engine, 1)
        shop.mail.fail(LOST, LATER, LATER, REFUSED)
        engine.dispatch(shop.order())
        for _ in range(3):
            shop.clock.advance(100)
            engine.resume()
        assert (line_of(engine).outcome, line_of(engine).reason) == (
            Outcome.HELD,
            Reason.UNKNOWN_DELIVERY,
        )

    def test_a_copy_that_is_given_up_is_told_of(self, shop, caplog):
        """It holds no line, for the buyer has the cards; a log and an event name it."""
        engine = shop.pushing(deliver=["direct", "channel:mail"])
        shop.stock(engine, 1)
        shop.mail.fail(REFUSED)
        assert engine.dispatch(shop.order()).outcome is Outcome.DELIVERED
        assert "shop/A1 line 1: given up by channel:mail" in caplog.text
        assert "delivery.failed" in [x.kind for x in engine.ledger.events()]

    def test_a_returned_card_can_be_sent_by_channel_later(self, shop):
        """Resending a direct delivery needs a route, and sends the same cards."""
        engine = shop.pushing(deliver=["direct"])
        shop.stock(engine, 2)
        receipt = engine.dispatch(shop.order())
        with pytest.raises(IllegalTransition, match="route"):
            engine.review.resend("shop", "A1", by="op", why="asked")
        with pytest.raises(ConfigurationError, match="channel:hook, channel:mail, platform"):
            engine.review.resend("shop", "A1", by="op", why="asked", route="pigeon")
        engine.review.resend("shop", "A1", by="op", why="asked", route="channel:mail")
        ((delivery,),) = shop.mail.delivered.values()
        assert [x.text().reveal() for x in delivery.cards] == shop.texts(receipt)
        (told,) = [x for x in engine.ledger.events() if x.kind == "line.resent"]
        assert told.detail["by"] == "op"
        assert told.detail["cards"] == [1]

    def test_a_channel_that_left_the_configuration(self, shop):
        """A push whose channel is gone is held, not forgotten."""
        engine = shop.pushing(deliver=["channel:mail"])
        shop.stock(engine, 1)
        shop.mail.fail(LATER)
        engine.dispatch(shop.order())
        engine.close()
        engine = shop.open()
        shop.clock.advance(100)
        engine.resume()
        assert line_of(engine).reason is Reason.UNDELIVERED


def test_a_lease_outlasts_the_calls_it_covers(shop):
    """A lease so short that two hosts could make the same call is refused, with the number."""
    with pytest.raises(ConfigurationError, match=r"lease_s.*\[platforms.shop\], so 60 or more"):
        shop.pushing(delivery={"lease_s": 30})


def test_half_a_line_is_never_sent(shop):
    """A card voided before the push arrives leaves the line to a person."""
    engine = shop.pushing()
    shop.stock(engine, 2)
    shop.script.fail(LATER)
    engine.dispatch(shop.order(quantity=2))
    engine.cards.void(engine.cards.find("STEAM-000001").id, by="op", why="bad")
    shop.clock.advance(100)
    engine.resume()
    assert (line_of(engine).outcome, line_of(engine).reason) == ("held", "undelivered")
    assert shop.script.delivered == {}


class TestSeveralPushes:
    def test_each_is_claimed_right_before_it_is_made(self, shop, monkeypatch):
        """Slow first pushes never use up the lease of the last, so nothing is sent twice."""
        engine = shop.pushing(deliver=["platform", "channel:mail"])
        other = shop.pushing(deliver=["platform", "channel:mail"])
        shop.stock(engine, 4)
        take = Script.take
        slow = []

        def slowly(script, delivery):
            if len(slow) < 4:  # four of them are longer than any lease
                slow.append(delivery)
                shop.clock.advance(50)
            elif len(slow) == 4:
                slow.append(delivery)
                other.resume()
            return take(script, delivery)

        monkeypatch.setattr(Script, "take", slowly)
        engine.dispatch(shop.order(lines=[x for _ in range(4) for x in shop.order().lines]))
        assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED
        for script in (shop.script, shop.mail):
            assert [len(x) for x in script.delivered.values()] == [1, 1, 1, 1]

    def test_a_group_is_pushed_too(self, shop):
        """dispatch_many pushes each of its orders after the one commit."""
        engine = shop.pushing()
        shop.stock(engine, 3)
        shop.script.fail(None, LATER)
        receipts = engine.dispatch_many([shop.order("A"), shop.order("B"), shop.order("C")])
        assert [x.outcome for x in receipts] == ["delivered", "pending", "delivered"]


class TestRefund:
    def test_a_rejected_order_is_paid_back(self, shop):
        """Rejecting with a refund asks the platform once, after the commit."""
        engine = shop.pushing()
        shop.stock(engine, 1)
        engine.dispatch(shop.order(paid="9.00"))
        receipt = engine.review.reject("shop", "A1", by="op", why="wrong amount", refund=True)
        assert receipt.outcome is Outcome.REJECTED
        assert engine.resume().delivered == 1
        (refund,) = shop.script.refunded
        assert (str(refund.amount), refund.payment_reference) == ("9.00 CNY", "pay-1")
        assert "refund.settled" in [x.kind for x in engine.ledger.events()]

    def test_a_lost_answer_to_a_refund_is_for_a_person(self, shop):
        """Money is never sent twice blindly."""
        engine = shop.pushing()
        engine.dispatch(shop.order(paid="9.00"))
        engine.review.reject("shop", "A1", by="op", why="wrong", refund=True)
        shop.script.fail(LOST)
        engine.resume()
        shop.clock.advance(1000)
        engine.resume()
        assert len(shop.script.refunded) == 1
        assert "refund.failed" in [x.kind for x in engine.ledger.events()]
