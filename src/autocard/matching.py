"""Which sku a line means: the rules of the configuration, then the sku of the item's own name."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, final
from zoneinfo import ZoneInfo

import attrs

from autocard.clock import Clock, SystemClock
from autocard.config.fields import MINUTES_A_DAY, parse_hours
from autocard.config.settings import RuleSettings, Settings
from autocard.model import Match, Order, OrderLine
from autocard.money import Money

Condition = Callable[[Order, OrderLine], bool]
TimeCondition = Callable[[datetime], bool]

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WILD: Final = re.compile(r"[*?]")


@final
class RuleMatcher:
    """
    Matches lines by rules; the first rule whose conditions all hold counts. Pure but for time.

    Where no rule speaks, an item that equals the name of a sku matches it, exactly; anything
    else is None. Rules about time look at when the order was placed, where that is not known at
    the clock.

    Args:
        settings: The rules and skus; checked by `load_settings`.
        clock: Whoever tells the time.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._same_name = {sku: Match(sku) for sku in settings.skus}
        self._rules = tuple(_Rule.of(rule) for rule in settings.rules)
        self._by_item, self._of_any_item = _indexed(settings.rules)

    def match(self, order: Order, line: OrderLine) -> Match | None:
        """Return what *line* of *order* means, or None: then a person decides."""
        if self._rules:
            now: datetime | None = None
            for index in self._candidates(line.item):
                rule = self._rules[index]
                if not rule.holds(order, line):
                    continue
                if rule.time_conditions:
                    now = now or order.placed_at or self._clock.now()
                    if not rule.holds_at(now):
                        continue
                return rule.result(line)
        return self._same_name.get(line.item)

    def _candidates(self, item: str) -> Iterable[int]:
        """Return the rules that may speak about *item*, in their order."""
        exact = self._by_item.get(item, ())
        return heapq.merge(exact, self._of_any_item) if exact else self._of_any_item


@attrs.frozen
class _Rule:
    """One rule, ready to be asked."""

    conditions: tuple[Condition, ...]
    time_conditions: tuple[TimeCondition, ...]
    match: Match
    units: int

    @classmethod
    def of(cls, rule: RuleSettings) -> _Rule:
        return cls(
            tuple(_conditions(rule)),
            tuple(_time_conditions(rule)),
            Match(rule.sku, None, rule.sources),
            rule.units,
        )

    def holds(self, order: Order, line: OrderLine) -> bool:
        for condition in self.conditions:  # noqa: SIM110 - all() takes twice as long here
            if not condition(order, line):
                return False
        return True

    def holds_at(self, now: datetime) -> bool:
        return all(condition(now) for condition in self.time_conditions)

    def result(self, line: OrderLine) -> Match:
        if self.units == 1:
            return self.match
        return attrs.evolve(self.match, quantity=line.quantity * self.units)


def _indexed(rules: Iterable[RuleSettings]) -> tuple[dict[str, tuple[int, ...]], tuple[int, ...]]:
    """Return the rules by the items they spell out, and those that may speak about any item."""
    by_item: dict[str, tuple[int, ...]] = {}
    of_any: list[int] = []
    for index, rule in enumerate(rules):
        if not rule.item or any(map(_WILD.search, rule.item)):
            of_any.append(index)
        else:
            for item in dict.fromkeys(rule.item):
                by_item[item] = (*by_item.get(item, ()), index)
    return by_item, tuple(of_any)


# --- conditions -----------------------------------------------------------------------------


def _conditions(rule: RuleSettings) -> Iterable[Condition]:
    if rule.platform:
        yield _platform_in(frozenset(rule.platform))
    if any(map(_WILD.search, rule.item)):
        yield _item_like(rule.item)
    if rule.buyer_level:
        yield _level_in(frozenset(rule.buyer_level))
    if rule.quantity_from is not None or rule.quantity_to is not None:
        yield _quantity_within(rule.quantity_from, rule.quantity_to)
    if rule.amount_from is not None or rule.amount_to is not None:
        yield _amount_within(rule.amount_from, rule.amount_to)


def _platform_in(names: frozenset[str]) -> Condition:
    return lambda order, _: order.platform in names


def _level_in(levels: frozenset[str]) -> Condition:
    return lambda order, _: order.buyer.level in levels


def _item_like(patterns: Iterable[str]) -> Condition:
    pattern = re.compile("|".join(map(_expression, patterns)), re.DOTALL)
    return lambda _, line: pattern.fullmatch(line.item) is not None


def _expression(pattern: str) -> str:
    """
    Return *pattern* as a regular expression whose time is bounded by item times pattern.

    Each part between two stars is taken where it first fits and never given back, so that no
    item, however long, makes the search start over.
    """
    first, *rest = (
        "".join("." if character == "?" else re.escape(character) for character in part)
        for part in pattern.split("*")
    )
    if not rest:
        return f"(?:{first})"
    between = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    return f"(?:{first}{between}.*{rest[-1]})"


def _quantity_within(least: int | None, most: int | None) -> Condition:
    low, high = least or 0, most if most is not None else float("inf")
    return lambda _, line: low <= line.quantity <= high


def _amount_within(least: Money | None, most: Money | None) -> Condition:
    currency = (least or most or Money(0, "XXX")).currency
    low = least.minor if least else 0
    high = most.minor if most else float("inf")

    def holds(_: Order, line: OrderLine) -> bool:
        price = line.unit_price
        if price is None or price.currency != currency:
            return False
        return low <= price.minor * line.quantity <= high

    return holds


def _time_conditions(rule: RuleSettings) -> Iterable[TimeCondition]:
    if rule.from_ is not None:
        yield _not_before(rule.from_)
    if rule.until is not None:
        yield _before(rule.until)
    if rule.hours is not None or rule.days:
        start, end = parse_hours(rule.hours) if rule.hours else (0, MINUTES_A_DAY)
        days = frozenset(map(_DAYS.index, rule.days)) or frozenset(range(7))
        yield _weekly(start, end, days, ZoneInfo(rule.timezone))


def _not_before(moment: datetime) -> TimeCondition:
    return lambda now: now >= moment


def _before(moment: datetime) -> TimeCondition:
    return lambda now: now < moment


def _weekly(start: int, end: int, days: frozenset[int], zone: ZoneInfo) -> TimeCondition:
    def holds(now: datetime) -> bool:
        try:
            local = now.astimezone(zone)
        except OverflowError:  # the first and last hours of the calendar
            return False
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if start < end:
            return start <= minute < end and day in days
        if minute >= start:
            return day in days
        return minute < end and (day - 1) % 7 in days

    return holds
