"""Which orders a person looks at first, by the review settings."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import timedelta
from typing import Final, final

import attrs

from autocard.clock import Clock, SystemClock
from autocard.config.settings import ReviewSettings
from autocard.model import Buyer, History, Hold, Order

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED_BITS: Final = 96  # what stands before the IPv4 address in ::ffff:203.0.113.9
_DENIED: Final = Hold(why="the buyer is on the deny list")
_ODD_ADDRESS: Final = Hold(why="the buyer's IP address cannot be read, and the deny list has some")


@final
class Reviewer:
    """
    Applies the review settings to whole orders.

    Deny is stronger than allow; allow skips every rule here, and nothing anywhere else.

    Args:
        settings: The rules; checked by `load_settings`.
        clock: Whoever tells the time.

    `has_rules` says whether any order can be held at all, `needs_history` whether `assess` looks
    at the history.
    """

    def __init__(self, settings: ReviewSettings, *, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._allow = _People.of(settings.allow)
        self._deny = _People.of(settings.deny)
        self.needs_history = any(
            limit is not None
            for limit in (
                settings.new_buyer_days,
                settings.orders_per_hour,
                settings.orders_per_day,
            )
        )
        self.has_rules = bool(
            settings.deny or settings.amount_over is not None or self.needs_history
        )

    def assess(self, order: Order, history: History) -> Hold | None:
        """
        Return why a person should look at *order* first, or None.

        Args:
            order: The order, before anything of it is stored.
            history: What was known of its buyer before it.
        """
        if not self.has_rules:
            return None
        address = _address(order.buyer.ip)
        if self._deny.networks and order.buyer.ip and address is None:
            return _ODD_ADDRESS
        if self._deny.include(order.buyer, address):
            return _DENIED
        if self._allow.include(order.buyer, address):
            return None
        return self._amount(order) or self._newness(order, history) or self._pace(history)

    def _amount(self, order: Order) -> Hold | None:
        limit = self._settings.amount_over
        if limit is None:
            return None
        amounts = _amounts(order)
        prices = [line.unit_price for line in order.lines]
        if order.payment is None and (None in prices or not prices):
            return Hold(why=f"the amount is not known, and above {limit} a person looks first")
        if any(amount.currency != limit.currency for amount in amounts):
            return Hold(why=f"the amount is not in {limit.currency}, as the limit of {limit} is")
        if any(amount.minor > limit.minor for amount in amounts):
            return Hold(why=f"the amount is above {limit}")
        return None

    def _newness(self, order: Order, history: History) -> Hold | None:
        days = self._settings.new_buyer_days
        if days is None:
            return None
        if not (order.buyer.id or order.buyer.contact):
            return Hold(why="the buyer is not known")
        first = history.first_order_at
        if first is None:
            return Hold(why="this is the buyer's first order")
        if self._clock.now() - first < timedelta(days=days):
            return Hold(why=f"the buyer's first order is less than {days} days old")
        return None

    def _pace(self, history: History) -> Hold | None:
        # The history ends before this order, so this order is the one more.
        limit = self._settings.orders_per_hour
        if limit is not None and history.orders_last_hour >= limit:
            return Hold(why=f"more than {limit} orders within an hour")
        limit = self._settings.orders_per_day
        if limit is not None and history.orders_last_day >= limit:
            return Hold(why=f"more than {limit} orders within a day")
        return None


def _amounts(order: Order) -> list[_Amount]:
    """Return what was paid, and what the lines with a price cost, by currency."""
    amounts: list[_Amount] = []
    if order.payment is not None:
        amounts.append(_Amount(order.payment.paid.minor, order.payment.paid.currency))
    totals: dict[str, int] = {}
    for line in order.lines:
        price = line.unit_price
        if price is not None:
            so_far = totals.get(price.currency, 0)
            totals[price.currency] = so_far + price.minor * line.quantity
    return amounts + [_Amount(total, currency) for currency, total in totals.items()]


@attrs.frozen
class _Amount:
    """Like `Money`, but a sum of large prices is not refused."""

    minor: int
    currency: str


@attrs.frozen
class _People:
    """The entries of an allow or deny list."""

    buyers: frozenset[str]
    contacts: frozenset[str]
    networks: tuple[Network, ...]

    @classmethod
    def of(cls, entries: Iterable[str]) -> _People:
        lists: dict[str, list[str]] = {"buyer": [], "contact": [], "ip": []}
        for entry in entries:
            kind, _, rest = entry.partition(":")
            lists[kind].append(rest)
        return cls(
            frozenset(lists["buyer"]),
            frozenset(map(_same_contact, lists["contact"])),
            tuple(map(_network, lists["ip"])),
        )

    def include(self, buyer: Buyer, address: Address | None) -> bool:
        if buyer.id and buyer.id in self.buyers:
            return True
        if buyer.contact and self.contacts and _same_contact(buyer.contact) in self.contacts:
            return True
        return address is not None and any(address in network for network in self.networks)


def _same_contact(text: str) -> str:
    # People write one mail address in capitals today and in small letters tomorrow.
    return text.strip().casefold()


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    # ::ffff:203.0.113.9 is how a server with both protocols sees 203.0.113.9
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> Network:
    network = ipaddress.ip_network(text, strict=False)
    # As for the addresses that are compared with it.
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return ipaddress.ip_network((mapped, network.prefixlen - _MAPPED_BITS))
