"""The clock of a database goes on between its answers, whether they come late or not at all."""

from __future__ import annotations

from datetime import timedelta

import pytest

from autocard.clock import to_ms
from autocard.errors import StoreUnavailable
from autocard.store import server
from autocard.store.server import DatabaseClock
from autocard.testing.shelf import NOW


@pytest.fixture(name="ticks")
def _ticks(monkeypatch):
    ticks = [1000.0]
    monkeypatch.setattr(server.time, "monotonic", lambda: ticks[0])
    return ticks


def test_it_asks_once_a_minute_and_ticks_by_itself(ticks):
    """What it says goes on with this machine's ticking."""
    asked = []
    clock = DatabaseClock(lambda: asked.append(1) or (NOW, ticks[0]), lambda: False)
    first = clock.now()
    assert to_ms(first) == NOW
    ticks[0] += 59.5
    assert clock.now() - first == timedelta(seconds=59.5)
    assert len(asked) == 1
    ticks[0] += 1
    assert to_ms(clock.now()) == NOW
    assert len(asked) == 2


def test_without_a_first_answer_there_is_no_time(ticks):
    """Guessing would let two hosts disagree."""

    def ask():
        raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable, match="gone"):
        DatabaseClock(ask, lambda: False).now()


def test_without_a_later_answer_it_goes_on(ticks):
    """A database that is away for a while does not stop what needs no database."""
    answers = [NOW]

    def ask():
        if not answers:
            raise StoreUnavailable("gone")
        return answers.pop(), ticks[0]

    clock = DatabaseClock(ask, lambda: False)
    first = clock.now()
    ticks[0] += 600
    assert clock.now() - first == timedelta(seconds=600)
    answers.append(NOW + 700_000)
    assert to_ms(clock.now()) == NOW + 700_000


def test_inside_a_transaction_it_goes_on_without_asking(ticks):
    """There may be no second connection to be had; the time is set before the first one begins."""
    asked, changing = [], [False]
    clock = DatabaseClock(lambda: asked.append(1) or (NOW, ticks[0]), lambda: changing[0])
    for _ in range(2):
        clock.set()
    changing[0] = True
    ticks[0] += 600
    assert to_ms(clock.now()) == NOW + 600_000
    assert len(asked) == 1
