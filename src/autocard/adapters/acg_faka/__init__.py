"""异次元发卡 (acg-faka): another shop, whose member we are, as a supplier of cards."""

from __future__ import annotations

from autocard.adapters.acg_faka.adapter import AcgFakaSupplier
from autocard.adapters.acg_faka.options import AcgFakaOptions
from autocard.spi import Registry, hookimpl

__all__ = ["AcgFakaOptions", "AcgFakaSupplier", "autocard_register"]


@hookimpl
def autocard_register(registry: Registry) -> None:
    """Offer the acg_faka supplier."""
    registry.supplier(AcgFakaSupplier)
