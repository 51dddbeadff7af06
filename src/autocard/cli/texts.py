"""Which language is spoken, and what is said in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

from autocard.cli.helping import HELP
from autocard.cli.phrases import PHRASES

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
_LOCALE: Final = ("AUTOCARD_LANG", "LC_ALL", "LC_MESSAGES", "LANG")


def language_of(environment: Mapping[str, str]) -> Language:
    """Return the language that *environment* asks for: the first of its settings that is filled."""
    wanted = next((environment[name] for name in _LOCALE if environment.get(name)), "")
    return "zh" if wanted.lower().startswith("zh") else "en"


def phrase(language: Language, name: str, **values: object) -> str:
    """Return the sentence *name* in *language* with *values* in it."""
    return PHRASES[name][language == "zh"].format(**values)


def help_text(language: Language, name: str) -> str:
    """Return the help of a command or option in *language*."""
    return HELP[name][language == "zh"]
