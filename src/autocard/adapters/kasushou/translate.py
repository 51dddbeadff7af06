"""From autocard's values to kasushou's calls, and from its messages to hints. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

import attrs

from autocard.adapters.kasushou.answers import CURRENCY
from autocard.adapters.kasushou.options import KasushouOptions
from autocard.adapters.kasushou.signature import (
    read_json,
    signature,
    sorted_json,
    timestamp,
)
from autocard.spi import (
    EPOCH,
    Hint,
    Inbound,
    Money,
    Purchase,
    RejectedError,
    VerificationError,
    same,
)

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_MILLISECONDS: Final = re.compile(r"[0-9]{13}")
# What templates call their inputs but the first.
_LABEL: Final = re.compile(r"lblName[0-9]{1,3}")
_NAME: Final = re.compile(r"[!-~]{1,64}")
_MAX_BYTES: Final = 1_048_576
_MAX_FIELDS: Final = 200
_UNSIGNED: Final = frozenset({"sign", "card_list", "express_list"})
_OF_PURCHASE: Final = frozenset({"external_orderno", "ordersn"})
_OF_GOOD: Final = frozenset({"id", "time"})
_FORM: Final = "application/x-www-form-urlencoded"
_KINDS: Final = frozenset({"application/json", _FORM})
_NOT_PROVED: Final = "kasushou: the message is not proved genuine"


# --- calls ----------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Call:
    """One signed request, ready to be sent; `repr` shows nothing of its body."""

    url: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


def signed_call(
    path: str, members: Mapping[str, Any], options: KasushouOptions, now: datetime
) -> Call:
    """
    Return the request that asks for *path* with *members*, signed.

    The bytes that are sent are those that are signed; no members are written as `{}`.

    Source: 卡速售 API 2.0, section on the request signature.
    """
    text = sorted_json(members)
    time = timestamp(now)
    headers = {
        "Content-Type": "application/json",
        "UserId": options.user_id,
        "Timestamp": time,
        "Sign": signature(time, text, options.credential),
    }
    return Call(url=options.page(path), headers=headers, body=text.encode())


def buy_call(purchase: Purchase, options: KasushouOptions, now: datetime) -> Call:
    """
    Return the request that buys cards.

    Raises:
        RejectedError: The purchase cannot be expressed; nothing was sent.

    Source: 卡速售 API 2.0, section on placing orders.
    """
    _check_purchase(purchase)
    return signed_call("order/buy", _order(purchase, options), options, now)


def top_up_call(purchase: Purchase, options: KasushouOptions, now: datetime) -> Call:
    """
    Return the request that has the target of *purchase* charged.

    Raises:
        RejectedError: The purchase cannot be expressed; nothing was sent.

    Source: 卡速售 API 2.0, section on placing orders, `attach`.
    """
    _check_purchase(purchase)
    strange = [name for name in purchase.options if _field(name, options) is None]
    if strange:
        raise RejectedError(
            f"kasushou has no field for the option {strange[0][:40]!r}; name one in "
            'option_fields, or "" to leave it out; nothing was sent'
        )
    members = {**_order(purchase, options), "attach": _attached(purchase, options)}
    return signed_call("order/buy", members, options, now)


def look_up_call(purchase: Purchase, options: KasushouOptions, now: datetime) -> Call:
    """
    Return the request that asks what became of *purchase*, however long ago it was made.

    Source: 卡速售 API 2.0, section on order information; a `day` of 0 looks at all days.
    """
    return signed_call(
        "order/info", {"external_orderno": str(purchase.reference), "day": 0}, options, now
    )


def good_call(item: str, options: KasushouOptions, now: datetime) -> Call:
    """
    Return the request that asks for price and stock of *item*.

    Source: 卡速售 API 2.0, section on goods information.
    """
    return signed_call("goods/info", {"id": _item(item)}, options, now)


def balance_call(options: KasushouOptions, now: datetime) -> Call:
    """Return the request that asks for our balance. Source: 卡速售 API 2.0, user information."""
    return signed_call("user/info", {}, options, now)


def _order(purchase: Purchase, options: KasushouOptions) -> dict[str, Any]:
    members: dict[str, Any] = {
        "id": _item(purchase.item),
        "quantity": purchase.quantity,
        # Without it the site would buy again whenever it is asked again.
        "external_orderno": str(purchase.reference),
        "safe_price": _amount(purchase.ceiling),  # of one unit, as goods are priced
    }
    return {**members, "url": options.notify_url} if options.notify_url else members


def _attached(purchase: Purchase, options: KasushouOptions) -> dict[str, str]:
    chosen = {_field(name, options): text for name, text in purchase.options.items()}
    return {options.target_field: purchase.target} | {
        field: text for field, text in chosen.items() if field
    }


def _field(name: str, options: KasushouOptions) -> str | None:
    """Return the template's field for an option; "" leaves it out, None where there is none."""
    if name in options.option_fields:
        return options.option_fields[name]
    return name if _LABEL.fullmatch(name) else None


def _amount(money: Money) -> str:
    return str(money).partition(" ")[0]


def _item(item: str) -> int | str:
    """Return a goods id as the site types it: a number, but for goods with several SKUs."""
    return int(item) if _NUMBER.fullmatch(item) else item


def _check_purchase(purchase: Purchase) -> None:
    if purchase.ceiling.currency != CURRENCY:
        raise RejectedError(
            f"kasushou sells for {CURRENCY}, not for {purchase.ceiling.currency}; nothing was sent"
        )
    if not purchase.reference:
        raise RejectedError("a purchase without a reference would not be sold once only")
    if not all(map(_is_unicode, _texts(purchase))):
        raise RejectedError("the target or an option is not valid Unicode; nothing was sent")


def _texts(purchase: Purchase) -> Iterator[str]:
    yield from (purchase.item, purchase.target)
    yield from purchase.options
    yield from purchase.options.values()


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- messages -------------------------------------------------------------------------------


@attrs.frozen
class _Message:
    """The fields of a message, numbers as `Numeral`; `repr` shows none, they may hold cards."""

    fields: Mapping[str, Any] = attrs.field(repr=False)

    @property
    def is_of_purchase(self) -> bool:
        """Whether it is about a purchase or its after-sales; otherwise it is about a good."""
        return not self.fields.keys().isdisjoint(_OF_PURCHASE)

    @property
    def signed(self) -> dict[str, Any]:
        """The fields that its signature covers."""
        if self.is_of_purchase:
            return {name: self.fields[name] for name in self.fields if name not in _UNSIGNED}
        return {name: self.fields[name] for name in self.fields if name in _OF_GOOD}

    def text(self, name: str) -> str:
        """Return a field as text; "" where it is missing or no text or number."""
        value = self.fields.get(name)
        return str(value) if isinstance(value, str) else ""


def hint_from_inbound(inbound: Inbound, options: KasushouOptions, now: datetime) -> Hint:
    """
    Return what a message is about: a purchase, or a good whose price or stock has changed.

    The cards in a message are not signed and are not read: look the purchase up.

    Raises:
        VerificationError: It is not signed with our API key, is too old, or names nothing; the
            text is the same for every cause.

    Source: 卡速售 API 2.0, sections on order callbacks, goods changes and after-sales.
    """
    message = _message_from_inbound(inbound)
    hint = _hint(message)
    if hint is None or not (_is_recent(message, options, now) and _is_signed(message, options)):
        raise VerificationError(_NOT_PROVED)
    return hint


def _message_from_inbound(inbound: Inbound) -> _Message:
    kind = inbound.headers.get("content-type", "").partition(";")[0].strip().lower()
    usable = inbound.method.upper() == "POST" and kind in _KINDS
    if not usable or len(inbound.body) > _MAX_BYTES:
        return _Message({})
    # PHP sends JSON under the type of a form when nobody tells it otherwise.
    if kind == _FORM and not inbound.body.startswith(b"{"):
        return _Message(_form_fields(inbound.body))
    fields = read_json(inbound.body)
    return _Message(fields if isinstance(fields, dict) else {})


def _form_fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        return {}
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else {}


def _hint(message: _Message) -> Hint | None:
    if not message.is_of_purchase:
        item = message.text("id")
        return Hint(items=(item,)) if _NAME.fullmatch(item) else None
    reference, remote = message.text("external_orderno"), message.text("ordersn")
    named = [text for text in (reference, remote) if text]
    if not named or not all(map(_NAME.fullmatch, named)):
        return None
    return Hint(reference=reference, remote=remote)


def _is_recent(message: _Message, options: KasushouOptions, now: datetime) -> bool:
    text = message.text("time")
    if not _MILLISECONDS.fullmatch(text):
        return False
    away = now - (EPOCH + timedelta(milliseconds=int(text)))
    return abs(away) <= timedelta(seconds=options.window_s)


def _is_signed(message: _Message, options: KasushouOptions) -> bool:
    """Say whether `sign` fits; the documented way escapes slashes, some clones do not."""
    time, sign = message.text("time"), message.text("sign").lower()
    try:
        texts = [sorted_json(message.signed, escapes_slashes=escapes) for escapes in (True, False)]
    except RecursionError:
        return False
    return any(same(sign, signature(time, text, options.credential)) for text in texts)
