"""The settings of one merchant account at Fulu."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

import attrs

from autocard.spi import RejectedError, Secret, checked_url

PRODUCTION: Final = "https://openapi.fulu.com/api/getway"
"""Fulu's own address; its path really is spelled so."""
CURRENCY: Final = "CNY"
LONGEST: Final[Mapping[str, int]] = MappingProxyType(
    {
        "charge_game_name": 50,
        "charge_game_region": 50,
        "charge_game_srv": 50,
        "charge_game_role": 50,
        "charge_type": 20,
        "charge_password": 50,
        "charge_ip": 20,
        "contact_qq": 50,
        "contact_tel": 15,
    }
)
"""The fields of a top-up that a buyer may choose, and how many characters each may have."""

ShopType = Literal["", "PDD", "淘宝", "天猫", "京东", "苏宁", "其他"]
_VISIBLE: Final = re.compile(r"[!-~]{1,128}")
_SECRET: Final = re.compile(r"[!-~]{32}")


def _frozen(value: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(value))


def _check_gateway(_: Any, __: Any, url: str) -> None:
    problem = ""
    try:
        checked_url(url, allow_http=True)
    except RejectedError as error:
        problem = str(error)
    if problem:
        raise ValueError(f"gateway_url: {problem}")


def _check_app_key(_: Any, __: Any, app_key: Secret) -> None:
    if not _VISIBLE.fullmatch(app_key.reveal()):
        raise ValueError("app_key: is visible ASCII without blanks; copy it again")


def _check_secret(_: Any, __: Any, secret: Secret) -> None:
    # It is the AES key of the cards too. A line end from a file would spoil every signature.
    if not _SECRET.fullmatch(secret.reveal()):
        raise ValueError("credential: has 32 visible ASCII characters; copy it again")


def _check_shop_type(_: Any, __: Any, shop_type: str) -> None:
    if shop_type not in get_args(ShopType):
        raise ValueError('shop_type: give PDD, 淘宝, 天猫, 京东, 苏宁, 其他, or "" to leave it out')


def _check_codes(_: Any, field: Any, codes: tuple[int, ...]) -> None:
    if 0 in codes:
        raise ValueError(f"{field.name}: 0 is Fulu's code of success")


def _check_fields(_: Any, __: Any, fields: Mapping[str, str]) -> None:
    if not set(fields.values()) <= {"", *LONGEST}:
        raise ValueError(f'option_fields: each is one of {", ".join(LONGEST)}, or ""')


@attrs.frozen(kw_only=True)
class FuluOptions:
    """
    The settings of one merchant account at Fulu, or at a server that speaks its language.

    Args:
        app_key: The merchant's application key, as it stands; it may contain `+`, `/` and `=`.
        credential: The merchant's secret, 32 characters. It signs, and it opens the cards.
        gateway_url: The one address of all calls.
        shop_type: The sales channel that orders are marked with, or "" for none.
        refused_codes: Answers to a purchase that mean: this product cannot be bought now, nothing
            was bought, another source may be asked at once. Any other refusal is looked up first.
        missing_codes: Answers to a look-up that mean: there is no such order. Without them every
            refusal does that comes without a result and does not speak of signature, IP or time.
        option_fields: Which field of a top-up each option of your platform is; "" leaves the
            option out. Options named like a field or like an input of Fulu's templates need none.
        require_callback_sign: Refuse callbacks that are not signed by the rule for requests. That
            rule is presumed, not published: look at a few callbacks before you set this.

    Raises:
        ValueError: A setting is malformed; the message begins with its name.

    Source: Fulu open platform (docs.open.fulu.com) and its published samples.
    """

    app_key: Secret = attrs.field(validator=_check_app_key)
    credential: Secret = attrs.field(validator=_check_secret)
    gateway_url: str = attrs.field(default=PRODUCTION, validator=_check_gateway)
    shop_type: ShopType = attrs.field(default="", validator=_check_shop_type)
    refused_codes: tuple[int, ...] = attrs.field(
        default=(3001, 3002, 3003, 3004, 3005, 3008), validator=_check_codes
    )
    missing_codes: tuple[int, ...] = attrs.field(default=(), validator=_check_codes)
    option_fields: Mapping[str, str] = attrs.field(
        factory=dict, converter=_frozen, validator=_check_fields, hash=False
    )
    require_callback_sign: bool = False
