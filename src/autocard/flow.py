"""
The life of an order, top to bottom.

verify, confirm, assess, match, allocate, supply, deliver, record: `Flow.dispatch` calls each once.

    Inbound -verify-> Order -confirm-> -assess-> -match-> -allocate-> Allocation -deliver-> Receipt
                                                              | Shortage
                                                              -supply-> Purchase -> Allocation

Commit before you speak, never speak inside a transaction: `allocate` is one commit (T1) that holds
the order, its cards, the stock movement, the events and what we intend to tell whom. Cards that
are returned to the caller need no other. What stock lacks is bought: one commit before a supplier
is called (T2), one after (T3). A push is made after T1 or T3 and settled in another (T4).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from typing import Any, Final, TypeVar

import attrs

from autocard.assessing import Reviewer
from autocard.buying import Buyer, Supply
from autocard.clock import Clock, to_ms
from autocard.config import Settings
from autocard.delivering import discreet
from autocard.errors import (
    AdapterError,
    AutocardError,
    InvalidOrder,
    RejectedError,
    VerificationError,
)
from autocard.events import event, heard, line_event
from autocard.filling import Filler
from autocard.http.retry import call_safely
from autocard.joining import UNCONFIRMED, Joiner
from autocard.mending import change_mended
from autocard.model import (
    MAX_QUANTITY,
    History,
    Hold,
    Inbound,
    Match,
    Order,
    OrderLine,
    Receipt,
    Reject,
    lines_add_up,
    order_total,
)
from autocard.planning import Decision, Planner, claimed_later, pushed
from autocard.plugins import Plugins, PolicyFailed
from autocard.ports import Capability, Dispatcher, Matcher, Platform, Pool, Transaction
from autocard.purchasing import is_source, target_problem
from autocard.receipts import new_receipt, stored_receipt
from autocard.records import (
    Allocation,
    OrderEntry,
    Placed,
    Status,
)
from autocard.states import Outcome, Reason
from autocard.vault import Vault

_LOG: Final = logging.getLogger("autocard.flow")
_T = TypeVar("_T")
_UNKNOWN: Final = History()
Group = dict[bytes, set[tuple[str, str]]]
"""The orders of one call that are yet to be accepted: platform and number, by their buyer."""


@attrs.frozen(kw_only=True)
class Flow:
    """The verbs, with what they need. Holds no state of its own."""

    pool: Pool
    vault: Vault
    clock: Clock
    settings: Settings
    plugins: Plugins
    matcher: Matcher
    reviewer: Reviewer
    platforms: Mapping[str, Platform]
    dispatcher: Dispatcher
    planner: Planner
    filler: Filler
    buyer: Buyer
    joiner: Joiner

    # --- the story ---

    def dispatch(self, order: Order, *, confirm: bool = False, connection: Any = None) -> Receipt:
        """
        Serve a paid order; see `Engine.dispatch`.

        With *confirm* the platform is asked first; only `receive` and `pull` ask.
        """
        order = self.join(order)
        doubt = self.confirm(order) if confirm else None
        verdicts = self.assess(order, doubt)
        decisions = self.match(order, verdicts)
        allocation = self.allocate(order, decisions, connection)
        supplied = allocation if connection is not None else self.supply(allocation)
        delivered = self.deliver(supplied)
        return self.record(delivered)

    def dispatch_many(self, orders: Sequence[Order]) -> list[Receipt]:
        """Serve paid orders in one commit for all; see `Engine.dispatch_many`."""
        group: Group = {}
        entries = [self._decided(self.join(order), group) for order in orders]
        allocations = self.change(lambda change: self._allocate_many(change, entries))
        return [self.record(self.deliver(self.supply(x))) for x in allocations]

    def _decided(self, order: Order, group: Group) -> tuple[Order, OrderEntry]:
        entry = self.planner.entry(order, self.match(order, self.assess(order, None, group)))
        # The last push of a group comes long after the commit: it is claimed when it is made.
        return order, claimed_later(entry)

    # --- verify ---

    def verify(self, name: str, inbound: Inbound) -> Order:
        """
        Prove an inbound message genuine and parse it; nothing unproved passes.

        Raises:
            VerificationError: It is not proved genuine.
            InvalidOrder: It is genuine, and is no order.
        """
        platform = self.platforms[name]
        doubt = VerificationError("it could not be proved")
        try:
            proved = _made(name, lambda: platform.verify(inbound, now=self.clock.now()), doubt)
        except InvalidOrder:  # whatever is wrong with it, it is not proved
            raise doubt from None
        no_order = InvalidOrder("message", "its adapter stumbled over it")
        order = _made(name, lambda: platform.parse(proved), no_order)
        return attrs.evolve(order, platform=name)

    def join(self, order: Order) -> Order:
        """Give a payment that came without lines the lines that were registered before."""
        if order.lines:
            return order
        stored = self.pool.order(order.platform, order.order_no)
        if stored is None or stored.digest is None or stored.archive is not None:
            return order
        return attrs.evolve(self.vault.open_order(stored), payment=order.payment)

    # --- confirm ---

    def confirm(self, order: Order) -> Status | None:
        """Ask the platform whether *order* is really paid, and for how much. None: no doubt."""
        platform = self.platforms[order.platform]
        try:
            payment = call_safely(lambda: platform.confirm(order))
        except RejectedError as error:
            said = discreet(str(error), order)
            return Status(Outcome.HELD, Reason.UNPAID, f"the platform says: {said}")
        except Exception as error:  # noqa: BLE001 - asking is safe; any failure means: ask later
            if not isinstance(error, AdapterError):  # its text may quote what it was working on
                _LOG.error("an adapter raised %s while it confirmed", type(error).__name__)
            return attrs.evolve(UNCONFIRMED, why="the platform could not be asked yet")
        if payment is None:
            return Status(Outcome.HELD, Reason.UNPAID, "the platform says it is not paid")
        if order.payment is None or payment.paid != order.payment.paid:
            return Status(
                Outcome.HELD, Reason.AMOUNT_MISMATCH, f"the platform says {payment.paid} was paid"
            )
        return None

    def asks(self, platform: str) -> bool:
        """Say whether *platform* is asked about a payment before a card is taken for it."""
        settings = self.settings.platforms.get(platform)
        if settings is None:
            return False
        can_ask = Capability.CONFIRM in self.platforms[platform].capabilities
        return can_ask if settings.confirm is None else settings.confirm

    # --- assess ---

    def assess(
        self, order: Order, doubt: Status | None, group: Group | None = None
    ) -> list[Status | None]:
        """
        Say of each line whether a person should look first. The strictest verdict wins.

        Of the orders of a *group* those before count as if they had been accepted already.
        """
        doubt = doubt or _amount_doubt(order)
        if doubt is not None:
            return [doubt] * len(order.lines)
        plugins, reviewer = self.plugins, self.reviewer
        history = _UNKNOWN
        if reviewer.needs_history or plugins.has_assess:
            history = self._history(order, {} if group is None else group)
        held = reviewer.assess(order, history)
        if not plugins.has_assess:
            return [_verdict_status(held)] * len(order.lines)
        asked = (plugins.assess(order, line, history) for line in order.lines)
        return [_verdict_status(x if isinstance(x, Reject) else x or held) for x in asked]

    def _history(self, order: Order, group: Group) -> History:
        """Return what is known of the buyer before *order*, and note it for those behind it."""
        now = self.clock.now()
        name = (order.platform, order.order_no)
        index = self.vault.buyer_index(order.buyer)
        history = self.pool.history(index, *name, to_ms(now))
        if index is None:
            return history
        before = len(group.setdefault(index, set()) - {name})
        if self.pool.order(*name) is None:  # the histories of those behind do not tell of it
            group[index].add(name)
        return (
            history
            if not before
            else attrs.evolve(
                history,
                first_order_at=history.first_order_at or now,
                orders_last_hour=history.orders_last_hour + before,
                orders_last_day=history.orders_last_day + before,
            )
        )

    # --- match ---

    def match(self, order: Order, verdicts: Sequence[Status | None]) -> list[Decision]:
        """Say of each line which sku it is and where its cards come from; no rule means hold."""
        return [
            Decision(status=verdict) if verdict is not None else self.match_line(order, line)
            for line, verdict in zip(order.lines, verdicts, strict=True)
        ]

    def match_line(self, order: Order, line: OrderLine) -> Decision:
        """Ask the hooks, then the rules of the configuration."""
        try:
            match = self.plugins.match(order, line) if self.plugins.has_match else None
        except PolicyFailed:
            return Decision(
                status=Status(Outcome.HELD, Reason.UNMATCHED, "a match hook failed; see the log")
            )
        match = match or self.matcher.match(order, line)
        problem = self._match_problem(line, match)
        if problem:
            return Decision(status=Status(Outcome.HELD, Reason.UNMATCHED, problem))
        return Decision(match=match)

    def _match_problem(self, line: OrderLine, match: Match | None) -> str:
        if match is None:
            return "no rule says which sku this is"
        sku = self.settings.skus.get(match.sku)
        if sku is None:
            return f"it was matched to {match.sku}, which is not configured"
        if sku.kind == "topup":
            problem = target_problem(sku, line.target)
            if problem or match.quantity not in (None, line.quantity):
                return problem or "a top-up is made as often as it was ordered; leave units out"
        odd = [x for x in match.sources if not is_source(x)]
        if odd:
            return f"it was matched to the source {odd[0]!r}; write warehouse:NAME, supplier:NAME or manual"
        wanted = line.quantity if match.quantity is None else match.quantity
        if not 1 <= wanted <= MAX_QUANTITY:
            return f"it was matched to {wanted:,} cards; 1 to {MAX_QUANTITY:,} are possible"
        return ""

    # --- allocate (T1) ---

    def allocate(self, order: Order, decisions: Sequence[Decision], connection: Any) -> Allocation:
        """Accept the order and take its cards in one commit; the host's, where it brings one."""
        return self.place(order, self.planner.entry(order, decisions), connection)

    def place(self, order: Order, entry: OrderEntry, connection: Any = None) -> Allocation:
        """Write *entry*, or join it with what is known of the order, in one commit."""
        if connection is not None:  # the host's own transaction: nothing is pushed in this call
            entry = claimed_later(entry)
        allocation = self.change(lambda change: self._allocate(change, order, entry), connection)
        return allocation if connection is None else _unpushed(allocation)

    def _allocate(self, change: Transaction, order: Order, entry: OrderEntry) -> Allocation:
        placed = change.place(entry)
        if placed is None:
            return self.joiner.known(change, order, entry)
        allocation = self._placed(entry, placed)
        if not placed.is_told:
            change.record(allocation.events)
        return allocation

    def _allocate_many(
        self, change: Transaction, entries: Sequence[tuple[Order, OrderEntry]]
    ) -> list[Allocation]:
        every = change.place_many([entry for _, entry in entries])
        allocations = [
            self.joiner.known(change, *each) if placed is None else self._placed(each[1], placed)
            for each, placed in zip(entries, every, strict=True)
        ]
        untold = [placed is not None and not placed.is_told for placed in every]
        change.record([x for each in compress(allocations, untold) for x in each.events])
        return allocations

    def _placed(self, entry: OrderEntry, placed: Placed) -> Allocation:
        lines = []
        events = []
        for line, (status, sealed) in zip(entry.lines, placed.lines, strict=True):
            lines.append(self.joiner.shown(line, status, sealed))
            events.append(line_event(placed.order_id, line, status, entry.accepted_ms))
        if not lines:
            events.append(event("payment.received", entry.accepted_ms, placed.order_id))
        return Allocation(
            order_id=placed.order_id,
            receipt=new_receipt(entry, lines),
            events=tuple(events),
            pushed=pushed(entry),
        )

    # --- supply (T2, T3) ---

    def supply(self, allocation: Allocation) -> Allocation:
        """
        Buy what stock could not give; the receipt is then as it is after that.

        For the same order again nothing is bought here: what waits is `resume`'s.
        """
        is_due = self.buyer.suppliers and self.settings.supply.inline
        if not is_due or allocation.receipt.replayed:
            return allocation
        done = Supply()
        for line in allocation.receipt.lines:
            if line.reason is Reason.SHORT:
                done += self.buyer.supply(allocation.order_id, line.line_no)
        if not done.events:
            return allocation
        stored = self.pool.order_by_id(allocation.order_id)
        assert stored is not None
        return attrs.evolve(
            allocation,
            receipt=stored_receipt(self.pool, self.vault, stored),
            events=allocation.events + done.events,
            pushed=allocation.pushed | done.pushed,
        )

    # --- deliver (T4) ---

    def deliver(self, allocation: Allocation) -> Allocation:
        """Carry out what T1 intended; the receipt is then as it is after that."""
        if not allocation.pushed:
            return allocation
        told = self.dispatcher.deliver(allocation)
        stored = self.pool.order_by_id(allocation.order_id)
        assert stored is not None
        return attrs.evolve(
            allocation,
            receipt=stored_receipt(self.pool, self.vault, stored),
            events=(*allocation.events, *told),
        )

    # --- record ---

    def record(self, allocation: Allocation) -> Receipt:
        """Bring the committed events to those who want news; their failures stay theirs."""
        receipt = allocation.receipt
        if self.plugins.has_recorded:
            for entry in allocation.events:
                self.plugins.recorded(heard(entry, receipt.platform, receipt.order_no))
        return receipt

    def change(self, work: Callable[[Transaction], _T], connection: Any = None) -> _T:
        """Do *work* in one commit, without the cards whose seals do not open."""
        return change_mended(self.pool, self.clock, work, connection)


# --- small words ----------------------------------------------------------------------------


def _made(name: str, make: Callable[[], _T], instead: AutocardError) -> _T:
    """Return what an adapter makes of a message; *instead* is raised where it stumbles over it."""
    try:
        return make()
    except AutocardError:
        raise
    except Exception as error:  # noqa: BLE001 - any other may quote what it was working on
        _LOG.error("%s: its adapter raised %s over a message", name, type(error).__name__)
    raise instead


def _amount_doubt(order: Order) -> Status | None:
    """A payment that does not add up to the lines is for a person to look at."""
    payment = order.payment
    if payment is None or lines_add_up(order.lines, payment.paid):
        return None
    if all(line.unit_price is None for line in order.lines):
        return None
    total = order_total(order.lines)
    asked = "an amount that its lines do not add up to" if total is None else str(total)
    why = f"{payment.paid} was paid for {asked}"
    return Status(Outcome.HELD, Reason.AMOUNT_MISMATCH, why)


def _verdict_status(verdict: Hold | Reject | None) -> Status | None:
    if verdict is None:
        return None
    if isinstance(verdict, Reject):
        return Status(Outcome.REJECTED, Reason.REJECTED, verdict.why)
    return Status(Outcome.HELD, verdict.reason, verdict.why)


def _unpushed(allocation: Allocation) -> Allocation:
    # Nor is anybody told: the host has yet to commit, and may not.
    return attrs.evolve(allocation, pushed=frozenset(), events=())
