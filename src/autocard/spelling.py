"""Suggestions for names that somebody misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def close_names(name: str, names: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` when one of *names* is close to *name*, else ""."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
