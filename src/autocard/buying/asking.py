"""Make one call to a supplier, and say what came of it. Nothing is stored here."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from autocard.bargain import BoughtCard, Purchase, Stage, Supplied
from autocard.buying.values import Heard
from autocard.clock import Clock, from_ms, to_ms
from autocard.config import Settings
from autocard.delivering import discreet
from autocard.errors import (
    AdapterError,
    RejectedError,
    TransientError,
    UnsupportedFeature,
)
from autocard.http.pace import TooManyCalls
from autocard.model import Order
from autocard.money import Money
from autocard.offering import OfferBook
from autocard.ports import Capability, Supplier
from autocard.records import LONGEST_WORDS, StoredPurchase, legible
from autocard.states import FINAL, PurchaseState

_LOG: Final = logging.getLogger("autocard.buying")
_DUMB: Final = "this supplier cannot be asked about it"
_QUOTED: Final = 4  # shorter texts turn up by chance


@attrs.frozen(kw_only=True)
class Asker:
    """Speaks with suppliers about one purchase at a time."""

    clock: Clock
    settings: Settings
    suppliers: Mapping[str, Supplier]
    offer_book: OfferBook

    def ask(
        self,
        purchase: StoredPurchase,
        order: Order | None,
        *,
        may_buy: bool,
        look_ms: int | None = None,
    ) -> Heard:
        """
        Ask the supplier of a claimed purchase to sell, or what became of it. Never raises.

        Unless it *may_buy*, a lost purchase is not sent again. With *look_ms* this look is ahead
        of the one that is due then, which nothing that it does not find takes the place of.

        Effects: one or two outside calls.
        """
        heard = self._ask(purchase, order, may_buy=may_buy and look_ms is None)
        if look_ms is not None and heard.supplied is None:
            heard = _nothing_new(purchase, look_ms)
        return self._explained(purchase, self._patient(purchase, self._discreet(heard, order)))

    def _ask(self, purchase: StoredPurchase, order: Order | None, *, may_buy: bool) -> Heard:
        supplier = self.suppliers.get(purchase.supplier)
        if supplier is None:
            problem = f"supplier {purchase.supplier} is no longer configured"
            is_unsent = purchase.state is PurchaseState.SENDING
            return Heard(
                state=PurchaseState.FAILED if is_unsent else PurchaseState.HELD, problem=problem
            )
        if purchase.state is PurchaseState.SENDING:
            return self._buy(supplier, purchase, order)
        return self._look_up(supplier, purchase, order, may_buy=may_buy)

    def _buy(self, supplier: Supplier, purchase: StoredPurchase, order: Order | None) -> Heard:
        if (too_late := self._not_as_offered(purchase)) is not None:
            return too_late
        value = self._value(purchase, order)
        before = self._evidence(supplier)
        try:
            supplied = supplier.top_up(value) if value.target else supplier.buy(value)
        except Exception as error:  # noqa: BLE001 - whatever an adapter raises has a meaning
            said = _judge(error, purchase)
            is_lost = said.state is PurchaseState.UNKNOWN and before is not None
            return _also(said, f"the balance was {before} before") if is_lost else said
        return attrs.evolve(_stage(supplied, purchase), is_call=True)

    def _not_as_offered(self, purchase: StoredPurchase) -> Heard | None:
        """
        Say why a purchase that was decided on a while ago is not made; None where it may be.

        Not every supplier takes a price guard, and none takes ours for an approval of last week.
        """
        age_ms = to_ms(self.clock.now()) - purchase.created_ms
        if purchase.calls > 1 or age_ms <= self.settings.supply.offer_s * 1000:
            return None
        self.offer_book.forget(purchase.supplier, [purchase.item])
        offers = self.offer_book.offers(purchase.sku, [purchase.supplier])
        price = next((x.price for x in offers if x.item == purchase.item), None)
        if price is None:
            problem = "what it costs now is not known"
            return Heard(state=PurchaseState.DUE, problem=problem, is_unmade=True)
        most = Money.from_minor(purchase.ceiling_minor, purchase.currency)
        if price.currency != most.currency or price > most:
            problem = f"it costs {price} now, and {most} was the ceiling"
            return Heard(state=PurchaseState.FAILED, problem=problem)
        return None

    def _look_up(
        self,
        supplier: Supplier,
        purchase: StoredPurchase,
        order: Order | None,
        *,
        may_buy: bool,
    ) -> Heard:
        """Find out what became of a lost or accepted purchase; buying again is the last resort."""
        can_find = Capability.FIND_PURCHASE in supplier.capabilities
        if can_find or purchase.remote:
            try:
                found = supplier.find_purchase(self._value(purchase, order))
            except UnsupportedFeature:
                return Heard(state=PurchaseState.HELD, problem=_DUMB)
            except Exception as error:  # noqa: BLE001 - asking is safe; it stays as it is
                return _untold(error, purchase)
            if found is not None:
                return _stage(found, purchase)
            return _missing(purchase, supplier.misses)
        can_repeat = may_buy and Capability.REPEAT_PURCHASE in supplier.capabilities
        if can_repeat and purchase.state is PurchaseState.UNKNOWN:
            return self._buy(supplier, purchase, order)
        return Heard(state=PurchaseState.HELD, problem=f"the answer was lost, and {_DUMB}")

    def _evidence(self, supplier: Supplier) -> Money | None:
        """Return the balance at a supplier that cannot be asked about a purchase, if it tells it."""
        if Capability.FIND_PURCHASE in supplier.capabilities:
            return None
        return _balance(supplier)

    def _value(self, purchase: StoredPurchase, order: Order | None) -> Purchase:
        target, options = "", {}
        if order is not None and purchase.line_no is not None and not purchase.warehouse:
            line = order.lines[purchase.line_no - 1]
            target, options = line.target, dict(line.options)
        is_lost = purchase.state is PurchaseState.UNKNOWN
        return Purchase(
            reference=purchase.reference,
            sku=purchase.sku,
            item=purchase.item,
            quantity=purchase.quantity,
            price=Money.from_minor(purchase.price_minor, purchase.currency),
            ceiling=Money.from_minor(purchase.ceiling_minor, purchase.currency),
            target=target,
            options=options,
            remote=purchase.remote,
            attempts=max(purchase.calls, 1) + is_lost,
            begun_at=from_ms(purchase.created_ms),
            sent_at=self.clock.now(),
        )

    def _discreet(self, heard: Heard, order: Order | None) -> Heard:
        """Leave a supplier's words out where they repeat a card or the buyer: they are stored."""
        supplied = heard.supplied
        shown = () if supplied is None else tuple(_texts_of(supplied.cards))
        problem = legible(_unless_repeated(heard.problem, shown, order))
        if supplied is not None and supplied.remote:
            said = legible(_unless_repeated(supplied.remote, shown, order))
            supplied = attrs.evolve(supplied, remote=said if said == supplied.remote else "")
        return attrs.evolve(heard, problem=problem, supplied=supplied)

    def _patient(self, purchase: StoredPurchase, heard: Heard) -> Heard:
        """Hand over to a person what has been going on for too long."""
        settings = self.settings.suppliers.get(purchase.supplier)
        age_ms = to_ms(self.clock.now()) - purchase.created_ms
        if settings is None or heard.state in (*FINAL, PurchaseState.HELD):
            return heard
        if heard.look_ms is not None:
            return heard
        if heard.state is PurchaseState.DUE and purchase.calls - heard.is_unmade == 0:
            # None of its calls can have arrived: certainly nothing was bought.
            is_over = purchase.attempts >= settings.tries
            return attrs.evolve(heard, state=PurchaseState.FAILED) if is_over else heard
        if heard.state is PurchaseState.DUE and not heard.is_unmade:
            return heard if purchase.calls < settings.tries else _disbelieved(purchase, heard)
        if age_ms < settings.patience_s * 1000:
            return heard
        problem = f"not finished after {settings.patience_s:g} s; {heard.problem}".rstrip("; ")
        return attrs.evolve(heard, state=PurchaseState.HELD, problem=problem)

    def _explained(self, purchase: StoredPurchase, heard: Heard) -> Heard:
        """Give a person who is to decide what else is known: the balance, and what was before."""
        supplier = self.suppliers.get(purchase.supplier)
        if heard.state is not PurchaseState.HELD or supplier is None:
            return heard
        now = self._evidence(supplier)
        if now is not None:
            heard = _also(heard, f"the balance is {now} now")
        was_lost = purchase.state is PurchaseState.UNKNOWN and purchase.problem
        is_new = was_lost and purchase.problem not in heard.problem
        return _also(heard, f"before: {purchase.problem}") if is_new else heard


def _stage(supplied: object, purchase: StoredPurchase) -> Heard:
    """Return where a supplier's word leaves a purchase."""
    if not isinstance(supplied, Supplied):
        return Heard(
            state=_unclear_state(purchase), problem="the adapter gave no answer", is_fault=True
        )
    problem = supplied.problem
    if any(x is not None and x.currency != purchase.currency for x in _sums(supplied)):
        supplied = attrs.evolve(supplied, cost=None, refunded=None)
        problem = f"it says what it charged in another currency; {problem}".rstrip("; ")
    cost, refunded = supplied.cost, supplied.refunded
    if cost is not None and refunded is not None and refunded > cost:
        problem = f"it says that more was paid back than charged; {problem}".rstrip("; ")
        supplied = attrs.evolve(supplied, refunded=None)
        return Heard(state=PurchaseState.HELD, supplied=supplied, problem=problem)
    if supplied.stage is Stage.DONE and not purchase.warehouse and refunded:
        problem = f"a part of it was paid back; {problem}".rstrip("; ")
        return Heard(state=PurchaseState.HELD, supplied=supplied, problem=problem)
    if supplied.stage is Stage.WORKING:
        return Heard(state=PurchaseState.ACCEPTED, supplied=supplied, problem=problem)
    if supplied.stage is Stage.DONE:
        return Heard(state=PurchaseState.DONE, supplied=supplied, problem=problem)
    if supplied.stage is Stage.FAILED and not supplied.cards:
        return Heard(state=PurchaseState.FAILED, supplied=supplied, problem=problem or "refused")
    return Heard(state=PurchaseState.HELD, supplied=supplied, problem=problem or "unclear")


def _texts_of(cards: Iterable[BoughtCard]) -> Iterator[str]:
    for card in cards:
        yield card.number
        yield from (secret.reveal() for secret in (card.secret, *card.extra.values()))


def _unless_repeated(words: str, shown: Iterable[str], order: Order | None) -> str:
    if any(len(text) >= _QUOTED and text in words for text in shown):
        return "(left out: it repeats a card)"
    return words if order is None else discreet(words, order)


def _sums(supplied: Supplied) -> tuple[Money | None, Money | None]:
    return supplied.cost, supplied.refunded


def _nothing_new(purchase: StoredPurchase, look_ms: int) -> Heard:
    """Return that a look ahead of time told nothing."""
    return Heard(
        state=purchase.state, problem=purchase.problem, misses=purchase.misses, look_ms=look_ms
    )


def _missing(purchase: StoredPurchase, most: int) -> Heard:
    """Return what a look-up that found nothing means: once is chance, more often is word."""
    misses = purchase.misses + 1
    problem = f"the supplier says that it knows no such purchase ({misses} of {most} times)"
    if misses < most:
        return Heard(state=purchase.state, problem=problem, misses=misses)
    if purchase.state is PurchaseState.ACCEPTED or purchase.remote or purchase.arrived:
        problem = "the supplier had accepted it, and now says that there is no such purchase"
        return Heard(state=PurchaseState.HELD, problem=problem, misses=misses)
    return Heard(state=PurchaseState.DUE, problem=problem)


def _disbelieved(purchase: StoredPurchase, heard: Heard) -> Heard:
    """
    Hand a purchase over that is missing after each of its calls.

    To send it again under its own number was safe. To buy elsewhere is not: a supplier that never
    shows an order may have refused every repetition because it has the first.
    """
    problem = f"sent {purchase.calls} times, and each time not to be found; {heard.problem}"
    return attrs.evolve(heard, state=PurchaseState.HELD, problem=problem)


def _also(heard: Heard, words: str) -> Heard:
    return attrs.evolve(heard, problem=f"{heard.problem}; {words}"[:LONGEST_WORDS])


def _judge(error: Exception, purchase: StoredPurchase) -> Heard:
    """
    Return what an error of the call to buy means. Anything that we do not know may be bought.

    A lost purchase that is asked for again: a refusal proves that it was never stored, and that
    the call could not be made proves nothing.
    """
    if isinstance(error, (RejectedError, UnsupportedFeature)):
        return Heard(state=PurchaseState.FAILED, problem=str(error), is_call=True)
    if isinstance(error, TransientError):
        is_unsent = purchase.state is PurchaseState.SENDING
        return Heard(
            state=PurchaseState.DUE if is_unsent else purchase.state,
            problem=str(error),
            retry_after_s=error.retry_after_s or 0.0,
            is_fault=not isinstance(error, TooManyCalls),
            is_unmade=is_unsent,
        )
    return Heard(state=PurchaseState.UNKNOWN, problem=_words(error), is_fault=True, is_call=True)


def _untold(error: Exception, purchase: StoredPurchase) -> Heard:
    """Return what a look-up that failed means: nothing at all."""
    return Heard(
        state=purchase.state,
        problem=_words(error),
        retry_after_s=getattr(error, "retry_after_s", None) or 0.0,
        is_fault=not isinstance(error, TooManyCalls),
        misses=purchase.misses,
    )


def _words(error: Exception) -> str:
    if isinstance(error, AdapterError):
        return str(error)
    # Only the type is told: an adapter's own exception may quote what it was working on.
    name = type(error).__name__
    _LOG.error("an adapter raised %s while it bought", name)
    return f"the adapter failed with {name}"


def _balance(supplier: Supplier) -> Money | None:
    """Return the balance at *supplier*, where it tells it now."""
    if Capability.BALANCE not in supplier.capabilities:
        return None
    try:
        return supplier.balance()
    except Exception as error:  # noqa: BLE001 - asking is safe, and this is evidence only
        _LOG.warning("a balance could not be asked for (%s)", type(error).__name__)
        return None


def _unclear_state(purchase: StoredPurchase) -> PurchaseState:
    is_accepted = purchase.state is PurchaseState.ACCEPTED
    return PurchaseState.ACCEPTED if is_accepted else PurchaseState.UNKNOWN
