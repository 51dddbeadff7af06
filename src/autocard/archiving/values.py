"""What hosts see of archives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from autocard.clock import from_ms
from autocard.model import Order
from autocard.records import ArchiveState, StoredArchive


@attrs.frozen(kw_only=True)
class Archive:
    """One file of old records: what it holds, who made it, and how to recognise it."""

    name: str
    made_at: datetime
    by: str
    why: str = ""
    before: datetime
    """What happened before this moment was looked for."""
    since: datetime
    """When the oldest of its records happened."""
    until: datetime
    """When the newest of its records happened."""
    orders: int = 0
    """Payloads of orders; the orders themselves stay in the store, with their lines and cards."""
    intents: int = 0
    events: int = 0
    movements: int = 0
    size: int
    """Bytes of the file."""
    sha256: str
    """Of the whole file, as `sha256sum` prints it."""
    is_finished: bool
    """Whether everything in it has left the store; otherwise archive again to go on."""

    @property
    def total(self) -> int:
        """How many records it holds."""
        return self.orders + self.intents + self.events + self.movements


@attrs.frozen(kw_only=True)
class ArchiveReport:
    """What one run of `ledger.archive` did."""

    archives: tuple[Archive, ...] = ()
    """Those it made, and those it finished for a run that did not come to its end."""
    cleared: int = 0
    """Records that left the store. Fewer than were written when an order moved on meanwhile."""

    @property
    def total(self) -> int:
        """How many records the archives hold; 0 means that nothing was old enough."""
        return sum(archive.total for archive in self.archives)


@attrs.frozen(kw_only=True)
class ArchivedRecord:
    """One record of an archive."""

    kind: str
    """`order`, `intent`, `event` or `movement`."""
    id: int
    at: datetime
    platform: str = ""
    order_no: str = ""
    line_no: int = 0
    detail: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    """Ids, names, states and numbers, never a card."""
    order: Order | None = attrs.field(default=None, repr=False, hash=False)
    """Of an `order`: all that was known of it, with the buyer's contact."""


def archive_of(stored: StoredArchive) -> Archive:
    """Return an archive whose file is complete as hosts see it."""
    assert stored.sha256 is not None
    assert stored.since_ms is not None
    assert stored.until_ms is not None
    return Archive(
        name=stored.name,
        made_at=from_ms(stored.made_ms),
        by=stored.by,
        why=stored.why,
        before=from_ms(stored.before_ms),
        since=from_ms(stored.since_ms),
        until=from_ms(stored.until_ms),
        orders=stored.orders,
        intents=stored.intents,
        events=stored.events,
        movements=stored.movements,
        size=stored.size,
        sha256=stored.sha256.hex(),
        is_finished=stored.state is ArchiveState.DONE,
    )
