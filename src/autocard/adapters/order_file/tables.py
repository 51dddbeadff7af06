"""From the bytes of a file to rows of text. Pure; knows encodings and sheets, not orders."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final

from autocard.spi import workbook_problem

MAX_BYTES: Final = 32 * 1024 * 1024
_MAX_UNPACKED: Final = 256 * 1024 * 1024
_MAX_COLUMNS: Final = 100
_BLANK_ROWS: Final = 1_000  # they cost little, and exports often have some
_BOMS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_PROTECTED: Final = re.compile(r"'[0-9=+@-]")
_EXACT: Final = 10**15  # a spreadsheet keeps 15 digits of a number

Row = tuple[int, tuple[str, ...]]
"""The number a spreadsheet shows beside a row, and its cells without blanks around them."""


class UnreadableFile(ValueError):
    """The file is no table. The message is for the operator and quotes nothing."""


def rows_from_bytes(raw: bytes, suffix: str, max_rows: int) -> list[Row]:
    """
    Return the rows of a file that are not blank, the heading first.

    Args:
        raw: The whole file.
        suffix: `.csv`, `.tsv`, `.txt` or `.xlsx`, in lower case.
        max_rows: More rows than this are refused.

    Raises:
        UnreadableFile: It is no such file, or too large.
    """
    if len(raw) > MAX_BYTES:
        raise UnreadableFile(f"the file is larger than {MAX_BYTES // 2**20} MB; split it")
    cells = _sheet_rows(raw, max_rows) if suffix == ".xlsx" else _text_rows(raw, suffix)
    rows: list[Row] = []
    for number, row in enumerate(cells, 1):
        clean = tuple(cleaned(cell) for cell in row)
        if any(clean):
            rows.append((number, clean))
        if len(rows) > max_rows + 1:
            raise UnreadableFile(f"the file has more than {max_rows} rows; split it")
    return rows


def text_from_bytes(raw: bytes) -> str:
    """
    Return *raw* decoded as UTF-8, UTF-16 or GB18030, whichever it proves to be.

    Raises:
        UnreadableFile: It is none of them.
    """
    for name in _encodings(raw):
        text = _decoded(raw, name)
        if text is not None:
            return text
    raise UnreadableFile("the text is neither UTF-8, UTF-16 nor GB18030; save it as UTF-8")


def cleaned(cell: str) -> str:
    """Return *cell* without the blanks and disguises that protect digits in spreadsheets."""
    text = cell.strip()
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        text = text[2:-1].strip()
    return text[1:].strip() if _PROTECTED.match(text) else text


# --- text -------------------------------------------------------------------------------------


def _encodings(raw: bytes) -> Iterable[str]:
    for mark, name in _BOMS:
        if raw.startswith(mark):
            return (name,)
    head = raw[:4096]
    # Text of headings and digits has a zero in every second byte of UTF-16.
    if head[1::2].count(0) * 4 > len(head) // 2:
        return ("utf-16-le",)
    if head[0::2].count(0) * 4 > len(head) // 2:
        return ("utf-16-be",)
    return ("utf-8", "gb18030")


def _decoded(raw: bytes, name: str) -> str | None:
    try:
        return raw.decode(name)
    except UnicodeError:
        return None


def _text_rows(raw: bytes, suffix: str) -> list[list[str]]:
    text = text_from_bytes(raw)
    if "\x00" in text:
        raise UnreadableFile("the file holds zero bytes; it is not a text file")
    delimiter = "\t" if suffix == ".tsv" else _delimiter(text)
    rows = _parsed(text, delimiter)
    if rows is None:
        raise UnreadableFile(
            "the file is not sound CSV: a quoted cell does not end, or is far too long"
        )
    # A copy that stopped half-way has a last row that is short and has no line end.
    if len(rows) > 1 and not text.endswith(("\n", "\r")) and len(rows[-1]) < len(rows[0]):
        raise UnreadableFile("the last row breaks off; copy the file again, and wait for the end")
    return rows


def _delimiter(text: str) -> str:
    heading = next((line for line in text.splitlines() if line.strip()), "")
    return max(",\t;", key=heading.count)


def _parsed(text: str, delimiter: str) -> list[list[str]] | None:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return None


# --- sheets -----------------------------------------------------------------------------------


def _sheet_rows(raw: bytes, max_rows: int) -> list[list[str]]:
    try:
        import python_calamine
    except ModuleNotFoundError:
        raise UnreadableFile(
            "XLSX needs one more package: pip install 'autocard[xlsx]', or save the file as CSV"
        ) from None
    problem = workbook_problem(raw, most_bytes=_MAX_UNPACKED)
    if problem:
        raise UnreadableFile(problem)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(raw))
        sheet = book.get_sheet_by_index(0)
        size = (sheet.total_height, sheet.total_width)
        rows = sheet.to_python(skip_empty_area=False) if _fits(size, max_rows) else None
    except BaseException as error:  # a panic of the reader is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        size, rows = (0, 0), None
    if not _fits(size, max_rows):
        raise UnreadableFile(
            f"the first sheet goes beyond {max_rows} rows or {_MAX_COLUMNS} columns; delete the "
            "cells beyond the table, or split it"
        )
    if rows is None:
        raise UnreadableFile("the first sheet of the XLSX workbook cannot be read; save it as CSV")
    return [[_cell_text(cell) for cell in row] for row in rows]


def _fits(size: tuple[int, int], max_rows: int) -> bool:
    height, width = size
    return height <= max_rows + _BLANK_ROWS and width <= _MAX_COLUMNS


def _cell_text(cell: object) -> str:
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, (int, float)):
        return _number_text(cell)
    if isinstance(cell, (datetime, date)):
        return cell.isoformat()
    return str(cell)


def _number_text(number: float) -> str:
    # Longer numbers have lost digits already: the mark makes every reader of the cell refuse them.
    if abs(number) >= _EXACT:
        return f"{number:.14E}"
    # Fifteen digits are what the spreadsheet shows; what comes after is binary noise.
    return f"{number:.15g}"


def heading_row(rows: Sequence[Row]) -> Row:
    """Return the first row; a file without any raises `UnreadableFile`."""
    if not rows:
        raise UnreadableFile("the file is empty; the first row must hold the headings")
    return rows[0]
