"""
Processes that prepare the chunks of a long import while this one stores those before.

They are plain children on two pipes: nothing of the host program is imported again, so it does not
matter what it is or how it was started. Where one cannot be had or breaks off, this process does
the work itself; the outcome is the same.
"""

from __future__ import annotations

import json
import marshal
import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Self

from autocard.desks.framing import receive, send
from autocard.desks.pacing import MOST_TOGETHER
from autocard.desks.preparing import Prepared, Terms, prepare
from autocard.desks.worker import READY, UNABLE, build
from autocard.errors import UnreadableSource
from autocard.importing.values import Chunk, Parser
from autocard.vault import Vault

MOST: Final = 4
PAYS_FROM: Final = 10_000
"""After so many rows an import is taken for a long one; starting a process costs as much."""
_AHEAD: Final = 2
"""Chunks that a process has: one to work on, and one to go on with."""
_PATIENCE_S: Final = 60.0
_CLOSING_S: Final = 5.0
# Isolated: no code of the host's folder or environment runs before ours.
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline()); "
    "from autocard.desks.worker import main; main()"
)
# What an interpreter needs to come up. The rest may hold credentials, and is none of its business.
_ENVIRONMENT: Final = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
_INTERPRETERS: Final = ("python", "pypy")


def affordable(wanted: int | None = None) -> int:
    """Return how many processes may help here: *wanted*, or what the cores are good for."""
    program = Path(sys.executable or "").name.lower()
    if getattr(sys, "frozen", False) or not program.startswith(_INTERPRETERS):
        return 0  # the executable is the host itself, or a server it is embedded in
    return min(_cores() - 1, MOST) if wanted is None else wanted


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """
    Prepares the chunks of one import, beside this process where that pays. Close it.

    Secrets: what they need of the store's data keys goes to them through their pipes.
    """

    def __init__(self, vault: Vault, terms: Terms, wanted: int | None = None) -> None:
        self._vault = vault
        self._terms = terms
        self._most = affordable(wanted)
        self._rows = 0
        self._running: list[_Worker] = []
        self._turn = 0
        self._pickled: tuple[Parser, bytes] | None = None

    def prepared(
        self, chunks: Iterator[Chunk], now_ms: Callable[[], int]
    ) -> Iterator[tuple[Chunk, Prepared]]:
        """
        Give every chunk with what became of it, in order; some are read ahead.

        Raises:
            UnreadableSource: As *chunks*, after everything that came before.
        """
        under_way: deque[tuple[Chunk, int, _Worker | None]] = deque()
        failure = None
        while True:
            try:
                chunk = next(chunks, None)
            except UnreadableSource as error:
                chunk, failure = None, error
            if chunk is None:
                break
            moment = now_ms()
            under_way.append((chunk, moment, self._hand_out(chunk, moment)))
            while len(under_way) > self._ahead():
                yield self._taken(*under_way.popleft())
        while under_way:
            yield self._taken(*under_way.popleft())
        if failure is not None:
            raise failure

    def _ahead(self) -> int:
        """Return how many chunks are under way; enough to go on with while a group is stored."""
        ahead = _AHEAD * len(self._running)
        is_helped = any(worker.is_ready for worker in self._running)
        return max(ahead, MOST_TOGETHER + 1) if is_helped else ahead

    def close(self) -> None:
        """End the processes. They hold nothing that is needed."""
        while self._running:
            self._running.pop().close()

    def _hand_out(self, chunk: Chunk, now_ms: int) -> _Worker | None:
        """Give *chunk* to a process that is ready for one, or to none."""
        self._rows += sum(len(piece.records) for piece in chunk)
        if self._most > 0 and self._rows > PAYS_FROM:
            self._start()
        ready = [worker for worker in self._running if worker.is_ready]
        request = self._request(chunk, now_ms) if ready else None
        if request is None:
            return None
        self._turn += 1
        worker = ready[self._turn % len(ready)]
        worker.hand_in(request)
        return worker

    def _taken(self, chunk: Chunk, now_ms: int, worker: _Worker | None) -> tuple[Chunk, Prepared]:
        answer = UNABLE if worker is None else worker.take()
        if answer is None:
            self._give_up(worker)
        if not answer:
            return chunk, prepare(self._vault, self._terms, chunk, now_ms)
        return chunk, Prepared.unpacked(answer)

    def _give_up(self, worker: _Worker | None) -> None:
        if worker in self._running:
            self._running.remove(worker)
            worker.close()

    def _start(self) -> None:
        most, self._most = self._most, 0
        if not all(map(_is_ours, (self._terms.card_format, *self._terms.others))):
            return
        with suppress(Exception):  # whatever stands in the way, the import can do without
            greeting = pickle.dumps((build(), self._vault.sealer.lend(), self._terms))
            for _ in range(most):
                self._running.append(_Worker(greeting))

    def _request(self, chunk: Chunk, now_ms: int) -> bytes | None:
        try:
            pieces = [(self._pickle(piece.parser), piece.records) for piece in chunk]
            return marshal.dumps((now_ms, pieces), 2)
        except Exception:  # noqa: BLE001 - records of other types, which only this process knows
            return None

    def _pickle(self, parser: Parser) -> bytes:
        if self._pickled is None or self._pickled[0] is not parser:
            self._pickled = parser, pickle.dumps(parser)
        return self._pickled[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _is_ours(card_format: object) -> bool:
    """
    Say whether the code of a card format may be imported in another process.

    That of autocard and of packages made for it may; what a host brings along may be its own
    program, which would start a second time.
    """
    package = type(card_format).__module__.partition(".")[0]
    return package == "autocard" or package.startswith("autocard_")


class _Worker:
    """One process, and the thread that talks to it, so that neither waits for the other's pipe."""

    def __init__(self, greeting: bytes) -> None:
        self.is_ready = False
        self._requests: SimpleQueue[bytes | None] = SimpleQueue()
        self._answers: SimpleQueue[bytes | None] = SimpleQueue()
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and a constant
            [sys.executable, "-I", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._requests.put(greeting)
        self._thread = threading.Thread(target=self._talk, name="autocard-import", daemon=True)
        self._thread.start()

    def hand_in(self, request: bytes) -> None:
        """Have *request* answered when those before it are."""
        self._requests.put(request)

    def take(self) -> bytes | None:
        """Return the answer to the oldest request; None when there will be none."""
        try:
            answer = self._answers.get(timeout=_PATIENCE_S)
        except Empty:
            return None
        if answer is None:
            self._answers.put(None)  # for the requests that are still waiting
        return answer

    def close(self) -> None:
        """End the process."""
        self._requests.put(None)
        self._process.kill()
        self._process.wait()
        self._thread.join(_CLOSING_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not sent any more
                    pipe.close()

    def _talk(self) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(list(map(str, sys.path))).encode())
            stdin.write(b"\n")
            send(stdin, self._requests.get() or b"")
            self.is_ready = receive(stdout) == READY
            while self.is_ready and (request := self._requests.get()) is not None:
                send(stdin, request)
                self._answers.put(receive(stdout))
        except (OSError, EOFError, ValueError):
            pass
        self.is_ready = False
        self._answers.put(None)
