"""
Check digits that a shop may put on the codes it issues itself.

None of the well-known prepaid or gift cards has a published check digit, so no product of the
catalogue uses one. Source: ISO/IEC 7812-1 (Luhn), GS1 (EAN-13), ISO/IEC 7064 (mod 11-2, mod 97-10).
"""

from __future__ import annotations

import zlib
from string import ascii_uppercase, digits
from typing import Final

_ALPHABET: Final = digits + ascii_uppercase
_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_DIGITS: Final = "10X98765432"


def _luhn(payload: str, base: int) -> str:
    """Return the Luhn check character of *payload* over the first *base* of 0-9A-Z."""
    total = 0
    for place, char in enumerate(reversed(payload)):
        value = _ALPHABET.index(char) * (1 if place % 2 else 2)
        total += value // base + value % base
    return _ALPHABET[-total % base]


def luhn_digit(payload: str) -> str:
    """Return the Luhn digit of decimal *payload*; "7992739871" gives "3"."""
    return _luhn(payload, 10)


def luhn36_character(payload: str) -> str:
    """Return the Luhn mod 36 character of *payload* (0-9A-Z); "ABC123XYZ" gives "H"."""
    return _luhn(payload, 36)


def ean13_digit(payload: str) -> str:
    """Return the EAN-13 digit of the twelve digits *payload*; "690123456789" gives "2"."""
    total = sum(int(char) * (3 if place % 2 else 1) for place, char in enumerate(payload))
    return str(-total % 10)


def mod11_2_digit(payload: str) -> str:
    """Return the last character of a Chinese identity number from its seventeen digits."""
    total = sum(int(char) * weight for char, weight in zip(payload, _ID_WEIGHTS, strict=True))
    return _ID_DIGITS[total % 11]


def mod97_digits(payload: str) -> str:
    """Return the two mod 97-10 digits of decimal *payload*; "123456789012" gives "44"."""
    rest = 0
    # One digit at a time: int() refuses texts of more than a few thousand digits.
    for char in payload + "00":
        rest = (rest * 10 + int(char)) % 97
    return f"{98 - rest:02d}"


def crc32_digits(payload: str) -> str:
    """Return the CRC-32 of ASCII *payload* as eight digits; "ABCDE-FGHIJ" gives "198C526A"."""
    return f"{zlib.crc32(payload.encode('ascii')):08X}"


def is_luhn(number: str) -> bool:
    """Say whether the last digit of *number* is its Luhn digit."""
    return luhn_digit(number[:-1]) == number[-1]


def is_luhn36(code: str) -> bool:
    """Say whether the last character of *code*, hyphens apart, is its Luhn mod 36 character."""
    compact = code.upper().replace("-", "")
    return luhn36_character(compact[:-1]) == compact[-1]


def is_ean13(number: str) -> bool:
    """Say whether the last of thirteen digits is the EAN-13 digit."""
    return ean13_digit(number[:-1]) == number[-1]


def is_mod97(number: str) -> bool:
    """Say whether the last two digits of *number* are its mod 97-10 digits."""
    return mod97_digits(number[:-2]) == number[-2:]


def is_crc32(code: str) -> bool:
    """Say whether the group after the last hyphen of *code* is the CRC-32 of what stands before."""
    payload, _, digits8 = code.upper().rpartition("-")
    return crc32_digits(payload) == digits8
