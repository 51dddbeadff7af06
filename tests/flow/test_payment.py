"""Orders before and after their payment: expected, reserved, late, cancelled, twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from autocard import (
    Buyer,
    IllegalTransition,
    InvalidOrder,
    Money,
    OrderConflict,
    OrderLine,
    OrderNotFound,
    Outcome,
    Reason,
)


class TestExpect:
    def test_an_expected_order_takes_no_cards(self, shop):
        """Registering holds nothing and says that the order is unpaid."""
        engine = shop.open()
        shop.stock(engine, 1)
        receipt = engine.expect(shop.order(paid=None))
        assert receipt.lines[0].reason is Reason.UNPAID
        assert engine.cards.stock()[0].available == 1
        assert engine.expect(shop.order(paid=None)).replayed

    def test_its_payment_serves_it(self, shop):
        """The same order with its payment gets the cards."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.expect(shop.order(paid=None))
        assert engine.dispatch(shop.order()).outcome is Outcome.DELIVERED
        assert engine.dispatch(shop.order()).replayed

    def test_other_lines_are_a_conflict(self, shop):
        """Registering a number twice with other lines changes nothing."""
        engine = shop.open()
        engine.expect(shop.order(paid=None))
        with pytest.raises(OrderConflict):
            engine.expect(shop.order(paid=None, quantity=2))
        with pytest.raises(OrderConflict):
            engine.dispatch(shop.order(quantity=2))

    def test_it_needs_lines(self, shop):
        """An order without lines cannot be expected."""
        with pytest.raises(InvalidOrder, match="lines"):
            shop.open().expect(shop.order(lines=[], paid=None))


class TestReserve:
    def test_reserved_cards_are_held_and_then_served(self, shop):
        """The reserved cards themselves are delivered when the payment comes."""
        engine = shop.open()
        shop.stock(engine, 3)
        receipt = engine.reserve(shop.order(paid=None, quantity=2), ttl_s=60)
        assert receipt.lines[0].reason is Reason.UNPAID
        assert (engine.cards.stock()[0].available, engine.cards.stock()[0].reserved) == (1, 2)
        other = engine.dispatch(shop.order("B"))
        assert shop.texts(other) == ["STEAM-000002"]
        paid = engine.dispatch(shop.order(quantity=2))
        assert shop.texts(paid) == ["STEAM-000000", "STEAM-000001"]

    def test_a_lapsed_reservation_gives_the_cards_back(self, shop):
        """After its time the cards are available and the line is CANCELLED/expired."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.reserve(shop.order(paid=None), ttl_s=60)
        shop.clock.advance(59)
        assert engine.resume().lapsed == 0
        shop.clock.advance(1)
        assert engine.resume().lapsed == 1
        assert engine.resume().lapsed == 0
        assert engine.cards.stock()[0].available == 1
        line = engine.receipt("shop", "A1").lines[0]
        assert (line.outcome, line.reason) == (Outcome.CANCELLED, Reason.EXPIRED)

    def test_a_late_payment_is_served_from_stock(self, shop):
        """Payment after the reservation lapsed allocates again."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.reserve(shop.order(paid=None), ttl_s=60)
        shop.clock.advance(61)
        engine.resume()
        assert engine.dispatch(shop.order()).outcome is Outcome.DELIVERED

    @pytest.mark.parametrize(
        ("late", "expected"),
        [
            ("wait", (Outcome.PENDING, Reason.SHORT)),
            ("refund", (Outcome.HELD, Reason.EXPIRED)),
        ],
    )
    def test_a_late_payment_without_stock_waits_or_is_flagged(self, shop, late, expected):
        """What happens then is the merchant's choice; it is never dropped."""
        engine = shop.open(late_payment=late)
        shop.stock(engine, 1)
        engine.reserve(shop.order(paid=None), ttl_s=60)
        shop.clock.advance(61)
        engine.resume()
        engine.dispatch(shop.order("B"))
        line = engine.dispatch(shop.order()).lines[0]
        assert (line.outcome, line.reason) == expected

    def test_a_payment_before_the_lapse_is_noticed_keeps_its_cards(self, shop):
        """A payment in time, or late but before anybody released the cards, gets them."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.reserve(shop.order(paid=None), ttl_s=60)
        shop.clock.advance(100)
        assert engine.dispatch(shop.order()).outcome is Outcome.DELIVERED
        assert engine.resume().lapsed == 0

    def test_reserving_again_prolongs(self, shop):
        """The later end counts, the cards stay the same."""
        engine = shop.open()
        shop.stock(engine, 2)
        engine.reserve(shop.order(paid=None), ttl_s=60)
        shop.clock.advance(50)
        engine.reserve(shop.order(paid=None), ttl_s=60)
        shop.clock.advance(50)
        assert engine.resume().lapsed == 0
        assert engine.cards.stock()[0].reserved == 1

    @pytest.mark.parametrize("kind", ["card", "topup"])
    def test_a_rule_may_say_another_sku_once_it_is_paid(self, shop, kind):
        """What was held goes back into stock, and cards of the sku that counts now are taken."""
        skus = {"day": {}, "night": {"kind": kind}}
        rules = [
            {"item": "steam", "buyer_level": "vip", "sku": "night"},
            {"item": "steam", "sku": "day"},
        ]
        engine = shop.open(skus=skus, rules=rules)
        engine.cards.add("day", ["DAY-1", "DAY-2"])
        if kind == "card":
            engine.cards.add("night", ["NIGHT-1"])
        order = shop.order(paid=None, target="13800138000")
        engine.reserve(order, ttl_s=60)
        paid = shop.order(buyer=Buyer(id="u1", level="vip"), target="13800138000")
        receipt = engine.dispatch(paid)
        assert shop.texts(receipt) == (["NIGHT-1"] if kind == "card" else [])
        levels = {x.sku: (x.available, x.reserved, x.void) for x in engine.cards.stock()}
        assert levels["day"] == (2, 0, 0)

    def test_a_lapsed_one_may_find_nothing_when_it_is_reserved_again(self, shop):
        """Then it is short, like an order that finds nothing the first time."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.reserve(shop.order(paid=None), ttl_s=60)
        shop.clock.advance(61)
        engine.resume()
        engine.dispatch(shop.order("A2"))
        for _ in range(2):
            receipt = engine.reserve(shop.order(paid=None), ttl_s=60)
            assert (receipt.outcome, receipt.lines[0].reason) == (Outcome.CANCELLED, Reason.SHORT)

    def test_a_lapsed_one_can_be_reserved_again(self, shop):
        """Reserving after the lapse holds cards once more."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.reserve(shop.order(paid=None), ttl_s=60)
        shop.clock.advance(61)
        engine.resume()
        receipt = engine.reserve(shop.order(paid=None), ttl_s=60)
        assert receipt.lines[0].reason is Reason.UNPAID
        assert engine.cards.stock()[0].reserved == 1

    def test_what_cannot_be_held_whole_is_not_held(self, shop):
        """A line short of stock is CANCELLED/short and holds nothing; paid, it waits."""
        engine = shop.open()
        shop.stock(engine, 1)
        receipt = engine.reserve(shop.order(paid=None, quantity=2), ttl_s=60)
        assert (receipt.lines[0].outcome, receipt.lines[0].reason) == ("cancelled", "short")
        assert engine.cards.stock()[0].available == 1
        assert engine.dispatch(shop.order(quantity=2)).lines[0].reason is Reason.SHORT

    def test_an_unmatched_line_is_not_held(self, shop):
        """Nothing is guessed for a reservation either."""
        engine = shop.open()
        receipt = engine.reserve(shop.order(paid=None, item="other"), ttl_s=60)
        assert receipt.lines[0].reason is Reason.UNMATCHED
        assert engine.dispatch(shop.order(item="other")).lines[0].outcome is Outcome.HELD

    def test_shared_cards_and_topups_are_only_registered(self, shop):
        """What is not held one by one waits for its payment."""
        engine = shop.open(skus={"link": {"kind": "shared"}})
        shop.stock(engine, 1, sku="link")
        receipt = engine.reserve(shop.order(paid=None, item="link"), ttl_s=60)
        assert receipt.lines[0].reason is Reason.UNPAID
        assert engine.dispatch(shop.order(item="link")).outcome is Outcome.DELIVERED

    @pytest.mark.parametrize("ttl_s", [0, -1, 10**9])
    def test_the_time_is_bounded(self, shop, ttl_s):
        """A reservation lasts more than nothing and at most a year."""
        with pytest.raises(InvalidOrder, match="ttl_s"):
            shop.open().reserve(shop.order(paid=None), ttl_s=ttl_s)

    def test_reserving_a_paid_order_returns_it(self, shop):
        """A paid order is not reserved again."""
        engine = shop.open()
        shop.stock(engine, 2)
        engine.dispatch(shop.order())
        assert engine.reserve(shop.order(paid=None), ttl_s=60).replayed
        assert engine.cards.stock()[0].available == 1

    def test_a_card_voided_while_reserved_is_replaced(self, shop):
        """The line gets another card instead."""
        engine = shop.open()
        shop.stock(engine, 3)
        engine.reserve(shop.order(paid=None, quantity=2), ttl_s=60)
        engine.cards.void(engine.cards.find("STEAM-000000").id, by="op", why="bad")
        receipt = engine.dispatch(shop.order(quantity=2))
        assert shop.texts(receipt) == ["STEAM-000001", "STEAM-000002"]


class TestCancel:
    def test_it_releases_a_reservation(self, shop):
        """Cancelling gives the cards back; cancelling again changes nothing."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.reserve(shop.order(paid=None), ttl_s=60)
        receipt = engine.cancel("shop", "A1", reason="buyer left")
        assert (receipt.lines[0].outcome, receipt.lines[0].why) == ("cancelled", "buyer left")
        assert engine.cards.stock()[0].available == 1
        assert engine.cancel("shop", "A1", reason="again").replayed
        shop.clock.advance(100)
        engine.resume()

    def test_a_payment_after_it_is_held(self, shop):
        """Money for a cancelled order waits for a person, who may serve or refund it."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.expect(shop.order(paid=None))
        engine.cancel("shop", "A1", reason="no")
        line = engine.dispatch(shop.order()).lines[0]
        assert (line.outcome, line.reason) == (Outcome.HELD, Reason.CANCELLED)
        assert engine.review.approve("shop", "A1", by="op").outcome is Outcome.DELIVERED

    def test_it_cannot_be_reserved_again(self, shop):
        """A cancelled order stays cancelled until it is paid."""
        engine = shop.open()
        engine.expect(shop.order(paid=None))
        engine.cancel("shop", "A1", reason="no")
        with pytest.raises(IllegalTransition, match="cancelled"):
            engine.reserve(shop.order(paid=None), ttl_s=60)

    def test_a_waiting_order_can_be_cancelled(self, shop):
        """A paid line short of stock can be called off, and is not served later."""
        engine = shop.open()
        engine.dispatch(shop.order())
        engine.cancel("shop", "A1", reason="refunded by hand")
        shop.stock(engine, 1)
        assert engine.receipt("shop", "A1").outcome is Outcome.CANCELLED

    def test_a_served_order_cannot(self, shop):
        """A delivered line makes the whole cancellation illegal; nothing changes."""
        engine = shop.open(skus={"steam": {}, "psn": {}})
        shop.stock(engine, 1)
        lines = [*shop.order().lines, *shop.order(item="psn").lines]
        engine.dispatch(shop.order(lines=lines))
        with pytest.raises(IllegalTransition, match="line 1"):
            engine.cancel("shop", "A1", reason="no")
        assert engine.receipt("shop", "A1").lines[1].reason is Reason.SHORT

    def test_an_unknown_order_is_not_found(self, shop):
        """Cancelling what is not known says so."""
        with pytest.raises(OrderNotFound, match="shop/A1"):
            shop.open().cancel("shop", "A1", reason="no")


class TestAmounts:
    def test_a_payment_that_does_not_add_up_is_held(self, shop):
        """Too little, too much and the wrong sum wait for a person; no card is taken."""
        engine = shop.open()
        shop.stock(engine, 5)
        line = engine.dispatch(shop.order(paid="9.99")).lines[0]
        assert (line.outcome, line.reason) == (Outcome.HELD, Reason.AMOUNT_MISMATCH)
        assert "9.99 CNY was paid for 10.00 CNY" in line.why
        assert engine.cards.stock()[0].available == 5

    def test_lines_that_cost_more_than_can_be_paid(self, shop):
        """A sum beyond every amount is a mismatch like any other, and no error of arithmetic."""
        engine = shop.open()
        line = OrderLine(item="steam", quantity=10_000, unit_price=Money("900000000000000", "CNY"))
        held = engine.dispatch(shop.order(lines=[line], paid="1.00")).lines[0]
        assert (held.outcome, held.reason) == (Outcome.HELD, Reason.AMOUNT_MISMATCH)

    def test_it_is_checked_against_what_was_expected(self, shop):
        """A later payment is compared with the registered lines."""
        engine = shop.open()
        shop.stock(engine, 5)
        engine.expect(shop.order(paid=None))
        assert engine.dispatch(shop.order(paid="0.01")).lines[0].reason is Reason.AMOUNT_MISMATCH

    def test_a_price_on_some_lines_only_cannot_add_up(self, shop):
        """When one line has no price the sum proves nothing, so a person looks."""
        engine = shop.open()
        lines = [*shop.order().lines, *shop.order(price=None).lines]
        receipt = engine.dispatch(shop.order(lines=lines, paid="10.00"))
        assert {x.reason for x in receipt.lines} == {Reason.AMOUNT_MISMATCH}

    def test_without_prices_the_payment_is_taken_as_it_is(self, shop):
        """A host that sends no prices speaks for the amount."""
        engine = shop.open()
        shop.stock(engine, 1)
        assert engine.dispatch(shop.order(price=None, paid="3")).outcome is Outcome.DELIVERED


class TestWaiting:
    def test_orders_are_served_first_come_first_served(self, shop):
        """An import serves those who wait, in their order, each whole."""
        engine = shop.open()
        for number in "ABC":
            engine.dispatch(shop.order(number, quantity=2))
        shop.stock(engine, 5)
        assert [engine.receipt("shop", n).outcome for n in "ABC"] == [
            "delivered",
            "delivered",
            "pending",
        ]
        assert shop.texts(engine.receipt("shop", "A")) == ["STEAM-000000", "STEAM-000001"]

    def test_a_smaller_order_may_overtake(self, shop):
        """A line that can be filled whole is not held back by a larger one before it."""
        engine = shop.open()
        engine.dispatch(shop.order("big", quantity=5))
        engine.dispatch(shop.order("small", quantity=1))
        shop.stock(engine, 2)
        assert engine.receipt("shop", "small").outcome is Outcome.DELIVERED
        assert engine.dispatch(shop.order("new")).outcome is Outcome.DELIVERED

    def test_overtaking_can_be_forbidden(self, shop):
        """With overtake = false everybody waits behind the first, new orders too."""
        engine = shop.open(skus={"steam": {"overtake": False}})
        engine.dispatch(shop.order("big", quantity=5))
        engine.dispatch(shop.order("small"))
        shop.stock(engine, 2)
        assert engine.receipt("shop", "small").lines[0].reason is Reason.SHORT
        assert engine.dispatch(shop.order("new")).lines[0].reason is Reason.SHORT
        shop.stock(engine, 5, start=10)
        assert [engine.receipt("shop", n).outcome for n in ("big", "small", "new")] == [
            "delivered",
            "delivered",
            "delivered",
        ]

    def test_released_cards_serve_those_who_wait(self, shop):
        """A lapsed reservation is the next one's luck, in the same pass of resume."""
        engine = shop.open()
        shop.stock(engine, 1)
        engine.reserve(shop.order("R", paid=None), ttl_s=10)
        engine.dispatch(shop.order("W"))
        shop.clock.advance(11)
        report = engine.resume()
        assert (report.lapsed, report.served) == (1, 1)
        assert engine.receipt("shop", "W").outcome is Outcome.DELIVERED

    def test_a_withdrawn_sku_keeps_its_orders_waiting(self, shop):
        """An order whose sku left the configuration waits until it is back."""
        engine = shop.open()
        engine.dispatch(shop.order())
        engine.close()
        engine = shop.open(skus={"psn": {}})
        assert engine.resume().served == 0
        assert engine.receipt("shop", "A1").lines[0].reason is Reason.SHORT


class TestKinds:
    def test_a_shared_card_is_sold_again_and_again(self, shop):
        """Every buyer gets the same card; quantity counts as uses."""
        engine = shop.open(skus={"link": {"kind": "shared"}})
        shop.stock(engine, 1, sku="link")
        first = engine.dispatch(shop.order("A", item="link", quantity=2))
        second = engine.dispatch(shop.order("B", item="link"))
        assert shop.texts(first) == ["LINK-000000"] * 2
        assert shop.texts(second) == ["LINK-000000"]
        assert shop.texts(engine.dispatch(shop.order("A", item="link", quantity=2))) == [
            "LINK-000000",
            "LINK-000000",
        ]
        assert engine.cards.stock("link")[0].available == 1

    def test_a_cap_moves_on_to_the_next_card(self, shop):
        """A card sold as often as its cap allows leaves stock; a line may span two."""
        engine = shop.open(skus={"link": {"kind": "shared", "cap": 3}})
        shop.stock(engine, 2, sku="link")
        engine.dispatch(shop.order("A", item="link", quantity=2))
        receipt = engine.dispatch(shop.order("B", item="link", quantity=2))
        assert shop.texts(receipt) == ["LINK-000000", "LINK-000001"]
        assert engine.cards.stock("link")[0].delivered == 1
        assert engine.dispatch(shop.order("C", item="link", quantity=3)).lines[0].reason == "short"

    def test_a_buyer_has_a_limit(self, shop):
        """One buyer may have so many; more is held for a person, who may allow it."""
        engine = shop.open(skus={"link": {"kind": "shared", "per_buyer": 2}})
        shop.stock(engine, 1, sku="link")
        engine.dispatch(shop.order("A", item="link", quantity=2))
        line = engine.dispatch(shop.order("B", item="link")).lines[0]
        assert (line.outcome, line.reason) == (Outcome.HELD, Reason.BUYER_LIMIT)
        assert engine.review.approve("shop", "B", by="op").outcome is Outcome.DELIVERED

    def test_a_topup_waits_for_a_person(self, shop):
        """A top-up carries its target and ends PENDING/manual; done by hand it is delivered."""
        engine = shop.open(skus={"phone": {"kind": "topup"}})
        order = shop.order(item="phone", target="13800000000")
        line = engine.dispatch(order).lines[0]
        assert (line.outcome, line.reason) == (Outcome.PENDING, Reason.MANUAL)
        assert [x.order_no for x in engine.review.pending()] == ["A1"]
        engine.resume()
        receipt = engine.review.fulfil("shop", "A1", 1, by="op", note="operator receipt 77")
        assert receipt.outcome is Outcome.DELIVERED
        assert engine.dispatch(order).replayed

    def test_a_topup_without_target_is_held(self, shop):
        """Nobody guesses which account to charge."""
        engine = shop.open(skus={"phone": {"kind": "topup"}})
        assert engine.dispatch(shop.order(item="phone")).lines[0].outcome is Outcome.HELD

    def test_manual_stock_is_served_by_whoever_is_first(self, shop):
        """With the source manual a short line waits for a person or for stock."""
        engine = shop.open(skus={"steam": {"sources": ["warehouse:main", "manual"]}})
        assert engine.dispatch(shop.order("A")).lines[0].reason is Reason.MANUAL
        assert engine.dispatch(shop.order("B")).lines[0].reason is Reason.MANUAL
        engine.review.fulfil("shop", "A", 1, by="op", cards=["BY-HAND-1"])
        assert shop.texts(engine.receipt("shop", "A")) == ["BY-HAND-1"]
        shop.stock(engine, 1)
        assert engine.receipt("shop", "B").outcome is Outcome.DELIVERED


class TestSources:
    def test_warehouses_are_taken_in_their_order(self, shop):
        """One line spills over to the next warehouse when the first has too little."""
        engine = shop.open(skus={"steam": {"sources": ["warehouse:main", "warehouse:backup"]}})
        shop.stock(engine, 1)
        shop.stock(engine, 2, start=10, warehouse="backup")
        receipt = engine.dispatch(shop.order(quantity=2))
        assert shop.texts(receipt) == ["STEAM-000000", "STEAM-000010"]

    def test_the_card_that_expires_first_goes_first(self, shop):
        """Earliest expiry first, then first in; expired and short-lived ones never."""
        engine = shop.open(skus={"steam": {"minimum_life_days": 2}})
        now = shop.clock.now()
        shop.stock(engine, 1, start=0)
        shop.stock(engine, 1, start=1, expires_at=now + timedelta(days=30))
        shop.stock(engine, 1, start=2, expires_at=now + timedelta(days=10))
        shop.stock(engine, 1, start=3, expires_at=now + timedelta(days=2))
        receipt = engine.dispatch(shop.order(quantity=3))
        assert shop.texts(receipt) == ["STEAM-000002", "STEAM-000001", "STEAM-000000"]
        assert engine.dispatch(shop.order("B")).lines[0].reason is Reason.SHORT
