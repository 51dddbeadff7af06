"""A PostgreSQL primary dies; its synchronous standby knows all that was ever acknowledged."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from autocard import Outcome
from autocard.errors import StoreUnavailable

from .seller import order, patiently, texts_of
from .shop import cards_by_order, must_agree, stock_texts

DATABASE = "autocard_shop"


def store_on(pair, query="?wait_s=20"):
    """Return the URL of a new store."""
    pair.primary.query(f"CREATE DATABASE {DATABASE}")
    return pair.url(DATABASE, query=query)


def test_no_acknowledged_order_is_lost_when_the_primary_is_killed(pair, shop):
    """
    Three processes sell through one URL; the primary is killed and the standby promoted. They go
    on by themselves, every answer they ever gave still holds, and no card is in two orders.
    """
    store = store_on(pair)
    engine = shop.open(store, create=True)
    assert engine.cards.add("steam", stock_texts(8000)).added == 8000
    for number in range(3):  # each order is sent by two processes, at about the same time
        shop.start(store, (f"N{n:04d}" for n in range(8000) if n % 3 != number))
    shop.wait_for_more(80)
    pair.primary.kill()
    time.sleep(0.5)  # as long as somebody needs to notice, and more
    pair.standby.promote()
    shop.wait_for_more(80)  # which only the standby can have served
    shop.finish()
    cards = cards_by_order(shop.answers())
    must_agree(shop.open(store), cards)
    (level,) = patiently(engine.cards.stock, lambda _: None)  # one that was open all the time
    assert (level.available, level.delivered) == (8000 - len(cards), len(cards))


def test_a_standby_that_is_not_promoted_serves_nobody(pair, shop):
    """With the primary gone an order is refused with `StoreUnavailable` until somebody promotes."""
    engine = shop.open(store_on(pair, "?wait_s=1"), create=True)
    engine.cards.add("steam", stock_texts(2))
    first = engine.dispatch(order("A1"))
    pair.primary.kill()
    for number in ("A1", "A2"):
        assert _refused(engine, number)
    pair.standby.promote()
    assert texts_of(patiently(lambda: engine.dispatch(order("A1")), print)) == texts_of(first)
    assert engine.dispatch(order("A2")).outcome is Outcome.DELIVERED


def _refused(engine, number):
    try:
        receipt = engine.dispatch(order(number))
    except StoreUnavailable:
        return True
    return receipt.replayed  # what is known may be read from the standby


def test_nothing_is_acknowledged_that_only_the_primary_has(pair, shop):
    """While the standby is away no order is answered; when it is back the order has its card."""
    engine = shop.open(store_on(pair, "?wait_s=1"), create=True)
    engine.cards.add("steam", stock_texts(2))
    pair.standby.kill()
    with ThreadPoolExecutor(1) as threads:
        try:
            answer = threads.submit(engine.dispatch, order("A1"))
            time.sleep(3)
            assert not answer.done() or isinstance(answer.exception(), StoreUnavailable)
        finally:
            pair.standby.start()
            pair.wait()
    receipt = patiently(lambda: engine.dispatch(order("A1")), print)
    assert receipt.outcome is Outcome.DELIVERED
    assert engine.cards.stock()[0].delivered == 1
    assert engine.ledger.verify().ok
