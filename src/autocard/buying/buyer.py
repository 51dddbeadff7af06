"""
Buy what is missing: decide on a purchase (T2), make one call, settle what came of it (T3).

A need, such as a line, has at most one open purchase; the store itself refuses a second. A lost
answer is looked up under our reference, and until it is clear nothing is bought instead.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import attrs

from autocard.buying.asking import Asker
from autocard.buying.deciding import Decider
from autocard.buying.settling import Settler
from autocard.buying.values import (
    BUYING,
    DAY_MS,
    SHORT,
    Decision,
    Heard,
    Supply,
    is_wanted,
    line_need,
    line_of,
)
from autocard.clock import Clock, to_ms
from autocard.config import Settings
from autocard.errors import IllegalTransition, SealError, StoreError, StoreUnavailable
from autocard.events import event, heard, line_event
from autocard.filling import Filler
from autocard.mending import change_mended
from autocard.model import OrderId, PurchaseId
from autocard.money import Money
from autocard.offering import OfferBook
from autocard.plugins import Plugins
from autocard.ports import Pool, Supplier, Transaction
from autocard.purchasing import suppliers
from autocard.records import (
    EventEntry,
    PurchaseEntry,
    Status,
    StoredLine,
    StoredOrder,
    StoredPurchase,
    SupplierRecord,
)
from autocard.states import PurchaseState
from autocard.vault import Vault

_LOG: Final = logging.getLogger("autocard.buying")
_STEPS: Final = 20
_PAGE: Final = 200
# What somebody who vanished left as SENDING may have been sent.
_CLAIMED: Final = {
    PurchaseState.DUE: PurchaseState.SENDING,
    PurchaseState.SENDING: PurchaseState.UNKNOWN,
    PurchaseState.UNKNOWN: PurchaseState.UNKNOWN,
    PurchaseState.ACCEPTED: PurchaseState.ACCEPTED,
}


@attrs.frozen(kw_only=True)
class Buyer:
    """Buys for lines that stock left short, and follows every purchase to its end."""

    pool: Pool
    vault: Vault
    clock: Clock
    settings: Settings
    plugins: Plugins
    filler: Filler
    suppliers: Mapping[str, Supplier]
    offer_book: OfferBook
    decider: Decider
    asker: Asker
    settler: Settler

    def _suppliers_of(self, line: StoredLine) -> tuple[str, ...]:
        return suppliers(line.sources or self.settings.skus[line.sku].sources)

    def is_needy(self, line: StoredLine) -> bool:
        """Say whether suppliers may be asked for *line* as it stands."""
        sku = self.settings.skus.get(line.sku)
        return line.status == SHORT and sku is not None and bool(self._suppliers_of(line))

    def supply(self, order_id: OrderId, line_no: int) -> Supply:
        """
        Buy what a line still needs, from one supplier after the other, until it has all or waits.

        Effects: for each purchase a commit, one unsafe call, and another commit; safe requests
        for offers before that.
        """
        done = Supply()
        for _ in range(_STEPS):
            stored = self.pool.order_by_id(order_id)
            assert stored is not None
            line = line_of(stored, line_no)
            if not self.is_needy(line):
                break
            purchase, begun = self._begin(stored, line, self.decider.decide(stored, line))
            done += begun
            if purchase is None or purchase.state is not PurchaseState.SENDING:
                break
            done += self.carry_out(purchase)
        return done

    def supply_waiting(self, limit: int) -> int:
        """Buy for lines that wait, first come first served; return how many moved on."""
        moved = 0
        after = (0, 0)
        paused = self.decider.paused()
        # Lines that nothing can be bought for now must not keep those behind them from being seen.
        while page := self.pool.waiting(after=after, limit=_PAGE):
            for line in page:
                after = (line.order_id, line.line_no)
                if not self.is_needy(line) or paused.issuperset(self._suppliers_of(line)):
                    continue
                supply = self._supplied(line)
                moved += bool(supply.events)
                self.tell(line.order_id, supply.events)
                if moved >= limit:
                    return moved
        return moved

    def _supplied(self, line: StoredLine) -> Supply:
        try:
            return self.supply(line.order_id, line.line_no)
        except SealError as error:  # one that is damaged must not stop those behind it
            _LOG.error("order %s: %s", line.order_id, error)
            return Supply()

    def advance_due(self, limit: int) -> int:
        """Call, or look up, every purchase that is due; return how many were."""
        advanced = 0
        seen: set[PurchaseId] = set()
        # Those of a supplier that may not be called now must not keep others from being seen.
        while page := self._due(limit, seen):
            for due in page:
                seen.add(due.id)
                advanced += self._advance(due)
                if advanced >= limit:
                    return advanced
        return advanced

    def _due(self, limit: int, seen: AbstractSet[PurchaseId]) -> list[StoredPurchase]:
        due = self.pool.due_purchases(to_ms(self.clock.now()), limit + len(seen))
        return [purchase for purchase in due if purchase.id not in seen]

    def _advance(self, due: StoredPurchase) -> bool:
        purchase = self.claim(due)
        if purchase is None:
            return False
        try:
            supply = self.carry_out(purchase)
        except StoreUnavailable:
            raise
        except StoreError as error:  # one that cannot be written down must not stop those behind it
            _LOG.error("purchase %s: %s", purchase.reference, error)
            return False
        self.tell(purchase.order_id, supply.events)
        return True

    def claim(self, purchase: StoredPurchase) -> StoredPurchase | None:
        """Own an open purchase for as long as one call may take; None while that cannot be."""
        now_ms = to_ms(self.clock.now())
        until_ms = now_ms + int(self.settings.supply.lease_s * 1000)
        if purchase.state not in _CLAIMED:
            return None

        def claim(change: Transaction) -> StoredPurchase | None:
            if purchase.supplier not in self.suppliers:
                return change.claim_purchase(purchase, _CLAIMED[purchase.state], until_ms)
            record = change.supplier(purchase.supplier)
            if not self._has_room(change, purchase.supplier):
                return None
            if purchase.state is PurchaseState.DUE:
                is_paused = record.paused_until_ms > now_ms
                if is_paused or self.count(change, record, purchase, now_ms):
                    return None
            return change.claim_purchase(purchase, _CLAIMED[purchase.state], until_ms)

        return self.pool.change(claim)

    def count(
        self, change: Transaction, record: SupplierRecord, purchase: StoredPurchase, now_ms: int
    ) -> str:
        """Count a purchase that is yet to be sent in today's budget; or return why it must wait."""
        if max(purchase.created_ms, purchase.changed_ms) // DAY_MS >= now_ms // DAY_MS:
            return ""  # it was when it was decided on, or put off
        why, record = self._spend(record, purchase.worth_minor, now_ms)
        if not why:
            change.write_supplier(record)
        return why

    def carry_out(self, purchase: StoredPurchase, *, look_ms: int | None = None) -> Supply:
        """
        Ask the supplier of a claimed purchase to sell, or what became of it; settle the answer.

        Args:
            purchase: As it was claimed.
            look_ms: When it was to be looked up anyway, for a look ahead of that: one that finds
                nothing proves nothing, and the look that was due is made all the same.

        Effects: one or two outside calls, then one commit.
        """
        stored = None if purchase.order_id is None else self.pool.order_by_id(purchase.order_id)
        try:
            order = None if stored is None else self.vault.open_order(stored)
        except SealError:
            said = Heard(state=PurchaseState.HELD, problem="its order does not open")
        else:
            may_buy = is_wanted(purchase, stored)
            said = self.asker.ask(purchase, order, may_buy=may_buy, look_ms=look_ms)
        return self.settler.settle(purchase, stored, said)

    def _begin(
        self, stored: StoredOrder, line: StoredLine, decision: Decision
    ) -> tuple[StoredPurchase | None, Supply]:
        """Commit to a purchase, unless stock serves the line after all; or say why there is none."""
        if decision.offer is None:
            return None, self._leave(stored, line, decision.status)
        entry = self.decider.line_entry(
            decision, need=line_need(stored.id, line.line_no), line=line
        )
        now = self.clock.now()
        way = self.filler.planner.way_out(stored.platform, now)
        plan = self.filler.plan(line, now)

        def begin(change: Transaction) -> tuple[bool, Supply]:
            current = change.order(stored.platform, stored.order_no)
            if current is None or line_of(current, line.line_no).status != SHORT:
                return False, Supply()  # somebody else was faster
            if plan is not None and not plan.shared:
                filled = self.filler.fill(
                    change, stored, line, plan, way=way, short=line.status, now=now
                )
                if filled.events:
                    return False, Supply(events=filled.events, pushed=filled.pushed)
            why, begun = self.write(change, entry, decision.after)
            if begun is None:
                return False, self._left(change, stored, line, why)
            change.settle_line(line, BUYING, now_ms=entry.created_ms)
            told = line_event(stored.id, line, BUYING, entry.created_ms)
            change.record([told])
            return True, Supply(events=(begun, told))

        try:
            is_begun, supply = change_mended(self.pool, self.clock, begin)
        except IllegalTransition:
            return None, Supply()
        return (self.pool.purchase(entry.reference) if is_begun else None), supply

    def write(
        self, change: Transaction, entry: PurchaseEntry, after: PurchaseId | None
    ) -> tuple[str, EventEntry | None]:
        """
        Write a purchase down where its supplier may be asked; or return why it may not.

        Raises:
            IllegalTransition: Since *after* another purchase was made for this need, and is over:
                what was decided counts no more. The change must not be committed.
        """
        record = change.supplier(entry.supplier)
        if record.paused_until_ms > entry.created_ms:
            return f"{record.name} is paused after failures", None
        why, record = self._spend(record, entry.worth_minor, entry.created_ms)
        if why:
            return why, None
        if entry.state is PurchaseState.SENDING and not self._has_room(change, entry.supplier):
            entry = attrs.evolve(entry, state=PurchaseState.DUE, due_ms=entry.created_ms)
        purchase = change.begin_purchase(entry)
        if purchase is None:
            return "", None
        # Looked at only now that nobody else can begin one.
        if change.purchase_before(purchase, entry.need) != after:
            raise IllegalTransition("something was bought for this need meanwhile")
        change.write_supplier(record)
        told = event(
            "purchase.begun", entry.created_ms, entry.order_id, entry.line_no,
            reference=entry.reference, supplier=entry.supplier, sku=entry.sku, item=entry.item,
            quantity=entry.quantity, price=str(Money.from_minor(entry.price_minor, entry.currency)),
            need=entry.need,
        )  # fmt: skip
        change.record([told])
        return "", told

    def _spend(
        self, record: SupplierRecord, worth_minor: int, now_ms: int
    ) -> tuple[str, SupplierRecord]:
        # Of two hosts, the one whose clock is behind must not begin yesterday's budget anew.
        day = max(now_ms // DAY_MS, record.day)
        spent = record.spent_minor if record.day == day else 0
        budget = self.settings.suppliers[record.name].daily_budget
        if budget is not None and spent + worth_minor > budget.minor:
            return f"the budget of {record.name} for today is spent", record
        return "", attrs.evolve(record, day=day, spent_minor=spent + worth_minor)

    def _has_room(self, change: Transaction, name: str) -> bool:
        most = self.settings.suppliers[name].calls_at_once or self.suppliers[name].calls_at_once
        return change.calls_open(name, to_ms(self.clock.now())) < most

    def _leave(self, stored: StoredOrder, line: StoredLine, status: Status | None) -> Supply:
        """Write down where a line goes, or why it goes on waiting, that nothing is bought for."""
        if status is None or (status == line.status and status.why == line.status.why):
            return Supply()

        def leave(change: Transaction) -> Supply:
            now_ms = to_ms(self.clock.now())
            change.settle_line(line, status, now_ms=now_ms)
            told = line_event(stored.id, line, status, now_ms)
            change.record([told])
            return Supply(events=(told,))

        try:
            return self.pool.change(leave)
        except IllegalTransition:
            return Supply()

    def _left(self, change: Transaction, stored: StoredOrder, line: StoredLine, why: str) -> Supply:
        if not why or why == line.status.why:
            return Supply()
        now_ms = to_ms(self.clock.now())
        status = attrs.evolve(SHORT, why=why)
        change.settle_line(line, status, now_ms=now_ms)
        told = line_event(stored.id, line, status, now_ms)
        change.record([told])
        return Supply(events=(told,))

    def tell(self, order_id: OrderId | None, events: Sequence[EventEntry]) -> None:
        """Bring committed events to those who want news; those of stock belong to no order."""
        if not (events and self.plugins.has_recorded):
            return
        stored = None if order_id is None else self.pool.order_by_id(order_id)
        name = ("", "") if stored is None else (stored.platform, stored.order_no)
        for entry in events:
            self.plugins.recorded(heard(entry, *name))
