"""What every pool promises about cards: taking, sharing, importing, moving, taking back."""

from __future__ import annotations

from typing import Any

import pytest

from autocard.clock import NEVER_MS, from_ms
from autocard.errors import CardNotFound, IllegalTransition
from autocard.model import BatchId, CardId
from autocard.money import Money
from autocard.ports import Pool
from autocard.records import BatchEntry
from autocard.states import CardState, Outcome, Reason, can_become
from autocard.testing.shelf import (
    NOW,
    SHORT,
    UNHEARD_OF,
    bring,
    card_id,
    digest,
    in_state,
    levels,
    line,
    names_of,
    new_cards,
    order,
    place,
    sell,
    state_of,
    stored_line,
)

_OUT = (CardState.RESERVED, CardState.ISSUED, CardState.DELIVERED)
_ON_LINES = (*_OUT, CardState.VOID)


class CardPromises:
    """The part of `PoolSuite` that is about cards."""

    # --- import ---

    def test_imported_cards_are_available_with_their_provenance(self, pool: Pool) -> None:
        """A batch keeps where its cards came from and counts them; the newest comes first."""
        bring(pool, "other", sku="psn", warehouse="backup")
        batch = bring(
            pool, "a", "b", supplier="acme", cost_minor=4650, currency="CNY",
            provenance="invoice 1", imported_by="ann",
        )  # fmt: skip
        assert [x.sku for x in pool.batches()] == ["steam", "psn"]
        assert pool.formats() == {x.format for x in pool.batches()}
        (found,) = pool.batches("steam")
        assert (found.id, found.warehouse, found.format) == (batch, "main", "plain")
        assert (found.supplier, found.provenance, found.imported_by) == ("acme", "invoice 1", "ann")
        assert (found.cost, found.imported_at) == (Money("46.50", "CNY"), from_ms(NOW))
        assert (found.added, found.available, found.undone) == (2, 2, False)
        assert levels(pool) == {"available": 2}
        assert [(x.sku, x.warehouse) for x in pool.stock()] == [
            ("psn", "backup"),
            ("steam", "main"),
        ]

    def test_known_cards_are_told_and_not_added_again(self, pool: Pool) -> None:
        """A fingerprint comes in once, whatever became of its card and wherever it comes again."""
        batch = bring(pool, "sold", "void", "free")
        sell(pool, "A1")
        with pool.transaction() as change:
            change.void_card(card_id(pool, "void"), CardState.AVAILABLE, now_ms=NOW)
        again = new_cards(["sold", "void", "free", "new"])
        with pool.transaction() as change:
            second = change.begin_batch(_entry_of("psn"))
            known = change.add_cards(second, again, now_ms=NOW)
            seen = change.known([digest("new"), digest("never")])
        states = {name: known[digest(name)].state for name in ("sold", "void", "free")}
        assert states == {"sold": "delivered", "void": "void", "free": "available"}
        assert {x.batch for x in known.values()} == {batch}
        assert [x.batch for x in seen.values()] == [second]
        assert [x.added for x in pool.batches()] == [1, 3]

    def test_many_fingerprints_are_looked_up_at_once(self, pool: Pool) -> None:
        """A chunk of an import is larger than what one statement may take."""
        names = [f"card {i}" for i in range(1_300)]
        bring(pool, *names)
        found = pool.known([digest(x) for x in [*names, "unheard of"]])
        assert len(found) == 1_300
        assert pool.known([]) == {}

    def test_a_batch_that_is_not_there_takes_no_cards(self, pool: Pool) -> None:
        """Cards go into a batch that exists and was not taken back."""
        with pytest.raises(CardNotFound), pool.transaction() as change:
            change.add_cards(BatchId(UNHEARD_OF), new_cards(["a"]), now_ms=NOW)
        batch = bring(pool, "a")
        with pool.transaction() as change:
            change.close_batch(batch)
        with pytest.raises(IllegalTransition), pool.transaction() as change:
            change.add_cards(batch, new_cards(["b"]), now_ms=NOW)
        assert levels(pool) == {"available": 1}

    # --- look ---

    def test_a_card_is_found_by_fingerprint_and_by_id(self, pool: Pool) -> None:
        """A look says where a card is and whose; nothing is found of an unknown one."""
        batch = bring(pool, "a", warehouse="backup", expires_ms=NOW + 5000)
        sell(pool, "A1", plan_warehouses=("backup",))
        record = pool.find_card(digest("a"))
        assert record is not None
        assert (record.sku, record.warehouse, record.batch) == ("steam", "backup", batch)
        assert (record.state, record.expires_at) == ("delivered", from_ms(NOW + 5000))
        assert (record.platform, record.order_no, record.line_no) == ("shop", "A1", 1)
        found = pool.sealed_card(record.id)
        assert found is not None
        assert (found[0], names_of([found[1]])) == (record, ["a"])
        assert (found[1].fingerprint, found[1].expires_ms) == (digest("a"), NOW + 5000)
        assert pool.find_card(digest("b")) is None
        assert pool.sealed_card(CardId(UNHEARD_OF)) is None

    def test_cards_that_expire_too_soon_may_be_left_out_of_the_levels(self, pool: Pool) -> None:
        """At the very moment a plan passes them by, and only those that nobody has yet."""
        bring(pool, "soon", "soon too", "sold", expires_ms=NOW + 10)
        bring(pool, "late", expires_ms=NOW + 11)
        bring(pool, "never")
        bring(pool, "elsewhere", warehouse="backup", expires_ms=NOW + 10)
        bring(pool, "other", sku="psn", expires_ms=NOW + 10)
        sell(pool, "A1")
        counted = [
            [(x.sku, x.warehouse, x.available) for x in pool.stock(sku, alive_at_ms=moment)]
            for sku, moment in ((None, NOW + 10), ("steam", NOW + 9), ("steam", NOW + 11))
        ]
        assert counted == [
            [("psn", "main", 0), ("steam", "backup", 0), ("steam", "main", 2)],
            [("steam", "backup", 1), ("steam", "main", 4)],
            [("steam", "backup", 0), ("steam", "main", 1)],
        ]
        assert [x.delivered for x in pool.stock("steam", alive_at_ms=NOW + 11)] == [0, 1]
        assert levels(pool) == {"available": 4, "delivered": 1}

    # --- take ---

    def test_the_earliest_expiry_goes_first_then_first_in(self, pool: Pool) -> None:
        """Cards that never expire wait for those that do."""
        bring(pool, "never")
        bring(pool, "late", "late too", expires_ms=NOW + 20)
        bring(pool, "soon", expires_ms=NOW + 10)
        ((_, taken),) = sell(pool, "A1", 3).lines
        assert names_of(taken) == ["soon", "late", "late too"]
        assert [x.expires_ms for x in taken] == [NOW + 10, NOW + 20, NOW + 20]
        ((_, rest),) = sell(pool, "A2").lines
        assert (names_of(rest), rest[0].expires_ms) == (["never"], NEVER_MS)

    def test_a_card_that_does_not_live_long_enough_is_left(self, pool: Pool) -> None:
        """Expiring at the asked moment is too early; one millisecond later is enough."""
        bring(pool, "a", expires_ms=NOW)
        bring(pool, "b", expires_ms=NOW + 1)
        ((_, taken),) = sell(pool, "A1", plan_alive_at_ms=NOW).lines
        assert names_of(taken) == ["b"]
        ((status, nothing),) = sell(pool, "A2", plan_alive_at_ms=NOW).lines
        assert (status, nothing) == (SHORT, ())

    def test_warehouses_serve_in_their_order(self, pool: Pool) -> None:
        """One line may be filled from several; one that does not exist is empty."""
        bring(pool, "m1", "m2", expires_ms=NOW + 1)
        bring(pool, "b1", "b2", warehouse="backup")
        shelves = ("nowhere", "backup", "main", "backup")
        ((_, taken),) = sell(pool, "A1", 3, plan_warehouses=shelves).lines
        assert names_of(taken) == ["b1", "b2", "m1"]
        assert levels(pool) == {"available": 1, "delivered": 1}
        assert levels(pool, warehouse="backup") == {"delivered": 2}

    def test_batches_serve_in_their_order_and_no_others(self, pool: Pool) -> None:
        """A match may name batches; cards of others are left, however early they expire."""
        bring(pool, "unnamed", expires_ms=NOW + 1)
        dear, cheap = bring(pool, "d1", "d2"), bring(pool, "c1")
        named = (cheap, dear, cheap)
        ((_, taken),) = sell(pool, "A1", 2, plan_batches=named).lines
        assert names_of(taken) == ["c1", "d1"]
        ((status, _),) = sell(pool, "A2", 2, plan_batches=named).lines
        assert status == SHORT

    def test_batches_are_looked_for_in_every_warehouse(self, pool: Pool) -> None:
        """Cards of a batch that were carried elsewhere still belong to it."""
        batch = bring(pool, "a", "b")
        with pool.transaction() as change:
            change.move_cards("steam", "main", "backup", limit=1, now_ms=NOW)
        shelves = ("main", "backup")
        ((_, taken),) = sell(pool, "A1", 2, plan_warehouses=shelves, plan_batches=(batch,)).lines
        assert names_of(taken) == ["b", "a"]

    def test_a_line_takes_all_or_nothing(self, pool: Pool) -> None:
        """Too few cards in all warehouses together stay where they are."""
        bring(pool, "a")
        bring(pool, "b", warehouse="backup")
        ((status, taken),) = sell(pool, "A1", 3, plan_warehouses=("main", "backup")).lines
        assert (status, taken) == (SHORT, ())
        assert levels(pool) == levels(pool, warehouse="backup") == {"available": 1}
        assert pool.cards_of(stored_line(pool).order_id) == {}

    def test_lines_of_one_order_are_filled_one_by_one(self, pool: Pool) -> None:
        """Each line stands for itself; cards of another sku are never taken."""
        bring(pool, "s1", "s2")
        bring(pool, "p1", sku="psn")
        lines = (line(1, quantity=2), line(2), line(3, sku="psn"))
        placed = place(pool, order("A1", *lines))
        assert [len(taken) for _, taken in placed.lines] == [2, 0, 1]
        shown = {n: names_of(x) for n, x in pool.cards_of(placed.order_id).items()}
        assert shown == {1: ["s1", "s2"], 3: ["p1"]}

    @pytest.mark.parametrize("state", _OUT)
    def test_a_taken_card_is_on_its_line_in_the_asked_state(
        self, pool: Pool, state: CardState
    ) -> None:
        """A reserved card is not shown, an issued and a delivered one are."""
        order_id = in_state(pool, state)
        assert levels(pool) == {str(state): 1}
        is_shown = state is not CardState.RESERVED
        assert pool.cards_of(order_id).keys() == ({1} if is_shown else set())
        assert state_of(pool, "card") is state

    # --- every pair of states ---

    @pytest.mark.parametrize("target", list(CardState))
    @pytest.mark.parametrize("state", _ON_LINES)
    def test_cards_of_a_line_move_as_the_table_of_states_allows(
        self, pool: Pool, state: CardState, target: CardState
    ) -> None:
        """What the table does not allow is refused and changes nothing."""
        order_id = in_state(pool, state)
        if can_become(state, target):
            with pool.transaction() as change:
                moved = change.move_line_cards(order_id, 1, state, target, now_ms=NOW)
            assert (moved, state_of(pool, "card")) == (1, target)
            record = pool.find_card(digest("card"))
            assert record is not None
            assert (record.order_no == "") == (target is CardState.AVAILABLE)
        else:
            with pytest.raises(IllegalTransition), pool.transaction() as change:
                change.move_line_cards(order_id, 1, state, target, now_ms=NOW)
            assert state_of(pool, "card") is state
        assert levels(pool) == {str(state_of(pool, "card")): 1}

    @pytest.mark.parametrize("said", list(CardState))
    @pytest.mark.parametrize("state", list(CardState))
    def test_a_card_is_voided_only_from_the_state_it_is_in(
        self, pool: Pool, state: CardState, said: CardState
    ) -> None:
        """A void card stays void; who speaks of another state than the real one changes nothing."""
        in_state(pool, state)
        if state is said is not CardState.VOID:
            with pool.transaction() as change:
                change.void_card(card_id(pool, "card"), said, now_ms=NOW)
            assert levels(pool) == {"void": 1}
            record = pool.find_card(digest("card"))
            assert record is not None
            was_sold = state in {CardState.ISSUED, CardState.DELIVERED}
            assert (record.order_no == "A1") == was_sold, "a sold card stays with its order"
        else:
            with pytest.raises(IllegalTransition), pool.transaction() as change:
                change.void_card(card_id(pool, "card"), said, now_ms=NOW)
            assert levels(pool) == {str(state): 1}

    def test_an_unknown_card_is_not_voided(self, pool: Pool) -> None:
        """There is nothing to take out of use."""
        with pytest.raises(CardNotFound), pool.transaction() as change:
            change.void_card(CardId(UNHEARD_OF), CardState.AVAILABLE, now_ms=NOW)

    @pytest.mark.parametrize("state", list(CardState))
    def test_only_an_available_card_is_given_by_hand(self, pool: Pool, state: CardState) -> None:
        """A card that somebody else has, or nobody may have, is refused with all that came along."""
        in_state(pool, state)
        bring(pool, "free", warehouse="backup")
        sell(pool, "B1", 2, plan_warehouses=("nowhere",))
        picked = [card_id(pool, "free"), card_id(pool, "card")]
        wanted = stored_line(pool, "B1")
        if state is CardState.AVAILABLE:
            with pool.transaction() as change:
                change.give_cards(wanted, picked, CardState.ISSUED, now_ms=NOW)
            assert len(pool.cards_of(wanted.order_id)[1]) == 2
            assert levels(pool) == levels(pool, warehouse="backup") == {"issued": 1}
        else:
            with pytest.raises(IllegalTransition), pool.transaction() as change:
                change.give_cards(wanted, picked, CardState.ISSUED, now_ms=NOW)
            assert state_of(pool, "free") is CardState.AVAILABLE

    def test_a_card_of_another_sku_is_not_given(self, pool: Pool) -> None:
        """Its seal would not open for the line's sku; no card at all is not found either."""
        bring(pool, "psn card", sku="psn")
        sell(pool, "A1")
        for picked in (card_id(pool, "psn card"), CardId(UNHEARD_OF)):
            with pytest.raises(CardNotFound), pool.transaction() as change:
                change.give_cards(stored_line(pool), [picked], CardState.DELIVERED, now_ms=NOW)

    # --- shared cards ---

    def test_a_shared_card_is_sold_again_and_again(self, pool: Pool) -> None:
        """Without a cap it stays in stock, and shows once for every unit."""
        bring(pool, "link")
        for number in ("A1", "A2"):
            placed = sell(pool, number, 3, plan_shared=True)
            assert names_of(placed.lines[0][1]) == ["link"] * 3
            assert names_of(pool.cards_of(placed.order_id)[1]) == ["link"] * 3
        assert levels(pool) == {"available": 1}

    def test_a_shared_card_leaves_stock_at_its_cap(self, pool: Pool) -> None:
        """Units go over to the next card; more than all caps together is short."""
        bring(pool, "one", "two")
        ((status, _),) = sell(pool, "A0", 7, plan_shared=True, plan_cap=3).lines
        assert status == SHORT
        ((_, taken),) = sell(pool, "A1", 4, plan_shared=True, plan_cap=3).lines
        assert names_of(taken) == ["one", "one", "one", "two"]
        assert levels(pool) == {"available": 1, "delivered": 1}
        ((_, rest),) = sell(pool, "A2", 2, plan_shared=True, plan_cap=3).lines
        assert names_of(rest) == ["two", "two"]
        assert levels(pool) == {"delivered": 2}

    def test_shared_cards_obey_warehouses_batches_and_expiry(self, pool: Pool) -> None:
        """They are chosen like any other card."""
        bring(pool, "main link")
        batch = bring(pool, "backup link", warehouse="backup", expires_ms=NOW + 10)
        both = ("main", "backup", "main")
        ((_, taken),) = sell(
            pool, "A1", plan_shared=True, plan_warehouses=both, plan_batches=(batch, batch)
        ).lines
        assert names_of(taken) == ["backup link"]
        ((_, taken),) = sell(
            pool, "A2", 5, plan_shared=True, plan_cap=5, plan_warehouses=both
        ).lines
        assert names_of(taken) == ["main link"] * 5
        ((status, _),) = sell(
            pool, "A3", plan_shared=True, plan_warehouses=("backup",), plan_alive_at_ms=NOW + 10
        ).lines
        assert status == SHORT

    def test_one_buyer_gets_no_more_than_the_limit(self, pool: Pool) -> None:
        """What a buyer had before counts; an unknown buyer counts each time alone."""
        bring(pool, "link")
        limits: dict[str, Any] = {"plan_shared": True, "plan_per_buyer": 3}

        def buy(number: str, quantity: int, buyer: bytes | None) -> tuple[str, str]:
            wanted = order(number, line(quantity=quantity, **limits), buyer=buyer)
            ((status, _),) = place(pool, wanted).lines
            return status.outcome, status.reason

        limit = (Outcome.HELD, Reason.BUYER_LIMIT)
        assert buy("A1", 2, digest("ann")) == (Outcome.DELIVERED, Reason.NONE)
        assert buy("A2", 2, digest("ann")) == limit
        assert buy("A3", 1, digest("ann")) == (Outcome.DELIVERED, Reason.NONE)
        assert buy("A4", 3, digest("bob")) == (Outcome.DELIVERED, Reason.NONE)
        assert buy("A5", 3, None) == buy("A6", 3, None) == (Outcome.DELIVERED, Reason.NONE)
        assert buy("A7", 4, None) == limit
        assert "3" in stored_line(pool, "A7").status.why

    # --- taking an import back ---

    def test_an_undone_batch_is_forgotten_and_may_come_again(self, pool: Pool) -> None:
        """What is unsold leaves stock, in pieces of the asked size; sold cards stay sold."""
        batch = bring(pool, "sold", "a", "b", "c")
        sell(pool, "A1")
        with pool.transaction() as change:
            assert change.undo_batch(batch, limit=0, now_ms=NOW) == 0
            change.close_batch(batch)
        counts: list[int] = []
        while not counts or counts[-1]:
            with pool.transaction() as change:
                counts.append(change.undo_batch(batch, limit=2, now_ms=NOW))
        assert counts == [2, 1, 0]
        assert levels(pool) == {"delivered": 1, "void": 3}
        assert (pool.batches()[0].undone, pool.batches()[0].added) == (True, 4)
        assert pool.known([digest("a"), digest("sold")]).keys() == {digest("sold")}
        bring(pool, "a", "b", "sold")
        assert levels(pool) == {"available": 2, "delivered": 1, "void": 3}

    def test_undoing_finds_cards_that_were_carried_elsewhere(self, pool: Pool) -> None:
        """A card belongs to its batch wherever it lies."""
        batch = bring(pool, "a", "b")
        with pool.transaction() as change:
            change.move_cards("steam", "main", "backup", limit=1, now_ms=NOW)
            assert change.undo_batch(batch, limit=10, now_ms=NOW) == 2
        assert levels(pool) == levels(pool, warehouse="backup") == {"void": 1}

    def test_a_shared_card_that_was_sold_stays_readable(self, pool: Pool) -> None:
        """It leaves stock with its batch, but its buyers may ask for it again."""
        batch = bring(pool, "link")
        placed = sell(pool, "A1", plan_shared=True)
        with pool.transaction() as change:
            assert change.undo_batch(batch, limit=10, now_ms=NOW) == 1
        assert levels(pool) == {"void": 1}
        assert names_of(pool.cards_of(placed.order_id)[1]) == ["link"]

    def test_a_batch_is_undone_once(self, pool: Pool) -> None:
        """The second time is refused, and so is one that never was."""
        batch = bring(pool, "a")
        with pool.transaction() as change:
            change.close_batch(batch)
        for wrong in (batch, BatchId(UNHEARD_OF)):
            with pytest.raises(IllegalTransition), pool.transaction() as change:
                change.close_batch(wrong)
        with pytest.raises(CardNotFound), pool.transaction() as change:
            change.undo_batch(BatchId(UNHEARD_OF), limit=1, now_ms=NOW)

    # --- moving ---

    def test_cards_move_between_warehouses_first_expiring_first(self, pool: Pool) -> None:
        """As many as asked and there; the destination is made; both levels are exact."""
        bring(pool, "a", "b")
        bring(pool, "soon", expires_ms=NOW + 1)
        with pool.transaction() as change:
            assert change.move_cards("steam", "main", "new", limit=2, now_ms=NOW) == 2
        assert levels(pool) == {"available": 1}
        assert levels(pool, warehouse="new") == {"available": 2}
        record = pool.find_card(digest("soon"))
        assert record is not None
        assert record.warehouse == "new"
        with pool.transaction() as change:
            assert change.move_cards("steam", "main", "new", limit=9, now_ms=NOW) == 1
            assert change.move_cards("steam", "main", "new", limit=9, now_ms=NOW) == 0
        with pytest.raises(CardNotFound), pool.transaction() as change:
            change.move_cards("steam", "nowhere", "main", limit=1, now_ms=NOW)

    def test_levels_stay_exact_through_everything(self, pool: Pool) -> None:
        """Folding movements at any moment, or twice, changes no level."""
        batch = bring(pool, "a", "b", "c", "d", "e", "f")
        sell(pool, "A1", 2)
        _roll_up(pool)
        with pool.transaction() as change:
            change.move_cards("steam", "main", "backup", limit=1, now_ms=NOW)
            change.void_card(card_id(pool, "d"), CardState.AVAILABLE, now_ms=NOW)
        _roll_up(pool)
        _roll_up(pool)
        with pool.transaction() as change:
            assert change.roll_up() == 0, "what was folded is not folded again"
            change.void_card(card_id(pool, "a"), CardState.DELIVERED, now_ms=NOW)
            change.undo_batch(batch, limit=1, now_ms=NOW)
        before = pool.stock()
        _roll_up(pool)
        assert pool.stock() == before
        assert sum(levels(pool).values()) + sum(levels(pool, warehouse="backup").values()) == 6
        assert [x for x in pool.audit() if "event" not in x] == []


def _roll_up(pool: Pool) -> None:
    with pool.transaction() as change:
        assert change.roll_up() >= 0


def _entry_of(sku: str) -> BatchEntry:
    return BatchEntry(sku=sku, warehouse="main", format="plain", imported_ms=NOW)
