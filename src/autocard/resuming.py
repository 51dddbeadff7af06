"""Advance what is unfinished: lapsed reservations, unasked payments, waiting lines, due calls."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, final

import attrs

from autocard.errors import IllegalTransition, SealError
from autocard.flow import Flow
from autocard.model import LineReceipt, Receipt
from autocard.ports import Transaction
from autocard.purchasing import still_short
from autocard.receipts import line_receipt
from autocard.receiving import Reception
from autocard.records import Allocation, Plan, StoredLine, StoredOrder
from autocard.reserving import Reservations
from autocard.restocking import Restocker
from autocard.syncing import Syncer

_LOG: Final = logging.getLogger("autocard.resuming")
_PAGE: Final = 200


@attrs.frozen(kw_only=True)
class ResumeReport:
    """What one pass of `Engine.resume` did; counts of orders, lines and outside calls."""

    lapsed: int = 0
    """Orders whose reservation ended."""
    confirmed: int = 0
    """Orders whose platform was asked again and answered."""
    bought: int = 0
    """Purchases that were begun, called or looked up, and lines that something was decided for."""
    served: int = 0
    """Waiting lines that got their cards."""
    delivered: int = 0
    """Outside calls that are done now."""
    delayed: int = 0
    """Outside calls that were tried or looked up and are not done."""

    @property
    def total(self) -> int:
        """How much happened; 0 means there is nothing to do at present."""
        counts = (self.lapsed, self.confirmed, self.bought, self.served)
        return sum(counts) + self.delivered + self.delayed


@final
class Interval:
    """Says once in a while that it is time; each process counts for itself."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._last_s: float | None = None

    def is_over(self, every_s: float) -> bool:
        """Return True, and begin anew, when *every_s* seconds have passed; the first time too."""
        now_s = self._now_s()
        if self._last_s is not None and now_s - self._last_s < every_s:
            return False
        self._last_s = now_s
        return True


@attrs.frozen
class Resumption:
    """The passes over unfinished work. Many hosts may make them at once."""

    flow: Flow
    reception: Reception
    reservations: Reservations
    restocker: Restocker
    syncer: Syncer
    _restocked: Interval = attrs.field(factory=Interval)

    def resume(self, limit: int) -> ResumeReport:
        """See `Engine.resume`."""
        lapsed = self.reservations.release_lapsed(limit)
        confirmed = self.reception.confirm_again(limit)
        bought = self._keep_stock() + self.flow.buyer.advance_due(limit)
        served = self.serve_waiting(limit=limit)
        bought += self.flow.buyer.supply_waiting(limit)
        delivered, delayed = self.flow.dispatcher.deliver_due(limit)
        while self.flow.pool.change(lambda change: change.roll_up()):
            pass  # until the levels say nearly all, and looks at stock stay short
        return ResumeReport(
            lapsed=lapsed,
            confirmed=confirmed,
            bought=bought,
            served=served,
            delivered=delivered,
            delayed=delayed,
        )

    def _keep_stock(self) -> int:
        """Look at suppliers and at low stock, each as often as is configured; return restocks."""
        if not self.flow.buyer.suppliers:
            return 0
        self.syncer.sync_due()
        if not self._restocked.is_over(self.flow.settings.supply.restock_every_s):
            return 0
        return sum(bool(x.reference) for x in self.restocker.restock())

    def serve_waiting(self, *, sku: str | None = None, limit: int = 1_000_000) -> int:
        """Serve lines that wait for stock, first come first; return how many."""
        served = 0
        after = (0, 0)
        # Once a line could not be filled, an equal or larger one behind it cannot be either.
        too_many: dict[tuple[object, ...], int] = {}
        while page := self.flow.pool.waiting(sku=sku, after=after, limit=_PAGE):
            for line in page:
                after = (line.order_id, line.line_no)
                served += self._try(line, too_many)
                if served >= limit:
                    return served
        return served

    def _try(self, line: StoredLine, too_many: dict[tuple[object, ...], int]) -> bool:
        sku = self.flow.settings.skus.get(line.sku)
        if sku is None or line.units == 0:  # withdrawn from sale, or a top-up: a person's
            return False
        shelf = (line.sku, line.sources, line.batches)
        smallest = too_many.get(shelf)
        if smallest is not None and (line.units >= smallest or not sku.overtake):
            return False
        if self._serve(line):
            return True
        too_many[shelf] = line.units
        return False

    def _serve(self, line: StoredLine) -> bool:
        stored = self.flow.pool.order_by_id(line.order_id)
        assert stored is not None
        plan = self.flow.filler.plan(line, self.flow.clock.now())
        if plan is None:  # it became a top-up
            return False
        try:
            allocation = self._fill(stored, line, plan)
        except IllegalTransition:
            return False  # another host served it, or it was cancelled
        if allocation is None:
            return False
        self._tell(allocation)
        return True

    def _tell(self, allocation: Allocation) -> None:
        try:
            self.flow.record(self.flow.deliver(allocation))
        except SealError as error:  # of another line; what was done is done, others wait
            receipt = allocation.receipt
            _LOG.error("%s/%s: %s", receipt.platform, receipt.order_no, error)

    def _fill(self, stored: StoredOrder, line: StoredLine, plan: Plan) -> Allocation | None:
        flow = self.flow
        now = flow.clock.now()
        way = flow.planner.way_out(stored.platform, now, is_only=True)
        sku = flow.settings.skus[line.sku]
        short = still_short(sku, line.sources or sku.sources, line)

        def fill(change: Transaction) -> Allocation | None:
            filled = flow.filler.fill(change, stored, line, plan, way=way, short=short, now=now)
            if not filled.events:
                return None
            return Allocation(
                order_id=stored.id,
                receipt=_receipt(stored, line_receipt(line, filled.status, filled.cards)),
                events=filled.events,
                pushed=filled.pushed,
            )

        return flow.change(fill)


def _receipt(stored: StoredOrder, line: LineReceipt) -> Receipt:
    return Receipt(platform=stored.platform, order_no=stored.order_no, lines=(line,))
