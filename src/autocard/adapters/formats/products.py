"""Formats of known products: which characters a number and a secret have, and how many."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import attrs

from autocard.adapters.formats.characters import (
    UNIT,
    canonical,
    compared,
    fold,
    lookalike,
    strip,
)
from autocard.adapters.formats.labels import fields_of, pieces_of, with_rest
from autocard.adapters.formats.layouts import Layout, parts_of
from autocard.spi import CardParts

# No number or secret of a product with two parts contains any of these.
_BETWEEN: Final = re.compile(r" *(?:----|\t|║|_____|\||,|:(?!//)) *| +")

_EIGHTEEN_DIGITS: Final = r"\d{18}"


@attrs.frozen
class Shape:
    """
    What one part of a card looks like.

    Args:
        pattern: Matched in full, ASCII only.
        words: The same for people, after "must be": "17 digits".
    """

    pattern: str
    words: str


@attrs.frozen(kw_only=True)
class Row:
    """
    One product of the catalogue.

    Args:
        name: What `format = …` says in the configuration.
        title: One line for people.
        example: An invented card.
        secret: The shape of the secret; None leaves it unchecked.
        number: The shape of the number; None leaves it unchecked.
        paired: True where a card has a number as well as a secret.
        ascii_only: True where full-width characters and odd dashes are folded to ASCII.
        has_case: True where upper and lower case are different cards.
        separators: Characters that two spellings of one card may differ in.
        verify: Says whether the check digit of the folded secret is right.
    """

    name: str
    title: str
    example: str
    secret: Shape | None = None
    number: Shape | None = None
    paired: bool = False
    ascii_only: bool = True
    has_case: bool = False
    separators: str = "- "
    verify: Callable[[str], bool] | None = None


class Product(Layout):
    """A code of known shape. Full-width characters, dashes and zero width are folded first."""

    def __init__(self, row: Row) -> None:
        super().__init__(row.name, row.title, row.example)
        flags = re.ASCII if row.has_case else re.ASCII | re.IGNORECASE
        self.row = row
        self._read = fold if row.ascii_only else strip
        self._secret = row.secret and re.compile(row.secret.pattern, flags)
        self._number = row.number and re.compile(row.number.pattern, flags)

    def split(self, text: str) -> tuple[str, ...]:
        """Return the one code of a line; number and secret where both have labels."""
        line = strip(text)
        if UNIT in line:
            return tuple(line.split(UNIT, 1))
        return (line,) if line.isascii() else labelled(line) or (line,)

    def parse(self, text: str, pieces: tuple[str, ...]) -> CardParts:
        if len(pieces) == 1:
            secret = self._read(pieces[0])
            if secret:
                return CardParts(text, secret)
        if len(pieces) < 2:
            return parts_of(text, "", self._read(text))
        return with_rest(parts_of(text, *map(self._read, pieces[:2])), pieces[2:])

    def canonical(self, piece: str) -> str:
        if not self.row.ascii_only:
            return compared(piece)
        return canonical(piece, separators=self.row.separators, upper=not self.row.has_case)

    def problem(self, parts: CardParts) -> str:
        """Return which part does not have the shape of the product, or ""."""
        row = self.row
        if self._number and row.number and not self._number.fullmatch(parts.number):
            return misshapen("number", row.number, self._number, parts.number)
        if self._secret and row.secret and not self._secret.fullmatch(parts.secret):
            return misshapen("secret", row.secret, self._secret, parts.secret)
        if row.verify and not row.verify(parts.secret):
            return "the check digit of the secret is wrong"
        return ""


class PairedProduct(Product):
    """A prepaid card with number and password, whatever stands between them."""

    def __init__(self, row: Row) -> None:
        super().__init__(row)
        self.identity_allowed = bool(row.secret and row.secret.pattern == _EIGHTEEN_DIGITS)

    def split(self, text: str) -> tuple[str, ...]:
        line = strip(text)
        if UNIT in line:
            return tuple(line.split(UNIT, 1))
        if not line.isascii():
            pieces = labelled(line)
            if pieces:
                return pieces
            line = fold(line)
        return tuple(_BETWEEN.split(line, 1))


def labelled(line: str) -> tuple[str, ...]:
    """Return number and secret of a line such as `卡号：… 卡密：…`; () for any other."""
    return pieces_of(fields_of(line))


def misshapen(part: str, shape: Shape, pattern: re.Pattern[str], text: str) -> str:
    """Return what *part* must be, and which look-alike character may be the reason."""
    if not text:
        return f"the {part} is missing; it must be {shape.words}"
    swap = lookalike(pattern, text)
    hint = f"; it would pass if {swap}, which is for a person to decide" if swap else ""
    return f"the {part} must be {shape.words}{hint}"
