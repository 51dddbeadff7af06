"""Guessing which format cards have from a sample of them; a suggestion, with every candidate named."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final

import attrs

from autocard.importing.cards import read_text
from autocard.importing.lines import BLANKS
from autocard.importing.reading import read_cards
from autocard.importing.values import ReadOptions
from autocard.model import CardParts
from autocard.ports import CardFormat

SHARE: Final = 0.98
OPAQUE: Final = "opaque"
# What no product accepts, but a format without a pattern does.
_NONSENSE: Final = ("~?~", "~!~")
_DEFAULTS: Final = ReadOptions()


@attrs.frozen
class Separator:
    """
    What stands between the parts of nearly all lines.

    Args:
        text: The separator itself; for runs of blanks, two of them.
        parts: How many parts a line has.
        share: How many of the lines have just so many, 0 to 1.
    """

    text: str
    parts: int
    share: float


@attrs.frozen
class Guess:
    """
    Which format a sample of cards seems to have.

    Args:
        name: The format to use; `opaque` when none can be told.
        share: How many of the lines pass it, 0 to 1.
        candidates: Every format that 98 % of the lines pass, the most fitting first.
        separator: What stands between the parts of a line, if anything does.
    """

    name: str
    share: float
    candidates: tuple[str, ...] = ()
    separator: Separator | None = None

    def describe(self) -> str:
        """Return this in one line for people."""
        said = f"format {self.name} fits {self.share:.1%} of the sample"
        others = [name for name in self.candidates if name != self.name]
        if others:
            said += f"; so do {', '.join(others)}"
        if self.separator is not None:
            said += f"; lines have {self.separator.parts} parts around {self.separator.text!r}"
        return said


# In this order: what is rare inside a card comes first. `---` is never one, being half a mistake.
_SEPARATORS: Final = (
    ("----", re.compile("----")),
    ("\t", re.compile("\t")),
    ("║", re.compile("║")),
    ("_____", re.compile("_____")),
    ("|", re.compile(r"\|")),
    (",", re.compile(",")),
    (":", re.compile(":(?!//)")),
    ("  ", re.compile(" {2,}")),
    (" ", re.compile(" ")),
)


def suggest_separator(lines: Iterable[str]) -> Separator | None:
    """Return the first separator by which 98 % of *lines* have the same number of parts, 2 or more."""
    texts = [text for line in lines if (text := line.strip(BLANKS))]
    for mark, pattern in _SEPARATORS:
        counts = Counter(len(pattern.split(text)) for text in texts)
        parts, agreeing = counts.most_common(1)[0] if counts else (1, 0)
        if parts > 1 and agreeing >= SHARE * len(texts):
            return Separator(mark, parts, agreeing / len(texts))
    return None


def guess_format(lines: Sequence[str], formats: Iterable[CardFormat]) -> Guess:
    """
    Return which of *formats* the cards in *lines* seem to have.

    A product is chosen when 98 % of the lines pass its check and its own example tells it from every
    other such product; otherwise a format that only divides lines, where they have a separator;
    otherwise `opaque`. The same text may fit many products, so show `Guess.candidates` to a person.
    """
    texts = [text for line in lines if (text := line.strip(BLANKS))]
    separator = suggest_separator(texts)
    if not texts:
        return Guess(OPAQUE, 0.0)
    shares: dict[str, float] = {}
    fitting = []
    for card_format in formats:
        share = _share(card_format, texts)
        if share >= SHARE and not _passes(card_format, _NONSENSE[0]):
            shares[card_format.name] = share
            fitting.append(card_format)
    chosen = _chosen(fitting, texts, separator)
    name = chosen.name if chosen is not None else OPAQUE
    candidates = sorted(shares, key=lambda each: (each != name, -shares[each]))
    return Guess(name, shares.get(name, 1.0), tuple(candidates), separator)


def _share(card_format: CardFormat, texts: Sequence[str]) -> float:
    missed, allowed = 0, (1 - SHARE) * len(texts)
    for text in texts:
        missed += not _passes(card_format, text)
        if missed > allowed:
            return 0.0
    return 1 - missed / len(texts)


def _passes(card_format: CardFormat, text: str) -> bool:
    return read_text(card_format, text)[0] is not None


def _chosen(
    fitting: Sequence[CardFormat], texts: Sequence[str], separator: Separator | None
) -> CardFormat | None:
    dividing = [each for each in fitting if _only_divides(each)]
    products = [each for each in fitting if each not in dividing]
    for product in products:
        if all(_is_narrower(product, other) for other in products if other is not product):
            return product
    if separator is None:
        return None
    for card_format in dividing:
        counts = Counter(len(card_format.split(text)) for text in texts)
        if counts.most_common(1)[0][0] == separator.parts:
            return card_format
    return None


def _only_divides(card_format: CardFormat) -> bool:
    return any(_passes(card_format, mark.join(_NONSENSE)) for mark, _ in _SEPARATORS)


def _is_narrower(one: CardFormat, other: CardFormat) -> bool:
    return _passes(other, one.example) and not _passes(one, other.example)


class _AsText(CardFormat):
    """Takes everything for a card, so that a sample shows what there is."""

    name = "sample"
    title = "Anything"
    example = ""

    def split(self, text: str) -> tuple[str, ...]:
        return (text,)

    def parse(self, text: str, pieces: tuple[str, ...]) -> CardParts:
        return CardParts(text, pieces[-1], pieces[0] if len(pieces) > 1 else "")

    def normalise(self, parts: CardParts) -> str:
        return parts.text

    def check(self, parts: CardParts) -> str:  # noqa: ARG002 - everything passes
        return ""

    def mask(self, parts: CardParts) -> str:  # noqa: ARG002 - a sample is not shown
        return ""

    def render(self, parts: CardParts) -> str:
        return parts.text


class _Replay:
    """A stream that can be begun again once, as far as it was read."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._kept: list[Any] = []
        self._again: list[Any] | None = None
        self.name = getattr(file, "name", "")

    def read(self, size: int) -> Any:
        """Return the next piece: first again what was kept, then what follows."""
        if self._again and size:
            return self._again.pop(0)
        piece = self._file.read(size)
        if self._again is None:
            self._kept.append(piece)
        return piece

    def begin_again(self) -> None:
        """Give everything from the start from now on."""
        self._again = [piece for piece in self._kept if piece]
        self._kept = []


def sample(
    source: Any, options: ReadOptions = _DEFAULTS, limit: int = 1000
) -> tuple[list[str], Any]:
    """
    Return the texts of the first *limit* cards of *source*, and a source that still has them all.

    Use the returned source from here on: a stream or an iterator that was handed over has moved.

    Raises:
        UnreadableSource: As `read_cards`.
        ConfigurationError: As `read_cards`.

    Secrets: the texts are cards in plaintext.
    """
    if isinstance(source, (str, os.PathLike)):
        return _texts(source, options, limit), source
    if callable(getattr(source, "read", None)):
        return _sample_of_file(source, options, limit)
    if isinstance(source, Iterator):
        ahead = list(islice(source, limit))
        return _texts(ahead, options, limit), chain(ahead, source)
    return _texts(source, options, limit), source


def _sample_of_file(file: Any, options: ReadOptions, limit: int) -> tuple[list[str], Any]:
    try:
        position = file.tell() if file.seekable() else None
    except (AttributeError, OSError, ValueError):
        position = None
    if position is not None:
        texts = _texts(file, options, limit)
        file.seek(position)
        return texts, file
    replay = _Replay(file)
    texts = _texts(replay, options, limit)
    replay.begin_again()
    return texts, replay


def _texts(source: Any, options: ReadOptions, limit: int) -> list[str]:
    with read_cards(source, _AsText(), options) as reading:
        rows = (row.parts.text for row in reading if row.parts is not None)
        return list(islice(rows, limit))
