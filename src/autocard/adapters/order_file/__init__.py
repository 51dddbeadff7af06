"""The `order_file` platform: orders come as spreadsheet files, deliveries go into CSV files."""

from __future__ import annotations

from autocard.adapters.order_file.adapter import OrderFilePlatform
from autocard.adapters.order_file.options import OrderFileOptions
from autocard.spi import Registry, hookimpl

__all__ = ["OrderFileOptions", "OrderFilePlatform", "autocard_register"]


@hookimpl
def autocard_register(registry: Registry) -> None:
    """Offer the `order_file` platform."""
    registry.platform(OrderFilePlatform)
