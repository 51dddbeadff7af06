"""What a host brings along: a connection with its own transaction on it."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from autocard.errors import StoreError, StoreUnavailable

BEGIN_FIRST: Final = "connection: begin your transaction first, so that it covers both"
_CLOSED: Final = "connection: it is closed; pass an open one, with your transaction on it"
_BROKEN: Final = "connection: it broke off earlier; roll your transaction back and make it again"


def driver_connection(connection: Any, kind: type[Any], speaks: str) -> Any:
    """
    Return the driver's connection inside SQLAlchemy's, Django's or the driver's own.

    Raises:
        StoreError: It is none of the store's driver, or not connected yet.
        StoreUnavailable: It broke off within the host's transaction.
    """
    try:
        inner = getattr(connection, "connection", connection)  # what SQLAlchemy and Django wrap
    except sa.exc.InvalidRequestError:
        raise StoreUnavailable(_BROKEN) from None
    raw = getattr(inner, "driver_connection", inner)  # what SQLAlchemy's pool wraps
    if raw is None:  # Django connects with the first query
        raise StoreError(BEGIN_FIRST)
    if not isinstance(raw, kind):
        brought = f"{type(raw).__module__}.{type(raw).__qualname__}"
        raise StoreError(f"connection: this store speaks {speaks}, and this is a {brought}")
    return raw


def begin_unseen(connection: Any) -> None:
    """
    Make SQLAlchemy begin: it commits only what it saw begin, and not what its driver did.

    Raises:
        StoreError: The connection is closed.
        Exception: What its driver raises where the database does not answer.
    """
    if not isinstance(connection, sa.Connection):
        return
    if connection.closed:
        raise StoreError(_CLOSED)
    if connection.in_transaction():
        return
    try:
        connection.exec_driver_sql("SELECT 1")
    except sa.exc.DBAPIError as error:
        problem = error.orig or error
    else:
        return
    raise problem  # out here, because SQLAlchemy's own error would carry the statement along
