"""Rows about orders from a large stock, and while an import runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

from tests.benchmarks import shop
from tests.benchmarks.budgets import BUDGETS
from tests.benchmarks.figures import Row, Tail
from tests.benchmarks.measure import alternate, each_time, percentile, running
from tests.benchmarks.places import Place, Store
from tests.benchmarks.sizes import Sizes

from autocard import Engine

_US = 1e6
_GROUP = 500
_LOOKS = 200


def large_stock(store: Store, large: Place, sizes: Sizes) -> Iterator[Row]:
    """Give how long an order takes from the stock in *large*, against a small one."""
    count = (sizes.blocks + 1) * sizes.orders * 2
    small = store.place()
    small_shop = shop.stock_shop(small, sizes.small + count)
    large_shop = shop.open_shop(large)
    store.settle(large)
    stock = f"{sizes.stock(store.name):,} cards"
    yield from _compare(store, small_shop, large_shop, sizes, "new", f"{stock} in stock")
    orders = shop.orders("sold", sizes.sold)
    for at in range(0, len(orders), _GROUP):
        large_shop.dispatch_many(orders[at : at + _GROUP])
    left = f"{stock}, {sizes.sold:,} sold"
    yield from _compare(store, small_shop, large_shop, sizes, "later", left)
    yield _levels(store, large_shop, left)
    small_shop.close()
    large_shop.close()
    store.drop(small)


def _compare(
    store: Store, small: Engine, large: Engine, sizes: Sizes, name: str, state: str
) -> Iterator[Row]:
    taken: dict[str, list[float]] = {"small": [], "large": []}

    def slice_of(engine: Engine, size: str) -> Callable[[int], float]:
        def slice_(block: int) -> float:
            waits = each_time(engine.dispatch, shop.orders(f"{name}-{block}", sizes.orders))
            taken[size] += waits if block >= 0 else []
            return percentile(waits, 50)

        return slice_

    pair = alternate(slice_of(small, "small"), slice_of(large, "large"), sizes.blocks)
    for percent in (50, 95, 99):
        value, floor = percentile(taken["large"], percent), percentile(taken["small"], percent)
        is_median = percent == 50
        yield Row(
            name=f"dispatch p{percent}, {state}",
            value=value * _US,
            unit="µs",
            floor=floor * _US,
            ratio=1 / pair.ratio if is_median else value / floor,
            against=f"{sizes.small:,} cards in stock",
            budget=BUDGETS[store.name].grown if is_median else None,
        )


def _levels(store: Store, large: Engine, state: str) -> Row:
    tail = Tail.of(each_time(large.cards.stock, [None] * _LOOKS))
    return Row(
        name=f"cards.stock(), {state}",
        value=tail.p99,
        unit="ms",
        budget=BUDGETS[store.name].stock_ms,
        tail=tail,
        note="exact levels of every sku and warehouse",
    )


# --- while an import runs -------------------------------------------------------------------


def during_import(store: Store, folder: Path, sizes: Sizes) -> Iterator[Row]:
    """Give how long orders take while another process, and then a thread, imports."""
    place = store.place()
    engine = shop.stock_shop(place, sizes.small)
    path = folder / "during.txt"
    shop.write_text(path, sizes.during, start=10**9)
    with running(_importer, [(place, path)]) as answers:
        waits = list(_served(engine, "process", lambda: not answers[0].poll()))
        answers[0].recv()
    yield _waits(store, waits, f"while a process imports {sizes.during:,} cards")
    count = sizes.during // 5
    shop.write_text(path, count, start=2 * 10**9)
    thread = Thread(target=engine.cards.add, args=(shop.SKU, path))
    thread.start()
    waits = list(_served(engine, "thread", thread.is_alive))
    thread.join()
    yield _waits(store, waits, f"while a thread imports {count:,} cards")
    engine.close()
    path.unlink()
    store.drop(place)


def _importer(place: Place, path: Path) -> Callable[[], int]:
    engine = shop.open_shop(place)

    def work() -> int:
        added = engine.cards.add(shop.SKU, path).added
        engine.close()
        return added

    return work


def _served(engine: Engine, name: str, goes_on: Callable[[], bool]) -> Iterator[float]:
    """Serve orders with a short rest between; give what each took."""
    number = 0
    while goes_on() or number == 0:
        order = shop.order(f"{name}-{number}")
        started = time.perf_counter()
        engine.dispatch(order)
        yield time.perf_counter() - started
        number += 1
        time.sleep(0.002)


def _waits(store: Store, waits: list[float], state: str) -> Row:
    tail = Tail.of(waits)
    return Row(
        name=f"dispatch p99 {state}",
        value=tail.p99,
        unit="ms",
        budget=BUDGETS[store.name].p99_ms,
        tail=tail,
        note=f"{len(waits):,} orders",
    )
