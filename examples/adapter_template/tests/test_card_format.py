"""The card format keeps every promise of `CardFormatSuite`."""

from __future__ import annotations

import pytest

from autocard.testing import CardFormatSuite
from autocard_paperplane import PaperplaneFormat


class TestPaperplane(CardFormatSuite):
    """Case and width of the characters mean nothing."""

    ignores_case = True
    ignores_width = True

    @pytest.fixture(name="card_format")
    def _card_format(self):
        return PaperplaneFormat()

    @pytest.fixture(name="samples")
    def _samples(self):
        return ["PLANE-7KQX-M2WP", "PLANE-2222-ZZZZ"]


@pytest.mark.parametrize("text", ["GLIDER-7KQX-M2WP", "PLANE-7KQX", "PLANE-7KQ0-M2WP"])
def test_what_is_wrong_is_said(text):
    """A card that Paperplane cannot have printed does not pass, and its mask shows nothing."""
    card_format = PaperplaneFormat()
    parts = card_format.parse(text, card_format.split(text))
    assert card_format.check(parts)
    assert set(card_format.mask(parts)) <= set("*-")
