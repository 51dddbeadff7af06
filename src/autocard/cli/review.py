"""What waits for a person: `review list`, `approve`, `reject`, `fulfil`, `settle`."""

from __future__ import annotations

from typing import IO, Final

import click

from autocard.cli.exits import Exit
from autocard.cli.options import ID, by_option, limit_option, why_option
from autocard.cli.orders import answer
from autocard.cli.program import Command, Group, Invocation, option, pass_invocation
from autocard.cli.shapes import held_json, moment
from autocard.cli.typed import typed_cards
from autocard.model import CardId

_COLUMNS: Final = (
    "accepted_at", "platform", "order_no", "paid", "line", "item", "quantity", "outcome",
    "reason", "why",
)  # fmt: skip

review = Group("review")


@review.command("list", cls=Command, text="command.review list")
@limit_option(100)
@pass_invocation
def list_held(invocation: Invocation, *, limit: int) -> Exit:
    """Show the orders that wait for a person, and why."""
    with invocation.engine() as engine:
        held = engine.review.pending(limit=limit)
    screen = invocation.screen
    if screen.as_json:
        screen.document([held_json(order) for order in held])
    elif not held:
        screen.say("nothing_held")
    else:
        screen.table(
            _COLUMNS,
            [
                (
                    moment(x.accepted_at), x.platform, x.order_no, x.paid or "", y.line_no,
                    y.item, y.quantity, y.outcome, y.reason, y.why,
                )
                for x in held
                for y in x.lines
            ],
        )  # fmt: skip
    return Exit.DONE


@review.command("approve", cls=Command, text="command.review approve")
@click.argument("platform")
@click.argument("order_no")
@option("--line", "line_no", type=click.IntRange(1), default=None, text="option.line")
@option("--sku", default=None, metavar="SKU")
@by_option()
@why_option()
@option("--reveal", is_flag=True)
@pass_invocation
def approve(
    invocation: Invocation,
    *,
    platform: str,
    order_no: str,
    line_no: int | None,
    sku: str | None,
    by: str,
    why: str,
    reveal: bool,
) -> Exit:
    """Serve an order that was held."""
    with invocation.engine() as engine:
        found = engine.review.approve(platform, order_no, by=by, why=why, line_no=line_no, sku=sku)
    return answer(invocation, found, reveal=reveal)


@review.command("reject", cls=Command, text="command.review reject")
@click.argument("platform")
@click.argument("order_no")
@option("--line", "line_no", type=click.IntRange(1), default=None, text="option.line")
@option("--refund", is_flag=True)
@by_option()
@why_option(required=True)
@pass_invocation
def reject(
    invocation: Invocation,
    *,
    platform: str,
    order_no: str,
    line_no: int | None,
    refund: bool,
    by: str,
    why: str,
) -> Exit:
    """Refuse an order that was held."""
    with invocation.engine() as engine:
        found = engine.review.reject(
            platform, order_no, by=by, why=why, line_no=line_no, refund=refund
        )
    return answer(invocation, found)


@review.command("fulfil", cls=Command, text="command.review fulfil")
@click.argument("platform")
@click.argument("order_no")
@click.argument("line_no", type=click.IntRange(1))
@option("--cards", type=click.File("r", encoding="utf-8-sig"), default=None, metavar="FILE|-")
@option("--pick", "picks", type=ID, multiple=True, metavar="CARD", text="option.pick")
@option("--note", default="", metavar="TEXT")
@by_option()
@why_option()
@option("--reveal", is_flag=True)
@pass_invocation
def fulfil(
    invocation: Invocation,
    *,
    platform: str,
    order_no: str,
    line_no: int,
    cards: IO[str] | None,
    picks: tuple[int, ...],
    note: str,
    by: str,
    why: str,
    reveal: bool,
) -> Exit:
    """Serve one line by hand, with cards typed in or picked from stock."""
    is_typed = cards is not None or not (picks or note)
    texts = typed_cards(invocation, cards) if is_typed else ()
    with invocation.engine() as engine:
        found = engine.review.fulfil(
            platform, order_no, line_no, by=by, why=why, cards=[text.reveal() for text in texts],
            picks=tuple(CardId(pick) for pick in picks), note=note,
        )  # fmt: skip
    return answer(invocation, found, reveal=reveal)


@review.command("settle", cls=Command, text="command.review settle")
@click.argument("platform")
@click.argument("order_no")
@option("--line", "line_no", type=click.IntRange(1), default=None, text="option.line")
@by_option()
@why_option(required=True)
@pass_invocation
def settle(
    invocation: Invocation, *, platform: str, order_no: str, line_no: int | None, by: str, why: str
) -> Exit:
    """Declare an undelivered line delivered: somebody made sure of it."""
    with invocation.engine() as engine:
        found = engine.review.settle(platform, order_no, by=by, why=why, line_no=line_no)
    return answer(invocation, found)


COMMANDS: Final = (review,)
