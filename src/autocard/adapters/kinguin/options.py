"""The settings of one store at Kinguin."""

from __future__ import annotations

import re
from typing import Any, Final

import attrs

from autocard.spi import RejectedError, Secret, checked_url

PRODUCTION: Final = "https://gateway.kinguin.net/esa/api"
_CREDENTIAL: Final = re.compile(r"[!-~]{1,512}")


def _without_slash(url: str) -> str:
    return str(url).rstrip("/")


def _check_credential(_: Any, __: Any, credential: Secret) -> None:
    # A line end that came along from a file would make every call fail, with no hint why.
    if not _CREDENTIAL.fullmatch(credential.reveal()):
        raise ValueError("credential: the API key is visible ASCII without blanks; copy it again")


def _check_webhook_secret(_: Any, __: Any, secret: Secret) -> None:
    if not _fits_a_header(secret):
        raise ValueError("webhook_secret: one line of text without blanks around it; copy it again")


def _fits_a_header(secret: Secret) -> bool:
    text = secret.reveal()
    surrogates = any("\ud800" <= character <= "\udfff" for character in text)
    return text == text.strip() and text.isprintable() and not surrogates


@attrs.frozen(kw_only=True)
class KinguinOptions:
    """
    The settings of one store at Kinguin.

    Args:
        credential: The store's API key, sent as `X-Api-Key`.
        base_url: Where its API is; the sandbox has another address and other keys.
        webhook_secret: The secret typed into the store's webhook form. Without it every message
            is refused.
        text_only: Buy cards as text only; without it a photograph of a card may come.
        allow_http: Allow an address without TLS, for tests.

    Raises:
        ValueError: A setting cannot be used; the message begins with its name.

    Source: Kinguin eCommerce API, "Quick start" and "Webhooks".
    """

    credential: Secret = attrs.field(validator=_check_credential)
    base_url: str = attrs.field(default=PRODUCTION, converter=_without_slash)
    webhook_secret: Secret = attrs.field(default=Secret(""), validator=_check_webhook_secret)
    text_only: bool = True
    allow_http: bool = False

    def __attrs_post_init__(self) -> None:
        problem = _address_problem(self)
        if problem:
            raise ValueError(f"base_url: {problem}")

    def url(self, path: str) -> str:
        """Return the address of *path*, such as `v1/balance`."""
        return f"{self.base_url}/{path}"


def _address_problem(options: KinguinOptions) -> str:
    try:
        parts = checked_url(options.base_url, allow_http=options.allow_http)
    except RejectedError as error:
        return str(error)
    if parts.query or parts.fragment:
        return f"give it without query and fragment, such as {PRODUCTION}"
    return ""
