"""Money is exact, whatever happens to the decimals of the host."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard import Money
from autocard.money import exponent

CURRENCIES = st.sampled_from(["CNY", "JPY", "KWD", "CLF", "XYZ"])
MINOR = st.integers(-(2**63) + 1, 2**63 - 1)


@pytest.mark.parametrize("amount", [50.0, 1e3, True, None, b"1", [1]])
def test_what_cannot_be_exact_is_refused(amount):
    """Floats above all, and everything that is no Decimal, int or str."""
    with pytest.raises(TypeError, match="an amount is"):
        Money(amount, "CNY")


@pytest.mark.parametrize(
    "amount",
    [
        "", " 1", "1 ", "1e3", "1,00", "NaN", "Infinity", "--1", "+1", "1.", ".5", "\uff11", "0.001",
        Decimal("NaN"), Decimal("Infinity"), Decimal("1E+99"), Decimal("1E+999999"),
        Decimal("1E-999999"), Decimal(1).scaleb(-3), 2**63,
    ],
)  # fmt: skip
def test_odd_amounts_are_refused(amount):
    """Not a plain number, too fine for the currency, or too large for a database."""
    with pytest.raises(ValueError, match=r"amount|decimals"):
        Money(amount, "CNY")


@pytest.mark.parametrize("currency", ["", "cny", "CN", "CNYX", "C1Y", "\uff23NY", 5])
def test_a_currency_is_three_capitals(currency):
    """Anything else is refused."""
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(1, currency)


@given(MINOR, CURRENCIES)
def test_minor_units_come_back(minor, currency):
    """What the store holds and what people read are the same amount."""
    money = Money.from_minor(minor, currency)
    assert money.minor == minor
    if len(str(minor).lstrip("-")) <= 15:
        assert Money.parse(str(money)) == money


@given(MINOR, MINOR, st.integers(1, 6))
def test_the_precision_of_the_host_does_not_matter(one, other, digits):
    """A host that computes with few digits gets the same money, or the same refusal."""

    def results():
        for compute in (
            lambda: Money.from_minor(one, "CNY").minor,
            lambda: Money.from_minor(one, "CNY") + Money.from_minor(other, "CNY"),
            lambda: Money.from_minor(one, "CNY") - Money.from_minor(other, "CNY"),
            lambda: Money.from_minor(one, "CNY") * 9_999,
            lambda: str(Money.from_minor(one, "CNY")),
        ):
            try:
                yield compute()
            except ValueError:
                yield None

    usual = list(results())
    with decimal.localcontext() as context:
        context.prec = digits
        assert list(results()) == usual


def test_currencies_do_not_mix():
    """Neither in sums nor in comparisons; and money goes with money only."""
    yuan, yen = Money("1.00", "CNY"), Money("1", "JPY")
    for compute in (lambda: yuan + yen, lambda: yuan - yen, lambda: yuan < yen):
        with pytest.raises(ValueError, match="CNY and JPY"):
            compute()
    with pytest.raises(TypeError, match="not with int"):
        _ = yuan + 1
    with pytest.raises(TypeError, match="whole numbers"):
        _ = yuan * 1.5
    assert yuan != yen


def test_iso_4217_decimals():
    """Two decimals unless the standard says otherwise."""
    assert [exponent(x) for x in ("CNY", "JPY", "KWD", "CLF")] == [2, 0, 3, 4]
    with pytest.raises(ValueError, match="JPY has 0 decimals"):
        Money("1.5", "JPY")
