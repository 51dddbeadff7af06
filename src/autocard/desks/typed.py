"""Cards that a person types in for an order that is fulfilled by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from autocard.buying import provenance_of
from autocard.clock import NEVER_MS, to_ms
from autocard.config import Settings
from autocard.desks.intake import Intake
from autocard.errors import InvalidOrder
from autocard.importing.alike import Alike, known_otherwise, others_of
from autocard.importing.cards import read_line
from autocard.model import CardId
from autocard.ports import CardFormat, Transaction
from autocard.purchasing import warehouses
from autocard.records import BatchEntry, KnownCard, NewCard, StoredPurchase


@attrs.frozen
class TypedCards:
    """Checks typed cards, seals them, and brings them into a batch of their own."""

    _intake: Intake
    _settings: Settings
    _format_of: Callable[[str], CardFormat]

    def seal(self, sku: str, texts: Sequence[str]) -> list[NewCard]:
        """
        Return the cards sealed; `InvalidOrder` names the first that is none, or comes twice.

        One that is known by another reading of its text is refused here already; those known by
        their own are by `add`.
        """
        if not texts:
            return []
        card_format = self._format(sku)
        alike = Alike(
            card_format, others_of(card_format, self._intake.pool.formats(), self._format_of)
        )
        sealed, further = [], {}
        for index, text in enumerate(texts):
            parts, problem = read_line(card_format, text.strip())
            if parts is None:
                raise InvalidOrder(f"cards[{index}]", problem)
            expires_ms = NEVER_MS if parts.expires_at is None else to_ms(parts.expires_at)
            card = self._intake.seal(sku, card_format, parts, index + 1, expires_ms)
            further[card.fingerprint] = self._intake.vault.fingerprints(alike.forms(parts))
            sealed.append(card)
        if len({card.fingerprint for card in sealed}) != len(sealed):
            raise InvalidOrder("cards", "one card was typed twice")
        _refuse_known(sealed, known_otherwise(self._intake.pool.known, sealed, further))
        return sealed

    def add(
        self,
        change: Transaction,
        sku: str,
        cards: Sequence[NewCard],
        *,
        by: str,
        now_ms: int,
        purchase: StoredPurchase | None = None,
    ) -> list[CardId]:
        """
        Bring the cards into stock inside *change*; `InvalidOrder` names one we know.

        Those of a *purchase* go to where it was for, and keep where they come from and their cost.
        """
        if not cards:
            return []
        entry = BatchEntry(
            sku=sku,
            warehouse=(warehouses(self._settings.skus[sku].sources) or ("main",))[0],
            format=self._format(sku).name,
            provenance="typed in by hand",
            imported_by=by,
            imported_ms=now_ms,
        )
        if purchase is not None:
            entry = attrs.evolve(
                entry,
                warehouse=purchase.warehouse,
                supplier=purchase.supplier,
                cost_minor=purchase.price_minor,
                currency=purchase.currency,
                provenance=provenance_of(purchase),
            )
        known = change.add_cards(change.begin_batch(entry), cards, now_ms=now_ms)
        _refuse_known(cards, known)
        added = change.known([card.fingerprint for card in cards])
        return [added[card.fingerprint].id for card in cards]

    def _format(self, sku: str) -> CardFormat:
        return self._format_of(self._settings.skus[sku].format or self._settings.default_format)


def _refuse_known(cards: Sequence[NewCard], known: Mapping[bytes, KnownCard]) -> None:
    for index, card in enumerate(cards):
        if card.fingerprint in known:
            state = known[card.fingerprint].state
            raise InvalidOrder(f"cards[{index}]", f"we have this card already; it is {state}")
