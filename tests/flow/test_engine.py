"""The engine as a whole: opened, looked at, its parts replaced, closed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from autocard import (
    CardNotFound,
    ConfigurationError,
    Engine,
    Outcome,
    Reason,
    StoreError,
    StoreUnavailable,
)
from autocard.spi import Match
from autocard.testing import MemoryPool, ScriptedPlatform


class TestOpen:
    def test_a_toml_file_is_opened_by_its_path(self, tmp_path):
        """Relative paths in the file start from its folder."""
        (tmp_path / "shop.toml").write_text("[skus.steam]\n", "utf-8")
        with Engine.open(tmp_path / "shop.toml", create=True) as engine:
            assert list(engine.settings.skus) == ["steam"]
        assert (tmp_path / "autocard.db").exists()
        assert (tmp_path / "autocard.keyring").stat().st_mode & 0o777 == 0o600
        with Engine.open(str(tmp_path / "shop.toml")) as engine:
            assert engine.check().ok

    def test_a_store_that_is_missing_is_not_made_by_accident(self, tmp_path):
        """Without create=True a wrong path is an error that says what to do."""
        with pytest.raises(ConfigurationError, match="create=True"):
            Engine.open({"store": f"sqlite:///{tmp_path}/nowhere.db"})
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("store", "problem"),
        [
            ("nonsense", "not a database URL"),
            ("oracle://x/y", "oracle is not supported"),
            ("postgresql+psycopg2://x/y", r"write postgresql\+psycopg://"),
            ("mysql+mysqldb://x/y", r"write mysql\+pymysql://"),
            ("sqlite://", "cards need a file"),
            ("sqlite:///no/such/folder/x.db", "does not exist"),
        ],
    )
    def test_a_store_that_cannot_be_is_refused(self, tmp_path, store, problem, monkeypatch):
        """Each bad URL is told from the others."""
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ConfigurationError, match=problem):
            Engine.open({"store": store}, create=True)

    def test_importing_is_light(self):
        """`import autocard` loads no adapter, database library or web framework."""
        heavy = ("sqlalchemy", "sqlite3", "requests", "click", "autocard.adapters", "flask")
        program = (
            "import sys, autocard; "
            f"print([x for x in {heavy!r} if any(y.startswith(x) for y in sys.modules)])"
        )
        # Measuring coverage in the child would itself load a database library.
        bare = {name: value for name, value in os.environ.items() if "COV" not in name}
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True, text=True, check=True, timeout=60, env=bare,
        )  # fmt: skip
        assert done.stdout.strip() == "[]"


class TestLooks:
    def test_check_lists_what_is_configured(self, shop):
        """Store, keyring, platforms, archives, channels and hooks each have their line."""
        engine = shop.pushing()
        names = [item.name for item in engine.check().items]
        assert names == [
            "store", "keyring", "platform shop", "archives", "channel mail", "channel hook", "hooks",
        ]  # fmt: skip
        assert [x.name for x in engine.check("shop").items][-1] == "platform shop"
        with pytest.raises(ConfigurationError, match=r"\[platforms.shp\]"):
            engine.check("shp")

    def test_orders_are_listed_newest_first_without_cards(self, shop):
        """By outcome, platform and contact; letter case of a contact does not matter."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.dispatch(shop.order("A"))
        engine.dispatch(shop.order("B"))
        assert [x.order_no for x in engine.orders()] == ["B", "A"]
        assert [x.order_no for x in engine.orders(outcome=Outcome.PENDING)] == ["B"]
        assert engine.orders(platform="other") == []
        assert len(engine.orders(contact="U1@Example.COM", limit=1)) == 1
        assert engine.orders(contact=" ") == []
        assert all(x.cards == () for x in engine.orders())

    def test_a_configured_platform_can_be_asked_for(self, shop):
        """A host reaches what only the adapter knows."""
        assert isinstance(shop.pushing().platform("shop"), ScriptedPlatform)


class TestReplaced:
    def test_a_matcher_of_the_host(self, shop, tmp_path):
        """The host's own matcher is asked instead of the rules."""

        class Everything:
            def match(self, order, line):
                return Match("steam")

        table = {
            "store": f"sqlite:///{tmp_path}/m.db",
            "keyring": f"file:{tmp_path}/m.keyring",
            "skus": {"steam": {}},
        }
        with Engine.open(table, create=True, matcher=Everything()) as engine:
            shop.stock(engine, 1)
            assert engine.dispatch(shop.order(item="whatever")).outcome is Outcome.DELIVERED

    def test_a_dispatcher_of_the_host(self, shop, tmp_path):
        """The host's own dispatcher says how cards leave, and carries it out."""

        class Van:
            def __init__(self):
                self.loads = []

            def routes(self, platform):
                return ("van",)

            def known_routes(self, platform):
                return frozenset({"van"})

            def deliver(self, allocation):
                self.loads.append(allocation.pushed)
                return ()

            def deliver_due(self, limit):
                return (0, 0)

        van = Van()
        table = {
            "store": f"sqlite:///{tmp_path}/d.db",
            "keyring": f"file:{tmp_path}/d.keyring",
            "skus": {"steam": {}},
        }
        with Engine.open(table, create=True, dispatcher=van) as engine:
            shop.stock(engine, 1)
            receipt = engine.dispatch(shop.order())
            assert receipt.lines[0].reason is Reason.DELIVERING
        ((reference,),) = van.loads
        assert reference.startswith("ac")

    def test_a_pool_of_the_host(self, shop):
        """The whole engine works on the store in memory."""
        engine = shop.open(pool=MemoryPool())
        shop.stock(engine, 2)
        assert engine.dispatch(shop.order()).outcome is Outcome.DELIVERED
        assert engine.dispatch(shop.order()).replayed


class TestOddValues:
    def test_what_no_database_can_hold_is_a_store_error(self, shop):
        """A lone surrogate or a huge number never surfaces as the driver's own exception."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.dispatch(shop.order(item="mystery"))
        with pytest.raises(StoreError, match="Unicode"):
            engine.review.approve("shop", "A1", by="ann", why="\ud800", sku="steam")
        with pytest.raises((StoreError, CardNotFound), match=r"too large|no card"):
            engine.cards.void(2**70, by="ann", why="x")  # MariaDB compares any two numbers
        assert engine.receipt("shop", "A1").outcome is Outcome.HELD


class TestClose:
    def test_a_closed_engine_says_so(self, shop):
        """Closing twice is harmless; using the engine afterwards is an error."""
        engine = shop.open()
        engine.close()
        engine.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            engine.dispatch(shop.order())
        with pytest.raises(StoreUnavailable, match="closed"):
            engine.cards.stock()
