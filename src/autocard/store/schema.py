"""The tables, once, for every dialect. Migrations must arrive at exactly this."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql as types

PREFIX: Final = "autocard_"
REVISIONS: Final = ("0001", "0002", "0003", "0004")
"""Every migration this version of autocard knows, oldest first."""
REVISION: Final = REVISIONS[-1]

metadata: Final = sa.MetaData()

# Enumerated words are short and stored as such; SQLite needs INTEGER for a row id.
_Word = sa.String(24)
_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_Ms = sa.BigInteger


_MYSQL: Final = ("mysql", "mariadb")
_Sealed = sa.LargeBinary().with_variant(types.MEDIUMBLOB(), *_MYSQL)


def _digest(size: int) -> sa.types.TypeEngine[bytes]:
    return sa.LargeBinary(size).with_variant(types.VARBINARY(size), *_MYSQL)


def _table(name: str, *items: Any, **options: Any) -> sa.Table[Any]:
    return sa.Table(PREFIX + name, metadata, *items, **options)


def _index(
    name: str,
    *columns: sa.Column[Any],
    where: sa.TextClause,
    mysql: tuple[sa.Column[Any], ...] = (),
) -> None:
    """An index of the rows that *where* holds of; where there is none such, one that leads there."""
    _partial_index(name, *columns, where=where)
    whole = sa.Index(f"{PREFIX}{name}_all", *(mysql or columns))
    whole.ddl_if(callable_=lambda *_, dialect, **__: dialect.name in _MYSQL)


def _partial_index(name: str, *columns: sa.Column[Any], where: sa.TextClause) -> None:
    """An index of the rows that *where* holds of, where there are such."""
    partial = sa.Index(PREFIX + name, *columns, sqlite_where=where, postgresql_where=where)
    partial.ddl_if(callable_=lambda *_, dialect, **__: dialect.name not in _MYSQL)


meta = _table(
    "meta",
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False),
)

data_keys = _table(
    "data_keys",
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("purpose", _Word, nullable=False),
    sa.Column("keyring_id", sa.String(64), nullable=False),
    sa.Column("wrapped", _Sealed, nullable=False),
    sa.Column("created_at", _Ms, nullable=False),
)

warehouses = _table(
    "warehouses",
    sa.Column("id", _Id, primary_key=True),
    sa.Column("sku", sa.String(128), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.UniqueConstraint("sku", "name"),
)

batches = _table(
    "batches",
    sa.Column("id", _Id, primary_key=True),
    sa.Column("warehouse_id", _Id, nullable=False),
    sa.Column("format", sa.String(64), nullable=False),
    sa.Column("supplier", sa.String(128), nullable=False),
    sa.Column("cost_minor", sa.BigInteger),
    sa.Column("currency", sa.String(3)),
    sa.Column("provenance", sa.Text, nullable=False),
    sa.Column("imported_by", sa.String(128), nullable=False),
    sa.Column("imported_at", _Ms, nullable=False),
    sa.Column("added", sa.BigInteger, nullable=False),
    sa.Column("undone", sa.Boolean, nullable=False),
)

AVAILABLE: Final = sa.text("state = 'available'")
"""To be said word for word by a look that is to use an index of available cards."""

cards = _table(
    "cards",
    sa.Column("id", _Id, primary_key=True),
    sa.Column("warehouse_id", _Id, nullable=False),
    sa.Column("batch_id", _Id, nullable=False),
    sa.Column("state", _Word, nullable=False),
    sa.Column("expires_at", _Ms, nullable=False),
    sa.Column("fingerprint", _digest(16), unique=True),  # NULL once a batch was undone
    sa.Column("sealed", _Sealed, nullable=False),
    sa.Column("order_id", _Id),
    sa.Column("line_no", sa.Integer),
    sa.Column("uses", sa.Integer, nullable=False, server_default=sa.text("0")),
)
# The take walks this index from its head and never sees a sold card.
_index(
    "cards_take", cards.c.warehouse_id, cards.c.expires_at, cards.c.id,
    where=AVAILABLE,
    mysql=(cards.c.warehouse_id, cards.c.state, cards.c.expires_at, cards.c.id),
)  # fmt: skip
_index(
    "cards_batch", cards.c.batch_id, cards.c.expires_at, cards.c.id,
    where=AVAILABLE,
    mysql=(cards.c.batch_id, cards.c.state, cards.c.expires_at, cards.c.id),
)  # fmt: skip
_index(
    "cards_line", cards.c.order_id,
    where=sa.text("order_id IS NOT NULL"),
)  # fmt: skip

orders = _table(
    "orders",
    sa.Column("id", _Id, primary_key=True),
    sa.Column("platform", sa.String(64), nullable=False),
    sa.Column("order_no", sa.String(128), nullable=False),
    sa.Column("digest", _digest(32)),  # NULL: paid, but its lines are not known yet
    sa.Column("payload", _Sealed, nullable=False),
    sa.Column("buyer", _digest(16)),
    sa.Column("contact", _digest(16)),
    sa.Column("accepted_at", _Ms, nullable=False),
    sa.Column("paid_at", _Ms),
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("currency", sa.String(3)),
    sa.Column("reserved_until", _Ms),
    sa.Column("archive", sa.String(64)),  # where the payload went; NULL while it is here
    sa.UniqueConstraint("platform", "order_no"),
)
_index(
    "orders_buyer", orders.c.buyer, orders.c.accepted_at,
    where=sa.text("buyer IS NOT NULL"),
)  # fmt: skip
_index(
    "orders_contact", orders.c.contact, orders.c.accepted_at,
    where=sa.text("contact IS NOT NULL"),
)  # fmt: skip
_index(
    "orders_reserved", orders.c.reserved_until,
    where=sa.text("reserved_until IS NOT NULL"),
)  # fmt: skip
_LINELESS: Final = sa.text("digest IS NULL")
_index(
    "orders_lineless", orders.c.id,
    where=_LINELESS,
    mysql=(orders.c.digest, orders.c.id),
)  # fmt: skip

lines = _table(
    "lines",
    sa.Column("order_id", _Id, primary_key=True, autoincrement=False),
    sa.Column("line_no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("item", sa.String(512), nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("sku", sa.String(128), nullable=False),
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("sources", sa.Text, nullable=False),
    sa.Column("outcome", _Word, nullable=False),
    sa.Column("reason", _Word, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("changed_at", _Ms, nullable=False),
    sqlite_with_rowid=False,
)
_WAITING: Final = sa.text("outcome = 'pending' AND reason IN ('short', 'manual')")
_index(
    "lines_waiting", lines.c.sku, lines.c.order_id,
    where=_WAITING,
    mysql=(lines.c.sku, lines.c.outcome, lines.c.reason, lines.c.order_id),
)  # fmt: skip
OPEN: Final = sa.text("outcome <> 'delivered'")
"""To be said word for word by a look that is to use the index of open lines."""
_index(
    "lines_open", lines.c.outcome, lines.c.order_id,
    where=OPEN,
)  # fmt: skip

DOUBTED: Final = sa.text("outcome = 'pending' AND reason = 'unconfirmed'")
"""To be said word for word by a look for orders whose platform is to be asked again."""
_index(
    "lines_doubted", lines.c.order_id,
    where=DOUBTED,
    mysql=(lines.c.outcome, lines.c.reason, lines.c.order_id),
)  # fmt: skip

shares = _table(
    "shares",
    sa.Column("order_id", _Id, primary_key=True, autoincrement=False),
    sa.Column("line_no", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("card_id", _Id, primary_key=True, autoincrement=False),
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("sku", sa.String(128), nullable=False),
    sa.Column("buyer", _digest(16)),
)
sa.Index(PREFIX + "shares_buyer", shares.c.buyer, shares.c.sku)

intents = _table(
    "intents",
    sa.Column("id", _Id, primary_key=True),
    sa.Column("kind", _Word, nullable=False),
    sa.Column("order_id", _Id, nullable=False),
    sa.Column("line_no", sa.Integer, nullable=False),
    sa.Column("route", sa.String(80), nullable=False),
    sa.Column("reference", sa.String(64), nullable=False, unique=True),
    sa.Column("state", _Word, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", _Ms, nullable=False),
    sa.Column("created_at", _Ms, nullable=False),
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("currency", sa.String(3)),
    sa.Column("remote", sa.String(255), nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
)
_UNDONE: Final = sa.text("state IN ('due', 'sending', 'unknown')")
_index(
    "intents_due", intents.c.due_at,
    where=_UNDONE,
    mysql=(intents.c.state, intents.c.due_at),
)  # fmt: skip
sa.Index(PREFIX + "intents_line", intents.c.order_id, intents.c.line_no)

movements = _table(
    "movements",
    sa.Column("id", _Id, primary_key=True),
    sa.Column("warehouse_id", _Id, nullable=False),
    sa.Column("origin", _Word, nullable=False),  # "" is outside the warehouse
    sa.Column("target", _Word, nullable=False),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("cause", _Word, nullable=False),
    sa.Column("cause_id", _Id),
    sa.Column("at", _Ms, nullable=False),
    sa.Column("folded", sa.Boolean, nullable=False, server_default=sa.false()),
)
UNFOLDED: Final = sa.text("folded = FALSE")
"""What is not yet in the levels. Ids are no guide: a lower one may be committed later."""
_index(
    "movements_open", movements.c.id,
    where=UNFOLDED,
    mysql=(movements.c.folded, movements.c.id),
)  # fmt: skip

levels = _table(
    "levels",
    sa.Column("warehouse_id", _Id, primary_key=True, autoincrement=False),
    sa.Column("state", _Word, primary_key=True),
    sa.Column("quantity", sa.BigInteger, nullable=False),
)

events = _table(
    "events",
    sa.Column("id", _Id, primary_key=True),
    sa.Column("kind", sa.String(48), nullable=False),
    sa.Column("at", _Ms, nullable=False),
    sa.Column("order_id", _Id),
    sa.Column("line_no", sa.Integer),
    sa.Column("detail", sa.Text, nullable=False),
)
_index(
    "events_order", events.c.order_id,
    where=sa.text("order_id IS NOT NULL"),
)  # fmt: skip
# MariaDB finds these by the index above, which holds all events there.
_partial_index("events_loose", events.c.id, where=sa.text("order_id IS NULL"))

archives = _table(
    "archives",
    sa.Column("id", _Id, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("replaces", sa.String(64), nullable=False),
    sa.Column("state", _Word, nullable=False),
    sa.Column("before_at", _Ms, nullable=False),
    sa.Column("made_at", _Ms, nullable=False),
    sa.Column("made_by", sa.String(128), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("since_at", _Ms),
    sa.Column("until_at", _Ms),
    sa.Column("orders", sa.BigInteger, nullable=False),
    sa.Column("intents", sa.BigInteger, nullable=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("movements", sa.BigInteger, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("cleared", sa.BigInteger, nullable=False),
    sa.Column("sha256", _digest(32)),
)

purchases = _table(
    "purchases",
    sa.Column("id", _Id, primary_key=True),
    sa.Column("reference", sa.String(64), nullable=False, unique=True),
    # The need while the purchase is open, NULL once it is over: a second open purchase for one
    # need is refused by the database itself.
    sa.Column("slot", sa.String(255), unique=True),
    sa.Column("need", sa.String(255), nullable=False),
    sa.Column("supplier", sa.String(64), nullable=False),
    sa.Column("sku", sa.String(128), nullable=False),
    sa.Column("item", sa.String(512), nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("order_id", _Id),
    sa.Column("line_no", sa.Integer),
    sa.Column("warehouse", sa.String(64), nullable=False),
    sa.Column("price_minor", sa.BigInteger, nullable=False),
    sa.Column("ceiling_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("worth_minor", sa.BigInteger, nullable=False),
    sa.Column("state", _Word, nullable=False),
    sa.Column("created_at", _Ms, nullable=False),
    sa.Column("due_at", _Ms, nullable=False),
    sa.Column("lease_until", _Ms),  # NULL: nobody works on it
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("misses", sa.Integer, nullable=False),
    sa.Column("remote", sa.String(255), nullable=False),
    sa.Column("arrived", sa.Integer, nullable=False),
    sa.Column("cost_minor", sa.BigInteger),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("changed_at", _Ms, nullable=False),
)
_index(
    "purchases_due", purchases.c.due_at,
    where=sa.text("state IN ('due', 'sending', 'unknown', 'accepted')"),
    mysql=(purchases.c.state, purchases.c.due_at),
)  # fmt: skip
UNFINISHED: Final = sa.text("slot IS NOT NULL")
"""To be said word for word by a look that is to use the index of open purchases."""
_index(
    "purchases_open", purchases.c.state, purchases.c.id,
    where=UNFINISHED,
)  # fmt: skip
_index(
    "purchases_owned", purchases.c.supplier, purchases.c.lease_until,
    where=sa.text("lease_until IS NOT NULL"),
)  # fmt: skip
_index(
    "purchases_order", purchases.c.order_id,
    where=sa.text("order_id IS NOT NULL"),
)  # fmt: skip
sa.Index(PREFIX + "purchases_remote", purchases.c.supplier, purchases.c.remote)
sa.Index(PREFIX + "purchases_need", purchases.c.need)

suppliers = _table(
    "suppliers",
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("day", sa.Integer, nullable=False),
    sa.Column("spent_minor", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("pauses", sa.Integer, nullable=False),
    sa.Column("paused_until", _Ms, nullable=False),
    sa.Column("balance_minor", sa.BigInteger),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("balance_at", _Ms, nullable=False),
    sa.Column("is_low", sa.Boolean, nullable=False),
    sa.Column("looked_at", _Ms, nullable=False),
    sa.Column("served", sa.Double, nullable=False),
    sa.Column("asked", sa.Double, nullable=False),
    sa.Column("took_ms", sa.Double, nullable=False),
)

offers = _table(
    "offers",
    sa.Column("supplier", sa.String(64), primary_key=True),
    sa.Column("sku", sa.String(128), primary_key=True),
    sa.Column("item", sa.String(512), nullable=False),
    sa.Column("price_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("available", sa.BigInteger),
    sa.Column("on_sale", sa.Boolean, nullable=False),
    sa.Column("seen_at", _Ms, nullable=False),
)

sales = _table(
    "sales",
    sa.Column("warehouse_id", _Id, primary_key=True, autoincrement=False),
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("quantity", sa.BigInteger, nullable=False),
)
"""How many cards were sold by warehouse and day (UTC, since 1970), as far as it is rolled up."""
