"""Which files an import reads and writes; looked at before the first card is in."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import click

from autocard.cli.program import Invocation

if TYPE_CHECKING:
    from autocard.config import Settings

STDIN: Final = "-"
_BESIDE_STORE: Final = ("", "-wal", "-shm", "-journal", "-lock")


def insist_on_files(files: tuple[str, ...], invocation: Invocation) -> None:
    """
    Raise unless each of *files* is there to be read.

    Raises:
        click.UsageError: One is missing or a folder, or the standard input is named twice.
    """
    for file in files:
        if file == STDIN:
            continue
        if Path(file).is_dir():
            raise click.UsageError(invocation.screen.phrase("is_folder", file=file))
        if not Path(file).exists():
            raise click.UsageError(invocation.screen.phrase("no_file", file=file))
    if files.count(STDIN) > 1:
        raise click.UsageError(invocation.screen.phrase("stdin_once"))


@contextmanager
def opened(file: str) -> Iterator[str | IO[bytes]]:
    """Give what the import reads *file* from: its path, or a stream where it is no plain file."""
    if file == STDIN:
        yield sys.stdin.buffer
    elif Path(file).is_file():
        yield file
    else:  # a device or a pipe, as `<(…)` of a shell: it is read once, from its beginning
        with _stream(file) as stream:
            yield stream


def _stream(file: str) -> IO[bytes]:
    try:
        return Path(file).open("rb")
    except OSError as error:
        problem = error.strerror
    raise click.FileError(file, hint=problem)


# --- the report -----------------------------------------------------------------------------


def insist_on_folder(report: Path, invocation: Invocation) -> None:
    """Raise `click.UsageError` unless *report* has a folder: later it would be too late."""
    if not report.absolute().parent.is_dir():
        raise click.UsageError(invocation.screen.phrase("no_report_folder", file=report))


def insist_on_own_file(
    report: Path, files: tuple[str, ...], settings: Settings, invocation: Invocation
) -> None:
    """
    Raise where writing *report* would destroy cards, the configuration, the keyring or the store.

    Raises:
        click.UsageError: It is one of them, whatever name or link it goes by.
    """
    ours = (invocation.config, *_of_settings(settings))
    named = (Path(file) for file in files if file != STDIN)
    taken = next((path for path in (*named, *ours) if _is_same(report, path)), None)
    if taken is None and STDIN in files and _is_stdin(report):
        taken = report
    if taken is not None:
        raise click.UsageError(invocation.screen.phrase("report_elsewhere", file=taken))


def _of_settings(settings: Settings) -> Iterator[Path]:
    # Here and not above, so that `autocard --help` does not load a database.
    from autocard.store.urls import parse

    kind, _colon, keyring = settings.keyring.partition(":")
    if kind == "file":
        yield settings.base / os.path.expanduser(keyring)  # noqa: PTH111 - as the keyring does
    at = parse(settings.store)
    if at.backend == "sqlite":
        store = settings.base / str(at.url.database)
        yield from (Path(f"{store}{end}") for end in _BESIDE_STORE)


def _is_same(report: Path, path: Path) -> bool:
    try:
        return _is_plain(report.stat()) and report.samefile(path)
    except OSError:  # one of them does not exist yet
        return report.resolve() == path.resolve()


def _is_stdin(report: Path) -> bool:
    try:
        found = report.stat()
        return _is_plain(found) and os.path.samestat(found, os.fstat(_stdin_number()))
    except OSError:  # no such report yet, or no input with a number
        return False


def _stdin_number() -> int:
    return sys.stdin.fileno()


def _is_plain(found: os.stat_result) -> bool:
    # A terminal or /dev/null may well be both: what is written there destroys nothing.
    return stat.S_ISREG(found.st_mode)
