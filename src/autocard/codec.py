"""Orders as JSON values: our own schema, for hosts that speak it and for files of orders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from autocard.errors import InvalidOrder
from autocard.model import Buyer, Order, OrderLine, Payment
from autocard.money import Money

_BUYER_FIELDS = ("id", "level", "contact", "ip")


def order_from_json(data: object, platform: str) -> Order:
    """
    Return the order that *data*, parsed from JSON, describes. Pure; unknown fields are ignored.

    An amount of money is `{"amount": "50.00", "currency": "CNY"}` with the amount as text, a time
    is ISO 8601 with a time zone. A field that is null counts as absent.

    Args:
        data: An object with `order_no` and, as far as known, `lines` (each `item`, `quantity`,
            `unit_price`, `target`, `options`), `payment` (`paid`, `paid_at`, `reference`),
            `buyer` (`id`, `level`, `contact`, `ip`) and `placed_at`.
        platform: The name of the platform the order belongs to.

    Raises:
        InvalidOrder: A field is missing or malformed; the error names it, such as
            `lines[0].unit_price.amount`, and does not quote its value.
    """
    fields = _object(data, "order")
    lines = fields.get("lines", [])
    if not isinstance(lines, list):
        raise InvalidOrder("lines", "must be a list")
    payment = fields.get("payment")
    return Order(
        platform=platform,
        order_no=fields.get("order_no", ""),
        lines=tuple(_line(each, f"lines[{index}]") for index, each in enumerate(lines)),
        payment=None if payment is None else _payment(payment),
        buyer=_buyer(fields.get("buyer")),
        placed_at=_time(fields.get("placed_at"), "placed_at"),
    )


def order_from_body(body: bytes, platform: str) -> Order:
    """
    Return the order in *body*, which is JSON in UTF-8. See `order_from_json`.

    Raises:
        InvalidOrder: It is not JSON, or not an order.
    """
    try:
        data = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        data = None  # the error holds the body, so it must not become a context
    if data is None:
        raise InvalidOrder("order", "must be an object of JSON in UTF-8")
    return order_from_json(data, platform)


def order_to_json(order: Order) -> dict[str, Any]:
    """
    Return *order* as a JSON value that `order_from_json` reads back; its platform is left out.

    Fields without content are left out.

    Secrets: holds the buyer's contact and the lines' targets in plaintext.
    """
    buyer = {name: getattr(order.buyer, name) for name in _BUYER_FIELDS}
    return _filled(
        {
            "order_no": order.order_no,
            "lines": [_line_to_json(line) for line in order.lines],
            "payment": None if order.payment is None else _payment_to_json(order.payment),
            "buyer": _filled(buyer),
            "placed_at": _time_to_json(order.placed_at),
        }
    )


# --- reading --------------------------------------------------------------------------------


def _object(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidOrder(field, "must be an object")
    return {name: each for name, each in value.items() if each is not None}


def _line(value: object, field: str) -> OrderLine:
    fields = _object(value, field)
    price = fields.get("unit_price")
    unit_price = None if price is None else _money(price, f"{field}.unit_price")
    known = {name: fields[name] for name in ("quantity", "target", "options") if name in fields}
    try:
        return OrderLine(item=fields.get("item", ""), unit_price=unit_price, **known)
    except InvalidOrder as error:
        inner, problem = error.field, error.problem
    raise InvalidOrder(f"{field}.{inner}", problem)


def _payment(value: object) -> Payment:
    fields = _object(value, "payment")
    if "paid" not in fields:
        raise InvalidOrder("payment.paid", "is missing")
    return Payment(
        paid=_money(fields["paid"], "payment.paid"),
        paid_at=_time(fields.get("paid_at"), "payment.paid_at"),
        reference=_text(fields.get("reference", ""), "payment.reference"),
    )


def _buyer(value: object) -> Buyer:
    fields = {} if value is None else _object(value, "buyer")
    return Buyer(**{name: fields[name] for name in _BUYER_FIELDS if name in fields})


def _money(value: object, field: str) -> Money:
    if not isinstance(value, dict):
        raise InvalidOrder(
            field, 'must be an object such as {"amount": "50.00", "currency": "CNY"}'
        )
    fields = _object(value, field)
    amount = _text(fields.get("amount"), f"{field}.amount")
    currency = _text(fields.get("currency"), f"{field}.currency")
    try:
        return Money(amount, currency)
    except ValueError as error:
        problem = str(error)
    raise InvalidOrder(field, problem)


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidOrder(field, f"must be text, not {type(value).__name__}")
    return value


def _time(value: object, field: str) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(_text(value, field))
    except ValueError:
        raise InvalidOrder(field, "must be a time such as 2026-01-02T03:04:05Z") from None


# --- writing --------------------------------------------------------------------------------


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _line_to_json(line: OrderLine) -> dict[str, Any]:
    return _filled(
        {
            "item": line.item,
            "quantity": line.quantity,
            "unit_price": None if line.unit_price is None else _money_to_json(line.unit_price),
            "target": line.target,
            "options": dict(line.options),
        }
    )


def _payment_to_json(payment: Payment) -> dict[str, Any]:
    return _filled(
        {
            "paid": _money_to_json(payment.paid),
            "paid_at": _time_to_json(payment.paid_at),
            "reference": payment.reference,
        }
    )


def _money_to_json(money: Money) -> dict[str, str]:
    amount, _, currency = str(money).partition(" ")
    return {"amount": amount, "currency": currency}


def _time_to_json(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat().replace("+00:00", "Z")
