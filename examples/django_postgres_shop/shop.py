"""A Django shop on PostgreSQL whose rows and cards commit together. See README.md."""

from __future__ import annotations

import functools
import os
import secrets
import sys
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.db import connection, models, transaction
from django.http import HttpResponse
from django.urls import path
from django.utils.html import format_html
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from autocard import Engine, Money, Order, OrderLine, Outcome, Payment

ITEM, PRICE = "steam-50", Money("50.00", "CNY")
DATABASE = urlsplit(os.environ["SHOP_DATABASE"])  # also the store of autocard.toml

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=os.environ.get("SHOP_HOSTS", "127.0.0.1,testserver").split(","),
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": DATABASE.hostname or "",
            "PORT": DATABASE.port or "",
            "USER": DATABASE.username or "",
            "PASSWORD": DATABASE.password or "",
            "NAME": DATABASE.path.lstrip("/"),
        }
    },
)
django.setup()


class Wallet(models.Model):
    """What a buyer has paid in and not spent yet."""

    buyer = models.CharField(max_length=40, primary_key=True)
    balance = models.DecimalField(max_digits=12, decimal_places=2)

    class Meta:
        app_label = "shop"

    def __str__(self):
        return f"{self.buyer}: {self.balance}"


class Sale(models.Model):
    """What was bought out of a wallet."""

    number = models.CharField(max_length=40, primary_key=True)
    wallet = models.ForeignKey(Wallet, models.PROTECT)

    class Meta:
        app_label = "shop"

    def __str__(self):
        return self.number


@functools.cache
def engine():
    """Return the engine of this process. The first request opens it, after the server forked."""
    return Engine.open("autocard.toml", create=True)


class SoldOut(Exception):
    """There is no card; whoever raises it wants the money to stay where it was."""


@transaction.atomic
def sell(wallet, number):
    """Take the money, write the sale down and take the card: all of it, or nothing."""
    enough = Wallet.objects.filter(pk=wallet, balance__gte=PRICE.amount)
    if not enough.update(balance=models.F("balance") - PRICE.amount):
        return None
    Sale.objects.create(number=number, wallet_id=wallet)
    order = Order(
        platform="shop",
        order_no=number,
        lines=[OrderLine(item=ITEM, unit_price=PRICE)],
        payment=Payment(paid=PRICE, reference=number),
    )
    receipt = engine().dispatch(order, connection=connection)
    if receipt.outcome is not Outcome.DELIVERED:
        raise SoldOut
    return receipt


@require_POST
@never_cache
def buy(_, wallet):  # whose wallet it is, your login says
    try:
        receipt = sell(wallet, secrets.token_hex(16))
    except SoldOut:
        return HttpResponse("sold out; nothing was paid", status=409)
    if receipt is None:
        return HttpResponse("there is not enough in your wallet", status=402)
    # Committed: now the buyer may see the card.
    return HttpResponse(format_html("<pre>{}</pre>", receipt.cards[0].text().reveal()))


urlpatterns = [path("wallets/<slug:wallet>/buy", buy)]
application = get_wsgi_application()

if __name__ == "__main__":
    if sys.argv[1:] == ["create"]:  # the first time; a project would migrate
        with connection.schema_editor() as editor:
            editor.create_model(Wallet)
            editor.create_model(Sale)
        engine()
    elif sys.argv[1:] == ["resume"]:  # for cron, each minute: advance what is unfinished
        print(engine().resume())
    else:
        execute_from_command_line(sys.argv)
