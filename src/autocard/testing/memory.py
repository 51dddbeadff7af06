"""A pool in plain dictionaries: for unit tests of hosts, and the model that stores are held to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, TypeVar

from autocard.clock import Clock, SystemClock, from_ms
from autocard.errors import StoreError
from autocard.model import (
    Batch,
    CardId,
    CardRecord,
    Event,
    History,
    OrderId,
    StockLevel,
)
from autocard.records import (
    KnownCard,
    OfferRecord,
    OldPage,
    OldRecord,
    OrderEntry,
    RecordKind,
    SealedCard,
    Status,
    StoredArchive,
    StoredIntent,
    StoredLine,
    StoredOrder,
    StoredPurchase,
    SupplierRecord,
    WrappedKey,
)
from autocard.states import (
    Outcome,
    PurchaseState,
    Reason,
)
from autocard.testing.archiving import old_records, records_of
from autocard.testing.bookkeeping import MemoryTransaction, Taken, has_lapsed
from autocard.testing.books import (
    Books,
)
from autocard.testing.purchasing import (
    REMOTE_LENGTH,
    due_purchases,
    newest_purchases,
    purchase_faults,
)

_HOUR_MS: Final = 3_600_000
_T = TypeVar("_T")


class MemoryPool:
    """
    `autocard.ports.Pool` in memory. Threads may share it; nothing outlives the process.

    A change works on a copy of the books and the pool adopts it at the end, so looks never wait
    and a change that fails leaves nothing. Meant for thousands of cards, not for millions.
    """

    def __init__(self) -> None:
        self._books = Books()
        self._writing = threading.Lock()
        self._writer: int | None = None

    @property
    def clock(self) -> Clock:
        return SystemClock()

    def close(self) -> None:
        """Do nothing: there are no connections to give back."""

    def transaction(self, connection: Any = None) -> AbstractContextManager[MemoryTransaction]:
        if connection is not None:
            raise StoreError("a pool in memory cannot join a host's transaction; leave it out")
        return self._change()

    @contextmanager
    def _change(self) -> Iterator[MemoryTransaction]:
        if self.in_transaction():
            raise RuntimeError("this thread is inside a transaction already")
        with self._writing:
            self._writer = threading.get_ident()
            try:
                books = self._books.copy()
                yield MemoryTransaction(books)
                self._books = books
            finally:
                self._writer = None

    def change(self, work: Callable[[MemoryTransaction], _T], connection: Any = None) -> _T:
        with self.transaction(connection) as change:
            return work(change)

    def in_transaction(self) -> bool:
        return self._writer == threading.get_ident()

    # --- orders ---

    def order(self, platform: str, order_no: str) -> StoredOrder | None:
        books = self._books
        return books.order(books.numbers.get((platform, order_no)))

    def order_by_id(self, order_id: OrderId) -> StoredOrder | None:
        return self._books.order(order_id)

    def orders(
        self,
        *,
        outcome: Outcome | None = None,
        reason: Reason | None = None,
        platform: str | None = None,
        contact: bytes | None = None,
        limit: int = 100,
    ) -> list[StoredOrder]:
        books = self._books

        def fits(order_id: OrderId, entry: OrderEntry) -> bool:
            return (
                platform in (None, entry.platform)
                and contact in (None, entry.contact)
                and _stands(entry, books.lines_of(order_id), outcome, reason)
            )

        newest = sorted(books.orders.items(), reverse=True)
        return books.orders_by_id((x for x, entry in newest if fits(x, entry)), limit)

    def cards_of(self, order_id: OrderId) -> dict[int, Taken]:
        return self._books.cards_of(order_id)

    def history(self, buyer: bytes | None, platform: str, order_no: str, now_ms: int) -> History:
        times = [
            x.accepted_ms
            for name, number in self._books.numbers.items()
            if buyer is not None and name != (platform, order_no)
            for x in (self._books.orders[number],)
            if x.buyer == buyer
        ]
        return History(
            first_order_at=from_ms(min(times)) if times else None,
            orders_last_hour=sum(x > now_ms - _HOUR_MS for x in times),
            orders_last_day=sum(x > now_ms - 24 * _HOUR_MS for x in times),
        )

    def waiting(
        self, *, sku: str | None = None, after: tuple[int, int] = (0, 0), limit: int
    ) -> list[StoredLine]:
        return self._books.waiting(sku, after)[:limit]

    def unconfirmed(self, limit: int) -> list[StoredOrder]:
        books = self._books
        unpaid = Status(Outcome.PENDING, Reason.UNCONFIRMED)
        doubtful = {OrderId(name[0]) for name, x in books.lines.items() if x.status == unpaid}
        said = sorted(x for x in doubtful if books.orders[x].paid_ms is not None)
        return books.orders_by_id(said, limit)

    def lapsed(self, now_ms: int, limit: int) -> list[StoredOrder]:
        books = self._books
        over = [
            (x.reserved_until_ms or 0, order_id)
            for order_id, x in books.orders.items()
            if has_lapsed(x, now_ms)
        ]
        return books.orders_by_id((order_id for _, order_id in sorted(over)), limit)

    def claim_intents(
        self, now_ms: int, lease_ms: int, limit: int, *, order_id: OrderId | None = None
    ) -> list[StoredIntent]:
        with self._change() as change:
            return change.claim(now_ms, lease_ms, limit, order_id)

    def intents_of(self, order_id: OrderId) -> list[StoredIntent]:
        return self._books.intents_of(order_id)

    # --- buying ---

    def due_purchases(self, now_ms: int, limit: int) -> list[StoredPurchase]:
        return due_purchases(self._books, now_ms, limit)

    def purchase(self, reference: str) -> StoredPurchase | None:
        found = newest_purchases(self._books, lambda x: x.reference == reference, 1)
        return found[0] if found else None

    def purchase_of(self, supplier: str, remote: str) -> StoredPurchase | None:
        named = (supplier, remote[:REMOTE_LENGTH])
        found = newest_purchases(
            self._books, lambda x: bool(remote) and (x.supplier, x.remote) == named, 1
        )
        return found[0] if found else None

    def purchases(
        self,
        *,
        state: PurchaseState | None = None,
        supplier: str | None = None,
        order_id: OrderId | None = None,
        need: str | None = None,
        limit: int = 100,
    ) -> list[StoredPurchase]:
        def fits(purchase: StoredPurchase) -> bool:
            return (
                state in (None, purchase.state)
                and supplier in (None, purchase.supplier)
                and order_id in (None, purchase.order_id)
                and need in (None, purchase.need)
            )

        return newest_purchases(self._books, fits, limit)

    def supplier_records(self) -> list[SupplierRecord]:
        return [record for _, record in sorted(self._books.suppliers.items())]

    def offers(self, supplier: str | None = None) -> list[OfferRecord]:
        found = sorted(self._books.offers.items())
        return [offer for _, offer in found if supplier in (None, offer.supplier)]

    def sales(self, sku: str, since_day: int) -> dict[tuple[str, int], int]:
        return {
            (warehouse, day): quantity
            for (name, warehouse, day), quantity in self._books.sales.items()
            if name == sku and day >= since_day
        }

    # --- cards ---

    def find_card(self, fingerprint: bytes) -> CardRecord | None:
        books = self._books
        found = books.fingerprints.get(fingerprint)
        return None if found is None else books.card_record(books.cards[found])

    def sealed_card(self, card: CardId) -> tuple[CardRecord, SealedCard] | None:
        books = self._books
        found = books.cards.get(card)
        return None if found is None else (books.card_record(found), found.shown())

    def known(self, fingerprints: Sequence[bytes]) -> dict[bytes, KnownCard]:
        return self._books.known(fingerprints)

    def stock(self, sku: str | None = None, *, alive_at_ms: int | None = None) -> list[StockLevel]:
        return self._books.stock(sku, alive_at_ms)

    def batches(self, sku: str | None = None) -> list[Batch]:
        return self._books.batch_list(sku)

    def formats(self) -> frozenset[str]:
        return frozenset(batch.format for batch in self._books.batch_list(None))

    # --- the rest ---

    def events(
        self, *, after: int = 0, order_id: OrderId | None = None, limit: int = 1000
    ) -> list[Event]:
        books = self._books
        told = zip(books.events.values(), books.told(), strict=True)
        chosen = [x for entry, x in told if order_id in (None, entry.order_id) and x.id > after]
        return chosen[:limit]

    def restock_events(self, reference: str) -> list[Event]:
        told = zip(self._books.events.values(), self._books.told(), strict=True)
        loose = (x for entry, x in told if entry.order_id is None)
        return [x for x in loose if x.detail.get("reference") == reference]

    def old_records(self, kind: RecordKind, before_ms: int, *, after: int = 0) -> OldPage:
        return old_records(self._books, kind, before_ms, after)

    def records_of(self, order_ids: Sequence[OrderId]) -> list[OldRecord]:
        return records_of(self._books, order_ids)

    def archives(self) -> list[StoredArchive]:
        return list(self._books.archives.values())

    def data_keys(self) -> list[WrappedKey]:
        return [row for _, row in sorted(self._books.data_keys.items())]

    def audit(self) -> list[str]:
        return [*self._books.audit(), *purchase_faults(self._books)]


def _stands(
    entry: OrderEntry, lines: Sequence[StoredLine], outcome: Outcome | None, reason: Reason | None
) -> bool:
    """Say whether an order has a line like this; a payment without lines counts as HELD."""
    if outcome is None and reason is None:
        return True
    if entry.digest is None and outcome is Outcome.HELD and reason is None:
        return True
    return any(
        outcome in (None, x.status.outcome) and reason in (None, x.status.reason) for x in lines
    )
