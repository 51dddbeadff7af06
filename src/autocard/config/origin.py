"""Where a setting was written: the file, its folder, and the line of each name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, final

import attrs

Spot = tuple[str | int, ...]
"""The way to a setting: names of tables and fields, and numbers within lists from 0."""

_PIECE: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}'  # texts over several lines
    r"|\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'"
    r"|#[^\n]*|[^\[\]{}\"'#\n]+|.",
    re.DOTALL,
)
_OF_TABLES: Final = frozenset({"platforms", "channels", "suppliers", "skus"})
_DEEPEST: Final = 6
"""No setting lies deeper; what does is found by the line of what surrounds it."""
_NAME: Final = re.compile(r"""\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|[^="'])+)=""")
_HEADER: Final = re.compile(r"""\s*(\[{1,2})((?:"(?:\\.|[^"\\])*"|'[^']*'|[^]"'])+)\]""")


@attrs.frozen
class Origin:
    """
    Where settings come from.

    Args:
        name: What messages call the source: the file as the user named it.
        base: The folder that relative paths start from.
        lines: The line, from 1, of each place that the file spells out.
    """

    name: str = "configuration"
    base: Path = attrs.field(factory=Path.cwd)
    lines: Mapping[Spot, int] = attrs.field(factory=dict, repr=False)

    def describe(self, spot: Spot) -> str:
        """Return where *spot* is, for people: `shop.toml, line 7: [platforms.shop] adapter`."""
        line = self.line(spot)
        where = f"{self.name}, line {line}" if line else self.name
        return f"{where}: {spot_text(spot)}" if spot else where

    def line(self, spot: Spot) -> int | None:
        """Return the line of *spot*, else of what surrounds it most closely, else None."""
        for length in range(len(spot), 0, -1):
            if spot[:length] in self.lines:
                return self.lines[spot[:length]]
        return None


@final
class Table(Mapping[str, Any]):
    """The options of one adapter as they were written; shows names, never values."""

    __slots__ = ("_values", "connection", "origin", "spot")

    def __init__(
        self, values: Mapping[str, Any], connection: Mapping[str, Any], spot: Spot, origin: Origin
    ) -> None:
        self._values = dict(values)
        self.connection = dict(connection)
        self.spot = spot
        self.origin = origin

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Table({', '.join(map(str, self._values))})"


def spot_text(spot: Spot) -> str:
    """Return *spot* as people know it: `[platforms.shop] adapter`, `[[rules]] 2, sku`."""
    names = list(map(_plain, spot))
    if len(spot) == 1:
        return names[0]
    if isinstance(spot[1], int):
        return ", ".join(filter(None, (f"[[{names[0]}]] {names[1]}", ".".join(names[2:]))))
    depth = 2 if spot[0] in _OF_TABLES else 1
    return f"[{'.'.join(names[:depth])}] {'.'.join(names[depth:])}".rstrip()


def _plain(part: str | int) -> str:
    return str(part + 1) if isinstance(part, int) else str(part)


def lines_of(text: str) -> dict[Spot, int]:
    """Return the line on which each table, list entry and field of a TOML *text* begins."""
    lines: dict[Spot, int] = {}
    counts: dict[Spot, int] = {}
    table: Spot = ()
    for number, statement in _statements(text):
        header = _HEADER.match(statement)
        if header is not None:
            table = _enter(_parts(header[2]), counts, is_entry=header[1] == "[[")
            _note(lines, table, number)
        elif (name := _NAME.match(statement)) is not None:
            _note(lines, table + _parts(name[1]), number)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement of *text* with the line on which it begins, comments left out."""
    number = first = 1
    depth = 0
    parts: list[str] = []
    for piece in _PIECE.findall(text.replace("\r\n", "\n")):
        if piece == "\n" and depth <= 0:
            yield first, "".join(parts)
            parts, depth, first = [], 0, number + 1
        elif not piece.startswith("#"):
            parts.append(piece)
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(piece, 0)
        number += piece.count("\n")
    yield first, "".join(parts)


def _parts(dotted: str) -> Spot:
    """Return the names in a dotted name, with quotes and escapes taken away."""
    try:
        inner: Any = tomllib.loads(f"{dotted.strip()} = 0")
    except ValueError:  # only a text that does not load as TOML comes here
        return ()
    names: list[str] = []
    while isinstance(inner, dict):
        name, inner = next(iter(inner.items()))
        names.append(name)
    return tuple(names[:_DEEPEST])


def _enter(names: Spot, counts: dict[Spot, int], *, is_entry: bool) -> Spot:
    """Return the place of a table header; within a list of tables that is its latest entry."""
    spot: Spot = ()
    for name in names[:-1] if is_entry else names:
        spot += (name,)
        if spot in counts:
            spot += (counts[spot],)
    if is_entry and names:
        spot += names[-1:]
        counts[spot] = counts.get(spot, -1) + 1
        spot += (counts[spot],)
    return spot


def _note(lines: dict[Spot, int], spot: Spot, number: int) -> None:
    for length in range(1, len(spot) + 1):
        lines.setdefault(spot[:length], number)
