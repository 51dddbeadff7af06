"""Give a waiting line its cards: from stock, or from what has just been bought for it."""

from __future__ import annotations

from datetime import datetime

import attrs

from autocard.clock import to_ms
from autocard.delivering import DELIVERED
from autocard.events import line_event
from autocard.model import Card, Match, Reference
from autocard.planning import Planner, WayOut
from autocard.ports import Transaction
from autocard.records import EventEntry, Plan, Status, StoredLine, StoredOrder
from autocard.vault import Vault


@attrs.frozen
class Filled:
    """What became of a line: its status, its cards, and what was recorded and intended of it."""

    status: Status
    cards: tuple[Card, ...] = ()
    events: tuple[EventEntry, ...] = ()
    pushed: frozenset[Reference] = frozenset()


@attrs.frozen(kw_only=True)
class Filler:
    """Fills lines inside a change."""

    vault: Vault
    planner: Planner

    def plan(self, line: StoredLine, now: datetime) -> Plan | None:
        """Return how *line* is filled from stock; None for a top-up."""
        match = Match(line.sku, line.units or None, line.sources, line.batches)
        return self.planner.plan(match, line.quantity, now)

    def fill(
        self,
        change: Transaction,
        stored: StoredOrder,
        line: StoredLine,
        plan: Plan,
        *,
        way: WayOut,
        short: Status,
        now: datetime,
    ) -> Filled:
        """
        Take all the cards of *line*, or leave it as *short*.

        Raises:
            BrokenCard: One does not open; nothing of the change counts.
            IllegalTransition: The line has moved on.
        """
        status, sealed = change.fill(
            line, plan, card_state=way.card_state, filled=way.filled, short=short,
            intents=way.intents, buyer=stored.buyer, now_ms=to_ms(now),
        )  # fmt: skip
        if not sealed and status == line.status:
            return Filled(status)
        # Opened before the commit: a seal that does not open sells nothing.
        cards = tuple(self.vault.open_card(line.sku, card) for card in sealed)
        told = line_event(stored.id, line, status, to_ms(now))
        change.record([told])
        pushed = frozenset(x.reference for x in way.intents) if sealed else frozenset()
        return Filled(status, cards, (told,), pushed)

    def charged(
        self, change: Transaction, stored: StoredOrder, line: StoredLine, *, now: datetime
    ) -> Filled:
        """Write down that the target of a top-up line is charged; there is nothing to push."""
        now_ms = to_ms(now)
        change.settle_line(line, DELIVERED, now_ms=now_ms)
        told = line_event(stored.id, line, DELIVERED, now_ms)
        change.record([told])
        return Filled(DELIVERED, (), (told,))
