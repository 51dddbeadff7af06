"""The review desk: what waits for a person, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import attrs

from autocard.buying import line_need
from autocard.clock import from_ms, to_ms
from autocard.delivering import DELIVERED, DELIVERING, PLATFORM
from autocard.desks.typed import TypedCards
from autocard.errors import (
    ConfigurationError,
    IllegalTransition,
    InvalidOrder,
    OrderArchived,
    OrderNotFound,
    UnsupportedFeature,
)
from autocard.events import event, line_event
from autocard.flow import Flow
from autocard.model import CardId, LineReceipt, Match, Order, OrderId, Receipt, Reference
from autocard.money import Money
from autocard.planning import WayOut, new_reference
from autocard.ports import Capability, Transaction
from autocard.purchasing import shortage
from autocard.receipts import line_receipt, stored_receipt
from autocard.records import (
    Allocation,
    EventEntry,
    IntentEntry,
    IntentKind,
    LineEntry,
    Status,
    StoredIntent,
    StoredLine,
    StoredOrder,
)
from autocard.shielding import shielded
from autocard.states import FINAL, CardState, IntentState, Outcome, Reason

_OUT: Final = (Reason.UNDELIVERED, Reason.UNKNOWN_DELIVERY)
"""The cards of such a line have left stock; it can be sent again, or settled."""
_PAGE: Final = 200
_TOLD: Final = 100  # ids of cards that one event names at most
_WAITING: Final = (Reason.MANUAL, Reason.SHORT)


@attrs.frozen(kw_only=True)
class HeldOrder:
    """An order that waits for a person, with the lines that do and why."""

    platform: str
    order_no: str
    accepted_at: datetime
    paid: Money | None
    lines: tuple[LineReceipt, ...]


@attrs.frozen(kw_only=True)
class _Act:
    """Who does what to an order, and what the commit is to say of it."""

    stored: StoredOrder
    by: str
    why: str
    now_ms: int
    events: list[EventEntry] = attrs.field(factory=list)
    pushed: set[Reference] = attrs.field(factory=set)

    def note(self, kind: str, line: StoredLine, **detail: object) -> None:
        """Write down the act itself, before what follows from it."""
        self.events.append(
            event(
                kind, self.now_ms, self.stored.id, line.line_no, by=self.by, why=self.why, **detail
            )
        )

    def tell(self, line: StoredLine, status: Status) -> None:
        """Write down what the line has become."""
        self.events.append(line_event(self.stored.id, line, status, self.now_ms))


@attrs.frozen
class ReviewDesk:
    """
    `engine.review`: decide about orders that wait for a person.

    Every act is recorded with who did it and why. All raise `OrderNotFound` for an order that is
    not known, and `IllegalTransition` when nothing of it is in a state that allows the act;
    then nothing was changed.
    """

    _flow: Flow
    _typed: TypedCards

    def pending(self, limit: int = 100) -> list[HeldOrder]:
        """
        Return the newest orders with a line that a person decides about or fulfils by hand.

        Also those that wait for cards of a sku that is not in the configuration any more.
        """
        pool = self._flow.pool
        found = [
            *pool.orders(outcome=Outcome.HELD, limit=limit),
            *pool.orders(outcome=Outcome.PENDING, reason=Reason.MANUAL, limit=limit),
            *self._stranded(limit),
        ]
        unique = {stored.id: stored for stored in found}
        newest = sorted(unique.values(), key=lambda stored: stored.id, reverse=True)
        return [_held_order(stored, self._is_stranded) for stored in newest[:limit]]

    def approve(
        self,
        platform: str,
        order_no: str,
        *,
        by: str,
        why: str = "",
        line_no: int | None = None,
        sku: str | None = None,
    ) -> Receipt:
        """
        Serve held lines as if nothing had held them; short of stock they wait in turn.

        Args:
            platform: The order's platform.
            order_no: The order's number.
            by: Who approves.
            why: For the record.
            line_no: Only this line; None means every held one.
            sku: What the lines are, where no rule says it.

        Raises:
            ConfigurationError: *sku* is not configured.

        Effects: one commit; then pushes, as for a new order.
        """
        flow = self._flow
        act = self._act(platform, order_no, by, why)
        lines = _chosen(act.stored, line_no, lambda x: _is_held(x) or self._is_stranded(x))
        _must_be_here(act.stored)
        order = flow.vault.open_order(act.stored)
        chosen = [self._match(order, line, sku) for line in lines]
        bought = [self._open_purchase(line) for line in lines]

        def serve(change: Transaction) -> None:
            for line, match, reference in zip(lines, chosen, bought, strict=True):
                act.note("line.approved", line, sku=match.sku)
                status = self._serve(change, act, line, match)
                if reference and status.reason is Reason.SHORT:
                    raise IllegalTransition(
                        f"line {line.line_no}: stock does not fill it, and purchase {reference} is "
                        "not clear; say what became of that first (supply resolve)"
                    )

        return self._carry_out(act, serve)

    def reject(
        self,
        platform: str,
        order_no: str,
        *,
        by: str,
        why: str,
        line_no: int | None = None,
        refund: bool = False,
    ) -> Receipt:
        """
        End lines that are held or wait; they are never served.

        Cards that had left stock for such a line are voided: somebody may have seen them. A
        payment whose order was never registered is closed too. With *refund* the platform is
        asked to pay the whole order back; `resume` does it.

        Raises:
            UnsupportedFeature: The platform's adapter cannot refund.
            IllegalTransition: *refund*, and another line of the order was or may be served.
        """
        act = self._act(platform, order_no, by, why)
        if not act.stored.lines:
            act = self._give_line(act)
        lines = _chosen(act.stored, line_no, _is_open)
        intents = self._refund_intents(act.stored, lines) if refund else ()
        status = Status(Outcome.REJECTED, Reason.REJECTED, why)

        def end(change: Transaction) -> None:
            for line in lines:
                for state, target in (
                    (CardState.RESERVED, CardState.AVAILABLE),
                    (CardState.ISSUED, CardState.VOID),
                ):
                    change.move_line_cards(
                        line.order_id, line.line_no, state, target, now_ms=act.now_ms
                    )
                change.settle_line(line, status, now_ms=act.now_ms)
                act.note("line.refused", line, refund=refund)
                act.tell(line, status)
            change.insert_intents(act.stored.id, 0, intents, now_ms=act.now_ms)

        return self._carry_out(act, end)

    @shielded
    def fulfil(
        self,
        platform: str,
        order_no: str,
        line_no: int,
        *,
        by: str,
        why: str = "",
        cards: Sequence[str] = (),
        picks: Sequence[CardId] = (),
        note: str = "",
    ) -> Receipt:
        """
        Serve one line by hand: with cards typed in, with cards picked from stock, or, for a
        top-up, with a note that says what was done.

        Typed cards go through the card format of the sku and into a batch of their own; a card
        we already hold or sold is refused.

        Raises:
            InvalidOrder: The number of cards is not what the line needs, or a card is malformed.
        """
        flow = self._flow
        act = self._act(platform, order_no, by, why)
        (line,) = _chosen(act.stored, line_no, _is_servable)
        _must_be_here(act.stored)
        if line.units == 0 and not line.sku:
            line = self._matched(act.stored, line)
        if line.sku not in flow.settings.skus:
            raise ConfigurationError(
                f"there is no sku {line.sku!r} any more; add [skus.{line.sku}], or approve the line "
                "as another sku"
            )
        if len(cards) + len(picks) != line.units:
            raise InvalidOrder("cards", f"line {line_no} needs {line.units} cards, exactly")
        sealed = self._typed.seal(line.sku, cards)
        self._check_picks(line.sku, picks)
        way = flow.planner.way_out(platform, flow.clock.now())
        if line.units == 0:  # there is nothing to push
            way = WayOut(card_state=CardState.DELIVERED, filled=DELIVERED)

        def give(change: Transaction) -> None:
            change.rematch(line, now_ms=act.now_ms)
            typed = self._typed.add(change, line.sku, sealed, by=by, now_ms=act.now_ms)
            self._give_back(change, act, line)
            change.give_cards(line, [*typed, *picks], way.card_state, now_ms=act.now_ms)
            change.settle_line(line, way.filled, now_ms=act.now_ms)
            self._push(change, act, line, way)
            act.note("line.fulfilled", line, note=note)
            act.tell(line, way.filled)

        return self._carry_out(act, give)

    def resend(
        self,
        platform: str,
        order_no: str,
        *,
        by: str,
        why: str,
        line_no: int | None = None,
        route: str | None = None,
    ) -> Receipt:
        """
        Hand the cards of delivered or undelivered lines over once more: the same cards.

        Args:
            platform: The order's platform.
            order_no: The order's number.
            by: Who asks for it.
            why: For the record.
            line_no: Only this line.
            route: `platform` or `channel:NAME`; None means as they were sent before.

        Effects: one commit, then the pushes.
        """
        act = self._act(platform, order_no, by, why)
        lines = _chosen(act.stored, line_no, _is_out)
        self._check_route(platform, route)

        def send(change: Transaction) -> None:
            # Locked, so that what is to be sent does not leave for an archive meanwhile.
            _must_be_here(change.order(platform, order_no))
            sealed = change.cards_of(act.stored.id)
            for line in lines:
                ids = [card.id for card in sealed.get(line.line_no, ())]
                self._send_again(change, act, line, route)
                act.note("line.resent", line, cards=ids[:_TOLD], route=route or "")

        return self._carry_out(act, send)

    def settle(
        self, platform: str, order_no: str, *, by: str, why: str, line_no: int | None = None
    ) -> Receipt:
        """Declare undelivered lines delivered: somebody made sure that the buyer has the cards."""
        act = self._act(platform, order_no, by, why)
        lines = _chosen(act.stored, line_no, lambda line: line.status.reason in _OUT)

        def settle(change: Transaction) -> None:
            for line in lines:
                change.move_line_cards(
                    line.order_id, line.line_no, CardState.ISSUED, CardState.DELIVERED,
                    now_ms=act.now_ms,
                )  # fmt: skip
                change.settle_line(line, DELIVERED, now_ms=act.now_ms)
                act.note("line.settled", line)
                act.tell(line, DELIVERED)

        return self._carry_out(act, settle)

    # --- helpers ---

    def _stranded(self, limit: int) -> list[StoredOrder]:
        """Return the oldest orders that wait for cards that nobody sells any more."""
        pool, after = self._flow.pool, (0, 0)
        found: dict[OrderId, StoredOrder] = {}
        while page := pool.waiting(after=after, limit=_PAGE):
            for line in filter(self._is_stranded, page):
                stored = pool.order_by_id(line.order_id)
                if stored is not None and len(found) < limit:
                    found[stored.id] = stored
            after = (page[-1].order_id, page[-1].line_no)
        return list(found.values())

    def _is_stranded(self, line: StoredLine) -> bool:
        is_waiting = line.status == Status(Outcome.PENDING, Reason.SHORT)
        return is_waiting and line.sku not in self._flow.settings.skus

    def _act(self, platform: str, order_no: str, by: str, why: str) -> _Act:
        if not by:
            raise InvalidOrder("by", "must say who does this")
        stored = self._flow.pool.order(platform, order_no)
        if stored is None:
            raise OrderNotFound(f"{platform}/{order_no} is not known")
        return _Act(stored=stored, by=by, why=why, now_ms=to_ms(self._flow.clock.now()))

    def _give_line(self, act: _Act) -> _Act:
        """Give a payment without an order one line, so that there is something to decide about."""
        flow = self._flow
        order = flow.vault.open_order(act.stored)
        blank = LineEntry(
            line_no=1,
            item="(not registered)",
            quantity=1,
            short=Status(Outcome.HELD, Reason.UNMATCHED, "its order was never registered"),
        )
        entry = attrs.evolve(
            flow.planner.entry(order, []), digest=flow.vault.digest(order), lines=(blank,)
        )
        flow.pool.change(lambda change: change.attach(act.stored.id, entry))
        return self._act(act.stored.platform, act.stored.order_no, act.by, act.why)

    def _match(self, order: Order, line: StoredLine, sku: str | None) -> Match:
        flow = self._flow
        if sku is not None:
            if sku not in flow.settings.skus:
                raise ConfigurationError(f"there is no sku {sku!r}; add [skus.{sku}]")
            return Match(sku)
        decision = flow.match_line(order, order.lines[line.line_no - 1])
        if decision.match is None:
            raise IllegalTransition(
                f"line {line.line_no}: {decision.status and decision.status.why}; say which sku"
            )
        return decision.match

    def _matched(self, stored: StoredOrder, line: StoredLine) -> StoredLine:
        match = self._match(self._flow.vault.open_order(stored), line, None)
        plan = self._flow.planner.plan(match, line.quantity, self._flow.clock.now())
        return attrs.evolve(line, sku=match.sku, units=plan.quantity if plan else 0)

    def _check_picks(self, sku: str, picks: Sequence[CardId]) -> None:
        """Refuse what could not be shown once it is sold: a seal opens for its own sku only."""
        for index, card in enumerate(picks):
            found = self._flow.pool.sealed_card(card)
            if found is None or found[0].sku != sku:
                raise InvalidOrder(f"picks[{index}]", f"is no card of {sku}")
            if found[0].state is CardState.VOID:  # of an undone batch nothing is left to open
                raise IllegalTransition(f"card {card} is not available: it was voided")
            self._flow.vault.open_card(sku, found[1])

    def _open_purchase(self, line: StoredLine) -> str:
        """Return the reference of the purchase for *line* that is not over; "" where there is none."""
        past = self._flow.pool.purchases(need=line_need(line.order_id, line.line_no), limit=1)
        return "".join(x.reference for x in past if x.state not in FINAL)

    def _serve(self, change: Transaction, act: _Act, line: StoredLine, match: Match) -> Status:
        """Fill a line a person has approved; a limit on buyers has been looked at."""
        flow = self._flow
        now = flow.clock.now()
        plan = flow.planner.plan(match, line.quantity, now)
        if line.sku != match.sku:
            self._give_back(change, act, line)
        line = attrs.evolve(
            line,
            sku=match.sku,
            units=0 if plan is None else plan.quantity,
            sources=match.sources,
            batches=match.batches,
        )
        change.rematch(line, now_ms=act.now_ms)
        sku = flow.settings.skus[match.sku]
        short = shortage(sku, match.sources or sku.sources)
        if plan is None:
            change.settle_line(line, short, now_ms=act.now_ms)
            act.tell(line, short)
            return short
        way = flow.planner.way_out(act.stored.platform, now)
        status, sealed = change.fill(
            line, attrs.evolve(plan, per_buyer=None), card_state=way.card_state,
            filled=way.filled, short=short, buyer=act.stored.buyer, now_ms=act.now_ms,
        )  # fmt: skip
        for card in sealed:
            flow.vault.open_card(line.sku, card)
        if sealed:
            self._push(change, act, line, way)
        act.tell(line, status)
        return status

    def _give_back(self, change: Transaction, act: _Act, line: StoredLine) -> None:
        """Put the cards that are held for *line* back into stock: it gets others."""
        change.move_line_cards(
            line.order_id, line.line_no, CardState.RESERVED, CardState.AVAILABLE, now_ms=act.now_ms
        )

    def _push(self, change: Transaction, act: _Act, line: StoredLine, way: WayOut) -> None:
        change.insert_intents(line.order_id, line.line_no, way.intents, now_ms=act.now_ms)
        act.pushed.update(intent.reference for intent in way.intents)

    def _send_again(
        self, change: Transaction, act: _Act, line: StoredLine, route: str | None
    ) -> None:
        sent = [x for x in change.intents_of(line.order_id) if _is_of(x, line)]
        again = [x for x in sent if route in (None, x.route)]
        for intent in again:
            if intent.state in (IntentState.DONE, IntentState.FAILED):
                change.settle_intent(intent, IntentState.DUE, due_ms=act.now_ms)
                act.pushed.add(intent.reference)
        if not again:
            if route is None:
                raise IllegalTransition(
                    f"line {line.line_no} was returned to its caller; say by which route to send it"
                )
            fresh = IntentEntry(route=route, reference=new_reference(), due_ms=act.now_ms)
            change.insert_intents(line.order_id, line.line_no, [fresh], now_ms=act.now_ms)
            act.pushed.add(fresh.reference)
        if line.status.reason in _OUT:
            change.settle_line(line, DELIVERING, now_ms=act.now_ms)
            act.tell(line, DELIVERING)

    def _check_route(self, platform: str, route: str | None) -> None:
        if route is None:
            return
        known = self._flow.dispatcher.known_routes(platform)
        if route not in known:
            raise ConfigurationError(
                f"there is no route {route!r}; there are: {', '.join(sorted(known)) or 'none'}"
            )

    def _refund_intents(
        self, stored: StoredOrder, lines: Sequence[StoredLine]
    ) -> tuple[IntentEntry, ...]:
        adapter = self._flow.platforms.get(stored.platform)
        if adapter is None or Capability.REFUND not in adapter.capabilities:
            raise UnsupportedFeature(f"{stored.platform} cannot refund; do it by hand")
        ended = {line.line_no for line in lines} | {
            x.line_no
            for x in stored.lines
            if x.status.outcome in (Outcome.REJECTED, Outcome.CANCELLED)
        }
        if ended != {line.line_no for line in stored.lines}:
            raise IllegalTransition(
                "another line of this order was or may be served; refund a part of it by hand"
            )
        if stored.amount_minor is None:
            raise IllegalTransition("the order is not paid")
        return (
            IntentEntry(
                kind=IntentKind.REFUND,
                route=PLATFORM,
                reference=new_reference(),
                due_ms=to_ms(self._flow.clock.now()),
                amount_minor=stored.amount_minor,
                currency=stored.currency,
            ),
        )

    def _receipt(self, act: _Act) -> Receipt:
        stored = self._flow.pool.order_by_id(act.stored.id)
        assert stored is not None
        return stored_receipt(self._flow.pool, self._flow.vault, stored)

    def _carry_out(self, act: _Act, work: Callable[[Transaction], None]) -> Receipt:
        """Do *work* and write down the act in one commit; then push, and tell the news."""
        flow = self._flow

        def change_all(change: Transaction) -> None:
            act.events.clear()  # the work may be done again from its beginning
            act.pushed.clear()
            work(change)
            change.record(act.events)

        flow.change(change_all)
        allocation = Allocation(
            order_id=act.stored.id,
            receipt=self._receipt(act),
            events=tuple(act.events),
            pushed=frozenset(act.pushed),
        )
        return flow.record(flow.deliver(allocation))


def _must_be_here(stored: StoredOrder | None) -> None:
    """Refuse an act that needs what is in an archive."""
    if stored is not None and stored.archive is not None:
        raise OrderArchived(stored.platform, stored.order_no, stored.archive)


def _chosen(
    stored: StoredOrder, line_no: int | None, fits: Callable[[StoredLine], bool]
) -> list[StoredLine]:
    """Return the lines the act is about; none is an error that says how they stand."""
    lines = [x for x in stored.lines if line_no in (None, x.line_no)]
    fitting = [line for line in lines if fits(line)]
    if not fitting:
        stand = ", ".join(
            f"line {x.line_no} is {x.status.outcome}"
            + (f"/{x.status.reason}" * bool(x.status.reason))
            for x in lines
        )
        if not stored.lines:
            stand = "it was paid and never registered: register it with `expect`, or reject it"
        raise IllegalTransition(
            f"{stored.platform}/{stored.order_no}: nothing to do; {stand or 'there is no such line'}"
        )
    return fitting


def _is_held(line: StoredLine) -> bool:
    return line.status.outcome is Outcome.HELD and line.status.reason not in _OUT


def _is_open(line: StoredLine) -> bool:
    return line.status.outcome is Outcome.HELD or line.status.reason in _WAITING


def _is_servable(line: StoredLine) -> bool:
    return _is_held(line) or (
        line.status.outcome is Outcome.PENDING and line.status.reason in _WAITING
    )


def _is_out(line: StoredLine) -> bool:
    return line.status.outcome is Outcome.DELIVERED or line.status.reason in _OUT


def _is_of(intent: StoredIntent, line: StoredLine) -> bool:
    return intent.kind is IntentKind.DELIVER and intent.line_no == line.line_no


def _held_order(stored: StoredOrder, is_stranded: Callable[[StoredLine], bool]) -> HeldOrder:
    paid = None
    if stored.amount_minor is not None and stored.currency is not None:
        paid = Money.from_minor(stored.amount_minor, stored.currency)
    waiting = [
        line
        for line in stored.lines
        if line.status.outcome is Outcome.HELD
        or line.status.reason is Reason.MANUAL
        or is_stranded(line)
    ]
    return HeldOrder(
        platform=stored.platform,
        order_no=stored.order_no,
        accepted_at=from_ms(stored.accepted_ms),
        paid=paid,
        lines=tuple(line_receipt(line, line.status) for line in waiting),
    )
