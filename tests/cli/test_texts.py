"""Both languages are complete and say the same; the page of the command line is complete too."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

import autocard.cli
import autocard.demo
from autocard.cli import main
from autocard.cli.helping import HELP
from autocard.cli.phrases import PHRASES
from autocard.cli.program import Option, common_options
from autocard.cli.texts import help_text, language_of, phrase
from autocard.demo.texts import TEXTS, text

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cli.md"


def _commands(group, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(_commands(main))


def _fields(sentence):
    return sorted(name for _, name, _, _ in Formatter().parse(sentence) if name is not None)


@pytest.mark.parametrize("book", [PHRASES, HELP, TEXTS], ids=["phrases", "help", "demo"])
def test_every_sentence_has_both_languages(book):
    """Each entry has English and Chinese with the same values in them."""
    for name, (english, chinese) in book.items():
        assert english, name
        assert chinese, name
        assert _fields(english) == _fields(chinese), name
        assert not re.search(r"[\u4e00-\u9fff]", english.replace("易支付", "").replace("卡密", ""))
        wordless = re.sub(r"\{[^}]*\}", "", chinese).strip(" /:：.")
        assert not wordless or re.search(r"[\u4e00-\u9fff]", chinese) or name == "option.keyring"


def _used(package, functions):
    """Return the names that are given as literals to *functions* anywhere in *package*."""
    names = set()
    for file in Path(package.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if called in functions:
                    names.add(node.args[0].value)
    return names


def test_every_sentence_that_is_said_is_there():
    """No command says a sentence that neither book knows, and the demo's book has no spare ones."""
    assert _used(autocard.cli, {"phrase", "say"}) <= set(PHRASES)
    said = _used(autocard.demo, {"say", "step", "claim"})
    rows = {name for name in TEXTS if name.startswith("row_")}
    assert said | rows == set(TEXTS)


def _is_table(node):
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "table"


def test_every_column_has_a_title():
    """Each column of a table has a title in both languages."""
    tables = set()
    for file in Path(autocard.cli.__file__).parent.glob("*.py"):
        source = file.read_text("utf-8")
        for node in ast.walk(ast.parse(source)):
            if _is_table(node) and isinstance(node.args[0], ast.Tuple):
                tables |= {f"column.{each.value}" for each in node.args[0].elts}
    assert tables
    assert tables <= set(PHRASES)


def test_language_is_chosen_by_the_environment():
    """AUTOCARD_LANG comes before the locale; what is neither Chinese nor English is English."""
    assert language_of({}) == "en"
    assert language_of({"LANG": "zh_CN.UTF-8"}) == "zh"
    assert language_of({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}) == "en"
    assert language_of({"LANG": "de_DE", "AUTOCARD_LANG": "zh-Hant"}) == "zh"


def test_sentences_are_filled_in():
    """A sentence comes in the language that was asked for, with its values."""
    assert phrase("en", "voided", card=7) == "Card 7 is void."
    assert phrase("zh", "voided", card=7) == "卡 7 已作废。"
    assert help_text("zh", "option.json") == "以 JSON 输出。"
    assert text("zh", "books") == "核对账目"


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_help_is_complete(shop, name, language):
    """`--help` of each command has a text for itself and each option, in the language asked."""
    done = shop.run("--lang", language, *name.split(), "--help")
    assert done.code == 0
    assert HELP[f"command.{name}"][language == "zh"].split()[0] in done.out
    for option in COMMANDS[name].params:
        if isinstance(option, Option):
            assert option._text in HELP


@pytest.mark.parametrize("language", ["en", "zh"])
def test_overviews_list_the_commands(shop, language):
    """The root and the group show each command with its line."""
    root = shop.run("--lang", language, "--help").out
    assert all(name.split()[0] in root for name in COMMANDS)
    assert "settle" in shop.run("--lang", language, "review", "--help").out


def _section(name):
    found = re.search(
        rf"^### `{re.escape(name)}`\n(.*?)(?=^##|\Z)",
        PAGE.read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert found, name
    return found[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_documents_each_option(name):
    """docs/cli.md has a section for each command, with exactly its options in the table."""
    common = {each for option in common_options() for each in option.opts}
    real = {
        each
        for option in COMMANDS[name].params
        if option.param_type_name == "option"
        for each in (*option.opts, *option.secondary_opts)
    } - common
    table = "\n".join(line for line in _section(name).splitlines() if line.startswith("| `"))
    shown = {each for row in table.splitlines() for each in _options_of(row)}
    assert shown == real


def _options_of(row):
    first = row.split("|")[1]
    return re.findall(r"(?<![\w-])--?[a-z][a-z-]*", first)


def test_the_page_documents_every_exit_code():
    """The table of exit codes has each of them."""
    from autocard.cli.exits import Exit

    table = PAGE.read_text("utf-8").partition("### Exit codes")[2].partition("### Errors")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == set(Exit)


def test_the_page_documents_the_common_options():
    """Options of every command are listed once."""
    head = PAGE.read_text("utf-8").partition("### Exit codes")[0]
    for option in common_options():
        assert all(f"`{each}" in head for each in option.opts)
