"""Starts processes that dispatch, and sees them die."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final

from autocard.demo.orders import BEFORE_PUSH, DEAD, KILLED
from autocard.demo.stage import Stage

_VICTIM: Final = "autocard.demo.victim"
_PATIENCE_S: Final = 20.0


def kill_in_the_loop(stage: Stage, count: int, kills: Sequence[tuple[int, float]]) -> int:
    """
    Start a process that dispatches for each of *kills*, and kill it after so many lines.

    Each kill waits a little longer after its last line, to meet a dispatch at another point.

    Returns how many of them were really at work when they were killed.
    """
    return sum(_kill_after(stage, count, lines, pause_s) for lines, pause_s in kills)


def _kill_after(stage: Stage, count: int, lines: int, pause_s: float) -> bool:
    process = _start(stage, KILLED, count)
    watchdog = threading.Timer(_PATIENCE_S, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        seen = [line for line in (process.stdout.readline() for _ in range(lines)) if line]
        time.sleep(pause_s)
        was_running = process.poll() is None
        process.kill()
        process.communicate()
    finally:
        watchdog.cancel()
    stage.teller.say("kill_said", pid=process.pid, seen=len(seen))
    return was_running and len(seen) == lines and process.returncode != 0


def let_die_before_push(stage: Stage) -> bool:
    """Run the process that dies between its commit and its push; True when it did die there."""
    process = _start(stage, BEFORE_PUSH, 1)
    try:
        process.communicate(timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False
    return process.returncode == DEAD


def _start(stage: Stage, fate: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
        [sys.executable, "-m", _VICTIM, str(stage.config), fate, str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
