"""Delivery files: one CSV a day, every reference in it once, complete or unchanged."""

from __future__ import annotations

import csv
import io
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from autocard.spi import Card, Delivery

COLUMNS: Final = (
    "reference", "order_no", "line_no", "item", "number", "secret", "text", "expires_at"
)  # fmt: skip
# What a spreadsheet would run as a formula, and the apostrophe itself, so that taking one leading
# apostrophe away always gives the cell back.
_RISKY: Final = ("=", "+", "-", "@", "'", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_BOM: Final = "\ufeff"


class ForeignFile(ValueError):
    """The file in the outbox is not one that this adapter wrote. Quotes nothing."""


def rows_from_delivery(delivery: Delivery) -> list[list[str]]:
    """Return the rows of *delivery*, one a card; a top-up without cards has one row."""
    head = [delivery.reference, delivery.order_no, str(delivery.line_no), delivery.item]
    tails = [_tail(card) for card in delivery.cards] or [["", "", "", ""]]
    return [[harmless(cell) for cell in (*head, *tail)] for tail in tails]


def csv_from_rows(rows: Iterable[Iterable[str]]) -> str:
    """Return *rows* as CSV lines."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()


def harmless(cell: str) -> str:
    """Return *cell* with an apostrophe before it where a spreadsheet would run it."""
    return f"'{cell}" if cell.startswith(_RISKY) else cell


def references_in(content: bytes) -> frozenset[str]:
    """
    Return the references in a delivery file, as they are written there.

    Raises:
        ForeignFile: Somebody else has written or saved the file.
    """
    rows = _parsed(content)
    if rows is None or not rows or tuple(rows[0]) != COLUMNS:
        raise ForeignFile
    if any(len(row) != len(COLUMNS) for row in rows):
        raise ForeignFile
    return frozenset(row[0] for row in rows[1:])


def appended(content: bytes, rows: list[list[str]]) -> bytes | None:
    """
    Return *content* with *rows* behind it; None when their reference is in it already.

    Raises:
        ForeignFile: Somebody else has written or saved the file.
        UnicodeEncodeError: A card holds a lone surrogate. It carries the text: drop it.
    """
    start = content or (_BOM + csv_from_rows([COLUMNS])).encode()
    if rows[0][0] in references_in(start):
        return None
    return start + csv_from_rows(rows).encode()


def _parsed(content: bytes) -> list[list[str]] | None:
    # Both errors carry what they read; None leaves that behind.
    try:
        text = content.decode("utf-8")
        if not text.startswith(_BOM) or not text.endswith("\r\n"):
            return None
        return list(csv.reader(io.StringIO(text[1:], newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None


def _tail(card: Card) -> list[str]:
    secret = card.secret.reveal()
    # A card that a supplier sent in parts may have no original text.
    text = card.text().reveal() or " ".join(filter(None, (card.number, secret)))
    expires_at = "" if card.expires_at is None else card.expires_at.isoformat()
    return [card.number, secret, text, expires_at]


# --- files ------------------------------------------------------------------------------------


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the outbox alone, against threads and other processes; a crash releases it."""
    fd = os.open(directory / ".deliveries.lock", os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(fd, "r+b") as file:
        _lock(file)
        yield


def _lock(file: IO[bytes]) -> None:
    # Closing the file releases either lock.
    if sys.platform == "win32":  # pragma: no cover - the tests run on Linux
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)


def content_of(path: Path) -> bytes:
    """Return the content of *path*, b"" when it does not exist."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def replace(path: Path, content: bytes) -> None:
    """
    Put *content* at *path* as a whole, with mode 0600; an `OSError` leaves *path* as it was.

    Effects: writes one file through a private draft beside it.
    """
    fd, name = tempfile.mkstemp(prefix=".draft-", suffix=".part", dir=path.parent)  # mode 0600
    draft = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def sync_directory(directory: Path) -> None:
    """Make renames in *directory* survive a power cut."""
    if os.name == "nt":  # pragma: no cover - a directory cannot be opened there
        return
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
