"""What happened can be read, and the books can be checked."""

from __future__ import annotations

import pytest

from autocard import OrderNotFound


class TestEvents:
    def test_they_are_read_page_by_page(self, shop, engine):
        """The last id seen is where the next page begins."""
        for number in range(5):
            shop.buy(engine, f"A{number}")
        told = engine.ledger.events()
        assert [x.kind for x in told] == ["line.pending"] * 5
        first = engine.ledger.events(limit=2)
        assert first + engine.ledger.events(after=first[-1].id) == told

    def test_those_of_one_order(self, shop, engine):
        """By platform and number; an unknown order is an error, not an empty list."""
        shop.buy(engine, "A1")
        shop.buy(engine, "A2")
        (told,) = engine.ledger.events(platform="shop", order_no="A2")
        assert (told.order_no, told.line_no, told.at) == ("A2", 1, shop.clock.now())
        with pytest.raises(OrderNotFound, match="shop/A3"):
            engine.ledger.events(platform="shop", order_no="A3")


class TestVerify:
    def test_good_books_agree(self, shop, engine):
        """Every card is counted, whatever its state."""
        engine.cards.add("steam", [f"card {i}" for i in range(5)])
        shop.buy(engine, "A1", 2)
        engine.cards.void(5, by="ann", why="x")
        report = engine.ledger.verify()
        assert (report.ok, report.faults, report.cards) == (True, (), 5)

    def test_a_changed_book_is_found(self, shop, engine, stores):
        """Somebody who edits the database is found out, in words."""
        engine.cards.add("steam", ["a", "b"])
        stores.run(shop.url, "UPDATE autocard_cards SET state = 'delivered' WHERE id = 1")
        report = engine.ledger.verify()
        assert not report.ok
        assert "steam in main: the books say 2 available, there are 1" in report.faults
        engine.close()
