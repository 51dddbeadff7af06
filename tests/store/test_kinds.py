"""What tests get as a store is empty, has its schema, and is theirs alone."""

from __future__ import annotations

from pathlib import Path

from autocard.store.opening import open_pool
from autocard.testing.shelf import bring, levels


def opened(url):
    return open_pool(url, base=Path(), create=False)


def test_a_store_is_empty_again_for_the_next_test(stores, store_kind):
    """Nothing of one test is left to another, though the database may be the same one."""
    for _ in range(2):
        url = stores.migrated(store_kind)
        pool = opened(url)
        assert levels(pool) == {}
        bring(pool, "a")
        assert levels(pool) == {"available": 1}
        pool.close()
        stores.give_back(url)


def test_two_stores_of_one_test_are_two(new_url):
    """What is brought into one is not in the other."""
    first, second = opened(new_url()), opened(new_url())
    bring(first, "a")
    assert (levels(first), levels(second)) == ({"available": 1}, {})
    first.close()
    second.close()


def test_a_blank_store_is_still_to_be_made(blank_url, stores):
    """The first to open it with create makes its tables."""
    open_pool(blank_url, base=Path(), create=True).close()
    assert stores.run(blank_url, "SELECT COUNT(*) FROM autocard_version") == [(1,)]
