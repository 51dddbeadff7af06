"""What the engine returns, as JSON values. Cards stay ids unless they are to be revealed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from autocard.bargain import Offer
from autocard.codec import order_to_json
from autocard.importing.report import ImportReport, ReportRow, RowVerdict
from autocard.model import Batch, Card, CardRecord, Event, LineReceipt, Receipt, StockLevel
from autocard.money import Money
from autocard.states import Outcome

if TYPE_CHECKING:
    from autocard.archiving.values import Archive, ArchivedRecord
    from autocard.desks.ledger import VerifyReport
    from autocard.desks.review import HeldOrder
    from autocard.desks.supply import PurchaseReport, SupplierReport
    from autocard.engine import CheckReport
    from autocard.restocking import Restock
    from autocard.resuming import ResumeReport
    from autocard.syncing import SyncReport


def moment(value: datetime | None) -> str | None:
    """Return *value* as ISO 8601 in UTC; None stays None."""
    return None if value is None else value.isoformat().replace("+00:00", "Z")


def price(value: Money | None) -> str | None:
    """Return *value* such as `46.50 CNY`; None stays None."""
    return None if value is None else str(value)


def receipt_json(receipt: Receipt, *, reveal: bool) -> dict[str, Any]:
    """
    Return *receipt*.

    Secrets: with *reveal* it holds the cards in plaintext.
    """
    return {
        "platform": receipt.platform,
        "order_no": receipt.order_no,
        "outcome": str(receipt.outcome),
        "replayed": receipt.replayed,
        "lines": [line_json(line, reveal=reveal) for line in receipt.lines],
    }


def line_json(line: LineReceipt, *, reveal: bool) -> dict[str, Any]:
    """Return one line of a receipt; see `receipt_json`."""
    return {
        "line_no": line.line_no,
        "item": line.item,
        "sku": line.sku,
        "quantity": line.quantity,
        "outcome": str(line.outcome),
        "reason": str(line.reason),
        "why": line.why,
        "cards": [card_json(card, reveal=reveal) for card in line.cards],
    }


def card_json(card: Card, *, reveal: bool) -> dict[str, Any]:
    """Return the id and expiry of *card*; its text and parts only with *reveal*."""
    shape: dict[str, Any] = {"id": card.id, "expires_at": moment(card.expires_at)}
    if not reveal:
        return shape
    return {
        **shape,
        "number": card.number,
        "secret": card.secret.reveal(),
        "extra": {name: value.reveal() for name, value in card.extra.items()},
        "text": card.text().reveal(),
    }


def needs_attention(receipt: Receipt) -> bool:
    """Say whether the engine or a person still has to do something about the order."""
    return receipt.outcome in (Outcome.PENDING, Outcome.HELD)


def report_json(report: ImportReport, file: str) -> dict[str, Any]:
    """Return what became of *file*: counts and the first rows that were not added."""
    return {
        "file": file,
        "sku": report.sku,
        "warehouse": report.warehouse,
        "format": report.format,
        "batch": report.batch,
        "detected": report.detected,
        "dry_run": report.dry_run,
        "rows": report.total,
        **{str(verdict): getattr(report, verdict) for verdict in RowVerdict},
        "problems": [row_json(row) for row in report.problems],
    }


def row_json(row: ReportRow) -> dict[str, Any]:
    """Return what became of one row; `shown` is a masked card."""
    return {
        "line": row.line,
        "verdict": str(row.verdict),
        "why": row.why,
        "shown": row.shown,
        "file": row.file,
    }


def stock_json(level: StockLevel) -> dict[str, Any]:
    """Return a stock level."""
    return attrs.asdict(level)


def batch_json(batch: Batch) -> dict[str, Any]:
    """Return a batch with its provenance."""
    return {
        **attrs.asdict(batch, filter=attrs.filters.exclude("cost", "imported_at")),
        "cost": None if batch.cost is None else str(batch.cost),
        "imported_at": moment(batch.imported_at),
    }


def record_json(record: CardRecord) -> dict[str, Any]:
    """Return what is known of a card without opening its seal."""
    return {
        **attrs.asdict(record, filter=attrs.filters.exclude("expires_at")),
        "state": str(record.state),
        "expires_at": moment(record.expires_at),
    }


def event_json(event: Event) -> dict[str, Any]:
    """Return an event."""
    return {
        "id": event.id,
        "kind": event.kind,
        "at": moment(event.at),
        "platform": event.platform,
        "order_no": event.order_no,
        "line_no": event.line_no,
        "detail": dict(event.detail),
    }


def resent_json(line_no: int, event: Event | None) -> dict[str, Any]:
    """Return what came of one try to send a line again; *event* is None while nothing is known."""
    detail = {} if event is None else event.detail
    return {
        "line_no": line_no,
        "route": detail.get("route", ""),
        "outcome": "waiting" if event is None else event.kind.partition(".")[2],
        "problem": detail.get("problem", ""),
    }


def held_json(order: HeldOrder) -> dict[str, Any]:
    """Return an order that waits for a person."""
    return {
        "platform": order.platform,
        "order_no": order.order_no,
        "accepted_at": moment(order.accepted_at),
        "paid": None if order.paid is None else str(order.paid),
        "lines": [line_json(line, reveal=False) for line in order.lines],
    }


def check_json(report: CheckReport) -> dict[str, Any]:
    """Return what was checked and whether it is well."""
    return {
        "ok": report.ok,
        "items": [{"name": x.name, "ok": x.ok, "detail": x.detail} for x in report.items],
    }


def resume_json(report: ResumeReport) -> dict[str, Any]:
    """Return what one pass did."""
    return attrs.asdict(report)


def offer_json(offer: Offer, units: int) -> dict[str, Any]:
    """Return an offer; *units* is how many of those that are wanted one purchase can bring."""
    shape = attrs.asdict(offer, recurse=False)
    return {**shape, "price": price(offer.price), "cost": price(offer.cost), "units": units}


def purchase_json(purchase: PurchaseReport) -> dict[str, Any]:
    """Return a purchase."""
    return {
        **attrs.asdict(purchase, recurse=False),
        "state": str(purchase.state),
        "price": price(purchase.price),
        "cost": price(purchase.cost),
        "begun_at": moment(purchase.begun_at),
        "changed_at": moment(purchase.changed_at),
    }


def supplier_json(report: SupplierReport) -> dict[str, Any]:
    """Return how things stand with a supplier."""
    return {
        **attrs.asdict(report, recurse=False),
        "balance": price(report.balance),
        "balance_at": moment(report.balance_at),
        "spent_today": price(report.spent_today),
        "paused_until": moment(report.paused_until),
    }


def sync_json(report: SyncReport) -> dict[str, Any]:
    """Return what one look at a supplier found."""
    return {**attrs.asdict(report, recurse=False), "balance": price(report.balance)}


def restock_json(restock: Restock) -> dict[str, Any]:
    """Return one look at the stock of a sku."""
    return attrs.asdict(restock)


def verify_json(report: VerifyReport) -> dict[str, Any]:
    """Return whether the books agree, and every fault."""
    return {"ok": report.ok, **attrs.asdict(report)}


def archive_json(archive: Archive) -> dict[str, Any]:
    """Return an archive with what recognises it."""
    times = ("made_at", "before", "since", "until")
    return {
        **attrs.asdict(archive, filter=attrs.filters.exclude(*times)),
        **{name: moment(getattr(archive, name)) for name in times},
    }


def archived_json(record: ArchivedRecord, *, reveal: bool) -> dict[str, Any]:
    """
    Return one record of an archive.

    Secrets: with *reveal* an order comes with what its buyer wrote.
    """
    shape = {
        "kind": record.kind,
        "id": record.id,
        "at": moment(record.at),
        "platform": record.platform,
        "order_no": record.order_no,
        "line_no": record.line_no,
        "detail": dict(record.detail),
    }
    if not reveal or record.order is None:
        return shape
    return {**shape, "order": order_to_json(record.order)}
