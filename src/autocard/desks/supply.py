"""The supply desk: what suppliers offer, what was bought, and what a person decides about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import attrs

from autocard.bargain import Offer
from autocard.buying import Buyer, Heard, Supply
from autocard.clock import from_ms, to_ms
from autocard.desks.typed import TypedCards
from autocard.errors import ConfigurationError, IllegalTransition, InvalidOrder, PurchaseNotFound
from autocard.events import event
from autocard.flow import Flow
from autocard.model import Event, OrderId, Receipt
from autocard.money import Money
from autocard.ports import Transaction
from autocard.purchasing import room, suppliers
from autocard.records import Allocation, Settlement, StoredOrder, StoredPurchase
from autocard.restocking import Restock, Restocker
from autocard.resuming import Resumption
from autocard.spelling import close_names
from autocard.states import PurchaseState
from autocard.syncing import Syncer, SyncReport

_OUTCOMES: Final = {"bought": PurchaseState.DONE, "failed": PurchaseState.FAILED}


@attrs.frozen(kw_only=True)
class PurchaseReport:
    """
    One purchase as a person sees it.

    Args:
        reference: Ours; what the supplier knows it under.
        remote: The supplier's own number; "" where it gave none.
        supplier: The configured name.
        sku: What arrives.
        item: The supplier's name for it.
        quantity: How many units.
        arrived: How many cards of it are in the store.
        state: Where it is.
        platform: Of the order it is for; "" for stock.
        order_no: Of the order it is for; "" for stock.
        line_no: Of the line it is for; 0 for stock.
        warehouse: Where its cards go; "" for a top-up.
        price: What one unit was offered for.
        cost: What was charged for all, as far as the supplier says.
        calls: How often the supplier was asked to sell.
        problem: What went wrong last, in words that hold no card.
        begun_at: When it was decided.
        changed_at: When it was last settled.
    """

    reference: str
    remote: str
    supplier: str
    sku: str
    item: str
    quantity: int
    arrived: int
    state: PurchaseState
    platform: str
    order_no: str
    line_no: int
    warehouse: str
    price: Money
    cost: Money | None
    calls: int
    problem: str
    begun_at: datetime
    changed_at: datetime


@attrs.frozen(kw_only=True)
class SupplierReport:
    """
    How things stand with one supplier.

    Args:
        supplier: Its configured name.
        balance: What it said it holds; None before it was asked, or where it does not say.
        balance_at: When it said so.
        is_low: The balance is below `balance_low`.
        spent_today: What today's purchases are worth (UTC).
        paused_until: Nothing is bought there before; None while it is not paused.
        success_rate: Which share of the last purchases was served, 0 to 1; None before the first.
        delay_s: How long those took on average; None before the first.
    """

    supplier: str
    balance: Money | None
    balance_at: datetime | None
    is_low: bool
    spent_today: Money
    paused_until: datetime | None
    success_rate: float | None
    delay_s: float | None


@attrs.frozen
class SupplyDesk:
    """`engine.supply`: everything about buying that is not one order."""

    _flow: Flow
    _resumption: Resumption
    _restocker: Restocker
    _syncer: Syncer
    _typed: TypedCards

    # --- looks ---

    def offers(self, sku: str, quantity: int = 1) -> list[Offer]:
        """
        Return what suppliers offer of a sku now, the cheapest first; nothing is bought.

        Offers of which not even a part of *quantity* units could be bought at once are left out.

        Raises:
            ConfigurationError: There is no such sku.

        Effects: a safe request to each supplier among its sources and restocks.
        """
        settings = self._flow.settings.skus.get(sku)
        if settings is None:
            advice = close_names(sku, self._flow.settings.skus)
            raise ConfigurationError(f"there is no sku {sku!r}{advice}")
        if quantity < 1:
            raise InvalidOrder("quantity", "must be 1 or more")
        names = suppliers(settings.sources)
        names += () if settings.restock is None else settings.restock.suppliers
        offer_book = self._buyer.offer_book
        for name in names:
            offer_book.forget(name)
        found = [x for x in offer_book.offers(sku, names) if room(x, quantity)]
        return sorted(found, key=lambda offer: (offer.cost, offer.supplier))

    def purchases(
        self,
        *,
        state: PurchaseState | None = None,
        supplier: str | None = None,
        limit: int = 100,
    ) -> list[PurchaseReport]:
        """Return the newest purchases; of one state or supplier where it is given."""
        found = self._flow.pool.purchases(state=state, supplier=supplier, limit=limit)
        return [self._report(purchase) for purchase in found]

    def purchase(self, reference: str) -> PurchaseReport:
        """Return one purchase by our reference; `PurchaseNotFound` if there is none such."""
        return self._report(self._must_find(reference))

    def evidence(self, reference: str) -> list[Event]:
        """Return the events of a purchase, oldest first: every call and its answer."""
        purchase = self._must_find(reference)
        if purchase.order_id is None:
            return self._flow.pool.restock_events(reference)
        found = self._flow.pool.events(order_id=purchase.order_id)
        return [x for x in found if x.detail.get("reference") == reference]

    def balances(self) -> list[SupplierReport]:
        """Return how things stand with every configured supplier, as far as is known; asks nobody."""
        records = {x.name: x for x in self._flow.pool.supplier_records()}
        now_ms = to_ms(self._flow.clock.now())
        currency = self._flow.settings.currency
        reports = []
        for name in self._buyer.suppliers:
            found = records.get(name)
            if found is None:
                nothing = Money(0, currency)
                reports.append(SupplierReport(
                    supplier=name, balance=None, balance_at=None, is_low=False,
                    spent_today=nothing, paused_until=None, success_rate=None, delay_s=None,
                ))  # fmt: skip
                continue
            is_told = found.balance_minor is not None
            is_today = found.day == now_ms // 86_400_000
            is_paused = found.paused_until_ms > now_ms
            reports.append(
                SupplierReport(
                    supplier=name,
                    balance=Money.from_minor(found.balance_minor or 0, found.currency)
                    if is_told
                    else None,
                    balance_at=from_ms(found.balance_ms) if is_told else None,
                    is_low=found.is_low,
                    spent_today=Money.from_minor(found.spent_minor if is_today else 0, currency),
                    paused_until=from_ms(found.paused_until_ms) if is_paused else None,
                    success_rate=found.served / found.asked if found.asked else None,
                    delay_s=found.took_ms / found.served / 1000 if found.served else None,
                )
            )
        return reports

    def sync(self, supplier: str | None = None) -> list[SyncReport]:
        """
        Ask one supplier, or all, for prices, stock and balance; what has changed is an event.

        Raises:
            ConfigurationError: There is no such supplier.
        """
        if supplier is not None and supplier not in self._buyer.suppliers:
            advice = close_names(supplier, self._buyer.suppliers)
            raise ConfigurationError(f"there is no supplier {supplier!r}{advice}")
        return self._syncer.sync(supplier)

    # --- stock ---

    def restock(self, sku: str | None = None, *, dry_run: bool = False) -> list[Restock]:
        """
        Look at the stock of every sku that has `restock`, or of one, and buy what is low.

        With *dry_run* nothing is bought. Purchases are carried out by `resume`; those of a sku
        with `approve = true` wait for `approve`.

        Raises:
            ConfigurationError: The sku has no `restock`.
        """
        settings = self._flow.settings.skus
        if sku is not None and (sku not in settings or settings[sku].restock is None):
            raise ConfigurationError(f"add [skus.{sku}.restock] to say how it is restocked")
        return self._restocker.restock(sku, is_dry=dry_run)

    def approve(self, reference: str, *, by: str) -> PurchaseReport:
        """
        Let a proposed restock be bought, unless it costs more than its ceiling by then.

        Raises:
            IllegalTransition: It is not proposed, or the budget of its supplier does not reach.
        """
        return self._decide_stock(reference, PurchaseState.DUE, "approved", by)

    def decline(self, reference: str, *, by: str, why: str) -> PurchaseReport:
        """Drop a proposed restock; `IllegalTransition` unless it is proposed."""
        _must_say(by, why)
        return self._decide_stock(reference, PurchaseState.FAILED, "declined", by, why)

    # --- what waits for a person ---

    def retry(self, reference: str, *, by: str, why: str = "") -> PurchaseReport:
        """
        Have a held purchase looked up once more, at once; its line waits for that.

        Once its line was served or ended otherwise, it is not sent again; what came lies in stock.

        Raises:
            IllegalTransition: It is not held.

        Effects: a commit, a look-up, and the commit that settles it.
        """
        supply = self._decide(
            reference, PurchaseState.HELD, PurchaseState.UNKNOWN, "retried", by, why
        )
        purchase = self._must_find(reference)
        claimed = self._buyer.claim(purchase)
        if claimed is not None:
            supply += self._buyer.carry_out(claimed)
        self._follow(purchase, supply)
        return self.purchase(reference)

    def resolve(
        self,
        reference: str,
        outcome: Literal["bought", "failed"],
        *,
        by: str,
        why: str,
        cards: Sequence[str] = (),
        cost: Money | None = None,
    ) -> PurchaseReport:
        """
        Say what became of a held purchase: a person has looked into it.

        Its line is served when all its cards are in stock then. Otherwise it goes on waiting, and
        what it lacks may be bought again: so after "bought" have the cards there, or type them in. Cards
        that were set aside are in the warehouse `quarantine`: move the good ones to where the
        sku's orders take from first, or type them in here.

        Args:
            reference: Of the purchase.
            outcome: "bought" or "failed".
            by: Who decides.
            why: What shows it, such as a number in the supplier's records.
            cards: The cards that were bought and are not in the store yet.
            cost: What was charged in the end, in the supplier's currency; after "failed" nothing
                unless it is given.

        Raises:
            PurchaseNotFound: There is no such purchase.
            IllegalTransition: It is not held.
            InvalidOrder: A card is malformed or known, or there are more than were bought.

        Effects: one commit that records who and why; then a push, where the platform wants one.
        """
        purchase = self._must_find(reference)
        if outcome not in _OUTCOMES:
            raise InvalidOrder("outcome", 'must be "bought" or "failed"')
        _must_say(by, why)
        if cost is not None and (cost.currency != purchase.currency or cost.minor < 0):
            raise InvalidOrder("cost", f"must be an amount of {purchase.currency}, 0 or more")
        if not purchase.warehouse and cards:
            raise InvalidOrder("cards", "a top-up brings none")
        if outcome == "failed" and cards:
            raise InvalidOrder("cards", 'came of it, so say "bought", with what it cost')
        if len(cards) + purchase.arrived > purchase.quantity:
            raise InvalidOrder(
                "cards", f"{purchase.quantity - purchase.arrived} are missing, not more"
            )
        sealed = self._typed.seal(purchase.sku, cards)
        state = _OUTCOMES[outcome]
        now_ms = to_ms(self._flow.clock.now())
        stored = self._order(purchase.order_id)
        told = event(
            "purchase.resolved", now_ms, purchase.order_id, purchase.line_no,
            reference=reference, outcome=outcome, by=by, why=why, cards=len(cards),
        )  # fmt: skip

        def settle(change: Transaction) -> Supply:
            current = None if stored is None else change.order(stored.platform, stored.order_no)
            self._typed.add(change, purchase.sku, sealed, by=by, now_ms=now_ms, purchase=purchase)
            heard = Heard(state=state, problem=f"{by}: {why}")
            arrived = purchase.arrived + len(sealed)
            self._buyer.settler.close(
                change, purchase, heard, cost=cost, arrived=arrived, now_ms=now_ms
            )
            change.record([told])
            supply = Supply(events=(told,))
            if stored is not None and current is not None:
                supply += self._buyer.settler.settle_line(change, current, purchase, heard)
            return supply

        self._must_be(purchase, PurchaseState.HELD)
        self._follow(purchase, self._flow.change(settle))
        return self.purchase(reference)

    # --- helpers ---

    @property
    def _buyer(self) -> Buyer:
        return self._flow.buyer

    def _decide(
        self,
        reference: str,
        state: PurchaseState,
        target: PurchaseState,
        word: str,
        by: str,
        why: str = "",
    ) -> Supply:
        """Take a purchase from *state* to *target* because a person says so."""
        _must_say(by, why or word)
        purchase = self._must_find(reference)
        self._must_be(purchase, state)
        now_ms = to_ms(self._flow.clock.now())
        stored = self._order(purchase.order_id)
        told = event(
            f"purchase.{word}", now_ms, purchase.order_id, purchase.line_no,
            reference=reference, by=by, why=why,
        )  # fmt: skip

        def settle(change: Transaction) -> Supply:
            current = None if stored is None else change.order(stored.platform, stored.order_no)
            if target is PurchaseState.FAILED:
                heard = Heard(state=target, problem=f"{by}: {why}")
                self._buyer.settler.close(
                    change, purchase, heard, cost=None, arrived=0, now_ms=now_ms
                )
            else:
                if target is PurchaseState.DUE:
                    self._count(change, purchase, now_ms)
                settlement = Settlement(state=target, due_ms=now_ms, misses=0)
                change.settle_purchase(purchase, settlement, now_ms=now_ms)
            change.record([told])
            supply = Supply(events=(told,))
            if current is not None:
                supply += self._buyer.settler.wait_again(change, current, purchase)
            return supply

        return self._flow.pool.change(settle)

    def _count(self, change: Transaction, purchase: StoredPurchase, now_ms: int) -> None:
        """Count an approved purchase in the budget of the day on which it is sent."""
        record = change.supplier(purchase.supplier)
        why = self._buyer.count(change, record, purchase, now_ms)
        if why:
            raise IllegalTransition(f"{why}; nothing was changed: approve it another day")

    def _decide_stock(
        self, reference: str, target: PurchaseState, word: str, by: str, why: str = ""
    ) -> PurchaseReport:
        supply = self._decide(reference, PurchaseState.PROPOSED, target, word, by, why)
        self._buyer.tell(None, supply.events)
        return self.purchase(reference)

    def _must_be(self, purchase: StoredPurchase, state: PurchaseState) -> None:
        if purchase.state is not state:
            raise IllegalTransition(
                f"purchase {purchase.reference} is {purchase.state}, not {state}; nothing was changed"
            )

    def _must_find(self, reference: str) -> StoredPurchase:
        found = self._flow.pool.purchase(reference)
        if found is None:
            raise PurchaseNotFound(f"there is no purchase {reference}")
        return found

    def _order(self, order_id: OrderId | None) -> StoredOrder | None:
        return None if order_id is None else self._flow.pool.order_by_id(order_id)

    def _follow(self, purchase: StoredPurchase, supply: Supply) -> None:
        """Push what was bought for an order; let what came into stock serve those who wait."""
        stored = self._order(purchase.order_id)
        if stored is not None:
            receipt = Receipt(platform=stored.platform, order_no=stored.order_no, lines=())
            allocation = Allocation(
                order_id=stored.id, receipt=receipt, events=supply.events, pushed=supply.pushed
            )
            self._flow.record(self._flow.deliver(allocation))
        else:
            self._buyer.tell(None, supply.events)
        self._resumption.serve_waiting(sku=purchase.sku)

    def _report(self, purchase: StoredPurchase) -> PurchaseReport:
        stored = self._order(purchase.order_id)
        cost = purchase.cost_minor
        return PurchaseReport(
            reference=purchase.reference,
            remote=purchase.remote,
            supplier=purchase.supplier,
            sku=purchase.sku,
            item=purchase.item,
            quantity=purchase.quantity,
            arrived=purchase.arrived,
            state=purchase.state,
            platform="" if stored is None else stored.platform,
            order_no="" if stored is None else stored.order_no,
            line_no=purchase.line_no or 0,
            warehouse=purchase.warehouse,
            price=Money.from_minor(purchase.price_minor, purchase.currency),
            cost=None if cost is None else Money.from_minor(cost, purchase.currency),
            calls=purchase.calls,
            problem=purchase.problem,
            begun_at=from_ms(purchase.created_ms),
            changed_at=from_ms(purchase.changed_ms or purchase.created_ms),
        )


def _must_say(by: str, why: str) -> None:
    if not by:
        raise InvalidOrder("by", "must say who does this")
    if not why:
        raise InvalidOrder("why", "must say what shows it")
