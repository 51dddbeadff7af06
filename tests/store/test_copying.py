"""A whole store is carried into another one, whatever the databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from autocard import Engine
from autocard.errors import ConfigurationError, SchemaMismatch, StoreError
from autocard.store.copying import copy_store
from autocard.store.opening import open_pool
from autocard.testing.pool_changes import live
from autocard.testing.shelf import begin, bring, buying, levels, picture, sell


@pytest.fixture(name="file_url")
def _file_url(tmp_path):
    """Return the URL of a file that has lived."""
    url = f"sqlite:///{tmp_path}/old.db"
    pool = open_pool(url, base=tmp_path, create=True)
    live(pool)
    bring(pool, *(f"more {i}" for i in range(1_500)), sku="psn")
    pool.close()
    return url


def opened(url):
    return open_pool(url, base=Path(), create=False)


class TestCopy:
    def test_everything_arrives_and_comes_back(self, file_url, store_url, tmp_path):
        """Into every kind of store and back into a file, nothing is lost, and ids stay."""
        told = []
        counts = copy_store(
            file_url, store_url, base=tmp_path, progress=lambda *each: told.append(each)
        )
        back_url = f"sqlite:///{tmp_path}/back.db"
        assert copy_store(store_url, back_url, base=tmp_path) == counts
        assert counts["autocard_cards"] > 1_500
        assert [rows for table, rows in told if table == "autocard_cards"][-1] == (
            counts["autocard_cards"]
        )
        pools = [opened(url) for url in (file_url, store_url, back_url)]
        before, there, back = [picture(pool) for pool in pools]
        assert before == there == back
        assert all(pool.audit() == pools[0].audit() for pool in pools)
        for pool in pools:
            pool.close()

    def test_the_copy_goes_on_counting(self, file_url, store_url, tmp_path):
        """New rows get ids of their own."""
        copy_store(file_url, store_url, base=tmp_path)
        pool = opened(store_url)
        bring(pool, "new", sku="new")
        known = {x.id for x in pool.batches()}
        assert len(known) == len(pool.batches())
        sell(pool, "NEW", sku="new")
        begun = begin(pool, buying("new"))
        assert begun.id > max(x.id for x in pool.purchases() if x.reference != "new")
        assert levels(pool, sku="new") == {"delivered": 1}
        pool.close()

    def test_an_engine_opens_the_copy_with_the_same_keyring(self, store_url, tmp_path):
        """Sealed values are copied as they are."""
        settings = {
            "store": f"sqlite:///{tmp_path}/shop.db",
            "keyring": f"file:{tmp_path}/shop.keyring",
            "skus": {"steam": {}},
        }
        with Engine.open(settings, create=True) as engine:
            engine.cards.add("steam", ["AAAA-BBBB"])
        copy_store(settings["store"], store_url, base=tmp_path)
        with Engine.open({**settings, "store": store_url}) as engine:
            assert engine.cards.find("AAAA-BBBB") is not None
            assert engine.ledger.verify().ok


class TestRefusals:
    def test_a_store_with_rows_is_left_alone(self, file_url, tmp_path):
        """Nothing is mixed."""
        other = f"sqlite:///{tmp_path}/other.db"
        copy_store(file_url, other, base=tmp_path)
        before = picture(opened(other))
        with pytest.raises(StoreError, match="not empty"):
            copy_store(file_url, other, base=tmp_path)
        assert picture(opened(other)) == before

    def test_a_store_is_not_copied_onto_itself(self, file_url, tmp_path):
        """The same address twice is a mistake."""
        with pytest.raises(StoreError, match="onto itself"):
            copy_store(file_url, file_url, base=tmp_path)

    def test_there_is_nothing_to_copy(self, store_url, tmp_path):
        """A missing file and a database without tables are told apart."""
        with pytest.raises(ConfigurationError, match="no database"):
            copy_store(f"sqlite:///{tmp_path}/none.db", store_url, base=tmp_path)
        (tmp_path / "host.db").touch()
        with pytest.raises((ConfigurationError, SchemaMismatch)):
            copy_store(f"sqlite:///{tmp_path}/host.db", store_url, base=tmp_path)
