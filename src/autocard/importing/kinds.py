"""Which kind of source this is: by what it holds first, by the extension of its name second."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, Final

from autocard.errors import UnreadableSource
from autocard.importing.names import is_title, part_of

_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_FOREIGN: Final = (
    (b"\xd0\xcf\x11\xe0", "an old or a password-protected Excel file; save it as XLSX or CSV"),
    (b"%PDF", "a PDF document; save the cards as text"),
    (b"\x89PNG", "a picture; cards are read from text"),
    (b"\xff\xd8\xff", "a picture; cards are read from text"),
    (b"GIF8", "a picture; cards are read from text"),
    (b"\x1f\x8b", "a gzip archive; unpack it or make it a ZIP"),
    (b"Rar!", "a RAR archive; unpack it or make it a ZIP"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it or make it a ZIP"),
    (b"SQLite format 3", "a database; export its cards as CSV"),
)
_CARD_PARTS: Final = frozenset({"secret", "number", "text", "link"})
_HTML: Final = re.compile(r"\s*<(?:!doctype html|html|table|meta)\b", re.IGNORECASE)
_EXTENSIONS: Final = (
    (".csv", "csv"),
    (".tsv", "tsv"),
    (".tab", "tsv"),
    (".jsonl", "jsonl"),
    (".ndjson", "jsonl"),
    (".json", "json"),
)
_JSON_ARRAY: Final = re.compile(r"\s*\[\s*(?:[{\"]|\]\s*\Z)")
_JSON_OBJECT: Final = re.compile(r"\s*\{\s*\"(?:[^\"\\]|\\.){0,200}\"\s*:")
DELIMITERS: Final = (",", ";", "\t")
ARRAYS: Final = ("cards", "data", "items", "list", "rows", "records", "cardlist")
"""What the array of cards in a JSON answer is called."""
_DEEPEST: Final = 4
# A word that may be the title of a column nobody knows; cards have digits.
_WORD: Final = re.compile(r"[^\W\d_](?:[^\W\d]|[ .-]){0,31}")


def kind_of_bytes(head: bytes) -> str:
    """
    Return `zip` when *head* begins an archive (a workbook is one too), else "".

    Raises:
        UnreadableSource: It begins a file of a kind that holds no cards we can read.
    """
    if head.startswith(_ZIP):
        return "zip"
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise UnreadableSource(f"this is {what}")
    return ""


def is_workbook(file: Any) -> bool:
    """Say whether the archive *file* is an XLSX workbook."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        return False
    return "[Content_Types].xml" in members and any(name.startswith("xl/") for name in members)


def kind_of_text(head: str, name: str) -> str:
    """
    Return `text`, `csv`, `tsv`, `json` or `jsonl` for a file called *name* that begins with *head*.

    Raises:
        UnreadableSource: It is a page of a web site.
    """
    if _HTML.match(head):
        raise UnreadableSource(
            "this is an HTML page, whatever it is called; save it as CSV or XLSX"
        )
    by_name = next((kind for end, kind in _EXTENSIONS if name.lower().endswith(end)), "")
    first = _first_line(head)
    if _is_json_card(first):
        return "jsonl"
    if _JSON_ARRAY.match(head) and by_name in {"", "json"}:
        return "json"
    whole = _loaded(first) if first.startswith("{") else None
    is_answer = whole is None or holds_cards(whole)
    if _JSON_OBJECT.match(head) and is_answer and by_name in {"", "json"}:
        return "json"
    return by_name or _kind_of_line(first)


def _first_line(head: str) -> str:
    line = head.replace("\r", "\n").lstrip().partition("\n")[0]
    return line if len(line) < 100_000 else ""


def _loaded(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_json_card(line: str) -> bool:
    # An account sold as one JSON object has no field called card or password: that is text.
    found = _loaded(line) if line.startswith("{") else None
    if not isinstance(found, dict):
        return False
    parts = {part_of(str(field)) for field in found}
    nested = any(isinstance(value, list) for value in found.values())
    return not (nested or holds_cards(found)) and bool(parts & _CARD_PARTS)


def holds_cards(value: object, depth: int = 0) -> bool:
    """Say whether *value*, an object of JSON, has cards inside rather than being one."""
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        return False
    return any(_are_cards(str(name), inner, depth) for name, inner in value.items())


def _are_cards(name: str, value: object, depth: int) -> bool:
    if isinstance(value, list):
        is_array = name.lower() in ARRAYS
        return is_array and any(isinstance(each, str) or _is_card(each) for each in value)
    return _is_card(value) or holds_cards(value, depth + 1)


def _is_card(value: object) -> bool:
    return isinstance(value, Mapping) and any(part_of(str(x)) in _CARD_PARTS for x in value)


def _kind_of_line(line: str) -> str:
    if re.fullmatch(r"sep=.", line.strip(), re.IGNORECASE):
        return "csv"
    for delimiter in DELIMITERS:
        cells = [cell.strip(' "\t') for cell in line.split(delimiter)]
        if len(cells) > 1 and _are_titles(cells):
            return "tsv" if delimiter == "\t" else "csv"
    return "text"


def _are_titles(cells: Sequence[str]) -> bool:
    """Say whether *cells* are known titles, or plain words of which one is that of the card."""
    if all(map(is_title, cells)):
        return True
    names_card = any(is_title(cell) and part_of(cell) in {"secret", "text"} for cell in cells)
    return names_card and all(is_title(cell) or _WORD.fullmatch(cell) for cell in cells)
