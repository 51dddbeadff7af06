"""The shop that buys what it sells does what its page says."""

from __future__ import annotations

import re


def test_it_prints_what_the_page_shows(examples, run, tmp_path):
    """Two orders, one of them with a lost answer, and five cards in all."""
    example = examples / "supply_shop"
    page = (example / "README.md").read_text("utf-8")
    (promised,) = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    done = run("-W", "error", example / "shop.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == promised
    assert "FAKE-" not in done.stdout + done.stderr
