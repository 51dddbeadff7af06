"""An epay gateway on a real socket, written from the specification: quirks and faults included."""

from __future__ import annotations

import base64
import hashlib
import html
import http.client
import ipaddress
import json
import random
import re
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import attrs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

SHANGHAI = timezone(timedelta(hours=8))
TEN_DAYS_S = 864_000
TYPES = frozenset({"alipay", "wxpay", "qqpay", "bank"})
RESENT_AFTER_MIN = (1, 3, 19, 55)
NOTICE = "<html><head><title>站点提示信息</title></head><body>{}</body></html>"


@attrs.define(kw_only=True)
class GatewayOrder:
    """One order as the gateway keeps it; text fields are stored HTML-escaped."""

    trade_no: str
    out_trade_no: str
    type: str
    name: str
    money: str
    notify_url: str
    return_url: str
    param: str
    version: int
    created_s: float
    status: int = 0
    paid_s: float | None = None
    refunded: Decimal = Decimal(0)
    sends: int = 0


class Refusal(Exception):
    """A reply that is not a success."""

    def __init__(self, code: int, message: str, *, signed: bool = False) -> None:
        super().__init__(message)
        self.code, self.message, self.signed = code, message, signed


class Notice(Exception):
    """An HTML notice page where the caller may have hoped for JSON."""


@attrs.define
class Answer:
    """What goes back on the wire."""

    body: bytes
    kind: str = "application/json; charset=utf-8"
    status: int = 200


class Simulator:
    """One gateway with one merchant. Use as a context manager; `base` is its address."""

    def __init__(self, *, pid: str, md5_secret: str, private_b64: str, public_b64: str) -> None:
        self.pid, self.md5_secret, self.public_b64 = pid, md5_secret, public_b64
        self.private = load_der_private_key(base64.b64decode(private_b64), password=None)
        self.merchant_public = load_der_public_key(base64.b64decode(public_b64))
        self.orders: list[GatewayOrder] = []
        self.refunds: dict[str, dict[str, Any]] = {}
        self.paid_back: list[Decimal] = []
        self.faults: deque[str] = deque()
        self.requests: list[str] = []
        self.notified: list[str] = []
        self.rsa_only = False
        self.hide_names = True
        self.integers_as_text = False
        self.ignore_offset = False
        self.limit_s = 5.0
        self.clock: Callable[[], float] = time.time
        self._serial = random.Random(1)
        simulator = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                simulator.serve(self)

            do_POST = do_GET  # noqa: N815 - the name http.server looks for

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # --- wire -----------------------------------------------------------------------------

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("content-length") or 0)
        body = handler.rfile.read(length).decode()
        parts = urlsplit(handler.path)
        self.requests.append(f"{handler.command} {parts.path}")
        fault = self.faults.popleft() if self.faults else ""
        if fault == "drop":
            handler.close_connection = True
            return
        query, form = dict(parse_qsl(parts.query)), dict(parse_qsl(body))
        answer = self.answer(handler.command, parts.path.lstrip("/"), query, form, fault)
        if fault == "drop_after":
            handler.close_connection = True
            return
        if fault.startswith("delay:"):
            time.sleep(float(fault.partition(":")[2]))
        try:
            self._write(handler, answer)
        except OSError:
            handler.close_connection = True  # the other side has given up

    def _write(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.send_response(answer.status)
        handler.send_header("content-type", answer.kind)
        handler.send_header("content-length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def answer(
        self, verb: str, path: str, query: dict[str, str], form: dict[str, str], fault: str = ""
    ) -> Answer:
        if fault == "html":
            return Answer(b"<html><title>502 Bad Gateway</title></html>", "text/html", 200)
        if fault == "http_502":
            return Answer(b"<html><title>502 Bad Gateway</title></html>", "text/html", 502)
        if path == "api.php" and "s" in query:
            path = f"api/{query.pop('s')}"
        both = {**query, **form}
        try:
            if path in {"submit.php", "api/pay/submit"}:
                return self._submit(both, version=int(path != "submit.php"))
            if path.startswith("api/"):
                return self._v2(verb, path.removeprefix("api/"), form, fault)
            found = self._v1(verb, path, query, form)
        except Notice as notice:
            return Answer(NOTICE.format(notice).encode(), "text/html; charset=utf-8")
        except Refusal as refusal:
            return Answer(_json({"code": refusal.code, "msg": refusal.message}))
        if fault == "wrapped":
            return Answer(json.dumps(_json(found).decode()).encode())
        created = path == "mapi.php"
        return Answer(_json(found), "text/html; charset=utf-8" if created else "application/json")

    # --- V1 -------------------------------------------------------------------------------

    def _v1(
        self, verb: str, path: str, query: dict[str, str], form: dict[str, str]
    ) -> dict[str, Any]:
        if path == "mapi.php":
            return self._mapi(form if verb == "POST" else {})
        act = query.get("act", "")
        if path != "api.php" or act not in {"query", "order", "orders", "settle", "refund"}:
            raise Refusal(-5, "No Act!")
        said = form if act == "refund" else query
        if self.rsa_only or said.get("pid") != self.pid or said.get("key") != self.md5_secret:
            raise Refusal(-3, "商户ID或密钥错误")
        calls = {"order": self._v1_order, "orders": self._v1_orders, "refund": self._refund}
        if act == "query":
            return {"code": 1, "pid": 1001, "key": self.md5_secret, "active": 1, "money": "12.30"}
        if act == "settle":
            return {"code": 1, "msg": "查询结算记录成功！", "data": None}
        return calls[act](said)

    def _mapi(self, form: dict[str, str]) -> dict[str, Any]:
        if not form:
            raise Refusal(-4, "未传入任何参数")
        self._check_md5_or_rsa(form)
        if not form.get("type"):
            raise Refusal(-1, "支付方式(type)不能为空")
        try:
            ipaddress.ip_address(form.get("clientip", ""))
        except ValueError:
            raise Refusal(-1, "用户IP地址(clientip)错误") from None
        order = self._create(form, version=0)
        page = f"{self.base}cashier.php?trade_no={order.trade_no}"
        member = {"payurl": page} if form.get("device") == "jump" else {"qrcode": page}
        return {"code": 1, "trade_no": order.trade_no, **member}

    def _v1_order(self, query: dict[str, str]) -> dict[str, Any]:
        order = self._find(query)
        return {"code": 1, "msg": "succ", **self._row(order), "bill_trade_no": None}

    def _v1_orders(self, query: dict[str, str]) -> dict[str, Any]:
        rows = self._page(query, query.get("status", ""))
        return {"code": 1, "msg": "查询成功！", "count": len(rows), "data": rows}

    def _refund(self, form: dict[str, str]) -> dict[str, Any]:
        order = self._find(form)
        try:
            amount = Decimal(form.get("money", ""))
        except InvalidOperation:
            raise Refusal(-1, "金额输入错误", signed=True) from None
        number = form.get("out_refund_no", "")
        if len(number) > 5 and number in self.refunds:
            first = self.refunds[number]
            return {"code": 0, "refund_no": first["refund_no"], "out_refund_no": number,
                    "trade_no": order.trade_no, "msg": "已存在相同退款单号！"}  # fmt: skip
        if order.status not in {1, 2}:
            raise Refusal(-1, "该订单状态不支持退款", signed=True)
        if amount <= 0 or order.refunded + amount > Decimal(order.money):
            raise Refusal(-1, "退款金额不能大于订单金额", signed=True)
        order.status, order.refunded = 2, order.refunded + amount
        self.paid_back.append(amount)
        reply = {"code": 0, "refund_no": self._number(), "trade_no": order.trade_no,
                 "out_trade_no": order.out_trade_no, "uid": int(self.pid),
                 "money": f"{amount:.2f}", "reducemoney": f"{amount:.2f}",
                 "msg": f"退款成功！退款金额¥{amount:.2f}"}  # fmt: skip
        reply["out_refund_no"] = number or reply["refund_no"]
        self.refunds[str(reply["out_refund_no"])] = reply
        return reply

    # --- V2 -------------------------------------------------------------------------------

    def _v2(self, verb: str, method: str, form: dict[str, str], fault: str) -> Answer:
        calls = {"pay/query": self._v2_query, "pay/refund": self._refund,
                 "merchant/orders": self._v2_orders, "merchant/info": self._v2_info,
                 "pay/create": self._v2_create, "pay/close": self._v2_close}  # fmt: skip
        try:
            if verb != "POST" or not form:
                raise Refusal(-4, "未传入任何参数")
            if method not in calls:
                raise Refusal(-5, "接口方法不存在")
            if abs(self.clock() - int(form.get("timestamp") or 0)) > 300:
                raise Refusal(-3, "时间戳(timestamp)字段错误")
            self._check_md5_or_rsa(form)
            found = {name: said for name, said in calls[method](form).items() if said is not None}
        except Refusal as refusal:
            found = {"code": refusal.code, "msg": refusal.message}
            if not refusal.signed:
                return Answer(_json(found))
        found["timestamp"] = str(int(self.clock()))
        found["sign_type"], found["sign"] = "RSA", self.rsa(_php_texts(found))
        if fault == "wrong_sign":
            found["sign"] = self.rsa({"other": "text"})
        if fault == "unsigned":
            del found["sign"]
        return Answer(_json(found))

    def _v2_query(self, form: dict[str, str]) -> dict[str, Any]:
        order = self._find(form)
        row = {name: said for name, said in self._row(order).items() if said not in {None, ""}}
        if order.refunded:
            row["refundmoney"] = f"{order.refunded:.2f}"
        return {"code": 0, **row, "clientip": "203.0.113.7"}

    def _v2_orders(self, form: dict[str, str]) -> dict[str, Any]:
        return {"code": 0, "data": self._page(form, "0" if form.get("status") else "")}

    def _v2_info(self, _: dict[str, str]) -> dict[str, Any]:
        return {"code": 0, "pid": int(self.pid), "status": 1, "money": "119.74"}

    def _v2_create(self, form: dict[str, str]) -> dict[str, Any]:
        order = self._create(form, version=1)
        page = f"{self.base}cashier.php?trade_no={order.trade_no}"
        return {"code": 0, "trade_no": order.trade_no, "pay_type": "jump", "pay_info": page}

    def _v2_close(self, form: dict[str, str]) -> dict[str, Any]:
        self._find(form)
        raise Refusal(-1, "该订单状态不支持关闭！", signed=True)

    # --- orders ---------------------------------------------------------------------------

    def _submit(self, said: dict[str, str], *, version: int) -> Answer:
        try:
            self._check_md5_or_rsa(said)
            order = self._create(said, version=version)
        except Refusal as refusal:
            raise Notice(refusal.message) from None
        page = f"<html><body>pay {order.trade_no}</body></html>"
        return Answer(page.encode(), "text/html; charset=utf-8")

    def _create(self, said: dict[str, str], *, version: int) -> GatewayOrder:
        number = said.get("out_trade_no", "")
        if not re.fullmatch(r"[a-zA-Z0-9._\-|]+", number):
            raise Refusal(-1, "订单号(out_trade_no)格式不正确")
        if not re.fullmatch(r"[0-9.]+", said.get("money", "")) or Decimal(said["money"]) <= 0:
            raise Refusal(-1, "金额不合法")
        if said.get("type") and said["type"] not in TYPES:
            raise Notice("支付方式(type)不存在")
        stored = {field: html.escape(said.get(field, ""))
                  for field in ("name", "notify_url", "return_url", "param")}  # fmt: skip
        stored["name"] = stored["name"].encode()[:127].decode(errors="ignore")
        stored["money"] = f"{Decimal(said['money']):.2f}"
        for order in reversed(self.orders):
            if order.out_trade_no == number and self.clock() - order.created_s < TEN_DAYS_S:
                if order.status:
                    raise Refusal(-1, "该订单已完成支付，请勿重复发起支付")
                if any(getattr(order, field) != text for field, text in stored.items()):
                    raise Refusal(-1, "支付参数有变化，请更换订单号重新发起支付")
                return order
        order = GatewayOrder(trade_no=self._number(), out_trade_no=number, version=version,
                             type=said.get("type", ""), created_s=self.clock(), **stored)  # fmt: skip
        self.orders.append(order)
        return order

    def _find(self, said: dict[str, str]) -> GatewayOrder:
        if not said.get("trade_no") and not said.get("out_trade_no"):
            raise Refusal(-4, "订单号不能为空")
        field = "trade_no" if said.get("trade_no") else "out_trade_no"
        for order in self.orders:
            if getattr(order, field) == said[field]:
                return order
        raise Refusal(-1, "订单号不存在")

    def _page(self, said: dict[str, str], status: str) -> list[dict[str, Any]]:
        limit = min(int(said.get("limit") or 10), 50)
        offset = 0 if self.ignore_offset else int(said.get("offset") or 0)
        kept = [order for order in reversed(self.orders) if status in {"", str(order.status)}]
        return [self._row(order) for order in kept[offset : offset + limit]]

    def _row(self, order: GatewayOrder) -> dict[str, Any]:
        number = str if self.integers_as_text else int
        return {"trade_no": order.trade_no, "out_trade_no": order.out_trade_no,
                "api_trade_no": "4200001234" if order.status else None, "type": order.type,
                "pid": number(self.pid), "addtime": _printed(order.created_s),
                "endtime": _printed(order.paid_s), "name": order.name, "money": order.money,
                "param": order.param or None, "buyer": None, "status": number(order.status),
                "payurl": None}  # fmt: skip

    def _number(self) -> str:
        stamp = datetime.fromtimestamp(self.clock(), SHANGHAI).strftime("%Y%m%d%H%M%S")
        return stamp + str(self._serial.randrange(10_000, 100_000))

    # --- notifications --------------------------------------------------------------------

    def pay(self, out_trade_no: str) -> bool:
        """The buyer pays; the gateway notifies at once and says whether it was acknowledged."""
        order = self._find({"out_trade_no": out_trade_no})
        order.status, order.paid_s = 1, self.clock()
        return self.notify(order)

    def notify(self, order: GatewayOrder) -> bool:
        """Send one notification; after five the gateway gives up."""
        if order.sends >= 1 + len(RESENT_AFTER_MIN):
            return False
        order.sends += 1
        address = self.notification(order)
        self.notified.append(address)
        request = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0"})
        try:
            with urllib.request.urlopen(request, timeout=self.limit_s) as reply:
                body = reply.read()
        except urllib.error.HTTPError as error:
            with error:
                body = error.read()  # the status is not looked at
        except (OSError, http.client.HTTPException):
            return False
        return b"success" in body.lower()

    def notification(self, order: GatewayOrder) -> str:
        """Return the address that is called: V1 always the same, V2 with the present time."""
        fields = {
            "pid": self.pid,
            "trade_no": order.trade_no,
            "out_trade_no": order.out_trade_no,
            "type": order.type,
            "name": "product" if self.hide_names else order.name,
            "money": _floated(order.money),
            "trade_status": "TRADE_SUCCESS",
        }
        if order.version:
            fields |= {"api_trade_no": "4200001234", "buyer": "2088001"}
        if order.param not in {"", "0"}:
            fields["param"] = order.param
        if order.version:
            fields["timestamp"] = str(int(self.clock()))
            fields |= {"sign_type": "RSA", "sign": self.rsa(fields)}
        else:
            fields |= {"sign": self.md5(fields), "sign_type": "MD5"}
        joint = "&" if "?" in order.notify_url else "?"
        return f"{order.notify_url}{joint}{urlencode(fields)}"

    # --- signatures -----------------------------------------------------------------------

    def md5(self, fields: dict[str, str]) -> str:
        return hashlib.md5(f"{_to_sign(fields)}{self.md5_secret}".encode()).hexdigest()

    def rsa(self, fields: dict[str, str]) -> str:
        raw = self.private.sign(_to_sign(fields).encode(), padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(raw).decode()

    def _check_md5_or_rsa(self, said: dict[str, str]) -> None:
        if said.get("pid") != self.pid:
            raise Refusal(-1, "商户不存在！")
        if said.get("sign_type") == "RSA":
            try:
                raw = base64.b64decode(said.get("sign", ""))
                self.merchant_public.verify(
                    raw, _to_sign(said).encode(), padding.PKCS1v15(), hashes.SHA256()
                )
            except (ValueError, InvalidSignature):
                raise Refusal(-3, "RSA签名校验失败") from None
        elif self.rsa_only:
            raise Refusal(-3, "该商户只能使用RSA签名类型")
        elif said.get("sign") != self.md5(said):  # letter by letter: capitals are refused
            raise Refusal(-3, "MD5签名校验失败")


def _to_sign(fields: dict[str, str]) -> str:
    kept = sorted(
        (name, value)
        for name, value in fields.items()
        if name not in {"sign", "sign_type"} and value.strip(" \t\n\r\0\x0b")
    )
    return "&".join(f"{name}={value}" for name, value in kept)


def _php_texts(members: dict[str, Any]) -> dict[str, str]:
    return {
        name: str(value) for name, value in members.items() if not isinstance(value, (list, dict))
    }


def _floated(money: str) -> str:
    return f"{float(money):.10g}"


def _printed(moment_s: float | None) -> str | None:
    if moment_s is None:
        return None
    return datetime.fromtimestamp(moment_s, SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def _json(members: dict[str, Any]) -> bytes:
    return json.dumps(members).replace("/", "\\/").encode()
