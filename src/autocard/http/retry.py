"""When to try again: at once within one call, and later across calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from autocard.errors import TransientError

T = TypeVar("T")

_FIRST_S: Final = 0.2
_MOST_DOUBLINGS: Final = 60


def call_safely(
    call: Callable[[], T],
    *,
    tries: int = 3,
    cap_s: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """
    Return what *call* returns, trying again after a `TransientError`.

    Only for calls that do no harm when made twice. A `retry_after_s` is honoured; one beyond
    *cap_s* ends the tries, because waiting longer is the business of a later call.

    Args:
        call: One safe call.
        tries: How often it is made at most, ≥ 1.
        cap_s: The longest wait between two tries, in seconds.
        sleep: Waits; replace it in tests.

    Raises:
        TransientError: The last try failed too.
        Exception: Whatever else *call* raises, at once.
    """
    backoff = wait_exponential(multiplier=_FIRST_S, max=cap_s) + wait_random(0, _FIRST_S)

    def may_repeat(error: BaseException) -> bool:
        return isinstance(error, TransientError) and (error.retry_after_s or 0.0) <= cap_s

    def wait_s(state: RetryCallState) -> float:
        return min(cap_s, max(backoff(state), _asked_s(state)))

    policy = Retrying(
        stop=stop_after_attempt(tries),
        wait=wait_s,
        retry=retry_if_exception(may_repeat),
        sleep=sleep,
        reraise=True,
    )
    return policy(call)


def _asked_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked_s = error.retry_after_s if isinstance(error, TransientError) else None
    return asked_s or 0.0


def next_try(
    attempts: int,
    *,
    first_s: float,
    cap_s: float,
    jitter: float,
    random: Callable[[], float],
) -> float:
    """
    Return the seconds to wait before the next try: doubling, capped, spread.

    Args:
        attempts: How many tries were made, ≥ 1.
        first_s: The wait after the first try.
        cap_s: The longest wait before it is spread.
        jitter: Share by which a wait is spread in both directions, 0 to 1 (0.1 is ±10 %). The cap
            is spread too, so that calls that failed together do not come back together.
        random: Returns a number from 0 to 1.
    """
    doublings = min(max(attempts, 1) - 1, _MOST_DOUBLINGS)
    wait_s = min(cap_s, first_s * 2.0**doublings)
    return wait_s * (1.0 + jitter * (2.0 * random() - 1.0))
