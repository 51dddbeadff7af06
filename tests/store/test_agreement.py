"""One machine drives every store and the model together; whatever happens, they must agree."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)
from tests.harness.machines import run

from autocard.clock import NEVER_MS
from autocard.errors import CardNotFound, IllegalTransition, StoreError
from autocard.events import line_event
from autocard.records import (
    BatchEntry,
    EventEntry,
    IntentEntry,
    LineEntry,
    NewCard,
    OfferRecord,
    Plan,
    Settlement,
    Status,
    SupplierRecord,
)
from autocard.states import CardState, IntentState, Outcome, PurchaseState, Reason
from autocard.store.opening import open_pool
from autocard.testing import MemoryPool
from autocard.testing.shelf import (
    BUYING,
    DELIVERED,
    SHORT,
    UNHEARD_OF,
    UNPAID,
    buying,
    digest,
    order,
)

pytestmark = pytest.mark.long

EXAMPLES = int(os.environ.get("AUTOCARD_EXAMPLES", "24"))
LOOK_EVERY = 4
"""Looking at everything costs more on servers, so it is done after every fourth step there."""
NOW = 1_767_323_045_000
NAMES = [f"c{i}" for i in range(24)]
KINDS = (IllegalTransition, CardNotFound, StoreError)
BUYERS = (None, digest("ann"), digest("bob"))

skus = st.sampled_from(["steam", "psn"])
warehouses = st.sampled_from(["main", "backup"])
FIRST = ["A1", "A2", "A3"]
numbers = st.sampled_from([*FIRST, *FIRST, *FIRST, "A4", "A5"])
fresh_numbers = st.sampled_from([f"A{i}" for i in range(3, 20)])
line_numbers = st.sampled_from([1, 1, 2])
cards = st.sampled_from(NAMES)
card_states = st.sampled_from(CardState)
small = st.integers(1, 4)
statuses = st.sampled_from(
    [
        DELIVERED, SHORT, UNPAID, BUYING, Status(Outcome.PENDING, Reason.MANUAL),
        Status(Outcome.HELD, Reason.REVIEW, "why"), Status(Outcome.CANCELLED, Reason.EXPIRED),
        Status(Outcome.REJECTED, Reason.REJECTED),
    ]
)  # fmt: skip


purchase_states = st.sampled_from(PurchaseState)
suppliers = st.sampled_from(["acme", "fulu"])
_NEW = [PurchaseState.PROPOSED, PurchaseState.DUE, PurchaseState.DUE, PurchaseState.SENDING]
# Most of what is tried is possible, or nothing would ever be bought.
_NEXT = {
    PurchaseState.DUE: PurchaseState.SENDING,
    PurchaseState.SENDING: PurchaseState.UNKNOWN,
    PurchaseState.UNKNOWN: PurchaseState.UNKNOWN,
    PurchaseState.ACCEPTED: PurchaseState.ACCEPTED,
}
maybe = st.sampled_from([None, None, 0, 3])


@st.composite
def settlements(draw):
    return Settlement(
        state=draw(purchase_states),
        due_ms=NOW + draw(st.integers(-2, 2)),
        calls=draw(maybe),
        misses=draw(maybe),
        remote=draw(st.sampled_from([None, "", "R1", "R2"])),
        arrived=draw(maybe),
        cost_minor=draw(maybe),
        worth_minor=draw(maybe),
        problem=draw(st.sampled_from([None, "", "why"])),
    )


@st.composite
def plans(draw):
    """A way to fill a line; batches are ordinals until a side knows their ids."""
    return Plan(
        sku=draw(st.sampled_from(["steam", "steam", "psn"])),
        quantity=draw(st.sampled_from([1, 1, 2, 3])),
        warehouses=draw(
            st.sampled_from([("main",), ("main", "backup"), ("backup", "main", "backup")])
        ),
        batches=draw(st.sampled_from([(), (), (), (1, 0), (2, 2), (5,)])),
        alive_at_ms=draw(st.sampled_from([0, NOW, NOW, NOW + 20_000])),
        in_turn=draw(st.sampled_from([False, False, True])),
        shared=draw(st.sampled_from([False, False, True])),
        cap=draw(st.sampled_from([None, 2, 5])),
        per_buyer=draw(st.sampled_from([None, None, 3])),
    )


@st.composite
def line_entries(draw, line_no):
    plan = draw(st.one_of(plans(), plans(), st.none()))
    reserves = draw(st.booleans())
    return LineEntry(
        line_no=line_no,
        item="x",
        quantity=draw(st.sampled_from([1, 1, 2, 3])),
        sku=plan.sku if plan else "",
        units=plan.quantity if plan else 0,
        batches=plan.batches if plan else (),
        sources=draw(st.sampled_from([(), ("warehouse:main", "manual")])),
        plan=plan,
        card_state=CardState.RESERVED if reserves else draw(
            st.sampled_from([CardState.ISSUED, CardState.DELIVERED])
        ),
        filled=UNPAID if reserves else DELIVERED,
        short=draw(statuses),
    )  # fmt: skip


@st.composite
def order_entries(draw, number):
    is_paid = draw(st.booleans())
    entry = order(
        number,
        draw(line_entries(1)),
        draw(line_entries(2)),
        digest=draw(st.sampled_from([None, digest("d", 32)])),
        buyer=draw(st.sampled_from(BUYERS)),
        contact=draw(st.sampled_from(BUYERS)),
        accepted_ms=NOW + draw(st.integers(-100_000_000, 0)),
        paid_ms=NOW if is_paid else None,
        reserved_until_ms=draw(st.sampled_from([None, NOW, NOW + 60_000])),
    )
    return attrs.evolve(entry, lines=entry.lines[: draw(st.integers(0, 2))])


@st.composite
def common_entries(draw, number, alive):
    """Orders of one line, most of which take from the same shelf."""
    entry = attrs.evolve(draw(order_entries(number)), accepted_ms=NOW)
    line = draw(line_entries(draw(st.sampled_from([1, 1, 1, 2]))))
    if line.plan is not None:
        line = attrs.evolve(line, plan=attrs.evolve(line.plan, alive_at_ms=alive))
    return attrs.evolve(entry, lines=(line,))


class Side:
    """One pool, spoken to in names: its ids may be others than those of the other pool."""

    def __init__(self, name, pool):
        self.name = name
        self.pool = pool
        self.batches = []  # ids, in the order they were begun

    # --- names to ids ---

    def order_id(self, number):
        found = self.pool.order("shop", number)
        return found and found.id

    def line(self, number, line_no):
        found = self.pool.order("shop", number)
        return next((x for x in found.lines if x.line_no == line_no), None) if found else None

    def card(self, name):
        found = self.pool.find_card(digest(name))
        return found and found.id

    def batch(self, ordinal):
        return self.batches[ordinal] if ordinal < len(self.batches) else UNHEARD_OF + ordinal

    def plan(self, plan):
        return plan and attrs.evolve(plan, batches=tuple(self.batch(x) for x in plan.batches))

    def entry(self, entry):
        lines = tuple(
            attrs.evolve(x, plan=self.plan(x.plan), batches=tuple(map(self.batch, x.batches)))
            for x in entry.lines
        )
        return attrs.evolve(entry, lines=lines)

    # --- ids to names ---

    def told_batch(self, batch):
        return self.batches.index(batch) if batch in self.batches else batch

    def told_line(self, line):
        batches = tuple(map(self.told_batch, line.batches))
        return attrs.evolve(line, order_id=0, batches=batches), line.status.why

    def told_order(self, stored):
        return attrs.evolve(stored, id=0, lines=()), [self.told_line(x) for x in stored.lines]

    def told_cards(self, sealed):
        return [(bytes(x.sealed), bytes(x.fingerprint), x.expires_ms) for x in sealed]

    def told_placed(self, change, entry, placed):
        """Say what became of an order, once its events are recorded as well."""
        if placed is None:
            return None
        told = zip(entry.lines, placed.lines, strict=True)
        if not placed.is_told:
            change.record(
                [
                    line_event(placed.order_id, x, status, entry.accepted_ms)
                    for x, (status, _) in told
                ]
            )
        return [(x, x.why, self.told_cards(y)) for x, y in placed.lines]

    def told_record(self, name):
        found = self.pool.find_card(digest(name))
        if found is None:
            return None
        _, sealed = self.pool.sealed_card(found.id)
        return (
            attrs.evolve(found, id=0, batch=self.told_batch(found.batch)),
            self.told_cards([sealed]),
        )

    def told_intents(self, intents):
        return [attrs.evolve(x, id=0, order_id=0) for x in intents]

    def told_purchase(self, found):
        """Say everything of a purchase but our ids; its need says whose it is."""
        if found is None:
            return None
        owner = found.order_id and self.pool.order_by_id(found.order_id).order_no
        need = "line" if owner else found.need
        return owner, attrs.evolve(found, id=0, order_id=None, need=need)

    def told_purchases(self, found):
        return [self.told_purchase(x) for x in found]

    def picture(self):
        pool = self.pool
        orders = pool.orders(limit=99)
        return {
            "orders": [self.told_order(x) for x in orders],
            "shown": [
                {n: self.told_cards(x) for n, x in pool.cards_of(each.id).items()}
                for each in orders
            ],
            "intents": [self.told_intents(pool.intents_of(x.id)) for x in orders],
            "stock": pool.stock(),
            "batches": [attrs.evolve(x, id=self.told_batch(x.id)) for x in pool.batches()],
            "known": {
                x: (y.state, self.told_batch(y.batch))
                for x, y in pool.known([digest(x) for x in NAMES]).items()
            },
            # Orders that come together may be told of in any order.
            "events": sorted(
                [attrs.evolve(x, id=0) for x in pool.events(limit=500)], key=lambda x: x.order_no
            ),
            "waiting": [self.told_line(x) for x in pool.waiting(limit=99)],
            "purchases": self.told_purchases(pool.purchases(limit=99)),
            "due": self.told_purchases(pool.due_purchases(NOW + 1, 99)),
            "sales": [pool.sales(x, 0) for x in ("steam", "psn")],
        }

    def closer_picture(self):
        """What costs more to look at, so that it is compared now and then."""
        pool = self.pool
        return {
            "cards": [self.told_record(x) for x in NAMES],
            "held": [x.order_no for x in pool.orders(outcome=Outcome.HELD, limit=3)],
            "reviewed": [x.order_no for x in pool.orders(reason=Reason.REVIEW, limit=3)],
            "ann": [x.order_no for x in pool.orders(contact=BUYERS[1])],
            "steam": pool.stock("steam"),
            "alive": pool.stock("steam", alive_at_ms=NOW + 10),
            "of steam": [self.told_line(x) for x in pool.waiting(sku="steam", limit=2)],
            "lapsed": [x.order_no for x in pool.lapsed(NOW + 30_000, 2)],
            "unconfirmed": [x.order_no for x in pool.unconfirmed(2)],
            "open": [
                pool.change(lambda c, x=x: c.open_purchases(self.order_id(x) or UNHEARD_OF))
                for x in FIRST
            ],
            "bought": [
                self.told_purchases(pool.purchases(order_id=self.order_id(x) or UNHEARD_OF))
                for x in FIRST
            ],
            "held purchases": self.told_purchases(
                pool.purchases(state=PurchaseState.HELD, supplier="fulu", limit=2)
            ),
            "of acme": [self.told_purchase(pool.purchase_of("acme", x)) for x in ("R1", "")],
            "suppliers": pool.supplier_records(),
            "offers": pool.offers(),
            "sold today": pool.sales("steam", NOW // 86_400_000),
            "history": [pool.history(x, "shop", "A1", NOW) for x in BUYERS],
        }


class Agreement(RuleBasedStateMachine):
    """Random changes, some of which fail half-way, on every side."""

    stores: object
    kinds: tuple[str, ...]

    def __init__(self):
        super().__init__()
        self.urls = [self.stores.migrated(kind) for kind in self.kinds]
        pools = [open_pool(url, base=Path(), create=False) for url in self.urls]
        self.sides = (*map(Side, self.kinds, pools), Side("the model", MemoryPool()))
        self.serial = 0
        self.step = 0

    def both(self, work, *, fails=False):
        """Run *work* in one transaction on each side; all must answer or refuse alike."""
        answers, errors = [], []
        for side in self.sides:
            begun = len(side.batches)
            try:
                with side.pool.transaction() as change:
                    answers.append(work(side, change))
                    if fails:
                        raise ZeroDivisionError
            except KINDS as error:
                answers.append(next(x for x in KINDS if isinstance(error, x)))
                errors.append(error)
                del side.batches[begun:]
            except ZeroDivisionError:
                del side.batches[begun:]
        for side, answer in zip(self.sides, answers, strict=True):
            assert answer == answers[-1], (side.name, errors)
        return answers[-1]

    @initialize(stocked=st.sampled_from([True, True, False]), data=st.data())
    def stock(self, stocked, data):
        """Later cards expire earlier, so that every order of taking them is another one."""
        if stocked:
            self._bring(NAMES[:4], "steam", "main", 50_000)
            self._bring(NAMES[4:8], "steam", "main", 10_000)
            self._bring(NAMES[8:11], "steam", "backup", None)
            self._bring(NAMES[11:14], "psn", "main", None)
        for number in FIRST:
            self._place(data.draw(order_entries(number)))
            self._intend(number, 1, 0, None)

    # --- cards ---

    @rule(
        names=st.lists(cards, max_size=8, unique=True), sku=skus, warehouse=warehouses,
        life=st.sampled_from([None, 10_000, 10_000, 50_000]), fails=st.booleans(),
    )  # fmt: skip
    def bring(self, names, sku, warehouse, life, fails):
        self._bring(names, sku, warehouse, life, fails=fails)

    def _bring(self, names, sku, warehouse, life, *, fails=False):
        expires = NEVER_MS if life is None else NOW + life
        fresh = [NewCard(i, digest(x), x.encode(), expires) for i, x in enumerate(names)]
        entry = BatchEntry(
            sku=sku, warehouse=warehouse, format="plain", cost_minor=1, currency="CNY",
            imported_ms=NOW,
        )  # fmt: skip

        def work(side, change):
            side.batches.append(change.begin_batch(entry))
            known = change.add_cards(side.batches[-1], fresh, now_ms=NOW)
            return {x: (y.state, side.told_batch(y.batch)) for x, y in known.items()}

        self.both(work, fails=fails)

    @rule(ordinal=st.integers(0, 6), names=st.lists(cards, min_size=1, max_size=3, unique=True))
    def bring_more(self, ordinal, names):
        fresh = [NewCard(1, digest(x), x.encode()) for x in names]
        self.both(lambda s, c: len(c.add_cards(s.batch(ordinal), fresh, now_ms=NOW)))

    @rule(ordinal=st.integers(0, 6), limit=st.integers(0, 5))
    def undo(self, ordinal, limit):
        self.both(lambda s, c: c.undo_batch(s.batch(ordinal), limit=limit, now_ms=NOW))

    @rule(ordinal=st.integers(0, 6))
    def close(self, ordinal):
        self.both(lambda s, c: c.close_batch(s.batch(ordinal)))

    @rule(name=cards, state=card_states)
    def void(self, name, state):
        self.both(lambda s, c: c.void_card(s.card(name) or UNHEARD_OF, state, now_ms=NOW))

    @rule(sku=skus, origin=warehouses, destination=warehouses, limit=st.integers(0, 5))
    def move(self, sku, origin, destination, limit):
        self.both(lambda s, c: c.move_cards(sku, origin, destination, limit=limit, now_ms=NOW))

    @rule()
    def roll_up(self):
        self.both(lambda _, c: c.roll_up() < 0)

    # --- orders ---

    @rule(number=fresh_numbers, data=st.data(), fails=st.sampled_from([False, False, True]))
    def place(self, number, data, fails):
        self._place(data.draw(order_entries(number)), fails=fails)

    @rule(number=fresh_numbers, data=st.data())
    def place_another(self, number, data):
        """The commonest thing there is, so it happens more often."""
        self._place(data.draw(order_entries(number)))

    def _place(self, entry, *, fails=False):
        number = entry.order_no

        def work(side, change):
            placed = change.place(side.entry(entry))
            again = change.order("shop", number)
            return side.told_placed(change, entry, placed), again and side.told_order(again)

        self.both(work, fails=fails)

    @rule(
        numbers=st.lists(fresh_numbers, min_size=2, max_size=5), alive=st.sampled_from([0, 0, NOW]),
        data=st.data(), fails=st.sampled_from([False, False, True]),
    )  # fmt: skip
    def place_many(self, numbers, alive, data, fails):
        """Orders that come together outlive about the same moment, as `now` is about the same."""
        entries = [data.draw(common_entries(x, alive)) for x in numbers]

        def work(side, change):
            every = change.place_many([side.entry(x) for x in entries])
            return [
                side.told_placed(change, entry, placed)
                for entry, placed in zip(entries, every, strict=True)
            ]

        self.both(work, fails=fails)

    @rule(number=numbers, data=st.data())
    def attach(self, number, data):
        entry = data.draw(order_entries(number))
        self.both(lambda s, c: c.attach(s.order_id(number) or UNHEARD_OF, s.entry(entry)))

    @rule(
        number=numbers, line_no=line_numbers, plan=plans(), stale=st.one_of(st.none(), st.none(), statuses),
        goal=st.sampled_from([CardState.RESERVED, CardState.ISSUED, CardState.DELIVERED]),
        filled=statuses, buyer=st.sampled_from(BUYERS), own=st.booleans(), fails=st.booleans(),
    )  # fmt: skip
    def fill(self, number, line_no, plan, stale, goal, filled, buyer, own, fails):
        def work(side, change):
            line = side.line(number, line_no)
            if line is None:
                return None
            quantity = line.units if own and line.units else plan.quantity
            status, taken = change.fill(
                attrs.evolve(line, status=stale or line.status),
                attrs.evolve(side.plan(plan), quantity=quantity), card_state=goal,
                filled=filled, short=SHORT, buyer=buyer, now_ms=NOW + 1,
            )  # fmt: skip
            return status, status.why, side.told_cards(taken)

        self.both(work, fails=fails)

    @rule(
        number=numbers,
        line_no=line_numbers,
        stale=st.one_of(st.none(), st.none(), statuses),
        status=statuses,
    )
    def settle(self, number, line_no, stale, status):
        def work(side, change):
            line = side.line(number, line_no)
            if line is not None:
                seen = attrs.evolve(line, status=stale or line.status)
                change.settle_line(seen, status, now_ms=NOW + 2)

        self.both(work)

    @rule(
        number=numbers,
        line_no=line_numbers,
        stale=st.one_of(st.none(), st.none(), statuses),
        plan=plans(),
    )
    def rematch(self, number, line_no, stale, plan):
        def work(side, change):
            line = side.line(number, line_no)
            if line is not None:
                seen = attrs.evolve(
                    line, status=stale or line.status, sku=plan.sku, units=plan.quantity,
                    batches=side.plan(plan).batches,
                )  # fmt: skip
                change.rematch(seen, now_ms=NOW + 3)

        self.both(work)

    @rule(number=numbers, line_no=line_numbers, state=card_states, goal=card_states)
    def move_line_cards(self, number, line_no, state, goal):
        self.both(
            lambda s, c: c.move_line_cards(
                s.order_id(number) or UNHEARD_OF, line_no, state, goal, now_ms=NOW
            )
        )

    @rule(
        number=numbers, names=st.lists(cards, max_size=3),
        goal=st.sampled_from([CardState.ISSUED, CardState.DELIVERED]),
    )  # fmt: skip
    def give(self, number, names, goal):
        def work(side, change):
            line = side.line(number, 1)
            if line is not None:
                picked = [side.card(x) or UNHEARD_OF for x in names]
                change.give_cards(line, picked, goal, now_ms=NOW)

        self.both(work)

    @rule(number=numbers, late=st.sampled_from([-1, 0, 60_000]))
    def end_reservation(self, number, late):
        if self.sides[0].order_id(number) is not None:
            self.both(lambda s, c: c.end_reservation(s.order_id(number), now_ms=NOW + late))

    # --- intents and events ---

    @rule(
        number=numbers, line_no=st.integers(0, 2), due=st.integers(-2, 2),
        lease=st.none() | st.integers(-2, 2), repeats=st.sampled_from([False, False, True]),
    )  # fmt: skip
    def intend(self, number, line_no, due, lease, repeats):
        self._intend(number, line_no, due, lease, repeats=repeats)

    def _intend(self, number, line_no, due, lease, *, repeats=False):
        self.serial += not repeats
        entry = IntentEntry(
            route="platform", reference=f"r{self.serial}", due_ms=NOW + due,
            lease_ms=None if lease is None else NOW + lease,
        )  # fmt: skip

        def work(side, change):
            order_id = side.order_id(number)
            if order_id is not None:
                change.insert_intents(order_id, line_no, [entry], now_ms=NOW)
                return change.open_intents(order_id, line_no)
            return None

        self.both(work)

    @rule(number=numbers, at=st.integers(0, 3), state=st.sampled_from(IntentState),
          due=st.integers(-2, 2), stale=st.sampled_from([0, 0, 0, 1]))  # fmt: skip
    def settle_intent(self, number, at, state, due, stale):
        def work(side, change):
            found = side.pool.intents_of(side.order_id(number) or UNHEARD_OF)
            if found:
                seen = found[at % len(found)]
                seen = attrs.evolve(seen, attempts=seen.attempts - stale)
                change.settle_intent(seen, state, due_ms=NOW + due, problem="why", remote="n")

        self.both(work)

    @rule(late=st.integers(-2, 3), limit=st.integers(1, 3), number=st.none() | numbers)
    def claim(self, late, limit, number):
        claimed = []
        for side in self.sides:
            order_id = None if number is None else side.order_id(number) or UNHEARD_OF
            found = side.pool.claim_intents(NOW + late, 1, limit, order_id=order_id)
            claimed.append(sorted(side.told_intents(found), key=str))
        for side, found in zip(self.sides, claimed, strict=True):
            assert found == claimed[-1], side.name

    # --- purchases ---

    @rule(
        number=st.none() | numbers, line_no=line_numbers, shelf=warehouses, supplier=suppliers,
        state=st.sampled_from(_NEW), due=st.integers(-2, 2), now=st.integers(-2, 2),
        repeats=st.sampled_from([False, False, False, True]), fails=st.booleans(),
    )  # fmt: skip
    def buy(self, number, line_no, shelf, supplier, state, due, now, repeats, fails):
        """For a line or for stock; under a reference that is new, or was given before."""
        self.serial += not repeats
        reference = f"p{self.serial}"

        def work(side, change):
            order_id = number and side.order_id(number)
            need = f"line:{order_id}/{line_no}" if order_id else f"restock:steam/{shelf}"
            entry = buying(
                reference, need=need, order_id=order_id, line_no=order_id and line_no,
                supplier=supplier, warehouse=shelf, state=state, due_ms=NOW + due,
            )  # fmt: skip
            begun = change.begin_purchase(entry)
            before = begun and change.purchase_before(begun, need)
            found = {x.id: x.reference for x in side.pool.purchases(need=need, limit=999)}
            return begun is not None, found.get(before), change.calls_open(supplier, NOW + now)

        self.both(work, fails=fails)

    @rule(at=st.integers(0, 4), state=st.none() | st.none() | purchase_states,
          until=st.integers(-2, 2), stale=st.sampled_from([0, 0, 0, 1]))  # fmt: skip
    def claim_purchase(self, at, state, until, stale):
        def work(side, change):
            found = side.pool.purchases(limit=9)
            if not found:
                return None
            seen = found[at % len(found)]
            target = state or _NEXT.get(seen.state, PurchaseState.DUE)
            seen = attrs.evolve(seen, attempts=seen.attempts - stale)
            return side.told_purchase(change.claim_purchase(seen, target, NOW + until))

        self.both(work)

    @rule(at=st.integers(0, 4), told=settlements(), stale=st.sampled_from([0, 0, 0, 1]))
    def settle_purchase(self, at, told, stale):
        def work(side, change):
            found = side.pool.purchases(limit=9)
            if found:
                seen = found[at % len(found)]
                seen = attrs.evolve(seen, attempts=seen.attempts - stale)
                change.settle_purchase(seen, told, now_ms=NOW + 4)

        self.both(work)

    @rule(name=suppliers, reads=st.sampled_from([True, True, False]), spent=small,
          served=st.floats(0, 9), price=small, fails=st.booleans())  # fmt: skip
    def know_supplier(self, name, reads, spent, served, price, fails):
        offer = OfferRecord(
            supplier=name, sku="steam", item="x", price_minor=price, currency="CNY",
            available=None, on_sale=True, seen_ms=NOW,
        )  # fmt: skip

        def work(side, change):
            change.write_offer(offer)
            known = change.supplier(name) if reads else SupplierRecord(name=name)
            change.write_supplier(attrs.evolve(known, spent_minor=spent, served=served))
            return known

        self.both(work, fails=fails)

    @rule(number=numbers)
    def tell(self, number):
        self.both(
            lambda s, c: c.record(
                [EventEntry(kind="line.held", at_ms=NOW, order_id=s.order_id(number), line_no=1)]
            )
        )

    # --- what must hold ---

    @invariant()
    def they_agree(self):
        self.step += 1
        nearby = [x for x in self.sides if x.name in ("sqlite", "the model")]
        self.compare(self.sides if self.step % LOOK_EVERY == 0 else nearby, Side.picture)

    @rule()
    def look_closer(self):
        """Lines may be anything here, but what is counted is always counted right."""
        self.compare(self.sides, Side.closer_picture)
        for side in self.sides:
            told = side.pool.audit()
            assert [x for x in told if "shared card" in x or "its need" in x] == []
            if side.name != "the model":
                assert [x for x in told if "the books" in x or "brought" in x] == []

    @staticmethod
    def compare(sides, look):
        *pictures, expected = [look(side) for side in sides]
        for side, picture in zip(sides, pictures, strict=False):
            for name in expected:
                assert picture[name] == expected[name], (side.name, name)

    def teardown(self):
        try:
            self.compare(self.sides, Side.picture)
            self.look_closer()
        finally:
            for side, url in zip(self.sides, self.urls, strict=False):
                side.pool.close()
                self.stores.give_back(url)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("which", "examples"), [("sqlite", EXAMPLES), ("every store", max(1, EXAMPLES // 3))]
)
def test_stores_and_the_model_agree(stores, which, examples):
    """Whatever happens, all answer alike, refuse alike, and show the same afterwards."""
    kinds = tuple(stores.present()) if which == "every store" else (which,)
    run(Agreement, examples=examples, steps=50, stores=stores, kinds=kinds)
