"""One machine buys, loses answers and changes its mind, on two hosts, and audits every purchase."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections import defaultdict
from contextlib import suppress
from itertools import count, pairwise
from pathlib import Path

import attrs
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.harness.machines import World, run

from autocard import (
    Buyer,
    Engine,
    IllegalTransition,
    Inbound,
    InvalidOrder,
    Money,
    Order,
    OrderLine,
    OrderNotFound,
    Outcome,
    Payment,
    Reason,
)
from autocard.spi import (
    Capability,
    RejectedError,
    Stage,
    TransientError,
    UnknownOutcome,
    UnsupportedFeature,
)
from autocard.testing import FakeClock, Good, ScriptedAdapters, Wholesaler

EXAMPLES = int(os.environ.get("AUTOCARD_EXAMPLES", "60")) // 3
# A server is asked over a wire, and each look at all the books is a dozen questions.
EXAMPLES_ON_SERVERS = max(1, EXAMPLES // 8)
STEPS = 30
NAMES = ("acme", "bolt", "coil")
# `steam` comes from stock, then from suppliers; `gem` from suppliers only; `gift` from a stock that
# is restocked; `phone` is a top-up.
SKUS = ("steam", "gem", "gift", "phone")
PRICES = {"acme": "8.00", "bolt": "9.00", "coil": "9.50"}
SUPPLIERS = [f"supplier:{name}" for name in NAMES]
OVER = ("done", "failed")
SALES = (Capability.BUY, Capability.TOP_UP)

# What may become of a line of this shop. PENDING is what the engine, HELD what a person goes on with.
VISIBLE = {
    Outcome.DELIVERED: {Reason.NONE},
    Outcome.PENDING: {Reason.SHORT, Reason.BUYING, Reason.MANUAL},
    Outcome.HELD: {Reason.SUPPLY, Reason.UNKNOWN_PURCHASE},
    Outcome.CANCELLED: {Reason.CANCELLED},
    Outcome.REJECTED: {Reason.REJECTED},
}

hosts = st.integers(0, 1)
names = st.sampled_from(NAMES)
picks = st.integers(0, 19)
lines = st.lists(
    st.tuples(st.sampled_from(["steam", "steam", *SKUS]), st.integers(1, 4)),
    min_size=1, max_size=2,
)  # fmt: skip
# Repeated at once only where that is asked for within seconds; tests do not wait.
LATER = TransientError("not now", retry_after_s=60)
before = [None, UnknownOutcome("lost on the way"), RuntimeError("a bug in an adapter")]
after = [(UnknownOutcome("lost on the way back"),), (KeyError("a bug after the effect"),)]
failures = {
    Capability.OFFERS: st.sampled_from([*before, LATER, RejectedError("no"), *after]),
    Capability.FIND_PURCHASE: st.sampled_from([*before, LATER, UnsupportedFeature("no"), *after]),
    Capability.BALANCE: st.sampled_from([*before, LATER, *after]),
    Capability.BUY: st.sampled_from([*before, LATER, RejectedError("never"), *after, *after]),
    Capability.TOP_UP: st.sampled_from([*before, LATER, RejectedError("never"), *after, *after]),
}
troubles = st.sampled_from(list(failures)).flatmap(
    lambda capability: st.tuples(
        st.just(capability), st.lists(failures[capability], min_size=1, max_size=3)
    )
)


@attrs.define(eq=False)
class Merchant(Wholesaler):
    """A wholesaler that keeps the contract, and lets something else happen during a call."""

    meanwhile: dict = attrs.field(factory=lambda: defaultdict(list), init=False)

    def call(self, capability, argument, effect):
        known = capability in SALES and argument.reference in self.sales
        waiting = self._failures.get(capability)
        if known and waiting and isinstance(waiting[0], RejectedError):
            waiting.popleft()  # it may not refuse what it has sold
        self._happen(capability, "before")

        def done():
            answer = effect()
            self._happen(capability, "after")
            return answer

        return Wholesaler.call(self, capability, argument, done)

    def _happen(self, capability, moment):
        if self.meanwhile[capability, moment]:
            self.meanwhile[capability, moment].pop(0)()

    def net(self, reference):
        """Return what a purchase costs without what was paid back; 0 for one that was not made."""
        total = Money(0, "CNY")
        for sale in self.sales.get(reference, ()):
            total += sale.ending.cost or Money(0, "CNY")
            total -= sale.ending.refunded or Money(0, "CNY")
        return total


def _item(name, sku):
    return f"{name[0]}-{sku}"


def _table(url, folder, merchants, offer_s=0):
    return {
        "store": url,
        "keyring": f"file:{folder}/shop.keyring",
        "skus": {
            "steam": {"sources": ["warehouse:main", *SUPPLIERS]},
            "gem": {"sources": [*SUPPLIERS, "manual"]},
            "gift": {
                "low": 2, "ceiling": "10.00 CNY",
                "restock": {"quantity": 3, "suppliers": ["acme", "bolt"]},
            },
            "phone": {"kind": "topup", "sources": [*SUPPLIERS], "target": "phone"},
        },
        "suppliers": {
            name: {
                "adapter": "fake", "wholesaler": merchants[name],
                "items": {sku: _item(name, sku) for sku in SKUS},
                "patience_s": 3000.0, "pause_after": 4, "pause_s": 30.0, "tries": 2,
                "timeout_s": 10.0,
            }
            for name in NAMES
        },
        "supply": {"offer_s": offer_s, "restock_every_s": 0, "sync_every_s": 0, "lease_s": 60},
    }  # fmt: skip


class Books:
    """Looks at the tables behind the engines' back; each sees what is committed at that moment."""

    def __init__(self, url):
        self._engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        self._connection = self._engine.connect()

    def rows(self, statement):
        return self._connection.exec_driver_sql(statement).fetchall()

    def purchases(self):
        return self.rows(
            "SELECT id, reference, need, supplier, sku, quantity, state, arrived, cost_minor, "
            "warehouse, created_at, changed_at FROM autocard_purchases ORDER BY id"
        )

    def close(self):
        self._connection.close()
        self._engine.dispose()


class Market(RuleBasedStateMachine):
    """Random orders, suppliers' habits, failures and people, on two hosts that share a store."""

    template: World

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="autocard-market-"))
        self.url = self.template.fill(self.folder)
        self.clock = FakeClock()
        self.store = Books(self.url)
        self.hosts = []
        self.merchants = {}
        self.content = {}  # what was first said of an order, by its number
        self.serial = count(1)
        self.owner = {}
        self.line_cards = {}
        self.kept = set()
        self.resolved = set()  # purchases that a person has decided about
        self.paid_back = defaultdict(lambda: Money(0, "CNY"))  # after a purchase was over

    @initialize(
        habits=st.lists(
            st.tuples(
                st.sampled_from(["refuses", "repeats", "buys"]),
                st.sampled_from(["reference", "number", "nothing"]),
                st.integers(0, 2), st.integers(0, 2),
            ),
            min_size=3, max_size=3,
        ),
        stocked=st.integers(0, 4), offer_s=st.sampled_from([0, 3600]),
    )  # fmt: skip
    def open(self, habits, stocked, offer_s):
        for name, (again, finds, hides, waits) in zip(NAMES, habits, strict=True):
            goods = {_item(name, sku): Good(Money(PRICES[name], "CNY")) for sku in SKUS}
            self.merchants[name] = Merchant(
                goods=goods, again=again, finds=finds, hides=hides, waits=waits,
                prefix=f"{name.upper()}-",
            )  # fmt: skip
        for _ in range(2):
            self.hosts.append(
                Engine.open(
                    _table(self.url, self.folder, self.merchants, offer_s),
                    clock=self.clock,
                    plugins=[ScriptedAdapters()],
                )
            )
        for sku in ("steam", "gift"):
            self.bring(0, sku, stocked)

    # --- stock and orders ---

    @rule(host=hosts, sku=st.sampled_from(["steam", "gift"]), number=st.integers(1, 3))
    def bring(self, host, sku, number):
        self.hosts[host].cards.add(sku, [f"{sku}-{next(self.serial)}" for _ in range(number)])

    @rule(host=hosts, number=st.integers(0, 5), wanted=lines, trouble=troubles, name=names)
    def dispatch(self, host, number, wanted, trouble, name):
        """A new order, or one that is known, once more; a supplier is not at its best."""
        self.fail(name, trouble)
        is_known = number in self.content
        receipt = self.hosts[host].dispatch(self.order(number, wanted))
        assert receipt.replayed == is_known
        self.note(receipt)

    @rule(host=hosts, wanted=st.lists(st.tuples(st.integers(0, 5), lines), min_size=1, max_size=3))
    def dispatch_many(self, host, wanted):
        for receipt in self.hosts[host].dispatch_many([self.order(*each) for each in wanted]):
            self.note(receipt)

    # --- time and trouble ---

    @rule(host=hosts, seconds=st.sampled_from([0, 2, 5, 70, 700]))
    def resume(self, host, seconds):
        self.clock.advance(seconds)
        self.hosts[host].resume()

    @rule(seconds=st.sampled_from([1, 5, 70, 700]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(name=names, trouble=troubles)
    def fail(self, name, trouble):
        self.merchants[name].fail(trouble[0], *trouble[1])

    @rule(
        name=names,
        what=st.sampled_from(["fewer", "more", "known", "placeholder", "none", "refused", "part"]),
        number=st.integers(1, 3),
    )
    def deal(self, name, what, number):
        """The next purchase gets something else than was ordered."""
        merchant = self.merchants[name]
        fresh = [f"{name}-odd-{next(self.serial)}" for _ in range(number)]
        if what == "fewer":
            merchant.deal(fresh)
        elif what == "more":
            merchant.deal([f"{name}-odd-{next(self.serial)}" for _ in range(5)])
        elif what == "known":
            merchant.deal([*fresh[1:], min(self.owner)] if self.owner else fresh)
        elif what == "placeholder":
            merchant.deal([*fresh, "N/A"])
        elif what == "none":
            merchant.deal([])
        elif what == "refused":
            merchant.deal(stage=Stage.FAILED, problem="it did not work out")
        else:
            merchant.deal(fresh, stage=Stage.UNCLEAR, refunded=Money("1.00", "CNY"))

    @rule(name=names, sku=st.sampled_from(SKUS), price=st.sampled_from(["7.00", "9.00", "11.00"]))
    def reprice(self, name, sku, price):
        self.merchants[name].goods[_item(name, sku)].price = Money(price, "CNY")

    @rule(name=names, sku=st.sampled_from(SKUS), left=st.integers(0, 3))
    def sell_out(self, name, sku, left):
        self.merchants[name].goods[_item(name, sku)].stock = left

    @rule(name=names, which=picks, is_all=st.booleans())
    def refund(self, name, which, is_all):
        """Pay back what can still be looked up, or is over anyway."""
        merchant = self.merchants[name]
        found = [
            row
            for row in self.store.purchases()
            if row.reference in merchant.sales
            and merchant.net(row.reference).minor
            and not merchant.sales[row.reference][0].ending.refunded
            and (row.state == "done" or merchant.finds == "reference")
        ]
        if found:
            row = found[which % len(found)]
            net = merchant.net(row.reference)
            back = net if is_all else Money("0.50", "CNY")
            merchant.refund(row.reference, back)
            if row.state in OVER:
                self.paid_back[row.reference] += back

    @rule(host=hosts, which=picks)
    def call_back(self, host, which):
        """A supplier says that there is news of a purchase."""
        purchases = self.store.purchases()
        if purchases:
            row = purchases[which % len(purchases)]
            headers = {"proof": "genuine"}
            inbound = Inbound(method="POST", path="/", headers=headers, body=row.reference.encode())
            assert self.hosts[host].receive(row.supplier, inbound).body == b"accepted"

    @rule(
        name=names, capability=st.sampled_from(list(failures)),
        moment=st.sampled_from(["before", "after"]),
        what=st.sampled_from(["resume", "late", "call_back", "dispatch", "restock", "cancel"]),
        which=picks,
    )  # fmt: skip
    def meanwhile(self, name, capability, moment, what, which):
        """While the next such call is made, the other host does something, or time flies."""

        def happen():
            if what == "late":
                self.clock.advance(61)
                self.hosts[1].resume()
            elif what == "resume":
                self.hosts[1].resume()
            elif what == "call_back":
                purchases = self.store.purchases()
                if purchases:
                    self.call_back(1, len(purchases) - 1)
            elif what == "dispatch" and self.content:
                self.note(self.hosts[1].dispatch(self.order(self.pick(which), None)))
            elif what == "restock":
                self.hosts[1].supply.restock()
            elif what == "cancel" and self.content:
                self.cancel(1, which)

        self.merchants[name].meanwhile[capability, moment].append(happen)

    @rule(host=hosts)
    def restock(self, host):
        self.hosts[host].supply.restock()

    @rule(host=hosts)
    def look(self, host):
        """Ask every supplier what it offers and how much money it holds."""
        self.hosts[host].supply.sync()
        self.hosts[host].supply.offers("steam")

    # --- people ---

    @rule(host=hosts, which=picks)
    def retry(self, host, which):
        held = self.held()
        if held:
            row = held[which % len(held)]
            with suppress(IllegalTransition):  # its line went on without it
                self.hosts[host].supply.retry(row.reference, by="eve")

    @rule(host=hosts, which=picks)
    def resolve(self, host, which):
        """A person looks into the supplier's records, and says what is true."""
        held = self.held()
        if held:
            self.decide(host, held[which % len(held)])

    @precondition(lambda self: self.content)
    @rule(host=hosts, which=picks)
    def cancel(self, host, which):
        with suppress(IllegalTransition, OrderNotFound):
            self.note(self.hosts[host].cancel("till", self.number(which), reason="tired"))

    @precondition(lambda self: self.content)
    @rule(host=hosts, which=picks)
    def approve(self, host, which):
        with suppress(IllegalTransition, OrderNotFound):
            self.note(self.hosts[host].review.approve("till", self.number(which), by="eve"))

    @precondition(lambda self: self.content)
    @rule(host=hosts, which=picks)
    def reject(self, host, which):
        with suppress(IllegalTransition, OrderNotFound):
            self.hosts[host].review.reject("till", self.number(which), by="eve", why="fraud")

    @precondition(lambda self: self.content)
    @rule(host=hosts, which=picks, line_no=st.integers(1, 2))
    def fulfil(self, host, which, line_no):
        number = self.pick(which)
        wanted = self.content[number]
        if line_no > len(wanted):
            return
        sku, units = wanted[line_no - 1]
        cards = [f"typed-{next(self.serial)}" for _ in range(0 if sku == "phone" else units)]
        with suppress(IllegalTransition, OrderNotFound):
            self.note(
                self.hosts[host].review.fulfil("till", f"N{number}", line_no, by="eve", cards=cards)
            )

    # --- what must hold ---

    @precondition(lambda self: self.hosts)
    @invariant()
    def all_of_it(self):
        report = self.hosts[0].ledger.verify()
        assert report.ok, report.faults
        self.every_line_stands_somewhere()
        purchases = self.store.purchases()
        self.nothing_was_bought_twice(purchases)
        self.the_money_is_accounted_for(purchases)
        self.nothing_that_was_paid_for_is_lost(purchases)

    def every_line_stands_somewhere(self):
        for number, wanted in self.content.items():
            receipt = self.hosts[1].receipt("till", f"N{number}")
            if receipt is None:
                continue
            assert len(receipt.lines) == len(wanted)
            for line in receipt.lines:
                assert line.reason in VISIBLE[line.outcome], line
            self.note(receipt)

    def nothing_was_bought_twice(self, purchases):
        """One reference is sold once, and while a purchase may have been made there is no other."""
        known = {(row.supplier, row.reference) for row in purchases}
        for name, merchant in self.merchants.items():
            for reference, sales in merchant.sales.items():
                assert len(sales) == 1, f"{name} sold {reference} twice"
                assert (name, reference) in known, f"nobody wrote {reference} down"
        needs = defaultdict(list)
        for row in purchases:
            needs[row.need].append(row)
        for need, rows in needs.items():
            assert sum(row.state not in OVER for row in rows) <= 1, need
            for earlier, later in pairwise(rows):
                assert earlier.state in OVER, f"{need} was bought again before it was clear"
                assert earlier.changed_at <= later.created_at
        for row in purchases:
            if row.state == "failed":  # or something else was, or will be, bought instead of it
                assert not self.merchants[row.supplier].net(row.reference).minor, row

    def the_money_is_accounted_for(self, purchases):
        """What a wholesaler got is what its purchases cost, to the cent."""
        for name, merchant in self.merchants.items():
            total = Money(0, "CNY")
            for row in purchases:
                if row.supplier != name:
                    continue
                if row.state in OVER:
                    assert row.cost_minor is not None or row.state == "failed", row
                    total += Money.from_minor(row.cost_minor or 0, "CNY")
                    total -= self.paid_back[row.reference]
                else:
                    total += merchant.net(row.reference)
            assert total == merchant.spent, name
        worth = dict(
            self.store.rows(
                "SELECT provenance, SUM(added * cost_minor) FROM autocard_batches GROUP BY 1"
            )
        )
        for row in purchases:
            if row.state == "done" and row.warehouse and row.reference not in self.resolved:
                assert row.arrived == row.quantity
                assert worth[f"purchase {row.reference} from {row.supplier}"] == row.cost_minor

    def nothing_that_was_paid_for_is_lost(self, purchases):
        """Every card that came with an answer we heard is in the store."""
        for row in purchases:
            is_told = row.state in {"done", "held"} and row.cost_minor is not None
            if not is_told or not row.warehouse or row.reference in self.resolved:
                continue
            for sale in self.merchants[row.supplier].sales.get(row.reference, ()):
                for card in sale.ending.cards:
                    text = card.secret.reveal()
                    if text not in self.kept:
                        assert self.hosts[0].cards.find(text), (row.reference, text)
                        self.kept.add(text)

    # --- the end ---

    def teardown(self):
        try:
            if self.hosts and sys.exc_info()[0] is None:
                self.drain()
        finally:
            self.store.close()
            for engine in self.hosts:
                engine.close()
            shutil.rmtree(self.folder)

    def drain(self):
        """With honest suppliers and a diligent person nothing stays undone."""
        for name, merchant in self.merchants.items():
            merchant.meanwhile.clear()
            merchant._failures.clear()
            merchant._deals.clear()
            merchant.finish()
            merchant.hides = merchant.waits = 0
            for good in merchant.goods.values():
                good.price, good.stock = Money(PRICES[name], "CNY"), 1_000_000
        self.bring(0, "gift", 50)  # a restock looks at what there is, not at what is waited for
        for _ in range(40):
            self.clock.advance(700)
            happened = self.hosts[1].resume(limit=500).total
            held = self.held()
            for row in held:
                self.decide(0, row)
            if not happened and not held:
                break
        else:
            raise AssertionError("it never comes to an end")
        self.all_of_it()
        left = [row for row in self.store.purchases() if row.state not in OVER]
        assert left == []
        for number in self.content:
            receipt = self.hosts[0].receipt("till", f"N{number}")
            for line in receipt.lines if receipt else ():
                is_over = line.outcome in {
                    Outcome.DELIVERED, Outcome.CANCELLED, Outcome.REJECTED,
                }  # fmt: skip
                # Every supplier was tried as often as it may be; now a person goes on with it.
                is_used_up = line.reason in {Reason.SUPPLY, Reason.MANUAL} and line.why
                assert is_over or is_used_up, line

    # --- help ---

    def held(self):
        return [row for row in self.store.purchases() if row.state == "held"]

    def decide(self, host, row):
        desk, merchant = self.hosts[host].supply, self.merchants[row.supplier]
        net = merchant.net(row.reference)
        self.resolved.add(row.reference)
        if not net.minor:
            desk.resolve(row.reference, "failed", by="eve", why="not in their records")
            return
        came = merchant.sales[row.reference][0].ending.cards if row.warehouse else ()
        missing = [
            text
            for text in dict.fromkeys(card.secret.reveal() for card in came)
            if text != "N/A" and self.hosts[host].cards.find(text) is None
        ]
        with suppress(InvalidOrder):
            desk.resolve(
                row.reference, "bought", by="eve", why="in their records", cost=net,
                cards=missing[: row.quantity - row.arrived],
            )  # fmt: skip

    def pick(self, which):
        return list(self.content)[which % len(self.content)]

    def number(self, which):
        return f"N{self.pick(which)}"

    def order(self, number, wanted):
        """Return the order of this number; what it contains was decided when it was new."""
        wanted = self.content.setdefault(number, wanted)
        price = Money("10.00", "CNY")
        return Order(
            platform="till",
            order_no=f"N{number}",
            lines=[
                OrderLine(
                    item=sku, quantity=units, unit_price=price,
                    target="13800000000" if sku == "phone" else "",
                )
                for sku, units in wanted
            ],
            payment=Payment(paid=price * sum(units for _, units in wanted), reference="pay"),
            buyer=Buyer(id="u1", contact="u1@example.com"),
        )  # fmt: skip

    def note(self, receipt):
        """Remember which cards a line was shown with; it never shows others, nor does another."""
        for line in receipt.lines:
            if line.outcome is not Outcome.DELIVERED:
                assert not line.cards
                continue
            texts = [card.text().reveal() for card in line.cards]
            assert len(set(texts)) == (0 if line.sku == "phone" else line.quantity), line
            own = (receipt.order_no, line.line_no)
            assert self.line_cards.setdefault(own, texts) == texts
            for text in texts:
                assert not re.fullmatch("(?i)n/a", text), "a placeholder was sold"
                assert self.owner.setdefault(text, own) == own, f"{text} went to two lines"


def _make(url, folder):
    table = _table(url, folder, {name: Wholesaler() for name in NAMES})
    Engine.open(table, create=True, plugins=[ScriptedAdapters()]).close()


def test_buying_is_exactly_once(tmp_path, shop_url, store_kind, stores):
    """Whatever is lost, repeated, refused or sent wrong: nothing is bought twice or unaccounted."""
    world = World(tmp_path, shop_url, stores, _make)
    examples = EXAMPLES if store_kind == "sqlite" else EXAMPLES_ON_SERVERS
    run(Market, examples=examples, steps=STEPS, template=world)
