"""Write down what came of a purchase (T3): its cards, its line, its supplier, in one commit."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any, Final

import attrs

from autocard.arriving import QUARANTINE, Judged, judge
from autocard.buying.values import (
    BUYING,
    DAY_MS,
    OURS,
    SHORT,
    WAITING,
    Heard,
    Supply,
    is_wanted,
    line_of,
    provenance_of,
)
from autocard.clock import Clock, to_ms
from autocard.config import Settings
from autocard.errors import IllegalTransition
from autocard.events import event, line_event
from autocard.filling import Filler
from autocard.http.retry import next_try
from autocard.importing.alike import known_otherwise, others_of
from autocard.mending import change_mended
from autocard.model import BatchId
from autocard.money import Money
from autocard.offering import OfferBook
from autocard.ports import Capability, CardFormat, Pool, Supplier, Transaction
from autocard.purchasing import in_currency
from autocard.records import (
    LONGEST_WORDS,
    BatchEntry,
    EventEntry,
    KnownCard,
    NewCard,
    Settlement,
    Status,
    StoredLine,
    StoredOrder,
    StoredPurchase,
    SupplierRecord,
)
from autocard.states import FINAL, Outcome, PurchaseState, Reason
from autocard.vault import Vault

_LOG: Final = logging.getLogger("autocard.buying")
_LONGEST_PAUSE_S: Final = 3600.0
_MEMORY: Final = 0.9
"""How much of what was measured of a supplier still counts after one more purchase."""
_TOLD: Final = {
    PurchaseState.DUE: "delayed",
    PurchaseState.UNKNOWN: "lost",
    PurchaseState.ACCEPTED: "accepted",
    PurchaseState.HELD: "held",
    PurchaseState.DONE: "served",
    PurchaseState.FAILED: "failed",
}


@attrs.frozen(kw_only=True)
class Settler:
    """Settles purchases. Calls nobody."""

    pool: Pool
    vault: Vault
    clock: Clock
    settings: Settings
    filler: Filler
    suppliers: Mapping[str, Supplier]
    offer_book: OfferBook
    format_of: Callable[[str], CardFormat]

    def settle(self, purchase: StoredPurchase, stored: StoredOrder | None, heard: Heard) -> Supply:
        """
        Write down what a claimed purchase came to; its cards come in and its line moves on.

        Nothing is written where somebody else has settled it since it was claimed.

        Effects: one commit.
        """
        judged = self._judged(purchase, heard)
        own = self._own_batches(purchase, judged)
        if heard.state is PurchaseState.FAILED:  # what it was offered is not so
            self.offer_book.forget(purchase.supplier, [purchase.item])
        try:
            return change_mended(
                self.pool,
                self.clock,
                lambda change: self._write(change, purchase, stored, heard, judged, own),
            )
        except IllegalTransition:
            # Our lease ran out and another host settled it; its word counts.
            _LOG.warning("purchase %s was taken over while it was asked for", purchase.reference)
            return self._keep_late(purchase, judged)

    def _keep_late(self, purchase: StoredPurchase, judged: Judged) -> Supply:
        """
        Set aside the cards of an answer that came when its purchase was decided about already.

        Nobody may sell them unseen, because another purchase may be in the place of this one; but
        they were paid for. Where the purchase goes on they come again when it is looked up.
        """
        current = self.pool.purchase(purchase.reference)
        cards = (*judged.good, *judged.odd)
        if current is None or not cards or self._comes_again(current):
            return Supply()
        now_ms = to_ms(self.clock.now())

        def keep(change: Transaction) -> Supply:
            price_minor = purchase.price_minor
            known = self._add(change, purchase, QUARANTINE, cards, judged, price_minor, now_ms)
            if len(known) == len(cards):
                return Supply()
            told = event(
                "purchase.late", now_ms, purchase.order_id, purchase.line_no,
                reference=purchase.reference, supplier=purchase.supplier,
                cards=len(cards) - len(known), warehouse=QUARANTINE,
            )  # fmt: skip
            change.record([told])
            return Supply(events=(told,))

        return self.pool.change(keep)

    def _comes_again(self, purchase: StoredPurchase) -> bool:
        supplier = self.suppliers.get(purchase.supplier)
        is_over = purchase.state in (*FINAL, PurchaseState.HELD)
        return (
            not is_over
            and supplier is not None
            and Capability.FIND_PURCHASE in supplier.capabilities
        )

    def close(
        self,
        change: Transaction,
        purchase: StoredPurchase,
        heard: Heard,
        *,
        cost: Money | None,
        arrived: int,
        now_ms: int,
    ) -> None:
        """Write down how a purchase ended that a person has decided about."""
        record = change.supplier(purchase.supplier)
        is_failed = heard.state is PurchaseState.FAILED
        settlement = Settlement(
            state=heard.state,
            arrived=arrived,
            cost_minor=cost.minor if cost is not None else 0 if is_failed else None,
            worth_minor=0 if is_failed and cost is None else self._worth(purchase, cost),
            problem=heard.problem[:LONGEST_WORDS],
        )
        change.settle_purchase(purchase, settlement, now_ms=now_ms)
        change.write_supplier(_respent(record, purchase, settlement))

    def settle_line(
        self, change: Transaction, stored: StoredOrder, purchase: StoredPurchase, heard: Heard
    ) -> Supply:
        """Take the line of a purchase to where that leaves it."""
        assert purchase.line_no is not None
        line = line_of(stored, purchase.line_no)
        if line.status not in OURS:  # it was served or cancelled by a person meanwhile
            return Supply()
        if heard.state is PurchaseState.DONE and line.sku in self.settings.skus:
            return self._serve(change, stored, line, purchase)
        status = _line_status(purchase, heard)
        if status == line.status and status.why == line.status.why:
            return Supply()
        if line.status in WAITING and status == BUYING:
            return Supply()
        now_ms = to_ms(self.clock.now())
        change.settle_line(line, status, now_ms=now_ms)
        told = line_event(stored.id, line, status, now_ms)
        change.record([told])
        return Supply(events=(told,))

    def wait_again(
        self, change: Transaction, stored: StoredOrder, purchase: StoredPurchase
    ) -> Supply:
        """Let the line of a held purchase wait for it, unless it went on without it."""
        assert purchase.line_no is not None
        line = line_of(stored, purchase.line_no)
        if line.status not in OURS:
            return Supply()
        now_ms = to_ms(self.clock.now())
        change.settle_line(line, BUYING, now_ms=now_ms)
        told = line_event(stored.id, line, BUYING, now_ms)
        change.record([told])
        return Supply(events=(told,))

    def _serve(
        self, change: Transaction, stored: StoredOrder, line: StoredLine, purchase: StoredPurchase
    ) -> Supply:
        now = self.clock.now()
        way = self.filler.planner.way_out(stored.platform, now)
        plan = self.filler.plan(line, now)
        if plan is None or not purchase.warehouse:
            filled = self.filler.charged(change, stored, line, now=now)
        else:
            shelves = tuple(dict.fromkeys((*plan.warehouses, purchase.warehouse)))
            plan = attrs.evolve(plan, warehouses=shelves, batches=(), in_turn=False)
            filled = self.filler.fill(change, stored, line, plan, way=way, short=SHORT, now=now)
        return Supply(events=filled.events, pushed=filled.pushed)

    def _write(
        self,
        change: Transaction,
        purchase: StoredPurchase,
        stored: StoredOrder | None,
        heard: Heard,
        judged: Judged,
        own: Mapping[BatchId, str],
    ) -> Supply:
        now_ms = to_ms(self.clock.now())
        current = None if stored is None else change.order(stored.platform, stored.order_no)
        record = change.supplier(purchase.supplier)
        if heard.state is PurchaseState.DUE and not is_wanted(purchase, current):
            problem = f"its line does not wait for it any more; {heard.problem}".rstrip("; ")
            heard = attrs.evolve(heard, state=PurchaseState.FAILED, problem=problem)
        settled, told = self._arrive(change, purchase, heard, judged, own, now_ms)
        settlement = self._settlement(purchase, settled, told.get("arrived"), now_ms)
        change.settle_purchase(purchase, settlement, now_ms=now_ms)
        record, news = self._remembered(record, purchase, settled, settlement, now_ms)
        change.write_supplier(record)
        events = [self._event(purchase, settled, settlement, told, now_ms), *news]
        change.record(events)
        supply = Supply(events=tuple(events))
        if current is not None:
            supply += self.settle_line(change, current, purchase, settled)
        return supply

    def _arrive(
        self,
        change: Transaction,
        purchase: StoredPurchase,
        heard: Heard,
        judged: Judged,
        own: Mapping[BatchId, str],
        now_ms: int,
    ) -> tuple[Heard, dict[str, Any]]:
        """Bring the cards of an answer in; what is missing of them makes a person look."""
        came = 0 if heard.supplied is None else len(heard.supplied.cards)
        if heard.state is PurchaseState.ACCEPTED or not purchase.warehouse:
            return heard, {}  # cards of an unfinished purchase come again when it is finished
        if not came:
            is_bare = heard.state is PurchaseState.DONE
            return (_held(heard, "said to be done, and no card came") if is_bare else heard), {}
        if came > purchase.quantity:  # who knows which of them is what was ordered
            heard = _held(heard, f"{came} cards came for {purchase.quantity}")
        is_sure = heard.state is PurchaseState.DONE
        shelf = purchase.warehouse if is_sure else QUARANTINE
        unit_minor = _unit_minor(purchase, heard)
        known = self._add(change, purchase, shelf, judged.good, judged, unit_minor, now_ms)
        mine = [x for x in known.values() if own.get(x.batch) == shelf]
        arrived = len(judged.good) - len(known) + len(mine) if is_sure else 0
        aside = self._add(change, purchase, QUARANTINE, judged.odd, judged, unit_minor, now_ms)
        told: dict[str, Any] = {}
        strange = [x.id for x in known.values() if x.batch not in own]
        strange += [x.id for x in aside.values() if x.batch not in own]
        if strange:
            told["known"] = strange[:50]
        if judged.problems:
            told["set_aside"] = sorted(set(judged.problems))[:20]
        total = max(purchase.arrived, arrived)
        told["arrived"] = total
        if heard.state is PurchaseState.DONE and total < purchase.quantity:
            why = f"{total} of {purchase.quantity} cards can be sold"
            if strange:
                why += f"; {len(strange)} were known already"
            if judged.problems:
                why += f"; set aside: {judged.problems[0]}"
            heard = _held(heard, why)
        return heard, told

    def _add(
        self,
        change: Transaction,
        purchase: StoredPurchase,
        warehouse: str,
        cards: Sequence[NewCard],
        judged: Judged,
        unit_minor: int,
        now_ms: int,
    ) -> dict[bytes, KnownCard]:
        """Add cards of those *judged* as a batch of their own; return those that were known."""
        known = dict(change.known([card.fingerprint for card in cards])) if cards else {}
        known |= known_otherwise(change.known, cards, judged.further)
        fresh = [card for card in cards if card.fingerprint not in known]
        if not fresh:
            return known
        batch = change.begin_batch(
            BatchEntry(
                sku=purchase.sku,
                warehouse=warehouse,
                format=self._format(purchase.sku).name,
                supplier=purchase.supplier,
                cost_minor=unit_minor,
                currency=purchase.currency,
                provenance=provenance_of(purchase),
                imported_by="autocard",
                imported_ms=now_ms,
            )
        )
        return known | change.add_cards(batch, fresh, now_ms=now_ms)

    def _judged(self, purchase: StoredPurchase, heard: Heard) -> Judged:
        supplied = heard.supplied
        if supplied is None or not supplied.cards:
            return Judged()
        card_format = self._format(purchase.sku)
        return judge(
            supplied.cards,
            sku=purchase.sku,
            card_format=card_format,
            vault=self.vault,
            alive_at=self.clock.now() + self._least_life(purchase.sku),
            sells_links=self._sells_links(purchase.sku),
            others=others_of(card_format, self.pool.formats(), self.format_of),
        )

    def _least_life(self, sku: str) -> timedelta:
        settings = self.settings.skus.get(sku)
        return timedelta(days=0 if settings is None else settings.minimum_life_days)

    def _sells_links(self, sku: str) -> bool:
        settings = self.settings.skus.get(sku)
        return settings is not None and settings.links

    def _format(self, sku: str) -> CardFormat:
        settings = self.settings.skus.get(sku)
        name = None if settings is None else settings.format
        return self.format_of(name or self.settings.default_format)

    def _own_batches(self, purchase: StoredPurchase, judged: Judged) -> Mapping[BatchId, str]:
        """Return what this purchase has brought before, with where: it is no fault that it is here."""
        if purchase.attempts < 2 or not (judged.good or judged.odd):
            return {}
        fingerprints = [card.fingerprint for card in (*judged.good, *judged.odd)]
        if not self.pool.known(fingerprints):
            return {}  # as a rule; a shop that buys much has too many imports to look through
        said = provenance_of(purchase)
        batches = self.pool.batches(purchase.sku)
        return {batch.id: batch.warehouse for batch in batches if batch.provenance == said}

    def _settlement(
        self, purchase: StoredPurchase, heard: Heard, arrived: int | None, now_ms: int
    ) -> Settlement:
        supplied = heard.supplied
        cost = None if supplied is None else supplied.cost
        if supplied is not None and cost is not None and supplied.refunded is not None:
            cost = cost - supplied.refunded
        is_failed = heard.state is PurchaseState.FAILED
        return Settlement(
            state=heard.state,
            due_ms=self._due_ms(purchase, heard, now_ms),
            calls=purchase.calls
            + (heard.is_call and purchase.state is PurchaseState.UNKNOWN)
            - heard.is_unmade,
            misses=heard.misses,
            arrived=arrived,
            remote=supplied.remote[:255] if supplied is not None and supplied.remote else None,
            cost_minor=0 if is_failed else None if cost is None else cost.minor,
            worth_minor=0 if is_failed else self._worth(purchase, cost),
            problem=heard.problem,
        )

    def _worth(self, purchase: StoredPurchase, cost: Money | None) -> int | None:
        settings = self.settings.suppliers.get(purchase.supplier)
        if cost is None or settings is None:
            return None
        worth = in_currency(cost, settings.rate, self.settings.currency)
        return None if worth is None else worth.minor

    def _due_ms(self, purchase: StoredPurchase, heard: Heard, now_ms: int) -> int:
        if heard.state in (*FINAL, PurchaseState.HELD):
            return 0
        if heard.look_ms is not None:
            return heard.look_ms
        supplier = self.suppliers[purchase.supplier]
        longest_s = self.settings.supply.longest_look_s
        wait_s = next_try(
            purchase.attempts,
            first_s=supplier.look_after_s,
            cap_s=longest_s,
            jitter=0.1,
            random=random.random,
        )
        return now_ms + int(max(wait_s, min(heard.retry_after_s, longest_s)) * 1000)

    def _remembered(
        self,
        record: SupplierRecord,
        purchase: StoredPurchase,
        heard: Heard,
        settlement: Settlement,
        now_ms: int,
    ) -> tuple[SupplierRecord, list[EventEntry]]:
        """Return what is known of a supplier after this, and what is to be told of it."""
        record = _respent(record, purchase, settlement)
        if heard.state in FINAL:
            is_served = heard.state is PurchaseState.DONE
            took_ms = now_ms - purchase.created_ms if is_served else 0
            record = attrs.evolve(
                record,
                asked=record.asked * _MEMORY + 1,
                served=record.served * _MEMORY + is_served,
                took_ms=record.took_ms * _MEMORY + took_ms,
            )
        return self._breaker(record, heard, now_ms)

    def _breaker(
        self, record: SupplierRecord, heard: Heard, now_ms: int
    ) -> tuple[SupplierRecord, list[EventEntry]]:
        settings = self.settings.suppliers.get(record.name)
        if settings is None:
            return record, []
        has_served = heard.is_call or heard.state is PurchaseState.DONE
        if not (has_served or heard.is_fault):
            return record, []  # one that only answers questions may still fail to sell
        if not heard.is_fault:
            was_paused = record.pauses > 0
            told = [event("supplier.resumed", now_ms, supplier=record.name)] if was_paused else []
            return attrs.evolve(record, failures=0, pauses=0, paused_until_ms=0), told
        failures = record.failures + 1
        if failures < settings.pause_after:
            return attrs.evolve(record, failures=failures), []
        pause_s = min(settings.pause_s * 2.0 ** min(record.pauses, 20), _LONGEST_PAUSE_S)
        until_ms = now_ms + int(max(pause_s, settings.pause_s) * 1000)
        told = [event("supplier.paused", now_ms, supplier=record.name, seconds=round(pause_s))]
        return (
            attrs.evolve(record, failures=0, pauses=record.pauses + 1, paused_until_ms=until_ms),
            told,
        )

    def _event(
        self,
        purchase: StoredPurchase,
        heard: Heard,
        settlement: Settlement,
        told: Mapping[str, Any],
        now_ms: int,
    ) -> EventEntry:
        detail: dict[str, Any] = {
            "reference": purchase.reference,
            "supplier": purchase.supplier,
            "calls": settlement.calls,
            **told,
        }
        if heard.problem:
            detail["problem"] = heard.problem
        if settlement.remote:
            detail["remote"] = settlement.remote
        if settlement.cost_minor is not None:
            detail["cost"] = str(Money.from_minor(settlement.cost_minor, purchase.currency))
            most_minor = purchase.ceiling_minor * purchase.quantity
            if settlement.cost_minor > most_minor:
                detail["above_ceiling"] = str(Money.from_minor(most_minor, purchase.currency))
        kind = f"purchase.{_TOLD[heard.state]}"
        return event(kind, now_ms, purchase.order_id, purchase.line_no, **detail)


def _line_status(purchase: StoredPurchase, heard: Heard) -> Status:
    """Return where a line stands whose purchase is not done."""
    if heard.state is PurchaseState.FAILED:
        return attrs.evolve(SHORT, why=f"{purchase.supplier}: {heard.problem}")
    if heard.state is PurchaseState.HELD:
        was_lost = purchase.state is PurchaseState.UNKNOWN and heard.supplied is None
        reason = Reason.UNKNOWN_PURCHASE if was_lost else Reason.SUPPLY
        return Status(Outcome.HELD, reason, f"{purchase.supplier}: {heard.problem}")
    if heard.state is PurchaseState.DONE:
        why = f"{purchase.sku} was bought, and is not in the configuration any more"
        return Status(Outcome.HELD, Reason.SUPPLY, why)
    return BUYING


def _unit_minor(purchase: StoredPurchase, heard: Heard) -> int:
    """Return what one card cost: its share of what was charged, or what it was offered for."""
    if heard.supplied is None or heard.supplied.cost is None:
        return purchase.price_minor
    return round(Fraction(heard.supplied.cost.minor, purchase.quantity))


def _held(heard: Heard, problem: str) -> Heard:
    said = f"{problem}; {heard.problem}" if heard.problem else problem
    return attrs.evolve(heard, state=PurchaseState.HELD, problem=said)


def _respent(
    record: SupplierRecord, purchase: StoredPurchase, settlement: Settlement
) -> SupplierRecord:
    """Return *record* with what a purchase really cost in the place of what it was worth."""
    if record.day != purchase.created_ms // DAY_MS or settlement.worth_minor is None:
        return record
    change_minor = settlement.worth_minor - purchase.worth_minor
    return attrs.evolve(record, spent_minor=max(0, record.spent_minor + change_minor))
