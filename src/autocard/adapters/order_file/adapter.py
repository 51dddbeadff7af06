"""Orders in from a directory, cards out into another: platforms without an API, half by hand."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from autocard.adapters.order_file import outbox
from autocard.adapters.order_file.options import OrderFileOptions
from autocard.adapters.order_file.tables import MAX_BYTES
from autocard.adapters.order_file.translate import PLATFORM, Known, Problem, orders_from_bytes
from autocard.spi import (
    Capability,
    Delivery,
    Order,
    OrderLine,
    Platform,
    RejectedError,
    TransientError,
    UnknownOutcome,
)

Failure = RejectedError | TransientError | UnknownOutcome

_SUFFIXES: Final = frozenset({".csv", ".tsv", ".txt", ".xlsx"})
_REPORT_COLUMNS: Final = ("row", "column", "problem")
_CHANGED: Final = (
    "was changed or saved by another program; move it out of the outbox, then deliver again"
)
_log: Final = logging.getLogger(__name__)


class OrderFilePlatform(Platform):
    """Reads order files that a person exports, and writes files that a person hands on."""

    name = PLATFORM
    capabilities = frozenset(
        {
            Capability.FETCH,
            Capability.DELIVER,
            Capability.FIND_DELIVERY,
            Capability.REPEAT_DELIVERY,
        }
    )
    Options = OrderFileOptions
    options: OrderFileOptions

    def fetch(self, since: datetime | None) -> Iterator[Order]:  # noqa: ARG002 - see below
        """
        Return the orders of every sound file in the inbox; files stay where they are.

        *since* is not looked at: a file that is put in late must not be overlooked. A file with
        anything wrong in it yields nothing and gets a report `rejected/<name>.errors.csv`, which
        goes away when the file is mended. An order that an earlier file, by name, has with other
        lines is left out and reported, too: the engine would refuse it at every look.

        Raises:
            RejectedError: The inbox is missing.
            TransientError: After the last order: a file or report could not be read or written.

        Effects: reads files; writes and removes reports.
        """
        return self._orders(_order_files(self.options.inbox))

    def _orders(self, paths: list[Path]) -> Iterator[Order]:
        failed: list[str] = []
        before: dict[str, tuple[OrderLine, ...]] = {}
        for path in paths:
            orders: list[Order] = []
            try:
                orders, problems = self._read(path, before)
                self._report(path, problems)
            except OSError as error:
                failed.append(f"{path.name!a} ({error.strerror})")
            before.update((order.order_no, order.lines) for order in orders)
            yield from orders
        if failed:
            raise TransientError(f"inbox: could not be dealt with: {', '.join(failed)}")

    def deliver(self, delivery: Delivery) -> str:
        """
        Leave the cards of *delivery* in the file of its day, once, and return the file's name.

        Raises:
            RejectedError: The outbox is missing, its file was changed by another program, or a
                card is not valid Unicode.
            TransientError: The file could not be written; it is as it was.
            UnknownOutcome: The file is written, but the disk did not confirm it.

        Effects: replaces one file (mode 0600) under a lock.
        """
        path = self._delivery_file(delivery)
        if not path.parent.is_dir():
            raise RejectedError("outbox: the directory does not exist; make it with mode 0700")
        failure = _append(path, delivery)
        if failure is not None:
            raise failure
        return path.name

    def find_delivery(self, delivery: Delivery) -> bool:
        """
        Return True when the file of its day holds *delivery*, False when it does not.

        Raises:
            TransientError: The outbox or the file cannot be read, so nothing is known.
        """
        path = self._delivery_file(delivery)
        if not path.parent.is_dir():
            raise TransientError("outbox: the directory does not exist")
        answer = _is_in(path, delivery)
        if isinstance(answer, str):
            raise TransientError(f"outbox: {answer}")
        return answer

    def _read(self, path: Path, before: Known) -> tuple[list[Order], list[Problem]]:
        then = path.stat()
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        now = path.stat()
        if (then.st_size, then.st_mtime_ns) != (now.st_size, now.st_mtime_ns):
            return [], []  # somebody is still writing it: next time
        return orders_from_bytes(raw, path.suffix.lower(), self.options, before)

    def _report(self, path: Path, problems: list[Problem]) -> None:
        folder = self.options.inbox / "rejected"
        report = folder / f"{path.name}.errors.csv"
        if not problems:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                report.unlink()
            return
        rows = [(str(one.row or ""), one.column, one.text) for one in problems]
        content = ("\ufeff" + outbox.csv_from_rows([_REPORT_COLUMNS, *rows])).encode()
        folder.mkdir(mode=0o700, exist_ok=True)
        if outbox.content_of(report) != content:
            outbox.replace(report, content)
        _log.warning("order file %a has problems; see %a", path.name, str(report))

    def _delivery_file(self, delivery: Delivery) -> Path:
        placed_at = delivery.placed_at
        day = (
            "undated" if placed_at is None else f"{placed_at.astimezone(self.options.zone):%Y%m%d}"
        )
        return self.options.outbox / f"deliveries-{day}.csv"


def _order_files(inbox: Path) -> list[Path]:
    try:
        entries = sorted(os.scandir(inbox), key=lambda entry: entry.name)
    except (OSError, ValueError):
        raise RejectedError("inbox: the directory does not exist or cannot be read") from None
    return [
        inbox / entry.name
        for entry in entries
        if entry.is_file(follow_symlinks=False)
        and not entry.name.startswith((".", "~$"))
        and os.path.splitext(entry.name)[1].lower() in _SUFFIXES  # noqa: PTH122 - a plain name
    ]


# What goes wrong below is returned: the traceback of an error raised here would show the cards.


def _append(path: Path, delivery: Delivery) -> Failure | None:
    """Add *delivery* to *path* unless it is there, and return None, or what went wrong."""
    try:
        with outbox.locked(path.parent):
            before = outbox.content_of(path)
            content = outbox.appended(before, outbox.rows_from_delivery(delivery))
            if content is not None:
                outbox.replace(path, content)
    except outbox.ForeignFile:
        return RejectedError(f"outbox: {path.name} {_CHANGED}")
    except UnicodeEncodeError:
        return RejectedError("cards: one holds text that is not valid Unicode; replace it")
    except OSError as error:
        return TransientError(f"outbox: cannot be written: {error.strerror}")
    try:
        outbox.sync_directory(path.parent)
    except OSError as error:
        return UnknownOutcome(f"outbox: cannot be synced: {error.strerror}")
    return None


def _is_in(path: Path, delivery: Delivery) -> bool | str:
    """Say whether *delivery* is in *path*, or return why that cannot be said."""
    try:
        content = outbox.content_of(path)
        written = outbox.references_in(content) if content else frozenset()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except outbox.ForeignFile:
        return f"{path.name} {_CHANGED}"
    return outbox.harmless(delivery.reference) in written
