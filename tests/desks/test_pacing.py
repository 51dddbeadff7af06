"""An import stores a lot at a time while it is alone, and little while orders come in."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from autocard.desks import pacing
from autocard.desks.pacing import LEAST, MOST_TOGETHER, WHOLE, Pace


class Store:
    """A pool with orders, and a clock that storing moves on."""

    def __init__(self, monkeypatch):
        self.newest = 0
        self.now = 0.0
        self.rested = 0.0
        self.rate = 50_000
        monkeypatch.setattr(
            pacing, "time", SimpleNamespace(monotonic=lambda: self.now, sleep=self.rest)
        )

    def orders(self, *, limit):
        return [SimpleNamespace(id=self.newest)][: self.newest and limit]

    def rest(self, seconds):
        self.now += seconds
        self.rested += seconds

    def sizes(self, pace, count, *, sells=False):
        found = []
        chunks = [range(at, min(at + WHOLE, count)) for at in range(0, count, WHOLE)]
        for group in pace.groups(chunks):
            for turn in pace.turns(group):
                found.append(sum(len(part) for _, part in turn))
                self.now += found[-1] / self.rate
                self.newest += sells
        assert sum(found) == count
        return found


@pytest.fixture(name="store")
def _store(monkeypatch):
    return Store(monkeypatch)


def test_alone_it_stores_whole_chunks(store):
    """Old orders do not count, and nothing is waited for."""
    store.newest = 7
    assert store.sizes(Pace(store), 4_500) == [WHOLE, WHOLE, 500]
    assert store.rested == 0


def test_a_long_import_stores_several_chunks_together(store):
    """After the first few, as many as take a tenth of a second, and five at most."""
    store.rate = 65_000
    assert store.sizes(Pace(store), 28_000) == [WHOLE] * MOST_TOGETHER + [3 * WHOLE] * 3
    store.rate = 1_000_000
    assert store.sizes(Pace(store), 31_000) == [WHOLE] * MOST_TOGETHER + [
        5 * WHOLE,
        5 * WHOLE,
        1_000,
    ]


def test_while_orders_come_in_it_stores_ten_milliseconds_worth(store):
    """There is a rest after each part, for those who wait."""
    pace = Pace(store)
    store.sizes(pace, 20_000, sells=True)
    store.rested = 0
    sizes = store.sizes(pace, 2_000, sells=True)
    assert 495 <= min(sizes[:-1]) <= max(sizes) <= 500
    assert store.rested == pytest.approx(len(sizes) * 0.004)


def test_a_slow_store_gets_less_but_never_next_to_nothing(store):
    """The part becomes smaller as it takes longer."""
    pace = Pace(store)
    store.rate = 20_000
    store.sizes(pace, 20_000, sells=True)
    sizes = store.sizes(pace, 2_000, sells=True)
    assert 198 <= min(sizes[:-1]) <= max(sizes) <= 200
    store.rate = 1_000
    assert set(store.sizes(pace, 2_000, sells=True)[1:-1]) == {LEAST}


def test_after_a_lull_it_stores_whole_chunks_again(store):
    """Five seconds without a new order are enough."""
    pace = Pace(store)
    store.sizes(pace, 20_000, sells=True)
    store.now += 10
    assert store.sizes(pace, 2_000)[0] < WHOLE  # it was looked for only just now
    store.now += 10
    assert store.sizes(pace, 4_000) == [2 * WHOLE]


def test_orders_are_looked_for_only_now_and_then(store):
    """A look costs more than storing a few cards."""
    looks = []
    orders = store.orders
    store.orders = lambda **options: looks.append(store.now) or orders(**options)
    store.sizes(Pace(store), 100_000)  # two seconds
    assert 10 <= len(looks) <= 21


def test_nothing_to_store(store):
    """A chunk without a card takes no turn."""
    assert store.sizes(Pace(store), 0) == []
    assert list(Pace(store).turns([[], []])) == []


def test_what_was_gathered_comes_before_an_error(store):
    """An import that breaks off has in stock what it had read."""

    def broken():
        yield from range(MOST_TOGETHER + 2)
        raise LookupError

    given = []
    groups = map(given.append, Pace(store).groups(broken()))
    with pytest.raises(LookupError):
        list(groups)
    assert given == [*([x] for x in range(MOST_TOGETHER)), [MOST_TOGETHER, MOST_TOGETHER + 1]]
