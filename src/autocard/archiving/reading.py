"""What an archive says, for hosts; and one order of it for the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import attrs

from autocard.archiving.files import records
from autocard.archiving.values import ArchivedRecord
from autocard.clock import from_ms
from autocard.errors import OrderNotFound
from autocard.model import Order
from autocard.records import OldRecord, RecordKind, StoredOrder
from autocard.vault import Vault


def archived_records(path: Path, vault: Vault) -> Iterator[ArchivedRecord]:
    """Yield the records of an archive that was looked at, opened for hosts."""
    return (_shown(record, vault) for record in records(path, vault.sealer))


def _shown(record: OldRecord, vault: Vault) -> ArchivedRecord:
    told = dict(record.columns)
    platform, order_no = told.pop("platform", None) or "", told.pop("order_no", None) or ""
    line_no = told.pop("line_no", None) or 0
    kind = str(record.kind)
    order: Order | None = None
    if record.kind is RecordKind.ORDER:
        order = vault.open_payload(platform, order_no, told["payload"])
        told = {name: told[name] for name in ("paid_at", "amount_minor", "currency")}
    elif record.kind is RecordKind.EVENT:
        told = {"kind": told["kind"], **json.loads(told["detail"])}
    return ArchivedRecord(
        kind=kind,
        id=record.id,
        at=from_ms(record.at_ms),
        platform=platform,
        order_no=order_no,
        line_no=line_no,
        detail=told,
        order=order,
    )


@attrs.frozen
class ArchivedOrder:
    """What of one order lies in an archive."""

    payload: bytes = attrs.field(repr=False)
    intents: tuple[OldRecord, ...]


def archived_order(path: Path, vault: Vault, stored: StoredOrder) -> ArchivedOrder:
    """
    Return what of *stored* lies in an archive, with what is known of its payment by now.

    Raises:
        OrderNotFound: Nothing of it does.
    """
    payload: bytes | None = None
    intents: list[OldRecord] = []
    for record in records(path, vault.sealer):
        if record.order_id != stored.id:
            continue
        if record.kind is RecordKind.ORDER:
            payload = record.columns["payload"]
        elif record.kind is RecordKind.INTENT:
            intents.append(record)
    if payload is None:
        raise OrderNotFound(f"{stored.platform}/{stored.order_no} is not in {path.name}")
    if stored.payload:  # paid since: what was bought is there, what was paid is here
        payment = vault.open_order(stored).payment
        before = vault.open_payload(stored.platform, stored.order_no, payload)
        payload = vault.seal_order(attrs.evolve(before, payment=payment))
    return ArchivedOrder(payload, tuple(intents))
