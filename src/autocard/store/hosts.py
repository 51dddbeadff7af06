"""What a host brings along: a connection with its own transaction on it."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from autocard.errors import StoreError

BEGIN_FIRST: Final = "connection: begin your transaction first, so that it covers both"


def driver_connection(connection: Any, kind: type[Any], speaks: str) -> Any:
    """
    Return the driver's connection inside SQLAlchemy's, Django's or the driver's own.

    Raises:
        StoreError: It is none of the store's driver, or not connected yet.
    """
    inner = getattr(connection, "connection", connection)  # what SQLAlchemy and Django wrap
    raw = getattr(inner, "driver_connection", inner)  # what SQLAlchemy's pool wraps
    if raw is None:  # Django connects with the first query
        raise StoreError(BEGIN_FIRST)
    if not isinstance(raw, kind):
        brought = f"{type(raw).__module__}.{type(raw).__qualname__}"
        raise StoreError(f"connection: this store speaks {speaks}, and this is a {brought}")
    return raw


def begin_unseen(connection: Any) -> None:
    """Make SQLAlchemy begin: it commits only what it saw begin, and not what its driver did."""
    if isinstance(connection, sa.Connection) and not connection.in_transaction():
        connection.exec_driver_sql("SELECT 1")
