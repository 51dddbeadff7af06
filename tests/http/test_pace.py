"""Calls to one account begin in their turn, and never more at once than it takes."""

from __future__ import annotations

import os
import threading

import pytest

from autocard.errors import TransientError
from autocard.http.pace import Pace, PacedClient


class Time:
    """A clock that sleeping moves."""

    def __init__(self):
        self.now_s = 100.0
        self.slept = []

    def now(self):
        """Return the present."""
        return self.now_s

    def sleep(self, seconds):
        """Let time pass."""
        self.slept.append(round(seconds, 6))
        self.now_s += seconds


def pace(time, *, at_once=4, per_second=2.0, wait_s=5.0):
    """Return a pace on that clock."""
    return Pace(
        at_once=at_once, per_second=per_second, wait_s=wait_s, now=time.now, sleep=time.sleep
    )


def test_calls_begin_as_fast_as_is_allowed_and_no_faster():
    """Two a second: the first at once, each other half a second after the one before."""
    time = Time()
    turns = pace(time)
    for _ in range(3):
        with turns.turn():
            pass
    assert time.slept == [0.0, 0.5, 0.5]


def test_a_call_that_would_wait_too_long_is_not_made():
    """It is certainly not done, and says when to try again."""
    time = Time()
    turns = pace(time, per_second=0.1)
    with turns.turn():
        pass
    with pytest.raises(TransientError) as caught, turns.turn():
        pytest.fail("it was made")
    assert caught.value.retry_after_s == pytest.approx(10.0)


def test_no_more_calls_at_once_than_allowed():
    """The second waits for the first, and gives up in time."""
    turns = Pace(at_once=1, per_second=1000.0, wait_s=0.01)
    with turns.turn(), pytest.raises(TransientError, match="too many calls"), turns.turn():
        pytest.fail("it was made")
    with turns.turn():  # free again
        pass


def test_a_forked_child_begins_anew():
    """A slot that the parent holds is not taken in the child."""
    turns = Pace(at_once=1, per_second=1000.0, wait_s=0.01)
    with turns.turn():
        child = os.fork()
        if not child:
            with turns.turn():
                os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_paced_client_makes_the_same_calls():
    """Everything is handed on, inside a turn."""
    calls = []

    class Client:
        """Notes what it is asked."""

        def request(self, method, url, *, safe, **content):
            """Note it."""
            calls.append((method, url, safe, content, threading.get_ident()))
            return "answer"

    client = PacedClient(Client(), Pace(at_once=1, per_second=1000.0, wait_s=1.0))
    assert client.request("GET", "https://x.example", safe=True, params={"a": "b"}) == "answer"
    assert calls[0][:4] == ("GET", "https://x.example", True, {"params": {"a": "b"}})
