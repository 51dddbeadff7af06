"""The docs cannot be wrong quietly: their blocks run, their tables and names are the code's."""

from __future__ import annotations

import importlib
import re

import pytest


def _commands(group, path=()):
    """Return the names of every command below the click *group*, such as ("review", "approve")."""
    for name, command in sorted(getattr(group, "commands", {}).items()):
        yield (*path, name)
        yield from _commands(command, (*path, name))


def _documented(page, name):
    """Say whether *page* shows *name* as code."""
    return re.search(
        rf"`[^`\n]*\b{re.escape(name)}\b[^`\n]*`|^#+ .*\b{re.escape(name)}\b", page, re.MULTILINE
    )


def test_every_block_of_a_page_runs(page, reader, blocks_of):
    """A reader who follows a page from top to bottom meets no error."""
    for block in blocks_of(page):
        reader.follow(block)


def test_every_page_is_reachable(root):
    """Each page under docs/ stands in a table of contents."""
    docs = root / "docs"
    toc = {
        found.with_suffix("").resolve()
        for page in docs.rglob("*.md")
        for tree in re.findall(
            r"^```\{toctree\}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
        for entry in tree.split()
        if not entry.startswith(":")
        for found in page.parent.glob(f"{entry}.md")
    }
    pages = {page.with_suffix("") for page in docs.rglob("*.md") if "_build" not in page.parts}
    assert pages - toc == {docs / "index"}


def test_generated_tables_are_fresh(page, tables):
    """States, reasons, errors, names and capabilities in a page are those of the code."""
    text = page.read_text("utf-8")
    assert tables.refreshed(text) == text, "run python docs/tables.py"


def test_every_table_is_shown(root, tables):
    """Each table that can be made of the code stands in some page."""
    shown = {
        name
        for page in (root / "docs").rglob("*.md")
        for name in re.findall(r"<!-- table: ([a-z-]+) -->", page.read_text("utf-8"))
    }
    assert shown == set(tables.TABLES)


@pytest.mark.parametrize(
    ("module", "shown"),
    [
        ("autocard", "host-names"),
        ("autocard.spi", "spi-names"),
        ("autocard.testing", "testing-names"),
    ],
)
def test_reference_names_are_the_public_names(module, shown, root):
    """The reference page lists exactly what a module exports."""
    reference = (root / "docs" / "reference.md").read_text("utf-8")
    listing = reference.partition(f"<!-- table: {shown} -->")[2].partition("<!-- end of table -->")[
        0
    ]
    listed = re.findall(r"^\| `(\w+)` \|", listing, re.MULTILINE)
    assert sorted(listed) == sorted(importlib.import_module(module).__all__)


@pytest.mark.parametrize("module", ["autocard", "autocard.spi", "autocard.testing"])
def test_public_classes_say_what_they_are(module):
    """Every exported class and function has a docstring of its own."""
    names = importlib.import_module(module)
    bare = [
        name
        for name in names.__all__
        if callable(getattr(names, name)) and not (getattr(names, name).__doc__ or "").strip()
    ]
    assert bare == []


def test_every_engine_method_is_in_the_reference(root):
    """The reference shows each public method and desk of the engine."""
    from autocard import Engine

    reference = (root / "docs" / "reference.md").read_text("utf-8")
    public = [name for name in vars(Engine) if not name.startswith("_")]
    assert [name for name in public if not _documented(reference, name)] == []


def test_every_hook_is_documented(root):
    """The hooks page has each hook that the engine calls."""
    from autocard import hookspecs

    page = (root / "docs" / "hooks.md").read_text("utf-8")
    hooks = [name for name in vars(hookspecs) if name.startswith("autocard_")]
    assert hooks
    assert [name for name in hooks if not _documented(page, name)] == []


def test_every_capability_is_documented(root):
    """The page for adapter authors names each capability."""
    from autocard.spi import Capability

    page = (root / "docs" / "writing-an-adapter.md").read_text("utf-8")
    assert [str(each) for each in Capability if not _documented(page, str(each))] == []


def test_every_command_is_documented(root):
    """The page of the command line has each command and subcommand."""
    from autocard.cli import main

    page = (root / "docs" / "cli.md").read_text("utf-8")
    commands = [" ".join(path) for path in _commands(main)]
    assert commands
    assert [name for name in commands if not _documented(page, name)] == []


def test_every_built_in_adapter_has_a_page(root, tables):
    """Each platform and channel that ships is described in a page of its own or by its kind."""
    pages = "\n".join(page.read_text("utf-8") for page in (root / "docs" / "adapters").glob("*.md"))
    names = {adapter.name for _, adapter in tables.built_in_adapters()}
    assert {name for name in names if not _documented(pages, name)} == set()


def test_every_word_of_the_glossary_has_chinese(root):
    """Each row of the glossary carries a Chinese term."""
    rows = re.findall(
        r"^\| [^|-][^|]* \|.*$", (root / "docs" / "glossary.md").read_text("utf-8"), re.MULTILINE
    )
    bare = [row for row in rows[1:] if not re.search(r"[\u4e00-\u9fff]", row)]
    assert rows[1:]
    assert bare == []


def test_readmes_show_the_same_commands_and_snippet(root):
    """Both READMEs lead to the same demo, the same tests and the same first program."""
    fence = re.compile(r"^```(?:sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    english, chinese = (
        fence.findall(re.sub(r"#.*", "", (root / name).read_text("utf-8")))
        for name in ("README.md", "README.zh-CN.md")
    )
    assert len(english) == 3
    assert [" ".join(block.split()) for block in chinese] == [
        " ".join(block.split()) for block in english
    ]


def test_commit_points_are_named_in_the_concepts(root):
    """The page on concepts explains every commit point and every verb of the flow."""
    page = (root / "docs" / "concepts.md").read_text("utf-8")
    words = ("T1", "T2", "T3", "T4", "verify", "confirm", "assess", "match", "allocate", "deliver")
    assert [word for word in words if not re.search(rf"\b{word}\b", page)] == []
