"""Three nodes of a Galera cluster sell from one stock; a node may die."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from autocard import Outcome, Reason
from autocard.errors import StoreUnavailable

from .seller import order, texts_of
from .servers import wait_until
from .shop import cards_by_order, must_agree, stock_texts

NODES = (0, 1, 2)
QUERY = "?spread=16&wait_s=20"


@pytest.fixture(name="store")
def _store(cluster):
    """Return a function that gives the URL of one new store, its nodes in some order."""
    cluster.create("autocard_shop")

    def store(*numbers, query=QUERY):
        return cluster.url("autocard_shop", *numbers, query=query)

    return store


@pytest.fixture(name="stocked")
def _stocked(shop, store):
    """Return a function that makes the store with so many cards in it."""

    def stocked(count):
        engine = shop.open(store(*NODES), create=True)
        assert engine.cards.add("steam", stock_texts(count)).added == count

    return stocked


@pytest.fixture(name="engines")
def _engines(shop, store, stocked):
    """Return a function that makes the store, and gives one engine for each node alone."""

    def engines(count, query=QUERY):
        stocked(count)
        return [shop.open(store(number, query=query)) for number in NODES]

    return engines


def preferring(number):
    """Return the nodes in the order of a host that lives beside node *number*."""
    return NODES[number:] + NODES[:number]


def at_once(engines, orders):
    """Return the receipts of each order sent to every engine at the same moment."""
    together = threading.Barrier(len(engines))

    def send(engine, each):
        together.wait(30)
        return engine.dispatch(each)

    with ThreadPoolExecutor(len(engines)) as threads:
        return [list(threads.map(send, engines, [each] * len(engines))) for each in orders]


def test_three_nodes_sell_while_one_is_killed_and_rejoins(cluster, shop, store, stocked):
    """
    A process beside each node, each order sent by two of them, one node killed: no card is in two
    orders, none is lost, every order has its one answer, and the node that rejoined agrees.
    """
    stocked(6000)
    for number in NODES:
        shop.start(
            store(*preferring(number)), (f"N{n:04d}" for n in range(6000) if n % 3 != number)
        )
    victim = cluster.nodes[1]
    shop.wait_for_more(40)
    victim.kill()
    shop.wait_for_more(40)
    victim.rejoin()
    victim.wait()
    shop.wait_for_more(40)
    shop.finish()
    cards = cards_by_order(shop.answers())
    assert len(cards) >= 120
    cluster.level()
    must_agree(shop.open(store(0)), cards)
    some = dict(list(cards.items())[::20])
    for number in NODES:
        engine = shop.open(store(number))
        must_agree(engine, some)
        (level,) = engine.cards.stock()
        assert (level.available, level.delivered) == (6000 - len(cards), len(cards))
        assert not [x for x in Outcome if x is not Outcome.DELIVERED and engine.orders(outcome=x)]


@pytest.mark.parametrize("query", [QUERY, "?wait_s=20"], ids=["spread", "not_spread"])
def test_one_order_sent_to_three_nodes_at_once_is_one_allocation(cluster, engines, query):
    """All three nodes answer with the same cards; nothing is left of the changes that were undone."""
    each = engines(930, query)
    for receipts in at_once(each, [order(f"A{n}", 3) for n in range(300)]):
        assert len({texts_of(receipt) for receipt in receipts}) == 1
        assert {len(receipt.cards) for receipt in receipts} == {3}
        assert sum(not receipt.replayed for receipt in receipts) == 1
    cluster.level()
    for engine in each:
        (level,) = engine.cards.stock()
        assert (level.available, level.delivered) == (30, 900)
        assert [x.kind for x in engine.ledger.events()].count("line.delivered") == 300
        assert engine.ledger.verify().faults == ()


def test_the_last_cards_are_found_from_every_node(cluster, shop, store, engines):
    """However takes are spread, 40 cards serve 40 of 60 orders; the others wait, then are served."""
    each = engines(40)

    def sell(number):
        return [each[number].dispatch(order(f"B{number}-{n}")) for n in range(20)]

    with ThreadPoolExecutor(3) as threads:
        receipts = [receipt for some in threads.map(sell, NODES) for receipt in some]
    waiting = [receipt for receipt in receipts if receipt.outcome is Outcome.PENDING]
    assert len(waiting) == 20
    assert {receipt.lines[0].reason for receipt in waiting} == {Reason.SHORT}
    assert len({texts_of(r) for r in receipts if r.outcome is Outcome.DELIVERED}) == 40
    assert each[2].cards.add("steam", stock_texts(20, 40)).added == 20
    cluster.level()
    served = {texts_of(each[0].receipt("shop", receipt.order_no)) for receipt in receipts}
    assert served == set(stock_texts(60))
    assert [engine.ledger.verify().faults for engine in each] == [(), (), ()]


def test_a_node_without_a_majority_says_so_and_serves_later(cluster, shop, store, stocked):
    """A node that lost both others refuses with `StoreUnavailable`, and sells when they are back."""
    stocked(5)
    engine = shop.open(store(*NODES, query="?wait_s=1"))
    first = engine.dispatch(order("C1"))
    alone, *others = cluster.nodes
    for node in others:
        node.kill()
    wait_until(lambda: alone.status("wsrep_ready") == "OFF", "the node is alone", 20)
    for number in ("C1", "C2"):
        with pytest.raises(StoreUnavailable):
            engine.dispatch(order(number))
    for node in others:
        node.rejoin()
    for node in cluster.nodes:
        node.wait()
    assert texts_of(engine.dispatch(order("C1"))) == texts_of(first)
    assert engine.dispatch(order("C2")).outcome is Outcome.DELIVERED
    assert engine.ledger.verify().ok


@pytest.mark.parametrize("trouble", ["isolate", "freeze"])
def test_an_engine_leaves_a_node_that_the_others_lost(cluster, shop, store, stocked, trouble):
    """A node that is cut off from the majority, or hangs, is left for one that is not."""
    stocked(5)
    engine = shop.open(store(*NODES, query="?wait_s=20&read_timeout=4"))
    first = engine.dispatch(order("E1"))
    lost, other, _ = cluster.nodes
    go_wrong = getattr(lost, trouble)
    go_wrong()
    try:
        assert texts_of(engine.dispatch(order("E1"))) == texts_of(first)
        assert engine.dispatch(order("E2")).outcome is Outcome.DELIVERED
        wait_until(lambda: other.status("wsrep_cluster_size") == "2", "the node is out", 20)
    finally:
        go_wrong(ends=True)
    wait_until(lambda: other.status("wsrep_cluster_size") == "3", "the node is back", 30)
    lost.wait()
    cluster.level()
    assert len(shop.open(store(0)).receipt("shop", "E2").cards) == 1


def test_three_hosts_make_one_store(cluster, shop, store):
    """Hosts that start at once on three nodes of an empty database migrate it once."""
    shop.open(f"sqlite:///{shop.keyring.parent}/other.db", create=True)  # makes the keyring
    soon = time.time() + 4  # they need a while to get ready
    for number in NODES:
        shop.start(store(*preferring(number)), [f"D{number}"], create=True, at=soon)
    for seller in shop.sellers:
        assert seller.process.wait(60) == 0, shop.complaints()
    assert shop.answers() == {f"D{number}": {"pending "} for number in NODES}
    cluster.level()
    engines = [shop.open(store(number)) for number in NODES]
    assert engines[0].cards.add("steam", stock_texts(3)).added == 3
    cluster.level()
    assert {len(e.receipt("shop", f"D{n}").cards) for n, e in enumerate(engines)} == {1}
    assert [engine.ledger.verify().faults for engine in engines] == [(), (), ()]
