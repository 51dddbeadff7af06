"""Old records leave for archives; orders say in which one their payload is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from autocard.store.migrations.making import ID, digest, table

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the list of archives, and the column that names one."""
    there = {x["name"] for x in sa.inspect(op.get_bind()).get_columns("autocard_orders")}
    if "archive" not in there:  # a start that was cut off may have come this far
        op.add_column("autocard_orders", sa.Column("archive", sa.String(length=64)))
    table(
        "autocard_archives",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("replaces", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("before_at", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(length=128), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("since_at", sa.BigInteger()),
        sa.Column("until_at", sa.BigInteger()),
        sa.Column("orders", sa.BigInteger(), nullable=False),
        sa.Column("intents", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("movements", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("cleared", sa.BigInteger(), nullable=False),
        sa.Column("sha256", digest(32)),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
