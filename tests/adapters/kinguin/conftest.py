"""What the tests of the Kinguin adapter share: a simulated Kinguin, and a store that buys there."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import attrs
import pytest

from autocard.adapters.kinguin import KinguinOptions, KinguinSupplier
from autocard.http.client import HttpClient
from autocard.spi import Money, Purchase, Secret

ITEM = "65a0c0ffee00112233445566"
BEGUN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _load_simulator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "kinguin_simulator", Path(__file__).with_name("simulator.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(name="item")
def _item() -> str:
    return ITEM


@pytest.fixture(name="simulator", scope="session")
def _simulator() -> ModuleType:
    """The module of the simulator, for its values."""
    return _load_simulator()


@pytest.fixture(name="sim")
def _sim(simulator) -> Iterator[object]:
    with simulator.Simulator() as sim:
        yield sim


@pytest.fixture(name="options")
def _options() -> KinguinOptions:
    return KinguinOptions(
        credential=Secret("kgn_demo_4f1d"), webhook_secret=Secret("demo-webhook-secret")
    )


@pytest.fixture(name="client")
def _client() -> Iterator[HttpClient]:
    with HttpClient(timeout_s=2.0, allow_http=True) as client:
        yield client


@pytest.fixture(name="store")
def _store(sim, options: KinguinOptions, client: HttpClient) -> KinguinSupplier:
    """A store that buys at the simulated Kinguin."""
    return KinguinSupplier(attrs.evolve(options, base_url=sim.url, allow_http=True), client)


@pytest.fixture(name="wish")
def _wish() -> Callable[..., Purchase]:
    """Return a purchase of one unit for at most 6.00 EUR, with changes."""

    def wish(**changes: object) -> Purchase:
        usual = Purchase(
            reference="a1reference0000001",
            sku="demo-game",
            item=ITEM,
            quantity=1,
            price=Money("5.79", "EUR"),
            ceiling=Money("6.00", "EUR"),
            begun_at=BEGUN,
            sent_at=BEGUN + timedelta(seconds=1),
        )
        return attrs.evolve(usual, **changes)

    return wish
