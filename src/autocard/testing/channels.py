"""The conformance suite for channels: subclass it, give it fixtures, run pytest."""

from __future__ import annotations

import builtins
import io
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn

import attrs
import pytest

from autocard import AdapterError
from autocard.spi import (
    Buyer,
    Capability,
    Card,
    Channel,
    Client,
    Delivery,
    Response,
    Secret,
    TransientError,
    UnknownOutcome,
    UnsupportedFeature,
)
from autocard.testing.leaks import SHORTEST, LeakDetector
from autocard.testing.mutations import GARBAGE, CountingClient
from autocard.testing.suite import Suite

_OF_CHANNELS: Final = frozenset({Capability.SEND, Capability.FIND_SENT, Capability.REPEAT_DELIVERY})
# Typed loosely, so that the suite needs no more than what adapters may import.
_REFERENCE: Final[Any] = "autocard-reference-0001"
_PLACED: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class ChannelSuite(Suite):
    """
    What every channel must do. Subclass it with a name that begins with `Test`.

    Give these fixtures; the first two are required:

    - `channel`: the channel, connected to something that takes what it sends (a server on this
      machine, a directory), with credentials of 8 characters or more;
    - `received`: a callable that returns what has arrived there so far, one text for each thing,
      such as a message id or a file name: equal for what the receiver takes for the same;
    - `delivery`: what is sent, where the invented one does not suit;
    - `losing`: a channel whose next message may arrive and whose answer is lost. Channels that
      speak through their client need not give it.

    Name their functions alike, such as `channel`, or `_channel` with `name="channel"`: pytest takes
    the fixtures of a class in the order of their functions, and another name may lose to ours.

    Declared capabilities are tested, undeclared ones must raise `UnsupportedFeature`.
    """

    def build(self, channel: Channel, client: Client) -> Channel:
        """Return a channel like *channel* that speaks through *client*. May be overridden."""
        return type(channel)(channel.options, client)

    # --- fixtures ---------------------------------------------------------------------------

    @pytest.fixture(name="channel")
    def _0_channel(self) -> Channel:
        pytest.fail(
            "the suite needs a fixture 'channel', a function named _channel, with the channel"
        )

    @pytest.fixture(name="received")
    def _0_received(self) -> Callable[[], Sequence[str]]:
        pytest.fail(
            "the suite needs a fixture 'received', a function named _received, with what arrived"
        )

    @pytest.fixture(name="losing")
    def _0_losing(self, channel: Channel) -> Channel:
        return self.build(channel, CountingClient(UnknownOutcome("the answer is lost")))

    @pytest.fixture(name="canaries")
    def _0_canaries(self, channel: Channel) -> LeakDetector:
        detector = LeakDetector()
        for name, secret in _secrets_of(channel.options):
            if len(secret.reveal()) >= SHORTEST:
                detector.watch(f"options.{name}", secret)
        return detector

    @pytest.fixture(name="delivery")
    def _0_delivery(self, canaries: LeakDetector) -> Delivery:
        return sample_delivery(canaries)

    @pytest.fixture(autouse=True)
    def _skip_exempt(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", request.node.name)
        if name in self.exempt:
            pytest.skip(f"exempt: {self.exempt[name]}")

    # --- what a channel says of itself ------------------------------------------------------

    def test_name_is_given(self, channel: Channel) -> None:
        """The channel has a name, options that are an attrs class, and fitting capabilities."""
        assert channel.name
        assert attrs.has(channel.Options)
        assert isinstance(channel.options, channel.Options)
        assert channel.capabilities <= _OF_CHANNELS

    def test_constructing_does_no_io(
        self, channel: Channel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Building the channel opens no connection and no file, and makes no request."""
        client = CountingClient(Response(status=200))
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "connect", _no_io)
            patch.setattr(socket, "getaddrinfo", _no_io)
            for module, name in ((builtins, "open"), (io, "open"), (os, "open"), (os, "mkdir")):
                patch.setattr(module, name, _no_io)
            self.build(channel, client)
        assert client.requests == []

    # --- sending ----------------------------------------------------------------------------

    def test_one_delivery_is_one_message(
        self, channel: Channel, delivery: Delivery, received: Callable[[], Sequence[str]]
    ) -> None:
        """One `send` returns a text, and exactly one thing arrives."""
        _need(channel, Capability.SEND)
        assert isinstance(channel.send(delivery), str)
        assert len(received()) == 1

    def test_deliveries_are_told_apart(
        self, channel: Channel, delivery: Delivery, received: Callable[[], Sequence[str]]
    ) -> None:
        """Two references are two things to the receiver, whatever else is equal."""
        _need(channel, Capability.SEND)
        channel.send(delivery)
        channel.send(_again(delivery, reference=f"{delivery.reference}-2"))
        assert len(set(received())) == 2

    def test_repeated_delivery_shows_once(
        self, channel: Channel, delivery: Delivery, received: Callable[[], Sequence[str]]
    ) -> None:
        """Where `REPEAT_DELIVERY` is declared, the same reference later is the same thing."""
        _need(channel, Capability.REPEAT_DELIVERY)
        first = channel.send(delivery)
        assert channel.send(_again(delivery)) == first
        assert len(set(received())) == 1

    def test_what_was_sent_is_found(self, channel: Channel, delivery: Delivery) -> None:
        """Where `FIND_SENT` is declared, a delivery is found after it was sent, not before."""
        _need(channel, Capability.FIND_SENT)
        assert channel.find(delivery) is False
        channel.send(delivery)
        assert channel.find(delivery) is True

    def test_undeclared_capabilities_refuse(self, channel: Channel, delivery: Delivery) -> None:
        """What the channel does not declare raises `UnsupportedFeature`, without I/O."""
        client = CountingClient(Response(status=200))
        undeclared = self.build(channel, client)
        for capability, call in (
            (Capability.SEND, undeclared.send),
            (Capability.FIND_SENT, undeclared.find),
        ):
            if capability not in channel.capabilities:
                with pytest.raises(UnsupportedFeature):
                    call(delivery)
        assert client.requests == []

    def test_a_call_makes_at_most_one_request(self, channel: Channel, delivery: Delivery) -> None:
        """One `send` makes one request through the client, and does not call it safe."""
        _need(channel, Capability.SEND)
        client = self._spoken(channel, delivery, Response(status=200))
        assert len(client.requests) == 1
        assert not client.requests[0].safe, "sending is not a query"

    # --- trouble ----------------------------------------------------------------------------

    def test_lost_answer_is_unknown(
        self, channel: Channel, losing: Channel, delivery: Delivery
    ) -> None:
        """When the answer to `send` is lost, nobody claims that it was not done."""
        _need(channel, Capability.SEND)
        with pytest.raises(self._lost_errors(channel)):
            losing.send(delivery)

    def test_server_error_is_unknown(self, channel: Channel, delivery: Delivery) -> None:
        """When the other side breaks down over a message, nobody claims that it was not done."""
        _need(channel, Capability.SEND)
        failed = Response(status=502, body=b"<html>")
        assert isinstance(
            self._spoken(channel, delivery, failed).raised, self._lost_errors(channel)
        )

    def test_any_answer_is_a_value_or_an_error(self, channel: Channel, delivery: Delivery) -> None:
        """Whatever the other side answers, `send` returns a text or raises an `AdapterError`."""
        _need(channel, Capability.SEND)
        for body in GARBAGE:
            for status in (200, 302, 404, 410, 429, 500, 503):
                self._spoken(channel, delivery, Response(status=status, body=body))

    def test_nothing_leaks(
        self, channel: Channel, losing: Channel, delivery: Delivery, canaries: LeakDetector
    ) -> None:
        """No credential and no card shows in a repr, a log, or an error and its local variables."""
        canaries.check_value("the channel", channel)
        canaries.check_value("its options", channel.options)
        with canaries:
            for sender in (channel, losing, *self._refused(channel)):
                error = _error_of(sender, delivery)
                if error is not None:
                    canaries.check_exception(error)
        canaries.assert_clean()

    # --- help -------------------------------------------------------------------------------

    def _lost_errors(self, channel: Channel) -> tuple[type[AdapterError], ...]:
        if Capability.REPEAT_DELIVERY in channel.capabilities:
            return UnknownOutcome, TransientError
        return (UnknownOutcome,)

    def _spoken(self, channel: Channel, delivery: Delivery, answer: Response) -> _Spoken:
        """Send through a client that gives *answer*; skip for channels that do not use it."""
        client = _Spoken(answer)
        client.raised = _error_of(self.build(channel, client), delivery)
        if not client.requests:
            pytest.skip("this channel does not speak through the client")
        return client

    def _refused(self, channel: Channel) -> Iterator[Channel]:
        for status in (302, 403, 410, 429, 500):
            yield self.build(channel, CountingClient(Response(status=status, body=b"<html>")))


class _Spoken(CountingClient):
    """A client that also keeps what came out of the call."""

    raised: AdapterError | None = None


def sample_delivery(canaries: LeakDetector) -> Delivery:
    """Return a delivery of two cards whose every valuable part is planted in *canaries*."""
    return Delivery(
        reference=_REFERENCE,
        platform="shop",
        order_no="AC202601010001",
        line_no=1,
        item="1024",
        sku="steam-50",
        cards=tuple(_sample_card(canaries, number) for number in (1, 2)),
        buyer=Buyer(id="u1", contact="u1@example.com"),
        placed_at=_PLACED,
        sent_at=_PLACED + timedelta(seconds=1),
    )


def _sample_card(canaries: LeakDetector, number: int) -> Card:
    card_no, secret = canaries.plant(f"number {number}"), canaries.plant(f"secret {number}")
    extra = {"pin": Secret(canaries.plant(f"pin {number}"))}
    original = Secret(f"{card_no}----{secret}")
    card_id: Any = number
    return Card(card_id, "steam-50", Secret(secret), card_no, extra, original=original)


def _again(delivery: Delivery, reference: Any = "") -> Delivery:
    """Return *delivery* as it is tried five minutes later."""
    tried = (delivery.sent_at or _PLACED) + timedelta(minutes=5)
    return attrs.evolve(delivery, sent_at=tried, reference=reference or delivery.reference)


def _need(channel: Channel, capability: Capability) -> None:
    if capability not in channel.capabilities:
        pytest.skip("not declared")


def _no_io(*_: object, **__: object) -> NoReturn:
    raise AssertionError("a connection or a file was opened")


def _error_of(channel: Channel, delivery: Delivery) -> AdapterError | None:
    try:
        answer: object = channel.send(delivery)
    except AdapterError as error:
        return error
    assert isinstance(answer, str), "send returns a text"
    return None


def _secrets_of(options: Any) -> Iterator[tuple[str, Secret]]:
    for field in attrs.fields(type(options)):
        value = getattr(options, field.name)
        several = value if isinstance(value, (list, tuple)) else (value,)
        yield from ((field.name, one) for one in several if isinstance(one, Secret))
