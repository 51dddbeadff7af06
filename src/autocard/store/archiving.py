"""What is in an archive leaves the store, a little at a time, and one order comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autocard.model import OrderId
from autocard.records import OldRecord, OrderEntry, RecordKind, StoredArchive, StoredOrder
from autocard.store.guarded import Guarded
from autocard.store.problems import Conflict
from autocard.store.rows import CHUNK, stored_intent

_ELSEWHERE = "another run has taken this archive over"


class Archiving(Guarded):
    """The part of a change that is about archives."""

    def begin_archive(self, entry: StoredArchive) -> str | None:
        cursor = self._cursor
        told = (entry.before_ms, entry.made_ms, entry.by, entry.why)
        cursor.execute(self.sql.FIND_WRITING)
        row = cursor.fetchone()
        if row is not None:
            before = str(row[0])
            self._change(
                self.sql.TAKE_OVER_ARCHIVE, [(entry.name, before, *told, before)], _ELSEWHERE
            )
            return before
        cursor.execute(self.sql.LAST_ARCHIVE)
        number = int(cursor.fetchone()[0]) + 1
        try:
            cursor.execute(self.sql.INSERT_ARCHIVE, (number, entry.name, *told))
        except self.duplicate:
            raise Conflict("another archive was begun at the same moment") from None
        return None

    def seal_archive(self, entry: StoredArchive) -> None:
        self._change(
            self.sql.SEAL_ARCHIVE,
            [
                (
                    entry.since_ms, entry.until_ms, entry.orders, entry.intents, entry.events,
                    entry.movements, entry.size, entry.sha256, entry.name,
                )
            ],
            _ELSEWHERE,
        )  # fmt: skip

    def close_archive(self, name: str) -> None:
        self._change(self.sql.CLOSE_ARCHIVE, [(name,)], _ELSEWHERE)

    def clear(self, archive: StoredArchive, records: Sequence[OldRecord]) -> int:
        # First, so that nobody else clears the same archive, or closes it, meanwhile.
        self._change(self.sql.HOLD_ARCHIVE, [(len(records), archive.name)], _ELSEWHERE)
        cleared = self._empty_orders(archive, [x for x in records if x.kind is RecordKind.ORDER])
        owners = {x.order_id for x in records if x.order_id is not None}
        gone = self._found(self.sql.ARCHIVED_ORDERS, sorted(owners))
        for kind, statement in (
            (RecordKind.INTENT, self.sql.DELETE_INTENTS),
            (RecordKind.EVENT, self.sql.DELETE_EVENTS),
            (RecordKind.MOVEMENT, self.sql.DELETE_MOVEMENTS),
        ):
            # What belongs to an order that moved on meanwhile stays with it.
            leaving = [
                x.id
                for x in records
                if x.kind is kind and (x.order_id is None or x.order_id in gone)
            ]
            cleared += self._delete(statement, leaving)
        return cleared

    def _empty_orders(self, archive: StoredArchive, records: Sequence[OldRecord]) -> int:
        """Empty the payloads of those orders that are as their records say."""
        if not records:
            return 0
        ids = sorted(record.id for record in records)
        here = {int(x[0]): bytes(x[1]) for x in self._rows(self.sql.LOCK_PAYLOADS, ids)}
        moved_on = self._found(self.sql.UNFINISHED_LINES, ids)
        moved_on |= self._found(self.sql.UNFINISHED_INTENTS, ids)
        moved_on |= self._found(self.sql.UNFINISHED_PURCHASES, ids)
        moved_on |= self._found(self.sql.STIRRED_ORDERS, ids, (archive.before_ms,))
        leaving = [
            record.id
            for record in records
            if record.id not in moved_on and here.get(record.id) == record.columns["payload"]
        ]
        self._change_each(
            self.sql.EMPTY_PAYLOADS, leaving, "an order moved on meanwhile", (b"", archive.name)
        )
        return len(leaving)

    def restore_order(
        self, stored: StoredOrder, payload: bytes, intents: Sequence[OldRecord]
    ) -> None:
        self._change(
            self.sql.RESTORE_ORDER,
            [(payload, stored.id, stored.archive)],
            "the order is no longer in this archive",
        )
        there = {stored_intent(row).id for row in self._rows_of(self.sql.INTENTS_OF, (stored.id,))}
        for intent in intents:
            if intent.id not in there:
                self._cursor.execute(self.sql.RESTORE_INTENT, _intent_values(intent))

    def pay_archived(self, order_id: OrderId, entry: OrderEntry) -> None:
        self._change(
            self.sql.PAY_ARCHIVED,
            [(entry.payload, entry.paid_ms, entry.amount_minor, entry.currency, order_id)],
            "the order was paid meanwhile",
        )

    # --- lists of ids ---

    def _rows_of(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        self._cursor.execute(statement, parameters)
        return list(self._cursor.fetchall())

    def _rows(self, statement: str, ids: Sequence[int], first: tuple[Any, ...] = ()) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            found += self._rows_of(self.sql.marked(statement, len(part)), (*first, *part))
        return found

    def _found(self, statement: str, ids: Sequence[int], first: tuple[Any, ...] = ()) -> set[int]:
        return {int(row[0]) for row in self._rows(statement, ids, first)}

    def _delete(self, statement: str, ids: Sequence[int]) -> int:
        """Delete those of *ids* that are there; an interrupted run may have deleted some."""
        deleted = 0
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            self._cursor.execute(self.sql.marked(statement, len(part)), tuple(part))
            deleted += self._cursor.rowcount
        return deleted


def _intent_values(intent: OldRecord) -> tuple[Any, ...]:
    told = intent.columns
    return (
        intent.id, told["kind"], intent.order_id, told["line_no"], told["route"],
        told["reference"], told["state"], told["attempts"], told["due_at"], intent.at_ms,
        told["amount_minor"], told["currency"], told["remote"], told["problem"],
    )  # fmt: skip
