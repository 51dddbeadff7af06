"""How much is measured: `--short`, the standard, `--full`; and a tiny size that tests the command."""

from __future__ import annotations

from typing import Final

import attrs


@attrs.frozen(kw_only=True)
class Sizes:
    """
    How much one run measures.

    Args:
        blocks: Slices that floor and engine take in turn; medians are over these.
        orders: Orders in a slice.
        processes: Numbers of processes that sell from one store.
        together: Orders that all of these processes serve together, `rounds` times.
        imports: Cards in an import, and how often it is repeated.
        texts: The same from text.
        most_on_servers: Larger imports are for SQLite.
        small: Cards in the small stock; the large one is that of the largest import.
        sold: Orders served from the large stock before it is looked at again.
        during: Cards another process imports while orders are served; a thread imports a fifth.
        flash_orders: Orders of a flash sale, which has `flash_stock` cards, from `flash_processes`.
        starts: How often a fresh interpreter imports autocard.
    """

    name: str
    blocks: int
    orders: int
    processes: tuple[int, ...] = (1, 2, 4, 8)
    together: int
    rounds: int = 2
    imports: tuple[tuple[int, int], ...]
    texts: tuple[tuple[int, int], ...]
    most_on_servers: int = 1_000_000
    small: int
    sold: int
    during: int
    flash_orders: int = 20_000
    flash_stock: int = 15_000
    flash_processes: int = 16
    starts: int = 10

    def stock(self, store: str) -> int:
        """Return how many cards the large stock of *store* has."""
        most = self.most_on_servers
        return max(x for x, _ in self.imports if x <= most or store == "sqlite")


TINY: Final = Sizes(
    name="tiny",
    blocks=1,
    orders=4,
    processes=(2,),
    together=8,
    rounds=1,
    imports=((300, 1),),
    texts=(),
    small=100,
    sold=10,
    during=200,
    flash_orders=12,
    flash_stock=9,
    flash_processes=2,
    starts=1,
)
SHORT: Final = Sizes(
    name="short",
    blocks=3,
    orders=50,
    processes=(1, 8),
    together=480,
    rounds=1,
    imports=((10_000, 1), (20_000, 1)),
    texts=(),
    small=3_000,
    sold=1_000,
    during=10_000,
    flash_orders=960,
    flash_stock=720,
    flash_processes=16,
    starts=3,
)
STANDARD: Final = Sizes(
    name="standard",
    blocks=15,
    orders=200,
    together=2_400,
    imports=((10_000, 5), (100_000, 3), (1_000_000, 1)),
    texts=((10_000, 5), (100_000, 3), (1_000_000, 1)),
    small=10_000,
    sold=20_000,
    during=1_000_000,
)
FULL: Final = attrs.evolve(
    STANDARD,
    name="full",
    imports=(*STANDARD.imports, (10_000_000, 1)),
    sold=1_000_000,
)
