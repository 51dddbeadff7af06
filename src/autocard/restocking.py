"""
Keep stock from running out: when to buy, how much, and never twice.

The reorder point of `demand` is what sells while a restock is on its way, plus a reserve: with a
mean of m cards a day, a deviation of s a day, a lead time of L days and a service level p, it is
m*L + z(p)*s*sqrt(L), where z is the quantile of the normal distribution. It restocks to that point
plus `cover_days` of sales.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile
from statistics import NormalDist, fmean, stdev
from typing import Final

import attrs

from autocard.buying import Buyer, Decision
from autocard.buying.deciding import last_words
from autocard.buying.values import DAY_MS
from autocard.clock import to_ms
from autocard.config import RestockSettings
from autocard.errors import IllegalTransition
from autocard.model import Match
from autocard.ports import Transaction
from autocard.purchasing import ceiling, suppliers
from autocard.records import EventEntry, Status, StoredLine, StoredPurchase
from autocard.states import FINAL, Outcome, PurchaseState, Reason

_MOST_WAITING: Final = 10_000
_MOST_PAST: Final = 100
_UNDER_WAY: Final = "a restock is under way"


def restock_need(sku: str, warehouse: str) -> str:
    """Return the name of what one warehouse of a sku needs."""
    return f"restock:{sku}/{warehouse}"


@attrs.frozen(kw_only=True)
class Restock:
    """
    One look at the stock of a sku: what is there, when that is low, and what is bought for it.

    Args:
        sku: Ours.
        warehouse: Where the cards go.
        available: How many there are now that live long enough to be sold.
        point: Below this it is restocked; cards that orders wait for count as gone.
        quantity: How many are bought; 0 for nothing.
        supplier: Where; "" for nothing.
        price: What one costs there, such as `46.50 CNY`; "" for nothing.
        reference: Of the purchase; "" in a dry run and where nothing is bought.
        why: Why nothing is bought; "" where something is.
    """

    sku: str
    warehouse: str
    available: int
    point: int
    quantity: int = 0
    supplier: str = ""
    price: str = ""
    reference: str = ""
    why: str = ""


@attrs.frozen
class Restocker:
    """Looks at stock and begins the purchases that it asks for."""

    buyer: Buyer

    def restock(self, sku: str | None = None, *, is_dry: bool = False) -> list[Restock]:
        """
        Look at every sku that is to be restocked, or at one, and buy where stock is low.

        However often and from how many hosts this is called at once, there is one open restock
        for each sku and warehouse. With *is_dry* nothing is bought.

        Effects: safe requests for offers; a commit for each purchase, which `resume` carries out.
        """
        settings = self.buyer.settings
        return [
            self._look(name, found.restock, is_dry=is_dry)
            for name, found in settings.skus.items()
            if found.restock is not None and sku in (None, name)
        ]

    def _look(self, sku: str, wish: RestockSettings, *, is_dry: bool) -> Restock:
        need = restock_need(sku, wish.warehouse)
        # Before the stock is looked at: what another host buys after this makes the look stale.
        past = self.buyer.pool.purchases(need=need, limit=_MOST_PAST)
        available = self._available(sku, wish.warehouse)
        waiting = self._waiting(sku, wish.warehouse)
        point, cover = self.point(sku, wish)
        look = Restock(sku=sku, warehouse=wish.warehouse, available=available, point=point)
        if available - waiting >= point:
            return attrs.evolve(look, why="there is enough")
        if past and past[0].state not in FINAL:
            return attrs.evolve(look, why=_UNDER_WAY)
        missing = point + cover + waiting - available
        quantity = max(wish.quantity, missing if wish.demand else waiting - available)
        decision = self._decide(sku, wish, min(quantity, 10_000), past)
        if decision.offer is None:
            why = "" if decision.status is None else decision.status.why
            return attrs.evolve(look, why=why)
        decision = attrs.evolve(decision, after=past[0].id if past else None)
        return self._bought(look, wish, decision, need, is_dry=is_dry)

    def _available(self, sku: str, warehouse: str) -> int:
        """Return how many cards there are that live long enough to be sold; others are no stock."""
        plan = self.buyer.filler.planner.plan(Match(sku), 1, self.buyer.clock.now())
        assert plan is not None  # a top-up is never restocked
        levels = self.buyer.pool.stock(sku, alive_at_ms=plan.alive_at_ms)
        return sum(x.available for x in levels if x.warehouse == warehouse)

    def _waiting(self, sku: str, warehouse: str) -> int:
        """Return how many cards of a warehouse lines wait for that buy none themselves."""
        lines = self.buyer.pool.waiting(sku=sku, limit=_MOST_WAITING)
        return sum(
            line.units
            for line in lines
            if self._is_served_by(warehouse, line) and not self.buyer.is_needy(line)
        )

    def _is_served_by(self, warehouse: str, line: StoredLine) -> bool:
        """Say whether what is bought into *warehouse* serves *line*; else it is bought for ever."""
        plan = self.buyer.filler.plan(line, self.buyer.clock.now())
        return plan is not None and not plan.batches and warehouse in plan.warehouses

    def point(self, sku: str, wish: RestockSettings) -> tuple[int, int]:
        """Return below how many cards a sku is restocked, and how many last for `cover_days`."""
        low = self.buyer.settings.skus[sku].low or 0
        if not wish.demand:
            return low, 0
        sold = self._sold(sku, wish)
        mean, spread = fmean(sold), stdev(sold)
        reserve = NormalDist().inv_cdf(wish.service_level) * spread * math.sqrt(wish.lead_days)
        return max(low, math.ceil(mean * wish.lead_days + reserve)), math.ceil(
            mean * wish.cover_days
        )

    def _sold(self, sku: str, wish: RestockSettings) -> Sequence[int]:
        """Return how many were sold on each of the last whole days."""
        while self.buyer.pool.change(lambda change: change.roll_up()):
            pass  # sales are counted when movements are rolled up
        today = to_ms(self.buyer.clock.now()) // DAY_MS
        days = range(today - wish.sales_days, today)
        sales = self.buyer.pool.sales(sku, days.start)
        return [sales.get((wish.warehouse, day), 0) for day in days]

    def _decide(
        self, sku: str, wish: RestockSettings, quantity: int, past: Sequence[StoredPurchase]
    ) -> Decision:
        settings, decider = self.buyer.settings, self.buyer.decider
        found = settings.skus[sku]
        limit = ceiling(found, None, quantity, settings.currency)
        names = wish.suppliers or suppliers(found.sources)
        failed = self._lately_failed(past)
        able = decider.rested(decider.not_used_up(names, failed), failed)
        if failed and not able:
            why = f"its suppliers failed lately, and are asked again later; {last_words(failed)}"
            return Decision(status=Status(Outcome.PENDING, Reason.SHORT, why))
        return decider.choose(Match(sku), able, quantity, limit, in_full=False)

    def _lately_failed(self, past: Sequence[StoredPurchase]) -> list[StoredPurchase]:
        """
        Return the failures, newest first, that speak against asking their suppliers again.

        A line is served or given up; a warehouse is restocked for years. If every failure counted,
        each supplier would be left out for good some day. So only those of the last day count, and
        only those since a restock arrived. What was declined was never asked for: it is no failure.
        """
        since_ms = to_ms(self.buyer.clock.now()) - DAY_MS
        recent = takewhile(
            lambda x: x.state is PurchaseState.FAILED and x.changed_ms > since_ms, past
        )
        return [purchase for purchase in recent if purchase.attempts]

    def _bought(
        self, look: Restock, wish: RestockSettings, decision: Decision, need: str, *, is_dry: bool
    ) -> Restock:
        assert decision.offer is not None
        state = PurchaseState.PROPOSED if wish.approve else PurchaseState.DUE
        entry = self.buyer.decider.entry(decision, need=need, warehouse=wish.warehouse, state=state)
        look = attrs.evolve(
            look,
            quantity=entry.quantity,
            supplier=entry.supplier,
            price=str(decision.offer.price),
        )
        if is_dry:
            return look

        def begin(change: Transaction) -> tuple[str, EventEntry | None]:
            return self.buyer.write(change, entry, decision.after)

        try:
            why, begun = self.buyer.pool.change(begin)
        except IllegalTransition:
            return attrs.evolve(look, quantity=0, why=_UNDER_WAY)
        if begun is None:
            return attrs.evolve(look, quantity=0, why=why or _UNDER_WAY)
        self.buyer.tell(None, [begun])
        return attrs.evolve(look, reference=entry.reference)
