"""A shop that buys at the simulated gateway: an engine, the adapter, a real socket between them."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from autocard import Engine, Inbound, Money, Order, OrderLine, Outcome, Payment, Reason
from autocard.testing import FakeClock


class Shop:
    """An engine whose skus come from Fulu."""

    def __init__(self, folder, gateway):
        self.clock = FakeClock()
        gateway.window_s = math.inf  # the clock of this shop is not the gateway's
        self.engine = Engine.open(
            {
                "store": f"sqlite:///{folder}/shop.db",
                "keyring": f"file:{folder}/shop.keyring",
                "skus": {
                    "month": {"sources": ["supplier:fulu"]},
                    "coins": {"kind": "topup", "sources": ["supplier:fulu"], "target": "phone"},
                },
                "suppliers": {"fulu": gateway.settings({"month": "10010001", "coins": "20020002"})},
            },
            create=True,
            clock=self.clock,
        )

    def order(self, item, *, quantity=1, **options):
        """Dispatch a paid order and return its receipt."""
        unit = Money("60", "CNY")
        line = OrderLine(item=item, quantity=quantity, unit_price=unit, **options)
        payment = Payment(paid=unit * quantity, paid_at=self.clock.now(), reference="p1")
        return self.engine.dispatch(
            Order(platform="shop", order_no="A1", lines=[line], payment=payment)
        )

    def receipt(self):
        """Let time go on until nothing is left to do; return the receipt."""
        for _ in range(30):
            self.clock.advance(60)
            if not self.engine.resume().total and not self.engine.supply.purchases():
                break
        return self.engine.receipt("shop", "A1")


@pytest.fixture(name="shop")
def _shop(tmp_path, gateway):
    shop = Shop(tmp_path, gateway)
    yield shop
    shop.engine.close()


def _texts(receipt):
    return [card.secret.reveal() for card in receipt.cards]


def test_shop_hands_over_what_it_bought(shop, gateway) -> None:
    """An order waits while Fulu works, and is served with the cards that came."""
    waiting = shop.order("month", quantity=2)
    assert (waiting.outcome, waiting.lines[0].reason) == (Outcome.PENDING, Reason.BUYING)
    receipt = shop.receipt()
    assert receipt.outcome is Outcome.DELIVERED
    [cards] = gateway.sold.values()
    assert sorted(_texts(receipt)) == sorted(cards)
    assert gateway.spent == Decimal("19.8")
    [purchase] = shop.engine.supply.purchases(state=None)
    assert (purchase.state, str(purchase.cost)) == ("done", "19.80 CNY")
    assert shop.engine.ledger.verify().faults == ()


def test_shop_charges_accounts(shop, gateway) -> None:
    """A top-up is done when Fulu says so."""
    shop.order("coins", target="13800138000")
    assert shop.receipt().outcome is Outcome.DELIVERED
    assert list(gateway.charged.values()) == [("13800138000", 1)]


@pytest.mark.parametrize(
    "fault", ["drop_before", "drop_after", "http_500", "http_502", "html", "wrong_sign"]
)
def test_shop_never_pays_twice(fault, shop, gateway) -> None:
    """Whatever becomes of the answer: one order, one purchase, one charge."""
    gateway.fault(fault)
    shop.order("month")
    receipt = shop.receipt()
    assert receipt.outcome is Outcome.DELIVERED
    assert [tuple(_texts(receipt))] == list(gateway.sold.values())
    assert gateway.spent == Decimal("9.9")


def test_callback_serves_an_order(shop, gateway) -> None:
    """A callback wakes the shop, which asks Fulu, serves the order, and takes no callback's word."""
    bodies = []
    gateway.on_callback = bodies.append
    gateway.fault("callback_first")
    assert shop.order("month").outcome is Outcome.PENDING
    for body in (*bodies, *bodies, bodies[0].replace(b'"success"', b'"failed"')):
        inbound = Inbound(method="POST", path="/fulu", body=body)
        assert shop.engine.receive("fulu", inbound).body == b"success"
        assert shop.engine.receipt("shop", "A1").outcome is Outcome.DELIVERED
    assert shop.engine.receive("fulu", Inbound(method="POST", path="/fulu")).body == b"fail"


def test_callback_may_overtake_the_answer(shop, gateway) -> None:
    """A callback that comes while the shop still waits for the answer does no harm."""
    replies = []

    def receive(body: bytes) -> None:
        inbound = Inbound(method="POST", path="/fulu", body=body)
        replies.append(shop.engine.receive("fulu", inbound).body)

    gateway.on_callback = receive
    for fault in ("callback_first", "drop_after"):
        gateway.fault(fault)
    shop.order("month")
    assert shop.receipt().outcome is Outcome.DELIVERED
    assert replies == [b"success"]
    assert gateway.spent == Decimal("9.9")


def test_what_fulu_cannot_sell_is_for_a_person(shop, gateway) -> None:
    """A product that is sold out leaves the order with a person, and costs nothing."""
    shop.order("month", quantity=7)
    assert shop.receipt().outcome is Outcome.HELD
    assert gateway.spent == 0
