"""Paperplane in memory, and a message as Paperplane would sign it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from autocard.spi import Inbound, Response, Secret
from autocard_paperplane.options import PlatformOptions
from autocard_paperplane.translate import signature

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CREDENTIAL = Secret("invented-secret-0123456789")
MESSAGE = {
    "order": "PP-1001",
    "currency": "CNY",
    "lines": [{"item": "gift-50", "count": 2, "price": "50.00"}],
    "paid": "100.00",
    "paid_at": 1767323040,
    "buyer": {"id": "u1", "mail": "u1@example.com"},
}


class Paperplane:
    """A client that answers as Paperplane would, and remembers what it was told."""

    def __init__(self):
        self.planes = {}
        self.deliveries = {}

    def request(self, method, url, *, params=None, headers=None, json=None, **_):
        assert headers["authorization"] == f"Bearer {CREDENTIAL.reveal()}"
        page = url.rpartition("/")[2]
        return _json(getattr(self, f"_{method}_{page}".lower())(params or {}, json))

    def _post_planes(self, _, said):
        self.planes.setdefault(said["number"], said)
        return {"plane": f"P-{said['number']}"}

    def _post_deliveries(self, _, said):
        self.deliveries[said["reference"]] = said
        return {"delivery": "D-7"}

    def _get_deliveries(self, params, _):
        return {"found": params["reference"] in self.deliveries}

    def _get_orders(self, params, _):
        paid = {"paid": "100.00", "currency": "CNY", "paid_at": 1767323040}
        return {"order": params["order"], "state": "paid", **paid}


def _json(members):
    return Response(status=200, body=json.dumps(members).encode())


def signed(message, credential=CREDENTIAL, now=NOW):
    """Return *message* as Paperplane posts it."""
    body = json.dumps(message).encode()
    sent = str(int(now.timestamp()))
    headers = {"paperplane-time": sent, "paperplane-signature": signature(credential, sent, body)}
    return Inbound(method="POST", path="/paperplane", headers=headers, body=body)


@pytest.fixture(name="sign")
def _sign():
    return signed


@pytest.fixture(name="message")
def _message():
    return MESSAGE


@pytest.fixture(name="paperplane")
def _paperplane():
    return Paperplane()


@pytest.fixture(name="options")
def _options():
    return PlatformOptions(base_url="https://api.paperplane.example", credential=CREDENTIAL)


@pytest.fixture(name="moment")
def _moment():
    return NOW
