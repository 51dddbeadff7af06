"""What an acg-faka shop's refusals mean, and what the refusal of a repetition proves."""

from __future__ import annotations

import re
from typing import Final

import attrs

_TAG: Final = re.compile(r"<[^>]*>")
ALREADY_THERE: Final = "The request ID already exists"
"""Said to a second trade with one `request_no`; the first one's outcome is not repeated."""


@attrs.frozen
class Refusal:
    """
    One kind of refusal.

    Args:
        texts: What its message begins with.
        meaning: What that means, in our words.
        is_unknown: True when it says that there is no such good, or not for sale.
        proves: True when the shop says it only after it has found that `request_no` is new.
    """

    texts: tuple[str, ...]
    meaning: str
    is_unknown: bool = False
    proves: bool = False


# In the order of `trade` in app/Service/Bind/Order.php of 3.6.0. It looks for `request_no` late:
# stock, times and limits are checked before, so that a repetition may be told "out of stock"
# although its first call bought the last card. Only who is refused after that has bought nothing.
REFUSALS: Final = (
    Refusal(("商户ID不存在",), "it does not know this app_id"),
    Refusal(("密钥错误",), "the credential is wrong"),
    Refusal(("The current session is not secure",), "its firewall takes it for an attack"),
    Refusal(("商品不存在", "对接CODE不能为空"), "it has no such good", is_unknown=True),
    Refusal(("当前商品已停售", "该商品暂未上架"), "the good is not on sale", is_unknown=True),
    Refusal(("至少购买", "本商品最少购买"), "the good is sold in larger quantities"),
    Refusal(("本商品单次最多购买",), "the good is sold in smaller quantities"),
    Refusal(("抢购还未开始", "抢购已结束"), "the good is not on sale at this time"),
    Refusal(("此商品类型不存在", "此SKU不存在"), "it has no such race or option", is_unknown=True),
    Refusal(("请选择",), "the item leaves out a race or a sku group"),
    Refusal(("库存不足",), "it is out of stock"),
    Refusal(("该商品每人只能购买",), "we have bought as often as a member may"),
    Refusal(("商品信息已经更新",), "price or stock changed meanwhile"),
    Refusal(("此宝贝已被他人抢走", "该卡已被他人抢走"), "somebody else was faster"),
    Refusal(("You have been banned",), "our membership is banned", proves=True),
    Refusal(("余额不足",), "our balance there is too low", proves=True),
)
_OTHER: Final = Refusal((), "for a reason of its own")
# Of a good that the shop itself buys from another one. It asks that one for its stock after our
# order is committed, and a failure of that last question is all that we are told.
DOUBTFUL: Final = ("连接失败",)


def plain_message(message: str) -> str:
    """Return *message* without HTML tags, as the vendor's own client reads it."""
    return _TAG.sub("", message).strip()


def refusal_of(message: str) -> Refusal:
    """Return what a plain *message* means."""
    for refusal in REFUSALS:
        if message.startswith(refusal.texts):
            return refusal
    return _OTHER
