"""
What test_crash_points.py runs in a process of its own: scenarios, and victims that die in them.

A victim plays the scenario of FOLDER/scenario and dies right before or right after a commit or an
outside call. Outside calls are written down in FOLDER/outside.jsonl with fsync: what the outside
saw, it saw. The store is FOLDER/shop.db, or what FOLDER/store says.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import sqlalchemy as sa
from tests.harness.crashing import Fuse, be_victims

from autocard import Buyer, Engine, Inbound, Money, Order, OrderLine, Payment
from autocard.desks import cards, intake
from autocard.spi import Answer, Capability, Channel, Platform, Reply, Verified, hookimpl
from autocard.testing import FakeClock

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LEASE_S = 60


FUSE = Fuse()


# --- the outside ----------------------------------------------------------------------------


@attrs.frozen
class Options:
    folder: str


class Outside:
    """A platform or channel whose memory is a file."""

    def __init__(self, options, client):
        super().__init__(options, client)
        self.journal = Path(options.folder) / "outside.jsonl"

    def effect(self, kind, **seen):
        FUSE.point(f"before {kind}")
        with self.journal.open("a") as file:
            file.write(json.dumps({"kind": kind, "by": self.name, **seen}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        FUSE.point(f"after {kind}")
        return "remote-1"

    def hand_over(self, delivery):
        return self.effect(
            "delivery",
            order_no=delivery.order_no,
            line_no=delivery.line_no,
            reference=delivery.reference,
            cards=[card.text().reveal() for card in delivery.cards],
        )

    def arrived(self, delivery):
        FUSE.point("before a question")
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        found = any(json.loads(line).get("reference") == delivery.reference for line in lines)
        FUSE.point("after a question")
        return found


class Asked(Outside, Platform):
    """Can be asked whether a delivery arrived and whether an order is paid."""

    name = "asked"
    Options = Options
    capabilities = frozenset(
        {
            Capability.RECEIVE, Capability.CONFIRM, Capability.DELIVER, Capability.FIND_DELIVERY,
            Capability.REFUND,
        }
    )  # fmt: skip

    def verify(self, inbound, *, now):
        return Verified(inbound)

    def parse(self, verified):
        return attrs.evolve(paid(verified.inbound.body.decode()), lines=())

    def acknowledge(self, answer, receipt):
        return Reply(body=answer.encode())

    def confirm(self, order):
        FUSE.point("before a question")
        answer = order.payment
        FUSE.point("after a question")
        return answer

    def deliver(self, delivery):
        return self.hand_over(delivery)

    def find_delivery(self, delivery):
        return self.arrived(delivery)

    def refund(self, refund):
        return self.effect("refund", order_no=refund.order_no, reference=refund.reference)


class Repeating(Outside, Platform):
    """Hands over once, however often the same reference comes."""

    name = "repeating"
    Options = Options
    capabilities = frozenset({Capability.DELIVER, Capability.REPEAT_DELIVERY})

    def deliver(self, delivery):
        return self.hand_over(delivery)


class Blind(Outside, Channel):
    """Can neither be asked nor repeated."""

    name = "blind"
    Options = Options
    capabilities = frozenset({Capability.SEND})

    def send(self, delivery):
        return self.hand_over(delivery)


class Adapters:
    @hookimpl
    def autocard_register(self, registry):
        for platform in (Asked, Repeating):
            registry.platform(platform)
        registry.channel(Blind)


# --- the shop -------------------------------------------------------------------------------


def store_of(folder):
    file = folder / "store"
    return file.read_text() if file.exists() else f"sqlite:///{folder}/shop.db"


def opened(folder, *, create=False, after_s=0.0):
    """Open the engine of *folder*; it is *after_s* seconds later there."""
    at = {"folder": str(folder)}
    table = {
        "store": store_of(folder),
        "keyring": f"file:{folder}/shop.keyring",
        "skus": {"steam": {}, "hand": {"sources": ["manual"]}, "phone": {"kind": "topup"}},
        "platforms": {
            "asked": {"adapter": "asked", **at},
            "repeating": {"adapter": "repeating", **at},
            "blind": {"adapter": "asked", "deliver": ["channel:blind"], "confirm": False, **at},
            "both": {
                "adapter": "repeating", "deliver": ["platform", "channel:blind"], **at,
            },
        },
        "channels": {"blind": {"adapter": "blind", **at}},
        "delivery": {"lease_s": LEASE_S, "first_retry_s": 1, "jitter": 0},
    }  # fmt: skip
    clock = FakeClock(START + timedelta(seconds=after_s))
    return Engine.open(table, create=create, clock=clock, plugins=[Adapters()])


def paid(order_no, platform="asked", *, quantity=2, item="steam", amount=None, lines=1):
    """Return an order that is paid in full, unless *amount* says otherwise."""
    price = Money("10.00", "CNY")
    line = OrderLine(item=item, quantity=quantity, unit_price=price)
    return Order(
        platform=platform,
        order_no=order_no,
        lines=[line] * lines,
        payment=Payment(
            paid=Money(amount or 10 * quantity * lines, "CNY"), paid_at=START, reference="p"
        ),
        buyer=Buyer(id="u1", contact="u1@example.com"),
    )


def unpaid(*arguments, **options):
    return attrs.evolve(paid(*arguments, **options), payment=None)


def stock(engine, count, start=0):
    return engine.cards.add("steam", [f"STEAM-{i:05d}" for i in range(start, start + count)])


# --- the scenarios: `prepare` before, `act` with points, `again` as a caller without an answer ----


class Scenario:
    platform = "direct"
    served = ("A1",)
    """The orders that are served in the end, once."""
    may_stay_unknown = False
    least = 2
    """At least so many points there are, or the instruments are broken."""

    def prepare(self, engine):
        stock(engine, 6)

    def act(self, engine, folder):
        engine.dispatch(paid("A1", self.platform))

    def again(self, engine, folder):
        self.act(engine, folder)

    def check(self, engine, seen):
        """Look at what is particular to the scenario, when everything is settled."""


class Direct(Scenario):
    pass


class PushAsked(Scenario):
    platform = "asked"
    least = 6


class PushRepeating(PushAsked):
    platform = "repeating"


class PushBlind(PushAsked):
    platform = "blind"
    may_stay_unknown = True


class PushTwoWaysAndLines(Scenario):
    platform = "both"
    may_stay_unknown = True
    least = 18

    def act(self, engine, folder):
        engine.dispatch(paid("A1", self.platform, lines=2))


class Many(Scenario):
    served = ("A1", "A2", "A3")
    least = 14

    def act(self, engine, folder):
        engine.dispatch_many([paid(number, "asked") for number in self.served])


class HostCommits(Scenario):
    least = 4

    def act(self, engine, folder):
        host = sa.create_engine(store_of(folder))
        with host.connect() as connection:
            engine.dispatch(paid("A1", "asked"), connection=connection)
            FUSE.point("before the host's commit")
            connection.commit()
            FUSE.point("after the host's commit")
        host.dispose()
        engine.resume()


class ReserveThenPay(Scenario):
    platform = "asked"
    least = 8

    def act(self, engine, folder):
        engine.reserve(unpaid("A1", self.platform), ttl_s=600)
        engine.dispatch(paid("A1", self.platform))


class Received(Scenario):
    platform = "asked"
    least = 8

    def prepare(self, engine):
        stock(engine, 6)
        engine.expect(unpaid("A1", "asked"))

    def act(self, engine, folder):
        reply = engine.receive("asked", Inbound(method="POST", path="/", body=b"A1"))
        assert reply.body == Answer.ACCEPTED.encode()


class Import(Scenario):
    """Three chunks arrive while an order waits for them."""

    platform = "repeating"
    least = 14

    def prepare(self, engine):
        engine.dispatch(paid("A1", self.platform))

    def act(self, engine, folder):
        stock(engine, 50)

    def check(self, engine, seen):
        (level,) = engine.cards.stock("steam")
        assert (level.available, level.delivered) == (48, 2)


class Resume(Scenario):
    """A reservation lapses, and three orders that waited get its cards."""

    served = ("A1", "A2", "A3")
    least = 12

    def prepare(self, engine):
        stock(engine, 6)
        engine.reserve(unpaid("R1", "asked", quantity=6), ttl_s=5)
        for number, platform in zip(self.served, ("direct", "asked", "repeating"), strict=True):
            engine.dispatch(paid(number, platform))
        engine._flow.clock.advance(10)

    def act(self, engine, folder):
        engine.resume()

    def check(self, engine, seen):
        assert engine.receipt("asked", "R1").lines[0].reason == "expired"


class Fulfil(Scenario):
    platform = "asked"
    least = 6

    def prepare(self, engine):
        engine.dispatch(paid("A1", "asked", item="hand"))

    def act(self, engine, folder):
        engine.review.fulfil("asked", "A1", 1, by="eve", cards=["TYPED-1", "TYPED-2"])

    def again(self, engine, folder):
        if engine.receipt("asked", "A1").lines[0].reason == "manual":
            self.act(engine, folder)


class Refund(Scenario):
    """A person refuses an order that was paid short; the platform pays back, at most once."""

    served = ()
    least = 8

    def prepare(self, engine):
        stock(engine, 6)
        engine.dispatch(paid("A1", "asked", amount=19))

    def act(self, engine, folder):
        engine.review.reject("asked", "A1", by="eve", why="paid short", refund=True)
        engine.resume()

    def again(self, engine, folder):
        if engine.receipt("asked", "A1").outcome == "held":
            self.act(engine, folder)

    def check(self, engine, seen):
        told = [x.kind for x in engine.ledger.events(platform="asked", order_no="A1")]
        refunds = [x for x in seen if x["kind"] == "refund"]
        assert len(refunds) <= 1, "money was paid back twice"
        assert engine.receipt("asked", "A1").outcome == "rejected"
        # Done, or given to a person because nobody can say whether it was.
        assert ("refund.settled" in told) != ("refund.failed" in told)
        assert refunds or "refund.failed" in told
        assert engine.cards.stock("steam")[0].available == 6


class Resend(Scenario):
    platform = "repeating"
    least = 6

    def prepare(self, engine):
        stock(engine, 6)
        engine.dispatch(paid("A1", self.platform))

    def act(self, engine, folder):
        engine.review.resend(self.platform, "A1", by="eve", why="lost")
        engine.resume()


class Undo(Scenario):
    """A batch is taken back: in the end all of it has left, and other stock serves."""

    served = ()
    least = 4

    def act(self, engine, folder):
        engine.cards.undo(1, by="eve", why="the wrong file")

    def again(self, engine, folder):
        if not engine.cards.batches()[0].undone:
            self.act(engine, folder)

    def check(self, engine, seen):
        (level,) = engine.cards.stock("steam")
        assert (level.available, level.void) == (0, 6), "an undone batch is still for sale"
        assert stock(engine, 6).added == 6


SCENARIOS = {
    each.__name__: each
    for each in (
        Direct, PushAsked, PushRepeating, PushBlind, PushTwoWaysAndLines, Many, HostCommits,
        ReserveThenPay, Received, Import, Resume, Fulfil, Refund, Resend, Undo,
    )
}  # fmt: skip


# --- victims --------------------------------------------------------------------------------


def act(folder, point):
    """Open, act, die on the way; or come through."""
    scenario = SCENARIOS[(folder / "scenario").read_text()]
    FUSE.folder = folder
    FUSE.around_commits()
    engine = opened(folder, after_s=10 if scenario is Resume else 0)
    FUSE.at = point
    scenario().act(engine, folder)


if __name__ == "__main__":
    # Three commits need no thousands of cards here.
    intake.WHOLE, cards._AT_ONCE = 20, 4
    be_victims(act)
