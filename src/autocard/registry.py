"""What adapters have offered, by name; two different things under one name are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Generic, TypeVar, final

from autocard.errors import AdapterBroken, AdapterConflict, AdapterNotFound
from autocard.ports import CardFormat, Channel, Platform, Supplier
from autocard.spelling import close_names

T = TypeVar("T")


@final
class AdapterRegistry:
    """
    Holds platforms, suppliers, channels and card formats. One belongs to each engine.

    Offering the very same class or card format twice changes nothing.
    """

    def __init__(self) -> None:
        self._platforms = _Shelf[type[Platform]]("platform")
        self._suppliers = _Shelf[type[Supplier]]("supplier")
        self._channels = _Shelf[type[Channel]]("channel")
        self._card_formats = _Shelf[CardFormat]("card format")
        self._shelves: tuple[_Shelf[Any], ...] = (
            self._platforms,
            self._suppliers,
            self._channels,
            self._card_formats,
        )
        self._origin = "this program"

    # --- offering, as `ports.Registry` promises ---------------------------------------------

    def platform(self, adapter: type[Platform]) -> None:
        """
        Offer a platform adapter under its `name`.

        Raises:
            AdapterConflict: Another platform has this name; both origins are named.
            AdapterBroken: It is no `Platform` class, or has no name.
        """
        self._platforms.put(adapter, self._origin, fits=_is_class(adapter, Platform))

    def supplier(self, adapter: type[Supplier]) -> None:
        """Offer a supplier adapter under its `name`; errors as for `platform`."""
        self._suppliers.put(adapter, self._origin, fits=_is_class(adapter, Supplier))

    def channel(self, adapter: type[Channel]) -> None:
        """Offer a channel adapter under its `name`; errors as for `platform`."""
        self._channels.put(adapter, self._origin, fits=_is_class(adapter, Channel))

    def card_format(self, card_format: CardFormat) -> None:
        """Offer a card format under its `name`; errors as for `platform`."""
        self._card_formats.put(card_format, self._origin, fits=isinstance(card_format, CardFormat))

    @contextmanager
    def on_behalf_of(self, origin: str) -> Iterator[None]:
        """Let everything that is offered meanwhile count as *origin*'s, for messages."""
        before, self._origin = self._origin, origin
        try:
            yield
        finally:
            self._origin = before

    # --- asking -----------------------------------------------------------------------------

    @property
    def platforms(self) -> Mapping[str, type[Platform]]:
        """The platform adapters by adapter name."""
        return self._platforms.things

    @property
    def suppliers(self) -> Mapping[str, type[Supplier]]:
        """The supplier adapters by adapter name."""
        return self._suppliers.things

    @property
    def channels(self) -> Mapping[str, type[Channel]]:
        """The channel adapters by adapter name."""
        return self._channels.things

    @property
    def card_formats(self) -> Mapping[str, CardFormat]:
        """The card formats by name."""
        return self._card_formats.things

    @property
    def names(self) -> frozenset[str]:
        """Every name under which something is offered."""
        return frozenset().union(*(shelf.things for shelf in self._shelves))

    def get_platform(self, name: str) -> type[Platform]:
        """Return the platform adapter *name*; without one: `AdapterNotFound`."""
        return self._get(self._platforms, name)

    def get_supplier(self, name: str) -> type[Supplier]:
        """Return the supplier adapter *name*; without one: `AdapterNotFound`."""
        return self._get(self._suppliers, name)

    def get_channel(self, name: str) -> type[Channel]:
        """Return the channel adapter *name*; without one: `AdapterNotFound`."""
        return self._get(self._channels, name)

    def get_card_format(self, name: str) -> CardFormat:
        """Return the card format *name*; without one: `AdapterNotFound`."""
        return self._get(self._card_formats, name)

    def _get(self, shelf: _Shelf[T], name: str) -> T:
        if name in shelf.things:
            return shelf.things[name]
        others = [other.kind for other in self._shelves if name in other.things]
        if others:
            raise AdapterNotFound(f"{name!r} is a {' and a '.join(others)}, not a {shelf.kind}")
        raise AdapterNotFound(f"there is no {shelf.kind} {name!r}{close_names(name, shelf.things)}")


class _Shelf(Generic[T]):
    """Things of one kind by name, and who offered them."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._things: dict[str, T] = {}
        self._origins: dict[str, str] = {}
        self.things: Mapping[str, T] = MappingProxyType(self._things)

    def put(self, thing: T, origin: str, *, fits: bool) -> None:
        name = getattr(thing, "name", None)
        if not fits or not isinstance(name, str) or not name:
            raise AdapterBroken(f"{origin} offers a {self.kind} that is none, or has no name")
        if self._things.setdefault(name, thing) is not thing:
            raise AdapterConflict(
                f"{self._origins[name]} and {origin} both offer a {self.kind} {name!r}; remove one"
            )
        self._origins.setdefault(name, origin)


def _is_class(adapter: Any, base: type[Any]) -> bool:
    return isinstance(adapter, type) and issubclass(adapter, base)
