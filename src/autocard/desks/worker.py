"""What runs in a process that prepares chunks for an import: records in, sealed cards out."""

from __future__ import annotations

import gc
import marshal
import os
import pickle
import signal
import sys
from contextlib import suppress
from typing import IO, Any, Final

from autocard.desks.framing import receive, send
from autocard.desks.preparing import Terms, prepare
from autocard.importing.values import Parser, Piece
from autocard.seal.sealer import Sealer
from autocard.vault import Vault

READY: Final = b"ready"
UNABLE: Final = b""
"""The answer to a chunk that did not work out here; it is for the other side to do it and see."""


def build() -> tuple[str, str]:
    """Return which code this process runs; both sides must run the same."""
    # As it was loaded: what lies on disk may be newer by now.
    return sys.modules["autocard"].__version__, __file__


def main() -> None:
    """Serve on standard input and output until the other side goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that imports
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever is printed here is no answer
    # A chunk makes ten thousand values and drops them; looking for cycles in between is a third of
    # the work. Between chunks there is next to nothing to look through.
    gc.freeze()
    gc.disable()
    with suppress(EOFError, OSError):  # the import is over, or its process was killed
        serve(sys.stdin.buffer, answers)


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """
    Answer requests until there are no more: `EOFError`.

    The first one says how; this process stays silent when that comes from other code than its own.
    """
    theirs, lent, terms = pickle.loads(receive(requests))  # noqa: S301 - from the process that started this one, through a pipe of its own
    if theirs != build():
        return
    work = _Work(Vault(Sealer.borrow(lent)), terms)
    del lent
    send(answers, READY)
    while True:
        send(answers, work.answer(receive(requests)))
        gc.collect()


class _Work:
    """The chunks of one import."""

    def __init__(self, vault: Vault, terms: Terms) -> None:
        self._vault = vault
        self._terms = terms
        self._parser: tuple[bytes, Parser] | None = None

    def answer(self, request: bytes) -> bytes:
        try:
            now_ms, pieces = marshal.loads(request)  # noqa: S302 - as above
            chunk = tuple(Piece(self._parser_of(pickled), records) for pickled, records in pieces)
            return prepare(self._vault, self._terms, chunk, now_ms).packed()
        except Exception:  # noqa: BLE001 - the other side meets it again, with the user looking on
            return UNABLE

    def _parser_of(self, pickled: bytes) -> Any:
        if self._parser is None or self._parser[0] != pickled:
            self._parser = pickled, pickle.loads(pickled)  # noqa: S301 - as above
        return self._parser[1]
