"""Where the examples are, and how one is run in a Python of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(name="examples", scope="session")
def _examples():
    return EXAMPLES


@pytest.fixture(name="run", scope="session")
def _run():
    """Return a function that runs Python with *words*, `path` before everything installed."""

    def run(*words, path=(), folder=None):
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        return subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8",
            timeout=240, check=False,
        )  # fmt: skip

    return run
