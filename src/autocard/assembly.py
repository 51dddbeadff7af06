"""Put an engine together: adapters by their names, keyring and data keys, card formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

import attrs

from autocard.buying import Asker, Buyer, Decider, Settler
from autocard.clock import Clock
from autocard.config import (
    AdapterSettings,
    ChannelSettings,
    PlatformSettings,
    Settings,
    SupplierSettings,
    structure_options,
)
from autocard.errors import AdapterNotFound, ConfigurationError, SchemaMismatch, StoreError
from autocard.filling import Filler
from autocard.http.client import HttpClient
from autocard.http.pace import Pace, PacedClient
from autocard.offering import OfferBook
from autocard.plugins import Plugins
from autocard.ports import (
    Capability,
    CardFormat,
    Channel,
    Client,
    Keyring,
    Platform,
    Pool,
    Supplier,
)
from autocard.records import WrappedKey
from autocard.seal.keyring import create_keyring, open_keyring
from autocard.seal.sealer import Sealer, new_data_keys
from autocard.spelling import close_names
from autocard.vault import Vault

BUILT_IN_FORMATS: Final = "formats"
_CALLS: Final = 3  # a look-up, a push, and as much again for the rest
# A balance and a purchase, each of which may wait its turn as long as it may take; and the rest.
_CALLS_TO_BUY: Final = 6
_KINDS: Final[Mapping[type[AdapterSettings], str]] = MappingProxyType(
    {ChannelSettings: "channel", SupplierSettings: "supplier"}
)


def open_vault(settings: Settings, pool: Pool, clock: Clock, *, create: bool) -> Vault:
    """
    Return the vault of a store, its keyring proved to be the right one.

    With *create* a store that has no data keys yet gets them, and a missing keyring is made. A
    missing keyring of a store that has data keys is an error: a new one could not open its cards.

    Raises:
        ConfigurationError: The keyring is missing or malformed.
        UnknownSealKey: It is not the one this store was sealed with.
    """
    rows = pool.data_keys()
    keyring = _keyring(settings, create=create and not rows)
    if not rows:
        if not create:
            raise SchemaMismatch("the store has no seal keys; open it once with create=True")
        rows = _first_keys(pool, new_data_keys(keyring, clock.now()))
    return Vault(Sealer.open(keyring, rows))


def _first_keys(pool: Pool, fresh: Sequence[WrappedKey]) -> list[WrappedKey]:
    """Store *fresh* data keys, unless another host that starts now was faster; return what is."""
    try:
        pool.change(lambda change: change.insert_data_keys(fresh))
    except StoreError:
        if not (rows := pool.data_keys()):
            raise
        return rows
    return pool.data_keys()


def _keyring(settings: Settings, *, create: bool) -> Keyring:
    spec = settings.keyring
    is_new_file = spec.startswith("file:") and not settings.path(spec[5:]).exists()
    if create and is_new_file:
        return create_keyring(spec, base=settings.base)
    return open_keyring(spec, base=settings.base)


@attrs.frozen
class Adapters:
    """The configured platforms, channels and suppliers by name, and what they speak through."""

    platforms: Mapping[str, Platform]
    channels: Mapping[str, Channel]
    suppliers: Mapping[str, Supplier]
    clients: tuple[HttpClient, ...]

    def close(self) -> None:
        """Close every connection."""
        for client in self.clients:
            client.close()


def open_adapters(
    settings: Settings, plugins: Plugins, speaking_allowed: Callable[[], bool]
) -> Adapters:
    """Return the adapters that the configuration names; others are not even imported. No I/O."""
    clients: list[HttpClient] = []

    def build(shelf: Mapping[str, type[Any]], table: AdapterSettings, where: str) -> Any:
        adapter = _adapter(plugins, shelf, table, where)
        client = HttpClient(
            timeout_s=table.timeout_s,
            max_bytes=table.max_bytes,
            allow_http=table.allow_http,
            speaking_allowed=speaking_allowed,
        )
        clients.append(client)
        paced = _paced(client, adapter, table) if isinstance(table, SupplierSettings) else client
        return adapter(structure_options(adapter.Options, table.options, where), paced)

    registry = plugins.registry
    platforms: dict[str, Platform] = {}
    for name, table in settings.platforms.items():
        where = f"platforms.{name}"
        _check_lease(settings.delivery.lease_s, table, where)
        platforms[name] = build(registry.platforms, table, where)
        _check_platform(platforms[name], table, where)
    channels: dict[str, Channel] = {}
    for name, channel in settings.channels.items():
        _check_lease(settings.delivery.lease_s, channel, f"channels.{name}")
        channels[name] = build(registry.channels, channel, f"channels.{name}")
    suppliers: dict[str, Supplier] = {}
    for name, supplier in settings.suppliers.items():
        _check_supplier(settings, name, supplier)
        suppliers[name] = build(registry.suppliers, supplier, f"suppliers.{name}")
    return Adapters(platforms, channels, suppliers, tuple(clients))


def open_buyer(
    pool: Pool,
    vault: Vault,
    clock: Clock,
    settings: Settings,
    plugins: Plugins,
    filler: Filler,
    suppliers: Mapping[str, Supplier],
    format_of: Callable[[str], CardFormat],
) -> Buyer:
    """Return who buys at *suppliers*. No I/O."""
    offer_book = OfferBook(pool, settings, suppliers)
    decider = Decider(
        pool=pool, vault=vault, clock=clock, settings=settings, plugins=plugins, filler=filler,
        suppliers=suppliers, offer_book=offer_book,
    )  # fmt: skip
    settler = Settler(
        pool=pool, vault=vault, clock=clock, settings=settings, filler=filler,
        suppliers=suppliers, offer_book=offer_book, format_of=format_of,
    )  # fmt: skip
    return Buyer(
        pool=pool, vault=vault, clock=clock, settings=settings, plugins=plugins, filler=filler,
        suppliers=suppliers, offer_book=offer_book, decider=decider,
        settler=settler,
        asker=Asker(clock=clock, settings=settings, suppliers=suppliers, offer_book=offer_book),
    )  # fmt: skip


def open_formats(settings: Settings, plugins: Plugins) -> Callable[[str], CardFormat]:
    """Return a look-up of card formats by name; those that skus name are proved to exist."""
    plugins.load(BUILT_IN_FORMATS)

    def find(name: str) -> CardFormat:
        if name not in plugins.registry.card_formats:
            with suppress(AdapterNotFound):  # the registry says it better, with close names
                plugins.load(name)
        return plugins.registry.get_card_format(name)

    find(settings.default_format)
    for sku in settings.skus.values():
        if sku.format is not None:
            find(sku.format)
    return find


def _adapter(
    plugins: Plugins, shelf: Mapping[str, type[Any]], table: AdapterSettings, where: str
) -> type[Any]:
    plugins.load(table.adapter)
    found = shelf.get(table.adapter)
    if found is None:
        kind = _KINDS.get(type(table), "platform")
        raise ConfigurationError(f"[{where}] adapter: {table.adapter!r} is no {kind}")
    return found


def _paced(client: Client, adapter: type[Supplier], table: SupplierSettings) -> Client:
    """Return *client* as fast as one account at this supplier may be used, by this process."""
    pace = Pace(
        at_once=table.calls_at_once or adapter.calls_at_once,
        per_second=table.calls_per_second or adapter.calls_per_second,
        wait_s=table.timeout_s,
    )
    return PacedClient(client, pace)


def _check_lease(lease_s: float, table: AdapterSettings, where: str) -> None:
    """All calls must end before another host may take the work over."""
    is_bought = isinstance(table, SupplierSettings)
    family, calls = ("supply", _CALLS_TO_BUY) if is_bought else ("delivery", _CALLS)
    if lease_s < calls * table.timeout_s:
        raise ConfigurationError(
            f"[{family}] lease_s: must be at least {calls} times timeout_s of [{where}], "
            f"so {calls * table.timeout_s:g} or more"
        )


def _check_supplier(settings: Settings, name: str, table: SupplierSettings) -> None:
    where = f"suppliers.{name}"
    _check_lease(settings.supply.lease_s, table, where)
    for sku in table.items:
        if sku not in settings.skus:
            known = close_names(sku, settings.skus) or f"; add [skus.{sku}]"
            raise ConfigurationError(f"[{where}] items: there is no sku {sku!r}{known}")
    budget = table.daily_budget
    if budget is not None and budget.currency != settings.currency:
        raise ConfigurationError(f"[{where}] daily_budget: must be in {settings.currency}")


def _check_platform(platform: Platform, table: PlatformSettings, where: str) -> None:
    if table.confirm and Capability.CONFIRM not in platform.capabilities:
        raise ConfigurationError(
            f"[{where}] confirm: {platform.name} cannot be asked whether an order is paid"
        )
    if "platform" in (table.deliver or ()) and Capability.DELIVER not in platform.capabilities:
        raise ConfigurationError(
            f'[{where}] deliver: {platform.name} takes no cards; write ["direct"] or a channel'
        )
