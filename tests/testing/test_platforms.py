"""The platform suite passes honest adapters and catches each kind of broken one."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import parse_qsl

import attrs
import pytest

from autocard.spi import (
    Answer,
    Capability,
    Delivery,
    Inbound,
    Money,
    Order,
    Payment,
    Platform,
    RejectedError,
    Reply,
    Response,
    Secret,
    TransientError,
    UnsupportedFeature,
    VerificationError,
    Verified,
    check_status,
    same,
)
from autocard.testing.leaks import LeakDetector
from autocard.testing.mutations import CountingClient, flipped
from autocard.testing.platforms import PlatformSuite

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class TinyOptions:
    """Settings of the tiny platform."""

    credential: Secret = attrs.field(default=Secret("tiny-credential"))
    older: tuple[Secret, ...] = attrs.field(
        default=(Secret("tiny-older-credential"), Secret("short"))
    )


class Tiny(Platform):
    """An honest little platform: a signed query comes in, cards go out."""

    name = "tiny"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.RECEIVE, Capability.DELIVER, Capability.CONFIRM}
    )
    Options = TinyOptions

    def verify(self, inbound: Inbound, *, now: datetime) -> Verified:
        said, _, sign = inbound.query.rpartition("&sign=")
        time, _, _ = inbound.headers.get("x-time", "").partition(".")
        if not same(sign, _sign(f"{time}.{said}")) or not _is_near(time, now):
            raise VerificationError("tiny: not genuine")
        return Verified(inbound, dict(parse_qsl(said)))

    def parse(self, verified: Verified) -> Order:
        if not verified.fields.get("paid", "").isdigit():
            raise VerificationError("tiny: no payment")
        paid = Money(int(verified.fields["paid"][:9]), "CNY")
        if paid.amount == 0:
            raise VerificationError("tiny: no payment")
        return Order(
            platform="tiny",
            order_no=verified.fields.get("no", ""),
            payment=Payment(paid=paid, paid_at=NOW),
        )

    def acknowledge(self, answer, receipt) -> Reply:
        return Reply(status=200 if answer is Answer.ACCEPTED else 400)

    def confirm(self, order: Order) -> Payment | None:
        response = self.client.request("GET", "https://tiny.example.com/", safe=True)
        check_status(response, safe=True)
        return None

    def deliver(self, delivery: Delivery) -> str:
        form = {"no": delivery.order_no}
        check_status(
            self.client.request("POST", "https://tiny.example.com/", safe=False, form=form),
            safe=False,
        )
        return ""


def _sign(text: str) -> str:
    raw = text.encode("utf-8", "surrogatepass")
    return hmac.new(b"tiny-credential", raw, hashlib.sha256).hexdigest()


def _is_near(time: str, now: datetime) -> bool:
    return time.isascii() and time.isdigit() and abs(now.timestamp() - int(time[:12])) <= 60


def _message() -> Inbound:
    time, said = str(int(NOW.timestamp())), "no=A1001&paid=5"
    sign = _sign(f"{time}.{said}")
    return Inbound(method="GET", path="/", query=f"{said}&sign={sign}", headers={"x-time": time})


class TestTiny(PlatformSuite):
    """An honest adapter passes with three fixtures."""

    window_s = 60.0

    @pytest.fixture(name="platform")
    def _platform(self) -> Platform:
        return Tiny(TinyOptions(), CountingClient(Response(status=200)))

    @pytest.fixture(name="genuine")
    def _genuine(self) -> list[Inbound]:
        return [_message()]

    @pytest.fixture(name="now")
    def _now(self) -> datetime:
        return NOW


class Mute(Platform):
    """A platform that declares nothing."""

    name = "mute"
    Options = TinyOptions


class TestMute(PlatformSuite):
    """An adapter without capabilities passes by refusing everything."""

    exempt: ClassVar[dict[str, str]] = {"test_nothing_leaks": "shows that a reason skips a test"}

    @pytest.fixture(name="platform")
    def _platform(self) -> Platform:
        return Mute(TinyOptions(), CountingClient(Response(status=200)))


# --- broken ones ----------------------------------------------------------------------------


class Trusting(Tiny):
    def verify(self, inbound: Inbound, *, now: datetime) -> Verified:
        return Verified(inbound, dict(parse_qsl(inbound.query)))


class Rounding(Tiny):
    def verify(self, inbound: Inbound, *, now: datetime) -> Verified:
        time = inbound.headers.get("x-time", "")[:-1] + "0"
        return super().verify(attrs.evolve(inbound, headers={"x-time": time}), now=now)


class Timeless(Tiny):
    def verify(self, inbound: Inbound, *, now: datetime) -> Verified:
        return super().verify(inbound, now=NOW)


class Crashing(Tiny):
    def verify(self, inbound: Inbound, *, now: datetime) -> Verified:
        inbound.query.encode()
        return super().verify(inbound, now=now)

    def parse(self, verified: Verified) -> Order:
        return Order(platform="tiny", order_no=verified.fields["no"])


class Talkative(Tiny):
    def acknowledge(self, answer, receipt) -> Reply:
        return Reply(status=400, body=repr(receipt).encode())


class Curious(Tiny):
    def parse(self, verified: Verified) -> Order:
        order = super().parse(verified)
        return attrs.evolve(order, order_no=f"{order.order_no}-{len(verified.fields)}")


class Busy(Tiny):
    def confirm(self, order: Order) -> Payment | None:
        super().confirm(order)
        return super().confirm(order)


class Careless(Tiny):
    def deliver(self, delivery: Delivery) -> str:
        self.client.request("POST", "https://tiny.example.com/", safe=True)
        return ""


class Giving(Tiny):
    def deliver(self, delivery: Delivery) -> str:
        try:
            super().deliver(delivery)
        except Exception:  # noqa: BLE001 - that is what is wrong with it
            raise RejectedError("certainly not done") from None
        return ""


class Pessimist(Tiny):
    def confirm(self, order: Order) -> Payment | None:
        try:
            return super().confirm(order)
        except TransientError:
            raise RejectedError("never") from None


class Boastful(Tiny):
    capabilities = frozenset({Capability.RECEIVE, Capability.DELIVER, Capability.FETCH})


class Modest(Tiny):
    capabilities = frozenset({Capability.RECEIVE})


class Fragile(Tiny):
    def confirm(self, order: Order) -> Payment | None:
        json.loads(self.client.request("GET", "https://tiny.example.com/", safe=True).body)
        return None


class Chatty(Tiny):
    def confirm(self, order: Order) -> Payment | None:
        logging.getLogger("tiny").debug("asking with %s", self.options.credential.reveal())
        return super().confirm(order)


class Loose(Tiny):
    def deliver(self, delivery: Delivery) -> str:
        texts = [card.text().reveal() for card in delivery.cards]
        super().deliver(delivery)
        return str(texts)


class Eager(Tiny):
    def __init__(self, options, client) -> None:
        super().__init__(options, client)
        client.request("GET", "https://tiny.example.com/", safe=True)


class Dialling(Tiny):
    def __init__(self, options, client) -> None:
        super().__init__(options, client)
        if options.older == ():
            with socket.socket() as connection:
                connection.connect(("127.0.0.1", 9))


def _call(broken: Platform) -> Callable:
    detector = LeakDetector()
    detector.watch("credential", broken.options.credential)
    suite = TestTiny()
    delivery = PlatformSuite.__dict__["_0_delivery"].__wrapped__(suite, broken, detector)
    refund = PlatformSuite.__dict__["_0_refund"].__wrapped__(suite, broken)
    order = Order(platform="tiny", order_no="A1")
    call = PlatformSuite.__dict__["_0_call"].__wrapped__(suite, broken, order, delivery, refund)
    return call, detector


MESSAGES = [
    ("test_flipped_bytes_are_refused", Trusting),
    ("test_flipped_bytes_are_refused", Rounding),
    ("test_dropped_parameters_are_refused", Trusting),
    ("test_dropped_headers_are_refused", Trusting),
    ("test_stale_messages_are_refused", Timeless),
    ("test_anything_is_verified_or_refused", Crashing),
    ("test_anything_proved_is_parsed_or_refused", Crashing),
    ("test_unknown_fields_are_ignored", Curious),
]


@pytest.mark.parametrize(("check", "broken"), MESSAGES)
def test_broken_receivers_are_caught(check, broken) -> None:
    """Each check of messages fails for the adapter that breaks its rule."""
    platform = broken(TinyOptions(), CountingClient(Response(status=200)))
    with pytest.raises((AssertionError, UnicodeEncodeError, KeyError)):
        getattr(TestTiny(), check)(platform, [_message()], NOW)


def test_explaining_refusals_is_caught() -> None:
    """A refusal that depends on the order is caught."""
    platform = Talkative(TinyOptions(), CountingClient(Response(status=200)))
    with pytest.raises(AssertionError):
        TestTiny().test_refusal_explains_nothing(platform, [_message()], NOW)
    with pytest.raises(AssertionError):
        TestTiny().test_every_answer_has_a_reply(platform, [_message()])


def test_wrong_orders_are_caught() -> None:
    """What `parse` makes is compared with the orders that were expected."""
    platform = Tiny(TinyOptions(), CountingClient(Response(status=200)))
    wrong = [Order(platform="tiny", order_no="A1002")]
    with pytest.raises(AssertionError):
        TestTiny().test_genuine_messages_are_accepted(platform, [_message()], NOW, wrong)


CALLS = [
    ("test_declared_call_makes_one_request", Busy, Capability.CONFIRM),
    ("test_declared_call_makes_one_request", Careless, Capability.DELIVER),
    ("test_declared_call_makes_one_request", Boastful, Capability.FETCH),
    ("test_lost_reply_is_unknown", Giving, Capability.DELIVER),
    ("test_failed_query_is_transient", Pessimist, Capability.CONFIRM),
    ("test_undeclared_capabilities_refuse", Modest, Capability.DELIVER),
    ("test_any_answer_is_a_value_or_an_error", Fragile, Capability.CONFIRM),
]


@pytest.mark.parametrize(("check", "broken", "capability"), CALLS)
def test_broken_callers_are_caught(check, broken, capability) -> None:
    """Each check of calls fails for the adapter that breaks its rule."""
    platform = broken(TinyOptions(), CountingClient(Response(status=200)))
    call, _ = _call(platform)
    arguments = {"answers": {}} if "one_request" in check else {}
    with pytest.raises(
        (AssertionError, RejectedError, UnsupportedFeature, ValueError, pytest.fail.Exception)
    ):
        getattr(TestTiny(), check)(platform, capability, call, **arguments)


def test_success_that_is_refused_is_caught() -> None:
    """An answer that the author calls a success must be taken for one."""
    platform = Tiny(TinyOptions(), CountingClient(Response(status=200)))
    call, _ = _call(platform)
    answers = {Capability.CONFIRM: Response(status=404)}
    with pytest.raises(AssertionError, match="succeeds was refused"):
        TestTiny().test_declared_call_makes_one_request(platform, Capability.CONFIRM, call, answers)


@pytest.mark.parametrize("broken", [Chatty, Loose])
def test_leaks_are_caught(broken) -> None:
    """A credential in a log and a card in a local variable are caught."""
    platform = broken(TinyOptions(), CountingClient(Response(status=200)))
    call, detector = _call(platform)
    detector._own.discard(__file__)  # the broken adapter lives in this file
    with pytest.raises(AssertionError, match="secrets came out"):
        TestTiny().test_nothing_leaks(platform, [_message()], NOW, detector, call)


def test_io_while_constructing_is_caught(monkeypatch) -> None:
    """A request or a connection in the constructor is caught."""
    eager = Eager(TinyOptions(), CountingClient(Response(status=200)))
    with pytest.raises(AssertionError):
        TestTiny().test_constructing_does_no_io(eager, monkeypatch)
    dialling = Dialling(TinyOptions(), CountingClient(Response(status=200)))
    dialling.options = TinyOptions(older=())
    with pytest.raises(AssertionError, match="connection was opened"):
        TestTiny().test_constructing_does_no_io(dialling, monkeypatch)


def test_repeatable_deliveries_may_be_transient() -> None:
    """Where a repeated delivery hands over once, a lost answer may be transient."""

    class Repeating(Tiny):
        capabilities = Tiny.capabilities | {Capability.REPEAT_DELIVERY}

        def deliver(self, delivery: Delivery) -> str:
            try:
                return super().deliver(delivery)
            except Exception:  # noqa: BLE001 - whatever is lost is sent again
                raise TransientError("again") from None

    platform = Repeating(TinyOptions(), CountingClient(Response(status=200)))
    call, _ = _call(platform)
    TestTiny().test_lost_reply_is_unknown(platform, Capability.DELIVER, call)


def test_exemptions_need_a_test_and_a_reason() -> None:
    """An exemption that names no test, or gives no reason, is refused at once."""
    for exempt in ({"test_of_nothing": "why"}, {"test_nothing_leaks": " "}, {"build": "why"}):
        with pytest.raises(TypeError, match="exempt"):
            type("TestWrong", (PlatformSuite,), {"exempt": exempt})


def test_suite_itself_collects_nothing() -> None:
    """The base class is no test; subclasses are."""
    assert not PlatformSuite.__test__
    assert TestTiny.__test__
    with pytest.raises(pytest.fail.Exception, match="fixture 'platform'"):
        PlatformSuite.__dict__["_0_platform"].__wrapped__(TestTiny())


def test_long_messages_are_sampled() -> None:
    """Of a very long message as many bytes are flipped as of one of 2,048 bytes."""
    long = Inbound(method="POST", path="/", body=b"x" * 10_000)
    changed = [inbound.body for _, inbound in flipped(long)]
    assert len(changed) == len(set(changed)) == 2048
