"""Looks at the store that are not hot: written with SQLAlchemy, for every dialect."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from autocard.clock import NEVER_MS, from_ms
from autocard.model import (
    Batch,
    BatchId,
    CardId,
    CardRecord,
    Event,
    History,
    OrderId,
    StockLevel,
)
from autocard.money import Money
from autocard.records import SealedCard, WrappedKey
from autocard.states import CardState, IntentState, Outcome, Reason
from autocard.store.purchases import purchase_faults
from autocard.store.schema import (
    AVAILABLE,
    DOUBTED,
    OPEN,
    PREFIX,
    UNFOLDED,
    archives,
    batches,
    cards,
    data_keys,
    events,
    intents,
    levels,
    lines,
    movements,
    orders,
    purchases,
    shares,
    warehouses,
)

_HOUR_MS = 3_600_000


def stock(connection: sa.Connection, sku: str | None) -> list[StockLevel]:
    """Return the rolled-up levels plus the movements since."""
    return stock_and_rest(connection, sku)[0]


def stock_and_rest(
    connection: sa.Connection,
    sku: str | None,
    settings: Sequence[str] = (),
    alive_at_ms: int | None = None,
) -> tuple[list[StockLevel], int]:
    """
    Return exact levels, and how many movements were not rolled up yet.

    With *alive_at_ms* the available cards that expire by then are left out.
    """
    for setting in settings:
        connection.exec_driver_sql(setting)
    counts: defaultdict[tuple[str, str], defaultdict[str, int]]
    counts = defaultdict(lambda: defaultdict(int))
    only = sa.true() if sku is None else warehouses.c.sku == sku
    shelf = (warehouses.c.sku, warehouses.c.name)
    for found in connection.execute(sa.select(*shelf).where(only)):
        counts[found.sku, found.name]["available"] += 0
    rolled = sa.select(*shelf, levels.c.state, levels.c.quantity).where(
        levels.c.warehouse_id == warehouses.c.id, only
    )
    for row in connection.execute(rolled):
        counts[row.sku, row.name][row.state] += row.quantity
    moved = (
        sa.select(
            *shelf,
            movements.c.origin,
            movements.c.target,
            sa.func.sum(movements.c.quantity),
            sa.func.count(),
        )
        .where(
            UNFOLDED,
            movements.c.warehouse_id == warehouses.c.id,
            only,
        )
        .group_by(*shelf, movements.c.origin, movements.c.target)
    )
    for name in ("mysql", "mariadb"):  # they count rows that were just rolled up, and walk all
        moved = moved.with_hint(movements, f"FORCE INDEX ({PREFIX}movements_open_all)", name)
    unfolded = 0
    for sku_name, name, origin, target, quantity, rows in connection.execute(moved):
        unfolded += rows
        counts[sku_name, name][origin] -= int(quantity)
        counts[sku_name, name][target] += int(quantity)
    if alive_at_ms is not None:
        for row in connection.execute(sa.select(warehouses).where(only)).all():
            expiring = _expiring(connection, row.id, alive_at_ms)
            counts[row.sku, row.name]["available"] -= expiring
    levels_now = [
        StockLevel(sku=key[0], warehouse=key[1], **{str(s): by_state[s] for s in CardState})
        for key, by_state in sorted(counts.items())
    ]
    return levels_now, unfolded


def _expiring(connection: sa.Connection, warehouse_id: int, alive_at_ms: int) -> int:
    """
    Return how many available cards of a warehouse expire by then; they lead the index of the take.

    Asked for one warehouse at a time: joined to it, MariaDB walks over all of its cards.
    """
    query = sa.select(sa.func.count()).where(
        AVAILABLE, cards.c.warehouse_id == warehouse_id, cards.c.expires_at <= alive_at_ms
    )
    return connection.scalar(query) or 0


def history(
    connection: sa.Connection, buyer: bytes, platform: str, order_no: str, now_ms: int
) -> History:
    """Return when a buyer came first and how often lately, one order left out."""
    times = sa.select(orders.c.accepted_at).where(
        orders.c.buyer == buyer,
        sa.or_(orders.c.platform != platform, orders.c.order_no != order_no),
    )
    first = connection.scalar(times.order_by(orders.c.accepted_at).limit(1))

    def since(moment_ms: int) -> int:
        recent = times.where(orders.c.accepted_at > moment_ms).subquery()
        return connection.scalar(sa.select(sa.func.count()).select_from(recent)) or 0

    return History(
        first_order_at=None if first is None else from_ms(first),
        orders_last_hour=since(now_ms - _HOUR_MS),
        orders_last_day=since(now_ms - 24 * _HOUR_MS),
    )


def newest_orders(
    connection: sa.Connection,
    outcome: Outcome | None,
    reason: Reason | None,
    platform: str | None,
    contact: bytes | None,
    limit: int,
) -> list[tuple[str, str]]:
    """Return platform and number of the newest orders that fit."""
    query = sa.select(orders.c.platform, orders.c.order_no).order_by(orders.c.id.desc())
    if (outcome, reason) != (None, None):
        query = query.where(orders.c.id.in_(_with_a_line(outcome, reason)))
    if platform is not None:
        query = query.where(orders.c.platform == platform)
    if contact is not None:
        query = query.where(orders.c.contact == contact)
    return [(row.platform, row.order_no) for row in connection.execute(query.limit(limit))]


def _with_a_line(
    outcome: Outcome | None, reason: Reason | None
) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    fitting = sa.select(lines.c.order_id)
    if outcome is not None:
        fitting = fitting.where(lines.c.outcome == outcome)
    if outcome not in {None, Outcome.DELIVERED}:
        fitting = fitting.where(OPEN)
    if reason is not None:
        return fitting.where(lines.c.reason == reason)
    if outcome is not Outcome.HELD:
        return fitting
    lineless = orders.alias()  # paid, and nobody knows yet for what
    return sa.union_all(fitting, sa.select(lineless.c.id).where(lineless.c.digest.is_(None)))


def lapsed(connection: sa.Connection, now_ms: int, limit: int) -> list[tuple[str, str]]:
    """Return unpaid orders whose reservation is over."""
    query = (
        sa.select(orders.c.platform, orders.c.order_no)
        .where(orders.c.reserved_until <= now_ms, orders.c.paid_at.is_(None))
        .order_by(orders.c.reserved_until, orders.c.id)
        .limit(limit)
    )
    return [(row.platform, row.order_no) for row in connection.execute(query)]


def unconfirmed(connection: sa.Connection, limit: int) -> list[tuple[str, str]]:
    """Return orders that were said to be paid and still have a line that waits for the proof."""
    doubtful = sa.select(lines.c.order_id).where(DOUBTED)
    query = (
        sa.select(orders.c.platform, orders.c.order_no)
        .where(orders.c.id.in_(doubtful), orders.c.paid_at.is_not(None))
        .order_by(orders.c.id)
        .limit(limit)
    )
    return [(row.platform, row.order_no) for row in connection.execute(query)]


def card(
    connection: sa.Connection, where: sa.ColumnElement[bool]
) -> tuple[CardRecord, SealedCard] | None:
    """Return one card, sealed, and where it is."""
    query = (
        sa.select(cards, warehouses.c.sku, warehouses.c.name, orders.c.platform, orders.c.order_no)
        .join(warehouses, warehouses.c.id == cards.c.warehouse_id)
        .outerjoin(orders, orders.c.id == cards.c.order_id)
        .where(where)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    record = CardRecord(
        id=CardId(row.id),
        sku=row.sku,
        warehouse=row.name,
        state=CardState(row.state),
        batch=BatchId(row.batch_id),
        expires_at=None if row.expires_at >= NEVER_MS else from_ms(row.expires_at),
        platform=row.platform or "",
        order_no=row.order_no or "",
        line_no=row.line_no or 0,
    )
    return record, SealedCard(
        CardId(row.id), bytes(row.fingerprint or b""), bytes(row.sealed), row.expires_at
    )


def formats(connection: sa.Connection) -> frozenset[str]:
    """Return the formats of batches, without a look at their cards."""
    return frozenset(connection.execute(sa.select(batches.c.format).distinct()).scalars())


def all_batches(connection: sa.Connection, sku: str | None) -> list[Batch]:
    """Return batches, newest first, with what is still available of each."""
    available = (
        sa.select(cards.c.batch_id, sa.func.count().label("available"))
        .where(cards.c.state == sa.literal_column("'available'"))
        .group_by(cards.c.batch_id)
        .subquery()
    )
    query = (
        sa.select(batches, warehouses.c.sku, warehouses.c.name, available.c.available)
        .join(warehouses, warehouses.c.id == batches.c.warehouse_id)
        .outerjoin(available, available.c.batch_id == batches.c.id)
        .order_by(batches.c.id.desc())
    )
    if sku is not None:
        query = query.where(warehouses.c.sku == sku)
    return [
        Batch(
            id=row.id,
            sku=row.sku,
            warehouse=row.name,
            format=row.format,
            supplier=row.supplier,
            cost=None if row.currency is None else Money.from_minor(row.cost_minor, row.currency),
            provenance=row.provenance,
            imported_by=row.imported_by,
            imported_at=from_ms(row.imported_at),
            added=row.added,
            available=row.available or 0,
            undone=bool(row.undone),
        )
        for row in connection.execute(query)
    ]


def all_events(
    connection: sa.Connection, after: int, order_id: OrderId | None, limit: int
) -> list[Event]:
    """Return events in the order they were recorded."""
    query = (
        sa.select(events, orders.c.platform, orders.c.order_no)
        .outerjoin(orders, orders.c.id == events.c.order_id)
        .where(events.c.id > after)
        .order_by(events.c.id)
        .limit(limit)
    )
    if order_id is not None:
        query = query.where(events.c.order_id == order_id)
    return [
        _event(row, row.platform or "", row.order_no or "") for row in connection.execute(query)
    ]


def restock_events(connection: sa.Connection, reference: str) -> list[Event]:
    """Return the events of a purchase that is for no order, in the order they were recorded."""
    named = events.c.detail.contains(f'"reference":"{reference}"', autoescape=True)
    query = sa.select(events).where(events.c.order_id.is_(None), named).order_by(events.c.id)
    found = (_event(row) for row in connection.execute(query))
    # LIKE takes no notice of case on some stores.
    return [x for x in found if x.detail.get("reference") == reference]


def _event(row: sa.Row[*tuple[Any, ...]], platform: str = "", order_no: str = "") -> Event:
    return Event(
        id=row.id,
        kind=row.kind,
        at=from_ms(row.at),
        platform=platform,
        order_no=order_no,
        line_no=row.line_no or 0,
        detail=json.loads(row.detail),
    )


def all_data_keys(connection: sa.Connection) -> list[WrappedKey]:
    """Return the wrapped data keys."""
    return [
        WrappedKey(
            number=row.number,
            purpose=row.purpose,
            keyring_id=row.keyring_id,
            wrapped=bytes(row.wrapped),
            created_at=from_ms(row.created_at),
        )
        for row in connection.execute(sa.select(data_keys).order_by(data_keys.c.number))
    ]


# --- the audit ------------------------------------------------------------------------------


def audit(connection: sa.Connection) -> list[str]:
    """Compare levels, lines, shared cards, events and purchases with what they should agree with."""
    checks = (
        _levels_equal_cards,
        _batches_count_cards,
        _lines_own_cards,
        _rows_have_orders,
        _free_cards,
        _reserved_cards,
        _shared_uses,
        _lines_have_intents,
        _lines_have_events,
        _payloads_are_somewhere,
        purchase_faults,
    )
    return [fault for check in checks for fault in check(connection)]


def _levels_equal_cards(connection: sa.Connection) -> Sequence[str]:
    query = (
        sa.select(warehouses.c.sku, warehouses.c.name, cards.c.state, sa.func.count())
        .join(warehouses, warehouses.c.id == cards.c.warehouse_id)
        .group_by(warehouses.c.sku, warehouses.c.name, cards.c.state)
    )
    counted = {(sku, name, state): n for sku, name, state, n in connection.execute(query)}
    faults = []
    for level in stock(connection, None):
        for state in CardState:
            written = getattr(level, state)
            there = counted.get((level.sku, level.warehouse, state), 0)
            if written != there:
                faults.append(
                    f"{level.sku} in {level.warehouse}: the books say {written} {state}, "
                    f"there are {there}"
                )
    return faults


_OUT = (CardState.ISSUED, CardState.DELIVERED)
_HANDED = ("delivered:", "pending:delivering", "held:undelivered", "held:unknown_delivery")


def _lines_own_cards(connection: sa.Connection) -> Sequence[str]:
    own = (
        sa.select(cards.c.order_id, cards.c.line_no, cards.c.state, sa.func.count())
        .where(cards.c.order_id.is_not(None))
        .group_by(cards.c.order_id, cards.c.line_no, cards.c.state)
    )
    shared = sa.select(shares.c.order_id, shares.c.line_no, sa.func.sum(shares.c.units)).group_by(
        shares.c.order_id, shares.c.line_no
    )
    held: defaultdict[tuple[int, int], int] = defaultdict(int)
    voided: defaultdict[tuple[int, int], int] = defaultdict(int)
    for order_id, line_no, state, n in connection.execute(own):
        if state in _OUT:
            held[order_id, line_no] += n
        elif state == CardState.VOID:
            voided[order_id, line_no] += n
    for order_id, line_no, n in connection.execute(shared):
        held[order_id, line_no] += int(n)
    query_lines = sa.select(lines, orders.c.platform, orders.c.order_no).join(
        orders, orders.c.id == lines.c.order_id
    )
    faults = []
    for row in connection.execute(query_lines):
        handed = f"{row.outcome}:{row.reason}" in _HANDED
        name_of_line = (row.order_id, row.line_no)
        # A card may be voided after it was sold; it stays on its line.
        wanted = row.units if handed else 0
        has = held.pop(name_of_line, 0) + (voided[name_of_line] if handed else 0)
        if has != wanted:
            name = f"{row.platform}/{row.order_no} line {row.line_no}"
            faults.append(f"{name} is {row.outcome} and should have {wanted} cards, has {has}")
    faults += [f"order {order_id} has cards but no line {no}" for order_id, no in held]
    return faults


def _rows_have_orders(connection: sa.Connection) -> Sequence[str]:
    faults = []
    for table in (lines, intents, shares, events, purchases):
        known = sa.select(orders.c.id).where(orders.c.id == table.c.order_id)
        query = sa.select(table.c.order_id).where(table.c.order_id.is_not(None), ~known.exists())
        what = table.name.removeprefix("autocard_")
        faults += [
            f"there are {what} of order {order_id}, and no such order"
            for order_id in connection.execute(query.distinct()).scalars()
        ]
    return faults


def _batches_count_cards(connection: sa.Connection) -> Sequence[str]:
    came = (
        sa.select(cards.c.batch_id, sa.func.count().label("came"))
        .group_by(cards.c.batch_id)
        .subquery()
    )
    there = sa.func.coalesce(came.c.came, 0)
    query = (
        sa.select(batches.c.id, batches.c.added, there)
        .outerjoin(came, came.c.batch_id == batches.c.id)
        .where(batches.c.added != there)
    )
    return [
        f"batch {i} says that it brought {added} cards, there are {n}"
        for i, added, n in connection.execute(query)
    ]


def _free_cards(connection: sa.Connection) -> Sequence[str]:
    owned = sa.select(cards.c.id).where(
        cards.c.state == CardState.AVAILABLE, cards.c.order_id.is_not(None)
    )
    lost = sa.select(cards.c.id).where(
        cards.c.state.in_([CardState.RESERVED, CardState.ISSUED, CardState.DELIVERED]),
        cards.c.order_id.is_(None),
        cards.c.uses == 0,
    )
    return [f"card {i} is available and belongs to an order" for i in connection.scalars(owned)] + [
        f"card {i} left stock without an order" for i in connection.scalars(lost)
    ]


def _reserved_cards(connection: sa.Connection) -> Sequence[str]:
    waits = sa.select(lines.c.order_id).where(
        lines.c.order_id == cards.c.order_id,
        lines.c.line_no == cards.c.line_no,
        lines.c.outcome.in_([Outcome.PENDING, Outcome.HELD]),
    )
    query = sa.select(cards.c.id).where(
        cards.c.state == CardState.RESERVED, cards.c.order_id.is_not(None), ~waits.exists()
    )
    return [f"card {i} is reserved, and no line waits for it" for i in connection.scalars(query)]


def _shared_uses(connection: sa.Connection) -> Sequence[str]:
    sold = (
        sa.select(shares.c.card_id, sa.func.sum(shares.c.units).label("units"))
        .group_by(shares.c.card_id)
        .subquery()
    )
    query = (
        sa.select(cards.c.id)
        .outerjoin(sold, sold.c.card_id == cards.c.id)
        .where(cards.c.uses != sa.func.coalesce(sold.c.units, 0))
    )
    return [f"shared card {i} was not sold as often as it says" for i in connection.scalars(query)]


def _lines_have_intents(connection: sa.Connection) -> Sequence[str]:
    going = sa.select(intents.c.id).where(
        intents.c.order_id == lines.c.order_id,
        intents.c.line_no == lines.c.line_no,
        intents.c.state.in_([IntentState.DUE, IntentState.SENDING, IntentState.UNKNOWN]),
    )
    query = sa.select(lines.c.order_id, lines.c.line_no).where(
        lines.c.outcome == Outcome.PENDING, lines.c.reason == Reason.DELIVERING, ~going.exists()
    )
    return [
        f"order {order_id} line {no} is being delivered, and nothing is left to be sent"
        for order_id, no in connection.execute(query)
    ]


def _lines_have_events(connection: sa.Connection) -> Sequence[str]:
    # Once an order was archived its events are in the archive, also after it came back.
    told = sa.select(events.c.order_id).where(
        events.c.order_id == lines.c.order_id,
        sa.or_(
            sa.and_(events.c.kind == "line.delivered", events.c.line_no == lines.c.line_no),
            events.c.kind == "order.restored",
        ),
    )
    archived = sa.select(orders.c.id).where(
        orders.c.id == lines.c.order_id, orders.c.archive.is_not(None)
    )
    query = sa.select(lines.c.order_id, lines.c.line_no).where(
        lines.c.outcome == Outcome.DELIVERED, ~told.exists(), ~archived.exists()
    )
    return [
        f"order {order_id} line {no} is delivered, and no event says so"
        for order_id, no in connection.execute(query)
    ]


def _payloads_are_somewhere(connection: sa.Connection) -> Sequence[str]:
    lost = sa.select(orders.c.id).where(orders.c.archive.is_(None), orders.c.payload == b"")
    there = sa.select(archives.c.name).where(archives.c.name == orders.c.archive)
    unknown = sa.select(orders.c.id, orders.c.archive).where(
        orders.c.archive.is_not(None), ~there.exists()
    )
    return [
        f"order {i} has no payload, and no archive has it" for i in connection.scalars(lost)
    ] + [
        f"order {i} is in an archive {name} that the books do not have"
        for i, name in connection.execute(unknown)
    ]
