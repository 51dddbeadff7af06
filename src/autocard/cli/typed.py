"""Cards that an operator types or pipes in. They are never arguments: a shell would remember them."""

from __future__ import annotations

import sys
from typing import IO

import click

from autocard.cli.program import Invocation
from autocard.secret import Secret


def typed_cards(invocation: Invocation, file: IO[str] | None) -> tuple[Secret, ...]:
    """
    Return one card a line of *file*, of the standard input where it is None.

    At a terminal each is asked for, and not shown.
    """
    source = sys.stdin if file is None else file
    if is_terminal(source):
        return tuple(_asked(invocation))
    try:
        lines = source.read().splitlines()
    except UnicodeDecodeError:
        lines = None
    if lines is None:
        raise click.UsageError(invocation.screen.phrase("cards_not_utf8"))
    return tuple(Secret(line.strip()) for line in lines if line.strip())


def _asked(invocation: Invocation) -> list[Secret]:
    typed = []
    question = invocation.screen.phrase("ask_cards")
    while text := click.prompt(question, default="", show_default=False, hide_input=True, err=True):
        typed.append(Secret(text))
    return typed


def is_terminal(source: IO[str]) -> bool:
    """Say whether a person types at *source*."""
    return source.isatty()
