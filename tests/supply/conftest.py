"""An engine with two suppliers in memory, on every store."""

from __future__ import annotations

from itertools import count

import attrs
import pytest

from autocard import Buyer, Engine, Money, Order, OrderLine, Payment
from autocard.testing import FakeClock, Good, ScriptedAdapters, Wholesaler


@attrs.define(eq=False)
class Lively(Wholesaler):
    """A wholesaler during whose calls something else may happen."""

    meanwhile: dict = attrs.field(factory=dict, init=False)

    def call(self, capability, argument, effect):
        """Make the call; what is to happen meanwhile happens after its effect, once."""

        def affected():
            answer = effect()
            self.meanwhile.pop(capability, lambda: None)()
            return answer

        return Wholesaler.call(self, capability, argument, affected)


class Market:
    """A shop whose sku `steam` comes from stock, then from the suppliers `acme` and `bolt`."""

    sources = ("warehouse:main", "supplier:acme", "supplier:bolt")

    def __init__(self, folder, url):
        self.folder = folder
        self.url = url
        self.clock = FakeClock()
        self.acme = Lively(goods={"a1": Good(Money("8.00", "CNY"))}, prefix="ACME-")
        self.bolt = Lively(goods={"b1": Good(Money("9.00", "CNY"))}, prefix="BOLT-")
        self.engines = []
        self._numbers = count(1)

    def open(self, *, sku=None, acme=None, bolt=None, plugins=(), **settings):
        """Return an engine; the arguments are added to the tables of that name."""
        table = {
            "store": self.url,
            "keyring": f"file:{self.folder}/shop.keyring",
            "skus": {"steam": {"sources": list(self.sources), **(sku or {})}},
            "suppliers": {
                "acme": self.table(self.acme, "a1", **(acme or {})),
                "bolt": self.table(self.bolt, "b1", **(bolt or {})),
            },
            **settings,
        }
        engine = Engine.open(
            table,
            create=True,
            clock=self.clock,
            plugins=[ScriptedAdapters(), *plugins],
        )
        self.engines.append(engine)
        return engine

    @staticmethod
    def table(wholesaler, item, **settings):
        """Return the table of one supplier."""
        return {
            "adapter": "fake",
            "wholesaler": wholesaler,
            "items": {"steam": item},
            "timeout_s": 10.0,
            **settings,
        }

    def order(self, number=None, *, item="steam", quantity=1, price="10.00", **options):
        """Return a paid order of one line."""
        unit = Money(price, "CNY")
        return Order(
            platform="shop",
            order_no=number or f"A{next(self._numbers)}",
            lines=[OrderLine(item=item, quantity=quantity, unit_price=unit, **options)],
            payment=Payment(paid=unit * quantity, paid_at=self.clock.now(), reference="pay"),
            buyer=Buyer(id="u1", contact="u1@example.com"),
        )

    def settle(self, engine, *, passes=40, step_s=60):
        """Resume until nothing happens any more, time going on in between."""
        for _ in range(passes):
            report = engine.resume()
            self.clock.advance(step_s)
            if not report.total and not engine.supply.purchases(state=None, limit=1000):
                break
        return engine

    @staticmethod
    def texts(receipt):
        """Return the cards of a receipt as texts."""
        return [card.text().reveal() for card in receipt.cards]


@pytest.fixture(name="market")
def _market(tmp_path, store_url):
    market = Market(tmp_path, store_url)
    yield market
    for engine in market.engines:
        engine.close()
