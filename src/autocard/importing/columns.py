"""Which column holds which part of a card, and the cards of the rows below."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import Final

import attrs

from autocard.errors import UnreadableSource
from autocard.importing.cards import (
    JOINER,
    NOT_UNICODE,
    Cells,
    is_unicode,
    note_of,
    parts_from_cells,
    parts_from_pair,
    problem_of,
    read_text,
)
from autocard.importing.expiry import expiry_from_text
from autocard.importing.lines import BLANKS
from autocard.importing.names import PARTS, folded, is_title, part_of
from autocard.importing.values import Detected, ReadOptions, Row, Run
from autocard.model import CardParts
from autocard.ports import CardFormat

# What Excel makes of a long number; its digits are lost for good.
_ROUNDED: Final = re.compile(r"\d(?:[.,]\d+E\+\d{1,3}|E\+\d{2,3})", re.ASCII | re.IGNORECASE)
_FORMULA: Final = re.compile(r'="(.*)"', re.DOTALL)
_NO_CARD_COLUMN: Final = (
    "no column is the card; say which, such as columns={'secret': 'Code'} or {'secret': 0}"
)
ROUNDED: Final = (
    "a number that a spreadsheet has rounded: its last digits are lost; "
    "export again with the column formatted as text"
)
_PROBES: Final = ("secret", "卡密")
_SAME: Final = 0.9
_FEW: Final = 2
_SAMPLE: Final = 100
_DAYS: Final = 256

# A file has few different days, and reading one costs more than the rest of the row.
_expiry: Final = lru_cache(_DAYS)(expiry_from_text)

Cut = tuple[int, Sequence[str] | str | None, str]
"""The line a row of a table begins on, its cells or the line to be cut, and why it has none."""


@attrs.frozen(kw_only=True)
class Columns:
    """
    Where the parts are, as indexes; -1 where there is no such column.

    Args:
        width: How many cells a row has; a cell beyond must be empty.
        pieces: No column has a meaning of its own; the card format takes all cells of a row.
        extras: (name, index) of further columns.
    """

    width: int
    number: int = -1
    secret: int = -1
    text: int = -1
    expires_at: int = -1
    link: int = -1
    extras: tuple[tuple[str, int], ...] = ()
    pieces: bool = False
    _are_two: bool = attrs.field(init=False, repr=False, eq=False)
    """There is a number and a secret, and nothing else."""

    def __attrs_post_init__(self) -> None:
        others = (self.text, self.expires_at, self.link)
        are_two = min(self.number, self.secret) >= 0 and max(others) < 0 and not self.extras
        object.__setattr__(self, "_are_two", are_two)

    def card(self, card_format: CardFormat, cells: Sequence[str]) -> CardParts:
        """
        Return the card of one row of unwrapped *cells*.

        Raises:
            ValueError: There is none; the message does not quote a cell.
        """
        if len(cells) < self.width:
            cells = [*cells, *[""] * (self.width - len(cells))]
        elif len(cells) > self.width and any(cells[self.width :]):
            raise ValueError(
                f"the row has more than {self.width} cells; is a separator inside the card?"
            )
        if self.pieces:
            present = tuple(cells[: self.width])
            if any("+" in cell and _ROUNDED.fullmatch(cell) for cell in present):
                raise ValueError(ROUNDED)
            return card_format.parse(JOINER.join(present), present)
        if self._are_two:
            # Most files are like this, and two cells need no sorting.
            number, secret = cells[self.number], cells[self.secret]
            if number and secret and "+" not in number and "+" not in secret:
                pair = parts_from_pair(card_format, number, secret)
                if pair.number and pair.secret:
                    return pair
        return parts_from_cells(card_format, self._cells(cells))

    def _cells(self, cells: Sequence[str]) -> Cells:
        secret = cells[self.secret] if self.secret >= 0 else ""
        link = cells[self.link] if self.link >= 0 else ""
        text = cells[self.text] if self.text >= 0 else ""
        number = cells[self.number] if self.number >= 0 else ""
        if ("+" in secret or "+" in number or "+" in text) and any(
            map(_ROUNDED.fullmatch, (secret, number, text))
        ):
            raise ValueError(ROUNDED)
        extra: tuple[tuple[str, str], ...] = ()
        if self.extras:
            extra = tuple((name, cells[at]) for name, at in self.extras if cells[at])
        if link and (secret or text):
            extra += (("link", link),)
        elif link:
            secret = link
        if not (secret or text or number):
            raise ValueError("the row has no card")
        expires_at = _expiry(cells[self.expires_at]) if self.expires_at >= 0 else None
        return Cells(number, secret, text, expires_at, extra, self.number >= 0)

    def where(self, names: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
        """Return (part, column) for people; *names* are the cells of the header."""
        found = [(part, getattr(self, part)) for part in PARTS if getattr(self, part) >= 0]
        found += [(name, at) for name, at in self.extras]
        return tuple((part, _title(at, names)) for part, at in found)


def _title(index: int, names: Sequence[str]) -> str:
    return names[index] if index < len(names) and names[index] else f"column {index + 1}"


def unwrap(cell: str) -> str:
    r"""Return *cell* without outer blanks and the wrappers `="…"` and `'…` meant for Excel."""
    cell = cell.strip(BLANKS)
    if cell.startswith("="):
        found = _FORMULA.fullmatch(cell)
        return found[1].replace('""', '"') if found else cell
    return cell.removeprefix("'")


def row_of(
    columns: Columns, card_format: CardFormat, cells: Sequence[str], line: int, file: str
) -> Row:
    """Return the row of one record of unwrapped *cells*; a bad one says why."""
    if not is_unicode("".join(cells)):
        return Row(line, None, NOT_UNICODE, "", file)
    try:
        parts = columns.card(card_format, cells)
        problem = card_format.check(parts)
    except Exception as error:  # noqa: BLE001 - one bad row must not stop an import
        return Row(line, None, problem_of(error, cells), "", file)
    if problem:
        return Row(line, None, problem, "", file)
    if parts.secret and parts.secret in cells and (not parts.number or parts.number in cells):
        return Row(line, parts, "", "", file)
    return Row(line, parts, "", note_of("\n".join(cells), parts), file)


def has_header(first: Sequence[str], card_format: CardFormat, options: ReadOptions) -> bool:
    """
    Say whether the cells of the *first* row are titles.

    They are when one is a well-known title, or one that the options name, and none would pass as a
    card. With a format that takes any text for a card only the titles count.
    """
    if options.header is not None:
        return options.header
    wanted = {folded(name) for name in options.columns.values() if isinstance(name, str)}
    if wanted:
        return not wanted.isdisjoint(map(folded, first))
    if not any(map(is_title, first)):
        return False
    if any(_is_card(probe, card_format) for probe in _PROBES):
        return True
    return not any(_is_card(cell, card_format) for cell in first)


def _is_card(cell: str, card_format: CardFormat) -> bool:
    return bool(cell) and read_text(card_format, cell)[0] is not None


def columns_from_names(
    names: Sequence[str], options: ReadOptions, *, is_table: bool = True
) -> Columns | None:
    """
    Return the columns called *names*; None when none of them is a card.

    What the options say comes first, then well-known names; the rest are extras. The only column of
    a table is the card, whatever its name.

    Raises:
        UnreadableSource: The options name a column that is not there.
    """
    taken = {part: _index(part, where, names) for part, where in options.columns.items()}
    for exact in (True, False):
        for index, name in enumerate(names):
            part = part_of(name)
            is_free = part and part not in taken and index not in taken.values()
            if is_free and (not exact or folded(name) == folded(part)):
                taken[part] = index
    if is_table and len(names) == 1 and not taken:
        return Columns(width=1, secret=0)
    used = set(taken.values())
    named = [(part, at) for part, at in taken.items() if part not in PARTS]
    named += [(_title(at, names), at) for at in range(len(names)) if at not in used]
    return _columns(len(names), {part: taken[part] for part in PARTS if part in taken}, named)


def _index(part: str, where: str | int, names: Sequence[str]) -> int:
    if isinstance(where, int):
        if where >= len(names):
            raise UnreadableSource(
                f"columns: {part} is column {where}, but the last is {len(names) - 1}"
            )
        return where
    for index, name in enumerate(names):
        if folded(name) == folded(where):
            return index
    raise UnreadableSource(f"columns: no column is called {where!r}, which {part} should be")


def _columns(width: int, parts: dict[str, int], extras: list[tuple[str, int]]) -> Columns | None:
    if not parts.keys() & {"secret", "text", "link"}:
        if "number" in parts:  # a code-only product: its one column is the card
            parts["secret"] = parts.pop("number")
        else:
            return None
    return Columns(
        width=width,
        number=parts.get("number", -1),
        secret=parts.get("secret", -1),
        text=parts.get("text", -1),
        expires_at=parts.get("expires_at", -1),
        link=parts.get("link", -1),
        extras=_distinct(extras),
    )


def _distinct(extras: list[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    counted = Counter(name for name, _ in extras)
    return tuple((name if counted[name] == 1 else f"{name} {at + 1}", at) for name, at in extras)


def columns_without_header(
    sample: Sequence[Sequence[str]], card_format: CardFormat, options: ReadOptions
) -> Columns:
    """
    Return the columns of rows without titles, of which *sample* are the first.

    One column is the card, two are number and secret; more are left to the card format, if it takes
    them. Given indexes are taken as they are, and other columns are left out.

    Raises:
        UnreadableSource: There are more columns than anyone can tell apart.
    """
    width = _common_width(sample)
    if options.columns:
        return _given(sample, options)
    if width <= _FEW:
        return Columns(width=width, secret=width - 1, number=width - 2)
    if _takes_pieces(sample, width, card_format):
        return Columns(width=width, pieces=True)
    raise UnreadableSource(
        f"there are {width} columns and no header; say which is which, "
        "such as columns={'number': 0, 'secret': 1}"
    )


def _given(sample: Sequence[Sequence[str]], options: ReadOptions) -> Columns:
    width = max((len(cells) for cells in sample), default=0)
    unnamed = [""] * max(width, 1)
    taken = {part: _index(part, where, unnamed) for part, where in options.columns.items()}
    extras = [(part, at) for part, at in taken.items() if part not in PARTS]
    found = _columns(width, {part: taken[part] for part in PARTS if part in taken}, extras)
    if found is None:
        raise UnreadableSource(_NO_CARD_COLUMN)
    return found


def _common_width(sample: Sequence[Sequence[str]]) -> int:
    widths = Counter(_width(cells) for cells in sample)
    widths.pop(0, None)
    return widths.most_common(1)[0][0] if widths else 1


def _width(cells: Sequence[str]) -> int:
    return next((at for at in range(len(cells), 0, -1) if cells[at - 1]), 0)


def _takes_pieces(sample: Sequence[Sequence[str]], width: int, card_format: CardFormat) -> bool:
    rows = [tuple(cells[:width]) for cells in sample if _width(cells) == width]
    return sum(_takes(cells, card_format) for cells in rows) >= _SAME * len(rows)


def _takes(cells: tuple[str, ...], card_format: CardFormat) -> bool:
    text = JOINER.join(cells)
    try:
        parts = card_format.parse(text, cells)
        return parts.secret != text and not card_format.check(parts)
    except Exception:  # noqa: BLE001 - a format that fails here does not take these pieces
        return False


@attrs.frozen
class Found:
    """What was found out about a table: its columns and the cells of its header, if any."""

    columns: Columns
    names: tuple[str, ...] | None

    def detected(self, kind: str, delimiter: str = "") -> Detected:
        """Return this for the report."""
        where = self.columns.where(self.names or ())
        return Detected(kind, "", delimiter, self.names is not None, where)


@attrs.frozen
class Cutter:
    """Cuts lines without a quote into cells. The reader leaves them whole: others have the time."""

    delimiter: str

    def cells(self, text: str) -> list[str]:
        """Return the unwrapped cells of *text*."""
        return unwrapped(text.split(self.delimiter), text)


def unwrapped(cells: list[str], text: str) -> list[str]:
    """Return the *cells* of *text* without blanks and wrappers."""
    # Wrappers are rare, and looking for them in every cell is not cheap.
    if "'" in text or "=" in text:
        return list(map(unwrap, cells))
    return [cell.strip(BLANKS) for cell in cells]


@attrs.frozen
class TableParser:
    """Knows which column is which."""

    columns: Columns
    card_format: CardFormat
    file: str
    cutter: Cutter | None

    def row(self, record: Cut) -> Row | None:
        line, cells, problem = record
        if cells is None:
            return Row(line, None, problem, "", self.file)
        if self.cutter is not None and isinstance(cells, str):
            cells = self.cutter.cells(cells)
            if not any(cells):
                return None
        return row_of(self.columns, self.card_format, cells, line, self.file)


def open_records(
    records: Iterator[Cut],
    card_format: CardFormat,
    options: ReadOptions,
    file: str,
    cutter: Cutter | None = None,
) -> tuple[Found, Run]:
    """
    Return the columns of a table and its records.

    Raises:
        UnreadableSource: It cannot be told which column is the card.
    """
    first = list(islice(_cut(records, cutter), _SAMPLE))
    sample = [cells for _, cells, _ in first if cells is not None]
    found = settle_columns(sample, card_format, options)
    if found.names is not None:
        first.remove(next(record for record in first if record[1] is not None))
    parser = TableParser(found.columns, card_format, file, cutter)
    return found, Run(parser, chain(first, records))


def _cut(records: Iterator[Cut], cutter: Cutter | None) -> Iterator[Cut]:
    """Give *records* with all lines cut, and without those where nothing stands."""
    for line, found, problem in records:
        cells = cutter.cells(found) if cutter and isinstance(found, str) else found
        if cells is None or any(cells):
            yield line, cells, problem


def settle_columns(
    sample: Sequence[Sequence[str]], card_format: CardFormat, options: ReadOptions
) -> Found:
    """
    Return the columns of a table that begins with the rows of *sample*.

    Raises:
        UnreadableSource: It cannot be told which column is the card.
    """
    if not sample or not has_header(sample[0], card_format, options):
        _refuse_names(options)
        return Found(columns_without_header(sample, card_format, options), None)
    columns = columns_from_names(sample[0], options)
    if columns is None:
        raise UnreadableSource(_NO_CARD_COLUMN)
    return Found(columns, tuple(sample[0]))


def _refuse_names(options: ReadOptions) -> None:
    for part, where in options.columns.items():
        if isinstance(where, str):
            # The first row may be a card, so it is not quoted.
            raise UnreadableSource(
                f"columns: the first row has no {where!r}, which {part} should be"
            )
