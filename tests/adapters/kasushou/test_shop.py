"""A shop without stock that buys at the simulated site, whatever becomes of the answers."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from autocard import Buyer, Engine, Inbound, Money, Order, OrderLine, Outcome, Payment
from autocard.testing import FakeClock


class Shop:
    """An engine that buys cards and top-ups at a site, and a clock that is moved by hand."""

    def __init__(self, folder, site, other=None) -> None:
        sites = {"kss": site} if other is None else {"kss": site, "other": other}
        sources = [f"supplier:{name}" for name in sites]
        self.site, self.clock = site, FakeClock()
        self.engine = Engine.open(
            {
                "store": f"sqlite:///{folder}/shop.db",
                "keyring": f"file:{folder}/shop.keyring",
                "suppliers": {
                    name: {
                        **each.settings,
                        "calls_per_second": 1000.0,
                        "items": {"steam-50": "10023", "phone": "20001"},
                    }
                    for name, each in sites.items()
                },
                "skus": {
                    "steam-50": {"sources": ["warehouse:main", *sources], "ceiling": "10.50 CNY"},
                    "phone": {"kind": "topup", "sources": sources, "ceiling": "10.00 CNY"},
                },
            },
            create=True,
            clock=self.clock,
        )

    def sell(self, item: str = "steam-50", quantity: int = 2, **line: Any) -> Any:
        """Dispatch one paid order."""
        price = Money("12.00", "CNY")
        paid = Money(price.amount * quantity, "CNY")
        order = Order(
            platform="shop",
            order_no="A1001",
            lines=[OrderLine(item=item, quantity=quantity, unit_price=price, **line)],
            payment=Payment(paid=paid, reference="pay-1"),
            buyer=Buyer(id="u1"),
        )
        return self.engine.dispatch(order)

    def wait(self, times: int = 12) -> Any:
        """Let time pass until nothing is pending, and return how the order stands."""
        receipt = self.engine.receipt("shop", "A1001")
        for _ in range(times):
            if receipt.outcome is not Outcome.PENDING:
                break
            self.clock.advance(60)
            self.engine.resume()
            receipt = self.engine.receipt("shop", "A1001")
        return receipt


@pytest.fixture(name="shop")
def _shop(tmp_path, site):
    shop = Shop(tmp_path, site)
    yield shop
    assert shop.engine.ledger.verify().ok
    shop.engine.close()


def _texts(receipt) -> list[str]:
    return sorted(card.secret.reveal() for card in receipt.cards)


@pytest.mark.parametrize(
    "fault",
    ["", "drop_before", "drop_after", "html", "html_after", "http_500_after", "code_500",
     "code_500_after", "late_cards"],
)  # fmt: skip
def test_order_is_served_once(fault, shop, site) -> None:
    """Whatever becomes of the answer, the buyer gets two cards, and they are paid for once."""
    if fault:
        site.fault(fault, 2)
    shop.sell()
    receipt = shop.wait()
    assert receipt.outcome is Outcome.DELIVERED
    assert [_texts(receipt)] == [sorted(cards) for cards in site.sold.values()]
    assert site.spent == Decimal("19.80")


@pytest.mark.parametrize("fault", ["cancelled", "refunded", "refunded_with_cards"])
def test_order_that_was_paid_back_is_bought_again(fault, shop, site) -> None:
    """A purchase that was paid back in full is made again under another number."""
    site.fault(fault)
    shop.sell()
    receipt = shop.wait()
    assert receipt.outcome is Outcome.DELIVERED
    assert len(site.orders) == 2
    assert site.spent == Decimal("19.80")


@pytest.mark.parametrize(
    "fault", ["partial_refund", "odd_status", "fewer", "more", "duplicate", "blank", "apology"]
)
def test_doubtful_purchase_is_held(fault, shop, site) -> None:
    """What came of a purchase that is in doubt is not sold, and nothing more is bought."""
    site.fault(fault)
    shop.sell()
    receipt = shop.wait()
    assert receipt.outcome is Outcome.HELD
    assert receipt.cards == ()
    assert len(site.orders) == 1


@pytest.mark.parametrize("words", ["余额不足", "商品库存不足", "商品已购买过，请勿再次提交"])
def test_lost_purchase_is_not_bought_elsewhere(words, tmp_path, site) -> None:
    """Lost, overlooked, and refused when it is sent again: a purchase is still paid once."""
    site.fault("drop_after")
    site.fault("missing", call="order/info", times=3)
    site.fault("refuse", words)
    with type(site)() as other:
        other.sell("10023", "9.95", ["PW-ELSEWHERE-1", "PW-ELSEWHERE-2"])
        shop = Shop(tmp_path, site, other)
        shop.sell()
        receipt = shop.wait(30)
        assert [_texts(receipt)] == [sorted(cards) for cards in site.sold.values()]
        assert (site.spent, other.spent) == (Decimal("19.80"), 0)
        shop.engine.close()


def test_top_up_that_was_paid_back_in_part_is_held(shop, site) -> None:
    """A top-up that is called a success, and of which money came back, waits for a person."""
    site.looks = 1
    shop.sell("phone", 1, target="13800138000")
    shop.clock.advance(3)
    shop.engine.resume()
    (reference,) = [order.external_orderno for order in site.orders]
    site.refund(reference, "4.90", status=3)
    assert shop.wait().outcome is Outcome.HELD


def test_target_is_charged_once(shop, site) -> None:
    """A lost answer to a top-up does not charge the target twice."""
    site.fault("drop_after")
    shop.sell("phone", 1, target="13800138000")
    assert shop.wait().outcome is Outcome.DELIVERED
    assert list(site.charged.values()) == [["13800138000"]]


def test_message_serves_the_order_at_once(shop, site) -> None:
    """A message of the site has the purchase looked up without waiting."""
    site.looks = 1
    shop.sell()
    shop.clock.advance(3)
    shop.engine.resume()
    (reference,) = site.sold
    site.skew_s = shop.clock.now().timestamp() - time.time()
    headers, body = site.callback(reference)
    reply = shop.engine.receive(
        "kss", Inbound(method="POST", path="/kss", headers=headers, body=body)
    )
    assert reply.body == b"ok"
    assert shop.engine.receipt("shop", "A1001").outcome is Outcome.DELIVERED
