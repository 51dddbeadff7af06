"""Cards are bought from suppliers; what was sold is counted by the day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from autocard.store.migrations.making import ID, index, partial_index, plain_index, table

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_DAY_MS = 86_400_000


def upgrade() -> None:
    """Make the tables of buying, and count what was sold before as far as it is known."""
    _make_purchases()
    table(
        "autocard_suppliers",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("spent_minor", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("pauses", sa.Integer(), nullable=False),
        sa.Column("paused_until", sa.BigInteger(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger()),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("balance_at", sa.BigInteger(), nullable=False),
        sa.Column("is_low", sa.Boolean(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.Column("served", sa.Double(), nullable=False),
        sa.Column("asked", sa.Double(), nullable=False),
        sa.Column("took_ms", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    table(
        "autocard_offers",
        sa.Column("supplier", sa.String(length=64), nullable=False),
        sa.Column("sku", sa.String(length=128), nullable=False),
        sa.Column("item", sa.String(length=512), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("available", sa.BigInteger()),
        sa.Column("on_sale", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("supplier", "sku"),
    )
    table(
        "autocard_sales",
        sa.Column("warehouse_id", ID, autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("warehouse_id", "day"),
    )
    _count_sales()


def _make_purchases() -> None:
    table(
        "autocard_purchases",
        sa.Column("id", ID, nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("slot", sa.String(length=255)),
        sa.Column("need", sa.String(length=255), nullable=False),
        sa.Column("supplier", sa.String(length=64), nullable=False),
        sa.Column("sku", sa.String(length=128), nullable=False),
        sa.Column("item", sa.String(length=512), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("order_id", ID),
        sa.Column("line_no", sa.Integer()),
        sa.Column("warehouse", sa.String(length=64), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("ceiling_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("worth_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("misses", sa.Integer(), nullable=False),
        sa.Column("remote", sa.String(length=255), nullable=False),
        sa.Column("arrived", sa.Integer(), nullable=False),
        sa.Column("cost_minor", sa.BigInteger()),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("reference"),
        sa.UniqueConstraint("slot"),
    )
    on = "autocard_purchases"
    index(
        "autocard_purchases_due",
        on,
        ["due_at"],
        "state IN ('due', 'sending', 'unknown', 'accepted')",
        mysql=["state", "due_at"],
    )
    index("autocard_purchases_owned", on, ["supplier", "lease_until"], "lease_until IS NOT NULL")
    index("autocard_purchases_open", on, ["state", "id"], "slot IS NOT NULL")
    index("autocard_purchases_order", on, ["order_id"], "order_id IS NOT NULL")
    plain_index("autocard_purchases_remote", on, ["supplier", "remote"])
    plain_index("autocard_purchases_need", on, ["need"])
    partial_index("autocard_events_loose", "autocard_events", ["id"], "order_id IS NULL")


def _count_sales() -> None:
    """Count the movements that were rolled up by an older release; the others are still to be."""
    movements = sa.table(
        "autocard_movements",
        *map(sa.column, ("warehouse_id", "origin", "target", "folded")),
        sa.column("quantity", sa.BigInteger()),
        sa.column("at", sa.BigInteger()),
    )
    sales = sa.table("autocard_sales", *map(sa.column, ("warehouse_id", "day", "quantity")))
    day = movements.c.at // sa.literal_column(str(_DAY_MS), sa.BigInteger())
    sold = (
        sa.select(movements.c.warehouse_id, day, sa.func.sum(movements.c.quantity))
        .where(
            movements.c.folded.is_(sa.true()),
            movements.c.origin.in_(("available", "reserved")),
            movements.c.target.in_(("issued", "delivered")),
        )
        .group_by(movements.c.warehouse_id, day)
    )
    op.execute(sales.delete())  # a start that was cut off may have come this far
    op.execute(sales.insert().from_select(["warehouse_id", "day", "quantity"], sold))
