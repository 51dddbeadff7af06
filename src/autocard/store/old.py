"""Looks for what is old enough to leave, a page at a time; nothing is locked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from autocard.model import OrderId
from autocard.records import ArchiveState, OldPage, OldRecord, RecordKind, StoredArchive
from autocard.states import FINAL, IntentState, Outcome
from autocard.store.schema import (
    archives,
    events,
    intents,
    lines,
    movements,
    orders,
    purchases,
)

PAGE: Final = 1_000
"""Rows that one look passes."""
_SLACK_MS: Final = 86_400_000
"""Ids follow time but for clocks that were set and changes that took long."""
_UNFINISHED: Final = (Outcome.PENDING, Outcome.HELD)
_CLOSED: Final = (IntentState.DONE, IntentState.FAILED)

_TABLES: Final = {
    RecordKind.ORDER: (orders, orders.c.accepted_at, orders.c.id),
    RecordKind.INTENT: (intents, intents.c.created_at, intents.c.order_id),
    RecordKind.EVENT: (events, events.c.at, events.c.order_id),
    RecordKind.MOVEMENT: (movements, movements.c.at, None),
}


def old_records(connection: sa.Connection, kind: RecordKind, before_ms: int, after: int) -> OldPage:
    """Return what may leave among the next rows of one kind beyond the id *after*."""
    table, at, _ = _TABLES[kind]
    passed = connection.execute(
        sa.select(table.c.id, at.label("moment"))
        .where(table.c.id > after)
        .order_by(table.c.id)
        .limit(PAGE)
    ).all()
    if not passed or min(row.moment for row in passed) > before_ms + _SLACK_MS:
        return OldPage(())
    last = passed[-1].id
    query = (
        _named(kind)
        .where(table.c.id > after, table.c.id <= last, at < before_ms, *_may_leave(kind, before_ms))
        .order_by(table.c.id)
    )
    return OldPage(
        tuple(_records(connection, kind, query)), int(last) if len(passed) == PAGE else None
    )


def records_of(connection: sa.Connection, order_ids: Sequence[OrderId]) -> list[OldRecord]:
    """Return the events of orders, and their intents that are over."""
    found: list[OldRecord] = []
    for kind in (RecordKind.INTENT, RecordKind.EVENT):
        table, _, owner = _TABLES[kind]
        assert owner is not None
        query = _named(kind).where(owner.in_(order_ids))
        if kind is RecordKind.INTENT:
            query = query.where(intents.c.state.in_(_CLOSED), _is_not_newest(intents))
        found += _records(connection, kind, query.order_by(table.c.id))
    return found


def _named(kind: RecordKind) -> sa.Select[Any]:
    """Return a query for whole rows; where they belong to an order, with the name of it."""
    table, _, owner = _TABLES[kind]
    if owner is None or kind is RecordKind.ORDER:
        return sa.select(table)
    return sa.select(table, orders.c.platform, orders.c.order_no).outerjoin(
        orders, orders.c.id == owner
    )


def _may_leave(kind: RecordKind, before_ms: int) -> Iterator[sa.ColumnElement[bool]]:
    if kind is RecordKind.ORDER:
        yield from _is_finished(before_ms)
        return
    if kind is RecordKind.MOVEMENT:
        yield movements.c.folded.is_(sa.true())
        yield _is_not_newest(movements)
    elif kind is RecordKind.INTENT:
        yield intents.c.state.in_(_CLOSED)
        yield orders.c.archive.is_not(None)
        yield _is_not_newest(intents)
    else:  # the newest may leave: what is written of the archive itself comes after it
        yield sa.or_(events.c.order_id.is_(None), orders.c.archive.is_not(None))


def _is_finished(before_ms: int) -> Iterator[sa.ColumnElement[bool]]:
    """Say of an order that it is served or ended, and that nothing happened to it since."""
    line = sa.select(lines.c.order_id).where(lines.c.order_id == orders.c.id)
    intent = sa.select(intents.c.id).where(intents.c.order_id == orders.c.id)
    purchase = sa.select(purchases.c.id).where(purchases.c.order_id == orders.c.id)
    told = sa.select(events.c.id).where(events.c.order_id == orders.c.id)
    yield orders.c.archive.is_(None)
    yield orders.c.reserved_until.is_(None)
    yield line.exists()
    yield ~line.where(
        sa.or_(lines.c.outcome.in_(_UNFINISHED), lines.c.changed_at >= before_ms)
    ).exists()
    yield ~intent.where(intents.c.state.not_in(_CLOSED)).exists()
    yield ~purchase.where(purchases.c.state.not_in(FINAL)).exists()
    yield ~told.where(events.c.at >= before_ms).exists()


def _is_not_newest(table: sa.Table[Any]) -> sa.ColumnElement[bool]:
    """The newest row stays: some databases would give its id to the next one."""
    other = table.alias()
    newest = sa.select(sa.func.max(other.c.id)).scalar_subquery()
    is_older: sa.ColumnElement[bool] = table.c.id < newest
    return is_older


def _records(
    connection: sa.Connection, kind: RecordKind, query: sa.Select[Any]
) -> Iterator[OldRecord]:
    _, at, owner = _TABLES[kind]
    for row in connection.execute(query).mappings():
        told = dict(row)
        number, at_ms = told.pop("id"), told.pop(at.name)
        order_id = number if kind is RecordKind.ORDER else told.pop("order_id", None)
        if kind is RecordKind.ORDER:
            del told["archive"]
        yield OldRecord(
            kind=kind,
            id=number,
            at_ms=at_ms,
            order_id=None if owner is None or order_id is None else OrderId(order_id),
            columns={name: _plain(value) for name, value in told.items()},
        )


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, (memoryview, bytearray)) else value


def all_archives(connection: sa.Connection) -> list[StoredArchive]:
    """Return every archive that was begun, the oldest first."""
    return [
        StoredArchive(
            name=row.name,
            replaces=row.replaces,
            state=ArchiveState(row.state),
            before_ms=row.before_at,
            made_ms=row.made_at,
            by=row.made_by,
            why=row.why,
            since_ms=row.since_at,
            until_ms=row.until_at,
            orders=row.orders,
            intents=row.intents,
            events=row.events,
            movements=row.movements,
            size=row.size,
            sha256=None if row.sha256 is None else bytes(row.sha256),
        )
        for row in connection.execute(sa.select(archives).order_by(archives.c.id))
    ]
