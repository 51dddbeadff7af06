"""A line of text, or the pieces of a row, become a card; or a problem that never quotes it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import attrs

from autocard.importing.lines import BLANKS
from autocard.importing.names import is_title
from autocard.importing.values import Row
from autocard.model import CardParts
from autocard.ports import CardFormat

JOINER: Final = "----"
_QUOTED: Final = 4
WIDE: Final = "full-width or look-alike characters were normalised"
REWRITTEN: Final = "the format changed how the card is written; the original text is kept"
EMPTY: Final = "the secret is empty"
NOT_UNICODE: Final = "not valid Unicode"
TOO_LONG: Final = "the line is too long for a card"


def is_unicode(text: str) -> bool:
    """Say whether *text* can be stored; lone surrogates cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def problem_of(error: Exception, shown: Iterable[str]) -> str:
    """Return what *error* says; only its type when it repeats any of the texts *shown* to it."""
    said = str(error)
    if not isinstance(error, ValueError) or not said:
        return f"the card format failed ({type(error).__name__})"
    if any(len(text) >= _QUOTED and text in said for text in shown):
        return "the card format refused it"
    return said


def note_of(text: str, parts: CardParts) -> str:
    """Return what is worth telling about a card read from *text*, or ""."""
    if not parts.secret:
        return EMPTY
    if parts.secret in text and parts.number in text:
        return ""
    return REWRITTEN if text.isascii() else WIDE


def read_text(card_format: CardFormat, text: str) -> tuple[CardParts | None, str]:
    """Return the card in the line *text* and "", or None and the problem."""
    if not is_unicode(text):
        return None, NOT_UNICODE
    pieces: tuple[str, ...] = ()
    try:
        pieces = card_format.split(text)
        parts = card_format.parse(text, pieces)
        problem = card_format.check(parts)
    except Exception as error:  # noqa: BLE001 - one bad row must not stop an import
        return None, problem_of(error, (text, *pieces))
    return (None, problem) if problem else (parts, "")


def read_line(card_format: CardFormat, text: str) -> tuple[CardParts | None, str]:
    """
    Return the card in the line *text* and "", or None and the problem.

    What the format refuses may still be a number and a secret around `----`: that is the text of a
    card whose parts came in columns.
    """
    parts, problem = read_text(card_format, text)
    if parts is None and JOINER in text:
        pair = read_pair(card_format, text)
        if pair is not None:
            return pair, ""
    return parts, problem


def read_pair(card_format: CardFormat, text: str) -> CardParts | None:
    """Return the card of the number and the secret around the first `----` of *text*, if it is one."""
    number, _, secret = (piece.strip(BLANKS) for piece in text.partition(JOINER))
    if not (number and secret and is_unicode(text)):
        return None
    try:
        cells = Cells(number=number, secret=secret, numbered=True)
        parts = attrs.evolve(parts_from_cells(card_format, cells), text=text)
        return None if card_format.check(parts) else parts
    except Exception:  # noqa: BLE001 - a format that fails here does not take this pair
        return None


def text_row(card_format: CardFormat, text: str, line: int, file: str) -> Row:
    """Return the row of the stripped, non-empty *text* on *line*."""
    parts, problem = read_line(card_format, text)
    if parts is None:
        return Row(line, None, problem, "", file)
    return Row(line, parts, "", note_of(text, parts), file)


@attrs.frozen
class Cells:
    """The cells of one row, by what they hold."""

    number: str = attrs.field(default="", repr=False)
    secret: str = attrs.field(default="", repr=False)
    text: str = attrs.field(default="", repr=False)
    expires_at: datetime | None = None
    extra: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    numbered: bool = False
    """The row has a column for the number, even where it is empty."""


def parts_from_cells(card_format: CardFormat, cells: Cells) -> CardParts:
    """
    Return the card of *cells*, its parts written as *card_format* writes them.

    The original text is the `text` cell; without one it is the number and the secret joined by
    `----`, or the secret alone. Extras are part of it only where the format takes them as further
    pieces, as formats of accounts do. A part with a cell of its own is that cell, whatever the
    format finds elsewhere.

    Raises:
        ValueError: The format refuses it.
    """
    found = _parsed(card_format, cells)
    is_whole = found.secret and (found.number or not cells.number)
    if is_whole and not (cells.text or cells.extra or cells.expires_at):
        return found
    return CardParts(
        cells.text or found.text,
        found.secret or cells.secret,
        found.number or cells.number,
        _merged(found.extra, cells.extra) if cells.extra else found.extra,
        cells.expires_at or found.expires_at,
    )


def _parsed(card_format: CardFormat, cells: Cells) -> CardParts:
    secret = cells.secret
    if not secret and cells.text:
        return card_format.parse(cells.text, card_format.split(cells.text))
    if not cells.numbered:
        # One column is a line of text: the format may find a number in it.
        return card_format.parse(secret, card_format.split(secret))
    found = _with_extras(card_format, cells) if cells.extra else None
    found = found or parts_from_pair(card_format, cells.number, secret)
    return found if cells.number else attrs.evolve(found, text=secret)


def parts_from_pair(card_format: CardFormat, number: str, secret: str) -> CardParts:
    """
    Return the card of a number and a secret that have a column each.

    Raises:
        ValueError: The format refuses it.
    """
    text = f"{number}{JOINER}{secret}"
    pair = _attempt(card_format, text, (number, secret))
    # A format that knows only one piece takes the joined text for the secret, or the first piece.
    if (
        pair is not None
        and len(pair.secret) <= len(secret)
        and (pair.number or pair.secret != number)
    ):
        return pair
    found = card_format.parse(secret, (secret,))
    joined = text if number and secret else number or secret
    return CardParts(joined, found.secret, number, found.extra, found.expires_at)


def _with_extras(card_format: CardFormat, cells: Cells) -> CardParts | None:
    values = (value for name, value in cells.extra if not is_title(name))
    pieces = (cells.number, cells.secret, *values)
    text = JOINER.join(pieces)
    # Only a format that would cut the text in just these pieces sells them all to the buyer.
    if len(pieces) < 3 or card_format.split(text) != pieces:
        return None
    return _attempt(card_format, text, pieces)


def _attempt(card_format: CardFormat, text: str, pieces: tuple[str, ...]) -> CardParts | None:
    try:
        return card_format.parse(text, pieces)
    except ValueError:
        return None


def _merged(
    found: tuple[tuple[str, str], ...], named: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    """Return *named*, then what the format found under other names and with other values."""
    values = {value for _, value in named}
    return named + tuple((name, value) for name, value in found if value not in values)
