"""Fakes for tests of hosts and of autocard itself: a clock to set, a platform that misbehaves."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from autocard.spi import (
    Answer,
    Capability,
    Channel,
    Delivery,
    Inbound,
    Order,
    Payment,
    Platform,
    Receipt,
    Refund,
    Registry,
    Reply,
    VerificationError,
    Verified,
    hookimpl,
)
from autocard.testing.wholesale import FakeSupplier

START: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        """Return the time that was set."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by *seconds*; backwards too."""
        self._now += timedelta(seconds=seconds)


@attrs.define
class Script:
    """
    How the next outside calls go, and what arrived.

    `failures` are raised one a call, before or after the call took effect: an exception alone is
    raised and nothing happens; an exception in a 1-tuple is raised after the effect, as when an
    answer is lost. None lets a call pass. When they are used up every call passes.
    """

    failures: deque[Exception | tuple[Exception] | None] = attrs.field(factory=deque)
    delivered: dict[str, list[Delivery]] = attrs.field(factory=dict)
    refunded: list[Refund] = attrs.field(factory=list)
    paid: dict[str, Payment | None] = attrs.field(factory=dict)
    orders: list[Order] = attrs.field(factory=list)
    calls: int = 0

    def fail(self, *failures: Exception | tuple[Exception] | None) -> None:
        """Queue failures."""
        self.failures.extend(failures)

    def call(self, effect: Any) -> Any:
        """Make one scripted call."""
        self.calls += 1
        failure = self.failures.popleft() if self.failures else None
        if isinstance(failure, Exception):
            raise failure
        result = effect()
        if isinstance(failure, tuple):
            raise failure[0]
        return result

    def take(self, delivery: Delivery) -> str:
        """Note a delivery under its reference."""
        self.delivered.setdefault(delivery.reference, []).append(delivery)
        return "remote-1"


@attrs.frozen
class _Options:
    """The script this instance follows."""

    script: Any


class ScriptedPlatform(Platform):
    """A platform in memory. It can do everything but prove that repeating is safe."""

    name = "scripted"
    capabilities = frozenset(
        {
            Capability.RECEIVE,
            Capability.CONFIRM,
            Capability.FETCH,
            Capability.DELIVER,
            Capability.FIND_DELIVERY,
            Capability.REFUND,
        }
    )
    Options = _Options

    @property
    def script(self) -> Script:
        """What it follows."""
        script: Script = self.options.script
        return script

    def verify(self, inbound: Inbound, *, now: datetime) -> Verified:  # noqa: ARG002 - no time here
        """Accept what says `genuine`."""
        if inbound.headers.get("proof") != "genuine":
            raise VerificationError("the message is not genuine")
        return Verified(inbound)

    def parse(self, verified: Verified) -> Order:
        """Return the scripted order whose number is the body."""
        order_no = verified.inbound.body.decode()
        return next(order for order in self.script.orders if order.order_no == order_no)

    def acknowledge(self, answer: Answer, receipt: Receipt | None) -> Reply:  # noqa: ARG002 - no cards here
        """Say the answer."""
        return Reply(body=answer.encode())

    def confirm(self, order: Order) -> Payment | None:
        """Return the scripted payment, or what the order says."""
        known: Payment | None = self.script.call(
            lambda: self.script.paid.get(order.order_no, order.payment)
        )
        return known

    def fetch(self, since: datetime | None) -> Iterable[Order]:  # noqa: ARG002 - lists everything
        """Return all scripted orders."""
        orders: list[Order] = self.script.call(lambda: list(self.script.orders))
        return orders

    def deliver(self, delivery: Delivery) -> str:
        """Note the delivery."""
        remote: str = self.script.call(lambda: self.script.take(delivery))
        return remote

    def find_delivery(self, delivery: Delivery) -> bool:
        """Say whether the delivery was noted."""
        found: bool = self.script.call(lambda: delivery.reference in self.script.delivered)
        return found

    def refund(self, refund: Refund) -> str:
        """Note the refund."""
        self.script.call(lambda: self.script.refunded.append(refund))
        return "refund-1"


class ScriptedChannel(Channel):
    """A channel in memory that can neither be asked nor repeated."""

    name = "scripted"
    capabilities = frozenset({Capability.SEND})
    Options = _Options

    def send(self, delivery: Delivery) -> str:
        """Note the delivery."""
        script: Script = self.options.script
        remote: str = script.call(lambda: script.take(delivery))
        return remote


class RepeatableChannel(ScriptedChannel):
    """A channel in memory that hands over once however often a reference comes."""

    name = "repeatable"
    capabilities = frozenset({Capability.SEND, Capability.REPEAT_DELIVERY})


class ScriptedAdapters:
    """The plugin that registers all adapters in memory; pass it to `Engine.open(plugins=…)`."""

    @hookimpl
    def autocard_register(self, registry: Registry) -> None:
        """Register them."""
        registry.platform(ScriptedPlatform)
        registry.channel(ScriptedChannel)
        registry.channel(RepeatableChannel)
        registry.supplier(FakeSupplier)
