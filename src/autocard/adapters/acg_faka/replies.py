"""What an acg-faka shop answers, as offers, money and bought cards. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NoReturn

import attrs

from autocard.adapters.acg_faka.goods import Good
from autocard.adapters.acg_faka.ini import sections_from_ini
from autocard.adapters.acg_faka.options import AcgFakaOptions
from autocard.adapters.acg_faka.refusals import plain_message, refusal_of
from autocard.spi import (
    Money,
    Offer,
    RejectedError,
    Response,
    TransientError,
    UnknownOutcome,
    check_status,
)

_SUCCESS: Final = 200
_REFUSED: Final = 0
_FAILURES: Final = 500  # from here on a code speaks of the server, not of what was asked
_WHOLE: Final = re.compile(r"[0-9]{1,15}")
_LONGEST_NAME: Final = 200


# --- the envelope -----------------------------------------------------------------------------


@attrs.frozen
class Said:
    """
    What a shop said.

    Args:
        data: The content of a success.
        refusal: The message of a refusal, without tags; "" for a success.
    """

    data: Any = attrs.field(default=None, repr=False)
    refusal: str = attrs.field(default="", repr=False)


def said_in_reply(response: Response, options: AcgFakaOptions, *, safe: bool) -> Said:
    """
    Return what the shop said; its business answers have status 200, refusals too.

    Args:
        response: The answer.
        options: Whose shop it should be.
        safe: True when the call was a query.

    Raises:
        TransientError: No usable answer to a query.
        RejectedError: The web server in front of the shop refused a query.
        UnknownOutcome: No usable answer to anything else: an HTML page says that something broke,
            not when, and so does any other status.
    """
    _check_status(response, safe=safe)
    found = _envelope(response.body, options)
    if found is not None:
        return found
    if safe:
        raise TransientError("the shop's answer is not in its own shape; try again later")
    raise UnknownOutcome("the shop's answer is not in its own shape; look the order up there")


def _check_status(response: Response, *, safe: bool) -> None:
    """Return when the status is a success; with any other one it is not the shop that speaks."""
    try:
        check_status(response, safe=safe)
    except (RejectedError, TransientError) as error:
        if safe:
            raise
        problem = str(error)
    else:
        return
    raise UnknownOutcome(f"{problem}; what was sent may have been done")


def _envelope(body: bytes, options: AcgFakaOptions) -> Said | None:
    members = _json_object(body)
    code = whole(members.get("code"))
    if code == _SUCCESS:
        return Said(data=members.get("data"))
    message = members.get("msg")
    message = plain_message(message) if isinstance(message, str) else ""
    # The native dialect refuses with 0. What other codes mean in v4 is known from its client only.
    known = code == _REFUSED or (options.dialect == "v4" and code is not None and code < _FAILURES)
    is_refusal = known and message and not members.get("data")
    return Said(refusal=message) if is_refusal else None


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return {}  # not raised from here: the parser's error holds the whole body
    return found if isinstance(found, dict) else {}


def _no_number(_: str) -> NoReturn:
    raise ValueError("not a number")


# --- single values ----------------------------------------------------------------------------


def whole(value: Any) -> int | None:
    """Return a whole number that is written as one or as text, ≥ 0; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    return int(value) if _WHOLE.fullmatch(str(value)) else None


def money(value: Any, currency: str) -> Money | None:
    """Return an amount that is written as a number or as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return None
    try:
        return Money(value, currency)
    except ValueError:
        return None


def _members(data: Any) -> Mapping[str, Any]:
    return data if isinstance(data, dict) else {}


def _data(said: Said) -> Mapping[str, Any]:
    """Return the members of a success; a refusal of a query is an error."""
    if said.refusal:
        raise RejectedError(f"the shop refused: {refusal_of(said.refusal).meaning}")
    return _members(said.data)


def _is_unknown(said: Said) -> bool:
    return refusal_of(said.refusal).is_unknown if said.refusal else False


# --- balance ----------------------------------------------------------------------------------


def balance_from_reply(response: Response, options: AcgFakaOptions) -> Money:
    """
    Return our balance at the shop.

    Raises:
        RejectedError: The shop refused to say.
        TransientError: No usable answer.
    """
    data = _data(said_in_reply(response, options, safe=True))
    balance = money(data.get("balance"), options.currency)
    if balance is None:
        raise TransientError("the shop's answer holds no readable balance; try again later")
    return balance


# --- offers -----------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Terms:
    """
    How a good is sold.

    Args:
        name: What the shop calls it.
        least: The fewest that one order may ask for.
        most: The most that one order may ask for; None without limit.
        by_hand: True when a person or a plug-in delivers it after the purchase.
    """

    name: str
    least: int
    most: int | None
    by_hand: bool


def terms_from_reply(response: Response, good: Good, options: AcgFakaOptions) -> Terms | None:
    """
    Return how *good* is sold; None when the shop does not have it, or not in this way.

    A good with races is sold by race only, one with sku groups by an option of each.

    Raises:
        RejectedError: The shop refused to say.
        TransientError: No usable answer.
    """
    said = said_in_reply(response, options, safe=True)
    if _is_unknown(said):
        return None
    data = _data(said)
    if "code" not in data and "name" not in data:
        raise TransientError("the shop's answer describes no good; try again later")
    if not _is_sold_so(data.get("config"), good):
        return None
    least, most = whole(data.get("minimum")) or 1, whole(data.get("maximum")) or None
    return Terms(
        name=_name(data.get("name")),
        least=least,
        most=None if most is None else max(least, most),
        by_hand=whole(data.get("delivery_way")) != 0,
    )


def _is_sold_so(config: Any, good: Good) -> bool:
    sections = _members(sections_from_ini(config) if isinstance(config, str) else config)
    races, groups = _members(sections.get("category")), _members(sections.get("sku"))
    options = {group: options for group, options in groups.items() if _members(options)}
    return (
        (good.race in races if races else not good.race)
        and good.choices.keys() == options.keys()
        and all(choice in options[group] for group, choice in good.choices.items())
    )


def _name(name: Any) -> str:
    text = plain_message(name)[:_LONGEST_NAME] if isinstance(name, str) else ""
    return text.encode(errors="replace").decode()  # half a surrogate pair is no text


def price_from_reply(response: Response, options: AcgFakaOptions) -> Money | None:
    """
    Return the total that the shop would charge; None when it does not sell this.

    Raises:
        RejectedError: The shop refused to say, or says that it counts in another currency; only
            versions after 3.6.0 say in which.
        TransientError: No usable answer.
    """
    said = said_in_reply(response, options, safe=True)
    if _is_unknown(said):
        return None
    data = _data(said)
    if data.get("currency_code", options.currency) != options.currency:
        raise RejectedError("the shop counts in another currency; correct the setting currency")
    price = money(data.get("price"), options.currency)
    if price is None:
        raise TransientError("the shop's answer holds no readable price; try again later")
    return price


def stock_from_reply(response: Response, options: AcgFakaOptions) -> int | None:
    """
    Return how many there are; None when the shop does not say a number.

    Raises:
        RejectedError: The shop refused to say.
        TransientError: No usable answer.
    """
    return whole(_data(said_in_reply(response, options, safe=True)).get("stock"))


def offer_of(
    item: str,
    good: Good,
    terms: Terms,
    price: Money,
    available: int | None,
    named: Mapping[str, str],
) -> Offer:
    """
    Return the offer for *item*.

    A good that is delivered by hand is on sale for us only where *named* says its waiting text:
    without that nobody could tell the text from a card.
    """
    return Offer(
        item=item,
        price=price,
        available=available,
        on_sale=not terms.by_hand or good.code in named,
        least=terms.least,
        most=terms.most,
        name=terms.name,
    )


def v4_offers_from_reply(
    response: Response, goods: Mapping[str, Good], options: AcgFakaOptions
) -> Sequence[Offer]:
    """
    Return the offers among all goods of a v4 shop for the items in *goods*.

    Raises:
        RejectedError: The shop refused to say.
        TransientError: No usable answer.
    """
    said = said_in_reply(response, options, safe=True)
    if not said.refusal and not isinstance(said.data, list):
        raise TransientError("the shop's list of goods is not a list; try again later")
    _data(said)
    rows = {
        str(row.get("id")): (_name(shown.get("name")), row)
        for shown in map(_members, said.data)
        for row in map(_members, _rows(shown.get("sku")))
    }
    offers = (
        _v4_offer(item, *rows[good.code], options)
        for item, good in goods.items()
        if good.code in rows
    )
    return [offer for offer in offers if offer is not None]


def _rows(sku: Any) -> Sequence[Any]:
    return sku if isinstance(sku, list) else ()


def _v4_offer(
    item: str, name: str, row: Mapping[str, Any], options: AcgFakaOptions
) -> Offer | None:
    price = money(row.get("stock_price"), options.currency)
    if price is None or price.amount <= 0:
        return None
    return Offer(
        item=item,
        price=price,
        available=whole(row.get("stock")),  # or a word that means plenty
        name=" ".join(filter(None, (name, _name(row.get("name"))))),
    )
