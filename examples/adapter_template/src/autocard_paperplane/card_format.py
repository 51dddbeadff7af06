"""How Paperplane's own gift cards look: `PLANE-XXXX-XXXX`. Pure."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from autocard.spi import CardFormat, CardParts

_CARD: Final = re.compile(r"PLANE-[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}")
_BLANKS: Final = " \t\r\n\u3000\u00a0\ufeff\u200b"
# Full-width characters come out of Chinese input methods; case means nothing on these cards.
# A table for ASCII alone, because `str.upper` changes other scripts in surprising ways.
_PLAIN: Final = {code + 0xFEE0: chr(code).upper() for code in range(0x21, 0x7F)} | {
    code: chr(code).upper() for code in range(0x61, 0x7B)
}


class PaperplaneFormat(CardFormat):
    """Paperplane gift cards. 0, 1, I and O are not used, because they look alike."""

    name: ClassVar[str] = "paperplane"
    title: ClassVar[str] = "Paperplane gift card"
    example: ClassVar[str] = "PLANE-7KQX-M2WP"

    def split(self, text: str) -> tuple[str, ...]:
        """Return the whole line: these cards have no number and nothing beside them."""
        return (text,)

    def parse(self, text: str, pieces: tuple[str, ...]) -> CardParts:
        """Make a card of what is left without blanks around it; full-width becomes plain."""
        secret = " ".join(pieces).translate(_PLAIN).strip(_BLANKS)
        if not secret:
            raise ValueError("the line is empty")
        return CardParts(text=text, secret=secret)

    def normalise(self, parts: CardParts) -> str:
        """Return the card in capitals."""
        return parts.secret

    def check(self, parts: CardParts) -> str:
        """Say what is wrong, in words that never quote the card."""
        if not parts.secret.startswith("PLANE-"):
            return "a Paperplane card begins with PLANE-"
        if not _CARD.fullmatch(parts.secret):
            return "after PLANE- come two groups of 4 letters and digits, without 0, 1, I and O"
        return ""

    def mask(self, parts: CardParts) -> str:
        """Show the last group of a valid card, and nothing of a broken one."""
        return "*****-****" if self.check(parts) else f"*****-****-{parts.secret[-4:]}"

    def render(self, parts: CardParts) -> str:
        """Return the card as it is printed."""
        return parts.secret
