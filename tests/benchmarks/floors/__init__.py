"""The floors: what the same guarantees cost with nothing but the driver of the database."""

from __future__ import annotations

from importlib import import_module

from tests.benchmarks.floors.interface import CardRow, Floor, Seal
from tests.benchmarks.places import Place

__all__ = ["CardRow", "Floor", "Seal", "open_floor", "stock_floor"]


def open_floor(place: Place, seal: Seal, *, create: bool = False) -> Floor:
    """Return the floor on *place*; its driver is loaded only here."""
    module = import_module(f"{__name__}.{place.store}")
    floor: Floor = module.open_floor(place, seal, create=create)
    return floor


def stock_floor(place: Place, seal: Seal, rows: list[CardRow]) -> Floor:
    """Return a new floor with ready *rows* in stock."""
    floor = open_floor(place, seal, create=True)
    floor.add(rows)
    return floor
