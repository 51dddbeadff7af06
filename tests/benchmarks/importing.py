"""Rows about importing cards: speed against the database's own way, memory, size on disk."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs
from tests.benchmarks import shop
from tests.benchmarks.budgets import BUDGETS
from tests.benchmarks.figures import Row
from tests.benchmarks.floors import Seal, open_floor
from tests.benchmarks.measure import peak_bytes, together
from tests.benchmarks.places import Place, Store
from tests.benchmarks.sizes import Sizes

_MB: Final = 1e6
_WRITERS: Final = {"CSV": shop.write_csv, "text": shop.write_text}


@attrs.frozen
class _Import:
    """One import in a process of its own."""

    seconds: float
    peak: int


def imports(store: Store, large: Place, folder: Path, sizes: Sizes) -> Iterator[Row]:
    """Give the rows of all imports. The cards of the largest one stay in *large*."""
    for kind, every in (("text", sizes.texts), ("CSV", sizes.imports)):
        for count, repeats in every:
            if store.name == "sqlite" or (kind == "CSV" and count <= sizes.most_on_servers):
                is_last = kind == "CSV" and count == sizes.stock(store.name)
                yield from _imports_of(store, kind, count, repeats, folder, large, is_last=is_last)
    yield Row(
        name="database size of one card",
        value=store.size(large) / sizes.stock(store.name),
        unit="bytes",
        note=f"{sizes.stock(store.name):,} cards of 16 and 20 characters, with all indexes",
    )


def _imports_of(
    store: Store, kind: str, count: int, repeats: int, folder: Path, large: Place, *, is_last: bool
) -> Iterator[Row]:
    source = folder / "cards"
    _WRITERS[kind](source, count)
    pairs = []
    for repeat in range(repeats):
        floor = _by_floor(store, count)
        stays = is_last and repeat == repeats - 1
        pairs.append((floor, _by_engine(store, source, large if stays else None)))
    source.unlink()
    yield Row(
        name=f"cards.add, {count:,} cards from {kind}",
        value=count / statistics.median(each.seconds for _, each in pairs),
        unit="cards/s",
        floor=count / statistics.median(floor for floor, _ in pairs),
        ratio=statistics.median(floor / each.seconds for floor, each in pairs),
        budget=BUDGETS[store.name].imports,
        note="read, checked, fingerprinted and sealed; the floor inserts ready rows",
    )
    yield Row(
        name=f"peak memory of importing {count:,} cards from {kind}",
        value=max(each.peak for _, each in pairs) / _MB,
        unit="MB",
        budget=BUDGETS[store.name].memory_mb,
        note="the whole process",
    )


def _by_floor(store: Store, count: int) -> float:
    place = store.place()
    seconds: float = together(_floor_import, [(place, count)])[0]
    store.drop(place)
    return seconds


def _floor_import(place: Place, count: int) -> Callable[[], float]:
    seal = Seal()
    floor = open_floor(place, seal, create=True)
    rows = seal.rows(shop.texts(count))

    def work() -> float:
        started = time.perf_counter()
        floor.add(rows)
        seconds = time.perf_counter() - started
        floor.close()
        return seconds

    return work


def _by_engine(store: Store, source: Path, stays: Place | None) -> _Import:
    place = stays or store.place()
    shop.open_shop(place, create=True).close()
    done: _Import = together(_engine_import, [(place, source)])[0]
    if not stays:
        store.drop(place)
    return done


def _engine_import(place: Place, source: Path) -> Callable[[], _Import]:
    engine = shop.open_shop(place)

    def work() -> _Import:
        started = time.perf_counter()
        engine.cards.add(shop.SKU, source)
        seconds = time.perf_counter() - started
        engine.close()
        return _Import(seconds, peak_bytes())

    return work
