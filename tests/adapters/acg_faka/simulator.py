"""
An acg-faka shop on a real socket, for v3 and v4, written from what the vendor's software does.

It verifies signatures, keeps goods, balance and orders, and looks for `request_no` where 3.6.0
looks for it: late, after stock, limits and times. It signs no answer, knows no clock, pays nothing
back and calls nobody, because the real one does not either.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote

import attrs

WAITING = "正在发货中，请耐心等待，如有疑问，请联系客服。"
APOLOGY = "很抱歉，有人在你付款之前抢走了商品，请联系客服。"
PAGE = b"<!DOCTYPE html><html><title>404</title><body>page not found</body></html>"
LONGEST_NUMBER = 19
FAULTS = frozenset(
    {
        "drop_before", "drop_after", "http_500_before", "http_500_after", "html_before",
        "html_after", "truncated", "empty", "apology", "fewer", "more", "duplicate", "waiting",
        "stock_lost", "changed", "firewall", "banned", "http_429", "http_403",
    }
)  # fmt: skip
"""What may go wrong once; `slow:S` waits S seconds before the work, `delay:S` after it."""
_BEFORE = {
    "http_500_before": (500, PAGE), "html_before": (200, PAGE), "http_403": (403, PAGE),
    "http_429": (429, b""),
}  # fmt: skip
_AFTER = {
    "http_500_after": lambda body: (500, PAGE),
    "html_after": lambda body: (200, PAGE),
    "truncated": lambda body: (200, body[: len(body) // 2]),
    "empty": lambda body: (200, b""),
    "stock_lost": lambda body: (200, _json({"code": 0, "msg": "连接失败, 疑似被对方防火墙拦截"})),
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # so that callers who come at once all get in at once


class Refusal(Exception):
    """What the shop answers with code 0."""


class Crash(Exception):
    """What the shop answers with a page of HTML: an error of its database that nobody caught."""


@attrs.define(kw_only=True)
class Good:
    """One good, with its cards by race and choices."""

    code: str
    price: Decimal
    name: str
    by_hand: str | None = None
    stock: int = 0
    least: int = 0
    most: int = 0
    limit: int = 0
    on_sale: bool = True
    fields: Mapping[str, str] = attrs.field(factory=dict)
    races: dict[str, Decimal] = attrs.field(factory=dict)
    groups: dict[str, dict[str, Decimal]] = attrs.field(factory=dict)
    cards: dict[str, list[str]] = attrs.field(factory=lambda: defaultdict(list))
    orders: int = 0

    def config(self) -> dict[str, Any]:
        """Races and groups as `item` shows them; an empty map is a list in PHP."""
        found: dict[str, Any] = {}
        if self.races:
            found["category"] = {race: str(price) for race, price in self.races.items()}
        if self.groups:
            found["sku"] = {
                group: {choice: str(extra) for choice, extra in choices.items()}
                for group, choices in self.groups.items()
            }
        return found


@attrs.define(kw_only=True)
class Bought:
    """One order as the shop keeps it."""

    trade_no: str
    number: str
    cost: Decimal
    secret: str
    cards: list[str]


class Simulator:
    """
    One shop with one member. Use as a context manager; `url` is its address.

    Args:
        app_id: The member's number.
        credential: The member's secret.
        balance: What the member has, in yuan.
        newline: The line end of the machine: `\\r\\n` on Windows.
        repeats: What v4 does with a `trade_no` that it has: "refuses", "repeats" or "buys".
    """

    def __init__(
        self,
        *,
        app_id: str = "1000",
        credential: str = "A1B2C3D4E5F6A7B8",
        balance: str = "100000.00",
        newline: str = "\n",
        repeats: str = "refuses",
    ) -> None:
        self.app_id, self.credential, self.newline = app_id, credential, newline
        self.repeats = repeats
        self.balance = Decimal(balance)
        self.banned = False
        self.config_as_text = False
        self.calls: list[str] = []
        self.goods: dict[str, Good] = {}
        self.orders: list[Bought] = []
        self.busiest = 0
        self._busy = 0
        self._faults: dict[str, deque[str]] = defaultdict(deque)
        self._lock = threading.RLock()
        simulator = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                simulator.serve(self)

            def log_message(self, *_: object) -> None:
                return

        self._server = _Server(("127.0.0.1", 0), Handler)
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

    def sell(
        self,
        item: str,
        price: str,
        cards: Iterable[str] = (),
        *,
        by_hand: str | None = None,
        **terms: Any,
    ) -> None:
        """
        Put *cards* on sale as *item*, such as `AUTO0001` or `SKUA?race=月卡&sku[颜色]=红`.

        Args:
            item: Code, race and choices; a code in digits is a sku of v4 as well.
            price: Yuan for one unit.
            cards: What is to be had.
            by_hand: The text that is shown until `deliver` is called; "" is the usual one.
            **terms: Other fields of `Good`.
        """
        code, race, choices = _chosen(item)
        with self._lock:
            good = self.goods.setdefault(
                code, Good(code=code, price=Decimal(price), name=f"名称 {code}")
            )
            for name, value in terms.items():
                setattr(good, name, value)
            if by_hand is not None:
                good.by_hand = by_hand or WAITING
            if race:
                good.races[race] = Decimal(price)
            else:
                good.price = Decimal(price)
            for group, choice in choices.items():
                good.groups.setdefault(group, {}).setdefault(choice, Decimal(0))
            good.cards[_place(race, choices)].extend(cards)

    def fault(self, name: str, *, on: str = "trade", times: int = 1) -> None:
        """Let the next *times* calls whose path ends with *on* go wrong in the way *name*."""
        assert name in FAULTS or re.fullmatch(r"(slow|delay):[\d.]+", name), name
        with self._lock:
            self._faults[on].extend([name] * times)

    def deliver(self, reference: str, cards: Iterable[str]) -> None:
        """Deliver an order of a good that is delivered by hand."""
        with self._lock:
            order = self._order(reference)
            order.cards = list(cards)
            order.secret = self.newline.join(order.cards)

    def settle(self) -> None:
        """Wait until no call is being worked on, such as one whose caller has given up."""
        while self._busy:
            time.sleep(0.01)

    @property
    def spent(self) -> Decimal:
        """What was charged altogether, in yuan."""
        with self._lock:
            return sum((order.cost for order in self.orders), Decimal(0))

    @property
    def sold(self) -> dict[str, list[str]]:
        """The cards that left the shop, by reference; with v4 by its digest (`v4_number`)."""
        with self._lock:
            return {order.number: list(order.cards) for order in self.orders}

    # --- wire -----------------------------------------------------------------------------

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        length = int(handler.headers.get("content-length") or 0)
        form = dict(parse_qsl(handler.rfile.read(length).decode(), keep_blank_values=True))
        path = handler.path
        with self._lock:
            self.calls.append(path)
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
            queue = self._faults[path.rpartition("/")[2]]
            fault = queue.popleft() if queue else ""
        try:
            self._answer(handler, path, form, fault)
        finally:
            with self._lock:
                self._busy -= 1

    def _answer(
        self, handler: BaseHTTPRequestHandler, path: str, form: dict[str, str], fault: str
    ) -> None:
        kind, _, seconds = fault.partition(":")
        if kind == "drop_before":
            handler.close_connection = True
            return
        if kind in _BEFORE:
            self._write(handler, *_BEFORE[kind])
            return
        if kind == "slow":
            time.sleep(float(seconds))
        status, body = self._worked(handler, path, form, kind)
        if kind == "drop_after":
            handler.close_connection = True
            return
        if kind == "delay":
            time.sleep(float(seconds))
        self._write(handler, status, body)

    def _worked(
        self, handler: BaseHTTPRequestHandler, path: str, form: dict[str, str], fault: str
    ) -> tuple[int, bytes]:
        try:
            with self._lock:
                found = self._call(handler, path, form, fault)
        except Refusal as refusal:
            return 200, _json({"code": 0, "msg": str(refusal)})
        except Crash:
            return 200, PAGE
        body = _json({"code": 200, "msg": "success", "data": found})
        return _AFTER[fault](body) if fault in _AFTER else (200, body)

    @staticmethod
    def _write(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        kind = "text/html" if body.startswith(b"<") else "application/json"
        try:
            handler.send_response(status)
            handler.send_header("content-type", f"{kind};charset=utf-8")
            handler.send_header("content-length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            handler.close_connection = True  # the other side has given up

    def _call(
        self, handler: BaseHTTPRequestHandler, path: str, form: dict[str, str], fault: str
    ) -> Any:
        native = {
            "/shared/authentication/connect": self._connect,
            "/shared/commodity/items": self._items,
            "/shared/commodity/item": self._item,
            "/shared/commodity/stock": self._stock,
            "/shared/commodity/valuation": self._valuation,
            "/shared/commodity/trade": lambda form: self._trade(form, fault),
            "/shared/commodity/query": self._query,
        }
        fourth = {
            "/plugin/open-api/connect": lambda form: {
                "username": "member", "balance": f"{self.balance:.2f}"
            },
            "/plugin/open-api/items": self._v4_items,
            "/plugin/open-api/trade": lambda form: self._v4_trade(form, fault),
        }  # fmt: skip
        if path in native:
            self._check(form.get("app_id"), form.get("sign"), form)
            return native[path](form)
        if path in fourth:
            self._check(handler.headers["Api-Id"], handler.headers["Api-Signature"], form)
            return fourth[path](form)
        raise Crash

    def _check(self, app_id: str | None, sign: str | None, form: Mapping[str, str]) -> None:
        if app_id != self.app_id:
            raise Refusal("商户ID不存在")
        if sign != sign_of(form, self.credential):
            raise Refusal("密钥错误")

    # --- native -----------------------------------------------------------------------------

    def _connect(self, _: dict[str, str]) -> dict[str, Any]:
        return {"shopName": "某某店", "balance": float(self.balance)}

    def _items(self, _: dict[str, str]) -> list[dict[str, Any]]:
        shown = [self._shown(good) for good in self.goods.values() if good.on_sale]
        return [{"id": 1, "name": "会员", "children": shown}]

    def _item(self, form: dict[str, str]) -> dict[str, Any]:
        good = self._good(form.get("code", ""))
        if not good.on_sale:
            raise Refusal("该商品暂未上架")
        return self._shown(good)

    def _shown(self, good: Good) -> dict[str, Any]:
        config: Any = good.config() or []
        if self.config_as_text:
            config = _ini(good.config())
        return {
            "id": 11, "name": good.name, "code": good.code, "price": float(good.price),
            "user_price": float(good.price), "delivery_way": int(good.by_hand is not None),
            "status": 1, "minimum": good.least, "maximum": good.most, "config": config,
            "stock": sum(map(len, good.cards.values())), "widget": None, "draft_status": 0,
        }  # fmt: skip

    def _stock(self, form: dict[str, str]) -> dict[str, Any]:
        good = self._good(form.get("code", ""))
        return {"stock": str(self._left(good, form))}

    def _left(self, good: Good, form: Mapping[str, str]) -> int:
        if good.by_hand is not None:
            return good.stock
        race, choices = form.get("race", ""), _choices(form)
        if race or choices or not good.races:
            return len(good.cards[_place(race, choices)])
        return sum(map(len, good.cards.values()))

    def _valuation(self, form: dict[str, str]) -> dict[str, Any]:
        total = self._total(self._good(form.get("code", "")), form, int(form.get("num", "1")))
        return {"price": f"{total:.2f}", "currency_code": "CNY"}

    def _total(self, good: Good, form: Mapping[str, str], quantity: int) -> Decimal:
        race, price = form.get("race", ""), good.price
        if race and good.races:
            if race not in good.races:
                raise Refusal(f"此商品类型不存在[{race}]")
            price = good.races[race]
        for group, choice in _choices(form).items():
            if choice not in good.groups.get(group, {}):
                raise Refusal(f"此SKU不存在[{choice}]")
            price += good.groups[group][choice]
        return price * quantity

    def _trade(self, form: dict[str, str], fault: str) -> dict[str, Any]:
        if fault == "firewall":
            raise Refusal("The current session is not secure. Please refresh and try again")
        good, quantity = self._good(form.get("shared_code", "")), int(form.get("num", "0"))
        self._check_terms(good, form, quantity)
        number = form.get("request_no", "")
        if fault == "changed":
            raise Refusal("商品信息已经更新，请刷新后重新下单")
        if number and any(order.number == number for order in self.orders):
            raise Refusal("The request ID already exists")
        number = number[:LONGEST_NUMBER]
        if number and any(order.number == number for order in self.orders):
            raise Crash
        order = self._charged(good, form, quantity, number, fault)
        return {
            "url": f"{self.url}/user/personal/purchaseRecord?tradeNo={order.trade_no}",
            "amount": float(order.cost) if order.cost % 1 else int(order.cost),
            "tradeNo": order.trade_no, "secret": order.secret, "leave_message": None,
            "stock": str(self._left(good, form)),
        }  # fmt: skip

    def _check_terms(self, good: Good, form: Mapping[str, str], quantity: int) -> None:
        if quantity <= 0:
            raise Refusal("至少购买1个")
        if not good.on_sale:
            raise Refusal("当前商品已停售")
        if quantity < good.least:
            raise Refusal(f"本商品最少购买{good.least}个")
        if good.most and quantity > good.most:
            raise Refusal(f"本商品单次最多购买{good.most}个")
        self._check_choices(good, form)
        if quantity > self._left(good, form):
            raise Refusal("库存不足")
        if good.limit and good.orders >= good.limit:
            raise Refusal(f"该商品每人只能购买{good.limit}件")

    def _check_choices(self, good: Good, form: Mapping[str, str]) -> None:
        for name, pattern in good.fields.items():
            if not re.search(pattern, form.get(name, "")):
                raise Refusal("<b>账号格式错误</b>")
        race, choices = form.get("race", ""), _choices(form)
        if good.races and race not in good.races:
            raise Refusal(f"此商品类型不存在[{race}]" if race else "请选择商品类型")
        for group in good.groups:
            if choices.get(group) not in good.groups[group]:
                raise Refusal(f"请选择{group}")

    def _charged(
        self, good: Good, form: Mapping[str, str], quantity: int, number: str, fault: str
    ) -> Bought:
        cost = self._total(good, form, quantity)
        if self.banned or fault == "banned":
            raise Refusal("You have been banned")
        if cost > self.balance:
            raise Refusal("余额不足")
        self.balance -= cost
        good.orders += 1
        cards = self._taken(good, form, quantity, fault)
        text = APOLOGY if fault == "apology" else self.newline.join(cards)
        if good.by_hand is not None or fault == "waiting":
            text = good.by_hand or WAITING
        serial = f"219261122{len(self.orders) + 100_000_000}"
        order = Bought(trade_no=serial, number=number, cost=cost, secret=text, cards=cards)
        self.orders.append(order)
        return order

    def _taken(self, good: Good, form: Mapping[str, str], quantity: int, fault: str) -> list[str]:
        if good.by_hand is not None:
            good.stock = max(0, good.stock - quantity)
            return []
        if fault in {"apology", "waiting"}:
            return []
        shelf = good.cards[_place(form.get("race", ""), _choices(form))]
        taken = [shelf.pop(0) for _ in range(quantity)]
        if fault == "duplicate":
            before = [card for order in self.orders for card in order.cards]
            return [before[0] if before else taken[0]] * quantity
        return {"fewer": taken[:-1], "more": [*taken, "EXTRA-0001"]}.get(fault, taken)

    def _query(self, form: dict[str, str]) -> dict[str, Any]:
        for order in self.orders:
            if order.trade_no == form.get("tradeNo"):
                return {"secret": order.secret, "widget": None, "status": 1}
        raise Refusal("订单不存在")

    def _good(self, code: str) -> Good:
        if code not in self.goods:
            raise Refusal("商品不存在")
        return self.goods[code]

    def _order(self, reference: str) -> Bought:
        numbers = {reference, v4_number(reference)}
        return next(order for order in self.orders if order.number in numbers)

    # --- v4 ---------------------------------------------------------------------------------

    def _v4_items(self, _: dict[str, str]) -> list[dict[str, Any]]:
        return [
            {
                "id": 7, "name": good.name, "introduce": "", "picture_url": "", "widget": "[]",
                "category": {"name": "会员"},
                "sku": [{
                    "id": int(good.code), "name": "默认", "stock_price": f"{good.price:.2f}",
                    "stock": "充足" if good.by_hand else self._left(good, {}),
                }],
            }
            for good in self.goods.values() if good.code.isdigit() and good.on_sale
        ]  # fmt: skip

    def _v4_trade(self, form: dict[str, str], fault: str) -> dict[str, Any]:
        number = form.get("trade_no", "")
        first = next((order for order in self.orders if order.number == number), None)
        if first is not None and self.repeats == "repeats":
            return {"contents": first.secret}
        if first is not None and self.repeats == "refuses":
            raise Refusal("订单号重复")
        good, quantity = self._good(form.get("sku_id", "")), int(form.get("quantity", "0"))
        self._check_terms(good, form, quantity)
        return {"contents": self._charged(good, form, quantity, number, fault).secret}


def v4_number(reference: str) -> str:
    """Return the `trade_no` that v4 makes of a reference."""
    return hashlib.md5(reference.encode()).hexdigest()[:24]


def sign_of(form: Mapping[str, str], credential: str) -> str:
    """Return the signature of a form as PHP read it: maps gathered, empty values left out."""
    outer: dict[str, str | dict[str, str]] = {}
    for name, value in form.items():
        found = re.fullmatch(r"([^\[]+)\[([^\]]*)\]", name)
        if found is None:
            outer[name] = value
            continue
        inner = outer.setdefault(found[1], {})
        assert isinstance(inner, dict)
        inner[found[2]] = value
    parts = []
    for name in sorted(outer.keys() - {"sign"}, key=lambda text: text.encode()):
        value = outer[name]
        if isinstance(value, dict):
            parts += [f"{name}[{inner}]={said}" for inner, said in value.items()]
        elif value:
            parts.append(f"{name}={value}")
    return hashlib.md5(f"{'&'.join(parts)}&key={credential}".encode()).hexdigest()


def _chosen(item: str) -> tuple[str, str, dict[str, str]]:
    code, _, rest = item.partition("?")
    pairs = dict(tuple(map(unquote, part.split("=", 1))) for part in rest.split("&") if part)
    return code, pairs.get("race", ""), _choices(pairs)


def _choices(form: Mapping[str, str]) -> dict[str, str]:
    return {name[4:-1]: value for name, value in form.items() if name.startswith("sku[")}


def _place(race: str, choices: Mapping[str, str]) -> str:
    return json.dumps([race, sorted(choices.items())])


def _ini(config: Mapping[str, Any]) -> str:
    lines = []
    for section, names in config.items():
        lines.append(f"[{section}]")
        for name, value in names.items():
            if isinstance(value, dict):
                lines += [f"{name}.{choice}={extra}" for choice, extra in value.items()]
            else:
                lines.append(f"{name}={value}")
    return "\n".join(lines)


def _json(members: Any) -> bytes:
    return json.dumps(members).replace("/", "\\/").encode()
