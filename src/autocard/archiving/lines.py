"""Records as lines of JSON, and back. What is sealed or keyed in the store stays so, in base64."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final

from autocard.errors import SealError
from autocard.model import OrderId
from autocard.records import OldRecord, RecordKind

HEAD: Final = "archive"
END: Final = "end"
"""What the first and the last line are, beside records."""

_BYTES: Final = frozenset({"digest", "payload", "buyer", "contact"})
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def line_of(record: OldRecord) -> bytes:
    """Return *record* as one line."""
    told = {name: _json(name, value) for name, value in record.columns.items()}
    return told_line(
        str(record.kind), {"id": record.id, "at": record.at_ms, "order": record.order_id, **told}
    )


def told_line(what: str, told: Mapping[str, Any]) -> bytes:
    """Return one line that says *what* it is first."""
    return _encode([what, told]).encode("utf-8", "surrogatepass") + b"\n"


def read_line(line: bytes) -> tuple[str, dict[str, Any]]:
    """Return what a line is and says."""
    what, told = json.loads(line)
    return what, told


def record_of(what: str, told: dict[str, Any]) -> OldRecord:
    """Return the record that a line says."""
    try:
        kind = RecordKind(what)
    except ValueError:
        raise SealError(f"an archive of a newer autocard: it holds {what!r}") from None
    number, at_ms, order = told.pop("id"), told.pop("at"), told.pop("order")
    return OldRecord(
        kind=kind,
        id=number,
        at_ms=at_ms,
        order_id=None if order is None else OrderId(order),
        columns={name: _value(name, value) for name, value in told.items()},
    )


def _json(name: str, value: Any) -> Any:
    return b64encode(value).decode() if name in _BYTES and value is not None else value


def _value(name: str, value: Any) -> Any:
    return b64decode(value) if name in _BYTES and value is not None else value
