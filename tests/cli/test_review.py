"""`review list`, `approve`, `reject`, `fulfil`, `settle`."""

from __future__ import annotations

import pytest

from autocard.cli import typed as room


@pytest.fixture(name="held")
def _held(shop):
    """Give a shop with stock and one order that nobody knows the sku of."""
    shop.stock_up()
    assert shop.run("dispatch", str(shop.order("A1", item="something new"))).code == 1
    return shop


def test_list_shows_what_waits_and_why(held, shop):
    """A held order is listed with its reason; with none there is nothing to list."""
    assert "unmatched" in held.run("review", "list").out
    order = held.run("review", "list", "--json").json[0]
    assert (order["order_no"], order["paid"]) == ("A1", "50.00 CNY")
    assert order["lines"][0]["reason"] == "unmatched"
    held.run("review", "reject", "shop", "A1", "--why", "no such thing")
    assert held.run("review", "list").out == "Nothing waits for a person.\n"


def test_approve_serves_the_order(held, cards):
    """An approved order gets its card, which is shown on request only."""
    done = held.run("review", "approve", "shop", "A1", "--sku", "steam-50", "--reveal")
    assert done.code == 0
    assert cards[0] in done.out


def test_approve_says_what_it_needs(held):
    """Without a sku an unmatched line cannot be approved; an unknown order is 2."""
    assert held.run("review", "approve", "shop", "A1").code == 3
    assert held.run("review", "approve", "shop", "A9").code == 2


def test_reject_ends_the_order(held):
    """A rejected order needs nothing more."""
    done = held.run("review", "reject", "shop", "A1", "--why", "no such thing", "--json")
    assert (done.code, done.json["outcome"]) == (0, "rejected")
    assert held.run("review", "reject", "shop", "A1", "--why", "twice").code == 3


def test_reject_with_a_refund_needs_a_platform_that_can(held):
    """A platform that cannot pay back is told as such; nothing was changed."""
    done = held.run("review", "reject", "shop", "A1", "--refund", "--why", "x")
    assert done.code == 3
    assert held.run("receipt", "shop", "A1", "--json").json["outcome"] == "held"


@pytest.fixture(name="short")
def _short(shop):
    """Give a shop without stock and one order that waits."""
    shop.run("dispatch", str(shop.order("A1")))
    return shop


def test_fulfil_takes_cards_from_the_input(short, cards):
    """Cards that are piped in serve the line."""
    done = short.run(
        "review", "fulfil", "shop", "A1", "1", "--cards", "-", "--reveal", text=f"{cards[4]}\n\n"
    )
    assert done.code == 0, done.err
    assert cards[4] in done.out


def test_fulfil_takes_cards_from_a_file_or_stock(shop, cards):
    """Cards come from a file, from a pipe without saying so, or are picked from stock."""
    for name in ("A1", "A2", "A3"):
        shop.run("dispatch", str(shop.order(name)))
    file = shop.folder / "by-hand.txt"
    file.write_text(cards[3], "utf-8")
    arguments = ("review", "fulfil", "shop")
    assert shop.run(*arguments, "A1", "1", "--cards", str(file)).code == 0
    assert shop.run(*arguments, "A2", "1", text=cards[4]).code == 0
    shop.run("import", "steam-50", "-", "--warehouse", "vault", text=cards[5])
    card = shop.run("find", "-", "--json", text=cards[5]).json["id"]
    done = shop.run(*arguments, "A3", "1", "--pick", str(card), "--json")
    assert (done.code, done.json["lines"][0]["cards"][0]["id"]) == (0, card)


def test_fulfil_asks_on_a_terminal_without_showing(short, cards, monkeypatch):
    """At a terminal cards are asked for until an empty answer, and not echoed."""
    answers = iter([cards[2], ""])
    settings = []

    def prompt(_, **said):
        settings.append(said)
        return next(answers)

    monkeypatch.setattr(room.click, "prompt", prompt)
    monkeypatch.setattr(room, "is_terminal", lambda _: True)
    assert short.run("review", "fulfil", "shop", "A1", "1").code == 0
    assert all(said["hide_input"] for said in settings)


def test_fulfil_refuses_what_does_not_fit(short, cards):
    """Too many cards, and a file that is not text, are refused; the order still waits."""
    two = "\n".join(cards[:2])
    assert short.run("review", "fulfil", "shop", "A1", "1", "--cards", "-", text=two).code == 3
    file = short.folder / "gbk.txt"
    file.write_bytes("卡密".encode("gbk"))
    done = short.run("review", "fulfil", "shop", "A1", "1", "--cards", str(file))
    assert done.code == 2
    assert "UTF-8" in done.err
    assert short.run("receipt", "shop", "A1", "--json").json["outcome"] == "pending"


def test_settle_ends_a_delivery_that_failed(shop):
    """A line whose delivery was refused is declared delivered by a person."""
    shop.configure(
        '[channels.tray]\nadapter = "file"\ndirectory = "missing"\n'
        '[platforms.mailer]\nadapter = "webhook_json"\ndeliver = ["channel:tray"]\n'
        'credential = "0123456789abcdef0123456789abcdef"\n'
        'deliver_url = "https://shop.example.com/cards"\n'
    )
    shop.stock_up()
    done = shop.run("dispatch", str(shop.order("M1", platform="mailer")), "--json")
    assert (done.code, done.json["lines"][0]["reason"]) == (1, "undelivered")
    done = shop.run("review", "settle", "mailer", "M1", "--why", "told by phone", "--json")
    assert (done.code, done.json["outcome"]) == (0, "delivered")
