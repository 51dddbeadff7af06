"""What the tests of the kasushou adapter share: a site, an account, adapters that speak to it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from autocard.adapters.kasushou import KasushouOptions, KasushouSupplier
from autocard.http.client import HttpClient
from autocard.spi import Money, Purchase, Response, Secret
from autocard.testing.mutations import CountingClient

API_KEY = "KSS_demo_apikey_0123456789abcdef"
BEGUN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _load_simulator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "kasushou_simulator", Path(__file__).with_name("simulator.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(name="options")
def _options() -> KasushouOptions:
    """The settings of the customer in the documentation."""
    return KasushouOptions(
        base_url="https://cards.example.com", user_id="10086", credential=Secret(API_KEY)
    )


@pytest.fixture(name="purchase")
def _purchase() -> Purchase:
    """Two cards of the good 10023."""
    return Purchase(
        reference="a1b2c3d4e5f6g7h8i9",
        sku="steam-50",
        item="10023",
        quantity=2,
        price=Money("9.90", "CNY"),
        ceiling=Money("10.50", "CNY"),
        begun_at=BEGUN,
        sent_at=BEGUN + timedelta(seconds=1),
    )


@pytest.fixture(name="top_up")
def _top_up(purchase: Purchase) -> Purchase:
    """One top-up of the good 20001 for a telephone."""
    return attrs.evolve(
        purchase, sku="phone-10", item="20001", quantity=1, target="13800138000", reference="t" * 18
    )


@pytest.fixture(name="site")
def _site() -> Iterator[Any]:
    """A simulated site with five cards of 10023 and telephone top-ups 20001."""
    with _load_simulator().Simulator() as site:
        site.sell("10023", "9.90", [(f"KS000{n}", f"PW-AAAA-000{n}") for n in range(1, 6)])
        site.sell_top_ups("20001", "9.8000")
        yield site


@pytest.fixture(name="client")
def _client() -> Iterator[HttpClient]:
    with HttpClient(timeout_s=2.0, allow_http=True) as client:
        yield client


@pytest.fixture(name="supplier")
def _supplier(site: Any, options: KasushouOptions, client: HttpClient) -> KasushouSupplier:
    """A customer of the simulated site."""
    return KasushouSupplier(attrs.evolve(options, base_url=site.url), client)


@pytest.fixture(name="answering")
def _answering(options: KasushouOptions) -> Callable[..., KasushouSupplier]:
    """Make an adapter that is given one answer to everything."""

    def make(body: bytes, status: int = 200, **changed: Any) -> KasushouSupplier:
        client = CountingClient(Response(status=status, body=body))
        return KasushouSupplier(attrs.evolve(options, **changed), client)

    return make
