"""A shop in FastAPI that sells one kind of card: order, pay, see the card. See README.md."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import html
import logging
import os
import secrets

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse

from autocard import AutocardError, Engine, Inbound, Money, Order, OrderLine, Outcome

ITEM, PRICE = "steam-50", Money("50.00", "CNY")
LONGEST_BODY, RESUME_EVERY_S = 65_536, 60.0
WAITING = "<p>We are waiting for your payment, or for stock. Reload this page.</p>"


@contextlib.asynccontextmanager
async def lifespan(app):
    """Open one engine for all threads, and advance what is unfinished while the shop runs."""
    with Engine.open("autocard.toml", create=True) as engine:
        app.state.engine, stop = engine, asyncio.Event()
        resuming = asyncio.create_task(resume_now_and_then(engine, stop))
        yield
        stop.set()
        await resuming  # the engine is closed only when nobody works with it any more


async def resume_now_and_then(engine, stop):
    """Resume each minute. Every process of the server may do so; they do not disturb each other."""
    while not stop.is_set():
        try:
            await run_in_threadpool(engine.resume)
        except AutocardError as error:
            logging.getLogger("shop").warning("resume: %s", error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RESUME_EVERY_S)


app = FastAPI(lifespan=lifespan, openapi_url=None)


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


# The engine blocks. FastAPI runs functions without `async` in its thread pool, where that is fine.


@app.get("/", response_class=HTMLResponse)
def offer():
    return f'<form method="post" action="/orders"><button>{ITEM}: {PRICE}</button></form>'


@app.post("/orders")
def order(request: Request):
    engine, ticket = request.app.state.engine, secrets.token_urlsafe()
    order_no = order_no_of(ticket)
    lines = [OrderLine(item=ITEM, unit_price=PRICE)]
    receipt = engine.reserve(Order(platform="shop", order_no=order_no, lines=lines), ttl_s=900)
    if receipt.outcome is not Outcome.PENDING:
        raise HTTPException(409, "sold out")
    answer = RedirectResponse(payment_address(engine, order_no), 303)
    secure = os.environ["SHOP_URL"].startswith("https:")
    where = {"path": f"/orders/{order_no}", "secure": secure}
    answer.set_cookie("ticket", ticket, httponly=True, samesite="lax", **where)
    return answer


@app.get("/orders/{order_no}")
def show(request: Request, order_no: str):
    is_buyer = order_no_of(request.cookies.get("ticket", "")) == order_no
    receipt = request.app.state.engine.receipt("shop", order_no) if is_buyer else None
    if receipt is None:
        raise HTTPException(404)
    cards = "".join(f"<pre>{html.escape(card.text().reveal())}</pre>" for card in receipt.cards)
    page = f"<h1>Order {order_no}</h1>{cards or WAITING}"
    return HTMLResponse(page, headers={"cache-control": "no-store"})


@app.api_route("/notify", methods=["GET", "POST"])
async def notify(request: Request):
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_BODY:
            raise HTTPException(413)
    inbound = Inbound(
        method=request.method,
        path=request.url.path,
        query=request.scope["query_string"].decode("latin-1"),
        headers=dict(request.headers),
        body=body,
        remote_addr=request.client.host if request.client else "",
    )
    reply = await run_in_threadpool(request.app.state.engine.receive, "shop", inbound)
    return Response(reply.body, reply.status, dict(reply.headers))
