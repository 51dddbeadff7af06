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
from statistics import NormalDist, fmean, stdev
from typing import Final

import attrs

from autocard.buying import Buyer, Decision
from autocard.clock import to_ms
from autocard.config import RestockSettings
from autocard.errors import IllegalTransition
from autocard.model import Match
from autocard.ports import Transaction
from autocard.purchasing import ceiling, suppliers
from autocard.records import EventEntry
from autocard.states import FINAL, PurchaseState

_DAY_MS: Final = 86_400_000
_MOST_WAITING: Final = 10_000
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
        available: How many there are now.
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
        past = self.buyer.pool.purchases(need=need, limit=1)
        levels = self.buyer.pool.stock(sku)
        available = sum(x.available for x in levels if x.warehouse == wish.warehouse)
        waiting = self._waiting(sku)
        point, cover = self.point(sku, wish)
        look = Restock(sku=sku, warehouse=wish.warehouse, available=available, point=point)
        if available - waiting >= point:
            return attrs.evolve(look, why="there is enough")
        if any(x.state not in FINAL for x in past):
            return attrs.evolve(look, why=_UNDER_WAY)
        missing = point + cover + waiting - available
        quantity = max(wish.quantity, missing if wish.demand else waiting - available)
        decision = self._decide(sku, wish, min(quantity, 10_000))
        if decision.offer is None:
            why = "" if decision.status is None else decision.status.why
            return attrs.evolve(look, why=why)
        decision = attrs.evolve(decision, after=past[0].id if past else None)
        return self._bought(look, wish, decision, need, is_dry=is_dry)

    def _waiting(self, sku: str) -> int:
        """Return how many cards are waited for by lines that buy none themselves."""
        lines = self.buyer.pool.waiting(sku=sku, limit=_MOST_WAITING)
        return sum(line.units for line in lines if not self.buyer.is_needy(line))

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
        today = to_ms(self.buyer.clock.now()) // _DAY_MS
        days = range(today - wish.sales_days, today)
        sales = self.buyer.pool.sales(sku, days.start)
        return [sales.get((wish.warehouse, day), 0) for day in days]

    def _decide(self, sku: str, wish: RestockSettings, quantity: int) -> Decision:
        settings = self.buyer.settings
        found = settings.skus[sku]
        limit = ceiling(found, None, quantity, settings.currency)
        names = wish.suppliers or suppliers(found.sources)
        return self.buyer.decider.choose(Match(sku), names, quantity, limit, in_full=False)

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
