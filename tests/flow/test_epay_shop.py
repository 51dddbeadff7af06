"""A whole shop with 易支付: registered, paid, notified, repeated, forged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from autocard import Inbound, Outcome, Secret
from autocard.adapters.epay.translate import sign_notification

CREDENTIAL = "K7f3Qm9ZtR2xVb8LsW4nDy6HcE1pJ5aG"
FIELDS = {
    "pid": "1001", "trade_no": "2026010110203012345", "out_trade_no": "A1", "type": "alipay",
    "name": "product", "money": "10", "trade_status": "TRADE_SUCCESS",
}  # fmt: skip


@pytest.fixture(name="engine")
def _engine(shop):
    engine = shop.open(
        platforms={
            "shop": {
                "adapter": "epay",
                "base_url": "https://pay.example.com/",
                "pid": "1001",
                "credential": CREDENTIAL,
                "confirm": False,
            }
        }
    )
    shop.stock(engine, 3)
    engine.expect(shop.order(paid=None))
    return engine


def notification(**changes):
    query = sign_notification({**FIELDS, **changes}, Secret(CREDENTIAL))
    return Inbound(method="GET", path="/notify", query=query)


def test_ten_notifications_at_once_are_one_card(shop, engine):
    """Ten threads bring the same notification: all are acknowledged, one card goes out."""
    with ThreadPoolExecutor(10) as threads:
        replies = list(threads.map(lambda _: engine.receive("shop", notification()), range(10)))
    assert {(reply.status, reply.body) for reply in replies} == {(200, b"success")}
    assert shop.texts(engine.receipt("shop", "A1")) == ["STEAM-000000"]
    assert engine.cards.stock()[0].delivered == 1


def test_every_flipped_byte_is_refused_and_leaves_no_trace(shop, engine):
    """Whatever byte of a genuine notification is changed, nothing is stored or explained."""
    genuine = notification()
    before = (engine.ledger.events(), engine.cards.stock())
    replies = set()
    for index in range(len(genuine.query)):
        for other in ("x", "0", "&"):
            if genuine.query[index] == other:
                continue
            query = genuine.query[:index] + other + genuine.query[index + 1 :]
            reply = engine.receive("shop", Inbound(method="GET", path="/notify", query=query))
            if reply.body == b"success":
                # Only the letter case of the signature and of a percent escape may differ.
                assert query.lower() == genuine.query.lower()
                continue
            replies.add((reply.status, reply.body))
    assert len(replies) == 1
    assert (engine.ledger.events(), engine.cards.stock()) == before
    assert engine.receipt("shop", "A1").outcome is Outcome.PENDING


@pytest.mark.parametrize("changes", [{"pid": "1002"}, {"trade_status": "WAIT"}, {"money": "9.99"}])
def test_a_genuine_message_that_does_not_fit_serves_nothing(shop, engine, changes):
    """Another merchant, another status and another amount never bring a card."""
    engine.receive("shop", notification(**changes))
    assert engine.cards.stock()[0].delivered == 0


def test_a_payment_for_an_unknown_order_waits_for_it(shop, engine):
    """Money that arrives before the order is registered is kept for it."""
    assert engine.receive("shop", notification(out_trade_no="B7")).body == b"success"
    assert engine.receipt("shop", "B7").outcome is Outcome.HELD
    assert engine.expect(shop.order("B7", paid=None)).outcome is Outcome.DELIVERED
