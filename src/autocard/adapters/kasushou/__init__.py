"""卡速售 (Kasushou) API 2.0 and its clones: a wholesaler of cards and top-ups."""

from __future__ import annotations

from autocard.adapters.kasushou.adapter import KasushouSupplier
from autocard.adapters.kasushou.options import KasushouOptions
from autocard.spi import Registry, hookimpl

__all__ = ["KasushouOptions", "KasushouSupplier", "autocard_register"]


@hookimpl
def autocard_register(registry: Registry) -> None:
    """Offer the kasushou supplier."""
    registry.supplier(KasushouSupplier)
