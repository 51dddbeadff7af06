"""What became of every row of an import: counted, spooled to a temporary file, never a full card."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import attrs

from autocard.model import BatchId

_IN_MEMORY: Final = 1 << 20
_BLOCK: Final = 1 << 16
_WAITING: Final = 1000
_SHOWN: Final = 20
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_TITLES: Final = ("file", "line", "verdict", "why", "shown")


class RowVerdict(StrEnum):
    """What became of one row."""

    ADDED = "added"
    DUPLICATE_IN_FILE = "duplicate_in_file"
    """The same card came earlier in this import."""
    IN_STOCK = "in_stock"
    SOLD = "sold"
    """The card was sold before: somebody delivers it twice."""
    VOIDED = "voided"
    MALFORMED = "malformed"


@attrs.frozen
class ReportRow:
    """
    What became of one row.

    Args:
        line: As `autocard.importing.values.Row.line`.
        verdict: What became of it.
        why: What is wrong, or worth knowing; "" for a plain card.
        shown: The card as its format masks it, or "".
        file: The member of a ZIP, or "".
    """

    line: int
    verdict: RowVerdict
    why: str = ""
    shown: str = ""
    file: str = ""


class _Spool:
    """An unnamed temporary file of records; small ones stay in memory."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - see below
        # Whoever forgets to close a report need not read a ResourceWarning about it.
        self._closing = weakref.finalize(self, self._file.close)
        self._end = 0
        self._waiting: list[str] = []

    def append(self, record: list[Any]) -> None:
        self._waiting.append(json.dumps(record))
        if len(self._waiting) >= _WAITING:
            self._write()

    def _write(self) -> None:
        lines = "".join(f"{line}\n" for line in self._waiting)
        self._waiting.clear()
        self._file.seek(self._end)
        self._end += self._file.write(lines.encode("ascii"))

    def records(self) -> Iterator[list[Any]]:
        """Give the records from the first; several iterations may go on at once."""
        self._write()
        position, rest = 0, b""
        while position < self._end:
            self._file.seek(position)
            block = self._file.read(_BLOCK)
            position += len(block)
            *lines, rest = (rest + block).split(b"\n")
            yield from map(json.loads, lines)

    @property
    def is_closed(self) -> bool:
        return not self._closing.alive

    def close(self) -> None:
        self._closing()


@attrs.define
class _Run:
    """Rows of one kind in equal distances: most of a good file is one of these."""

    first: int
    last: int
    file: str
    step: int = 0

    def takes(self, first: int, last: int, file: str) -> bool:
        """Go on from line *first* to *last* without a gap, where that keeps the distance."""
        step = first - self.last
        if (
            file != self.file
            or step < 1
            or self.step not in {0, step}
            or (last > first and step > 1)
        ):
            return False
        self.step, self.last = step, last
        return True

    def record(self) -> list[Any]:
        return [self.first, self.last, self.step or 1, RowVerdict.ADDED, "", "", self.file]


class ReportWriter:
    """
    Takes what became of each row; memory and disk stay small while rows are plainly added.

    Use it in a `with` statement, or call `finish`.
    """

    def __init__(self) -> None:
        self._spool = _Spool()
        self._counts: Counter[RowVerdict] = Counter()
        self._run: _Run | None = None
        self._problems: list[ReportRow] = []
        self._finished = False

    def add(
        self, line: int, verdict: RowVerdict, why: str = "", shown: str = "", file: str = ""
    ) -> None:
        """Note what became of the row on *line*. *shown* is masked by the caller."""
        if verdict is RowVerdict.ADDED and not why and not shown:
            self.add_plain([line], file)
            return
        self._counts[verdict] += 1
        self._flush()
        self._spool.append([line, line, 1, verdict, why, shown, file])
        if verdict is not RowVerdict.ADDED and len(self._problems) < _SHOWN:
            self._problems.append(ReportRow(line, verdict, why, shown, file))

    def add_plain(self, lines: Sequence[int], file: str = "") -> None:
        """Note that the rows on *lines*, which rise, were added and nothing is to be told of them."""
        self._counts[RowVerdict.ADDED] += len(lines)
        if lines and lines[-1] - lines[0] == len(lines) - 1:
            self._add_run(lines[0], lines[-1], file)
        else:
            for line in lines:
                self._add_run(line, line, file)

    def finish(
        self,
        *,
        sku: str,
        warehouse: str,
        format: str,  # noqa: A002 - the word the configuration uses for it
        batch: BatchId | None = None,
        detected: str = "",
        dry_run: bool = False,
    ) -> ImportReport:
        """Return the report. Nothing can be added any more."""
        self._flush()
        self._finished = True
        return ImportReport(
            sku=sku,
            warehouse=warehouse,
            batch=batch,
            format=format,
            detected=detected,
            dry_run=dry_run,
            **{str(verdict): self._counts[verdict] for verdict in RowVerdict},
            problems=tuple(self._problems),
            spool=self._spool,
        )

    def close(self) -> None:
        """Throw the notes away, unless they have become a report."""
        if not self._finished:
            self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _add_run(self, first: int, last: int, file: str) -> None:
        if self._run is None or not self._run.takes(first, last, file):
            self._flush()
            self._run = _Run(first, last, file, 1 if last > first else 0)

    def _flush(self) -> None:
        if self._run is not None:
            self._spool.append(self._run.record())
            self._run = None


@attrs.frozen(kw_only=True)
class ImportReport:
    """
    What became of an import. Cards appear in it only as their format masks them.

    Args:
        sku: What was imported.
        warehouse: Where it went.
        batch: The batch that was made; None for a dry run, or when nothing was added.
        format: The name of the card format.
        detected: What the source turned out to be, for people.
        dry_run: True when nothing was stored; `added` is then what would have been.
        added: Cards that are in stock now.
        duplicate_in_file: Rows whose card came earlier in the same source.
        in_stock: Rows whose card was in stock before.
        sold: Rows whose card was sold before.
        voided: Rows whose card was taken out of stock before.
        malformed: Rows that are no card.
        problems: The first 20 rows that were not added.
    """

    sku: str
    warehouse: str
    batch: BatchId | None = None
    format: str
    detected: str = ""
    dry_run: bool = False
    added: int = 0
    duplicate_in_file: int = 0
    in_stock: int = 0
    sold: int = 0
    voided: int = 0
    malformed: int = 0
    problems: tuple[ReportRow, ...] = attrs.field(default=(), repr=False)
    _spool: _Spool = attrs.field(factory=_Spool, repr=False, eq=False)

    @property
    def total(self) -> int:
        """How many rows there were; blank ones are not counted."""
        return self.added + self.rejected

    @property
    def rejected(self) -> int:
        """How many rows were not added."""
        return self.duplicate_in_file + self.in_stock + self.sold + self.voided + self.malformed

    def rows(self, *, problems_only: bool = False) -> Iterator[ReportRow]:
        """
        Give what became of each row, in the order of the source. May be called again.

        Args:
            problems_only: Leave out rows that were added.

        Raises:
            ValueError: The report was closed; counts and `problems` remain.
        """
        if self._spool.is_closed:
            raise ValueError("the report is closed; its counts and problems are still there")
        return self._rows(problems_only=problems_only)

    def _rows(self, *, problems_only: bool) -> Iterator[ReportRow]:
        for first, last, step, verdict, why, shown, file in self._spool.records():
            if problems_only and verdict == RowVerdict.ADDED:
                continue
            for line in range(first, last + 1, step):
                yield ReportRow(line, RowVerdict(verdict), why, shown, file)

    def to_csv(
        self, target: str | os.PathLike[str] | IO[Any], *, problems_only: bool = False
    ) -> None:
        """
        Write all rows as CSV that Excel opens without harm: UTF-8 with BOM, no formulas.

        Args:
            target: A path, or a binary or text file object, which stays open. A text file object
                gets no BOM: its encoding is its own.
            problems_only: Leave out rows that were added.

        Raises:
            ValueError: The report was closed.
            OSError: The file cannot be written.

        Effects: writes *target*; an existing file is replaced.
        """
        rows = self.rows(problems_only=problems_only)
        if isinstance(target, (str, os.PathLike)):
            with Path(target).open("w", encoding="utf-8-sig", newline="") as file:
                _write(rows, file)
        elif hasattr(target, "encoding"):
            _write(rows, target)
        else:
            wrapped = io.TextIOWrapper(target, encoding="utf-8-sig", newline="")
            try:
                _write(rows, wrapped)
            finally:
                wrapped.detach()

    def close(self) -> None:
        """Throw the rows away; the counts remain. May be called again."""
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __str__(self) -> str:
        return "\n".join([self._headline(), *map(_problem_line, self.problems), *self._more()])

    def _headline(self) -> str:
        done = "would be added" if self.dry_run else "added"
        said = f"{self.sku} in {self.warehouse}: {self.added:,} of {self.total:,} rows {done}"
        verdicts = [verdict for verdict in RowVerdict if verdict is not RowVerdict.ADDED]
        counts = [(verdict, getattr(self, verdict)) for verdict in verdicts]
        told = [f"{count:,} {verdict.replace('_', ' ')}" for verdict, count in counts if count]
        return f"{said}; {', '.join(told)}" if told else said

    def _more(self) -> list[str]:
        left = self.rejected - len(self.problems)
        return [f"  and {left:,} more"] if left else []


def _problem_line(row: ReportRow) -> str:
    where = f"{row.file}, line {row.line}" if row.file else f"line {row.line}"
    said = [row.verdict.replace("_", " "), row.why, row.shown]
    return f"  {where}: {', '.join(text for text in said if text)}"


def _write(rows: Iterator[ReportRow], file: IO[str] | io.TextIOWrapper) -> None:
    writer = csv.writer(file)
    writer.writerow(_TITLES)
    for row in rows:
        cells = (row.file, row.line, str(row.verdict), row.why, row.shown)
        writer.writerow([_harmless(cell) if isinstance(cell, str) else cell for cell in cells])


def _harmless(cell: str) -> str:
    """Return *cell* so that a spreadsheet shows it and does not run it."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
