"""Every store keeps the contract, and so does the model it is compared with."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from autocard.errors import StoreError
from autocard.store.opening import open_pool
from autocard.testing import MemoryPool, PoolSuite

pytest_plugins = ["pytester"]


class SqlSuite(PoolSuite):
    """The suite on stores that are reached by an URL."""

    @pytest.fixture(name="urls")
    def _urls(self):
        """Return the URLs of the pools that were made, by the pool."""
        return {}

    @pytest.fixture(name="make_pool")
    def _make_pool(self, new_url, urls):
        def make_pool():
            url = new_url()
            pool = open_pool(url, base=Path(), create=False)
            urls[pool] = url
            return pool

        return make_pool

    @pytest.fixture(name="reopen")
    def _reopen(self, urls):
        return lambda pool: open_pool(urls[pool], base=Path(), create=False)

    @pytest.fixture(name="host")
    def _host(self, urls):
        @contextmanager
        def host(pool):
            engine = sa.create_engine(urls[pool], poolclass=sa.pool.NullPool)
            with engine.connect() as connection:
                yield connection

        return host


@pytest.mark.parametrize("store_kind", ["sqlite"])
class TestSqlite(SqlSuite):
    """The embedded store."""


@pytest.mark.parametrize("store_kind", ["postgresql"])
class TestPostgresql(SqlSuite):
    """A store that many hosts share."""


@pytest.mark.parametrize("store_kind", ["mariadb"])
class TestMariadb(SqlSuite):
    """Another one."""


class TestMemory(PoolSuite):
    """The model."""

    @pytest.fixture(name="make_pool")
    def _make_pool(self):
        return MemoryPool


class TestExempt:
    """Leaving a promise out needs a reason."""

    @pytest.mark.parametrize(
        "exempt", [{"test_nothing": "why"}, {"test_threads_add_a_card_once": " "}, {"pool": "why"}]
    )
    def test_an_exemption_names_a_test_and_a_reason(self, exempt):
        """A misspelt name or an empty reason is an error at once."""
        with pytest.raises(TypeError, match="exempt"):
            type("TestOther", (PoolSuite,), {"exempt": exempt})

    def test_helpers_between_suite_and_test_are_not_collected(self):
        """Only a class that is named like a test is one."""
        assert not type("Helper", (PoolSuite,), {}).__test__
        assert type("TestIt", (PoolSuite,), {}).__test__


class TestExempted:
    """What is exempt is skipped, with its reason."""

    def test_an_exempt_test_is_skipped(self, pytester):
        """The reason is in the report; the others run."""
        pytester.makepyfile(
            """
            import pytest
            from autocard.testing import MemoryPool, PoolSuite

            class TestIt(PoolSuite):
                exempt = {"test_unknown_orders_are_not_found": "it finds everything"}

                @pytest.fixture(name="make_pool")
                def _make_pool(self):
                    return MemoryPool

            class TestNothingGiven(PoolSuite):
                pass
            """
        )
        result = pytester.runpytest_inprocess(
            "-rs", "-k", "test_unknown_orders or empty_store", "-p", "no:cacheprovider"
        )
        result.assert_outcomes(passed=1, skipped=1, errors=2)
        result.stdout.fnmatch_lines(["*exempt: it finds everything*"])
        result.stdout.fnmatch_lines(["*needs a fixture 'make_pool'*"])


def test_a_pool_in_memory_joins_no_transaction_of_the_host():
    """It says so instead of pretending."""
    with pytest.raises(StoreError, match="host"), sa.create_engine("sqlite://").connect() as host:
        MemoryPool().transaction(host)
