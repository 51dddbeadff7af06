"""How cards come in: chunk by chunk, each atomic, every row with a verdict."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import attrs

from autocard.clock import NEVER_MS, Clock, to_ms
from autocard.desks.pacing import WHOLE, Pace
from autocard.desks.preparing import Prepared, Refusal, Terms, shown
from autocard.desks.workers import Workers
from autocard.events import event
from autocard.importing.alike import known_otherwise
from autocard.importing.reading import Reading
from autocard.importing.report import ImportReport, ReportWriter, RowVerdict
from autocard.importing.values import Chunk
from autocard.model import BatchId, CardParts
from autocard.ports import CardFormat, Pool, Transaction
from autocard.records import BatchEntry, KnownCard, NewCard
from autocard.states import CardState
from autocard.store.scratch import Scratch
from autocard.vault import Vault


@attrs.frozen(kw_only=True)
class Progress:
    """How far an import is; given to the callback after every chunk."""

    rows: int
    bytes_read: int
    total_bytes: int | None
    """None where the length of the source is not known."""


@attrs.frozen(kw_only=True)
class Job:
    """One import: what, from where, into what."""

    reading: Reading
    card_format: CardFormat
    entry: BatchEntry
    expires_at: datetime | None
    """For cards that bring no expiry of their own."""
    is_dry: bool
    others: tuple[CardFormat, ...] = ()
    """Further formats that cards in the store have come in with."""
    notes: str = ""
    progress: Callable[[Progress], None] | None = None


Further = Mapping[bytes, Sequence[bytes]]
"""Other fingerprints that a card may be known by, by its own."""
_Known = Mapping[bytes, KnownCard | None]
"""Cards we have, by fingerprint; None for one that a dry run has only just seen."""


@attrs.define
class _Kept:
    """What an import has in the store so far."""

    batch: BatchId | None = None
    part: dict[int, set[bytes]] = attrs.field(factory=dict)
    """Of a group that is being stored: the cards of each chunk that have come in, by fingerprint."""


@attrs.frozen
class Intake:
    """Takes cards into the store; plaintext lives no longer than its chunk."""

    pool: Pool
    vault: Vault
    clock: Clock
    processes: int | None = None
    """How many may help with a long import; None finds out."""

    def run(self, job: Job) -> ImportReport:
        """
        Import everything that *job* reads, or look at it when it is dry.

        Running the same source again after a crash adds exactly what is missing.

        Whatever stops it half way carries the report of what came in before as `.report`.

        Effects: one commit for every 2,000 rows; in a long import for up to 10,000 while no orders
        come in, and for fewer while they do. A long import has its rows checked and sealed in
        processes of its own meanwhile; they end with it.
        """
        kept = _Kept()
        rows_read = bytes_read = 0
        stopped: BaseException | None = None
        terms = _terms(job)
        marks: deque[int] = deque()
        pace = Pace(self.pool)
        group: Sequence[tuple[Chunk, Prepared]] = ()
        with (
            ReportWriter() as writer,
            Scratch() as scratch,
            job.reading as reading,
            Workers(self.vault, terms, self.processes) as workers,
        ):
            try:
                chunks = workers.prepared(_marked(reading, marks), self._now_ms)
                for group in pace.groups(chunks):
                    every: Sequence[_Known]
                    if job.is_dry:
                        every = [self._look(prepared, scratch) for _, prepared in group]
                    else:
                        every = self._store(job, kept, [x for _, x in group], pace)
                    for (chunk, prepared), known in zip(group, every, strict=True):
                        told = _told(terms, chunk, prepared, known, kept.batch)
                        _write(prepared, told, writer)
                        rows_read += len(prepared.lines)
                        bytes_read = marks.popleft()
                    if job.progress is not None:
                        job.progress(
                            Progress(
                                rows=rows_read,
                                bytes_read=bytes_read,
                                total_bytes=reading.total_bytes,
                            )
                        )
            except BaseException as error:  # Ctrl-C too: what came in before is to be told of
                if kept.batch is None:
                    raise
                stopped = error
                for place, came in kept.part.items():
                    _write_part(group[place][1], came, writer)
            report = writer.finish(
                sku=job.entry.sku,
                warehouse=job.entry.warehouse,
                format=job.card_format.name,
                batch=kept.batch,
                detected="; ".join(x for x in (reading.detected.describe(), job.notes) if x),
                dry_run=job.is_dry,
            )
        if stopped is not None:
            self._stop(stopped, report)
            raise stopped
        if kept.batch is not None:
            self._close("batch.imported", kept.batch, report)
        return report

    def _stop(self, error: BaseException, report: ImportReport) -> None:
        """Let *error* say what came in before it; the same source again adds what is missing."""
        assert report.batch is not None
        error.add_note(
            f"autocard: {report.added:,} cards had come in with batch {report.batch}; the report "
            "is at `.report` of this error, and the same source again adds what is missing"
        )
        with suppress(AttributeError):  # an exception of the host may have no room for it
            error.report = report  # type: ignore[attr-defined]  # also of the host's own errors
        with suppress(Exception):  # the store may be what stopped it, or stopped in the middle
            self._close("batch.stopped", report.batch, report)

    def seal(
        self, sku: str, card_format: CardFormat, parts: CardParts, line: int, expires_ms: int
    ) -> NewCard:
        """Return one card sealed for the store."""
        fingerprint = self.vault.fingerprint(card_format.normalise(parts))
        return NewCard(line, fingerprint, self.vault.seal_card(sku, fingerprint, parts), expires_ms)

    # --- one chunk ---

    def _look(self, prepared: Prepared, scratch: Scratch) -> _Known:
        fingerprints = [card.fingerprint for card in prepared.cards]
        return {
            **dict.fromkeys(scratch.add(fingerprints)),
            **known_otherwise(self.pool.known, prepared.cards, prepared.further),
            **self.pool.known(fingerprints),
        }

    def _store(
        self, job: Job, kept: _Kept, group: Sequence[Prepared], pace: Pace
    ) -> Sequence[_Known]:
        """Store a group of chunks; return for each which of its cards were known."""
        known: list[dict[bytes, KnownCard]] = [{} for _ in group]
        further = {print_: x for prepared in group for print_, x in prepared.further.items()}
        kept.part = {place: set() for place in range(len(group))}
        for turn in pace.turns([prepared.cards for prepared in group]):
            parts = [cards for _, cards in turn]
            kept.batch, found = self._store_turn(job, kept.batch, parts, further)
            for (place, cards), each in zip(turn, found, strict=True):
                known[place].update(each)
                kept.part[place].update(x.fingerprint for x in cards if x.fingerprint not in each)
        kept.part = {}
        return known

    def _store_turn(
        self,
        job: Job,
        batch: BatchId | None,
        parts: Sequence[Sequence[NewCard]],
        further: Further,
    ) -> tuple[BatchId | None, list[dict[bytes, KnownCard]]]:
        now_ms = self._now_ms()

        def add(change: Transaction) -> tuple[BatchId | None, list[dict[bytes, KnownCard]]]:
            begun, known = batch, []
            for cards in parts:
                otherwise = known_otherwise(change.known, cards, further)
                fresh = [x for x in cards if x.fingerprint not in otherwise] if otherwise else cards
                begun, found = self._add(change, job, begun, fresh, now_ms)
                known.append({**otherwise, **found})
            return begun, known

        return self.pool.change(add)

    def _add(
        self,
        change: Transaction,
        job: Job,
        batch: BatchId | None,
        cards: Sequence[NewCard],
        now_ms: int,
    ) -> tuple[BatchId | None, dict[bytes, KnownCard]]:
        if not cards:
            return batch, {}
        if batch is None:
            known = change.known([card.fingerprint for card in cards])
            if len(known) == len(cards):  # nothing of it is new: there is no batch yet
                return None, known
            batch = self._begin(change, job, now_ms)
        return batch, change.add_cards(batch, cards, now_ms=now_ms)

    def _begin(self, change: Transaction, job: Job, now_ms: int) -> BatchId:
        batch = change.begin_batch(attrs.evolve(job.entry, imported_ms=now_ms))
        entry = job.entry
        change.record(
            [
                event(
                    "batch.begun",
                    now_ms,
                    batch=batch,
                    sku=entry.sku,
                    warehouse=entry.warehouse,
                    supplier=entry.supplier,
                    by=entry.imported_by,
                )
            ]
        )
        return batch

    def _close(self, kind: str, batch: BatchId, report: ImportReport) -> None:
        now_ms = self._now_ms()
        told = event(
            kind,
            now_ms,
            batch=batch,
            sku=report.sku,
            added=report.added,
            rejected=report.rejected,
        )
        self.pool.change(lambda change: change.record([told]))

    def _now_ms(self) -> int:
        return to_ms(self.clock.now())


def _terms(job: Job) -> Terms:
    return Terms(
        sku=job.entry.sku,
        card_format=job.card_format,
        others=job.others,
        expires_ms=NEVER_MS if job.expires_at is None else to_ms(job.expires_at),
    )


def _marked(reading: Reading, marks: deque[int]) -> Iterator[Chunk]:
    """Give the chunks of *reading*, and note how far each of them goes: some are read ahead."""
    for chunk in reading.chunks(WHOLE):
        marks.append(reading.bytes_read)
        yield chunk


def _told(
    terms: Terms, chunk: Chunk, prepared: Prepared, known: _Known, batch: BatchId | None
) -> dict[int, Refusal]:
    """Return what is to be told of the rows that were not added, by their place."""
    if not known:
        return prepared.refused
    found = {
        place: known[card.fingerprint]
        for place, card in zip(prepared.places, prepared.cards, strict=True)
        if card.fingerprint in known
    }
    masks = shown(terms, chunk, prepared, found)
    repeated = {place: (*_why(card, batch), masks[place]) for place, card in found.items()}
    return {**prepared.refused, **repeated}


def _why(known: KnownCard | None, batch: BatchId | None) -> tuple[str, str]:
    if known is None or known.batch == batch:
        return str(RowVerdict.DUPLICATE_IN_FILE), "the same card as on an earlier line"
    return str(_VERDICTS[known.state]), f"it came with batch {known.batch}"


def _write(prepared: Prepared, told: dict[int, Refusal], writer: ReportWriter) -> None:
    """Tell of the rows in the order in which they came."""
    if not (told or prepared.notes or prepared.files):
        writer.add_plain(prepared.lines)
        return
    for place, line in enumerate(prepared.lines):
        added = str(RowVerdict.ADDED), prepared.notes.get(place, ""), ""
        verdict, why, shown = told.get(place, added)
        file = prepared.files[place] if prepared.files else ""
        writer.add(line, RowVerdict(verdict), why, shown, file)


def _write_part(prepared: Prepared, came: set[bytes], writer: ReportWriter) -> None:
    """Tell of the cards that came in before the rest of their chunk could not."""
    for place, card in zip(prepared.places, prepared.cards, strict=True):
        if card.fingerprint in came:
            file = prepared.files[place] if prepared.files else ""
            note = prepared.notes.get(place, "")
            writer.add(prepared.lines[place], RowVerdict.ADDED, note, "", file)


_VERDICTS: Final = {
    CardState.AVAILABLE: RowVerdict.IN_STOCK,
    CardState.RESERVED: RowVerdict.IN_STOCK,
    CardState.ISSUED: RowVerdict.SOLD,
    CardState.DELIVERED: RowVerdict.SOLD,
    CardState.VOID: RowVerdict.VOIDED,
}
