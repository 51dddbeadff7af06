"""Whatever happened, and whenever it is archived: nothing a host can ask for changes."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autocard import AutocardError

pytestmark = pytest.mark.usefixtures("known_plugins")
STEP = st.one_of(
    st.tuples(st.sampled_from(["sell", "push", "expect", "reserve", "again", "resend", "restore"]),
              st.integers(0, 5)),
    st.tuples(st.sampled_from(["cancel", "pay", "approve", "reject"]), st.integers(0, 5)),
    st.tuples(st.just("wait"), st.integers(1, 4)),
    st.tuples(st.just("archive"), st.integers(0, 6)),
)  # fmt: skip


class Life:
    """One shop with six orders, each of which may go through anything."""

    def __init__(self, shop, stores):
        self.shop = shop
        self.stores = stores
        self.engine = shop.open()
        self.known = set()
        self.restored = set()
        shop.stock(self.engine, 8)

    def step(self, act, number):
        away = self.away()
        with suppress(AutocardError):  # an act that is not possible now changes nothing
            getattr(self, f"_{act}")(number)
        self.restored |= away - self.away()  # a late payment brings an order back, too
        self.known |= set(self.shop.here(self.stores))

    def away(self):
        orders = (self.engine._flow.pool.order(*self.name(number)) for number in range(6))
        return {x.id for x in orders if x is not None and x.archive is not None}

    def name(self, number):
        return "push" if number % 2 else "till", f"A{number}"

    def order(self, number, **options):
        platform, order_no = self.name(number)
        return self.shop.order(order_no, 1 + number % 3, platform=platform, **options)

    def _sell(self, number):
        self.engine.dispatch(self.order(number))

    _push = _again = _pay = _sell

    def _expect(self, number):
        self.engine.expect(self.order(number, paid=False))

    def _reserve(self, number):
        self.engine.reserve(self.order(number, paid=False), ttl_s=86_400)

    def _cancel(self, number):
        self.engine.cancel(*self.name(number), reason="x")

    def _resend(self, number):
        self.engine.review.resend(*self.name(number), by="ann", why="x")

    def _approve(self, number):
        self.engine.review.approve(*self.name(number), by="ann")

    def _reject(self, number):
        self.engine.review.reject(*self.name(number), by="ann", why="x")

    def _wait(self, days):
        self.shop.pass_days(days)
        self.engine.resume()

    def _restore(self, number):
        stored = self.engine._flow.pool.order(*self.name(number))
        if stored is not None and stored.archive is not None:
            path = self.shop.to / stored.archive
            self.engine.ledger.restore(path, *self.name(number), by="ann")

    def _archive(self, days):
        before = self.shown()
        self.shop.archive(self.engine, days=days + 0.5)
        assert self.shown() == before

    def shown(self):
        receipts = [self.engine.receipt(*self.name(number)) for number in range(6)]
        return receipts, self.engine.cards.stock(), self.engine.review.pending()

    def check(self):
        here, archived = self.shop.here(self.stores), self.shop.archived(self.engine)
        assert self.known - set(here) - set(archived) == set(), "a record is nowhere"
        # An order that came back is in both places, as are what it sent; nothing else is.
        twice = [x for x in archived if x in here or archived.count(x) > 1]
        assert all(self.restored for _ in twice)
        assert {x[0] for x in twice} <= {"order", "intent"}
        report = self.engine.ledger.verify()
        assert report.ok, report.faults


_FOLDERS = count()


def live(steps, make_shop, stores, kind, folder):
    """Take the steps on an empty store of one kind, then archive all that is left."""
    url = stores.migrated(kind)
    place = folder / str(next(_FOLDERS))
    place.mkdir()
    life = Life(make_shop(place, url), stores)
    try:
        for each in steps:
            life.step(*each)
        life.step("wait", 9)
        life._archive(0)
        life.check()
    finally:
        life.engine.close()
        stores.give_back(url)


_STEPS = st.lists(STEP, min_size=4, max_size=25)
_LENIENT = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@given(steps=_STEPS)
@settings(max_examples=60, **_LENIENT)
def test_archiving_at_any_time_changes_nothing_that_is_told(steps, make_shop, stores, tmp_path):
    """Receipts, stock and what waits stay; archived and live records together are all records."""
    live(steps, make_shop, stores, "sqlite", tmp_path)


@pytest.mark.parametrize("store_kind", ["postgresql", "mariadb"])
@given(steps=_STEPS)
@settings(max_examples=8, **_LENIENT)
def test_so_it_is_on_servers(steps, make_shop, stores, store_kind, tmp_path):
    """Less of the same, where each store takes longer to make."""
    live(steps, make_shop, stores, store_kind, tmp_path)
