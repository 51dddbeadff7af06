"""What the tests of the acg_faka adapter share: a shop, its members, purchases."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from autocard.adapters.acg_faka import AcgFakaOptions, AcgFakaSupplier
from autocard.http.client import HttpClient
from autocard.spi import Money, Purchase, Secret

CREDENTIAL = "A1B2C3D4E5F6A7B8"
NOW = datetime(2026, 11, 22, 7, 13, 12, tzinfo=UTC)


def _load_simulator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "acg_faka_simulator", Path(__file__).with_name("simulator.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(name="simulation", scope="session")
def _simulation() -> ModuleType:
    return _load_simulator()


@pytest.fixture(name="v3")
def _v3() -> AcgFakaOptions:
    return AcgFakaOptions(
        base_url="https://up.example.com", app_id="1000", credential=Secret(CREDENTIAL)
    )


@pytest.fixture(name="v4")
def _v4(v3) -> AcgFakaOptions:
    return attrs.evolve(v3, dialect="v4")


@pytest.fixture(name="shop")
def _shop(simulation) -> Iterator[Any]:
    with simulation.Simulator(credential=CREDENTIAL) as shop:
        yield shop


@pytest.fixture(name="client")
def _client() -> Iterator[HttpClient]:
    with HttpClient(timeout_s=1.0, allow_http=True) as client:
        yield client


@pytest.fixture(name="member")
def _member(shop, v3, client) -> AcgFakaSupplier:
    """A v3 member of the simulated shop."""
    return AcgFakaSupplier(attrs.evolve(v3, base_url=shop.url), client)


@pytest.fixture(name="member4")
def _member4(shop, v4, client) -> AcgFakaSupplier:
    """A v4 member of the simulated shop."""
    return AcgFakaSupplier(attrs.evolve(v4, base_url=shop.url), client)


@pytest.fixture(name="order", scope="session")
def _order() -> Callable[..., Purchase]:
    """Return a function that makes purchases; what is not said is usual."""

    def order(item: str = "AUTO0001", quantity: int = 1, **said: Any) -> Purchase:
        usual = {
            "reference": "a00000000000000001", "sku": "month", "price": Money("1.50", "CNY"),
            "ceiling": Money("2.00", "CNY"), "begun_at": NOW, "sent_at": NOW,
        }  # fmt: skip
        return Purchase(item=item, quantity=quantity, **{**usual, **said})

    return order
