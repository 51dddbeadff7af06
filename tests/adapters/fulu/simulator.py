"""Fulu's gateway on a real socket, written from its public facts: quirks and faults included."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import attrs
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

BEIJING = timezone(timedelta(hours=8))
TIME = "%Y-%m-%d %H:%M:%S"
ENVELOPE = ("app_key", "method", "timestamp", "version", "format", "charset", "sign_type",
            "app_auth_token", "biz_content", "sign")  # fmt: skip
FIXED = {"version": "2.0", "format": "json", "charset": "utf-8", "sign_type": "md5",
         "app_auth_token": ""}  # fmt: skip
PLACING = ("fulu.order.card.add", "fulu.order.direct.add")
LOOKING = ("fulu.order.info.get",)
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>openresty</body></html>"
APOLOGY = "抱歉，该商品暂时缺货，请联系客服处理"

# Only of this simulator: Fulu publishes no list of codes.
BAD_SIGN, BAD_TIME, BAD_APP, BAD_CALL = 1001, 1002, 1003, 1004
OFF_SALE, SOLD_OUT, DUPLICATE, NO_MONEY, NO_ORDER = 3001, 3008, 3009, 3010, 3011

WIRE_FAULTS = frozenset(
    ("drop_before", "drop_after", "http_500", "http_502", "html", "cut", "wrong_sign", "empty_sign",
     "delay", "skew", "refuse", "missing")
)  # fmt: skip
"""What goes wrong with one call. `…_after`, http_500, html and cut: after it was done."""
ORDER_FAULTS = frozenset(
    ("failed", "fewer", "more", "twice", "known", "apology", "no_number", "no_password", "nothing",
     "null", "link", "picture", "sealed", "late_cards", "no_cards", "unknown_state", "stuck",
     "other_product", "callback_first")
)  # fmt: skip
"""What becomes of the order that the next purchase makes."""


@attrs.define
class Card:
    """One card on the shelf, in plain text."""

    password: str
    number: str = ""
    deadline: str | None = None
    card_type: int = 0

    @property
    def text(self) -> str:
        """What tells it from other cards."""
        return self.password or self.number


@attrs.define(kw_only=True)
class Good:
    """One product and its cards that are left; `stock` is None for those without cards."""

    item: str
    price: Decimal
    name: str
    shelf: list[Card]
    kind: str = "卡密"
    sales_status: str = "上架"

    @property
    def stock_status(self) -> str:
        """The three-valued indicator; there is no number."""
        if self.kind == "直充" or len(self.shelf) >= 3:
            return "充足"
        return "警报" if self.shelf else "断货"


@attrs.define(kw_only=True)
class Order:
    """One order as the gateway keeps it."""

    order_id: str
    reference: str
    good: Good
    quantity: int
    account: str | None
    fields: Mapping[str, Any]
    made: datetime
    cards: list[Card]
    state: str = "processing"
    fault: str = ""
    looks: int = 0
    done: datetime | None = None

    @property
    def price(self) -> Decimal:
        """What it cost altogether."""
        return self.good.price * self.quantity


class Refusal(Exception):
    """An answer with a code that is not 0."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@attrs.define
class Fault:
    """One thing that goes wrong, once."""

    name: str
    on: tuple[str, ...]
    value: float


class Simulator:
    """
    Fulu with one merchant. Use as a context manager; `url` is its gateway.

    `sell` puts goods on its shelves, `fault` makes the next call or order go wrong, `spent` is
    what the merchant has paid less what came back, `sold` is which cards went out under which
    reference. Safe to use from many threads.
    """

    def __init__(
        self,
        *,
        app_key: str = "demoAppKey0001",
        app_secret: str = "9f8e7d6c5b4a39281706f5e4d3c2b1a0",
        balance: Decimal | str = "10000",
    ) -> None:
        self.app_key, self.app_secret = app_key, app_secret
        self.balance = Decimal(balance)
        self.working_looks = 0
        """How many look-ups still find an order unfinished."""
        self.window_s = 600.0
        """How far the time of a call may lie from the clock; `math.inf` for any."""
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.on_callback: Callable[[bytes], None] | None = None
        """Is handed every callback, before the answer of the call that caused it; without it they
        are POSTed to `callback_url`."""
        self.callback_url = ""
        self.callbacks: list[bytes] = []
        self.requests: list[str] = []
        self._goods: dict[str, Good] = {}
        self._orders: dict[str, Order] = {}
        self._faults: list[Fault] = []
        self._waiting: list[bytes] = []
        self._paid = self._returned = Decimal(0)
        self._lock = threading.RLock()
        simulator = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # or each answer takes 40 ms on a kept connection

            def do_POST(self) -> None:
                simulator._serve(self)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/getway"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # --- what tests use -------------------------------------------------------------------

    def settings(self, items: Mapping[str, str], **more: Any) -> dict[str, Any]:
        """Return the `[suppliers.NAME]` table that buys *items* (sku to product) here."""
        return {
            "adapter": "fulu", "gateway_url": self.url, "allow_http": True,
            "app_key": self.app_key, "credential": self.app_secret, "items": dict(items), **more,
        }  # fmt: skip

    def sell(
        self, item: str, price: str | Decimal, *, cards: Iterable[str | Card] = (), name: str = ""
    ) -> None:
        """Put *cards* of product *item* on the shelf, at *price* yuan each; adds to what is there."""
        fresh = [Card(password=card) if isinstance(card, str) else card for card in cards]
        with self._lock:
            good = self._goods.setdefault(
                item, Good(item=item, price=Decimal(price), name=name or f"测试 {item}", shelf=[])
            )
            good.price = Decimal(price)
            good.shelf += fresh

    def sell_top_up(self, item: str, price: str | Decimal, *, name: str = "") -> None:
        """Offer product *item*, which charges an account."""
        with self._lock:
            self._goods[item] = Good(
                item=item, price=Decimal(price), name=name or f"直充 {item}", shelf=[], kind="直充"
            )

    def take_off(self, item: str, status: str = "下架") -> None:
        """Stop selling *item*."""
        with self._lock:
            self._goods[item].sales_status = status

    def fault(
        self, name: str, *, on: str | Iterable[str] = PLACING, times: int = 1, value: float = 0
    ) -> None:
        """
        Make something go wrong, *times* times: one of WIRE_FAULTS or ORDER_FAULTS.

        *on* names the methods of Fulu's that a wire fault waits for (default: purchases). *value*
        is the seconds of `delay` and `skew`, and the code of `refuse`.
        """
        if name not in WIRE_FAULTS | ORDER_FAULTS:
            raise ValueError(f"no fault is called {name}")
        methods = (on,) if isinstance(on, str) else tuple(on)
        with self._lock:
            self._faults += [Fault(name, methods, value) for _ in range(times)]

    @property
    def spent(self) -> Decimal:
        """What was paid, less what came back."""
        with self._lock:
            return self._paid - self._returned

    @property
    def sold(self) -> dict[str, tuple[str, ...]]:
        """The cards that belong to each order that did not fail, by our reference."""
        with self._lock:
            return {
                reference: tuple(card.text for card in order.cards)
                for reference, order in self._orders.items()
                if order.state != "failed" and order.account is None
            }

    @property
    def charged(self) -> dict[str, tuple[str, int]]:
        """The account and number of units of each top-up that did not fail, by our reference."""
        with self._lock:
            return {
                reference: (order.account, order.quantity)
                for reference, order in self._orders.items()
                if order.state != "failed" and order.account is not None
            }

    def work(self) -> None:
        """Finish every order that can be finished."""
        with self._lock:
            for order in self._orders.values():
                self._finish(order)

    def order(self, reference: str) -> Order | None:
        """Return the order of *reference*, if there is one."""
        with self._lock:
            return self._orders.get(reference)

    # --- wire -----------------------------------------------------------------------------

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        said = _object(body)
        method = str(said.get("method", ""))
        with self._lock:
            self.requests.append(method)
            fault = self._taken(WIRE_FAULTS, method)
        if fault.name == "drop_before":
            handler.close_connection = True
            return
        status, answer = self._answer(handler.path, said, fault)
        if fault.name == "delay":
            time.sleep(fault.value)
        if fault.name == "drop_after":
            handler.close_connection = True
            return
        with suppress(OSError):  # the other side may have given up
            self._write(handler, status, answer)

    def _write(self, handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        handler.send_response(status)
        kind = "application/json; charset=utf-8" if body[:1] == b"{" else "text/html"
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _taken(self, names: frozenset[str], method: str) -> Fault:
        for fault in self._faults:
            if fault.name in names and (method in fault.on or not fault.on):
                self._faults.remove(fault)
                return fault
        return Fault("", (), 0)

    def _answer(self, path: str, said: Mapping[str, Any], fault: Fault) -> tuple[int, bytes]:
        if path != "/api/getway":
            return 404, HTML
        if fault.name == "http_502":
            return 502, HTML
        answer = self._said(said, fault)
        if fault.name == "http_500":
            return 500, HTML
        if fault.name == "html":
            return 200, HTML
        if fault.name == "wrong_sign":
            answer["sign"] = "0" * 32
        if fault.name == "empty_sign":
            answer["sign"] = ""
        body = json.dumps(answer, ensure_ascii=False).encode()
        return 200, body[: len(body) // 2] if fault.name == "cut" else body

    def _said(self, said: Mapping[str, Any], fault: Fault) -> dict[str, Any]:
        try:
            self._check(said, skew_s=fault.value if fault.name == "skew" else 0)
            if fault.name == "refuse":
                raise Refusal(int(fault.value), "系统繁忙")
            if fault.name == "missing":
                raise Refusal(NO_ORDER, "订单不存在")
            with self._lock:
                result = self._done(said["method"], _object(said["biz_content"]))
            self._call_back()
        except Refusal as refusal:
            return {"code": refusal.code, "message": refusal.message, "result": "", "sign": ""}
        text = compact(result)
        sign = signature(text, self.app_secret)
        return {"code": 0, "message": "接口调用成功", "result": text, "sign": sign}

    def _check(self, said: Mapping[str, Any], *, skew_s: float) -> None:
        if set(said) != set(ENVELOPE) or not all(isinstance(text, str) for text in said.values()):
            raise Refusal(BAD_CALL, "参数错误")
        if said["app_key"] != self.app_key:
            raise Refusal(BAD_APP, "app_key 不存在")
        # Rebuilt from what came, so neither blanks nor the order of names matter.
        others = {name: text for name, text in said.items() if name != "sign"}
        if said["sign"] != signature(compact(others), self.app_secret):
            raise Refusal(BAD_SIGN, "签名错误")
        if any(said[name] != text for name, text in FIXED.items()):
            raise Refusal(BAD_CALL, "参数错误")
        try:
            told = datetime.strptime(said["timestamp"], TIME).replace(tzinfo=BEIJING)
        except ValueError:
            raise Refusal(BAD_TIME, "timestamp 时间格式错误") from None
        away = told - self.clock() - timedelta(seconds=skew_s)
        if self.window_s != math.inf and abs(away.total_seconds()) > self.window_s:
            raise Refusal(BAD_TIME, "请求时间已过期")

    # --- methods --------------------------------------------------------------------------

    def _done(self, method: str, content: Mapping[str, Any]) -> Any:
        methods = {
            "fulu.goods.list.get": self._list,
            "fulu.goods.info.get": self._info,
            "fulu.user.info.get": self._account,
            "fulu.order.card.add": self._buy,
            "fulu.order.direct.add": self._charge,
            "fulu.order.info.get": self._look_up,
        }
        if method not in methods:
            raise Refusal(BAD_CALL, "method 不存在")
        return methods[method](content)

    def _list(self, content: Mapping[str, Any]) -> list[dict[str, Any]]:
        wanted = str(content.get("product_id", ""))
        goods = [good for good in self._goods.values() if good.sales_status == "上架"]
        return [_shown(good) for good in goods if wanted in {"", good.item}]

    def _info(self, content: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(content.get("product_id"), str):
            raise Refusal(BAD_CALL, "参数错误")
        good = self._goods.get(content["product_id"])
        if good is None:
            raise Refusal(OFF_SALE, "商品不存在")
        return {**_shown(good), "four_category_icon": "", "detail_type": 0}

    def _account(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"name": "演示商户", "balance": float(self.balance), "is_open": 1}

    def _buy(self, content: Mapping[str, Any]) -> dict[str, Any]:
        good, quantity, reference = self._asked(content, "卡密")
        if len(good.shelf) < quantity:
            raise Refusal(SOLD_OUT, "商品库存不足")
        order = self._place(good, quantity, reference, None, content)
        order.cards, good.shelf[:] = good.shelf[:quantity], good.shelf[quantity:]
        return self._accepted(order)

    def _charge(self, content: Mapping[str, Any]) -> dict[str, Any]:
        good, quantity, reference = self._asked(content, "直充")
        account = content.get("charge_account")
        if not isinstance(account, str) or not 1 <= len(account) <= 50:
            raise Refusal(BAD_CALL, "参数错误")
        return self._accepted(self._place(good, quantity, reference, account, content))

    def _asked(self, content: Mapping[str, Any], kind: str) -> tuple[Good, int, str]:
        item, quantity = content.get("product_id"), content.get("buy_num")
        reference = content.get("customer_order_no")
        whole = type(item) is int and type(quantity) is int and quantity > 0
        if not whole or not isinstance(reference, str) or not 1 <= len(reference) <= 50:
            raise Refusal(BAD_CALL, "参数错误")
        if reference in self._orders:
            raise Refusal(DUPLICATE, "外部订单号重复")
        good = self._goods.get(str(item))
        if good is None or good.sales_status != "上架" or good.kind != kind:
            raise Refusal(OFF_SALE, "商品已下架")
        return good, quantity, reference

    def _place(
        self, good: Good, quantity: int, reference: str, account: str | None, fields: Any
    ) -> Order:
        if good.price * quantity > self.balance:
            raise Refusal(NO_MONEY, "账户余额不足")
        order = Order(
            order_id=f"25{len(self._orders) + 1:012}", reference=reference, good=good,
            quantity=quantity, account=account, fields=dict(fields), made=self.clock(), cards=[],
            fault=self._taken(ORDER_FAULTS, PLACING[0]).name,
        )  # fmt: skip
        self._orders[reference] = order
        self._paid += order.price
        self.balance -= order.price
        return order

    def _accepted(self, order: Order) -> dict[str, Any]:
        shown = self._order(order)  # as it was taken: never with cards
        if order.fault == "callback_first":
            self._finish(order)
        return shown

    def _look_up(self, content: Mapping[str, Any]) -> dict[str, Any]:
        order = self._orders.get(str(content.get("customer_order_no")))
        if order is None:
            raise Refusal(NO_ORDER, "订单不存在")
        order.looks += 1
        if order.looks > self.working_looks:
            self._finish(order)
        return self._order(order)

    # --- orders ---------------------------------------------------------------------------

    def _finish(self, order: Order) -> None:
        if order.state in {"success", "failed"} or order.fault == "stuck":
            return
        if order.fault == "unknown_state":
            order.state = "auditing"
            return
        order.state = "failed" if order.fault == "failed" else "success"
        order.done = self.clock()
        if order.state == "failed":
            self._returned += order.price
            self.balance += order.price
            order.good.shelf[:0] = order.cards
            order.cards = []
        self._spoil(order)
        if self.on_callback is not None or self.callback_url:
            self._waiting.append(self.callback(order))

    def _spoil(self, order: Order) -> None:
        """Change the cards of *order* as its fault says; what is sold is what is sent."""
        cards, shelf = order.cards, order.good.shelf
        if not cards:
            return  # a top-up, or one that failed
        if order.fault == "fewer":
            shelf.insert(0, cards.pop())
        if order.fault == "more" and shelf:
            cards.append(shelf.pop(0))
        if order.fault == "twice":
            shelf[:0] = cards[1:]
            order.cards = [cards[0]] * max(2, order.quantity)
        if order.fault == "known":
            others = [other for other in self._orders.values() if other is not order]
            sent = [card for other in others for card in other.cards][: order.quantity]
            shelf[:0] = cards[: len(sent)]
            order.cards = sent + cards[len(sent) :]
        if order.fault == "apology":
            order.cards = [Card(password=APOLOGY) for _ in cards]
        if order.fault in {"link", "picture"}:
            order.cards = [
                Card(password=f"https://s.example.com/{card.text}",
                     card_type=2 if order.fault == "link" else 1)
                for card in cards
            ]  # fmt: skip

    def _order(self, order: Order) -> dict[str, Any]:
        final = order.state in {"success", "failed"}
        item = int(order.good.item) + (1 if final and order.fault == "other_product" else 0)
        return {
            "order_id": order.order_id, "customer_order_no": order.reference, "product_id": item,
            "product_name": order.good.name, "charge_account": order.account,
            "buy_num": order.quantity, "order_type": 3 if order.account is None else 4,
            "order_price": float(order.good.price), "order_state": order.state,
            "create_time": _beijing(order.made), "finish_time": _beijing(order.done),
            "area": None, "server": None, "type": None, "operator_serial_number": "",
            "cards": self._sent(order),
        }  # fmt: skip

    def _sent(self, order: Order) -> list[dict[str, Any]] | None:
        is_late = order.fault == "late_cards" and order.looks <= self.working_looks + 1
        if order.state != "success" or order.account is not None or order.fault == "no_cards":
            return None
        return None if is_late else [self._sealed(card, order.fault) for card in order.cards]

    def _sealed(self, card: Card, fault: str) -> dict[str, Any]:
        number = "" if fault == "nothing" else card.number
        password = "" if fault in {"no_password", "nothing"} else card.password
        if fault == "no_password":
            number = card.number or card.password
        sealed = {
            "card_number": encrypted(number, self.app_secret),
            "card_pwd": encrypted(password, self.app_secret),
            "card_type": card.card_type, "card_deadline": card.deadline,
        }  # fmt: skip
        if fault == "no_number":
            sealed["card_number"] = ""
        if fault == "null":
            sealed["card_number"] = None
        if fault == "sealed":
            sealed["card_pwd"] = encrypted(password, "f" * 32)
        return sealed

    def _call_back(self) -> None:
        """Send the callbacks that wait; not under the lock, for they are answered with look-ups."""
        with self._lock:
            bodies, self._waiting = self._waiting, []
            self.callbacks += bodies
        for body in bodies:
            if self.on_callback is not None:
                self.on_callback(body)
                continue
            request = urllib.request.Request(
                self.callback_url, body, {"Content-Type": "application/json"}
            )
            with suppress(OSError):
                urllib.request.urlopen(request, timeout=5).close()

    def callback(self, order: Order) -> bytes:
        """Return the callback about *order*: no cards, every value a text."""
        said = {
            "order_id": order.order_id, "charge_finish_time": _beijing(order.done),
            "customer_order_no": order.reference, "order_status": order.state,
            "recharge_description": "充值成功" if order.state == "success" else "充值失败",
            "product_id": order.good.item, "price": f"{order.good.price:.4f}",
            "buy_num": str(order.quantity), "operator_serial_number": "",
        }  # fmt: skip
        sign = signature(compact(said), self.app_secret)
        return compact({**said, "sign": sign}).encode()


def compact(value: Any) -> str:
    """Return *value* as JSON without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def signature(text: str, app_secret: str) -> str:
    """Return Fulu's signature of *text*."""
    return hashlib.md5(("".join(sorted(text)) + app_secret).encode()).hexdigest()


def encrypted(text: str, app_secret: str) -> str:
    """Return *text* as Fulu sends one field of a card."""
    padder = PKCS7(128).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(app_secret.encode()), modes.ECB()).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def _shown(good: Good) -> dict[str, Any]:
    return {
        "product_id": int(good.item), "product_name": good.name, "product_type": good.kind,
        "face_value": float(good.price), "purchase_price": float(good.price),
        "sales_status": good.sales_status, "stock_status": good.stock_status, "template_id": "",
        "details": "<p>说明</p>",
    }  # fmt: skip


def _beijing(moment: datetime | None) -> str | None:
    return moment.astimezone(BEIJING).strftime(TIME) if moment else None


def _object(text: str | bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
