"""Carry out committed intents: one outside call each, its outcome settled in a commit (T4)."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Final

import attrs

from autocard.clock import Clock, from_ms, to_ms
from autocard.config import Settings
from autocard.errors import (
    AdapterError,
    IllegalTransition,
    OrderArchived,
    RejectedError,
    SealError,
    TransientError,
    UnknownOutcome,
    UnsupportedFeature,
)
from autocard.events import event, heard, line_event
from autocard.http.retry import next_try
from autocard.model import Card, Delivery, Order, OrderId, Refund
from autocard.money import Money
from autocard.plugins import Plugins
from autocard.ports import Capability, Channel, Platform, Pool, Transaction
from autocard.records import (
    DIRECT,
    Allocation,
    EventEntry,
    IntentKind,
    Status,
    StoredIntent,
    StoredLine,
    StoredOrder,
    legible,
)
from autocard.states import CardState, IntentState, Outcome, Reason
from autocard.vault import Vault

_LOG: Final = logging.getLogger("autocard.delivering")
CHANNEL: Final = "channel:"
PLATFORM: Final = "platform"
_QUOTED: Final = 4  # shorter texts turn up by chance
DELIVERED: Final = Status(Outcome.DELIVERED)
DELIVERING: Final = Status(Outcome.PENDING, Reason.DELIVERING)


class _Verdict(Enum):
    """What one try came to."""

    DONE = "done"
    AGAIN = "again"
    UNKNOWN = "unknown"
    FAILED = "failed"


# What each error of an adapter means for the intent. Anything else may have been sent.
_VERDICTS: Final[tuple[tuple[type[Exception], _Verdict], ...]] = (
    (TransientError, _Verdict.AGAIN),
    (UnknownOutcome, _Verdict.UNKNOWN),
    (RejectedError, _Verdict.FAILED),
    (UnsupportedFeature, _Verdict.FAILED),
    (SealError, _Verdict.FAILED),
    (OrderArchived, _Verdict.FAILED),
)


def _number_of(said: object) -> str:
    """Return the number that a platform or channel gave; one of another kind is none."""
    return legible(said) if isinstance(said, str) else ""


@attrs.frozen
class _Try:
    """The outcome of one try, with what to remember of it."""

    verdict: _Verdict
    problem: str = attrs.field(default="", converter=legible)
    remote: str = attrs.field(default="", converter=_number_of)
    retry_after_s: float | None = None


@attrs.frozen(kw_only=True)
class Courier:
    """Makes the calls that orders intend, and settles what came of them."""

    pool: Pool
    vault: Vault
    clock: Clock
    settings: Settings
    plugins: Plugins
    platforms: Mapping[str, Platform]
    channels: Mapping[str, Channel]

    def routes(self, platform: str) -> tuple[str, ...]:
        """Return how cards of this platform's orders reach the buyer."""
        settings = self.settings.platforms.get(platform)
        if settings is None:
            return (DIRECT,)
        if settings.deliver is not None:
            return settings.deliver
        can_push = Capability.DELIVER in self.platforms[platform].capabilities
        return (PLATFORM,) if can_push else (DIRECT,)

    def known_routes(self, platform: str) -> frozenset[str]:
        """Return every route by which cards of this platform could be sent."""
        routes = {CHANNEL + name for name in self.channels}
        adapter = self.platforms.get(platform)
        if adapter is not None and Capability.DELIVER in adapter.capabilities:
            routes.add(PLATFORM)
        return frozenset(routes)

    def deliver(self, allocation: Allocation) -> tuple[EventEntry, ...]:
        """Make the calls of one order: the one leased by its commit, then those that are due."""
        told: list[EventEntry] = []
        for intent in self.pool.intents_of(allocation.order_id):
            if intent.reference in allocation.pushed and intent.state is IntentState.SENDING:
                told += self._carry_out(intent)[1]
        while (intent_due := self._claim(allocation.order_id)) is not None:
            told += self._carry_out(intent_due)[1]
        return tuple(told)

    def deliver_due(self, limit: int) -> tuple[int, int]:
        """Claim what is due, one by one, and make the calls; return how many were done or not."""
        done = tried = 0
        while tried < limit and (intent := self._claim(None)) is not None:
            is_done, told = self._carry_out(intent)
            tried += 1
            done += is_done
            self._tell(intent.order_id, told)
        return done, tried - done

    def _claim(self, order_id: OrderId | None) -> StoredIntent | None:
        """Own one due intent for as long as one call may take; nobody else will make it."""
        lease_ms = int(self.settings.delivery.lease_s * 1000)
        now_ms = to_ms(self.clock.now())
        claimed = self.pool.claim_intents(now_ms, lease_ms, 1, order_id=order_id)
        return claimed[0] if claimed else None

    def _carry_out(self, intent: StoredIntent) -> tuple[bool, list[EventEntry]]:
        """
        Make the call of a claimed intent, or look its lost answer up, and settle the outcome.

        Effects: one or two outside calls, then one commit.
        """
        stored = self.pool.order_by_id(intent.order_id)
        assert stored is not None
        try:
            attempt = self._attempt(intent, stored)
        except Exception as error:  # noqa: BLE001 - whatever an adapter raises has a meaning
            attempt = _judge(error)
        attempt = self._discreet(attempt, stored)
        return attempt.verdict is _Verdict.DONE, self._settle(intent, stored, attempt)

    def _discreet(self, attempt: _Try, stored: StoredOrder) -> _Try:
        """Leave an adapter's words out where they repeat a card or the buyer: they are stored."""
        if not attempt.problem and not attempt.remote:
            return attempt
        try:
            order = self.vault.open_order(stored)
            lines = {line.line_no: line.sku for line in stored.lines}
            sealed = self.pool.cards_of(stored.id)
            cards = [self.vault.open_card(lines[no], x) for no in sealed for x in sealed[no]]
        except (SealError, OrderArchived):  # then no adapter was shown anything
            return attempt
        problem, remote = (discreet(x, order, cards) for x in (attempt.problem, attempt.remote))
        return attrs.evolve(attempt, problem=problem, remote=remote)

    def _tell(self, order_id: OrderId, told: list[EventEntry]) -> None:
        stored = self.pool.order_by_id(order_id) if self.plugins.has_recorded else None
        if stored is not None:
            for entry in told:
                self.plugins.recorded(heard(entry, stored.platform, stored.order_no))

    # --- one try ---

    def _attempt(self, intent: StoredIntent, stored: StoredOrder) -> _Try:
        if intent.kind is IntentKind.REFUND:
            return self._refund(intent, stored)
        delivery = self._delivery(intent, stored)
        if intent.state is IntentState.UNKNOWN:
            found = self._look_up(intent, stored, delivery)
            if found is not None:
                return found
        adapter = self._adapter(intent.route, stored.platform)
        if isinstance(adapter, Channel):
            return _Try(_Verdict.DONE, remote=adapter.send(delivery))
        return _Try(_Verdict.DONE, remote=adapter.deliver(delivery))

    def _look_up(
        self, intent: StoredIntent, stored: StoredOrder, delivery: Delivery
    ) -> _Try | None:
        """Find out what became of a lost answer; None when sending again is proved safe."""
        adapter = self._adapter(intent.route, stored.platform)
        capabilities = adapter.capabilities
        if Capability.REPEAT_DELIVERY in capabilities:
            return None
        if Capability.FIND_SENT in capabilities and isinstance(adapter, Channel):
            arrived = _ask(lambda: adapter.find(delivery))
        elif Capability.FIND_DELIVERY in capabilities and isinstance(adapter, Platform):
            arrived = _ask(lambda: adapter.find_delivery(delivery))
        else:
            return _Try(_Verdict.FAILED, "the answer was lost and cannot be looked up")
        if isinstance(arrived, _Try):
            return arrived
        return _Try(_Verdict.DONE) if arrived else None

    def _refund(self, intent: StoredIntent, stored: StoredOrder) -> _Try:
        if intent.state is IntentState.UNKNOWN:
            return _Try(_Verdict.FAILED, "the answer was lost; look at the platform's records")
        order = self.vault.open_order(stored)
        assert intent.amount_minor is not None
        assert intent.currency is not None
        remote = self.platforms[stored.platform].refund(
            Refund(
                reference=intent.reference,
                platform=stored.platform,
                order_no=stored.order_no,
                amount=Money.from_minor(intent.amount_minor, intent.currency),
                payment_reference=order.payment.reference if order.payment else "",
            )
        )
        return _Try(_Verdict.DONE, remote=remote)

    def _adapter(self, route: str, platform: str) -> Platform | Channel:
        adapter: Platform | Channel | None
        if route.startswith(CHANNEL):
            adapter = self.channels.get(route.removeprefix(CHANNEL))
        else:
            adapter = self.platforms.get(platform)
        if adapter is None:
            raise RejectedError(f"{route} is no longer configured")
        return adapter

    def _delivery(self, intent: StoredIntent, stored: StoredOrder) -> Delivery:
        line = _line(stored, intent.line_no)
        order = self.vault.open_order(stored)
        sealed = self.pool.cards_of(stored.id).get(line.line_no, ())
        if len(sealed) != line.units:  # one was voided since; half a line is never sent
            raise RejectedError(f"of {line.units} cards {len(sealed)} can be handed over")
        wanted = order.lines[line.line_no - 1]
        return Delivery(
            reference=intent.reference,
            platform=stored.platform,
            order_no=stored.order_no,
            line_no=line.line_no,
            item=line.item,
            sku=line.sku,
            cards=tuple(self.vault.open_card(line.sku, card) for card in sealed),
            buyer=order.buyer,
            target=wanted.target,
            placed_at=from_ms(intent.created_ms),
            sent_at=self.clock.now(),
        )

    # --- settle (T4) ---

    def _settle(self, intent: StoredIntent, stored: StoredOrder, attempt: _Try) -> list[EventEntry]:
        now_ms = to_ms(self.clock.now())
        verdict = attempt.verdict
        is_open = verdict in (_Verdict.AGAIN, _Verdict.UNKNOWN)
        if is_open and intent.attempts >= self.settings.delivery.tries:
            verdict = _Verdict.FAILED
        try:
            events = self.pool.change(
                lambda change: self._write(change, intent, stored, verdict, attempt, now_ms)
            )
        except IllegalTransition:
            # Our lease ran out and another host owns the intent now; its word counts.
            _LOG.warning("intent %s was taken over while it was sent", intent.id)
            return []
        if verdict is _Verdict.FAILED:  # a copy of a direct delivery holds no line
            where = (stored.platform, stored.order_no, intent.line_no, intent.route)
            _LOG.error("%s/%s line %s: given up by %s", *where)
        return events

    def _write(
        self,
        change: Transaction,
        intent: StoredIntent,
        stored: StoredOrder,
        verdict: _Verdict,
        attempt: _Try,
        now_ms: int,
    ) -> list[EventEntry]:
        state, due_ms = self._next_state(intent, verdict, attempt, now_ms)
        change.settle_intent(
            intent, state, due_ms=due_ms, problem=attempt.problem, remote=attempt.remote
        )
        told = event(
            f"{_NOUNS[intent.kind]}.{_TOLD[verdict]}",
            now_ms,
            stored.id,
            intent.line_no,
            route=intent.route,
            reference=intent.reference,
            attempts=intent.attempts,
            **({"problem": attempt.problem} if attempt.problem else {}),
        )
        events = [told]
        if intent.kind is not IntentKind.REFUND:
            events += self._settle_line(change, intent, stored, verdict, attempt, now_ms)
        change.record(events)
        return events

    def _next_state(
        self, intent: StoredIntent, verdict: _Verdict, attempt: _Try, now_ms: int
    ) -> tuple[IntentState, int]:
        if verdict is _Verdict.DONE:
            return IntentState.DONE, 0
        if verdict is _Verdict.FAILED:
            return IntentState.FAILED, 0
        delivery = self.settings.delivery
        wait_s = next_try(
            intent.attempts,
            first_s=delivery.first_retry_s,
            cap_s=delivery.longest_retry_s,
            jitter=delivery.jitter,
            random=random.random,
        )
        wait_s = max(wait_s, min(attempt.retry_after_s or 0.0, delivery.longest_retry_s))
        # What was lost once stays so until it is done: this try failed, an earlier one may not have.
        is_known = verdict is _Verdict.AGAIN and intent.state is not IntentState.UNKNOWN
        state = IntentState.DUE if is_known else IntentState.UNKNOWN
        return state, now_ms + int(wait_s * 1000)

    def _settle_line(
        self,
        change: Transaction,
        intent: StoredIntent,
        stored: StoredOrder,
        verdict: _Verdict,
        attempt: _Try,
        now_ms: int,
    ) -> list[EventEntry]:
        current = change.order(stored.platform, stored.order_no)
        assert current is not None
        line = _line(current, intent.line_no)
        if line.status != DELIVERING:  # it was direct too, or is sent again after it arrived
            return []
        if verdict is _Verdict.DONE:
            # A way that failed earlier was given up by whoever had the line sent another way.
            if change.open_intents(stored.id, line.line_no):
                return []
            change.move_line_cards(
                stored.id, line.line_no, CardState.ISSUED, CardState.DELIVERED, now_ms=now_ms
            )
            status = DELIVERED
        elif verdict is _Verdict.FAILED:
            is_lost = IntentState.UNKNOWN in (intent.state, attempt.verdict.value)
            reason = Reason.UNKNOWN_DELIVERY if is_lost else Reason.UNDELIVERED
            status = Status(Outcome.HELD, reason, f"{intent.route}: {attempt.problem}")
        else:
            return []
        change.settle_line(line, status, now_ms=now_ms)
        return [line_event(stored.id, line, status, now_ms)]


_NOUNS: Final = {IntentKind.DELIVER: "delivery", IntentKind.REFUND: "refund"}
_TOLD: Final = {
    _Verdict.DONE: "settled",
    _Verdict.AGAIN: "delayed",
    _Verdict.UNKNOWN: "lost",
    _Verdict.FAILED: "failed",
}


def discreet(text: str, order: Order, cards: Iterable[Card] = ()) -> str:
    """Return *text*, or a few words instead when it repeats what only the buyer may know."""
    private = [order.buyer.contact, order.buyer.ip]
    for line in order.lines:
        private += [line.target, *line.options.values()]
    for card in cards:
        parts = (card.text(), card.secret, *card.extra.values())
        private += [card.number, *(part.reveal() for part in parts)]
    if any(len(each) >= _QUOTED and each in text for each in private):
        return "(left out: it repeats a card, or what the buyer wrote)"
    return text


def _judge(error: Exception) -> _Try:
    for kind, verdict in _VERDICTS:
        if isinstance(error, kind):
            return _Try(verdict, str(error), retry_after_s=getattr(error, "retry_after_s", None))
    # Only the type is told: an adapter's own exception may quote what it was working on.
    name = type(error).__name__
    _LOG.error("an adapter raised %s while it delivered", name)
    if isinstance(error, AdapterError):
        return _Try(_Verdict.UNKNOWN, str(error))
    return _Try(_Verdict.UNKNOWN, f"the adapter failed with {name}")


def _ask(find: Callable[[], bool]) -> bool | _Try:
    """Return whether it arrived; when that cannot be asked now it stays unknown, never failed."""
    try:
        return find()
    except Exception as error:  # noqa: BLE001 - asking is safe; any failure means: ask later
        name = type(error).__name__
        return _Try(_Verdict.UNKNOWN, f"the platform could not be asked ({name})")


def _line(stored: StoredOrder, line_no: int) -> StoredLine:
    return next(line for line in stored.lines if line.line_no == line_no)
