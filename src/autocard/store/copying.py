"""Carry a whole store into an empty one, on whatever database: how a shop outgrows a machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from autocard.errors import StoreError
from autocard.store.opening import Place, bring_up_to_date, check_current, place_of, told
from autocard.store.schema import metadata

_ROWS: Final = 1_000

Progress = Callable[[str, int], None]
"""Called after every part with the table and how many of its rows are copied."""


def copy_store(
    origin: str, destination: str, *, base: Path, progress: Progress | None = None
) -> Mapping[str, int]:
    """
    Copy every row of the store at *origin* into the empty store at *destination*.

    Ids stay what they are, so receipts, references and archives go on to fit; sealed values are
    copied as they are and open with the same keyring. Stop what writes to *origin* before: what
    is written during the copy may be missing from it.

    Returns:
        How many rows there are now, by table.

    Raises:
        SchemaMismatch: *origin* has not the schema of this version.
        StoreError: *destination* holds rows already; nothing was changed.
        StoreUnavailable: One of them cannot be used; a half-made copy was rolled back, or on a
            database that cannot do that, is to be dropped.

    Effects: makes the tables of *destination* where they are missing.
    """
    start, end = place_of(origin, base), place_of(destination, base)
    try:
        return _copied(start, end, progress)
    finally:
        start.leave()
        end.leave()


def _copied(start: Place, end: Place, progress: Progress | None) -> dict[str, int]:
    if start.shown == end.shown:
        raise StoreError("the store cannot be copied onto itself; name another database")
    check_current(start)
    bring_up_to_date(end)
    counts: dict[str, int] = {}
    with told(start), start.looking() as reading, told(end), end.migrating() as writing:
        start.hold(reading)
        _refuse_rows(writing, end)
        for table in metadata.sorted_tables:
            counts[table.name] = _copy_table(reading, writing, table, progress)
        _go_on_counting(writing)
    return counts


def _refuse_rows(writing: sa.Connection, end: Place) -> None:
    for table in metadata.sorted_tables:
        if writing.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
            raise StoreError(f"{end.shown} is not empty; copy into a new database")


def _copy_table(
    reading: sa.Connection, writing: sa.Connection, table: sa.Table[Any], progress: Progress | None
) -> int:
    copied = 0
    for part in _parts(reading, table):
        writing.execute(table.insert(), part)
        copied += len(part)
        if progress is not None:
            progress(table.name, copied)
    return copied


def _parts(reading: sa.Connection, table: sa.Table[Any]) -> Iterator[list[dict[str, Any]]]:
    """Give the rows of *table* in parts, by primary key, so that memory stays flat."""
    names = list(table.primary_key.columns)
    query = sa.select(table).order_by(*names).limit(_ROWS)
    last: list[Any] | None = None
    while True:
        page = query if last is None else query.where(sa.tuple_(*names) > sa.tuple_(*last))
        rows = [dict(row) for row in reading.execute(page).mappings()]
        if not rows:
            return
        yield rows
        last = [rows[-1][column.name] for column in names]


def _go_on_counting(writing: sa.Connection) -> None:
    """Let new ids begin behind the copied ones, where the database does not see to it itself."""
    if writing.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        if "id" in table.c:
            writing.exec_driver_sql(
                f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), "  # noqa: S608 - ours
                f"(SELECT COALESCE(MAX(id), 0) + 1 FROM {table.name}), false)"
            )
