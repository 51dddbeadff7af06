"""The `mail` channel: cards as a mail to the buyer, over SMTP."""

from __future__ import annotations

from autocard.adapters.mail.adapter import MailChannel
from autocard.adapters.mail.options import MailOptions
from autocard.spi import Registry, hookimpl

__all__ = ["MailChannel", "MailOptions", "autocard_register"]


@hookimpl
def autocard_register(registry: Registry) -> None:
    """Offer the `mail` channel."""
    registry.channel(MailChannel)
