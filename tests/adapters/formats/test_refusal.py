"""Payment cards, wallet phrases and identity numbers are refused by every format."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.adapters.formats import card_formats
from autocard.adapters.formats.checkdigits import luhn_digit, mod11_2_digit
from autocard.adapters.formats.refusal import refused

PHRASE = "legal winner thank year wave sausage worth useful legal winner thank yellow"
IDENTITY = "11010519491231002X"
PAYMENT_CARD = "4111111111111111----12/27----123"
NAMES = [card_format.name for card_format in card_formats()]


@pytest.mark.parametrize(
    "text",
    [
        PAYMENT_CARD,
        "4111111111111111|12|2027|123",
        "4111 1111 1111 1111 12/27 123",
        "4111-1111-1111-1111,12/2027,1234",
        "name----378282246310005----0128----1234",
        "４１１１１１１１１１１１１１１１——12／27——123",
    ],
)
def test_a_payment_card_is_refused(text):
    """A card number that passes Luhn, with expiry and security code, is PCI data."""
    assert "payment card" in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112----12/27----123",
        "4111111111111111",
        "4111111111111111----12/27",
        "4111111111111111----13/27----123",
        "4111111111111111----12/27----12",
        "1000000000000016----2000000000000016",
    ],
)
def test_what_only_resembles_a_payment_card_is_not(text):
    """A wrong check digit, or a missing expiry or code, is no payment card."""
    assert refused(text) == ""


@pytest.mark.parametrize(
    "text",
    [IDENTITY, IDENTITY.lower(), f"name----{IDENTITY}", f"身份证：{IDENTITY}", "１" + IDENTITY[1:]],
)
def test_an_identity_number_is_refused(text):
    """A Chinese identity number with a right last character is personal data."""
    assert "identity number" in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "110105194912310021",
        "11010519491331002X",
        "11010517491231002X",
        "A" + IDENTITY,
        IDENTITY + "0",
        "01010519491231002X",
    ],
)
def test_what_only_resembles_an_identity_number_is_not(text):
    """A wrong last character, date or length is no identity number."""
    assert refused(text) == ""


def test_cards_of_eighteen_digits_are_no_identity_numbers(check):
    """One in some fifty thousand of these cards reads as an identity number; it is a card."""
    body = "11010519491231003"
    secret = body + mod11_2_digit(body)
    assert secret.isdigit()
    assert check("cmcc", f"12345678901234567----{secret}") == ""
    assert check("ctcc", f"1234567890123456789----{secret}") == ""
    assert "identity number" in check("opaque", secret)


@pytest.mark.parametrize(
    "text",
    [
        PHRASE,
        PHRASE.upper(),
        PHRASE.replace(" ", ", "),
        f"mnemonic: {PHRASE}",
        f"{PHRASE} " + " ".join(PHRASE.split()[:3]),
        f"{PHRASE} {PHRASE}",
    ],
)
def test_a_wallet_phrase_is_refused(text):
    """Twelve to twenty-four short words, in the numbers that wallets use."""
    assert "recovery phrase" in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        " ".join(PHRASE.split()[:11]),
        f"{PHRASE} again",
        "Go to the shop, ask for the card, and write it down on a bit of paper or in a book",
    ],
)
def test_sentences_are_not_wallet_phrases(text):
    """Another number of words, or words too short or long, is text."""
    assert refused(text) == ""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", [PAYMENT_CARD, PHRASE, IDENTITY])
def test_every_format_refuses_them(name, text, formats):
    """No format lets one of them through, with the reason or for want of its own layout."""
    card_format = formats[name]
    try:
        parts = card_format.parse(text, card_format.split(text))
    except ValueError:
        return
    problem = card_format.check(parts)
    if not (text == IDENTITY and name in {"cmcc", "ctcc"}):
        assert re.search("payment card|recovery phrase|identity number", problem)
    assert problem


@given(
    body=st.text("0123456789", min_size=12, max_size=18),
    month=st.integers(1, 12),
    year=st.integers(24, 40),
    code=st.text("0123456789", min_size=3, max_size=4),
    mark=st.sampled_from(["----", "|", ",", ":", "\t", " | "]),
)
def test_any_payment_card_is_refused(body, month, year, code, mark):
    """Whatever the number, date, code and separator."""
    number = "4" + body[:-1]
    number += luhn_digit(number)
    assert "payment card" in refused(mark.join((number, f"{month:02d}/{year}", code)))


@given(text=st.text())
def test_any_text_can_be_asked_about(text):
    """The question never fails, and the answer never quotes."""
    assert isinstance(refused(text), str)
