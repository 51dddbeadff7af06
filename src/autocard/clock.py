"""Time: aware UTC datetimes outside, integer milliseconds since 1970 in the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
NEVER_MS: Final = 253_402_300_799_000
"""9999-12-31T23:59:59Z: the stored expiry of a card that does not expire."""


class Clock(Protocol):
    """Whoever tells the time. Replace it in tests."""

    def now(self) -> datetime:
        """Return the present as an aware UTC datetime."""
        ...


@final
class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the present as an aware UTC datetime."""
        return datetime.now(UTC)


def as_utc(moment: datetime, field: str) -> datetime:
    """Return *moment* in UTC; a naive one is refused with a `ValueError` that names *field*."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        msg = f"{field}: a time needs a time zone, for instance datetime.now(timezone.utc)"
        raise ValueError(msg)
    return moment.astimezone(UTC)


def to_ms(moment: datetime) -> int:
    """Return the milliseconds from 1970 to the aware *moment*."""
    return (moment - EPOCH) // _MS


def from_ms(value: int) -> datetime:
    """Return the aware UTC datetime *value* milliseconds after 1970."""
    return EPOCH + timedelta(milliseconds=value)
