"""The kasushou adapter passes the suite for suppliers, with its answers written in each style."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import attrs
import pytest

from autocard.adapters.kasushou import KasushouSupplier
from autocard.spi import Capability, Hint, Inbound, Purchase, Response, Supplier
from autocard.testing import CountingClient, SupplierSuite

NOW = datetime(2025, 1, 1, 19, 4, 21, tzinfo=UTC)
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
CALLBACK = {
    "external_orderno": "KS20250102001", "ordersn": "D250102000000001", "status": 3,
    "has_back_money": "0.00", "total_price": "19.80", "recharge_hints": "成功/已发货",
    "time": "1735758260456", "sign": "af8ed245d0762c60ad74407a34c2c11b18fdbfd3",
}  # fmt: skip
PUSH = {
    "id": 10023, "time": "1735758270000", "sign": "dd548d89faf5c111b3d034007f10be1ac5c8f5ae",
}  # fmt: skip
GOOD = {
    "id": 10023, "goods_name": "点卡 50", "goods_type": 1, "face_value": "10.0000",
    "goods_price": "9.9000", "status": 1, "stock_num": 5, "can_buy": "", "can_no_buy": "",
    "start_count": 1, "end_count": 10, "attach": [],
}  # fmt: skip


def _json(data: object, code: int = 200, msg: str = "ok") -> Response:
    text = json.dumps({"code": code, "msg": msg, "data": data})
    return Response(status=200, body=text.encode())


class TestKasushou(SupplierSuite):
    """A site that runs 卡速售 itself."""

    varying = frozenset({"Timestamp", "Sign"})
    window_s = 7200.0

    @pytest.fixture(name="supplier")
    def _supplier(self, options) -> Supplier:
        return KasushouSupplier(options, CountingClient(Response(status=200)))

    @pytest.fixture(name="purchase")
    def _purchase(self, purchase) -> Purchase:
        return attrs.evolve(purchase, item="10023", quantity=2)

    @pytest.fixture(name="cards")
    def _cards(self) -> object:
        return [
            {"card_no": "KS0001-0001", "card_password": "PW-AAAA-0001"},
            {"card_no": "", "card_password": "PW-AAAA-0002", "end_time": "2027-01-01 00:00:00"},
        ]

    @pytest.fixture(name="answers")
    def _answers(self, purchase, top_up, cards) -> Mapping[Capability, Response]:
        sold = {"ordersn": "D250102000000001", "total_price": "19.80"}
        order = {
            **sold, "external_orderno": purchase.reference, "recharge_info": [], "status": 3,
            "recharge_hints": "", "has_back_money": "0.00", "card_list": cards,
        }  # fmt: skip
        return {
            Capability.OFFERS: _json(GOOD),
            Capability.BUY: _json({**sold, "external_orderno": purchase.reference}),
            Capability.TOP_UP: _json({**sold, "external_orderno": top_up.reference}),
            Capability.FIND_PURCHASE: _json([order]),
            Capability.BALANCE: _json({"balance": "123.4567"}),
        }

    @pytest.fixture(name="missing_answers")
    def _missing_answers(self) -> Sequence[Response]:
        return [_json([])]

    @pytest.fixture(name="refused_answers")
    def _refused_answers(self) -> Sequence[Response]:
        refused = _json([], 400, "余额不足")
        return [refused, attrs.evolve(refused, status=400), _json([], 400, "系统繁忙")]

    @pytest.fixture(name="unknown_answers")
    def _unknown_answers(self) -> Sequence[Response]:
        return [
            _json([], 400, "订单号重复"),
            _json([], 400, "该外部订单号已存在"),
            _json([], 500, "system error"),
            _json([], 1, "ok"),
            _json([]),
            _json({"ordersn": "D1", "external_orderno": "another"}),
            Response(status=403, body=b"<html>"),
            attrs.evolve(_json([], 400, "余额不足"), status=502),
        ]

    @pytest.fixture(name="now")
    def _now(self) -> datetime:
        return NOW

    @pytest.fixture(name="genuine")
    def _genuine(self) -> list[Inbound]:
        written = [json.dumps(CALLBACK), json.dumps(CALLBACK, ensure_ascii=False), json.dumps(PUSH)]
        return [
            Inbound(method="POST", path="/kss", headers=JSON, body=text.encode())
            for text in written
        ]

    @pytest.fixture(name="hints")
    def _hints(self) -> list[Hint]:
        order = Hint(reference="KS20250102001", remote="D250102000000001")
        return [order, order, Hint(items=("10023",))]


class TestClone(TestKasushou):
    """A clone: success is 1, cards are texts, money is written as numbers."""

    @pytest.fixture(name="supplier")
    def _supplier(self, options) -> Supplier:
        cloned = attrs.evolve(options, success_codes=(0, 1), notify_url="https://shop.example.com/")
        return KasushouSupplier(cloned, CountingClient(Response(status=200)))

    @pytest.fixture(name="answers")
    def _answers(self, purchase, top_up) -> Mapping[Capability, Response]:
        sold = {"ordersn": "D250102000000001", "total_price": 19.8}
        order = {
            **sold, "external_orderno": purchase.reference, "status": "3", "has_back_money": 0,
            "card_list": ["PW-AAAA-0001", "PW-AAAA-0002"],
        }  # fmt: skip
        return {
            Capability.OFFERS: _json({**GOOD, "id": "10023", "goods_price": 9.9}, 1),
            Capability.BUY: _json({**sold, "external_orderno": purchase.reference}, 1),
            Capability.TOP_UP: _json({**sold, "external_orderno": top_up.reference}, 1),
            Capability.FIND_PURCHASE: _json({"list": [order], "total": 1}, 1),
            Capability.BALANCE: _json({"balance": 123.4567}, 1),
        }

    @pytest.fixture(name="missing_answers")
    def _missing_answers(self) -> Sequence[Response]:
        return [_json([], 1), _json([], 0), _json({"list": [], "total": 0}, 1),
                _json({"list": [], "total": 1}, 1)]  # fmt: skip

    @pytest.fixture(name="unknown_answers")
    def _unknown_answers(self) -> Sequence[Response]:
        return [_json([], 400, "订单号重复"), _json([], 200, "ok"), _json([], 500, "error")]
