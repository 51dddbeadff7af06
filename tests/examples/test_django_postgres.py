"""A Django shop on PostgreSQL: wallet, sale and card are changed together, or not at all."""

from __future__ import annotations

import shutil

import pytest

pytestmark = pytest.mark.parametrize("store_kind", ["postgresql"])

OPENING = """
import shop
from decimal import Decimal
from django.test import Client
from shop import Sale, Wallet, engine

def buys(wallet):
    answer = Client().post(f"/wallets/{wallet}/buy")
    return answer.status_code, answer.content.decode()

def balance(wallet):
    return Wallet.objects.get(pk=wallet).balance

Wallet.objects.create(buyer="ann", balance=Decimal("120.00"))
Wallet.objects.create(buyer="bob", balance=Decimal("10.00"))
"""


@pytest.fixture(name="play")
def _play(examples, run, blank_url, tmp_path, monkeypatch):
    """Return a function that runs a program beside the example, in a database of its own."""
    for file in (examples / "django_postgres_shop").iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    monkeypatch.setenv("SHOP_DATABASE", blank_url)

    def play(*words):
        done = run("-W", "error", *words, folder=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    play("shop.py", "create")
    return lambda scene: play("-c", f"{OPENING}{scene}\nengine().close()\n")


def test_money_and_card_change_hands_together(play):
    """One commit for wallet, sale and card; the order is known by the sale's number."""
    play("""
engine().cards.add(shop.ITEM, ["CARD-1", "CARD-2"])
assert buys("ann") == (200, "<pre>CARD-1</pre>")
assert balance("ann") == Decimal("70.00")
(sale,) = Sale.objects.all()
assert engine().receipt("shop", sale.number).outcome == "delivered"
assert buys("bob")[0] == 402
assert [x.delivered for x in engine().cards.stock()] == [1]
""")


def test_without_a_card_the_money_stays(play):
    """Sold out: neither sale nor order is left, and nothing waits for stock."""
    play("""
assert buys("ann")[0] == 409
assert balance("ann") == Decimal("120.00")
assert not Sale.objects.exists()
assert engine().orders() == []
""")


def test_a_failure_after_the_dispatch_gives_the_card_back(play):
    """Whatever goes wrong inside the block, the card is in stock and the money in the wallet."""
    play("""
from django.db import connection, transaction
engine().cards.add(shop.ITEM, ["CARD-1"])
try:
    with transaction.atomic():
        assert shop.sell("ann", "S1").cards[0].text().reveal() == "CARD-1"
        raise RuntimeError("the shop changes its mind")
except RuntimeError:
    pass
assert balance("ann") == Decimal("120.00")
assert engine().receipt("shop", "S1") is None
assert [x.available for x in engine().cards.stock()] == [1]
assert shop.sell("ann", "S1").outcome == "delivered"
assert engine().ledger.verify().ok
""")


def test_without_a_block_nothing_is_dispatched(play):
    """Django commits each statement by itself outside of `atomic`; that is refused by name."""
    play("""
from django.db import connection
from autocard import Order, OrderLine, Payment, StoreError
order = Order(platform="shop", order_no="S1", lines=[OrderLine(item=shop.ITEM)],
              payment=Payment(paid=shop.PRICE))
for prepare in (connection.close, connection.ensure_connection):
    prepare()
    try:
        engine().dispatch(order, connection=connection)
    except StoreError as error:
        assert "begin your transaction first" in str(error), error
    else:
        raise AssertionError("it was dispatched")
assert engine().orders() == []
""")


def test_it_runs_as_a_program(play, run, tmp_path):
    """`python shop.py check` and `python shop.py resume` work without a project around them."""
    for word in ("check", "resume"):
        done = run("-W", "error", "shop.py", word, folder=tmp_path)
        assert done.returncode == 0, done.stderr
