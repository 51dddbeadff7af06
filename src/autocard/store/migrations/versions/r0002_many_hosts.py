"""Movements say themselves whether they are rolled up, so that writers need not take turns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from autocard.store.migrations.making import index

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Mark what was rolled up until a moment as rolled up."""
    bind = op.get_bind()
    there = {column["name"] for column in sa.inspect(bind).get_columns("autocard_movements")}
    if "folded" not in there:  # a start that was cut off may have come this far
        op.add_column(
            "autocard_movements",
            sa.Column("folded", sa.Boolean(), server_default=sa.false(), nullable=False),
        )
    index(
        "autocard_movements_open",
        "autocard_movements",
        ["id"],
        "folded = FALSE",
        mysql=["folded", "id"],
    )
    movements = sa.table("autocard_movements", sa.column("id"), sa.column("folded"))
    meta = sa.table("autocard_meta", sa.column("name"), sa.column("value"))
    rolled_up = bind.scalar(sa.select(meta.c.value).where(meta.c.name == "rolled_up"))
    if rolled_up is not None:
        op.execute(
            movements.update().where(movements.c.id <= int(rolled_up)).values(folded=sa.true())
        )
        op.execute(meta.delete().where(meta.c.name == "rolled_up"))
