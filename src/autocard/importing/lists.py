"""Cards that are values already: texts and mappings, from a program, JSON or JSON Lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

import attrs

from autocard.errors import UnreadableSource
from autocard.importing.cards import TOO_LONG, text_row
from autocard.importing.columns import ROUNDED, Columns, columns_from_names, row_of
from autocard.importing.encodings import chunks
from autocard.importing.kinds import ARRAYS, holds_cards
from autocard.importing.lines import BLANKS
from autocard.importing.names import folded
from autocard.importing.sources import ByteFeed, TextFeed
from autocard.importing.text import Line, TextParser, filled_lines, text_blocks
from autocard.importing.values import Detected, ReadOptions, Row, Run
from autocard.ports import CardFormat

MOST_JSON_BYTES: Final = 1 << 28
_EXACT: Final = 10**15
_KNOWN_SHAPES: Final = 64
_NO_PART: Final = (
    "no field is the card; name it secret, or say which it is with columns={'secret': 'field'}"
)
_ANSWER: Final = (
    "this is the answer of an interface and no card; pass the list of cards in it, or say which "
    "field is the card with columns={'secret': 'field'}"
)
# What stands beside `code` where that says how a request went.
_MESSAGES: Final = frozenset({"msg", "message", "errmsg", "success"})
_STATUS: Final = re.compile(r"-?\d{1,6}", re.ASCII)
_NOT_JSON: Final = "not valid JSON; say kind='text' if every line is a card"
_NO_ARRAY: Final = "the JSON holds no array of cards; expected [...] or an object with one array"


@attrs.frozen
class ElementParser(TextParser):
    """Texts are cards; what came as a mapping was made a row while it was read."""

    def row(self, record: Line | Row) -> Row:
        return record if isinstance(record, Row) else super().row(record)


@attrs.frozen
class JsonLineParser:
    """Every line is a JSON value."""

    reader: ElementReader
    file: str

    def row(self, record: Line) -> Row | None:
        line, text = record
        if text is None:
            return Row(line, None, TOO_LONG, "", self.file)
        try:
            element = parse_json(text)
        except UnreadableSource:
            return Row(line, None, "not valid JSON", "", self.file)
        return self.reader.row(element, line)


class ElementReader:
    """Turns elements, each a text or a mapping, into rows."""

    def __init__(self, card_format: CardFormat, options: ReadOptions, file: str = "") -> None:
        self._card_format = card_format
        self._options = options
        self._file = file
        self._shapes: dict[tuple[Any, ...], Columns | None] = {}

    def row(self, element: object, line: int) -> Row | None:
        """Return the row of *element*; None when it is blank."""
        if isinstance(element, Mapping):
            return self._row_of_mapping(element, line)
        if not isinstance(element, str):
            return self._bad(line, f"a {type(element).__name__} is no card; give text or a mapping")
        text = element.strip(BLANKS)
        if not text:
            return None
        if len(text) > self._options.max_line_chars:
            return self._bad(line, TOO_LONG)
        return text_row(self._card_format, text, line, self._file)

    def run(self, elements: Iterable[Any]) -> Run:
        """Return the records of *elements*, numbered from 1."""
        return Run(ElementParser(self._card_format, self._file), self._records(elements))

    def _records(self, elements: Iterable[Any]) -> Iterator[Line | Row]:
        for line, element in enumerate(elements, 1):
            if type(element) is str and len(element) <= self._options.max_line_chars:
                if text := element.strip(BLANKS):
                    yield line, text
            elif row := self.row(element, line):  # now: its owner may change it later
                yield row

    def _row_of_mapping(self, element: Mapping[Any, Any], line: int) -> Row:
        try:
            columns = self._columns(tuple(element))
            cells = [cell_text(value) for value in element.values()]
        except ValueError as error:  # ours: neither message quotes a value
            return self._bad(line, str(error))
        if columns is None:
            return self._bad(line, _NO_PART)
        if self._is_answer(element):
            return self._bad(line, _ANSWER)
        return row_of(columns, self._card_format, cells, line, self._file)

    def _is_answer(self, element: Mapping[Any, Any]) -> bool:
        """Say whether *element* tells of cards; what the operator calls the card is one."""
        if self._options.columns:
            return False
        has_status = "code" in element and _STATUS.fullmatch(str(element["code"]))
        if has_status and not _MESSAGES.isdisjoint(folded(str(name)) for name in element):
            return True
        return any(isinstance(x, (dict, list)) for x in element.values()) and holds_cards(element)

    def _columns(self, names: tuple[Any, ...]) -> Columns | None:
        if names not in self._shapes:
            if len(self._shapes) >= _KNOWN_SHAPES:
                self._shapes.clear()
            titles = list(map(str, names))
            self._shapes[names] = columns_from_names(titles, self._options, is_table=False)
        return self._shapes[names]

    def _bad(self, line: int, problem: str) -> Row:
        return Row(line, None, problem, "", self._file)


def cell_text(value: object) -> str:
    """
    Return *value* of a field or a cell as text; None is "".

    Raises:
        ValueError: It is a float whose last digits are lost, or no kind of text at all.
    """
    if isinstance(value, str):
        return value.strip(BLANKS)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return _plain(Decimal(value))
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (dict, list, tuple)):
        return _nested(value)
    raise ValueError(f"a field holds a {type(value).__name__}, which is no text")


def _plain(number: Decimal) -> str:
    if not number.is_finite() or abs(number.adjusted()) > 400:
        raise ValueError("a field holds a number that cannot be a card")
    return f"{number:f}"


def float_text(value: float) -> str:
    """Return *value* without an exponent; `ValueError` when it cannot be exact."""
    if not abs(value) < _EXACT:
        raise ValueError(ROUNDED)
    return str(int(value)) if value == int(value) else f"{Decimal(repr(value)):f}"


def _nested(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        pass
    raise ValueError("a field holds nested values that are no JSON")


def open_elements(
    elements: Iterable[Any], first: object, card_format: CardFormat, options: ReadOptions
) -> tuple[Detected, Run]:
    """Return what an iterable is, and its records, numbered by element from 1."""
    return _described("list", first, options), ElementReader(card_format, options).run(elements)


def open_json(
    feed: ByteFeed | TextFeed, codec: str, card_format: CardFormat, options: ReadOptions, file: str
) -> tuple[Detected, Run]:
    """
    Return what a JSON document is, and its records, numbered by element from 1.

    The document is held in memory.

    Raises:
        UnreadableSource: It is no JSON, holds no array, or is larger than 256 MiB.
    """
    elements = _array(_document(feed, codec))
    run = ElementReader(card_format, options, file).run(elements)
    return _described("json", elements[0] if elements else None, options), run


def _document(feed: ByteFeed | TextFeed, codec: str) -> object:
    pieces, size = [], 0
    for piece in chunks(feed, codec):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_JSON_BYTES:
            raise UnreadableSource(
                f"JSON of more than {MOST_JSON_BYTES >> 20} MiB; use JSON Lines, one card a line"
            )
    return parse_json("".join(pieces).lstrip("\ufeff"))


def parse_json(text: str) -> Any:
    """
    Return the value of the JSON *text*; numbers keep their digits, as text.

    Raises:
        UnreadableSource: It is no JSON. The message does not quote it.
    """
    try:
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        pass  # the error of json carries the whole document
    raise UnreadableSource(_NOT_JSON)


def _array(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    found = _array_in(document) if isinstance(document, dict) else None
    if found is None:
        raise UnreadableSource(_NO_ARRAY)
    return found


def _array_in(document: dict[str, Any]) -> list[Any] | None:
    """Return the array of cards of *document*: by its name, further inside, or the only one."""
    named = {name.lower(): value for name, value in document.items()}
    arrays = {name: value for name, value in named.items() if isinstance(value, list)}
    for name in ARRAYS:
        if name in arrays:
            return list(arrays[name])
    inner = [_array_in(value) for value in named.values() if isinstance(value, dict)]
    found = [array for array in inner if array is not None] or list(arrays.values())
    return found[0] if len(found) == 1 else None


def open_json_lines(
    texts: Iterator[str], card_format: CardFormat, options: ReadOptions, file: str
) -> tuple[Detected, Run]:
    """Return what JSON Lines are, and their records, numbered by line."""
    parser = JsonLineParser(ElementReader(card_format, options, file), file)
    return Detected("jsonl"), Run(parser, filled_lines(text_blocks(texts, options)))


def _described(kind: str, first: object, options: ReadOptions) -> Detected:
    if not isinstance(first, Mapping):
        return Detected(kind)
    names = [str(name) for name in first]
    try:
        found = columns_from_names(names, options, is_table=False)
    except UnreadableSource:  # said again for each row that it concerns
        found = None
    return Detected(kind, columns=found.where(names) if found else ())
