"""The page about the configuration says what the classes say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import attrs
import pytest

from autocard.config import ChannelSettings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(name="reference")
def _reference():
    spec = importlib.util.spec_from_file_location("docs_reference", DOCS / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_classes_say(reference):
    """Nobody changes a setting and forgets the page."""
    text = reference.PAGE.read_text("utf-8")
    assert reference.refreshed(text) == text, "run python docs/reference.py"


def test_every_field_that_may_be_written_is_on_the_page(reference):
    """Each class has its table, each field its row, each row its sentence."""
    text = reference.PAGE.read_text("utf-8")
    for cls in (*reference.CLASSES, ChannelSettings):
        for field in attrs.fields(cls):
            if reference.UNWRITTEN not in field.metadata:
                assert field.metadata["help"].endswith("."), field.name
                assert f"| `{reference.RENAMED.get(field.name, field.name)}` |" in text


def test_a_stale_page_is_noticed_and_mended(reference, tmp_path, monkeypatch, capsys):
    """`--check` only says so; without it the tables are written anew and nothing else."""
    text = reference.PAGE.read_text("utf-8")
    page = tmp_path / "configuration.md"
    page.write_text(text.replace("| `low` |", "| `high` |"), "utf-8")
    monkeypatch.setattr(reference, "PAGE", page)
    assert reference.main(["--check"]) == 1
    assert page.read_text("utf-8") != text
    assert "stale" in capsys.readouterr().out
    assert reference.main([]) == 0
    assert page.read_text("utf-8") == text
    assert reference.main(["--check"]) == 0
