"""The suite for channels finds the mistakes that it promises to find."""

from __future__ import annotations

import pathlib
from datetime import UTC, datetime
from typing import ClassVar

import attrs
import pytest

from autocard.spi import (
    Capability,
    Channel,
    RejectedError,
    Response,
    Secret,
    TransientError,
    UnknownOutcome,
)
from autocard.testing.channels import ChannelSuite, sample_delivery
from autocard.testing.leaks import LeakDetector
from autocard.testing.mutations import CountingClient


@attrs.frozen
class _Options:
    credential: Secret = attrs.field(factory=lambda: Secret("0123456789abcdef"))
    others: tuple[Secret, ...] = attrs.field(factory=lambda: (Secret("short"),))


class _Good(Channel):
    """Sends one thing with the reference as its id, and can be asked for it."""

    name = "good"
    capabilities = frozenset({Capability.SEND, Capability.FIND_SENT, Capability.REPEAT_DELIVERY})
    Options = _Options

    def __init__(self, options, client):
        super().__init__(options, client)
        self.arrived = []

    def send(self, delivery):
        self.client.request("POST", "https://shop.example/", safe=False)
        self.arrived.append(delivery.reference)
        return delivery.reference

    def find(self, delivery):
        return delivery.reference in self.arrived


def _client():
    return CountingClient(Response(status=200))


class TestGood(ChannelSuite):
    """A channel without mistakes passes; a reason excuses what it cannot do."""

    exempt: ClassVar = {"test_server_error_is_unknown": "this channel does not look at the status"}

    @pytest.fixture(name="channel")
    def _channel(self):
        return _Good(_Options(), _client())

    @pytest.fixture(name="received")
    def _received(self, channel):
        return lambda: channel.arrived


class _Mute(Channel):
    """Declares nothing."""

    name = "mute"
    Options = _Options


class TestMute(ChannelSuite):
    """A channel that declares nothing refuses everything, and that is fine."""

    @pytest.fixture(name="channel")
    def _channel(self):
        return _Mute(_Options(), _client())

    @pytest.fixture(name="received")
    def _received(self):
        return list


@pytest.fixture(name="suite")
def _suite():
    class Suite(ChannelSuite):
        """Called by hand."""

    Suite.__test__ = False
    return Suite()


@pytest.fixture(name="canaries")
def _canaries():
    return LeakDetector()


@pytest.fixture(name="delivery")
def _delivery(canaries):
    return sample_delivery(canaries)


def _bad(**methods):
    return type("_Bad", (_Good,), methods)(_Options(), _client())


def test_it_finds_a_channel_that_sends_twice(suite, delivery):
    """Two things for one delivery are found, on the wire and at the receiver."""

    def send(self, delivery):
        _Good.send(self, delivery)
        return _Good.send(self, delivery)

    channel = _bad(send=send)
    with pytest.raises(AssertionError):
        suite.test_one_delivery_is_one_message(channel, delivery, lambda: channel.arrived)
    with pytest.raises(AssertionError):
        suite.test_a_call_makes_at_most_one_request(channel, delivery)


def test_it_finds_a_channel_that_mixes_deliveries_up(suite, delivery):
    """Two deliveries that look alike are found, and so is one that looks like two."""

    def alike(self, delivery):
        self.arrived.append("same")
        return "same"

    def numbered(self, delivery):
        self.arrived.append(str(len(self.arrived)))
        return "x"

    channel = _bad(send=alike)
    with pytest.raises(AssertionError):
        suite.test_deliveries_are_told_apart(channel, delivery, lambda: channel.arrived)
    channel = _bad(send=numbered)
    with pytest.raises(AssertionError):
        suite.test_repeated_delivery_shows_once(channel, delivery, lambda: channel.arrived)


def test_it_finds_a_channel_that_does_not_find(suite, delivery):
    """A `find` that always says yes, or always no, is found."""
    for answer in (True, False):
        channel = _bad(find=lambda self, delivery, answer=answer: answer)
        with pytest.raises(AssertionError):
            suite.test_what_was_sent_is_found(channel, delivery)


def test_it_finds_a_channel_that_speaks_while_it_is_made(suite, monkeypatch):
    """A constructor that makes a request or opens a file is found."""

    def request(self, options, client):
        _Good.__init__(self, options, client)
        client.request("GET", "https://shop.example/", safe=True)

    def file(self, options, client):
        _Good.__init__(self, options, client)
        pathlib.Path(__file__).read_bytes()

    for init in (request, file):
        channel = _bad()
        type(channel).__init__ = init
        with pytest.raises(AssertionError):
            suite.test_constructing_does_no_io(channel, monkeypatch)


def test_it_finds_capabilities_that_are_not_declared(suite, delivery):
    """What works without being declared is found, and so is a capability of platforms."""
    with pytest.raises(pytest.fail.Exception):
        suite.test_undeclared_capabilities_refuse(_bad(capabilities=frozenset()), delivery)
    with pytest.raises(AssertionError):
        suite.test_name_is_given(_bad(capabilities=frozenset({Capability.FETCH})))


def test_it_finds_a_channel_that_claims_to_know(suite, delivery):
    """A lost answer or a server error taken for success or refusal is found."""

    def sure(self, delivery):
        try:
            _Good.send(self, delivery)
        except UnknownOutcome:
            raise RejectedError("not done") from None
        return ""

    channel = _bad(send=sure)
    losing = suite.build(channel, CountingClient(UnknownOutcome("lost")))
    with pytest.raises(RejectedError):
        suite.test_lost_answer_is_unknown(channel, losing, delivery)
    with pytest.raises(AssertionError):
        suite.test_server_error_is_unknown(channel, delivery)


def test_only_repeatable_channels_may_say_not_done(suite, delivery):
    """Without `REPEAT_DELIVERY` a lost answer must be unknown; with it, transient will do."""

    def transient(self, delivery):
        raise TransientError("lost")

    once = _bad(send=transient, capabilities=frozenset({Capability.SEND}))
    with pytest.raises(TransientError):
        suite.test_lost_answer_is_unknown(once, once, delivery)
    repeatable = _bad(send=transient)
    suite.test_lost_answer_is_unknown(repeatable, repeatable, delivery)


def test_it_finds_odd_results_and_errors(suite, delivery):
    """A result that is no text and an error of another kind are found."""

    def none(self, delivery):
        self.client.request("POST", "https://shop.example/", safe=False)

    def other(self, delivery):
        raise KeyError("data")

    with pytest.raises(AssertionError, match="text"):
        suite.test_any_answer_is_a_value_or_an_error(_bad(send=none), delivery)
    with pytest.raises(KeyError):
        suite.test_any_answer_is_a_value_or_an_error(_bad(send=other), delivery)


def test_it_finds_leaks(suite, canaries):
    """A card in an error, its local variables or the repr of the channel is found."""

    def quoting(self, delivery):
        raise RejectedError(delivery.cards[0].secret.reveal())

    def shown(self):
        return planted.reveal()

    planted = Secret(canaries.plant("the name of the channel"))
    good = _bad()
    for channel, losing in ((_bad(__repr__=shown), good), (good, _bad(send=quoting))):
        fresh = LeakDetector()
        fresh.watch("planted", planted)
        with pytest.raises(AssertionError, match="secrets came out"):
            suite.test_nothing_leaks(channel, losing, sample_delivery(fresh), fresh)


def test_exemptions_name_a_test_and_a_reason():
    """A misspelt or unexplained exemption is an error when the class is made."""
    for exempt in ({"test_no_such": "why"}, {"test_name_is_given": " "}, {"build": "why"}):
        with pytest.raises(TypeError, match="needs to be a test with a reason"):
            type("TestWrong", (ChannelSuite,), {"exempt": exempt})


def test_the_sample_has_two_cards_and_both_times(delivery):
    """The invented delivery has everything that channels use."""
    assert len(delivery.cards) == 2
    assert datetime(2026, 1, 1, tzinfo=UTC) < delivery.placed_at < delivery.sent_at
