"""What the store promises to the flow: atomic changes, and looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from autocard.clock import Clock
from autocard.model import (
    Batch,
    BatchId,
    CardId,
    CardRecord,
    Event,
    History,
    OrderId,
    PurchaseId,
    StockLevel,
)
from autocard.records import (
    BatchEntry,
    EventEntry,
    IntentEntry,
    KnownCard,
    NewCard,
    OfferRecord,
    OldPage,
    OldRecord,
    OrderEntry,
    Placed,
    Plan,
    PurchaseEntry,
    RecordKind,
    SealedCard,
    Settlement,
    Status,
    StoredArchive,
    StoredIntent,
    StoredLine,
    StoredOrder,
    StoredPurchase,
    SupplierRecord,
    WrappedKey,
)
from autocard.states import CardState, IntentState, Outcome, PurchaseState, Reason

_T = TypeVar("_T")


class Transaction(Protocol):
    """
    One atomic change of the store. Every method either does what it says or raises.

    Leaving the `with` block commits; an exception rolls everything back.
    """

    def place(self, entry: OrderEntry) -> Placed | None:
        """Accept an order and take its cards; None when platform and number are known."""
        ...

    def place_many(self, entries: Sequence[OrderEntry]) -> list[Placed | None]:
        """Accept orders one after the other; see `place`."""
        ...

    def order(self, platform: str, order_no: str) -> StoredOrder | None:
        """Return the order as this transaction sees it."""
        ...

    def cards_of(self, order_id: OrderId) -> dict[int, tuple[SealedCard, ...]]:
        """Return the cards of an order as this transaction sees them; see `Pool.cards_of`."""
        ...

    def intents_of(self, order_id: OrderId) -> list[StoredIntent]:
        """Return the intents of an order as this transaction sees them."""
        ...

    def attach(self, order_id: OrderId, entry: OrderEntry) -> None:
        """
        Write the payload, digest and payment of *entry* over those of an unpaid or lineless order.

        Lines of *entry* are inserted only when the order has none yet.
        """
        ...

    def fill(
        self,
        line: StoredLine,
        plan: Plan,
        *,
        card_state: CardState,
        filled: Status,
        short: Status,
        intents: Sequence[IntentEntry] = (),
        buyer: bytes | None = None,
        now_ms: int,
    ) -> tuple[Status, tuple[SealedCard, ...]]:
        """
        Take the cards of a line that has none, or turn its reserved ones into *card_state*.

        Raises:
            IllegalTransition: The line is no longer in `line.status`.
        """
        ...

    def end_reservation(self, order_id: OrderId, *, now_ms: int) -> bool:
        """Forget when a reservation ends; False when it was paid, prolonged or ended meanwhile."""
        ...

    def settle_line(self, line: StoredLine, status: Status, *, now_ms: int) -> None:
        """Take a line from `line.status` to *status*; `IllegalTransition` if it has moved on."""
        ...

    def rematch(self, line: StoredLine, *, now_ms: int) -> None:
        """Write sku, units, sources and batches of *line* over what the store has."""
        ...

    def move_line_cards(
        self, order_id: OrderId, line_no: int, state: CardState, target: CardState, *, now_ms: int
    ) -> int:
        """Take every card of a line from *state* to *target*; return how many."""
        ...

    def give_cards(
        self, line: StoredLine, cards: Sequence[CardId], target: CardState, *, now_ms: int
    ) -> None:
        """Give these AVAILABLE cards to a line; `IllegalTransition` if one is not available."""
        ...

    def insert_intents(
        self, order_id: OrderId, line_no: int, intents: Sequence[IntentEntry], *, now_ms: int
    ) -> None:
        """Commit to outside calls."""
        ...

    def settle_intent(
        self,
        intent: StoredIntent,
        state: IntentState,
        *,
        due_ms: int = 0,
        problem: str = "",
        remote: str = "",
    ) -> None:
        """Take an intent from `intent.state` to *state*; `IllegalTransition` if it moved on."""
        ...

    def open_intents(self, order_id: OrderId, line_no: int) -> int:
        """Return how many deliveries of a line are neither DONE nor FAILED."""
        ...

    def record(self, events: Sequence[EventEntry]) -> None:
        """Append events."""
        ...

    def begin_purchase(self, entry: PurchaseEntry) -> PurchaseId | None:
        """Write a purchase down; None, and nothing is written, while its need has an open one."""
        ...

    def purchase_before(self, purchase: PurchaseId, need: str) -> PurchaseId | None:
        """Return the newest purchase for *need* beside *purchase*, which this change has begun."""
        ...

    def claim_purchase(
        self, purchase: StoredPurchase, state: PurchaseState, until_ms: int
    ) -> StoredPurchase | None:
        """
        Own *purchase* as *state* until a moment; None when it moved on or was claimed since.

        It comes back with one more attempt, as SENDING with one more call, and until then counts
        as a call to its supplier. Somebody may still own it until `purchase.due_ms`; whoever
        claims it fences them off.

        Raises:
            IllegalTransition: A purchase cannot go from `purchase.state` to *state*, or *state*
                is final.
        """
        ...

    def settle_purchase(
        self, purchase: StoredPurchase, settlement: Settlement, *, now_ms: int
    ) -> None:
        """
        Write what became of a purchase, and give it free; a final state ends its need.

        Raises:
            IllegalTransition: It is no longer in `purchase.state`, or was claimed since.
        """
        ...

    def calls_open(self, supplier: str, now_ms: int) -> int:
        """Return how many purchases of a supplier are owned by somebody at this moment."""
        ...

    def open_purchases(self, order_id: OrderId) -> int:
        """Return how many purchases for lines of an order are not final."""
        ...

    def supplier(self, name: str) -> SupplierRecord:
        """Return what is known of a supplier; nobody else changes it until the end of this change."""
        ...

    def write_supplier(self, record: SupplierRecord) -> None:
        """Write over what is known of a supplier that this change has read with `supplier`."""
        ...

    def write_offer(self, record: OfferRecord) -> None:
        """Write the last offer of a supplier for a sku over what is known of it."""
        ...

    def begin_batch(self, entry: BatchEntry) -> BatchId:
        """Make the batch, and its warehouse where it is new."""
        ...

    def add_cards(
        self, batch: BatchId, cards: Sequence[NewCard], *, now_ms: int
    ) -> dict[bytes, KnownCard]:
        """Add the cards whose fingerprints are new; return the known ones by fingerprint."""
        ...

    def known(self, fingerprints: Sequence[bytes]) -> dict[bytes, KnownCard]:
        """Return which of these fingerprints are in the store, as this transaction sees it."""
        ...

    def undo_batch(self, batch: BatchId, *, limit: int, now_ms: int) -> int:
        """Void and forget up to *limit* AVAILABLE cards of a batch; return how many."""
        ...

    def close_batch(self, batch: BatchId) -> None:
        """Mark a batch undone; `IllegalTransition` when it was."""
        ...

    def void_card(self, card: CardId, state: CardState, *, now_ms: int) -> None:
        """Take a card from *state* to VOID."""
        ...

    def move_cards(
        self, sku: str, origin: str, destination: str, *, limit: int, now_ms: int
    ) -> int:
        """Carry up to *limit* AVAILABLE cards from one warehouse to another; return how many."""
        ...

    def insert_data_keys(self, rows: Sequence[WrappedKey]) -> None:
        """Store wrapped data keys."""
        ...

    def roll_up(self) -> int:
        """Fold up to 10,000 movements into levels; return how many were folded."""
        ...

    def begin_archive(self, entry: StoredArchive) -> str | None:
        """
        Note that an archive is being written.

        One whose writer did not come to the end is replaced, and its name returned: whoever still
        writes it meets `IllegalTransition`.
        """
        ...

    def seal_archive(self, entry: StoredArchive) -> None:
        """Let the file of an archive count, as it is described; `IllegalTransition` if replaced."""
        ...

    def clear(self, archive: StoredArchive, records: Sequence[OldRecord]) -> int:
        """
        Take out of the store what lies in an archive; return how many records it was.

        Of an order the payload goes; its row says where it is. An order that moved on since it
        was written keeps everything. What is gone already is passed by. Record an event first,
        such as that the archive was made: the id of the newest must not be given twice.

        Raises:
            IllegalTransition: The archive was closed meanwhile.
        """
        ...

    def close_archive(self, name: str) -> None:
        """Note that everything in an archive has left; `IllegalTransition` if it was closed."""
        ...

    def restore_order(
        self, stored: StoredOrder, payload: bytes, intents: Sequence[OldRecord]
    ) -> None:
        """Give an archived order its payload and intents back; `IllegalTransition` if it has."""
        ...

    def pay_archived(self, order_id: OrderId, entry: OrderEntry) -> None:
        """Write the payment in *entry* down for an unpaid order whose payload is in an archive."""
        ...


class Pool(Protocol):
    """
    The store of cards, orders and events.

    Looks may be made at any time; changes are made in a `transaction`.
    Every method raises `StoreUnavailable` when the database cannot be used.
    """

    def close(self) -> None:
        """Give back every connection."""
        ...

    @property
    def clock(self) -> Clock:
        """The time that every host of this store agrees on."""
        ...

    def change(self, work: Callable[[Transaction], _T], connection: Any = None) -> _T:
        """
        Do *work* in one transaction and return what it returns.

        Where the database undoes a transaction for the sake of another one, or a connection
        breaks before the commit, the work is done again from its beginning; so it changes nothing
        but the store. With the host's *connection* it is done once, and the host commits or rolls
        back.
        """
        ...

    def transaction(self, connection: Any = None) -> AbstractContextManager[Transaction]:
        """
        Begin a change that is made once; see `change`.

        Effects: holds the write lock of an embedded store until the block is left.
        """
        ...

    def in_transaction(self) -> bool:
        """Say whether this thread is inside a change; then nothing may be called outside."""
        ...

    def order(self, platform: str, order_no: str) -> StoredOrder | None:
        """Return one order with its lines."""
        ...

    def order_by_id(self, order_id: OrderId) -> StoredOrder | None:
        """Return one order with its lines."""
        ...

    def orders(
        self,
        *,
        outcome: Outcome | None = None,
        reason: Reason | None = None,
        platform: str | None = None,
        contact: bytes | None = None,
        limit: int = 100,
    ) -> list[StoredOrder]:
        """
        Return the newest orders, with a line of *outcome* (and *reason*) where it is given.

        A paid order whose lines are not known yet (no digest) counts as HELD without a reason.
        """
        ...

    def cards_of(self, order_id: OrderId) -> dict[int, tuple[SealedCard, ...]]:
        """Return the ISSUED and DELIVERED cards of an order, by line; a shared card per unit."""
        ...

    def history(self, buyer: bytes | None, platform: str, order_no: str, now_ms: int) -> History:
        """Return what is known of a buyer by its keyed index, this order left out."""
        ...

    def waiting(
        self, *, sku: str | None = None, after: tuple[int, int] = (0, 0), limit: int
    ) -> list[StoredLine]:
        """Return paid lines that wait for stock, first come first, beyond order and line."""
        ...

    def unconfirmed(self, limit: int) -> list[StoredOrder]:
        """Return orders said to be paid whose platform could not be asked yet."""
        ...

    def lapsed(self, now_ms: int, limit: int) -> list[StoredOrder]:
        """Return unpaid orders whose reservation is over."""
        ...

    def claim_intents(
        self, now_ms: int, lease_ms: int, limit: int, *, order_id: OrderId | None = None
    ) -> list[StoredIntent]:
        """
        Claim due intents, and those whose sender vanished, so that no other host takes them.

        With *order_id* only those of one order.

        A vanished sender's intent comes as UNKNOWN, a due one as SENDING.
        """
        ...

    def intents_of(self, order_id: OrderId) -> list[StoredIntent]:
        """Return the intents of an order."""
        ...

    def due_purchases(self, now_ms: int, limit: int) -> list[StoredPurchase]:
        """
        Return open purchases to be worked on, the most overdue first.

        One that is still SENDING was being sent by somebody who vanished.
        """
        ...

    def purchase(self, reference: str) -> StoredPurchase | None:
        """Return one purchase by our reference."""
        ...

    def purchase_of(self, supplier: str, remote: str) -> StoredPurchase | None:
        """Return the newest purchase that a supplier knows under its number *remote*."""
        ...

    def purchases(
        self,
        *,
        state: PurchaseState | None = None,
        supplier: str | None = None,
        order_id: OrderId | None = None,
        need: str | None = None,
        limit: int = 100,
    ) -> list[StoredPurchase]:
        """Return the newest purchases; of one state, supplier, order or need where it is given."""
        ...

    def supplier_records(self) -> list[SupplierRecord]:
        """Return what is known of suppliers, by name."""
        ...

    def offers(self, supplier: str | None = None) -> list[OfferRecord]:
        """Return the last offers, by supplier and sku."""
        ...

    def sales(self, sku: str, since_day: int) -> dict[tuple[str, int], int]:
        """
        Return how many cards of a sku were sold, by warehouse and day, from *since_day* on.

        Days are counted from 1970-01-01, in UTC; a day without sales is left out. What counts is
        that a card left its warehouse for a line. A shared card, which stays there while it is
        sold, counts once: when it is used up.
        """
        ...

    def find_card(self, fingerprint: bytes) -> CardRecord | None:
        """Return where the card with this fingerprint is."""
        ...

    def sealed_card(self, card: CardId) -> tuple[CardRecord, SealedCard] | None:
        """Return one card by its id."""
        ...

    def known(self, fingerprints: Sequence[bytes]) -> dict[bytes, KnownCard]:
        """Return which of these fingerprints are in the store."""
        ...

    def stock(self, sku: str | None = None, *, alive_at_ms: int | None = None) -> list[StockLevel]:
        """
        Return exact levels by sku and warehouse.

        With *alive_at_ms* the cards that expire at or before that moment do not count as available:
        they lie there, and no `Plan` of that moment takes them.
        """
        ...

    def batches(self, sku: str | None = None) -> list[Batch]:
        """Return batches, newest first."""
        ...

    def formats(self) -> frozenset[str]:
        """Return the names of the card formats that batches came in with."""
        ...

    def events(
        self, *, after: int = 0, order_id: OrderId | None = None, limit: int = 1000
    ) -> list[Event]:
        """Return events in the order they were recorded."""
        ...

    def restock_events(self, reference: str) -> list[Event]:
        """Return the events of a purchase that is for no order, in the order they were recorded."""
        ...

    def old_records(self, kind: RecordKind, before_ms: int, *, after: int = 0) -> OldPage:
        """
        Return what of one kind is older than a moment and may leave, beyond the id *after*.

        Orders that are finished and that nothing happened to since; intents that are over and
        events, of orders that are in an archive or of none; movements that the levels hold.
        """
        ...

    def records_of(self, order_ids: Sequence[OrderId]) -> list[OldRecord]:
        """Return the events of orders, and their intents that are over."""
        ...

    def archives(self) -> list[StoredArchive]:
        """Return every archive that was begun, the oldest first."""
        ...

    def data_keys(self) -> list[WrappedKey]:
        """Return the wrapped data keys."""
        ...

    def audit(self) -> list[str]:
        """Compare every book with every other; return what does not agree, in words."""
        ...
