"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa

from autocard.store.migrations.making import ID, SEALED, digest, index, plain_index, table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table of the first release."""
    table(
        "autocard_batches",
        sa.Column("id", ID, nullable=False),
        sa.Column("warehouse_id", ID, nullable=False),
        sa.Column("format", sa.String(length=64), nullable=False),
        sa.Column("supplier", sa.String(length=128), nullable=False),
        sa.Column("cost_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("provenance", sa.Text(), nullable=False),
        sa.Column("imported_by", sa.String(length=128), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("undone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    table(
        "autocard_cards",
        sa.Column("id", ID, nullable=False),
        sa.Column("warehouse_id", ID, nullable=False),
        sa.Column("batch_id", ID, nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", digest(16), nullable=True),
        sa.Column("sealed", SEALED, nullable=False),
        sa.Column("order_id", ID, nullable=True),
        sa.Column("line_no", sa.Integer(), nullable=True),
        sa.Column("uses", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("fingerprint"),
    )
    index(
        "autocard_cards_batch",
        "autocard_cards",
        ["batch_id", "expires_at", "id"],
        "state = 'available'",
        mysql=["batch_id", "state", "expires_at", "id"],
    )
    index("autocard_cards_line", "autocard_cards", ["order_id"], "order_id IS NOT NULL")
    index(
        "autocard_cards_take",
        "autocard_cards",
        ["warehouse_id", "expires_at", "id"],
        "state = 'available'",
        mysql=["warehouse_id", "state", "expires_at", "id"],
    )
    table(
        "autocard_data_keys",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("purpose", sa.String(length=24), nullable=False),
        sa.Column("keyring_id", sa.String(length=64), nullable=False),
        sa.Column("wrapped", SEALED, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    table(
        "autocard_events",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("order_id", ID, nullable=True),
        sa.Column("line_no", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    index("autocard_events_order", "autocard_events", ["order_id"], "order_id IS NOT NULL")
    table(
        "autocard_intents",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("order_id", ID, nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("route", sa.String(length=80), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("remote", sa.String(length=255), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("reference"),
    )
    index(
        "autocard_intents_due",
        "autocard_intents",
        ["due_at"],
        "state IN ('due', 'sending', 'unknown')",
        mysql=["state", "due_at"],
    )
    plain_index("autocard_intents_line", "autocard_intents", ["order_id", "line_no"])
    table(
        "autocard_levels",
        sa.Column("warehouse_id", ID, autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("warehouse_id", "state"),
    )
    table(
        "autocard_lines",
        sa.Column("order_id", ID, autoincrement=False, nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("item", sa.String(length=512), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("sku", sa.String(length=128), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("sources", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", "line_no"),
        sqlite_with_rowid=False,
    )
    index(
        "autocard_lines_doubted",
        "autocard_lines",
        ["order_id"],
        "outcome = 'pending' AND reason = 'unconfirmed'",
        mysql=["outcome", "reason", "order_id"],
    )
    index(
        "autocard_lines_open", "autocard_lines", ["outcome", "order_id"], "outcome <> 'delivered'"
    )
    index(
        "autocard_lines_waiting",
        "autocard_lines",
        ["sku", "order_id"],
        "outcome = 'pending' AND reason IN ('short', 'manual')",
        mysql=["sku", "outcome", "reason", "order_id"],
    )
    table(
        "autocard_meta",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    table(
        "autocard_movements",
        sa.Column("id", ID, nullable=False),
        sa.Column("warehouse_id", ID, nullable=False),
        sa.Column("origin", sa.String(length=24), nullable=False),
        sa.Column("target", sa.String(length=24), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=24), nullable=False),
        sa.Column("cause_id", ID, nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    table(
        "autocard_orders",
        sa.Column("id", ID, nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("order_no", sa.String(length=128), nullable=False),
        sa.Column("digest", digest(32), nullable=True),
        sa.Column("payload", SEALED, nullable=False),
        sa.Column("buyer", digest(16), nullable=True),
        sa.Column("contact", digest(16), nullable=True),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("paid_at", sa.BigInteger(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("reserved_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("platform", "order_no"),
    )
    index("autocard_orders_buyer", "autocard_orders", ["buyer", "accepted_at"], "buyer IS NOT NULL")
    index(
        "autocard_orders_contact",
        "autocard_orders",
        ["contact", "accepted_at"],
        "contact IS NOT NULL",
    )
    index(
        "autocard_orders_lineless",
        "autocard_orders",
        ["id"],
        "digest IS NULL",
        mysql=["digest", "id"],
    )
    index(
        "autocard_orders_reserved",
        "autocard_orders",
        ["reserved_until"],
        "reserved_until IS NOT NULL",
    )
    table(
        "autocard_shares",
        sa.Column("order_id", ID, autoincrement=False, nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("card_id", ID, autoincrement=False, nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("sku", sa.String(length=128), nullable=False),
        sa.Column("buyer", digest(16), nullable=True),
        sa.PrimaryKeyConstraint("order_id", "line_no", "card_id"),
    )
    plain_index("autocard_shares_buyer", "autocard_shares", ["buyer", "sku"])
    table(
        "autocard_warehouses",
        sa.Column("id", ID, nullable=False),
        sa.Column("sku", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sku", "name"),
    )
