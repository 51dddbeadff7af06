"""What every pool promises about orders: accepting, joining, filling, waiting, looking back."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from autocard.clock import from_ms
from autocard.errors import IllegalTransition
from autocard.model import History, OrderId
from autocard.ports import Pool, Transaction
from autocard.records import EventEntry, LineEntry, Plan, Status
from autocard.states import LINE_MOVES, CardState, Outcome, Reason
from autocard.testing.shelf import (
    DELIVERED,
    ISSUED,
    NOW,
    SHORT,
    UNHEARD_OF,
    UNPAID,
    bring,
    card_id,
    digest,
    intent,
    levels,
    line,
    names_of,
    order,
    picture,
    place,
    reserving,
    sell,
    stored,
    stored_line,
    unpaid,
)

_HOUR_MS = 3_600_000
_PLAN = Plan(sku="steam", quantity=1)
_LATE = NOW + 50


class OrderPromises:
    """The part of `PoolSuite` that is about orders and their lines."""

    # --- accepting ---

    def test_an_accepted_order_is_kept_as_it_came(self, pool: Pool) -> None:
        """Every field comes back, by name and by id, within the change and after it."""
        lines = (
            line(1, quantity=2, sources=("warehouse:main", "manual")),
            line(2, short=Status(Outcome.HELD, Reason.REVIEW, "why"), plan=None),
        )
        entry = order("A1", *lines, buyer=digest("ann"), contact=digest("@"), accepted_ms=NOW + 1)
        with pool.transaction() as change:
            placed = change.place(entry)
            seen = change.order("shop", "A1")
        assert placed is not None
        found = pool.order("shop", "A1")
        assert found == seen == pool.order_by_id(placed.order_id)
        assert found is not None
        same = ("platform", "order_no", "digest", "payload", "buyer", "accepted_ms", "paid_ms")
        for name in (*same, "amount_minor", "currency", "reserved_until_ms"):
            assert getattr(found, name) == getattr(entry, name), name
        assert [x.status for x in found.lines] == [SHORT, Status(Outcome.HELD, Reason.REVIEW)]
        assert [x.status.why for x in found.lines] == ["", "why"]
        assert found.lines[0].sources == ("warehouse:main", "manual")
        for kept, came in zip(found.lines, lines, strict=True):
            assert (kept.order_id, kept.changed_ms) == (found.id, NOW + 1)
            for name in ("line_no", "item", "quantity", "sku", "units", "batches"):
                assert getattr(kept, name) == getattr(came, name), name

    def test_a_known_number_is_not_accepted_again(self, pool: Pool) -> None:
        """The same number on the same platform changes nothing, whatever comes with it."""
        bring(pool, "a", "b", "c")
        sell(pool, "A1")
        before = picture(pool)
        with pool.transaction() as change:
            assert change.place(order("A1", line(quantity=2), payload=b"other")) is None
        assert picture(pool) == before
        assert sell(pool, "A2").order_id != stored(pool).id
        assert place(pool, order("A1", platform="other")).order_id != stored(pool).id

    def test_unknown_orders_are_not_found(self, pool: Pool) -> None:
        """There is no order before it was accepted."""
        assert pool.order("shop", "A1") is None
        assert pool.order_by_id(OrderId(UNHEARD_OF)) is None
        assert pool.cards_of(OrderId(UNHEARD_OF)) == {}
        assert pool.intents_of(OrderId(UNHEARD_OF)) == []
        with pool.transaction() as change:
            assert change.order("shop", "A1") is None

    def test_intents_are_committed_with_a_filled_line_only(self, pool: Pool) -> None:
        """Nobody is told of cards that were not there."""
        bring(pool, "a")
        issued: dict[str, Any] = {"card_state": CardState.ISSUED, "filled": ISSUED}
        lines = (
            line(1, intents=(intent("r1"),), **issued),
            line(2, intents=(intent("r2"),), **issued),
        )
        placed = place(pool, order("A1", *lines))
        assert [status for status, _ in placed.lines] == [ISSUED, SHORT]
        assert [(x.line_no, x.reference) for x in pool.intents_of(placed.order_id)] == [(1, "r1")]

    # --- accepting many ---

    def test_many_orders_are_accepted_as_one_by_one(self, pool: Pool) -> None:
        """Each gets the next cards in its turn; what is known, or short, is so for itself alone."""
        bring(pool, *"abcdefg")
        bring(pool, "x", "y", sku="psn")
        sell(pool, "KNOWN")
        backup = bring(pool, "h", warehouse="backup")
        assert backup
        both: dict[str, Any] = {"plan_warehouses": ("main", "backup")}
        entries = [
            order("A1"),
            order("A2", line(quantity=2)),
            order("KNOWN"),
            order("A1", payload=b"the same number again"),
            order("A3", line(sku="psn")),
            order("A4", line(1), line(2, sku="psn")),
            order("A5", line(quantity=9)),
            order("A6"),
            order("A7", line(quantity=2, **both)),
            order("A8", line(plan=None, short=Status(Outcome.HELD, Reason.REVIEW, "why"))),
        ]
        placed = pool.change(lambda change: change.place_many(entries))
        assert [x is None for x in placed] == [x in (2, 3) for x in range(len(entries))]
        newest = [x.order_no for x in pool.orders()]
        assert newest == ["A8", "A7", "A6", "A5", "A4", "A3", "A2", "A1", "KNOWN"]
        given = [
            [(status.outcome, names_of(cards)) for status, cards in x.lines]
            for x in placed
            if x is not None
        ]
        done, waits = Outcome.DELIVERED, Outcome.PENDING
        assert given == [
            [(done, ["b"])],
            [(done, ["c", "d"])],
            [(done, ["x"])],
            [(done, ["e"]), (done, ["y"])],
            [(waits, [])],
            [(done, ["f"])],
            [(done, ["g", "h"])],
            [(Outcome.HELD, [])],
        ]
        assert [x.status for x in stored(pool, "A5").lines] == [SHORT]
        assert [x for x in pool.audit() if "event" not in x] == []

    def test_a_group_of_orders_takes_what_there_is(self, pool: Pool) -> None:
        """Equal orders are served in their order until nothing is left; the rest wait."""
        bring(pool, *(f"c{i:02}" for i in range(25)))
        issued: dict[str, Any] = {"card_state": CardState.ISSUED, "filled": ISSUED}
        entries = [order(f"A{i}", line(quantity=2)) for i in range(10)]
        entries += [order(f"P{i}", line(intents=(intent(f"r{i}"),), **issued)) for i in range(10)]
        placed = pool.change(lambda change: change.place_many(entries))
        served = [names_of(x.lines[0][1]) for x in placed if x is not None]
        assert served[:10] == [[f"c{2 * i:02}", f"c{2 * i + 1:02}"] for i in range(10)]
        assert served[10:] == [[f"c{i}"] for i in range(20, 25)] + [[]] * 5
        sent = [x.reference for y in placed if y for x in pool.intents_of(y.order_id)]
        assert sent == [f"r{i}" for i in range(5)]
        assert levels(pool) == {"issued": 5, "delivered": 20}
        assert [x for x in pool.audit() if "event" not in x] == []

    def test_a_group_leaves_nothing_when_it_fails(self, pool: Pool) -> None:
        """All of it or nothing is committed; the events of a group come in their order."""
        bring(pool, "a", "b")

        def fail(change: Transaction) -> None:
            change.place_many([order("A1"), order("A2")])
            raise RuntimeError("the caller changed its mind")

        with pytest.raises(RuntimeError, match="mind"):
            pool.change(fail)
        assert (pool.order("shop", "A1"), levels(pool)) == (None, {"available": 2})
        assert pool.change(lambda change: change.place_many([])) == []
        kinds = [f"k{i}" for i in range(450)]
        pool.change(lambda change: change.record([EventEntry(kind=x, at_ms=NOW) for x in kinds]))
        assert [x.kind for x in pool.events()] == kinds

    # --- every pair of outcomes ---

    @pytest.mark.parametrize("target", list(Outcome))
    @pytest.mark.parametrize("outcome", list(Outcome))
    def test_lines_move_as_the_table_of_states_allows(
        self, pool: Pool, outcome: Outcome, target: Outcome
    ) -> None:
        """What the table does not allow is refused and changes nothing."""
        blank = LineEntry(line_no=1, item="x", quantity=1, short=Status(outcome))
        place(pool, order("A1", blank))
        wanted = Status(target, Reason.REVIEW, "because")
        before = picture(pool)
        if target in LINE_MOVES[outcome]:
            with pool.transaction() as change:
                change.settle_line(stored_line(pool), wanted, now_ms=_LATE)
            now = stored_line(pool)
            assert (now.status, now.status.why, now.changed_ms) == (wanted, "because", _LATE)
        else:
            with pytest.raises(IllegalTransition), pool.transaction() as change:
                change.settle_line(stored_line(pool), wanted, now_ms=_LATE)
            assert picture(pool) == before

    @pytest.mark.parametrize(
        "stale",
        [
            Status(Outcome.HELD, Reason.REVIEW),
            Status(Outcome.PENDING, Reason.UNPAID),
            Status(Outcome.PENDING),
        ],
    )
    def test_a_line_that_has_moved_on_is_left_alone(self, pool: Pool, stale: Status) -> None:
        """Who saw another outcome or reason may neither settle, rematch nor fill the line."""
        sell(pool, "A1")
        bring(pool, "a")
        wanted = attrs.evolve(stored_line(pool), status=stale)
        before = picture(pool)
        with pytest.raises(IllegalTransition), pool.transaction() as change:
            change.settle_line(wanted, Status(Outcome.HELD), now_ms=_LATE)
        with pytest.raises(IllegalTransition), pool.transaction() as change:
            change.rematch(wanted, now_ms=_LATE)
        for filled in (DELIVERED, stale):
            with pytest.raises(IllegalTransition), pool.transaction() as change:
                change.fill(
                    wanted, _PLAN, card_state=CardState.DELIVERED, filled=filled, short=SHORT,
                    now_ms=_LATE,
                )  # fmt: skip
        assert picture(pool) == before

    def test_a_line_is_matched_again(self, pool: Pool) -> None:
        """What a line is and where it is served from may be said anew; its status stays."""
        sell(pool, "A1")
        batch = bring(pool, "a")
        wanted = attrs.evolve(
            stored_line(pool), sku="psn", units=3, sources=("manual",), batches=(batch,)
        )
        with pool.transaction() as change:
            change.rematch(wanted, now_ms=_LATE)
        assert stored_line(pool) == attrs.evolve(wanted, changed_ms=_LATE)

    # --- filling later ---

    def test_a_waiting_line_is_filled_from_stock(self, pool: Pool) -> None:
        """It gets its cards and its intents, and is settled in the same change."""
        sell(pool, "A1")
        bring(pool, "a")
        with pool.transaction() as change:
            status, taken = change.fill(
                stored_line(pool), _PLAN, card_state=CardState.ISSUED, filled=ISSUED,
                short=SHORT, intents=[intent("r1")], now_ms=_LATE,
            )  # fmt: skip
        assert (status, names_of(taken)) == (ISSUED, ["a"])
        assert (stored_line(pool).status, stored_line(pool).changed_ms) == (ISSUED, _LATE)
        assert [x.created_ms for x in pool.intents_of(stored(pool).id)] == [_LATE]
        assert levels(pool) == {"issued": 1}

    def test_a_line_that_stays_short_is_left_as_it_is(self, pool: Pool) -> None:
        """Nothing is taken and nothing intended; a new way of being short is written down."""
        place(pool, order("A1", line(quantity=2)))
        bring(pool, "a")
        before = picture(pool)
        plan = attrs.evolve(_PLAN, quantity=2)

        def fill(short: Status) -> None:
            with pool.transaction() as change:
                answer = change.fill(
                    stored_line(pool), plan, card_state=CardState.DELIVERED, filled=DELIVERED,
                    short=short, intents=[intent()], now_ms=_LATE,
                )  # fmt: skip
            assert answer == (short, ())

        fill(SHORT)
        assert picture(pool) == before
        manual = Status(Outcome.PENDING, Reason.MANUAL)
        fill(manual)
        assert stored_line(pool).status == manual
        assert pool.intents_of(stored(pool).id) == []

    def test_a_shared_line_is_filled_within_the_limit(self, pool: Pool) -> None:
        """What the buyer had before counts when a waiting line is filled, too."""
        plan = Plan(sku="steam", quantity=2, shared=True, per_buyer=3)
        for number in ("A1", "A2"):
            place(pool, order(number, line(quantity=2, plan=plan), buyer=digest("ann")))
        bring(pool, "link")
        for number in ("A1", "A2"):
            with pool.transaction() as change:
                change.fill(
                    stored_line(pool, number), plan, card_state=CardState.DELIVERED,
                    filled=DELIVERED, short=SHORT, buyer=digest("ann"), now_ms=_LATE,
                )  # fmt: skip
        limit = Status(Outcome.HELD, Reason.BUYER_LIMIT)
        assert [stored_line(pool, x).status for x in ("A1", "A2")] == [DELIVERED, limit]

    @pytest.mark.parametrize("target", [CardState.RESERVED, CardState.ISSUED, CardState.DELIVERED])
    def test_reserved_cards_are_what_fills_their_line(self, pool: Pool, target: CardState) -> None:
        """Payment turns the very cards that were held, even if others would go first."""
        bring(pool, "held")
        place(pool, unpaid("A1", reserving(), reserved_until_ms=NOW + 60))
        bring(pool, "earlier", expires_ms=NOW + 9)
        with pool.transaction() as change:
            _, taken = change.fill(
                stored_line(pool), _PLAN, card_state=target, filled=DELIVERED, short=SHORT,
                now_ms=_LATE,
            )  # fmt: skip
        assert names_of(taken) == ["held"]
        assert levels(pool) == {"available": 1, str(target): 1}

    def test_a_reservation_that_lost_a_card_is_taken_anew(self, pool: Pool) -> None:
        """A card voided meanwhile is replaced; without a replacement the line is short, whole."""
        bring(pool, "a", "b")
        place(pool, unpaid("A1", reserving(quantity=2)))
        with pool.transaction() as change:
            change.void_card(card_id(pool, "a"), CardState.RESERVED, now_ms=NOW)
        plan = attrs.evolve(_PLAN, quantity=2)

        def fill() -> tuple[Status, list[str]]:
            with pool.transaction() as change:
                status, taken = change.fill(
                    stored_line(pool), plan, card_state=CardState.DELIVERED, filled=DELIVERED,
                    short=SHORT, now_ms=_LATE,
                )  # fmt: skip
            return status, names_of(taken)

        assert fill() == (SHORT, [])
        assert levels(pool) == {"available": 1, "void": 1}
        bring(pool, "c")
        assert fill() == (DELIVERED, ["b", "c"])

    def test_a_reserved_card_that_lives_too_short_is_taken_anew(self, pool: Pool) -> None:
        """A late payment gets a card that still works; the held one goes back."""
        bring(pool, "short life", expires_ms=NOW + 10)
        place(pool, unpaid("A1", reserving()))
        bring(pool, "long life")
        plan = attrs.evolve(_PLAN, alive_at_ms=NOW + 10)
        with pool.transaction() as change:
            _, taken = change.fill(
                stored_line(pool), plan, card_state=CardState.DELIVERED, filled=DELIVERED,
                short=SHORT, now_ms=_LATE,
            )  # fmt: skip
        assert names_of(taken) == ["long life"]
        assert levels(pool) == {"available": 1, "delivered": 1}

    def test_a_line_that_keeps_its_turn_waits_behind_others(self, pool: Pool) -> None:
        """It takes nothing while another line of its sku waits, and is next after that."""
        place(pool, order("A1", line(quantity=2)))
        bring(pool, "a")
        ((status, _),) = sell(pool, "A2", plan_in_turn=True).lines
        assert status == SHORT
        bring(pool, "p", sku="psn")
        assert sell(pool, "A3", sku="psn", plan_in_turn=True).lines[0][1]
        with pool.transaction() as change:
            change.settle_line(stored_line(pool, "A1"), Status(Outcome.REJECTED), now_ms=_LATE)
            status, _ = change.fill(
                stored_line(pool, "A2"), attrs.evolve(_PLAN, in_turn=True),
                card_state=CardState.DELIVERED, filled=DELIVERED, short=SHORT, now_ms=_LATE,
            )  # fmt: skip
        assert status == DELIVERED

    # --- joining ---

    def test_a_payment_is_attached_to_a_registered_order(self, pool: Pool) -> None:
        """What is known now replaces what was known; lines that are there stay."""
        place(pool, unpaid("A1", reserving(), reserved_until_ms=NOW + 60))
        paid = order("A1", line(7), payload=b"paid", buyer=digest("ann"), contact=digest("@"))
        with pool.transaction() as change:
            change.attach(stored(pool).id, paid)
        found = stored(pool)
        assert (found.payload, found.buyer, found.paid_ms) == (b"paid", digest("ann"), paid.paid_ms)
        assert (found.amount_minor, found.currency) == (1000, "CNY")
        assert found.reserved_until_ms is None
        assert [x.line_no for x in found.lines] == [1]
        assert [x.id for x in pool.orders(contact=digest("@"))] == [found.id]

    def test_lines_are_attached_to_a_payment_that_was_faster(self, pool: Pool) -> None:
        """They come in as short; nothing is taken for them yet."""
        bring(pool, "a")
        entry = attrs.evolve(order("A1", digest=None), lines=())
        place(pool, entry)
        full = order("A1", line(1, batches=()), line(2, quantity=3))
        with pool.transaction() as change:
            change.attach(stored(pool).id, full)
        assert [(x.status, x.units) for x in stored(pool).lines] == [(SHORT, 1), (SHORT, 3)]
        assert stored(pool).digest == full.digest
        assert levels(pool) == {"available": 1}

    def test_a_joined_order_is_not_written_over(self, pool: Pool) -> None:
        """Once it is paid and its lines are known, an order is what it is."""
        sell(pool, "A1")
        before = picture(pool)
        for wrong in (stored(pool).id, OrderId(UNHEARD_OF)):
            with pytest.raises(IllegalTransition), pool.transaction() as change:
                change.attach(wrong, order("A1", payload=b"other"))
        assert picture(pool) == before

    # --- reservations ---

    def test_lapsed_reservations_are_listed_and_ended_once(self, pool: Pool) -> None:
        """Over at the very moment; who is paid or prolonged in time keeps the cards."""
        for number, until in (("A1", NOW + 20), ("A2", NOW + 10), ("A3", NOW + 90), ("A4", None)):
            place(pool, unpaid(number, reserving(), reserved_until_ms=until))
        place(pool, order("A5", reserved_until_ms=NOW + 1))
        assert [x.order_no for x in pool.lapsed(NOW + 20, 9)] == ["A2", "A1"]
        assert [x.order_no for x in pool.lapsed(NOW + 20, 1)] == ["A2"]
        ended = []
        for number in ("A1", "A1", "A3", "A4", "A5"):
            with pool.transaction() as change:
                ended.append(change.end_reservation(stored(pool, number).id, now_ms=NOW + 20))
        assert ended == [True, False, False, False, False]
        assert stored(pool).reserved_until_ms is None
        assert [x.order_no for x in pool.lapsed(NOW + 20, 9)] == ["A2"]

    # --- lists ---

    def test_orders_are_listed_newest_first(self, pool: Pool) -> None:
        """Filters narrow the list: outcome and reason of a line, platform, contact, count."""
        held = Status(Outcome.HELD, Reason.REVIEW)
        bring(pool, "a")
        sell(pool, "A1")
        place(pool, order("A2", line(1, short=held), line(2), contact=digest("@")))
        place(pool, order("A3", platform="other"))
        place(pool, attrs.evolve(order("A4", digest=None), lines=()))

        def found(**by: Any) -> str:
            return " ".join(x.order_no for x in pool.orders(**by))

        assert found() == "A4 A3 A2 A1"
        assert found(limit=2) == "A4 A3"
        assert found(platform="shop") == "A4 A2 A1"
        assert found(contact=digest("@")) == "A2"
        assert found(outcome=Outcome.DELIVERED) == "A1"
        assert found(outcome=Outcome.PENDING) == "A3 A2"
        assert found(outcome=Outcome.PENDING, reason=Reason.REVIEW) == ""
        assert found(reason=Reason.REVIEW) == "A2"
        # Money that nobody knows what for is for a person to look at.
        assert found(outcome=Outcome.HELD) == "A4 A2"
        assert found(outcome=Outcome.HELD, reason=Reason.REVIEW) == "A2"

    def test_waiting_lines_come_first_come_first(self, pool: Pool) -> None:
        """Short and manual lines that are paid wait; the list goes on where a page ended."""
        manual = Status(Outcome.PENDING, Reason.MANUAL)
        place(pool, order("A1", line(1), line(2, short=manual), line(3, short=UNPAID)))
        place(pool, order("A2", line(1, sku="psn"), line(2, short=Status(Outcome.HELD))))
        place(pool, order("A3", line(1)))
        ids = [stored(pool, x).id for x in ("A1", "A2", "A3")]

        def waiting(limit: int = 9, **by: Any) -> list[tuple[int, int]]:
            found = pool.waiting(limit=limit, **by)
            assert all(
                x == stored_line(pool, f"A{ids.index(x.order_id) + 1}", x.line_no) for x in found
            )
            return [(ids.index(x.order_id) + 1, x.line_no) for x in found]

        assert waiting() == [(1, 1), (1, 2), (2, 1), (3, 1)]
        assert waiting(2) == [(1, 1), (1, 2)]
        assert waiting(after=(ids[0], 1)) == [(1, 2), (2, 1), (3, 1)]
        assert waiting(sku="steam", after=(ids[0], 2)) == [(3, 1)]
        assert waiting(sku="steam", limit=1) == [(1, 1)]

    def test_unconfirmed_orders_are_listed_oldest_first(self, pool: Pool) -> None:
        """Said to be paid, and a line still waits for the proof."""
        doubtful = line(1, plan=None, short=Status(Outcome.PENDING, Reason.UNCONFIRMED))
        for number in ("A1", "A2"):
            place(pool, order(number, doubtful))
        place(pool, unpaid("A3", doubtful))
        sell(pool, "A4")
        assert [x.order_no for x in pool.unconfirmed(9)] == ["A1", "A2"]
        assert [x.order_no for x in pool.unconfirmed(1)] == ["A1"]

    def test_history_knows_a_buyer_without_the_order_at_hand(self, pool: Pool) -> None:
        """When a buyer came first, and how often within the last hour and day."""
        ages_ms = {"A1": 30 * _HOUR_MS, "A2": 24 * _HOUR_MS, "A3": _HOUR_MS, "A4": 1, "A5": 0}
        for number, age_ms in ages_ms.items():
            place(pool, order(number, accepted_ms=NOW - age_ms, buyer=digest("ann")))
        place(pool, order("B1", buyer=digest("bob")))
        place(pool, order("C1"))
        first = from_ms(NOW - 30 * _HOUR_MS)
        expected = History(first_order_at=first, orders_last_hour=1, orders_last_day=2)
        assert pool.history(digest("ann"), "shop", "A5", NOW) == expected
        elsewhere = pool.history(digest("ann"), "other", "A5", NOW)
        assert elsewhere == attrs.evolve(expected, orders_last_hour=2, orders_last_day=3)
        assert pool.history(digest("bob"), "shop", "B1", NOW) == History()
        assert pool.history(None, "shop", "A5", NOW) == History()

    # --- events ---

    def test_events_come_back_in_the_order_they_were_recorded(self, pool: Pool) -> None:
        """With their order's name and detail; pages go on after the last id."""
        sell(pool, "A1")
        order_id = stored(pool).id
        told = [
            EventEntry(kind="batch.begun", at_ms=NOW, detail='{"sku":"游戏","n":1}'),
            EventEntry(kind="line.delivered", at_ms=NOW - 5, order_id=order_id, line_no=2),
            EventEntry(kind="payment.repeated", at_ms=NOW, order_id=order_id),
        ]
        with pool.transaction() as change:
            change.record(told[:1])
            change.record(told[1:])
            change.record([])
        first, second, third = pool.events()
        assert (first.kind, first.platform, first.order_no) == ("batch.begun", "", "")
        assert (first.detail, first.line_no) == ({"sku": "游戏", "n": 1}, 0)
        assert (second.at, second.platform, second.order_no) == (from_ms(NOW - 5), "shop", "A1")
        assert (second.line_no, second.detail) == (2, {})
        assert first.id < second.id < third.id
        assert pool.events(after=first.id) == [second, third]
        assert pool.events(order_id=order_id, limit=1) == [second]
        assert pool.events(after=third.id) == []
