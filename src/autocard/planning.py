"""What the first commit of an order is to write: entries, plans, and ways out."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs

from autocard.clock import Clock, to_ms
from autocard.config import Settings
from autocard.delivering import DELIVERED, DELIVERING
from autocard.model import Match, Order, OrderLine, Reference
from autocard.ports import Dispatcher
from autocard.purchasing import shortage, warehouses
from autocard.records import DIRECT, IntentEntry, LineEntry, OrderEntry, Plan, Status
from autocard.states import CardState
from autocard.vault import Vault

_DAY_MS: Final = 86_400_000


@attrs.frozen(kw_only=True)
class Decision:
    """What was decided of one line before the store is touched: a status, or a match."""

    status: Status | None = None
    match: Match | None = None


@attrs.frozen(kw_only=True)
class WayOut:
    """How the cards of a line leave: what they become at once, and what is still to be done."""

    card_state: CardState
    filled: Status
    intents: tuple[IntentEntry, ...] = ()


_RETURNED: Final = WayOut(card_state=CardState.DELIVERED, filled=DELIVERED)


@attrs.frozen(kw_only=True)
class Planner:
    """Turns decisions into what is written; takes no card and calls nobody."""

    vault: Vault
    clock: Clock
    settings: Settings
    dispatcher: Dispatcher

    def entry(self, order: Order, decisions: Sequence[Decision]) -> OrderEntry:
        """Return what T1 writes for a paid order."""
        now = self.clock.now()
        payment = order.payment
        lines = [
            self.line_entry(order, number, line, decision, now)
            for number, (line, decision) in enumerate(
                zip(order.lines, decisions, strict=True), start=1
            )
        ]
        return OrderEntry(
            platform=order.platform,
            order_no=order.order_no,
            digest=self.vault.digest(order) if order.lines else None,
            payload=self.vault.seal_order(order),
            buyer=self.vault.buyer_index(order.buyer),
            contact=self.vault.contact_index(order.buyer.contact),
            accepted_ms=to_ms(now),
            paid_ms=None if payment is None else to_ms(payment.paid_at or now),
            amount_minor=None if payment is None else payment.paid.minor,
            currency=None if payment is None else payment.paid.currency,
            lines=tuple(lines),
        )

    def line_entry(
        self, order: Order, number: int, line: OrderLine, decision: Decision, now: datetime
    ) -> LineEntry:
        """Return what T1 writes for one line of a paid order."""
        match = decision.match
        if match is None:
            assert decision.status is not None
            return LineEntry(
                line_no=number, item=line.item, quantity=line.quantity, short=decision.status
            )
        sku = self.settings.skus[match.sku]
        plan = self.plan(match, line.quantity, now)
        way = self.way_out(order.platform, now, is_only=len(order.lines) == 1)
        return LineEntry(
            line_no=number,
            item=line.item,
            quantity=line.quantity,
            sku=match.sku,
            units=0 if plan is None else plan.quantity,
            sources=match.sources,
            batches=match.batches,
            plan=plan,
            card_state=way.card_state,
            filled=way.filled,
            short=shortage(sku, match.sources or sku.sources),
            intents=way.intents,
        )

    def plan(self, match: Match, quantity: int, now: datetime) -> Plan | None:
        """Return how to fill a match from stock; None for a top-up, which takes no card."""
        sku = self.settings.skus[match.sku]
        if sku.kind == "topup":
            return None
        return Plan(
            sku=match.sku,
            quantity=quantity if match.quantity is None else match.quantity,
            warehouses=warehouses(match.sources or sku.sources),
            batches=match.batches,
            alive_at_ms=to_ms(now) + sku.minimum_life_days * _DAY_MS,
            in_turn=not sku.overtake,
            shared=sku.kind == "shared",
            cap=sku.cap,
            per_buyer=sku.per_buyer,
        )

    def way_out(self, platform: str, now: datetime, *, is_only: bool = False) -> WayOut:
        """
        Return how cards of *platform* leave.

        A push that is the only one of its order is leased to this very call, which saves the
        commit that claims it. Where there are several, each is claimed right before it is made:
        a slow first one must not use up the lease of the last.
        """
        routes = self.dispatcher.routes(platform)
        if routes == (DIRECT,):
            return _RETURNED
        now_ms = to_ms(now)
        is_leased = is_only and sum(route != DIRECT for route in routes) == 1
        lease_ms = now_ms + int(self.settings.delivery.lease_s * 1000) if is_leased else None
        intents = tuple(
            IntentEntry(route=route, reference=new_reference(), due_ms=now_ms, lease_ms=lease_ms)
            for route in routes
            if route != DIRECT
        )
        if DIRECT in routes:
            return WayOut(card_state=CardState.DELIVERED, filled=DELIVERED, intents=intents)
        return WayOut(card_state=CardState.ISSUED, filled=DELIVERING, intents=intents)


def new_reference() -> Reference:
    """Return a new idempotency value for one outside call."""
    return Reference("ac" + secrets.token_hex(15))


def pushed(entry: OrderEntry) -> frozenset[Reference]:
    """Return the references of every push that *entry* intends."""
    return frozenset(intent.reference for line in entry.lines for intent in line.intents)


def claimed_later(entry: OrderEntry) -> OrderEntry:
    """Return *entry* with no push leased to the call that commits it."""
    if not any(intent.lease_ms for line in entry.lines for intent in line.intents):
        return entry

    def due(line: LineEntry) -> LineEntry:
        return attrs.evolve(
            line, intents=tuple(attrs.evolve(x, lease_ms=None) for x in line.intents)
        )

    return attrs.evolve(entry, lines=tuple(due(line) for line in entry.lines))
