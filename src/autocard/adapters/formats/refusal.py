"""What must never be stored as a card: payment cards, wallet phrases, identity numbers."""

from __future__ import annotations

import re
from typing import Final

from autocard.adapters.formats.characters import fold
from autocard.adapters.formats.checkdigits import is_luhn, mod11_2_digit

_SHORTEST: Final = 18  # an identity number; everything else looked for here is longer
_LONG_NUMBER: Final = re.compile(r"\d(?:[ -]?\d){12}", re.ASCII)
_PAYMENT_CARD: Final = re.compile(
    r"(?<!\d)([2-6](?:[ -]?\d){12,18})[^0-9]{1,8}"  # card number
    r"(?:0[1-9]|1[0-2])[^0-9]{0,4}(?:20)?\d\d[^0-9]{1,8}"  # month and year
    r"\d{3,4}(?!\d)",  # security code
    re.ASCII,
)
_IDENTITY: Final = re.compile(
    r"(?<![0-9A-Za-z])([1-9]\d{5}(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3})"
    r"([0-9Xx])(?![0-9A-Za-z])",
    re.ASCII,
)
_WORDS: Final = re.compile(r"\b[a-z]{3,8}(?:[ ,]+[a-z]{3,8})*\b")
_PHRASE_SIZES: Final = frozenset({12, 15, 18, 21, 24})  # what BIP 39 allows


def _is_payment_card(text: str) -> bool:
    found = _PAYMENT_CARD.search(text)
    return found is not None and is_luhn(re.sub(r"\D", "", found[1], flags=re.ASCII))


def _is_identity(text: str) -> bool:
    found = _IDENTITY.findall(text)
    return bool(found) and any(mod11_2_digit(body) == last.upper() for body, last in found)


def _is_wallet_phrase(text: str) -> bool:
    runs = _WORDS.findall(text.lower())
    return any(len(run.replace(",", " ").split()) in _PHRASE_SIZES for run in runs)


def refused(text: str, *, identity_allowed: bool = False) -> str:
    """
    Return why *text* must not be stored as a card, or "".

    Args:
        text: The original text of one card; full-width characters are looked through.
        identity_allowed: True where the format itself asks for eighteen digits, because one in
            some fifty thousand honest cards of that length reads as an identity number.
    """
    plain = text if text.isascii() else fold(text)
    if len(plain) < _SHORTEST:
        return ""
    if _LONG_NUMBER.search(plain):
        if _is_payment_card(plain):
            return "looks like a payment card with expiry and security code; never store these"
        if not identity_allowed and _is_identity(plain):
            return (
                "looks like a Chinese identity number, which is personal data; "
                "if it is a card, choose the format of its product"
            )
    # Twelve words of three letters and what stands between them.
    if len(plain) >= 47 and plain.count(" ") + plain.count(",") >= 11 and _is_wallet_phrase(plain):
        return "looks like the recovery phrase of a wallet; never store these"
    return ""
