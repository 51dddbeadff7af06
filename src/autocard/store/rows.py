"""Rows of the hot statements, and the values they become."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Protocol

from autocard.model import BatchId, CardId, OrderId
from autocard.records import (
    IntentKind,
    KnownCard,
    SealedCard,
    Status,
    StoredIntent,
    StoredLine,
    StoredOrder,
    StoredPurchase,
    SupplierRecord,
)
from autocard.states import (
    CardState,
    IntentState,
    Outcome,
    PurchaseState,
    Reason,
)
from autocard.store.statements import Statements

CHUNK: Final = 500  # parameters of one IN list; every dialect allows it

Taken = tuple[SealedCard, ...]


class Cursor(Protocol):
    """The part of a driver's cursor that is used."""

    @property
    def rowcount(self) -> int: ...
    @property
    def lastrowid(self) -> int | None: ...
    def execute(self, statement: str, parameters: Any = ..., /) -> Any: ...
    def executemany(self, statement: str, parameters: Any, /) -> Any: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> Any: ...


def rows_of(cursor: Cursor, statement: str, parameters: Sequence[Any]) -> list[Any]:
    """Return every row of *statement*."""
    cursor.execute(statement, parameters)
    return list(cursor.fetchall())


def read_order(
    cursor: Cursor, sql: type[Statements], statement: str, parameters: Sequence[Any]
) -> StoredOrder | None:
    """Return the order that *statement* finds, with its lines."""
    cursor.execute(statement, parameters)
    row = cursor.fetchone()
    if row is None:
        return None
    cursor.execute(sql.FIND_LINES, (row[0],))
    return StoredOrder(
        id=row[0], platform=row[1], order_no=row[2], digest=row[3], payload=row[4], buyer=row[5],
        accepted_ms=row[6], paid_ms=row[7], amount_minor=row[8], currency=row[9],
        reserved_until_ms=row[10], lines=tuple(stored_line(line) for line in cursor.fetchall()),
        archive=row[11],
    )  # fmt: skip


def read_cards(cursor: Cursor, sql: type[Statements], order_id: OrderId) -> dict[int, Taken]:
    """Return the cards of an order that may be shown, by line; a shared card once per unit."""
    cursor.execute(sql.ORDER_CARDS, (order_id, order_id))
    found: dict[int, list[SealedCard]] = {}
    for row in cursor.fetchall():
        found.setdefault(row[0], []).extend([SealedCard(*row[1:5])] * row[5])
    return {line_no: tuple(cards) for line_no, cards in found.items()}


def stored_line(row: Sequence[Any]) -> StoredLine:
    """Make a line of a row of `LINE_COLUMNS`."""
    choice = json.loads(row[6]) if row[6] else {}
    return StoredLine(
        order_id=row[0], line_no=row[1], item=row[2], quantity=row[3], sku=row[4], units=row[5],
        sources=tuple(choice.get("sources", ())), batches=tuple(choice.get("batches", ())),
        status=Status(Outcome(row[7]), Reason(row[8]), row[9]), changed_ms=row[10],
    )  # fmt: skip


def stored_intent(row: Sequence[Any]) -> StoredIntent:
    """Make an intent of a row of `INTENT_COLUMNS`."""
    return StoredIntent(
        id=row[0], kind=IntentKind(row[1]), order_id=row[2], line_no=row[3], route=row[4],
        reference=row[5], state=IntentState(row[6]), attempts=row[7], created_ms=row[8],
        amount_minor=row[9], currency=row[10], problem=row[11],
    )  # fmt: skip


def stored_purchase(row: Sequence[Any]) -> StoredPurchase:
    """Make a purchase of a row of `PURCHASE_COLUMNS`."""
    return StoredPurchase(
        id=row[0], reference=row[1], need=row[2], supplier=row[3], sku=row[4], item=row[5],
        quantity=row[6], order_id=row[7], line_no=row[8], warehouse=row[9], price_minor=row[10],
        ceiling_minor=row[11], currency=row[12], worth_minor=row[13], state=PurchaseState(row[14]),
        created_ms=row[15], due_ms=row[16], attempts=row[17], calls=row[18], misses=row[19],
        remote=row[20], arrived=row[21], cost_minor=row[22], problem=row[23], changed_ms=row[24],
    )  # fmt: skip


def supplier_record(row: Sequence[Any]) -> SupplierRecord:
    """Make what is known of a supplier of a row of `SUPPLIER_COLUMNS`."""
    return SupplierRecord(
        name=row[0], day=row[1], spent_minor=row[2], failures=row[3], pauses=row[4],
        paused_until_ms=row[5], balance_minor=row[6], currency=row[7], balance_ms=row[8],
        is_low=bool(row[9]), looked_ms=row[10], served=row[11], asked=row[12], took_ms=row[13],
    )  # fmt: skip


def read_known(
    cursor: Cursor, sql: type[Statements], fingerprints: Sequence[bytes]
) -> dict[bytes, KnownCard]:
    """Return which of *fingerprints* the store holds, and where."""
    known: dict[bytes, KnownCard] = {}
    for start in range(0, len(fingerprints), CHUNK):
        part = fingerprints[start : start + CHUNK]
        cursor.execute(sql.marked(sql.FIND_KNOWN, len(part)), part)
        for fingerprint, card, state, batch in cursor.fetchall():
            known[bytes(fingerprint)] = KnownCard(CardId(card), CardState(state), BatchId(batch))
    return known


def sources_text(sources: Sequence[str], batches: Sequence[int]) -> str:
    """Return what a match chose as JSON; nothing when the sku's own sources serve."""
    if not sources and not batches:
        return ""
    return json.dumps({"sources": list(sources), "batches": list(batches)})
