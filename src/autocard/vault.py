"""Between values and sealed bytes: what the store may keep, and what comes back out of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from autocard.clock import NEVER_MS, from_ms, to_ms
from autocard.errors import OrderArchived, SealError
from autocard.model import Buyer, Card, CardId, CardParts, Order, OrderLine, Payment
from autocard.money import Money
from autocard.records import SealedCard, StoredOrder
from autocard.seal.sealer import Sealer
from autocard.secret import Secret

_CARD: Final = "card"
_ORDER: Final = "order"
# A sealed card is its bare text, or a JSON list of its parts; the first byte says which.
_BARE: Final = b"\x00"
_PARTS: Final = b"\x01"
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_quoted: Final = json.encoder.encode_basestring


class BrokenCard(SealError):
    """A card in stock does not open. It must not be sold; the id says which one it is."""

    def __init__(self, card: CardId) -> None:
        super().__init__(f"the seal of card {card} does not open")
        self.card = card

    def __reduce__(self) -> tuple[type[BrokenCard], tuple[CardId]]:
        return type(self), (self.card,)


@attrs.frozen
class Vault:
    """Seals values for the store and opens them again. Plaintext never goes the other way."""

    sealer: Sealer

    # --- cards ---

    def seal_card(self, sku: str, fingerprint: bytes, parts: CardParts) -> bytes:
        """Return *parts* sealed for *sku*; the expiry stays outside."""
        return self.sealer.seal(_CARD, sku, fingerprint, _plain(parts))

    def seal_cards(self, sku: str, cards: Iterable[tuple[bytes, CardParts]]) -> list[bytes]:
        """Return the parts of *cards*, each with its fingerprint, sealed for *sku* in order."""
        rows = [(fingerprint, _plain(parts)) for fingerprint, parts in cards]
        return self.sealer.seal_many(_CARD, sku, rows)

    def open_card(self, sku: str, card: SealedCard) -> Card:
        """Return the card, or raise `BrokenCard`."""
        try:
            plain = self.sealer.unseal(_CARD, sku, card.fingerprint, card.sealed)
        except SealError:
            raise BrokenCard(card.id) from None
        expires_at = None if card.expires_ms >= NEVER_MS else from_ms(card.expires_ms)
        if plain[:1] == _BARE:
            text = Secret(plain[1:].decode())
            return Card(card.id, sku, text, expires_at=expires_at, original=text)
        text_, secret, number, extra = json.loads(plain[1:])
        return Card(
            card.id,
            sku,
            Secret(secret),
            number=number,
            extra={name: Secret(value) for name, value in extra},
            expires_at=expires_at,
            original=Secret(text_),
        )

    def fingerprint(self, normalised: str) -> bytes:
        """Return the keyed fingerprint of a card's normalised text, 16 bytes."""
        return self.sealer.fingerprint(normalised)

    def fingerprints(self, normalised: Iterable[str]) -> list[bytes]:
        """Return the fingerprints of several texts in their order."""
        return list(map(self.sealer.fingerprint, normalised))

    # --- orders ---

    def seal_order(self, order: Order) -> bytes:
        """Return everything we were told about *order*, sealed."""
        plain = _order_text(order).encode()
        return self.sealer.seal(_ORDER, f"{order.platform}/{order.order_no}", b"", plain)

    def open_order(self, stored: StoredOrder) -> Order:
        """
        Return the order as it was sealed.

        Raises:
            OrderArchived: What was sealed is in an archive.
            SealError: It does not open.
        """
        if stored.archive is not None and not stored.payload:
            raise OrderArchived(stored.platform, stored.order_no, stored.archive)
        return self.open_payload(stored.platform, stored.order_no, stored.payload)

    def open_payload(self, platform: str, order_no: str, payload: bytes) -> Order:
        """Return the order that *payload* holds, wherever it was kept; `SealError` if it is not."""
        plain = self.sealer.unseal(_ORDER, f"{platform}/{order_no}", b"", payload)
        return _order_of_list(platform, order_no, json.loads(plain))

    def digest(self, order: Order) -> bytes:
        """Return the keyed digest of what makes two orders the same: the content of their lines."""
        content = ",".join([_content_text(line) for line in order.lines])
        return self.sealer.digest(f"[{content}]".encode())

    def buyer_index(self, buyer: Buyer) -> bytes | None:
        """Return the keyed index of who bought: by id, otherwise by contact."""
        if buyer.id:
            return self.sealer.index("buyer", buyer.id)
        return self.contact_index(buyer.contact)

    def contact_index(self, contact: str) -> bytes | None:
        """Return the keyed index of a contact; letter case does not matter."""
        folded = contact.strip().casefold()
        return self.sealer.index("contact", folded) if folded else None


def _plain(parts: CardParts) -> bytes:
    text, secret, number, extra = parts.text, parts.secret, parts.number, parts.extra
    if secret == text and not number and not extra:
        return _BARE + text.encode()
    # What the encoder would write; going through it would cost four times as much a card.
    rest = _encode(extra) if extra else "[]"
    return _PARTS + f"[{_quoted(text)},{_quoted(secret)},{_quoted(number)},{rest}]".encode()


# Orders are JSON, written as the encoder would write it: going through that takes three times as
# long, and after a commit, with nothing of it left in the processor's caches, ten.


def _order_text(order: Order) -> str:
    payment, buyer = order.payment, order.buyer
    lines = ",".join([_line_text(line) for line in order.lines])
    paid = "null"
    if payment is not None:
        paid_at, reference = _ms_text(payment.paid_at), _quoted(payment.reference)
        paid = f"[{_money_text(payment.paid)},{paid_at},{reference}]"
    told = (buyer.id, buyer.level, buyer.contact, buyer.ip)
    return f"[[{lines}],{paid},[{','.join(map(_quoted, told))}],{_ms_text(order.placed_at)}]"


def _line_text(line: OrderLine) -> str:
    price, options = _money_text(line.unit_price), line.options
    chosen = _encode({**options}) if options else "{}"
    return f"[{_quoted(line.item)},{line.quantity:d},{price},{_quoted(line.target)},{chosen}]"


def _content_text(line: OrderLine) -> str:
    """Return what has to be the same for a line to be the same."""
    price, options = line.unit_price, line.options
    cost = "null,null" if price is None else f"{price.minor},{_quoted(price.currency)}"
    chosen = _encode(sorted(options.items())) if options else "[]"
    return f"[{_quoted(line.item)},{line.quantity:d},{cost},{_quoted(line.target)},{chosen}]"


def _money_text(money: Money | None) -> str:
    return "null" if money is None else f"[{money.minor},{_quoted(money.currency)}]"


def _ms_text(moment: datetime | None) -> str:
    return "null" if moment is None else str(to_ms(moment))


def _order_of_list(platform: str, order_no: str, data: list[Any]) -> Order:
    lines, payment, buyer, placed_at = data
    return Order(
        platform=platform,
        order_no=order_no,
        lines=tuple(_line_of_list(*line) for line in lines),
        payment=payment and _payment_of_list(*payment),
        buyer=Buyer(id=buyer[0], level=buyer[1], contact=buyer[2], ip=buyer[3]),
        placed_at=_moment(placed_at),
    )


def _line_of_list(
    item: str, quantity: int, price: list[Any] | None, target: str, options: Mapping[str, str]
) -> OrderLine:
    return OrderLine(
        item=item, quantity=quantity, unit_price=_money(price), target=target, options=options
    )


def _payment_of_list(paid: list[Any], paid_at: int | None, reference: str) -> Payment:
    return Payment(paid=Money.from_minor(*paid), paid_at=_moment(paid_at), reference=reference)


def _money(data: list[Any] | None) -> Money | None:
    return None if data is None else Money.from_minor(*data)


def _moment(value: int | None) -> datetime | None:
    return None if value is None else from_ms(value)
