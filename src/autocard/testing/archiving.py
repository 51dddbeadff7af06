"""What may leave the books in memory for an archive, and how it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from autocard.errors import IllegalTransition
from autocard.model import OrderId
from autocard.records import (
    ArchiveState,
    IntentKind,
    OldPage,
    OldRecord,
    OrderEntry,
    RecordKind,
    StoredArchive,
    StoredIntent,
    StoredOrder,
)
from autocard.states import FINAL, IntentState, Outcome
from autocard.testing.books import Books, KeptIntent

_CLOSED: Final = (IntentState.DONE, IntentState.FAILED)
_FINISHED: Final = (Outcome.DELIVERED, Outcome.REJECTED, Outcome.CANCELLED)


def old_records(books: Books, kind: RecordKind, before_ms: int, after: int) -> OldPage:
    """Return everything of one kind that may leave, beyond the id *after*."""
    found = [
        record
        for record in _every(books, kind)
        if record.id > after and record.at_ms < before_ms and _may_leave(books, record, before_ms)
    ]
    return OldPage(tuple(found))


def records_of(books: Books, order_ids: Sequence[OrderId]) -> list[OldRecord]:
    """Return the events of orders, and their intents that are over."""
    return [
        record
        for kind in (RecordKind.INTENT, RecordKind.EVENT)
        for record in _every(books, kind)
        if record.order_id in order_ids and _is_over(books, record)
    ]


class ArchivingBooks:
    """The part of a change in memory that is about archives."""

    _books: Books

    def begin_archive(self, entry: StoredArchive) -> str | None:
        begun = self._books.archives
        writing = [name for name, x in begun.items() if x.state is ArchiveState.WRITING]
        for name in writing:
            del begun[name]
        begun[entry.name] = attrs.evolve(entry, replaces=writing[0] if writing else "")
        return writing[0] if writing else None

    def seal_archive(self, entry: StoredArchive) -> None:
        begun = self._advance(entry.name, ArchiveState.WRITING)
        self._books.archives[entry.name] = attrs.evolve(
            entry, state=ArchiveState.CLEARING, replaces=begun.replaces
        )

    def close_archive(self, name: str) -> None:
        closed = self._advance(name, ArchiveState.CLEARING)
        self._books.archives[name] = attrs.evolve(closed, state=ArchiveState.DONE)

    def _advance(self, name: str, state: ArchiveState) -> StoredArchive:
        found = self._books.archives.get(name)
        if found is None or found.state is not state:
            raise IllegalTransition("another run has taken this archive over")
        return found

    def clear(self, archive: StoredArchive, records: Sequence[OldRecord]) -> int:
        self._advance(archive.name, ArchiveState.CLEARING)
        books = self._books
        cleared = 0
        for record in records:
            if record.kind is RecordKind.ORDER and _is_unchanged(books, record, archive.before_ms):
                order_id = OrderId(record.id)
                books.orders[order_id] = attrs.evolve(books.orders[order_id], payload=b"")
                books.archived[order_id] = archive.name
                cleared += 1
        kept: Mapping[RecordKind, dict[int, Any]] = {
            RecordKind.INTENT: books.intents,
            RecordKind.EVENT: books.events,
        }
        for record in records:
            if record.id in kept.get(record.kind, {}) and _is_loose(books, record):
                del kept[record.kind][record.id]
                cleared += 1
        return cleared

    def restore_order(
        self, stored: StoredOrder, payload: bytes, intents: Sequence[OldRecord]
    ) -> None:
        books = self._books
        if stored.archive is None or books.archived.get(stored.id) != stored.archive:
            raise IllegalTransition("the order is no longer in this archive")
        del books.archived[stored.id]
        books.orders[stored.id] = attrs.evolve(books.orders[stored.id], payload=payload)
        back = {x.id: _kept_intent(x) for x in intents if x.id not in books.intents}
        books.intents = dict(sorted({**books.intents, **back}.items()))

    def pay_archived(self, order_id: OrderId, entry: OrderEntry) -> None:
        before = self._books.orders[order_id]
        if before.paid_ms is not None or order_id not in self._books.archived:
            raise IllegalTransition("the order was paid meanwhile")
        self._books.orders[order_id] = attrs.evolve(
            before,
            payload=entry.payload,
            paid_ms=entry.paid_ms,
            amount_minor=entry.amount_minor,
            currency=entry.currency,
        )


# --- what may leave -------------------------------------------------------------------------


def _may_leave(books: Books, record: OldRecord, before_ms: int) -> bool:
    if record.kind is RecordKind.ORDER:
        return _is_finished(books, OrderId(record.id), before_ms)
    return _is_over(books, record) and _is_loose(books, record)


def _is_loose(books: Books, record: OldRecord) -> bool:
    return record.order_id is None or record.order_id in books.archived


def _is_over(books: Books, record: OldRecord) -> bool:
    """Say whether nothing is left to be done about a record; the newest intent stays."""
    if record.kind is RecordKind.INTENT:
        return record.columns["state"] in _CLOSED and record.id != max(books.intents)
    return True


def _is_finished(books: Books, order_id: OrderId, before_ms: int) -> bool:
    lines = books.lines_of(order_id)
    return (
        order_id not in books.archived
        and books.orders[order_id].reserved_until_ms is None
        and bool(lines)
        and all(x.status.outcome in _FINISHED and x.changed_ms < before_ms for x in lines)
        and all(x.state in _CLOSED for x in books.intents_of(order_id))
        and not any(
            x.purchase.order_id == order_id and x.purchase.state not in FINAL
            for x in books.purchases.values()
        )
        and not any(x.order_id == order_id and x.at_ms >= before_ms for x in books.events.values())
    )


def _is_unchanged(books: Books, record: OldRecord, before_ms: int) -> bool:
    order_id = OrderId(record.id)
    payload = books.orders[order_id].payload
    return _is_finished(books, order_id, before_ms) and payload == record.columns["payload"]


def _every(books: Books, kind: RecordKind) -> Iterator[OldRecord]:
    """Return the rows of one kind by id; levels are counted here, so there are no movements."""
    if kind is RecordKind.ORDER:
        for order_id, order in books.orders.items():
            told = attrs.asdict(order, filter=attrs.filters.exclude("lines", "accepted_ms"))
            yield OldRecord(
                kind=kind, id=order_id, at_ms=order.accepted_ms, order_id=order_id, columns=told
            )
    elif kind is RecordKind.INTENT:
        for number, kept in books.intents.items():
            yield _intent_record(number, kept, _name(books, kept.intent.order_id))
    elif kind is RecordKind.EVENT:
        for number, event in books.events.items():
            told = {
                "kind": event.kind,
                "line_no": event.line_no,
                "detail": event.detail,
                **_name(books, event.order_id),
            }
            yield OldRecord(
                kind=kind, id=number, at_ms=event.at_ms, order_id=event.order_id, columns=told
            )


def _name(books: Books, order_id: OrderId | None) -> dict[str, str | None]:
    order = None if order_id is None else books.orders.get(order_id)
    return {
        "platform": None if order is None else order.platform,
        "order_no": None if order is None else order.order_no,
    }


def _intent_record(number: int, kept: KeptIntent, name: dict[str, str | None]) -> OldRecord:
    intent = kept.intent
    return OldRecord(
        kind=RecordKind.INTENT,
        id=number,
        at_ms=intent.created_ms,
        order_id=intent.order_id,
        columns={
            "kind": intent.kind,
            "line_no": intent.line_no,
            "route": intent.route,
            "reference": intent.reference,
            "state": intent.state,
            "attempts": intent.attempts,
            "due_at": kept.due_ms,
            "amount_minor": intent.amount_minor,
            "currency": intent.currency,
            "remote": "",
            "problem": intent.problem,
            **name,
        },
    )


def _kept_intent(record: OldRecord) -> KeptIntent:
    told = record.columns
    assert record.order_id is not None
    return KeptIntent(
        intent=StoredIntent(
            id=record.id,
            kind=IntentKind(told["kind"]),
            order_id=record.order_id,
            line_no=told["line_no"],
            route=told["route"],
            reference=told["reference"],
            state=IntentState(told["state"]),
            attempts=told["attempts"],
            created_ms=record.at_ms,
            amount_minor=told["amount_minor"],
            currency=told["currency"],
            problem=told["problem"],
        ),
        due_ms=told["due_at"],
    )
