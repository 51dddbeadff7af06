"""The five hooks: one registers adapters, three decide, one brings news."""

from __future__ import annotations

import pluggy

from autocard.bargain import Offer
from autocard.model import Event, History, Hold, Match, Order, OrderLine, Reject
from autocard.money import Money
from autocard.ports import Registry

hookspec = pluggy.HookspecMarker("autocard")
hookimpl = pluggy.HookimplMarker("autocard")


@hookspec
def autocard_register(registry: Registry) -> None:
    """
    Offer adapters and card formats; called once while the engine opens.

    A failure is `AdapterBroken` and the engine does not open.
    """


@hookspec
def autocard_assess(order: Order, line: OrderLine, history: History) -> Hold | Reject | None:
    """
    Say whether a person should look at *line* first. All run; the strictest verdict wins.

    Called before anything is stored, outside any transaction. A failure counts as a hold.
    """


@hookspec(firstresult=True)
def autocard_match(order: Order, line: OrderLine) -> Match | None:
    """
    Say what *line* means to us; the first answer that is not None counts.

    The rules of the configuration are asked last. A failure counts as a hold.
    """


@hookspec(firstresult=True)
def autocard_choose_offer(
    match: Match, offers: tuple[Offer, ...], ceiling: Money | None
) -> Offer | None:
    """
    Choose among *offers*; the cheapest within *ceiling* is chosen when no hook answers.

    Offers are compared by their `cost`, which is in the currency of *ceiling*; of equal ones that
    of the supplier that served better, then faster. All can be bought now and fit the quantity.
    A failure means that nothing is bought.
    """


@hookspec
def autocard_recorded(event: Event) -> None:
    """
    Hear of an event after it was committed. Each implementation is called alone.

    A failure is logged and counted, never raised.
    """
