"""The engine: the one object a host opens. It knows every concrete class, so nothing else has to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import attrs

from autocard import assembly
from autocard.assessing import Reviewer
from autocard.clock import Clock
from autocard.config import Settings, load_settings
from autocard.delivering import Courier
from autocard.desks.cards import CardDesk
from autocard.desks.intake import Intake
from autocard.desks.ledger import LedgerDesk
from autocard.desks.review import ReviewDesk
from autocard.desks.supply import SupplierReport, SupplyDesk
from autocard.desks.typed import TypedCards
from autocard.errors import AutocardError, InvalidOrder
from autocard.filling import Filler
from autocard.flow import Flow
from autocard.hearing import Hearing
from autocard.joining import Joiner
from autocard.matching import RuleMatcher
from autocard.model import Inbound, Order, Receipt, Reply
from autocard.planning import Planner
from autocard.plugins import Plugins
from autocard.ports import Dispatcher, Matcher, Platform, Pool
from autocard.receipts import line_receipt, stored_receipt
from autocard.receiving import Reception
from autocard.reserving import Reservations
from autocard.restocking import Restocker
from autocard.resuming import ResumeReport, Resumption
from autocard.states import Outcome
from autocard.store.opening import open_pool
from autocard.syncing import Syncer


@attrs.frozen
class CheckItem:
    """One thing that was looked at, and how it stands."""

    name: str
    ok: bool
    detail: str = ""


@attrs.frozen
class CheckReport:
    """What `Engine.check` found."""

    items: tuple[CheckItem, ...]

    @property
    def ok(self) -> bool:
        """True when every item is."""
        return all(item.ok for item in self.items)


@final
class Engine:
    """
    Turns paid orders into cards, exactly once. Threads may share it; so may forked processes.

    Open it with `Engine.open`, close it or use it in a `with` statement. Desks: `cards` (stock),
    `review` (what waits for a person), `supply` (what is bought), `ledger` (events and books).
    """

    def __init__(self, flow: Flow, adapters: assembly.Adapters) -> None:
        """Use `Engine.open`."""
        self._flow = flow
        self._adapters = adapters
        self._desks = _Desks.of(flow)
        self._closed = False

    @classmethod
    def open(
        cls,
        source: str | PathLike[str] | Mapping[str, Any] | Settings,
        *,
        create: bool = False,
        plugins: Sequence[object] = (),
        clock: Clock | None = None,
        pool: Pool | None = None,
        matcher: Matcher | None = None,
        dispatcher: Dispatcher | None = None,
    ) -> Self:
        """
        Return an engine on a configuration, everything about it checked.

        Args:
            source: Path of a TOML file, a mapping of the same shape, or `Settings`.
            create: Make the store and the keyring where they are missing.
            plugins: Objects or modules with hooks (`autocard.spi.hookimpl`).
            clock: Who tells the time; the store's own where it is None. For tests.
            pool: A store instead of the configured one.
            matcher: Who says what a line means, instead of the configured rules.
            dispatcher: Who carries out pushes, instead of the configured platforms and channels.

        Raises:
            ConfigurationError: A setting, file, adapter or plugin is wrong or missing.
            SchemaMismatch: The store belongs to another version of autocard.
            StoreUnavailable: The store cannot be opened.
            UnknownSealKey: The keyring is not the one the store was sealed with.

        Effects: reads files; with *create* makes them. No network.
        """
        settings = load_settings(Path(source) if isinstance(source, PathLike) else source)
        own_pool = pool or open_pool(settings.store, base=settings.base, create=create)
        try:
            flow, adapters = _assemble(
                settings,
                clock or own_pool.clock,
                Plugins(plugins),
                own_pool,
                matcher,
                dispatcher,
                create=create,
            )
            return cls(flow, adapters)
        except BaseException:
            own_pool.close()
            raise

    def close(self) -> None:
        """Give back connections. The engine cannot be used afterwards; closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._adapters.close()
            self._flow.pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- orders ---

    def dispatch(self, order: Order, *, connection: Any = None) -> Receipt:
        """
        Serve a paid order, or return what was served before.

        Everything up to the cards is one commit. The same order again returns the same cards
        with `replayed=True` and changes nothing.

        Args:
            order: With its payment: the host's word that it is paid.
            connection: The host's connection, of SQLAlchemy, of Django or the driver's own, with a
                transaction on it: the order commits and rolls back with the host's rows, nothing
                is pushed until `resume`, and no hook hears of it.

        Returns:
            A receipt; each line is DELIVERED with its cards, or says what it waits for.

        Raises:
            InvalidOrder: It has no lines or no payment.
            OrderConflict: The number is known with other lines.
            StoreUnavailable: Not accepted; nothing was written.
            SealError: An order or card does not open.

        Effects: one commit; a push to the platform or a channel, and one more commit, where the
        platform is configured so.
        """
        _must_have_lines(order)
        if order.payment is None:
            raise InvalidOrder("payment", "is missing; expect or reserve serve unpaid orders")
        return self._flow.dispatch(order, connection=connection)

    def dispatch_many(self, orders: Iterable[Order]) -> list[Receipt]:
        """
        Serve paid orders together, in one commit for all of them.

        Raises:
            InvalidOrder: One has no lines or no payment; none was accepted.
            OrderConflict: One is known with other lines; none was accepted.
            StoreUnavailable: None was accepted.
        """
        many = list(orders)
        for index, order in enumerate(many):
            if not order.lines or order.payment is None:
                raise InvalidOrder(f"orders[{index}]", "needs lines and a payment")
        return self._flow.dispatch_many(many)

    def expect(self, order: Order) -> Receipt:
        """
        Register an order before it is paid, so that its payment finds what was bought.

        No cards are taken. If the payment was faster, the order is served at once.

        Raises:
            OrderConflict: The number is known with other lines.

        Effects: one commit. If the payment was faster: as `receive`, which may ask the platform.
        """
        return self._desks.reservations.expect(order)

    def reserve(self, order: Order, *, ttl_s: float) -> Receipt:
        """
        Register an order before it is paid and hold its cards for *ttl_s* seconds.

        A line that stock cannot hold whole is CANCELLED/short in the receipt; paid all the same it
        is served as soon as there is stock. Reserving again prolongs.

        Raises:
            OrderConflict: The number is known with other lines.
            IllegalTransition: The order was cancelled.
        """
        return self._desks.reservations.reserve(order, ttl_s)

    def cancel(self, platform: str, order_no: str, *, reason: str) -> Receipt:
        """
        Cancel what is not served yet and give reserved cards back.

        Raises:
            OrderNotFound: There is no such order.
            IllegalTransition: A line is served or on its way; nothing was changed.
        """
        return self._desks.reservations.cancel(platform, order_no, reason)

    def receipt(self, platform: str, order_no: str) -> Receipt | None:
        """Return an order as it stands, with the cards that may be shown; None if unknown."""
        stored = self._flow.pool.order(platform, order_no)
        if stored is None:
            return None
        return stored_receipt(self._flow.pool, self._flow.vault, stored, replayed=True)

    def orders(
        self,
        *,
        outcome: Outcome | None = None,
        platform: str | None = None,
        contact: str | None = None,
        limit: int = 100,
    ) -> list[Receipt]:
        """Return the newest orders, without cards; of one outcome, platform or contact if given."""
        index = None if contact is None else self._flow.vault.contact_index(contact)
        if contact is not None and index is None:
            return []
        found = self._flow.pool.orders(
            outcome=outcome, platform=platform, contact=index, limit=limit
        )
        return [
            Receipt(
                platform=stored.platform,
                order_no=stored.order_no,
                lines=tuple(line_receipt(line, line.status) for line in stored.lines),
                replayed=True,
            )
            for stored in found
        ]

    # --- platforms ---

    def receive(self, platform: str, inbound: Inbound) -> Reply:
        """
        Take a message of a platform, or of a supplier, and return the reply it expects.

        What is not proved genuine is refused; nothing of it is stored and nothing explained.
        A supplier's message is only a hint: what it is about is looked up.

        Raises:
            ConfigurationError: Neither a platform nor a supplier of that name is configured.
            UnsupportedFeature: Its adapter takes no messages.

        Effects: asks the platform whether the order is paid, where that is configured; then as
        `dispatch`. For a supplier: one look-up, and the commit that settles it.
        """
        if platform in self._flow.buyer.suppliers:
            return self._desks.hearing.hear(platform, inbound)
        return self._desks.reception.receive(platform, inbound)

    def pull(self, platform: str, since: datetime | None = None) -> list[Receipt]:
        """
        Fetch a platform's paid orders and serve them; known ones are returned as they stand.

        Raises:
            ConfigurationError: The platform is not configured.
            InvalidOrder: *since* has no time zone.
            AdapterError: The platform cannot be asked now, or never can; orders it gave before that
                are served.
        """
        return self._desks.reception.pull(platform, since)

    def platform(self, name: str) -> Platform:
        """
        Return a configured platform, for what only its adapter knows, such as a payment address.

        Raises:
            ConfigurationError: The platform is not configured.
        """
        return self._desks.reception.platform(name)

    # --- operation ---

    def resume(self, limit: int = 100) -> ResumeReport:
        """
        Advance what is unfinished: lapsed reservations, unasked payments, waiting lines, due calls.

        Call it from cron, a worker or `autocard run`; many hosts may at once. *limit* bounds each
        kind of work in one pass.
        """
        return self._desks.resumption.resume(limit)

    def check(self, platform: str | None = None) -> CheckReport:
        """
        Look at store, keyring, adapters and hooks without changing anything.

        Args:
            platform: Only this one of the configured platforms.

        Raises:
            ConfigurationError: There is no such platform.
        """
        flow = self._flow
        if platform is not None:
            self._desks.reception.platform(platform)
        items = [self._check_store(), CheckItem("keyring", ok=True, detail="opens this store")]
        for name, adapter in flow.platforms.items():
            if platform in (None, name):
                told = ", ".join(sorted(adapter.capabilities))
                items.append(CheckItem(f"platform {name}", ok=True, detail=told))
        if platform is None:
            items.append(self._check_archives())
            items += [self._check_supplier(report) for report in self.supply.balances()]
            items += [
                CheckItem(f"channel {name}", ok=True, detail=adapter.name)
                for name, adapter in self._adapters.channels.items()
            ]
            failures = flow.plugins.failures
            items.append(
                CheckItem("hooks", ok=not failures, detail=f"{failures} failed since opening")
            )
        return CheckReport(tuple(items))

    def _check_store(self) -> CheckItem:
        try:
            skus = len({level.sku for level in self._flow.pool.stock()})
        except AutocardError as error:
            return CheckItem("store", ok=False, detail=str(error))
        return CheckItem("store", ok=True, detail=f"{skus} skus have had stock")

    def _check_supplier(self, report: SupplierReport) -> CheckItem:
        """Tell what is known of a supplier; it is not asked."""
        able = self._flow.buyer.suppliers[report.supplier].capabilities
        told = [", ".join(sorted(able))]
        if report.is_low:
            told.append(f"its balance is low: {report.balance}")
        if report.paused_until is not None:
            told.append(f"paused after failures until {report.paused_until:%Y-%m-%d %H:%M:%S} UTC")
        return CheckItem(f"supplier {report.supplier}", ok=len(told) == 1, detail="; ".join(told))

    def _check_archives(self) -> CheckItem:
        try:
            archives = self.ledger.archives()
        except AutocardError as error:
            return CheckItem("archives", ok=False, detail=str(error))
        left = [archive.name for archive in archives if not archive.is_finished]
        if left:
            told = f"{left[0]} was not finished; run `autocard archive` again"
            return CheckItem("archives", ok=False, detail=told)
        return CheckItem("archives", ok=True, detail=f"{len(archives)} made, all finished")

    # --- desks ---

    @property
    def cards(self) -> CardDesk:
        """Bring cards in, look at stock, find, void, move, take back."""
        return self._desks.cards

    @property
    def review(self) -> ReviewDesk:
        """Orders that wait for a person."""
        return self._desks.review

    @property
    def supply(self) -> SupplyDesk:
        """What suppliers offer, what was bought, restocks, and purchases that need a person."""
        return self._desks.supply

    @property
    def ledger(self) -> LedgerDesk:
        """Events, whether the books agree, and archives of what is old."""
        return self._desks.ledger

    @property
    def settings(self) -> Settings:
        """The configuration this engine was opened with."""
        return self._flow.settings


@attrs.frozen(kw_only=True)
class _Desks:
    """What the engine hands its work to."""

    reservations: Reservations
    reception: Reception
    hearing: Hearing
    resumption: Resumption
    cards: CardDesk
    review: ReviewDesk
    supply: SupplyDesk
    ledger: LedgerDesk

    @classmethod
    def of(cls, flow: Flow) -> Self:
        format_of = flow.buyer.settler.format_of
        reservations = Reservations(flow)
        reception = Reception(flow, reservations)
        restocker, syncer = Restocker(flow.buyer), Syncer(flow.buyer)
        resumption = Resumption(flow, reception, reservations, restocker, syncer)
        intake = Intake(flow.pool, flow.vault, flow.clock, flow.settings.import_processes)
        typed = TypedCards(intake, flow.settings, format_of)
        cards = CardDesk(flow, intake, resumption, flow.plugins.registry.card_formats, format_of)
        return cls(
            reservations=reservations,
            reception=reception,
            hearing=Hearing(flow),
            resumption=resumption,
            cards=cards,
            review=ReviewDesk(flow, typed),
            supply=SupplyDesk(flow, resumption, restocker, syncer, typed),
            ledger=LedgerDesk(flow.pool, flow.vault, flow.clock),
        )


def _must_have_lines(order: Order) -> None:
    if not order.lines:
        raise InvalidOrder("lines", "must not be empty")


def _assemble(
    settings: Settings,
    clock: Clock,
    plugins: Plugins,
    pool: Pool,
    matcher: Matcher | None,
    dispatcher: Dispatcher | None,
    *,
    create: bool,
) -> tuple[Flow, assembly.Adapters]:
    """Put the concrete classes together."""
    vault = assembly.open_vault(settings, pool, clock, create=create)
    adapters = assembly.open_adapters(settings, plugins, lambda: not pool.in_transaction())
    dispatcher = dispatcher or Courier(
        pool=pool,
        vault=vault,
        clock=clock,
        settings=settings,
        plugins=plugins,
        platforms=adapters.platforms,
        channels=adapters.channels,
    )
    format_of = assembly.open_formats(settings, plugins)
    planner = Planner(vault=vault, clock=clock, settings=settings, dispatcher=dispatcher)
    filler = Filler(vault=vault, planner=planner)
    buyer = assembly.open_buyer(
        pool, vault, clock, settings, plugins, filler, adapters.suppliers, format_of
    )
    flow = Flow(
        pool=pool,
        vault=vault,
        clock=clock,
        settings=settings,
        plugins=plugins,
        matcher=matcher or RuleMatcher(settings, clock=clock),
        reviewer=Reviewer(settings.review, clock=clock),
        platforms=adapters.platforms,
        dispatcher=dispatcher,
        planner=planner,
        filler=filler,
        buyer=buyer,
        joiner=Joiner(vault=vault, clock=clock, settings=settings),
    )
    return flow, adapters
