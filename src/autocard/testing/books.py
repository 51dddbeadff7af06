"""What the pool in memory remembers: frozen values in dictionaries, and how they are looked up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Self

import attrs

from autocard.clock import NEVER_MS, from_ms
from autocard.model import (
    Batch,
    BatchId,
    CardId,
    CardRecord,
    Event,
    OrderId,
    PurchaseId,
    StockLevel,
)
from autocard.money import Money
from autocard.records import (
    BatchEntry,
    EventEntry,
    KnownCard,
    OfferRecord,
    OrderEntry,
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
from autocard.states import CardState, Outcome, Reason

LineName = tuple[int, int]
"""The id of an order and the number of a line."""

SHOWN: Final = (CardState.ISSUED, CardState.DELIVERED)
WAITING: Final = (
    Status(Outcome.PENDING, Reason.SHORT),
    Status(Outcome.PENDING, Reason.MANUAL),
)
_TOLD: Final = "line.delivered"
_HANDED: Final = (
    Status(Outcome.DELIVERED),
    Status(Outcome.PENDING, Reason.DELIVERING),
    Status(Outcome.HELD, Reason.UNDELIVERED),
    Status(Outcome.HELD, Reason.UNKNOWN_DELIVERY),
)


@attrs.frozen(kw_only=True)
class KeptCard:
    """One card, wherever it is; `line` says whose it is."""

    id: CardId
    sku: str
    warehouse: str
    batch: BatchId
    expires_ms: int
    fingerprint: bytes | None
    sealed: bytes = attrs.field(repr=False)
    state: CardState = CardState.AVAILABLE
    line: LineName | None = None
    uses: int = 0

    def shown(self) -> SealedCard:
        """Return what the flow is given of this card."""
        return SealedCard(self.id, self.fingerprint or b"", self.sealed, self.expires_ms)


@attrs.frozen(kw_only=True)
class KeptBatch:
    """One import."""

    entry: BatchEntry
    added: int = 0
    undone: bool = False


@attrs.frozen(kw_only=True)
class KeptIntent:
    """One intent, with the moment at which it is due or its lease ends."""

    intent: StoredIntent
    due_ms: int


@attrs.frozen(kw_only=True)
class KeptPurchase:
    """One purchase, and until when somebody works on it."""

    purchase: StoredPurchase
    lease_ms: int | None = None


@attrs.frozen(kw_only=True)
class Share:
    """Units of one shared card on one line."""

    line: LineName
    card: CardId
    units: int
    sku: str
    buyer: bytes | None


@attrs.define(kw_only=True)
class Books:
    """The whole store. Everything in the dictionaries is frozen, so a shallow copy is a copy."""

    orders: dict[OrderId, OrderEntry] = attrs.field(factory=dict)
    numbers: dict[tuple[str, str], OrderId] = attrs.field(factory=dict)
    lines: dict[LineName, StoredLine] = attrs.field(factory=dict)
    warehouses: dict[tuple[str, str], None] = attrs.field(factory=dict)
    batches: dict[BatchId, KeptBatch] = attrs.field(factory=dict)
    cards: dict[CardId, KeptCard] = attrs.field(factory=dict)
    fingerprints: dict[bytes, CardId] = attrs.field(factory=dict)
    shares: list[Share] = attrs.field(factory=list)
    sales: dict[tuple[str, str, int], int] = attrs.field(factory=dict)
    """How many cards were sold, by sku, warehouse and day."""
    intents: dict[int, KeptIntent] = attrs.field(factory=dict)
    purchases: dict[PurchaseId, KeptPurchase] = attrs.field(factory=dict)
    suppliers: dict[str, SupplierRecord] = attrs.field(factory=dict)
    offers: dict[tuple[str, str], OfferRecord] = attrs.field(factory=dict)
    events: dict[int, EventEntry] = attrs.field(factory=dict)
    archives: dict[str, StoredArchive] = attrs.field(factory=dict)
    archived: dict[OrderId, str] = attrs.field(factory=dict)
    """In which archive the payload of an order is."""
    data_keys: dict[int, WrappedKey] = attrs.field(factory=dict)

    def copy(self) -> Self:
        """Return books that can be written on without changing these."""
        return type(self)(**{x.name: getattr(self, x.name).copy() for x in attrs.fields(Books)})

    # --- orders ---

    def order(self, order_id: OrderId | None) -> StoredOrder | None:
        """Return an order with its lines, or None."""
        if order_id is None or order_id not in self.orders:
            return None
        entry = self.orders[order_id]
        return StoredOrder(
            id=order_id,
            platform=entry.platform,
            order_no=entry.order_no,
            digest=entry.digest,
            payload=entry.payload,
            buyer=entry.buyer,
            accepted_ms=entry.accepted_ms,
            paid_ms=entry.paid_ms,
            amount_minor=entry.amount_minor,
            currency=entry.currency,
            reserved_until_ms=entry.reserved_until_ms,
            lines=tuple(self.lines_of(order_id)),
            archive=self.archived.get(order_id),
        )

    def orders_by_id(self, ids: Iterable[OrderId], limit: int) -> list[StoredOrder]:
        """Return the first *limit* of these orders."""
        found = (self.order(order_id) for order_id in list(ids)[:limit])
        return [order for order in found if order is not None]

    def lines_of(self, order_id: OrderId) -> list[StoredLine]:
        """Return the lines of an order by number."""
        return [line for name, line in sorted(self.lines.items()) if name[0] == order_id]

    def waiting(self, sku: str | None, after: tuple[int, int]) -> list[StoredLine]:
        """Return lines that wait for stock beyond *after*, first come first."""
        return [
            line
            for name, line in sorted(self.lines.items())
            if name > after and line.status in WAITING and sku in (None, line.sku)
        ]

    def somebody_waits(self, sku: str, before: tuple[int, int]) -> bool:
        """Say whether a line of *sku* waits for stock ahead of the line *before*."""
        return any((x.order_id, x.line_no) < before for x in self.waiting(sku, (0, 0)))

    def intents_of(self, order_id: OrderId) -> list[StoredIntent]:
        """Return the intents of an order in the order they were committed."""
        kept = (x.intent for _, x in sorted(self.intents.items()))
        return [intent for intent in kept if intent.order_id == order_id]

    def told(self) -> list[Event]:
        """Return all events in the order they were recorded."""
        return [self._event(number, x) for number, x in self.events.items()]

    def _event(self, number: int, entry: EventEntry) -> Event:
        order = None if entry.order_id is None else self.orders.get(entry.order_id)
        return Event(
            id=number,
            kind=entry.kind,
            at=from_ms(entry.at_ms),
            platform="" if order is None else order.platform,
            order_no="" if order is None else order.order_no,
            line_no=entry.line_no or 0,
            detail=json.loads(entry.detail),
        )

    # --- cards ---

    def cards_on(self, line: LineName, state: CardState) -> list[KeptCard]:
        """Return the cards of a line in one state, in the order they were taken."""
        found = (x for x in self.cards.values() if x.line == line and x.state is state)
        return sorted(found, key=in_turn)

    def cards_of(self, order_id: OrderId) -> dict[int, tuple[SealedCard, ...]]:
        """Return the cards of an order that may be shown, by line; a shared card per unit."""
        units = [
            (x.line, x, 1)
            for x in self.cards.values()
            if x.line and x.line[0] == order_id and x.state in SHOWN
        ]
        units += [(x.line, self.cards[x.card], x.units) for x in self.shares]
        found: dict[int, tuple[SealedCard, ...]] = {}
        for line, card, times in sorted(units, key=lambda x: (x[0], in_turn(x[1]))):
            if line[0] == order_id:
                found[line[1]] = (*found.get(line[1], ()), *[card.shown()] * times)
        return found

    def known(self, fingerprints: Sequence[bytes]) -> dict[bytes, KnownCard]:
        """Return which of these fingerprints are here, and where."""
        found = {
            x: self.cards[self.fingerprints[x]] for x in fingerprints if x in self.fingerprints
        }
        return {x: KnownCard(card.id, card.state, card.batch) for x, card in found.items()}

    def card_record(self, card: KeptCard) -> CardRecord:
        """Return what is known of a card without opening it."""
        order = None if card.line is None else self.orders.get(OrderId(card.line[0]))
        return CardRecord(
            id=card.id,
            sku=card.sku,
            warehouse=card.warehouse,
            state=card.state,
            batch=card.batch,
            expires_at=None if card.expires_ms >= NEVER_MS else from_ms(card.expires_ms),
            platform="" if order is None else order.platform,
            order_no="" if order is None else order.order_no,
            line_no=0 if card.line is None else card.line[1],
        )

    def stock(self, sku: str | None, alive_at_ms: int | None = None) -> list[StockLevel]:
        """Return levels by sku and warehouse, counted; available cards that expire by then are not."""
        counts = Counter(
            (x.sku, x.warehouse, x.state)
            for x in self.cards.values()
            if alive_at_ms is None
            or x.state is not CardState.AVAILABLE
            or x.expires_ms > alive_at_ms
        )
        return [
            StockLevel(
                sku=shelf[0],
                warehouse=shelf[1],
                **{str(state): counts[*shelf, state] for state in CardState},
            )
            for shelf in sorted(self.warehouses)
            if sku in (None, shelf[0])
        ]

    def batch_list(self, sku: str | None) -> list[Batch]:
        """Return batches, newest first."""
        left = Counter(x.batch for x in self.cards.values() if x.state is CardState.AVAILABLE)
        return [
            _batch(batch, kept, left[batch])
            for batch, kept in sorted(self.batches.items(), reverse=True)
            if sku in (None, kept.entry.sku)
        ]

    # --- the audit ---

    def audit(self) -> list[str]:
        """Compare lines with cards, shared cards with sales, lines with events."""
        return [*self._line_faults(), *self._card_faults(), *self._untold()]

    def _line_faults(self) -> list[str]:
        held = Counter(x.line for x in self.cards.values() if x.line and x.state in SHOWN)
        for share in self.shares:
            held[share.line] += share.units
        void = Counter(x.line for x in self.cards.values() if x.line and x.state is CardState.VOID)
        faults = []
        for name, line in self.lines.items():
            is_handed = line.status in _HANDED
            wanted, has = (line.units, held[name] + void[name]) if is_handed else (0, held[name])
            if wanted != has:
                faults.append(f"line {name} should have {wanted} cards, has {has}")
        return faults + [f"cards without their line {name}" for name in held.keys() - self.lines]

    def _card_faults(self) -> list[str]:
        sold = Counter[CardId]()
        for share in self.shares:
            sold[share.card] += share.units
        faults = []
        for card in self.cards.values():
            if card.state is CardState.AVAILABLE and card.line is not None:
                faults.append(f"card {card.id} is available and belongs to an order")
            if card.state in (*SHOWN, CardState.RESERVED) and not (card.line or card.uses):
                faults.append(f"card {card.id} left stock without an order")
            if card.uses != sold[card.id]:
                faults.append(f"shared card {card.id} was not sold as often as it says")
        return faults

    def _untold(self) -> list[str]:
        told = {(x.order_id, x.line_no) for x in self.events.values() if x.kind == _TOLD}
        restored = {x.order_id for x in self.events.values() if x.kind == "order.restored"}
        return [
            f"line {name} is delivered, and no event says so"
            for name, line in self.lines.items()
            if line.status.outcome is Outcome.DELIVERED
            and name not in told
            and line.order_id not in (self.archived.keys() | restored)
        ]


def in_turn(card: KeptCard) -> tuple[int, int]:
    """Return what cards are sorted by: the earliest expiry first, then first in."""
    return card.expires_ms, card.id


def _batch(batch: BatchId, kept: KeptBatch, left: int) -> Batch:
    entry = kept.entry
    cost = None
    if entry.cost_minor is not None and entry.currency is not None:
        cost = Money.from_minor(entry.cost_minor, entry.currency)
    return Batch(
        id=batch,
        sku=entry.sku,
        warehouse=entry.warehouse,
        format=entry.format,
        supplier=entry.supplier,
        cost=cost,
        provenance=entry.provenance,
        imported_by=entry.imported_by,
        imported_at=from_ms(entry.imported_ms),
        added=kept.added,
        available=left,
        undone=kept.undone,
    )
