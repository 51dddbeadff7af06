"""The simulated suppliers seen alike: what they sell, how they misbehave, what they have on record."""

from __future__ import annotations

import importlib.util
import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

import attrs

from autocard import Inbound

LATE_S = 0.7
"""How long an answer takes that comes too late for the merchant, who waits half a second."""
_ADAPTERS = Path(__file__).parents[2] / "adapters"


def simulation(adapter: str) -> ModuleType:
    """Return the module that simulates the suppliers of one adapter."""
    name = f"market_{adapter}_simulator"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _ADAPTERS / adapter / "simulator.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def is_card(text: str) -> bool:
    """Say whether *text* is something that a buyer could use, and no apology."""
    return "CARD-" in text


@attrs.frozen
class Sale:
    """What a supplier has on record under one of our references."""

    paid: Decimal
    """What it took and did not give back, in its own currency."""
    cards: tuple[str, ...] = ()
    """What it handed out for that, or would show the merchant who logs in."""
    is_charged: bool = False
    """A target was charged."""
    times: int = 1
    """How often it sold under this reference and kept money for it."""


class Seller(ABC):
    """One simulated supplier, with a price and an endless shelf for each sku."""

    name: ClassVar[str]
    currency: ClassVar[str] = "CNY"
    items: ClassVar[Mapping[str, str]]
    prices: ClassVar[Mapping[str, str]]
    buying: ClassVar[tuple[str, ...]]
    """What can go wrong with a purchase."""
    looking: ClassVar[tuple[str, ...]]
    """What can go wrong with a look-up, and leaves the purchase as it is."""

    def __init__(self) -> None:
        self.site = self.simulator()
        self._serial = count(1)
        for sku in self.items:
            self.stock(sku, 20)

    def __enter__(self) -> Self:
        self.site.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.site.__exit__(*error)

    def sells(self, sku: str) -> bool:
        """Say whether that can be bought here."""
        return sku in self.items

    def price(self, sku: str) -> Decimal:
        """Return what one unit costs here."""
        return Decimal(self.prices[sku])

    def fresh(self, number: int) -> list[str]:
        """Return so many cards that nobody has seen."""
        return [f"{self.name.upper()}-CARD-{next(self._serial):06}" for _ in range(number)]

    @abstractmethod
    def simulator(self) -> Any:
        """Return the simulator, not yet started."""

    @abstractmethod
    def table(self) -> dict[str, Any]:
        """Return what the merchant's settings say of this supplier."""

    @abstractmethod
    def stock(self, sku: str, number: int) -> None:
        """Put more on the shelf."""

    @abstractmethod
    def spoil(self, fault: str, *, look: bool = False) -> None:
        """Let the next purchase, or the next look-up, go wrong."""

    @abstractmethod
    def sales(self) -> dict[str, Sale]:
        """Return what is on record, by our reference."""

    @abstractmethod
    def message(self, reference: str, now: datetime) -> Inbound | None:
        """Return what would be posted *now* about a sale; `None` if nobody is told."""

    def work(self) -> None:  # noqa: B027 - most are done when they are asked
        """Let the supplier finish what it is working on, by machine or by hand."""

    @property
    def spent(self) -> Decimal:
        """What the merchant has paid, less what came back."""
        return Decimal(self.site.spent)


class Fulu(Seller):
    """Refuses a number it knows; is asked by our number; cards come by a look-up."""

    name = "fulu"
    items: ClassVar[Mapping[str, str]] = {
        "game": "10010001",
        "gift": "10010002",
        "phone": "20020002",
    }
    prices: ClassVar[Mapping[str, str]] = {"game": "9.90", "gift": "24.50", "phone": "48.80"}
    buying = (
        "drop_before", "drop_after", "http_500", "http_502", "html", "cut", "wrong_sign", "delay",
        "skew", "refuse:3008", "refuse:9999", "failed", "fewer", "more", "twice", "known",
        "apology", "no_number", "no_password", "nothing", "null", "link", "picture", "sealed",
        "late_cards", "no_cards", "unknown_state", "stuck", "other_product",
    )  # fmt: skip
    looking = (
        "drop_before", "drop_after", "http_500", "http_502", "html", "cut", "wrong_sign", "delay",
        "skew", "refuse:9999", "missing",
    )  # fmt: skip

    def simulator(self) -> Any:
        site = simulation("fulu").Simulator(balance="1000000")
        site.window_s = math.inf  # the merchant's clock runs as fast as the test wants
        return site

    def table(self) -> dict[str, Any]:
        return self.site.settings(self.items)

    def stock(self, sku: str, number: int) -> None:
        if sku == "phone":
            self.site.sell_top_up(self.items[sku], self.prices[sku])
        else:
            self.site.sell(self.items[sku], self.prices[sku], cards=self.fresh(number))

    def spoil(self, fault: str, *, look: bool = False) -> None:
        module = simulation("fulu")
        kind, _, value = fault.partition(":")
        seconds = {"delay": LATE_S, "skew": 9000.0}.get(kind, float(value or 0))
        self.site.fault(kind, on=module.LOOKING if look else module.PLACING, value=seconds)

    def sales(self) -> dict[str, Sale]:
        cards = {
            reference: Sale(self.site.order(reference).price, texts)
            for reference, texts in self.site.sold.items()
        }
        charges = {
            reference: Sale(self.site.order(reference).price, is_charged=True)
            for reference in self.site.charged
        }
        return cards | charges

    def work(self) -> None:
        self.site.work()

    def message(self, reference: str, now: datetime) -> Inbound | None:
        order = self.site.order(reference)
        if order.done is None:
            return None  # it tells of what is over
        return Inbound(method="POST", path="/fulu", body=self.site.callback(order))


class Kasushou(Seller):
    """Refuses a number it knows in words of its own; is asked by our number; may pay back a part."""

    name = "kasushou"
    items: ClassVar[Mapping[str, str]] = {"game": "10023", "gift": "10024", "phone": "20001"}
    prices: ClassVar[Mapping[str, str]] = {"game": "9.80", "gift": "24.60", "phone": "48.90"}
    buying = (
        "drop_before", "html", "http_500", "code_500", "refuse:商品库存不足", "refuse:系统维护",
        "wrong_signature", "drop_after", "delay", "html_after", "http_500_after", "code_500_after",
        "fewer", "more", "duplicate", "known", "blank", "apology", "late_cards", "cancelled",
        "refunded", "refunded_with_cards", "partial_refund", "unpaid", "odd_status",
    )  # fmt: skip
    looking = (
        "drop_before", "html", "http_500", "code_500", "refuse:系统维护", "wrong_signature",
        "delay", "missing", "other",
    )  # fmt: skip

    def simulator(self) -> Any:
        return simulation("kasushou").Simulator(balance="1000000.00")

    def table(self) -> dict[str, Any]:
        return {**self.site.settings, "items": self.items}

    def stock(self, sku: str, number: int) -> None:
        if sku == "phone":
            self.site.sell_top_ups(self.items[sku], self.prices[sku], number)
        else:
            self.site.sell(self.items[sku], self.prices[sku], self.fresh(number))

    def spoil(self, fault: str, *, look: bool = False) -> None:
        kind, _, value = fault.partition(":")
        values: dict[str, Any] = {"delay": LATE_S, "late_cards": 2}
        call = "order/info" if look else "order/buy"
        self.site.fault(kind, value or values.get(kind), call=call)

    def sales(self) -> dict[str, Sale]:
        unpaid = simulation("kasushou").UNPAID
        return _gathered(
            (
                order.external_orderno,
                Sale(
                    order.total - order.paid_back,
                    tuple(password for _, password in order.cards if password),
                    is_charged=not order.cards,
                ),
            )
            for order in list(self.site.orders)
            if order.ending != unpaid
        )

    def message(self, reference: str, now: datetime) -> Inbound | None:
        self.site.skew_s = now.timestamp() - time.time()  # it has the merchant's time
        headers, body = self.site.callback(reference)
        return Inbound(method="POST", path="/kss", headers=headers, body=body)


class AcgFaka(Seller):
    """Refuses a number it knows and cannot be asked about it; some orders are filled by hand."""

    name = "acg_faka"
    items: ClassVar[Mapping[str, str]] = {"game": "RACE0001?race=月卡", "gift": "GIFT0001"}
    prices: ClassVar[Mapping[str, str]] = {"game": "39.90", "gift": "71.20"}
    buying = (
        "drop_before", "drop_after", "http_500_before", "http_500_after", "html_before",
        "html_after", "truncated", "empty", "apology", "fewer", "more", "duplicate", "waiting",
        "stock_lost", "changed", "firewall", "http_429", "http_403", f"slow:{LATE_S}",
        f"delay:{LATE_S}",
    )  # fmt: skip
    looking = (
        "drop_before", "drop_after", "http_500_before", "http_500_after", "html_before",
        "html_after", "truncated", "empty", "stock_lost", "http_429", "http_403", f"delay:{LATE_S}",
    )  # fmt: skip

    def simulator(self) -> Any:
        return simulation("acg_faka").Simulator(balance="1000000.00")

    def table(self) -> dict[str, Any]:
        return {
            "adapter": "acg_faka", "base_url": self.site.url, "app_id": self.site.app_id,
            "credential": self.site.credential, "allow_http": True, "items": self.items,
        }  # fmt: skip

    def stock(self, sku: str, number: int) -> None:
        self.site.sell(self.items[sku], self.prices[sku], self.fresh(number))

    def spoil(self, fault: str, *, look: bool = False) -> None:
        if look:  # only what is delivered by hand is ever looked up here
            self.site.fault("waiting")
        self.site.fault(fault, on="query" if look else "trade")

    def sales(self) -> dict[str, Sale]:
        return _gathered(
            (order.number, Sale(order.cost, tuple(order.cards))) for order in list(self.site.orders)
        )

    def message(self, reference: str, now: datetime) -> Inbound | None:
        return None

    def work(self) -> None:
        module = simulation("acg_faka")
        for order in list(self.site.orders):
            if order.secret == module.WAITING:
                price = min(map(Decimal, self.prices.values()), key=lambda x: order.cost % x)
                self.site.deliver(order.number, self.fresh(int(order.cost / price)))


class Kinguin(Seller):
    """Keeps no promise about numbers it knows; is asked by ours or its own; sells in euros."""

    name = "kinguin"
    currency = "EUR"
    items: ClassVar[Mapping[str, str]] = {
        "game": "5c9b68662539a4e8f17ae2fe",
        "gift": "5c9b68662539a4e8f17ae2ff",
    }
    prices: ClassVar[Mapping[str, str]] = {"game": "4.99", "gift": "8.95"}
    buying = (
        "drop", "drop_after", "http_500", "http_500_after", "html", "html_after", "half_after",
        "delay", "busy", "ProductUnavailable", "InsufficientBalance", "OrderFailed",
        "OrderFailed_after", "ResourceLock", "ResourceLock_after", "HttpClient",
        "HttpClient_after", "Error", "Error_after", "OrderHold", "OrderHold_after", "canceled",
        "refunded", "partly_refunded", "fewer", "more", "twice", "same", "empty", "null", "odd",
        "late", "unlisted",
    )  # fmt: skip
    looking = (
        "drop", "drop_after", "http_500", "http_500_after", "html", "html_after", "half_after",
        "delay", "busy", "Error", "ResourceLock", "OrderNotSupported",
    )  # fmt: skip

    def simulator(self) -> Any:
        return simulation("kinguin").Simulator(balance="1000000.00")

    def table(self) -> dict[str, Any]:
        return {**self.site.settings, "rate": "8.00", "items": self.items}

    def stock(self, sku: str, number: int) -> None:
        self.site.sell(self.items[sku], self.prices[sku], self.fresh(number))

    def spoil(self, fault: str, *, look: bool = False) -> None:
        on = "search" if look else "order"
        times = 2 if fault == "late" else 1
        self.site.fault(fault, on=on, count=times, seconds=LATE_S)

    def sales(self) -> dict[str, Sale]:
        return _gathered(
            (order.reference, Sale(order.charged - order.paid_back, _keys(order)))
            for order in list(self.site.orders)
        )

    def message(self, reference: str, now: datetime) -> Inbound | None:
        order = next(x for x in self.site.orders if x.reference == reference)
        notice = self.site.notice(
            "order.status", orderId=order.remote, orderExternalId=reference, status=order.status,
            updatedAt=now.isoformat(timespec="milliseconds"),
        )  # fmt: skip
        return Inbound(method="POST", path="/kinguin", headers=notice.headers, body=notice.body)


def _keys(order: Any) -> tuple[str, ...]:
    delivered = [key.content for key in order.keys if key.status != "CANCELED"]
    return tuple(text for text in delivered if isinstance(text, str) and text)


def _gathered(sales: Iterable[tuple[str, Sale]]) -> dict[str, Sale]:
    """Return *sales* by reference; those that kept no money do not count."""
    found: dict[str, Sale] = {}
    for reference, sale in sales:
        if not sale.paid:
            continue
        before = found.get(reference)
        found[reference] = sale if before is None else attrs.evolve(
            before, paid=before.paid + sale.paid, cards=before.cards + sale.cards,
            times=before.times + 1,
        )  # fmt: skip
    return found
