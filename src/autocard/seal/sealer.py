"""Seal and unseal values, and make their keyed fingerprints. Layout: docs/security/envelope.md."""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NoReturn, final

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from autocard.clock import as_utc
from autocard.errors import SealError, UnknownSealKey
from autocard.ports import Keyring
from autocard.records import WrappedKey

SEAL: Final = "seal"
INDEX: Final = "index"
VERSION: Final = 1

_KEY_BYTES: Final = 32
_HEADER: Final = struct.Struct(">BI")  # version, number of the data key
_LENGTHS: Final = struct.Struct(">HHH")  # of kind, sku and fingerprint
_NONCE_END: Final = _HEADER.size + 12
_SHORTEST: Final = _NONCE_END + 16
_NONCE_BYTES: Final = 12
_HASH_BLOCK: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))
_MAX_NUMBER: Final = 2**32 - 1


def new_data_keys(keyring: Keyring, now: datetime) -> tuple[WrappedKey, ...]:
    """Return the data keys of a new store: number 1 seals, number 2 makes indexes."""
    return (_new_row(keyring, 1, SEAL, now), _new_row(keyring, 2, INDEX, now))


def next_seal_key(keyring: Keyring, rows: Iterable[WrappedKey], now: datetime) -> WrappedKey:
    """
    Return one more seal key, numbered after all *rows*; once stored and opened it seals.

    Values sealed before stay readable through their own number until they are sealed again.
    """
    return _new_row(keyring, max((row.number for row in rows), default=0) + 1, SEAL, now)


def rewrap(keyring: Keyring, rows: Iterable[WrappedKey]) -> tuple[WrappedKey, ...]:
    """
    Return those of *rows* that an older key had wrapped, wrapped again with the current one.

    Write them back by number. Nothing sealed changes; an empty result means nothing is left.

    Raises:
        UnknownSealKey: The keyring does not open one of them; none is returned.
    """
    return tuple(_wrap_again(keyring, row) for row in rows if row.keyring_id != keyring.current)


def data_key_number(sealed: bytes) -> int:
    """Return the number of the data key that *sealed* was sealed with, without opening it."""
    _check_start(sealed)
    return int(_HEADER.unpack_from(sealed)[1])


def _check_start(sealed: bytes) -> None:
    if len(sealed) < _SHORTEST or sealed[0] != VERSION:
        raise SealError("a sealed value is damaged: it does not start like an envelope")


def _new_row(keyring: Keyring, number: int, purpose: str, now: datetime) -> WrappedKey:
    wrapped = keyring.wrap(os.urandom(_KEY_BYTES), _wrap_context(number, purpose))
    return WrappedKey(number, purpose, keyring.current, wrapped, as_utc(now, "created_at"))


def _wrap_again(keyring: Keyring, row: WrappedKey) -> WrappedKey:
    wrapped = keyring.wrap(_unwrap(keyring, row), _wrap_context(row.number, row.purpose))
    return attrs.evolve(row, keyring_id=keyring.current, wrapped=wrapped)


def _unwrap(keyring: Keyring, row: WrappedKey) -> bytes:
    if not 0 < row.number <= _MAX_NUMBER or row.purpose not in {SEAL, INDEX}:
        raise SealError(f"data key {row.number} of the store has no known number or purpose")
    data_key = keyring.unwrap(
        row.keyring_id, bytes(row.wrapped), _wrap_context(row.number, row.purpose)
    )
    if len(data_key) != _KEY_BYTES:
        del data_key  # the traceback of the error would show it
        raise UnknownSealKey(f"the keyring opens data key {row.number} to a wrong length")
    return data_key


def _wrap_context(number: int, purpose: str) -> bytes:
    return b"autocard data key\x00" + struct.pack(">I", number) + purpose.encode()


@final
class Sealer:
    """
    The open data keys of one store. Threads may share it, and forked processes may go on with it.

    Shows no key material, and is neither copied nor pickled.
    """

    __slots__ = (
        *("__cipher", "__ciphers", "__digest", "__fingerprint", "__header", "__index"),
        *("__index_key", "__seal_key"),
    )

    def __init__(self, seal_keys: dict[int, bytes], index_key: bytes) -> None:
        """Use `Sealer.open`. The seal key with the highest number seals; all of them unseal."""
        current = max(seal_keys)
        self.__header = _HEADER.pack(VERSION, current)
        self.__ciphers = {number: AESGCM(each) for number, each in seal_keys.items()}
        self.__cipher = self.__ciphers[current]
        self.__seal_key, self.__index_key = seal_keys[current], index_key
        # One key for each use, so that no text of one use can collide with one of another.
        self.__fingerprint, self.__index, self.__digest = (
            _Keyed(hmac.digest(index_key, b"autocard/v1/" + use, "sha256"))
            for use in (b"fingerprint", b"index", b"digest")
        )

    @classmethod
    def open(cls, keyring: Keyring, rows: Iterable[WrappedKey]) -> Sealer:
        """
        Return the sealer of the store whose data-key table is *rows*.

        Raises:
            UnknownSealKey: The keyring is not the one this store was sealed with.
            SealError: There is no seal key, or not exactly one index key.
        """
        every = tuple(rows)
        index_rows = [row for row in every if row.purpose == INDEX]
        seal_rows = [row for row in every if row.purpose != INDEX]
        if not seal_rows or len(index_rows) != 1:
            raise SealError(
                "the store must hold at least one seal key and exactly one index key, not "
                f"{len(seal_rows)} and {len(index_rows)}: restore its data-key table"
            )
        # No plain data key gets a name here: a later row that fails would show it.
        return cls(
            {row.number: _unwrap(keyring, row) for row in seal_rows},
            _unwrap(keyring, index_rows[0]),
        )

    def lend(self) -> bytes:
        """
        Return what a process of ours needs to seal and fingerprint like this one: `borrow` it there.

        Secrets: it is key material. It goes through a pipe and nowhere else.
        """
        return self.__header + self.__seal_key + self.__index_key

    @classmethod
    def borrow(cls, lent: bytes) -> Sealer:
        """Return a sealer that seals and fingerprints as the one that lent it; it opens less."""
        number = int(_HEADER.unpack_from(lent)[1])
        seal_end = _HEADER.size + _KEY_BYTES
        return cls({number: lent[_HEADER.size : seal_end]}, lent[seal_end:])

    @property
    def current(self) -> int:
        """The number of the data key that seals."""
        return int(_HEADER.unpack(self.__header)[1])

    def seal(self, kind: str, sku: str, fingerprint: bytes, plaintext: bytes) -> bytes:
        """
        Return *plaintext* sealed; it opens only with the same *kind*, *sku* and *fingerprint*.

        Args:
            kind: What the row is, such as "card"; up to 65,535 bytes in UTF-8, like *sku*.
            sku: Whose card it is, or "".
            fingerprint: The fingerprint of the row, or b"".
            plaintext: Any bytes.

        Raises:
            SealError: *kind*, *sku* or *fingerprint* is too long.
        """
        header, nonce = self.__header, os.urandom(_NONCE_BYTES)
        bound = _associated_data(header, kind, sku, fingerprint)
        return header + nonce + self.__cipher.encrypt(nonce, plaintext, bound)

    def seal_many(self, kind: str, sku: str, rows: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """
        Return the plaintexts of *rows* sealed in their order, each bound to its fingerprint.

        Args:
            kind: As for `seal`, like *sku*.
            sku: Whose cards all of them are, or "".
            rows: (fingerprint, plaintext).

        Raises:
            SealError: *kind*, *sku* or a fingerprint is too long.
        """
        header, encrypt = self.__header, self.__cipher.encrypt
        # Asked for at once: a call for each nonce costs as much as sealing.
        nonces = os.urandom(_NONCE_BYTES * len(rows))
        bound, bound_size = b"", -1
        sealed = []
        for at, (fingerprint, plaintext) in enumerate(rows):
            if len(fingerprint) != bound_size:
                bound_size = len(fingerprint)
                bound = _binding(header, kind, sku, bound_size)
            nonce = nonces[_NONCE_BYTES * at : _NONCE_BYTES * (at + 1)]
            sealed.append(header + nonce + encrypt(nonce, plaintext, bound + fingerprint))
        return sealed

    def unseal(self, kind: str, sku: str, fingerprint: bytes, sealed: bytes) -> bytes:
        """
        Return the plaintext inside *sealed*.

        Raises:
            UnknownSealKey: It was sealed with a data key this store does not hold.
            SealError: It was changed, or belongs to another row.
        """
        _check_start(sealed)
        header = bytes(sealed[:5])
        cipher = self.__cipher if header == self.__header else self.__older(header)
        bound = _associated_data(header, kind, sku, fingerprint)
        try:
            return cipher.decrypt(sealed[5:_NONCE_END], sealed[_NONCE_END:], bound)
        except InvalidTag:
            raise SealError(
                f"a sealed {kind} does not open: it was changed, or belongs to another row"
            ) from None

    def fingerprint(self, text: str) -> bytes:
        """Return 16 bytes that are equal for equal *text*, and tell nothing without the key."""
        return self.__fingerprint.digest(text.encode("utf-8", "surrogatepass"))[:16]

    def index(self, kind: str, text: str) -> bytes:
        """Return a 16-byte look-up value of *text*; *kind* ("buyer", "ip", …) keeps uses apart."""
        name = kind.encode("utf-8", "surrogatepass")
        message = struct.pack(">I", len(name)) + name + text.encode("utf-8", "surrogatepass")
        return self.__index.digest(message)[:16]

    def digest(self, data: bytes) -> bytes:
        """Return a 32-byte keyed digest of *data*, to say later whether it was the same."""
        return self.__digest.digest(data)

    def __older(self, header: bytes) -> AESGCM:
        number = int(_HEADER.unpack(header)[1])
        cipher = self.__ciphers.get(number)
        if cipher is None:
            raise UnknownSealKey(
                f"a value was sealed with data key {number}, which this store does not hold"
            )
        return cipher

    def __repr__(self) -> str:
        return f"Sealer(current={self.current}, seal_keys={sorted(self.__ciphers)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Sealer is not copied or pickled; open it again where it is needed")


@final
class _Keyed:
    """
    HMAC-SHA-256 with one key, prepared: its two hashes, each begun with the padded key.

    RFC 2104 in so many words. Copies of plain hashes cost a third of a copy of `hmac.HMAC`, and
    an import makes one for every card.
    """

    __slots__ = ("__inner", "__outer")

    def __init__(self, secret: bytes) -> None:
        padded = secret.ljust(_HASH_BLOCK, b"\0")  # keys here are never longer than a block
        self.__inner = hashlib.sha256(padded.translate(_INNER))
        self.__outer = hashlib.sha256(padded.translate(_OUTER))

    def digest(self, message: bytes) -> bytes:
        inner, outer = self.__inner.copy(), self.__outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def _associated_data(header: bytes, kind: str, sku: str, fingerprint: bytes) -> bytes:
    return _binding(header, kind, sku, len(fingerprint)) + fingerprint


def _binding(header: bytes, kind: str, sku: str, fingerprint_size: int) -> bytes:
    """Return the associated data up to the fingerprint: the same for every card of an import."""
    # Lengths first: no two different triples give the same bytes.
    kind_bytes = kind.encode("utf-8", "surrogatepass")
    sku_bytes = sku.encode("utf-8", "surrogatepass")
    try:
        lengths = _LENGTHS.pack(len(kind_bytes), len(sku_bytes), fingerprint_size)
    except struct.error:
        raise SealError("kind, sku and fingerprint may have up to 65,535 bytes each") from None
    return b"".join((header, lengths, kind_bytes, sku_bytes))
