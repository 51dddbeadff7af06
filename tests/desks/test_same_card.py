"""One card that comes in two ways: it is recognised, whoever reads it and however it is written."""

from __future__ import annotations

import pytest

from autocard import InvalidOrder
from autocard.importing.values import ReadOptions

CODE = "A1B2C-D3E4F-G5H6J"
ROWS = b"6006490000000001,1234\n6006490000000002,1234\n"
FORMATS = {
    "opaque": ("0001", "1234"),
    "steam": ("SER1", CODE),
    "roblox": ("SER1", "100 000 0010"),
    "indexed": ("0001", "1234"),
    "labelled": ("0001", "1234"),
    "json": ("0001", "1234"),
    "acg": ("0001", "1234"),
    "url": ("0001", "https://card.example.com/1"),
    "pair": ("0001", "12,34"),
    "pair-comma": ("0001", "12,34"),
    "pair-space": ("0001", "12 34"),
    "account": ("me@example.com", "p,w"),
    "qq": ("100000009", "200000000012"),
}


@pytest.fixture(name="store_kind")
def _store_kind():
    """What is proved here does not depend on the kind of store."""
    return "sqlite"


class TestTextOfACard:
    @pytest.mark.parametrize("name", FORMATS)
    def test_it_is_known_wherever_it_comes_in_again(self, shop, name):
        """Found, and neither imported nor typed in once more, though it came in two columns."""
        engine = shop.open(skus={"steam": {"format": name}})
        number, secret = FORMATS[name]
        assert engine.cards.add("steam", [{"number": number, "secret": secret}]).added == 1
        (card,) = shop.buy(engine, "A1").cards
        assert (card.number, card.secret.reveal()) == (number, secret)
        assert engine.cards.find(card.text()).order_no == "A1"
        assert engine.cards.preview("steam", [card.text().reveal()]).sold == 1
        assert engine.cards.add("steam", [card.text().reveal()]).sold == 1
        shop.buy(engine, "A2")
        with pytest.raises(InvalidOrder, match=r"cards\[0\].* we have this card already"):
            engine.review.fulfil("shop", "A2", 1, by="ann", cards=[card.text().reveal()])

    def test_rows_are_the_same_cut_or_not(self, shop, cards):
        """As CSV, as lines of text, and as a list."""
        assert cards.add("steam", shop.path("a.csv", ROWS)).added == 2
        assert cards.add("steam", shop.path("a.txt", ROWS)).in_stock == 2
        assert cards.add("steam", ROWS.decode().split()).in_stock == 2
        text = ReadOptions(delimiter=",")
        assert cards.add("steam", shop.path("b.txt", ROWS), reading=text).in_stock == 2

    def test_a_typed_one_keeps_its_text(self, shop):
        """A number and a secret typed in for a format without numbers come back as typed."""
        engine = shop.open(skus={"steam": {"format": "steam"}})
        shop.buy(engine, "A1")
        typed = f"SER1 ---- {CODE}"
        (card,) = engine.review.fulfil("shop", "A1", 1, by="ann", cards=[typed]).cards
        assert (card.number, card.secret.reveal(), card.text().reveal()) == ("SER1", CODE, typed)


class TestOtherFormats:
    @pytest.mark.parametrize("processes", [0, 1])
    @pytest.mark.parametrize(
        ("before", "after", "text"),
        [
            ("opaque", "steam", CODE),
            ("steam", "opaque", CODE),
            ("opaque", "qq", "100000009----200000000012"),
            ("qq", "opaque", "100000009 200000000012"),
            ("opaque", "account", "a@example.com----pw----2FA"),
            ("account", "opaque", "a@example.com----pw----2FA"),
            ("opaque", "indexed", "【3】DEMO-0001"),
        ],
    )
    def test_a_changed_setting_sells_nothing_twice(
        self, shop, monkeypatch, before, after, text, processes
    ):
        """Rows are looked up under every format that cards have come in with."""
        monkeypatch.setattr("autocard.desks.workers.PAYS_FROM", 0)
        engine = shop.open(skus={"steam": {"format": before}}, import_processes=processes)
        assert engine.cards.add("steam", [text]).added == 1
        engine.close()
        engine = shop.open(skus={"steam": {"format": after}}, import_processes=processes)
        assert engine.cards.preview("steam", [text]).in_stock == 1
        shop.buy(engine, "A1")
        report = engine.cards.add("steam", [text])
        assert (report.added, report.sold, report.batch) == (0, 1, None)
        assert report.problems[0].why == "it came with batch 1"
        engine.cards.void(engine.cards.find(text).id, by="ann", why="x")
        assert engine.cards.add("steam", [text]).voided == 1

    def test_columns_are_compared_too(self, shop, engine, cards):
        """And what is new among them comes in."""
        cards.add("steam", shop.path("a.csv", b"number,secret\nSER1,A1B2C-D3E4F-G5H6J\n"))
        both = b"number,secret\nSER1,A1B2C-D3E4F-G5H6J\nSER2,A1B2C-D3E4F-G5H6K\n"
        report = cards.add("steam", shop.path("a.csv", both), format="steam")
        assert (report.added, report.in_stock) == (1, 1)
        assert cards.stock("steam")[0].available == 2

    def test_typed_cards_are_compared_too(self, shop, cards):
        """One that was sold under another format is refused."""
        cards.add("steam", [CODE])
        shop.buy(shop.engines[0], "A1")
        shop.engines[0].close()
        engine = shop.open(skus={"steam": {"format": "steam"}})
        shop.buy(engine, "A2")
        with pytest.raises(InvalidOrder, match="it is delivered"):
            engine.review.fulfil("shop", "A2", 1, by="ann", cards=[CODE])

    def test_a_format_that_is_gone_does_not_stop_imports(self, shop, cards, monkeypatch):
        """The report says what was not compared; typed cards come in too."""
        engine = shop.engines[0]
        shop.buy(engine, "A1")
        pool = type(engine._flow.pool)
        monkeypatch.setattr(pool, "formats", lambda _: frozenset({"opaque", "gone"}))
        report = cards.add("steam", ["CARD-1"])
        assert report.added == 1
        assert "not compared with cards that came in as gone" in report.detected
        shop.buy(engine, "A2")
        (card,) = engine.review.fulfil("shop", "A2", 1, by="ann", cards=["CARD-2"]).cards
        assert card.secret.reveal() == "CARD-2"
