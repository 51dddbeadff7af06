"""The names by which suppliers and shops call the parts of a card."""

from __future__ import annotations

import re
import unicodedata
from types import MappingProxyType
from typing import Final

PARTS: Final = ("number", "secret", "expires_at", "link", "text")
_DROPPED: Final = re.compile(r"[\s_\-]")


def folded(name: str) -> str:
    """Return *name* as it is compared: without case, blanks, `_`, `-` and full-width letters."""
    return _DROPPED.sub("", unicodedata.normalize("NFKC", name).casefold())


def _table(part: str, names: str) -> dict[str, str]:
    return {folded(name): part for name in names.split()}


# Field names of 福禄, 蓝色兄弟, 卡易信, 卡速售, 卡商网, 卡卡云, 91卡券, Agiso, JD, 星海, 聚浪云, 玖壹卡券,
# and the column titles of their shops.
_NAMES: Final = MappingProxyType(
    {
        **_table(
            "number",
            "number card_number card_no card_num card no c serial account 卡号 账号 序列号",
        ),
        **_table(
            "secret", "secret card_password card_pwd card_pass password pwd pass p key ticket"
        ),
        **_table("secret", "code cdkey pin 卡密 密码 激活码 兑换码"),
        **_table("expires_at", "expires_at expire expires card_deadline expired_at end_time d"),
        **_table("expires_at", "expire_time expire_date expiry_date expiry card_expire_at"),
        **_table("expires_at", "valid_end_time 有效期 到期时间"),
        **_table("link", "link url card_link qr_code_url cpd_url 短链 提取链接"),
        **_table("text", "text"),
    }
)
# Column titles that mark a header without being a part of the card.
_TITLES: Final = frozenset(folded(name) for name in ("面值", "备注", "face_value", "remark"))
# Too short to tell a header from a card.
_TOO_SHORT: Final = frozenset({"c", "p", "d"})


def part_of(name: str) -> str:
    """Return which part of a card a field called *name* holds, or "" for an extra."""
    return _NAMES.get(folded(name), "")


def is_title(cell: str) -> bool:
    """Say whether *cell* is a well-known column title."""
    name = folded(cell)
    return (name in _NAMES or name in _TITLES) and name not in _TOO_SHORT
