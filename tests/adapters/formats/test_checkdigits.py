"""Check digits of self-issued codes: known answers, and what a digit catches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.adapters.formats import checkdigits


@pytest.mark.parametrize(
    ("make", "payload", "expected"),
    [
        (checkdigits.luhn_digit, "7992739871", "3"),
        (checkdigits.luhn36_character, "ABC123XYZ", "H"),
        (checkdigits.luhn36_character, "DEMO2025", "I"),
        (checkdigits.ean13_digit, "690123456789", "2"),
        (checkdigits.mod11_2_digit, "11010519491231002", "X"),
        (checkdigits.mod97_digits, "123456789012", "44"),
        (checkdigits.crc32_digits, "ABCDE-FGHIJ", "198C526A"),
    ],
)
def test_known_answers(make, payload, expected):
    """Every algorithm gives the published digit."""
    assert make(payload) == expected


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("luhn", "79927398713"),
        ("luhn36", "ABC123XYZH"),
        ("luhn36", "demo-2025-i"),
        ("ean13", "6901234567892"),
        ("mod97", "12345678901244"),
        ("crc32", "ABCDE-FGHIJ-198C526A"),
        ("crc32", "abcde-fghij-198c526a"),
    ],
)
def test_a_wrong_digit_is_refused(name, good, check):
    """The card passes; with its last character changed it does not."""
    assert check(name, good) == ""
    wrong = good[:-1] + ("B" if good[-1] in "Aa" else "A" if name == "crc32" else "7")
    assert check(name, wrong) == "the check digit of the secret is wrong"


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("luhn", "7"),
        ("luhn", "7992-7398713"),
        ("luhn36", "A"),
        ("luhn36", "ABC--123"),
        ("ean13", "690123456789"),
        ("mod97", "12"),
        ("crc32", "198C526A"),
        ("crc32", "ABCDE-198C526G"),
    ],
)
def test_a_wrong_shape_is_refused(name, bad, check):
    """What cannot carry the digit is refused before it is computed."""
    assert check(name, bad).startswith("the secret must be ")


@given(payload=st.text("0123456789", min_size=1, max_size=30), place=st.data())
def test_luhn_catches_one_wrong_digit(payload, place):
    """Any single digit typed wrong is noticed."""
    number = payload + checkdigits.luhn_digit(payload)
    where = place.draw(st.integers(0, len(number) - 1))
    wrong = str((int(number[where]) + place.draw(st.integers(1, 9))) % 10)
    assert checkdigits.is_luhn(number)
    assert not checkdigits.is_luhn(number[:where] + wrong + number[where + 1 :])


@given(payload=st.text("0123456789", min_size=1, max_size=5000))
def test_mod97_leaves_one(payload):
    """A number with its two digits leaves 1 when divided by 97, however long it is."""
    rest = 0
    for digit in payload + checkdigits.mod97_digits(payload):
        rest = (rest * 10 + int(digit)) % 97
    assert rest == 1
