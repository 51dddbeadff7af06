"""An order whose number is known: the same again, a payment for it, or a conflict."""

from __future__ import annotations

from typing import Final

import attrs

from autocard.clock import Clock, to_ms
from autocard.config import Settings
from autocard.errors import IllegalTransition, OrderConflict, OrderNotFound
from autocard.events import event, line_event
from autocard.model import LineReceipt, Order, Payment
from autocard.planning import pushed
from autocard.ports import Transaction
from autocard.receipts import line_receipt, new_receipt, stored_receipt
from autocard.records import (
    Allocation,
    LineEntry,
    OrderEntry,
    SealedCard,
    Status,
    StoredLine,
    StoredOrder,
)
from autocard.states import CardState, Outcome, Reason
from autocard.vault import Vault

UNPAID: Final = Status(Outcome.PENDING, Reason.UNPAID)
UNCONFIRMED: Final = Status(Outcome.PENDING, Reason.UNCONFIRMED)
# A line in one of these takes cards when its order is paid; the cancelled ones late.
_OPEN_TO_PAYMENT: Final = (
    UNPAID,
    UNCONFIRMED,
    Status(Outcome.CANCELLED, Reason.SHORT),
    Status(Outcome.CANCELLED, Reason.UNMATCHED),
    Status(Outcome.CANCELLED, Reason.EXPIRED),
)
_CANCELLED: Final = Status(Outcome.CANCELLED, Reason.CANCELLED)


@attrs.frozen(kw_only=True)
class Joiner:
    """Joins what was registered or accepted with what arrives, inside one change."""

    vault: Vault
    clock: Clock
    settings: Settings

    def known(self, change: Transaction, order: Order, entry: OrderEntry) -> Allocation:
        """The number is known: the same order again, a payment for it, or a conflict."""
        stored = _must_find(change, order.platform, order.order_no)
        if None not in (stored.digest, entry.digest) and stored.digest != entry.digest:
            raise OrderConflict(
                f"{order.platform}/{order.order_no} was registered with other lines; "
                "nothing was changed"
            )
        lines_arrive = stored.digest is None and entry.digest is not None
        if stored.paid_ms is not None and not lines_arrive:
            return self._replay(change, stored, order)
        if stored.paid_ms is not None and entry.paid_ms is None:
            raise IllegalTransition("the order is paid: dispatch it with its payment")
        if stored.archive is not None and entry.digest is None:
            return self._hold_archived(change, stored, entry)
        return self._join(change, stored, entry)

    def _join(self, change: Transaction, stored: StoredOrder, entry: OrderEntry) -> Allocation:
        """Join what was registered with what has arrived."""
        change.attach(stored.id, entry)
        if stored.archive is not None:  # it came with all that its archive has
            told = event("order.restored", entry.accepted_ms, stored.id, archive=stored.archive)
            change.record([told])
        return self.advance(change, _must_find(change, stored.platform, stored.order_no), entry)

    def _hold_archived(
        self, change: Transaction, stored: StoredOrder, entry: OrderEntry
    ) -> Allocation:
        """A late payment that does not say what was bought, and what was is in an archive."""
        change.pay_archived(stored.id, entry)
        now_ms = entry.accepted_ms
        why = f"paid after it went into the archive {stored.archive}; restore it, then approve it"
        lines, events = [], [event("payment.received", now_ms, stored.id)]
        for line in stored.lines:
            status = line.status
            if status.outcome is Outcome.CANCELLED:
                is_ours = status.reason is Reason.CANCELLED
                reason = Reason.CANCELLED if is_ours else Reason.EXPIRED
                status = Status(Outcome.HELD, reason, why)
                change.settle_line(line, status, now_ms=now_ms)
                events.append(line_event(stored.id, line, status, now_ms))
            lines.append(line_receipt(line, status))
        change.record(events)
        return Allocation(
            order_id=stored.id, receipt=new_receipt(entry, lines), events=tuple(events)
        )

    def advance(self, change: Transaction, stored: StoredOrder, entry: OrderEntry) -> Allocation:
        """Take the lines of a registered order to where those of a new one would be."""
        lines, events = [], []
        for line, wanted in zip(stored.lines, entry.lines, strict=True):
            status, sealed = self._advance(change, line, wanted, entry)
            lines.append(self.shown(wanted, status, sealed))
            if status != line.status:
                events.append(line_event(stored.id, wanted, status, entry.accepted_ms))
        change.record(events)
        return Allocation(
            order_id=stored.id,
            receipt=new_receipt(entry, lines),
            events=tuple(events),
            pushed=pushed(entry),
        )

    def _advance(
        self, change: Transaction, line: StoredLine, wanted: LineEntry, entry: OrderEntry
    ) -> tuple[Status, tuple[SealedCard, ...]]:
        """Take a line that was registered earlier to where a new one would be."""
        now_ms = entry.accepted_ms
        if line.status == _CANCELLED:
            if entry.paid_ms is None:
                raise IllegalTransition(f"line {line.line_no} was cancelled")
            status = Status(Outcome.HELD, Reason.CANCELLED, "paid after it was cancelled")
            change.settle_line(line, status, now_ms=now_ms)
            return status, ()
        if line.status not in (*_OPEN_TO_PAYMENT, wanted.short):
            return line.status, ()
        # A rule may say another sku by now, or it became a top-up: what is held is not for that.
        if wanted.sku and (line.sku != wanted.sku or wanted.plan is None):
            change.move_line_cards(
                line.order_id, line.line_no, CardState.RESERVED, CardState.AVAILABLE, now_ms=now_ms
            )
        line = attrs.evolve(
            line, sku=wanted.sku, units=wanted.units, sources=wanted.sources,
            batches=wanted.batches,
        )  # fmt: skip
        change.rematch(line, now_ms=now_ms)
        if wanted.plan is None:
            if wanted.short != line.status:
                change.settle_line(line, wanted.short, now_ms=now_ms)
            return wanted.short, ()
        return change.fill(
            line, wanted.plan, card_state=wanted.card_state, filled=wanted.filled,
            short=self._late_short(line, wanted), intents=wanted.intents, buyer=entry.buyer,
            now_ms=now_ms,
        )  # fmt: skip

    def _late_short(self, line: StoredLine, wanted: LineEntry) -> Status:
        is_late = line.status.outcome is Outcome.CANCELLED and wanted.filled is not UNPAID
        if is_late and self.settings.late_payment == "refund":
            return Status(
                Outcome.HELD, Reason.EXPIRED, "paid after its reservation lapsed, and no stock"
            )
        return wanted.short

    def _replay(self, change: Transaction, stored: StoredOrder, order: Order) -> Allocation:
        """The same order again: the same answer. A second payment of it is news all the same."""
        # What an archived order was paid with is not at hand; its cards are.
        before = None if stored.archive is not None else self.vault.open_order(stored).payment
        events = []
        if _is_second_payment(before, order.payment):
            assert order.payment is not None
            now_ms = to_ms(self.clock.now())
            paid, reference = str(order.payment.paid), order.payment.reference
            events.append(
                event("payment.repeated", now_ms, stored.id, paid=paid, reference=reference)
            )
            change.record(events)
        return Allocation(
            order_id=stored.id,
            receipt=stored_receipt(change, self.vault, stored, replayed=True),
            events=tuple(events),
        )

    def shown(self, line: LineEntry, status: Status, sealed: tuple[SealedCard, ...]) -> LineReceipt:
        """Return the receipt of a line, with its cards opened."""
        # Unsealed before the commit: a seal that does not open sells nothing.
        cards = tuple(self.vault.open_card(line.sku, card) for card in sealed)
        return line_receipt(line, status, cards)


def _is_second_payment(before: Payment | None, again: Payment | None) -> bool:
    return (
        before is not None
        and again is not None
        and (
            (bool(again.reference) and again.reference != before.reference)
            or again.paid != before.paid
        )
    )


def _must_find(change: Transaction, platform: str, order_no: str) -> StoredOrder:
    stored = change.order(platform, order_no)
    if stored is None:  # pragma: no cover - a number that is known cannot vanish
        raise OrderNotFound(f"{platform}/{order_no} is not known")
    return stored
