"""`python -m tests.benchmarks`: measure, print the table, write the page."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, NoReturn

from tests.benchmarks import crowds, dispatching, importing, report, starting, stocked
from tests.benchmarks.figures import Facts, Row, Section
from tests.benchmarks.measure import fsync_time
from tests.benchmarks.places import MARIADB, POSTGRESQL, SqliteStore, Store, reachable
from tests.benchmarks.sizes import FULL, SHORT, STANDARD, TINY, Sizes

import autocard

_PAGE: Final = Path(__file__).parents[2] / "docs" / "benchmarks"
_MEMORY: Final = Path("/dev/shm")
_STORES: Final = ("sqlite", "postgresql", "mariadb")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 whether the budgets are kept or not."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _stop)  # so that no database is left behind
    sizes: Sizes = options.sizes
    folder = Path(tempfile.mkdtemp(prefix="autocard-benchmarks-", dir=options.folder))
    wanted = set(options.store or _STORES)
    try:
        with reachable(folder, wanted) as stores:
            sections = list(_sections(folder, stores, sizes))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{report.table(sections)}\n")
    for section in sections:
        print(f"{section.title}: {section.facts}")
    into = options.into or (_PAGE if sizes in {STANDARD, FULL} else None)
    if into is not None:
        report.write(into, sections)
    return 0


def _stop(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def _sections(folder: Path, stores: Sequence[Store], sizes: Sizes) -> Iterator[Section]:
    yield _section("starting", "Starting", "", folder, sizes, starting.starts(sizes))
    for store in stores:
        rows = measured(store, folder, sizes)
        yield _section(store.name, store.title, store.told, folder, sizes, rows)


def measured(store: Store, folder: Path, sizes: Sizes) -> Iterator[Row]:
    """Give all rows of one store, one after the other."""
    yield from dispatching.one_process(store, sizes)
    if store.name == SqliteStore.name:
        yield from _without_disk(sizes)
    yield from crowds.many_processes(store, sizes)
    yield from crowds.flash_sale(store, sizes)
    large = store.place()
    yield from importing.imports(store, large, folder, sizes)
    yield from stocked.large_stock(store, large, sizes)
    store.drop(large)
    yield from stocked.during_import(store, folder, sizes)


def _without_disk(sizes: Sizes) -> Iterator[Row]:
    """Give what remains when a commit costs nothing: the hardest comparison there is."""
    if not os.access(_MEMORY, os.W_OK):
        return
    with tempfile.TemporaryDirectory(prefix="autocard-benchmarks-", dir=_MEMORY) as folder:
        yield from dispatching.in_memory(SqliteStore(Path(folder)), sizes)


def _section(
    name: str, title: str, database: str, folder: Path, sizes: Sizes, rows: Iterator[Row]
) -> Section:
    """Measure *rows*, and say what machine it was meanwhile."""
    started, load = time.monotonic(), _load()
    fsync_us = fsync_time(folder) * 1e6
    done = tuple(_said(title, row) for row in rows)
    facts = Facts(
        autocard=autocard.__version__,
        python=platform.python_version(),
        database=database,
        cryptography=version("cryptography"),
        system=f"{platform.system()} {platform.machine()}",
        cores=os.cpu_count() or 0,
        load=load,
        fsync_us=fsync_us,
        size=sizes.name,
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        seconds=time.monotonic() - started,
    )
    return Section(name=name, title=title, facts=facts, rows=done)


def _said(title: str, row: Row) -> Row:
    ratio = "" if row.ratio is None else f", {row.ratio:.2f} × {row.against}"
    print(f"  {title}: {row.name}: {row.value:.4g} {row.unit}{ratio}", file=sys.stderr, flush=True)
    return row


def _load() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure the budgets of every store against a floor in the same run. "
        f"Servers are those of {POSTGRESQL} and {MARIADB}, or on this machine; their users must "
        "be allowed to make databases.",
    )
    size = parser.add_mutually_exclusive_group()
    for sizes, told in (
        (TINY, "prove that the command works; its figures mean nothing"),
        (SHORT, "about a minute, on a quiet machine"),
        (FULL, "with ten million cards on SQLite; takes hours and some 10 GB of disk"),
    ):
        size.add_argument(
            f"--{sizes.name}", dest="sizes", action="store_const", const=sizes, help=told
        )
    parser.set_defaults(sizes=STANDARD)
    parser.add_argument("--store", action="append", choices=_STORES, help="only this one; may be "
                        "said several times")  # fmt: skip
    parser.add_argument("--folder", help="where the SQLite files are made; the usual place for "
                        "temporary files otherwise")  # fmt: skip
    parser.add_argument("--into", type=Path, help="where JSON, charts and tables are written; "
                        "without it docs/benchmarks, and nowhere for --tiny and --short")  # fmt: skip
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
