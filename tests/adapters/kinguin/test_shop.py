"""A whole shop that sells what it buys at the simulated Kinguin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from autocard import Engine, Inbound, Money, Order, OrderLine, Outcome, Payment, Reason
from autocard.testing import FakeClock

CARDS = ("AAAAA-BBBBB-00001", "AAAAA-BBBBB-00002", "AAAAA-BBBBB-00003")


@pytest.fixture(name="clock")
def _clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(name="engine")
def _engine(sim, item, clock, tmp_path) -> Iterator[Engine]:
    sim.sell(item, "5.79", CARDS)
    settings = {
        "store": f"sqlite:///{tmp_path}/shop.db",
        "keyring": f"file:{tmp_path}/shop.keyring",
        "currency": "CNY",
        "suppliers": {"kinguin": {**sim.settings, "rate": "8.00", "items": {"game": item}}},
        "skus": {"game": {"sources": ["supplier:kinguin"], "ceiling": "48.00 CNY"}},
    }
    with Engine.open(settings, create=True, clock=clock) as engine:
        yield engine
        assert engine.ledger.verify().ok


@pytest.fixture(name="resume")
def _resume(engine, clock) -> Callable[..., None]:
    """Let time go on, and the engine with it."""

    def resume(times: int = 1) -> None:
        for _ in range(times):
            clock.advance(600)
            engine.resume()

    return resume


def _order(quantity: int = 1) -> Order:
    price = Money("50.00", "CNY")
    return Order(
        platform="shop",
        order_no="A1",
        lines=[OrderLine(item="game", quantity=quantity, unit_price=price)],
        payment=Payment(paid=price * quantity, reference="pay-1"),
    )


def _texts(engine: Engine) -> tuple[str, ...]:
    return tuple(card.text().reveal() for card in engine.receipt("shop", "A1").cards)


def test_shop_sells_what_it_buys(sim, engine, resume) -> None:
    """An order without stock is bought at Kinguin, and its keys go to the buyer."""
    receipt = engine.dispatch(_order(2))
    assert (receipt.lines[0].outcome, receipt.lines[0].reason) == (Outcome.PENDING, Reason.BUYING)
    resume()
    assert _texts(engine) == CARDS[:2]
    assert list(sim.sold.values()) == [CARDS[:2]]
    assert sim.spent == Decimal("11.58")


def test_message_brings_the_keys_at_once(sim, engine) -> None:
    """A message that the order is completed has it looked up, and the buyer served."""
    sim.fault("notice_first")
    engine.dispatch(_order())
    [notice] = sim.notices
    inbound = Inbound(method="POST", path="/kinguin", headers=notice.headers, body=notice.body)
    assert engine.receive("kinguin", inbound).status == 204
    assert _texts(engine) == CARDS[:1]
    forged = Inbound(method="POST", path="/kinguin", body=notice.body)
    assert engine.receive("kinguin", forged).status == 401


@pytest.mark.parametrize(
    "fault", ["drop", "drop_after", "http_500", "http_500_after", "html_after", "ResourceLock"]
)
def test_lost_answer_buys_once(fault, sim, engine, resume) -> None:
    """Whether the order or its answer was lost, the buyer gets one card and Kinguin one payment."""
    sim.fault(fault)
    engine.dispatch(_order())
    resume(6)
    assert _texts(engine) == CARDS[:1]
    assert sim.spent == Decimal("5.79")


def test_order_paid_back_is_bought_again(sim, engine, resume) -> None:
    """A cancelled order cost nothing, and the next one serves the buyer."""
    sim.fault("canceled")
    engine.dispatch(_order())
    resume(3)
    assert len(_texts(engine)) == 1
    assert sim.spent == Decimal("5.79")
    assert [order.status for order in sim.orders] == ["canceled", "completed"]


def test_short_order_is_held_with_what_came(sim, engine, resume) -> None:
    """A completed order that lacks a key is held for a person, and nothing more is bought."""
    sim.fault("fewer")
    engine.dispatch(_order(2))
    resume(3)
    assert engine.receipt("shop", "A1").lines[0].outcome is Outcome.HELD
    assert len(sim.orders) == 1


def test_need_is_served_by_dearer_sellers_too(sim, item, engine, resume) -> None:
    """A need that the cheapest seller cannot serve is bought, where others stay below the ceiling."""
    sim.sell(item, "5.80", ["AAAAA-BBBBB-00004", "AAAAA-BBBBB-00005"])
    engine.dispatch(_order(5))
    resume()
    assert len(_texts(engine)) == 5
    assert sim.spent == Decimal("28.97")


def test_lost_order_that_took_the_last_key_is_not_bought_elsewhere(
    sim, simulator, item, clock, tmp_path
) -> None:
    """Lost, overlooked and sent again, an order is refused for want of keys: we have the last."""
    sim.duplicates = "created"
    sim.sell(item, "5.79", CARDS[:1])
    sim.fault("drop_after")
    sim.fault("late", count=3)
    with simulator.Simulator() as other:
        other.sell(item, "5.99", ["OTHER-00001"])
        stores = {"kinguin": sim, "other": other}
        settings = {
            "store": f"sqlite:///{tmp_path}/two.db",
            "keyring": f"file:{tmp_path}/two.keyring",
            "currency": "CNY",
            "suppliers": {
                name: {**store.settings, "rate": "8.00", "items": {"game": item}}
                for name, store in stores.items()
            },
            "skus": {
                "game": {
                    "sources": [f"supplier:{name}" for name in stores],
                    "ceiling": "48.00 CNY",
                }
            },
        }
        with Engine.open(settings, create=True, clock=clock) as engine:
            engine.dispatch(_order())
            for _ in range(20):
                clock.advance(60)
                engine.resume()
            assert _texts(engine) == CARDS[:1]
        assert (sim.spent, other.spent) == (Decimal("5.79"), 0)
