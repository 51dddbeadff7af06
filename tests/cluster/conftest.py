"""Clusters to sell from, and the shop that does; skipped with a reason where packages are missing."""

from __future__ import annotations

import contextlib
import os

import pytest

from .galera import galera_cluster
from .servers import CannotRun
from .shop import Shop
from .standby import standby_pair


def _running(servers):
    """Give what *servers* start; without their packages skip, or fail where they are required."""
    with contextlib.ExitStack() as stack:
        try:
            started = stack.enter_context(servers)
        except CannotRun as reason:
            if os.environ.get("AUTOCARD_REQUIRE_SERVERS") == "1":
                pytest.fail(f"AUTOCARD_REQUIRE_SERVERS=1, but {reason}")
            pytest.skip(str(reason))
        yield started


@pytest.fixture(name="cluster", scope="module")
def _cluster():
    """Give three nodes; a test that kills one brings it back."""
    yield from _running(galera_cluster())


@pytest.fixture(name="pair")
def _pair():
    """Give a primary and its standby, to be spoiled."""
    yield from _running(standby_pair())


@pytest.fixture(name="shop")
def _shop(tmp_path):
    shop = Shop(tmp_path)
    yield shop
    shop.close()
