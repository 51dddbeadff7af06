"""What the tests of the fulu adapter share: an account, a gateway, an adapter that speaks to it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from autocard.adapters.fulu import FuluOptions, FuluSupplier
from autocard.adapters.fulu.signature import compact, signature
from autocard.http.client import HttpClient
from autocard.spi import Money, Purchase, Response, Secret

APP_SECRET = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
REFERENCE = "a1b2c3d4e5f6g7h8i9"


@pytest.fixture(name="simulation", scope="session")
def _simulation() -> ModuleType:
    """The module of the simulated gateway, loaded from its file."""
    name = "fulu_simulator"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("simulator.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(name="options", scope="session")
def _options() -> FuluOptions:
    return FuluOptions(app_key=Secret("demoAppKey0001"), credential=Secret(APP_SECRET))


@pytest.fixture(name="purchase")
def _purchase() -> Purchase:
    now = datetime.now(UTC)
    return Purchase(
        reference=REFERENCE, sku="month", item="10010001", quantity=2, price=Money("9.90", "CNY"),
        ceiling=Money("10", "CNY"), begun_at=now, sent_at=now,
    )  # fmt: skip


@pytest.fixture(name="top_up")
def _top_up(purchase: Purchase) -> Purchase:
    return attrs.evolve(purchase, item="20020002", target="13800138000")


@pytest.fixture(name="gateway")
def _gateway(simulation: ModuleType) -> Iterator[Any]:
    with simulation.Simulator() as gateway:
        cards = [simulation.Card(f"PWD-8888-000{n}", f"FLNO0001000{n}") for n in range(6)]
        gateway.sell("10010001", "9.9", cards=cards)
        gateway.sell_top_up("20020002", "48.75")
        yield gateway


@pytest.fixture(name="client")
def _client() -> Iterator[HttpClient]:
    with HttpClient(timeout_s=2.0, allow_http=True) as client:
        yield client


@pytest.fixture(name="supplier")
def _supplier(gateway: Any, options: FuluOptions, client: HttpClient) -> FuluSupplier:
    """The merchant of the simulated gateway."""
    return FuluSupplier(attrs.evolve(options, gateway_url=gateway.url), client)


@pytest.fixture(name="answer", scope="session")
def _answer() -> Callable[..., Response]:
    """Makes an answer of Fulu's with the given result, signed as it signs."""

    def answer(result: Any, code: int = 0, message: str = "接口调用成功") -> Response:
        text = result if isinstance(result, str) else compact(result)
        sign = signature(text, Secret(APP_SECRET)) if text else ""
        said = {"code": code, "message": message, "result": text, "sign": sign}
        return Response(status=200, body=json.dumps(said).encode())

    return answer


@pytest.fixture(name="order", scope="session")
def _order() -> Callable[..., dict[str, Any]]:
    """Makes an order as Fulu shows it, about the purchase of these tests."""

    def order(**more: Any) -> dict[str, Any]:
        return {
            "order_id": "25010200000001", "customer_order_no": REFERENCE, "product_id": 10010001,
            "product_name": "测试月卡", "charge_account": None, "buy_num": 2, "order_type": 3,
            "order_price": 9.9, "order_state": "processing", "create_time": "2025-01-02 03:04:06",
            "finish_time": None, "area": None, "server": None, "type": None,
            "operator_serial_number": "", "cards": None, **more,
        }  # fmt: skip

    return order
