"""Sealed values that do not open: each stops itself, never the shop, and never for ever."""

from __future__ import annotations

import pytest

from autocard import (
    Inbound,
    Money,
    Order,
    OrderLine,
    Outcome,
    Payment,
    Reason,
    SealError,
    TransientError,
)

CARD = "UPDATE autocard_cards SET sealed = :odd WHERE id = :which"
ORDER = "UPDATE autocard_orders SET payload = :odd WHERE order_no = :which"


def damage(shop, statement, which):
    shop.run(statement, odd=b"12", which=which)


def unconfirmed(shop, engine, number):
    """Leave a payment whose platform could not be asked."""
    engine.expect(shop.order(number, paid=None))
    payment = Payment(paid=Money("10.00", "CNY"), reference="pay-1")
    shop.script.orders.append(Order(platform="scripted", order_no=number, payment=payment))
    shop.script.fail(*[TransientError("busy")] * 3)
    engine.receive(
        "shop",
        Inbound(method="POST", path="/n", headers={"Proof": "genuine"}, body=number.encode()),
    )
    assert engine.receipt("shop", number).lines[0].reason is Reason.UNCONFIRMED


@pytest.fixture(name="asking")
def _asking(shop, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    return shop.pushing(deliver=["direct"], confirm=True)


class TestCard:
    def test_a_reserved_one_is_replaced(self, shop):
        """The order gets another card; the damaged one is void."""
        engine = shop.open()
        shop.stock(engine, 2)
        engine.reserve(shop.order(paid=None), ttl_s=60)
        damage(shop, CARD, 1)
        assert shop.texts(engine.dispatch(shop.order())) == ["STEAM-000001"]
        assert engine.cards.stock()[0].void == 1

    def test_an_approved_order_gets_another(self, shop):
        """A person's word is enough; nobody has to void the card first."""
        engine = shop.open(review={"deny": ["buyer:u1"]})
        shop.stock(engine, 2)
        engine.dispatch(shop.order())
        damage(shop, CARD, 1)
        assert shop.texts(engine.review.approve("shop", "A1", by="ann")) == ["STEAM-000001"]
        told = [event.kind for event in engine.ledger.events()]
        assert told.count("line.approved") == 1

    def test_a_payment_that_is_asked_about_again_gets_another(self, shop, asking):
        """Later than usual, but by the same rule."""
        unconfirmed(shop, asking, "A1")
        shop.stock(asking, 2)
        damage(shop, CARD, 1)
        assert asking.resume().confirmed == 1
        assert shop.texts(asking.receipt("shop", "A1")) == ["STEAM-000001"]

    def test_a_sold_one_is_an_error_at_once(self, shop):
        """The buyer has it already, so no other card may go out; trying again would not help."""
        engine = shop.open()
        shop.stock(engine, 2)
        engine.dispatch(shop.order())
        damage(shop, CARD, 1)
        with pytest.raises(SealError, match="card 1 does not open"):
            engine.dispatch(shop.order())
        assert (engine.cards.stock()[0].available, engine.cards.stock()[0].delivered) == (1, 1)

    def test_a_sold_shared_one_is_an_error_at_once(self, shop):
        """The same for a card that many buyers have: it is void for the next, and asked for once."""
        engine = shop.open(skus={"steam": {"kind": "shared"}})
        shop.stock(engine, 1)
        engine.dispatch(shop.order())
        damage(shop, CARD, 1)
        with pytest.raises(SealError, match="card 1 does not open"):
            engine.dispatch(shop.order())

    def test_an_import_is_reported_though_it_serves_a_damaged_order(self, shop):
        """The order has its card and its push; only its own receipt cannot be shown."""
        engine = shop.pushing(skus={"steam": {}, "gift": {}})
        shop.stock(engine, 1)
        lines = [OrderLine(item="steam", quantity=1), OrderLine(item="gift", quantity=1)]
        engine.dispatch(shop.order(lines=lines, paid="10.00"))
        damage(shop, CARD, 1)
        assert shop.stock(engine, 1, sku="gift").added == 1
        assert engine.resume().total == 0
        assert len(shop.script.delivered) == 2

    def test_a_sold_one_stops_no_message_and_no_pull(self, shop, asking):
        """The platform is told to come again; other fetched orders are served."""
        shop.stock(asking, 2)
        shop.script.orders[:] = [shop.order("A1"), shop.order("A2")]
        asking.dispatch(shop.order("A1"))
        damage(shop, CARD, 1)
        inbound = Inbound(method="POST", path="/n", headers={"Proof": "genuine"}, body=b"A1")
        assert asking.receive("shop", inbound).body == b"later"
        assert [receipt.order_no for receipt in asking.pull("shop")] == ["A2"]


class TestOrder:
    def test_one_stops_nobody_behind_it(self, shop, asking, caplog):
        """It stays what it was, and a log names it; the next is asked about, and stock goes out."""
        unconfirmed(shop, asking, "A1")
        unconfirmed(shop, asking, "A2")
        asking.dispatch(shop.order("W1"))
        damage(shop, ORDER, "A1")
        shop.stock(asking, 2, sku="steam")
        asking.resume()
        assert asking.receipt("shop", "A1").lines[0].reason is Reason.UNCONFIRMED
        assert asking.receipt("shop", "A2").outcome is Outcome.DELIVERED
        assert asking.receipt("shop", "W1").outcome is Outcome.DELIVERED
        assert "shop/A1" in caplog.text
