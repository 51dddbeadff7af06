"""What is offered, under which names, and that the page in the docs says the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from autocard.adapters import formats as package
from autocard.adapters.formats import autocard_register, card_formats

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "card-formats.md"
NAMES = [card_format.name for card_format in card_formats()]


class Collector:
    """A registry that only remembers."""

    def __init__(self):
        self.formats = []

    def card_format(self, card_format):
        self.formats.append(card_format)


def test_every_format_is_registered_once():
    """The hook offers all formats, each under a name of its own."""
    collector = Collector()
    autocard_register(collector)
    names = [card_format.name for card_format in collector.formats]
    assert names == NAMES
    assert len(set(names)) == len(names)
    assert names[0] == "opaque"


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_a_card_of_its_format(name, formats, check):
    """Names are fit for the configuration, titles for a list, examples for a reader."""
    card_format = formats[name]
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", card_format.name)
    assert card_format.title.isprintable()
    assert check(name, card_format.example) == ""


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_every_format(name, formats):
    """The table of the page has one row for each format, and no others."""
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \| `(.+)` \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    card_format = formats[name]
    example = card_format.example.replace("|", "\\|").replace("\t", "⇥")
    assert rows.count((name, card_format.title, example)) == 1
    assert [row[0] for row in rows] == NAMES


def test_formats_import_only_the_spi():
    """A built-in adapter uses what any author may use."""
    for file in Path(package.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            module = getattr(node, "module", None) or ""
            if isinstance(node, ast.ImportFrom) and module.startswith("autocard"):
                assert module == "autocard.spi" or module.startswith("autocard.adapters.formats")
