"""The `webhook` channel: tells the store's back end that a delivery is complete."""

from __future__ import annotations

from autocard.adapters.webhook.adapter import WebhookChannel, WebhookOptions
from autocard.spi import Registry, hookimpl

__all__ = ["WebhookChannel", "WebhookOptions", "autocard_register"]


@hookimpl
def autocard_register(registry: Registry) -> None:
    """Offer the `webhook` channel."""
    registry.channel(WebhookChannel)
