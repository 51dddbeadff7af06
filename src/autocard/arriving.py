"""What a supplier sent becomes cards in stock, or is set aside: nothing doubtful is ever sold."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs

from autocard.bargain import BoughtCard, Shape
from autocard.clock import NEVER_MS, to_ms
from autocard.importing.alike import Alike
from autocard.importing.cards import (
    NOT_UNICODE,
    TOO_LONG,
    Cells,
    is_unicode,
    parts_from_cells,
    problem_of,
)
from autocard.model import CardParts
from autocard.ports import CardFormat
from autocard.records import NewCard
from autocard.vault import Vault

QUARANTINE: Final = "quarantine"
"""The warehouse of what is set aside; no order takes from it unless a person moves it."""
_MOST: Final = 8192
# What shops write where a card should be; without blanks, and in half-width small letters.
_PLACEHOLDERS: Final = frozenset(
    {
        "",
        "-",
        "--",
        "[]",
        "{}",
        "n/a",
        "na",
        "nil",
        "null",
        "none",
        "undefined",
        "test",
        "无",
        "空",
        "暂无",
    }
)
_NOUGHT: Final = re.compile(r"0+")
_SENTENCES: Final = (
    "，",
    "。",
    "！",
    "请联系",
    "客服",
    "抱歉",
    "发货",
    "缺货",
    "库存",
    "售罄",
    "处理中",
    "sorry",
    "contact support",
    "contact the seller",
    "please contact",
    "out of stock",
    "sold out",
)
_LINK: Final = re.compile(r"https?://\S+", re.IGNORECASE)
_IMAGE: Final = re.compile(r"data:image/.*|.*<img\b.*", re.IGNORECASE | re.DOTALL)


@attrs.frozen
class Judged:
    """The cards of one answer: those that may be sold, and those that were set aside with why."""

    good: tuple[NewCard, ...] = ()
    odd: tuple[NewCard, ...] = ()
    problems: tuple[str, ...] = ()
    """Why each of *odd*, and each that could not even be kept, was set aside."""
    further: Mapping[bytes, Sequence[bytes]] = attrs.field(factory=dict, repr=False)
    """Other fingerprints that a card may be known by, by its own; mostly there are none."""


def judge(
    cards: Iterable[BoughtCard],
    *,
    sku: str,
    card_format: CardFormat,
    vault: Vault,
    alive_at: datetime,
    sells_links: bool = False,
    others: Sequence[CardFormat] = (),
) -> Judged:
    """
    Return *cards* sealed for *sku*, sorted into those that may be sold and those that may not.

    Set aside are placeholders such as "0" and "N/A", sentences, pictures, links unless
    *sells_links*, what the format refuses, what no longer works at *alive_at*, and what came twice
    in one answer. They are sealed as well: what was paid for is not thrown away. Of each card it is
    said by what else it may be known, also to the *others* among the formats.
    """
    alike = Alike(card_format, others)
    further: dict[bytes, list[bytes]] = {}
    good: dict[bytes, NewCard] = {}
    odd: dict[bytes, NewCard] = {}
    problems: list[str] = []
    for line, came in enumerate(cards, start=1):
        card = attrs.evolve(came, shape=_shape(came))
        parts, problem = _parts(card, card_format)
        problem = problem or _problem(card, parts, card_format, alive_at, sells_links=sells_links)
        if parts is None:
            problems.append(problem)
            continue
        sealed = _sealed(line, parts, card, sku, card_format, vault)
        if alike.is_needed:
            further[sealed.fingerprint] = vault.fingerprints(_forms(alike, parts))
        is_repeated = sealed.fingerprint in good or sealed.fingerprint in odd
        if is_repeated:
            problems.append("the same card came twice in one answer")
        elif problem:
            odd[sealed.fingerprint] = sealed
            problems.append(problem)
        else:
            good[sealed.fingerprint] = sealed
    return Judged(tuple(good.values()), tuple(odd.values()), tuple(problems), further)


def _shape(card: BoughtCard) -> Shape:
    """Return what *card* is made of: an adapter need not tell a text from a link or a picture."""
    texts = (card.secret.reveal(), card.number)
    if card.shape is Shape.TEXT and any(_LINK.fullmatch(text.strip()) for text in texts):
        return Shape.LINK
    if card.shape is Shape.TEXT and any(_IMAGE.fullmatch(text) for text in texts):
        return Shape.IMAGE
    return card.shape


def _parts(card: BoughtCard, card_format: CardFormat) -> tuple[CardParts | None, str]:
    """Return the parts of *card*; bare ones with a problem where its format refuses it."""
    secret = card.secret.reveal().strip()
    texts = (secret, card.number, *(x.reveal() for x in card.extra.values()))
    if not all(map(is_unicode, texts)):
        return None, NOT_UNICODE
    if sum(map(len, texts)) > _MOST and card.shape is not Shape.IMAGE:
        return None, TOO_LONG
    extra = tuple((name, value.reveal()) for name, value in card.extra.items())
    bare = CardParts(secret or card.number, secret, card.number, extra, card.expires_at)
    if not secret:
        return (bare if bare.text else None), "it is empty"
    if card.shape is not Shape.TEXT:
        return bare, ""
    cells = Cells(
        number=card.number, secret=secret, expires_at=card.expires_at, extra=extra,
        numbered=bool(card.number),
    )  # fmt: skip
    try:
        return parts_from_cells(card_format, cells), ""
    except Exception as error:  # noqa: BLE001 - one bad card must not lose the others
        return bare, problem_of(error, texts)


def _problem(
    card: BoughtCard,
    parts: CardParts | None,
    card_format: CardFormat,
    alive_at: datetime,
    *,
    sells_links: bool,
) -> str:
    if parts is None:
        return "it is empty"
    if parts.expires_at is not None and parts.expires_at <= alive_at:
        return "it has expired, or has less life left than its sku asks for"
    if card.shape is Shape.LINK:
        return "" if sells_links else "it is a link, and its sku does not say links = true"
    if card.shape is Shape.IMAGE:
        return "it is a picture"
    for text in filter(None, (parts.secret, parts.number)):
        if _is_placeholder(text):
            return "a placeholder stands where the card should be"
        if any(word in text.casefold() for word in _SENTENCES):
            return "a sentence stands where the card should be"
    try:
        return card_format.check(parts)
    except Exception as error:  # noqa: BLE001 - as above
        return problem_of(error, (parts.text, parts.secret))


def _forms(alike: Alike, parts: CardParts) -> list[str]:
    try:
        return sorted(alike.forms(parts))
    except Exception:  # noqa: BLE001 - its own format refuses it: it is set aside anyway
        return []


def _is_placeholder(text: str) -> bool:
    plain = "".join(unicodedata.normalize("NFKC", text).casefold().split())
    return plain in _PLACEHOLDERS or _NOUGHT.fullmatch(plain) is not None


def _sealed(
    line: int, parts: CardParts, card: BoughtCard, sku: str, card_format: CardFormat, vault: Vault
) -> NewCard:
    try:
        normalised = card_format.normalise(parts)
    except Exception:  # noqa: BLE001 - a card that its format refused; it is kept under its text
        normalised = parts.text
    fingerprint = vault.fingerprint(normalised)
    expires_at = parts.expires_at or card.expires_at
    return NewCard(
        line,
        fingerprint,
        vault.seal_card(sku, fingerprint, parts),
        NEVER_MS if expires_at is None else to_ms(expires_at),
    )
