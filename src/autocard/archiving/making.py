"""
Archives are made in this order: begin, write, let it count, clear, close.

Nothing leaves the store before the file is complete, on the disk, and was opened again. From then
on the file counts, and what is in it leaves in small changes. Whoever comes after a run that was
cut off goes on where it ended: a file that did not count yet is written anew, one that counts is
cleared to its end.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Final

import attrs

from autocard.archiving.files import SUFFIX, ArchiveWriter, head_of, records, remove, written
from autocard.clock import Clock, from_ms, to_ms
from autocard.errors import ConfigurationError, IllegalTransition, SealError, UnreadableSource
from autocard.events import event
from autocard.model import OrderId
from autocard.ports import Pool, Transaction
from autocard.records import ArchiveState, OldRecord, RecordKind, StoredArchive
from autocard.seal.sealer import Sealer

MOST: Final = 1_000_000
"""Records after which another file is begun; a page more may come in."""
AT_ONCE: Final = 500
"""Records that one change takes out of the store."""


@attrs.frozen
class Archivist:
    """Carries old records out of the store into sealed files in one folder."""

    pool: Pool
    sealer: Sealer
    clock: Clock
    folder: Path

    def finish(self) -> Iterator[tuple[StoredArchive, int]]:
        """Clear what earlier runs left uncleared; yield each archive and how much left."""
        for archive in self.pool.archives():
            if archive.state is ArchiveState.CLEARING:
                self._check(archive)
                yield archive, self._clear(archive)

    def make(self, before_ms: int, by: str, why: str) -> Iterator[tuple[StoredArchive, int]]:
        """Write archives until nothing is old enough; yield each and how much left the store."""
        while self.pool.change(lambda change: change.roll_up()):
            pass  # only movements that the levels hold may leave
        pages = _old(self.pool, before_ms)
        while (page := next(pages, None)) is not None:
            archive = self._write(chain([page], pages), before_ms, by, why)
            yield archive, self._clear(archive)

    # --- write ---

    def _write(
        self, pages: Iterator[list[OldRecord]], before_ms: int, by: str, why: str
    ) -> StoredArchive:
        archive = self._begin(before_ms, by, why)
        try:
            archive = self._filled(archive, pages)
            self._check(archive)
        except ConfigurationError:
            if archive.name not in {begun.name for begun in self.pool.archives()}:
                # Whoever took over has removed our file.
                raise IllegalTransition("another run has taken this archive over") from None
            raise
        self._let_it_count(archive)
        return archive

    def _filled(self, archive: StoredArchive, pages: Iterator[list[OldRecord]]) -> StoredArchive:
        told = {
            "name": archive.name,
            "made": archive.made_ms,
            "before": archive.before_ms,
            "by": archive.by,
            "why": archive.why,
        }
        moments: list[int] = []  # the first and the last
        with written(self.folder / archive.name) as file:
            writer = ArchiveWriter(file, self.sealer, told)
            for page in pages:
                for record in page:
                    writer.add(record)
                moments += [record.at_ms for record in page]
                moments = [min(moments), max(moments)]
                if writer.counts.total() >= MOST:
                    break
            sha256 = writer.finish()
        return attrs.evolve(
            archive,
            since_ms=moments[0],
            until_ms=moments[1],
            size=writer.size,
            sha256=sha256,
            orders=writer.counts[RecordKind.ORDER],
            intents=writer.counts[RecordKind.INTENT],
            events=writer.counts[RecordKind.EVENT],
            movements=writer.counts[RecordKind.MOVEMENT],
        )

    def _begin(self, before_ms: int, by: str, why: str) -> StoredArchive:
        now_ms = to_ms(self.clock.now())
        # Never the name of another: what a run that was replaced still writes is its own.
        name = f"{from_ms(now_ms):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}{SUFFIX}"
        archive = StoredArchive(name=name, before_ms=before_ms, made_ms=now_ms, by=by, why=why)
        for left in self.pool.archives():
            if left.state is ArchiveState.WRITING and left.replaces:
                remove(self.folder / left.replaces)
        replaced = self.pool.change(lambda change: change.begin_archive(archive))
        if replaced is not None:  # it never counted: all that is in it is in the store
            remove(self.folder / replaced)
        return archive

    def _let_it_count(self, archive: StoredArchive) -> None:
        assert archive.sha256 is not None
        told = event(
            "archive.made",
            to_ms(self.clock.now()),
            name=archive.name,
            by=archive.by,
            why=archive.why,
            before=from_ms(archive.before_ms).isoformat(),
            sha256=archive.sha256.hex(),
            orders=archive.orders,
            intents=archive.intents,
            events=archive.events,
            movements=archive.movements,
        )

        def seal(change: Transaction) -> None:
            change.seal_archive(archive)
            change.record([told])

        try:
            self.pool.change(seal)
        except IllegalTransition:
            remove(self.folder / archive.name)
            raise

    # --- clear ---

    def _check(self, archive: StoredArchive) -> None:
        """Make sure that the file opens from its beginning to its end before anything leaves."""
        path = self.folder / archive.name
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").digest()
        except OSError:
            raise ConfigurationError(
                f"the archive {archive.name} was not finished, and is not in {self.folder}; "
                "name the folder it was written to"
            ) from None
        if sha256 != archive.sha256:
            raise SealError(f"{archive.name} is not the file that was written; nothing was deleted")
        head_of(path, self.sealer)

    def _clear(self, archive: StoredArchive) -> int:
        cleared = 0
        every = records(self.folder / archive.name, self.sealer)
        try:
            while part := list(islice(every, AT_ONCE)):
                cleared += self._clear_some(archive, part)
            self.pool.change(lambda change: change.close_archive(archive.name))
        except IllegalTransition:
            if not self._is_done(archive):
                raise
        return cleared

    def _clear_some(self, archive: StoredArchive, part: list[OldRecord]) -> int:
        return self.pool.change(lambda change: change.clear(archive, part))

    def _is_done(self, archive: StoredArchive) -> bool:
        """Say whether another run was faster in finishing it."""
        return any(
            x.name == archive.name and x.state is ArchiveState.DONE for x in self.pool.archives()
        )


def _old(pool: Pool, before_ms: int) -> Iterator[list[OldRecord]]:
    """Yield what may leave, orders first, each with its events and intents."""
    for kind in RecordKind:
        after: int | None = 0
        while after is not None:
            page = pool.old_records(kind, before_ms, after=after)
            after = page.last
            if not page.records:
                continue
            found = list(page.records)
            if kind is RecordKind.ORDER:
                found += pool.records_of([OrderId(record.id) for record in page.records])
            yield found


def check_folder(folder: Path) -> None:
    """Raise `ConfigurationError` unless archives can be written to *folder*."""
    if not folder.is_dir():
        # Made here it might end up on another disk than the one that is not mounted.
        raise ConfigurationError(f"the folder {folder} does not exist; make it first")


def readable(path: Path, sealer: Sealer, known: list[StoredArchive]) -> str:
    """
    Return the name of the archive at *path*, every byte of which is as it was written.

    Raises:
        UnreadableSource: There is no such file, or it is no archive.
        SealError: It is damaged, or belongs to another store.
    """
    name = str(head_of(path, sealer)["name"])
    wanted = next((x.sha256 for x in known if x.name == name), None)
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise UnreadableSource(f"{path}: cannot be read: {error.strerror}") from None
    if wanted is not None and found != wanted:
        raise SealError(f"{path.name} is not the archive {name} that was written")
    return name
