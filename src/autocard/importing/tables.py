"""CSV and TSV: RFC 4180 quoting, `,` `;` or TAB, with or without a header, from Excel or not."""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final, Self

from autocard.importing.cards import TOO_LONG
from autocard.importing.columns import Cut, Cutter, open_records, unwrapped
from autocard.importing.kinds import DELIMITERS
from autocard.importing.names import is_title
from autocard.importing.text import text_blocks
from autocard.importing.values import Detected, ReadOptions, Run
from autocard.ports import CardFormat

_SEP_LINE: Final = re.compile(r"sep=(.)", re.IGNORECASE)
_SAMPLE: Final = 100
_AGREE: Final = 0.9
# A cell may go over several lines, but a quote that is never closed must not swallow the file.
_MOST_LINES: Final = 64
_UNCLOSED: Final = f"a quote is opened and not closed within {_MOST_LINES} lines"
_MISQUOTED: Final = "the quotes are not as in RFC 4180: something follows a closing quote"
_NO_DELIMITER: Final = "\x1f"

_END: Final = (0, None)

Lines = Iterator[tuple[int, str | None]]


def open_table(
    chunks: Iterator[str],
    card_format: CardFormat,
    options: ReadOptions,
    file: str,
    *,
    delimiter: str = "",
) -> tuple[Detected, Run]:
    """
    Return what the CSV in *chunks* is, and its records. Lines are numbered as in the file.

    Raises:
        UnreadableSource: It cannot be told which column is the card.
    """
    lines = _lines(chunks, options)
    sample = list(islice(lines, _SAMPLE))
    delimiter = options.delimiter or delimiter
    if sample and (said := _SEP_LINE.fullmatch((sample[0][1] or "").strip())):
        delimiter = delimiter or said[1]
        del sample[0]
    delimiter = delimiter or _delimiter_of([line for _, line in sample if line])
    parser = _Parser(delimiter or _NO_DELIMITER)
    records = _records(chain(sample, lines), parser, options.max_line_chars)
    cutter = Cutter(delimiter or _NO_DELIMITER)
    found, run = open_records(records, card_format, options, file, cutter)
    return found.detected("tsv" if delimiter == "\t" else "csv", delimiter), run


def _lines(chunks: Iterator[str], options: ReadOptions) -> Lines:
    for number, lines in text_blocks(chunks, options):
        yield from enumerate(lines, number)


def _delimiter_of(lines: Sequence[str]) -> str:
    """Return what most *lines* are divided by; "" when they seem to have one column."""
    # A broken quote spoils the count of one line only.
    for delimiter in DELIMITERS:
        parser = _Parser(delimiter)
        counts = Counter(len(parser.cells(line) or [line]) for line in lines)
        width, agreeing = counts.most_common(1)[0] if counts else (1, 0)
        if width > 1 and agreeing >= _AGREE * len(lines):
            return delimiter
    for delimiter in DELIMITERS if lines else ():
        titles = _Parser(delimiter).cells(lines[0]) or []
        if len(titles) > 1 and any(map(is_title, titles)):
            return delimiter
    return ""


class _Parser:
    """Takes single records apart. One reader serves them all: making one costs more than using it."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._text: str | None = None
        self._reader = csv.reader(self, delimiter=delimiter, strict=True)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        text, self._text = self._text, None
        if text is None:
            raise StopIteration
        return text

    def cells(self, text: str) -> list[str] | None:
        """Return the raw cells of *text*; None when a quote is not closed or out of place."""
        if '"' not in text:
            return text.split(self._delimiter)
        self._text = text
        try:
            return next(self._reader, [])
        except csv.Error:
            return None

    def is_open(self, text: str) -> bool:
        """Say whether *text*, which is no record, may become one with the lines that follow."""
        return self.cells(f'{text}"') is not None


def _records(lines: Lines, parser: _Parser, most_chars: int) -> Iterator[Cut]:
    returned: deque[tuple[int, str | None]] = deque()
    while True:
        number, line = returned.popleft() if returned else next(lines, _END)
        if number == 0:
            return
        if line is None:
            yield number, None, TOO_LONG
        elif '"' not in line:
            if line:
                yield number, line, ""
        elif (cells := parser.cells(line)) is not None:
            if any(cells := unwrapped(cells, line)):
                yield number, cells, ""
        elif parser.is_open(line):
            following = chain(_popping(returned), lines)
            cells, unused = _several_lines(line, following, parser, most_chars)
            returned.extendleft(reversed(unused))
            yield number, cells, "" if cells else _UNCLOSED
        else:
            yield number, None, _MISQUOTED


def _several_lines(
    text: str, following: Lines, parser: _Parser, most_chars: int
) -> tuple[list[str] | None, list[tuple[int, str | None]]]:
    """Return the cells of a record that begins with *text*, or None and the lines to read again."""
    taken: list[tuple[int, str | None]] = []
    for number, line in islice(following, _MOST_LINES - 1):
        taken.append((number, line))
        if line is None or len(text) + len(line) > most_chars:
            break
        text = f"{text}\n{line}"
        if '"' in line and (cells := parser.cells(text)) is not None:
            return unwrapped(cells, text), []
    return None, taken


def _popping(queue: deque[tuple[int, str | None]]) -> Lines:
    """Take the lines of *queue* from its left as they are wanted."""
    while queue:
        yield queue.popleft()
