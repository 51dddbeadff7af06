"""
What test_crash_points.py runs in a process of its own: scenarios, and victims that die in them.

A victim plays the scenario of FOLDER/scenario and dies right before or right after a commit or an
outside call. What suppliers sold is in FOLDER/outside.jsonl, written with fsync: it outlives every
victim. How suppliers behave is in FOLDER/habits. The store is FOLDER/shop.db, or what FOLDER/store
says.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
from tests.harness.crashing import Fuse, be_victims

from autocard import Buyer, Engine, Inbound, Money, Order, OrderLine, Payment
from autocard.spi import (
    BoughtCard,
    Capability,
    Hint,
    Offer,
    Platform,
    RejectedError,
    Reply,
    Secret,
    Stage,
    Supplied,
    Supplier,
    UnknownOutcome,
    hookimpl,
)
from autocard.testing import FakeClock

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LEASE_S = 60
PRICE = Money("8.00", "CNY")


FUSE = Fuse()


# --- the outside ----------------------------------------------------------------------------


@attrs.frozen
class Options:
    folder: str


class Outside:
    """A supplier or platform whose memory is a file."""

    def __init__(self, options, client):
        super().__init__(options, client)
        self.folder = Path(options.folder)

    def habit(self):
        """Return how it behaves now: `loses` its answers, `works` on it, `refuses` or is `dumb`."""
        return habits(self.folder).get(self.name, "")

    def seen(self):
        return [x for x in journal(self.folder) if x["by"] == self.name]

    def write(self, **what):
        with (self.folder / "outside.jsonl").open("a") as file:
            file.write(json.dumps({"by": self.name, **what}) + "\n")
            file.flush()
            os.fsync(file.fileno())


class Selling(Outside, Supplier):
    """
    Sells what is asked for, once for each reference.

    A question changes nothing outside: who dies before it died after the commit that went before.
    """

    Options = Options
    look_after_s = 1.0
    calls_per_second = 1000.0
    capabilities = frozenset(
        {Capability.RECEIVE, Capability.OFFERS, Capability.BUY, Capability.TOP_UP}
    )

    def offers(self, items):
        left = 1 if self.habit() == "one" else None
        left = 0 if left and self.seen() else left
        found = [Offer(item=item, price=PRICE, available=left) for item in items]
        FUSE.point("after offers")
        return found

    def buy(self, purchase):
        return self.sell(purchase)

    def top_up(self, purchase):
        return self.sell(purchase)

    def sell(self, purchase):
        FUSE.point("before a purchase")
        habit = self.habit()
        known = [x for x in self.seen() if x["reference"] == purchase.reference]
        if habit == "refuses":
            raise RejectedError("sold out")
        if habit == "deaf":
            raise UnknownOutcome("lost on the way")
        if not known or Capability.REPEAT_PURCHASE not in self.capabilities:
            number = sum(x["quantity"] for x in self.seen())
            cards = [f"{self.name}-{number + i}" for i in range(purchase.quantity)]
            self.write(
                reference=purchase.reference, quantity=purchase.quantity, target=purchase.target,
                cards=[] if purchase.target else cards,
            )  # fmt: skip
        FUSE.point("after a purchase")
        if habit == "loses":
            raise UnknownOutcome("lost on the way back")
        return self.told(purchase)

    def find_purchase(self, purchase):
        found = self.told(purchase)
        FUSE.point("after a look-up")
        return found

    def told(self, purchase):
        for sale in self.seen():
            if sale["reference"] == purchase.reference:
                if self.habit() == "works":
                    return Supplied(stage=Stage.WORKING, remote="R1")
                cards = tuple(BoughtCard(secret=Secret(text)) for text in sale["cards"])
                cost = PRICE * sale["quantity"]
                stage = Stage.UNCLEAR if self.habit() == "unclear" else Stage.DONE
                return Supplied(
                    stage=stage, remote="R1", cost=cost,
                    cards=() if stage is Stage.UNCLEAR else cards,
                )  # fmt: skip
        return None

    def parse(self, inbound, *, now):
        return Hint(reference=inbound.body.decode())

    def acknowledge(self, answer):
        return Reply(body=answer.encode())


class Asked(Selling):
    """Can be asked what became of a purchase."""

    name = "asked"
    misses = 1
    capabilities = Selling.capabilities | {Capability.FIND_PURCHASE}


class Repeating(Selling):
    """Cannot be asked; the same reference again is answered as before."""

    name = "repeating"
    capabilities = Selling.capabilities | {Capability.REPEAT_PURCHASE}


class Blind(Selling):
    """Can neither be asked nor repeated."""

    name = "blind"


class Taking(Outside, Platform):
    """Wants the cards pushed."""

    name = "taking"
    Options = Options
    capabilities = frozenset({Capability.DELIVER, Capability.FIND_DELIVERY})

    def deliver(self, delivery):
        FUSE.point("before a delivery")
        cards = [card.text().reveal() for card in delivery.cards]
        self.write(reference=delivery.reference, quantity=0, delivered=cards)
        FUSE.point("after a delivery")
        return "D1"

    def find_delivery(self, delivery):
        return any(x["reference"] == delivery.reference for x in self.seen())


class Adapters:
    @hookimpl
    def autocard_register(self, registry):
        for supplier in (Asked, Repeating, Blind):
            registry.supplier(supplier)
        registry.platform(Taking)


def journal(folder):
    file = folder / "outside.jsonl"
    return [json.loads(x) for x in file.read_text().splitlines()] if file.exists() else []


def habits(folder):
    file = folder / "habits"
    return json.loads(file.read_text()) if file.exists() else {}


def behave(folder, **how):
    """Say how suppliers behave from now on; those that are not named sell."""
    (folder / "habits").write_text(json.dumps(how))


# --- the shop -------------------------------------------------------------------------------


def opened(folder, *, create=False, after_s=0.0):
    """Open the engine of *folder*; it is *after_s* seconds later there."""
    file = folder / "store"
    names = ("asked", "repeating", "blind")
    skus = {name: {"sources": ["warehouse:main", f"supplier:{name}"]} for name in names}
    phones = {f"{name}-phone": {"kind": "topup", "sources": [f"supplier:{name}"]} for name in names}
    restock = {"quantity": 5, "suppliers": ["asked"]}
    table = {
        "store": file.read_text() if file.exists() else f"sqlite:///{folder}/shop.db",
        "keyring": f"file:{folder}/shop.keyring",
        "skus": {
            **skus,
            **phones,
            "both": {"sources": ["supplier:asked", "supplier:repeating"]},
            "gift": {"low": 2, "ceiling": "10.00 CNY", "restock": restock},
        },
        "platforms": {"taking": {"adapter": "taking", "folder": str(folder), "confirm": False}},
        "suppliers": {
            name: {
                "adapter": name, "folder": str(folder), "tries": 9, "timeout_s": 10.0,
                "items": {x: f"{name[0]}-{x}" for x in (*skus, *phones, "both", "gift")},
            }
            for name in names
        },
        "supply": {
            "lease_s": LEASE_S, "offer_s": 0, "sync_every_s": 0,
            # Only one scenario looks at low stock, and says so itself.
            "restock_every_s": 0,
        },
        "delivery": {"lease_s": LEASE_S, "first_retry_s": 1, "jitter": 0},
    }  # fmt: skip
    clock = FakeClock(START + timedelta(seconds=after_s))
    return Engine.open(table, create=create, clock=clock, plugins=[Adapters()])


def paid(order_no, item, *, quantity=2, platform="direct"):
    price = Money("10.00", "CNY")
    target = "13800000000" if item.endswith("phone") else ""
    return Order(
        platform=platform,
        order_no=order_no,
        lines=[OrderLine(item=item, quantity=quantity, unit_price=price, target=target)],
        payment=Payment(paid=price * quantity, paid_at=START, reference="p"),
        buyer=Buyer(id="u1", contact="u1@example.com"),
    )


# --- the scenarios: `prepare` before, `act` with points, `again` as a caller without an answer ----


class Scenario:
    item = "asked"
    platform = "direct"
    served = ("A1",)
    """The orders that are served in the end, once."""
    sold = 2
    """So many units are bought for them in all, and no more."""
    least = 6
    """At least so many points there are, or the instruments are broken."""

    def prepare(self, engine, folder):
        """Set the scene."""
        engine.cards.add("gift", ["G-1", "G-2"])

    def act(self, engine, folder):
        for number in self.served:
            engine.dispatch(paid(number, self.item, platform=self.platform))

    def again(self, engine, folder):
        self.act(engine, folder)


class BuyAsked(Scenario):
    pass


class BuyRepeating(Scenario):
    item = "repeating"


class BuyBlind(Scenario):
    item = "blind"


class BuyAndPush(Scenario):
    platform = "taking"
    least = 8


class Charge(Scenario):
    item = "asked-phone"


class StockAndMore(Scenario):
    """One of two is in stock; the other is bought."""

    sold = 1

    def prepare(self, engine, folder):
        super().prepare(engine, folder)
        engine.cards.add("asked", ["S-1"])


class TwoSuppliers(Scenario):
    """Each has one only."""

    item = "both"
    least = 10

    def prepare(self, engine, folder):
        super().prepare(engine, folder)
        behave(folder, asked="one", repeating="one")


class NextSupplier(Scenario):
    """The first refuses."""

    item = "both"
    least = 10

    def prepare(self, engine, folder):
        super().prepare(engine, folder)
        behave(folder, asked="refuses")


class Lost(Scenario):
    """The answer was lost before; now it is looked up."""

    habit = "loses"
    least = 3

    def prepare(self, engine, folder):
        super().prepare(engine, folder)
        behave(folder, **{self.item: self.habit})
        Scenario.act(self, engine, folder)
        behave(folder)

    def act(self, engine, folder):
        for _ in range(3):
            engine._flow.clock.advance(10)
            engine.resume()


class LostRepeating(Lost):
    item = "repeating"


class NeverArrived(Lost):
    """It is found missing, and sent again under its number."""

    habit = "deaf"
    least = 8


class Accepted(Lost):
    """The supplier was working on it, and is done now."""

    habit = "works"


class CalledBack(Accepted):
    """The supplier's message comes."""

    def act(self, engine, folder):
        (purchase,) = engine.supply.purchases()
        body = purchase.reference.encode()
        engine.receive("asked", Inbound(method="POST", path="/", body=body))


class Retried(Lost):
    """What was unclear is looked up once more because a person asks for it."""

    habit = "unclear"
    least = 5

    def act(self, engine, folder):
        for purchase in engine.supply.purchases(state="held"):
            engine.supply.retry(purchase.reference, by="eve")


class ResolvedAsBought(Lost):
    """Nobody can tell; a person knows that it was bought."""

    item = "blind"
    least = 2

    def prepare(self, engine, folder):
        super().prepare(engine, folder)
        Lost.act(self, engine, folder)

    def act(self, engine, folder):
        resolve(engine, folder)


class ResolvedAsFailed(ResolvedAsBought):
    """Nobody can tell; a person knows that it was not; it is bought once more."""

    habit = "deaf"
    least = 5

    def act(self, engine, folder):
        resolve(engine, folder)
        engine.resume()


class Restock(Scenario):
    """Low stock is bought, and serves who waits."""

    item = "gift"
    sold = 5
    least = 8

    def prepare(self, engine, folder):
        behave(folder, asked="refuses")
        Scenario.act(self, engine, folder)
        behave(folder)

    def act(self, engine, folder):
        engine.resume()


def resolve(engine, folder):
    """Say of every held purchase what is true."""
    for purchase in engine.supply.purchases(state="held"):
        sales = [x for x in journal(folder) if x["reference"] == purchase.reference]
        engine.supply.resolve(
            purchase.reference,
            "bought" if sales else "failed",
            by="eve",
            why="their records say so",
            cards=[text for sale in sales for text in sale["cards"]],
            cost=PRICE * purchase.quantity if sales else None,
        )


SCENARIOS = {
    each.__name__: each
    for each in (
        BuyAsked, BuyRepeating, BuyBlind, BuyAndPush, Charge, StockAndMore,
        TwoSuppliers, NextSupplier, Lost, LostRepeating, NeverArrived, Accepted, CalledBack,
        Retried, ResolvedAsBought, ResolvedAsFailed, Restock,
    )
}  # fmt: skip


# --- victims --------------------------------------------------------------------------------


def act(folder, point):
    """Open, act, die on the way; or come through."""
    FUSE.folder = folder
    FUSE.around_commits()
    engine = opened(folder, after_s=100)
    FUSE.at = point
    SCENARIOS[(folder / "scenario").read_text()]().act(engine, folder)


if __name__ == "__main__":
    be_victims(act)
