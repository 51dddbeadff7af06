"""How things are measured: floor and engine in turn, processes together, peak memory."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final

import attrs

_MEET_S: Final = 300
_FORKSERVER: Final = "forkserver"
_PRELOADED: Final = ["tests.benchmarks.crowds", "tests.benchmarks.importing"]

Prepare = Callable[..., Callable[[], Any]]
"""Runs in another process: gets ready, and returns what is to be measured."""


@attrs.frozen(kw_only=True)
class Pair:
    """Floor and engine, measured in turn: medians of both, and the median of their ratios."""

    floor: float
    engine: float
    ratio: float


def alternate(floor: Callable[[int], float], engine: Callable[[int], float], blocks: int) -> Pair:
    """Let both take turns for *blocks* rounds; each says what one unit of work took."""
    floor(-1), engine(-1)  # the first of each is cold, and not counted
    pairs = []
    for block in range(blocks):
        first, second = (floor, engine) if block % 2 else (engine, floor)
        one, other = first(block), second(block)
        pairs.append((one, other) if first is floor else (other, one))
    return Pair(
        floor=statistics.median(each for each, _ in pairs),
        engine=statistics.median(each for _, each in pairs),
        ratio=statistics.median(base / each for base, each in pairs),
    )


def mean_time(work: Callable[[Any], object], items: Sequence[Any], units: int = 0) -> float:
    """Return the seconds that *work* took for one of *units* (or items), as a mean."""
    started = time.perf_counter()
    for item in items:
        work(item)
    return (time.perf_counter() - started) / (units or len(items))


def each_time(work: Callable[[Any], object], items: Sequence[Any]) -> list[float]:
    """Return the seconds that *work* took for each of *items*."""
    taken = []
    for item in items:
        started = time.perf_counter()
        work(item)
        taken.append(time.perf_counter() - started)
    return taken


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that *percent* of *values* do not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


# --- processes ------------------------------------------------------------------------------


@cache
def _context() -> BaseContext:
    """Return how processes are made: from one that has imported what they need, where that goes."""
    if _FORKSERVER not in get_all_start_methods():
        return get_context("spawn")
    context = get_context(_FORKSERVER)
    context.set_forkserver_preload(_PRELOADED)
    return context


@contextmanager
def running(prepare: Prepare, every: Sequence[tuple[Any, ...]]) -> Iterator[list[Connection]]:
    """
    Run *prepare* in a process for each of its arguments; all start what they prepared together.

    Gives a connection for each, on which its result arrives. `EOFError` when it failed.
    """
    context = _context()
    meeting = context.Barrier(len(every) + 1)
    answers: list[Connection] = []
    processes: list[BaseProcess] = []
    for arguments in every:
        answer, own = context.Pipe(duplex=False)
        process = context.Process(target=_take_part, args=(prepare, arguments, meeting, own))
        process.start()
        own.close()
        answers.append(answer)
        processes.append(process)
    meeting.wait(_MEET_S)
    yield answers
    for process in processes:
        process.join()


def together(prepare: Prepare, every: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Return the results of processes that ran at the same time."""
    with running(prepare, every) as answers:
        return [answer.recv() for answer in answers]


def _take_part(
    prepare: Prepare, arguments: tuple[Any, ...], meeting: Barrier, answer: Connection
) -> None:
    try:
        work = prepare(*arguments)
    except BaseException:
        meeting.abort()
        raise
    meeting.wait(_MEET_S)
    answer.send(work())
    answer.close()


def peak_bytes() -> int:
    """Return the most memory this process has had; 0 where that cannot be told."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count the parent's memory at the fork, too
        found = [line for line in status.read_text("ascii").splitlines() if "VmHWM" in line]
        return int(found[0].split()[1]) * 1024 if found else 0
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def fsync_time(folder: Path) -> float:
    """Return the median seconds of one small durable write in *folder*."""
    path = folder / "fsync"
    with path.open("wb", buffering=0) as file:

        def write(block: bytes) -> None:
            file.write(block)
            os.fsync(file.fileno())

        taken = each_time(write, [b"x" * 4096] * 101)
    path.unlink()
    return statistics.median(taken)
