"""The `webhook_json` platform: any host that can sign JSON sends orders and takes deliveries."""

from __future__ import annotations

from autocard.adapters.webhook_json.adapter import WebhookJsonOptions, WebhookJsonPlatform
from autocard.spi import Registry, hookimpl

__all__ = ["WebhookJsonOptions", "WebhookJsonPlatform", "autocard_register"]


@hookimpl
def autocard_register(registry: Registry) -> None:
    """Offer the `webhook_json` platform."""
    registry.platform(WebhookJsonPlatform)
