"""Kinguin on a real socket, written from its documentation: sellers, balance, orders, faults."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

import attrs

FOLDER: Final = "/esa/api"
_ROUTES: Final = (
    ("POST", re.compile(r"/v2/order"), "order"),
    ("GET", re.compile(r"/v1/order"), "search"),
    ("GET", re.compile(r"/v1/order/([^/]+)"), "detail"),
    ("GET", re.compile(r"/v2/order/([^/]+)/keys"), "keys"),
    ("POST", re.compile(r"/v2/order/([^/]+)/keys/return"), "return"),
    ("GET", re.compile(r"/v1/products"), "products"),
    ("GET", re.compile(r"/v2/products/([^/]+)"), "product"),
    ("GET", re.compile(r"/v1/balance"), "balance"),
)
_STATUS: Final = {
    "ConstraintViolation": 400, "Http": 400, "Authorization": 401, "InsufficientBalance": 400,
    "BalanceRequired": 400, "ProductUnavailable": 404, "Preorder": 400, "OrderFailed": 500,
    "OrderNotFound": 404, "ResourceLock": 423, "OrderNotSupported": 400, "NoKeysToReturn": 400,
    "HttpClient": 502, "Error": 500, "OrderHold": 422, "OrderNotDispatchedYet": 422,
    "OrderPartiallyDispatched": 422, "ProcessingPreorder": 422, "OrderNotPaid": 400,
    "DispatchNotFound": 404,
}  # fmt: skip
ORDER_FAULTS: Final = frozenset(
    ("canceled", "refunded", "partly_refunded", "fewer", "more", "twice", "same", "empty", "null")
) | {"odd", "late", "unlisted"}
"""Faults of the next order that is made; all others are faults of the next request."""


@attrs.frozen
class Picture:
    """A key that is a photograph: the base64 of the file and its type."""

    base64: str
    mime: str = "image/jpeg"


@attrs.define
class Key:
    """One key as Kinguin keeps it."""

    id: str
    offer_id: str
    content: str | Picture | None
    status: str = "PENDING"


@attrs.define(kw_only=True)
class Seller:
    """One seller's offer of a product."""

    offer_id: str
    price: Decimal
    stock: deque[str | Picture]

    def count(self, *, text: bool) -> int:
        return sum(not text or isinstance(card, str) for card in self.stock)

    def take(self, *, text: bool) -> str | Picture:
        card = next(card for card in self.stock if not text or isinstance(card, str))
        self.stock.remove(card)
        return card


@attrs.define(kw_only=True)
class Goods:
    """One product and who sells it."""

    item: str
    number: int
    name: str
    is_preorder: bool = False
    sellers: list[Seller] = attrs.field(factory=list)


@attrs.define(kw_only=True)
class RemoteOrder:
    """One order as Kinguin keeps it."""

    remote: str
    reference: str
    goods: Goods
    asked: Decimal
    quantity: int
    prices: dict[str, tuple[Decimal, int]]
    keys: list[Key]
    charged: Decimal
    paid_back: Decimal = Decimal(0)
    status: str = "processing"
    polls: int = 0
    overlooked: int = 0
    faults: list[str] = attrs.field(factory=list)


@attrs.frozen
class Notice:
    """One webhook message."""

    headers: Mapping[str, str]
    body: bytes


@attrs.define
class _Fault:
    kind: str
    on: str
    count: int
    seconds: float


@attrs.frozen
class _Answer:
    status: int
    body: bytes
    kind: str = "application/json"
    headers: Mapping[str, str] = attrs.field(factory=dict)


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, kind: str, detail: str = "", **members: Any) -> None:
        super().__init__(kind)
        self.kind, self.detail, self.members = kind, detail, members


class Simulator:
    """
    One account at Kinguin. Use as a context manager; `url` is what `base_url` must be.

    Args:
        credential: The only API key that is accepted.
        webhook_secret: Sent along with every message.
        balance: What the account holds, in euros.
    """

    def __init__(
        self,
        *,
        credential: str = "kgn_demo_4f1d",
        webhook_secret: str = "demo-webhook-secret",
        balance: str = "1000.00",
    ) -> None:
        self.credential, self.webhook_secret = credential, webhook_secret
        self.balance = Decimal(balance)
        self.duplicates = "refused"
        """What becomes of a known number: it is "refused", "locked", or "created" once more."""
        self.polls = 0
        """How often an order is read before its first key comes."""
        self.pace = 0
        """How many keys come with each further read; 0 is all."""
        self.shows_offers = True
        self.webhook_url = ""
        self.goods: dict[str, Goods] = {}
        self.orders: list[RemoteOrder] = []
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.notices: list[Notice] = []
        self._faults: list[_Fault] = []
        self._lock = threading.RLock()
        self._posting: list[threading.Thread] = []
        self._serial = 0
        simulator = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                simulator._serve(self)

            do_POST = do_GET  # noqa: N815 - the name http.server looks for

            def log_message(self, *_: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{FOLDER}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for thread in self._posting:
            thread.join()

    # --- what tests say and ask -------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """The table `[suppliers.X]` that buys here, without waiting between calls."""
        return {
            "adapter": "kinguin", "base_url": self.url, "credential": self.credential,
            "webhook_secret": self.webhook_secret, "allow_http": True, "calls_per_second": 1000,
        }  # fmt: skip

    def sell(
        self,
        item: str,
        price: str,
        cards: Iterable[str | Picture],
        *,
        name: str = "Demo Game Steam CD Key",
        is_preorder: bool = False,
    ) -> None:
        """Let one more seller offer *cards* as *item* at *price* euros each."""
        with self._lock:
            goods = self.goods.setdefault(
                item,
                Goods(
                    item=item, number=90_210 + len(self.goods), name=name, is_preorder=is_preorder
                ),
            )
            seller = Seller(offer_id=self._id(), price=Decimal(price), stock=deque(cards))
            goods.sellers = sorted([*goods.sellers, seller], key=lambda one: one.price)

    def fault(self, kind: str, *, on: str = "order", count: int = 1, seconds: float = 0.0) -> None:
        """
        Let something go wrong.

        Args:
            kind: One of `ORDER_FAULTS` for the next order; else `drop`, `http_500`, `html` or a
                kind of refusal such as `ResourceLock`, each before anything is done, or with
                `_after` behind it after it was done; `half_after`, `delay` (*seconds*), `busy`
                (429), `notice_first` (the message overtakes the answer).
            on: The route that it hits, such as `order`, `search`, `keys`; "" hits any.
            count: How many requests it hits; of `late`: how many searches overlook the order.
            seconds: How long a `delay` is.
        """
        with self._lock:
            self._faults.append(_Fault(kind, on, count, seconds))

    @property
    def spent(self) -> Decimal:
        """What all orders cost, less what was paid back."""
        with self._lock:
            return sum((order.charged - order.paid_back for order in self.orders), Decimal(0))

    @property
    def sold(self) -> dict[str, tuple[str, ...]]:
        """The texts of the keys that were handed over, by our reference."""
        with self._lock:
            sold: dict[str, tuple[str, ...]] = {}
            for order in self.orders:
                texts = (_text(key) for key in order.keys if key.status == "DELIVERED")
                sold[order.reference] = (*sold.get(order.reference, ()), *texts)
            return {reference: texts for reference, texts in sold.items() if texts}

    def notice(self, event: str, **body: Any) -> Notice:
        """Return a message as Kinguin sends it."""
        headers = {
            "content-type": "aplication/json",  # as the documentation has it
            "x-event-name": event,
            "x-event-secret": self.webhook_secret,
        }
        return Notice(headers, _json(body))

    # --- wire -------------------------------------------------------------------------------

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        parts = urlsplit(handler.path)
        route, argument = _route(handler.command, parts.path)
        with self._lock:
            self.requests.append(f"{handler.command} {parts.path.removeprefix(FOLDER)}")
            fault = self._next_fault(route)
            if fault.kind == "drop":
                handler.close_connection = True
                return
            answer = self._troubled(
                fault, handler, route, argument, dict(parse_qsl(parts.query)), body
            )
        if fault.kind == "delay":
            time.sleep(fault.seconds)
        if fault.kind == "drop_after":
            handler.close_connection = True
            return
        with suppress(OSError):  # the other side has given up
            _write(handler, answer)

    def _next_fault(self, route: str) -> _Fault:
        for fault in self._faults:
            if fault.kind not in ORDER_FAULTS and fault.on in {"", route}:
                fault.count -= 1
                if not fault.count:
                    self._faults.remove(fault)
                return fault
        return _Fault("", "", 0, 0.0)

    def _troubled(
        self,
        fault: _Fault,
        handler: BaseHTTPRequestHandler,
        route: str,
        argument: str,
        query: dict[str, str],
        body: bytes,
    ) -> _Answer:
        trouble = _trouble(fault.kind.removesuffix("_after"), handler)
        if trouble is not None and not fault.kind.endswith("_after"):
            return trouble
        answer = self._answer(handler, route, argument, query, body)
        if fault.kind == "notice_first" and answer.status == 201:
            self._advance(self.orders[-1])
        if fault.kind == "half_after":
            return attrs.evolve(answer, body=answer.body[: len(answer.body) // 2])
        return trouble or answer

    def _answer(
        self,
        handler: BaseHTTPRequestHandler,
        route: str,
        argument: str,
        query: dict[str, str],
        body: bytes,
    ) -> _Answer:
        try:
            if handler.headers.get("x-api-key") != self.credential:
                raise Refusal("Authorization", "Invalid authentication data.")
            if route == "order":
                self.bodies.append(body)
                return _Answer(201, _json(self._create(handler, body)))
            calls = {
                "search": lambda: self._search(query), "keys": lambda: self._keys(argument, query),
                "detail": lambda: self._shown(self._advance(self._find(argument))),
                "return": lambda: self._return(argument), "products": lambda: self._products(query),
                "product": lambda: self._product(argument),
                "balance": lambda: {"balance": self.balance},
            }  # fmt: skip
            if route not in calls:
                raise Refusal("Http", "No route found.", status=404)
            return _Answer(200, _json(calls[route]()))
        except Refusal as refusal:
            return _refused(refusal, handler)

    # --- products ---------------------------------------------------------------------------

    def _products(self, query: dict[str, str]) -> dict[str, Any]:
        wanted = query["productId"].split(",") if "productId" in query else list(self.goods)
        found = [self._good(self.goods[item]) for item in self.goods if item in wanted]
        return {"results": _page(found, query), "item_count": len(found)}

    def _product(self, item: str) -> dict[str, Any]:
        if item not in self.goods or not any(seller.stock for seller in self.goods[item].sellers):
            raise Refusal("ProductUnavailable", "Product not found.")
        return self._good(self.goods[item])

    def _good(self, goods: Goods) -> dict[str, Any]:
        live = [seller for seller in goods.sellers if seller.stock] or goods.sellers[:1]
        cheapest = [seller for seller in live if seller.price == live[0].price]
        shown: dict[str, Any] = {
            "kinguinId": goods.number, "productId": goods.item, "name": goods.name,
            "price": live[0].price, "qty": sum(seller.count(text=False) for seller in cheapest),
            "totalQty": sum(seller.count(text=False) for seller in live),
            "offersCount": len(live), "isPreorder": goods.is_preorder, "regionId": 3,
            "cheapestOfferId": [seller.offer_id for seller in cheapest], "platform": "Steam",
        }  # fmt: skip
        if self.shows_offers:
            shown["textQty"] = sum(seller.count(text=True) for seller in cheapest)
            shown["offers"] = [
                {"offerId": seller.offer_id, "name": goods.name, "price": seller.price,
                 "qty": seller.count(text=False), "textQty": seller.count(text=True),
                 "merchantName": "Demo", "isPreorder": goods.is_preorder}
                for seller in live
            ]  # fmt: skip
        return shown

    # --- orders -----------------------------------------------------------------------------

    def _create(self, handler: BaseHTTPRequestHandler, body: bytes) -> dict[str, Any]:
        line, reference = _checked_order(handler, body)
        if any(order.reference == reference for order in self.orders):
            self._meet_duplicate(reference)
        goods = self.goods.get(line["productId"])
        if goods is None:
            raise Refusal("ProductUnavailable", "Product not found.")
        text = line.get("keyType") == "text"
        if goods.is_preorder and text:
            raise Refusal("Preorder", "keyType is not allowed for pre-orders.")
        order = self._bought(goods, line, reference, text=text)
        self._spoil(order)
        self.orders.append(order)
        return self._shown(order)

    def _meet_duplicate(self, reference: str) -> None:
        if self.duplicates == "refused":
            raise Refusal(
                "ConstraintViolation", 'Invalid "orderExternalId" property. It is used already.',
                propertyPath="orderExternalId", invalidValue=reference,
            )  # fmt: skip
        if self.duplicates == "locked":
            raise Refusal("ResourceLock", "The resource is locked.")

    def _bought(
        self, goods: Goods, line: dict[str, Any], reference: str, *, text: bool
    ) -> RemoteOrder:
        asked, quantity = Decimal(line["price"]), line["qty"]
        served = [seller for seller in goods.sellers if seller.price <= asked]
        if sum(seller.count(text=text) for seller in served) < quantity:
            raise Refusal("ProductUnavailable", "Product is sold or not active.")
        plan: list[Seller] = []
        for seller in served:
            plan += [seller] * min(seller.count(text=text), quantity - len(plan))
        charged = sum((seller.price for seller in plan), Decimal(0))
        if charged > self.balance:
            raise Refusal("InsufficientBalance", "Insufficient balance.")
        self.balance -= charged
        prices = {seller.offer_id: (seller.price, plan.count(seller)) for seller in served if seller in plan}  # fmt: skip
        keys = [Key(self._id(), seller.offer_id, seller.take(text=text)) for seller in plan]
        return RemoteOrder(
            remote=f"PHS{self._number():07}", reference=reference, goods=goods, asked=asked,
            quantity=quantity, prices=prices, keys=keys, charged=charged,
        )  # fmt: skip

    def _spoil(self, order: RemoteOrder) -> None:
        """Apply the first of what was said to go wrong with the next orders."""
        for fault in [fault for fault in self._faults if fault.kind in ORDER_FAULTS][:1]:
            self._faults.remove(fault)
            order.faults.append(fault.kind)
            order.overlooked = fault.count if fault.kind == "late" else order.overlooked
        last = order.keys[-1]
        odd: dict[str, str | None] = {"empty": "", "null": None, "same": _text(order.keys[0])}
        for kind in order.faults:
            if kind in odd:
                last.content = odd[kind]
            if kind == "more":
                order.keys.append(Key(self._id(), last.offer_id, f"{_text(last)}-MORE"))
            if kind == "odd":
                last.content = Picture("JVBERi0=", "application/pdf")

    def _advance(self, order: RemoteOrder) -> RemoteOrder:
        """Let time go on for *order*: the next keys come, or it ends in another way."""
        order.polls += 1
        if order.status != "processing" or order.polls <= self.polls:
            return order
        ends = {"canceled": "canceled", "refunded": "refunded", "partly_refunded": "refunded"}
        ending = next((ends[kind] for kind in order.faults if kind in ends), "completed")
        pending = [key for key in order.keys if key.status == "PENDING"]
        coming = pending[: self.pace or None]
        if ending != "completed":
            coming = pending[:1] if "partly_refunded" in order.faults else []
        for key in coming:
            key.status = "DELIVERED"
        if ending != "completed" or len(coming) == len(pending):
            self._finish(order, ending)
        return order

    def _finish(self, order: RemoteOrder, status: str) -> None:
        order.status = status
        for key in order.keys:
            if key.status == "PENDING":
                key.status = "CANCELED"
                price = order.prices[key.offer_id][0]
                order.paid_back += price
                self.balance += price
        self._tell(order)

    def _shown(self, order: RemoteOrder) -> dict[str, Any]:
        lines = [
            {"kinguinId": order.goods.number, "offerId": offer_id, "productId": order.goods.item,
             "qty": quantity, "name": order.goods.name, "price": price,
             "totalPrice": price * quantity, "requestPrice": order.asked,
             "isPreorder": order.goods.is_preorder, "releaseDate": "2020-10-07", "keyType": "text",
             "keys": [{"id": key.id, "status": key.status} for key in order.keys
                      if key.offer_id == offer_id and key.status != "PENDING"]}
            for offer_id, (price, quantity) in order.prices.items()
        ]  # fmt: skip
        shown = {
            "totalPrice": order.charged, "requestTotalPrice": order.asked * order.quantity,
            "paymentPrice": order.charged, "status": order.status,
            "userEmail": "api@store.example", "storeId": 7, "createdAt": "2026-01-02T03:04:05+00:00",
            "orderId": order.remote, "products": lines, "totalQty": order.quantity,
            "isPreorder": order.goods.is_preorder,
        }  # fmt: skip
        return shown | ({"orderExternalId": order.reference} if order.reference else {})

    def _search(self, query: dict[str, str]) -> dict[str, Any]:
        number = query.get("orderExternalId")
        found = []
        for order in self.orders:
            if number is not None and order.reference != number:
                continue
            if order.overlooked or "unlisted" in order.faults:
                order.overlooked = max(order.overlooked - 1, 0)
                continue
            found.append(self._shown(self._advance(order)))
        return {"results": _page(found, query), "item_count": len(found)}

    def _find(self, remote: str) -> RemoteOrder:
        for order in self.orders:
            if order.remote == remote:
                return order
        raise Refusal("OrderNotFound", f'Order "{remote}" not found.')

    def _keys(self, remote: str, query: dict[str, str]) -> list[dict[str, Any]]:
        order = self._find(remote)
        delivered = [key for key in order.keys if key.status == "DELIVERED"]
        if "fewer" in order.faults:
            delivered = delivered[:-1]
        if "twice" in order.faults:
            delivered = [*delivered, *delivered[:1]]
        return _page([_shown_key(key, order.goods) for key in delivered], query)

    def _return(self, remote: str) -> list[dict[str, Any]]:
        order = self._find(remote)
        keys = [key for key in order.keys if key.status == "DELIVERED"]
        if not keys:
            raise Refusal("NoKeysToReturn", "There are no keys to return.")
        for key in keys:
            key.status = "PENDING"
        self._finish(order, "refunded")
        return [{"id": key.id, "status": "RETURNED"} for key in keys]

    # --- messages ---------------------------------------------------------------------------

    def _tell(self, order: RemoteOrder) -> None:
        notice = self.notice(
            "order.status", orderId=order.remote, orderExternalId=order.reference,
            status=order.status, updatedAt="2026-01-02T03:04:09.125+00:00",
        )  # fmt: skip
        self.notices.append(notice)
        if self.webhook_url:
            thread = threading.Thread(target=self._post, args=(notice,))
            self._posting.append(thread)
            thread.start()

    def _post(self, notice: Notice) -> None:
        request = urllib.request.Request(
            self.webhook_url, data=notice.body, headers=dict(notice.headers)
        )
        with suppress(OSError), urllib.request.urlopen(request, timeout=10):
            pass

    def _number(self) -> int:
        self._serial += 1
        return self._serial

    def _id(self) -> str:
        return f"65a0{self._number():020x}"


def _text(key: Key) -> str:
    return key.content.base64 if isinstance(key.content, Picture) else key.content or ""


def _shown_key(key: Key, goods: Goods) -> dict[str, Any]:
    picture = key.content if isinstance(key.content, Picture) else None
    return {
        "id": key.id, "serial": picture.base64 if picture else key.content,
        "type": picture.mime if picture else "text/plain", "name": goods.name,
        "kinguinId": goods.number, "offerId": key.offer_id, "productId": goods.item,
    }  # fmt: skip


def _checked_order(handler: BaseHTTPRequestHandler, body: bytes) -> tuple[dict[str, Any], str]:
    """Return the only line of an order and our number of it; orders of several are not sold here."""
    if handler.headers.get("content-type") != "application/json":
        raise Refusal("Http", "The body is no JSON.")
    try:
        order = json.loads(body, parse_float=Decimal)
    except ValueError:
        raise Refusal("Http", "The body is no JSON.") from None
    lines = order.get("products")
    if not isinstance(lines, list) or not 1 <= len(lines) <= 10:
        raise Refusal(
            "ConstraintViolation", 'Invalid "products" property.', propertyPath="products"
        )
    for line in lines:
        _check_line(line)
    if sum(line["qty"] for line in lines) > 90:
        raise Refusal("ConstraintViolation", 'Sum of "qty" is too large.', propertyPath="products")
    assert len(lines) == 1, "this simulator sells one product at a time"
    return lines[0], order.get("orderExternalId", "")


def _check_line(line: dict[str, Any]) -> None:
    fits = {
        "productId": isinstance(line.get("productId"), str),
        "qty": isinstance(line.get("qty"), int) and 1 <= line["qty"] <= 9,
        "price": isinstance(line.get("price"), (int, Decimal)) and line["price"] > 0,
        "keyType": line.get("keyType", "text") == "text",
    }
    for name, is_fit in fits.items():
        if not is_fit:
            raise Refusal(
                "ConstraintViolation", f'Invalid "{name}" property.',
                propertyPath=f"products[0].{name}", invalidValue=line.get(name),
            )  # fmt: skip


def _route(verb: str, path: str) -> tuple[str, str]:
    for method, pattern, name in _ROUTES:
        match = pattern.fullmatch(path.removeprefix(FOLDER))
        if match and method == verb and path.startswith(FOLDER):
            return name, match[1] if match.groups() else ""
    return "", ""


def _page(rows: list[Any], query: dict[str, str]) -> list[Any]:
    page, limit = int(query.get("page", "1")), min(int(query.get("limit", "25")), 100)
    return rows[(page - 1) * limit : page * limit]


def _trouble(kind: str, handler: BaseHTTPRequestHandler) -> _Answer | None:
    """Return the answer that *kind* of fault is; None where it is none of answers."""
    if kind == "http_500":
        return _Answer(500, b"<html><title>500</title></html>", "text/html")
    if kind == "html":
        return _Answer(200, b"<html><title>Just a moment...</title></html>", "text/html")
    if kind == "busy":
        return _Answer(429, b"<html>slow down</html>", "text/html", {"retry-after": "7"})
    return _refused(Refusal(kind, "Scripted."), handler) if kind in _STATUS else None


def _refused(refusal: Refusal, handler: BaseHTTPRequestHandler) -> _Answer:
    status = refusal.members.pop("status", _STATUS[refusal.kind])
    told = {"kind": refusal.kind, "status": status, "detail": refusal.detail}
    if refusal.kind == "Authorization":  # the one shape without title, path, method and trace
        return _Answer(status, _json({**told, "type": "Unauthorized"}))
    usual = {
        "title": "Bad Request", "path": urlsplit(handler.path).path, "method": handler.command,
        "trace": "0a1b2c3d4e", "timestamp": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip
    return _Answer(status, _json({**told, **usual, **refusal.members}))


def _json(value: Any) -> bytes:
    return json.dumps(value, default=float, separators=(",", ":")).encode()


def _write(handler: BaseHTTPRequestHandler, answer: _Answer) -> None:
    handler.send_response(answer.status)
    handler.send_header("content-type", answer.kind)
    handler.send_header("content-length", str(len(answer.body)))
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(answer.body)
