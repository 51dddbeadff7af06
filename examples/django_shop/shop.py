"""A shop in Django, in one file: order, pay, see the card. See README.md."""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpResponse
from django.urls import path
from django.utils.html import format_html, format_html_join
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from autocard import Engine, Inbound, Money, Order, OrderLine, Outcome

ITEM, PRICE = "steam-50", Money("50.00", "CNY")
WAITING = "<p>We are waiting for your payment, or for stock. Reload this page.</p>"

# No session, no login, no middleware: nothing here acts on behalf of a user who is signed in.
settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=os.environ.get("SHOP_HOSTS", "127.0.0.1,testserver").split(","),
    DATA_UPLOAD_MAX_MEMORY_SIZE=65_536,
)


@functools.cache
def engine():
    """Return the engine of this process. The first request opens it, after the server forked."""
    return Engine.open("autocard.toml", create=True)


def order_no_of(ticket):
    """Return the order number of a buyer's ticket: everybody may know it, the ticket nobody."""
    return hashlib.sha256(ticket.encode()).hexdigest()[:32]


def payment_address(order_no):
    """Return where the buyer's browser goes to pay."""
    shop = os.environ["SHOP_URL"]
    return (
        engine()
        .platform("shop")
        .payment_url(
            order_no,
            PRICE,
            ITEM,
            notify_url=f"{shop}/notify",
            return_url=f"{shop}/orders/{order_no}",
        )
    )


@require_GET
def offer(_):
    button = '<form method="post" action="/orders"><button>{}: {}</button></form>'
    return HttpResponse(format_html(button, ITEM, PRICE))


@require_POST
def order(_):
    ticket = secrets.token_urlsafe()
    order_no = order_no_of(ticket)
    lines = [OrderLine(item=ITEM, unit_price=PRICE)]
    receipt = engine().reserve(Order(platform="shop", order_no=order_no, lines=lines), ttl_s=900)
    if receipt.outcome is not Outcome.PENDING:
        return HttpResponse("sold out", status=409)
    answer = HttpResponse(status=303, headers={"Location": payment_address(order_no)})
    secure = os.environ["SHOP_URL"].startswith("https:")
    where = {"path": f"/orders/{order_no}", "secure": secure}
    answer.set_cookie("ticket", ticket, httponly=True, samesite="Lax", **where)
    return answer


@require_GET
@never_cache
def show(request, order_no):
    is_buyer = order_no_of(request.COOKIES.get("ticket", "")) == order_no
    receipt = engine().receipt("shop", order_no) if is_buyer else None
    if receipt is None:
        raise Http404
    texts = ((card.text().reveal(),) for card in receipt.cards)
    cards = format_html_join("", "<pre>{}</pre>", texts)
    return HttpResponse(format_html("<h1>Order {}</h1>", order_no) + (cards or WAITING))


@require_http_methods(["GET", "POST"])
def notify(request):
    inbound = Inbound(
        method=request.method,
        path=request.path,
        query=request.META["QUERY_STRING"],
        headers=request.headers,
        body=request.body,
        remote_addr=request.META.get("REMOTE_ADDR", ""),
    )
    reply = engine().receive("shop", inbound)
    return HttpResponse(reply.body, status=reply.status, headers=dict(reply.headers))


urlpatterns = [
    path("", offer),
    path("orders", order),
    path("orders/<slug:order_no>", show),
    path("notify", notify),
]
application = get_wsgi_application()

if __name__ == "__main__":
    if sys.argv[1:] == ["resume"]:  # for cron, each minute: advance what is unfinished
        print(engine().resume())
    else:
        execute_from_command_line(sys.argv)
