"""Settings of the `order_file` platform, and the headings it knows without being told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import attrs

from autocard.spi import Money

# Compared after `heading_from_text`, so case, blanks and bracketed units do not matter.
HEADINGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "order_no": ("订单号", "订单编号", "订单id", "order no", "order number", "order id"),
        "item": ("商品", "商品名称", "商品标题", "宝贝标题", "item", "product", "product name"),
        "quantity": ("数量", "购买数量", "商品数量", "quantity", "qty"),
        "unit_price": ("单价", "商品单价", "unit price", "price"),
        "paid": ("实付", "实付款", "实付金额", "支付金额", "paid", "amount paid", "paid amount"),
        "currency": ("币种", "货币", "currency"),
        "paid_at": ("付款时间", "支付时间", "paid at", "payment time"),
        "buyer_id": ("买家", "买家id", "买家昵称", "会员名", "buyer", "buyer id"),
        "contact": ("联系方式", "邮箱", "买家邮箱", "contact", "email", "buyer email"),
        "target": ("充值账号", "充值帐号", "target", "top-up account"),
    }
)
REQUIRED: Final = ("order_no", "item", "paid")
_OFFSET: Final = re.compile(r"([+-])(0\d|1[0-4]):([0-5]\d)")


def _check_columns(_: Any, __: Any, columns: Mapping[str, str]) -> None:
    for field, heading in columns.items():
        if field not in HEADINGS:
            raise ValueError(f"columns: {field!r} is none of {', '.join(HEADINGS)}")
        if not str(heading).strip():
            raise ValueError(f"columns: {field} needs the heading of a column")


def _check_currency(_: Any, __: Any, currency: str) -> None:
    Money(0, currency)


def _check_offset(_: Any, __: Any, offset: str) -> None:
    if not _OFFSET.fullmatch(offset):
        raise ValueError("utc_offset is written like +08:00")


@attrs.frozen(kw_only=True)
class OrderFileOptions:
    """
    Settings of the `order_file` platform.

    Args:
        inbox: Directory the order files are put into; reports go to `rejected` inside it.
        outbox: Directory the delivery files are written to.
        columns: Our name of a column → its heading, where the known headings do not fit.
        currency: Of amounts in rows without a currency.
        paid_is: "order": `paid` is the whole order's and the same in all its rows; "row": each
            row has its own share, and they are added up.
        utc_offset: Of times without an offset, and of the day a delivery file is named after.
        max_rows: Refuse files with more rows than this, 1 to 1,000,000.
    """

    inbox: Path = attrs.field(converter=Path)
    outbox: Path = attrs.field(converter=Path)
    columns: Mapping[str, str] = attrs.field(
        default=MappingProxyType({}), validator=_check_columns, hash=False
    )
    currency: str = attrs.field(default="CNY", validator=_check_currency)
    paid_is: Literal["order", "row"] = attrs.field(
        default="order", validator=attrs.validators.in_(("order", "row"))
    )
    utc_offset: str = attrs.field(default="+08:00", validator=_check_offset)
    max_rows: int = attrs.field(
        default=100_000, validator=[attrs.validators.ge(1), attrs.validators.le(1_000_000)]
    )

    @property
    def zone(self) -> timezone:
        """The time zone of *utc_offset*."""
        return zone_from_offset(self.utc_offset)


def zone_from_offset(offset: str) -> timezone:
    """Return the time zone written as `+08:00`; anything else raises `ValueError`."""
    found = _OFFSET.fullmatch(offset)
    if found is None:
        raise ValueError("an offset is written like +08:00")
    distance = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-distance if found[1] == "-" else distance)
