"""
What the tests run in processes of their own: `python seller.py PLAN`.

The plan is a JSON file: the `store`, its `keyring`, whether to `create` it, the time `at` which to
begin, the `orders` to dispatch, and the file `stop`, which ends the work early. For each order a line is printed: what was answered, and before it each
time that the store was unavailable. Whoever reads these lines knows what a host was told, whatever
becomes of the database.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from autocard import Engine, Money, Order, OrderLine, Payment
from autocard.errors import StoreUnavailable

PATIENCE_S = 60.0


def opened(store, keyring, *, create=False):
    """Return an engine that sells the sku `steam`; it is opened again until the store answers."""
    table = {"store": store, "keyring": f"file:{keyring}", "skus": {"steam": {}}}
    return patiently(lambda: Engine.open(table, create=create), lambda _: None)


def order(number, quantity=1):
    """Return a paid order."""
    price = Money("10.00", "CNY")
    return Order(
        platform="shop",
        order_no=number,
        lines=[OrderLine(item="steam", quantity=quantity, unit_price=price)],
        payment=Payment(paid=price * quantity),
    )


def patiently(work, tell):
    """Return what *work* returns, tried again while the store is unavailable, for a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return work()
        except StoreUnavailable as error:
            tell(error)
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def texts_of(receipt):
    """Return the cards of a receipt in one word."""
    return "+".join(sorted(card.text().reveal() for card in receipt.cards))


def sell(engine, number):
    """Print what became of order *number*."""
    try:
        receipt = patiently(
            lambda: engine.dispatch(order(number)),
            lambda error: print(number, "again", error, flush=True),
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, the test wants to see it
        print(number, "error", f"{type(error).__name__}: {error!s}"[:300], flush=True)
    else:
        print(number, receipt.outcome, texts_of(receipt), flush=True)


def main(plan):
    time.sleep(max(0.0, plan["at"] - time.time()))
    with opened(plan["store"], plan["keyring"], create=plan["create"]) as engine:
        for number in plan["orders"]:
            if Path(plan["stop"]).exists():
                break
            sell(engine, number)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
