"""The cards desk: bring cards in, look at stock, find, void, move and take back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from os import PathLike
from typing import IO, Any, Final

import attrs

from autocard.clock import as_utc, to_ms
from autocard.desks.intake import Intake, Job, Progress
from autocard.errors import (
    CardNotFound,
    ConfigurationError,
    IllegalTransition,
    InvalidOrder,
)
from autocard.events import event
from autocard.flow import Flow
from autocard.importing.alike import readings
from autocard.importing.guessing import guess_format, sample
from autocard.importing.reading import ReadOptions, read_cards
from autocard.importing.report import ImportReport
from autocard.model import Batch, BatchId, Card, CardId, CardRecord, StockLevel
from autocard.money import Money
from autocard.ports import CardFormat, Transaction
from autocard.records import BatchEntry
from autocard.resuming import Resumption
from autocard.secret import Secret
from autocard.shielding import shielded
from autocard.spelling import close_names

Source = str | PathLike[str] | IO[bytes] | IO[str] | Iterable[str] | Iterable[Mapping[str, Any]]
_AT_ONCE: Final = 1_000
_AUTO: Final = "auto"
_READING: Final = ReadOptions()


@attrs.frozen
class CardDesk:
    """`engine.cards`: everything about cards that is not an order."""

    _flow: Flow
    _intake: Intake
    _resumption: Resumption
    _formats: Mapping[str, CardFormat]
    _format_of: Callable[[str], CardFormat]

    # --- in ---

    @shielded
    def add(
        self,
        sku: str,
        source: Source,
        *,
        warehouse: str = "main",
        format: str | None = None,  # noqa: A002 - the word the configuration uses for it
        supplier: str = "",
        cost: Money | str | None = None,
        expires_at: datetime | None = None,
        provenance: str = "",
        imported_by: str = "",
        reading: ReadOptions = _READING,
        dry_run: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> ImportReport:
        """
        Import cards and serve the orders that wait for them. Every row gets a verdict.

        Running the same source again adds only what is missing, also after a crash.

        Args:
            sku: What the cards are; must be configured.
            source: A path, a binary or text file, or an iterable of lines or of mappings.
            warehouse: Where they go; made when it is new.
            format: Name of the card format; None takes the sku's, "auto" guesses and says so.
            supplier: Where they were bought.
            cost: What one card cost: Money, "46.50 CNY", or "46.50" in the currency of the settings.
            expires_at: When they stop working, for rows that do not say it themselves.
            provenance: Invoice or contract; needed where `require_provenance` is set.
            imported_by: Who imports.
            reading: How to read the source, where detection should not decide.
            dry_run: Look at everything, store nothing.
            progress: Called after every chunk of rows.

        Raises:
            ConfigurationError: The sku, format or provenance is missing or unknown, or an argument is
                not what it must be; the message names it.
            UnreadableSource: The source as a whole cannot be read.
            StoreUnavailable: The store took only the chunks before; run it again later.

        Whatever stops an import half way, also an error of the source's or of *progress*, has what
        came in before as its `.report`; the same source again adds exactly what is missing.

        Effects: one commit for every 2,000 rows; from 10,000 rows on one for up to 10,000, and for
        fewer while orders come in; then those of the orders that were served. From 10,000 rows on
        other processes help, and end with it.
        Secrets: the report shows at most four characters of a card.
        """
        settings = self._sku_settings(sku)
        entry = BatchEntry(
            sku=sku,
            warehouse=_name(warehouse, "warehouse"),
            format="",
            supplier=_short(supplier, "supplier", 128),
            provenance=_short(provenance, "provenance", 4_096),
            imported_by=_short(imported_by, "imported_by", 128),
            imported_ms=0,
            **self._cost(cost),
        )
        if settings.require_provenance and not provenance.strip():
            raise ConfigurationError(
                f"provenance: {sku} needs it; say which invoice or contract the cards come from"
            )
        report = self._import(entry, source, format, expires_at, reading, dry_run, progress)
        if report.added and not dry_run:
            self._resumption.serve_waiting(sku=sku)
        return report

    @shielded
    def preview(self, sku: str, source: Source, **options: Any) -> ImportReport:
        """Say what `add` with the same arguments would do; store nothing."""
        return self.add(sku, source, **{**options, "dry_run": True})

    def _import(
        self,
        entry: BatchEntry,
        source: Any,
        format_name: str | None,
        expires_at: datetime | None,
        reading: ReadOptions,
        is_dry: bool,  # noqa: FBT001 - private, one caller
        progress: Callable[[Progress], None] | None,
    ) -> ImportReport:
        notes = ""
        if format_name == _AUTO:
            lines, source = sample(source, reading)
            guess = guess_format(lines, self._formats.values())
            format_name = guess.name
            possible = [name for name in guess.candidates if name != guess.name]
            notes = f"format guessed: {guess.name}"
            notes += f" (also possible: {', '.join(possible[:5])})" if possible else ""
        card_format = self._card_format(entry.sku, format_name)
        others, gone = self._other_formats(card_format)
        if gone:
            notes += "; " if notes else ""
            notes += f"not compared with cards that came in as {', '.join(gone)}: not installed"
        return self._intake.run(
            Job(
                reading=read_cards(source, card_format, reading),
                card_format=card_format,
                entry=attrs.evolve(entry, format=card_format.name),
                expires_at=_expiry(expires_at),
                is_dry=is_dry,
                others=others,
                notes=notes,
                progress=progress,
            )
        )

    # --- looks ---

    def stock(self, sku: str | None = None) -> list[StockLevel]:
        """Return exact levels by sku and warehouse."""
        return self._flow.pool.stock(sku)

    def batches(self, sku: str | None = None) -> list[Batch]:
        """Return imports, newest first, with what is still available of each."""
        return self._flow.pool.batches(sku)

    def formats(self) -> list[CardFormat]:
        """Return the card formats that can be chosen, by name."""
        return [self._formats[name] for name in sorted(self._formats)]

    @shielded
    def find(self, text: str | Secret) -> CardRecord | None:
        """
        Return where the card with this text is, or None. No card is opened for it.

        Raises:
            InvalidOrder: It is no text.
        """
        plain = text.reveal() if isinstance(text, Secret) else text
        if not isinstance(plain, str):
            raise InvalidOrder("text", "must be text or a Secret")
        for card_format in self._used_formats():
            for parts in readings(card_format, plain.strip()):
                fingerprint = self._flow.vault.fingerprint(card_format.normalise(parts))
                found = self._flow.pool.find_card(fingerprint)
                if found is not None:
                    return found
        return None

    def reveal(self, card: CardId, *, by: str, why: str) -> Card:
        """
        Return a card's plaintext to an operator.

        Effects: one commit that records who asked and why, before anything is shown.
        """
        record, sealed = self._must_find(card)
        _named(by)
        flow = self._flow
        now_ms = to_ms(flow.clock.now())
        opened = flow.vault.open_card(record.sku, sealed)
        told = event("card.revealed", now_ms, card=card, by=by, why=why)
        flow.pool.change(lambda change: change.record([told]))
        return opened

    # --- changes ---

    def void(self, card: CardId, *, by: str, why: str) -> None:
        """Take a card out of use for good, whatever its state; a sold one stays with its order."""
        record, _ = self._must_find(card)
        _named(by)
        flow = self._flow
        now_ms = to_ms(flow.clock.now())
        told = event("card.voided", now_ms, card=card, by=by, why=why, was=record.state)

        def void(change: Transaction) -> None:
            change.void_card(card, record.state, now_ms=now_ms)
            change.record([told])

        flow.pool.change(void)

    def move(self, sku: str, *, origin: str, destination: str, quantity: int, by: str = "") -> int:
        """
        Carry up to *quantity* available cards to another warehouse, first-expiring first.

        Returns:
            How many were there to carry.
        """
        self._sku_settings(sku)
        if quantity < 1:
            raise InvalidOrder("quantity", "must be 1 or more")
        _name(destination, "destination")
        flow = self._flow
        moved = 0

        def carry(change: Transaction) -> int:
            now_ms = to_ms(flow.clock.now())
            count = change.move_cards(
                sku, origin, destination, limit=min(_AT_ONCE, quantity - moved), now_ms=now_ms
            )
            if count:
                told = event(
                    "cards.moved", now_ms, sku=sku, origin=origin, destination=destination,
                    quantity=count, by=by,
                )  # fmt: skip
                change.record([told])
            return count

        while moved < quantity and (count := flow.pool.change(carry)):
            moved += count
        if moved:
            self._resumption.serve_waiting(sku=sku)
        return moved

    def undo(self, batch: BatchId, *, by: str, why: str) -> int:
        """
        Take an import back: what is unsold of it leaves stock and is forgotten.

        The same cards may be imported again. Sold and reserved ones stay as they are; undo again
        when a reservation has lapsed.

        Returns:
            How many cards left stock.

        Raises:
            CardNotFound: There is no such batch.
            IllegalTransition: It was undone before, and nothing of it has come back since.
        """
        _named(by)
        flow = self._flow
        now_ms = to_ms(flow.clock.now())
        total = 0

        def forget(change: Transaction) -> int:
            count = change.undo_batch(batch, limit=_AT_ONCE, now_ms=now_ms)
            if count < _AT_ONCE:
                # Marked last, so that whoever comes after a crash can go on.
                self._close(change, batch, has_more=bool(total + count))
                change.record([event("batch.undone", now_ms, batch=batch, by=by, why=why)])
            return count

        while True:
            count = flow.pool.change(forget)
            total += count
            if count < _AT_ONCE:
                return total

    # --- helpers ---

    def _close(self, change: Transaction, batch: BatchId, *, has_more: bool) -> None:
        try:
            change.close_batch(batch)
        except IllegalTransition:
            if not has_more:
                raise

    def _sku_settings(self, sku: str) -> _Sku:
        settings = self._flow.settings
        found = settings.skus.get(sku)
        if found is None:
            advice = close_names(sku, settings.skus)
            raise ConfigurationError(
                f"there is no sku {sku!r}{advice}; add [skus.{sku}] to the configuration"
            )
        required = found.require_provenance
        return _Sku(
            sources=found.sources,
            format=found.format or settings.default_format,
            require_provenance=settings.require_provenance if required is None else required,
        )

    def _card_format(self, sku: str, name: str | None) -> CardFormat:
        return self._format_of(name or self._sku_settings(sku).format)

    def _used_formats(self) -> list[CardFormat]:
        """Return each format that cards in stock may have been imported with, once."""
        settings = self._flow.settings
        names = {settings.default_format}
        names.update(sku.format for sku in settings.skus.values() if sku.format)
        names |= self._flow.pool.formats()
        return [self._format_of(name) for name in sorted(names)]

    def _other_formats(
        self, card_format: CardFormat
    ) -> tuple[tuple[CardFormat, ...], tuple[str, ...]]:
        """Return the other formats that cards have come in with, and the names of those gone since."""
        names = sorted(self._flow.pool.formats() - {card_format.name})
        there = tuple(self._formats[name] for name in names if name in self._formats)
        return there, tuple(name for name in names if name not in self._formats)

    def _cost(self, cost: Money | str | None) -> dict[str, Any]:
        if cost is None:
            return {}
        if isinstance(cost, str):
            try:
                is_bare = " " not in cost.strip()
                text = f"{cost.strip()} {self._flow.settings.currency}" if is_bare else cost
                cost = Money.parse(text)
            except (ValueError, TypeError) as error:
                raise ConfigurationError(f"cost: {error}; write for instance 46.50 CNY") from None
        given: object = cost
        if not isinstance(given, Money) or given.minor < 0:
            raise ConfigurationError(
                "cost: must be Money or text, 0 or more; write for instance 46.50 CNY"
            )
        return {"cost_minor": cost.minor, "currency": cost.currency}

    def _must_find(self, card: CardId) -> Any:
        found = self._flow.pool.sealed_card(card)
        if found is None:
            raise CardNotFound(f"there is no card {card}")
        return found


@attrs.frozen(kw_only=True)
class _Sku:
    """What the desk needs of a sku's settings, defaults filled in."""

    sources: tuple[str, ...]
    format: str
    require_provenance: bool


def _expiry(moment: datetime | None) -> datetime | None:
    try:
        return None if moment is None else as_utc(moment, "expires_at")
    except (AttributeError, ValueError, OverflowError):
        raise ConfigurationError("expires_at: must be a datetime with a time zone") from None


def _short(text: str, field: str, most: int) -> str:
    """Refuse what not every store can hold: it could not be copied to another one."""
    _must_be_text(text, field)
    if len(text) > most:
        raise ConfigurationError(f"{field}: must be {most:,} characters at most")
    return text


def _must_be_text(value: object, field: str) -> None:
    if not isinstance(value, str):
        raise ConfigurationError(f"{field}: must be text, not {type(value).__name__}")


def _name(text: str, field: str) -> str:
    _must_be_text(text, field)
    if not 1 <= len(text) <= 64 or not text.isprintable():
        raise ConfigurationError(f"{field}: a name has 1 to 64 printable characters")
    return text


def _named(by: str) -> None:
    if not by:
        raise InvalidOrder("by", "must say who does this")
