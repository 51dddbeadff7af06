"""From autocard's values to Fulu's calls, and from its callbacks. Pure: no network, no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any, Final

import attrs

from autocard.adapters.fulu.options import LONGEST, FuluOptions
from autocard.adapters.fulu.signature import compact, is_signed, parsed, signature
from autocard.spi import Hint, Inbound, Purchase, RejectedError, VerificationError

BEIJING: Final = timezone(timedelta(hours=8))  # no summer time since 1991
TIME: Final = "%Y-%m-%d %H:%M:%S"
NUMBER: Final = re.compile(r"[0-9A-Za-z_\-]{1,64}")
"""How Fulu's own numbers of orders look."""
_ITEM: Final = re.compile(r"[1-9][0-9]{0,17}")
_LONGEST_ACCOUNT: Final = 50
_MAX_BYTES: Final = 65_536
_NO_CALLBACK: Final = "fulu: the message is not a callback about an order"
_INPUTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ChargeGame": "charge_game_name",
        "ChargeRegion": "charge_game_region",
        "ChargeServer": "charge_game_srv",
        "ChargeType": "charge_type",
        "ChargeIp": "charge_ip",
        "ChargePWD": "charge_password",
        "ContactQQ": "contact_qq",
        "ContactType": "contact_tel",
    }
)
"""Which field of an order each input of a product's template is."""


@attrs.frozen
class Call:
    """One call: the name of Fulu's method, and what it is told. May hold an account to charge."""

    method: str
    content: Mapping[str, Any] = attrs.field(repr=False)


# --- requests -------------------------------------------------------------------------------


def request_body(call: Call, options: FuluOptions, now: datetime) -> bytes:
    """
    Return the signed JSON that makes *call* at *now*.

    Secrets: reveals `app_key` into the returned bytes, which hold an account to charge too.
    Source: Fulu open platform, request envelope and signature rules.
    """
    said = {
        "app_key": options.app_key.reveal(),
        "method": call.method,
        "timestamp": now.astimezone(BEIJING).strftime(TIME),
        "version": "2.0",
        "format": "json",
        "charset": "utf-8",
        "sign_type": "md5",
        "app_auth_token": "",  # always empty, and signed all the same
        "biz_content": compact(call.content),
    }
    sign = signature(compact(said), options.credential)
    return compact({**said, "sign": sign}).encode()


def is_item(item: str) -> bool:
    """Say whether *item* can be one of Fulu's products, which have numbers."""
    return _ITEM.fullmatch(item) is not None


def goods_call(items: Sequence[str]) -> Call:
    """
    Return the call that lists *items*: one product by its number, several by the whole catalogue.

    Source: Fulu open platform, `fulu.goods.list.get`; it knows no list of numbers and no pages.
    """
    return Call("fulu.goods.list.get", {"product_id": items[0]} if len(items) == 1 else {})


def balance_call() -> Call:
    """Return the call that asks for the account. Source: Fulu, `fulu.user.info.get`."""
    return Call("fulu.user.info.get", {})


def look_up_call(purchase: Purchase) -> Call:
    """Return the call that finds *purchase*. Source: Fulu, `fulu.order.info.get`."""
    return Call("fulu.order.info.get", {"customer_order_no": purchase.reference})


def card_call(purchase: Purchase, options: FuluOptions) -> Call:
    """
    Return the call that buys cards.

    It has no place for a ceiling: `customer_price` is what our buyer pays, not what we may.

    Raises:
        RejectedError: The item is no number of a product; nothing was sent.

    Source: Fulu open platform, `fulu.order.card.add`.
    """
    _insist_on_item(purchase)
    content = {
        "product_id": int(purchase.item),
        "buy_num": purchase.quantity,
        "customer_order_no": purchase.reference,
    }
    return Call("fulu.order.card.add", {**content, **_marked(options)})


def direct_call(purchase: Purchase, options: FuluOptions) -> Call:
    """
    Return the call that charges an account, with what the buyer chose.

    Raises:
        RejectedError: The item, the account or an option cannot be said to Fulu; nothing was sent.

    Source: Fulu open platform, `fulu.order.direct.add` and `fulu.goods.template.get`.
    """
    _insist_on_item(purchase)
    problem = _problem(purchase, options)
    if problem:
        raise RejectedError(f"nothing was sent: {problem}")
    content = {
        "product_id": int(purchase.item),
        "customer_order_no": purchase.reference,
        "charge_account": purchase.target,
        "buy_num": purchase.quantity,
        **_chosen(purchase, options),
    }
    return Call("fulu.order.direct.add", {**content, **_marked(options)})


def _insist_on_item(purchase: Purchase) -> None:
    if not is_item(purchase.item):
        raise RejectedError(
            "nothing was sent: Fulu's products have numbers such as 10010001; "
            "correct the item of this sku"
        )


def _marked(options: FuluOptions) -> dict[str, str]:
    return {"shop_type": options.shop_type} if options.shop_type else {}


def _problem(purchase: Purchase, options: FuluOptions) -> str:
    """Return why Fulu cannot be told to charge, or "". Quotes no account and no choice."""
    if not _is_sayable(purchase.target, _LONGEST_ACCOUNT):
        return _unsayable("the account to charge", _LONGEST_ACCOUNT)
    for name, text in purchase.options.items():
        field = _field(name, options)
        if field is None:
            return (
                f"Fulu has no field for the option {name[:40]!r}; name one in option_fields, "
                'or "" to leave it out'
            )
        if field and text and not _is_sayable(text, LONGEST[field]):
            return _unsayable(field, LONGEST[field])
    return ""


def _unsayable(what: str, longest: int) -> str:
    return f"{what} must have 1 to {longest} characters, and no emoji or other rare ones"


def _is_sayable(text: str, longest: int) -> bool:
    # What UTF-16 writes as two units is sorted otherwise by other languages: no signature fits.
    plain = all(ord(char) < 0xD800 or 0xE000 <= ord(char) <= 0xFFFF for char in text)
    return plain and 1 <= len(text) <= longest


def _field(name: str, options: FuluOptions) -> str | None:
    if name in options.option_fields:
        return options.option_fields[name]
    return name if name in LONGEST else _INPUTS.get(name)


def _chosen(purchase: Purchase, options: FuluOptions) -> dict[str, str]:
    fields = {_field(name, options): text for name, text in purchase.options.items()}
    return {field: text for field, text in fields.items() if field and text}


# --- callbacks ------------------------------------------------------------------------------


def hint_from_inbound(inbound: Inbound, options: FuluOptions) -> Hint:
    """
    Return which order a callback is about. What else it says is not believed, but looked up.

    Fulu publishes no rule for the signature of callbacks, so it is checked only where the options
    require that; a stranger's callback costs one look-up and changes nothing.

    Raises:
        VerificationError: It is no such message; the text is the same for every cause.

    Source: Fulu open platform, callback of orders.
    """
    members = _members(inbound)
    reference, remote = members.get("customer_order_no", ""), members.get("order_id", "")
    known = NUMBER.fullmatch(reference) and NUMBER.fullmatch(remote)
    if not known or (options.require_callback_sign and not _is_signed(members, options)):
        raise VerificationError(_NO_CALLBACK)
    return Hint(reference=reference, remote=remote)


def _members(inbound: Inbound) -> Mapping[str, str]:
    """Return what a callback says; nothing where a value is no text, as all of them are."""
    if inbound.method.upper() != "POST" or len(inbound.body) > _MAX_BYTES:
        return {}
    said = parsed(inbound.body)
    is_callback = isinstance(said, dict) and all(isinstance(text, str) for text in said.values())
    return said if is_callback else {}


def _is_signed(members: Mapping[str, str], options: FuluOptions) -> bool:
    others = {name: text for name, text in members.items() if name != "sign"}
    return is_signed(compact(others), members.get("sign", ""), options.credential)
