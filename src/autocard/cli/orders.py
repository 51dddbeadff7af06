"""Orders: `dispatch`, `pull`, `orders`, `receipt`, `cancel`, `resend`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Final

import attrs
import click

from autocard.cli.exits import Exit
from autocard.cli.options import (
    by_option,
    limit_option,
    reason_option,
    time_option,
    why_option,
)
from autocard.cli.program import Command, Invocation, option, pass_invocation
from autocard.cli.shapes import needs_attention, receipt_json, resent_json
from autocard.cli.showing import show_receipt
from autocard.codec import order_from_json
from autocard.errors import InvalidOrder, OrderNotFound
from autocard.model import Event, Order, Receipt
from autocard.states import Outcome

if TYPE_CHECKING:
    from autocard.engine import Engine

_SENT: Final = "delivery.settled"
_MAX_BYTES: Final = 64 * 1_048_576
_SAMPLE: Final = """\b
{"platform": "shop", "order_no": "A1001",
 "lines": [{"item": "steam-50", "quantity": 2,
            "unit_price": {"amount": "50.00", "currency": "CNY"}}],
 "payment": {"paid": {"amount": "100.00", "currency": "CNY"}},
 "buyer": {"id": "u1", "contact": "u1@example.com"}}
"""


# --- dispatch -------------------------------------------------------------------------------


@click.command("dispatch", cls=Command, epilog=_SAMPLE)
@click.argument("file", type=click.File("rb"), metavar="FILE|-")
@option("--platform", default="", metavar="NAME", text="option.platform_of_orders")
@option("--reveal", is_flag=True)
@pass_invocation
def dispatch(invocation: Invocation, *, file: IO[bytes], platform: str, reveal: bool) -> Exit:
    """Serve a paid order, or a list of them, given as JSON."""
    document = _parsed(file.read(_MAX_BYTES + 1))
    is_many = isinstance(document, list)
    rows = document if isinstance(document, list) else [document]
    orders = [_order(row, platform) for row in rows]
    with invocation.engine() as engine:
        receipts = engine.dispatch_many(orders) if is_many else [engine.dispatch(orders[0])]
    shown = [receipt_json(receipt, reveal=reveal) for receipt in receipts]
    if invocation.as_json:
        invocation.screen.document(shown if is_many else shown[0])
    else:
        for receipt in receipts:
            show_receipt(invocation.screen, receipt, reveal=reveal)
    return _worst(receipts)


def _parsed(data: bytes) -> object:
    problem = "is not JSON; write one order as an object, or several as a list"
    if len(data) > _MAX_BYTES:
        problem = f"is longer than {_MAX_BYTES:,} bytes; dispatch fewer orders at once"
    else:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            pass
    # Outside the except block: the error of the parser holds the whole text.
    raise InvalidOrder("order", problem)


def _order(row: object, platform: str) -> Order:
    name = platform or (row.get("platform", "") if isinstance(row, dict) else "")
    if not name and isinstance(row, dict):  # what is no order at all is told as that
        raise InvalidOrder("platform", "is missing; put it into the order or give --platform")
    return order_from_json(row, name)


def _worst(receipts: Sequence[Receipt]) -> Exit:
    is_served = all(receipt.outcome is Outcome.DELIVERED for receipt in receipts)
    return Exit.DONE if is_served else Exit.ATTENTION


@click.command("pull", cls=Command)
@click.argument("platform")
@time_option("--since")
@option("--reveal", is_flag=True)
@pass_invocation
def pull(invocation: Invocation, *, platform: str, since: datetime | None, reveal: bool) -> Exit:
    """Fetch a platform's paid orders and serve them."""
    with invocation.engine() as engine:
        receipts = engine.pull(platform, since)
    if invocation.as_json:
        invocation.screen.document([receipt_json(each, reveal=reveal) for each in receipts])
    elif not receipts:
        invocation.screen.say("no_orders")
    else:
        for each in receipts:
            show_receipt(invocation.screen, each, reveal=reveal)
    return _worst(receipts)


# --- looking --------------------------------------------------------------------------------


@click.command("orders", cls=Command)
@option("--outcome", type=click.Choice([str(each) for each in Outcome]), default=None)
@option("--platform", default=None, metavar="NAME")
@option("--contact", default=None, metavar="TEXT")
@limit_option(100)
@pass_invocation
def orders(
    invocation: Invocation,
    *,
    outcome: str | None,
    platform: str | None,
    contact: str | None,
    limit: int,
) -> Exit:
    """List orders, the newest first, without their cards."""
    with invocation.engine() as engine:
        found = engine.orders(
            outcome=None if outcome is None else Outcome(outcome),
            platform=platform,
            contact=contact,
            limit=limit,
        )
    screen = invocation.screen
    if screen.as_json:
        screen.document([receipt_json(receipt, reveal=False) for receipt in found])
    elif not found:
        screen.say("no_orders")
    else:
        screen.table(
            ("platform", "order_no", "line", "item", "quantity", "outcome", "reason"),
            [
                (x.platform, x.order_no, y.line_no, y.item, y.quantity, y.outcome, y.reason)
                for x in found
                for y in x.lines
            ],
        )
    return Exit.DONE


@click.command("receipt", cls=Command)
@click.argument("platform")
@click.argument("order_no")
@option("--reveal", is_flag=True)
@pass_invocation
def receipt(invocation: Invocation, *, platform: str, order_no: str, reveal: bool) -> Exit:
    """Show what became of an order."""
    with invocation.engine() as engine:
        found = engine.receipt(platform, order_no)
    if found is None:
        raise OrderNotFound(f"{platform}/{order_no} is not known")
    if not invocation.as_json:  # nobody asked for it to be served, so nothing was repeated
        found = attrs.evolve(found, replayed=False)
    return answer(invocation, found, reveal=reveal)


# --- changing -------------------------------------------------------------------------------


@click.command("cancel", cls=Command)
@click.argument("platform")
@click.argument("order_no")
@reason_option("--reason")
@pass_invocation
def cancel(invocation: Invocation, *, platform: str, order_no: str, reason: str) -> Exit:
    """Cancel what was not handed out yet."""
    with invocation.engine() as engine:
        return answer(invocation, engine.cancel(platform, order_no, reason=reason))


@click.command("resend", cls=Command)
@click.argument("platform")
@click.argument("order_no")
@option("--line", "line_no", type=click.IntRange(1), default=None, text="option.line")
@option("--route", default=None, metavar="ROUTE")
@by_option()
@why_option(required=True)
@pass_invocation
def resend(
    invocation: Invocation,
    *,
    platform: str,
    order_no: str,
    line_no: int | None,
    route: str | None,
    by: str,
    why: str,
) -> Exit:
    """Hand the same cards over once more; ATTENTION where they did not go out."""
    with invocation.engine() as engine:
        before = _last_event(engine, platform, order_no)
        found = engine.review.resend(
            platform, order_no, by=by, why=why, line_no=line_no, route=route
        )
        # The receipt cannot tell: a line that was delivered once stays so.
        told = engine.ledger.events(platform=platform, order_no=order_no, after=before)
    tries = _tries(told)
    if invocation.as_json:
        shown = [resent_json(line_no, each) for line_no, each in tries]
        invocation.screen.document({**receipt_json(found, reveal=False), "deliveries": shown})
        code = Exit.ATTENTION if needs_attention(found) else Exit.DONE
    else:
        code = answer(invocation, found)
        for line, each in tries:
            _say_try(invocation, line, each)
    is_out = all(each is not None and each.kind == _SENT for _, each in tries)
    return code if is_out else Exit.ATTENTION


def _last_event(engine: Engine, platform: str, order_no: str) -> int:
    last = 0
    while events := engine.ledger.events(platform=platform, order_no=order_no, after=last):
        last = events[-1].id
    return last


def _tries(events: Sequence[Event]) -> list[tuple[int, Event | None]]:
    """Return each line that was sent again with what came of it by each route; None: nothing yet."""
    tries: list[tuple[int, Event | None]] = []
    for line_no in (event.line_no for event in events if event.kind == "line.resent"):
        answers = {
            event.detail["reference"]: event
            for event in events
            if event.line_no == line_no and event.kind.startswith("delivery.")
        }
        tries += [(line_no, each) for each in answers.values() or (None,)]
    return tries


def _say_try(invocation: Invocation, line_no: int, event: Event | None) -> None:
    if event is None:
        invocation.screen.say("resent.waiting", line=line_no, style="yellow")
    elif event.kind != _SENT:
        invocation.screen.say(
            f"resent.{event.kind.partition('.')[2]}", line=line_no, route=event.detail["route"],
            problem=event.detail.get("problem", ""), style="yellow",
        )  # fmt: skip


def answer(invocation: Invocation, found: Receipt, *, reveal: bool = False) -> Exit:
    """Show *found*; ATTENTION while the engine or a person has to do something about it."""
    if invocation.as_json:
        invocation.screen.document(receipt_json(found, reveal=reveal))
    else:
        show_receipt(invocation.screen, found, reveal=reveal)
    return Exit.ATTENTION if needs_attention(found) else Exit.DONE


COMMANDS: Final = (dispatch, pull, orders, receipt, cancel, resend)
