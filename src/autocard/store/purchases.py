"""Looks at purchases, suppliers and sales that are not hot, and the audit of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from autocard.model import OrderId
from autocard.records import OfferRecord, StoredPurchase, SupplierRecord
from autocard.states import FINAL, CardState, Outcome, PurchaseState, Reason
from autocard.store.rows import stored_purchase, supplier_record
from autocard.store.schema import (
    PREFIX,
    UNFINISHED,
    UNFOLDED,
    lines,
    movements,
    offers,
    purchases,
    sales,
    suppliers,
    warehouses,
)
from autocard.store.statements import PURCHASE_COLUMNS, SUPPLIER_COLUMNS

DAY_MS: Final = 86_400_000
UNSOLD: Final = (CardState.AVAILABLE, CardState.RESERVED)
SOLD: Final = (CardState.ISSUED, CardState.DELIVERED)
"""A movement from the first of these to the second is a sale."""


def _columns(table: sa.Table[Any], names: str) -> list[sa.Column[Any]]:
    return [table.c[name] for name in names.split(", ")]


def newest_purchases(
    connection: sa.Connection,
    state: PurchaseState | None,
    supplier: str | None,
    order_id: OrderId | None,
    need: str | None,
    limit: int,
) -> list[StoredPurchase]:
    """Return the newest purchases that fit."""
    wanted = {"state": state, "supplier": supplier, "order_id": order_id, "need": need}
    query = (
        sa.select(*_columns(purchases, PURCHASE_COLUMNS))
        .where(*(purchases.c[x] == value for x, value in wanted.items() if value is not None))
        .order_by(purchases.c.id.desc())
        .limit(limit)
    )
    if state is not None and state not in FINAL:
        query = query.where(UNFINISHED)
    return [stored_purchase(row) for row in connection.execute(query)]


def all_suppliers(connection: sa.Connection) -> list[SupplierRecord]:
    """Return what is known of suppliers, by name."""
    rows = connection.execute(sa.select(*_columns(suppliers, SUPPLIER_COLUMNS)))
    return sorted(map(supplier_record, rows), key=lambda record: record.name)


def all_offers(connection: sa.Connection, supplier: str | None) -> list[OfferRecord]:
    """Return the last offers, by supplier and sku."""
    query = sa.select(offers)
    if supplier is not None:
        query = query.where(offers.c.supplier == supplier)
    found = [
        OfferRecord(
            supplier=row.supplier,
            sku=row.sku,
            item=row.item,
            price_minor=row.price_minor,
            currency=row.currency,
            available=row.available,
            on_sale=bool(row.on_sale),
            seen_ms=row.seen_at,
        )
        for row in connection.execute(query)
    ]
    return sorted(found, key=lambda offer: (offer.supplier, offer.sku))


def sold(connection: sa.Connection, sku: str, since_day: int) -> dict[tuple[str, int], int]:
    """Return what was sold of a sku by warehouse and day: what is rolled up and what is not yet."""
    counts: Counter[tuple[str, int]] = Counter()
    rolled = sa.select(warehouses.c.name, sales.c.day, sales.c.quantity).where(
        sales.c.warehouse_id == warehouses.c.id,
        sales.c.day >= since_day,
        warehouses.c.sku == sku,
    )
    moved = sa.select(warehouses.c.name, movements.c.at, movements.c.quantity).where(
        UNFOLDED,
        movements.c.warehouse_id == warehouses.c.id,
        movements.c.origin.in_(UNSOLD),
        movements.c.target.in_(SOLD),
        movements.c.at >= since_day * DAY_MS,
        warehouses.c.sku == sku,
    )
    for name in ("mysql", "mariadb"):  # they count rows that were just rolled up, and walk all
        moved = moved.with_hint(movements, f"FORCE INDEX ({PREFIX}movements_open_all)", name)
    for name, day, quantity in connection.execute(rolled):
        counts[name, day] += quantity
    for name, at_ms, quantity in connection.execute(moved):
        counts[name, at_ms // DAY_MS] += quantity
    return dict(counts)


# --- the audit ------------------------------------------------------------------------------

_WAITS: Final = (
    (Outcome.PENDING, Reason.BUYING),
    (Outcome.HELD, Reason.UNKNOWN_PURCHASE),
    (Outcome.HELD, Reason.SUPPLY),
)
"""What a line may be while a purchase for it goes on."""
_ASKED: Final = (PurchaseState.HELD, PurchaseState.UNKNOWN, PurchaseState.ACCEPTED)
"""A person decides, or has it looked up: the line may have been served or ended otherwise."""


def purchase_faults(connection: sa.Connection) -> Sequence[str]:
    """Compare open purchases with the lines that they are for, and with the needs they hold."""
    return [
        *_lines_without_purchase(connection),
        *_purchases_without_line(connection),
        *_wrong_slots(connection),
    ]


def _lines_without_purchase(connection: sa.Connection) -> Sequence[str]:
    going = sa.select(purchases.c.need).where(purchases.c.state.not_in(FINAL))
    needs = set(connection.scalars(going))
    buying = sa.select(lines.c.order_id, lines.c.line_no).where(
        lines.c.outcome == Outcome.PENDING, lines.c.reason == Reason.BUYING
    )
    return [
        f"order {order_id} line {no} is being bought, and no purchase for it is open"
        for order_id, no in connection.execute(buying)
        if f"line:{order_id}/{no}" not in needs
    ]


def _purchases_without_line(connection: sa.Connection) -> Sequence[str]:
    query = (
        sa.select(purchases.c.reference, lines.c.outcome, lines.c.reason)
        .outerjoin(
            lines,
            sa.and_(
                lines.c.order_id == purchases.c.order_id, lines.c.line_no == purchases.c.line_no
            ),
        )
        .where(purchases.c.state.not_in((*FINAL, *_ASKED)), purchases.c.order_id.is_not(None))
    )
    return [
        f"purchase {reference} goes on, and its line does not wait for it"
        for reference, outcome, reason in connection.execute(query)
        if (outcome, reason) not in _WAITS
    ]


def _wrong_slots(connection: sa.Connection) -> Sequence[str]:
    """An open purchase holds its need, so that it is not bought twice; one that is over does not."""
    is_over = purchases.c.state.in_(FINAL)
    freed = sa.select(purchases.c.reference).where(
        ~is_over, sa.or_(purchases.c.slot.is_(None), purchases.c.slot != purchases.c.need)
    )
    kept = sa.select(purchases.c.reference).where(is_over, purchases.c.slot.is_not(None))
    return [
        f"purchase {x} is open and does not hold its need" for x in connection.scalars(freed)
    ] + [f"purchase {x} is over and still holds its need" for x in connection.scalars(kept)]
