"""The conformance suite for card formats: subclass it, give it samples, run pytest."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autocard.spi import CardFormat, CardParts
from autocard.testing.suite import Suite

MARKER: Final = "Zq7XkW93Vj"
"""An invented text that no message contains by chance."""
_FILL: Final = frozenset("*•…· -_")
_MOST_SHOWN: Final = 4
_TELLING: Final = 8
# What C0 has without the blanks that surround lines, and what follows it.
_CONTROLS: Final = ("\x00", "\x07", "\x08", "\x1b", "\x7f")
_BLANKS: Final = (" {} ", "\t{}\r", "\u3000{}\u00a0", "\ufeff{}\u200b")

# Cards as they come: letters and digits, what separates them, and any other text at all.
_PIECES: Final = st.text(alphabet="AZaz019 -_|,:/\t\x1f║：｜，＃ＡＺ９—\u200b卡密", max_size=24)
_TEXTS: Final = st.one_of(st.text(max_size=60), _PIECES)
_EACH: Final = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


class CardFormatSuite(Suite):
    """
    What every card format must do. Subclass it with a name that begins with `Test`.

    Give two fixtures:

    - `card_format`: the format;
    - `samples`: a list of invented texts, each one valid card.

    Name their functions alike, such as `samples`, or `_samples` with `name="samples"`: pytest takes
    the fixtures of a class in the order of their functions, and another name may lose to ours.

    Set `ignores_case` where upper and lower case are the same card, and `ignores_width` where
    full-width characters mean the ASCII ones.
    """

    ignores_case: ClassVar[bool] = False
    ignores_width: ClassVar[bool] = False

    # --- fixtures ---------------------------------------------------------------------------

    @pytest.fixture(name="card_format")
    def _0_card_format(self) -> CardFormat:
        pytest.fail(
            "the suite needs a fixture 'card_format', a function named _card_format, with the format"
        )

    @pytest.fixture(name="samples")
    def _0_samples(self) -> Sequence[str]:
        pytest.fail(
            "the suite needs a fixture 'samples', a function named _samples, with texts of cards"
        )

    @pytest.fixture(autouse=True)
    def _skip_exempt(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", request.node.name)
        if name in self.exempt:
            pytest.skip(f"exempt: {self.exempt[name]}")

    # --- what a format says of itself -------------------------------------------------------

    def test_it_is_named_for_the_configuration(self, card_format: CardFormat) -> None:
        """The name is lower-case with hyphens; the title is one line."""
        assert card_format.name.replace("-", "").isalnum()
        assert card_format.name == card_format.name.lower()
        assert card_format.title.strip()
        assert card_format.title.isprintable()

    def test_the_example_is_a_valid_card(self, card_format: CardFormat) -> None:
        """The example passes its own check."""
        assert card_format.check(_read(card_format, card_format.example)) == ""

    # --- samples ----------------------------------------------------------------------------

    def test_samples_are_valid_cards(self, card_format: CardFormat, samples: Sequence[str]) -> None:
        """Every sample parses, passes the check and can be rendered; its text is kept."""
        assert samples, "give at least one valid card in the fixture 'samples'"
        for parts, text in _cards(card_format, samples):
            assert card_format.check(parts) == ""
            assert parts.text == text
            assert card_format.render(parts)

    def test_different_samples_have_different_normal_forms(
        self, card_format: CardFormat, samples: Sequence[str]
    ) -> None:
        """Two cards never count as one."""
        forms = [card_format.normalise(parts) for parts, _ in _cards(card_format, samples)]
        assert len(set(forms)) == len(set(samples))

    def test_blanks_around_a_card_do_not_make_another_card(
        self, card_format: CardFormat, samples: Sequence[str]
    ) -> None:
        """Spaces, tabs, carriage returns, wide and zero-width blanks at both ends are nothing."""
        for parts, text in _cards(card_format, samples):
            for blanks in _BLANKS:
                other = _read(card_format, blanks.format(text))
                assert card_format.normalise(other) == card_format.normalise(parts)

    def test_case_does_not_make_another_card(
        self, card_format: CardFormat, samples: Sequence[str]
    ) -> None:
        """Where case means nothing, both cases have one normal form and pass the check."""
        if not self.ignores_case:
            pytest.skip("upper and lower case are different cards here")
        _assert_same(card_format, samples, str.lower)
        _assert_same(card_format, samples, str.upper)

    def test_width_does_not_make_another_card(
        self, card_format: CardFormat, samples: Sequence[str]
    ) -> None:
        """Where full-width characters mean ASCII ones, they are the same card."""
        if not self.ignores_width:
            pytest.skip("full-width characters are characters of their own here")
        _assert_same(card_format, samples, _widened)

    def test_control_characters_are_refused(
        self, card_format: CardFormat, samples: Sequence[str]
    ) -> None:
        """A card with a control character inside its secret does not pass."""
        for parts, text in _cards(card_format, samples):
            middle = parts.secret[: len(parts.secret) // 2 + 1]
            for control in _CONTROLS:
                spoilt = text.replace(middle, middle + control)
                if spoilt != text:
                    assert _problem(card_format, spoilt)

    def test_a_mask_shows_at_most_four_characters(
        self, card_format: CardFormat, samples: Sequence[str]
    ) -> None:
        """Apart from stars, dots, hyphens and spaces, four characters are all one sees."""
        for parts, _ in _cards(card_format, samples):
            _assert_masked(card_format, parts)

    def test_representations_show_no_card(
        self, card_format: CardFormat, samples: Sequence[str]
    ) -> None:
        """Neither the format nor the parts of a card show it in their `repr`."""
        for parts, _ in _cards(card_format, samples):
            shown = repr(parts) + str(parts) + repr(card_format)
            pieces = (parts.text, parts.secret, parts.number)
            # A short piece may stand in a memory address by chance.
            assert not any(piece in shown for piece in pieces if len(piece) >= _TELLING)

    # --- any text ---------------------------------------------------------------------------

    def test_any_text_is_a_card_or_a_value_error(self, card_format: CardFormat) -> None:
        """Splitting never fails; parsing gives a card that keeps its text, or a `ValueError`."""

        def reads(text: str) -> None:
            pieces = card_format.split(text)
            assert isinstance(pieces, tuple)
            assert all(isinstance(piece, str) for piece in pieces)
            parts = _parsed(card_format, text, pieces)
            if parts is not None:
                assert parts.text == text
                assert isinstance(card_format.check(parts), str)
                assert isinstance(card_format.render(parts), str)

        _for_any_text(reads)

    def test_any_pieces_are_a_card_or_a_value_error(self, card_format: CardFormat) -> None:
        """The cells of a row may be as many as they like."""

        @_EACH
        @given(pieces=st.lists(_TEXTS, max_size=5).map(tuple))
        def reads(pieces: tuple[str, ...]) -> None:
            parts = _parsed(card_format, "----".join(pieces), pieces)
            if parts is not None:
                assert isinstance(card_format.check(parts), str)
                assert isinstance(card_format.normalise(parts), str)

        reads()

    def test_a_normal_form_is_its_own_normal_form(
        self, card_format: CardFormat, samples: Sequence[str]
    ) -> None:
        """Normalising a normal form changes nothing."""

        def settles(text: str) -> None:
            parts = _parsed(card_format, text, card_format.split(text))
            if parts is None:
                return
            form = card_format.normalise(parts)
            again = _parsed(card_format, form, card_format.split(form))
            assert again is None or card_format.normalise(again) == form

        for sample in samples:
            settles(sample)
        _for_any_text(settles)

    def test_any_mask_shows_at_most_four_characters(self, card_format: CardFormat) -> None:
        """That holds for broken cards too, and no short card is shown whole."""

        def masks(text: str) -> None:
            parts = _parsed(card_format, text, card_format.split(text))
            if parts is not None:
                _assert_masked(card_format, parts)

        _for_any_text(masks)

    def test_messages_never_quote_the_card(
        self, card_format: CardFormat, samples: Sequence[str]
    ) -> None:
        """What is wrong is said in words; errors, their causes and notes hold no piece of it."""

        def says(text: str) -> None:
            for said in _messages(card_format, text):
                assert MARKER.lower() not in said.lower()

        for sample in samples:
            says(sample + MARKER)
        _for_any_text(lambda text: says(MARKER + text))
        _for_any_text(lambda text: says(text + MARKER))


def _read(card_format: CardFormat, text: str) -> CardParts:
    return card_format.parse(text, card_format.split(text))


def _parsed(card_format: CardFormat, text: str, pieces: tuple[str, ...]) -> CardParts | None:
    try:
        return card_format.parse(text, pieces)
    except ValueError:
        return None


def _problem(card_format: CardFormat, text: str) -> str:
    parts = _parsed(card_format, text, card_format.split(text))
    return "there is no card" if parts is None else card_format.check(parts)


def _cards(card_format: CardFormat, samples: Sequence[str]) -> Iterator[tuple[CardParts, str]]:
    return ((_read(card_format, text), text) for text in samples)


def _for_any_text(claim: Callable[[str], None]) -> None:
    """Try *claim* on many texts; a nested test, because fixtures live longer than one text."""

    @_EACH
    @given(text=_TEXTS)
    def holds(text: str) -> None:
        claim(text)

    holds()


def _assert_same(
    card_format: CardFormat, samples: Sequence[str], rewrite: Callable[[str], str]
) -> None:
    for parts, text in _cards(card_format, samples):
        other = _read(card_format, rewrite(text))
        assert card_format.normalise(other) == card_format.normalise(parts)
        assert card_format.check(other) == ""


def _widened(text: str) -> str:
    """Return *text* with every printable ASCII character at full width."""
    wide = "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)
    assert unicodedata.normalize("NFKC", wide) == unicodedata.normalize("NFKC", text)
    return wide.replace(" ", "\u3000")


def _assert_masked(card_format: CardFormat, parts: CardParts) -> None:
    mask = card_format.mask(parts)
    shown = [char for char in mask if char not in _FILL]
    assert len(shown) <= _MOST_SHOWN, "a mask shows at most four characters, and * for the rest"
    assert not shown or len(shown) < len(parts.number + parts.secret), (
        "a short card is not shown at all"
    )
    assert mask.isprintable(), "a mask is for one line of a list"


def _messages(card_format: CardFormat, text: str) -> Iterator[str]:
    """Yield all that is said about *text*: by the check, or by an error and its relatives."""
    try:
        yield card_format.check(_read(card_format, text))
    except ValueError as error:
        relatives: list[BaseException | None] = [error]
        while relatives:
            one = relatives.pop()
            if one is not None:
                yield f"{one!r} {one} {getattr(one, '__notes__', '')}"
                relatives += (one.__cause__, one.__context__)
