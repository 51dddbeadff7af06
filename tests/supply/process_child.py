"""
What test_processes.py runs in processes of their own.

`python process_child.py FOLDER dispatch` reads lists of order numbers from standard input, as JSON,
and forks a process for each, which writes `NUMBER OUTCOME REASON CARDS` or `NUMBER error NAME` of
each. `python process_child.py FOLDER resume` lets them resume as often as their lists are long. The
URL of the store is in FOLDER/store; what suppliers sold is in FOLDER/sold.jsonl.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import attrs

from autocard import Engine, Money, Order, OrderLine, Payment
from autocard.spi import (
    BoughtCard,
    Capability,
    Offer,
    Secret,
    Stage,
    Supplied,
    Supplier,
    TransientError,
    hookimpl,
)

COST = Money("8.00", "CNY")
SLOW_S = 0.05


@attrs.frozen
class Options:
    folder: str


class Selling(Supplier):
    """Writes down what it sold, so that all processes see one supplier."""

    name = "slow"
    Options = Options
    calls_per_second = 10_000.0
    look_after_s = 0.01
    capabilities = frozenset({Capability.OFFERS, Capability.BUY, Capability.FIND_PURCHASE})

    def offers(self, items):
        return [Offer(item=item, price=COST) for item in items]

    def buy(self, purchase):
        time.sleep(SLOW_S)
        cards = [f"{self.name}-{purchase.reference}-{i}" for i in range(purchase.quantity)]
        told = {
            "by": self.name, "reference": purchase.reference, "quantity": purchase.quantity,
            "cards": self.handed_over(purchase, cards),
        }  # fmt: skip
        file = os.open(f"{self.options.folder}/sold.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, (json.dumps(told) + "\n").encode())  # one write: lines do not mix
        os.close(file)
        return _supplied(told)

    def handed_over(self, purchase, cards):
        return cards

    def find_purchase(self, purchase):
        for told in sold(Path(self.options.folder)):
            if told["reference"] == purchase.reference:
                return _supplied(told)
        return None


class Lying(Selling):
    """Says that it is done, and has no card, one that everybody has, or the one it should."""

    name = "lying"

    def handed_over(self, purchase, cards):
        return [["N/A"], ["OLD-1"], cards][sum(map(ord, purchase.reference)) % 3]


class Down(Selling):
    """Offers, and cannot be reached when it is to sell."""

    name = "down"

    def buy(self, purchase):
        raise TransientError("no connection")


class Adapters:
    @hookimpl
    def autocard_register(self, registry):
        for supplier in (Selling, Lying, Down):
            registry.supplier(supplier)


def _supplied(told):
    cards = tuple(BoughtCard(secret=Secret(text)) for text in told["cards"])
    return Supplied(stage=Stage.DONE, cards=cards, cost=COST * told["quantity"])


def sold(folder):
    """Return what was sold so far, by all suppliers."""
    file = folder / "sold.jsonl"
    return [json.loads(x) for x in file.read_text().splitlines()] if file.exists() else []


def opened(folder, *, create=False, clock=None):
    suppliers = ("slow", "lying", "down")
    restock = {"quantity": 5, "suppliers": ["slow"]}
    return Engine.open(
        {
            "store": (folder / "store").read_text(),
            "keyring": f"file:{folder}/shop.keyring",
            "skus": {
                **{f"by-{x}": {"sources": ["warehouse:main", f"supplier:{x}"]} for x in suppliers},
                "gift": {"low": 3, "ceiling": "9.00 CNY", "restock": restock},
            },
            "suppliers": {
                name: {
                    "adapter": name, "folder": str(folder), "tries": 2, "pause_s": 1.0,
                    "calls_at_once": 3, "items": {f"by-{name}": "card", "gift": "gift"},
                }
                for name in suppliers
            },
            "supply": {"restock_every_s": 0, "sync_every_s": 0},
        },
        create=create,
        plugins=[Adapters()],
        **({} if clock is None else {"clock": clock}),
    )  # fmt: skip


def order(number, sku):
    price = Money("10.00", "CNY")
    return Order(
        platform="shop",
        order_no=number,
        lines=[OrderLine(item=sku, quantity=1, unit_price=price)],
        payment=Payment(paid=price),
    )


def dispatch(engine, number):
    """Return one line of what became of order *number*; which supplier serves it is in its name."""
    try:
        receipt = engine.dispatch(order(number, f"by-{number.split('-')[0]}"))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent wants to see it
        return f"{number} error {type(error).__name__}:{error}"
    (line,) = receipt.lines
    texts = "+".join(card.text().reveal() for card in receipt.cards)
    return f"{number} {line.outcome} {line.reason or '-'} {texts or '-'}"


def work(engine, mode, lines):
    """Yield what became of each order number, or resume for each line."""
    for line in lines:
        if mode == "resume":
            engine.resume()
        else:
            yield dispatch(engine, line.strip())


def main(folder, mode):
    """Fork a process for each share; what it says goes to FOLDER/told-SHARE."""
    shares = json.loads(sys.stdin.read())
    children = [_forked(folder, mode, *each) for each in enumerate(shares)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    sys.exit(max(codes))


def _forked(folder, mode, number, share):
    pid = os.fork()
    if pid == 0:
        code = 3
        try:
            with opened(folder) as engine:
                told = "\n".join(work(engine, mode, share))
            (folder / f"told-{number}").write_text(told)
            code = 0
        finally:
            os._exit(code)
    return pid


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
