"""The conformance suite for platform adapters: subclass it, give it fixtures, run pytest."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar, Final, NoReturn

import attrs
import pytest

from autocard import AdapterError, InvalidOrder
from autocard.spi import (
    Answer,
    Capability,
    Card,
    Client,
    Delivery,
    Inbound,
    Money,
    Order,
    Platform,
    Receipt,
    Refund,
    Reply,
    Response,
    Secret,
    StockLevel,
    TransientError,
    UnknownOutcome,
    UnsupportedFeature,
    VerificationError,
    Verified,
)
from autocard.testing.leaks import SHORTEST, LeakDetector
from autocard.testing.mutations import (
    GARBAGE,
    CountingClient,
    flipped,
    noise,
    refusals,
    scrambled,
    secrets_of,
    without_parameter,
)
from autocard.testing.suite import Suite

_CALLS: Final[Mapping[Capability, str]] = MappingProxyType(
    {
        Capability.CONFIRM: "confirm",
        Capability.FETCH: "fetch",
        Capability.DELIVER: "deliver",
        Capability.FIND_DELIVERY: "find_delivery",
        Capability.REFUND: "refund",
        Capability.PUBLISH_STOCK: "publish_stock",
    }
)
# Typed loosely, so that the suite needs no more than what adapters may import.
_ID: Final[Any] = 1
_REFERENCE: Final[Any] = "autocard-reference-0001"
_SAFE: Final = frozenset({Capability.CONFIRM, Capability.FETCH, Capability.FIND_DELIVERY})
_SPENDS: Final = frozenset({Capability.DELIVER, Capability.REFUND})
_EXPECTED: Final = (AdapterError, InvalidOrder, VerificationError)


class PlatformSuite(Suite):
    """
    What every platform adapter must do. Subclass it with a name that begins with `Test`.

    Give these fixtures; only `platform` is required, and `genuine` where the adapter declares
    `RECEIVE`:

    - `platform`: the adapter, built with any client and with credentials of 8 characters or more;
    - `genuine`: a list of signed `Inbound` messages that pay an order;
    - `now`: the time at which `genuine` are recent;
    - `orders`: what `parse` must make of `genuine`, in their order; empty compares nothing;
    - `answers`: for a `Capability`, the `Response` of a call that succeeds;
    - `paid_order`, `delivery`, `refund`: arguments of the calls that `answers` fit.

    Name their functions alike, such as `platform`, or `_platform` with `name="platform"`: pytest takes
    the fixtures of a class in the order of their functions, and another name may lose to ours.

    Declared capabilities are tested, undeclared ones must raise `UnsupportedFeature`.
    """

    window_s: ClassVar[float | None] = None
    """How many seconds a signed time may be away from now; None where no time is signed."""

    def signs_time(self, inbound: Inbound) -> bool:  # noqa: ARG002 - for subclasses
        """Say whether *inbound* carries a signed time. May be overridden."""
        return self.window_s is not None

    def build(self, platform: Platform, client: Client) -> Platform:
        """Return an adapter like *platform* that speaks through *client*. May be overridden."""
        return type(platform)(platform.options, client)

    # --- fixtures ---------------------------------------------------------------------------

    @pytest.fixture(name="platform")
    def _0_platform(self) -> Platform:
        pytest.fail(
            "the suite needs a fixture 'platform', a function named _platform, with the adapter"
        )

    @pytest.fixture(name="genuine")
    def _0_genuine(self) -> list[Inbound]:
        return []

    @pytest.fixture(name="now")
    def _0_now(self) -> datetime:
        return datetime.now(UTC)

    @pytest.fixture(name="orders")
    def _0_orders(self) -> list[Order]:
        return []

    @pytest.fixture(name="answers")
    def _0_answers(self) -> Mapping[Capability, Response]:
        return {}

    @pytest.fixture(name="paid_order")
    def _0_paid_order(self, platform: Platform) -> Order:
        return Order(platform=platform.name, order_no="AC202601010001")

    @pytest.fixture(name="delivery")
    def _0_delivery(self, platform: Platform, canaries: LeakDetector) -> Delivery:
        secret = Secret(canaries.plant("the card"))
        card = Card(_ID, "steam-50", secret, original=secret)
        return Delivery(
            reference=_REFERENCE,
            platform=platform.name,
            order_no="AC202601010001",
            line_no=1,
            item="1024",
            sku="steam-50",
            cards=(card,),
            placed_at=datetime(2026, 1, 1, tzinfo=UTC),
        )

    @pytest.fixture(name="refund")
    def _0_refund(self, platform: Platform) -> Refund:
        return Refund(
            reference=_REFERENCE,
            platform=platform.name,
            order_no="AC202601010001",
            amount=Money("9.90", "CNY"),
        )

    @pytest.fixture(name="canaries")
    def _0_canaries(self, platform: Platform) -> LeakDetector:
        detector = LeakDetector()
        for name, secret in secrets_of(platform.options):
            if len(secret.reveal()) >= SHORTEST:
                detector.watch(f"options.{name}", secret)
        return detector

    @pytest.fixture(name="call")
    def _0_call(
        self, platform: Platform, paid_order: Order, delivery: Delivery, refund: Refund
    ) -> Callable[[Capability, Client], object]:
        level = StockLevel(sku="steam-50", warehouse="main", available=3)

        def call(capability: Capability, client: Client) -> object:
            arguments: dict[Capability, object] = {
                Capability.CONFIRM: paid_order,
                Capability.FETCH: None,
                Capability.DELIVER: delivery,
                Capability.FIND_DELIVERY: delivery,
                Capability.REFUND: refund,
                Capability.PUBLISH_STOCK: [level],
            }
            adapter = self.build(platform, client)
            answer = getattr(adapter, _CALLS[capability])(arguments[capability])
            return list(answer) if capability is Capability.FETCH else answer

        return call

    @pytest.fixture(autouse=True)
    def _skip_exempt(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", request.node.name)
        if name in self.exempt:
            pytest.skip(f"exempt: {self.exempt[name]}")

    @pytest.fixture(name="received")
    def _0_received(self, platform: Platform, genuine: list[Inbound]) -> list[Inbound]:
        if Capability.RECEIVE not in platform.capabilities:
            pytest.skip("this platform sends no messages")
        assert genuine, "RECEIVE is declared: give genuine messages in the fixture 'genuine'"
        return genuine

    # --- messages ---------------------------------------------------------------------------

    def test_genuine_messages_are_accepted(
        self, platform: Platform, received: list[Inbound], now: datetime, orders: list[Order]
    ) -> None:
        """Each genuine message is verified and parsed into the order that was expected."""
        parsed = [platform.parse(platform.verify(inbound, now=now)) for inbound in received]
        assert all(order.platform and order.order_no for order in parsed)
        assert not orders or parsed == orders

    def test_flipped_bytes_are_refused(
        self, platform: Platform, received: list[Inbound], now: datetime
    ) -> None:
        """
        A message with one changed byte of query, body or header is refused, whichever it is.

        Give `genuine` only headers that count.
        """
        for inbound in received:
            for where, changed in flipped(inbound):
                assert _is_refused(platform, changed, now), f"accepted with a changed {where}"

    def test_dropped_parameters_are_refused(
        self, platform: Platform, received: list[Inbound], now: datetime
    ) -> None:
        """A message that has lost a parameter of its query or form is refused."""
        for inbound in received:
            for where, changed in without_parameter(inbound):
                assert _is_refused(platform, changed, now), f"accepted without {where}"

    def test_dropped_headers_are_refused(
        self, platform: Platform, received: list[Inbound], now: datetime
    ) -> None:
        """A message that has lost a header is refused; give `genuine` only headers that count."""
        for inbound in received:
            for name in inbound.headers:
                kept = {other: text for other, text in inbound.headers.items() if other != name}
                changed = attrs.evolve(inbound, headers=kept)
                assert _is_refused(platform, changed, now), f"accepted without header {name}"

    def test_stale_messages_are_refused(
        self, platform: Platform, received: list[Inbound], now: datetime
    ) -> None:
        """A message whose signed time is too far from now, in either direction, is refused."""
        timed = [inbound for inbound in received if self.signs_time(inbound)]
        if not timed or self.window_s is None:
            pytest.skip("this platform signs no time")
        # Twice the window: a sample may have been signed up to one window before `now`.
        away = timedelta(seconds=2 * self.window_s + 2)
        for inbound in timed:
            assert _is_refused(platform, inbound, now + away), "accepted long after its time"
            assert _is_refused(platform, inbound, now - away), "accepted long before its time"

    def test_refusal_explains_nothing(
        self, platform: Platform, received: list[Inbound], now: datetime
    ) -> None:
        """The reply to a refused message is always the same and quotes nothing of it."""
        order = platform.parse(platform.verify(received[0], now=now))
        receipt = Receipt(platform=order.platform, order_no=order.order_no, lines=())
        first = platform.acknowledge(Answer.REFUSED, None)
        assert first == platform.acknowledge(Answer.REFUSED, receipt)
        assert order.order_no.encode() not in first.body

    def test_every_answer_has_a_reply(self, platform: Platform, received: list[Inbound]) -> None:
        """Accepted, refused and later are each answered, and accepted differs from the others."""
        assert received
        replies = {answer: platform.acknowledge(answer, None) for answer in Answer}
        assert all(isinstance(reply, Reply) for reply in replies.values())
        accepted = replies.pop(Answer.ACCEPTED)
        assert accepted not in replies.values()

    def test_anything_is_verified_or_refused(
        self, platform: Platform, received: list[Inbound], now: datetime
    ) -> None:
        """Whatever is received is either verified or refused with `VerificationError`."""
        for inbound in noise(received):
            _is_refused(platform, inbound, now)

    def test_anything_proved_is_parsed_or_refused(
        self, platform: Platform, received: list[Inbound], now: datetime
    ) -> None:
        """Whatever a proved message says, parsing gives an order or a documented error."""
        fields = dict(platform.verify(received[0], now=now).fields)
        for inbound in noise(received):
            for said in (fields, scrambled(fields, len(inbound.query)), {}):
                try:
                    platform.parse(Verified(inbound, said))
                except _EXPECTED:
                    continue

    def test_unknown_fields_are_ignored(
        self, platform: Platform, received: list[Inbound], now: datetime
    ) -> None:
        """A field that a later version of the platform may add changes nothing."""
        for inbound in received:
            verified = platform.verify(inbound, now=now)
            more = Verified(inbound, {**verified.fields, "autocard_unknown": "1"})
            assert platform.parse(more) == platform.parse(verified)

    def test_money_is_exact_and_times_are_aware(
        self, platform: Platform, received: list[Inbound], now: datetime
    ) -> None:
        """A payment is `Money` above zero; every time has a time zone."""
        for inbound in received:
            order = platform.parse(platform.verify(inbound, now=now))
            times = [order.placed_at]
            if order.payment is not None:
                assert isinstance(order.payment.paid, Money)
                assert order.payment.paid.amount > 0
                times.append(order.payment.paid_at)
            assert all(moment is None or moment.tzinfo is not None for moment in times)

    # --- calls ------------------------------------------------------------------------------

    def test_name_is_given(self, platform: Platform) -> None:
        """The adapter has a name and options that are a frozen attrs class."""
        assert platform.name
        assert attrs.has(platform.Options)
        assert isinstance(platform.options, platform.Options)

    def test_constructing_does_no_io(
        self, platform: Platform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Building the adapter opens no connection and makes no request."""
        monkeypatch.setattr(socket.socket, "connect", _no_network)
        client = CountingClient(Response(status=200))
        self.build(platform, client)
        assert client.requests == []

    @pytest.mark.parametrize("capability", _CALLS)
    def test_undeclared_capabilities_refuse(
        self,
        platform: Platform,
        capability: Capability,
        call: Callable[[Capability, Client], object],
    ) -> None:
        """A call that the adapter does not declare raises `UnsupportedFeature`, without I/O."""
        if capability in platform.capabilities:
            pytest.skip("declared")
        client = CountingClient(Response(status=200))
        with pytest.raises(UnsupportedFeature):
            call(capability, client)
        assert client.requests == []

    def test_undeclared_messages_refuse(self, platform: Platform, now: datetime) -> None:
        """An adapter that does not declare `RECEIVE` refuses every message as unsupported."""
        if Capability.RECEIVE in platform.capabilities:
            pytest.skip("declared")
        inbound = Inbound(method="POST", path="/")
        with pytest.raises(UnsupportedFeature):
            platform.verify(inbound, now=now)
        with pytest.raises(UnsupportedFeature):
            platform.parse(Verified(inbound))
        with pytest.raises(UnsupportedFeature):
            platform.acknowledge(Answer.REFUSED, None)

    @pytest.mark.parametrize("capability", _CALLS)
    def test_declared_call_makes_one_request(
        self,
        platform: Platform,
        capability: Capability,
        call: Callable[[Capability, Client], object],
        answers: Mapping[Capability, Response],
    ) -> None:
        """A declared call makes one request through the client and says whether it is safe."""
        _need(platform, capability)
        client = CountingClient(answers.get(capability, Response(status=200, body=b"{}")))
        try:
            call(capability, client)
        except UnsupportedFeature:
            raise
        except _EXPECTED:
            assert capability not in answers, "the answer of a call that succeeds was refused"
        assert len(client.requests) == 1
        if capability in _SAFE:
            assert client.requests[0].safe, "a query is safe to repeat"
        if capability in _SPENDS and Capability.REPEAT_DELIVERY not in platform.capabilities:
            assert not client.requests[0].safe, "handing over or paying back is not safe to repeat"

    @pytest.mark.parametrize("capability", sorted(_SPENDS))
    def test_lost_reply_is_unknown(
        self,
        platform: Platform,
        capability: Capability,
        call: Callable[[Capability, Client], object],
    ) -> None:
        """When the answer to an unsafe call is lost or is a server error, nobody claims to know."""
        _need(platform, capability)
        allowed: tuple[type[AdapterError], ...] = (UnknownOutcome,)
        if Capability.REPEAT_DELIVERY in platform.capabilities:
            allowed = (UnknownOutcome, TransientError)
        for lost in (UnknownOutcome("lost"), Response(status=502, body=b"<html>")):
            with pytest.raises(allowed):
                call(capability, CountingClient(lost))

    @pytest.mark.parametrize("capability", sorted(_SAFE))
    def test_failed_query_is_transient(
        self,
        platform: Platform,
        capability: Capability,
        call: Callable[[Capability, Client], object],
    ) -> None:
        """When a query fails on the way or at the server, trying again later is safe."""
        _need(platform, capability)
        for failed in (TransientError("no connection"), Response(status=502, body=b"<html>")):
            with pytest.raises(TransientError):
                call(capability, CountingClient(failed))

    @pytest.mark.parametrize("capability", _CALLS)
    def test_any_answer_is_a_value_or_an_error(
        self,
        platform: Platform,
        capability: Capability,
        call: Callable[[Capability, Client], object],
    ) -> None:
        """Whatever the other side answers, a call returns or raises an `AdapterError`."""
        _need(platform, capability)
        odd = [Response(status=200, body=body) for body in GARBAGE]
        odd += [Response(status=status, body=b"<html>") for status in (204, 302, 404, 500)]
        for response in odd:
            try:
                call(capability, CountingClient(response))
            except _EXPECTED:
                continue

    def test_nothing_leaks(
        self,
        platform: Platform,
        genuine: list[Inbound],
        now: datetime,
        canaries: LeakDetector,
        call: Callable[[Capability, Client], object],
    ) -> None:
        """No credential and no card shows in a repr, a log, or an error and its local variables."""
        canaries.check_value("the adapter", platform)
        canaries.check_value("its options", platform.options)
        with canaries:
            for inbound in genuine:
                for _, changed in without_parameter(inbound):
                    _note_error(canaries, platform.verify, changed, now=now)
            for capability in platform.capabilities & _CALLS.keys():
                for answer in refusals():
                    _note_error(canaries, call, capability, CountingClient(answer))
        canaries.assert_clean()


def _need(platform: Platform, capability: Capability) -> None:
    if capability not in platform.capabilities:
        pytest.skip("not declared")


def _no_network(*_: object) -> NoReturn:
    raise AssertionError("a connection was opened")


def _is_refused(platform: Platform, inbound: Inbound, now: datetime) -> bool:
    try:
        platform.verify(inbound, now=now)
    except VerificationError:
        return True
    return False


def _note_error(
    detector: LeakDetector, function: Callable[..., object], *args: object, **named: object
) -> None:
    try:
        function(*args, **named)
    except _EXPECTED as error:
        detector.check_exception(error)
