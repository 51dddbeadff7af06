"""The fulu adapter passes the suite for suppliers, with signed callbacks and without."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import attrs
import pytest

from autocard.adapters.fulu import FuluOptions, FuluSupplier
from autocard.spi import Capability, Client, Hint, Inbound, Money, Purchase, Response, Supplier
from autocard.testing.mutations import CountingClient
from autocard.testing.suppliers import SupplierSuite

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _refusal(code: int, message: str) -> Response:
    said = {"code": code, "message": message, "result": "", "sign": ""}
    return Response(status=200, body=json.dumps(said).encode())


class TestFulu(SupplierSuite):
    """The supplier as it is configured at first: callbacks are hints, signed or not."""

    varying = frozenset({"timestamp", "sign"})
    exempt: ClassVar = {
        "test_flipped_bytes_are_refused": "Fulu publishes no signature for callbacks; they are hints",
    }

    def build(self, supplier: Supplier, client: Client) -> Supplier:
        """Let the time stand still, so that equal calls are equal."""
        return FuluSupplier(supplier.options, client, now=lambda: NOW)

    @pytest.fixture(name="supplier")
    def _supplier(self, options: FuluOptions) -> Supplier:
        return FuluSupplier(options, CountingClient(Response(status=200)))

    @pytest.fixture(name="purchase")
    def _purchase(self, order) -> Purchase:
        return Purchase(
            reference=order()["customer_order_no"], sku="month", item="10010001", quantity=2,
            price=Money("9.90", "CNY"), ceiling=Money("10", "CNY"), begun_at=NOW, sent_at=NOW,
        )  # fmt: skip

    @pytest.fixture(name="answers")
    def _answers(self, answer, order, simulation) -> Mapping[Capability, Response]:
        secret = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
        cards = [
            {"card_number": simulation.encrypted(f"FLNO0001000{n}", secret),
             "card_pwd": simulation.encrypted(f"PWD-8888-000{n}", secret),
             "card_type": 0, "card_deadline": "2027-01-02 00:00:00"}
            for n in (1, 2)
        ]  # fmt: skip
        done: dict[str, Any] = {"order_state": "success", "cards": cards}
        row = {
            "product_id": 10010001, "product_name": "测试月卡", "purchase_price": 9.9,
            "sales_status": "上架", "stock_status": "充足",
        }  # fmt: skip
        return {
            Capability.OFFERS: answer([row, {**row, "product_id": 10010002}]),
            Capability.BUY: answer(order(**done)),
            Capability.TOP_UP: answer(order(charge_account="13800138000", order_type=4)),
            Capability.FIND_PURCHASE: answer(order(**done)),
            Capability.BALANCE: answer({"name": "演示商户", "balance": 1234.5, "is_open": 1}),
        }

    @pytest.fixture(name="missing_answers")
    def _missing_answers(self) -> list[Response]:
        return [_refusal(3011, "订单不存在")]

    @pytest.fixture(name="refused_answers")
    def _refused_answers(self) -> list[Response]:
        return [_refusal(3008, "商品库存不足")]

    @pytest.fixture(name="unknown_answers")
    def _unknown_answers(self) -> list[Response]:
        return [_refusal(3009, "外部订单号重复"), _refusal(1001, "签名错误")]

    @pytest.fixture(name="genuine")
    def _genuine(self, simulation, order) -> list[Inbound]:
        said = {
            "order_id": "25010200000001", "charge_finish_time": "2025-01-02 03:04:08",
            "customer_order_no": order()["customer_order_no"], "order_status": "success",
            "recharge_description": "充值成功", "product_id": "10010001", "price": "9.9000",
            "buy_num": "2", "operator_serial_number": "",
        }  # fmt: skip
        sign = simulation.signature(simulation.compact(said), "9f8e7d6c5b4a39281706f5e4d3c2b1a0")
        body = simulation.compact({**said, "sign": sign}).encode()
        return [Inbound(method="POST", path="/fulu", body=body)]

    @pytest.fixture(name="hints")
    def _hints(self, order) -> list[Hint]:
        return [Hint(reference=order()["customer_order_no"], remote="25010200000001")]


class TestFuluSigned(TestFulu):
    """The supplier of whoever requires signatures on callbacks."""

    exempt: ClassVar = {}

    @pytest.fixture(name="supplier")
    def _supplier(self, options: FuluOptions) -> Supplier:
        strict = attrs.evolve(options, require_callback_sign=True)
        return FuluSupplier(strict, CountingClient(Response(status=200)))
