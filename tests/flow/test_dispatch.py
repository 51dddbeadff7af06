"""A paid order becomes its cards, in one commit, once."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa

from autocard import (
    Buyer,
    InvalidOrder,
    Money,
    Order,
    OrderConflict,
    OrderLine,
    Outcome,
    Payment,
    Reason,
    StoreUnavailable,
)
from autocard.spi import Hold, hookimpl


class TestDirect:
    def test_cards_are_returned_in_one_commit(self, shop, monkeypatch):
        """A direct dispatch commits exactly once and returns the oldest cards first."""
        engine = shop.open()
        shop.stock(engine, 5)
        commits = []
        pool = engine._flow.pool
        begin = pool.transaction
        monkeypatch.setattr(
            type(pool),
            "transaction",
            lambda self, connection=None: commits.append(1) or begin(connection),
        )
        receipt = engine.dispatch(shop.order(quantity=2))
        assert receipt.outcome is Outcome.DELIVERED
        assert shop.texts(receipt) == ["STEAM-000000", "STEAM-000001"]
        assert len(commits) == 1
        monkeypatch.undo()

    def test_a_card_shows_its_parts_and_its_text(self, shop):
        """A card of two parts gives back number, secret and the unchanged original text."""
        engine = shop.open(skus={"steam": {"format": "pair-hyphens"}})
        engine.cards.add("steam", ["1111----22--33"])
        (card,) = engine.dispatch(shop.order()).cards
        assert (card.number, card.secret.reveal()) == ("1111", "22--33")
        assert card.text().reveal() == "1111----22--33"
        assert "22--33" not in repr(card)
        assert "1111" not in repr(card)

    def test_several_lines_are_served_each_for_itself(self, shop):
        """A line short of stock does not hold up the others, and takes no card itself."""
        engine = shop.open(skus={"steam": {}, "psn": {}})
        shop.stock(engine, 3)
        shop.stock(engine, 1, sku="psn")
        lines = [
            OrderLine(item="steam", quantity=2),
            OrderLine(item="psn", quantity=2),
            OrderLine(item="steam", quantity=1),
        ]
        receipt = engine.dispatch(shop.order(lines=lines, paid="5.00"))
        assert [line.outcome for line in receipt.lines] == ["delivered", "pending", "delivered"]
        assert receipt.lines[1].reason is Reason.SHORT
        assert receipt.outcome is Outcome.PENDING
        assert [x.available for x in engine.cards.stock("psn")] == [1]

    def test_ten_thousand_cards_go_out_in_one_line(self, shop):
        """The largest quantity is served whole."""
        engine = shop.open()
        shop.stock(engine, 10_000)
        receipt = engine.dispatch(shop.order(quantity=10_000))
        assert len(set(shop.texts(receipt))) == 10_000

    def test_an_order_needs_lines_and_a_payment(self, shop):
        """An order without lines or payment is refused by name and stores nothing."""
        engine = shop.open()
        with pytest.raises(InvalidOrder, match="payment") as caught:
            engine.dispatch(shop.order(paid=None))
        assert caught.value.field == "payment"
        with pytest.raises(InvalidOrder, match="lines"):
            engine.dispatch(
                Order(platform="shop", order_no="x", payment=Payment(paid=Money(1, "CNY")))
            )
        assert engine.orders() == []
        assert engine.receipt("shop", "x") is None


class TestRepeat:
    def test_the_same_order_again_gives_the_same_cards(self, shop):
        """A repetition returns the same cards and says that it is one."""
        engine = shop.open()
        shop.stock(engine, 5)
        first = engine.dispatch(shop.order(quantity=2))
        events = engine.ledger.events()
        again = engine.dispatch(shop.order(quantity=2))
        assert not first.replayed
        assert again.replayed
        assert shop.texts(again) == shop.texts(first)
        assert engine.ledger.events() == events

    @pytest.mark.parametrize(
        "change",
        [
            {"quantity": 3},
            {"item": "psn"},
            {"price": "9.99"},
            {"target": "13800000000"},
            {"options": {"region": "CN"}},
        ],
    )
    def test_other_content_is_a_conflict_and_changes_nothing(self, shop, change):
        """The same number with other lines raises and leaves everything as it was."""
        engine = shop.open(skus={"steam": {}, "psn": {}})
        shop.stock(engine, 5)
        engine.dispatch(shop.order(quantity=2))
        before = (engine.cards.stock(), engine.ledger.events())
        with pytest.raises(OrderConflict, match="shop/A1"):
            engine.dispatch(shop.order(**{"quantity": 2, **change}))
        assert (engine.cards.stock(), engine.ledger.events()) == before

    def test_prices_that_are_equal_are_the_same_content(self, shop):
        """10 and 10.00 are one price."""
        engine = shop.open()
        shop.stock(engine, 2)
        engine.dispatch(shop.order(price="10.00", paid="10.00"))
        assert engine.dispatch(shop.order(price="10", paid="10")).replayed

    def test_a_second_payment_is_an_event_only(self, shop):
        """Paying twice is written down and serves nothing twice."""
        engine = shop.open()
        shop.stock(engine, 5)
        engine.dispatch(shop.order(reference="pay-1"))
        again = engine.dispatch(shop.order(reference="pay-2"))
        assert again.replayed
        told = [x for x in engine.ledger.events() if x.kind == "payment.repeated"]
        assert [x.detail["reference"] for x in told] == ["pay-2"]
        assert engine.cards.stock()[0].delivered == 1

    def test_the_same_number_of_another_platform_is_another_order(self, shop):
        """Order numbers are unique within their platform only."""
        engine = shop.open()
        shop.stock(engine, 2)
        first = engine.dispatch(shop.order())
        other = engine.dispatch(
            Order(
                platform="other",
                order_no="A1",
                lines=shop.order().lines,
                payment=shop.order().payment,
            )
        )
        assert shop.texts(first) != shop.texts(other)


class TestMany:
    def test_many_orders_are_one_commit(self, shop):
        """A group is served in order, repetitions inside it are recognised."""
        engine = shop.open()
        shop.stock(engine, 10)
        receipts = engine.dispatch_many([shop.order("B1"), shop.order("B2"), shop.order("B1")])
        assert [x.replayed for x in receipts] == [False, False, True]
        assert shop.texts(receipts[0]) == shop.texts(receipts[2])

    def test_a_conflict_in_the_group_accepts_none(self, shop):
        """A group with a conflict leaves nothing behind."""
        engine = shop.open()
        shop.stock(engine, 10)
        with pytest.raises(OrderConflict):
            engine.dispatch_many([shop.order("B1"), shop.order("B1", quantity=2)])
        assert engine.orders() == []
        with pytest.raises(InvalidOrder, match=r"orders\[1\]"):
            engine.dispatch_many([shop.order("B1"), shop.order("B2", paid=None)])
        assert engine.orders() == []


class TestHostTransaction:
    def test_nobody_hears_of_what_the_host_has_not_committed(self, shop):
        """News come after a commit, and this commit is the host's; the ledger has it then."""
        heard = []

        class Bell:
            @hookimpl
            def autocard_recorded(self, event):
                heard.append(event.kind)

        engine = shop.open(plugins=[Bell()])
        shop.stock(engine, 1)
        host = shop.database()
        with host.connect() as connection:
            engine.dispatch(shop.order(), connection=connection)
            connection.rollback()
            assert heard == []
            engine.dispatch(shop.order(), connection=connection)
            connection.commit()
        host.dispose()
        assert heard == []
        assert "line.delivered" in [event.kind for event in engine.ledger.events()]

    def test_the_host_commits_both_or_none(self, shop):
        """With the host's connection order and cards share its commit and its rollback."""
        engine = shop.open()
        shop.stock(engine, 3)
        host = shop.database()
        with host.connect() as connection:
            connection.execute(sa.text("CREATE TABLE host_orders (n TEXT)"))
            connection.commit()
            connection.execute(sa.text("INSERT INTO host_orders VALUES ('A1')"))
            receipt = engine.dispatch(shop.order(), connection=connection)
            again = engine.dispatch(shop.order(), connection=connection)
            assert again.replayed
            assert shop.texts(again) == shop.texts(receipt)
            connection.rollback()
            assert engine.receipt("shop", "A1") is None
            connection.execute(sa.text("INSERT INTO host_orders VALUES ('A1')"))
            engine.dispatch(shop.order(), connection=connection)
            connection.commit()
        host.dispose()
        assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED
        assert engine.cards.stock()[0].delivered == 1

    def test_nothing_is_pushed_before_the_host_commits(self, shop):
        """A push waits for `resume` when the host holds the transaction."""
        engine = shop.pushing()
        shop.stock(engine, 3)
        host = shop.database()
        with host.connect() as connection:
            receipt = engine.dispatch(shop.order(), connection=connection)
            connection.commit()
        host.dispose()
        assert receipt.lines[0].reason is Reason.DELIVERING
        assert shop.script.calls == 0
        assert engine.resume().delivered == 1
        assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED


def damage(shop, card):
    shop.run("UPDATE autocard_cards SET sealed = :sealed WHERE id = :id", sealed=b"12", id=card)


class TestBrokenSeal:
    def test_a_damaged_card_is_voided_and_the_next_one_goes_out(self, shop):
        """A card whose seal does not open is never sold and never stops the shop."""
        engine = shop.open()
        shop.stock(engine, 2)
        damage(shop, 1)
        receipt = engine.dispatch(shop.order())
        assert shop.texts(receipt) == ["STEAM-000001"]
        assert engine.cards.stock()[0].void == 1
        assert "card.broken" in [x.kind for x in engine.ledger.events()]

    def test_many_get_past_it_too(self, shop):
        """A group is served around a damaged card."""
        engine = shop.open()
        shop.stock(engine, 3)
        damage(shop, 2)
        receipts = engine.dispatch_many([shop.order("B1"), shop.order("B2")])
        assert [shop.texts(x) for x in receipts] == [["STEAM-000000"], ["STEAM-000002"]]


def test_a_nested_transaction_is_refused(shop):
    """One thread cannot open a change inside a change."""
    engine = shop.open()
    pool = engine._flow.pool
    with pool.transaction(), pytest.raises(RuntimeError, match="inside a transaction"):
        engine.dispatch(shop.order())


@pytest.mark.parametrize("store_kind", ["sqlite"])
def test_a_locked_database_is_unavailable_after_the_wait(shop):
    """Another program that holds the write lock costs a clear error, and nothing is written."""
    engine = shop.open(store=f"sqlite:///{shop.folder}/shop.db?wait_s=0.2")
    shop.stock(engine, 1)
    with closing(sqlite3.connect(shop.folder / "shop.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            engine.dispatch(shop.order())
        other.execute("ROLLBACK")
    assert engine.dispatch(shop.order()).outcome is Outcome.DELIVERED


@pytest.mark.parametrize("words", ["bad \ud800", "a\0b", "x" * 70_000])
def test_a_hook_may_give_a_reason_that_no_store_takes(shop, words):
    """The order was paid: it is held with the reason as far as it can be read."""

    class Rules:
        @hookimpl
        def autocard_assess(self, order, line, history):
            return Hold(words)

    engine = shop.open(plugins=[Rules()])
    receipt = engine.dispatch(shop.order())
    assert (receipt.outcome, receipt.lines[0].reason) == (Outcome.HELD, Reason.REVIEW)
    assert receipt.lines[0].why.isprintable()
    assert len(receipt.lines[0].why) <= 1_000
    assert engine.dispatch(shop.order()).replayed


@pytest.mark.parametrize("limit", ["orders_per_hour", "orders_per_day"])
def test_a_group_counts_its_own_orders(shop, limit):
    """Many orders of one buyer at once are as many as one after the other."""
    engine = shop.open(review={limit: 2})
    shop.stock(engine, 9)
    orders = [shop.order(f"A{number}") for number in range(4)]
    outcomes = [receipt.outcome for receipt in engine.dispatch_many([orders[0], *orders])]
    assert outcomes == ["delivered", "delivered", "delivered", "held", "held"]
    other = Buyer(id="u2")
    more = [shop.order(f"B{number}", buyer=other) for number in range(2)]
    assert [x.outcome for x in engine.dispatch_many([*orders[:2], *more])] == ["delivered"] * 4


def test_a_payment_of_another_amount_is_news(shop):
    """Under the same reference, too."""
    engine = shop.open()
    shop.stock(engine, 1)
    engine.dispatch(shop.order(paid="0.50"))
    engine.dispatch(shop.order(paid="10.00"))
    told = engine.ledger.events()[-1]
    assert (told.kind, told.detail["paid"]) == ("payment.repeated", "10.00 CNY")
    count = len(engine.ledger.events())
    engine.dispatch(shop.order(paid="0.50"))
    assert len(engine.ledger.events()) == count
