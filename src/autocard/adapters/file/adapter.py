"""One file for each delivery, complete or absent, readable by the owner only."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Final, Literal

import attrs

from autocard.adapters.file.render import RENDERERS
from autocard.spi import (
    Capability,
    Channel,
    Delivery,
    RejectedError,
    TransientError,
    UnknownOutcome,
)

Failure = RejectedError | TransientError | UnknownOutcome

_PLAIN: Final = re.compile(r"[a-z0-9_-]{1,80}")
_OTHER: Final = re.compile(r"[^a-z0-9_-]+")


@attrs.frozen(kw_only=True)
class FileOptions:
    """
    Settings of the `file` channel.

    Args:
        directory: Where the files go; a relative path starts from the configuration's folder. It
            must exist and must not be a symbolic link.
        format: "txt" (a card a line), "csv" or "json".
    """

    directory: Path = attrs.field(converter=Path)
    format: Literal["txt", "csv", "json"] = attrs.field(
        default="txt", validator=attrs.validators.in_(tuple(RENDERERS))
    )


class FileChannel(Channel):
    """Hands cards over as files in a directory."""

    name = "file"
    capabilities = frozenset({Capability.SEND, Capability.FIND_SENT, Capability.REPEAT_DELIVERY})
    Options = FileOptions
    options: FileOptions

    def send(self, delivery: Delivery) -> str:
        """
        Leave exactly one file for *delivery* in the directory and return its name.

        Raises:
            RejectedError: The directory is missing or a link, or a card is not valid Unicode.
            TransientError: The file could not be written; it is not there.
            UnknownOutcome: The file is there, but the disk did not confirm it.

        Effects: writes one file (mode 0600); the same reference again leaves it as it is.
        """
        directory = self.options.directory
        problem = _problem(directory)
        if problem:
            raise RejectedError(problem)
        path = directory / self._file_name(delivery)
        failure = _leave(path, delivery, self.options.format)
        if failure is not None:
            raise failure
        return path.name

    def find(self, delivery: Delivery) -> bool:
        """
        Return True when the file of *delivery* is in the directory, False when it is not.

        Raises:
            TransientError: The directory cannot be looked into, so nothing is known.
        """
        directory = self.options.directory
        problem = _problem(directory)
        if problem:
            raise TransientError(problem)
        try:
            status = (directory / self._file_name(delivery)).lstat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise TransientError(f"directory: cannot be searched: {error.strerror}") from None
        return stat.S_ISREG(status.st_mode)

    def _file_name(self, delivery: Delivery) -> str:
        return f"delivery-{slug_from_reference(delivery.reference)}.{self.options.format}"


def slug_from_reference(reference: str) -> str:
    """Return a file name for *reference*: another for every other, on every file system."""
    if _PLAIN.fullmatch(reference):
        return reference
    tail = hashlib.sha256(reference.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    # A dot keeps these apart from references that are file names as they stand.
    return f"{_OTHER.sub('-', reference.lower())[:40]}.{tail}"


def _encoded(text: str) -> bytes | None:
    # The encoding error would carry the cards; None leaves it behind.
    try:
        return text.encode()
    except UnicodeEncodeError:
        return None


def _problem(directory: Path) -> str:
    try:
        mode = directory.lstat().st_mode
    except (OSError, ValueError):
        return "directory: it does not exist or cannot be reached; create it with mode 0700"
    if stat.S_ISLNK(mode):
        return "directory: it is a symbolic link; name the real directory"
    return "" if stat.S_ISDIR(mode) else "directory: it is not a directory"


def _holds(path: Path, content: bytes) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode) and path.read_bytes() == content
    except OSError:
        return False


def _leave(path: Path, delivery: Delivery, file_format: str) -> Failure | None:
    """
    Leave *delivery* at *path* and return None, or return what went wrong.

    Returned, because the traceback of an error raised here would show the content.
    """
    content = _encoded(RENDERERS[file_format](delivery))
    if content is None:
        return RejectedError("cards: one holds text that is not valid Unicode; replace it")
    if _holds(path, content):
        return None
    try:
        _replace(path, content)
    except OSError as error:
        return TransientError(f"directory: cannot be written: {error.strerror}")
    try:
        _sync_directory(path.parent)
    except OSError as error:
        return UnknownOutcome(f"directory: cannot be synced: {error.strerror}")
    return None


def _replace(path: Path, content: bytes) -> None:
    fd, name = tempfile.mkstemp(prefix=".delivery-", suffix=".part", dir=path.parent)  # mode 0600
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


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":  # pragma: no cover - a directory cannot be opened there
        return
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
