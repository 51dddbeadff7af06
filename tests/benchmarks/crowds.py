"""Rows about many processes that sell from one store, and about a flash sale."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
from tests.benchmarks import shop
from tests.benchmarks.budgets import BUDGETS, NONE
from tests.benchmarks.figures import Row, Tail
from tests.benchmarks.floors import Seal, open_floor, stock_floor
from tests.benchmarks.measure import each_time, together
from tests.benchmarks.places import Place, Store
from tests.benchmarks.sizes import Sizes

from autocard import AutocardError, Engine

_MS = 1e3
_EIGHT = 8


@attrs.frozen
class _Sold:
    """What one process did, on the clock that all processes share."""

    began: float
    ended: float
    waits: list[float]
    cards: list[str] = attrs.field(factory=list)
    errors: int = 0


@attrs.frozen
class _Crowd:
    """What all of them did."""

    rate: float
    waits: list[float]
    cards: list[str]
    errors: int

    @classmethod
    def of(cls, sold: Sequence[_Sold]) -> _Crowd:
        seconds = max(each.ended for each in sold) - min(each.began for each in sold)
        waits = [wait for each in sold for wait in each.waits]
        cards = [card for each in sold for card in each.cards]
        return cls(len(waits) / seconds, waits, cards, sum(each.errors for each in sold))


def many_processes(store: Store, sizes: Sizes) -> Iterator[Row]:
    """Give the rows of several processes that sell from one store, against as many floors."""
    seal, below, above = Seal(), store.place(), store.place()
    stock = sizes.together * (sizes.rounds * len(sizes.processes) + 1)
    stock_floor(below, seal, seal.rows(shop.texts(stock))).close()
    shop.stock_shop(above, stock).close()
    for count in sizes.processes:
        pairs = []
        for each in range(sizes.rounds):
            by_floor = _sell(count, sizes.together, _floor_seller, (below, seal), f"{each}")
            by_engine = _sell(count, sizes.together, _engine_seller, (above,), f"{each}")
            pairs.append((by_floor, by_engine))
        budget = BUDGETS[store.name].eight if count == _EIGHT else None
        yield attrs.evolve(_row_together(count, pairs), budget=budget)
    yield _longest(count, pairs)
    store.drop(below)
    store.drop(above)


def _row_together(count: int, pairs: list[tuple[_Crowd, _Crowd]]) -> Row:
    return Row(
        name=f"Engine.dispatch, {_counted(count)}",
        value=statistics.median(engine.rate for _, engine in pairs),
        unit="orders/s",
        floor=statistics.median(floor.rate for floor, _ in pairs),
        ratio=statistics.median(engine.rate / floor.rate for floor, engine in pairs),
        tail=Tail.of([wait for _, engine in pairs for wait in engine.waits]),
        processes=count,
        note="all together, against as many floors",
    )


def _longest(count: int, pairs: list[tuple[_Crowd, _Crowd]]) -> Row:
    return Row(
        name=f"longest wait of one order, {_counted(count)}",
        value=max(max(engine.waits) for _, engine in pairs) * _MS,
        unit="ms",
        floor=max(max(floor.waits) for floor, _ in pairs) * _MS,
        note="the floor waits in the database's own way",
    )


def _counted(count: int) -> str:
    return f"{count} process{'es' if count > 1 else ''}"


def _sell(
    count: int,
    orders: int,
    seller: Callable[..., Callable[[], _Sold]],
    where: tuple[Any, ...],
    name: str,
) -> _Crowd:
    share = orders // count
    every = [(*where, f"{name}-{count}-{number}", share) for number in range(count)]
    return _Crowd.of(together(seller, every))


def _floor_seller(place: Place, seal: Seal, name: str, count: int) -> Callable[[], _Sold]:
    floor = open_floor(place, seal)
    numbers = [f"{name}-{number}" for number in range(count)]
    return lambda: _sold(floor.dispatch, numbers)


def _engine_seller(place: Place, name: str, count: int) -> Callable[[], _Sold]:
    engine = shop.open_shop(place)
    orders = shop.orders(name, count)
    return lambda: _sold(engine.dispatch, orders)


def _sold(dispatch: Callable[[Any], object], items: Sequence[Any]) -> _Sold:
    began = time.monotonic()
    waits = each_time(dispatch, items)
    return _Sold(began, time.monotonic(), waits)


# --- a flash sale ---------------------------------------------------------------------------


def flash_sale(store: Store, sizes: Sizes) -> Iterator[Row]:
    """Give what becomes of more orders for one sku than it has cards, from many processes."""
    count, orders, stock = sizes.flash_processes, sizes.flash_orders, sizes.flash_stock
    seal, below, above = Seal(), store.place(), store.place()
    stock_floor(below, seal, seal.rows(shop.texts(orders))).close()
    shop.stock_shop(above, stock).close()
    by_floor = _sell(count, orders, _floor_seller, (below, seal), "flash")
    by_engine = _sell(count, orders, _flash_seller, (above,), "flash")
    with shop.open_shop(above) as engine:
        left = sum(level.available for level in engine.cards.stock(shop.SKU))
    name = f"flash sale, {orders:,} orders for {stock:,} cards from {count} processes"
    yield Row(
        name=name,
        value=by_engine.rate,
        unit="orders/s",
        floor=by_floor.rate,
        ratio=by_engine.rate / by_floor.rate,
        tail=Tail.of(by_engine.waits),
        note="the floor has a card for every order",
    )
    yield from _checks(by_engine, stock, left)
    store.drop(below)
    store.drop(above)


def _checks(crowd: _Crowd, stock: int, left: int) -> Iterator[Row]:
    """Give what has to be zero."""
    served = Counter(crowd.cards)
    wrong = {
        "cards served twice": (served.total() - len(served), f"{served.total():,} served"),
        "cards not served": (abs(stock - len(served)), f"{left:,} left in stock"),
        "orders with an error": (crowd.errors, ""),
    }
    for told, (value, note) in wrong.items():
        yield Row(name=f"flash sale: {told}", value=value, unit="", budget=NONE, note=note)


def _flash_seller(place: Place, name: str, count: int) -> Callable[[], _Sold]:
    engine = shop.open_shop(place)
    orders = shop.orders(name, count)

    def work() -> _Sold:
        cards: list[str] = []
        errors = 0
        waits = []
        began = time.monotonic()
        for order in orders:
            started = time.perf_counter()
            try:
                cards += _cards_of(engine, order)
            except AutocardError:
                errors += 1
            waits.append(time.perf_counter() - started)
        return _Sold(began, time.monotonic(), waits, cards, errors)

    return work


def _cards_of(engine: Engine, order: Any) -> list[str]:
    return [card.secret.reveal() for card in engine.dispatch(order).cards]
