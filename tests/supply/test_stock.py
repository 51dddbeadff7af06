"""Restocks, the eye on suppliers, and their messages."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from autocard import Inbound, Money, Outcome
from autocard.errors import ConfigurationError, IllegalTransition
from autocard.spi import Capability, RejectedError, TransientError

RESTOCK = {
    "sources": ["warehouse:main"],
    "ceiling": "8.50 CNY",
    "low": 5,
    "restock": {"quantity": 10, "suppliers": ["acme", "bolt"]},
}


def available(engine, warehouse="main"):
    """Return how many cards of `steam` a warehouse has."""
    return sum(x.available for x in engine.cards.stock("steam") if x.warehouse == warehouse)


def kinds(engine, noun):
    """Return the kinds of all events of one noun."""
    return [x.kind for x in engine.ledger.events() if x.kind.startswith(f"{noun}.")]


# --- restocks ---


def test_low_stock_is_bought_and_enough_is_left_alone(market):
    """Below 5 ten are bought from the one supplier below the ceiling; then there is enough."""
    engine = market.open(sku=RESTOCK)
    (plan,) = engine.supply.restock(dry_run=True)
    assert (plan.available, plan.point, plan.quantity, plan.supplier) == (0, 5, 10, "acme")
    assert engine.supply.purchases() == []
    engine.resume()
    assert available(engine) == 10
    (look,) = engine.supply.restock()
    assert look.why == "there is enough"
    (batch,) = engine.cards.batches("steam")
    assert (batch.supplier, str(batch.cost)) == ("acme", "8.00 CNY")
    assert batch.provenance.startswith("purchase p")
    assert engine.ledger.verify().faults == ()


def test_a_restock_serves_those_who_wait(market):
    """Two orders wait without suppliers of their own; the restock serves them first come first."""
    engine = market.open(sku=RESTOCK)
    engine.dispatch(market.order("A1"))
    engine.dispatch(market.order("A2"))
    engine.resume()
    assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED
    assert engine.receipt("shop", "A2").outcome is Outcome.DELIVERED
    assert available(engine) == 8


def test_a_flood_never_buys_two_restocks(market):
    """However many look at low stock at once, one purchase is begun for it."""
    engine = market.open(sku=RESTOCK)
    together = threading.Barrier(8)
    found = []

    def look():
        together.wait(30)
        found.extend(engine.supply.restock())

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(bool(x.reference) for x in found) == 1
    assert len(engine.supply.purchases()) == 1
    market.settle(engine, passes=3)
    assert available(engine) == 10
    assert len(market.acme.sold) == 10


def test_a_restock_that_was_over_meanwhile_is_not_made_twice(market):
    """One host saw low stock; while it asked for prices another one bought."""
    settings = {"sku": RESTOCK, "supply": {"sync_every_s": 0}}
    slow, fast = market.open(**settings), market.open(**settings)
    market.bolt.meanwhile[Capability.OFFERS] = fast.resume
    (look,) = slow.supply.restock()
    assert (look.quantity, look.why) == (0, "a restock is under way")
    assert available(slow) == 10
    assert len(market.acme.sold) == 10


def test_a_restock_may_need_approval(market):
    """It is proposed, and bought after somebody said so; declined, it may be proposed again."""
    wish = {**RESTOCK["restock"], "approve": True}
    engine = market.open(sku={**RESTOCK, "restock": wish})
    (plan,) = engine.supply.restock()
    assert str(engine.supply.purchase(plan.reference).state) == "proposed"
    market.settle(engine, passes=2)
    assert market.acme.sold == ()
    engine.supply.decline(plan.reference, by="li", why="too dear")
    (plan,) = engine.supply.restock()
    engine.supply.approve(plan.reference, by="li")
    with pytest.raises(IllegalTransition):
        engine.supply.approve(plan.reference, by="li")
    engine.resume()
    assert available(engine) == 10
    assert kinds(engine, "purchase") == [
        "purchase.begun", "purchase.declined", "purchase.begun", "purchase.approved",
        "purchase.served",
    ]  # fmt: skip


def test_a_restock_above_the_ceiling_is_not_bought(market):
    """It says why."""
    market.acme.goods["a1"].price = Money("8.60", "CNY")
    engine = market.open(sku=RESTOCK)
    (look,) = engine.supply.restock()
    assert (look.quantity, look.why) == (0, "every offer is above 8.50 CNY")


def test_a_restock_takes_what_there_is(market):
    """Stock needs no all or nothing."""
    market.acme.goods["a1"].stock = 4
    engine = market.open(sku=RESTOCK)
    engine.resume()
    assert available(engine) == 4


def test_demand_moves_the_reorder_point(market):
    """
    Sold on the seven days before: 14, 0, 14, 0, 14, 0, 14. The mean is 8, the deviation 7.48; with
    a lead of one day and 95 % that makes 8 + 1.645 * 7.48 = 20.3, so below 21 it is restocked.
    """
    wish = {
        **RESTOCK["restock"], "demand": True, "sales_days": 7, "lead_days": 1.0,
        "cover_days": 2.0,
    }  # fmt: skip
    engine = market.open(sku={**RESTOCK, "restock": wish}, supply={"restock_every_s": 1e7})
    engine.cards.add("steam", [f"S-{n}" for n in range(76)])
    for day in range(7):
        if day % 2 == 0:
            engine.dispatch(market.order(quantity=14))
        market.clock.advance(86_400)
    (look,) = engine.supply.restock(dry_run=True)
    assert (look.available, look.point) == (20, 21)
    assert look.quantity == 21 + 16 - 20
    engine.resume()
    assert available(engine) == 21 + 16


@pytest.mark.parametrize(
    ("life", "there", "quantity"), [(0, 0, 10), (8, 0, 10), (8, 4, 10), (8, 6, 0)]
)
def test_cards_that_live_too_short_are_no_stock(market, life, there, quantity):
    """Six expired, or may not be sold any more, and were enough for ever; only the others count."""
    engine = market.open(
        sku={**RESTOCK, "minimum_life_days": life}, supply={"restock_every_s": 1e7}
    )
    today = market.clock.now()
    engine.cards.add("steam", [f"SOON-{n}" for n in range(6)], expires_at=today + timedelta(days=7))
    engine.cards.add(
        "steam", [f"LATE-{n}" for n in range(there)], expires_at=today + timedelta(days=9)
    )
    if not life:
        market.clock.advance(7 * 86_400)
    (look,) = engine.supply.restock(dry_run=True)
    assert (look.available, look.quantity) == (there, quantity)


WILLING = {**RESTOCK, "ceiling": "9.50 CNY"}


def test_a_restock_fails_over_to_the_next_supplier(market):
    """The cheapest one refuses; at the next look the other one is bought from, not that one again."""
    market.acme.fail(Capability.BUY, *[RejectedError("not for you")] * 9)
    engine = market.open(sku=WILLING)
    for _ in range(2):
        engine.supply.restock()
        engine.resume()
    bought = engine.supply.purchases()
    assert [(x.supplier, x.state) for x in bought] == [("bolt", "done"), ("acme", "failed")]
    assert available(engine) == 10


def test_a_restock_says_when_every_supplier_has_failed(market):
    """It waits for the pause of each, at most `tries` times a day; then they are asked again."""
    for wholesaler in (market.acme, market.bolt):
        wholesaler.fail(Capability.BUY, *[RejectedError("not for you")] * 9)
    engine = market.open(sku=WILLING)
    for _ in range(20):
        engine.supply.restock()
        engine.resume()
        market.clock.advance(90)
    assert len(engine.supply.purchases()) == 6
    (look,) = engine.supply.restock(dry_run=True)
    assert look.quantity == 0
    assert "failed lately" in look.why
    assert "bolt: " in look.why
    market.clock.advance(86_400)
    (look,) = engine.supply.restock(dry_run=True)
    assert look.supplier == "acme"


def test_what_failed_before_a_restock_arrived_is_forgotten(market):
    """The cheapest supplier is asked again for the next one."""
    market.acme.fail(Capability.BUY, *[RejectedError("not for you")] * 3)
    engine = market.open(sku=WILLING, acme={"tries": 1})
    for _ in range(2):
        engine.supply.restock()
        engine.resume()
    assert available(engine) == 10
    engine.dispatch(market.order(quantity=8))
    (look,) = engine.supply.restock(dry_run=True)
    assert (look.available, look.supplier) == (2, "acme")


def test_a_declined_restock_is_no_failure_of_its_supplier(market):
    """It was never asked, so it may be proposed again as often as somebody declines."""
    engine = market.open(sku={**RESTOCK, "restock": {**RESTOCK["restock"], "approve": True}})
    for _ in range(4):
        (look,) = engine.supply.restock()
        assert look.supplier == "acme"
        engine.supply.decline(look.reference, by="li", why="not now")


@pytest.mark.parametrize(
    ("sources", "quantity"),
    [
        (["warehouse:vip"], 0),
        (["warehouse:vip", "warehouse:main"], 7),
        (["manual"], 0),
    ],
)
def test_only_lines_that_the_warehouse_serves_are_restocked_for(market, sources, quantity):
    """Seven wait for cards of the warehouses that they name, and no others help them."""
    wish = {**RESTOCK["restock"], "quantity": 1}
    engine = market.open(
        sku={**RESTOCK, "low": 0, "restock": wish},
        rules=[{"sku": "steam", "sources": sources}],
        supply={"restock_every_s": 1e7},
    )
    engine.dispatch(market.order(quantity=7))
    (look,) = engine.supply.restock(dry_run=True)
    assert look.quantity == quantity


def test_a_sku_without_restock_says_how_to_set_it_up(market):
    """The message names the table."""
    engine = market.open()
    with pytest.raises(ConfigurationError, match=r"\[skus\.steam\.restock\]"):
        engine.supply.restock("steam")


# --- the eye on suppliers ---


def test_what_changes_at_a_supplier_is_an_event(market):
    """Listed, dearer, withdrawn, back again; the same again says nothing."""
    engine = market.open()
    engine.supply.sync("acme")
    assert kinds(engine, "offer") == ["offer.listed"]
    engine.supply.sync("acme")
    market.acme.goods["a1"].price = Money("8.20", "CNY")
    (report,) = engine.supply.sync("acme")
    assert (report.offers, report.changed, report.problem) == (1, 1, "")
    del market.acme.goods["a1"]
    engine.supply.sync("acme")
    assert kinds(engine, "offer") == ["offer.listed", "offer.changed", "offer.withdrawn"]


def test_a_low_balance_is_told_once_and_again_when_it_is_restored(market):
    """Not at every look."""
    engine = market.open(acme={"balance_low": "100.00 CNY"})
    market.acme.money = Money("99.00", "CNY")
    engine.supply.sync()
    engine.supply.sync()
    (acme, bolt) = engine.supply.balances()
    assert (str(acme.balance), acme.is_low) == ("99.00 CNY", True)
    assert not bolt.is_low
    market.acme.money = Money("200.00", "CNY")
    engine.supply.sync()
    assert kinds(engine, "balance") == ["balance.fallen", "balance.restored"]


def test_resume_looks_at_suppliers_now_and_then(market):
    """Once an hour here, and one host of several."""
    engine, other = market.open(), market.open()
    for _ in range(3):
        engine.resume()
        other.resume()
    assert [kind for kind, _ in market.acme.calls].count(Capability.BALANCE) == 1
    market.clock.advance(3601)
    other.resume()
    assert [kind for kind, _ in market.acme.calls].count(Capability.BALANCE) == 2


def test_a_supplier_that_does_not_answer_is_reported(market):
    """What could be asked is used."""
    engine = market.open()
    market.acme.fail(Capability.BALANCE, *[TransientError("down for repairs")] * 3)
    (report,) = engine.supply.sync("acme")
    assert (report.offers, report.problem) == (1, "balance: down for repairs")
    with pytest.raises(ConfigurationError):
        engine.supply.sync("acne")


def test_offers_are_compared_without_buying(market):
    """The cheapest first, as they are now."""
    engine = market.open()
    assert [(x.supplier, str(x.cost)) for x in engine.supply.offers("steam")] == [
        ("acme", "8.00 CNY"), ("bolt", "9.00 CNY"),
    ]  # fmt: skip
    market.acme.goods["a1"].price = Money("9.50", "CNY")
    assert [x.supplier for x in engine.supply.offers("steam")] == ["bolt", "acme"]


# --- messages ---


def test_a_message_is_only_a_hint(market):
    """What it names is looked up at once; a forged one is refused and changes nothing."""
    market.acme.waits = 1
    engine = market.open()
    engine.dispatch(market.order("A1"))
    (purchase,) = engine.supply.purchases()
    market.acme.finish()
    body = purchase.reference.encode()
    forged = Inbound(method="POST", path="/", headers={"proof": "forged"}, body=body)
    assert engine.receive("acme", forged).body == b"refused"
    assert engine.receipt("shop", "A1").outcome is Outcome.PENDING
    genuine = Inbound(method="POST", path="/", headers={"proof": "genuine"}, body=body)
    assert engine.receive("bolt", genuine).body == b"accepted"
    assert engine.receipt("shop", "A1").outcome is Outcome.PENDING
    market.clock.advance(1)
    assert engine.receive("acme", genuine).body == b"accepted"
    assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED
    assert engine.receive("acme", genuine).body == b"accepted"
    assert len(market.acme.sold) == 1
    assert engine.ledger.verify().faults == ()


def test_a_message_during_the_call_leaves_its_answer_to_the_caller(market):
    """The supplier is faster with its message than with its answer, and cannot be asked."""
    market.acme.finds, market.acme.again = "nothing", "buys"
    engine, other = market.open(), market.open()

    def called_back():
        (purchase,) = other.supply.purchases()
        body = purchase.reference.encode()
        inbound = Inbound(method="POST", path="/", headers={"proof": "genuine"}, body=body)
        assert other.receive("acme", inbound).body == b"accepted"

    market.acme.meanwhile[Capability.BUY] = called_back
    assert engine.dispatch(market.order("A1")).outcome is Outcome.DELIVERED


def test_a_message_about_nothing_we_know_is_accepted_and_forgotten(market):
    """It may be about what the merchant buys there by hand."""
    engine = market.open()
    inbound = Inbound(method="POST", path="/", headers={"proof": "genuine"}, body=b"p0000")
    assert engine.receive("acme", inbound).body == b"accepted"
    assert engine.ledger.events() == []


def test_a_restock_counts_what_is_waited_for(market):
    """Enough lies there, but an order for more waits for it, and buys nothing itself."""
    engine = market.open(sku={**RESTOCK, "low": 2})
    engine.cards.add("steam", ["S-1", "S-2"])
    engine.dispatch(market.order("A1", quantity=20))
    (look,) = engine.supply.restock(dry_run=True)
    assert (look.available, look.quantity) == (2, 18)
    market.settle(engine, passes=2)
    assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED
