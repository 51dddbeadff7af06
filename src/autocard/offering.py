"""What suppliers offer now: asked of each, compared in one currency, remembered for a while."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, final

import attrs

from autocard.bargain import Offer
from autocard.config import Settings
from autocard.errors import AdapterError
from autocard.http.retry import call_safely
from autocard.money import Money
from autocard.ports import Capability, Pool, Supplier
from autocard.purchasing import in_currency

_LOG: Final = logging.getLogger("autocard.offering")


@attrs.frozen
class _Known:
    """An offer, or that there is none, and until when that counts."""

    offer: Offer | None
    until_s: float


@final
class OfferBook:
    """
    The offers of every configured supplier. Threads may share it.

    Args:
        pool: Knows how suppliers have served before.
        settings: Which supplier sells which sku under which name, and how long an offer counts.
        suppliers: Their adapters by name.
        now_s: A clock that only goes forward.
    """

    def __init__(
        self,
        pool: Pool,
        settings: Settings,
        suppliers: Mapping[str, Supplier],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._suppliers = suppliers
        self._now_s = now_s
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], _Known] = {}

    def offers(self, sku: str, names: Iterable[str]) -> list[Offer]:
        """
        Return what the suppliers *names* offer of *sku*, each at most once.

        One that cannot be asked, sells no such good, or whose currency no rate covers offers nothing.

        Effects: a safe request to each whose offer is not remembered.
        """
        found = (self._offer(name, sku) for name in dict.fromkeys(names))
        return [offer for offer in found if offer is not None]

    def forget(self, name: str, items: Iterable[str] | None = None) -> None:
        """Ask *name* again next time, about these of its goods or about all."""
        gone = None if items is None else set(items)
        with self._lock:
            for known in [
                x for x in self._known if x[0] == name and (gone is None or x[1] in gone)
            ]:
                del self._known[known]

    def ask(self, name: str) -> dict[str, Offer]:
        """
        Return what a supplier offers of every sku it is configured for, by sku.

        Raises:
            AdapterError: It could not be asked.
        """
        items = self._settings.suppliers[name].items
        offers = {offer.item: offer for offer in self._asked(name, list(items.values()))}
        for item in items.values():
            self._remember(name, item, offers.get(item))
        return {
            sku: self._told(name, sku, offers[item])
            for sku, item in items.items()
            if item in offers
        }

    def _offer(self, name: str, sku: str) -> Offer | None:
        item = self._settings.suppliers[name].items.get(sku) if name in self._suppliers else None
        if item is None:
            return None
        with self._lock:
            known = self._known.get((name, item))
        if known is None or known.until_s <= self._now_s():
            known = self._ask_one(name, item, sku)
        if known.offer is None:
            return None
        offer = self._told(name, sku, known.offer)
        return None if offer.cost is None else offer

    def _ask_one(self, name: str, item: str, sku: str) -> _Known:
        supplier = self._suppliers[name]
        if Capability.OFFERS not in supplier.capabilities:
            return self._remember(name, item, self._assumed(item, sku))
        try:
            offers = call_safely(lambda: self._asked(name, [item]))
        except AdapterError as error:
            _LOG.warning("%s does not say what it offers (%s)", name, type(error).__name__)
            offers = []
        except Exception as error:  # noqa: BLE001 - asking is safe; its text may quote anything
            _LOG.error("the adapter of %s raised %s over an offer", name, type(error).__name__)
            offers = []
        return self._remember(name, item, next((x for x in offers if x.item == item), None))

    def _asked(self, name: str, items: list[str]) -> list[Offer]:
        return list(self._suppliers[name].offers(items))

    def _remember(self, name: str, item: str, offer: Offer | None) -> _Known:
        known = _Known(offer, self._now_s() + self._settings.supply.offer_s)
        with self._lock:
            self._known[name, item] = known
        return known

    def _assumed(self, item: str, sku: str) -> Offer | None:
        """Return the offer of a supplier that names no prices: the most that we would pay."""
        ceiling = self._settings.skus[sku].ceiling
        return None if ceiling is None else Offer(item=item, price=ceiling)

    def _told(self, name: str, sku: str, offer: Offer) -> Offer:
        settings = self._settings
        record = next((x for x in self._pool.supplier_records() if x.name == name), None)
        asked, served = (record.asked, record.served) if record else (0.0, 0.0)
        return attrs.evolve(
            offer,
            supplier=name,
            sku=sku,
            cost=_positive(
                in_currency(offer.price, settings.suppliers[name].rate, settings.currency)
            ),
            success_rate=served / asked if asked else 1.0,
            delay_s=record.took_ms / served / 1000 if record and served else 0.0,
        )


def _positive(cost: Money | None) -> Money | None:
    """A price of nothing, or less, is a mistake of somebody's."""
    return cost if cost is not None and cost.minor > 0 else None
