"""Receipts for people."""

from __future__ import annotations

from autocard.cli.screen import Screen
from autocard.model import Card, LineReceipt, Receipt


def show_receipt(screen: Screen, receipt: Receipt, *, reveal: bool) -> None:
    """
    Show each line of *receipt* with its outcome.

    Secrets: with *reveal* it shows the cards in plaintext.
    """
    name = "receipt_replayed" if receipt.replayed else "receipt"
    screen.say(name, platform=receipt.platform, order_no=receipt.order_no)
    screen.table(
        ("line", "item", "sku", "quantity", "cards", "outcome", "reason", "why"),
        [_row(line) for line in receipt.lines],
    )
    if reveal:
        for card in receipt.cards:
            screen.line(_text(card))
    elif receipt.cards:
        screen.say("hidden", style="dim")


def _row(line: LineReceipt) -> tuple[object, ...]:
    return (
        line.line_no, line.item, line.sku, line.quantity, len(line.cards), str(line.outcome),
        str(line.reason), line.why,
    )  # fmt: skip


def _text(card: Card) -> str:
    return card.text().reveal() or " ".join(filter(None, (card.number, card.secret.reveal())))
