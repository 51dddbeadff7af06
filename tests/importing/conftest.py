"""Small card formats for the tests of importing."""

from __future__ import annotations

import re
import unicodedata

import pytest

from autocard.model import CardParts
from autocard.ports import CardFormat


class Opaque(CardFormat):
    name = "opaque"
    title = "Whole line"
    example = "DEMO-1"

    def split(self, text):
        return (text,)

    def parse(self, text, pieces):
        return CardParts(text, pieces[0] if len(pieces) == 1 else text)

    def normalise(self, parts):
        return parts.secret

    def check(self, parts):
        return "the secret is empty" if not parts.secret else ""

    def mask(self, parts):
        return "***"

    def render(self, parts):
        return parts.secret


class Pair(Opaque):
    name = "pair"
    example = "DEMO1----PW-1"
    separator = "----"

    def split(self, text):
        return tuple(piece.strip() for piece in text.split(self.separator, 1))

    def parse(self, text, pieces):
        if len(pieces) < 2:
            raise ValueError("there is no separator")
        return CardParts(text, pieces[1], pieces[0])


class Lenient(Pair):
    name = "lenient"

    def parse(self, text, pieces):
        return CardParts(text, pieces[-1], pieces[0] if len(pieces) > 1 else "")

    def check(self, parts):
        return ""


class Account(Pair):
    name = "account"
    example = "a@b.example----pw----2fa"

    def split(self, text):
        return tuple(text.split("----"))

    def parse(self, text, pieces):
        if len(pieces) < 2:
            raise ValueError("there is no separator")
        extra = tuple((f"part-{at}", piece) for at, piece in enumerate(pieces[2:], 3))
        return CardParts(text, pieces[1], pieces[0], extra)


class Code(Opaque):
    """An ASCII code with a pattern."""

    def __init__(self, name, pattern, example):
        self.name, self.example = name, example
        self.pattern = re.compile(pattern, re.ASCII)

    def parse(self, text, pieces):
        if len(pieces) != 1:
            raise ValueError("a code has one piece")
        wide = unicodedata.normalize("NFKC", pieces[0])
        return CardParts(text, re.sub("[\u2010-\u2015\u2212]", "-", wide))

    def check(self, parts):
        return "" if self.pattern.fullmatch(parts.secret) else "not written like such a code"


class Failing(Opaque):
    """A format with a mistake in it, and one that quotes the card."""

    name = "failing"

    def parse(self, text, pieces):
        if text.startswith("CANARY"):
            raise ValueError(f"cannot read {text}")
        raise KeyError(text)


@pytest.fixture(scope="session")
def opaque():
    return Opaque()


@pytest.fixture(scope="session")
def pair():
    return Pair()


@pytest.fixture(scope="session")
def lenient():
    return Lenient()


@pytest.fixture(scope="session")
def account():
    return Account()


@pytest.fixture(scope="session")
def failing():
    return Failing()


@pytest.fixture(scope="session")
def code():
    """A code of two groups of four, such as AB12-CD34."""
    return Code("code", r"[0-9A-Z]{4}-[0-9A-Z]{4}", "AB12-CD34")


@pytest.fixture(scope="session")
def make_code():
    return Code


@pytest.fixture(scope="session")
def digits():
    return Code("digits", r"\d{8}", "00012345")
