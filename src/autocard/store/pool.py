"""What every SQL store shares: the looks, and changes that are made again when they have to be."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, ClassVar, Final, TypeVar

import attrs

from autocard.clock import Clock, SystemClock
from autocard.errors import StoreError, StoreUnavailable
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
    RecordKind,
    SealedCard,
    StoredArchive,
    StoredIntent,
    StoredLine,
    StoredOrder,
    StoredPurchase,
    SupplierRecord,
    WrappedKey,
)
from autocard.states import IntentState, Outcome, PurchaseState, Reason
from autocard.store import looks, old
from autocard.store.problems import Conflict, Lost
from autocard.store.purchases import all_offers, all_suppliers, newest_purchases, sold
from autocard.store.purchasing import REMOTE_LENGTH
from autocard.store.rows import (
    read_cards,
    read_known,
    read_order,
    rows_of,
    stored_intent,
    stored_line,
    stored_purchase,
)
from autocard.store.schema import cards
from autocard.store.statements import Statements
from autocard.store.transaction import SqlTransaction

_T = TypeVar("_T")
_FIRST_PAUSE_S: Final = 0.002
_LONGEST_PAUSE_S: Final = 0.5
_FOLD_EVERY: Final = 200
_MANY: Final = 5 * _FOLD_EVERY
"""So many movements that are not rolled up make a look at stock slow."""
_MOST: Final = 10_000
"""So many are rolled up in one change at most; it takes tens of milliseconds."""


class SqlPool(ABC):
    """
    `autocard.ports.Pool` on a database; how it is reached is for the subclasses.

    `wait_s` is how long a change or look goes on trying before `StoreUnavailable`.
    """

    sql: ClassVar[type[Statements]] = Statements
    quickly: ClassVar[tuple[str, ...]] = ()
    """What is said before a look that reads little, for the time of it."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s

    @property
    def clock(self) -> Clock:
        return SystemClock()

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def transaction(self, connection: Any = None) -> AbstractContextManager[SqlTransaction]: ...

    @abstractmethod
    def in_transaction(self) -> bool: ...

    @abstractmethod
    def _look(self, look: Callable[[Any], _T]) -> _T:
        """Run one hot look on a driver's cursor."""

    @abstractmethod
    def _cold(self, look: Callable[..., _T], *arguments: object) -> _T:
        """Run a look of several statements on one consistent picture of the store."""

    # --- changes ---

    def change(self, work: Callable[[SqlTransaction], _T], connection: Any = None) -> _T:
        if connection is not None:  # the host's transaction is the host's to make again
            with self.transaction(connection) as change:
                return work(change)
        return self._persistently(lambda: self._changed(work))

    def _changed(self, work: Callable[[SqlTransaction], _T]) -> _T:
        with self.transaction() as change:
            found = work(change)
        self._fold_some(change.moved)
        return found

    def _fold_some(self, moved: int) -> None:
        """
        Roll movements up now and then, in a change of its own, so that looks at stock stay short.

        Each movement brings a roll-up of twice as many with it as often as keeps the number of
        those that are left low, whether or not anybody resumes.
        """
        if random.random() * _FOLD_EVERY < moved:  # noqa: S311 - spreads the work only
            self._fold(2 * max(moved, _FOLD_EVERY))

    def _fold(self, most: int) -> None:
        with suppress(StoreError), self.transaction() as change:  # the next one will do it
            change.roll_up(most)

    def _persistently(self, attempt: Callable[[], _T]) -> _T:
        """Return what *attempt* returns, tried again while the database asks for that."""
        deadline = time.monotonic() + self.wait_s
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return attempt()
            except (Conflict, Lost) as error:
                if time.monotonic() + pause_s > deadline:
                    raise StoreUnavailable(str(error)) from error
            # A random part of a growing pause lets those who met here come apart.
            time.sleep(pause_s * random.random())  # noqa: S311 - spreads waiters only
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    # --- hot looks ---

    def order(self, platform: str, order_no: str) -> StoredOrder | None:
        return self._look(
            lambda c: read_order(c, self.sql, self.sql.FIND_ORDER, (platform, order_no))
        )

    def order_by_id(self, order_id: OrderId) -> StoredOrder | None:
        return self._look(lambda c: read_order(c, self.sql, self.sql.FIND_ORDER_BY_ID, (order_id,)))

    def cards_of(self, order_id: OrderId) -> dict[int, tuple[SealedCard, ...]]:
        return self._look(lambda c: read_cards(c, self.sql, order_id))

    def waiting(
        self, *, sku: str | None = None, after: tuple[int, int] = (0, 0), limit: int
    ) -> list[StoredLine]:
        statement: str
        parameters: tuple[object, ...]
        if sku is None:
            statement, parameters = self.sql.WAITING_LINES, (*after, limit)
        else:
            statement, parameters = self.sql.WAITING_LINES_OF, (sku, *after, limit)
        return self._look(lambda c: [stored_line(row) for row in rows_of(c, statement, parameters)])

    def intents_of(self, order_id: OrderId) -> list[StoredIntent]:
        return self._look(
            lambda c: [stored_intent(x) for x in rows_of(c, self.sql.INTENTS_OF, (order_id,))]
        )

    def claim_intents(
        self, now_ms: int, lease_ms: int, limit: int, *, order_id: OrderId | None = None
    ) -> list[StoredIntent]:
        statement: str = self.sql.DUE_INTENTS
        parameters: tuple[object, ...] = (now_ms, limit)
        if order_id is not None:
            statement, parameters = self.sql.DUE_INTENTS_OF, (now_ms, order_id, limit)
        due = self._look(lambda c: [stored_intent(x) for x in rows_of(c, statement, parameters)])
        if not due:
            return []
        return self.change(lambda change: _claimed(change, due, now_ms + lease_ms))

    def due_purchases(self, now_ms: int, limit: int) -> list[StoredPurchase]:
        return self._purchases(self.sql.DUE_PURCHASES, (now_ms, limit))

    def purchase(self, reference: str) -> StoredPurchase | None:
        return next(iter(self._purchases(self.sql.FIND_PURCHASE, (reference,))), None)

    def purchase_of(self, supplier: str, remote: str) -> StoredPurchase | None:
        if not remote:
            return None  # so are all whose number is not known yet
        named = (supplier, remote[:REMOTE_LENGTH])
        return next(iter(self._purchases(self.sql.FIND_REMOTE_PURCHASE, named)), None)

    def _purchases(self, statement: str, parameters: tuple[object, ...]) -> list[StoredPurchase]:
        return self._look(lambda c: [stored_purchase(x) for x in rows_of(c, statement, parameters)])

    def known(self, fingerprints: Sequence[bytes]) -> dict[bytes, KnownCard]:
        return self._look(lambda c: read_known(c, self.sql, fingerprints))

    # --- cold looks ---

    def orders(
        self,
        *,
        outcome: Outcome | None = None,
        reason: Reason | None = None,
        platform: str | None = None,
        contact: bytes | None = None,
        limit: int = 100,
    ) -> list[StoredOrder]:
        names = self._cold(looks.newest_orders, outcome, reason, platform, contact, limit)
        return [order for name in names if (order := self.order(*name)) is not None]

    def lapsed(self, now_ms: int, limit: int) -> list[StoredOrder]:
        names = self._cold(looks.lapsed, now_ms, limit)
        return [order for name in names if (order := self.order(*name)) is not None]

    def unconfirmed(self, limit: int) -> list[StoredOrder]:
        names = self._cold(looks.unconfirmed, limit)
        return [order for name in names if (order := self.order(*name)) is not None]

    def history(self, buyer: bytes | None, platform: str, order_no: str, now_ms: int) -> History:
        if buyer is None:
            return History()
        return self._cold(looks.history, buyer, platform, order_no, now_ms)

    def find_card(self, fingerprint: bytes) -> CardRecord | None:
        found = self._cold(looks.card, cards.c.fingerprint == fingerprint)
        return found and found[0]

    def sealed_card(self, card: CardId) -> tuple[CardRecord, SealedCard] | None:
        return self._cold(looks.card, cards.c.id == card)

    def stock(self, sku: str | None = None, *, alive_at_ms: int | None = None) -> list[StockLevel]:
        levels, unfolded = self._cold(looks.stock_and_rest, sku, self.quickly, alive_at_ms)
        if unfolded > _MANY and not self.in_transaction():
            self._fold(_MOST)
        return levels

    def batches(self, sku: str | None = None) -> list[Batch]:
        return self._cold(looks.all_batches, sku)

    def formats(self) -> frozenset[str]:
        return self._cold(looks.formats)

    def purchases(
        self,
        *,
        state: PurchaseState | None = None,
        supplier: str | None = None,
        order_id: OrderId | None = None,
        need: str | None = None,
        limit: int = 100,
    ) -> list[StoredPurchase]:
        return self._cold(newest_purchases, state, supplier, order_id, need, limit)

    def supplier_records(self) -> list[SupplierRecord]:
        return self._cold(all_suppliers)

    def offers(self, supplier: str | None = None) -> list[OfferRecord]:
        return self._cold(all_offers, supplier)

    def sales(self, sku: str, since_day: int) -> dict[tuple[str, int], int]:
        return self._cold(sold, sku, since_day)

    def events(
        self, *, after: int = 0, order_id: OrderId | None = None, limit: int = 1000
    ) -> list[Event]:
        return self._cold(looks.all_events, after, order_id, limit)

    def restock_events(self, reference: str) -> list[Event]:
        return self._cold(looks.restock_events, reference)

    def old_records(self, kind: RecordKind, before_ms: int, *, after: int = 0) -> OldPage:
        return self._cold(old.old_records, kind, before_ms, after)

    def records_of(self, order_ids: Sequence[OrderId]) -> list[OldRecord]:
        return self._cold(old.records_of, order_ids)

    def archives(self) -> list[StoredArchive]:
        return self._cold(old.all_archives)

    def data_keys(self) -> list[WrappedKey]:
        return self._cold(looks.all_data_keys)

    def audit(self) -> list[str]:
        return self._cold(looks.audit)


def _claimed(
    change: SqlTransaction, due: Sequence[StoredIntent], until_ms: int
) -> list[StoredIntent]:
    """Own those of *due* that nobody was faster to own."""
    claimed = []
    for intent in due:
        # The sender of one that is still SENDING vanished; its answer is unknown.
        is_due = intent.state is IntentState.DUE
        state = IntentState.SENDING if is_due else IntentState.UNKNOWN
        if change.claim_intent(intent, state, until_ms):
            claimed.append(attrs.evolve(intent, state=state, attempts=intent.attempts + 1))
    return claimed
