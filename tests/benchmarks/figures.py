"""What a run of the benchmarks finds: rows, and the machine they were measured on."""

from __future__ import annotations

from collections.abc import Sequence

import attrs


@attrs.frozen(kw_only=True)
class Budget:
    """What a row may be at the outside: a limit of its ratio, or of its measured value."""

    limit: float
    of_ratio: bool = False
    at_most: bool = False

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.limit:.2f} ×" if self.of_ratio else f"{sign} {self.limit:g}"


@attrs.frozen(kw_only=True)
class Tail:
    """How unlike the waits of single orders were, in milliseconds."""

    p50: float
    p95: float
    p99: float
    longest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Tail:
        """Return the tail of these waits."""
        ranked = sorted(seconds)

        def at(percent: int) -> float:
            return 1e3 * ranked[min(len(ranked) - 1, len(ranked) * percent // 100)]

        return cls(p50=at(50), p95=at(95), p99=at(99), longest=1e3 * ranked[-1])

    def __str__(self) -> str:
        return (
            f"p50 {self.p50:.3g}, p95 {self.p95:.3g}, p99 {self.p99:.3g}, "
            f"longest {self.longest:.3g} ms"
        )


@attrs.frozen(kw_only=True)
class Row:
    """
    One figure.

    Args:
        name: What was measured.
        value: What came out, in *unit*.
        unit: Such as "µs" or "cards/s".
        floor: What the floor needed for the same in the same run, in *unit*.
        ratio: Its speed as a part of the speed of the floor (1 is as fast, 0.5 half as fast);
            where `against` is not the floor, how many times as long it took.
        against: What the ratio compares with.
        budget: What the design allows; None for information only.
        tail: How long single orders took.
        processes: How many processes worked at it together; 0 where that says nothing.
        note: What else there is to know.
    """

    name: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    against: str = "floor"
    budget: Budget | None = None
    tail: Tail | None = None
    processes: int = 0
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the budget is kept; None without a budget."""
        margin = self.margin
        return None if margin is None else margin >= 1

    @property
    def margin(self) -> float | None:
        """How many times the budget is kept: below 1 it is not."""
        if self.budget is None:
            return None
        found = self.ratio if self.budget.of_ratio else self.value
        if found is None:
            return None
        if not self.budget.at_most:
            return found / self.budget.limit
        return self.budget.limit / found if found else float("inf")


@attrs.frozen(kw_only=True)
class Facts:
    """The machine and the versions. Names and paths of the machine are left out."""

    autocard: str
    python: str
    database: str
    cryptography: str
    system: str
    cores: int
    load: float
    fsync_us: float
    size: str
    day: str
    seconds: float

    def __str__(self) -> str:
        told = [
            f"autocard {self.autocard}",
            f"Python {self.python}",
            self.database,
            f"cryptography {self.cryptography}",
            self.system,
            f"{self.cores} cores",
            f"load before the run {self.load:.1f}",
            f"one small fsync {self.fsync_us:.0f} µs; size {self.size}",
            f"{self.seconds:.0f} s",
            self.day,
        ]
        return ", ".join(part for part in told if part)


@attrs.frozen(kw_only=True)
class Section:
    """All rows of one store, or of what belongs to none."""

    name: str
    title: str
    facts: Facts
    rows: tuple[Row, ...]
