"""Decide what to buy: how much, from whom, at what price; or why nothing is bought now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from autocard.bargain import Offer
from autocard.buying.values import DAY_MS, NOTHING, Decision, line_need, new_purchase_reference
from autocard.clock import Clock, to_ms
from autocard.config import Settings
from autocard.filling import Filler
from autocard.model import Match
from autocard.money import Money
from autocard.offering import OfferBook
from autocard.plugins import Plugins
from autocard.ports import Pool, Supplier
from autocard.purchasing import (
    ceiling,
    exhausted,
    out_of_currency,
    refusal,
    room,
    suppliers,
    unit_share,
    wanted,
)
from autocard.records import Plan, PurchaseEntry, Status, StoredLine, StoredOrder, StoredPurchase
from autocard.states import FINAL, Outcome, PurchaseState, Reason
from autocard.vault import Vault


@attrs.frozen(kw_only=True)
class Decider:
    """Looks at a need and at what suppliers offer. Writes nothing; asks for offers only."""

    pool: Pool
    vault: Vault
    clock: Clock
    settings: Settings
    plugins: Plugins
    filler: Filler
    suppliers: Mapping[str, Supplier]
    offer_book: OfferBook

    def decide(self, stored: StoredOrder, line: StoredLine) -> Decision:
        """
        Return what to buy next for a line that stock left short, or where it goes instead.

        Raises:
            SealError: What its buyer paid is sealed, and does not open.

        Effects: safe requests for offers.
        """
        sku = self.settings.skus[line.sku]
        sources = line.sources or sku.sources
        past = self.pool.purchases(need=line_need(stored.id, line.line_no), limit=1000)
        if any(purchase.state not in FINAL for purchase in past):
            return NOTHING
        quantity = self._missing(line, past)
        if not quantity:
            why = "what was bought for it went to others, or cannot be used"
            return Decision(status=exhausted(sources, why))
        names = self.not_used_up(suppliers(sources), past)
        if not names:
            return Decision(status=exhausted(sources, last_words(past)))
        names = self.rested(names, past)
        if not names:
            return NOTHING
        order = self.vault.open_order(stored)
        wish, currency = order.lines[line.line_no - 1], self.settings.currency
        share = unit_share(order, stored.lines, currency)
        limit = ceiling(sku, wish, line.units or line.quantity, currency, share=share)
        match = Match(line.sku, line.units or None, line.sources, line.batches)
        # What was charged cannot be kept until the rest is there, as cards are.
        decision = self.choose(match, names, quantity, limit, in_parts=bool(line.units))
        return attrs.evolve(decision, after=past[0].id if past else None)

    def choose(
        self,
        match: Match,
        names: Sequence[str],
        quantity: int,
        limit: Money | None,
        *,
        in_full: bool = True,
        in_parts: bool = True,
    ) -> Decision:
        """
        Choose among what *names* offer of a sku; see `autocard_choose_offer` and `wanted`.

        Without a *limit* nothing is bought: there is no telling what is too much.
        """
        if limit is None:
            why = (
                f"nothing says in {self.settings.currency} what one may cost; set ceiling of "
                f"[skus.{match.sku}], with allow_loss where it is paid for in another currency"
            )
            return Decision(status=Status(Outcome.PENDING, Reason.SHORT, why))
        able = self._able(names)
        offered = self.offer_book.offers(match.sku, able)
        offers = self._within_budget(offered, quantity)
        choice = wanted(offers, quantity, limit, in_full=in_full, in_parts=in_parts)
        offer = self.plugins.choose_offer(match, choice.offers, limit) if choice.offers else None
        if offer is not None:
            return Decision(offer=offer, quantity=choice.units(offer), limit=limit)
        if choice.offers:
            why = "a hook chose none of the offers"
        elif offered and not offers:
            why = "the budgets of its suppliers for today do not reach"
        elif not offered and len(able) < len(names):
            why = "its suppliers are paused"
        else:
            why = refusal(offers, quantity, limit, in_parts=in_parts)
        return Decision(status=Status(Outcome.PENDING, Reason.SHORT, why))

    def entry(
        self, decision: Decision, *, need: str, warehouse: str, state: PurchaseState
    ) -> PurchaseEntry:
        """Return the purchase that *decision* asks for."""
        offer, limit = decision.offer, decision.limit
        assert offer is not None
        assert limit is not None
        assert offer.cost is not None
        settings = self.settings.suppliers[offer.supplier]
        now_ms = to_ms(self.clock.now())
        lease_ms = int(self.settings.supply.lease_s * 1000)
        most = out_of_currency(limit, settings.rate, offer.price.currency)
        return PurchaseEntry(
            reference=new_purchase_reference(),
            need=need,
            supplier=offer.supplier,
            sku=offer.sku,
            item=offer.item,
            quantity=decision.quantity,
            warehouse=warehouse,
            price_minor=offer.price.minor,
            ceiling_minor=max(most.minor, offer.price.minor),
            currency=offer.price.currency,
            worth_minor=offer.cost.minor * decision.quantity,
            state=state,
            created_ms=now_ms,
            due_ms=now_ms + lease_ms if state is PurchaseState.SENDING else now_ms,
        )

    def line_entry(self, decision: Decision, *, need: str, line: StoredLine) -> PurchaseEntry:
        """Return the purchase that *decision* asks for a line; it is to be sent at once."""
        plan = self.filler.plan(line, self.clock.now())
        shelf = "" if plan is None else _shelves(plan)[0]
        entry = self.entry(decision, need=need, warehouse=shelf, state=PurchaseState.SENDING)
        return attrs.evolve(entry, order_id=line.order_id, line_no=line.line_no)

    def _missing(self, line: StoredLine, past: Sequence[StoredPurchase]) -> int:
        """
        Return how many units are to be bought; 0 when buying more would not help.

        What stock has is not bought. Where that, with all that was bought before, did not fill
        the line, others took it: then everything is bought once more.
        """
        if not line.units:
            return 0 if any(x.state is PurchaseState.DONE for x in past) else line.quantity
        bought = sum(purchase.arrived for purchase in past)
        if bought >= 2 * line.units:
            return 0
        plan = self.filler.plan(line, self.clock.now())
        shelves = _shelves(plan)
        # Cards that the line may not get for their short life are as good as none.
        alive_at_ms = None if plan is None else plan.alive_at_ms
        levels = self.pool.stock(line.sku, alive_at_ms=alive_at_ms)
        there = sum(level.available for level in levels if level.warehouse in shelves)
        # Stock that would suffice and was not taken is of no use to this line.
        return line.units - there if there < line.units and bought < line.units else line.units

    def not_used_up(self, names: Sequence[str], past: Sequence[StoredPurchase]) -> list[str]:
        """Leave out suppliers that have failed for a need, in *past*, as often as is allowed."""
        failed = [x.supplier for x in past if x.state is PurchaseState.FAILED]
        return [
            name
            for name in names
            if name in self.suppliers and failed.count(name) < self.settings.suppliers[name].tries
        ]

    def rested(self, names: Sequence[str], past: Sequence[StoredPurchase]) -> list[str]:
        """Leave out suppliers that refused a need a moment ago: the same again is no help."""
        now_ms = to_ms(self.clock.now())
        known = self.settings.suppliers
        refused = {
            x.supplier
            for x in past
            if x.state is PurchaseState.FAILED
            and x.supplier in known
            and now_ms - x.changed_ms < known[x.supplier].pause_s * 1000
        }
        return [name for name in names if name not in refused]

    def _within_budget(self, offers: Sequence[Offer], quantity: int) -> list[Offer]:
        """Leave out suppliers whose budget for today does not reach for *quantity* units."""
        today = to_ms(self.clock.now()) // DAY_MS
        spent = {x.name: x.spent_minor for x in self.pool.supplier_records() if x.day == today}
        found = []
        for offer in offers:
            budget = self.settings.suppliers[offer.supplier].daily_budget
            worth = 0 if offer.cost is None else offer.cost.minor * room(offer, quantity)
            if budget is None or spent.get(offer.supplier, 0) + worth <= budget.minor:
                found.append(offer)
        return found

    def _able(self, names: Sequence[str]) -> list[str]:
        """Leave out suppliers that are paused."""
        paused = self.paused()
        return [name for name in names if name not in paused]

    def paused(self) -> frozenset[str]:
        """Return the names of suppliers at which nothing is bought for a while."""
        now_ms = to_ms(self.clock.now())
        records = self.pool.supplier_records()
        return frozenset(x.name for x in records if x.paused_until_ms > now_ms)


def _shelves(plan: Plan | None) -> tuple[str, ...]:
    """Return where a line's cards lie before it gets them; what is bought goes to the first."""
    return () if plan is None else plan.warehouses or ("main",)


def last_words(past: Sequence[StoredPurchase]) -> str:
    """Return in a few words how the newest purchase of *past*, its first, ended."""
    if not past:
        return "none of its suppliers is configured"
    return f"{past[0].supplier}: {past[0].problem or 'it could not be bought'}"
