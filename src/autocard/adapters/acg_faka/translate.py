"""What we ask an acg-faka shop, as signed calls. Pure: no network, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import attrs

from autocard.adapters.acg_faka.goods import Good, good_from_item
from autocard.adapters.acg_faka.options import AcgFakaOptions
from autocard.adapters.acg_faka.signature import signature
from autocard.spi import Purchase, RejectedError

_LONGEST_NUMBER: Final = 19
_FOLDERS: Final = {"v3": "/shared/", "v4": "/plugin/open-api/"}


@attrs.frozen(kw_only=True)
class Call:
    """One signed call."""

    url: str
    form: Mapping[str, str] = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)


def signed_call(path: str, fields: Mapping[str, str], options: AcgFakaOptions) -> Call:
    """
    Return the call of *path* with *fields*, signed in the way of the dialect.

    The vendor's own client sends `app_key` along; the shop does not need it, so we never do.

    Source: acg-faka, `app/Service/Bind/Shared.php`, `post` (v3) and `mcyRequest` (v4).
    """
    url = options.base_url + _FOLDERS[options.dialect] + path
    if options.dialect == "v4":
        sign = signature(fields, options.credential)
        return Call(url=url, form=fields, headers={"Api-Id": options.app_id, "Api-Signature": sign})
    form = {**fields, "app_id": options.app_id}
    return Call(url=url, form={**form, "sign": signature(form, options.credential)}, headers={})


def good_of(item: str, options: AcgFakaOptions) -> Good:
    """
    Return the good that *item* means.

    Raises:
        RejectedError: It is malformed; nothing was sent.
    """
    problem = ""
    try:
        return good_from_item(item, options.dialect)
    except ValueError as error:
        problem = str(error)
    raise RejectedError(f"items: {problem}; nothing was sent")


def trade_call(purchase: Purchase, options: AcgFakaOptions) -> Call:
    """
    Return the call that buys.

    The protocol has no guard for the price: what was charged is in the answer.

    Raises:
        RejectedError: The item is malformed, or the reference too long for the shop, which would
            cut it and take it for another one; nothing was sent.

    Source: acg-faka, `app/Controller/Shared/Commodity.php`, `trade`.
    """
    good = good_of(purchase.item, options)
    if len(purchase.reference) > _LONGEST_NUMBER:
        raise RejectedError("the reference has more than 19 characters; nothing was sent")
    fields = _v4_trade(purchase, good) if options.dialect == "v4" else _trade(purchase, good)
    if options.dialect == "v3":
        fields["contact"] = options.contact
    path = "trade" if options.dialect == "v4" else "commodity/trade"
    return signed_call(path, fields, options)


def _trade(purchase: Purchase, good: Good) -> dict[str, str]:
    return {
        **good.fields,
        "shared_code": good.code,
        "num": str(purchase.quantity),
        "card_id": "0",
        "device": "0",
        "password": "",
        "request_no": purchase.reference,
        **good.chosen(),
    }


def _v4_trade(purchase: Purchase, good: Good) -> dict[str, str]:
    number = hashlib.md5(purchase.reference.encode()).hexdigest()[:24]
    return {
        **good.fields,
        "sku_id": good.code,
        "quantity": str(purchase.quantity),
        "trade_no": number,
    }
