"""Archive files: written so that they are whole or not there, read only when they are whole."""

from __future__ import annotations

import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from autocard.archiving.lines import END, HEAD, line_of, read_line, record_of, told_line
from autocard.errors import ConfigurationError, SealError, UnreadableSource
from autocard.records import OldRecord
from autocard.seal.frames import MAGIC, FrameWriter, read_frames
from autocard.seal.sealer import Sealer

FORMAT: Final = 1
SUFFIX: Final = ".autocard"
_PART: Final = ".part"
_PLAIN: Final = 65_536  # bytes that are unpacked at a time
_DAMAGED: Final = "is damaged: what it holds is not what it says at its end"


class ArchiveWriter:
    """Lines, packed, then sealed in frames. Memory stays flat."""

    def __init__(self, file: BinaryIO, sealer: Sealer, told: Mapping[str, Any]) -> None:
        self.counts: Counter[str] = Counter()
        self._frames = FrameWriter(file, sealer)
        # Four fifths of it are sealed or keyed, which nothing packs below its own length. lzma
        # makes files a tenth smaller, in twenty times the time and a hundred megabytes of memory.
        self._packer = zlib.compressobj(6)
        self._pack(told_line(HEAD, {"format": FORMAT, **told}))

    @property
    def size(self) -> int:
        """How many bytes were written so far."""
        return self._frames.size

    def add(self, record: OldRecord) -> None:
        """Write one record."""
        self.counts[record.kind] += 1
        self._pack(line_of(record))

    def finish(self) -> bytes:
        """Write the end; return the SHA-256 of the file."""
        self._pack(told_line(END, dict(self.counts)))
        self._frames.write(self._packer.flush())
        return self._frames.finish()

    def _pack(self, line: bytes) -> None:
        packed = self._packer.compress(line)
        if packed:
            self._frames.write(packed)


# --- files ----------------------------------------------------------------------------------


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """
    Give a file to write on that gets its name when it is complete and safe on the disk.

    Raises:
        ConfigurationError: It cannot be written; what was begun is removed.
    """
    part = path.with_name(path.name + _PART)
    try:
        try:
            with open(part, "xb", opener=_private) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
            _sync_folder(path.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        problem = (
            f"{path}: cannot be written ({error.strerror}); nothing was taken out of the store"
        )
    else:
        return
    raise ConfigurationError(problem)


def remove(path: Path) -> None:
    """Remove an archive that counts no more, complete or not."""
    for each in (path, path.with_name(path.name + _PART)):
        each.unlink(missing_ok=True)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # pragma: no cover - a folder cannot be opened there
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# --- reading --------------------------------------------------------------------------------


def head_of(path: Path, sealer: Sealer) -> dict[str, Any]:
    """
    Return what the archive at *path* says of itself, after every byte of it was looked at.

    Raises:
        UnreadableSource: There is no such file, or it is no archive.
        SealError: It is damaged, or belongs to another store.
    """
    head: dict[str, Any] = {}
    for what, told in _lines(path, sealer):
        if what == HEAD:
            head = told
    return head


def records(path: Path, sealer: Sealer) -> Iterator[OldRecord]:
    """Yield the records of an archive that `head_of` has looked at."""
    for what, told in _lines(path, sealer):
        if what not in (HEAD, END):
            yield record_of(what, told)


def _lines(path: Path, sealer: Sealer) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the head, the records, and the end; raise unless they are all there."""
    counts: Counter[str] = Counter()
    what = ""
    for line in _split(path, sealer):
        if what == END:
            raise SealError(f"{path.name} {_DAMAGED}")
        first = not what
        what, told = read_line(line)
        if first is not (what == HEAD):
            raise SealError(f"{path.name} {_DAMAGED}")
        if first and told["format"] != FORMAT:
            raise SealError(f"{path.name} was written by a newer autocard; install that one")
        if what == END and told != counts:
            raise SealError(f"{path.name} {_DAMAGED}")
        if what not in (HEAD, END):
            counts[what] += 1
        yield what, told
    if what != END:
        raise SealError(f"{path.name} {_DAMAGED}")


def _split(path: Path, sealer: Sealer) -> Iterator[bytes]:
    rest = b""
    for data in _unpacked(path, sealer):
        *whole, rest = (rest + data).split(b"\n")
        yield from whole
    if rest:
        raise SealError(f"{path.name} {_DAMAGED}")


def _unpacked(path: Path, sealer: Sealer) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    with _opened(path) as file:
        try:
            for frame in read_frames(file, sealer):
                data = frame
                while data:
                    yield unpacker.decompress(data, _PLAIN)
                    data = unpacker.unconsumed_tail
                    if unpacker.eof and not data:
                        break
        except zlib.error:
            raise SealError(f"{path.name} {_DAMAGED}") from None
        except SealError as error:
            raise type(error)(f"{path.name}: {error}") from None
    yield unpacker.flush()
    if not unpacker.eof or unpacker.unused_data:
        raise SealError(f"{path.name} {_DAMAGED}")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise UnreadableSource(f"{path}: cannot be read: {error.strerror}") from None
    with file:
        if file.read(len(MAGIC)) != MAGIC:
            raise UnreadableSource(f"{path.name} is no archive of autocard")
        file.seek(0)
        yield file
