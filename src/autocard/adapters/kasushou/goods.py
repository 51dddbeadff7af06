"""What kasushou says of its goods and of our balance. Pure."""

from __future__ import annotations

from typing import Any, Final

import attrs

from autocard.adapters.kasushou.answers import (
    UNKNOWN_GOOD,
    costing,
    decimal_of,
    had,
    refusal,
    said,
    text_of,
    whole_of,
)
from autocard.adapters.kasushou.options import KasushouOptions
from autocard.spi import Money, Offer, RejectedError, Response, TransientError

_PHYSICAL: Final = "3"
_ON_SALE: Final = "1"


def offer(response: Response, item: str, options: KasushouOptions) -> Offer | None:
    """
    Return the offer for *item*; None when the site does not know it.

    Raises:
        RejectedError: The site refused to say.
        TransientError: The answer is none, or holds no price of this good.

    Source: 卡速售 API 2.0, sections on goods lists and goods information.
    """
    envelope = said(response, options, safe=True)
    if envelope.is_refusal and envelope.reason == UNKNOWN_GOOD:
        return None
    if envelope.is_refusal:
        raise RejectedError(refusal(envelope))
    good = _Good.of(envelope.data)
    if good.price is None or good.item not in {"", item}:
        raise TransientError("kasushou's answer holds no price of this good; ask again later")
    return Offer(
        item=item,
        price=good.price,
        available=good.stock,
        on_sale=good.status == _ON_SALE and good.kind != _PHYSICAL and good.may_be_sold(options),
        least=max(good.least or 1, 1),
        most=good.most if good.most and good.most > 0 else None,
        name=good.name,
    )


@attrs.frozen(kw_only=True)
class _Good:
    """One good as the site tells it."""

    item: str = ""
    name: str = ""
    kind: str = ""
    status: str = ""
    price: Money | None = None
    stock: int | None = None
    least: int | None = None
    most: int | None = None
    channels: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()

    @classmethod
    def of(cls, told: Any) -> _Good:
        """Return the good that *told* is; anything but an object has nothing in it."""
        if not isinstance(told, dict):
            return cls()
        price = decimal_of(told.get("goods_price"))
        stock = whole_of(told.get("stock_num"))
        return cls(
            item=text_of(told.get("id")),
            name=text_of(told.get("goods_name")),
            kind=text_of(told.get("goods_type")),
            status=text_of(told.get("status")),
            price=costing(price) if price else None,
            stock=None if stock is None else max(stock, 0),
            least=whole_of(told.get("start_count")),
            most=whole_of(told.get("end_count")),
            channels=_names(told.get("can_buy")),
            forbidden=_names(told.get("can_no_buy")),
        )

    def may_be_sold(self, options: KasushouOptions) -> bool:
        """Say whether the wholesaler lets it be sold where we sell."""
        channel = options.sales_channel
        if not channel:
            return True
        return channel not in self.forbidden and (not self.channels or channel in self.channels)


def balance(response: Response, options: KasushouOptions) -> Money:
    """
    Return how much of our money the site holds.

    Raises:
        RejectedError: The site refused to say.
        TransientError: No usable answer.

    Source: 卡速售 API 2.0, section on user information.
    """
    envelope = said(response, options, safe=True)
    if envelope.is_refusal:
        raise RejectedError(refusal(envelope))
    members = envelope.data if isinstance(envelope.data, dict) else {}
    held = had(decimal_of(members.get("balance"), lowest=None))
    if held is None:
        raise TransientError("kasushou's answer holds no balance; ask again later")
    return held


def _names(value: Any) -> frozenset[str]:
    return frozenset(filter(None, (name.strip() for name in text_of(value).split(","))))
