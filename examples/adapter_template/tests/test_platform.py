"""The platform keeps every promise of `PlatformSuite`."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from autocard.spi import Buyer, Capability, Money, Order, OrderLine, Payment, Response
from autocard.testing import PlatformSuite
from autocard_paperplane import PaperplanePlatform

EXPECTED = Order(
    platform="paperplane",
    order_no="PP-1001",
    lines=(OrderLine(item="gift-50", quantity=2, unit_price=Money("50.00", "CNY")),),
    payment=Payment(paid=Money("100.00", "CNY"), paid_at=datetime.fromtimestamp(1767323040, UTC)),
    buyer=Buyer(id="u1", contact="u1@example.com"),
)


def _answer(**members):
    return Response(status=200, body=json.dumps(members).encode())


class TestPaperplane(PlatformSuite):
    """Messages are signed with their time, so that a window is tried too."""

    window_s = 300.0

    @pytest.fixture(name="platform")
    def _platform(self, options, paperplane):
        return PaperplanePlatform(options, paperplane)

    @pytest.fixture(name="genuine")
    def _genuine(self, sign, message):
        return [sign(message)]

    @pytest.fixture(name="now")
    def _now(self, moment):
        return moment

    @pytest.fixture(name="orders")
    def _orders(self):
        return [EXPECTED]

    @pytest.fixture(name="paid_order")
    def _paid_order(self):
        return EXPECTED

    @pytest.fixture(name="answers")
    def _answers(self):
        paid = {"order": "PP-1001", "state": "paid", "paid": "100.00", "currency": "CNY"}
        return {
            Capability.CONFIRM: _answer(**paid),
            Capability.DELIVER: _answer(delivery="D-7"),
            Capability.FIND_DELIVERY: _answer(found=True),
        }

    def test_a_delivery_is_found_after_it_was_made(self, platform, delivery):
        """Paperplane can be asked whether a delivery arrived."""
        assert platform.find_delivery(delivery) is False
        assert platform.deliver(delivery) == "D-7"
        assert platform.find_delivery(delivery) is True
