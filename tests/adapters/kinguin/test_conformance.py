"""The Kinguin adapter passes the suite for suppliers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from autocard.adapters.kinguin import KinguinSupplier
from autocard.spi import Capability, Hint, Inbound, Purchase, Response, Supplier
from autocard.testing.mutations import CountingClient
from autocard.testing.suppliers import SupplierSuite

NOW = datetime(2026, 1, 2, 3, 4, 9, tzinfo=UTC)
ITEM = "65a0c0ffee00112233445566"
REMOTE = "PHSDEMO0001"
REFERENCE = "a1reference0000001"


def _json(said: Any, status: int = 200) -> Response:
    return Response(status=status, body=json.dumps(said).encode())


def _order(status: str) -> dict[str, Any]:
    return {
        "totalPrice": 11.58, "requestTotalPrice": 12.0, "paymentPrice": "11.58", "status": status,
        "orderId": REMOTE, "orderExternalId": REFERENCE, "totalQty": 2,
        "products": [{"productId": ITEM, "qty": 2, "price": 5.79, "requestPrice": 6.0}],
    }  # fmt: skip


def _key(number: int) -> dict[str, Any]:
    return {
        "id": f"67a1b2c3d4e5f60718293a{number:02}", "serial": f"AAAAA-BBBBB-CCC{number:02}",
        "type": "text/plain", "name": "Demo Game Steam CD Key", "productId": ITEM,
    }  # fmt: skip


def _refusal(kind: str, status: int) -> Response:
    return _json({"kind": kind, "status": status, "detail": "No.", "trace": "0a1b2c3d4e"}, status)


def _message(event: str, **body: Any) -> Inbound:
    headers = {"x-event-name": event, "x-event-secret": "demo-webhook-secret"}
    return Inbound(method="POST", path="/kinguin", headers=headers, body=json.dumps(body).encode())


class TestKinguin(SupplierSuite):
    """A store that buys text keys."""

    exempt: ClassVar[dict[str, str]] = {
        "test_flipped_bytes_are_refused": "the secret in the header does not sign the body",
    }

    @pytest.fixture(name="supplier")
    def _supplier(self, options) -> Supplier:
        return KinguinSupplier(options, CountingClient(Response(status=200)))

    @pytest.fixture(name="purchase")
    def _purchase(self, wish) -> Purchase:
        return wish(reference=REFERENCE, quantity=2)

    @pytest.fixture(name="answers")
    def _answers(self) -> dict[Capability, Response | list[Response]]:
        listed = {"results": [_order("completed")], "item_count": 1}
        product = {"productId": ITEM, "name": "Demo", "price": 5.79, "qty": 9, "textQty": 9}
        return {
            Capability.OFFERS: _json({"results": [product], "item_count": 1}),
            Capability.BUY: _json(_order("processing"), 201),
            Capability.FIND_PURCHASE: [_json(listed), _json([_key(1), _key(2)])],
            Capability.BALANCE: _json({"balance": 12.45}),
        }

    @pytest.fixture(name="missing_answers")
    def _missing_answers(self) -> list[Response]:
        return [_json({"results": [], "item_count": 0}), _refusal("OrderNotFound", 404)]

    @pytest.fixture(name="refused_answers")
    def _refused_answers(self) -> list[Response]:
        kinds = {"ConstraintViolation": 400, "Authorization": 401, "InsufficientBalance": 400}
        return [_refusal(kind, status) for kind, status in kinds.items()]

    @pytest.fixture(name="unknown_answers")
    def _unknown_answers(self) -> list[Response]:
        kinds = {"OrderFailed": 400, "ResourceLock": 423, "HttpClient": 502, "Error": 500}
        return [_refusal(kind, status) for kind, status in kinds.items()]

    @pytest.fixture(name="genuine")
    def _genuine(self) -> list[Inbound]:
        return [
            _message(
                "order.status", orderId=REMOTE, orderExternalId=REFERENCE, status="completed",
                updatedAt="2026-01-02T03:04:09.125+00:00",
            ),
            _message("order.complete", orderId=REMOTE, orderExternalId=REFERENCE),
            _message("product.update", kinguinId=90210, productId=ITEM, qty=845, textQty=845),
        ]  # fmt: skip

    @pytest.fixture(name="hints")
    def _hints(self) -> list[Hint]:
        order = Hint(reference=REFERENCE, remote=REMOTE)
        return [order, order, Hint(items=(ITEM,))]

    @pytest.fixture(name="now")
    def _now(self) -> datetime:
        return NOW
