"""Orders before their payment: expect them, reserve for them, cancel them, let them lapse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import attrs

from autocard.clock import to_ms
from autocard.errors import IllegalTransition, InvalidOrder, OrderConflict, OrderNotFound
from autocard.events import event, line_event
from autocard.flow import Flow
from autocard.joining import UNPAID
from autocard.model import Order, OrderLine, Receipt
from autocard.planning import Decision
from autocard.ports import Transaction
from autocard.receipts import stored_receipt
from autocard.records import Allocation, EventEntry, LineEntry, Status, StoredLine, StoredOrder
from autocard.states import CardState, Outcome, Reason

MAX_TTL_S: Final = 31_536_000
_SHORT: Final = Status(Outcome.CANCELLED, Reason.SHORT, "not enough stock to reserve")
# Cards of these lines are on their way, and nobody knows how far they got.
_ON_THEIR_WAY: Final = (Reason.DELIVERING, Reason.UNDELIVERED, Reason.UNKNOWN_DELIVERY)
# Such a line may be paid for at a supplier, as long as a purchase of its order is not over.
_BEING_BOUGHT: Final = (Reason.BUYING, Reason.UNKNOWN_PURCHASE, Reason.SUPPLY)


@attrs.frozen
class Reservations:
    """What can happen to an order before it is paid."""

    flow: Flow

    def expect(self, order: Order) -> Receipt:
        """See `Engine.expect`."""
        return self._register(order, None)

    def reserve(self, order: Order, ttl_s: float) -> Receipt:
        """See `Engine.reserve`."""
        if not 0 < ttl_s <= MAX_TTL_S:
            raise InvalidOrder("ttl_s", f"must be more than 0 and at most {MAX_TTL_S:,} seconds")
        until_ms = to_ms(self.flow.clock.now() + timedelta(seconds=ttl_s))
        return self._register(order, until_ms)

    def _register(self, order: Order, until_ms: int | None) -> Receipt:
        if not order.lines:
            raise InvalidOrder("lines", "must not be empty")
        order = attrs.evolve(order, payment=None)
        flow = self.flow
        stored = flow.pool.order(order.platform, order.order_no)
        if stored is not None:
            if stored.digest is None:  # the payment was faster: serve it now
                paid = attrs.evolve(order, payment=flow.vault.open_order(stored).payment)
                # What was asked when it came had no line to be kept with.
                return flow.dispatch(paid, confirm=flow.asks(order.platform))
            if stored.digest != flow.vault.digest(order):
                raise OrderConflict(
                    f"{order.platform}/{order.order_no} was registered with other lines; "
                    "nothing was changed"
                )
            if until_ms is None or stored.paid_ms is not None:
                return stored_receipt(flow.pool, flow.vault, stored, replayed=True)
        allocation = self._place(order, until_ms)
        return flow.record(allocation)

    def _place(self, order: Order, until_ms: int | None) -> Allocation:
        flow = self.flow
        waiting = [Decision(status=UNPAID)] * len(order.lines)
        entry = attrs.evolve(flow.planner.entry(order, waiting), reserved_until_ms=until_ms)
        if until_ms is not None:
            lines = tuple(
                self._reserving(order, line, blank)
                for line, blank in zip(order.lines, entry.lines, strict=True)
            )
            entry = attrs.evolve(entry, lines=lines)
        return flow.place(order, entry)

    def _reserving(self, order: Order, line: OrderLine, blank: LineEntry) -> LineEntry:
        """Return the entry that holds cards for *line*; what is not held one by one waits."""
        flow = self.flow
        decision = flow.match_line(order, line)
        if decision.match is None:
            assert decision.status is not None
            why = decision.status.why
            return attrs.evolve(blank, short=Status(Outcome.CANCELLED, Reason.UNMATCHED, why))
        plan = flow.planner.plan(decision.match, line.quantity, flow.clock.now())
        if plan is None or plan.shared:
            return blank
        return attrs.evolve(
            blank,
            sku=plan.sku,
            units=plan.quantity,
            sources=decision.match.sources,
            batches=decision.match.batches,
            plan=plan,
            card_state=CardState.RESERVED,
            filled=UNPAID,
            short=_SHORT,
        )

    # --- the end of it ---

    def cancel(self, platform: str, order_no: str, reason: str) -> Receipt:
        """See `Engine.cancel`."""
        flow = self.flow
        now_ms = to_ms(flow.clock.now())

        def close(change: Transaction) -> Allocation:
            stored = change.order(platform, order_no)
            if stored is None:
                raise OrderNotFound(f"{platform}/{order_no} is not known")
            if not stored.lines:
                raise IllegalTransition(
                    f"{platform}/{order_no} was paid and never registered: reject it at the review "
                    "desk, or register it; nothing was changed"
                )
            open_lines = [x for x in stored.lines if x.status.outcome is not Outcome.CANCELLED]
            bought = _BEING_BOUGHT if change.open_purchases(stored.id) else ()
            for line in open_lines:
                _check_cancellable(line, bought)
            status = Status(Outcome.CANCELLED, Reason.CANCELLED, reason)
            events = [self._close(change, stored, line, status, now_ms) for line in open_lines]
            change.record(events)
            after = change.order(platform, order_no)
            assert after is not None
            receipt = stored_receipt(change, flow.vault, after, replayed=not open_lines)
            return Allocation(order_id=stored.id, receipt=receipt, events=tuple(events))

        return flow.record(flow.pool.change(close))

    def release_lapsed(self, limit: int) -> int:
        """Give back the cards of reservations that are over; return how many orders lapsed."""
        flow = self.flow
        now_ms = to_ms(flow.clock.now())
        return sum(self._lapse(stored, now_ms) for stored in flow.pool.lapsed(now_ms, limit))

    def _lapse(self, stored: StoredOrder, now_ms: int) -> bool:
        flow = self.flow
        status = Status(Outcome.CANCELLED, Reason.EXPIRED, "the reservation lapsed")

        def release(change: Transaction) -> list[EventEntry]:
            if not change.end_reservation(stored.id, now_ms=now_ms):
                return []  # paid or prolonged in this very moment
            current = change.order(stored.platform, stored.order_no)
            assert current is not None
            events = [event("reservation.lapsed", now_ms, stored.id)]
            events += [
                self._close(change, current, line, status, now_ms)
                for line in current.lines
                if line.status == UNPAID
            ]
            change.record(events)
            return events

        events = flow.pool.change(release)
        if not events:
            return False
        receipt = stored_receipt(flow.pool, flow.vault, stored)
        flow.record(Allocation(order_id=stored.id, receipt=receipt, events=tuple(events)))
        return True

    def _close(
        self,
        change: Transaction,
        stored: StoredOrder,
        line: StoredLine,
        status: Status,
        now_ms: int,
    ) -> EventEntry:
        change.move_line_cards(
            stored.id, line.line_no, CardState.RESERVED, CardState.AVAILABLE, now_ms=now_ms
        )
        change.settle_line(line, status, now_ms=now_ms)
        return line_event(stored.id, line, status, now_ms)


def _check_cancellable(line: StoredLine, bought: Sequence[Reason]) -> None:
    outcome, reason = line.status.outcome, line.status.reason
    if outcome in (Outcome.DELIVERED, Outcome.REJECTED) or reason in _ON_THEIR_WAY:
        raise IllegalTransition(
            f"line {line.line_no} is {outcome} ({reason or 'done'}): its cards are out of stock "
            "for good; nothing was changed"
        )
    if reason in bought:
        raise IllegalTransition(
            f"line {line.line_no} is being bought from a supplier: wait until that is clear, or "
            "settle it with the supply desk; nothing was changed"
        )
