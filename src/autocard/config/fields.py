"""What the fields of settings have in common: their help, their checks, their errors."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from autocard.errors import ConfigurationError
from autocard.money import Money

Check = Callable[[Any, "attrs.Attribute[Any]", Any], None]

UNWRITTEN: Final = "unwritten"
"""Metadata of a field that no configuration may write."""
MINUTES_A_DAY: Final = 1440
_MOST: Final = 2**53  # what every reader of numbers agrees about
_RATE: Final = re.compile(r"\d{1,12}(\.\d{1,12})?", re.ASCII)
TARGETS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "phone": r"1[3-9][0-9]{9}",
        "qq": r"[1-9][0-9]{4,11}",
        "email": r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+",
        "digits": r"[0-9]+",
    }
)
"""What a target of each kind looks like, as a regular expression for all of it."""
_HOURS: Final = re.compile(r"([0-2]\d):([0-5]\d)-([0-2]\d):([0-5]\d)", re.ASCII)


class Wrong(ValueError):
    """A value is not what was expected; the message does not quote it."""


class SettingError(ConfigurationError):
    """One field has a value that cannot be; `field` names it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def __reduce__(self) -> tuple[type[SettingError], tuple[str, str]]:
        return type(self), (self.field, self.problem)


def about(sentence: str) -> dict[str, str]:
    """Return the metadata that carries *sentence* to the reference page."""
    return {"help": sentence}


def within(least: float, most: float = _MOST) -> Check:
    """Return a check that a number, when given, lies from *least* to *most*."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if value is not None and not least <= value <= most:
            span = f"{least} or more" if most == _MOST else f"{least} to {most}"
            raise SettingError(attribute.name, f"must be {span}")

    return check


def not_negative(_: Any, attribute: attrs.Attribute[Any], value: Money | None) -> None:
    """Check that an amount, when given, is 0 or more."""
    if value is not None and value.amount < 0:
        raise SettingError(attribute.name, "must not be negative")


def not_empty(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Check that a text or list, when given, is not empty."""
    if value is not None and not value:
        raise SettingError(attribute.name, "must not be empty")


def in_order(low: str, high: str, settings: Any) -> None:
    """Check that the field *high*, when both are given, does not lie before the field *low*."""
    first, last = getattr(settings, low), getattr(settings, high)
    if first is None or last is None:
        return
    if isinstance(first, Money) and first.currency != last.currency:
        raise SettingError(high, f"must have the currency of {low}")
    if last < first:
        raise SettingError(high, f"must not lie before {low.rstrip('_')}")


def parse_hours(text: str) -> tuple[int, int]:
    """
    Return the minutes since midnight of `"22:00-06:00"`: (1320, 360).

    Raises:
        ValueError: It is not two times of day, or both are the same.
    """
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError('must look like "09:00-18:00" or "22:00-06:00"')
    hour, minute, last_hour, last_minute = (int(part) for part in found.groups())
    start, end = hour * 60 + minute, last_hour * 60 + last_minute
    if start >= MINUTES_A_DAY or end > MINUTES_A_DAY:
        raise ValueError("must lie between 00:00 and 24:00")
    if start == end:
        raise ValueError("must begin and end at different times; leave it out for the whole day")
    return start, end


def check_hours(_: Any, attribute: attrs.Attribute[Any], value: str | None) -> None:
    """Check that a text, when given, is a span of hours."""
    if value is None:
        return
    try:
        parse_hours(value)
    except ValueError as error:
        raise SettingError(attribute.name, str(error)) from None


def check_zone(_: Any, attribute: attrs.Attribute[Any], value: str) -> None:
    """Check that a text names a time zone that this machine knows."""
    try:
        ZoneInfo(value)
    except (LookupError, ValueError, OSError):
        raise SettingError(
            attribute.name,
            'must be a time zone such as "Asia/Shanghai"; where the system has no time zones, '
            "install the package tzdata",
        ) from None


def check_currency(_: Any, attribute: attrs.Attribute[Any], value: str) -> None:
    """Check that a text is a currency code."""
    try:
        Money(0, value)
    except ValueError:
        raise SettingError(attribute.name, 'must be an ISO 4217 code such as "CNY"') from None


def check_rate(_: Any, attribute: attrs.Attribute[Any], value: str | None) -> None:
    """Check that a text, when given, is a positive decimal number."""
    if value is not None and not (_RATE.fullmatch(value) and Decimal(value)):
        raise SettingError(attribute.name, 'must be a positive number in quotes, such as "7.85"')


def check_target(_: Any, attribute: attrs.Attribute[Any], value: str | None) -> None:
    """Check that a text, when given, says what a target has to look like."""
    if value is None or value in TARGETS:
        return
    kind, _colon, pattern = value.partition(":")
    if kind != "pattern" or not pattern:
        raise SettingError(attribute.name, f"must be {', '.join(TARGETS)} or pattern:EXPRESSION")
    try:
        re.compile(pattern)
    except re.error as error:
        raise SettingError(attribute.name, f"is not a regular expression: {error.msg}") from None


def check_entries(_: Any, attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    """Check that each entry says whether it is a buyer, a contact or an address."""
    for entry in value:
        kind, _colon, rest = entry.partition(":")
        if kind not in {"buyer", "contact", "ip"} or not rest.strip():
            raise SettingError(
                attribute.name, 'takes "buyer:ID", "contact:TEXT" and "ip:ADDRESS or NETWORK"'
            )
        if kind == "ip":
            _check_network(attribute.name, rest)


def _check_network(field: str, text: str) -> None:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise SettingError(
            field, 'has an "ip:" entry that is no address and no network such as 203.0.113.0/24'
        ) from None
