"""What may surround a card, what may not be in it, and how one card written two ways is equal."""

from __future__ import annotations

import re
import unicodedata
from string import ascii_lowercase, ascii_uppercase
from typing import Final

STRIP: Final = " \t\n\r\v\f\u00a0\u3000\ufeff\u200b\u200c\u200d\u2060"
"""What is taken off both ends of every piece; everything else belongs to the card."""

UNIT: Final = "\x1f"
"""The ASCII unit separator: between the parts of a normal form, and accepted on input."""

_FOLDS: Final = {
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-"),
    **dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)),
}
_UPPER: Final = str.maketrans(ascii_lowercase, ascii_uppercase)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_BUT_TAB: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")

# (written, meant): tried one at a time, only to explain why a card fails its pattern.
_LOOKALIKES: Final = (
    ("O", "0"),
    ("0", "O"),
    ("I", "1"),
    ("L", "1"),
    ("1", "I"),
    ("S", "5"),
    ("5", "S"),
    ("B", "8"),
    ("8", "B"),
)


def strip(text: str) -> str:
    """Return *text* without the blanks around it; nothing inside changes."""
    return text.strip(STRIP)


def fold(text: str) -> str:
    """
    Return *text* as the ASCII it was meant to be: NFKC, every dash a hyphen, no zero width.

    Letters keep their case and look-alikes such as O and 0 stay what they are.
    """
    if text.isascii():
        return text.strip(STRIP)
    folded = unicodedata.normalize("NFKC", text).translate(_FOLDS)
    # Where a zero-width character went, its neighbours may now compose.
    return unicodedata.normalize("NFKC", folded).strip(STRIP)


def canonical(text: str, *, separators: str, upper: bool) -> str:
    """Return the form of a folded piece that is equal for equal cards."""
    compact = fold(text)
    for separator in separators:
        if separator in compact:
            # Another blank may have stood beside it at an end.
            compact = strip(compact.replace(separator, ""))
    if compact.isascii():
        return compact.upper() if upper else compact
    # ASCII letters only: the upper case of other scripts is not stable under NFKC.
    return fold(compact.translate(_UPPER) if upper else compact)


def compared(text: str) -> str:
    """Return the NFKC form under which two texts without a pattern count as the same card."""
    if text.isascii():
        return text
    # A card of nothing but odd blanks would vanish; it is compared as it stands.
    return unicodedata.normalize("NFKC", text).strip(STRIP) or text


def has_control(text: str, *, tab_allowed: bool = False) -> bool:
    """Say whether *text* holds a control character or half of a surrogate pair."""
    if text.isprintable():
        return False
    return bool((_CONTROL_BUT_TAB if tab_allowed else _CONTROL).search(text))


def lookalike(pattern: re.Pattern[str], text: str) -> str:
    """Return which look-alike would make *text* fit *pattern*, such as "O were 0", or ""."""
    for written, meant in _LOOKALIKES:
        # A lower-case letter is as easily taken for a digit.
        swapped = text.replace(written, meant).replace(written.lower(), meant)
        if swapped != text and pattern.fullmatch(swapped):
            return f"{written} were {meant}"
    return ""


def masked(text: str) -> str:
    """Return stars and, of a long text only, its last two or four characters."""
    size = len(text)
    shown = 4 if size >= 12 else 2 if size >= 8 else 0
    tail = text[size - shown :]
    return "****" + "".join(char if char.isprintable() else "*" for char in tail)
