"""The built-in formats by name, and a reader that takes a line through one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from autocard.adapters.formats import card_formats
from autocard.spi import CardFormat, CardParts

Read = Callable[[str, str], CardParts]


@pytest.fixture(name="formats", scope="session")
def _formats() -> Mapping[str, CardFormat]:
    return {card_format.name: card_format for card_format in card_formats()}


@pytest.fixture(name="read", scope="session")
def _read(formats: Mapping[str, CardFormat]) -> Read:
    def read(name: str, text: str) -> CardParts:
        return formats[name].parse(text, formats[name].split(text))

    return read


@pytest.fixture(name="check", scope="session")
def _check(formats: Mapping[str, CardFormat], read: Read) -> Callable[[str, str], str]:
    def check(name: str, text: str) -> str:
        return formats[name].check(read(name, text))

    return check
