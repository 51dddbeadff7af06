"""Messages from platforms: prove them, serve them, answer as each platform expects."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

import attrs

from autocard.clock import as_utc, to_ms
from autocard.errors import (
    AdapterError,
    AutocardError,
    ConfigurationError,
    IllegalTransition,
    InvalidOrder,
    OrderConflict,
    SealError,
    StoreError,
    TransientError,
    VerificationError,
)
from autocard.events import event
from autocard.flow import Flow
from autocard.http.retry import call_safely
from autocard.joining import UNCONFIRMED
from autocard.model import Answer, Inbound, Order, Receipt, Reply
from autocard.ports import Capability, Platform, Transaction
from autocard.records import Allocation, StoredOrder, legible
from autocard.reserving import Reservations

_LOG: Final = logging.getLogger("autocard.receiving")


@attrs.frozen
class Reception:
    """The way in for messages and fetched orders."""

    flow: Flow
    reservations: Reservations

    def receive(self, name: str, inbound: Inbound) -> Reply:
        """See `Engine.receive`."""
        platform = self.platform(name)
        try:
            order = self.flow.verify(name, inbound)
        except VerificationError:
            _LOG.warning("%s: a message was refused", name)
            return platform.acknowledge(Answer.REFUSED, None)
        except InvalidOrder as error:
            return platform.acknowledge(self._note_refused(name, error), None)
        try:
            receipt = self._serve(order)
        except (OrderConflict, IllegalTransition) as error:
            self._note(order, error)
            return platform.acknowledge(Answer.REFUSED, None)
        except (SealError, StoreError, TransientError) as error:
            _LOG.warning("%s: a message has to come again (%s)", name, type(error).__name__)
            return platform.acknowledge(Answer.LATER, None)
        return platform.acknowledge(Answer.ACCEPTED, receipt)

    def pull(self, name: str, since: datetime | None) -> list[Receipt]:
        """See `Engine.pull`."""
        platform = self.platform(name)
        since = None if since is None else _aware(since)
        orders: list[Order] = []

        def fetch() -> None:
            orders.clear()
            orders.extend(platform.fetch(since))

        problem: AdapterError | None = None
        try:
            call_safely(fetch)
        except AdapterError as error:
            problem = error
        receipts = []
        for order in orders:
            try:
                receipts.append(self._serve(attrs.evolve(order, platform=name)))
            except (OrderConflict, IllegalTransition, InvalidOrder) as error:
                self._note(attrs.evolve(order, platform=name), error)
            except SealError as error:  # one that is damaged must not stop those behind it
                _LOG.error("%s/%s: %s", name, order.order_no, error)
        if problem is not None:  # what came before it is served all the same
            raise problem
        return receipts

    def confirm_again(self, limit: int) -> int:
        """Ask again about orders whose platform could not be asked; return how many moved on."""
        return sum(self._confirm_again(x) for x in self._unconfirmed(limit))

    # --- helpers ---

    def _serve(self, order: Order) -> Receipt:
        if order.payment is None:
            return self.reservations.expect(order)
        return self.flow.dispatch(order, confirm=self._must_confirm(order))

    def _must_confirm(self, order: Order) -> bool:
        """Say whether to ask the platform: where it can be asked, and once for each order."""
        if not self.flow.asks(order.platform):
            return False
        stored = self.flow.pool.order(order.platform, order.order_no)
        return stored is None or stored.paid_ms is None

    def _unconfirmed(self, limit: int) -> list[StoredOrder]:
        can_ask = {
            name
            for name, platform in self.flow.platforms.items()
            if Capability.CONFIRM in platform.capabilities
        }
        return [x for x in self.flow.pool.unconfirmed(limit) if x.platform in can_ask]

    def _confirm_again(self, stored: StoredOrder) -> bool:
        try:
            return self._confirmed(stored)
        except SealError as error:  # one that is damaged must not stop those behind it
            _LOG.error("%s/%s: %s", stored.platform, stored.order_no, error)
            return False

    def _confirmed(self, stored: StoredOrder) -> bool:
        flow = self.flow
        order = flow.vault.open_order(stored)
        doubt = flow.confirm(order)
        if doubt == UNCONFIRMED:
            return False
        decisions = flow.match(order, flow.assess(order, doubt))
        entry = flow.planner.entry(order, decisions)

        def join(change: Transaction) -> Allocation:
            current = change.order(stored.platform, stored.order_no)
            assert current is not None
            return flow.joiner.advance(change, current, entry)

        flow.record(flow.deliver(flow.change(join)))
        return True

    def _note_refused(self, name: str, error: InvalidOrder) -> Answer:
        """Write down that a genuine message is no order: somebody may have paid for it."""
        _LOG.error("%s: a genuine message is no order (%s)", name, error)
        now_ms = to_ms(self.flow.clock.now())
        told = event(
            "order.refused",
            now_ms,
            platform=name,
            field=legible(error.field),
            problem=legible(error.problem),
        )
        try:
            self.flow.pool.change(lambda change: change.record([told]))
        except StoreError:
            return Answer.LATER
        return Answer.REFUSED

    def _note(self, order: Order, error: AutocardError) -> None:
        """Write down that a genuine message contradicts what we know."""
        _LOG.error("%s/%s: %s", order.platform, order.order_no, type(error).__name__)
        stored = self.flow.pool.order(order.platform, order.order_no)
        now_ms = to_ms(self.flow.clock.now())
        told = event(
            "order.conflicted",
            now_ms,
            None if stored is None else stored.id,
            platform=order.platform,
            order_no=order.order_no,
            problem=type(error).__name__,
        )
        self.flow.pool.change(lambda change: change.record([told]))

    def platform(self, name: str) -> Platform:
        """Return a configured platform, or say how to configure it."""
        platform = self.flow.platforms.get(name)
        if platform is None:
            raise ConfigurationError(
                f"there is no platform {name!r}; add [platforms.{name}] to the configuration"
            )
        return platform


def _aware(since: datetime) -> datetime:
    try:
        return as_utc(since, "since")
    except (AttributeError, ValueError, OverflowError):
        raise InvalidOrder("since", "must be a datetime with a time zone") from None
