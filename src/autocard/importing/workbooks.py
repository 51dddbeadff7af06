"""XLSX workbooks: cells are read with their types, so that a rounded number is never a card."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import date, time, timedelta
from itertools import chain, islice
from typing import Any, Final, TypeVar

import attrs

from autocard.errors import AutocardError, ConfigurationError, UnreadableSource
from autocard.importing.columns import Columns, row_of, settle_columns, unwrap
from autocard.importing.faults import SUSPECT, Faults, column_number, faults_of, member_of
from autocard.importing.lists import cell_text
from autocard.importing.values import Opened, ReadOptions, Row, RowParser, Run
from autocard.ports import CardFormat

# A sheet becomes a full grid in memory: one cell in the last corner would ask for 500 GB.
MOST_CELLS: Final = 20_000_000
_PIECE: Final = 1 << 18
_SAMPLE: Final = 100
_LONGEST: Final = 40
_TAGS: Final = re.compile(
    rb"<(?:[\w.-]+:)?(row|c)(?=[\s/>])|\sr\s*=\s*[\"']([A-Za-z]{0,4})(\d{0,9})[\"']"
)
_ROW_OR_CELL: Final = re.compile(rb"<(?:[\w.-]+:)?(?:row|c)[\s/>]")
# Only as the first attribute: further on it might stand inside the value of another one.
_PLACED: Final = re.compile(rb"<(?:[\w.-]+:)?(?:row|c)\s+r=[\"']([A-Za-z]{0,4})(\d{1,9})[\"']")
_BROKEN: Final = "the workbook is damaged; open it in Excel and save it again as XLSX or CSV"
_ZEROS: Final = (
    "a cell is a number, so its leading zeros are lost; format the column as text and export again"
)
_MISTYPED: Final = "the cell of the card is a date or a truth value; format the column as text"
_NO_VALUE: Final = (
    "the cell of the card is an error such as #N/A, or a formula that was not calculated; "
    "open the file in Excel, put values in place of formulas and save it"
)
_NUMERIC: Final = "cards from numeric cells: leading zeros may be lost"
_LOCAL_HEADER: Final = 30
_OVERLAP: Final = 64
_T = TypeVar("_T")

Values = tuple[int, list[Any]]


def open_workbook(data: bytes, card_format: CardFormat, options: ReadOptions, file: str) -> Opened:
    """
    Return what a workbook is, and the records of its sheet, numbered as Excel does.

    The sheet is held in memory.

    Raises:
        ConfigurationError: python-calamine is not installed.
        UnreadableSource: It is damaged, encrypted, unpacks to too much, or has no such sheet.
    """
    suspects = guarded(lambda: measure(data, options.max_uncompressed_bytes))
    book = _Book(data, _workbook(data), suspects)
    sheet, notes = _chosen(book, options.sheet)
    values = enumerate(_rows_of(sheet.cells), 1)
    first = list(islice((row for row in values if sheet.has_row(*row)), _SAMPLE))
    filled = [row for row in first if any(map(_is_filled, row[1]))]
    found = settle_columns([_texts(cells) for _, cells in filled], card_format, options)
    if found.names is not None:
        first.remove(filled.pop(0))
    height = max(1, sheet.cells.total_height)
    reading = _Reading(found.columns, card_format, file, height, len(data), sheet.faults)
    if any(isinstance(value, float) for _, cells in filled for value in reading.of_cards(cells)):
        notes.append(_NUMERIC)
    run = Run(RowParser(), reading.rows(chain(first, values)))
    detected = attrs.evolve(found.detected("xlsx"), guess=", ".join(notes))
    return Opened(detected, [run], len(data), reading.read)


@attrs.frozen
class _Sheet:
    """One sheet: its cells as calamine gives them, and those that have no value."""

    cells: Any
    faults: Faults

    @property
    def is_empty(self) -> bool:
        rows = enumerate(_rows_of(self.cells), 1)
        return not (self.faults or any(self.has_row(*row) for row in rows))

    def has_row(self, line: int, cells: Sequence[object]) -> bool:
        """Say whether anything stands in the row of these *cells*."""
        return line in self.faults or any(map(_is_filled, cells))


@attrs.frozen
class _Book:
    """A workbook, and which members of its archive may have cells without a value."""

    data: bytes
    workbook: Any
    suspects: frozenset[str]

    def sheet(self, index: int) -> _Sheet:
        return _Sheet(
            guarded(lambda: self.workbook.get_sheet_by_index(index)),
            guarded(lambda: self._faults(index)) if self.suspects else {},
        )

    def is_empty(self, index: int) -> bool:
        """Say whether nothing stands in a sheet; one that cannot be read is none of ours."""
        try:
            return self.sheet(index).is_empty
        except UnreadableSource:
            return True

    def _faults(self, index: int) -> Faults:
        with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
            there = {info.filename: info for info in archive.infolist()}
        parts = [there.get(name) for name in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels")]
        texts = [b"" if info is None else b"".join(_inflated(self.data, info)) for info in parts]
        name = member_of(texts[0], texts[1], index)
        return faults_of(_inflated(self.data, there[name])) if name in self.suspects else {}


def _chosen(book: _Book, which: str | int) -> tuple[_Sheet, list[str]]:
    """Return the sheet to read, and what is to be told of the others."""
    names = book.workbook.sheet_names
    if isinstance(which, str) and which in names:
        return book.sheet(names.index(which)), []
    if not isinstance(which, int) or not 0 <= which < len(names):
        raise UnreadableSource(f"sheet: the workbook has no sheet {which!r}; it has {len(names)}")
    sheet = book.sheet(which)
    if which or len(names) == 1:
        return sheet, []
    full = [index for index in range(1, len(names)) if not book.is_empty(index)]
    if not full:
        return sheet, []
    notes = []
    if sheet.is_empty:
        first = full.pop(0)
        sheet = book.sheet(first)
        notes.append(f"sheet {first + 1} was read: those before it are empty")
    if full:
        more = "1 more sheet was" if len(full) == 1 else f"{len(full)} more sheets were"
        notes.append(f"{more} not read")
    return sheet, notes


def _workbook(data: bytes) -> Any:
    try:
        from python_calamine import CalamineWorkbook
    except ImportError:
        missing = True
    else:
        missing = False
    if missing:
        raise ConfigurationError("reading XLSX needs python-calamine: pip install autocard[xlsx]")
    return guarded(lambda: CalamineWorkbook.from_filelike(io.BytesIO(data)))


def _rows_of(sheet: Any) -> Iterator[list[Any]]:
    # The grid begins at the first used column; an index given by the operator counts from A.
    before = [""] * (sheet.start[1] if sheet.start else 0)
    rows = guarded(lambda: iter(sheet.iter_rows()))
    while (row := guarded(lambda: next(rows, None))) is not None:
        yield [*before, *row]


def _is_filled(value: object) -> bool:
    return value is not None and value != ""


def _texts(values: Sequence[object]) -> list[str]:
    return [_text(value)[0] for value in values]


def _text(value: object) -> tuple[str, str]:
    """Return *value* as the text of a cell, and what is wrong with it."""
    if isinstance(value, str):
        return unwrap(value), ""
    if isinstance(value, (time, timedelta)):
        return str(value), ""
    try:
        return cell_text(value), ""
    except ValueError as error:  # ours: it does not quote the cell
        return "?", str(error)


@attrs.define
class _Reading:
    columns: Columns
    card_format: CardFormat
    file: str
    height: int
    size: int
    faults: Faults
    line: int = 0
    cards: tuple[int, ...] = ()
    """Where a card or a part of it is."""

    def __attrs_post_init__(self) -> None:
        columns = self.columns
        named = (columns.number, columns.secret, columns.text, columns.link)
        self.cards = tuple(at for at in named if at >= 0)

    def read(self) -> int:
        """Return how many bytes the rows read so far are worth."""
        return min(self.size, self.size * self.line // self.height)

    def rows(self, values: Iterator[Values]) -> Iterator[Row]:
        for self.line, cells in values:
            row = self._row(cells)
            if row is not None:
                yield row
        # The grid ends with the last value; what has none may come after it.
        for line in sorted(line for line in self.faults if line > self.line):
            yield Row(line, None, _NO_VALUE, "", self.file)

    def of_cards(self, cells: Sequence[object]) -> list[object]:
        """Return those of *cells* that hold a part of a card."""
        return [cells[at] for at in self.cards if at < len(cells)]

    def _row(self, values: list[Any]) -> Row | None:
        texts = list(map(_text, values))
        cells = [text for text, _ in texts]
        faulty = self.faults.get(self.line)
        if faulty and not (any(cells) and faulty.isdisjoint(self.cards)):
            return Row(self.line, None, _NO_VALUE, "", self.file)
        if not any(cells):
            return None
        problem = next((problem for _, problem in texts if problem), "") or self._mistyped(values)
        if problem:
            return Row(self.line, None, problem, "", self.file)
        row = row_of(self.columns, self.card_format, cells, self.line, self.file)
        if row.parts is None and self._lacks_zeros(values, cells):
            return attrs.evolve(row, problem=_ZEROS)
        return row

    def _mistyped(self, values: list[Any]) -> str:
        if any(isinstance(x, (bool, date, time, timedelta)) for x in self.of_cards(values)):
            return _MISTYPED
        return ""

    def _lacks_zeros(self, values: list[Any], cells: list[str]) -> bool:
        """Say whether the row would be a card if its numeric cells had leading zeros."""
        for at in self.cards:
            if at >= len(values) or not isinstance(values[at], float):
                continue
            for length in range(len(cells[at]) + 1, _LONGEST):
                longer = [*cells[:at], cells[at].zfill(length), *cells[at + 1 :]]
                if row_of(self.columns, self.card_format, longer, 0, "").parts is not None:
                    return True
        return False


def guarded(call: Callable[[], _T]) -> _T:
    """Return what *call* returns; whatever else it raises becomes `UnreadableSource`."""
    try:
        return call()
    except AutocardError:
        raise
    except Exception:  # noqa: BLE001, S110 - zipfile and calamine raise errors of many kinds
        pass
    except BaseException as error:
        # A panic inside calamine is no Exception.
        if type(error).__name__ != "PanicException":
            raise
    raise UnreadableSource(_BROKEN)


def measure(data: bytes, max_bytes: int) -> frozenset[str]:
    """
    Refuse a workbook that would take more memory than anybody means it to.

    Returns:
        The members in which a cell may have no value.
    """
    left = max_bytes
    suspects = set()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    for info in members:
        grid = _Grid()
        before = b""
        for piece in _inflated(data, info):
            left -= len(piece)
            if left < 0:
                raise UnreadableSource(
                    f"the workbook unpacks to more than {max_bytes:,} bytes; "
                    "split it, or raise max_uncompressed_bytes if you trust it"
                )
            grid.add(piece)
            if info.filename not in suspects and "sheet" in info.filename:
                # With a little of what came before: what is looked for may be cut in two.
                if SUSPECT.search(before[-_OVERLAP:] + piece):
                    suspects.add(info.filename)
                before = piece
        grid.add(b"<")  # so that the last tag counts too
    return frozenset(suspects)


def _inflated(data: bytes, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """
    Give what the member *info* really unpacks to, whatever size it declares.

    zipfile believes the declared size and stops there; calamine does not.
    """
    header = data[info.header_offset : info.header_offset + _LOCAL_HEADER]
    if len(header) < _LOCAL_HEADER or info.flag_bits & 1:
        raise UnreadableSource(_BROKEN)
    names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    start = info.header_offset + _LOCAL_HEADER + names
    packed = memoryview(data)[start : start + info.compress_size]
    if info.compress_type == zipfile.ZIP_STORED:
        yield from (bytes(packed[at : at + _PIECE]) for at in range(0, len(packed), _PIECE))
        return
    if info.compress_type != zipfile.ZIP_DEFLATED:
        raise UnreadableSource(_BROKEN)
    yield from _deflated(packed)


def _deflated(packed: memoryview) -> Iterator[bytes]:
    inflate = zlib.decompressobj(-15)
    for at in range(0, len(packed), _PIECE):
        waiting: bytes | memoryview = packed[at : at + _PIECE]
        while waiting and not inflate.eof:
            yield inflate.decompress(waiting, _PIECE)
            waiting = inflate.unconsumed_tail


class _Grid:
    """Follows the rows and cells of a sheet to tell how large its grid is."""

    def __init__(self) -> None:
        self._rest = b""
        self._row = self._column = 0
        self._rows = self._columns = 1

    def add(self, piece: bytes) -> None:
        """Take the next *piece* of XML; refuse the sheet once its grid is too large."""
        text = self._rest + piece
        # A tag that goes on in the next piece is left for then, unless it is longer than a piece.
        cut = max(text.rfind(b"<"), len(text) - _PIECE)
        self._rest = text[cut:]
        if not self._has_taken_plain(text[:cut]):
            for found in _TAGS.finditer(text):
                if found.start() >= cut:
                    break
                self._follow(*found.groups(b""))
        if self._rows * self._columns > MOST_CELLS:
            raise UnreadableSource(
                f"the sheet has more than {MOST_CELLS:,} cells, most of them empty; "
                "delete what lies outside the list, or save it as CSV"
            )

    def _has_taken_plain(self, text: bytes) -> bool:
        """Take a piece in which every row and cell says where it is, as Excel writes them."""
        placed = _PLACED.findall(text)
        if len(placed) != len(_ROW_OR_CELL.findall(text)):
            return False
        # A piece has few different columns, and a set of them costs less than a look at each.
        columns = {letters for letters, _ in placed}
        self._column = max(map(column_number, columns), default=0)
        self._row = max(map(int, {digits for _, digits in placed}), default=self._row)
        self._rows = max(self._rows, self._row)
        self._columns = max(self._columns, self._column)
        return True

    def _follow(self, tag: bytes, letters: bytes, digits: bytes) -> None:
        if tag == b"row":
            self._row, self._column = self._row + 1, 0
        elif tag == b"c":
            self._column += 1
        else:
            self._row = int(digits or 0) or self._row
            if letters:
                self._column = column_number(letters)
        self._rows = max(self._rows, self._row)
        self._columns = max(self._columns, self._column)
