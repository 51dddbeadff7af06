"""Many rows for PostgreSQL: they travel as one array a column, so their number is no matter."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, Final

import attrs

# https://www.postgresql.org/docs/current/catalog-pg-type.html, column oid
_OIDS: Final = {"int8": 20, "text": 25, "bytea": 17}
# One dimension, whether there are NULLs, the type of the elements, how many, and from 1 on.
_HEAD: Final = struct.Struct("!iiIii")
_SIZE: Final = struct.Struct("!i")
_WHOLE: Final = struct.Struct("!iq")
_NULL: Final = _SIZE.pack(-1)


@attrs.frozen
class Spread:
    """
    A statement on rows, prepared once for any number of them.

    In *text*, `:columns` stands for the rows; their columns are of the *kinds* "int8", "text" and
    "bytea". `?` marks values that are said once, all of them before the rows.
    """

    name: bytes
    text: str
    kinds: tuple[str, ...]

    numbered: str = attrs.field(init=False)
    """The statement with the marks of the server."""

    @numbered.default
    def _numbered(self) -> str:
        single = self.text.count("?")
        columns = ", ".join(f"${i}::{x}[]" for i, x in enumerate(self.kinds, start=single + 1))
        numbers = count(1)
        marked = re.sub(r"\?", lambda _: f"${next(numbers)}", self.text)
        return marked.replace(":columns", f"unnest({columns})")

    def columns(self, rows: Sequence[Sequence[Any]]) -> list[bytes]:
        """Return *rows* as binary arrays."""
        every = zip(*rows, strict=True)
        return [_array(kind, list(x)) for kind, x in zip(self.kinds, every, strict=True)]


def _array(kind: str, values: Sequence[Any]) -> bytes:
    """Return an array as the server reads it."""
    elements = _ELEMENTS[kind](values)
    head = _HEAD.pack(1, None in values, _OIDS[kind], len(values), 1)
    return head + b"".join(elements)


def _texts(values: Iterable[str | None]) -> list[bytes]:
    return _octets([None if x is None else x.encode() for x in values])


def _octets(values: Iterable[bytes | None]) -> list[bytes]:
    pack = _SIZE.pack
    return [_NULL if x is None else pack(len(x)) + x for x in values]


def _wholes(values: Iterable[int | None]) -> list[bytes]:
    pack = _WHOLE.pack
    try:
        return [_NULL if x is None else pack(8, x) for x in values]
    except struct.error:
        raise OverflowError("a number is larger than the database takes") from None


_ELEMENTS: Final[dict[str, Callable[[Sequence[Any]], list[bytes]]]] = {
    "int8": _wholes,
    "text": _texts,
    "bytea": _octets,
}
