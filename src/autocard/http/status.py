"""What an HTTP status says about the call: done, not done, or unknown."""

from __future__ import annotations

from typing import Final

from autocard.errors import RejectedError, TransientError, UnknownOutcome
from autocard.model import Response

# The server says that it has not begun: too early, slow down, come back later.
_NOT_BEGUN: Final = frozenset({425, 429})
_UNAVAILABLE: Final = 503
_TIMED_OUT: Final = 408
MAX_RETRY_AFTER_S: Final = 86_400


def check_status(response: Response, *, safe: bool) -> None:
    """
    Return when *response* is a success (2xx); otherwise say what the caller may do next.

    Args:
        response: The answer; only its status and `Retry-After` are read.
        safe: True when making the call twice does no harm.

    Raises:
        TransientError: Certainly not done (425, 429, and 503 with `Retry-After`), or a failure of
            a safe call (408, 5xx). `retry_after_s` is set where the server named seconds.
        RejectedError: Certainly not done, and will not be: 3xx and all other 4xx.
        UnknownOutcome: An unsafe call failed with 408 or 5xx; it may have been done.

    No message holds more than the status number.
    """
    status = response.status
    if 200 <= status < 300:
        return
    wait_s = retry_after_s(response)
    problem = f"the other side answered HTTP {status}"
    if status in _NOT_BEGUN or (status == _UNAVAILABLE and wait_s is not None):
        raise TransientError(problem, retry_after_s=wait_s)
    if status == _TIMED_OUT or status >= 500 or status < 200:
        if safe:
            raise TransientError(problem, retry_after_s=wait_s)
        raise UnknownOutcome(f"{problem}; look it up before trying again")
    raise RejectedError(problem)


def retry_after_s(response: Response) -> float | None:
    """
    Return the seconds that `Retry-After` asks for, at most a day; None without a number.

    The other form, a date, is not read: it depends on two clocks agreeing.
    """
    text = response.headers.get("retry-after", "").strip()
    if not (text.isascii() and text.isdigit()):
        return None
    return float(min(int(text[:9]), MAX_RETRY_AFTER_S))
