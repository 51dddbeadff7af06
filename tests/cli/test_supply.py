"""`supply offers`, `purchases`, `show`, `balances`, `sync`, `restock`, and what a person decides."""

from __future__ import annotations

import time

import attrs
import pytest

from autocard import Engine, Money
from autocard.spi import Capability, RejectedError, Stage, TransientError, hookimpl
from autocard.testing import FakeSupplier, Good, Wholesaler

SKU = """
[skus.steam-50]
sources = ["warehouse:main", "supplier:acme"]
ceiling = "45.00 CNY"
low = 2

[skus.steam-50.restock]
quantity = 3
approve = true

[suppliers.acme]
adapter = "by_name"
wholesaler = "acme"
items = { steam-50 = "S50" }
balance_low = "100.00 CNY"
"""


@attrs.frozen
class _ByName:
    """What a configuration file can say of a wholesaler in memory."""

    wholesaler: str


class Market:
    """The plugin whose suppliers buy from the wholesaler that the configuration names."""

    def __init__(self, wholesalers):
        class ByName(FakeSupplier):
            """A supplier in memory that a file can name."""

            name = "by_name"
            Options = _ByName

            def __init__(self, options, client):
                given = FakeSupplier.Options(wholesaler=wholesalers[options.wholesaler])
                super().__init__(given, client)
                self.options = options

        self._adapter = ByName

    @hookimpl
    def autocard_register(self, registry):
        """Offer the adapter."""
        registry.supplier(self._adapter)


@pytest.fixture(name="acme")
def _acme():
    return Wholesaler(goods={"S50": Good(Money("40.00", "CNY"), stock=20)})


@pytest.fixture(name="shop")
def _shop(shop, acme, monkeypatch):
    """Give the shop a supplier; every command meets the same wholesaler behind it."""
    text = shop.config.read_text("utf-8")
    before, sku, after = text.partition("[skus.steam-50]")
    assert sku
    kept = after[after.index("[review]") :]
    shop.config.write_text(f"{before}{SKU}\n{kept}", "utf-8")
    opening = Engine.open.__func__

    def opened(cls, source, **settings):
        return opening(cls, source, plugins=[Market({"acme": acme})], **settings)

    monkeypatch.setattr(Engine, "open", classmethod(opened))
    return shop


@pytest.fixture(name="held")
def _held(shop, acme, cards):
    """Return the reference of a purchase of two whose supplier proves nothing."""
    acme.deal([], stage=Stage.UNCLEAR, problem="ask the counter")
    done = shop.run("dispatch", str(shop.order("A1", quantity=2)), "--json")
    assert (done.code, done.json["lines"][0]["reason"]) == (1, "supply")
    (purchase,) = shop.run("supply", "purchases", "--json").json
    return purchase["reference"]


# --- what is offered ---


def test_offers_shows_what_it_would_cost(shop):
    """An offer has its price, how many of those wanted it can bring, and who makes it."""
    assert "40.00 CNY" in shop.run("supply", "offers", "steam-50").out
    (offer,) = shop.run("supply", "offers", "steam-50", "--quantity", "50", "--json").json
    assert (offer["supplier"], offer["item"], offer["price"]) == ("acme", "S50", "40.00 CNY")
    assert (offer["available"], offer["units"]) == (20, 20)


def test_offers_of_what_nobody_sells(shop, acme):
    """Without an offer that is said; a sku that is not configured is 2."""
    acme.goods.clear()
    assert shop.run("supply", "offers", "steam-50").out == "No supplier offers steam-50 now.\n"
    assert shop.run("supply", "offers", "steam-5").code == 2


def test_suppliers_tells_what_is_known(shop, acme):
    """Before anybody asked nothing is known; a low balance ends with 1, and `check` marks it."""
    (report,) = shop.run("supply", "balances", "--json").json
    assert (report["balance"], report["spent_today"]) == (None, "0.00 CNY")
    assert shop.run("supply", "balances").code == 0
    assert "✓ supplier acme: balance, buy," in shop.run("check").out
    acme.money = Money("99.99", "CNY")
    assert "99.99 CNY" in shop.run("supply", "sync").out
    done = shop.run("supply", "balances")
    assert done.code == 1
    assert "99.99 CNY" in done.out
    done = shop.run("check")
    assert done.code == 1
    assert "its balance is low: 99.99 CNY" in done.out


def test_a_paused_supplier_is_shown(shop, acme):
    """A supplier that failed too often says until when nothing is bought there."""
    text = shop.config.read_text("utf-8").replace("balance_low", "pause_after = 1\nbalance_low")
    shop.config.write_text(text, "utf-8")
    acme.fail(Capability.BUY, TransientError("busy"))
    shop.run("dispatch", str(shop.order("A1")))
    done = shop.run("supply", "balances", "--json")
    assert done.code == 1
    assert done.json[0]["paused_until"].endswith("Z")
    assert "paused after failures until" in shop.run("check").out


def test_sync_says_what_could_not_be_asked(shop, acme):
    """A supplier that cannot be asked is 1 with the reason; one that is not configured is 2."""
    (report,) = shop.run("supply", "sync", "acme", "--json").json
    assert (report["offers"], report["changed"], report["problem"]) == (1, 1, "")
    acme.fail(Capability.BALANCE, *[TransientError("closed for lunch")] * 5)
    done = shop.run("supply", "sync")
    assert done.code == 1
    assert "closed for lunch" in done.out
    assert shop.run("supply", "sync", "nobody").code == 2


# --- what was bought ---


def test_purchases_are_listed_and_shown(shop, acme, cards):
    """What was bought for an order is listed without its cards; `show` has every step."""
    acme.deal(cards[:2])
    assert shop.run("dispatch", str(shop.order("A1", quantity=2))).code == 0
    (purchase,) = shop.run("supply", "purchases", "--json").json
    assert (purchase["state"], purchase["arrived"], purchase["cost"]) == ("done", 2, "80.00 CNY")
    assert "shop/A1 1" in shop.run("supply", "purchases").out
    done = shop.run("supply", "show", purchase["reference"], "--json")
    assert done.code == 0
    assert [x["kind"] for x in done.json["events"]] == ["purchase.begun", "purchase.served"]
    assert "purchase.served" in shop.run("supply", "show", purchase["reference"]).out


def test_purchases_are_found_by_state_and_supplier(shop, acme):
    """A refused purchase is found among the failed ones, and not among the others."""
    acme.fail(Capability.BUY, RejectedError("sold out"))
    shop.run("dispatch", str(shop.order("A1")))
    assert "sold out" in shop.run("supply", "purchases", "--state", "failed").out
    assert shop.run("supply", "purchases", "--state", "done").out == "No purchases.\n"
    assert shop.run("supply", "purchases", "--supplier", "bolt", "--json").json == []


def test_a_purchase_that_nobody_knows(shop):
    """Whatever is asked of it, the exit code is 2."""
    for words in (("show",), ("approve",), ("retry",), ("resolve", "--why", "x")):
        name, *rest = words
        outcome = ("failed",) if name == "resolve" else ()
        done = shop.run("supply", name, "p00000000000000000", *outcome, *rest)
        assert done.code == 2
        assert "there is no purchase" in done.err


# --- stock ---


def test_restock_proposes_and_a_person_approves(shop, acme, cards):
    """A dry run buys nothing; a proposal waits, and once approved `resume` buys it."""
    (look,) = shop.run("supply", "restock", "--dry-run", "--json").json
    assert (look["available"], look["point"], look["quantity"]) == (0, 2, 3)
    assert look["reference"] == ""
    assert shop.run("supply", "purchases", "--json").json == []
    (look,) = shop.run("supply", "restock", "steam-50", "--json").json
    assert "a restock is under way" in shop.run("supply", "restock").out
    assert shop.run("supply", "show", look["reference"]).code == 1
    assert shop.run("supply", "approve", look["reference"], "--by", "wang").code == 0
    assert shop.run("supply", "approve", look["reference"]).code == 3
    acme.deal(cards[:3])
    assert "steps of buying" in shop.run("resume").out
    assert shop.run("stock", "--json").json[0]["available"] == 3
    assert "main" in shop.run("supply", "show", look["reference"]).out


def test_a_proposed_restock_is_declined(shop, acme):
    """A declined proposal is over, says who and why, and nothing was bought."""
    (look,) = shop.run("supply", "restock", "--json").json
    assert shop.run("supply", "decline", look["reference"]).code == 2
    done = shop.run("supply", "decline", look["reference"], "--why", "out of season", "--json")
    assert (done.code, done.json["state"]) == (0, "failed")
    assert done.json["problem"] == "li: out of season"
    assert acme.sales == {}


# --- what waits for a person ---


def test_a_held_purchase_is_looked_up_again(shop, acme, held):
    """It stays held while the supplier proves nothing; once it was paid back it has failed."""
    assert shop.run("supply", "show", held).code == 1
    done = shop.run("supply", "retry", held, "--why", "they answer again")
    assert done.code == 1
    assert "problem: ask the counter" in done.out
    acme.refund(held)
    done = shop.run("supply", "retry", held, "--json")
    assert (done.code, done.json["state"]) == (0, "failed")


def test_bought_cards_serve_the_order(shop, held, cards):
    """Cards that are piped in are never shown, and the order they were bought for gets them."""
    done = shop.run(
        "supply", "resolve", held, "bought", "--cards", "-", "--cost", "79.00 CNY",
        "--why", "number 77 of theirs", text="\n".join(cards[:2]),
    )  # fmt: skip
    assert done.code == 0, done.err
    purchase = shop.run("supply", "show", held, "--json").json
    assert (purchase["state"], purchase["arrived"], purchase["cost"]) == ("done", 2, "79.00 CNY")
    assert purchase["events"][-1]["detail"]["by"] == "li"
    receipt = shop.run("receipt", "shop", "A1", "--json", "--reveal").json
    assert [card["text"] for card in receipt["lines"][0]["cards"]] == list(cards[:2])
    assert shop.run("verify").code == 0


def test_bought_cards_come_from_a_file(shop, held, cards):
    """A file with one card a line does the same."""
    file = shop.folder / "bought.txt"
    file.write_text("\n".join(cards[:2]), "utf-8")
    done = shop.run("supply", "resolve", held, "bought", "--cards", str(file), "--why", "x")
    assert done.code == 0, done.err
    assert shop.run("receipt", "shop", "A1", "--json").json["outcome"] == "delivered"


def test_what_failed_is_bought_again(shop, acme, held, cards):
    """After "failed" the next pass buys what the order lacks."""
    done = shop.run("supply", "resolve", held, "failed", "--why", "they know nothing", "--json")
    assert (done.code, done.json["state"], done.json["cost"]) == (0, "failed", "0.00 CNY")
    text = shop.config.read_text("utf-8").replace("balance_low", "pause_s = 0.1\nbalance_low")
    shop.config.write_text(text, "utf-8")
    acme.deal(cards[:2])
    time.sleep(0.2)
    shop.run("resume")
    assert shop.run("receipt", "shop", "A1", "--json").json["outcome"] == "delivered"


def test_resolve_refuses_what_does_not_fit(shop, held, cards):
    """Another word, no reason and too many cards are refused; the purchase is still held."""
    assert shop.run("supply", "resolve", held, "lost", "--why", "x").code == 2
    assert shop.run("supply", "resolve", held, "failed").code == 2
    done = shop.run(
        "supply", "resolve", held, "bought", "--cards", "-", "--why", "x", text="\n".join(cards[:3])
    )
    assert done.code == 3
    assert "2 are missing, not more" in done.err
    assert shop.run("supply", "show", held, "--json").json["state"] == "held"


# --- without suppliers ---


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("balances",), "No suppliers are configured.\n"),
        (("sync",), "No suppliers are configured.\n"),
        (("purchases",), "No purchases.\n"),
        (("restock",), "No sku is restocked; [skus.NAME.restock] says when and how much.\n"),
    ],
)
def test_a_shop_that_buys_nothing(empty, words, said):
    """Each command says that there is nothing, and ends well."""
    assert empty.run("init", "--yes").code == 0
    done = empty.run("supply", *words)
    assert (done.code, done.out) == (0, said)


def test_it_speaks_chinese(shop):
    """The columns of a table come in Chinese."""
    done = shop.run("--lang", "zh", "supply", "offers", "steam-50")
    assert "供货商" in done.out
    assert "可采购" in done.out
