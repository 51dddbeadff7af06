"""Settings of the `mail` channel, and the texts it uses where none are set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import attrs

from autocard.spi import Secret

PLACEHOLDERS: Final = ("order_no", "item", "quantity")
PORTS: Final[Mapping[str, int]] = MappingProxyType({"starttls": 587, "tls": 465, "none": 25})

# What every mail server accepts unquoted; `@` stands between the parts (RFC 5321, section 4.1.2).
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:]{2,45}")
_BRACED: Final = re.compile(r"\{([^{}]*)\}")


def is_address(text: str) -> bool:
    """Say whether *text* is one plain ASCII mail address, without name or quotes."""
    local = text.partition("@")[0]
    return len(text) <= 254 and len(local) <= 64 and bool(_ADDRESS.fullmatch(text))


def _check_address(_: Any, attribute: attrs.Attribute[str], value: str) -> None:
    if not is_address(value):
        raise ValueError(f"{attribute.name} must be one mail address such as shop@example.com")


def _check_host(_: Any, attribute: attrs.Attribute[str], value: str) -> None:
    if not _HOST.fullmatch(value):
        raise ValueError(f"{attribute.name} must be a host name or an address, without a port")


def _check_one_line(_: Any, attribute: attrs.Attribute[str], value: str) -> None:
    if not value.isprintable():
        raise ValueError(f"{attribute.name} must be one line of printable text")


def _check_text(_: Any, attribute: attrs.Attribute[str], value: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"{attribute.name} must be valid Unicode")
    for name in _BRACED.findall(value):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
            raise ValueError(f"{attribute.name} may hold {known} and no other name in braces")


@attrs.frozen(kw_only=True)
class MailOptions:
    """
    Settings of the `mail` channel.

    Args:
        host: The mail server to hand mails to.
        port: 1 to 65535; 0 takes 587 for starttls, 465 for tls, 25 for none.
        security: "starttls", "tls" from the first byte, or "none" (needs *allow_plain*).
        allow_plain: Allow "none", for tests on one machine: cards cross the wire readably.
        username: Log in with this name; "" does not log in.
        credential: The password that goes with *username*.
        sender: The address mails come from.
        sender_name: The name shown beside it.
        language: "zh" or "en": which texts stand where none are set below.
        subject: Subject, with {order_no}, {item} and {quantity} filled in.
        opening: Text before the cards, filled in likewise.
        closing: Text after the cards, filled in likewise.
        attach_over: More cards than this come as an attachment, 0 to 10,000.
        timeout_s: Seconds to wait for each answer, above 0.
        ca_file: Trust only the certificate authorities in this PEM file.
    """

    host: str = attrs.field(validator=_check_host)
    port: int = attrs.field(
        default=0, validator=[attrs.validators.ge(0), attrs.validators.le(65535)]
    )
    security: Literal["starttls", "tls", "none"] = attrs.field(
        default="starttls", validator=attrs.validators.in_(tuple(PORTS))
    )
    allow_plain: bool = False
    username: str = attrs.field(default="", validator=_check_one_line)
    credential: Secret = attrs.field(default=Secret(""))
    sender: str = attrs.field(validator=_check_address)
    sender_name: str = attrs.field(default="", validator=_check_one_line)
    language: Literal["zh", "en"] = attrs.field(
        default="zh", validator=attrs.validators.in_(("zh", "en"))
    )
    subject: str = attrs.field(default="", validator=[_check_one_line, _check_text])
    opening: str = attrs.field(default="", validator=_check_text)
    closing: str = attrs.field(default="", validator=_check_text)
    attach_over: int = attrs.field(
        default=20, validator=[attrs.validators.ge(0), attrs.validators.le(10_000)]
    )
    timeout_s: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))
    ca_file: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))

    def __attrs_post_init__(self) -> None:
        if self.security == "none" and not self.allow_plain:
            raise ValueError(
                "security 'none' sends cards and password readably; use starttls or tls, "
                "or set allow_plain = true on a test machine"
            )
        if bool(self.username) != bool(self.credential):
            raise ValueError("username and credential go together; set both or neither")


@attrs.frozen
class Texts:
    """The words of one language around the cards."""

    subject: str
    opening: str
    closing: str
    attached: str
    number: str
    code: str
    expires: str
    file_name: str


TEXTS: Final[Mapping[str, Texts]] = MappingProxyType(
    {
        "zh": Texts(
            subject="您的订单 {order_no} 已发货:{item} × {quantity}",
            opening="您好,您购买的 {item}(共 {quantity} 张,订单号 {order_no})如下,请妥善保管:",
            closing="请勿将卡密转发给他人。如有问题,请联系卖家并提供订单号。",
            attached="卡密共 {quantity} 张,见附件。",
            number="卡号",
            code="卡密",
            expires="有效期至",
            file_name="cards-{order_no}.txt",
        ),
        "en": Texts(
            subject="Your order {order_no}: {item} × {quantity}",
            opening="Thank you for your order {order_no}. Here is what you bought: "
            "{item}, {quantity} in all.",
            closing="Please keep this to yourself. For questions, give the seller the order number.",
            attached="The {quantity} cards are in the attached file.",
            number="Number",
            code="Code",
            expires="Valid until",
            file_name="cards-{order_no}.txt",
        ),
    }
)
