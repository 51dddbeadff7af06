"""Layouts without a product: the whole line, number and secret, accounts, cards with a preview."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from typing import Final

import attrs

from autocard.adapters.formats.characters import (
    UNIT,
    compared,
    has_control,
    masked,
    strip,
)
from autocard.adapters.formats.refusal import refused
from autocard.spi import CardFormat, CardParts

MAX_CARD: Final = 16_384
BEIJING: Final = timezone(timedelta(hours=8))
NO_CARD: Final = "there is no card in this line"
_INDEX: Final = re.compile(r"【\d{1,9}】|\d{1,9}\|", re.ASCII)
_JOINER: Final = "----"
# What a table or an importer cuts a line at; the joiner comes first, being in every normal form.
_TABLE_MARKS: Final = (_JOINER, "\t", ",", ";", "|")
_AMOUNT: Final = re.compile(r"\d{1,9}(?:\.\d{1,2})?", re.ASCII)


def parts_of(text: str, number: str, secret: str, *rest: str) -> CardParts:
    """Return the card of these stripped pieces; what follows the secret is named by its place."""
    if not (number or secret or any(rest)):
        raise ValueError(NO_CARD)
    extra = tuple((f"part-{place}", piece) for place, piece in enumerate(rest, 3) if piece)
    return CardParts(text, secret, number, extra)


def as_line(number: str, secret: str) -> str:
    """
    Return the normal form of a card whose line is not cut: the same whether a table cut it or not.

    A secret of its own that looks like a row of a table is compared as that row.
    """
    line = compared(f"{number}{_JOINER}{secret}" if number else secret)
    for mark in _TABLE_MARKS:
        if mark in line:
            head, _, tail = line.partition(mark)
            head, tail = strip(head), strip(tail)
            joined = f"{head}{_JOINER}{tail}" if head and tail else line
            # A hyphen at the end of the head makes it be cut elsewhere the next time.
            return line if joined == line else as_line("", joined)
    return line


class Layout(CardFormat):
    """What every built-in format has in common."""

    number_label = "卡号"
    secret_label = "卡密"  # noqa: S105 - the Chinese word a buyer reads before the secret
    tab_allowed = False
    identity_allowed = False
    """True where the format itself asks for the eighteen digits of an identity number."""

    def __init__(self, name: str, title: str, example: str) -> None:
        # The port declares these on the class; here one class serves a table of formats.
        vars(self).update(name=name, title=title, example=example)

    def normalise(self, parts: CardParts) -> str:
        """Return number and secret around a unit separator, each in its canonical form."""
        return f"{self.canonical(parts.number)}{UNIT}{self.canonical(parts.secret)}"

    def canonical(self, piece: str) -> str:
        """Return one piece as it is compared."""
        return compared(piece)

    def check(self, parts: CardParts) -> str:
        """Return what is wrong with the card in a few words, or ""."""
        return (
            self._trouble(parts)
            or refused(parts.text, identity_allowed=self.identity_allowed)
            or self.problem(parts)
        )

    def problem(self, parts: CardParts) -> str:  # noqa: ARG002 - subclasses look at the parts
        """Return what this format in particular finds wrong, or ""."""
        return ""

    def _trouble(self, parts: CardParts) -> str:
        # A number alone may be the whole card; whoever imports is told, not stopped.
        if not (parts.secret or parts.number):
            return NO_CARD
        if len(parts.text) > MAX_CARD:
            return f"a card has at most {MAX_CARD:,} characters"
        if parts.secret.isprintable() and parts.number.isprintable() and not parts.extra:
            return ""
        tab_allowed = self.tab_allowed
        if has_control(parts.secret, tab_allowed=tab_allowed):
            return "the secret contains a control character"
        if has_control(parts.number, tab_allowed=tab_allowed):
            return "the number contains a control character"
        if parts.extra and any(has_control(value) for _, value in parts.extra):
            return "a further part contains a control character"
        return ""

    def mask(self, parts: CardParts) -> str:
        """Return stars and the last two or four characters of the number, or of the secret."""
        return masked(parts.number or parts.secret)

    def render(self, parts: CardParts) -> str:
        """Return the secret; on labelled lines where there is more than a secret."""
        if not (parts.number or parts.extra or parts.expires_at):
            return parts.secret
        lines = [(self.number_label, parts.number), (self.secret_label, parts.secret), *parts.extra]
        if parts.expires_at:
            local = parts.expires_at.astimezone(BEIJING)
            lines.append(("有效期", f"{local:%Y-%m-%d %H:%M:%S}"))
        return "\n".join(f"{label}：{value}" for label, value in lines if value)


class Opaque(Layout):
    """The whole line is the secret; nothing but the blanks around it is taken off."""

    tab_allowed = True

    def split(self, text: str) -> tuple[str, ...]:
        return (strip(text),)

    def parse(self, text: str, pieces: tuple[str, ...]) -> CardParts:
        """Make the one piece, or the whole text where there are several, the secret."""
        secret = strip(pieces[0] if len(pieces) == 1 else text)
        if not secret:
            raise ValueError(NO_CARD)
        return CardParts(text, secret)

    def normalise(self, parts: CardParts) -> str:
        """Return number and secret as one line; a line that may be cut in two is the same card."""
        return as_line(parts.number, parts.secret)

    def render(self, parts: CardParts) -> str:
        """Return the secret exactly as it was imported."""
        return parts.secret


class Indexed(Layout):
    """A running number such as `【3】` or `3|` stands before the card and does not belong to it."""

    def split(self, text: str) -> tuple[str, ...]:
        line = strip(text)
        index, found, rest = line.partition(UNIT)
        if found:
            return index, rest
        match = _INDEX.match(line)
        return (match[0], line[match.end() :]) if match else (line,)

    def parse(self, text: str, pieces: tuple[str, ...]) -> CardParts:
        if len(pieces) < 2:
            raise ValueError("there is no running number such as 【3】 or 3| before the card")
        return parts_of(text, "", *map(strip, pieces[1:]))


@attrs.frozen
class Separator:
    """What stands between the number and the secret of a line."""

    name: str
    title: str
    mark: str
    pattern: re.Pattern[str] | None = None
    """Used instead of the mark where the mark alone would cut in the wrong place."""

    def divide(self, line: str, most: int = 0) -> list[str]:
        """Return the stripped pieces of *line*, cut at most *most* times (0: no limit)."""
        if self.pattern is not None:
            pieces = self.pattern.split(line, most)
        else:
            pieces = line.split(self.mark, most or -1)
        return [strip(piece) for piece in pieces]


# In the order in which a line or a file is tried: a mark that is rare inside cards comes first.
SEPARATORS: Final = (
    Separator("hyphens", "four hyphens", "----"),
    Separator("tab", "a tab", "\t"),
    Separator("bar", "a double bar ║", "║"),
    Separator("underscores", "five underscores", "_____"),
    Separator("pipe", "a pipe", "|"),
    Separator("comma", "a comma", ","),
    # The colon of https:// is part of an address.
    Separator("colon", "a colon", ":", re.compile(r":(?!//)")),
    Separator("spaces", "two or more spaces", "  ", re.compile(r" {2,}")),
    Separator("space", "one space", " "),
)


class Pair(Layout):
    """Number and secret with one separator between them; the secret may contain it again."""

    def __init__(self, separator: Separator) -> None:
        example = f"DEMO0001{separator.mark}PW-7Q2M-88"
        super().__init__(f"pair-{separator.name}", f"Number, {separator.title}, secret", example)
        self.separator = separator

    def split(self, text: str) -> tuple[str, ...]:
        line = strip(text)
        if UNIT in line:
            return tuple(line.split(UNIT, 1))
        return tuple(self.separator.divide(line, 1))

    def parse(self, text: str, pieces: tuple[str, ...]) -> CardParts:
        if len(pieces) < 2:
            raise ValueError(f"there is no {self.separator.mark!r} between number and secret")
        return parts_of(text, *map(strip, pieces))


class AutoPair(Layout):
    """Number and secret with the first separator that a line has; a line without is a secret."""

    def split(self, text: str) -> tuple[str, ...]:
        line = strip(text)
        if UNIT in line:
            return tuple(line.split(UNIT, 1))
        for separator in SEPARATORS:
            if separator.mark in line:
                pieces = separator.divide(line, 1)
                if len(pieces) == 2:
                    return tuple(pieces)
        return (line,)

    def parse(self, text: str, pieces: tuple[str, ...]) -> CardParts:
        if len(pieces) < 2:
            return parts_of(text, "", *map(strip, pieces or (text,)))
        return parts_of(text, *map(strip, pieces))


class Account(Layout):
    """An account with as many parts as its seller likes; never cut at three hyphens."""

    number_label = "账号"
    secret_label = "密码"  # noqa: S105 - the Chinese word a buyer reads before the secret

    def split(self, text: str) -> tuple[str, ...]:
        line = strip(text)
        return tuple(map(strip, line.split(UNIT if UNIT in line else "----")))

    def parse(self, text: str, pieces: tuple[str, ...]) -> CardParts:
        if len(pieces) < 2:
            raise ValueError("there is no '----' between account and password")
        return parts_of(text, *map(strip, pieces))


class Preview(Layout):
    """
    A card with a public preview and a surcharge after `║`; `render` gives the card alone.

    Source: acg-faka, help text of its card import.
    """

    def split(self, text: str) -> tuple[str, ...]:
        return tuple(map(strip, strip(text).split("║", 2)))

    def parse(self, text: str, pieces: tuple[str, ...]) -> CardParts:
        body, preview, surcharge = (*map(strip, pieces[:3]), "", "", "")[:3]
        if not body:
            raise ValueError(NO_CARD)
        if len(pieces) < 2:
            return CardParts(text, body)
        return CardParts(text, body, "", (("preview", preview), ("surcharge", surcharge or "0")))

    def normalise(self, parts: CardParts) -> str:
        return as_line(parts.number, parts.secret)

    def problem(self, parts: CardParts) -> str:
        """Refuse a surcharge that is not an amount."""
        surcharge = dict(parts.extra).get("surcharge", "0")
        return "" if _AMOUNT.fullmatch(surcharge) else "the surcharge must be an amount such as 5.5"

    def render(self, parts: CardParts) -> str:
        """Return the card without preview and surcharge."""
        return parts.secret
