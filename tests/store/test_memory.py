"""The pool in memory carries a whole engine, and finds what is wrong with its books."""

from __future__ import annotations

import attrs
import pytest

from autocard import Buyer, Engine, Money, Order, OrderLine, Outcome, Payment, Reason
from autocard.records import Status
from autocard.states import CardState
from autocard.testing import FakeClock, MemoryPool, Script, ScriptedAdapters
from autocard.testing.pool_changes import live


def order(number, quantity=1, *, platform="till", paid=True):
    line = OrderLine(item="steam", quantity=quantity, unit_price=Money("10.00", "CNY"))
    return Order(
        platform=platform, order_no=number, lines=[line], buyer=Buyer(id="u1"),
        payment=Payment(paid=Money(10 * quantity, "CNY")) if paid else None,
    )  # fmt: skip


@pytest.fixture(name="script")
def _script():
    return Script()


@pytest.fixture(name="clock")
def _clock():
    return FakeClock()


@pytest.fixture(name="engine")
def _engine(tmp_path, script, clock):
    table = {
        "keyring": f"file:{tmp_path}/keyring",
        "skus": {"steam": {}},
        "platforms": {"shop": {"adapter": "scripted", "script": script}},
        "review": {"amount_over": "50.00 CNY"},
    }
    pool = MemoryPool()
    with Engine.open(
        table, create=True, clock=clock, pool=pool, plugins=[ScriptedAdapters()]
    ) as engine:
        yield engine
        assert engine.ledger.verify().ok


class TestEngine:
    def test_orders_are_served_and_repeated(self, engine):
        """The same order again gets the same cards."""
        engine.cards.add("steam", ["AAA-1", "BBB-2"])
        first = engine.dispatch(order("A1"))
        again = engine.dispatch(order("A1"))
        assert (first.cards, again.replayed) == (again.cards, True)
        assert [x.available for x in engine.cards.stock()] == [1]

    def test_waiting_orders_are_served_when_stock_arrives(self, engine):
        """First come, first served."""
        assert engine.dispatch(order("A1", 2)).lines[0].reason is Reason.SHORT
        engine.cards.add("steam", ["AAA-1", "BBB-2"])
        assert len(engine.receipt("till", "A1").cards) == 2

    def test_reservations_hold_and_lapse(self, engine, clock):
        """Held cards are nobody else's until time is over."""
        engine.cards.add("steam", ["AAA-1"])
        engine.reserve(order("A1", paid=False), ttl_s=60)
        assert engine.dispatch(order("A2")).outcome is Outcome.PENDING
        clock.advance(61)
        assert engine.resume().lapsed == 1
        assert engine.receipt("till", "A2").outcome is Outcome.DELIVERED

    def test_cards_are_pushed(self, engine, script):
        """The platform gets them once."""
        engine.cards.add("steam", ["AAA-1"])
        assert engine.dispatch(order("A1", platform="shop")).outcome is Outcome.DELIVERED
        assert len(script.delivered) == 1

    def test_held_orders_wait_for_a_person(self, engine):
        """Approved they are served."""
        engine.cards.add("steam", [f"card {i}" for i in range(6)])
        assert engine.dispatch(order("A1", 6)).outcome is Outcome.HELD
        assert len(engine.review.pending()) == 1
        assert engine.review.approve("till", "A1", by="ann").outcome is Outcome.DELIVERED

    def test_looking_at_the_store_is_part_of_a_check(self, engine):
        """Everything about it is fine."""
        assert engine.check().ok


def _evolve_cards(state, **changes):
    def plant(books):
        for card in list(books.cards.values()):
            if card.state is state:
                books.cards[card.id] = attrs.evolve(card, **changes)

    return plant


def _lose_lines(books):
    books.lines.clear()


def _lose_shares(books):
    books.shares.clear()


def _lose_events(books):
    books.events.clear()


def _hold_lines(books):
    for name, line in books.lines.items():
        books.lines[name] = attrs.evolve(line, status=Status(Outcome.HELD))


def _lose_purchases(books):
    books.purchases.clear()


FAULTS = {
    "available and belongs": _evolve_cards(CardState.AVAILABLE, line=(1, 1)),
    "without an order": _evolve_cards(CardState.RESERVED, line=None),
    "should have": _hold_lines,
    "without their line": _lose_lines,
    "not sold as often": _lose_shares,
    "no event says so": _lose_events,
    "no purchase for it is open": _lose_purchases,
    "no line waits for it": _hold_lines,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_audit_finds_planted_faults(fault):
    """The model's own books are compared with each other, too."""
    pool = MemoryPool()
    live(pool)
    assert pool.audit() == []
    FAULTS[fault](pool._books)
    assert any(fault in x for x in pool.audit())
