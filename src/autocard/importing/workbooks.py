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
_LOCAL_HEADER: Final = 30
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
    guarded(lambda: _measure(data, options.max_uncompressed_bytes))
    sheet = _sheet(data, options.sheet)
    values = enumerate(_rows_of(sheet), 1)
    first = list(islice((row for row in values if any(map(_is_filled, row[1]))), _SAMPLE))
    found = settle_columns([_texts(cells) for _, cells in first], card_format, options)
    if found.names is not None:
        del first[0]
    reading = _Sheet(found.columns, card_format, file, max(1, sheet.total_height), len(data))
    run = Run(RowParser(), reading.rows(chain(first, values)))
    return Opened(found.detected("xlsx"), [run], len(data), reading.read)


def _sheet(data: bytes, which: str | int) -> Any:
    try:
        from python_calamine import CalamineWorkbook
    except ImportError:
        missing = True
    else:
        missing = False
    if missing:
        raise ConfigurationError("reading XLSX needs python-calamine: pip install autocard[xlsx]")
    workbook = guarded(lambda: CalamineWorkbook.from_filelike(io.BytesIO(data)))
    names = workbook.sheet_names
    if isinstance(which, int) and 0 <= which < len(names):
        return guarded(lambda: workbook.get_sheet_by_index(which))
    if isinstance(which, str) and which in names:
        return guarded(lambda: workbook.get_sheet_by_name(which))
    raise UnreadableSource(f"sheet: the workbook has no sheet {which!r}; it has {len(names)}")


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
class _Sheet:
    columns: Columns
    card_format: CardFormat
    file: str
    height: int
    size: int
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

    def _row(self, values: list[Any]) -> Row | None:
        texts = list(map(_text, values))
        cells = [text for text, _ in texts]
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
        for at in self.cards:
            if at < len(values) and isinstance(values[at], (bool, date, time, timedelta)):
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


def _measure(data: bytes, max_bytes: int) -> None:
    """Refuse a workbook that would take more memory than anybody means it to."""
    left = max_bytes
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    for info in members:
        grid = _Grid()
        for piece in _inflated(data, info):
            left -= len(piece)
            if left < 0:
                raise UnreadableSource(
                    f"the workbook unpacks to more than {max_bytes:,} bytes; "
                    "split it, or raise max_uncompressed_bytes if you trust it"
                )
            grid.add(piece)
        grid.add(b"<")  # so that the last tag counts too


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
        self._column = max(map(_column_number, columns), default=0)
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
                self._column = _column_number(letters)
        self._rows = max(self._rows, self._row)
        self._columns = max(self._columns, self._column)


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
