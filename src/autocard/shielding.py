"""Errors that leave a function without the frames that held a secret in plaintext."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from autocard.errors import AutocardError

_P = ParamSpec("_P")
_R = TypeVar("_R")


def shielded(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """
    Make what is given plaintext raise its errors bare: no inner frames, no cause.

    Tracebacks with local variables end up in logs and error trackers.
    """

    @functools.wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return method(*args, **kwargs)
        except AutocardError as error:
            bare = error.with_traceback(None)
            bare.__cause__ = bare.__context__ = None
        del args, kwargs  # this frame is part of the new traceback
        raise bare

    return call
