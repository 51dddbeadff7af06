"""A host as the type checker sees it: `mypy tests/typing` reads this file, nothing runs it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import assert_type

from autocard import (
    Buyer,
    Card,
    Engine,
    Inbound,
    LineReceipt,
    Money,
    Order,
    OrderLine,
    Outcome,
    Payment,
    Receipt,
    Reply,
    Secret,
    StockLevel,
)
from autocard.spi import Pool
from autocard.testing import MemoryPool


def sell(engine: Engine) -> None:
    """The main job, with every type as promised."""
    order = Order(
        platform="shop",
        order_no="A1",
        lines=(OrderLine(item="steam-50", quantity=2, unit_price=Money("50.00", "CNY")),),
        payment=Payment(paid=Money(Decimal(100), "CNY"), paid_at=datetime.now(UTC)),
        buyer=Buyer(id="u1", level="vip"),
    )
    receipt = engine.dispatch(order)
    assert_type(receipt, Receipt)
    assert_type(receipt.outcome, Outcome)
    assert_type(receipt.lines, tuple[LineReceipt, ...])
    assert_type(receipt.cards, tuple[Card, ...])
    for card in receipt.cards:
        assert_type(card.number, str)
        assert_type(card.secret, Secret)
        assert_type(card.expires_at, datetime | None)
        assert_type(card.extra, Mapping[str, Secret])
        assert_type(card.text().reveal(), str)
    assert_type(engine.dispatch_many([order]), list[Receipt])
    assert_type(engine.expect(order), Receipt)
    assert_type(engine.reserve(order, ttl_s=900), Receipt)
    assert_type(engine.cancel("shop", "A1", reason="changed her mind"), Receipt)
    assert_type(engine.receipt("shop", "A1"), Receipt | None)


def listen(engine: Engine, body: bytes) -> Reply:
    """A notification comes in and a reply goes out, in no framework's shape."""
    return engine.receive("pay", Inbound(method="POST", path="/notify", body=body))


def open_in_every_way(path: Path) -> None:
    """A path, text or a mapping opens an engine, which is its own context manager."""
    with Engine.open(path) as engine:
        assert_type(engine, Engine)
        assert_type(engine.cards.stock("steam-50"), list[StockLevel])
    Engine.open("autocard.toml", create=True).close()
    Engine.open({"skus": {"steam-50": {}}}, plugins=[object()]).close()


def test_without_a_file(table: dict[str, object]) -> None:
    """The store in memory keeps the interface of a store."""
    pool: Pool = MemoryPool()
    Engine.open(table, create=True, pool=pool).close()


def mistakes(engine: Engine, order: Order) -> None:
    """What the type checker refuses; an ignore that is not needed is an error itself."""
    engine.reserve(order, 900)  # type: ignore[call-arg]  # the time limit is named
    engine.dispatch("A1")  # type: ignore[arg-type]  # an order, not its number
    order.order_no = "A2"  # type: ignore[misc]  # values are frozen
    Money(0.1, "CNY")  # type: ignore[arg-type]  # a float is never an amount
    print("card: " + Secret("AAAAA"))  # type: ignore[operator]  # only reveal() gives text
