"""A shop whose processes sell from several hosts, and what was answered to whom."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import attrs

from .seller import opened
from .servers import wait_until

_CHILD = Path(__file__).with_name("seller.py")


@attrs.define
class Seller:
    """A process that dispatches orders one after the other."""

    process: subprocess.Popen
    output: Path

    def lines(self):
        """Return what it said so far, as pairs of an order number and the rest."""
        whole, _, _ = self.output.read_text("utf-8").rpartition("\n")
        return [line.split(" ", 1) for line in whole.splitlines()]

    def served(self):
        """Return how many orders it has an answer for."""
        return sum(not rest.startswith("again") for _, rest in self.lines())


class Shop:
    """One keyring, and the engines and processes that use it."""

    def __init__(self, folder):
        self._folder = folder
        self._engines = []
        self.keyring = folder / "shop.keyring"
        self.stop = folder / "stop"
        self.sellers = []

    def open(self, store, *, create=False):
        """Return an engine on *store*, closed at the end."""
        engine = opened(store, self.keyring, create=create)
        self._engines.append(engine)
        return engine

    def start(self, store, orders, *, create=False, at=0.0):
        """Start a process that dispatches *orders* on *store*, from the time *at* on."""
        plan = self._folder / f"seller-{len(self.sellers)}.json"
        plan.write_text(
            json.dumps(
                {
                    "store": store,
                    "keyring": str(self.keyring),
                    "create": create,
                    "at": at,
                    "orders": list(orders),
                    "stop": str(self.stop),
                }
            )
        )
        output = plan.with_suffix(".out")
        with output.open("wb") as told, plan.with_suffix(".err").open("wb") as complaints:
            process = subprocess.Popen(
                [sys.executable, str(_CHILD), str(plan)], stdout=told, stderr=complaints
            )
        self.sellers.append(Seller(process, output))

    def wait_for_more(self, count, within_s=60.0):
        """Every process has served *count* orders more than when this was called, or is done."""
        targets = [seller.served() + count for seller in self.sellers]

        def reached():
            for seller in self.sellers:
                assert not seller.process.poll(), self.complaints()
            return all(
                seller.process.poll() == 0 or seller.served() >= target
                for seller, target in zip(self.sellers, targets, strict=True)
            )

        wait_until(reached, f"every process has served {count} orders more", within_s)

    def finish(self, within_s=90.0):
        """Every process has ended well."""
        self.stop.touch()
        codes = [seller.process.wait(within_s) for seller in self.sellers]
        assert not any(codes), self.complaints()

    def complaints(self):
        """Return what the processes wrote to standard error."""
        return "\n".join(path.read_text("utf-8") for path in self._folder.glob("*.err"))

    def answers(self):
        """Return for each order what was answered, over all processes; errors fail the test."""
        answers = defaultdict(set)
        for seller in self.sellers:
            for number, rest in seller.lines():
                assert not rest.startswith("error"), f"{number}: {rest}"
                if not rest.startswith("again"):
                    answers[number].add(rest)
        return dict(answers)

    def close(self):
        """No process runs and no engine is open."""
        for seller in self.sellers:
            seller.process.kill()
            seller.process.wait()
        for engine in self._engines:
            engine.close()


def stock_texts(count, start=0):
    """Return the texts of *count* cards."""
    return [f"STEAM-{number:06d}" for number in range(start, start + count)]


def cards_by_order(answers):
    """Return the card of each order: each was answered with one only, and no card twice."""
    cards = {}
    for number, each in answers.items():
        assert len(each) == 1, f"{number} was answered with {each}"
        outcome, _, card = each.copy().pop().partition(" ")
        assert outcome == "delivered", f"{number} is {outcome}"
        cards[number] = card
    assert len(set(cards.values())) == len(cards), "one card was given to two orders"
    return cards


def must_agree(engine, cards):
    """The books of the store agree with each other and with *cards*, by order."""
    report = engine.ledger.verify()
    assert report.ok, report.faults
    receipts = {number: engine.receipt("shop", number) for number in cards}
    lost = [number for number, receipt in receipts.items() if receipt is None]
    assert not lost, f"acknowledged, then lost: {lost}"
    found = {
        number: "+".join(sorted(card.text().reveal() for card in receipt.cards))
        for number, receipt in receipts.items()
    }
    assert found == cards
