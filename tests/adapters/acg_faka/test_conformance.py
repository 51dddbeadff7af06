"""The acg_faka adapter passes the suite for suppliers, in both dialects."""

from __future__ import annotations

import hashlib
import json

import attrs
import pytest

from autocard.adapters.acg_faka import AcgFakaSupplier
from autocard.spi import Capability, Purchase, Response
from autocard.testing import CountingClient, SupplierSuite

CARDS = "KEY-ABCD-0001\nKEY-ABCD-0002"


def _json(**said) -> Response:
    return Response(status=200, body=json.dumps(said).encode())


def _success(data) -> Response:
    return _json(code=200, msg="success", data=data)


BOUGHT = {
    "url": "https://up.example.com/user/personal/purchaseRecord?tradeNo=219261122151312226",
    "amount": 3, "tradeNo": "219261122151312226", "secret": CARDS, "leave_message": None,
    "stock": "5",
}  # fmt: skip
GOOD = {
    "id": 11, "name": "月卡", "price": 2, "user_price": 1.5, "delivery_way": 0, "widget": None,
    "minimum": 0, "maximum": 0, "config": [], "stock": 7, "code": "AUTO0001",
}  # fmt: skip
ITEMS = [
    {
        "id": 7, "name": "月卡", "introduce": "", "picture_url": "", "widget": "[]",
        "category": {"name": "会员"},
        "sku": [{"id": 12, "name": "默认", "stock_price": "1.50", "stock": 7}],
    }
]  # fmt: skip
REFUSED = ("库存不足", "余额不足", "商品不存在", "账号格式错误", "<b>You have been banned</b>")


class TestAcgFakaV3(SupplierSuite):
    """The native dialect."""

    @pytest.fixture(name="supplier")
    def _supplier(self, v3) -> AcgFakaSupplier:
        return AcgFakaSupplier(v3, CountingClient(Response(status=200)))

    @pytest.fixture(name="answers")
    def _answers(self):
        return {
            Capability.OFFERS: [
                _success(GOOD),
                _success({"price": "1.50"}),
                _success({"stock": "7"}),
            ],
            Capability.BUY: _success(BOUGHT),
            Capability.FIND_PURCHASE: _success({"secret": CARDS, "widget": None, "status": 1}),
            Capability.BALANCE: _success({"shopName": "某某店", "balance": 498.5}),
        }

    @pytest.fixture(name="purchase")
    def _purchase(self, order) -> Purchase:
        return order(quantity=2)

    @pytest.fixture(name="found")
    def _found(self, purchase) -> Purchase:
        return attrs.evolve(purchase, remote="219261122151312226")

    @pytest.fixture(name="refused_answers")
    def _refused_answers(self):
        return [_json(code=0, msg=message) for message in REFUSED]

    @pytest.fixture(name="unknown_answers")
    def _unknown_answers(self):
        page = b"<!DOCTYPE html><html><title>404</title></html>"
        return [Response(status=200, body=page), _json(code=0, msg="连接失败"), _json(code=200)]


class TestAcgFakaV4(TestAcgFakaV3):
    """The dialect of `/plugin/open-api/`."""

    def carries(self, request, reference) -> bool:
        """The reference is sent as a digest."""
        return request.form["trade_no"] == hashlib.md5(reference.encode()).hexdigest()[:24]

    @pytest.fixture(name="supplier")
    def _supplier(self, v4) -> AcgFakaSupplier:
        return AcgFakaSupplier(v4, CountingClient(Response(status=200)))

    @pytest.fixture(name="answers")
    def _answers(self):
        return {
            Capability.OFFERS: _success(ITEMS),
            Capability.BUY: _success({"contents": CARDS}),
            Capability.BALANCE: _success({"username": "member", "balance": "498.50"}),
        }

    @pytest.fixture(name="purchase")
    def _purchase(self, order) -> Purchase:
        return order("12", 2)
