"""The catalogue of card formats: how the cards of one product look in text."""

from __future__ import annotations

from collections.abc import Iterator

from autocard.adapters.formats.catalogue import ROWS
from autocard.adapters.formats.labels import IndexedLabels, JsonObject, Labelled
from autocard.adapters.formats.layouts import (
    SEPARATORS,
    Account,
    AutoPair,
    Indexed,
    Opaque,
    Pair,
    Preview,
)
from autocard.adapters.formats.products import PairedProduct, Product
from autocard.spi import CardFormat, Registry, hookimpl


def card_formats() -> Iterator[CardFormat]:
    """Return every built-in format once, each made anew."""
    yield Opaque("opaque", "Whole line, unchanged", "DEMO-0001-7Q2M")
    yield Indexed("indexed", "Running number, then the card", "【3】DEMO-0001-7Q2M")
    yield AutoPair("pair", "Number and secret, any separator", "DEMO0001----PW-7Q2M-88")
    yield from map(Pair, SEPARATORS)
    account = "demo@mail.example----PW-7Q2M----JBSWY3DPEHPK3PXP----2027-01-02"
    yield Account("account", "Account of many parts", account)
    yield Preview("acg", "Card, public preview, surcharge", "DEMO-0001-7Q2M║地区:美区║5.5")
    yield Labelled("labelled", "Labels in front", "卡号：DEMO0001 卡密：PW-7Q2M-88")
    yield IndexedLabels(
        "labelled-indexed",
        "Running number, then labels",
        "【3】卡号：DEMO0001 卡密：PW-7Q2M-88",
    )
    card = '{"card_no": "DEMO0001", "card_pwd": "PW-7Q2M-88"}'
    yield JsonObject("json", "One JSON object per line", card)
    for row in ROWS:
        yield PairedProduct(row) if row.paired else Product(row)


@hookimpl
def autocard_register(registry: Registry) -> None:
    """Offer every built-in card format."""
    for card_format in card_formats():
        registry.card_format(card_format)
