"""Secrets have a type and one door: `Secret.reveal()`."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn, final

MASK: Final = "***"


@final
class Secret:
    """
    A text that shows only a mask until somebody asks for it by name.

    `repr`, `str`, `format`, `pickle`, `copy` and everything that walks attributes get the mask.
    Comparison takes the same time wherever two secrets differ.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            msg = f"a Secret is made from a str, not from {type(text).__name__}"
            raise TypeError(msg)
        self.__text = text

    def reveal(self) -> str:
        """Return the plaintext. The only way out; keep the result for one line of code."""
        return self.__text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __len__(self) -> NoReturn:
        msg = "the length of a Secret is secret too"
        raise TypeError(msg)

    def __bool__(self) -> bool:
        return self.__text != ""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        # A lone surrogate must not become an error that holds the text.
        mine = self.__text.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(mine, other.__text.encode("utf-8", "surrogatepass"))

    def __hash__(self) -> int:
        return hash((Secret, self.__text))

    def __getstate__(self) -> str:
        return MASK

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (MASK,)
