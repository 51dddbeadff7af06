"""Kinguin: a marketplace of game and software keys, bought from a prepaid balance in euros."""

from __future__ import annotations

from autocard.adapters.kinguin.adapter import KinguinSupplier
from autocard.adapters.kinguin.options import KinguinOptions
from autocard.spi import Registry, hookimpl

__all__ = ["KinguinOptions", "KinguinSupplier", "autocard_register"]


@hookimpl
def autocard_register(registry: Registry) -> None:
    """Offer the Kinguin supplier."""
    registry.supplier(KinguinSupplier)
