"""How the story is told: steps, sentences, and claims that are checked while they are said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs

from autocard.demo.texts import Language, text

STEP: Final = "step"
SAID: Final = "said"
HELD: Final = "held"
BROKEN: Final = "broken"

Show = Callable[[str, str], None]
"""Takes what kind of line it is (`step`, `said`, `held`, `broken`) and the line."""


@attrs.frozen
class Claim:
    """One sentence of the story that was checked."""

    name: str
    holds: bool
    text: str


@attrs.frozen(kw_only=True)
class Story:
    """What was claimed and whether it held, how long it took, and the folder if it was kept."""

    claims: tuple[Claim, ...]
    seconds: float
    folder: str = ""

    @property
    def ok(self) -> bool:
        """True when the whole story was told and every claim in it held."""
        return bool(self.claims) and all(claim.holds for claim in self.claims)


class Teller:
    """Shows each line in one language and keeps the claims."""

    def __init__(self, language: Language, show: Show) -> None:
        self.claims: list[Claim] = []
        self._language = language
        self._show = show

    def step(self, name: str, **values: object) -> None:
        """Begin a part of the story."""
        self._show(STEP, self._text(name, values))

    def say(self, name: str, **values: object) -> None:
        """Say what happens."""
        self._show(SAID, self._text(name, values))

    def claim(self, name: str, holds: bool, **values: object) -> None:  # noqa: FBT001 - reads as a sentence
        """Say what is true, if it is; keep it either way."""
        claim = Claim(name, holds, self._text(name, values))
        self.claims.append(claim)
        self._show(HELD if holds else BROKEN, claim.text)

    def _text(self, name: str, values: dict[str, object]) -> str:
        return text(self._language, name, **values)
