"""The settings of one merchant account at one epay gateway."""

from __future__ import annotations

import re
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import attrs

from autocard.adapters.epay.signature import form_pairs
from autocard.spi import Money, Secret, VerificationError, rsa_sign, rsa_verify

_PID: Final = re.compile(r"[0-9]{1,20}")
_MD5_SECRET: Final = re.compile(r"[!-~]{1,256}")
PROTOCOL_NAMES: Final = frozenset(
    ("pid", "trade_no", "out_trade_no", "api_trade_no", "type", "name", "money", "trade_status")
) | {"param", "buyer", "timestamp", "sign", "sign_type", "addtime", "endtime"}
"""What a gateway may put into a notification; a merchant's own parameters need other names."""


def _folder(url: str) -> str:
    return str(url).rstrip("/") + "/"


def _check_base(_: Any, __: Any, url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(mark in url for mark in "?#@ \t\r\n"):
        raise ValueError(
            "base_url: give the address of the gateway without query, user name or fragment, "
            "such as https://pay.example.com/"
        )


def _check_pid(_: Any, __: Any, pid: str) -> None:
    if not _PID.fullmatch(pid):
        raise ValueError("pid: give the merchant number in digits, such as 1001")


def _check_version(_: Any, __: Any, version: str) -> None:
    if version not in {"v1", "v2"}:
        raise ValueError("version: give v1 (MD5) or v2 (RSA)")


def _check_credential(_: Any, __: Any, credential: Secret) -> None:
    # A line end that came along from a file would make every signature wrong, with no hint why.
    if credential and not _MD5_SECRET.fullmatch(credential.reveal()):
        raise ValueError("credential: the MD5 key is visible ASCII without blanks; copy it again")


def _check_private(_: Any, __: Any, private_key: Secret) -> None:
    if private_key:
        rsa_sign(private_key, b"")  # says what is wrong with a key that cannot be read


def _check_public(_: Any, __: Any, public_key: str) -> None:
    if not public_key:
        return
    try:
        rsa_verify(public_key, b"", "")
    except VerificationError:
        return  # the key was read; only the empty signature is wrong


def _check_currency(_: Any, __: Any, currency: str) -> None:
    Money(0, currency)


def _check_notify_query(_: Any, __: Any, query: str) -> None:
    taken = sorted({name for name, _ in form_pairs(query)} & PROTOCOL_NAMES)
    if taken:
        raise ValueError(f"notify_query: {taken[0]} belongs to the gateway; rename yours")


def _check_seconds(_: Any, field: Any, seconds: int) -> None:
    if seconds < 1:
        raise ValueError(f"{field.name}: give whole seconds, at least 1")


@attrs.frozen(kw_only=True)
class EpayOptions:
    """
    The settings of one merchant account at one epay gateway.

    Args:
        base_url: Address of the gateway, with its sub-folder if it has one.
        pid: Merchant number, in digits.
        version: `v1` speaks MD5, `v2` speaks RSA. It decides how orders are paid, asked and
            refunded; a notification is checked by the rule that its own order was created with.
        credential: The merchant's MD5 key. Needed for `v1`; with `v2` only to accept
            notifications of orders that were created the `v1` way.
        private_key: The merchant's RSA private key, PKCS #8 in base64. Needed for `v2`.
        platform_public_key: The gateway's RSA public key in base64. Needed for `v2`.
        currency: What the gateway's bare amounts mean.
        notify_query: The query string of your own notify address, as you wrote it, or "".
            The gateway does not sign it, so these parameters are set aside.
        window_s: How far the time of an RSA-signed notification may lie from now, in seconds.
        payable_s: How long after its creation an order may still be paid, in seconds; `fetch`
            looks back that much further.
        rewriting: False when the gateway's web server does not know `/api/…` addresses.

    Raises:
        ValueError: A setting is malformed or missing; the message begins with its name.
        ConfigurationError: A key cannot be read.

    Source: epay specification, sections 2 and 3.
    """

    base_url: str = attrs.field(converter=_folder, validator=_check_base)
    pid: str = attrs.field(converter=str, validator=_check_pid)
    version: Literal["v1", "v2"] = attrs.field(default="v1", validator=_check_version)
    credential: Secret = attrs.field(default=Secret(""), validator=_check_credential)
    private_key: Secret = attrs.field(default=Secret(""), validator=_check_private)
    platform_public_key: str = attrs.field(default="", validator=_check_public, repr=False)
    currency: str = attrs.field(default="CNY", validator=_check_currency)
    notify_query: str = attrs.field(default="", validator=_check_notify_query)
    window_s: int = attrs.field(default=300, validator=_check_seconds)
    payable_s: int = attrs.field(default=86_400, validator=_check_seconds)
    rewriting: bool = True

    def __attrs_post_init__(self) -> None:
        if self.version == "v1" and not self.credential:
            raise ValueError("credential: version v1 needs the merchant's MD5 key")
        if self.version == "v2" and not self.private_key:
            raise ValueError("private_key: version v2 needs the merchant's RSA private key")
        if self.version == "v2" and not self.platform_public_key:
            raise ValueError("platform_public_key: version v2 needs the gateway's RSA public key")

    def page(self, path: str) -> str:
        """Return the address of a page that lies directly in the gateway's folder."""
        return self.base_url + path

    def method(self, path: str) -> str:
        """Return the address of a V2 method such as `pay/query`."""
        return self.page(f"api/{path}" if self.rewriting else f"api.php?s={path}")
