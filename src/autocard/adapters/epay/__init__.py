"""易支付 (Rainbow epay): a payment gateway whose notifications say that an order is paid."""

from __future__ import annotations

from autocard.adapters.epay.adapter import EpayPlatform
from autocard.adapters.epay.options import EpayOptions
from autocard.spi import Registry, hookimpl

__all__ = ["EpayOptions", "EpayPlatform", "autocard_register"]


@hookimpl
def autocard_register(registry: Registry) -> None:
    """Offer the epay platform."""
    registry.platform(EpayPlatform)
