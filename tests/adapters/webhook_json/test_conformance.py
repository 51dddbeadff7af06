"""The webhook_json platform passes the suite for platforms."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from autocard.adapters.webhook_json import WebhookJsonOptions, WebhookJsonPlatform
from autocard.spi import (
    Buyer,
    Capability,
    Inbound,
    Money,
    Order,
    OrderLine,
    Payment,
    Response,
    Secret,
    webhook_headers,
)
from autocard.testing.mutations import CountingClient
from autocard.testing.platforms import PlatformSuite

SECRET = Secret("whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ORDER = {
    "order_no": "A1001",
    "lines": [
        {
            "item": "steam-50", "quantity": 2, "target": "acc-1", "options": {"区服": "1"},
            "unit_price": {"amount": "50.00", "currency": "CNY"}, "later": [None],
        }
    ],
    "payment": {
        "paid": {"amount": "100.00", "currency": "CNY"}, "paid_at": "2026-01-02T11:04:00+08:00",
        "reference": "pay-77",
    },
    "buyer": {"id": "u1", "level": "vip", "contact": "u1@example.com", "ip": "192.0.2.7"},
    "placed_at": "2026-01-02T03:00:00Z",
    "later": {"x": 1},
}  # fmt: skip
BARE = {"order_no": "A1002", "payment": {"paid": {"amount": "1", "currency": "JPY"}}}
EXPECTED = [
    Order(
        platform="webhook_json",
        order_no="A1001",
        lines=(
            OrderLine(
                item="steam-50", quantity=2, unit_price=Money("50.00", "CNY"), target="acc-1",
                options={"区服": "1"},
            ),
        ),
        payment=Payment(
            paid=Money("100.00", "CNY"), reference="pay-77",
            paid_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        ),
        buyer=Buyer(id="u1", level="vip", contact="u1@example.com", ip="192.0.2.7"),
        placed_at=datetime(2026, 1, 2, 3, tzinfo=UTC),
    ),
    Order(platform="webhook_json", order_no="A1002", payment=Payment(paid=Money("1", "JPY"))),
]  # fmt: skip


def _posted(order, number):
    body = json.dumps(order, ensure_ascii=False).encode()
    headers = webhook_headers([SECRET], f"msg_{number}", int(NOW.timestamp()), body)
    return Inbound(method="POST", path="/receive/shop", headers=headers, body=body)


class TestWebhookJson(PlatformSuite):
    """A host that signs with whsec_."""

    window_s = 300.0

    @pytest.fixture(name="platform")
    def _platform(self):
        options = WebhookJsonOptions(
            credential=SECRET, deliver_url="https://shop.example/deliveries"
        )
        return WebhookJsonPlatform(options, CountingClient(Response(status=200)))

    @pytest.fixture(name="genuine")
    def _genuine(self):
        return [_posted(order, number) for number, order in enumerate((ORDER, BARE))]

    @pytest.fixture(name="now")
    def _now(self):
        return NOW

    @pytest.fixture(name="orders")
    def _orders(self):
        return EXPECTED

    @pytest.fixture(name="answers")
    def _answers(self):
        return {Capability.DELIVER: Response(status=200, body=b'{"delivery_no": "D-77"}')}
