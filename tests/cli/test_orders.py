"""`dispatch`, `pull`, `orders`, `receipt`, `cancel`, `resend`."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autocard.cli.orders import _order, _parsed
from autocard.errors import InvalidOrder

PLATFORM = """
[platforms.mailer]
adapter = "webhook_json"
credential = "0123456789abcdef0123456789abcdef"
deliver = ["channel:tray"]
deliver_url = "https://shop.example.com/cards"

[channels.tray]
adapter = "file"
directory = "tray"
"""


@pytest.fixture(name="mailer")
def _mailer(shop):
    """Give a shop whose platform `mailer` leaves its cards in files."""
    (shop.folder / "tray").mkdir()
    shop.configure(PLATFORM)
    shop.stock_up()
    return shop


def test_dispatch_serves_and_hides_the_cards(shop):
    """A paid order is delivered; its cards are counted, not shown."""
    shop.stock_up()
    done = shop.run("dispatch", str(shop.order("A1", quantity=2)))
    assert done.code == 0
    assert "delivered" in done.out
    assert "--reveal" in done.out


def test_dispatch_reveals_on_request_and_repeats_itself(shop, cards):
    """With `--reveal` the cards are shown; the same order again gives the same ones."""
    shop.stock_up()
    order = str(shop.order("A1"))
    first = shop.run("dispatch", order, "--reveal")
    again = shop.run("dispatch", order, "--reveal")
    assert cards[0] in first.out
    assert cards[0] in again.out
    assert "known before" in again.out


def test_a_look_does_not_speak_of_repeating(shop):
    """`receipt` serves nothing, so it does not say that nothing was served."""
    shop.stock_up()
    shop.run("dispatch", str(shop.order("A1")))
    done = shop.run("receipt", "shop", "A1")
    assert done.code == 0
    assert "known before" not in done.out


def test_dispatch_shows_what_it_takes(shop):
    """The order in the help is one that is served as it stands."""
    shop.stock_up()
    said = shop.run("dispatch", "--help").out
    order = said[said.index('{"platform"') :]
    assert json.loads(shop.run("dispatch", "-", "--json", text=order).out)["order_no"] == "A1001"


def test_an_amount_says_what_it_has_to_look_like(shop):
    """Who writes an amount as in the configuration is shown how an order writes it."""
    order = {"platform": "shop", "order_no": "A1", "payment": {"paid": "50.00 CNY"}}
    done = shop.run("dispatch", "-", text=json.dumps(order))
    assert done.code == 3
    assert '{"amount": "50.00", "currency": "CNY"}' in done.err


def test_dispatch_answers_programs(shop, cards):
    """The JSON receipt has ids only, and all parts of a card with `--reveal`."""
    shop.stock_up()
    order = str(shop.order("A1"))
    hidden = shop.run("dispatch", order, "--json").json
    assert (hidden["outcome"], hidden["replayed"]) == ("delivered", False)
    assert hidden["lines"][0]["cards"] == [{"id": 1, "expires_at": None}]
    shown = shop.run("dispatch", order, "--json", "--reveal").json["lines"][0]["cards"][0]
    assert shown["text"] == shown["secret"] == cards[0]
    assert (shown["number"], shown["extra"]) == ("", {})


def test_dispatch_takes_a_list_from_the_input(shop):
    """A list of orders is answered with a list; a waiting one makes the exit code 1."""
    shop.stock_up(1)
    orders = [json.loads(shop.order(name).read_text("utf-8")) for name in ("A1", "A2")]
    done = shop.run("dispatch", "-", "--json", text=json.dumps(orders))
    assert done.code == 1
    assert [receipt["outcome"] for receipt in done.json] == ["delivered", "pending"]


def test_dispatch_takes_the_platform_from_an_option(shop):
    """`--platform` speaks for orders that do not say it; nobody saying it is an error."""
    shop.stock_up()
    order = str(shop.order("A1", platform=None))
    assert shop.run("dispatch", order).code == 3
    assert shop.run("dispatch", order, "--platform", "till", "--json").json["platform"] == "till"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "order"),
        ("[" * 100_000, "order"),
        ("7", "order"),
        ("null", "order"),
        ("[null]", "order"),
        ("{}", "platform"),
        ('{"platform": "shop", "order_no": "A1"}', "lines"),
        ('{"platform": "shop", "order_no": "A1", "lines": [{"item": "steam-50"}]}', "payment"),
        ('{"platform": "shop", "lines": 3}', "lines"),
    ],
)
def test_dispatch_of_a_malformed_order_names_the_field(shop, text, field):
    """An order that cannot be is refused with 3 and the field at fault."""
    done = shop.run("dispatch", "-", "--json", text=text)
    assert done.code == 3
    assert done.json["error"]["kind"] == "InvalidOrder"
    assert done.json["error"]["field"] == field


def test_dispatch_of_other_content_is_a_conflict(shop):
    """The same number with other lines is refused and changes nothing."""
    shop.stock_up()
    shop.run("dispatch", str(shop.order("A1")))
    done = shop.run("dispatch", str(shop.order("A1", quantity=2)))
    assert done.code == 3
    assert shop.run("stock", "--json").json[0]["available"] == 2


def test_dispatch_of_a_missing_file_is_a_usage_error(shop):
    """A file that is not there is 2, for people and for programs."""
    assert shop.run("dispatch", "nowhere.json").code == 2
    assert shop.run("--json", "dispatch", "nowhere.json").json["error"]["exit"] == 2


def test_an_order_file_too_long_is_refused(monkeypatch):
    """A file beyond the limit is refused before it is parsed."""
    monkeypatch.setattr("autocard.cli.orders._MAX_BYTES", 10)
    with pytest.raises(InvalidOrder, match="longer"):
        _parsed(b" " * 11)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.binary() | st.text().map(lambda text: json.dumps({"platform": text}).encode()))
def test_arbitrary_bytes_are_an_order_or_an_invalid_one(data):
    """Whatever bytes come as an order, the answer is an order or `InvalidOrder`."""
    with suppress(InvalidOrder):
        _order(_parsed(data), "")


def test_orders_lists_without_cards(shop):
    """Orders are listed, the newest first, by outcome, platform and contact."""
    assert shop.run("orders").out == "No orders.\n"
    shop.stock_up(1)
    for name in ("A1", "A2"):
        shop.run("dispatch", str(shop.order(name)))
    assert "A1" in shop.run("orders").out
    listed = shop.run("orders", "--json").json
    assert [order["order_no"] for order in listed] == ["A2", "A1"]
    assert listed[1]["lines"][0]["cards"] == []
    pending = shop.run("orders", "--outcome", "pending", "--json").json
    assert [order["order_no"] for order in pending] == ["A2"]
    assert shop.run("orders", "--platform", "other", "--json").json == []
    mine = shop.run("orders", "--contact", "canary.BUYER@example.com", "--json").json
    assert len(mine) == 2
    assert len(shop.run("orders", "--limit", "1", "--json").json) == 1


def test_receipt_shows_how_an_order_stands(shop, cards):
    """A delivered order is 0 and hides its card; a waiting one is 1; an unknown one 2."""
    shop.stock_up(1)
    for name in ("A1", "A2"):
        shop.run("dispatch", str(shop.order(name)))
    assert shop.run("receipt", "shop", "A1").code == 0
    assert cards[0] in shop.run("receipt", "shop", "A1", "--reveal").out
    assert shop.run("receipt", "shop", "A2").code == 1
    assert shop.run("receipt", "shop", "A3").code == 2


def test_cancel_ends_what_waits(shop):
    """A waiting order is cancelled; a delivered one cannot be."""
    shop.run("dispatch", str(shop.order("A1")))
    done = shop.run("cancel", "shop", "A1", "--reason", "gone elsewhere", "--json")
    assert (done.code, done.json["outcome"]) == (0, "cancelled")
    shop.stock_up()
    shop.run("dispatch", str(shop.order("A2")))
    assert shop.run("cancel", "shop", "A2", "--reason", "too late").code == 3


def test_resend_hands_the_same_card_over_again(mailer, cards):
    """A file that was lost is written once more, with the same card."""
    mailer.run("dispatch", str(mailer.order("M1", platform="mailer")))
    (file,) = (mailer.folder / "tray").iterdir()
    file.unlink()
    done = mailer.run("resend", "mailer", "M1", "--why", "the file was lost")
    assert done.code == 0
    (file,) = (mailer.folder / "tray").iterdir()
    assert file.read_text("utf-8").split() == [cards[0]]


MAIL = """
[channels.mail]
adapter = "mail"
host = "127.0.0.1"
port = 1
security = "none"
allow_plain = true
sender = "shop@example.com"
timeout_s = 1
"""


@pytest.mark.parametrize(
    ("fields", "told", "then"),
    [
        ({"buyer": {"id": "u1"}}, "line 1: not sent by channel:mail: buyer.contact", "failed"),
        ({}, "tried again by `autocard resume`: the mail server cannot be reached", "waiting"),
    ],
)
def test_resend_that_did_not_work_ends_with_one(mailer, fields, told, then):
    """A line that was delivered once stays so; that it did not go out again is said, and is 1."""
    mailer.configure(MAIL)
    mailer.run("dispatch", str(mailer.order("M1", platform="mailer", **fields)))
    options = ["resend", "mailer", "M1", "--route", "channel:mail", "--why", "lost"]
    done = mailer.run(*options)
    assert (done.code, told in done.out) == (1, True)
    done = mailer.run(*options, "--json")
    assert (done.code, done.json["outcome"]) == (1, "delivered")
    (delivery,) = done.json["deliveries"]
    assert (delivery["line_no"], delivery["outcome"]) == (1, then)


def test_resend_looks_at_its_own_try_only(mailer):
    """What became of an earlier one does not count."""
    mailer.configure(MAIL)
    mailer.run("dispatch", str(mailer.order("M1", platform="mailer", buyer={"id": "u1"})))
    by_mail = ["--route", "channel:mail", "--why", "lost"]
    assert mailer.run("resend", "mailer", "M1", *by_mail).code == 1
    by_file = ["--route", "channel:tray", "--why", "lost"]
    done = mailer.run("resend", "mailer", "M1", *by_file, "--json")
    assert (done.code, done.json["deliveries"][0]["outcome"]) == (0, "settled")


def test_resend_of_an_unknown_order_or_route(mailer):
    """What cannot be sent again says why."""
    assert mailer.run("resend", "mailer", "M9", "--why", "x").code == 2
    mailer.run("dispatch", str(mailer.order("M1", platform="mailer")))
    done = mailer.run("resend", "mailer", "M1", "--why", "x", "--route", "channel:nowhere")
    assert done.code == 2
    assert "channel:tray" in done.err


def test_pull_serves_what_a_platform_lists(shop, monkeypatch, cards):
    """Fetched orders are served; none is told as such; the list is the JSON answer."""
    from datetime import UTC, datetime

    from autocard.codec import order_from_json
    from autocard.engine import Engine

    shop.stock_up()
    listed = []
    asked = []

    def fetch(self, platform, since=None):
        asked.append((platform, since))
        return [self.dispatch(order) for order in listed]

    monkeypatch.setattr(Engine, "pull", fetch)
    assert shop.run("pull", "pay").out == "No orders.\n"
    data = json.loads(shop.order("A1").read_text("utf-8"))
    listed.append(order_from_json(data, "pay"))
    assert "A1" in shop.run("pull", "pay", "--since", "2026-01-02 08:00").out
    assert asked[-1] == ("pay", datetime(2026, 1, 2, tzinfo=UTC))
    done = shop.run("pull", "pay", "--json", "--reveal")
    assert done.json[0]["lines"][0]["cards"][0]["text"] == cards[0]
