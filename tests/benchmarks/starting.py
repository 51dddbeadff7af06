"""Rows about starting: what `import autocard` takes, and what it leaves unloaded."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

from tests.benchmarks.figures import Budget, Row
from tests.benchmarks.sizes import Sizes

_PROGRAM = """
import json, sys, time
started = time.perf_counter()
{statement}
taken = time.perf_counter() - started
print(json.dumps([taken, sorted(sys.modules)]))
"""
_UNWANTED = (
    "autocard.adapters.", "sqlite3", "sqlalchemy", "psycopg", "pymysql", "flask", "django",
    "fastapi", "starlette", "requests",
)  # fmt: skip


def starts(sizes: Sizes) -> Iterator[Row]:
    """Give how long a fresh interpreter takes for the package, and for the engine."""
    seconds, loaded = _start("import autocard", sizes.starts)
    unwanted = [name for name in loaded if name.startswith(_UNWANTED)]
    yield Row(
        name="import autocard",
        value=seconds,
        unit="s",
        budget=Budget(limit=0.25, at_most=True),
        note="no adapter or driver loaded" if not unwanted else f"loads {', '.join(unwanted)}",
    )
    yield Row(
        name="adapters and drivers loaded by import autocard",
        value=len(unwanted),
        unit="modules",
        budget=Budget(limit=0, at_most=True),
    )
    seconds, _ = _start("from autocard import Engine", sizes.starts)
    yield Row(name="from autocard import Engine", value=seconds, unit="s")


def _start(statement: str, times: int) -> tuple[float, list[str]]:
    program = _PROGRAM.format(statement=statement)
    taken, loaded = [], []
    for _ in range(times):
        ran = subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True
        )
        seconds, loaded = json.loads(ran.stdout)
        taken.append(seconds)
    return statistics.median(taken), loaded
