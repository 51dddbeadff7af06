"""The orders of the demonstration, all invented, and how the processes die that dispatch them."""

from __future__ import annotations

from typing import Final

from autocard.model import Buyer, Order, OrderLine, Payment
from autocard.money import Money

SKU: Final = "steam-50"
PRICE: Final = Money("50.00", "CNY")
CONTACT: Final = "li.demo@example.com"
TILL: Final = "till"
"""A platform that is not configured: the host speaks for it and gets the cards back."""
COUNTER: Final = "counter"
"""A platform whose cards go into files."""

KILLED: Final = "killed"
BEFORE_PUSH: Final = "before-push"
DEAD: Final = 9
"""The exit code of a process that died before its push."""


def ordered(platform: str, order_no: str, *, paid: bool) -> Order:
    """Return an order of one card, paid or not yet."""
    return Order(
        platform=platform,
        order_no=order_no,
        lines=(OrderLine(item=SKU, unit_price=PRICE),),
        payment=Payment(paid=PRICE, reference=f"pay-{order_no}") if paid else None,
        buyer=Buyer(id="u1", contact=CONTACT),
    )


def till_orders(count: int) -> list[Order]:
    """Return the *count* paid orders that are dispatched while processes are killed."""
    return [ordered(TILL, f"K{number:04}", paid=True) for number in range(1, count + 1)]


def pushed_order() -> Order:
    """Return the paid order whose delivery is interrupted."""
    return ordered(COUNTER, "P0001", paid=True)
