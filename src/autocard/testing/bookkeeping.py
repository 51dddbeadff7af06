"""One atomic change of the pool in memory, written to be read next to its contract."""

# ruff: noqa: ARG002 - levels are counted here, so only a sale needs its time

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs

from autocard.errors import CardNotFound, IllegalTransition, StoreError
from autocard.model import (
    BatchId,
    CardId,
    OrderId,
)
from autocard.records import (
    BatchEntry,
    EventEntry,
    IntentEntry,
    IntentKind,
    KnownCard,
    LineEntry,
    NewCard,
    OrderEntry,
    Placed,
    Plan,
    SealedCard,
    Status,
    StoredIntent,
    StoredLine,
    StoredOrder,
    WrappedKey,
)
from autocard.states import (
    INTENT_MOVES,
    CardState,
    IntentState,
    Outcome,
    Reason,
    check_card_move,
    check_line_move,
)
from autocard.testing.archiving import ArchivingBooks
from autocard.testing.books import (
    SHOWN,
    Books,
    KeptBatch,
    KeptCard,
    KeptIntent,
    LineName,
    Share,
    in_turn,
)
from autocard.testing.purchasing import PurchasingBooks

_OPEN: Final = (IntentState.DUE, IntentState.SENDING, IntentState.UNKNOWN)
_UNSOLD: Final = (CardState.AVAILABLE, CardState.RESERVED)
_DAY_MS: Final = 86_400_000
Taken = tuple[SealedCard, ...]


class MemoryTransaction(PurchasingBooks, ArchivingBooks):
    """`autocard.ports.Transaction` on books of its own, which the pool adopts at the end."""

    def __init__(self, books: Books) -> None:
        self._books = books

    # --- accept and allocate ---

    def place(self, entry: OrderEntry) -> Placed | None:
        books = self._books
        name = (entry.platform, entry.order_no)
        if name in books.numbers:
            return None
        order_id = OrderId(len(books.orders) + 1)
        books.numbers[name] = order_id
        books.orders[order_id] = attrs.evolve(entry, lines=())
        return Placed(order_id, tuple(self._place_line(order_id, entry, x) for x in entry.lines))

    def place_many(self, entries: Sequence[OrderEntry]) -> list[Placed | None]:
        return [self.place(entry) for entry in entries]

    def _place_line(
        self, order_id: OrderId, entry: OrderEntry, line: LineEntry
    ) -> tuple[Status, Taken]:
        status: Status = line.short
        taken: Taken = ()
        if line.plan is not None:
            name = (order_id, line.line_no)
            verdict, taken = self._take(
                line.plan, name, line.card_state, entry.buyer, entry.accepted_ms
            )
            status = verdict or (line.filled if taken else line.short)
        self._write_line(order_id, line, status, entry.accepted_ms)
        if taken:
            self.insert_intents(order_id, line.line_no, line.intents, now_ms=entry.accepted_ms)
        return status, taken

    def _write_line(self, order_id: OrderId, line: LineEntry, status: Status, now_ms: int) -> None:
        self._books.lines[order_id, line.line_no] = StoredLine(
            order_id=order_id,
            line_no=line.line_no,
            item=line.item,
            quantity=line.quantity,
            sku=line.sku,
            units=line.units,
            sources=line.sources,
            batches=line.batches,
            status=status,
            changed_ms=now_ms,
        )

    def _take(
        self, plan: Plan, line: LineName, target: CardState, buyer: bytes | None, now_ms: int
    ) -> tuple[Status | None, Taken]:
        """Return the cards of a plan, all or none, and a status where it is neither."""
        if plan.in_turn and self._books.somebody_waits(plan.sku, line):
            return None, ()
        if plan.shared:
            return self._share(plan, line, buyer, now_ms)
        found = self._on_shelves(plan)[: plan.quantity]
        if len(found) < plan.quantity:
            return None, ()
        for card in found:
            self._hand(attrs.evolve(card, state=target, line=line), now_ms)
        return None, tuple(card.shown() for card in found)

    def _on_shelves(self, plan: Plan) -> list[KeptCard]:
        """Return what a plan may take, in the order in which it is taken."""
        found: dict[CardId, KeptCard] = {}
        for warehouse in plan.warehouses:
            here = [
                card
                for card in sorted(self._books.cards.values(), key=in_turn)
                if (card.sku, card.warehouse) == (plan.sku, warehouse)
                and card.state is CardState.AVAILABLE
                and card.expires_ms > plan.alive_at_ms
            ]
            for batch in plan.batches or (None,):
                found.update((x.id, x) for x in here if batch in (None, x.batch))
        return list(found.values())

    def _share(
        self, plan: Plan, line: LineName, buyer: bytes | None, now_ms: int
    ) -> tuple[Status | None, Taken]:
        if plan.per_buyer is not None and self._had(plan, buyer) > plan.per_buyer:
            why = f"one buyer may have {plan.per_buyer} of {plan.sku}"
            return Status(Outcome.HELD, Reason.BUYER_LIMIT, why), ()
        missing = plan.quantity
        chosen = []
        for card in self._on_shelves(plan):
            left = missing if plan.cap is None else min(missing, plan.cap - card.uses)
            if left > 0:
                chosen.append((card, left))
                missing -= left
        if missing:
            return None, ()
        handed = {x.card for x in self._books.shares if x.line == line}
        if any(card.id in handed for card, _ in chosen):
            raise StoreError("the line has this shared card already; nothing was stored")
        for card, units in chosen:
            spent = card.uses + units == plan.cap
            state = CardState.DELIVERED if spent else CardState.AVAILABLE
            self._hand(attrs.evolve(card, uses=card.uses + units, state=state), now_ms)
            self._books.shares.append(
                Share(line=line, card=card.id, units=units, sku=plan.sku, buyer=buyer)
            )
        return None, tuple(card.shown() for card, units in chosen for _ in range(units))

    def _had(self, plan: Plan, buyer: bytes | None) -> int:
        """Return how many this buyer would have had; an unknown buyer counts each time alone."""
        before = [x.units for x in self._books.shares if (x.buyer, x.sku) == (buyer, plan.sku)]
        return plan.quantity + (0 if buyer is None else sum(before))

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
    ) -> tuple[Status, Taken]:
        name = (line.order_id, line.line_no)
        reserved = self._books.cards_on(name, CardState.RESERVED)
        taken = tuple(card.shown() for card in reserved)
        status = filled
        is_fit = all(card.expires_ms > plan.alive_at_ms for card in reserved)
        if is_fit and len(taken) == plan.quantity:
            for card in reserved:
                self._hand(attrs.evolve(card, state=card_state), now_ms)
        else:
            for card in reserved:
                self._put(attrs.evolve(card, state=CardState.AVAILABLE, line=None))
            verdict, taken = self._take(plan, name, card_state, buyer, now_ms)
            status = verdict or (filled if taken else short)
        if taken or status != line.status:
            self.settle_line(line, status, now_ms=now_ms)
        if taken:
            self.insert_intents(line.order_id, line.line_no, intents, now_ms=now_ms)
        return status, taken

    # --- orders and lines ---

    def order(self, platform: str, order_no: str) -> StoredOrder | None:
        return self._books.order(self._books.numbers.get((platform, order_no)))

    def cards_of(self, order_id: OrderId) -> dict[int, Taken]:
        return self._books.cards_of(order_id)

    def intents_of(self, order_id: OrderId) -> list[StoredIntent]:
        return self._books.intents_of(order_id)

    def attach(self, order_id: OrderId, entry: OrderEntry) -> None:
        before = self._books.orders.get(order_id)
        if before is None or None not in (before.paid_ms, before.digest):
            raise IllegalTransition("the order was paid and joined meanwhile")
        self._books.orders[order_id] = attrs.evolve(
            before,
            digest=entry.digest,
            payload=entry.payload,
            buyer=entry.buyer,
            contact=entry.contact,
            paid_ms=entry.paid_ms,
            amount_minor=entry.amount_minor,
            currency=entry.currency,
            reserved_until_ms=entry.reserved_until_ms,
        )
        self._books.archived.pop(order_id, None)
        if not self._books.lines_of(order_id):
            for line in entry.lines:
                self._write_line(order_id, line, line.short, entry.accepted_ms)

    def end_reservation(self, order_id: OrderId, *, now_ms: int) -> bool:
        order = self._books.orders[order_id]
        if not has_lapsed(order, now_ms):
            return False
        self._books.orders[order_id] = attrs.evolve(order, reserved_until_ms=None)
        return True

    def settle_line(self, line: StoredLine, status: Status, *, now_ms: int) -> None:
        check_line_move(line.status.outcome, status.outcome)
        self._change_line(line, status=status, changed_ms=now_ms)

    def rematch(self, line: StoredLine, *, now_ms: int) -> None:
        self._change_line(
            line,
            sku=line.sku,
            units=line.units,
            sources=line.sources,
            batches=line.batches,
            changed_ms=now_ms,
        )

    def _change_line(self, line: StoredLine, **changes: Any) -> None:
        name = (line.order_id, line.line_no)
        current = self._books.lines.get(name)
        if current is None or current.status != line.status:
            raise IllegalTransition("the line has moved on")
        self._books.lines[name] = attrs.evolve(current, **changes)

    def move_line_cards(
        self, order_id: OrderId, line_no: int, state: CardState, target: CardState, *, now_ms: int
    ) -> int:
        check_card_move(state, target)
        name = (order_id, line_no)
        found = self._books.cards_on(name, state)
        owner = None if target is CardState.AVAILABLE else name
        for card in found:
            self._hand(attrs.evolve(card, state=target, line=owner), now_ms)
        return len(found)

    def give_cards(
        self, line: StoredLine, cards: Sequence[CardId], target: CardState, *, now_ms: int
    ) -> None:
        for card_id in cards:
            if self._card(card_id).sku != line.sku:
                raise CardNotFound(f"there is no card {card_id} of {line.sku}")
        for card_id in cards:
            card = self._card(card_id)
            if card.state is not CardState.AVAILABLE:
                raise IllegalTransition("a picked card is not available")
            name = (line.order_id, line.line_no)
            self._hand(attrs.evolve(card, state=target, line=name), now_ms)

    # --- intents and events ---

    def insert_intents(
        self, order_id: OrderId, line_no: int, intents: Sequence[IntentEntry], *, now_ms: int
    ) -> None:
        for entry in intents:
            kept = self._books.intents
            if any(x.intent.reference == entry.reference for x in kept.values()):
                raise StoreError("an intent with this reference is committed already")
            is_ours = entry.lease_ms is not None
            intent = StoredIntent(
                id=max(kept, default=0) + 1,
                kind=entry.kind,
                order_id=order_id,
                line_no=line_no,
                route=entry.route,
                reference=entry.reference,
                state=IntentState.SENDING if is_ours else IntentState.DUE,
                attempts=int(is_ours),
                created_ms=now_ms,
                amount_minor=entry.amount_minor,
                currency=entry.currency,
            )
            due_ms = entry.due_ms if entry.lease_ms is None else entry.lease_ms
            kept[intent.id] = KeptIntent(intent=intent, due_ms=due_ms)

    def settle_intent(
        self,
        intent: StoredIntent,
        state: IntentState,
        *,
        due_ms: int = 0,
        problem: str = "",
        remote: str = "",
    ) -> None:
        if state not in INTENT_MOVES[intent.state]:
            raise IllegalTransition(f"an intent cannot go from {intent.state} to {state}")
        kept = self._books.intents.get(intent.id)
        owned = (intent.state, intent.attempts)
        if kept is None or (kept.intent.state, kept.intent.attempts) != owned:
            raise IllegalTransition("somebody else works on this intent")
        self._books.intents[intent.id] = KeptIntent(
            intent=attrs.evolve(kept.intent, state=state, problem=problem), due_ms=due_ms
        )

    def claim(
        self, now_ms: int, lease_ms: int, limit: int, order_id: OrderId | None
    ) -> list[StoredIntent]:
        """Own the intents that are due, those of one order if it is given, for *lease_ms*."""
        books = self._books
        due = [
            (x.due_ms, x.intent.id)
            for x in books.intents.values()
            if x.intent.state in _OPEN
            and x.due_ms <= now_ms
            and order_id in (None, x.intent.order_id)
        ]
        claimed = []
        for _, number in sorted(due)[:limit]:
            intent = books.intents[number].intent
            is_due = intent.state is IntentState.DUE
            state = IntentState.SENDING if is_due else IntentState.UNKNOWN
            intent = attrs.evolve(intent, state=state, attempts=intent.attempts + 1)
            books.intents[number] = KeptIntent(intent=intent, due_ms=now_ms + lease_ms)
            claimed.append(intent)
        return claimed

    def open_intents(self, order_id: OrderId, line_no: int) -> int:
        return sum(
            x.line_no == line_no
            and x.kind is IntentKind.DELIVER
            and x.state not in (IntentState.DONE, IntentState.FAILED)
            for x in self._books.intents_of(order_id)
        )

    def record(self, events: Sequence[EventEntry]) -> None:
        kept = self._books.events
        last = next(reversed(kept), 0)
        kept.update(enumerate(events, start=last + 1))

    # --- cards ---

    def begin_batch(self, entry: BatchEntry) -> BatchId:
        self._books.warehouses[entry.sku, entry.warehouse] = None
        batch = BatchId(len(self._books.batches) + 1)
        self._books.batches[batch] = KeptBatch(entry=entry)
        return batch

    def add_cards(
        self, batch: BatchId, cards: Sequence[NewCard], *, now_ms: int
    ) -> dict[bytes, KnownCard]:
        books = self._books
        kept = self._batch(batch)
        known = books.known([card.fingerprint for card in cards])
        fresh = [card for card in cards if card.fingerprint not in known]
        if not fresh:
            return known
        if kept.undone:
            raise IllegalTransition(f"batch {batch} was undone meanwhile")
        for card in fresh:
            card_id = CardId(len(books.cards) + 1)
            books.fingerprints[card.fingerprint] = card_id
            books.cards[card_id] = KeptCard(
                id=card_id,
                sku=kept.entry.sku,
                warehouse=kept.entry.warehouse,
                batch=batch,
                expires_ms=card.expires_ms,
                fingerprint=card.fingerprint,
                sealed=card.sealed,
            )
        books.batches[batch] = attrs.evolve(kept, added=kept.added + len(fresh))
        return known

    def known(self, fingerprints: Sequence[bytes]) -> dict[bytes, KnownCard]:
        return self._books.known(fingerprints)

    def undo_batch(self, batch: BatchId, *, limit: int, now_ms: int) -> int:
        self._batch(batch)
        unsold = [
            x
            for x in self._books.cards.values()
            if x.batch == batch and x.state is CardState.AVAILABLE
        ]
        free = sorted(unsold, key=lambda x: (x.expires_ms, x.id))[:limit]
        for card in free:
            if card.uses:  # somebody has it: it stays readable
                self._put(attrs.evolve(card, state=CardState.VOID))
                continue
            assert card.fingerprint is not None
            del self._books.fingerprints[card.fingerprint]
            self._put(attrs.evolve(card, state=CardState.VOID, fingerprint=None, sealed=b""))
        return len(free)

    def close_batch(self, batch: BatchId) -> None:
        kept = self._books.batches.get(batch)
        if kept is None or kept.undone:
            raise IllegalTransition("the batch was undone before")
        self._books.batches[batch] = attrs.evolve(kept, undone=True)

    def void_card(self, card: CardId, state: CardState, *, now_ms: int) -> None:
        check_card_move(state, CardState.VOID)
        kept = self._card(card)
        if kept.state is not state:
            raise IllegalTransition(f"the card is no longer {state}")
        was_sold = state in (CardState.ISSUED, CardState.DELIVERED)
        owner = kept.line if was_sold else None
        self._put(attrs.evolve(kept, state=CardState.VOID, line=owner))

    def move_cards(
        self, sku: str, origin: str, destination: str, *, limit: int, now_ms: int
    ) -> int:
        if (sku, origin) not in self._books.warehouses:
            raise CardNotFound(f"{sku} has no warehouse {origin!r}")
        self._books.warehouses[sku, destination] = None
        found = self._on_shelves(Plan(sku=sku, quantity=limit, warehouses=(origin,)))[:limit]
        for card in found:
            self._put(attrs.evolve(card, warehouse=destination))
        return len(found)

    # --- housekeeping ---

    def insert_data_keys(self, rows: Sequence[WrappedKey]) -> None:
        for row in rows:
            if row.number in self._books.data_keys:
                raise StoreError(f"there is a data key {row.number} already")
            self._books.data_keys[row.number] = row

    def roll_up(self) -> int:
        return 0  # levels are counted; there is nothing to fold

    # --- helpers ---

    def _hand(self, card: KeptCard, now_ms: int) -> None:
        """Write down what an order does to a card; it is a sale where the card leaves stock."""
        before = self._books.cards[card.id].state
        if before in _UNSOLD and card.state in SHOWN:
            name = (card.sku, card.warehouse, now_ms // _DAY_MS)
            self._books.sales[name] = self._books.sales.get(name, 0) + 1
        self._put(card)

    def _put(self, card: KeptCard) -> None:
        self._books.cards[card.id] = card

    def _card(self, card: CardId) -> KeptCard:
        if card not in self._books.cards:
            raise CardNotFound(f"there is no card {card}")
        return self._books.cards[card]

    def _batch(self, batch: BatchId) -> KeptBatch:
        if batch not in self._books.batches:
            raise CardNotFound(f"there is no batch {batch}")
        return self._books.batches[batch]


def has_lapsed(order: OrderEntry, now_ms: int) -> bool:
    """Say whether an unpaid order's reservation is over."""
    until_ms = order.reserved_until_ms
    return order.paid_ms is None and until_ms is not None and until_ms <= now_ms
