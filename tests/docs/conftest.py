"""Takes the blocks out of the pages and runs them as a reader would."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

import attrs
import pytest
from click.testing import CliRunner

from autocard.assembly import open_adapters, open_formats
from autocard.cli import main
from autocard.config import load_settings
from autocard.plugins import Plugins

ROOT: Final = Path(__file__).parents[2]
EXEMPT: Final = frozenset({"", "none", "text", "csv"})
"""Languages that say nothing a program could be wrong about."""
NOT_RUN: Final = re.compile(
    r"(?:python3? -m venv |(?:\.venv/bin/)?pip install |(?:\.venv/bin/)?(?:pytest|nox|ruff|mypy)\b"
    r"|(?:\.venv/bin/)?pre-commit |python -m tests\.benchmarks|chmod |crontab |cat |ls )"
)
"""Commands of the world around autocard; everything else in a console block is run."""
_FENCE: Final = re.compile(r"^(?P<indent> *)(?P<mark>`{3,}|~{3,})[ ]*(?P<language>[^\s`]*)")
_NOTE: Final = re.compile(r"<!-- (?P<kind>file|command|fails): (?P<value>[\w./-]+) -->\s*$")
_ENVIRONMENT: Final = re.compile(r"\benv:([A-Za-z_][A-Za-z0-9_]*)")
_FILE: Final = re.compile(r"\bfile:([\w./-]+)")


@attrs.frozen
class Block:
    """One fenced block: where it stands, its language and text, and the note above it."""

    page: Path
    line: int
    language: str
    text: str
    kind: str = ""
    value: str = ""

    @property
    def place(self) -> str:
        """The page and line, for messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return every page whose blocks are promised to run."""
    pages = [*ROOT.glob("README*.md"), *ROOT.glob("docs/**/*.md")]
    return sorted(page for page in pages if "_build" not in page.parts)


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of *page* in order; a directive's own blocks come from within it."""
    lines = iter(enumerate(page.read_text("utf-8").splitlines(), start=1))
    note = None
    for number, line in lines:
        fence = _FENCE.match(line)
        if fence is None:
            note = _NOTE.search(line) or (note if not line.strip() else None)
            continue
        if fence["language"].startswith("{"):
            assert "code" not in fence["language"], f"{page}:{number}: use a plain fenced block"
            continue
        text = _inner(lines, fence)
        kind, value = (note["kind"], note["value"]) if note else ("", "")
        if fence["language"] or text.strip():  # a bare pair is the end of a directive
            yield Block(page, number, fence["language"], text, kind, value)
        note = None


def _inner(lines: Iterator[tuple[int, str]], fence: re.Match[str]) -> str:
    inner = []
    for _, line in lines:
        if line.strip() == fence["mark"]:
            break
        inner.append(line.removeprefix(fence["indent"]))
    return "\n".join(inner) + "\n"


class Reader:
    """Follows one page: the same directory and the same Python names from block to block."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self._patch = patch
        self._module = ModuleType("page")
        patch.setitem(sys.modules, "page", self._module)
        patch.chdir(directory)

    def follow(self, block: Block) -> None:
        """Run *block*; what goes wrong is raised with its page and line."""
        if block.kind == "file":
            target = self.directory / block.value
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, "utf-8")
        if block.language in EXEMPT or block.kind == "command":
            return
        run: Callable[[Block], None] | None = getattr(self, f"_{block.language}", None)
        assert run is not None, f"{block.place}: nothing here checks {block.language!r} blocks"
        run(block)

    def _python(self, block: Block) -> None:
        padding = "\n" * block.line  # so that tracebacks name the line of the page
        program = compile(padding + block.text, str(block.page), "exec", dont_inherit=True)
        exec(program, self._module.__dict__)

    def _toml(self, block: Block) -> None:
        document = tomllib.loads(block.text)
        if block.kind == "file" and Path(block.value).name == "pyproject.toml":
            return
        for name in _ENVIRONMENT.findall(block.text):
            self._patch.setenv(name, os.environ.get(name, "0123456789abcdef0123456789abcdef"))
        for name in _FILE.findall(block.text):
            if not Path(name).exists() and not name.endswith(".keyring"):
                Path(name).write_text("0123456789abcdef0123456789abcdef", "utf-8")
        settings, plugins = load_settings(document), Plugins()
        open_adapters(settings, plugins, lambda: True).close()
        open_formats(settings, plugins)

    def _json(self, block: Block) -> None:
        json.loads(block.text)

    def _console(self, block: Block) -> None:
        text = block.text.replace("\\\n", " ")
        assert re.fullmatch(r"(\$ .*\n)+", text), (
            f"{block.place}: a console block holds commands after '$ ' and nothing else: "
            "no test compares what they print"
        )
        commands = [line[2:] for line in text.splitlines()]
        failed = [self._command(block, command) for command in commands]
        if block.kind == "fails":
            assert failed[-1] == int(block.value), f"{block.place}: exit code {failed[-1]}"
        else:
            assert not any(failed), f"{block.place}: {commands} exited with {failed}"

    def _command(self, block: Block, command: str) -> int:
        """Run *command*, `autocard …` or `echo … | autocard …`, and return its exit code."""
        if NOT_RUN.match(command):
            return 0
        said, pipe, program = command.rpartition(" | ")
        words = shlex.split(program.replace(".venv/bin/autocard", "autocard"))
        typed = shlex.split(said)
        known = words[0] == "autocard" and (not pipe or typed[0] == "echo")
        assert known, f"{block.place}: {command!r} is neither autocard nor on the list"
        answers = " ".join(typed[1:]) + "\n" if pipe else "\n" * 20  # what is proposed is taken
        done = CliRunner().invoke(main, words[1:], input=answers, catch_exceptions=False)
        if done.exit_code and block.kind != "fails":
            sys.stderr.write(f"{block.place}: $ {command}\n{done.output}\n")
        return done.exit_code


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for a `page` every page, one at a time."""
    if "page" in metafunc.fixturenames:
        found = pages()
        metafunc.parametrize("page", found, ids=[str(page.relative_to(ROOT)) for page in found])


@pytest.fixture(name="reader")
def _reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    return Reader(tmp_path, monkeypatch)


@pytest.fixture(name="blocks_of")
def _blocks_of() -> Callable[[Path], Iterator[Block]]:
    return blocks


@pytest.fixture(name="root")
def _root() -> Path:
    return ROOT


@pytest.fixture(name="tables", scope="session")
def _tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_tables", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
