"""
Reading cards from files and lists: `read_cards` finds out what a source is and gives its rows.

Ten million lines of text or CSV take no more memory than ten; JSON documents and workbooks are held
in memory and have limits.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

import attrs

from autocard.errors import UnreadableSource
from autocard.importing.archives import open_archive
from autocard.importing.encodings import GB18030_DOUBT, choose_codec, chunks, head_text
from autocard.importing.kinds import is_workbook, kind_of_bytes, kind_of_text
from autocard.importing.lists import open_elements, open_json, open_json_lines
from autocard.importing.sources import ByteFeed, ElementFeed, Feed, TextFeed, open_feed
from autocard.importing.tables import open_table
from autocard.importing.text import open_text
from autocard.importing.values import Chunk, Detected, Opened, Piece, ReadOptions, Row
from autocard.importing.workbooks import open_workbook
from autocard.ports import CardFormat

__all__ = ["Detected", "ReadOptions", "Reading", "Row", "read_cards"]

_DEFAULTS: Final = ReadOptions()
_ARCHIVES: Final = frozenset({"zip", "xlsx"})


class Reading:
    """
    The rows of one source, to be iterated once. Close it, or use it in a `with` statement.

    Closing closes the file that a path named; a file object that was handed over stays open.
    """

    def __init__(self, feed: Feed, opened: Opened) -> None:
        self._feed = feed
        self._opened = opened
        self._closed = False

    @property
    def detected(self) -> Detected:
        """What the source turned out to be; known before the first row."""
        return self._opened.detected

    @property
    def total_bytes(self) -> int | None:
        """How much there is to read; None for streams, lists and text files."""
        return self._opened.total_bytes

    @property
    def bytes_read(self) -> int:
        """How much was read so far; characters where the source is a text file."""
        return self._opened.read()

    def __iter__(self) -> Iterator[Row]:
        """
        Give the rows in the order of the source.

        Raises:
            UnreadableSource: The source breaks off, or a stream turns out to be of another encoding
                than its beginning; rows given before stand.
        """
        if self._closed:
            raise UnreadableSource("this reading is closed; call read_cards again")
        return self._rows()

    def chunks(self, size: int) -> Iterator[Chunk]:
        """
        Give the same as records in chunks of *size*, the last one smaller; nothing is parsed yet.

        Raises:
            UnreadableSource: As iterating; the chunk that was begun is lost.
        """
        chunk: list[Piece] = []
        missing = size
        for run in self._opened.runs:
            records = iter(run.records)
            while taken := list(islice(records, missing)):
                chunk.append(Piece(run.parser, taken))
                missing -= len(taken)
                if missing == 0:
                    yield tuple(chunk)
                    chunk, missing = [], size
        if chunk:
            yield tuple(chunk)

    def _rows(self) -> Iterator[Row]:
        for run in self._opened.runs:
            for record in run.records:
                row = run.parser.row(record)
                if row is not None:
                    yield row

    def close(self) -> None:
        """Close what was opened here. May be called again."""
        self._closed = True
        self._feed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_cards(source: Any, card_format: CardFormat, options: ReadOptions = _DEFAULTS) -> Reading:
    """
    Return the cards in *source*, taken apart by *card_format*.

    A bad row is a `Row` with a problem. Rows of tables and mappings may name their fields as any
    supplier does; fields nobody knows become extras. An expiry without a zone is Beijing time, and
    a day without a time lasts to its end.

    Args:
        source: A path, a binary or text file object, or an iterable of strings or mappings. In an
            iterable every string is one card; with a kind other than `text` they are the lines of
            a file.
        card_format: How one card looks.
        options: What is known about the source.

    Raises:
        UnreadableSource: It cannot be read as a whole; the message says what to do.
        ConfigurationError: It is an XLSX workbook and python-calamine is not installed.

    Effects: reads *source*; opens the file that a path names. Writes nothing, not even temporarily.
    Secrets: rows hold cards in plaintext; errors, problems and notes do not.
    """
    feed = open_feed(source)
    try:
        return Reading(feed, _open(feed, card_format, options))
    except BaseException:
        feed.close()
        raise


def _open(feed: Feed, card_format: CardFormat, options: ReadOptions) -> Opened:
    if isinstance(feed, ElementFeed):
        return _open_elements(feed, card_format, options)
    kind = options.kind
    if isinstance(feed, ByteFeed):
        if kind == "auto":
            kind = kind_of_bytes(feed.head) or kind
        if kind in _ARCHIVES:
            return _open_zip(feed, card_format, options)
    elif kind in _ARCHIVES or feed.head.startswith("PK\x03\x04"):
        raise UnreadableSource("an archive was opened as text; open it in binary mode")
    return _open_lines(feed, card_format, attrs.evolve(options, kind=kind), "")


def _open_elements(feed: ElementFeed, card_format: CardFormat, options: ReadOptions) -> Opened:
    if options.kind in {"auto", "text"}:
        detected, run = open_elements(feed.elements, feed.first, card_format, options)
        return Opened(detected, [run], None, lambda: 0)
    if options.kind in _ARCHIVES:
        raise UnreadableSource(f"kind: a list is no {options.kind}; pass a path or a binary file")
    return _open_lines(TextFeed(_joined(feed.elements)), card_format, options, "")


def _joined(elements: Iterator[Any]) -> Iterator[str]:
    for element in elements:
        if not isinstance(element, str):
            raise UnreadableSource(f"a {type(element).__name__} is no line of text")
        yield element if element.endswith("\n") else f"{element}\n"


def _open_zip(feed: ByteFeed, card_format: CardFormat, options: ReadOptions) -> Opened:
    limit = options.max_uncompressed_bytes
    file = feed.seekable_file(limit)
    if options.kind != "zip" and (options.kind == "xlsx" or is_workbook(file)):
        return open_workbook(feed.whole(limit), card_format, options, "")
    # What the options say about kind is about the archive; its members tell theirs themselves.
    inner = attrs.evolve(options, kind="auto")

    def open_member(member: ByteFeed, name: str) -> Opened:
        return _open_member(member, card_format, inner, name)

    return open_archive(file, open_member, limit)


def _open_member(
    feed: ByteFeed, card_format: CardFormat, options: ReadOptions, name: str
) -> Opened:
    if not kind_of_bytes(feed.head):
        return _open_lines(feed, card_format, options, name)
    data = feed.whole(options.max_uncompressed_bytes)
    if not is_workbook(io.BytesIO(data)):
        raise UnreadableSource("an archive inside an archive is not read; unpack it first")
    return open_workbook(data, card_format, options, name)


def _open_lines(
    feed: ByteFeed | TextFeed, card_format: CardFormat, options: ReadOptions, file: str
) -> Opened:
    codec = choose_codec(feed, options.encoding) if isinstance(feed, ByteFeed) else ""
    kind = _kind(feed, codec, options)
    texts = chunks(feed, codec)
    if kind == "text":
        detected, run = open_text(texts, card_format, options, file)
    elif kind == "json":
        detected, run = open_json(feed, codec, card_format, options, file)
    elif kind == "jsonl":
        detected, run = open_json_lines(texts, card_format, options, file)
    else:
        delimiter = "\t" if kind == "tsv" else ""
        detected, run = open_table(texts, card_format, options, file, delimiter=delimiter)
    detected = _with_encoding(detected, feed, codec, options)
    return Opened(detected, [run], feed.total_bytes, lambda: feed.bytes_read)


def _kind(feed: ByteFeed | TextFeed, codec: str, options: ReadOptions) -> str:
    if options.kind != "auto":
        return options.kind
    kind = kind_of_text(head_text(feed, codec), feed.name)
    # Whoever speaks of columns means a table.
    speaks = bool(options.columns) or options.header is not None
    return "csv" if kind == "text" and speaks and not options.delimiter else kind


def _with_encoding(
    detected: Detected, feed: ByteFeed | TextFeed, codec: str, options: ReadOptions
) -> Detected:
    if isinstance(feed, TextFeed):
        return detected
    doubt = GB18030_DOUBT if codec == "gb18030" and options.encoding == "auto" else ""
    return attrs.evolve(detected, encoding=codec or "ascii", guess=doubt)
