"""ZIP archives: every member is read by its own kind; nothing is unpacked to disk."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, Final, TypeVar

from autocard.errors import AutocardError, UnreadableSource
from autocard.importing.sources import ByteFeed
from autocard.importing.values import Detected, Opened, Record, Run

MOST_MEMBERS: Final = 10_000
_ENCRYPTED: Final = 0x1
_NOISE: Final = re.compile(r"(?:.*/)?(?:__MACOSX/.*|\.DS_Store|Thumbs\.db|desktop\.ini)")
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_BROKEN: Final = "the ZIP archive is damaged or of an unknown kind"
_T = TypeVar("_T")

OpenMember = Callable[[ByteFeed, str], Opened]


def open_archive(file: Any, open_member: OpenMember, max_bytes: int) -> Opened:
    """
    Return what the archive in *file* is, and the records of its members in their order.

    Every member is looked into before the first row is given, so a member that cannot be read stops
    the import before it begins.

    Raises:
        UnreadableSource: It is damaged, encrypted, too large, or a member cannot be read.
    """
    archive = _unzipped(lambda: _zip_file(file))
    members = [info for info in archive.infolist() if not _is_noise(info)]
    _check(members, max_bytes)
    reading = _Members(archive, members, open_member)
    found = tuple((_shown(info), reading.look_into(info)) for info in members)
    total = sum(info.file_size for info in members)
    return Opened(Detected("zip", files=found), reading.runs(), total, reading.bytes_read)


def _zip_file(file: Any) -> zipfile.ZipFile:
    try:
        # Chinese Windows writes names in GBK and does not say so.
        return zipfile.ZipFile(file, metadata_encoding="gb18030")
    except UnicodeDecodeError:
        return zipfile.ZipFile(file)


def _is_noise(info: zipfile.ZipInfo) -> bool:
    return info.is_dir() or _NOISE.fullmatch(info.filename) is not None


def _shown(info: zipfile.ZipInfo) -> str:
    return _UNSAFE.sub("?", info.filename)[:200]


def _check(members: list[zipfile.ZipInfo], max_bytes: int) -> None:
    if not members:
        raise UnreadableSource("the ZIP archive is empty")
    if len(members) > MOST_MEMBERS:
        raise UnreadableSource(f"the ZIP archive has more than {MOST_MEMBERS:,} files")
    for info in members:
        if info.flag_bits & _ENCRYPTED:
            raise UnreadableSource(f"{_shown(info)}: is encrypted; unpack the archive first")
    # No member gives more than it declares: zipfile stops there.
    if sum(info.file_size for info in members) > max_bytes:
        raise UnreadableSource(
            f"the ZIP archive unpacks to more than {max_bytes:,} bytes; "
            "split it, or raise max_uncompressed_bytes if you trust it"
        )


class _Members:
    """Reads one member after the other and counts."""

    def __init__(
        self, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], open_member: OpenMember
    ) -> None:
        self._archive = archive
        self._members = members
        self._open_member = open_member
        self._done = 0
        self._current: Callable[[], int] = int

    def bytes_read(self) -> int:
        """Return how many unpacked bytes were read."""
        return self._done + self._current()

    def look_into(self, info: zipfile.ZipInfo) -> Detected:
        """Return what the member is."""
        with self._file(info) as member:
            return self._opened(member, info).detected

    def runs(self) -> Iterator[Run]:
        """Give the records of all members; those of one are to be taken before the next."""
        for info in self._members:
            with self._file(info) as member:
                opened = self._opened(member, info)
                self._current = opened.read
                for run in opened.runs:
                    yield Run(run.parser, _records(run.records, info))
            self._current = int
            self._done += info.file_size

    def _file(self, info: zipfile.ZipInfo) -> IO[bytes]:
        return _named(_shown(info), lambda: self._archive.open(info))

    def _opened(self, member: Any, info: zipfile.ZipInfo) -> Opened:
        shown = _shown(info)
        return _named(shown, lambda: self._open_member(ByteFeed(member, name=shown), shown))


def _records(records: Iterable[Record], info: zipfile.ZipInfo) -> Iterator[Record]:
    remaining = iter(records)
    while (record := _named(_shown(info), lambda: next(remaining, None))) is not None:
        yield record


def _named(shown: str, call: Callable[[], _T]) -> _T:
    """Return what *call* returns; its errors say which member they are about."""
    try:
        return _unzipped(call)
    except UnreadableSource as error:
        problem = str(error)
    raise UnreadableSource(f"{shown}: {problem}")


def _unzipped(call: Callable[[], _T]) -> _T:
    try:
        return call()
    except AutocardError:
        raise
    except Exception:  # noqa: BLE001, S110 - zipfile and its codecs raise errors of many kinds
        pass
    raise UnreadableSource(_BROKEN)
