"""福禄 (Fulu open platform): a wholesaler of card keys and top-ups, paid from a balance."""

from __future__ import annotations

from autocard.adapters.fulu.adapter import FuluSupplier
from autocard.adapters.fulu.options import FuluOptions
from autocard.spi import Registry, hookimpl

__all__ = ["FuluOptions", "FuluSupplier", "autocard_register"]


@hookimpl
def autocard_register(registry: Registry) -> None:
    """Offer the fulu supplier."""
    registry.supplier(FuluSupplier)
