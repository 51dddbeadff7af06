"""
Keyrings held in a file or an environment variable.

A keyring is JSON: `{"keys": [{"id": "k-1f0c22ab", "secret": "<32 bytes in base64>"}]}`, newest
first. The first key wraps; all of them unwrap. No message here quotes what a keyring holds.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NoReturn, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from autocard.errors import ConfigurationError, UnknownSealKey
from autocard.ports import Keyring

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_MAX_BYTES: Final = 65_536
_WRAP_VERSION: Final = b"\x01"
_Entries = list[tuple[str, bytes]]
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SHAPE: Final = '{"keys": [{"id": "k-…", "secret": "<32 bytes in base64>"}]}'


@final
class LocalKeyring:
    """Key-encryption keys in this process's memory. Shows their ids only; cannot be pickled."""

    __slots__ = ("__ciphers", "__current")

    def __init__(self, entries: _Entries) -> None:
        """Hold *entries* of id and 32-byte key, newest first, at least one."""
        self.__current = entries[0][0]
        self.__ciphers = {key_id: AESGCM(raw) for key_id, raw in entries}

    @property
    def current(self) -> str:
        """The id of the key that wraps from now on."""
        return self.__current

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """Return *data_key* wrapped with the current key, bound to *context*."""
        nonce = os.urandom(_NONCE_BYTES)
        return (
            _WRAP_VERSION + nonce + self.__ciphers[self.__current].encrypt(nonce, data_key, context)
        )

    def unwrap(self, key_id: str, wrapped: bytes, context: bytes) -> bytes:
        """
        Return the data key inside *wrapped*.

        Raises:
            UnknownSealKey: This keyring does not hold *key_id*, or holds another key by that id.
        """
        cipher = self.__ciphers.get(key_id)
        if cipher is None:
            raise UnknownSealKey(
                f"the keyring does not hold the key {key_id!r} that this store was sealed with "
                f"(it holds {', '.join(self.__ciphers)}); point `keyring` at the store's own keyring"
            )
        if len(wrapped) < 1 + _NONCE_BYTES + 16 or wrapped[:1] != _WRAP_VERSION:
            raise UnknownSealKey(f"a data key wrapped with {key_id!r} is damaged in the store")
        try:
            return cipher.decrypt(wrapped[1:13], wrapped[13:], context)
        except InvalidTag:
            raise UnknownSealKey(
                f"the key {key_id!r} of this keyring does not open the store's data key: either "
                "another key has the same id, or the row in the store was changed"
            ) from None

    def __repr__(self) -> str:
        return f"LocalKeyring(ids={list(self.__ciphers)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a keyring is not copied or pickled; open it again where it is needed")


def open_keyring(spec: str, *, base: Path) -> Keyring:
    """
    Return the keyring that *spec* names.

    Args:
        spec: `file:PATH`, relative to *base*, or `env:NAME`.
        base: The directory of the configuration file.

    Raises:
        ConfigurationError: It is missing, malformed, or readable by others.

    Effects: reads one file or one environment variable.
    """
    return LocalKeyring(_entries(spec, base))


def create_keyring(spec: str, *, base: Path) -> Keyring:
    """
    Make the keyring file that *spec* names, with one new key, and return it.

    The file appears complete and with mode 0600, or not at all. One that exists is left alone.

    Raises:
        ConfigurationError: It exists, cannot be written, or *spec* is not a file.

    Effects: writes one file.
    """
    kind, rest = _split(spec)
    if kind == "env":
        raise ConfigurationError(
            "keyring: an environment variable cannot be created from here; "
            f"set {rest} yourself: {_how_to_fill(rest)}"
        )
    path = _path(rest, base)
    if path.exists():
        raise ConfigurationError(f"keyring: {path} exists already and is never overwritten")
    return _made(_published(path, list, replace=False))


def rotate_keyring(spec: str, *, base: Path) -> Keyring:
    """
    Put a new key before the others of the keyring file *spec* and return the keyring.

    Older keys stay, so that nothing becomes unreadable; remove one by hand once `rewrap` has
    left nothing wrapped with it, backups included.

    Raises:
        ConfigurationError: It is missing, malformed, cannot be written, or *spec* is not a file.

    Effects: replaces one file atomically.
    """
    kind, rest = _split(spec)
    if kind == "env":
        raise ConfigurationError(
            f"keyring: {rest} cannot be changed from here; add a new entry at the front yourself"
        )
    return _made(_published(_path(rest, base), lambda: _entries(spec, base), replace=True))


def _split(spec: str) -> tuple[str, str]:
    kind, colon, rest = spec.partition(":")
    if not colon or kind not in {"file", "env"} or not rest or not _is_nameable(rest):
        raise ConfigurationError("keyring: write file:PATH or env:NAME")
    return kind, rest


def _is_nameable(text: str) -> bool:
    try:
        return b"\x00" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _how_to_fill(name: str) -> str:
    return (
        "create a keyring file once, put its whole content (one line of JSON) into "
        f"{name}, and keep a second copy in a safe place"
    )


def _path(rest: str, base: Path) -> Path:
    return base / os.path.expanduser(rest)  # noqa: PTH111 - Path.expanduser raises without a home


def _new_entry() -> tuple[str, bytes]:
    return f"k-{secrets.token_hex(4)}", os.urandom(_KEY_BYTES)


# --- reading ----------------------------------------------------------------------------------

# What goes wrong below is returned as text where keys are at hand: an error raised there would
# show them to whoever prints the local variables of its traceback.


def _entries(spec: str, base: Path) -> _Entries:
    found = _parsed(_content(spec, base))
    if isinstance(found, str):
        raise ConfigurationError(f"keyring {spec}: {found}")
    return found


def _content(spec: str, base: Path) -> bytes:
    kind, rest = _split(spec)
    if kind == "file":
        return _read(_path(rest, base))
    if rest not in os.environ:
        raise ConfigurationError(
            f"keyring: the environment variable {rest} is not set; {_how_to_fill(rest)}"
        )
    return os.environ[rest].encode("utf-8", "surrogatepass")


def _read(path: Path) -> bytes:
    try:
        return _read_private(path)
    except FileNotFoundError:
        raise ConfigurationError(
            f"keyring: {path} does not exist; open the engine with create=True to make a new "
            "one, or restore the one this store was sealed with"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"keyring: {path} cannot be read: {error.strerror}") from None


def _read_private(path: Path) -> bytes:
    # Non-blocking, or a named pipe at this path would wait for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigurationError(f"keyring: {path} is not a regular file")
        if _is_open_to_others(mode):
            raise ConfigurationError(f"keyring: other users may open {path}; run: chmod 600 {path}")
        return file.read(_MAX_BYTES + 1)


def _is_open_to_others(mode: int) -> bool:
    # Windows keeps access lists elsewhere and shows every file as readable by all.
    return os.name != "nt" and bool(mode & 0o077)


def _parsed(raw: bytes) -> _Entries | str:
    if len(raw) > _MAX_BYTES:
        return f"it is larger than {_MAX_BYTES} bytes"
    rows = _rows(raw)
    if not rows:
        return f"it should look like {_SHAPE}"
    entries: _Entries = []
    for index, row in enumerate(rows):
        entry = _entry(row)
        if isinstance(entry, str):
            return f"keys[{index}]{entry}"
        entries.append(entry)
    if len({key_id for key_id, _ in entries}) != len(entries):
        return "two keys have the same id"
    return entries


def _rows(raw: bytes) -> list[Any] | None:
    # What the decoder raises carries the whole text; None leaves that behind.
    try:
        document = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    rows = document.get("keys") if isinstance(document, dict) else None
    return rows if isinstance(rows, list) else None


def _entry(row: object) -> tuple[str, bytes] | str:
    if not isinstance(row, dict) or set(row) != {"id", "secret"}:
        return " must have exactly an id and a secret"
    key_id = row["id"]
    if not isinstance(key_id, str) or not _ID.fullmatch(key_id):
        return ".id must be 1 to 64 of A-Z a-z 0-9 . _ -"
    raw = _decode(row["secret"])
    if raw is None:
        return f".secret must be {_KEY_BYTES} bytes in base64"
    return key_id, raw


def _decode(text: object) -> bytes | None:
    if not isinstance(text, str) or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return raw if len(raw) == _KEY_BYTES else None


# --- writing ----------------------------------------------------------------------------------


def _made(keyring: LocalKeyring | str) -> LocalKeyring:
    if isinstance(keyring, str):
        raise ConfigurationError(f"keyring: {keyring}")
    return keyring


def _published(path: Path, older: Callable[[], _Entries], *, replace: bool) -> LocalKeyring | str:
    """Put a new key and the *older* ones at *path*, or return what is in the way."""
    # Made under one fixed name, so that it is also the lock between two who write at once:
    # what is older is read only by the one who holds it.
    draft = path.with_name(f"{path.name}.new")
    try:
        with _exclusive(draft) as file:
            entries = [_new_entry(), *older()]
            _write(file, entries)
            _move(draft, path, replace=replace)
        _sync_directory(path.parent)
    except FileExistsError:
        return (
            f"{path} or {draft} exists already and is never overwritten; "
            "when no other program is making it, look whether the .new one can be removed"
        )
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return LocalKeyring(entries)


@contextmanager
def _exclusive(draft: Path) -> Iterator[IO[bytes]]:
    # Gone when this succeeds, by `_move`; the next holder may have made it anew by then.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
        try:
            yield file
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def _write(file: IO[bytes], entries: _Entries) -> None:
    rows = [{"id": key_id, "secret": base64.b64encode(raw).decode()} for key_id, raw in entries]
    file.write(json.dumps({"keys": rows}).encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())
    file.close()  # Windows does not rename an open file


def _move(draft: Path, path: Path, *, replace: bool) -> None:
    if replace:
        draft.replace(path)
    else:
        os.link(draft, path)  # unlike a rename it refuses to replace
        draft.unlink()


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":  # pragma: no cover - a directory cannot be opened there
        return
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
