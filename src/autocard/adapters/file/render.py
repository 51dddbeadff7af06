"""What stands in a delivery file: text, CSV or JSON. Pure; the same delivery, the same bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from autocard.spi import Card, Delivery

COLUMNS: Final = (
    "reference", "order_no", "line_no", "item", "number", "secret", "text", "expires_at"
)  # fmt: skip
# What a spreadsheet would run as a formula, and the apostrophe itself, so that taking one leading
# apostrophe away always gives the cell back.
_RISKY: Final = ("=", "+", "-", "@", "'", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def text_from_delivery(delivery: Delivery) -> str:
    """Return the original text of each card on a line of its own."""
    return "".join(f"{_original(card)}\n" for card in delivery.cards)


def csv_from_delivery(delivery: Delivery) -> str:
    """Return one CSV row a card below a heading; cells cannot be run as formulas."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    head = (delivery.reference, delivery.order_no, str(delivery.line_no), delivery.item)
    for card in delivery.cards:
        tail = (card.number, card.secret.reveal(), _original(card), _moment(card.expires_at))
        writer.writerow([harmless(cell) for cell in (*head, *tail)])
    # Spreadsheets read UTF-8 only behind a byte order mark.
    return "\ufeff" + buffer.getvalue()


def json_from_delivery(delivery: Delivery) -> str:
    """Return the delivery as one JSON document, exactly, without anything about the buyer."""
    document = {
        "reference": delivery.reference,
        "platform": delivery.platform,
        "order_no": delivery.order_no,
        "line_no": delivery.line_no,
        "item": delivery.item,
        "sku": delivery.sku,
        "cards": [_object(card) for card in delivery.cards],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def harmless(cell: str) -> str:
    """Return *cell* with an apostrophe before it where a spreadsheet would run it."""
    return f"'{cell}" if cell.startswith(_RISKY) else cell


def _object(card: Card) -> dict[str, Any]:
    return {
        "number": card.number,
        "secret": card.secret.reveal(),
        "extra": {name: value.reveal() for name, value in card.extra.items()},
        "text": _original(card),
        "expires_at": _moment(card.expires_at) or None,
    }


def _original(card: Card) -> str:
    # A card that a supplier sent in parts may have no original text.
    return card.text().reveal() or " ".join(filter(None, (card.number, card.secret.reveal())))


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()


RENDERERS: Final[Mapping[str, Callable[[Delivery], str]]] = MappingProxyType(
    {"txt": text_from_delivery, "csv": csv_from_delivery, "json": json_from_delivery}
)
