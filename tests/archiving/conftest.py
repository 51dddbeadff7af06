"""A shop on a store of each kind, whose orders grow old as its clock is set forward."""

from __future__ import annotations

from datetime import timedelta

import pytest

from autocard import Buyer, Engine, Money, Order, OrderLine, Payment
from autocard.testing import FakeClock, Script, ScriptedAdapters

CONTACT = "canary.buyer@example.com"
NUMBERS = (
    ("till", "A1"), ("push", "P1"), ("till", "C1"), ("till", "W1"), ("till", "H1"), ("till", "R1"),
    ("till", "N1"), ("push", "N2"),
)  # fmt: skip
_PAYLOADS = "SELECT id FROM autocard_orders WHERE archive IS NULL"


class Shop:
    """What the tests of archives need at hand."""

    NUMBERS = NUMBERS

    def __init__(self, folder, url, *, to=None):
        self.folder = folder
        self.url = url
        self.to = to or folder / "archives"
        self.to.mkdir(exist_ok=True)
        self.clock = FakeClock()
        self.script = Script()
        self.engines = []

    def open(self, *, pool=None, create=True):
        table = {
            "store": self.url,
            "keyring": f"file:{self.folder}/shop.keyring",
            "skus": {"steam": {}, "hand": {"sources": ["manual"]}},
            "platforms": {"push": {"adapter": "scripted", "script": self.script}},
        }
        self.engines.append(
            Engine.open(
                table, create=create, clock=self.clock, pool=pool, plugins=[ScriptedAdapters()]
            )
        )
        return self.engines[-1]

    @staticmethod
    def order(number, quantity=1, *, platform="till", item="steam", paid=True, reference="p1"):
        price = Money("10.00", "CNY")
        payment = Payment(paid=Money(10 * quantity, "CNY"), reference=reference)
        return Order(
            platform=platform,
            order_no=number,
            lines=[OrderLine(item=item, quantity=quantity, unit_price=price)],
            payment=payment if paid else None,
            buyer=Buyer(id="u1", contact=CONTACT),
        )

    @staticmethod
    def stock(engine, count, start=0):
        return engine.cards.add("steam", [f"CANRY-{i:05d}" for i in range(start, start + count)])

    def pass_days(self, days=1):
        self.clock.advance(days * 86_400)

    def live(self, engine):
        """Sell, push, cancel, wait and reserve; a day later all of it is old."""
        self.stock(engine, 20)
        engine.dispatch(self.order("A1", 2))
        engine.dispatch(self.order("P1", platform="push"))
        engine.expect(self.order("C1", paid=False))
        engine.cancel("till", "C1", reason="changed his mind")
        engine.dispatch(self.order("W1", 99))
        engine.dispatch(self.order("H1", item="unknown"))
        engine.reserve(self.order("R1", 3, paid=False), ttl_s=90 * 86_400)
        self.pass_days()
        engine.dispatch(self.order("N1"))
        engine.dispatch(self.order("N2", platform="push"))

    def shown(self, engine):
        """Return everything a host is told of its orders and its stock."""
        return (
            [engine.receipt(*name) for name in NUMBERS],
            engine.cards.stock(),
            engine.orders(contact=CONTACT),
        )

    def here(self, stores):
        """Return the names of all records that are in the store."""
        found = [("order", x) for (x,) in stores.run(self.url, _PAYLOADS)]
        for kind in ("intent", "event", "movement"):
            rows = stores.run(self.url, f"SELECT id FROM autocard_{kind}s")
            found += [(kind, number) for (number,) in rows]
        return found

    def archived(self, engine):
        """Return the names of all records that are in archives which count."""
        names = [archive.name for archive in engine.ledger.archives()]
        return [
            (x.kind, x.id) for name in names for x in engine.ledger.open_archive(self.to / name)
        ]

    def archive(self, engine, *, days=0.5, **options):
        """Archive what is older than so many days."""
        before = self.clock.now() - timedelta(days=days)
        return engine.ledger.archive(before, **{"to": self.to, "by": "ann", **options})

    def files(self):
        return sorted(self.to.iterdir())


@pytest.fixture(name="shop")
def _shop(tmp_path, store_url):
    shop = Shop(tmp_path, store_url)
    yield shop
    for engine in shop.engines:
        if not engine._closed:
            report = engine.ledger.verify()
            engine.close()
            assert report.ok, report.faults


@pytest.fixture(name="engine")
def _engine(shop):
    return shop.open()


@pytest.fixture(name="make_shop", scope="session")
def _make_shop():
    return Shop
