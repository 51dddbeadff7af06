"""Money: a decimal amount in one currency; whole minor units in the store; never a float."""

from __future__ import annotations

import re
from decimal import Context, Decimal, InvalidOperation
from functools import total_ordering
from typing import Any, Final, final

import attrs

# ISO 4217 currencies whose minor unit is not a hundredth.
_EXPONENTS: Final = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_AMOUNT: Final = re.compile(r"-?\d{1,15}(?:\.\d{1,4})?", re.ASCII)
_MAX_MINOR: Final = 2**63 - 1  # what a database's big integer holds
# The host may have set the precision of its own decimals to a few digits.
_EXACT: Final = Context(prec=60)


def _amount(value: Decimal | int | str) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        msg = f"an amount is a Decimal, an int or a str such as '50.00', not {type(value).__name__}"
        raise TypeError(msg)
    if isinstance(value, str) and not _AMOUNT.fullmatch(value):
        raise ValueError("an amount is written with digits and at most one dot, such as '50.00'")
    try:
        return Decimal(value)
    except InvalidOperation:  # pragma: no cover - the pattern above leaves nothing to refuse
        raise ValueError("an amount is a number") from None


@final
@total_ordering
@attrs.frozen(order=False)
class Money:
    """
    An exact amount in one currency, for instance `Money("50.00", "CNY")`.

    Args:
        amount: Decimal, int or str, in major units; no more decimals than the currency has.
        currency: ISO 4217 code, three capital letters.

    Raises:
        TypeError: The amount is a float, or another type that cannot be exact.
        ValueError: The amount has too many decimals or is too large, or the code is malformed.
    """

    amount: Decimal = attrs.field(converter=_amount)
    currency: str = attrs.field()
    minor: int = attrs.field(init=False, repr=False, eq=False)
    """The amount in whole minor units (19.99 CNY is 1999)."""

    def __attrs_post_init__(self) -> None:
        if not _CURRENCY.fullmatch(str(self.currency)):
            raise ValueError("a currency is an ISO 4217 code such as 'CNY'")
        if not self.amount.is_finite():
            raise ValueError("an amount is a finite number")
        scaled = _scaled(self.amount, exponent(self.currency))
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{self.currency} has {exponent(self.currency)} decimals, not more")
        if scaled.copy_abs() > _MAX_MINOR:
            raise ValueError("an amount this large cannot be stored")
        object.__setattr__(self, "minor", int(scaled))

    @classmethod
    def parse(cls, text: str) -> Money:
        """Return the money written as `"50.00 CNY"`; anything else raises `ValueError`."""
        amount, _, currency = text.strip().partition(" ")
        return cls(amount, currency.strip())

    @classmethod
    def from_minor(cls, minor: int, currency: str) -> Money:
        """Return *minor* units of *currency* (1999 and "CNY" are 19.99)."""
        return cls(_scaled(Decimal(minor), -exponent(currency)), currency)

    def __str__(self) -> str:
        return f"{self.amount:.{exponent(self.currency)}f} {self.currency}"

    def __add__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(_EXACT.add(self.amount, other.amount), self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(_EXACT.subtract(self.amount, other.amount), self.currency)

    def __mul__(self, factor: int) -> Money:
        if isinstance(factor, bool) or not isinstance(factor, int):
            raise TypeError("money is multiplied by whole numbers only")
        return Money(_EXACT.multiply(self.amount, Decimal(factor)), self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same_currency(other)
        return self.amount < other.amount

    def _same_currency(self, other: Any) -> None:
        if not isinstance(other, Money):
            raise TypeError(f"money goes with money, not with {type(other).__name__}")
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up")


def _scaled(amount: Decimal, places: int) -> Decimal:
    try:
        return _EXACT.scaleb(amount, places)
    except ArithmeticError:  # an exponent of thousands
        raise ValueError("an amount this large cannot be stored") from None


def exponent(currency: str) -> int:
    """Return how many decimals *currency* has (2 unless ISO 4217 says otherwise)."""
    return _EXPONENTS.get(currency, 2)
