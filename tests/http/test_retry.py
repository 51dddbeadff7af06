"""When a call is tried again, and when not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.errors import RejectedError, TransientError, UnknownOutcome
from autocard.http.retry import call_safely, next_try


class _Calls:
    """Raises the given errors one by one, then returns a value."""

    def __init__(self, *errors):
        self.errors, self.count = list(errors), 0

    def __call__(self):
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return "value"


def test_a_value_is_returned_at_once():
    """A call that works is made once, without a pause."""
    calls, waits = _Calls(), []
    assert call_safely(calls, sleep=waits.append) == "value"
    assert (calls.count, waits) == (1, [])


def test_transient_errors_are_tried_again():
    """A call that failed transiently is repeated with growing, bounded pauses."""
    calls, waits = _Calls(TransientError("1"), TransientError("2")), []
    assert call_safely(calls, sleep=waits.append) == "value"
    assert calls.count == 3
    assert 0.2 <= waits[0] <= 0.4
    assert 0.4 <= waits[1] <= 0.6


def test_the_last_error_is_raised():
    """After the last try its own error comes out, with nothing around it."""
    calls = _Calls(*(TransientError(str(number)) for number in range(9)))
    with pytest.raises(TransientError, match="1") as caught:
        call_safely(calls, tries=2, sleep=lambda _: None)
    assert calls.count == 2
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("error", [RejectedError("no"), UnknownOutcome("?"), ValueError("bug")])
def test_other_errors_are_not_tried_again(error):
    """What is refused, unknown or a mistake is raised at once."""
    calls = _Calls(error)
    with pytest.raises(type(error)):
        call_safely(calls, sleep=lambda _: None)
    assert calls.count == 1


def test_the_wish_of_the_other_side_is_honoured():
    """A `retry_after_s` within the cap is waited for."""
    waits = []
    call_safely(_Calls(TransientError("later", retry_after_s=4.5)), sleep=waits.append)
    assert waits == [4.5]


def test_a_long_wish_ends_the_tries():
    """A `retry_after_s` beyond the cap is left to a later call."""
    calls = _Calls(TransientError("much later", retry_after_s=60))
    with pytest.raises(TransientError) as caught:
        call_safely(calls, cap_s=5, sleep=lambda _: None)
    assert calls.count == 1
    assert caught.value.retry_after_s == 60


def test_the_schedule_doubles_up_to_the_cap():
    """Without jitter the waits are 5, 10, 20, … and end at the cap."""
    waits = [
        next_try(attempts, first_s=5, cap_s=60, jitter=0, random=lambda: 0.3)
        for attempts in range(1, 7)
    ]
    assert waits == [5, 10, 20, 40, 60, 60]


def test_jitter_goes_both_ways():
    """The wait is spread by the given share, downwards and upwards."""
    ends = [
        next_try(1, first_s=10, cap_s=60, jitter=0.1, random=lambda end=end: end)
        for end in (0, 0.5, 1)
    ]
    assert ends == pytest.approx([9, 10, 11])


@given(st.integers(-5, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_every_wait_is_bounded(attempts, jitter, chance):
    """However many tries were made, the wait is never negative and never beyond the spread cap."""
    wait = next_try(attempts, first_s=5, cap_s=3600, jitter=jitter, random=lambda: chance)
    assert 0 <= wait <= 3600 * (1 + jitter) + 1e-6
