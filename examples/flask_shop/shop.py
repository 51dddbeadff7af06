"""A shop in Flask that sells one kind of card: order, pay, see the card. See README.md."""

from __future__ import annotations

import hashlib
import os
import secrets

import click
from flask import Flask, abort, make_response, redirect, render_template_string, request

from autocard import Engine, Inbound, Money, Order, OrderLine, Outcome

ITEM, PRICE = "steam-50", Money("50.00", "CNY")
OFFER = '<form method="post" action="/orders"><button>{{ item }}: {{ price }}</button></form>'
PAGE = """<h1>Order {{ receipt.order_no }}</h1>
{% for card in receipt.cards %}<pre>{{ card.text().reveal() }}</pre>
{% else %}<p>We are waiting for your payment, or for stock. Reload this page.</p>{% endfor %}"""


def order_no_of(ticket):
    """Return the order number of a buyer's ticket: everybody may know it, the ticket nobody."""
    return hashlib.sha256(ticket.encode()).hexdigest()[:32]


def payment_address(engine, order_no):
    """Return where the buyer's browser goes to pay."""
    shop = os.environ["SHOP_URL"]
    return engine.platform("shop").payment_url(
        order_no,
        PRICE,
        ITEM,
        notify_url=f"{shop}/notify",
        return_url=f"{shop}/orders/{order_no}",
    )


def create_app(configuration="autocard.toml"):
    """Return the application, with one engine that all its threads share."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 65_536
    app.extensions["autocard"] = engine = Engine.open(configuration, create=True)

    @app.get("/")
    def offer():
        return render_template_string(OFFER, item=ITEM, price=PRICE)

    @app.post("/orders")
    def order():
        ticket = secrets.token_urlsafe()
        order_no = order_no_of(ticket)
        lines = [OrderLine(item=ITEM, unit_price=PRICE)]
        receipt = engine.reserve(Order(platform="shop", order_no=order_no, lines=lines), ttl_s=900)
        if receipt.outcome is not Outcome.PENDING:
            abort(409, "sold out")
        answer = redirect(payment_address(engine, order_no), 303)
        answer.set_cookie(
            "ticket",
            ticket,
            path=f"/orders/{order_no}",
            httponly=True,
            samesite="Lax",
            secure=os.environ["SHOP_URL"].startswith("https:"),
        )
        return answer

    @app.get("/orders/<order_no>")
    def show(order_no):
        is_buyer = order_no_of(request.cookies.get("ticket", "")) == order_no
        receipt = engine.receipt("shop", order_no) if is_buyer else None
        if receipt is None:
            abort(404)
        answer = make_response(render_template_string(PAGE, receipt=receipt))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.route("/notify", methods=["GET", "POST"])
    def notify():
        inbound = Inbound(
            method=request.method,
            path=request.path,
            query=request.query_string.decode("latin-1"),
            headers=dict(request.headers),
            body=request.get_data(),
            remote_addr=request.remote_addr or "",
        )
        reply = engine.receive("shop", inbound)
        return reply.body, reply.status, dict(reply.headers)

    @app.cli.command("resume")
    def resume():
        """Advance what is unfinished; for cron, each minute."""
        click.echo(engine.resume())

    return app
