"""What adapters offer, by name."""

from __future__ import annotations

import pytest

from autocard.errors import AdapterBroken, AdapterConflict, AdapterNotFound
from autocard.model import CardParts
from autocard.ports import CardFormat, Channel, Platform, Registry, Supplier
from autocard.registry import AdapterRegistry


class ShopPlatform(Platform):
    name = "shop"


class OtherShop(Platform):
    name = "shop"


class ShopSupplier(Supplier):
    name = "shop"


class MailChannel(Channel):
    name = "mail"


class Plain(CardFormat):
    name = "plain"
    title = "Plain"
    example = "A"

    def split(self, text):
        return (text,)

    def parse(self, text, pieces):
        return CardParts(text, text)

    def normalise(self, parts):
        return parts.text

    def check(self, parts):
        return ""

    def mask(self, parts):
        return "*"

    def render(self, parts):
        return parts.text


@pytest.fixture(name="registry")
def _registry():
    return AdapterRegistry()


def test_what_is_offered_is_found_by_name(registry):
    """Four kinds, each with its own names; one name may stand for several kinds."""
    card_format = Plain()
    offered: Registry = registry
    offered.platform(ShopPlatform)
    offered.supplier(ShopSupplier)
    offered.channel(MailChannel)
    offered.card_format(card_format)
    assert registry.get_platform("shop") is ShopPlatform
    assert registry.get_supplier("shop") is ShopSupplier
    assert registry.get_channel("mail") is MailChannel
    assert registry.get_card_format("plain") is card_format
    assert registry.names == {"shop", "mail", "plain"}
    assert registry.platforms == {"shop": ShopPlatform}
    assert registry.suppliers == {"shop": ShopSupplier}
    assert registry.channels == {"mail": MailChannel}
    assert registry.card_formats == {"plain": card_format}


def test_the_views_cannot_be_changed(registry):
    """Only offering adds something."""
    with pytest.raises(TypeError):
        registry.platforms["shop"] = ShopPlatform


def test_the_same_thing_twice_changes_nothing(registry):
    """A module may be registered under two adapter names."""
    registry.platform(ShopPlatform)
    registry.platform(ShopPlatform)
    assert registry.get_platform("shop") is ShopPlatform


def test_two_things_under_one_name_are_refused(registry):
    """The message names who offers them; the first one stays."""
    with registry.on_behalf_of("the distribution a 1.0"):
        registry.platform(ShopPlatform)
    with pytest.raises(
        AdapterConflict, match=r"a 1\.0 and this program both offer a platform 'shop'"
    ):
        registry.platform(OtherShop)
    assert registry.get_platform("shop") is ShopPlatform
    registry.card_format(Plain())
    with pytest.raises(AdapterConflict, match="card format 'plain'"):
        registry.card_format(Plain())


@pytest.mark.parametrize("thing", [None, "shop", ShopSupplier, object()])
def test_what_is_no_adapter_is_refused(registry, thing):
    """A platform that is no platform class is the adapter's mistake."""
    with registry.on_behalf_of("the plugin x"), pytest.raises(AdapterBroken, match="the plugin x"):
        registry.platform(thing)
    with pytest.raises(AdapterBroken):
        registry.supplier(ShopPlatform)
    with pytest.raises(AdapterBroken):
        registry.channel(ShopPlatform)
    with pytest.raises(AdapterBroken, match="a card format that is none"):
        registry.card_format(Plain)


def test_an_adapter_without_a_name_is_refused(registry):
    """Nobody could ask for it."""
    with pytest.raises(AdapterBroken, match="has no name"):
        registry.platform(Platform)


def test_a_missing_name_comes_with_advice(registry):
    """Close names are suggested, and a name of another kind is explained."""
    registry.platform(ShopPlatform)
    registry.supplier(ShopSupplier)
    with pytest.raises(AdapterNotFound, match="no platform 'shp'; did you mean 'shop'"):
        registry.get_platform("shp")
    with pytest.raises(AdapterNotFound, match="'shop' is a platform and a supplier, not a channel"):
        registry.get_channel("shop")
    with pytest.raises(AdapterNotFound, match=r"no card format 'zzz'$"):
        registry.get_card_format("zzz")
