"""Random orders, faults, messages and people between real adapters and simulated suppliers."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.harness.machines import run

from .merchant import PRICES, Merchant
from .sellers import AcgFaka, Fulu, Kasushou, Kinguin

KINDS = (Fulu, Kasushou, AcgFaka, Kinguin)
EXAMPLES = int(os.environ.get("AUTOCARD_EXAMPLES", "60")) // 2
STEPS = 20

hosts = st.integers(0, 1)
picks = st.integers(0, 19)
wishes = st.lists(
    st.tuples(st.sampled_from(list(PRICES)), st.integers(1, 3)),
    min_size=1, max_size=2, unique_by=lambda wish: wish[0],
)  # fmt: skip


def _in_time(faults):
    """Return those of *faults* for which nobody waits half a second."""
    return [x for x in faults if not x.startswith(("delay", "slow"))]


class Market(RuleBasedStateMachine):
    """Two hosts of one merchant, who buys from one to three of the four suppliers."""

    template: Path

    def __init__(self):
        super().__init__()
        self.closing = ExitStack()
        folder = Path(tempfile.mkdtemp(prefix="autocard-market-"))
        self.closing.callback(shutil.rmtree, folder)
        shutil.copytree(self.template, folder, dirs_exist_ok=True)
        self.folder, self.merchant = folder, None

    @initialize(
        kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True),
        habit=st.sampled_from(["refused", "locked"]), stocked=st.integers(0, 3),
    )  # fmt: skip
    def open(self, kinds, habit, stocked):
        sellers = [self.closing.enter_context(kind()) for kind in kinds]
        for seller in sellers:
            if seller.name == "kinguin":
                seller.site.duplicates = habit
        self.merchant = self.closing.enter_context(Merchant(self.folder, sellers, hosts=2))
        self.merchant.import_cards(stocked)

    @rule(host=hosts, wanted=wishes)
    def dispatch(self, host, wanted):
        sold = [
            (sku, 1 if sku == "phone" else units)
            for sku, units in wanted
            if sku in self.merchant.skus
        ]
        if sold:
            self.merchant.hosts[host].dispatch(self.merchant.order(*sold))

    @precondition(lambda self: self.merchant.orders)
    @rule(host=hosts, which=picks)
    def dispatch_again(self, host, which):
        orders = list(self.merchant.orders.values())
        assert self.merchant.hosts[host].dispatch(orders[which % len(orders)]).replayed

    @rule(which=picks, fault=picks, is_look=st.booleans())
    def spoil(self, which, fault, is_look):
        """The next purchase, or the next look-up, goes wrong at one of the suppliers."""
        seller = self.seller(which)
        faults = _in_time(seller.looking if is_look else seller.buying)
        seller.spoil(faults[fault % len(faults)], look=is_look)

    @rule(host=hosts, seconds=st.sampled_from([0, 3, 15, 70, 200]))
    def resume(self, host, seconds):
        self.merchant.clock.advance(seconds)
        self.merchant.hosts[host].resume()

    @rule(which=picks)
    def work(self, which):
        self.seller(which).work()

    @rule(host=hosts, which=picks, sale=picks)
    def call(self, host, which, sale):
        """A supplier tells of one of its sales, whatever has become of it; maybe once more."""
        seller = self.seller(which)
        known = list(seller.sales())
        if known:
            message = seller.message(known[sale % len(known)], self.merchant.clock.now())
            if message is not None:
                assert self.merchant.hosts[host].receive(seller.name, message).status < 300

    @rule()
    def decide(self):
        """A person looks at what is held, in the records of the suppliers."""
        self.merchant.decide_once()

    @precondition(lambda self: self.merchant)
    @invariant()
    def nothing_is_bought_twice(self):
        self.merchant.check_what_always_holds()

    def teardown(self):
        with self.closing:
            if self.merchant and sys.exc_info()[0] is None:
                self.merchant.settle()
                self.merchant.check()
                self.merchant.decide()
                self.merchant.check()

    def seller(self, which):
        sellers = list(self.merchant.sellers.values())
        return sellers[which % len(sellers)]


def test_buying_from_real_suppliers_is_exactly_once(template):
    """Whatever four suppliers of different habits do: each cent is accounted for, at every moment."""
    run(Market, examples=EXAMPLES, steps=STEPS, template=template)
