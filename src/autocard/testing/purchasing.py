"""Purchases, suppliers and offers in memory: how they are written, claimed, settled and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import attrs

from autocard.errors import IllegalTransition, StoreError
from autocard.model import OrderId, PurchaseId
from autocard.records import (
    OfferRecord,
    PurchaseEntry,
    Settlement,
    Status,
    StoredPurchase,
    SupplierRecord,
)
from autocard.states import FINAL, Outcome, PurchaseState, Reason, check_purchase_move
from autocard.testing.books import Books, KeptPurchase

REMOTE_LENGTH: Final = 255
_WORKED_ON: Final = (
    PurchaseState.DUE,
    PurchaseState.SENDING,
    PurchaseState.UNKNOWN,
    PurchaseState.ACCEPTED,
)
_ASKED: Final = (PurchaseState.HELD, PurchaseState.UNKNOWN, PurchaseState.ACCEPTED)
_BUYING: Final = Status(Outcome.PENDING, Reason.BUYING)
_WAITS: Final = (
    _BUYING,
    Status(Outcome.HELD, Reason.UNKNOWN_PURCHASE),
    Status(Outcome.HELD, Reason.SUPPLY),
)


class PurchasingBooks:
    """The part of a change in memory that is about buying."""

    _books: Books

    def begin_purchase(self, entry: PurchaseEntry) -> PurchaseId | None:
        kept = self._books.purchases
        known = [x.purchase for x in kept.values()]
        if any(x.need == entry.need and x.state not in FINAL for x in known):
            return None
        if any(x.reference == entry.reference for x in known):
            raise StoreError("a purchase with this reference is written down already")
        is_ours = entry.state is PurchaseState.SENDING
        purchase = StoredPurchase(
            id=PurchaseId(len(kept) + 1),
            attempts=int(is_ours),
            calls=int(is_ours),
            changed_ms=entry.created_ms,
            **attrs.asdict(entry),
        )
        lease_ms = entry.due_ms if is_ours else None
        kept[purchase.id] = KeptPurchase(purchase=purchase, lease_ms=lease_ms)
        return purchase.id

    def purchase_before(self, purchase: PurchaseId, need: str) -> PurchaseId | None:
        kept = self._books.purchases.items()
        return max((x for x, y in kept if x != purchase and y.purchase.need == need), default=None)

    def claim_purchase(
        self, purchase: StoredPurchase, state: PurchaseState, until_ms: int
    ) -> StoredPurchase | None:
        check_purchase_move(purchase.state, state)
        if state in FINAL:
            raise IllegalTransition(f"a purchase that is {state} is nobody's to work on")
        current = self._current(purchase)
        if current is None:
            return None
        claimed = attrs.evolve(
            current,
            state=state,
            due_ms=until_ms,
            attempts=current.attempts + 1,
            calls=current.calls + (state is PurchaseState.SENDING),
        )
        self._books.purchases[claimed.id] = KeptPurchase(purchase=claimed, lease_ms=until_ms)
        return claimed

    def settle_purchase(
        self, purchase: StoredPurchase, settlement: Settlement, *, now_ms: int
    ) -> None:
        check_purchase_move(purchase.state, settlement.state)
        current = self._current(purchase)
        if current is None:
            raise IllegalTransition("somebody else works on this purchase")
        told = {x: y for x, y in attrs.asdict(settlement).items() if y is not None}
        if "remote" in told:
            told["remote"] = told["remote"][:REMOTE_LENGTH]
        settled = attrs.evolve(current, changed_ms=now_ms, **told)
        self._books.purchases[settled.id] = KeptPurchase(purchase=settled)

    def _current(self, purchase: StoredPurchase) -> StoredPurchase | None:
        """Return a purchase as it is now; None when it is not as it was seen."""
        kept = self._books.purchases.get(purchase.id)
        seen = (purchase.state, purchase.attempts)
        if kept is None or (kept.purchase.state, kept.purchase.attempts) != seen:
            return None
        return kept.purchase

    def calls_open(self, supplier: str, now_ms: int) -> int:
        return sum(
            x.purchase.supplier == supplier and x.lease_ms is not None and x.lease_ms > now_ms
            for x in self._books.purchases.values()
        )

    def open_purchases(self, order_id: OrderId) -> int:
        return sum(x.order_id == order_id for x in open_purchases(self._books))

    def supplier(self, name: str) -> SupplierRecord:
        return self._books.suppliers.setdefault(name, SupplierRecord(name=name))

    def write_supplier(self, record: SupplierRecord) -> None:
        if record.name not in self._books.suppliers:
            raise IllegalTransition("nothing is known of this supplier; read it in the same change")
        self._books.suppliers[record.name] = record

    def write_offer(self, record: OfferRecord) -> None:
        self._books.offers[record.supplier, record.sku] = record


# --- looks ----------------------------------------------------------------------------------


def open_purchases(books: Books) -> Iterator[StoredPurchase]:
    """Return the purchases that are not over, the oldest first."""
    return (x.purchase for x in books.purchases.values() if x.purchase.state not in FINAL)


def due_purchases(books: Books, now_ms: int, limit: int) -> list[StoredPurchase]:
    """Return open purchases to be worked on, the most overdue first."""
    due = [x for x in open_purchases(books) if x.state in _WORKED_ON and x.due_ms <= now_ms]
    return sorted(due, key=lambda x: (x.due_ms, x.id))[:limit]


def newest_purchases(
    books: Books, fits: Callable[[StoredPurchase], bool], limit: int
) -> list[StoredPurchase]:
    """Return the newest purchases that fit."""
    newest = [x.purchase for _, x in sorted(books.purchases.items(), reverse=True)]
    return [x for x in newest if fits(x)][:limit]


def purchase_faults(books: Books) -> list[str]:
    """Compare open purchases with the lines that they are for."""
    going = list(open_purchases(books))
    needs = {x.need for x in going}
    faults = [
        f"line {name} is being bought, and no purchase for it is open"
        for name, line in books.lines.items()
        if line.status == _BUYING and f"line:{name[0]}/{name[1]}" not in needs
    ]
    for purchase in going:
        line = books.lines.get((purchase.order_id or 0, purchase.line_no or 0))
        # A person decides, or has it looked up; its line may have been served or ended otherwise.
        goes_on = purchase.order_id is not None and purchase.state not in _ASKED
        if goes_on and (line is None or line.status not in _WAITS):
            faults.append(f"purchase {purchase.reference} goes on, and no line waits for it")
    return faults
