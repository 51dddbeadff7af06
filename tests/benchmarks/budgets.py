"""The budgets of the design, by store."""

from __future__ import annotations

from typing import Final

import attrs
from tests.benchmarks.figures import Budget


def _share(limit: float) -> Budget:
    return Budget(limit=limit, of_ratio=True)


def _at_most(limit: float) -> Budget:
    return Budget(limit=limit, at_most=True)


NONE: Final = _at_most(0)
_MEMORY: Final = _at_most(200)
_STOCK: Final = _at_most(5)
_GROWN: Final = Budget(limit=1.3, of_ratio=True, at_most=True)


@attrs.frozen(kw_only=True)
class Budgets:
    """
    What the rows of one store may be at the outside; None for information only.

    Args:
        direct: One order, against the floor.
        many: One order of `dispatch_many`, against the floor of single orders.
        eight: Orders of eight processes, against as many floors.
        imports: Cards a second, against the floor.
        p99_ms: What 99 of 100 orders may take while cards are imported.
        memory_mb: Peak memory of an import.
        grown: The median order from a large stock, as a multiple of the same from a small one.
        stock_ms: What 99 of 100 questions for the levels of a large stock may take.
    """

    direct: Budget
    many: Budget
    eight: Budget | None = None
    imports: Budget | None = None
    p99_ms: Budget | None = None
    memory_mb: Budget = _MEMORY
    grown: Budget = _GROWN
    stock_ms: Budget = _STOCK


BUDGETS: Final = {
    "sqlite": Budgets(
        direct=_share(0.5), many=_share(1.0), imports=_share(0.35), p99_ms=_at_most(50)
    ),
    "postgresql": Budgets(direct=_share(0.5), many=_share(2.0), eight=_share(0.6)),
    "mariadb": Budgets(direct=_share(0.6), many=_share(2.0), eight=_share(0.6)),
}
