"""Messages from platforms: proved, joined with what was bought, asked about, answered."""

from __future__ import annotations

from datetime import datetime

import pytest

from autocard import (
    ConfigurationError,
    IllegalTransition,
    Inbound,
    InvalidOrder,
    Money,
    Order,
    OrderConflict,
    Outcome,
    Payment,
    Reason,
    StoreUnavailable,
    TransientError,
    UnknownOutcome,
)
from autocard.testing import ScriptedPlatform


def message(number="A1", proof="genuine"):
    return Inbound(method="POST", path="/n", headers={"Proof": proof}, body=number.encode())


def paying(number="A1", paid="10.00", reference="pay-1"):
    payment = Payment(paid=Money(paid, "CNY"), reference=reference)
    return Order(platform="scripted", order_no=number, payment=payment)


@pytest.fixture(name="engine")
def _engine(shop):
    engine = shop.pushing(deliver=["direct"], confirm=True)
    shop.stock(engine, 5)
    shop.script.orders.append(paying())
    return engine


class TestReceive:
    def test_a_payment_finds_what_was_bought(self, shop, engine):
        """A notification that knows only a number serves the registered order."""
        engine.expect(shop.order(paid=None))
        assert engine.receive("shop", message()).body == b"accepted"
        assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED

    def test_a_repeated_notification_is_acknowledged_and_changes_nothing(self, shop, engine):
        """Ten of the same are one order, and the platform is asked once."""
        engine.expect(shop.order(paid=None))
        for _ in range(10):
            assert engine.receive("shop", message()).body == b"accepted"
        assert engine.cards.stock()[0].delivered == 1
        assert shop.script.calls == 1

    def test_a_genuine_message_that_is_no_order_is_written_down(self, shop, engine, monkeypatch):
        """Somebody may have paid for it: the field that is wrong is in the books."""

        def parse(self, verified):
            raise InvalidOrder("lines", "must be at most 100")

        monkeypatch.setattr(ScriptedPlatform, "parse", parse)
        assert engine.receive("shop", message()).body == b"refused"
        told = engine.ledger.events()[-1]
        assert (told.kind, told.detail["platform"], told.detail["field"]) == (
            "order.refused", "shop", "lines",
        )  # fmt: skip
        assert "A1" not in str(told.detail)

    def test_what_is_wrong_with_a_message_leaves_no_trace_before_it_is_proved(
        self, shop, engine, monkeypatch
    ):
        """Nobody writes into the books without a proof."""

        def verify(self, inbound, *, now):
            raise InvalidOrder("lines", "must be at most 100")

        monkeypatch.setattr(ScriptedPlatform, "verify", verify)
        before = engine.ledger.events()
        assert engine.receive("shop", message()).body == b"refused"
        assert engine.ledger.events() == before

    def test_a_message_that_cannot_be_written_down_comes_again(self, shop, engine, monkeypatch):
        """Without a store there is no trace of it, so it is not refused for good."""

        def parse(self, verified):
            engine.close()
            raise InvalidOrder("lines", "must be at most 100")

        monkeypatch.setattr(ScriptedPlatform, "parse", parse)
        assert engine.receive("shop", message()).body == b"later"

    def test_a_payment_that_nobody_registered_is_not_cancelled(self, shop, engine):
        """There is no line to cancel; it is for the review desk."""
        engine.receive("shop", message())
        with pytest.raises(IllegalTransition, match="never registered"):
            engine.cancel("shop", "A1", reason="dup")
        with pytest.raises(IllegalTransition, match="register it with `expect`"):
            engine.review.approve("shop", "A1", by="ann")
        assert engine.receipt("shop", "A1").outcome is Outcome.HELD

    def test_a_forged_message_stores_nothing(self, shop, engine):
        """What is not proved is refused without a trace in the store."""
        engine.expect(shop.order(paid=None))
        before = engine.ledger.events()
        assert engine.receive("shop", message(proof="forged")).body == b"refused"
        assert engine.ledger.events() == before
        assert engine.receipt("shop", "A1").lines[0].reason is Reason.UNPAID

    def test_a_payment_that_is_faster_than_the_order(self, shop, engine):
        """Money for an unknown order is kept and serves the order once it is registered."""
        assert engine.receive("shop", message()).body == b"accepted"
        receipt = engine.receipt("shop", "A1")
        assert (receipt.lines, receipt.outcome) == ((), Outcome.HELD)
        assert engine.receive("shop", message()).body == b"accepted"
        assert engine.expect(shop.order(paid=None)).outcome is Outcome.DELIVERED
        assert "payment.received" in [x.kind for x in engine.ledger.events()]

    @pytest.mark.parametrize(
        ("paid", "reason"),
        [(None, Reason.UNPAID), (Payment(paid=Money("1.00", "CNY")), Reason.AMOUNT_MISMATCH)],
    )
    @pytest.mark.parametrize("register", ["expect", "reserve"])
    def test_a_payment_that_was_faster_is_asked_about_too(
        self, shop, engine, paid, reason, register
    ):
        """No card goes out for a payment the platform does not stand by, whichever came first."""
        shop.script.paid["A1"] = paid
        engine.receive("shop", message())
        options = {"ttl_s": 60} if register == "reserve" else {}
        line = getattr(engine, register)(shop.order(paid=None), **options).lines[0]
        assert (line.outcome, line.reason) == (Outcome.HELD, reason)
        assert engine.cards.stock()[0].available == 5

    def test_a_faster_payment_nobody_can_ask_about_waits(self, shop, engine, monkeypatch):
        """It is asked about when its order is registered, and again until there is an answer."""
        monkeypatch.setattr("time.sleep", lambda _: None)
        shop.script.fail(*[TransientError("busy")] * 6)
        engine.receive("shop", message())
        receipt = engine.expect(shop.order(paid=None))
        assert receipt.lines[0].reason is Reason.UNCONFIRMED
        assert engine.resume().confirmed == 1
        assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED

    def test_a_payment_nobody_registers_is_listed_and_can_be_refunded(self, shop, engine):
        """Money without an order is visible to a person, who may end it and pay it back."""
        engine.receive("shop", message())
        assert [x.order_no for x in engine.review.pending()] == ["A1"]
        receipt = engine.review.reject("shop", "A1", by="ann", why="nobody's", refund=True)
        assert receipt.outcome is Outcome.REJECTED
        engine.resume()
        assert [str(x.amount) for x in shop.script.refunded] == ["10.00 CNY"]
        assert engine.review.pending() == []
        with pytest.raises(OrderConflict):
            engine.expect(shop.order(paid=None))

    def test_the_platform_says_it_is_not_paid(self, shop, engine):
        """A genuine message the platform does not stand by waits for a person."""
        engine.expect(shop.order(paid=None))
        shop.script.paid["A1"] = None
        assert engine.receive("shop", message()).body == b"accepted"
        line = engine.receipt("shop", "A1").lines[0]
        assert (line.outcome, line.reason) == (Outcome.HELD, Reason.UNPAID)

    def test_the_platform_says_another_amount(self, shop, engine):
        """Its answer counts against the message."""
        engine.expect(shop.order(paid=None))
        shop.script.paid["A1"] = Payment(paid=Money("1.00", "CNY"))
        engine.receive("shop", message())
        line = engine.receipt("shop", "A1").lines[0]
        assert (line.outcome, line.reason) == (Outcome.HELD, Reason.AMOUNT_MISMATCH)

    @pytest.mark.parametrize("error", [TransientError("busy"), UnknownOutcome("lost")])
    def test_a_platform_that_cannot_be_asked_is_asked_again(self, shop, engine, error, monkeypatch):
        """The payment is kept, and resume asks until there is an answer."""
        monkeypatch.setattr("time.sleep", lambda _: None)
        engine.expect(shop.order(paid=None))
        shop.script.fail(*[error] * 6)
        assert engine.receive("shop", message()).body == b"accepted"
        assert engine.receipt("shop", "A1").lines[0].reason is Reason.UNCONFIRMED
        while shop.script.failures:
            engine.resume()
        assert engine.resume().confirmed in (0, 1)
        assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED

    def test_a_store_that_is_gone_asks_for_the_message_again(self, shop, engine, monkeypatch):
        """The platform keeps what we cannot take."""
        engine.expect(shop.order(paid=None))

        def gone(*_args):
            raise StoreUnavailable("gone")

        monkeypatch.setattr(type(engine._flow.pool), "transaction", gone)
        assert engine.receive("shop", message()).body == b"later"
        monkeypatch.undo()

    @pytest.mark.parametrize("verb", ["verify", "parse"])
    def test_an_adapter_that_stumbles_refuses(self, shop, engine, verb, monkeypatch, caplog):
        """Its error goes no further, because it may quote the message; what is proved is noted."""

        def stumble(*_, **__):
            raise KeyError("what the message said")

        before = engine.ledger.events()
        monkeypatch.setattr(type(engine.platform("shop")), verb, stumble)
        assert engine.receive("shop", message()).body == b"refused"
        told = engine.ledger.events()[len(before) :]
        assert [x.kind for x in told] == ([] if verb == "verify" else ["order.refused"])
        assert "what the message said" not in repr(told)
        assert "KeyError" in caplog.text
        assert "what the message said" not in caplog.text

    def test_a_genuine_conflict_is_refused_and_written_down(self, shop, engine):
        """Another content under a known number changes nothing but the events."""
        engine.dispatch(shop.order())
        shop.script.orders[0] = Order(
            platform="scripted",
            order_no="A1",
            lines=shop.order(quantity=2).lines,
            payment=paying().payment,
        )
        assert engine.receive("shop", message()).body == b"refused"
        assert "order.conflicted" in [x.kind for x in engine.ledger.events()]

    def test_an_unpaid_message_registers_the_order(self, shop, engine):
        """A platform that announces orders before their payment is understood."""
        shop.script.orders[0] = Order(platform="scripted", order_no="A1", lines=shop.order().lines)
        engine.receive("shop", message())
        assert engine.receipt("shop", "A1").lines[0].reason is Reason.UNPAID

    def test_an_unknown_platform_is_a_configuration_error(self, engine):
        """The error says which table to add."""
        with pytest.raises(ConfigurationError, match=r"\[platforms.nowhere\]"):
            engine.receive("nowhere", message())


class TestPull:
    def test_fetched_orders_are_served_and_known_ones_returned(self, shop, engine):
        """Pulling twice serves once."""
        shop.script.orders[:] = [shop.order("P1"), shop.order("P2")]
        assert [x.outcome for x in engine.pull("shop")] == ["delivered", "delivered"]
        assert [x.replayed for x in engine.pull("shop")] == [True, True]

    def test_one_that_contradicts_does_not_stop_the_others(self, shop, engine):
        """The conflict is an event; the rest is served."""
        engine.dispatch(shop.order("P1"))
        shop.script.orders[:] = [shop.order("P1", quantity=2), shop.order("P2")]
        (receipt,) = engine.pull("shop")
        assert receipt.order_no == "P2"
        assert "order.conflicted" in [x.kind for x in engine.ledger.events()]

    @pytest.mark.parametrize("since", [datetime(2026, 1, 1), "2026-01-01"])  # noqa: DTZ001 - naive is what is refused
    def test_since_has_a_time_zone(self, engine, since):
        """A naive time could mean any of twenty-four hours, so nobody is asked."""
        with pytest.raises(InvalidOrder, match="since: must be a datetime with a time zone"):
            engine.pull("shop", since)

    def test_what_came_before_a_failure_is_served(self, shop, engine, monkeypatch):
        """Orders that were fetched go out, though the platform fails after them; it is told."""
        monkeypatch.setattr("time.sleep", lambda _: None)

        def fetch(*_):
            yield shop.order("P1")
            raise TransientError("page 2 did not come")

        monkeypatch.setattr(type(engine.platform("shop")), "fetch", fetch)
        with pytest.raises(TransientError, match="page 2"):
            engine.pull("shop")
        assert engine.receipt("shop", "P1").outcome is Outcome.DELIVERED


def test_a_file_that_cannot_be_read_stops_no_other(shop, tmp_path, monkeypatch):
    """One order file in the way of its own report leaves the sound ones to be served."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    inbox, outbox = tmp_path / "in", tmp_path / "out"
    for folder in (inbox, outbox):
        folder.mkdir()
    table = {"adapter": "order_file", "inbox": str(inbox), "outbox": str(outbox)}
    engine = shop.open(platforms={"f": table})
    shop.stock(engine, 1)
    (inbox / "a.csv").write_text("nothing,useful\n1,2\n", "utf-8")
    (inbox / "b.csv").write_text("order_no,item,quantity,paid\nB1,steam,1,10.00\n", "utf-8")
    (inbox / "rejected").write_text("in the way", "utf-8")
    with pytest.raises(TransientError, match=r"a\.csv"):
        engine.pull("f")
    assert engine.receipt("f", "B1").outcome is Outcome.DELIVERED


def test_confirm_on_a_platform_that_cannot_be_asked(shop, tmp_path):
    """The configuration is refused, not ignored."""
    with pytest.raises(ConfigurationError, match="confirm"):
        shop.open(
            platforms={
                "f": {
                    "adapter": "order_file",
                    "confirm": True,
                    "inbox": str(tmp_path),
                    "outbox": str(tmp_path),
                }
            }
        )
    with pytest.raises(ConfigurationError, match="no platform"):
        shop.open(platforms={"f": {"adapter": "mail"}})
