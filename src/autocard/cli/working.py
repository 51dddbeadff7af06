"""Go on with what is unfinished: `resume` once, `run` until it is told to stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import attrs
import click

from autocard.cli.exits import Exit
from autocard.cli.options import SECONDS, limit_option
from autocard.cli.program import Command, Invocation, option, pass_invocation
from autocard.cli.shapes import resume_json
from autocard.errors import StoreUnavailable

if TYPE_CHECKING:
    from autocard.engine import Engine
    from autocard.resuming import ResumeReport

_SLICE_S: Final = 0.1


@click.command("resume", cls=Command)
@limit_option(100)
@pass_invocation
def resume(invocation: Invocation, *, limit: int) -> Exit:
    """Advance what is unfinished, once."""
    with invocation.engine() as engine:
        report = engine.resume(limit)
    if invocation.as_json:
        invocation.screen.document(resume_json(report))
    else:
        _show(invocation, report)
    return Exit.ATTENTION if report.delayed else Exit.DONE


@click.command("run", cls=Command)
@option("--every", type=SECONDS, default=5.0, show_default=True)
@limit_option(100)
@pass_invocation
def run(invocation: Invocation, *, every: float, limit: int) -> Exit:
    """Advance what is unfinished, again and again, until SIGINT or SIGTERM."""
    with stopping() as stop, invocation.engine() as engine:
        if not invocation.as_json:
            invocation.screen.say("run_began", every=f"{every:g}")
        while not stop.is_asked:
            _pass(invocation, engine, limit)
            stop.wait(every)
    if not invocation.as_json:
        invocation.screen.say("run_ended")
    return Exit.DONE


def _pass(invocation: Invocation, engine: Engine, limit: int) -> None:
    """Make one pass, whole even when the signal comes in the middle of it."""
    try:
        report = engine.resume(limit)
    except StoreUnavailable as error:
        problem = str(error)  # the next pass tries again
    else:
        if report.total and invocation.as_json:
            invocation.screen.record(resume_json(report))
        elif report.total:
            _show(invocation, report)
        return
    if invocation.as_json:
        invocation.screen.record({"error": {"kind": "StoreUnavailable", "message": problem}})
    else:
        invocation.screen.problem(problem)


def _show(invocation: Invocation, report: ResumeReport) -> None:
    counts = attrs.asdict(report)
    screen = invocation.screen
    if not any(counts.values()):
        screen.say("resumed_nothing")
    for name, count in counts.items():
        if count:
            screen.say(f"resumed.{name}", count=count)


@attrs.define
class Stop:
    """Whether somebody asked to stop."""

    is_asked: bool = False

    def wait(self, seconds: float) -> None:
        """Return after *seconds*, or soon after somebody asked."""
        # Not an Event: a signal that comes while its lock is held would wait for itself.
        end = time.monotonic() + seconds
        while not self.is_asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_S))


@contextmanager
def stopping() -> Iterator[Stop]:
    """Note SIGINT and SIGTERM; what they did before is restored at the end."""
    stop = Stop()

    def ask(*_: object) -> None:
        stop.is_asked = True

    before = {each: signal.signal(each, ask) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


COMMANDS: Final = (resume, run)
