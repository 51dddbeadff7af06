"""Rows about the orders of one process: direct, in batches, pushed, and the same order again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import attrs
from tests.benchmarks import shop
from tests.benchmarks.budgets import BUDGETS
from tests.benchmarks.figures import Row, Tail
from tests.benchmarks.floors import Floor, Seal, stock_floor
from tests.benchmarks.measure import Pair, alternate, each_time, mean_time
from tests.benchmarks.places import Store
from tests.benchmarks.sizes import Sizes

from autocard import Engine

_US = 1e6
_BATCH = 100


def one_process(store: Store, sizes: Sizes) -> Iterator[Row]:
    """Give the rows of one process."""
    budgets = BUDGETS[store.name]
    with _side_by_side(store, sizes) as (floor, engine):
        direct, many = _plain_orders(floor, engine, sizes)
        yield attrs.evolve(direct, budget=budgets.direct)
        yield attrs.evolve(many, budget=budgets.many)
        pushed = _engine_slice(engine, sizes, "pushed", [], platform=shop.PUSHED)
        yield _row(
            "Engine.dispatch, pushed to a platform that answers at once",
            alternate(_floor_slice(floor, sizes, "pushed"), pushed, sizes.blocks),
            note="two commits; the floor has one",
        )
        again = _repeated_slice(engine, sizes)
        yield _row(
            "the same order again",
            alternate(_floor_slice(floor, sizes, "again"), again, sizes.blocks),
            note="reads and opens what was sold; the floor sells",
        )


def in_memory(store: Store, sizes: Sizes) -> Iterator[Row]:
    """Give the rows of one process again, for a *store* that is on no disk; no budgets."""
    with _side_by_side(store, sizes) as (floor, engine):
        for row in _plain_orders(floor, engine, sizes):
            yield attrs.evolve(row, name=f"in memory: {row.name}")


def _plain_orders(floor: Floor, engine: Engine, sizes: Sizes) -> tuple[Row, Row]:
    waits: list[float] = []
    single = _engine_slice(engine, sizes, "direct", waits)
    direct = alternate(_floor_slice(floor, sizes, "direct"), single, sizes.blocks)
    batches = _batch_slice(engine, sizes)
    many = alternate(_floor_slice(floor, sizes, "many"), batches, sizes.blocks)
    note = "an order; the floor serves single orders"
    return (
        _row("Engine.dispatch, direct", direct, tail=Tail.of(waits)),
        _row(f"dispatch_many, batches of {_BATCH}", many, note=note),
    )


def _row(name: str, pair: Pair, *, tail: Tail | None = None, note: str = "") -> Row:
    return Row(
        name=name,
        value=pair.engine * _US,
        unit="µs",
        floor=pair.floor * _US,
        ratio=pair.ratio,
        tail=tail,
        note=note,
    )


@contextmanager
def _side_by_side(store: Store, sizes: Sizes) -> Iterator[tuple[Floor, Engine]]:
    """Give a floor and a shop with cards for four and three rounds of slices."""
    stock = (sizes.blocks + 1) * sizes.orders
    below, above = store.place(), store.place()
    seal = Seal()
    floor = stock_floor(below, seal, seal.rows(shop.texts(stock * 4)))
    engine = shop.stock_shop(above, stock * 3)
    with closing(floor), engine:
        yield floor, engine
    store.drop(below)
    store.drop(above)


def _floor_slice(floor: Floor, sizes: Sizes, name: str) -> Callable[[int], float]:
    def slice_(block: int) -> float:
        numbers = [f"{name}-{block}-{number}" for number in range(sizes.orders)]
        return mean_time(floor.dispatch, numbers)

    return slice_


def _engine_slice(
    engine: Engine, sizes: Sizes, name: str, waits: list[float], platform: str = shop.DIRECT
) -> Callable[[int], float]:
    """Return a slice of the engine, which adds every order's time to *waits*."""

    def slice_(block: int) -> float:
        orders = shop.orders(f"{name}-{block}", sizes.orders, platform)
        taken = each_time(engine.dispatch, orders)
        if block >= 0:
            waits.extend(taken)
        return sum(taken) / len(taken)

    return slice_


def _batch_slice(engine: Engine, sizes: Sizes) -> Callable[[int], float]:
    def slice_(block: int) -> float:
        orders = shop.orders(f"many-{block}", sizes.orders)
        batches = [orders[at : at + _BATCH] for at in range(0, len(orders), _BATCH)]
        return mean_time(engine.dispatch_many, batches, len(orders))

    return slice_


def _repeated_slice(engine: Engine, sizes: Sizes) -> Callable[[int], float]:
    orders = shop.orders("direct-0", sizes.orders)
    return lambda _: mean_time(engine.dispatch, orders)
