"""What each HTTP status means for the caller's next move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.errors import AdapterError, RejectedError, TransientError, UnknownOutcome
from autocard.http.status import retry_after_s
from autocard.model import Response
from autocard.spi import check_status


def _raised(status, *, safe, **headers):
    with pytest.raises(AdapterError) as caught:
        check_status(Response(status=status, headers=headers, body=b"card"), safe=safe)
    assert str(status) in str(caught.value)
    assert "card" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_success(status):
    """Every 2xx is success, for safe and unsafe calls."""
    check_status(Response(status=status), safe=True)
    check_status(Response(status=status), safe=False)


@pytest.mark.parametrize(
    ("status", "safe_error", "unsafe_error"),
    [
        (100, TransientError, UnknownOutcome),
        (301, RejectedError, RejectedError),
        (302, RejectedError, RejectedError),
        (400, RejectedError, RejectedError),
        (401, RejectedError, RejectedError),
        (404, RejectedError, RejectedError),
        (408, TransientError, UnknownOutcome),
        (410, RejectedError, RejectedError),
        (425, TransientError, TransientError),
        (429, TransientError, TransientError),
        (500, TransientError, UnknownOutcome),
        (502, TransientError, UnknownOutcome),
        (503, TransientError, UnknownOutcome),
        (504, TransientError, UnknownOutcome),
        (599, TransientError, UnknownOutcome),
    ],
)
def test_failures_by_status(status, safe_error, unsafe_error):
    """Each failure names what is known: not done, never to be done, or unknown."""
    assert type(_raised(status, safe=True)) is safe_error
    assert type(_raised(status, safe=False)) is unsafe_error


def test_503_with_retry_after_was_not_done():
    """A server that says when to come back has not begun, even with an unsafe call."""
    error = _raised(503, safe=False, **{"Retry-After": "7"})
    assert isinstance(error, TransientError)
    assert error.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 12 ", 12.0),
        ("999999999999", 86400.0),
        ("-1", None),
        ("1.5", None),
        ("Fri, 02 Jan 2026 03:04:05 GMT", None),
        ("²", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_up_to_a_day(text, seconds):
    """Whole seconds are read and capped at a day; anything else is no wish."""
    assert retry_after_s(Response(status=429, headers={"retry-after": text})) == seconds


@given(st.integers(-10, 1000), st.text(), st.booleans())
def test_any_answer_is_success_or_a_documented_error(status, text, safe):
    """Every status with any header either passes or raises an `AdapterError`."""
    try:
        check_status(Response(status=status, headers={"retry-after": text}), safe=safe)
    except AdapterError:
        assert not 200 <= status < 300
    else:
        assert 200 <= status < 300
