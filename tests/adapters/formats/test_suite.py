"""The suite itself: it finds broken formats, and its base runs nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import attrs
import pytest

from autocard.spi import CardFormat, CardParts
from autocard.testing.formats import MARKER, CardFormatSuite


class Sound(CardFormat):
    """The smallest format that conforms."""

    name = "sound"
    title = "Sound"
    example = "SOUND-0001-CARD"

    def split(self, text):
        return (text.strip(" \t\r\u3000\u00a0\ufeff\u200b"),)

    def parse(self, text, pieces):
        if not "".join(pieces):
            raise ValueError("empty")
        return CardParts(text, "".join(pieces))

    def normalise(self, parts):
        return parts.secret.strip(" \t\r\u3000\u00a0\ufeff\u200b") or parts.secret

    def check(self, parts):
        return "" if parts.secret.isprintable() else "control character"

    def mask(self, parts):
        return "****"

    def render(self, parts):
        return parts.secret


class Suite(CardFormatSuite):
    """Run by hand below."""


def _raises(*_: object) -> str:
    raise RuntimeError("no format may raise this")


def broken(**methods: Callable[..., object]) -> CardFormat:
    """Return the sound format with some methods replaced."""
    return type("Broken", (Sound,), {name: staticmethod(m) for name, m in methods.items()})()


def _chained(text: str, pieces: tuple[str, ...]) -> CardParts:
    try:
        raise KeyError(text)
    except KeyError as error:
        raise ValueError("unreadable") from error


SAMPLES = ["SOUND-0001-CARD", "SOUND-0002-CARD"]
NEEDS_SAMPLES = (
    "test_samples_are_valid_cards",
    "test_different_samples_have_different_normal_forms",
    "test_blanks_around_a_card_do_not_make_another_card",
    "test_control_characters_are_refused",
    "test_a_mask_shows_at_most_four_characters",
    "test_representations_show_no_card",
    "test_a_normal_form_is_its_own_normal_form",
    "test_messages_never_quote_the_card",
)
NEEDS_FORMAT = (
    "test_it_is_named_for_the_configuration",
    "test_the_example_is_a_valid_card",
    "test_any_text_is_a_card_or_a_value_error",
    "test_any_pieces_are_a_card_or_a_value_error",
    "test_any_mask_shows_at_most_four_characters",
)


def run(test: str, card_format: CardFormat) -> None:
    """Run one test of the suite by hand."""
    arguments = (card_format, SAMPLES) if test in NEEDS_SAMPLES else (card_format,)
    getattr(Suite(), test)(*arguments)


@pytest.mark.parametrize("test", [*NEEDS_SAMPLES, *NEEDS_FORMAT])
def test_a_sound_format_passes(test):
    """A format written outside this package can pass every test."""
    run(test, Sound())


@pytest.mark.parametrize(
    ("test", "methods"),
    [
        ("test_samples_are_valid_cards", {"check": lambda _: "never right"}),
        ("test_samples_are_valid_cards", {"parse": lambda text, _: CardParts(text + "!", text)}),
        (
            "test_different_samples_have_different_normal_forms",
            {"normalise": lambda _: "all the same"},
        ),
        (
            "test_blanks_around_a_card_do_not_make_another_card",
            {"split": lambda text: (text,), "normalise": lambda parts: parts.secret},
        ),
        ("test_control_characters_are_refused", {"check": lambda _: ""}),
        ("test_a_mask_shows_at_most_four_characters", {"mask": lambda parts: parts.secret}),
        ("test_any_mask_shows_at_most_four_characters", {"mask": lambda parts: parts.secret[:4]}),
        ("test_a_normal_form_is_its_own_normal_form", {"normalise": lambda p: p.secret + "x"}),
        ("test_messages_never_quote_the_card", {"check": lambda parts: f"bad: {parts.secret}"}),
        ("test_messages_never_quote_the_card", {"parse": _chained}),
        ("test_any_text_is_a_card_or_a_value_error", {"split": _raises}),
        ("test_any_text_is_a_card_or_a_value_error", {"split": lambda text: [text]}),
        ("test_any_pieces_are_a_card_or_a_value_error", {"parse": _raises}),
        ("test_the_example_is_a_valid_card", {"check": lambda _: "never right"}),
    ],
)
def test_a_broken_format_is_found(test, methods):
    """Each promise of a format has a test that fails when it is broken."""
    with pytest.raises((AssertionError, RuntimeError, ExceptionGroup)):
        run(test, broken(**methods))


def test_a_telling_representation_is_found():
    """A subclass of the parts that shows the card is noticed."""

    @attrs.frozen
    class Telling(CardParts):
        def __repr__(self) -> str:
            return self.secret

    with pytest.raises(AssertionError):
        run(
            "test_representations_show_no_card",
            broken(parse=lambda text, pieces: Telling(text, "".join(pieces))),
        )


def test_case_and_width_are_tested_where_they_mean_nothing():
    """A format that says case or width means nothing must treat them so."""
    suite = Suite()
    with pytest.raises(pytest.skip.Exception):
        suite.test_case_does_not_make_another_card(Sound(), SAMPLES)
    with pytest.raises(pytest.skip.Exception):
        suite.test_width_does_not_make_another_card(Sound(), SAMPLES)
    strict = type("Strict", (CardFormatSuite,), {"ignores_case": True, "ignores_width": True})()
    with pytest.raises(AssertionError):
        strict.test_case_does_not_make_another_card(Sound(), SAMPLES)
    with pytest.raises(AssertionError):
        strict.test_width_does_not_make_another_card(Sound(), SAMPLES)


def test_the_base_runs_nothing_by_itself():
    """Only subclasses that are named as tests are collected."""
    assert CardFormatSuite.__test__ is False
    assert Suite.__test__ is False
    assert TestExempt.__test__ is True


@pytest.mark.parametrize(
    "exempt", [{"test_nothing": "reason"}, {NEEDS_FORMAT[0]: " "}, {"run": "x"}]
)
def test_an_exemption_names_a_test_and_a_reason(exempt):
    """A misspelt exemption, or one without a reason, is an error of the subclass."""
    with pytest.raises(TypeError, match="needs to be a test with a reason"):
        type("TestMine", (CardFormatSuite,), {"exempt": exempt})


class TestExempt(CardFormatSuite):
    """A format with a reason to be different."""

    exempt: ClassVar = {"test_the_example_is_a_valid_card": "the example is a picture"}

    @pytest.fixture(name="card_format")
    def _card_format(self):
        return type("Odd", (Sound,), {"example": ""})()

    @pytest.fixture(name="samples")
    def _samples(self):
        return SAMPLES


def test_the_marker_is_no_word():
    """The text that must not be quoted cannot stand in a message by chance."""
    assert MARKER.isalnum()
    assert len(MARKER) >= 10
