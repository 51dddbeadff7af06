"""
What we call an item here: the shop's code of a good, and what is chosen of it.

`AUTO0001` is a good without choices. `SKUA0001?race=月卡&sku[颜色]=红&acct=12345` is its race 月卡 in
red, with the field `acct` filled in. Where a name or value holds `&`, `=` or `%`, it is written
as in an address: `%26`, `%3D`, `%25`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import unquote

import attrs

_CODE: Final = re.compile(r"[^\s?&=\x00-\x1f\x7f\ud800-\udfff]{1,64}")
_SKU_ID: Final = re.compile(r"[0-9]{1,18}")
_GROUP: Final = re.compile(r"sku\[([^\[\]]{1,64})\]")
# PHP writes other names of fields in its own way, and then the signature is wrong.
_FIELD: Final = re.compile(r"[^\W\d]\w{0,63}")
_UNSENDABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_TAKEN: Final = frozenset(
    ("app_id", "app_key", "sign", "shared_code", "code", "num", "request_no", "contact", "card_id")
) | {"device", "password", "coupon", "sku", "sku_id", "quantity", "trade_no", "pay_id", "item_id"}
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def _frozen(texts: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(texts))


@attrs.frozen(kw_only=True)
class Good:
    """
    One good of a shop and what is chosen of it.

    Args:
        code: The shop's code of the good; with v4 the number of its sku.
        race: The chosen race (商品种类); "" for a good without races.
        choices: The chosen option of each sku group, in the order in which they are written.
        fields: What is filled into the fields (控件) of the good.
    """

    code: str
    race: str = ""
    choices: Mapping[str, str] = attrs.field(default=_NOTHING, converter=_frozen, hash=False)
    fields: Mapping[str, str] = attrs.field(default=_NOTHING, converter=_frozen, hash=False)

    def chosen(self) -> dict[str, str]:
        """Return race and choices as the shop wants them in a form; the race is always there."""
        return {"race": self.race} | {
            f"sku[{group}]": choice for group, choice in self.choices.items()
        }


def code_of(item: str) -> str:
    """Return the shop's code in the text of an *item*. Never raises."""
    return item.partition("?")[0].strip()


def good_from_item(item: str, dialect: Literal["v3", "v4"]) -> Good:
    """
    Return the good that the text of an *item* means.

    Raises:
        ValueError: It is malformed; the message says what to write instead, and does not quote
            what is filled in.
    """
    code, _, written = item.partition("?")
    code = code.strip()
    if dialect == "v4" and not _SKU_ID.fullmatch(code):
        raise ValueError("with dialect v4 an item begins with the number of a sku, such as 12")
    if not _CODE.fullmatch(code):
        raise ValueError("an item begins with the shop's code of a good, such as AUTO0001")
    chosen = _pairs(written)
    race = chosen.pop("race", "")
    choices, fields = _told_apart(chosen)
    if dialect == "v4" and (race or choices):
        raise ValueError("with dialect v4 a sku is named by its number alone, without race or sku")
    return Good(code=code, race=race, choices=choices, fields=fields)


def _pairs(written: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in filter(None, written.split("&")):
        name, equals, value = part.partition("=")
        name, value = unquote(name).strip(), unquote(value).strip()
        if not equals or not value or _UNSENDABLE.search(name + value):
            raise ValueError("after ? an item has parts such as race=月卡, joined by &")
        if name in pairs:
            raise ValueError(f"an item says {name} once only")
        pairs[name] = value
    return pairs


def _told_apart(chosen: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the choices of sku groups, and the fields, of what is left of an item."""
    choices, fields = {}, {}
    for name, value in chosen.items():
        if group := _GROUP.fullmatch(name):
            choices[group[1]] = value
        elif _FIELD.fullmatch(name) and name not in _TAKEN:
            fields[name] = value
        else:
            raise ValueError(f"an item cannot fill in {name}: write race, sku[GROUP] or a field")
    return choices, fields
