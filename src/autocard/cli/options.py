"""Kinds of values that options take, and options that several commands share."""

from __future__ import annotations

import getpass
import math
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

import click

from autocard.cli.program import F, Invocation, Option, option
from autocard.importing.expiry import expiry_from_text
from autocard.money import Money

ID: Final = click.IntRange(1, 2**63 - 1)
"""The number of a card or batch: what every database can count to."""


class _Seconds(click.FloatRange):
    """A number of seconds; `nan`, which is neither too small nor too large, is none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


SECONDS: Final = _Seconds(0.01, 86_400)
"""How long to wait: from a moment to a day."""


def _money(context: click.Context, option: click.Parameter, value: str | None) -> Money | None:
    if value is None:
        return None
    try:
        money = Money.parse(value)
    except ValueError as error:
        problem = f"{error}; write it like '46.50 CNY'"
    else:
        if money.minor >= 0:
            return money
        problem = "must not be negative; write it like '46.50 CNY'"
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


def _reason(context: click.Context, option: click.Parameter, value: str) -> str:
    if value.strip():
        return value
    problem = context.ensure_object(Invocation).screen.phrase("no_reason")
    raise click.BadParameter(problem, context, option)


def reason_option(name: str) -> Callable[[F], F]:
    """Declare an option that has to give a reason."""
    # Without a default: even None would be taken for an answer.
    return option(name, required=True, callback=_reason, metavar="TEXT")


def why_option(*, required: bool = False) -> Callable[[F], F]:
    """Declare `--why`: the reason, for the record."""
    return reason_option("--why") if required else option("--why", default="", metavar="TEXT")


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
