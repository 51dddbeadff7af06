"""An engine on a real store, a clock that is set, and a platform that follows a script."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from autocard import Buyer, Engine, Money, Order, OrderLine, Payment
from autocard.testing import FakeClock, Script, ScriptedAdapters


class Shop:
    """What the tests of the flow need at hand."""

    def __init__(self, folder, url):
        self.folder = folder
        self.url = url
        self.clock = FakeClock()
        self.script = Script()
        self.mail = Script()
        self.engines = []

    def open(self, *, plugins=(), pool=None, **settings):
        """Return an engine; without settings one that sells the sku `steam` directly."""
        table = {
            "store": self.url,
            "keyring": f"file:{self.folder}/shop.keyring",
            "skus": {"steam": {}},
            **settings,
        }
        engine = Engine.open(
            table,
            create=True,
            clock=self.clock,
            plugins=[ScriptedAdapters(), *plugins],
            pool=pool,
        )
        self.engines.append(engine)
        return engine

    def pushing(self, *, deliver=None, confirm=False, **settings):
        """Return an engine whose platform `shop` takes the cards itself."""
        shop = {"adapter": "scripted", "script": self.script, "confirm": confirm}
        if deliver is not None:
            shop["deliver"] = deliver
        channels = {
            "mail": {"adapter": "scripted", "script": self.mail},
            "hook": {"adapter": "repeatable", "script": self.mail},
        }
        return self.open(platforms={"shop": shop}, channels=channels, **settings)

    def database(self):
        """Return a SQLAlchemy engine on the store, as a host would use it or an intruder."""
        return sa.create_engine(self.url, poolclass=sa.pool.NullPool)

    def run(self, statement, **values):
        """Execute SQL behind the engine's back; return the rows, if it has some."""
        with self.database().begin() as connection:
            found = connection.execute(sa.text(statement), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    @staticmethod
    def stock(engine, count, *, sku="steam", start=0, **options):
        """Import *count* invented cards."""
        return engine.cards.add(
            sku, [f"{sku.upper()}-{i:06d}" for i in range(start, start + count)], **options
        )

    @staticmethod
    def order(
        number="A1",
        *,
        item="steam",
        quantity=1,
        price="10.00",
        paid=...,
        buyer=None,
        lines=None,
        reference="pay-1",
        **options,
    ):
        """Return an order of one line that is paid in full unless *paid* says otherwise."""
        if lines is None:
            money = None if price is None else Money(price, "CNY")
            lines = [OrderLine(item=item, quantity=quantity, unit_price=money, **options)]
        if paid is ...:
            paid = sum((x.unit_price.amount * x.quantity for x in lines if x.unit_price), 0)
        payment = None
        if paid is not None:
            payment = Payment(paid=Money(paid, "CNY"), reference=reference)
        return Order(
            platform="shop",
            order_no=number,
            lines=lines,
            payment=payment,
            buyer=buyer or Buyer(id="u1", contact="u1@example.com"),
        )

    @staticmethod
    def texts(receipt):
        """Return the plaintext of a receipt's cards."""
        return [card.text().reveal() for card in receipt.cards]


@pytest.fixture(name="shop")
def _shop(tmp_path, shop_url):
    """Return a shop on each kind of store in turn."""
    shop = Shop(tmp_path, shop_url)
    yield shop
    for engine in shop.engines:
        if not engine._closed:
            report = engine.ledger.verify()
            engine.close()
            assert report.ok, report.faults
