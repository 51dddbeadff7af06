"""
A payment gateway of the 易支付 kind, small and simulated, on a real socket.

It signs by itself and not with autocard's own code, so that the two have to agree with each other.
"""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlencode, urlsplit

from autocard.demo.serving import Server
from autocard.model import decimal_text
from autocard.money import Money
from autocard.secret import Secret


class Gateway:
    """
    Knows what was paid, tells the shop, and answers when it is asked.

    Source: epay specification, sections 3.2, 4.3 and 8.
    """

    def __init__(self, pid: str, credential: Secret) -> None:
        self.asked: list[str] = []
        """The order numbers it was asked about, in order."""
        self._pid = pid
        self._credential = credential
        self._paid: dict[str, Money] = {}
        self._server = Server(self._handler())

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self._server.port

    def pay(self, order_no: str, amount: Money) -> None:
        """Take *amount* for *order_no*, as a buyer would pay it."""
        self._paid[order_no] = amount

    def notice(self, order_no: str) -> str:
        """Return the signed query string that tells the shop of a payment."""
        fields = {
            "pid": self._pid,
            "trade_no": f"20260101102030{order_no[-5:]:0>5}",
            "out_trade_no": order_no,
            "type": "alipay",
            "name": "product",
            "money": _printed(self._paid[order_no]),
            "trade_status": "TRADE_SUCCESS",
        }
        signed = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
        signature = hashlib.md5((signed + self._credential.reveal()).encode()).hexdigest()
        return urlencode({**fields, "sign": signature, "sign_type": "MD5"})

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                answer = gateway._answer({name: values[0] for name, values in query.items()})
                body = json.dumps(answer, ensure_ascii=False).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing: the address holds the merchant's credential."""

        return Answering

    def _answer(self, query: dict[str, str]) -> dict[str, object]:
        if query.get("pid") != self._pid or Secret(query.get("key", "")) != self._credential:
            return {"code": -3, "msg": "商户密钥错误"}
        order_no = query.get("out_trade_no", "")
        self.asked.append(order_no)
        amount = self._paid.get(order_no)
        if amount is None:
            return {"code": -1, "msg": "订单号不存在"}
        return {
            "code": 1,
            "msg": "succ",
            "pid": int(self._pid),
            "trade_no": f"20260101102030{order_no[-5:]:0>5}",
            "out_trade_no": order_no,
            "money": str(amount).partition(" ")[0],
            "status": 1,
            "addtime": "2026-01-01 10:20:30",
            "endtime": "2026-01-01 10:21:02",
        }


def _printed(amount: Money) -> str:
    # Notifications print money like a floating point number: 50.00 is "50".
    return decimal_text(amount.amount)
