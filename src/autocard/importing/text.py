"""Plain text: one card a line, taken apart by the card format or at a given delimiter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from autocard.errors import UnreadableSource
from autocard.importing.cards import TOO_LONG, text_row
from autocard.importing.columns import Cut, open_records
from autocard.importing.lines import BLANKS, line_blocks
from autocard.importing.values import Detected, ReadOptions, Row, Run
from autocard.ports import CardFormat

_COMMENTS: Final = ("#", "//")

Blocks = Iterator[tuple[int, list[str | None]]]
Line = tuple[int, str | None]
"""The number of a line, and what stands on it between blanks; None when it is too long."""


@attrs.frozen
class TextParser:
    """Every line is a card."""

    card_format: CardFormat
    file: str

    def row(self, record: Line) -> Row:
        line, text = record
        if text is None:
            return Row(line, None, TOO_LONG, "", self.file)
        return text_row(self.card_format, text, line, self.file)


def open_text(
    chunks: Iterator[str], card_format: CardFormat, options: ReadOptions, file: str
) -> tuple[Detected, Run]:
    """
    Return what the text in *chunks* is, and its records.

    Raises:
        UnreadableSource: The options speak of columns, which text has only with a delimiter.
    """
    blocks = text_blocks(chunks, options)
    if not options.delimiter:
        if options.columns or options.header:
            raise UnreadableSource(
                "columns, header: text has none; say delimiter='|' or kind='csv'"
            )
        return Detected("text"), Run(TextParser(card_format, file), filled_lines(blocks))
    found, run = open_records(_split(blocks, options), card_format, options, file)
    return found.detected("text", options.delimiter), run


def text_blocks(chunks: Iterator[str], options: ReadOptions) -> Blocks:
    """Return the lines of *chunks* in blocks; comments, where asked for, are empty lines."""
    blocks = line_blocks(chunks, options.max_line_chars)
    if not options.comments:
        return blocks
    return ((number, [_uncommented(line) for line in lines]) for number, lines in blocks)


def _uncommented(line: str | None) -> str | None:
    return "" if line and line.lstrip(BLANKS).startswith(_COMMENTS) else line


def filled_lines(blocks: Blocks) -> Iterator[Line]:
    """Give the lines of *blocks* that are not blank."""
    for number, lines in blocks:
        for line, raw in enumerate(lines, number):
            text = raw and raw.strip(BLANKS)
            if text != "":
                yield line, text


def _split(blocks: Blocks, options: ReadOptions) -> Iterator[Cut]:
    # The last piece may contain the delimiter: passwords do.
    cuts = max(len(options.columns), 2) - 1
    for number, lines in blocks:
        for line, raw in enumerate(lines, number):
            if raw is None:
                yield line, None, TOO_LONG
            elif text := raw.strip(BLANKS):
                pieces = text.split(options.delimiter, cuts)
                yield line, [piece.strip(BLANKS) for piece in pieces], ""
