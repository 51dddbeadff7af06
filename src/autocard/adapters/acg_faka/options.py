"""The settings of our membership of one acg-faka shop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import attrs

from autocard.spi import Money, RejectedError, Secret, checked_url

_APP_ID: Final = re.compile(r"[0-9]{1,20}")
# The vendor's signing routine URL-decodes the secret, so that % and + would not survive it.
_CREDENTIAL: Final = re.compile(r"[0-9A-Za-z]{1,64}")
_CONTACT: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,32}")
_BLANK_LINES: Final = re.compile(r"\r\n?")


def _base(url: str) -> str:
    return str(url).rstrip("/")


def _check_base(_: Any, __: Any, url: str) -> None:
    try:
        parts = checked_url(url, allow_http=True)
    except RejectedError as error:
        problem = str(error)
    else:
        problem = "leave out what follows ? or #" if parts.query or parts.fragment else ""
    if problem:
        raise ValueError(f"base_url: {problem}")


def _check_app_id(_: Any, __: Any, app_id: str) -> None:
    if not _APP_ID.fullmatch(app_id):
        raise ValueError("app_id: give the number of your membership in digits, such as 1000")


def _check_credential(_: Any, __: Any, credential: Secret) -> None:
    if not _CREDENTIAL.fullmatch(credential.reveal()):
        raise ValueError(
            "credential: the app_key has letters and digits only; copy it again from the API page"
        )


def _check_dialect(_: Any, __: Any, dialect: str) -> None:
    if dialect not in {"v3", "v4"}:
        raise ValueError("dialect: give v3 (addresses with /shared/) or v4 (/plugin/open-api/)")


def _check_currency(_: Any, __: Any, currency: str) -> None:
    try:
        Money(0, currency)
    except ValueError as error:
        raise ValueError(f"currency: {error}") from None


def _check_contact(_: Any, __: Any, contact: str) -> None:
    if not _CONTACT.fullmatch(contact):
        raise ValueError("contact: give 1 to 32 characters")


def _check_texts(_: Any, field: Any, texts: tuple[str, ...]) -> None:
    if not all(text.strip() for text in texts):
        raise ValueError(f"{field.name}: an empty text would be found in every answer")


def _frozen(texts: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({code: plain(text) for code, text in texts.items()})


def plain(text: str) -> str:
    """Return *text* with one kind of line end and nothing blank around it, to be compared."""
    return _BLANK_LINES.sub("\n", text).strip()


@attrs.frozen(kw_only=True)
class AcgFakaOptions:
    """
    The settings of our membership of one acg-faka shop.

    Args:
        base_url: Address of the shop, with its scheme, without a path.
        app_id: Number of our membership (商户ID), in digits.
        credential: The secret of that membership (app_key, 密钥). It signs and is never sent.
        dialect: `v3` speaks to `/shared/…`, which every shop of this software has; `v4` to
            `/plugin/open-api/…`.
        currency: What the shop's bare amounts mean.
        contact: What is sent as the buyer's contact. The shop replaces it for members.
        waiting: The goods that a person delivers, by code, each with the text that the shop shows
            until then (发货信息); "" where it shows its usual one. Goods that are delivered by
            hand and are not named here are not bought.
        apologies: More texts that come in place of cards, and are none.
        doubtful: More texts of refusals after which it may have been bought all the same.

    Raises:
        ValueError: A setting is malformed; the message begins with its name.
    """

    base_url: str = attrs.field(converter=_base, validator=_check_base)
    app_id: str = attrs.field(converter=str, validator=_check_app_id)
    credential: Secret = attrs.field(validator=_check_credential)
    dialect: Literal["v3", "v4"] = attrs.field(default="v3", validator=_check_dialect)
    currency: str = attrs.field(default="CNY", validator=_check_currency)
    contact: str = attrs.field(default="autocard", validator=_check_contact)
    waiting: Mapping[str, str] = attrs.field(factory=dict, converter=_frozen, hash=False)
    apologies: tuple[str, ...] = attrs.field(default=(), converter=tuple, validator=_check_texts)
    doubtful: tuple[str, ...] = attrs.field(default=(), converter=tuple, validator=_check_texts)
