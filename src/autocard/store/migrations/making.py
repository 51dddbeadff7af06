"""How migrations make tables and indexes, whatever the database."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql as types

MYSQL: Final = ("mysql", "mariadb")
ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SEALED: Final = sa.LargeBinary().with_variant(types.MEDIUMBLOB(), *MYSQL)


def digest(length: int) -> sa.types.TypeEngine[bytes]:
    """Return the type of *length* bytes that an index can hold."""
    return sa.LargeBinary(length).with_variant(types.VARBINARY(length), *MYSQL)


def table(name: str, *items: Any, **options: Any) -> None:
    """Make a table whose texts are equal only when every byte is."""
    dialect = op.get_bind().dialect
    if dialect.name in MYSQL:
        is_mariadb = getattr(dialect, "is_mariadb", False)
        options |= {
            "mysql_engine": "InnoDB",
            "mysql_charset": "utf8mb4",
            "mysql_collate": "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin",
        }
    # Where the database commits every table by itself, a start that was cut off goes on.
    op.create_table(name, *items, if_not_exists=dialect.name in MYSQL, **options)


def index(
    name: str, on: str, columns: list[str], where: str, *, mysql: list[str] | None = None
) -> None:
    """Make an index of some rows; where there are no partial ones, one that leads to them."""
    if op.get_bind().dialect.name in MYSQL:
        plain_index(f"{name}_all", on, mysql or columns)
    else:
        partial_index(name, on, columns, where)


def partial_index(name: str, on: str, columns: list[str], where: str) -> None:
    """Make an index of some rows; none where there are no partial ones."""
    if op.get_bind().dialect.name not in MYSQL:
        condition = sa.text(where)
        op.create_index(name, on, columns, sqlite_where=condition, postgresql_where=condition)


def plain_index(name: str, on: str, columns: list[str]) -> None:
    """Make an index of all rows, unless a start that was cut off has made it."""
    bind = op.get_bind()
    is_there = bind.dialect.name in MYSQL and name in {
        str(found["name"]) for found in sa.inspect(bind).get_indexes(on)
    }
    if not is_there:
        op.create_index(name, on, columns)
