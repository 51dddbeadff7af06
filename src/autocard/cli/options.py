"""Kinds of values that options take, and options that several commands share."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version

import click

from autocard.cli.program import F, Option, option
from autocard.importing.expiry import expiry_from_text
from autocard.money import Money


def _money(context: click.Context, option: click.Parameter, value: str | None) -> Money | None:
    if value is None:
        return None
    try:
        return Money.parse(value)
    except ValueError as error:
        problem = f"{error}; write it like '46.50 CNY'"
    raise click.BadParameter(problem, context, option)


def _time(context: click.Context, option: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        # As in card files, so that an option and a column mean the same.
        return expiry_from_text(value)
    except ValueError as error:
        problem = str(error)
    raise click.BadParameter(problem, context, option)


def _columns(
    context: click.Context, option: click.Parameter, values: tuple[str, ...]
) -> dict[str, str | int]:
    columns: dict[str, str | int] = {}
    for value in values:
        part, equals, column = value.partition("=")
        if not equals or not part or not column:
            raise click.BadParameter("write it like secret=卡密 or secret=1", context, option)
        columns[part] = int(column) if column.isdecimal() else column
    return columns


def money_option(name: str, *, text: str = "") -> Callable[[F], F]:
    """Declare an option that takes money; see `option` for *text*."""
    return option(name, default=None, callback=_money, metavar="'AMOUNT CURRENCY'", text=text)


def time_option(name: str) -> Callable[[F], F]:
    """Declare an option that takes a time."""
    return option(name, default=None, callback=_time, metavar="TIME")


def column_option() -> Callable[[F], F]:
    """Declare `--column`, which may be repeated; its value is part to column."""
    return option(
        "--column", "columns", multiple=True, callback=_columns, metavar="PART=COLUMN",
        text="option.column",
    )  # fmt: skip


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a process without a user, as in some containers
        return "operator"


def by_option() -> Callable[[F], F]:
    """Declare `--by`: who does it; the name of the login unless said."""
    return option("--by", default=_who, show_default="login", metavar="NAME", envvar="AUTOCARD_BY")


def why_option(*, required: bool = False) -> Callable[[F], F]:
    """Declare `--why`: the reason, for the record."""
    if required:  # a default, even None, would be taken for an answer
        return option("--why", required=True, metavar="TEXT")
    return option("--why", default="", metavar="TEXT")


def limit_option(default: int) -> Callable[[F], F]:
    """Declare `--limit`."""
    return option("--limit", type=click.IntRange(1, 100_000), default=default, show_default=True)


def option_version() -> click.Option:
    """Return `--version`."""

    def show(context: click.Context, _: click.Parameter, value: object) -> None:
        if value and not context.resilient_parsing:
            click.echo(f"autocard {version('autocard')}")
            context.exit()

    return Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show)
