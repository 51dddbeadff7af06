"""A kasushou site on a real socket, written from its documentation: quirks and faults included."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import threading
import time
import urllib.request
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlencode

import attrs

HTML = b"<html><title>502 Bad Gateway</title></html>"
CARD, TOP_UP = 1, 2
UNPAID, WAITING, PROCESSING, DONE, CANCELLED, REFUNDED = -1, 1, 2, 3, 4, 5
UNSIGNED = frozenset({"sign", "card_list", "express_list"})
APOLOGY = "库存紧张，请联系客服补发"
ENDINGS = {
    "cancelled": CANCELLED,
    "refunded": REFUNDED,
    "refunded_with_cards": REFUNDED,
    "partial_refund": REFUNDED,
    "unpaid": UNPAID,
    "odd_status": 9,
}


@attrs.define(kw_only=True)
class Good:
    """One good. Card goods have a stock of (number, password) pairs, top-ups a plain count."""

    item: str
    price: Decimal
    kind: int
    name: str
    cards: deque[tuple[str, str]] = attrs.field(factory=deque)
    count: int = 0
    least: int = 1
    most: int = 0
    status: int = 1
    can_buy: str = ""
    can_no_buy: str = ""

    @property
    def stock(self) -> int:
        return len(self.cards) if self.kind == CARD else self.count

    @property
    def id(self) -> int | str:
        return int(self.item) if self.item.isdigit() else self.item


@attrs.define(kw_only=True)
class SoldOrder:
    """One order as the site keeps it."""

    ordersn: str
    external_orderno: str
    good: Good
    quantity: int
    total: Decimal
    cards: list[tuple[str, str]]
    looks: int
    attach: dict[str, str] = attrs.field(factory=dict)
    url: str = ""
    status: int = WAITING
    ending: int = DONE
    owed: Decimal = Decimal(0)
    """What is paid back when it ends."""
    paid_back: Decimal = Decimal(0)
    looks_before_cards: int = 0
    """How often it is called a success before its cards show."""

    @property
    def is_over(self) -> bool:
        return self.status not in {WAITING, PROCESSING}

    def finish(self) -> None:
        if not self.is_over:
            self.status, self.paid_back = self.ending, self.owed


@attrs.frozen
class Fault:
    """What goes wrong at one call."""

    kind: str
    value: Any = None


@attrs.define
class Answer:
    """What goes back on the wire."""

    body: bytes
    status: int = 200
    kind: str = "application/json"


class Refusal(Exception):
    """A 400 in the site's own words."""


class Simulator:
    """
    One site with one customer account. Use as a context manager; `url` is its address.

    `sell` and `sell_top_ups` fill it, `fault` queues what goes wrong at the next call, `spent` is
    the money it kept, `sold` what it handed out for it. Safe to use from several threads.

    Faults of `order/buy`, by when they strike: before anything is sold `drop_before`, `html`,
    `http_500`, `code_500`, `refuse` (value: the words), `wrong_signature`; after it was sold
    `drop_after`, `delay` (value: seconds), `html_after`, `http_500_after`, `code_500_after`,
    `callback_first`; in what is sold `fewer`, `more`, `duplicate`, `known`, `blank`, `apology`,
    `late_cards` (value: looks), and the endings `cancelled`, `refunded`, `refunded_with_cards`,
    `partial_refund`, `unpaid`, `odd_status`. Faults of `order/info`: the first five, `delay`,
    `missing` (as if there were no such order) and `other` (somebody else's).
    """

    def __init__(
        self,
        *,
        user_id: str = "10086",
        api_key: str = "KSS_demo_apikey_0123456789abcdef",
        balance: str = "10000.00",
    ) -> None:
        self.user_id, self.api_key = user_id, api_key
        self.paid_in = Decimal(balance)
        self.goods: dict[str, Good] = {}
        self.orders: list[SoldOrder] = []
        self.calls: list[str] = []
        self.called_back: list[tuple[str, int]] = []
        self.looks = 0
        """How many looks at an order find it unfinished."""
        self.card_style = "objects"
        """`objects`, `texts` (some clones) or `json` (a JSON text)."""
        self.listed_style = "list"
        """Whether orders come as a `list` or as an `object` around it."""
        self.money_is_numeric = False
        self.success_code: int = 200
        self.calls_back = False
        self.skew_s = 0.0
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._serial = itertools.count(1)
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # --- what a test says and asks ----------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """The `[suppliers.…]` table that buys here."""
        return {
            "adapter": "kasushou",
            "base_url": self.url,
            "allow_http": True,
            "user_id": self.user_id,
            "credential": self.api_key,
        }

    def sell(
        self, item: str, price: str, cards: Iterable[str | tuple[str, str]] = (), **more: Any
    ) -> None:
        """Put *cards*, passwords or (number, password) pairs, on sale; again adds and reprices."""
        pairs = [("", card) if isinstance(card, str) else card for card in cards]
        with self._lock:
            good = self._good(item, price, CARD, more)
            good.cards.extend(pairs)

    def sell_top_ups(self, item: str, price: str, count: int = 1000, **more: Any) -> None:
        """Put *count* top-ups on sale."""
        with self._lock:
            self._good(item, price, TOP_UP, more).count += count

    def fault(
        self, kind: str, value: Any = None, *, call: str = "order/buy", times: int = 1
    ) -> None:
        """Have the next *times* requests of *call* go wrong; several queue up."""
        with self._lock:
            self._faults[call].extend([Fault(kind, value)] * times)

    @property
    def spent(self) -> Decimal:
        """The money that was taken and not paid back."""
        with self._lock:
            paid = [order for order in self.orders if order.ending != UNPAID]
            return sum((order.total - order.paid_back for order in paid), Decimal(0))

    @property
    def sold(self) -> dict[str, list[str]]:
        """The passwords that were handed out, by reference."""
        with self._lock:
            sold: dict[str, list[str]] = {}
            for order in self.orders:
                if order.ending == DONE and order.good.kind == CARD:
                    shown = sold.setdefault(order.external_orderno, [])
                    shown.extend(password for _, password in order.cards)
            return sold

    @property
    def charged(self) -> dict[str, list[str]]:
        """The accounts that were charged, once per unit, by reference."""
        with self._lock:
            charged: dict[str, list[str]] = {}
            for order in self.orders:
                if order.ending == DONE and order.good.kind == TOP_UP:
                    accounts = [order.attach["recharge_account"]] * order.quantity
                    charged.setdefault(order.external_orderno, []).extend(accounts)
            return charged

    def order(self, reference: str) -> SoldOrder:
        """Return the first order under *reference*."""
        with self._lock:
            return next(each for each in self.orders if each.external_orderno == reference)

    def refund(self, reference: str, amount: str | None = None, *, status: int = REFUNDED) -> None:
        """Call an order off and pay *amount* back, or all of it."""
        with self._lock:
            order = self.order(reference)
            order.owed = order.total if amount is None else Decimal(amount)
            order.ending, order.status = status, WAITING
            order.finish()

    def callback(self, reference: str, **how: Any) -> tuple[dict[str, str], bytes]:
        """
        Return headers and body of the message about an order, as the site would post it.

        Args:
            reference: Which order.
            how: `form` posts a form; `cards_as_text` writes the cards as a JSON text;
                `escapes` False signs unescaped slashes; `api_key` signs with another one;
                `hints` fills `recharge_hints`; `numeric` writes the status as a number.
        """
        with self._lock:
            order = self.order(reference)
            fields = {
                "external_orderno": order.external_orderno,
                "ordersn": order.ordersn,
                "status": order.status if how.get("numeric") else str(order.status),
                "has_back_money": f"{order.paid_back:.2f}",
                "total_price": f"{order.total:.2f}",
                "recharge_hints": how.get("hints", ""),
                "time": self._now_ms(),
            }
            cards = [
                {"card_no": number, "card_password": password, "end_time": ""}
                for number, password in (order.cards if order.status == DONE else [])
            ]
        fields["sign"] = callback_sign(
            fields, how.get("api_key", self.api_key), escapes=how.get("escapes", True)
        )
        is_form = how.get("form", False)
        as_text = is_form or how.get("cards_as_text", False)
        listed = json.dumps(cards) if as_text else cards
        return posted({**fields, "card_list": listed, "express_list": ""}, form=is_form)

    def goods_push(self, item: str) -> tuple[dict[str, str], bytes]:
        """Return headers and body of the message that a good has changed."""
        good = self.goods[item]
        fields = {"id": good.id, "time": self._now_ms()}
        sign = callback_sign(fields, self.api_key)
        more = {"status": good.status, "goods_price": f"{good.price:.2f}", "stock_num": good.stock}
        return posted({**fields, **more, "sign": sign})

    def after_sales_push(self, reference: str) -> tuple[dict[str, str], bytes]:
        """Return headers and body of the message that a complaint was answered."""
        fields = {
            "ordersn": self.order(reference).ordersn, "status": 3, "content": "已补发/完成",
            "screenshot": ["https://img.example.com/1.png"], "time": self._now_ms(),
        }  # fmt: skip
        return posted({**fields, "sign": callback_sign(fields, self.api_key)})

    def post_callback(self, reference: str) -> None:
        """Post the message about an order to its address, once. Effects: network."""
        order = self.order(reference)
        headers, body = self.callback(reference)
        request = urllib.request.Request(order.url, body, headers, method="POST")
        with urllib.request.urlopen(request, timeout=5) as answer:
            self.called_back.append((reference, answer.status))

    # --- wire -------------------------------------------------------------------------------

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        path = handler.path.removeprefix("/api/v1/")
        with self._lock:
            self.calls.append(path)
            fault = self._faults[path].popleft() if self._faults[path] else Fault("")
        if fault.kind == "drop_before":
            handler.close_connection = True
            return
        answer = self._answer(path, handler.headers, body, fault)
        if fault.kind == "drop_after":
            handler.close_connection = True
            return
        if fault.kind == "delay":
            time.sleep(fault.value)
        try:
            handler.send_response(answer.status)
            handler.send_header("content-type", answer.kind)
            handler.send_header("content-length", str(len(answer.body)))
            handler.end_headers()
            handler.wfile.write(answer.body)
        except OSError:
            handler.close_connection = True  # the other side has given up

    def _answer(self, path: str, headers: Any, body: bytes, fault: Fault) -> Answer:
        calls: Mapping[str, Callable[[dict[str, Any], Fault], Any]] = {
            "user/info": self._user_info,
            "goods/cate": lambda *_: [],
            "goods/list": self._goods_list,
            "goods/info": self._goods_info,
            "order/buy": self._buy,
            "order/info": self._order_info,
            "order/close": self._close,
        }
        if path not in calls:
            return Answer(b"<html><title>404</title></html>", 404, "text/html")
        broken = {
            "html": Answer(HTML, 200, "text/html"),
            "http_500": Answer(HTML, 500, "text/html"),
            "code_500": Answer(b'{"code":500,"msg":"system error","data":[]}'),
        }
        if fault.kind in broken:
            return broken[fault.kind]
        try:
            data = calls[path](self._checked(headers, body, fault), fault)
        except Refusal as refusal:
            return Answer(json.dumps({"code": 400, "msg": str(refusal), "data": []}).encode())
        if fault.kind.removesuffix("_after") in broken:
            return broken[fault.kind.removesuffix("_after")]
        words = "下单成功" if path == "order/buy" else "ok"
        return Answer(json.dumps({"code": self.success_code, "msg": words, "data": data}).encode())

    def _checked(self, headers: Any, body: bytes, fault: Fault) -> dict[str, Any]:
        """Check the signature as the site does: over the raw body and over the sorted one."""
        moment, sign = headers.get("Timestamp", ""), headers.get("Sign", "")
        if fault.kind == "refuse":
            raise Refusal(fault.value)
        if headers.get("UserId") != self.user_id:
            raise Refusal("用户不存在")
        if headers.get("Content-Type") != "application/json":
            raise Refusal("参数错误")
        said = json.loads(body)
        again = json.dumps(dict(sorted(said.items())), ensure_ascii=False, separators=(",", ":"))
        known = {
            hashlib.sha1(moment.encode() + text + self.api_key.encode()).hexdigest()
            for text in (body, again.encode())
        }
        if (
            known != {sign}
            or not re.fullmatch(r"\d{13}", moment)
            or fault.kind == "wrong_signature"
        ):
            raise Refusal("签名错误")
        return dict(said)

    # --- calls ------------------------------------------------------------------------------

    def _user_info(self, _: dict[str, Any], __: Fault) -> dict[str, str]:
        return {"balance": f"{self.paid_in - self.spent:.4f}"}

    def _goods_list(self, said: dict[str, Any], _: Fault) -> dict[str, Any]:
        limit, page = min(int(said.get("limit", 100)), 100), int(said.get("page", 1))
        with self._lock:
            known = [row for good in self.goods.values() if said.get("keyword", "") in good.name
                     for row in [self._row(good)]]  # fmt: skip
        return {"list": known[(page - 1) * limit : page * limit], "total": len(known)}

    def _goods_info(self, said: dict[str, Any], _: Fault) -> dict[str, Any]:
        with self._lock:
            good = self._known(said)
            more = {"goods_info": "<p>", "goods_notice": "", "start_count": good.least,
                    "end_count": good.most, "attach": []}  # fmt: skip
            return {**self._row(good), **more}

    def _buy(self, said: dict[str, Any], fault: Fault) -> dict[str, Any]:
        with self._lock:
            reference = said["external_orderno"]
            if reference and any(each.external_orderno == reference for each in self.orders):
                raise Refusal("订单号重复")
            order = self._sold(self._known(said), said, fault)
            self.orders.append(order)
            if fault.kind == "callback_first" or self.calls_back:
                order.finish()
        if order.is_over and order.url:
            if fault.kind == "callback_first":
                self.post_callback(reference)
            else:
                threading.Thread(target=self.post_callback, args=(reference,), daemon=True).start()
        return {
            "ordersn": order.ordersn,
            "external_orderno": reference,
            "total_price": self._money(order.total),
        }

    def _sold(self, good: Good, said: dict[str, Any], fault: Fault) -> SoldOrder:
        quantity, total = said["quantity"], good.price * said["quantity"]
        if type(quantity) is not int or quantity < max(good.least, 1):
            raise Refusal("购买数量错误")
        if good.most and quantity > good.most:
            raise Refusal("购买数量错误")
        if good.status != 1:
            raise Refusal("商品已下架")
        if "safe_price" in said and Decimal(said["safe_price"]) < good.price:
            raise Refusal("商品价格高于安全价格")
        if good.stock < quantity:
            raise Refusal("商品库存不足")
        attach = said.get("attach", {})
        if good.kind == TOP_UP and not attach.get("recharge_account"):
            raise Refusal("请填写充值账号")
        if fault.kind != "unpaid" and self.paid_in - self.spent < total:
            raise Refusal("余额不足")
        ending = ENDINGS.get(fault.kind, DONE)
        good.count -= quantity if good.kind == TOP_UP else 0
        return SoldOrder(
            ordersn=f"D250102{next(self._serial):09d}",
            external_orderno=said["external_orderno"],
            good=good,
            quantity=quantity,
            total=total,
            cards=self._handed_out(good, quantity, fault),
            looks=self.looks,
            attach=attach,
            url=said.get("url", ""),
            ending=ending,
            owed=self._owed(ending, total, fault),
            looks_before_cards=fault.value if fault.kind == "late_cards" else 0,
        )

    def _owed(self, ending: int, total: Decimal, fault: Fault) -> Decimal:
        if fault.kind == "partial_refund":
            return (total / 2).quantize(Decimal("0.01"))
        return total if ending in {CANCELLED, REFUNDED} else Decimal(0)

    def _handed_out(self, good: Good, quantity: int, fault: Fault) -> list[tuple[str, str]]:
        if good.kind == TOP_UP or fault.kind in {"cancelled", "refunded", "unpaid"}:
            return []
        if fault.kind == "known":
            return list(self.orders[-1].cards)
        cards = [good.cards.popleft() for _ in range(quantity)]
        match fault.kind:
            case "fewer" | "partial_refund":
                good.cards.appendleft(cards.pop())
            case "more":
                cards.append(good.cards.popleft() if good.cards else ("", "EXTRA-0001"))
            case "duplicate":
                cards = [cards[0]] * max(quantity, 2)
            case "blank":
                cards[-1] = (cards[-1][0], "")
            case "apology":
                cards[-1] = ("", APOLOGY)
        return cards

    def _order_info(self, said: dict[str, Any], fault: Fault) -> Any:
        with self._lock:
            if fault.kind == "missing":
                found = []
            elif fault.kind == "other":
                found = [each for each in self.orders if each.external_orderno not in said.values()]
            else:
                found = [each for each in self.orders if self._is_asked(each, said)]
            rows = [self._told(order) for order in found]
        return rows if self.listed_style == "list" else {"list": rows, "total": len(rows)}

    def _is_asked(self, order: SoldOrder, said: dict[str, Any]) -> bool:
        numbers = said.get("external_orderno", "").split(",")
        own = said.get("ordersn", "").split(",")
        return order.external_orderno in numbers or order.ordersn in own

    def _told(self, order: SoldOrder) -> dict[str, Any]:
        if order.looks:
            order.looks -= 1
            order.status = order.status if order.is_over else PROCESSING
        else:
            order.finish()
        shows = order.is_over and order.looks_before_cards == 0
        order.looks_before_cards -= 1 if order.looks_before_cards else 0
        recharged = [{"n": "充值账号", "v": text, "k": name} for name, text in order.attach.items()]
        return {
            "ordersn": order.ordersn, "external_orderno": order.external_orderno,
            "recharge_info": recharged, "recharge_hints": "", "status": order.status,
            "total_price": self._money(order.total),
            "has_back_money": self._money(order.paid_back),
            "card_list": self._listed(order.cards if shows else []),
        }  # fmt: skip

    def _listed(self, cards: list[tuple[str, str]]) -> Any:
        objects = [{"card_no": number, "card_password": password} for number, password in cards]
        match self.card_style:
            case "texts":
                return [password for _, password in cards]
            case "json":
                return json.dumps(objects)
            case _:
                return objects

    def _close(self, said: dict[str, Any], _: Fault) -> list[Any]:
        with self._lock:
            if not any(order.ordersn == said.get("ordersn") for order in self.orders):
                raise Refusal("订单不存在")
        return []  # applied for; whether it is granted is told later

    # --- goods ------------------------------------------------------------------------------

    def _good(self, item: str, price: str, kind: int, more: dict[str, Any]) -> Good:
        """Return the good *item*, new or as it is now. The lock is held."""
        good = self.goods.setdefault(
            item, Good(item=item, price=Decimal(price), kind=kind, name=f"商品 {item}")
        )
        good.price = Decimal(price)
        for name, value in more.items():
            setattr(good, name, value)
        return good

    def _known(self, said: dict[str, Any]) -> Good:
        good = self.goods.get(str(said.get("id")))
        if good is None or type(said["id"]) is not type(good.id):
            raise Refusal("商品不存在")
        return good

    def _row(self, good: Good) -> dict[str, Any]:
        return {
            "id": good.id, "goods_name": good.name, "goods_img": "", "goods_type": good.kind,
            "face_value": "0.00", "goods_price": self._money(good.price), "status": good.status,
            "stock_num": good.stock, "can_buy": good.can_buy, "can_no_buy": good.can_no_buy,
            "can_price": "0.00", "need_balance": "0.00",
        }  # fmt: skip

    def _money(self, amount: Decimal) -> str | float:
        return float(amount) if self.money_is_numeric else f"{amount:.4f}"

    def _now_ms(self) -> str:
        return str(int((time.time() + self.skew_s) * 1000))


def callback_sign(fields: Mapping[str, Any], api_key: str, *, escapes: bool = True) -> str:
    """Return the signature of a message, as PHP makes it: slashes escaped, other text as it is."""
    signed = {name: fields[name] for name in sorted(fields) if name not in UNSIGNED}
    text = json.dumps(signed, ensure_ascii=False, separators=(",", ":"))
    if escapes:
        text = text.replace("/", "\\/")
    return hashlib.sha1(f"{fields['time']}{text}{api_key}".encode()).hexdigest()


def posted(fields: Mapping[str, Any], *, form: bool = False) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a message."""
    if form:
        kind, body = "application/x-www-form-urlencoded", urlencode(fields)
    else:
        # PHP's json_encode unless told otherwise: all but ASCII, and slashes, escaped.
        kind = "application/json"
        body = json.dumps(fields, separators=(",", ":")).replace("/", "\\/")
    return {"content-type": kind}, body.encode()


def _handler(simulator: Simulator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            simulator.serve(self)

        def log_message(self, *_: object) -> None:
            return

    return Handler
