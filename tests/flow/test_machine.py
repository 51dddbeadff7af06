"""One machine drives the whole engine, two hosts at once, and looks at every book after each step."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
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
    CardNotFound,
    Engine,
    IllegalTransition,
    Inbound,
    InvalidOrder,
    Money,
    Order,
    OrderConflict,
    OrderLine,
    OrderNotFound,
    Outcome,
    Payment,
    Reason,
    RejectedError,
    TransientError,
    UnknownOutcome,
    UnsupportedFeature,
)
from autocard.testing import FakeClock, Script, ScriptedAdapters

pytestmark = pytest.mark.long

EXAMPLES = int(os.environ.get("AUTOCARD_EXAMPLES", "60"))
# A server is asked over a wire, and each look at all the books is a dozen questions.
EXAMPLES_ON_SERVERS = max(1, EXAMPLES // 4)
STEPS = 40
# `shop` and `web` get cards pushed or returned, `post` by a channel that is blind, `hook` by one
# that may be repeated and to the caller as well; `till` is not configured: the host speaks for it.
PLATFORMS = ("shop", "web", "post", "hook", "till")
CONFIGURED = PLATFORMS[:-1]
TABLES = ("orders", "lines", "cards", "shares", "intents", "events", "movements")
EVENTS = TABLES.index("events")
SKUS = ("steam", "fair", "gift", "hand", "phone")
OUT = ("issued", "delivered")

# What may become of a line. PENDING is what the engine, HELD what a person goes on with.
VISIBLE = {
    Outcome.DELIVERED: {Reason.NONE},
    Outcome.PENDING: {
        Reason.UNPAID, Reason.UNCONFIRMED, Reason.SHORT, Reason.MANUAL, Reason.DELIVERING,
    },
    Outcome.HELD: {
        Reason.UNPAID, Reason.UNMATCHED, Reason.REVIEW, Reason.AMOUNT_MISMATCH, Reason.EXPIRED,
        Reason.UNKNOWN_DELIVERY, Reason.UNDELIVERED, Reason.BUYER_LIMIT, Reason.CANCELLED,
    },
    Outcome.CANCELLED: {Reason.SHORT, Reason.UNMATCHED, Reason.EXPIRED, Reason.CANCELLED},
    Outcome.REJECTED: {Reason.REJECTED},
}  # fmt: skip

items = st.sampled_from([*SKUS, "steam", "steam", "hand", "unheard-of"])
lines = st.lists(st.tuples(items, st.integers(1, 4)), min_size=1, max_size=2)
numbers = st.integers(0, 3)
platforms = st.sampled_from([*PLATFORMS, "shop", "post", "shop", "post"])
known = st.integers(0, 19)
hosts = st.integers(0, 1)
failures = st.sampled_from(
    [
        None,
        TransientError("not now", retry_after_s=60),
        RejectedError("never"),
        UnknownOutcome("lost before"),
        RuntimeError("a bug in an adapter"),
        (UnknownOutcome("lost after"),),
        (RuntimeError("a bug after the effect"),),
    ]
)


def _table(url, folder, scripts, late):
    script, mail, hook = scripts

    def scripted(**more):
        return {"adapter": "scripted", "script": script, **more}

    return {
        "store": url,
        "keyring": f"file:{folder}/shop.keyring",
        "skus": {
            "steam": {},
            "fair": {"overtake": False},
            "gift": {"kind": "shared", "cap": 3, "per_buyer": 4},
            "hand": {"sources": ["warehouse:main", "warehouse:backup", "manual"]},
            "phone": {"kind": "topup"},
        },
        "platforms": {
            "shop": scripted(),
            "web": scripted(deliver=["direct"], confirm=False),
            "post": scripted(deliver=["channel:mail"]),
            "hook": scripted(deliver=["direct", "channel:hook"], confirm=False),
        },
        "channels": {
            "mail": {"adapter": "scripted", "script": mail},
            "hook": {"adapter": "repeatable", "script": hook},
        },
        "delivery": {"tries": 3, "first_retry_s": 1, "jitter": 0, "lease_s": 60},
        "review": {"amount_over": "60.00 CNY"},
        "late_payment": late,
    }


class Books:
    """Looks at the tables behind the engines' back; each sees what is committed at that moment."""

    def __init__(self, url):
        self._engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        self._connection = self._engine.connect()
        self._mark = "?" if self._engine.dialect.paramstyle == "qmark" else "%s"

    def execute(self, statement, parameters=()):
        marked = statement.replace("?", self._mark)
        return self._connection.exec_driver_sql(marked, tuple(parameters))

    def close(self):
        self._connection.close()
        self._engine.dispose()


class Shop(RuleBasedStateMachine):
    """Random orders, cards, payments, failures and people, on two hosts that share a store."""

    template: World

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="autocard-machine-"))
        self.url = self.template.fill(self.folder)
        self.clock = FakeClock()
        self.script, self.mail, self.hook = Script(), Script(), Script()
        self.store = Books(self.url)
        self.hosts = []
        self.content = {}  # what was first said of an order, by platform and number
        self.added = self.serial = 0
        self.resent = set()
        self.before = {}
        self.line_cards = {}
        self.owner = {}

    @initialize(late=st.sampled_from(["wait", "refund"]), stocked=st.booleans())
    def open(self, late, stocked):
        for _ in range(2):
            self.hosts.append(
                Engine.open(
                    _table(self.url, self.folder, (self.script, self.mail, self.hook), late),
                    clock=self.clock,
                    plugins=[ScriptedAdapters()],
                )
            )
        if stocked:
            for sku in ("steam", "fair", "hand", "gift"):
                self.bring(0, sku, "main", 0, 4, None)

    # --- cards ---

    @rule(
        host=hosts,
        sku=st.sampled_from(SKUS[:-1]),
        warehouse=st.sampled_from(["main", "backup"]),
        start=st.integers(0, 12),
        count=st.integers(1, 4),
        life=st.none() | st.integers(1, 200),
    )
    def bring(self, host, sku, warehouse, start, count, life):
        """Import cards; many were brought before, or sold."""
        expires = None if life is None else self.clock.now() + timedelta(seconds=life)
        report = self.hosts[host].cards.add(
            sku,
            [f"{sku}-{i:04d}" for i in (*range(start, start + count), start)],
            warehouse=warehouse,
            expires_at=expires,
        )
        assert report.total == count + 1
        assert report.duplicate_in_file == 1
        self.added += report.added

    @precondition(lambda self: self.added)
    @rule(host=hosts, which=st.integers(0, 40))
    def void(self, host, which):
        cards = self.store.execute("SELECT id FROM autocard_cards WHERE state <> 'void'").fetchall()
        if cards:
            card = cards[which % len(cards)][0]
            self.hosts[host].cards.void(card, by="eve", why="it was shown to somebody")

    @rule(host=hosts, back=st.booleans(), quantity=st.integers(1, 3))
    def move(self, host, back, quantity):
        ends = ("backup", "main") if back else ("main", "backup")
        with suppress(CardNotFound):
            self.hosts[host].cards.move(
                "hand", origin=ends[0], destination=ends[1], quantity=quantity
            )

    @rule(host=hosts, batch=st.integers(1, 5))
    def undo(self, host, batch):
        with suppress(CardNotFound, IllegalTransition):
            self.hosts[host].cards.undo(self.nth("batches", batch), by="eve", why="the wrong file")

    # --- orders ---

    @rule(
        host=hosts, platform=platforms, number=numbers, wanted=lines, trouble=failures,
        paid=st.sampled_from(["all", "all", "all", "less"]),
    )  # fmt: skip
    def dispatch(self, host, platform, number, wanted, trouble, paid):
        self.script.failures.appendleft(trouble)
        self.mail.failures.appendleft(trouble)
        order = self.order(platform, number, wanted, paid)
        if self.is_given_up(order):
            with pytest.raises(OrderConflict):
                self.hosts[host].dispatch(order)
            return
        known = self.is_paid(order)
        books = self.books() if known else None
        waiting = {sku for sku in SKUS if self.waits(sku)}
        receipt = self.hosts[host].dispatch(order)
        assert receipt.replayed == known
        if known:
            after = self.books()
            if after != books:  # that another amount was paid is news, and all that changes
                assert "payment.repeated" in after[EVENTS].pop()
            assert after == books, "a repeated order changed something"
        else:
            for line in receipt.lines:
                overtook = line.sku == "fair" and "fair" in waiting and line.cards
                assert not overtook or self.was_reserved(order), "a line overtook another"
        self.note(receipt)

    @rule(
        host=hosts, platform=platforms,
        wanted=st.lists(st.tuples(numbers, lines), min_size=1, max_size=3),
    )  # fmt: skip
    def dispatch_many(self, host, platform, wanted):
        many = [self.order(platform, number, each, "all") for number, each in wanted]
        many = [order for order in many if not self.is_given_up(order)]
        for receipt in self.hosts[host].dispatch_many(many):
            self.note(receipt)

    @precondition(lambda self: self.content)
    @rule(host=hosts, which=known)
    def contradict(self, host, which):
        """The same number with other lines changes nothing."""
        platform, number = self.pick(which)
        if (platform, number) not in self.content:
            return
        wanted = [*self.content[platform, number], ("steam", 1)]
        order = self.order(platform, number, None, "all", wanted)
        books = self.books()
        if self.digest(order) is None:
            return
        with pytest.raises(OrderConflict):
            self.hosts[host].dispatch(order)
        with pytest.raises(OrderConflict):
            self.hosts[host].expect(attrs.evolve(order, payment=None))
        assert self.books() == books

    @rule(host=hosts, platform=platforms, number=numbers, wanted=lines, ttl=st.integers(1, 100))
    def reserve(self, host, platform, number, wanted, ttl):
        order = self.order(platform, number, wanted, None)
        try:
            self.note(self.hosts[host].reserve(order, ttl_s=ttl))
        except IllegalTransition:
            assert ("cancelled", "cancelled") in self.states(order)
        except OrderConflict:
            assert self.is_given_up(order)

    @rule(host=hosts, platform=platforms, number=numbers, wanted=lines)
    def expect(self, host, platform, number, wanted):
        order = self.order(platform, number, wanted, None)
        try:
            self.note(self.hosts[host].expect(order))
        except OrderConflict:
            assert self.is_given_up(order)

    @precondition(lambda self: self.content)
    @rule(host=hosts, which=known)
    def cancel(self, host, which):
        platform, number = self.pick(which)
        with suppress(OrderNotFound, IllegalTransition):
            self.note(self.hosts[host].cancel(platform, f"N{number}", reason="changed my mind"))

    @rule(
        host=hosts, platform=st.sampled_from(CONFIGURED), number=numbers, wanted=lines,
        knows_lines=st.booleans(), genuine=st.sampled_from([True, True, True, False]),
    )  # fmt: skip
    def receive(self, host, platform, number, wanted, knows_lines, genuine):
        """A notification comes; it may know nothing but number and amount."""
        order = self.order(platform, number, wanted, "all")
        said = order if knows_lines else attrs.evolve(order, lines=())
        self.script.orders[:] = [said]
        books = self.books()
        headers = {"proof": "genuine"} if genuine else {}
        reply = self.hosts[host].receive(
            platform,
            Inbound(method="POST", path="/", headers=headers, body=order.order_no.encode()),
        )
        if genuine:
            contradicts = knows_lines and self.is_given_up(order)
            assert reply.body == (b"refused" if contradicts else b"accepted")
            assert self.row(order, "id") is not None
        else:
            assert reply.body == b"refused"
            assert self.books() == books

    # --- time and trouble ---

    @rule(host=hosts, seconds=st.sampled_from([0, 0, 70, 200]))
    def resume(self, host, seconds):
        self.clock.advance(seconds)
        self.hosts[host].resume()

    @rule(seconds=st.sampled_from([1, 5, 70, 200]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(
        which=st.sampled_from(["script", "mail", "hook"]),
        how=st.lists(failures, min_size=1, max_size=4),
    )
    def fail(self, which, how):
        getattr(self, which).fail(*how)

    # --- people ---

    @precondition(lambda self: self.content)
    @rule(host=hosts, which=known, sku=st.sampled_from([None, "steam"]))
    def approve(self, host, which, sku):
        platform, number = self.pick(which)
        with suppress(OrderNotFound, IllegalTransition):
            self.note(self.hosts[host].review.approve(platform, f"N{number}", by="eve", sku=sku))

    @precondition(lambda self: self.content)
    @rule(host=hosts, which=known, refund=st.booleans())
    def reject(self, host, which, refund):
        platform, number = self.pick(which)
        with suppress(OrderNotFound, IllegalTransition, UnsupportedFeature):
            self.hosts[host].review.reject(
                platform, f"N{number}", by="eve", why="fraud", refund=refund
            )

    @precondition(lambda self: self.content)
    @rule(host=hosts, which=known, line_no=st.integers(1, 2), data=st.data())
    def fulfil(self, host, which, line_no, data):
        platform, number = self.pick(which)
        found = self.store.execute(
            "SELECT l.units, l.sku FROM autocard_lines l JOIN autocard_orders o "
            "ON o.id = l.order_id WHERE platform = ? AND order_no = ? AND line_no = ?",
            (platform, f"N{number}", line_no),
        ).fetchone()
        units, sku = found or (1, "steam")
        picks = data.draw(st.lists(st.integers(1, 24), max_size=units, unique=True))
        picks = [x for x in (self.nth("cards", x) for x in picks) if self.is_fresh(x)]
        texts = [f"{sku}-typed-{self.serial + i}" for i in range(units - len(picks))]
        self.serial += len(texts)
        try:
            receipt = self.hosts[host].review.fulfil(
                platform, f"N{number}", line_no, by="eve", cards=texts, picks=picks
            )
        except (OrderNotFound, IllegalTransition, InvalidOrder, CardNotFound):
            return
        self.added += len(texts)
        self.note(receipt)

    @precondition(lambda self: self.content)
    @rule(
        host=hosts, which=known,
        route=st.sampled_from([None, "platform", "channel:mail", "channel:hook"]),
    )  # fmt: skip
    def resend(self, host, which, route):
        platform, number = self.pick(which)
        if platform not in CONFIGURED and route == "platform":
            return
        review = self.hosts[host].review
        with suppress(OrderNotFound, IllegalTransition):
            self.note(review.resend(platform, f"N{number}", by="eve", why="lost", route=route))
            self.resent.add((platform, f"N{number}"))

    @precondition(lambda self: self.content)
    @rule(host=hosts, which=known)
    def settle(self, host, which):
        platform, number = self.pick(which)
        with suppress(OrderNotFound, IllegalTransition):
            self.note(
                self.hosts[host].review.settle(platform, f"N{number}", by="eve", why="he says so")
            )

    # --- what must hold ---

    @precondition(lambda self: self.hosts)
    @invariant()
    def all_of_it(self):
        self.the_books_agree()
        self.what_left_stock_never_returns()
        self.every_order_stands_somewhere()
        self.the_outside_saw_one_truth()

    def the_books_agree(self):
        engine = self.hosts[0]
        report = engine.ledger.verify()
        assert report.ok, report.faults
        counted = dict(
            self.store.execute(
                "SELECT state, COUNT(*) FROM autocard_cards GROUP BY state"
            ).fetchall()
        )
        assert sum(counted.values()) == self.added == report.cards
        levels = engine.cards.stock()
        for state in ("available", "reserved", "issued", "delivered", "void"):
            assert sum(getattr(x, state) for x in levels) == counted.get(state, 0)

    def what_left_stock_never_returns(self):
        now_ms = int(self.clock.now().timestamp() * 1000)
        seen = {}
        for card, state, order, line, uses, expires in self.store.execute(
            "SELECT id, state, order_id, line_no, uses, expires_at FROM autocard_cards"
        ):
            was = self.before.get(card, ("available", None, None))
            seen[card] = (state, order, line)
            if was[0] in OUT:
                assert state in {was[0], "delivered", "void"}, (card, was, state)
                assert was[1:] == (order, line)
            elif was[0] == "void":
                assert state == "void"
            if state in OUT and was[0] not in OUT and not uses:
                assert expires > now_ms, f"card {card} went out after it had expired"
        self.before = seen

    def every_order_stands_somewhere(self):
        for (platform, number), content in self.content.items():
            receipt = self.hosts[1].receipt(platform, f"N{number}")
            if receipt is None:
                continue
            self.note(receipt)
            known = [x for x in receipt.lines if x.item != "(not registered)"]
            assert len(known) in {0, len(content)}, (receipt, content)
            for line in receipt.lines:
                assert line.reason in VISIBLE[line.outcome], line
                unpaid = line.reason is Reason.UNPAID and line.outcome is Outcome.PENDING
                assert unpaid or receipt.lines
        for order, in self.store.execute(
            "SELECT order_no FROM autocard_orders o WHERE digest IS NOT NULL AND NOT EXISTS "
            "(SELECT 1 FROM autocard_lines l WHERE l.order_id = o.id)"
        ):  # fmt: skip
            raise AssertionError(f"{order} has no line that would say how it stands")

    def the_outside_saw_one_truth(self):
        for script in (self.script, self.mail, self.hook):
            for deliveries in script.delivered.values():
                for delivery in deliveries:
                    key = (delivery.platform, delivery.order_no, delivery.line_no)
                    self.own(key, delivery.cards)
        for reference, deliveries in (self.script.delivered | self.mail.delivered).items():
            first = deliveries[0]
            if (first.platform, first.order_no) not in self.resent:
                assert len(deliveries) == 1, f"{reference} was sent twice, and nobody asked for it"
        refunds = [refund.order_no for refund in self.script.refunded]
        assert len(refunds) == len({(x.platform, x.order_no) for x in self.script.refunded})
        for refund in self.script.refunded:
            receipt = self.hosts[0].receipt(refund.platform, refund.order_no)
            assert not receipt.cards, "an order was refunded and its cards are shown"

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
        """With stock and without trouble nothing that the engine can do by itself stays undone."""
        for script in (self.script, self.mail, self.hook):
            script.failures.clear()
        for sku in SKUS[:-1]:
            report = self.hosts[0].cards.add(sku, [f"{sku}-plenty-{i}" for i in range(150)])
            self.added += report.added
        for _ in range(20):
            self.clock.advance(100)
            if self.hosts[1].resume(limit=500).total == 0:
                break
        else:
            raise AssertionError("resume never comes to an end")
        left = self.store.execute(
            "SELECT order_no, reason FROM autocard_lines JOIN autocard_orders ON id = order_id "
            "WHERE outcome = 'pending' AND (reason IN ('short', 'delivering') "
            "OR reason = 'manual' AND sku <> 'phone' OR reason = 'unpaid' AND paid_at IS NOT NULL)"
        ).fetchall()
        assert left == []
        self.the_books_agree()
        self.every_order_stands_somewhere()
        self.the_outside_saw_one_truth()

    # --- help ---

    def nth(self, table, number):
        """Return the id of the row that came in as the *number*th; of none if there are fewer."""
        ids = [row[0] for row in self.store.execute(f"SELECT id FROM autocard_{table} ORDER BY id")]
        return ids[number - 1] if number <= len(ids) else 10_000_000 + number

    def pick(self, which):
        """Return platform and number of one of the orders that were spoken of."""
        return list(self.content)[which % len(self.content)]

    def order(self, platform, number, wanted, paid, other=None):
        """Return the order of this number; what it contains was decided when it was new."""
        wanted = other or self.content.setdefault((platform, number), wanted)
        rows = [
            OrderLine(
                item=item, quantity=quantity, unit_price=Money("10.00", "CNY"),
                target="13800000000" if item == "phone" else "",
            )
            for item, quantity in wanted
        ]  # fmt: skip
        total = 10 * sum(quantity for _, quantity in wanted)
        payment = None
        if paid is not None:
            amount = total if paid == "all" else total - 1
            payment = Payment(paid=Money(amount, "CNY"), reference=f"pay-{number}")
        return Order(
            platform=platform, order_no=f"N{number}", lines=rows, payment=payment,
            buyer=Buyer(id=f"u{number % 3}", contact=f"u{number % 3}@example.com"),
        )  # fmt: skip

    def row(self, order, columns):
        return self.store.execute(
            f"SELECT {columns} FROM autocard_orders WHERE platform = ? AND order_no = ?",
            (order.platform, order.order_no),
        ).fetchone()

    def is_paid(self, order):
        return self.row(order, "paid_at IS NOT NULL AND digest IS NOT NULL") == (1,)

    def digest(self, order):
        found = self.row(order, "digest")
        return found and found[0]

    def was_reserved(self, order):
        told = self.row(order, "id")
        sql = "SELECT COUNT(*) FROM autocard_movements WHERE cause_id = ? AND target = 'reserved'"
        return self.store.execute(sql, told).fetchone()[0] > 0

    def waits(self, sku):
        sql = "SELECT 1 FROM autocard_lines WHERE sku = ? AND outcome = 'pending' AND reason = 'short'"
        return self.store.execute(sql, (sku,)).fetchone() is not None

    def is_fresh(self, card):
        now_ms = int(self.clock.now().timestamp() * 1000)
        found = self.store.execute("SELECT expires_at FROM autocard_cards WHERE id = ?", (card,))
        return (found.fetchone() or (0,))[0] > now_ms

    def states(self, order):
        sql = "SELECT outcome, reason FROM autocard_lines WHERE order_id = ?"
        return {tuple(row) for row in self.store.execute(sql, self.row(order, "id"))}

    def is_given_up(self, order):
        """Say whether it was paid before anybody registered it, and a person closed it."""
        sql = "SELECT COUNT(*) FROM autocard_lines WHERE order_id = ? AND item = '(not registered)'"
        found = self.row(order, "id")
        return found is not None and self.store.execute(sql, found).fetchone()[0] > 0

    def voided(self, platform, order_no, line_no):
        sql = (
            "SELECT COUNT(*) FROM autocard_cards c JOIN autocard_orders o ON o.id = c.order_id "
            "WHERE platform = ? AND order_no = ? AND line_no = ? AND state = 'void'"
        )
        return self.store.execute(sql, (platform, order_no, line_no)).fetchone()[0]

    def books(self):
        """Return everything that an order could change."""
        return [
            self.store.execute(f"SELECT * FROM autocard_{table} ORDER BY 1, 2").fetchall()
            for table in TABLES
        ]

    def note(self, receipt):
        """Remember which cards a line was shown with; it never shows others."""
        for line in receipt.lines:
            if line.outcome is Outcome.DELIVERED:
                self.own((receipt.platform, receipt.order_no, line.line_no), line.cards)
            else:
                assert not line.cards

    def own(self, key, cards):
        texts = [card.text().reveal() for card in cards]
        first = self.line_cards.setdefault(key, texts)
        assert set(texts) <= set(first), (key, first, texts)
        if len(texts) != len(first):
            gone = len(set(first) - set(texts))
            assert gone <= self.voided(*key), "a line lost a card that nobody voided"
        for card, text in zip(cards, texts, strict=True):
            if card.sku != "gift":
                assert self.owner.setdefault(text, key) == key, f"{text} went to two lines"


def _make(url, folder):
    table = _table(url, folder, (Script(), Script(), Script()), "wait")
    Engine.open(table, create=True, plugins=[ScriptedAdapters()]).close()


def test_the_whole_engine_keeps_its_promises(tmp_path, shop_url, store_kind, stores):
    """Whatever is repeated, raced, refused or lost: one line, its cards, once, and the books agree."""
    world = World(tmp_path, shop_url, stores, _make)
    examples = EXAMPLES if store_kind == "sqlite" else EXAMPLES_ON_SERVERS
    run(Shop, examples=examples, steps=STEPS, template=world)


# --- two corners that random steps find too seldom ------------------------------------------


def test_a_card_that_expires_while_it_is_reserved_is_not_sold(shop):
    """Paid after its reserved card has expired, an order gets one that still works."""
    engine = shop.open()
    shop.stock(engine, 1, expires_at=shop.clock.now() + timedelta(seconds=10))
    shop.stock(engine, 1, start=5)
    engine.reserve(shop.order(paid=None), ttl_s=60)
    shop.clock.advance(20)
    assert shop.texts(engine.dispatch(shop.order())) == ["STEAM-000005"]


def test_a_group_does_not_overtake_itself(shop):
    """With overtake = false a small order waits behind a large one of the same group."""
    engine = shop.open(skus={"steam": {"overtake": False}})
    shop.stock(engine, 2)
    first, second = engine.dispatch_many([shop.order("B1", quantity=5), shop.order("B2")])
    assert (first.outcome, second.outcome) == (Outcome.PENDING, Outcome.PENDING)
