"""The shop that is measured: its engine, its orders, its cards, and the files they come from."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs
from tests.benchmarks.places import Place

from autocard import Buyer, Engine, Money, Order, OrderLine, Payment
from autocard.spi import Capability, Delivery, Platform, Registry, hookimpl

SKU: Final = "steam-50"
DIRECT: Final = "shop"
PUSHED: Final = "silent"
_PAID_AT: Final = datetime(2026, 1, 2, tzinfo=UTC)
_BUYERS: Final = 997


@attrs.frozen
class _NoOptions:
    """There is nothing to set."""


class SilentPlatform(Platform):
    """A platform that takes every card at once and says nothing: what pushing costs by itself."""

    name = "silent"
    capabilities = frozenset({Capability.DELIVER})
    Options = _NoOptions

    def deliver(self, delivery: Delivery) -> str:
        return ""


class SilentAdapter:
    """The plugin that offers it."""

    @hookimpl
    def autocard_register(self, registry: Registry) -> None:
        registry.platform(SilentPlatform)


def open_shop(place: Place, *, create: bool = False) -> Engine:
    """Return the engine of the shop on *place*."""
    table: dict[str, Any] = {
        "store": place.url,
        "keyring": f"file:{place.keyring}",
        "skus": {SKU: {}},
        "platforms": {PUSHED: {"adapter": SilentPlatform.name}},
    }
    return Engine.open(table, create=create, plugins=[SilentAdapter()])


def stock_shop(place: Place, count: int) -> Engine:
    """Return the engine of a new shop with *count* cards."""
    engine = open_shop(place, create=True)
    engine.cards.add(SKU, texts(count))
    return engine


def order(number: str, platform: str = DIRECT) -> Order:
    """Return a paid order of one card, as a host makes it, its buyer known."""
    price = Money("50.00", "CNY")
    buyer = f"u{zlib.crc32(number.encode()) % _BUYERS}"
    return Order(
        platform=platform,
        order_no=number,
        lines=(OrderLine(item=SKU, quantity=1, unit_price=price),),
        payment=Payment(paid=price, paid_at=_PAID_AT, reference=f"pay-{number}"),
        buyer=Buyer(id=buyer, level="vip", contact=f"{buyer}@example.com"),
    )


def orders(prefix: str, count: int, platform: str = DIRECT) -> list[Order]:
    """Return *count* orders with different numbers."""
    return [order(f"{prefix}-{number}", platform) for number in range(count)]


# --- cards ----------------------------------------------------------------------------------


def texts(count: int, start: int = 0) -> Iterator[str]:
    """Give card codes in no order, as suppliers send them."""
    for number in range(start, start + count):
        yield hashlib.md5(b"%d" % number).hexdigest()[:20].upper()


def write_text(path: Path, count: int, start: int = 0) -> None:
    """Write a file of one code a line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{text}\n" for text in texts(count, start))


def write_csv(path: Path, count: int, start: int = 0) -> None:
    """Write a CSV file with numbers and secrets."""
    with path.open("w", encoding="utf-8") as file:
        file.write("number,secret\n")
        file.writelines(
            f"{number:016d},{text}\n"
            for number, text in enumerate(texts(count, start), 6_000_000_000 + start)
        )
