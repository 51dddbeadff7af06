"""The epay adapter passes the suite for platforms, with V1 and with V2 settings."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from autocard.adapters.epay import EpayPlatform
from autocard.adapters.epay.translate import rsa_signature, sign_notification
from autocard.spi import Capability, Inbound, Money, Order, Payment, Platform, Response, Secret
from autocard.testing.mutations import CountingClient
from autocard.testing.platforms import PlatformSuite

NOW = datetime(2026, 1, 1, 2, 21, 2, tzinfo=UTC)
FORM = {"content-type": "application/x-www-form-urlencoded"}
FIELDS = {
    "pid": "1001", "trade_no": "2026010110203012345", "out_trade_no": "AC202601010001",
    "type": "alipay", "name": "VIP 月卡", "money": "9.9", "trade_status": "TRADE_SUCCESS",
    "param": "a b&amp;c",
}  # fmt: skip
DATED = {**FIELDS, "buyer": "2088001", "timestamp": str(int(NOW.timestamp()))}
EXPECTED = Order(
    platform="epay",
    order_no="AC202601010001",
    payment=Payment(paid=Money("9.90", "CNY"), reference="2026010110203012345"),
)
PAID = {
    "trade_no": "2026010110203012345", "out_trade_no": "AC202601010001", "pid": 1001,
    "money": "9.90", "status": 1, "endtime": "2026-01-01 10:21:02",
}  # fmt: skip


def _get(query: str) -> Inbound:
    return Inbound(method="GET", path="/pay/notify", query=query)


def _post(query: str) -> Inbound:
    return Inbound(method="POST", path="/pay/notify", headers=FORM, body=query.encode())


def _json(members: dict) -> Response:
    return Response(status=200, body=json.dumps(members).encode())


class TestEpayV1(PlatformSuite):
    """V1: MD5."""

    @pytest.fixture(name="platform")
    def _platform(self, v1) -> Platform:
        return EpayPlatform(v1, CountingClient(Response(status=200)))

    @pytest.fixture(name="genuine")
    def _genuine(self, v1) -> list[Inbound]:
        query = sign_notification(FIELDS, v1.credential)
        return [_get(query), _post(query)]

    @pytest.fixture(name="now")
    def _now(self) -> datetime:
        return NOW

    @pytest.fixture(name="orders")
    def _orders(self) -> list[Order]:
        return [EXPECTED, EXPECTED]

    @pytest.fixture(name="answers")
    def _answers(self) -> dict[Capability, Response]:
        return {
            Capability.CONFIRM: _json({"code": 1, "msg": "succ", **PAID}),
            Capability.FETCH: _json({"code": 1, "msg": "none", "data": None}),
            Capability.REFUND: _json({"code": 0, "refund_no": "20260101110000543210"}),
        }


class TestEpayV2(TestEpayV1):
    """V2: RSA; time is signed."""

    window_s = 300.0

    @pytest.fixture(name="platform")
    def _platform(self, v2) -> Platform:
        return EpayPlatform(v2, CountingClient(Response(status=200)))

    @pytest.fixture(name="genuine")
    def _genuine(self, keys) -> list[Inbound]:
        sign = rsa_signature(DATED, Secret(keys.private))
        query = urlencode({**DATED, "sign_type": "RSA", "sign": sign})
        return [_get(query), _post(query)]

    @pytest.fixture(name="answers")
    def _answers(self, keys) -> dict[Capability, Response]:
        def signed(members: dict) -> Response:
            dated = {**members, "timestamp": str(int(NOW.timestamp()))}
            texts = {name: str(said) for name, said in dated.items() if name != "data"}
            return _json({**dated, "sign": rsa_signature(texts, Secret(keys.private))})

        return {
            Capability.CONFIRM: signed({"code": 0, **PAID}),
            Capability.FETCH: signed({"code": 0, "data": []}),
            Capability.REFUND: signed({"code": 0, "refund_no": "20260101110000543210"}),
        }
