"""The settings: what a merchant writes into the table of a platform or channel."""

from __future__ import annotations

from typing import Any, Final

import attrs

from autocard.spi import RejectedError, Secret, checked_url

_SHORTEST: Final = 16


def _check_url(_: Any, __: Any, url: str) -> None:
    try:
        # Whether http will do is the host's decision: `allow_http` of the table, kept by the client.
        parts = checked_url(url, allow_http=True)
    except RejectedError as error:
        raise ValueError(f"base_url: {error}") from None
    if parts.query or parts.fragment:
        raise ValueError("base_url: give the address without a query or fragment")


def _check_credential(_: Any, __: Any, credential: Secret) -> None:
    if len(credential.reveal()) < _SHORTEST:
        raise ValueError(f"credential: has fewer than {_SHORTEST} characters; copy it again")


def _check_window(_: Any, __: Any, window_s: int) -> None:
    if not 1 <= window_s <= 3600:
        raise ValueError("window_s: must be 1 to 3600")


@attrs.frozen(kw_only=True)
class ChannelOptions:
    """
    What the platform and the channel have in common.

    Args:
        base_url: Address of the API, such as `https://api.paperplane.example`.
        credential: The API secret, 16 characters or more. Signs, and authenticates us.

    Raises:
        ValueError: A setting cannot be used; the message begins with its name.
    """

    base_url: str = attrs.field(validator=_check_url)
    credential: Secret = attrs.field(validator=_check_credential)


@attrs.frozen(kw_only=True)
class PlatformOptions(ChannelOptions):
    """
    The settings of one shop at Paperplane.

    Args:
        window_s: How far the time of a message may lie from now, in seconds, 1 to 3600.
    """

    window_s: int = attrs.field(default=300, validator=_check_window)
