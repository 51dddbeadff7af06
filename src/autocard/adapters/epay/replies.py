"""What a gateway answers, as payments, listed orders and refund numbers. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import attrs

from autocard.adapters.epay.options import EpayOptions
from autocard.adapters.epay.signature import is_rsa_signed
from autocard.adapters.epay.translate import ORDER_NO, PLATFORM, money_from_text
from autocard.spi import (
    Order,
    Payment,
    Refund,
    RejectedError,
    Response,
    TransientError,
    UnknownOutcome,
    check_status,
)

PAGE: Final = 50
"""The most rows a gateway lists at once."""
_SHANGHAI: Final = timezone(timedelta(hours=8))  # no summer time since 1991
_MISSING: Final = "订单号不存在"
_REFUSALS: Final = {
    "-1": "the order is not there or not in a state for this",
    "-2": "this interface is switched off for the merchant, or the payment channel failed",
    "-3": "pid, key, signature or clock is wrong; check the settings",
    "-4": "parameters are missing, or the site has switched this off",
    "-5": "the gateway does not know this call; check version and base_url",
}


def members_from_reply(response: Response, options: EpayOptions, *, safe: bool) -> dict[str, str]:
    """
    Return the members of a JSON reply as text; arrays, objects and nulls are left out of it.

    With V2 a reply that is signed must be signed rightly, and a success must be signed.

    Args:
        response: The answer.
        options: Whose gateway it should be.
        safe: True when the call was a query.

    Raises:
        TransientError: No usable answer to a query.
        UnknownOutcome: No usable answer to anything else.
        RejectedError: The gateway refused, or its answer to a query is not proved genuine.

    Source: epay specification, sections 4 and 5.
    """
    return _texts(_reply(response, options, safe=safe))


def _reply(response: Response, options: EpayOptions, *, safe: bool) -> dict[str, Any]:
    check_status(response, safe=safe)
    members = _json_object(response.body)
    if members is None or "code" not in _texts(members):
        if safe:
            raise TransientError("the gateway's answer is not JSON with a code; try again later")
        raise UnknownOutcome("the gateway's answer is not JSON with a code; look it up there")
    if options.version == "v2":
        _prove(_texts(members), options, safe=safe)
    return members


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        # Numbers stay text: they are signed as they are written.
        found = json.loads(body.decode("utf-8-sig"), parse_int=str, parse_float=str)
        if isinstance(found, str):  # some gateways wrap the object in a string
            found = json.loads(found, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _texts(members: Mapping[str, Any]) -> dict[str, str]:
    """Return the members as PHP turns them into text."""
    texts = {name: "1" if value is True else value for name, value in members.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def _prove(members: Mapping[str, str], options: EpayOptions, *, safe: bool) -> None:
    if not members.get("sign") and members["code"] != "0":
        return  # refused before the gateway knew whom to answer
    try:
        genuine = is_rsa_signed(members, options.platform_public_key)
    except UnicodeEncodeError:
        genuine = False
    if not genuine and safe:
        raise RejectedError(
            "the gateway's answer is not proved genuine; check platform_public_key and base_url"
        )
    if not genuine:
        raise UnknownOutcome(
            "the gateway's answer is not proved genuine; look the outcome up at the gateway, "
            "then check platform_public_key and base_url"
        )


def payment_from_reply(
    members: Mapping[str, str], order_no: str, options: EpayOptions
) -> Payment | None:
    """
    Return the payment of *order_no*; None while the gateway has no money for it.

    Raises:
        RejectedError: The order was refunded or is frozen, the answer is about another order,
            or the gateway refused to say.

    Source: epay specification, sections 4.3, 5.3 and 6.
    """
    if members["code"] == "-1" and _MISSING in members.get("msg", ""):
        return None  # the buyer never reached the gateway
    if members["code"] != _success(options):
        raise RejectedError(_refusal("to look up the order", members["code"]))
    if members.get("out_trade_no") != order_no or members.get("pid") not in {None, options.pid}:
        raise RejectedError("the gateway answered about another order; do not deliver")
    match members.get("status", ""):
        case "1":
            return _payment(members, options)
        case "0" | "4":
            return None
        case "2":
            raise RejectedError("the order was refunded at the gateway; do not deliver")
        case "3":
            raise RejectedError("the order is frozen by the gateway's operator; ask them first")
        case _:
            raise RejectedError("the gateway reports an unknown order status; look at it there")


def _payment(members: Mapping[str, str], options: EpayOptions) -> Payment:
    paid = money_from_text(members.get("money", ""), options.currency)
    if paid is None:
        raise RejectedError("the gateway reports no readable amount; look at the order there")
    reference = members.get("trade_no", "")
    if not ORDER_NO.fullmatch(reference):
        reference = ""
    return Payment(paid=paid, paid_at=_moment(members.get("endtime", "")), reference=reference)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=_SHANGHAI)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _success(options: EpayOptions) -> str:
    return "1" if options.version == "v1" else "0"


def _refusal(what: str, code: str) -> str:
    return f"the gateway refused {what}: {_REFUSALS.get(code, 'it gave an unknown code')}"


@attrs.frozen(kw_only=True)
class ListedOrder:
    """One row of a gateway's order list. With V2 it is not signed: a hint, not a proof."""

    trade_no: str
    order_no: str
    is_paid: bool
    added_at: datetime | None
    payment: Payment | None

    def order(self, payment: Payment) -> Order:
        """Return the paid order, without lines."""
        return Order(
            platform=PLATFORM, order_no=self.order_no, payment=payment, placed_at=self.added_at
        )


def listed_from_page(response: Response, options: EpayOptions) -> tuple[ListedOrder, ...]:
    """
    Return the rows of one page of the order list; empty after the last.

    A row without usable numbers or amount comes without a payment.

    Raises:
        TransientError: No usable answer.
        RejectedError: The gateway refused.

    Source: epay specification, sections 4.3 and 5.8.
    """
    members = _reply(response, options, safe=True)
    code = _texts(members).get("code", "")
    if code != _success(options):
        raise RejectedError(_refusal("to list orders", code))
    rows = members.get("data")
    if rows is None:
        return ()
    if not isinstance(rows, list):
        raise TransientError("the gateway's order list is not a list; try again later")
    return tuple(_listed(_texts(row), options) for row in rows if isinstance(row, dict))


def _listed(row: Mapping[str, str], options: EpayOptions) -> ListedOrder:
    order_no = row.get("out_trade_no", "")
    paid = money_from_text(row.get("money", ""), options.currency)
    usable = row.get("status") == "1" and paid is not None and ORDER_NO.fullmatch(order_no)
    return ListedOrder(
        trade_no=row.get("trade_no", ""),
        order_no=order_no,
        is_paid=row.get("status") == "1",
        added_at=_moment(row.get("addtime", "")),
        payment=_payment(row, options) if usable else None,
    )


def refund_number_from_reply(
    members: Mapping[str, str], refund: Refund, options: EpayOptions
) -> str:
    """
    Return the gateway's number of the refund, or "" when it gave none.

    Raises:
        RejectedError: Nothing was paid back.
        UnknownOutcome: The answer does not say, or speaks of another order.

    Source: epay specification, sections 4.3 and 5.4.
    """
    code = members["code"]
    if code in _REFUSALS:
        raise RejectedError(_refusal("the refund", code))
    # A repeated V2 refund is answered without out_trade_no, with the number of the first.
    ours = members.get("out_trade_no", refund.order_no) == refund.order_no
    if options.version == "v2":
        ours = ours and members.get("out_refund_no", refund.reference) == refund.reference
    if code != "0" or not ours:
        raise UnknownOutcome("the gateway's answer does not fit this refund; look it up there")
    return members.get("refund_no", "")
