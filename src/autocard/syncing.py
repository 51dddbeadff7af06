"""Keep an eye on suppliers: what goods cost and whether they are sold, and how much money is left."""

from __future__ import annotations

import logging
from typing import Any, Final

import attrs

from autocard.bargain import Offer
from autocard.buying import Buyer
from autocard.clock import to_ms
from autocard.errors import AdapterError
from autocard.events import event
from autocard.http.retry import call_safely
from autocard.money import Money
from autocard.ports import Capability, Transaction
from autocard.records import EventEntry, OfferRecord, SupplierRecord

_LOG: Final = logging.getLogger("autocard.syncing")


@attrs.frozen(kw_only=True)
class SyncReport:
    """
    What one look at a supplier found.

    Args:
        supplier: Its configured name.
        offers: How many of the configured goods it offers.
        changed: How many events that was: goods listed, changed or withdrawn.
        balance: What it holds of our money; None where it does not say.
        problem: What could not be asked, and why; "" where everything could.
    """

    supplier: str
    offers: int = 0
    changed: int = 0
    balance: Money | None = None
    problem: str = ""


@attrs.frozen
class Syncer:
    """Asks suppliers what they offer and hold, and tells what has changed since the last time."""

    buyer: Buyer

    def sync_due(self) -> int:
        """Look at every supplier whose time has come; return how many were looked at."""
        every_ms = int(self.buyer.settings.supply.sync_every_s * 1000)
        if not every_ms:
            return 0
        return sum(self._is_due(name, every_ms) and bool(self.sync(name)) for name in self._names())

    def sync(self, supplier: str | None = None) -> list[SyncReport]:
        """
        Look at one supplier, or at all.

        Effects: safe requests, then one commit for each supplier.
        """
        names = self._names() if supplier is None else (supplier,)
        return [self._sync(name) for name in names]

    def _names(self) -> tuple[str, ...]:
        return tuple(self.buyer.suppliers)

    def _is_due(self, name: str, every_ms: int) -> bool:
        """Say whether it is our turn to look; no other host looks then."""
        now_ms = to_ms(self.buyer.clock.now())

        def claim(change: Transaction) -> bool:
            record = change.supplier(name)
            if record.looked_ms + every_ms > now_ms:
                return False
            change.write_supplier(attrs.evolve(record, looked_ms=now_ms))
            return True

        known = {x.name: x.looked_ms for x in self.buyer.pool.supplier_records()}
        is_over = known.get(name, 0) + every_ms <= now_ms
        return is_over and self.buyer.pool.change(claim)

    def _sync(self, name: str) -> SyncReport:
        offers, problem = self._offers(name)
        balance, trouble = self._balance(name)
        now_ms = to_ms(self.buyer.clock.now())
        before = {x.sku: x for x in self.buyer.pool.offers(name)}

        def write(change: Transaction) -> list[EventEntry]:
            record = change.supplier(name)
            events = self._compared(change, name, offers, before, now_ms)
            record, news = self._weighed(record, balance, now_ms)
            change.write_supplier(attrs.evolve(record, looked_ms=now_ms))
            change.record([*events, *news])
            return [*events, *news]

        events = self.buyer.pool.change(write)
        self.buyer.tell(None, events)
        return SyncReport(
            supplier=name,
            offers=len(offers or {}),
            changed=sum(x.kind.startswith("offer.") for x in events),
            balance=balance,
            problem="; ".join(x for x in (problem, trouble) if x),
        )

    # --- goods ---

    def _offers(self, name: str) -> tuple[dict[str, Offer] | None, str]:
        if Capability.OFFERS not in self.buyer.suppliers[name].capabilities:
            return None, ""
        try:
            return call_safely(lambda: self.buyer.offer_book.ask(name)), ""
        except Exception as error:  # noqa: BLE001 - asking is safe; it is asked again later
            return None, f"offers: {_words(name, error)}"

    def _compared(
        self,
        change: Transaction,
        name: str,
        offers: dict[str, Offer] | None,
        before: dict[str, OfferRecord],
        now_ms: int,
    ) -> list[EventEntry]:
        """Write down what is offered now, and return what is new about it."""
        if offers is None:
            return []
        events = []
        for sku, item in self.buyer.settings.suppliers[name].items.items():
            now = _record(name, sku, item, offers.get(sku), before.get(sku), now_ms)
            if now is None:
                continue
            change.write_offer(now)
            events += _news(before.get(sku), now, now_ms)
        return events

    # --- money ---

    def _balance(self, name: str) -> tuple[Money | None, str]:
        supplier = self.buyer.suppliers[name]
        if Capability.BALANCE not in supplier.capabilities:
            return None, ""
        try:
            return call_safely(supplier.balance), ""
        except Exception as error:  # noqa: BLE001 - as above
            return None, f"balance: {_words(name, error)}"

    def _weighed(
        self, record: SupplierRecord, balance: Money | None, now_ms: int
    ) -> tuple[SupplierRecord, list[EventEntry]]:
        if balance is None:
            return record, []
        low = self.buyer.settings.suppliers[record.name].balance_low
        is_low = low is not None and low.currency == balance.currency and balance < low
        events = []
        if is_low != record.is_low:
            kind = "balance.fallen" if is_low else "balance.restored"
            told: dict[str, Any] = {
                "supplier": record.name,
                "balance": str(balance),
                "limit": str(low),
            }
            events.append(event(kind, now_ms, **told))
        record = attrs.evolve(
            record,
            balance_minor=balance.minor,
            currency=balance.currency,
            balance_ms=now_ms,
            is_low=is_low,
        )
        return record, events


def _record(
    name: str, sku: str, item: str, offer: Offer | None, before: OfferRecord | None, now_ms: int
) -> OfferRecord | None:
    """Return what is to be remembered of a good; None for one that was never offered."""
    if offer is not None:
        return OfferRecord(
            supplier=name,
            sku=sku,
            item=item,
            price_minor=offer.price.minor,
            currency=offer.price.currency,
            available=offer.available,
            on_sale=offer.on_sale,
            seen_ms=now_ms,
        )
    if before is None:
        return None
    return attrs.evolve(before, available=0, on_sale=False, seen_ms=now_ms)


def _news(before: OfferRecord | None, now: OfferRecord, now_ms: int) -> list[EventEntry]:
    """Return the event that a good is new, withdrawn, sold out or costs something else."""
    detail: dict[str, Any] = {
        "supplier": now.supplier,
        "sku": now.sku,
        "item": now.item,
        "price": _price(now),
    }
    if before is None:
        return [event("offer.listed", now_ms, **detail, on_sale=now.on_sale)]
    if before.on_sale and not now.on_sale:
        return [event("offer.withdrawn", now_ms, **detail)]
    what: dict[str, Any] = {"on_sale": now.on_sale, "sold_out": now.available == 0}
    if _price(before) != _price(now):
        what["before"] = _price(before)
    elif (before.on_sale, before.available == 0) == (now.on_sale, now.available == 0):
        return []
    return [event("offer.changed", now_ms, **detail, **what)]


def _price(record: OfferRecord) -> str:
    return str(Money.from_minor(record.price_minor, record.currency))


def _words(name: str, error: Exception) -> str:
    if isinstance(error, AdapterError):
        return str(error)
    _LOG.error("the adapter of %s raised %s when it was asked", name, type(error).__name__)
    return f"the adapter failed with {type(error).__name__}"
