"""What a reader is told, what it found out about a source, and the rows it gives."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

import attrs

from autocard.errors import ConfigurationError
from autocard.model import CardParts

KINDS: Final = ("auto", "text", "csv", "tsv", "json", "jsonl", "xlsx", "zip")
_GIB: Final = 1 << 30
_NO_COLUMNS: Final[Mapping[str, str | int]] = MappingProxyType({})
_KIND_TITLES: Final = MappingProxyType(
    {
        "text": "text",
        "csv": "CSV",
        "tsv": "TSV",
        "json": "JSON",
        "jsonl": "JSON Lines",
        "xlsx": "XLSX",
        "zip": "ZIP",
        "list": "list",
    }
)
_DELIMITER_TITLES: Final = MappingProxyType({"\t": "TAB", " ": "space"})


@attrs.frozen(kw_only=True)
class ReadOptions:
    """
    What the operator says about a source; everything left alone is found out.

    Args:
        kind: `auto`, `text` (one card a line), `csv`, `tsv`, `json`, `jsonl`, `xlsx` or `zip`.
        encoding: A Python codec name such as `gb18030` or `big5`; `auto` tries BOM, UTF-8, GB18030.
        delimiter: Between the cells of a table. With `text` every line is then split at it, at most
            as often as *columns* has entries less one (once without columns). "" leaves it to
            detection, and for `text` to the card format.
        header: True when the first row names the columns, False when it is a card; None finds out.
        columns: Part (`number`, `secret`, `expires_at`, `text`, `link`, or the name of an extra) to
            the name or the 0-based index of its column.
        comments: Skip lines that begin with `#` or `//`.
        sheet: Name or 0-based index of the sheet of a workbook.
        max_uncompressed_bytes: A ZIP or XLSX that unpacks to more is refused.
        max_line_chars: A longer line is reported as malformed.

    Raises:
        ConfigurationError: A value is not one of these; the error names it.
    """

    kind: str = "auto"
    encoding: str = "auto"
    delimiter: str = ""
    header: bool | None = None
    columns: Mapping[str, str | int] = attrs.field(default=_NO_COLUMNS, hash=False)
    comments: bool = False
    sheet: str | int = 0
    max_uncompressed_bytes: int = 4 * _GIB
    max_line_chars: int = 100_000

    def __attrs_post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigurationError(f"kind: must be one of {', '.join(KINDS)}")
        if self.encoding != "auto" and not _is_text_codec(self.encoding):
            raise ConfigurationError("encoding: must be auto or a text codec such as gb18030")
        for part, column in self.columns.items():
            _check_column(part, column)
        if self.max_line_chars < 1 or self.max_uncompressed_bytes < 1:
            raise ConfigurationError("max_line_chars, max_uncompressed_bytes: must be positive")
        if self.kind in ("csv", "tsv") and len(self.delimiter) > 1:
            raise ConfigurationError("delimiter: must be one character for CSV")
        if set(self.delimiter) & set('\r\n"'):
            raise ConfigurationError("delimiter: must not be a line break or a quote")
        object.__setattr__(self, "columns", MappingProxyType(dict(self.columns)))

    def __reduce__(self) -> tuple[Callable[..., ReadOptions], tuple[dict[str, Any]]]:
        # A mapping proxy is not pickled, and options go to other processes.
        given = {field.name: getattr(self, field.name) for field in attrs.fields(ReadOptions)}
        return _options, ({**given, "columns": dict(self.columns)},)


def _options(given: dict[str, Any]) -> ReadOptions:
    return ReadOptions(**given)


def _check_column(part: object, column: object) -> None:
    if not isinstance(part, str) or not part.strip():
        raise ConfigurationError("columns: every part needs a name, such as secret")
    if isinstance(column, bool) or not isinstance(column, (str, int)):
        raise ConfigurationError(f"columns: {part} needs the name or the index of a column")
    if isinstance(column, int) and not 0 <= column < 1000:
        raise ConfigurationError(f"columns: the index of {part} must be 0 to 999")


def _is_text_codec(name: str) -> bool:
    try:
        # Codecs that turn bytes into bytes refuse to decode, but not to decode nothing.
        b"ab".decode(name)
        codecs.getincrementaldecoder(name)
    except UnicodeError:
        return True
    except (LookupError, ValueError, TypeError):
        return False
    return True


@attrs.frozen
class Row:
    """
    One row of a source: a card, or why there is none.

    Args:
        line: 1-based number of the line (of its first line, where a cell has several), of the row
            of a sheet, or of the element of a list.
        parts: The card; None when the row is malformed.
        problem: Why it is malformed; never quotes the card.
        note: What reading changed visibly, or "".
        file: The name of the member inside a ZIP, or "".
    """

    line: int
    parts: CardParts | None
    problem: str = ""
    note: str = ""
    file: str = ""


@attrs.frozen
class Detected:
    """
    What a source turned out to be. Holds no card.

    Args:
        kind: As in `ReadOptions.kind`, never `auto`; `list` for an iterable.
        encoding: Codec name; "" where there is none.
        delimiter: Between the cells; "" where there is one column or none.
        header: Whether the first row names the columns.
        columns: (part, where it is: name of the column, or `column 2`), in the order of the parts.
        guess: What could not be found out for certain, in words.
        files: The members of a ZIP.
    """

    kind: str
    encoding: str = ""
    delimiter: str = ""
    header: bool = False
    columns: tuple[tuple[str, str], ...] = ()
    guess: str = ""
    files: tuple[tuple[str, Detected], ...] = ()

    def describe(self) -> str:
        """Return all of this in one line for people."""
        said = [_KIND_TITLES[self.kind]]
        if self.encoding:
            said.append(self.encoding)
        if self.delimiter:
            shown = _DELIMITER_TITLES.get(self.delimiter, f"'{self.delimiter}'")
            said.append(f"separator {shown}")
        if self.header:
            said.append("header")
        said += [f"{part} = {where}" for part, where in self.columns]
        said += [f"{name} ({found.describe()})" for name, found in self.files[:5]]
        if len(self.files) > 5:
            said.append(f"{len(self.files) - 5} more files")
        if self.guess:
            said.append(self.guess)
        return ", ".join(said)


Record = Any
"""A row as it was read, before a card format has seen it: values that `marshal` knows, mostly."""


class Parser(Protocol):
    """Makes rows of the records of one file. It is pickled to do so in another process."""

    def row(self, record: Record) -> Row | None:
        """Return the row of *record*, which says what is wrong with the card; None for no row."""
        ...


@attrs.frozen
class RowParser:
    """For sources whose rows are made while they are read: nothing is left to do."""

    def row(self, record: Row) -> Row:
        return record


@attrs.frozen
class Run:
    """Records one after the other, to be taken once, and what makes rows of them."""

    parser: Parser
    records: Iterable[Record] = attrs.field(repr=False)


@attrs.frozen
class Piece:
    """Some records of one run."""

    parser: Parser
    records: list[Record] = attrs.field(repr=False)

    def rows(self) -> list[Row]:
        """Return their rows."""
        row_of = self.parser.row
        return [row for record in self.records if (row := row_of(record)) is not None]


Chunk = tuple[Piece, ...]
"""Records that are worked on together; of several runs where the members of a ZIP are small."""


@attrs.frozen
class Opened:
    """
    A source that is ready to be read once.

    Args:
        detected: What it turned out to be.
        runs: Its records, to be taken once; a ZIP has a run for every member.
        total_bytes: How much there is to read; None where nobody knows.
        read: Says how much was read so far.
    """

    detected: Detected
    runs: Iterable[Run] = attrs.field(repr=False)
    total_bytes: int | None
    read: Callable[[], int] = attrs.field(repr=False)
