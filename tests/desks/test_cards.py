"""Looking at stock, finding, revealing, voiding, moving and taking back."""

from __future__ import annotations

import pytest

from autocard import (
    CardNotFound,
    ConfigurationError,
    IllegalTransition,
    InvalidOrder,
    Money,
    Order,
    OrderLine,
    Outcome,
    Secret,
)
from autocard.seal.sealer import Sealer

THREE = ["AAAA-1", "BBBB-2", "CCCC-3"]


class TestFind:
    def test_a_card_is_found_by_its_text_without_opening_any(self, cards, monkeypatch):
        """Text as a buyer quotes it finds the card; no seal is opened for it."""
        cards.add("steam", THREE, warehouse="backup")
        monkeypatch.setattr(Sealer, "unseal", lambda *_: pytest.fail("a seal was opened"))
        found = cards.find(Secret("  BBBB-2\n"))
        assert (found.sku, found.warehouse, found.state, found.batch) == (
            "steam", "backup", "available", 1,
        )  # fmt: skip
        assert cards.find("BBBB-9") is None
        assert cards.find("") is None

    def test_it_says_whose_a_sold_card_is(self, shop, engine, cards):
        """A complaint about a card leads to its order."""
        cards.add("steam", THREE)
        shop.buy(engine, "A1")
        found = cards.find("AAAA-1")
        assert (found.platform, found.order_no, found.line_no) == ("shop", "A1", 1)

    def test_each_format_in_use_is_tried(self, shop):
        """A card is found as the format of its import wrote it down, also after a new setting."""
        engine = shop.open()
        engine.cards.add("steam", ["aaaaa-bbbbb-ccccc"], format="steam")
        assert engine.cards.find("AAAAA-BBBBB-CCCCC").sku == "steam"

    @pytest.mark.parametrize("text", ["\x00", "\ud800", "x" * 200_000, "卡" * 50])
    def test_any_text_may_be_looked_for(self, cards, text):
        """What cannot be a card is not found."""
        cards.add("steam", THREE)
        assert cards.find(text) is None

    @pytest.mark.parametrize("text", [None, b"card", 5])
    def test_it_must_be_text(self, cards, text):
        """The message names the argument."""
        with pytest.raises(InvalidOrder, match="text: must be text or a Secret"):
            cards.find(text)


class TestReveal:
    def test_it_is_recorded_who_looked(self, engine, cards):
        """The event is there before the card is shown."""
        cards.add("steam", THREE)
        card = cards.reveal(2, by="ann", why="complaint 7")
        assert card.text().reveal() == "BBBB-2"
        told = engine.ledger.events()[-1]
        assert (told.kind, told.detail) == (
            "card.revealed", {"card": 2, "by": "ann", "why": "complaint 7"},
        )  # fmt: skip

    def test_nobody_looks_namelessly(self, engine, cards):
        """Without a name nothing is shown; an unknown card is not found."""
        cards.add("steam", THREE)
        with pytest.raises(InvalidOrder, match="by"):
            cards.reveal(1, by="", why="x")
        with pytest.raises(CardNotFound, match="99"):
            cards.reveal(99, by="ann", why="x")
        assert "card.revealed" not in [x.kind for x in engine.ledger.events()]


class TestVoid:
    def test_a_voided_card_is_never_sold(self, shop, engine, cards):
        """It leaves stock; the next one goes out."""
        cards.add("steam", THREE)
        cards.void(1, by="ann", why="seen on a forum")
        (card,) = shop.buy(engine, "A1").cards
        assert card.text().reveal() == "BBBB-2"
        told = next(x for x in engine.ledger.events() if x.kind == "card.voided")
        assert told.detail == {"card": 1, "by": "ann", "why": "seen on a forum", "was": "available"}

    def test_a_sold_card_stays_with_its_order(self, shop, engine, cards):
        """Voiding it does not make the order forget it; twice is refused."""
        cards.add("steam", THREE)
        shop.buy(engine, "A1")
        cards.void(1, by="ann", why="charged back")
        assert (cards.find("AAAA-1").state, cards.find("AAAA-1").order_no) == ("void", "A1")
        with pytest.raises(IllegalTransition):
            cards.void(1, by="ann", why="again")

    def test_somebody_must_do_it(self, cards):
        """A name is needed, and a card that is there."""
        cards.add("steam", THREE)
        with pytest.raises(InvalidOrder, match="by"):
            cards.void(1, by="", why="x")
        with pytest.raises(CardNotFound):
            cards.void(99, by="ann", why="x")


class TestMove:
    def test_cards_are_carried_and_waiting_orders_served(self, shop):
        """What arrives in a warehouse serves those who wait for it."""
        engine = shop.open(skus={"steam": {"sources": ["warehouse:front"]}})
        engine.cards.add("steam", THREE, warehouse="back")
        assert shop.buy(engine, "A1").outcome is Outcome.PENDING
        moved = engine.cards.move("steam", origin="back", destination="front", quantity=2, by="ann")
        assert moved == 2
        assert engine.receipt("shop", "A1").outcome is Outcome.DELIVERED
        levels = {x.warehouse: (x.available, x.delivered) for x in engine.cards.stock()}
        assert levels == {"back": (1, 0), "front": (1, 1)}
        told = next(x for x in engine.ledger.events() if x.kind == "cards.moved")
        assert told.detail == {
            "sku": "steam", "origin": "back", "destination": "front", "quantity": 2, "by": "ann",
        }  # fmt: skip

    def test_more_than_there_are(self, cards):
        """What is there is carried, in as many commits as it takes."""
        cards.add("steam", [f"card {i}" for i in range(2_300)])
        assert cards.move("steam", origin="main", destination="b", quantity=9_999) == 2_300
        assert cards.move("steam", origin="main", destination="b", quantity=1) == 0

    def test_what_cannot_be_moved(self, cards):
        """Each mistake is named."""
        cards.add("steam", THREE)
        with pytest.raises(InvalidOrder, match="quantity"):
            cards.move("steam", origin="main", destination="b", quantity=0)
        with pytest.raises(CardNotFound, match="'nowhere'"):
            cards.move("steam", origin="nowhere", destination="b", quantity=1)
        with pytest.raises(ConfigurationError, match="destination"):
            cards.move("steam", origin="main", destination="", quantity=1)
        with pytest.raises(ConfigurationError, match="steam"):
            cards.move("stem", origin="main", destination="b", quantity=1)


class TestUndo:
    def test_unsold_cards_leave_and_may_come_again(self, shop, engine, cards):
        """Sold ones stay with their orders; the batch says it was undone."""
        cards.add("steam", [f"card {i:04d}" for i in range(1_500)])
        receipt = shop.buy(engine, "A1", 2)
        assert cards.undo(1, by="ann", why="the wrong file") == 1_498
        (level,) = cards.stock()
        assert (level.available, level.delivered, level.void) == (0, 2, 1_498)
        assert cards.batches()[0].undone
        assert engine.receipt("shop", "A1").cards == receipt.cards
        report = cards.add("steam", ["card 0000", "card 1499"])
        assert (report.added, report.sold) == (1, 1)

    def test_buyers_of_a_shared_card_keep_it(self, shop, engine, cards):
        """It is sold no more, but their orders still show it."""
        cards.add("link", ["https://example.com/1"])
        shop.buy(engine, "A1", 1, "link")
        assert cards.undo(1, by="ann", why="x") == 1
        (card,) = engine.receipt("shop", "A1").cards
        assert card.text().reveal() == "https://example.com/1"
        assert shop.buy(engine, "A2", 1, "link").outcome is Outcome.PENDING

    def test_reserved_cards_stay(self, shop, engine, cards):
        """A reservation is a promise to a buyer."""
        cards.add("steam", THREE)
        line = OrderLine(item="steam", quantity=2, unit_price=Money("1", "CNY"))
        engine.reserve(Order(platform="shop", order_no="R", lines=[line]), ttl_s=60)
        assert cards.undo(1, by="ann", why="x") == 1
        assert cards.stock()[0].reserved == 2

    def test_only_once_and_only_what_there_is(self, cards):
        """Each mistake is named and changes nothing."""
        cards.add("steam", THREE)
        with pytest.raises(InvalidOrder, match="by"):
            cards.undo(1, by="", why="x")
        with pytest.raises(CardNotFound, match="77"):
            cards.undo(77, by="ann", why="x")
        assert cards.undo(1, by="ann", why="x") == 3
        with pytest.raises(IllegalTransition, match="undone before"):
            cards.undo(1, by="ann", why="x")


class TestLists:
    def test_batches_come_newest_first(self, shop, engine, cards):
        """With what each brought and what is left of it."""
        cards.add("steam", THREE, imported_by="ann", supplier="acme")
        cards.add("psn", ["p1"])
        cards.add("steam", ["DDDD-4"])
        shop.buy(engine, "A1", 2)
        listed = [(x.id, x.sku, x.added, x.available) for x in cards.batches()]
        assert listed == [(3, "steam", 1, 1), (2, "psn", 1, 1), (1, "steam", 3, 1)]
        assert [x.id for x in cards.batches("steam")] == [3, 1]
        assert cards.batches()[-1].imported_at == shop.clock.now()

    def test_stock_is_listed_by_sku_and_warehouse(self, cards):
        """Only what has ever had stock, in order of names."""
        cards.add("steam", THREE, warehouse="b")
        cards.add("steam", ["x"], warehouse="a")
        cards.add("psn", ["y"])
        shelves = [(x.sku, x.warehouse, x.available) for x in cards.stock()]
        assert shelves == [("psn", "main", 1), ("steam", "a", 1), ("steam", "b", 3)]
        assert len(cards.stock("steam")) == 2
        assert cards.stock("unheard of") == []
