"""Records become sealed cards: the part of an import that knows no store and needs no clock."""

from __future__ import annotations

import marshal
from collections.abc import Iterable
from typing import Final, Self

import attrs

from autocard.clock import to_ms
from autocard.importing.alike import Alike
from autocard.importing.report import RowVerdict
from autocard.importing.values import Chunk, Row
from autocard.model import CardParts
from autocard.ports import CardFormat
from autocard.records import NewCard
from autocard.vault import Vault

# The version without references: no two rows share anything worth looking for.
_MARSHAL: Final = 2
_FINGERPRINT_BYTES: Final = 16

Refusal = tuple[str, str, str]
"""Verdict, why, and what is shown of a row that is not added."""


@attrs.frozen(kw_only=True)
class Terms:
    """What holds for all cards of an import."""

    sku: str
    card_format: CardFormat
    expires_ms: int
    """For cards that bring no expiry of their own."""
    others: tuple[CardFormat, ...] = ()
    """Further formats that cards have come in with: one of these may be there already."""


@attrs.frozen(kw_only=True)
class Prepared:
    """
    What became of a chunk. Holds no plaintext.

    Args:
        lines: The line of every row, in their order.
        files: The file of every row; empty where there is only one.
        refused: Rows that are not added, whatever the store says, by their place in the chunk.
        notes: What is worth knowing about rows that may be added, by place.
        places: Where in the chunk each of the cards stood.
        cards: The cards, sealed.
        further: Other fingerprints that a card may be known by, by its own; mostly there are none.
    """

    lines: list[int]
    files: list[str]
    refused: dict[int, Refusal]
    notes: dict[int, str]
    places: list[int]
    cards: list[NewCard] = attrs.field(repr=False)
    further: dict[bytes, list[bytes]] = attrs.field(factory=dict, repr=False)

    def packed(self) -> bytes:
        """Return this for another process."""
        cards = self.cards
        columns = (
            self.lines, self.files, self.refused, self.notes, self.places,
            b"".join([card.fingerprint for card in cards]), [card.sealed for card in cards],
            [card.expires_ms for card in cards], self.further,
        )  # fmt: skip
        return marshal.dumps(columns, _MARSHAL)

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        """Return what `packed` wrote."""
        columns = marshal.loads(data)  # noqa: S302 - from a process of ours, through its own pipe
        lines, files, refused, notes, places, joined, sealed, expires, further = columns
        starts = range(0, len(joined), _FINGERPRINT_BYTES)
        fingerprints = [joined[at : at + _FINGERPRINT_BYTES] for at in starts]
        of_cards = lines if len(places) == len(lines) else [lines[place] for place in places]
        cards = list(map(NewCard, of_cards, fingerprints, sealed, expires))
        return cls(
            lines=lines, files=files, refused=refused, notes=notes, places=places, cards=cards,
            further=further,
        )  # fmt: skip


def prepare(vault: Vault, terms: Terms, chunk: Chunk, now_ms: int) -> Prepared:
    """
    Return the cards of *chunk* sealed, each once, and what became of its other rows.

    Takes no time from the system: with the same arguments every process comes to the same, but for
    the nonces of the seals.
    """
    rows = [row for piece in chunk for row in piece.rows()]
    refused: dict[int, Refusal] = {}
    candidates = _candidates(terms, rows, refused, now_ms)
    fingerprints = vault.fingerprints(_normalised(terms, candidates))
    first: dict[bytes, int] = {}
    for fingerprint, (place, parts, _) in zip(fingerprints, candidates, strict=True):
        earlier = first.setdefault(fingerprint, place)
        if earlier != place:
            why = f"the same card as on line {rows[earlier].line}"
            shown = terms.card_format.mask(parts)
            refused[place] = str(RowVerdict.DUPLICATE_IN_FILE), why, shown
    found = [
        (fingerprint, *candidate)
        for fingerprint, candidate in zip(fingerprints, candidates, strict=True)
        if candidate[0] not in refused
    ]
    sealed = vault.seal_cards(terms.sku, [(print_, parts) for print_, _, parts, _ in found])
    files = [row.file for row in rows]
    return Prepared(
        lines=[row.line for row in rows],
        files=files if any(files) else [],
        refused=refused,
        notes={place: row.note for place, row in enumerate(rows) if row.note},
        places=[place for _, place, _, _ in found],
        cards=[
            NewCard(rows[place].line, fingerprint, envelope, expires_ms)
            for (fingerprint, place, _, expires_ms), envelope in zip(found, sealed, strict=True)
        ],
        further=_further(vault, terms, [(print_, parts) for print_, _, parts, _ in found]),
    )


def _further(
    vault: Vault, terms: Terms, cards: list[tuple[bytes, CardParts]]
) -> dict[bytes, list[bytes]]:
    alike = Alike(terms.card_format, terms.others)
    if not alike.is_needed:
        return {}
    forms = ((print_, alike.forms(parts)) for print_, parts in cards)
    return {print_: vault.fingerprints(sorted(found)) for print_, found in forms if found}


_Candidate = tuple[int, CardParts, int]
"""The place of a row that is a card, the card, and when it expires."""


def _candidates(
    terms: Terms, rows: list[Row], refused: dict[int, Refusal], now_ms: int
) -> list[_Candidate]:
    """Return the rows that are cards; tell of the others in *refused*."""
    found: list[_Candidate] = []
    for place, row in enumerate(rows):
        parts = row.parts
        if parts is None:
            refused[place] = str(RowVerdict.MALFORMED), row.problem, ""
            continue
        expires_at = parts.expires_at
        expires_ms = terms.expires_ms if expires_at is None else to_ms(expires_at)
        if expires_ms > now_ms:
            found.append((place, parts, expires_ms))
        else:
            shown = terms.card_format.mask(parts)
            refused[place] = str(RowVerdict.MALFORMED), "it has expired", shown
    return found


def _normalised(terms: Terms, candidates: list[_Candidate]) -> Iterable[str]:
    normalise = terms.card_format.normalise
    return [normalise(parts) for _, parts, _ in candidates]


def shown(terms: Terms, chunk: Chunk, prepared: Prepared, places: Iterable[int]) -> dict[int, str]:
    """
    Return what a report shows of the rows at *places*.

    Taken apart again: the cards of a good file are never masked, and plaintext is not carried along.
    """
    mask = terms.card_format.mask
    records = [(piece.parser, record) for piece in chunk for record in piece.records]
    if len(records) == len(prepared.lines):
        rows = {place: records[place][0].row(records[place][1]) for place in places}
    else:  # some records were no rows, so places are counted without them
        every = [row for piece in chunk for row in piece.rows()]
        rows = {place: every[place] for place in places}
    return {place: mask(row.parts) for place, row in rows.items() if row and row.parts}
