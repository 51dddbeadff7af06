"""What is old, in sealed files: `archive`, `archive list`, `archive show`, `archive restore`."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from autocard.cli.exits import Exit
from autocard.cli.options import by_option, limit_option, why_option
from autocard.cli.orders import answer
from autocard.cli.program import Command, Group, Invocation, option, pass_invocation
from autocard.cli.shapes import archive_json, archived_json, moment

if TYPE_CHECKING:
    from autocard.archiving.values import ArchivedRecord

_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_AGE: Final = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_FILE: Final = click.Path(path_type=Path)


def _age(context: click.Context, option: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    found = _AGE.fullmatch(value)
    if found is None:
        raise click.BadParameter("write it like 400d, 60w or 36h", context, option)
    return int(found[1]) * _UNITS[found[2]]


def _name(
    context: click.Context, option: click.Parameter, value: str | None
) -> tuple[str, str] | None:
    if value is None:
        return None
    platform, slash, order_no = value.partition("/")
    if not slash or not platform or not order_no:
        invocation = context.ensure_object(Invocation)
        raise click.BadParameter(invocation.screen.phrase("order_name"), context, option)
    return platform, order_no


@click.group("archive", cls=Group, invoke_without_command=True)
@option("--older-than", default=None, callback=_age, metavar="AGE")
@option("--to", "folder", default=None, type=_FILE, metavar="DIR", text="option.archive_to")
@by_option()
@why_option()
@click.pass_context
def archive(
    context: click.Context,
    *,
    older_than: timedelta | None,
    folder: Path | None,
    by: str,
    why: str,
) -> Exit | None:
    """Carry what is old out of the store, unless another command follows."""
    if context.invoked_subcommand is not None:
        return None
    invocation = context.ensure_object(Invocation)
    screen = invocation.screen
    if older_than is None or folder is None:
        raise click.UsageError(screen.phrase("archive_both"))
    before = datetime.now(UTC) - older_than
    with invocation.engine() as engine:
        report = engine.ledger.archive(before, to=folder, by=by, why=why)
    if screen.as_json:
        made = [archive_json(each) for each in report.archives]
        screen.document({"archives": made, "cleared": report.cleared})
        return Exit.DONE
    if not report.archives:
        screen.say("archived_nothing")
        return Exit.DONE
    for each in report.archives:
        screen.say(
            "archived", path=folder / each.name, orders=each.orders, intents=each.intents,
            events=each.events, movements=each.movements,
        )  # fmt: skip
    screen.say("archive_cleared", count=report.cleared)
    return Exit.DONE


@archive.command("list", cls=Command, text="command.archive list")
@pass_invocation
def list_archives(invocation: Invocation) -> Exit:
    """Show the archives of this store; ATTENTION while one is not finished."""
    with invocation.engine() as engine:
        found = engine.ledger.archives()
    screen = invocation.screen
    if screen.as_json:
        screen.document([archive_json(each) for each in found])
    elif not found:
        screen.say("no_archives")
    else:
        screen.table(
            ("name", "made_at", "by", "since", "until", "records", "size", "finished"),
            [
                (
                    x.name, moment(x.made_at), x.by, moment(x.since), moment(x.until), x.total,
                    x.size, "✓" if x.is_finished else "✗",
                )
                for x in found
            ],
        )  # fmt: skip
    return Exit.DONE if all(each.is_finished for each in found) else Exit.ATTENTION


@archive.command("show", cls=Command, text="command.archive show")
@click.argument("file", type=_FILE)
@option(
    "--order", "name", default=None, callback=_name, metavar="PLATFORM/ORDER_NO",
    text="option.archive_order",
)  # fmt: skip
@option("--reveal", is_flag=True, text="option.archive_reveal")
@limit_option(1000)
@pass_invocation
def show(
    invocation: Invocation,
    *,
    file: Path,
    name: tuple[str, str] | None,
    reveal: bool,
    limit: int,
) -> Exit:
    """Show the records of an archive, or of one order in it."""
    with invocation.engine() as engine:
        every = engine.ledger.open_archive(file)
        fitting = (x for x in every if name in (None, (x.platform, x.order_no)))
        found = list(islice(fitting, limit))
    screen = invocation.screen
    if screen.as_json:
        screen.document([archived_json(x, reveal=reveal) for x in found])
        return Exit.DONE
    screen.say("archive_whole", file=file.name, count=len(found))
    screen.table(
        ("record", "id", "at", "platform", "order_no", "line", "detail"),
        [
            (x.kind, x.id, moment(x.at), x.platform, x.order_no, x.line_no or "", _detail(x))
            for x in found
        ],
    )
    for record in found:
        if reveal and record.order is not None:
            screen.line(_json(archived_json(record, reveal=True)["order"]))
    return Exit.DONE


@archive.command("restore", cls=Command, text="command.archive restore")
@click.argument("file", type=_FILE)
@click.argument("platform")
@click.argument("order_no")
@by_option()
@why_option()
@pass_invocation
def restore(
    invocation: Invocation, *, file: Path, platform: str, order_no: str, by: str, why: str
) -> Exit:
    """Bring what was sealed with an order back into the store."""
    with invocation.engine() as engine:
        found = engine.ledger.restore(file, platform, order_no, by=by, why=why)
    return answer(invocation, found)


def _detail(record: ArchivedRecord) -> str:
    told = {name: value for name, value in record.detail.items() if value not in (None, "")}
    return _json(told) if told else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


COMMANDS: Final = (archive,)
