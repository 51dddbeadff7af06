"""
Where cards are read from: a path, a file object or an iterable, behind three small feeds.

A feed knows its beginning before anything is consumed, counts what was read for progress bars, and
closes only what it opened itself. Errors of the operating system become `UnreadableSource`.
"""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from autocard.errors import UnreadableSource

CHUNK: Final = 1 << 18
_NOT_THERE: Final = (
    "there is no such file; a str is a path, so pass cards as a list of strings or as io.StringIO"
)


class ByteFeed:
    """Bytes of a file. Can be read from the beginning again when `can_rewind`."""

    def __init__(self, file: Any, *, name: str = "", owned: bool = False) -> None:
        self.name = name
        self.bytes_read = 0
        self._file = file
        self._owned = owned
        self._start = _position(file)
        self.total_bytes = None if self._start is None else _remaining(file, self._start)
        self.head = self._read_head(CHUNK)
        self._pending = self.head

    @property
    def can_rewind(self) -> bool:
        """True when the whole source can be read twice."""
        return self._start is not None

    def read(self) -> bytes:
        """Return the next piece, b"" at the end."""
        chunk = self._pending
        if chunk:
            self._pending = b""
        else:
            chunk = self._read(CHUNK)
        self.bytes_read += len(chunk)
        return chunk

    def rewind(self) -> None:
        """Begin again; a stream only while no more than its head was read."""
        if self._start is not None:
            # Always: whoever was handed the file has moved in it.
            self._seek(len(self.head))
        self._pending = self.head
        self.bytes_read = 0

    def whole(self, limit: int) -> bytes:
        """
        Return everything.

        Raises:
            UnreadableSource: It is more than *limit* bytes.
        """
        self.rewind()
        pieces = []
        while chunk := self.read():
            pieces.append(chunk)
            if self.bytes_read > limit:
                raise UnreadableSource(f"the source has more than {limit:,} bytes; split it")
        return b"".join(pieces)

    def seekable_file(self, limit: int) -> Any:
        """Return a file that can seek: the one that was opened, or a copy in memory."""
        if self._start == 0:
            self._seek(0)
            return self._file
        return io.BytesIO(self.whole(limit))

    def close(self) -> None:
        """Close the file if it was opened here; leave one that was handed over where it is."""
        if self._owned:
            self._file.close()

    def _read_head(self, wanted: int) -> bytes:
        pieces: list[bytes] = []
        while wanted > 0 and (piece := self._read(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def _read(self, size: int) -> bytes:
        piece = guarded(lambda: self._file.read(size))
        if not isinstance(piece, bytes):
            raise UnreadableSource("the file object stopped giving bytes; open it in binary mode")
        return piece

    def _seek(self, offset: int) -> None:
        start = self._start or 0
        guarded(lambda: self._file.seek(start + offset))


class TextFeed:
    """Text that somebody else decoded. Counts characters instead of bytes."""

    total_bytes: int | None = None
    name = ""

    def __init__(self, chunks: Iterator[str]) -> None:
        self.bytes_read = 0
        self._chunks = chunks
        self.head = next(chunks, "")
        self._pending = self.head

    def read(self) -> str:
        """Return the next piece, "" at the end."""
        chunk, self._pending = self._pending or next(self._chunks, ""), ""
        self.bytes_read += len(chunk)
        return chunk

    def close(self) -> None:
        """Do nothing: the text file was handed over."""


class ElementFeed:
    """Elements of an iterable: texts or mappings."""

    total_bytes: int | None = None
    bytes_read = 0

    def __init__(self, elements: Iterable[Any]) -> None:
        remaining = iter(elements)
        ahead = list(itertools.islice(remaining, 1))
        self.first: object = ahead[0] if ahead else None
        self.elements: Iterator[Any] = itertools.chain(ahead, remaining)

    def close(self) -> None:
        """Do nothing: the iterable was handed over."""


Feed = ByteFeed | TextFeed | ElementFeed


def open_feed(source: object) -> Feed:
    """
    Return the feed of *source*: a path, a binary or text file object, or an iterable.

    Raises:
        UnreadableSource: It is none of these, or cannot be opened.
    """
    if isinstance(source, (str, os.PathLike)):
        return _open_path(source)
    if callable(getattr(source, "read", None)):
        return _open_file(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        raise UnreadableSource("bytes are not a source; wrap them in io.BytesIO")
    if isinstance(source, Mapping):
        raise UnreadableSource("one mapping is not a source; pass a list of mappings")
    if not isinstance(source, Iterable):
        raise UnreadableSource(
            f"a {type(source).__name__} is not a source; pass a path, a file object or a list"
        )
    return ElementFeed(source)


_T = TypeVar("_T")


def guarded(call: Callable[[], _T]) -> _T:
    """Return what *call* returns; its `OSError` or `ValueError` becomes `UnreadableSource`."""
    try:
        return call()
    except UnreadableSource:
        raise
    except (OSError, ValueError) as error:
        failure = type(error).__name__
        reason = getattr(error, "strerror", "") or ""
    # Outside the except block: the error of a decoder carries the bytes it failed on.
    raise UnreadableSource(f"the source cannot be read: {reason or failure}")


def _open_path(source: str | os.PathLike[str]) -> ByteFeed:
    # What was meant as a card may arrive here, so only a path that exists is ever quoted.
    quoted = not isinstance(source, str) or _exists(source)
    try:
        path = Path(source)
        file = path.open("rb")
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
    else:
        return _owned_feed(file, path.name)
    raise UnreadableSource(f"{source}: cannot be opened: {reason}" if quoted else _NOT_THERE)


def _exists(source: str) -> bool:
    try:
        return os.path.lexists(source)
    except ValueError:
        return False


def _owned_feed(file: io.BufferedReader, name: str) -> ByteFeed:
    try:
        return ByteFeed(file, name=name, owned=True)
    except BaseException:
        file.close()
        raise


def _open_file(file: Any) -> ByteFeed | TextFeed:
    name = getattr(file, "name", "")
    name = Path(name).name if isinstance(name, str) else ""
    empty = guarded(lambda: file.read(0))
    if isinstance(empty, str):
        return TextFeed(_text_chunks(file))
    if isinstance(empty, bytes):
        return ByteFeed(file, name=name)
    raise UnreadableSource("the file object gives neither bytes nor text")


def _text_chunks(file: Any) -> Iterator[str]:
    while chunk := guarded(lambda: file.read(CHUNK)):
        yield chunk


def _position(file: Any) -> int | None:
    try:
        return int(file.tell()) if file.seekable() else None
    except (OSError, ValueError, AttributeError, TypeError):
        return None


def _remaining(file: Any, start: int) -> int | None:
    size = guarded(lambda: file.seek(0, os.SEEK_END))
    guarded(lambda: file.seek(start))
    return max(0, int(size) - start)
