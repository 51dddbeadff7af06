"""A shop on a real store, with a clock that is set and any card at hand."""

from __future__ import annotations

import pytest

from autocard import Buyer, Engine, Money, Order, OrderLine, Payment
from autocard.testing import FakeClock


class Shop:
    """What the tests of the desks need at hand."""

    def __init__(self, folder, url):
        self.folder = folder
        self.url = url
        self.clock = FakeClock()
        self.engines = []

    def open(self, *, pool=None, **settings):
        """Return an engine that sells `steam` and `psn`, and the shared `link`."""
        table = {
            "store": self.url,
            "keyring": f"file:{self.folder}/shop.keyring",
            "skus": {"steam": {}, "psn": {}, "link": {"kind": "shared"}},
            **settings,
        }
        engine = Engine.open(table, create=True, clock=self.clock, pool=pool)
        self.engines.append(engine)
        return engine

    def buy(self, engine, number, quantity=1, item="steam"):
        """Dispatch one paid order."""
        line = OrderLine(item=item, quantity=quantity, unit_price=Money("1.00", "CNY"))
        paid = Payment(paid=Money(quantity, "CNY"))
        buyer = Buyer(id="u1")
        return engine.dispatch(
            Order(platform="shop", order_no=number, lines=[line], payment=paid, buyer=buyer)
        )

    def path(self, name, data):
        """Write a source and return its path."""
        path = self.folder / name
        path.write_bytes(data)
        return path


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


@pytest.fixture(name="engine")
def _engine(shop):
    return shop.open()


@pytest.fixture(name="cards")
def _cards(engine):
    return engine.cards


@pytest.fixture(name="texts")
def _texts(shop, engine):
    """Return a function that sells everything available of a sku and gives the texts."""

    def texts(sku="steam"):
        count = sum(x.available for x in engine.cards.stock(sku))
        receipt = shop.buy(engine, f"all of {sku}", count, sku)
        return [card.text().reveal() for card in receipt.cards]

    return texts
