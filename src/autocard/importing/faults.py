"""Cells of a sheet without a value: errors such as #N/A, and formulas that nobody calculated."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import Final

Faults = dict[int, set[int]]
"""The columns, from 0, of the cells without a value, by the number of their row."""

# An error, or the beginning of a formula; most workbooks have neither.
SUSPECT: Final = re.compile(rb"\st\s*=\s*[\"']e[\"']|<(?:[\w.-]+:)?f[\s/>]")
_CELL: Final = re.compile(rb"<(?:[\w.-]+:)?c(?=[\s/>])")
_PLACE: Final = re.compile(rb"\sr\s*=\s*[\"']([A-Za-z]{1,4})(\d{1,9})[\"']")
_TYPE: Final = re.compile(rb"\st\s*=\s*[\"'](e|str)[\"']")
_FORMULA: Final = re.compile(rb"<(?:[\w.-]+:)?f[\s/>]")
_VALUE: Final = re.compile(rb"<(?:[\w.-]+:)?v(?:\s[^>]*)?>[^<]")
_SHEET: Final = re.compile(r"<(?:[\w.-]+:)?sheet\s[^>]*?\sr?[\w.-]*:id\s*=\s*[\"']([^\"']+)[\"']")
_RELATION: Final = re.compile(r"<(?:[\w.-]+:)?Relationship\s[^>]*>")
_ATTRIBUTE: Final = re.compile(r"\s(Id|Target)\s*=\s*[\"']([^\"']*)[\"']")
_LONGEST_CELL: Final = 1 << 20


def member_of(workbook: bytes, relations: bytes, index: int) -> str:
    """Return where in the archive the sheet with this *index* is; "" where that cannot be told."""
    ids = _SHEET.findall(workbook.decode("utf-8", "replace"))
    targets = {}
    for tag in _RELATION.findall(relations.decode("utf-8", "replace")):
        said = dict(_ATTRIBUTE.findall(tag))
        targets[said.get("Id", "")] = said.get("Target", "")
    target = targets.get(ids[index], "") if index < len(ids) else ""
    return posixpath.normpath(posixpath.join("/xl", target)).lstrip("/") if target else ""


def faults_of(pieces: Iterable[bytes]) -> Faults:
    """Return the faulty cells of the sheet whose XML is given in *pieces*."""
    faults: Faults = {}
    for cell in _cells(pieces):
        place = _PLACE.search(cell.partition(b">")[0])
        if place is not None and _is_faulty(cell):
            faults.setdefault(int(place[2]), set()).add(column_number(place[1]) - 1)
    return faults


def _cells(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give the XML of each cell, from behind its name to the beginning of the next one."""
    rest = b""
    for piece in pieces:
        before, *cells = _CELL.split(rest + piece)
        if cells:
            rest = b"<c" + cells.pop()[:_LONGEST_CELL]
            yield from cells
        else:
            rest = before[-_LONGEST_CELL:]
    yield from _CELL.split(rest)[1:]


def _is_faulty(cell: bytes) -> bool:
    kind = _TYPE.search(cell.partition(b">")[0])
    if kind is not None:
        return kind[1] == b"e"  # a formula may come to an empty text
    return _FORMULA.search(cell) is not None and _VALUE.search(cell) is None


def column_number(letters: bytes) -> int:
    """Return the number of the column that is called *letters*; A is 1."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
