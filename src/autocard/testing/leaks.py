"""Plants secrets that must not turn up anywhere, and looks for them everywhere."""

from __future__ import annotations

import base64
import inspect
import json
import logging
import os
import secrets
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, Self, final
from urllib.parse import quote, quote_plus

import attrs

from autocard.spi import Secret

SHORTEST: Final = 8
"""A shorter text would be found by chance."""
_CHUNK: Final = 1 << 20
_OWN_FILE: Final = os.path.normcase(__file__)
_KIT: Final = os.path.dirname(_OWN_FILE)  # noqa: PTH120 - compared as text, thousands of times
# What logging itself puts into every record; the rest came from whoever logged.
_RECORD_FIELDS: Final = frozenset(vars(logging.makeLogRecord({})))


@attrs.frozen
class Leak:
    """Where a secret was found. It says which one and in what shape, never what it is."""

    label: str
    shape: str
    place: str

    def __str__(self) -> str:
        return f"{self.label} as {self.shape} in {self.place}"


@attrs.frozen
class _Needle:
    label: str
    shape: str
    data: bytes = attrs.field(repr=False)


@final
class LeakDetector:
    """
    Knows some canary texts and finds them in logs, exceptions, texts and files.

    As a context manager it reads every record of every logger while it is open. Findings add up
    until `assert_clean` reports them, without quoting a canary.

    Args:
        own_files: Files whose stack frames may hold canaries, for instance helpers of the test.
            The file that makes the detector and this package always may.
    """

    def __init__(self, *, own_files: Iterable[str | Path] = ()) -> None:
        self._needles: list[_Needle] = []
        self._leaks: dict[Leak, None] = {}
        self._own = {os.path.normcase(str(file)) for file in own_files} | {_caller_file()}
        self._watch: _LogWatch | None = None

    @property
    def leaks(self) -> tuple[Leak, ...]:
        """What was found so far, each place once."""
        return tuple(self._leaks)

    def plant(self, label: str) -> str:
        """Return a new random text to use as a secret; *label* names it in reports."""
        text = f"CANARY{secrets.token_hex(8).upper()}"
        self.watch(label, text)
        return text

    def watch(self, label: str, text: str | Secret) -> None:
        """
        Look for *text* from now on; *label* names it in reports.

        Raises:
            ValueError: *text* has fewer than 8 characters and would be found by chance.
        """
        plain = text.reveal() if isinstance(text, Secret) else text
        if len(plain) < SHORTEST:
            raise ValueError(f"{label}: a canary needs at least {SHORTEST} characters")
        self._needles.extend(_needles(label, plain))

    # --- where to look ----------------------------------------------------------------------

    def check_text(self, name: str, text: str) -> None:
        """Look into *text*; *name* says in the report what it is."""
        self.check_bytes(name, text.encode("utf-8", "surrogatepass"))

    def check_bytes(self, name: str, data: bytes) -> None:
        """Look into *data*, whatever it is."""
        place = self._safe(name)
        for needle in self._needles:
            if needle.data in data:
                self._leaks[Leak(needle.label, needle.shape, place)] = None

    def check_file(self, path: str | Path) -> None:
        """Look into every byte of a file, and at its name. Effects: reads it piece by piece."""
        self.check_text("the name of a file", str(path))
        overlap = max((len(needle.data) for needle in self._needles), default=1) - 1
        tail = b""
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                self.check_bytes(f"file {path}", tail + chunk)
                tail = (tail + chunk)[-overlap:] if overlap else b""

    def check_tree(self, directory: str | Path) -> None:
        """Look into every file below *directory*."""
        for path in sorted(Path(directory).rglob("*")):
            if path.is_file():
                self.check_file(path)

    def check_value(self, name: str, value: object) -> None:
        """Look at how *value* shows itself: `str`, `repr` and `format`."""
        for show in (str, repr, format):
            self.check_text(f"{show.__name__}() of {name}", _shown(show, value))

    def check_exception(self, error: BaseException) -> None:
        """
        Look at all that a crash reporter could send of *error*.

        That is text, arguments, attributes and notes of it and of every cause, context and
        group member, and the local variables of all stack frames but the test's own.
        """
        for one in _family(error):
            name = type(one).__name__
            self.check_value(name, one)
            for index, argument in enumerate(one.args):
                self.check_value(f"{name}.args[{index}]", argument)
            for note in getattr(one, "__notes__", ()):
                self.check_value(f"a note of {name}", note)
            self._check_attributes(name, one)
            self._check_frames(name, one.__traceback__)

    def _check_attributes(self, name: str, error: BaseException) -> None:
        for attribute, value in vars(error).items():
            self.check_value(f"{name}.{attribute}", value)
            for inner, deep in getattr(value, "__dict__", {}).items():
                self.check_value(f"{name}.{attribute}.{inner}", deep)

    def _check_frames(self, name: str, trace: TracebackType | None) -> None:
        for frame, line in traceback.walk_tb(trace):
            if self._is_own(frame):
                continue
            where = f"{frame.f_code.co_filename}:{line} ({frame.f_code.co_name})"
            for local, value in list(frame.f_locals.items()):
                self.check_text(f"local {local} at {where} under {name}", _shown(repr, value))

    def _is_own(self, frame: FrameType) -> bool:
        file = os.path.normcase(frame.f_code.co_filename)
        return file in self._own or file.startswith(_KIT)

    def _check_record(self, record: logging.LogRecord) -> None:
        name = f"log record of {record.name!r} at {record.levelname}"
        self.check_value(f"the template of a {name}", record.msg)
        self.check_text(name, _shown(logging.LogRecord.getMessage, record))
        self.check_value(f"the arguments of a {name}", record.args)
        for field, value in vars(record).items():
            if field not in _RECORD_FIELDS:
                self.check_value(f"the extra {field} of a {name}", value)
        if record.exc_info and record.exc_info[1] is not None:
            self.check_exception(record.exc_info[1])
        self.check_text(f"the stack of a {name}", f"{record.stack_info}{record.exc_text}")

    # --- report -----------------------------------------------------------------------------

    def assert_clean(self) -> None:
        """
        Return when nothing was found.

        Raises:
            AssertionError: Something was; the message lists where, and quotes no secret.
        """
        if self._leaks:
            places = "\n".join(f"  - {leak}" for leak in self._leaks)
            raise AssertionError(f"secrets came out in {len(self._leaks)} places:\n{places}")

    def _safe(self, name: str) -> str:
        for needle in self._needles:
            try:
                name = name.replace(needle.data.decode(), f"<{needle.label}>")
            except UnicodeDecodeError:
                continue  # this shape of the canary cannot be part of a text
        return name

    # --- logging ----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if self._watch is not None:
            raise RuntimeError("this detector is open already")
        self._watch = _LogWatch(self)
        self._watch.open()
        return self

    def __exit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None


class _LogWatch(logging.Handler):
    """Hears every logger at every level while it is open, then puts everything back."""

    def __init__(self, detector: LeakDetector) -> None:
        super().__init__(level=1)
        self._detector = detector
        self._before: list[tuple[logging.Logger, int, bool]] = []
        self._disabled_below = 0

    def emit(self, record: logging.LogRecord) -> None:
        self._detector._check_record(record)  # noqa: SLF001 - two halves of one thing

    def open(self) -> None:
        root = logging.getLogger()
        self._disabled_below = root.manager.disable
        logging.disable(logging.NOTSET)
        for logger in (root, *_loggers(root)):
            self._before.append((logger, logger.level, logger.disabled))
            logger.disabled = False
            if logger is root or logger.level:
                logger.setLevel(1)
            if logger is root or not logger.propagate:
                logger.addHandler(self)

    def close(self) -> None:
        for logger, level, disabled in self._before:
            logger.removeHandler(self)
            logger.setLevel(level)
            logger.disabled = disabled
        if self._before:
            logging.disable(self._disabled_below)
        self._before.clear()
        super().close()


def _loggers(root: logging.Logger) -> list[logging.Logger]:
    known = list(root.manager.loggerDict.values())
    return [logger for logger in known if isinstance(logger, logging.Logger)]


def _caller_file() -> str:
    """Return the first file up the stack that is not this one."""
    frame = inspect.currentframe()
    while frame is not None and os.path.normcase(frame.f_code.co_filename) == _OWN_FILE:
        frame = frame.f_back
    return os.path.normcase(frame.f_code.co_filename) if frame else _OWN_FILE


def _shown(show: Any, value: object) -> str:
    try:
        return str(show(value))
    except Exception:  # noqa: BLE001 - a value that cannot be shown does not show a secret
        return ""


def _family(error: BaseException) -> Iterator[BaseException]:
    """Yield *error*, its causes, contexts and group members, each once."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += (one.__cause__, one.__context__)
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def _needles(label: str, text: str) -> Iterator[_Needle]:
    shapes: Mapping[str, Iterable[bytes]] = {
        "text": _encoded(text, "utf-8", "gb18030"),
        "UTF-16": _encoded(text, "utf-16-le", "utf-16-be"),
        "an escaped text": _escaped(text),
        "hex": [shape for raw in _encoded(text, "utf-8") for shape in _hex(raw)],
        "base64": [shape for raw in _encoded(text, "utf-8") for shape in _base64(raw)],
    }
    seen: set[bytes] = set()
    for shape, found in shapes.items():
        for data in found:
            if data not in seen:
                seen.add(data)
                yield _Needle(label, shape, data)


def _encoded(text: str, *encodings: str) -> list[bytes]:
    return [
        text.encode(encoding, "surrogatepass") for encoding in encodings if _fits(text, encoding)
    ]


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding, "surrogatepass")
    except UnicodeEncodeError:
        return False
    return True


def _escaped(text: str) -> list[bytes]:
    """Return the text as it stands in JSON, in a repr and in an address."""
    if not _fits(text, "utf-8"):
        return []
    shapes = [json.dumps(text)[1:-1], repr(text)[1:-1], ascii(text)[1:-1]]
    for write in (quote, quote_plus):
        shapes += [
            write(text, safe="", errors="surrogatepass"),
            write(text, errors="surrogatepass"),
        ]
    return [shape.encode("utf-8", "surrogatepass") for shape in shapes]


def _hex(raw: bytes) -> tuple[bytes, bytes]:
    return raw.hex().encode(), raw.hex().upper().encode()


def _base64(raw: bytes) -> Iterator[bytes]:
    """Yield what of *raw* is sure to stand in the base64 of anything that contains it."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw)
        start = -(-before * 8 // 6)
        whole = (before + len(raw)) * 8 // 6
        sure = encoded[start:whole]
        yield sure
        yield sure.translate(bytes.maketrans(b"+/", b"-_"))
