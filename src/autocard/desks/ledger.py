"""The ledger desk: what happened, whether the books agree, and what is kept elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from os import PathLike
from pathlib import Path

import attrs

from autocard.archiving.making import Archivist, check_folder, readable
from autocard.archiving.reading import archived_order, archived_records
from autocard.archiving.values import Archive, ArchivedRecord, ArchiveReport, archive_of
from autocard.clock import Clock, as_utc, to_ms
from autocard.errors import IllegalTransition, InvalidOrder, OrderNotFound
from autocard.events import event
from autocard.model import Event, OrderId, Receipt
from autocard.ports import Pool, Transaction
from autocard.receipts import stored_receipt
from autocard.records import ArchiveState
from autocard.vault import Vault


@attrs.frozen(kw_only=True)
class VerifyReport:
    """What `ledger.verify` found. `faults` are sentences; none means that the books agree."""

    faults: tuple[str, ...]
    cards: int
    """Cards counted, in every state."""

    @property
    def ok(self) -> bool:
        """True when every book agrees with every other."""
        return not self.faults


@attrs.frozen
class LedgerDesk:
    """`engine.ledger`: look at events, verify the books, keep what is old in archives."""

    _pool: Pool
    _vault: Vault
    _clock: Clock

    def events(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        platform: str | None = None,
        order_no: str | None = None,
    ) -> list[Event]:
        """
        Return events in the order they were recorded.

        Args:
            after: Only events with a greater id; pass the last one seen to page on.
            limit: At most this many.
            platform: With *order_no*: only the events of this order.
            order_no: With *platform*.

        Raises:
            OrderNotFound: There is no such order.
            InvalidOrder: Only one of *platform* and *order_no* is given.
        """
        order_id: OrderId | None = None
        if (platform is None) != (order_no is None):
            raise InvalidOrder("order_no", "goes together with platform")
        if platform is not None and order_no is not None:
            stored = self._pool.order(platform, order_no)
            if stored is None:
                raise OrderNotFound(f"{platform}/{order_no} is not known")
            order_id = stored.id
        return self._pool.events(after=after, order_id=order_id, limit=limit)

    def verify(self) -> VerifyReport:
        """
        Compare stock levels with cards, lines with their cards, and lines with their events.

        Effects: reads the whole store on one consistent picture of it; minutes for millions.
        """
        faults = tuple(self._pool.audit())
        levels = self._pool.stock()
        cards = sum(x.available + x.reserved + x.issued + x.delivered + x.void for x in levels)
        return VerifyReport(faults=faults, cards=cards)

    # --- archives ---

    def archive(
        self, before: datetime, *, to: str | PathLike[str], by: str, why: str = ""
    ) -> ArchiveReport:
        """
        Carry what is older than a moment out of the store into sealed files in a folder.

        What leaves: the payloads of orders all of whose lines are DELIVERED, REJECTED or CANCELLED
        and that nothing happened to since, with their events and finished intents; events that
        belong to no order; stock movements that the levels hold. Orders, lines and cards stay: the
        same order again still gets the same cards, and stock is what it was.

        Nothing is deleted before its file is complete, on the disk, and was opened again. After a
        run that was cut off, the next one with the same folder goes on.

        Args:
            before: Aware; what happened at or after it stays.
            to: A folder that exists, at best on another disk.
            by: Who does this.
            why: For the record.

        Raises:
            InvalidOrder: *before* is not in the past, or *by* is empty.
            ConfigurationError: The folder is not there or cannot be written, or an earlier run
                wrote to another one.
            IllegalTransition: Another run began meanwhile and goes on in place of this one.

        Effects: reads what is old, in small looks; files; many small changes, between which orders
        are served.
        """
        _must_say_who(by)
        moment = as_utc(before, "before")
        if moment >= self._clock.now():
            raise InvalidOrder("before", "must be in the past")
        folder = Path(to)
        check_folder(folder)
        archivist = Archivist(self._pool, self._vault.sealer, self._clock, folder)
        done = [*archivist.finish(), *archivist.make(to_ms(moment), by, why)]
        finished = [attrs.evolve(x, state=ArchiveState.DONE) for x, _ in done]
        return ArchiveReport(
            archives=tuple(archive_of(x) for x in finished), cleared=sum(n for _, n in done)
        )

    def archives(self) -> list[Archive]:
        """Return the archives of this store, the oldest first."""
        begun = self._pool.archives()
        return [archive_of(x) for x in begun if x.state is not ArchiveState.WRITING]

    def open_archive(self, path: str | PathLike[str]) -> Iterator[ArchivedRecord]:
        """
        Return the records of an archive, one after the other, once all of it was looked at.

        Secrets: records of orders hold what the buyer wrote, in plaintext.

        Raises:
            UnreadableSource: There is no such file, or it is no archive.
            SealError: It is damaged, or belongs to another store.
        """
        file = Path(path)
        readable(file, self._vault.sealer, self._pool.archives())
        return archived_records(file, self._vault)

    def restore(
        self, path: str | PathLike[str], platform: str, order_no: str, *, by: str, why: str = ""
    ) -> Receipt:
        """
        Bring what was sealed with one order, and its intents, back from its archive.

        Its events stay in the archive: what happened is not written twice. The order may be
        archived again once nothing has happened to it for as long as for others.

        Raises:
            OrderNotFound: There is no such order.
            IllegalTransition: It is not in this archive.
            UnreadableSource: There is no such file, or it is no archive.
            SealError: It is damaged, or belongs to another store.

        Effects: one commit, with the event `order.restored`.
        """
        _must_say_who(by)
        stored = self._pool.order(platform, order_no)
        if stored is None:
            raise OrderNotFound(f"{platform}/{order_no} is not known")
        if stored.archive is None:
            raise IllegalTransition(f"{platform}/{order_no} is in no archive; nothing to restore")
        file = Path(path)
        name = readable(file, self._vault.sealer, self._pool.archives())
        if name != stored.archive:
            raise IllegalTransition(
                f"{platform}/{order_no} is in the archive {stored.archive}, not in {name}"
            )
        found = archived_order(file, self._vault, stored)
        now_ms = to_ms(self._clock.now())
        told = event("order.restored", now_ms, stored.id, by=by, why=why, archive=name)

        def bring_back(change: Transaction) -> None:
            change.restore_order(stored, found.payload, found.intents)
            change.record([told])

        self._pool.change(bring_back)
        again = self._pool.order_by_id(stored.id)
        assert again is not None
        return stored_receipt(self._pool, self._vault, again)


def _must_say_who(by: str) -> None:
    if not by:
        raise InvalidOrder("by", "must say who does this")
