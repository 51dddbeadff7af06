"""What passes between the flow and the store: ids, states, times in milliseconds, sealed bytes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import attrs

from autocard.clock import NEVER_MS
from autocard.model import BatchId, CardId, OrderId, PurchaseId, Receipt, Reference
from autocard.states import CardState, IntentState, Outcome, PurchaseState, Reason

DIRECT: Final = "direct"
"""The route of cards that are returned to the caller."""


LONGEST_WORDS: Final = 1_000


def legible(words: str) -> str:
    """
    Return *words* from outside as every store takes them and a person can read them.

    No store takes half a letter, PostgreSQL no null character; what happened must be written down
    all the same.
    """
    if words.isprintable() and len(words) <= LONGEST_WORDS:
        return words
    return "".join(x if x.isprintable() else " " for x in words[:LONGEST_WORDS])


@attrs.frozen
class Status:
    """An outcome with its reason."""

    outcome: Outcome
    reason: Reason = Reason.NONE
    why: str = attrs.field(default="", eq=False, converter=legible)


@attrs.frozen(kw_only=True)
class Plan:
    """
    How one line is to be filled.

    Args:
        sku: Whose cards.
        quantity: How many; all or none are taken.
        warehouses: Where to look, in order.
        batches: When not empty, only these, in this order.
        alive_at_ms: Cards that expire at or before this moment are not taken.
        in_turn: Take nothing while another paid line of the sku waits before this one.
        shared: Cards of this sku are sold again and again.
        cap: How often one shared card may be sold; None means without limit.
        per_buyer: How many of a shared sku one buyer may have; None means without limit.
    """

    sku: str
    quantity: int
    warehouses: tuple[str, ...] = ("main",)
    batches: tuple[BatchId, ...] = ()
    alive_at_ms: int = 0
    in_turn: bool = False
    shared: bool = False
    cap: int | None = None
    per_buyer: int | None = None


class IntentKind(StrEnum):
    """What an intent will do."""

    DELIVER = "deliver"
    REFUND = "refund"


@attrs.frozen(kw_only=True)
class IntentEntry:
    """One outside call we have decided to make, committed before it is made."""

    kind: IntentKind = IntentKind.DELIVER
    route: str
    reference: Reference
    due_ms: int
    lease_ms: int | None = None
    """When set, the caller makes the call itself right after the commit."""
    amount_minor: int | None = None
    currency: str | None = None


@attrs.frozen(kw_only=True)
class LineEntry:
    """
    One line of an order that is being accepted.

    With a plan the line becomes *filled* when all its cards were taken and *short* otherwise;
    without one it becomes *short*.
    """

    line_no: int
    item: str
    quantity: int
    sku: str = ""
    units: int = 0
    sources: tuple[str, ...] = ()
    batches: tuple[BatchId, ...] = ()
    plan: Plan | None = None
    card_state: CardState = CardState.DELIVERED
    filled: Status = Status(Outcome.DELIVERED)
    short: Status = Status(Outcome.PENDING, Reason.SHORT)
    intents: tuple[IntentEntry, ...] = ()


@attrs.frozen(kw_only=True)
class OrderEntry:
    """An order that is being accepted: its identity, its sealed payload, its keyed indexes."""

    platform: str
    order_no: str
    digest: bytes | None
    payload: bytes
    buyer: bytes | None = None
    contact: bytes | None = None
    accepted_ms: int
    paid_ms: int | None = None
    amount_minor: int | None = None
    currency: str | None = None
    reserved_until_ms: int | None = None
    lines: tuple[LineEntry, ...] = ()


@attrs.frozen
class SealedCard:
    """A card as it lies in the store."""

    id: CardId
    fingerprint: bytes
    sealed: bytes = attrs.field(repr=False)
    expires_ms: int = NEVER_MS


@attrs.frozen
class Placed:
    """
    What became of an order that was accepted: for each line its status and its cards.

    `is_told` says that the events of its lines were recorded along with them.
    """

    order_id: OrderId
    lines: tuple[tuple[Status, tuple[SealedCard, ...]], ...]
    is_told: bool = False


@attrs.frozen(kw_only=True)
class StoredLine:
    """One line as the store knows it."""

    order_id: OrderId
    line_no: int
    item: str
    quantity: int
    sku: str
    units: int
    sources: tuple[str, ...]
    batches: tuple[BatchId, ...]
    status: Status
    changed_ms: int = 0


@attrs.frozen(kw_only=True)
class StoredOrder:
    """One order as the store knows it, with its lines."""

    id: OrderId
    platform: str
    order_no: str
    digest: bytes | None
    payload: bytes = attrs.field(repr=False)
    buyer: bytes | None
    accepted_ms: int
    paid_ms: int | None
    amount_minor: int | None
    currency: str | None
    reserved_until_ms: int | None
    lines: tuple[StoredLine, ...]
    archive: str | None = None
    """The archive that its payload went to; what it says of a payment since then is kept here."""


@attrs.frozen(kw_only=True)
class StoredIntent:
    """One intent as the store knows it."""

    id: int
    kind: IntentKind
    order_id: OrderId
    line_no: int
    route: str
    reference: Reference
    state: IntentState
    attempts: int
    created_ms: int
    amount_minor: int | None = None
    currency: str | None = None
    problem: str = ""


@attrs.frozen(kw_only=True)
class EventEntry:
    """An event that is being recorded. `detail` is JSON text without secrets."""

    kind: str
    at_ms: int
    order_id: OrderId | None = None
    line_no: int | None = None
    detail: str = "{}"


@attrs.frozen(kw_only=True)
class Allocation:
    """What T1 made of an order."""

    order_id: OrderId
    receipt: Receipt
    events: tuple[EventEntry, ...] = ()
    pushed: frozenset[Reference] = frozenset()
    """The intents that this very call is to carry out: leased to it, or due and to be claimed."""


@attrs.frozen
class NewCard:
    """One sealed card that is being imported, with the line it stood on."""

    line: int
    fingerprint: bytes
    sealed: bytes = attrs.field(repr=False)
    expires_ms: int = NEVER_MS


@attrs.frozen
class KnownCard:
    """Where a card that an import brings again already is."""

    id: CardId
    state: CardState
    batch: BatchId


@attrs.frozen(kw_only=True)
class BatchEntry:
    """An import that is being begun."""

    sku: str
    warehouse: str
    format: str
    supplier: str = ""
    cost_minor: int | None = None
    currency: str | None = None
    provenance: str = ""
    imported_by: str = ""
    imported_ms: int


@attrs.frozen
class WrappedKey:
    """
    One row of the store's data-key table.

    Args:
        number: 1 to 4,294,967,295, unique in the store; stands in every envelope.
        purpose: "seal" or "index".
        keyring_id: The id of the key-encryption key that wrapped it.
        wrapped: The data key, wrapped; useless without the keyring.
        created_at: Aware UTC.
    """

    number: int
    purpose: str
    keyring_id: str
    wrapped: bytes = attrs.field(repr=False)
    created_at: datetime


# --- buying ---------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class PurchaseEntry:
    """
    A purchase that was decided on, before its supplier hears of it.

    Args:
        reference: Ours, unique in the store.
        need: What it is for: `line:ORDER_ID/LINE_NO` or `restock:SKU/WAREHOUSE`. While a purchase
            is open there is no second one for the same need.
        supplier: The configured name.
        sku: Our name for what arrives.
        item: The supplier's name for it.
        quantity: How many units.
        order_id: Of the line it is for; None for stock.
        line_no: Of the line it is for; None for stock.
        warehouse: Where its cards go; "" for a top-up, which brings none.
        price_minor: What one unit was offered for, in *currency*.
        ceiling_minor: The most that one unit may cost, in *currency*.
        currency: The supplier's.
        worth_minor: What all units cost by that offer, in the currency of the settings; counted
            against the day's budget.
        state: PROPOSED, DUE, or SENDING where the call follows the commit at once.
        created_ms: When it was decided.
        due_ms: When it is to be worked on; with SENDING, until when nobody else may.
    """

    reference: Reference
    need: str
    supplier: str
    sku: str
    item: str
    quantity: int
    order_id: OrderId | None = None
    line_no: int | None = None
    warehouse: str = ""
    price_minor: int
    ceiling_minor: int
    currency: str
    worth_minor: int
    state: PurchaseState = PurchaseState.DUE
    created_ms: int
    due_ms: int


@attrs.frozen(kw_only=True)
class StoredPurchase:
    """One purchase as the store knows it. `attempts` counts how often it was claimed."""

    id: PurchaseId
    reference: Reference
    need: str
    supplier: str
    sku: str
    item: str
    quantity: int
    order_id: OrderId | None
    line_no: int | None
    warehouse: str
    price_minor: int
    ceiling_minor: int
    currency: str
    worth_minor: int
    state: PurchaseState
    created_ms: int
    due_ms: int
    attempts: int = 0
    calls: int = 0
    """How often the supplier was or is being asked to sell; looking it up does not count."""
    misses: int = 0
    """How often in a row the supplier said that there is no such purchase."""
    remote: str = ""
    arrived: int = 0
    """How many cards it has brought into the store."""
    cost_minor: int | None = None
    """What was charged for all of it, in *currency*, less what was paid back."""
    problem: str = ""
    changed_ms: int = 0


@attrs.frozen(kw_only=True)
class Settlement:
    """
    What one look or call came to, as it is written over a purchase.

    A field that is None leaves what is stored as it is.
    """

    state: PurchaseState
    due_ms: int = 0
    calls: int | None = None
    misses: int | None = None
    remote: str | None = None
    arrived: int | None = None
    cost_minor: int | None = None
    worth_minor: int | None = None
    problem: str | None = None


@attrs.frozen(kw_only=True)
class SupplierRecord:
    """
    What all hosts know together of one supplier.

    Args:
        name: The configured name.
        day: The day that *spent_minor* is about, as days since 1970 in UTC.
        spent_minor: What purchases of that day are worth, in the currency of the settings.
        failures: How many calls in a row have failed.
        pauses: How many pauses in a row those made.
        paused_until_ms: Nothing is bought before this moment.
        balance_minor: What the supplier said it holds; None before it was asked.
        currency: Of the balance.
        balance_ms: When it said so.
        is_low: The balance was found to be below the limit, and that was told.
        looked_ms: When prices, stock and balance were last asked for.
        served: How many of the last purchases were served, as a decaying sum.
        asked: How many of them there were, as a decaying sum.
        took_ms: How long the served ones took together, as a decaying sum.
    """

    name: str
    day: int = 0
    spent_minor: int = 0
    failures: int = 0
    pauses: int = 0
    paused_until_ms: int = 0
    balance_minor: int | None = None
    currency: str = ""
    balance_ms: int = 0
    is_low: bool = False
    looked_ms: int = 0
    served: float = 0.0
    asked: float = 0.0
    took_ms: float = 0.0


@attrs.frozen(kw_only=True)
class OfferRecord:
    """The last offer of a supplier for one of our skus; what changed since is an event."""

    supplier: str
    sku: str
    item: str
    price_minor: int
    currency: str
    available: int | None
    on_sale: bool
    seen_ms: int


# --- what is old ----------------------------------------------------------------------------


class RecordKind(StrEnum):
    """What of a store can be put into an archive."""

    ORDER = "order"
    """The payload of an order that is finished; its row, lines and cards stay."""
    INTENT = "intent"
    EVENT = "event"
    MOVEMENT = "movement"


@attrs.frozen(kw_only=True)
class OldRecord:
    """One row that may leave for an archive, or came back from one."""

    kind: RecordKind
    id: int
    at_ms: int
    order_id: OrderId | None = None
    columns: Mapping[str, Any] = attrs.field(repr=False, hash=False)
    """The rest of the row by column: texts, numbers and sealed bytes."""


@attrs.frozen
class OldPage:
    """Some old rows of one kind; *last* is beyond which id to look on, None at the end."""

    records: tuple[OldRecord, ...]
    last: int | None = None


class ArchiveState(StrEnum):
    """How far an archive has come."""

    WRITING = "writing"
    """Its file is not complete; nothing was taken out of the store."""
    CLEARING = "clearing"
    """Its file is complete and counts; what is in it is being taken out of the store."""
    DONE = "done"


@attrs.frozen(kw_only=True)
class StoredArchive:
    """One archive as the store knows it."""

    name: str
    replaces: str = ""
    """Whose file is to be removed: it was begun by somebody who did not come to the end."""
    state: ArchiveState = ArchiveState.WRITING
    before_ms: int
    made_ms: int
    by: str
    why: str = ""
    since_ms: int | None = None
    """When the oldest of its records happened."""
    until_ms: int | None = None
    orders: int = 0
    intents: int = 0
    events: int = 0
    movements: int = 0
    size: int = 0
    sha256: bytes | None = None
