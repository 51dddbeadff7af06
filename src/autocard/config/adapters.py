"""The settings of platforms, channels and suppliers; what else a table holds is the adapter's."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from autocard.config.fields import (
    UNWRITTEN,
    SettingError,
    about,
    check_rate,
    not_empty,
    not_negative,
    within,
)
from autocard.money import Money

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def frozen_mapping(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a copy of *value* that cannot be changed."""
    return MappingProxyType(dict(value))


@attrs.frozen(kw_only=True)
class AdapterSettings:
    """What platforms, suppliers and channels have in common."""

    adapter: str = attrs.field(
        validator=not_empty, metadata=about("Name of the adapter, as its package publishes it.")
    )
    timeout_s: float = attrs.field(
        default=20.0,
        validator=within(0.1, 600),
        metadata=about("Seconds that one request may take, 0.1 to 600."),
    )
    max_bytes: int = attrs.field(
        default=8_388_608,
        validator=within(1),
        metadata=about("Longest answer that is read, in bytes."),
    )
    allow_http: bool = attrs.field(
        default=False,
        metadata=about("Allow addresses without TLS; for a machine or network you trust."),
    )
    options: Mapping[str, Any] = attrs.field(
        default=_NOTHING, repr=False, eq=False, metadata={UNWRITTEN: True}
    )
    """Every other name of the table; the adapter's `Options` class says what they mean."""


@attrs.frozen(kw_only=True)
class PlatformSettings(AdapterSettings):
    """One place where orders come from."""

    confirm: bool | None = attrs.field(
        default=None,
        metadata=about(
            "Ask the platform whether an order is paid before a card is taken; "
            "without it: where the platform can be asked."
        ),
    )
    deliver: tuple[str, ...] | None = attrs.field(
        default=None,
        validator=not_empty,
        metadata=about(
            'How cards reach the buyer: "direct" (returned to the caller), "platform", '
            '"channel:NAME"; without it: the platform where its adapter can, otherwise direct.'
        ),
    )


@attrs.frozen(kw_only=True)
class ChannelSettings(AdapterSettings):
    """Another way to reach the buyer."""


@attrs.frozen(kw_only=True)
class SupplierSettings(AdapterSettings):
    """One place where cards are bought."""

    items: Mapping[str, str] = attrs.field(
        default=_NOTHING,
        converter=frozen_mapping,
        metadata=about("The supplier's own name of each of our skus that it sells."),
    )
    rate: str | None = attrs.field(
        default=None,
        validator=check_rate,
        metadata=about(
            'What one unit of the supplier\'s currency costs in ours, such as `"7.85"`; needed '
            "where the two differ."
        ),
    )
    calls_at_once: int | None = attrs.field(
        default=None,
        validator=within(1, 1000),
        metadata=about(
            "How many calls all hosts together may be making; without it: what the adapter knows."
        ),
    )
    calls_per_second: float | None = attrs.field(
        default=None,
        validator=within(0.01, 10_000),
        metadata=about(
            "How many calls one process may begin within a second; without it: what the adapter "
            "knows."
        ),
    )
    tries: int = attrs.field(
        default=3,
        validator=within(1, 100),
        metadata=about(
            "How often one need is bought here at most, each time under a new number, before the "
            "next source is asked."
        ),
    )
    daily_budget: Money | None = attrs.field(
        default=None,
        validator=not_negative,
        metadata=about(
            "The most that is spent here in a day, in the currency of the settings; what was paid "
            "back counts no more."
        ),
    )
    balance_low: Money | None = attrs.field(
        default=None,
        validator=not_negative,
        metadata=about("Record an event when the balance there falls below this."),
    )
    pause_after: int = attrs.field(
        default=5,
        validator=within(1, 1000),
        metadata=about("After so many calls in a row that failed nothing is bought for a while."),
    )
    pause_s: float = attrs.field(
        default=60.0,
        validator=within(0.1, 86_400),
        metadata=about(
            "Seconds of that while; doubled each time, up to an hour. For so long a supplier is not "
            "asked again for the very need that it refused, either."
        ),
    )
    patience_s: float = attrs.field(
        default=86_400.0,
        validator=within(1, 31_536_000),
        metadata=about("Seconds a purchase may take before a person is asked to look at it."),
    )

    def __attrs_post_init__(self) -> None:
        if len(set(self.items.values())) != len(self.items):
            raise SettingError("items", "must name each of the supplier's goods once")
