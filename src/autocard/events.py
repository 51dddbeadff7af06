"""Events as they are written down, and as hosts hear of them."""

from __future__ import annotations

import json
from typing import Any, Final

from autocard.clock import from_ms
from autocard.model import Event, OrderId
from autocard.records import EventEntry, LineEntry, Status, StoredLine

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_quoted: Final = json.encoder.encode_basestring


def event(
    kind: str,
    at_ms: int,
    order_id: OrderId | None = None,
    line_no: int | None = None,
    **detail: Any,
) -> EventEntry:
    """Return an event to record; *detail* holds ids, names and numbers only."""
    return EventEntry(
        kind=kind, at_ms=at_ms, order_id=order_id, line_no=line_no, detail=_encode(detail)
    )


def line_event(
    order_id: OrderId, line: LineEntry | StoredLine, status: Status, at_ms: int
) -> EventEntry:
    """Return the event that *line* has *status* now."""
    detail: dict[str, str] = {}
    if status.reason:
        detail["reason"] = status.reason
    if status.why:
        detail["why"] = status.why
    # As the encoder would write it, at a tenth of its price: most lines have no more to tell.
    text = f'{{"sku":{_quoted(line.sku)},"quantity":{line.units or line.quantity:d}'
    text += f",{_encode(detail)[1:]}" if detail else "}"
    return EventEntry(
        kind=f"line.{status.outcome}",
        at_ms=at_ms,
        order_id=order_id,
        line_no=line.line_no,
        detail=text,
    )


def heard(entry: EventEntry, platform: str, order_no: str) -> Event:
    """Return a recorded event as observers hear it."""
    return Event(
        kind=entry.kind,
        at=from_ms(entry.at_ms),
        platform=platform,
        order_no=order_no,
        line_no=entry.line_no or 0,
        detail=json.loads(entry.detail),
    )
