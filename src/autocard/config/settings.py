"""The settings as frozen values. Each field carries the sentence that the reference page prints."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import attrs

from autocard.config.adapters import (
    ChannelSettings,
    PlatformSettings,
    SupplierSettings,
    frozen_mapping,
)
from autocard.config.fields import (
    UNWRITTEN,
    SettingError,
    about,
    check_currency,
    check_entries,
    check_hours,
    check_target,
    check_zone,
    in_order,
    not_empty,
    not_negative,
    within,
)
from autocard.money import Money

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

MAX_UNITS: Final = 10_000
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


# --- skus -----------------------------------------------------------------------------------


def _usual_sources(sku: Any) -> tuple[str, ...]:
    return ("manual",) if sku.kind == "topup" else ("warehouse:main",)


@attrs.frozen(kw_only=True)
class RestockSettings:
    """When and how much stock of a sku is bought."""

    quantity: int = attrs.field(
        validator=within(1, MAX_UNITS),
        metadata=about("How many are bought at once; with `demand` the fewest."),
    )
    warehouse: str = attrs.field(
        default="main", validator=not_empty, metadata=about("Where they go.")
    )
    suppliers: tuple[str, ...] = attrs.field(
        default=(),
        metadata=about("Where they are bought; without it: the suppliers among the sources."),
    )
    demand: bool = attrs.field(
        default=False,
        metadata=about(
            "Restock at the reorder point that recent sales ask for instead of at `low`, where "
            "that is higher."
        ),
    )
    sales_days: int = attrs.field(
        default=14,
        validator=within(2, 366),
        metadata=about("How many whole days of sales `demand` looks at."),
    )
    lead_days: float = attrs.field(
        default=1.0,
        validator=within(0, 366),
        metadata=about("How long a restock takes to arrive, in days."),
    )
    cover_days: float = attrs.field(
        default=3.0,
        validator=within(0, 366),
        metadata=about("How many days of sales a restock by `demand` is to last."),
    )
    service_level: float = attrs.field(
        default=0.95,
        validator=within(0.5, 0.9999),
        metadata=about("With `demand`: how likely stock is to last until the restock arrives."),
    )
    approve: bool = attrs.field(
        default=False, metadata=about("Propose a restock and wait until a person approves it.")
    )


@attrs.frozen(kw_only=True)
class SkuSettings:
    """One kind of card or top-up."""

    kind: Literal["card", "topup", "shared"] = attrs.field(
        default="card",
        metadata=about(
            "`card`: each card is sold once; `shared`: one card is sold to many; "
            "`topup`: an account is charged, there is no card."
        ),
    )
    format: str | None = attrs.field(
        default=None,
        validator=not_empty,
        metadata=about("Name of the card format; without it: `default_format`."),
    )
    sources: tuple[str, ...] = attrs.field(
        default=attrs.Factory(_usual_sources, takes_self=True),
        validator=not_empty,
        metadata=about(
            "Where cards come from, in order: `warehouse:NAME`, `supplier:NAME`, `manual`; "
            'without it: `["warehouse:main"]`, for a top-up `["manual"]`.'
        ),
    )
    ceiling: Money | None = attrs.field(
        default=None,
        validator=not_negative,
        metadata=about(
            "The most that one unit may cost when it is bought, in the currency of the settings; "
            "without it: what the buyer paid for one."
        ),
    )
    low: int | None = attrs.field(
        default=None,
        validator=within(0),
        metadata=about(
            "Available cards of a warehouse that receives restocks; below this it is restocked."
        ),
    )
    allow_loss: bool = attrs.field(
        default=False,
        metadata=about("Buy up to `ceiling` also where that is more than the buyer paid."),
    )
    target: str | None = attrs.field(
        default=None,
        validator=check_target,
        metadata=about(
            "Only `topup`: what the target has to be: `phone` (mainland China), `qq`, `email`, "
            "`digits`, or `pattern:` and a regular expression for all of it."
        ),
    )
    links: bool = attrs.field(
        default=False,
        metadata=about(
            "Sell what a supplier sends as a link; otherwise a link is set aside, unchecked and "
            "unsold."
        ),
    )
    restock: RestockSettings | None = attrs.field(
        default=None, metadata=about("Buy stock when it is low; without it: never.")
    )
    overtake: bool = attrs.field(
        default=True,
        metadata=about(
            "Serve a new order that can be filled whole although earlier ones wait for stock."
        ),
    )
    minimum_life_days: int = attrs.field(
        default=0,
        validator=within(0, 36_500),
        metadata=about("Cards that expire sooner than this many days are not taken."),
    )
    cap: int | None = attrs.field(
        default=None,
        validator=within(1),
        metadata=about("Only `shared`: how often one card may be sold; without it: no limit."),
    )
    per_buyer: int | None = attrs.field(
        default=None,
        validator=within(1),
        metadata=about(
            "Only `shared`: how many one buyer may get; without it: no limit. A buyer without id and "
            "contact is not known again, so each such order counts alone."
        ),
    )
    require_provenance: bool | None = attrs.field(
        default=None,
        metadata=about(
            "Refuse imports that do not say where the cards come from; "
            "without it: the setting of the same name at the top."
        ),
    )

    def __attrs_post_init__(self) -> None:
        for name in ("cap", "per_buyer"):
            if getattr(self, name) is not None and self.kind != "shared":
                raise SettingError(name, 'goes only with kind = "shared"')
        if self.target is not None and self.kind != "topup":
            raise SettingError("target", 'goes only with kind = "topup"')
        if self.restock is not None and self.kind == "topup":
            raise SettingError("restock", "a top-up takes no card, so none can be kept in stock")
        if self.restock is not None and self.ceiling is None:
            raise SettingError("ceiling", "says what a restock may cost; give one beside restock")
        if self.restock is not None and self.low is None and not self.restock.demand:
            raise SettingError("low", "says when to restock; give it, or demand = true")


# --- rules ----------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class RuleSettings:
    """One rule: all conditions that are given must hold. The first rule that does counts."""

    platform: tuple[str, ...] = attrs.field(
        default=(), metadata=about("Names of platforms; any of them.")
    )
    item: tuple[str, ...] = attrs.field(
        default=(),
        metadata=about(
            "The platform's names for what was bought; any of them. `*` stands for any text, "
            "`?` for one character; upper and lower case differ."
        ),
    )
    buyer_level: tuple[str, ...] = attrs.field(
        default=(), metadata=about("Levels of the buyer; any of them.")
    )
    quantity_from: int | None = attrs.field(
        default=None, validator=within(1), metadata=about("The line asks for at least so many.")
    )
    quantity_to: int | None = attrs.field(
        default=None, validator=within(1), metadata=about("The line asks for at most so many.")
    )
    amount_from: Money | None = attrs.field(
        default=None,
        validator=not_negative,
        metadata=about(
            "Unit price times quantity is at least this; never true for a line without a price "
            "or in another currency."
        ),
    )
    amount_to: Money | None = attrs.field(
        default=None,
        validator=not_negative,
        metadata=about("Unit price times quantity is at most this; see `amount_from`."),
    )
    from_: datetime | None = attrs.field(
        default=None,
        metadata=about("The order was placed at this time or later; with offset."),
    )
    until: datetime | None = attrs.field(
        default=None, metadata=about("The order was placed before this time; with offset.")
    )
    hours: str | None = attrs.field(
        default=None,
        validator=check_hours,
        metadata=about(
            'Time of day, such as `"22:00-06:00"`: the first minute counts, the last does not.'
        ),
    )
    days: tuple[Day, ...] = attrs.field(
        default=(),
        metadata=about("Days of the week; hours that pass midnight belong to the day they began."),
    )
    timezone: str = attrs.field(
        default="UTC",
        validator=check_zone,
        metadata=about("Time zone of `hours` and `days`, such as `Asia/Shanghai`."),
    )
    sku: str = attrs.field(metadata=about("The result: which sku it is."))
    units: int = attrs.field(
        default=1,
        validator=within(1, MAX_UNITS),
        metadata=about("Cards per unit bought, 1 to 10000."),
    )
    sources: tuple[str, ...] = attrs.field(
        default=(), metadata=about("Sources instead of those of the sku.")
    )

    def __attrs_post_init__(self) -> None:
        in_order("quantity_from", "quantity_to", self)
        in_order("amount_from", "amount_to", self)
        in_order("from_", "until", self)


# --- review and delivery --------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class ReviewSettings:
    """Which orders a person looks at first."""

    amount_over: Money | None = attrs.field(
        default=None,
        validator=not_negative,
        metadata=about("Hold orders above this amount, and orders in another currency."),
    )
    new_buyer_days: int | None = attrs.field(
        default=None,
        validator=within(1, 36_500),
        metadata=about("Hold orders of buyers whose first order is not yet so many days old."),
    )
    orders_per_hour: int | None = attrs.field(
        default=None,
        validator=within(1),
        metadata=about("Hold when a buyer places more orders than this within an hour."),
    )
    orders_per_day: int | None = attrs.field(
        default=None,
        validator=within(1),
        metadata=about("Hold when a buyer places more orders than this within a day."),
    )
    allow: tuple[str, ...] = attrs.field(
        default=(),
        repr=False,
        validator=check_entries,
        metadata=about(
            "Buyers that no review rule holds: `buyer:ID`, `contact:TEXT`, `ip:ADDRESS` or "
            "`ip:NETWORK`."
        ),
    )
    deny: tuple[str, ...] = attrs.field(
        default=(),
        repr=False,
        validator=check_entries,
        metadata=about("Buyers that are always held, written as in `allow`; stronger than it."),
    )


@attrs.frozen(kw_only=True)
class DeliverySettings:
    """How often and how fast deliveries are tried again."""

    tries: int = attrs.field(
        default=10,
        validator=within(1, 1000),
        metadata=about("How often a delivery is tried before a person decides."),
    )
    first_retry_s: float = attrs.field(
        default=5.0,
        validator=within(0.01, 86_400),
        metadata=about("Seconds until the second try; doubled each time."),
    )
    longest_retry_s: float = attrs.field(
        default=86_400.0,
        validator=within(0.01, 31_536_000),
        metadata=about("The longest wait between two tries, in seconds."),
    )
    jitter: float = attrs.field(
        default=0.1,
        validator=within(0, 1),
        metadata=about("Random share by which a wait is changed, 0 to 1."),
    )
    lease_s: float = attrs.field(
        default=120.0,
        validator=within(1, 86_400),
        metadata=about("Seconds a worker has for one try before another may take it over."),
    )

    def __attrs_post_init__(self) -> None:
        in_order("first_retry_s", "longest_retry_s", self)


@attrs.frozen(kw_only=True)
class SupplySettings:
    """How and how often suppliers are asked."""

    inline: bool = attrs.field(
        default=True,
        metadata=about(
            "Buy what is missing within the call that accepts an order; false leaves it to `resume`."
        ),
    )
    offer_s: float = attrs.field(
        default=30.0,
        validator=within(0, 86_400),
        metadata=about("Seconds for which a supplier's price and stock are remembered."),
    )
    longest_look_s: float = attrs.field(
        default=600.0,
        validator=within(0.01, 86_400),
        metadata=about("The longest wait between two looks at an unfinished purchase, in seconds."),
    )
    restock_every_s: float = attrs.field(
        default=300.0,
        validator=within(0, 31_536_000),
        metadata=about("Seconds between two looks for low stock by `resume`."),
    )
    sync_every_s: float = attrs.field(
        default=3600.0,
        validator=within(0, 31_536_000),
        metadata=about(
            "Seconds between two looks at prices, stock and balance of a supplier by `resume`; 0 "
            "never looks."
        ),
    )
    lease_s: float = attrs.field(
        default=180.0,
        validator=within(1, 86_400),
        metadata=about("Seconds a worker has for one call before another may take it over."),
    )


# --- all of it ------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Settings:
    """Everything a configuration says."""

    store: str = attrs.field(
        default="sqlite:///autocard.db",
        repr=False,
        validator=not_empty,
        metadata=about(
            "Where everything is stored, as a database URL; `env:NAME` and `file:PATH` fetch it."
        ),
    )
    keyring: str = attrs.field(
        default="file:autocard.keyring",
        repr=False,
        validator=not_empty,
        metadata=about("Where the seal keys are: `file:PATH` or `env:NAME`."),
    )
    platforms: Mapping[str, PlatformSettings] = attrs.field(
        default=_NOTHING,
        converter=frozen_mapping,
        metadata=about("Where orders come from, by name."),
    )
    channels: Mapping[str, ChannelSettings] = attrs.field(
        default=_NOTHING,
        converter=frozen_mapping,
        metadata=about("Ways to reach the buyer, by name."),
    )
    suppliers: Mapping[str, SupplierSettings] = attrs.field(
        default=_NOTHING,
        converter=frozen_mapping,
        metadata=about("Where cards are bought, by name."),
    )
    skus: Mapping[str, SkuSettings] = attrs.field(
        default=_NOTHING, converter=frozen_mapping, metadata=about("What is sold, by name.")
    )
    rules: tuple[RuleSettings, ...] = attrs.field(
        default=(), metadata=about("Which item is which sku; the first rule that matches counts.")
    )
    review: ReviewSettings = attrs.field(
        factory=ReviewSettings, metadata=about("Which orders a person looks at first.")
    )
    delivery: DeliverySettings = attrs.field(
        factory=DeliverySettings, metadata=about("How deliveries are tried again.")
    )
    supply: SupplySettings = attrs.field(
        factory=SupplySettings, metadata=about("How suppliers are asked.")
    )
    require_provenance: bool = attrs.field(
        default=False,
        metadata=about("Refuse imports that do not say where the cards come from."),
    )
    late_payment: Literal["wait", "refund"] = attrs.field(
        default="wait",
        metadata=about(
            "What happens to an order paid after its reservation lapsed when there is no stock: "
            "it waits for stock, or a person is asked to refund it."
        ),
    )
    currency: str = attrs.field(
        default="CNY",
        validator=check_currency,
        metadata=about("The currency of costs that name none, as an ISO 4217 code."),
    )
    default_format: str = attrs.field(
        default="opaque",
        validator=not_empty,
        metadata=about("Card format of skus that name none."),
    )
    import_processes: int | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(within(0, 64)),
        metadata=about(
            "How many processes check and seal cards during a long import; without it: one less "
            "than there are cores, at most 4. 0 leaves all work to the importing process."
        ),
    )
    base: Path = attrs.field(factory=Path.cwd, metadata={UNWRITTEN: True})
    """The folder that relative paths start from: that of the file, or the current one."""

    def path(self, text: str) -> Path:
        """Return *text* as a path; a relative one starts from `base`."""
        return self.base / text
