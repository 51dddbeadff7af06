"""Expiry dates as card files and suppliers write them. Without a zone they are Beijing time."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from autocard.clock import EPOCH

BEIJING: Final = timezone(timedelta(hours=8))
_NEVER: Final = frozenset({"", "0", "-", "null", "none", "never", "永久", "长期", "长期有效"})
_EMPTY_YEARS: Final = ("1970-", "0000-")
_WRITTEN: Final = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[T ]\s*(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.\d{1,9})?)?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?",
    re.ASCII | re.IGNORECASE,
)
_COMPACT: Final = re.compile(r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2}))?()", re.ASCII)
_EPOCH_S: Final = re.compile(r"\d{10}", re.ASCII)
_EPOCH_MS: Final = re.compile(r"\d{13}", re.ASCII)
_UNKNOWN: Final = (
    "the expiry is not a date known here; write it like 2026-12-31 or 2026-12-31 18:00"
)


def expiry_from_text(text: str) -> datetime | None:
    """
    Return the moment *text* names, in UTC; None where it says that there is no expiry.

    A time without a zone is Beijing time. A day without a time lasts to its end (23:59:59). Ten
    digits are seconds and thirteen are milliseconds since 1970; eight are a day, fourteen a time.

    Raises:
        ValueError: It is no such text; the message does not quote it.

    Source: 福禄, 卡卡云, 91卡券, JD and others write dates, date-times, epoch seconds and the
    empty values "", 0, -, 1970-… and 0000-00-00 00:00:00.
    """
    text = unicodedata.normalize("NFKC", text).strip()
    if text.lower() in _NEVER or text.startswith(_EMPTY_YEARS):
        return None
    try:
        moment = _moment(text)
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise ValueError(_UNKNOWN)
    return moment


def _moment(text: str) -> datetime | None:
    if _EPOCH_S.fullmatch(text):
        return EPOCH + timedelta(seconds=int(text))
    if _EPOCH_MS.fullmatch(text):
        return EPOCH + timedelta(milliseconds=int(text))
    found = _WRITTEN.fullmatch(text) or _COMPACT.fullmatch(text)
    return None if found is None else _from_match(found)


def _from_match(found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second, zone = found.groups()
    moment = datetime(int(year), int(month), int(day), tzinfo=_zone(zone))
    if hour is None:
        moment = moment.replace(hour=23, minute=59, second=59)
    else:
        moment = moment.replace(hour=int(hour), minute=int(minute), second=int(second or 0))
    return moment.astimezone(UTC)


def _zone(text: str | None) -> timezone:
    if not text:
        return BEIJING
    if text in {"Z", "z"}:
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)
