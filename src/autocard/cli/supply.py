"""What is bought: `supply offers`, `purchases`, `balances`, `restock`, and what a person decides."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Final, Literal

import click

from autocard.cli.exits import Exit
from autocard.cli.options import by_option, limit_option, money_option, why_option
from autocard.cli.program import Command, Group, Invocation, option, pass_invocation
from autocard.cli.shapes import (
    event_json,
    moment,
    offer_json,
    price,
    purchase_json,
    restock_json,
    supplier_json,
    sync_json,
)
from autocard.cli.typed import typed_cards
from autocard.money import Money
from autocard.states import PurchaseState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from autocard.cli.screen import Screen
    from autocard.desks.supply import PurchaseReport
    from autocard.model import Event

_UNKNOWN: Final = "?"
_FOR_A_PERSON: Final = (PurchaseState.PROPOSED, PurchaseState.HELD)

supply = Group("supply")


# --- what is offered ------------------------------------------------------------------------


@supply.command("offers", cls=Command, text="command.supply offers")
@click.argument("sku")
@option("--quantity", type=click.IntRange(1, 10_000), default=1, show_default=True)
@pass_invocation
def offers(invocation: Invocation, *, sku: str, quantity: int) -> Exit:
    """Ask suppliers what they offer of a sku, the cheapest first."""
    # Here and not above, so that `autocard --help` does not load what reads a configuration.
    from autocard.purchasing import room

    with invocation.engine() as engine:
        found = engine.supply.offers(sku, quantity)
    screen = invocation.screen
    if screen.as_json:
        screen.document([offer_json(offer, room(offer, quantity)) for offer in found])
    elif not found:
        screen.say("no_offers", sku=sku)
    else:
        screen.table(
            (
                "supplier", "item", "name", "price", "cost", "on_sale", "available", "units",
                "success_rate", "delay",
            ),
            [
                (
                    x.supplier, x.item, x.name, price(x.price), price(x.cost), _tick(x.on_sale),
                    _UNKNOWN if x.available is None else x.available, room(x, quantity),
                    _share(x.success_rate), _seconds(x.delay_s),
                )
                for x in found
            ],
        )  # fmt: skip
    return Exit.DONE


@supply.command("balances", cls=Command, text="command.supply balances")
@pass_invocation
def balances(invocation: Invocation) -> Exit:
    """Show what is known of each supplier; 1 when one is paused or its balance is low."""
    with invocation.engine() as engine:
        found = engine.supply.balances()
    screen = invocation.screen
    if screen.as_json:
        screen.document([supplier_json(report) for report in found])
    elif not found:
        screen.say("no_suppliers")
    else:
        screen.table(
            (
                "supplier", "balance", "balance_at", "is_low", "spent_today", "paused_until",
                "success_rate", "delay",
            ),
            [
                (
                    x.supplier, price(x.balance) or _UNKNOWN, _second(x.balance_at),
                    _tick(x.is_low), price(x.spent_today), _second(x.paused_until),
                    _share(x.success_rate), _seconds(x.delay_s),
                )
                for x in found
            ],
        )  # fmt: skip
    is_well = not any(x.is_low or x.paused_until for x in found)
    return Exit.DONE if is_well else Exit.ATTENTION


@supply.command("sync", cls=Command, text="command.supply sync")
@click.argument("supplier", required=False)
@pass_invocation
def sync(invocation: Invocation, *, supplier: str | None) -> Exit:
    """Ask one supplier, or all, for prices, stock and balance; 1 when one could not be asked."""
    with invocation.engine() as engine:
        found = engine.supply.sync(supplier)
    screen = invocation.screen
    if screen.as_json:
        screen.document([sync_json(report) for report in found])
    elif not found:
        screen.say("no_suppliers")
    else:
        screen.table(
            ("supplier", "offers", "changed", "balance", "problem"),
            [
                (x.supplier, x.offers, x.changed, price(x.balance) or _UNKNOWN, x.problem)
                for x in found
            ],
        )
    return Exit.ATTENTION if any(x.problem for x in found) else Exit.DONE


# --- what was bought ------------------------------------------------------------------------


@supply.command("purchases", cls=Command, text="command.supply purchases")
@option("--state", type=click.Choice([str(each) for each in PurchaseState]), default=None)
@option("--supplier", default=None, metavar="NAME", text="option.purchases_of")
@limit_option(100)
@pass_invocation
def purchases(
    invocation: Invocation, *, state: str | None, supplier: str | None, limit: int
) -> Exit:
    """List purchases, the newest first."""
    with invocation.engine() as engine:
        found = engine.supply.purchases(
            state=None if state is None else PurchaseState(state), supplier=supplier, limit=limit
        )
    screen = invocation.screen
    if screen.as_json:
        screen.document([purchase_json(purchase) for purchase in found])
    elif not found:
        screen.say("no_purchases")
    else:
        screen.table(
            (
                "reference", "begun_at", "supplier", "sku", "quantity", "arrived", "state",
                "charged", "meant_for", "problem",
            ),
            [
                (
                    x.reference, _second(x.begun_at), x.supplier, x.sku, x.quantity, x.arrived,
                    str(x.state), price(x.cost) or "", _meant_for(x), x.problem,
                )
                for x in found
            ],
        )  # fmt: skip
    return Exit.DONE


@supply.command("show", cls=Command, text="command.supply show")
@click.argument("reference")
@pass_invocation
def show(invocation: Invocation, *, reference: str) -> Exit:
    """Show one purchase with every call that was made and what was answered."""
    with invocation.engine() as engine:
        found = engine.supply.purchase(reference)
        events = engine.supply.evidence(reference)
    screen = invocation.screen
    if screen.as_json:
        told = [event_json(event) for event in events]
        screen.document({**purchase_json(found), "events": told})
    else:
        _show_purchase(screen, found)
        _show_events(screen, events)
    return _ending(found)


# --- stock ----------------------------------------------------------------------------------


@supply.command("restock", cls=Command, text="command.supply restock")
@click.argument("sku", required=False)
@option("--dry-run", is_flag=True, text="option.restock_dry_run")
@pass_invocation
def restock(invocation: Invocation, *, sku: str | None, dry_run: bool) -> Exit:
    """Look at stock and buy what is low; `resume` carries the purchases out."""
    with invocation.engine() as engine:
        found = engine.supply.restock(sku, dry_run=dry_run)
    screen = invocation.screen
    if screen.as_json:
        screen.document([restock_json(look) for look in found])
    elif not found:
        screen.say("no_restocks")
    else:
        screen.table(
            (
                "sku", "warehouse", "available", "point", "quantity", "supplier", "price",
                "reference", "why",
            ),
            [
                (
                    x.sku, x.warehouse, x.available, x.point, x.quantity, x.supplier, x.price,
                    x.reference, x.why,
                )
                for x in found
            ],
        )  # fmt: skip
    return Exit.DONE


@supply.command("approve", cls=Command, text="command.supply approve")
@click.argument("reference")
@by_option()
@pass_invocation
def approve(invocation: Invocation, *, reference: str, by: str) -> Exit:
    """Let a proposed restock be bought."""
    with invocation.engine() as engine:
        found = engine.supply.approve(reference, by=by)
    return _answer(invocation, found)


@supply.command("decline", cls=Command, text="command.supply decline")
@click.argument("reference")
@by_option()
@why_option(required=True)
@pass_invocation
def decline(invocation: Invocation, *, reference: str, by: str, why: str) -> Exit:
    """Drop a proposed restock."""
    with invocation.engine() as engine:
        found = engine.supply.decline(reference, by=by, why=why)
    return _answer(invocation, found)


# --- what waits for a person ----------------------------------------------------------------


@supply.command("retry", cls=Command, text="command.supply retry")
@click.argument("reference")
@by_option()
@why_option()
@pass_invocation
def retry(invocation: Invocation, *, reference: str, by: str, why: str) -> Exit:
    """Have a held purchase looked up once more."""
    with invocation.engine() as engine:
        found = engine.supply.retry(reference, by=by, why=why)
    return _answer(invocation, found)


@supply.command("resolve", cls=Command, text="command.supply resolve")
@click.argument("reference")
@click.argument("outcome", type=click.Choice(["bought", "failed"]))
@option(
    "--cards", type=click.File("r", encoding="utf-8-sig"), default=None, metavar="FILE|-",
    text="option.bought_cards",
)  # fmt: skip
@money_option("--cost", text="option.charged")
@by_option()
@why_option(required=True)
@pass_invocation
def resolve(
    invocation: Invocation,
    *,
    reference: str,
    outcome: Literal["bought", "failed"],
    cards: IO[str] | None,
    cost: Money | None,
    by: str,
    why: str,
) -> Exit:
    """Say what became of a held purchase, with the cards that it brought."""
    texts = () if cards is None else typed_cards(invocation, cards)
    with invocation.engine() as engine:
        found = engine.supply.resolve(
            reference, outcome, by=by, why=why, cards=[text.reveal() for text in texts], cost=cost
        )
    return _answer(invocation, found)


# --- showing --------------------------------------------------------------------------------


def _answer(invocation: Invocation, found: PurchaseReport) -> Exit:
    if invocation.as_json:
        invocation.screen.document(purchase_json(found))
    else:
        _show_purchase(invocation.screen, found)
    return _ending(found)


def _ending(found: PurchaseReport) -> Exit:
    """Return ATTENTION while a person has to decide."""
    return Exit.ATTENTION if found.state in _FOR_A_PERSON else Exit.DONE


def _show_purchase(screen: Screen, found: PurchaseReport) -> None:
    """Show what is known of a purchase, one fact a line: a table of it would be too wide."""
    facts = {
        "reference": found.reference,
        "state": found.state,
        "supplier": found.supplier,
        "remote": found.remote,
        "sku": found.sku,
        "item": found.item,
        "quantity": found.quantity,
        "arrived": found.arrived,
        "price": price(found.price),
        "charged": price(found.cost),
        "calls": found.calls,
        "meant_for": _meant_for(found),
        "begun_at": _second(found.begun_at),
        "changed_at": _second(found.changed_at),
        "problem": found.problem,
    }
    for name, value in facts.items():
        if value not in (None, ""):
            title = screen.phrase(f"column.{name}")
            screen.line(f"{title}: {value}")


def _show_events(screen: Screen, events: Sequence[Event]) -> None:
    if events:
        screen.table(("at", "kind", "detail"), [(_second(x.at), x.kind, _told(x)) for x in events])


def _told(event: Event) -> str:
    """Return what an event says, without the reference that all of them share."""
    told = {name: value for name, value in event.detail.items() if name != "reference"}
    return json.dumps(told, ensure_ascii=False)


def _meant_for(purchase: PurchaseReport) -> str:
    """Return the line that a purchase is for, or the warehouse that it restocks."""
    if purchase.order_no:
        return f"{purchase.platform}/{purchase.order_no} {purchase.line_no}"
    return purchase.warehouse


def _second(time: datetime | None) -> str:
    return "" if time is None else str(moment(time.replace(microsecond=0)))


def _tick(holds: bool) -> str:  # noqa: FBT001 - the only thing that it is about
    return "✓" if holds else ""


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _seconds(seconds: float | None) -> str:
    return f"{seconds:.1f} s" if seconds else ""


COMMANDS: Final = (supply,)
