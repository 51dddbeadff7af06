"""One card read in other ways: under which further normal forms it may have come in before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

import attrs

from autocard.errors import AdapterNotFound
from autocard.importing.cards import JOINER, read_pair, read_text
from autocard.model import CardParts
from autocard.ports import CardFormat
from autocard.records import KnownCard, NewCard

_PROBE: Final = f"0{JOINER}0"


def readings(card_format: CardFormat, text: str) -> Iterator[CardParts]:
    """Give the cards that *text* is to *card_format*: as a line, and as the text of two columns."""
    parts, _ = read_text(card_format, text)
    if parts is not None:
        yield parts
    if JOINER in text and (pair := read_pair(card_format, text)) is not None:
        yield pair


@attrs.frozen
class Alike:
    """
    Tells under which normal forms, besides its own, a card may be known.

    Args:
        card_format: The format that has read the card.
        others: Further formats that cards have come in with.
    """

    card_format: CardFormat
    others: Sequence[CardFormat]
    _settled: Sequence[bool] = attrs.field(init=False, repr=False)
    """Of the format and the others: lines and columns have one form, and need no second look."""

    def __attrs_post_init__(self) -> None:
        settled = [_has_one_form(each) for each in (self.card_format, *self.others)]
        object.__setattr__(self, "_settled", settled)

    @property
    def is_needed(self) -> bool:
        """False where no card has a further form."""
        return bool(self.others) or not self._settled[0]

    def forms(self, parts: CardParts) -> set[str]:
        """Return the further normal forms of the card of *parts*."""
        text = parts.text
        is_pair = JOINER in text and text == f"{parts.number}{JOINER}{parts.secret}"
        forms: set[str] = set()
        if JOINER in text and not is_pair:
            forms = {
                self.card_format.normalise(found) for found in readings(self.card_format, text)
            }
        for other, is_settled in zip(self.others, self._settled[1:], strict=True):
            forms |= _forms_under(other, parts, is_known=is_pair and is_settled)
        return forms - {self.card_format.normalise(parts)} if forms else forms


def others_of(
    card_format: CardFormat, names: Iterable[str], format_of: Callable[[str], CardFormat]
) -> list[CardFormat]:
    """Return the formats *names* but for *card_format*, and for those that are not installed any more."""
    others = []
    for name in sorted(set(names) - {card_format.name}):
        with suppress(AdapterNotFound):
            others.append(format_of(name))
    return others


def known_otherwise(
    known: Callable[[Sequence[bytes]], Mapping[bytes, KnownCard]],
    cards: Sequence[NewCard],
    further: Mapping[bytes, Sequence[bytes]],
) -> dict[bytes, KnownCard]:
    """Return which of *cards*, by fingerprint, are *known* by one of their *further* ones."""
    prints = [
        (card.fingerprint, other) for card in cards for other in further.get(card.fingerprint, ())
    ]
    found = known([other for _, other in prints]) if prints else {}
    return {own: found[other] for own, other in prints if other in found}


def _has_one_form(card_format: CardFormat) -> bool:
    """Say whether a number and a secret are one card to *card_format*, in a line as in columns."""
    try:
        forms = [card_format.normalise(parts) for parts in readings(card_format, _PROBE)]
    except Exception:  # noqa: BLE001 - a format that fails here is looked at card by card
        return False
    return len(forms) > 1 and len(set(forms)) == 1


def _forms_under(card_format: CardFormat, parts: CardParts, *, is_known: bool) -> set[str]:
    """Return the forms of *parts*, and of their text unless that *is_known* to be the same."""
    forms = set()
    try:
        is_line = parts.secret == parts.text and not parts.number
        if not is_line and not card_format.check(parts):
            forms.add(card_format.normalise(parts))
        if not is_known:
            forms |= {card_format.normalise(found) for found in readings(card_format, parts.text)}
    except Exception:  # noqa: BLE001 - a format that fails here has never taken this card
        return forms
    return forms
