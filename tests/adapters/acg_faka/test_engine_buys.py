"""A whole engine that buys from a simulated acg-faka shop."""

from __future__ import annotations

from decimal import Decimal

import pytest

from autocard import Engine, Money, Order, OrderLine, Outcome, Payment
from autocard.testing import FakeClock

RACE = "RACE0001?race=月卡"


@pytest.fixture(name="clock")
def _clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(name="engine")
def _engine(tmp_path, shop, clock):
    table = {
        "store": f"sqlite:///{tmp_path}/shop.db",
        "keyring": f"file:{tmp_path}/shop.keyring",
        "skus": {
            "month": {"sources": ["warehouse:main", "supplier:up"], "ceiling": "2.00 CNY"},
            "by-hand": {"sources": ["supplier:up"], "ceiling": "9.00 CNY"},
        },
        "suppliers": {
            "up": {
                "adapter": "acg_faka", "base_url": shop.url, "app_id": shop.app_id,
                "credential": shop.credential, "allow_http": True, "timeout_s": 2.0,
                "items": {"month": RACE, "by-hand": "MAN0001"}, "waiting": {"MAN0001": ""},
            }
        },
    }  # fmt: skip
    with Engine.open(table, create=True, clock=clock) as engine:
        yield engine


def _dispatched(engine, clock, order_no: str, item: str = "month", quantity: int = 1):
    price = Money("9.50", "CNY")
    line = OrderLine(item=item, quantity=quantity, unit_price=price)
    payment = Payment(paid=price * quantity, paid_at=clock.now())
    order = Order(platform="shop", order_no=order_no, lines=[line], payment=payment)
    return engine.dispatch(order)


def _later(engine, clock, order_no: str):
    clock.advance(seconds=600)
    engine.resume()
    return engine.receipt("shop", order_no)


def _texts(receipt) -> list[str]:
    return [card.secret.reveal() for card in receipt.cards]


def test_missing_cards_are_bought(engine, shop, clock) -> None:
    """An order that stock cannot fill is filled within one call."""
    shop.sell(RACE, "1.50", ["KEY-0001", "KEY-0002"])
    assert _texts(_dispatched(engine, clock, "A1", quantity=2)) == ["KEY-0001", "KEY-0002"]
    assert shop.spent == Decimal("3.00")


def test_a_lost_last_card_is_paid_once(engine, shop, clock) -> None:
    """Bought, answer lost, and out of stock because of it: a person decides, with the balances."""
    shop.sell(RACE, "1.50", ["LAST-CARD"])
    shop.fault("drop_after")
    assert _dispatched(engine, clock, "A1").lines[0].outcome is Outcome.PENDING
    line = _later(engine, clock, "A1").lines[0]
    assert line.outcome is Outcome.HELD
    assert "refused the repetition" in line.why
    assert "balance" in line.why
    shop.sell(RACE, "1.50", ["KEY-0002"])
    _later(engine, clock, "A1")
    assert shop.spent == Decimal("1.50")


def test_a_call_that_never_arrived_is_made_again(engine, shop, clock) -> None:
    """Where the shop never saw the first call, the same purchase is made by the second."""
    shop.sell(RACE, "1.50", ["KEY-0001", "KEY-0002"])
    shop.fault("drop_before")
    assert _dispatched(engine, clock, "A1").lines[0].outcome is Outcome.PENDING
    assert _texts(_later(engine, clock, "A1")) == ["KEY-0001"]
    assert len(shop.sold) == 1


def test_delivery_by_hand_is_awaited(engine, shop, clock) -> None:
    """What a person delivers later reaches the buyer later, and the waiting text never does."""
    shop.sell("MAN0001", "6.00", by_hand="", stock=4)
    assert _dispatched(engine, clock, "A1", "by-hand").lines[0].outcome is Outcome.PENDING
    assert _texts(_later(engine, clock, "A1")) == []
    (reference,) = shop.sold
    shop.deliver(reference, ["BY-HAND-0001"])
    assert _texts(_later(engine, clock, "A1")) == ["BY-HAND-0001"]
    assert shop.spent == Decimal("6.00")


def test_an_apology_is_never_sold(engine, shop, clock) -> None:
    """An apology in place of a card leaves the order to a person."""
    shop.sell(RACE, "1.50", ["KEY-0001"])
    shop.fault("apology")
    receipt = _dispatched(engine, clock, "A1")
    assert receipt.lines[0].outcome is Outcome.HELD
    assert "apology" in receipt.lines[0].why
    assert _texts(_later(engine, clock, "A1")) == []
