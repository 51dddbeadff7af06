"""The books: `verify`, `events`."""

from __future__ import annotations

import json
from typing import Final

import click

from autocard.cli.exits import Exit
from autocard.cli.options import ID, limit_option
from autocard.cli.program import Command, Invocation, option, pass_invocation
from autocard.cli.shapes import event_json, moment, verify_json


@click.command("verify", cls=Command)
@pass_invocation
def verify(invocation: Invocation) -> Exit:
    """Say whether stock, orders and events agree."""
    with invocation.engine() as engine:
        report = engine.ledger.verify()
    screen = invocation.screen
    if screen.as_json:
        screen.document(verify_json(report))
    elif report.ok:
        screen.say("verified", cards=report.cards, style="green")
    else:
        screen.say("faults", count=len(report.faults), style="bold red")
        for fault in report.faults:
            screen.line(f"  {fault}")
    return Exit.DONE if report.ok else Exit.ATTENTION


@click.command("events", cls=Command)
@option("--after", type=click.IntRange(0, ID.max), default=0, show_default=True)
@option("--platform", default=None, metavar="NAME", text="option.platform_of_order")
@option("--order", "order_no", default=None, metavar="ORDER_NO", text="option.order")
@limit_option(1000)
@pass_invocation
def events(
    invocation: Invocation, *, after: int, platform: str | None, order_no: str | None, limit: int
) -> Exit:
    """Show what happened, in order."""
    if (platform is None) is not (order_no is None):
        raise click.UsageError(invocation.screen.phrase("events_both"))
    with invocation.engine() as engine:
        found = engine.ledger.events(after=after, limit=limit, platform=platform, order_no=order_no)
    screen = invocation.screen
    if screen.as_json:
        screen.document([event_json(event) for event in found])
    elif not found:
        screen.say("no_events")
    else:
        screen.table(
            ("id", "at", "kind", "platform", "order_no", "line", "detail"),
            [
                (
                    x.id, moment(x.at), x.kind, x.platform, x.order_no, x.line_no or "",
                    json.dumps(dict(x.detail), ensure_ascii=False) if x.detail else "",
                )
                for x in found
            ],
        )  # fmt: skip
    return Exit.DONE


COMMANDS: Final = (verify, events)
