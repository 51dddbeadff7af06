"""From one cell's text to a value. Pure; messages say what is wrong and never quote the cell."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timezone
from typing import Final

from autocard.adapters.order_file.options import zone_from_offset
from autocard.spi import Money

_UNIT: Final = re.compile(r"\([^()]*\)$")
_BETWEEN: Final = re.compile(r"[\s_.-]+")
_SHORTENED: Final = re.compile(r"[0-9](?:\.[0-9]+)?E\+[0-9]{2,3}")
_AMOUNT: Final = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,15})(?:\.[0-9]{1,4})?")
_WHOLE: Final = re.compile(r"[0-9]{1,9}(?:\.0+)?")
_TIME: Final = re.compile(
    r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?"
    r"(?:(?:[T\s]\s*|(?<=日))([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]{1,9})?)?)?"
    r"\s*(Z|[+-][0-9]{2}:?[0-9]{2})?"
)


def heading_from_text(text: str) -> str:
    """Return *text* as headings are compared: no case, width, blanks or unit in brackets."""
    plain = unicodedata.normalize("NFKC", text).strip().casefold()
    return _BETWEEN.sub("", _UNIT.sub("", plain))


def name_from_text(text: str) -> str:
    """Return *text* unless a spreadsheet has cut it to something like 1.23E+15."""
    if _SHORTENED.fullmatch(text):
        raise ValueError(
            "a spreadsheet has shortened this number; format the column as text and export again"
        )
    return text


def money_from_text(text: str, currency: str) -> Money:
    """Return the exact amount that *text* writes, such as `1,234.50` or `¥9.90`."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if currency == "CNY":
        plain = plain.removeprefix("¥").removesuffix("元").strip()
    if not _AMOUNT.fullmatch(plain):
        raise ValueError("an amount is written like 1234.50, without another currency sign")
    return Money(plain.replace(",", ""), currency)


def currency_from_text(text: str) -> str:
    """Return the ISO 4217 code that *text* holds."""
    code = unicodedata.normalize("NFKC", text).strip().upper()
    return Money(0, "CNY" if code in {"人民币", "RMB"} else code).currency


def quantity_from_text(text: str) -> int:
    """Return the whole number that *text* writes."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if not _WHOLE.fullmatch(plain):
        raise ValueError("a quantity is a whole number such as 2")
    return int(plain.partition(".")[0])


def time_from_text(text: str, zone: timezone) -> datetime:
    """Return the time that *text* writes; one without an offset is in *zone*."""
    plain = unicodedata.normalize("NFKC", text).strip()
    found = _TIME.fullmatch(plain)
    if found is None:
        raise ValueError("a time is written like 2026-11-22 18:30:00")
    numbers = [int(part or 0) for part in found.groups()[:6]]
    try:
        return datetime(
            numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5],
            tzinfo=_zone(found[7], zone),
        )  # fmt: skip
    except ValueError:
        raise ValueError("there is no such day, time or offset") from None


def _zone(text: str | None, zone: timezone) -> timezone:
    if text is None:
        return zone
    if text == "Z":
        return UTC
    return zone_from_offset(text if ":" in text else f"{text[:3]}:{text[3:]}")
