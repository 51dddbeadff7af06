"""What is wrong with a configuration, for people: where, what was expected, what came instead."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

import attrs
import cattrs

from autocard.config.fields import UNWRITTEN, SettingError, Wrong
from autocard.config.origin import Origin, Spot
from autocard.errors import AutocardError
from autocard.money import Money
from autocard.secret import Secret
from autocard.spelling import close_names

Problem = tuple[Spot, str]

RENAMED: Final = {"from_": "from"}
"""Fields that Python cannot call what the file calls them."""
_MOST_SHOWN: Final = 20
MAPPINGS: Final[tuple[Any, ...]] = (Mapping, dict)
LISTS: Final[Mapping[Any, Callable[[Iterable[Any]], Any]]] = {
    tuple: tuple,
    Sequence: tuple,
    list: list,
    frozenset: frozenset,
}
"""The types of lists that options may have, and what makes one of each."""
TYPE_NAMES: Final[Mapping[Any, str]] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Secret: "text",
    Money: 'money such as "50.00 CNY"',
    Path: "a path as text",
    datetime: "a date and time with its offset, such as 2026-01-31T00:00:00+08:00",
}


@attrs.frozen
class Reading:
    """What one reading of a table keeps in mind: names known beside it, secrets it has seen."""

    neighbours: tuple[str, ...] = ()
    secrets: list[str] = attrs.field(factory=list, repr=False)


def report(found: list[Problem], spot: Spot, origin: Origin) -> str:
    """Return *found* as lines in the order of the file; *spot* leads to the table."""
    found.sort(key=lambda problem: origin.line(spot + problem[0]) or 0)
    lines = [f"{origin.describe(spot + inner)}: {text}" for inner, text in found]
    left = len(lines) - _MOST_SHOWN
    return "\n".join(lines[:_MOST_SHOWN] + ([f"and {left} more"] if left > 0 else []))


def problems(
    error: BaseException, spot: Spot, kind: Any, value: Any, reading: Reading
) -> Iterator[Problem]:
    """Yield what is wrong in *value* at *spot*, out of the tree of errors that cattrs raises."""
    if isinstance(error, (cattrs.ClassValidationError, cattrs.IterableValidationError)):
        noted, others = error.group_exceptions()
        for inner, note in noted:
            name = _step(note)
            if isinstance(inner, KeyError) and name not in value:
                yield (*spot, name), "is missing" + close_names(str(name), map(str, value))
                continue
            yield from problems(inner, (*spot, name), note.type, _inside(value, name), reading)
        for other in others:
            yield from problems(other, spot, kind, value, reading)
    elif isinstance(error, cattrs.ForbiddenExtraKeysError):
        known = names_of(error.cl) + ([] if spot else list(reading.neighbours))
        for name in sorted(map(str, error.extra_fields)):
            yield (*spot, name), "unknown name" + close_names(name, known)
    elif isinstance(error, SettingError):
        yield (*spot, RENAMED.get(error.field, error.field)), error.problem
    else:
        yield _placed(spot, kind, _sentence(error, kind, value, reading))


def _step(note: Any) -> str | int:
    name: str | int = note.index if isinstance(note, cattrs.IterableValidationNote) else note.name
    return RENAMED.get(name, name) if isinstance(name, str) else name


def _inside(value: Any, name: str | int) -> Any:
    return value if isinstance(value, str) else value[name]  # a text may stand for a list


def _placed(spot: Spot, kind: Any, text: str) -> Problem:
    """Return *text* with its place; an adapter's own check may begin with the field's name."""
    field, _, rest = text.partition(": ")
    if rest and attrs.has(kind) and field in names_of(kind):
        return (*spot, field), rest
    return spot, text


def _sentence(error: BaseException, kind: Any, value: Any, reading: Reading) -> str:
    if isinstance(error, Wrong):
        return str(error)
    if attrs.has(kind) and isinstance(value, Mapping):
        return _own_words(error, reading.secrets)
    return f"expected {expected(kind)}, got {_got(value)}"


def _own_words(error: BaseException, secrets: list[str]) -> str:
    """Return the message of an adapter's own check, unless it quotes a secret."""
    speaks = isinstance(error, ValueError | TypeError | AutocardError)
    text = error.args[0] if error.args and speaks else None
    if not isinstance(text, str) or any(secret and secret in text for secret in secrets):
        return "the adapter does not accept these settings"
    return text


def expected(kind: Any) -> str:
    """Return what a value of type *kind* is called in a configuration."""
    origin: Any = get_origin(kind)
    choices = [each for each in get_args(kind) if each is not NoneType]
    if origin in (Union, UnionType):
        return " or ".join(map(expected, choices))
    if origin is Literal:
        return " or ".join(f'"{choice}"' for choice in choices)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return " or ".join(f'"{member.value}"' for member in kind)
    if kind in TYPE_NAMES:
        return TYPE_NAMES[kind]
    if attrs.has(kind) or origin in MAPPINGS:
        return "a table"
    return "a list" if origin in LISTS else "another type"


def _got(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, datetime):
        return "a date and time" + ("" if value.tzinfo else " without an offset")
    plain = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
    return plain.get(type(value), type(value).__name__)


def names_of(cls: Any) -> list[str]:
    """Return what may be written in the table of *cls*."""
    fields = (field for field in attrs.fields(cls) if field.init)
    return [RENAMED.get(f.name, f.name) for f in fields if UNWRITTEN not in f.metadata]
