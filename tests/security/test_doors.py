"""Plaintext has one door, and these are the files that may open it."""

from __future__ import annotations

import ast
from pathlib import Path

import autocard

ROOT = Path(autocard.__file__).parent
ADAPTERS = Path(__file__).parents[1] / "adapters"
# A file that joins this list is read by two people: what becomes of the text it reveals? So is one
# that joins the `reveals.txt` beside the tests of its adapter.
OPEN_IT = {
    "arriving.py",
    "buying/asking.py",
    "cli/review.py",
    "cli/shapes.py",
    "cli/showing.py",
    "cli/supply.py",
    "config/structure.py",
    "delivering.py",
    "demo/gateway.py",
    "demo/scenes.py",
    "demo/stage.py",
    "desks/cards.py",
    "http/ciphers.py",
    "http/signature.py",
    "testing/channels.py",
    "testing/leaks.py",
    "testing/platforms.py",
    "testing/suppliers.py",
    "testing/wholesale.py",
}


def _opens(file):
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in {"reveal", "_Secret__text"}
        and isinstance(node.ctx, ast.Load)
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
    )


def _adapters_open():
    """Return the files that each adapter says may reveal."""
    return {
        f"adapters/{listed.parent.name}/{name}"
        for listed in ADAPTERS.glob("*/reveals.txt")
        for name in listed.read_text("utf-8").split()
    }


def test_only_these_files_reveal():
    """Nowhere else does a secret become a text."""
    found = {file.relative_to(ROOT).as_posix() for file in ROOT.rglob("*.py") if _opens(file)}
    assert found == OPEN_IT | _adapters_open()
