"""Receipts: what a host is told of an order, with the cards that may be shown."""

from __future__ import annotations

from autocard.model import Card, LineReceipt, Receipt
from autocard.ports import Pool, Transaction
from autocard.records import LineEntry, OrderEntry, Status, StoredLine, StoredOrder
from autocard.states import Outcome
from autocard.vault import Vault


def line_receipt(
    line: LineEntry | StoredLine, status: Status, cards: tuple[Card, ...] = ()
) -> LineReceipt:
    """Return the receipt of one line; cards are shown once they are DELIVERED."""
    return LineReceipt(
        line_no=line.line_no,
        item=line.item,
        sku=line.sku,
        quantity=line.quantity,
        outcome=status.outcome,
        reason=status.reason,
        why=status.why,
        cards=cards if status.outcome is Outcome.DELIVERED else (),
    )


def new_receipt(entry: OrderEntry, lines: list[LineReceipt]) -> Receipt:
    """Return the receipt of an order that was just placed."""
    return Receipt(platform=entry.platform, order_no=entry.order_no, lines=tuple(lines))


def stored_receipt(
    source: Pool | Transaction, vault: Vault, stored: StoredOrder, *, replayed: bool = False
) -> Receipt:
    """Return the receipt of an order in the store; `SealError` when a card does not open."""
    is_shown = any(line.status.outcome is Outcome.DELIVERED for line in stored.lines)
    sealed = source.cards_of(stored.id) if is_shown else {}
    lines = []
    for line in stored.lines:
        cards: tuple[Card, ...] = ()
        if line.status.outcome is Outcome.DELIVERED:
            cards = tuple(vault.open_card(line.sku, x) for x in sealed.get(line.line_no, ()))
        lines.append(line_receipt(line, line.status, cards))
    return Receipt(
        platform=stored.platform, order_no=stored.order_no, lines=tuple(lines), replayed=replayed
    )
