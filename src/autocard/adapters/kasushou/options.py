"""The settings of one customer account at one wholesaler's site."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from autocard.spi import RejectedError, Secret, checked_url

_VISIBLE: Final = re.compile(r"[!-~]{1,256}")
_NO_FIELDS: Final[Mapping[str, str]] = MappingProxyType({})
REFUSED: Final = 400
BROKEN: Final = 500


def _frozen(value: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(value))


def _folder(url: str) -> str:
    return str(url).rstrip("/") + "/"


def _is_address(url: str) -> bool:
    try:
        checked_url(url, allow_http=True)  # whether http is allowed is the client's to say
    except RejectedError:
        return False
    return True


def _check_base(_: Any, __: Any, url: str) -> None:
    if not _is_address(url) or "?" in url or "#" in url:
        raise ValueError(
            "base_url: give the address of the wholesaler's site without query or user name, "
            "such as https://cards.example.com/"
        )


def _check_notify(_: Any, __: Any, url: str) -> None:
    if url and not _is_address(url):
        raise ValueError(
            "notify_url: give an absolute address, such as https://shop.example.com/hooks/kasushou"
        )


def _check_user(_: Any, __: Any, user_id: str) -> None:
    if not _VISIBLE.fullmatch(user_id):
        raise ValueError("user_id: give the customer number that the site shows, such as 10086")


def _check_credential(_: Any, __: Any, credential: Secret) -> None:
    # A line end that came along from a file would make every signature wrong, with no hint why.
    if not _VISIBLE.fullmatch(credential.reveal()):
        raise ValueError("credential: the API key is visible ASCII without blanks; copy it again")


def _check_success(_: Any, __: Any, codes: tuple[int, ...]) -> None:
    if not codes or {REFUSED, BROKEN}.intersection(codes):
        raise ValueError("success_codes: give one code or more; 400 and 500 say that it failed")


def _check_texts(_: Any, field: Any, texts: tuple[str, ...]) -> None:
    if not texts or not all(texts):
        raise ValueError(f"{field.name}: give one text or more, none of them empty")


def _check_text(_: Any, field: Any, text: str) -> None:
    if not text:
        raise ValueError(f"{field.name}: must not be empty")


def _check_seconds(_: Any, field: Any, seconds: int) -> None:
    if seconds < 1:
        raise ValueError(f"{field.name}: give whole seconds, at least 1")


@attrs.frozen(kw_only=True)
class KasushouOptions:
    """
    The settings of one customer account at one wholesaler's site.

    Args:
        base_url: Address of the wholesaler's own site; every wholesaler has one.
        user_id: Customer number at that site.
        credential: The API key that the site shows beside it.
        notify_url: Where the site tells what became of a purchase; "" has it tell nobody.
        success_codes: Values of `code` that mean success; some clones say 0 or 1.
        repeated_words: Parts of a refusal by which it says that our number was used before.
        target_field: What the template of top-up goods calls the account to be charged.
        option_fields: Which field of that template each option of your platform is, such as
            `{"区服" = "lblName1"}`; "" leaves the option out. An option without a field here is
            refused, unless it is called `lblName1`, `lblName2`, … itself.
        sales_channel: Where you sell, as this site names it (`拼多多`, `京东`, …); goods that may
            not be sold there are not offered. "" compares nothing.
        window_s: How far the signed time of a message may lie from now, in seconds. The site
            repeats a message for up to 75 minutes.

    Raises:
        ValueError: A setting is malformed or missing; the message begins with its name.

    Source: 卡速售 API 2.0 (doc.kasushou.com/api/v2api), sections on access and on placing orders.
    """

    base_url: str = attrs.field(converter=_folder, validator=_check_base)
    user_id: str = attrs.field(converter=str, validator=_check_user)
    credential: Secret = attrs.field(validator=_check_credential)
    notify_url: str = attrs.field(default="", validator=_check_notify)
    success_codes: tuple[int, ...] = attrs.field(
        default=(200,), converter=tuple, validator=_check_success
    )
    repeated_words: tuple[str, ...] = attrs.field(
        default=("重复", "已存在"), converter=tuple, validator=_check_texts
    )
    target_field: str = attrs.field(default="recharge_account", validator=_check_text)
    option_fields: Mapping[str, str] = attrs.field(
        default=_NO_FIELDS, converter=_frozen, hash=False
    )
    sales_channel: str = ""
    window_s: int = attrs.field(default=7200, validator=_check_seconds)

    def __attrs_post_init__(self) -> None:
        if self.target_field in self.option_fields.values():
            raise ValueError("option_fields: target_field is for the account to be charged")

    def page(self, path: str) -> str:
        """Return the address of the API call *path*, such as `order/buy`."""
        return f"{self.base_url}api/v1/{path}"
