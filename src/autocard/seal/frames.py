"""
Long streams, sealed in frames. Layout: docs/security/envelope.md.

Each frame is an envelope that is bound to its stream, to its place in it, and to whether it is the
last: frames that are changed, left out, moved, repeated or come from another stream do not open.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from autocard.errors import SealError
from autocard.seal.sealer import Sealer

MAGIC: Final = b"ACSTREAM\x01"
"""What a stream begins with; the last byte is the version."""
FRAME: Final = 65_536
"""Bytes of plaintext in a frame; the last one may be shorter, or empty."""

_KIND: Final = "stream"
_ID_BYTES: Final = 16
_LENGTH: Final = struct.Struct(">I")
_PLACE: Final = struct.Struct(">Q?")  # number of the frame, and whether it is the last
_ENVELOPE: Final = 33
_CUT_OFF: Final = "a sealed stream is cut off"


class FrameWriter:
    """Seals what is written to it into frames on *file*. Holds one frame at most."""

    def __init__(self, file: BinaryIO, sealer: Sealer) -> None:
        self.size = 0
        self._file = file
        self._sealer = sealer
        self._sha256 = hashlib.sha256()
        self._number = 0
        self._waiting = bytearray()
        stream_id = os.urandom(_ID_BYTES)
        self._stream = stream_id.hex()
        self._put(MAGIC + stream_id)

    def write(self, data: bytes) -> None:
        """Add *data* to the stream."""
        self._waiting += data
        while len(self._waiting) > FRAME:  # one byte at least is left for the last frame
            self._seal(bytes(self._waiting[:FRAME]), is_last=False)
            del self._waiting[:FRAME]

    def finish(self) -> bytes:
        """End the stream; return the SHA-256 of everything that was written to the file."""
        self._seal(bytes(self._waiting), is_last=True)
        return self._sha256.digest()

    def _seal(self, plaintext: bytes, *, is_last: bool) -> None:
        place = _PLACE.pack(self._number, is_last)
        sealed = self._sealer.seal(_KIND, self._stream, place, plaintext)
        self._put(_LENGTH.pack(len(sealed)) + sealed)
        self._number += 1

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._sha256.update(data)
        self.size += len(data)


def read_frames(file: BinaryIO, sealer: Sealer) -> Iterator[bytes]:
    """
    Yield the plaintext of each frame of the stream in *file*.

    Whether the stream is whole is known when the last frame was yielded, not before.

    Raises:
        SealError: It is no stream, or was changed, cut off or put together.
        UnknownSealKey: It was sealed with a data key that this store does not hold.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise SealError("this is no sealed stream, or one of another version")
    stream = _exactly(file, _ID_BYTES).hex()
    number = 0
    following = file.read(_LENGTH.size)
    while following:
        if len(following) != _LENGTH.size:
            raise SealError(_CUT_OFF)
        length = int(_LENGTH.unpack(following)[0])
        if not _ENVELOPE <= length <= FRAME + _ENVELOPE:
            raise SealError("a sealed stream has a frame of an impossible length")
        sealed = _exactly(file, length)
        following = file.read(_LENGTH.size)
        yield sealer.unseal(_KIND, stream, _PLACE.pack(number, not following), sealed)
        number += 1
    if not number:
        raise SealError(_CUT_OFF)


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise SealError(_CUT_OFF)
    return data
