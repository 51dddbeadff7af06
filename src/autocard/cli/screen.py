"""What is shown: sentences and tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final, TextIO

import attrs
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autocard.cli.texts import Language, phrase

# A card or a name could carry commands for the terminal.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_PIPE_WIDTH: Final = 160
_COLOURS: Final = {
    "delivered": "green",
    "pending": "yellow",
    "held": "bold yellow",
    "rejected": "red",
    "cancelled": "dim",
}


@attrs.frozen
class Screen:
    """Where a command shows its outcome, in one language."""

    language: Language
    as_json: bool

    # --- for programs ---

    def document(self, value: Any) -> None:
        """Show *value* as JSON: the whole answer of a command."""
        _write(sys.stdout, json.dumps(value, ensure_ascii=not _is_utf8(), indent=2))

    def record(self, value: Any) -> None:
        """Show *value* as one line of JSON, for commands that go on."""
        _write(sys.stdout, json.dumps(value, ensure_ascii=not _is_utf8()))

    # --- for people ---

    def say(self, name: str, *, style: str = "", **values: object) -> None:
        """Show the sentence *name*."""
        self.line(self.phrase(name, **values), style=style)

    def line(self, text: str, *, style: str = "") -> None:
        """Show *text* as it is, but for control characters."""
        _console(sys.stdout).print(Text(printable(text), style=style), soft_wrap=True)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Show *rows*; *headings* are names of phrases, numbers stand on the right."""
        listed = [list(row) for row in rows]
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for index, heading in enumerate(headings):
            is_number = bool(listed) and all(isinstance(row[index], int) for row in listed)
            table.add_column(
                self.phrase(f"column.{heading}"),
                justify="right" if is_number else "left",
                overflow="fold",
            )
        for row in listed:
            table.add_row(*(_cell(value) for value in row))
        _console(sys.stdout).print(table)

    def problem(self, text: str) -> None:
        """Show *text* in red on the error stream."""
        prefix = self.phrase("error")
        _console(sys.stderr).print(
            Text(f"{prefix}{printable(text)}", style="bold red"), soft_wrap=True
        )

    def phrase(self, name: str, **values: object) -> str:
        """Return the sentence *name*."""
        return phrase(self.language, name, **values)


def printable(text: str) -> str:
    """Return *text* with control characters made visible; line ends and tabs stay."""
    return _CONTROL.sub("\ufffd", text)


def _cell(value: object) -> Text:
    text = printable(str(value))
    return Text(text, style=_COLOURS.get(text, ""))


def _console(stream: TextIO) -> Console:
    _tolerate(stream)
    is_narrow = not stream.isatty() and "COLUMNS" not in os.environ
    return Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        width=_PIPE_WIDTH if is_narrow else None,
    )


def _write(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")
    stream.flush()


def _tolerate(stream: TextIO) -> None:
    # A terminal without Chinese shows escapes, which is better than a failure half way through.
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _is_utf8() -> bool:
    return (getattr(sys.stdout, "encoding", "") or "").replace("-", "").lower() == "utf8"
