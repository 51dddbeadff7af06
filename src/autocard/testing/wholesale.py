"""A supplier in memory that sells, delays, refuses, forgets and pays back as a test wants it to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from threading import RLock
from typing import Any, Final, Literal, TypeVar

import attrs

from autocard.spi import (
    Answer,
    BoughtCard,
    Capability,
    Hint,
    Inbound,
    Money,
    Offer,
    Purchase,
    RejectedError,
    Reply,
    Secret,
    Stage,
    Supplied,
    Supplier,
    UnknownOutcome,
    VerificationError,
)

T = TypeVar("T")
Failure = BaseException | tuple[BaseException] | None
_ALWAYS: Final = frozenset(
    {Capability.RECEIVE, Capability.OFFERS, Capability.BUY, Capability.TOP_UP, Capability.BALANCE}
)


@attrs.define
class Good:
    """Something a `Wholesaler` sells: what one unit costs, and how many there are."""

    price: Money
    stock: int = 1_000_000
    on_sale: bool = True
    least: int = 1
    most: int | None = None


@attrs.frozen
class _Deal:
    """What the next purchase gets; `cards` None means new ones, as many as asked for."""

    cards: tuple[BoughtCard, ...] | None = None
    stage: Stage = Stage.DONE
    refunded: Money | None = None
    problem: str = ""


@attrs.define(eq=False)
class Sale:
    """One purchase that was made; `ending` is what is said of it once it is finished."""

    purchase: Purchase
    first: Supplied
    ending: Supplied
    hidden: int
    working: int


@attrs.define(eq=False)
class Wholesaler:
    """
    What stands behind a `FakeSupplier`: its goods, its habits, and what it sold. Thread-safe.

    Args:
        goods: What it sells, by its own name of it.
        money: How much of our money it holds; purchases are paid from it.
        again: What the same reference twice does: `refuses` says that it is known already,
            `repeats` gives the first answer again, `buys` buys twice. Only with `buys` does the
            adapter not declare `REPEAT_PURCHASE`.
        finds: What a purchase is looked up by; only with `reference` is `FIND_PURCHASE` declared.
        hides: How many look-ups of a purchase find nothing although it was made.
        waits: How many look-ups after that find it not finished; `buy` then says so too.
        prefix: What its cards begin with; give two wholesalers two, or they sell the same cards.
        sales: What was bought, by our reference; two under one reference were bought twice.
        calls: What it was asked, with the argument, in order.
    """

    goods: dict[str, Good] = attrs.field(factory=dict)
    money: Money = attrs.field(default=Money("1000000.00", "CNY"))
    again: Literal["refuses", "repeats", "buys"] = "refuses"
    finds: Literal["reference", "number", "nothing"] = "reference"
    hides: int = 0
    waits: int = 0
    prefix: str = "FAKE-"
    sales: dict[str, list[Sale]] = attrs.field(factory=dict, init=False)
    calls: list[tuple[Capability, Any]] = attrs.field(factory=list, init=False)
    _failures: dict[Capability, deque[Failure]] = attrs.field(factory=dict, init=False)
    _deals: deque[_Deal] = attrs.field(factory=deque, init=False)
    _made: int = attrs.field(default=0, init=False)
    _lock: Any = attrs.field(factory=RLock, init=False, repr=False)

    # --- what a test arranges ---------------------------------------------------------------

    def fail(self, capability: Capability, *failures: Failure) -> None:
        """
        Raise one of *failures* at each of the next calls of *capability*.

        An exception alone is raised and nothing happens; an exception in a 1-tuple is raised after
        the effect, as when an answer is lost. None lets a call pass.
        """
        with self._lock:
            self._failures.setdefault(capability, deque()).extend(failures)

    def deal(
        self,
        cards: Iterable[str | BoughtCard] | None = None,
        *,
        stage: Stage = Stage.DONE,
        refunded: Money | None = None,
        problem: str = "",
    ) -> None:
        """
        Say what the next purchase for which nothing is said yet gets.

        Args:
            cards: What it hands over: fewer or more than asked for, known ones, an apology; None
                for new ones, as many as asked for.
            stage: How it ends. FAILED without *refunded* was never charged.
            refunded: What is paid back of it.
            problem: What is said to be wrong.
        """
        kept = None if cards is None else tuple(map(_card, cards))
        with self._lock:
            self._deals.append(_Deal(kept, stage, refunded, problem))

    def finish(self) -> None:
        """Let every purchase be found, and finished."""
        with self._lock:
            for sale in self._all():
                sale.hidden = sale.working = 0

    def refund(self, reference: str, amount: Money | None = None) -> None:
        """Pay back *amount* of a purchase, all of it without one; what is left over is UNCLEAR."""
        with self._lock:
            sale = self.sales[reference][-1]
            paid = sale.ending.cost
            if paid is None:
                raise ValueError(f"{reference} was never charged")
            back = paid if amount is None else amount
            self.money += back
            sale.ending = attrs.evolve(
                sale.ending,
                stage=Stage.FAILED if back == paid else Stage.UNCLEAR,
                refunded=back,
                problem="it was paid back",
            )

    # --- what a test asks -------------------------------------------------------------------

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What an adapter of this wholesaler declares."""
        declared = set(_ALWAYS)
        if self.again != "buys":
            declared.add(Capability.REPEAT_PURCHASE)
        if self.finds == "reference":
            declared.add(Capability.FIND_PURCHASE)
        return frozenset(declared)

    @property
    def sold(self) -> tuple[str, ...]:
        """The text of every card that was handed over, in order."""
        with self._lock:
            return tuple(card.secret.reveal() for sale in self._all() for card in sale.ending.cards)

    @property
    def charged(self) -> tuple[str, ...]:
        """The target of every top-up that was made, in order."""
        with self._lock:
            return tuple(sale.purchase.target for sale in self._all() if sale.purchase.target)

    @property
    def spent(self) -> Money:
        """What all purchases cost, without what was paid back."""
        with self._lock:
            total = Money(0, self.money.currency)
            for sale in self._all():
                total += sale.ending.cost or Money(0, total.currency)
                total -= sale.ending.refunded or Money(0, total.currency)
            return total

    def _all(self) -> Iterable[Sale]:
        return (sale for sales in self.sales.values() for sale in sales)

    # --- what the adapter calls -------------------------------------------------------------

    def call(self, capability: Capability, argument: Any, effect: Callable[[], T]) -> T:
        """Note a call and make it, unless it is to fail."""
        with self._lock:
            self.calls.append((capability, argument))
            failures = self._failures.get(capability)
            failure = failures.popleft() if failures else None
            if isinstance(failure, BaseException):
                raise failure
            answer = effect()
            if isinstance(failure, tuple):
                raise failure[0]
            return answer

    def quote(self, items: Iterable[str]) -> list[Offer]:
        """Return offers of *items* as far as they are known."""
        return [
            Offer(
                item=item, price=good.price, available=good.stock, on_sale=good.on_sale,
                least=good.least, most=good.most, name=item,
            )
            for item in items
            if (good := self.goods.get(item))
        ]  # fmt: skip

    def sell(self, purchase: Purchase) -> Supplied:
        """
        Make *purchase*, or do what the habits say of a reference that is known.

        Raises:
            RejectedError: There is none of it, not for this price, or not for the money left.
            UnknownOutcome: The reference is known, and that is all that is said of it.
        """
        known = self.sales.get(purchase.reference)
        if known and self.again == "refuses":
            raise UnknownOutcome("the wholesaler knows this reference already; look it up")
        if known and self.again == "repeats":
            return known[0].first
        good = self._good(purchase)
        ending = self._ending(purchase, good.price * purchase.quantity)
        if ending.cost is not None:
            good.stock -= purchase.quantity
        first = _unfinished(ending) if self.waits else ending
        sale = Sale(purchase, first, ending, self.hides, self.waits)
        self.sales.setdefault(purchase.reference, []).append(sale)
        return first

    def find(self, purchase: Purchase) -> Supplied | None:
        """Return what became of *purchase*, None where it is unknown or still hidden."""
        sales = self.sales.get(purchase.reference, ())
        if self.finds == "number":
            sales = [sale for sale in self._all() if sale.ending.remote == purchase.remote]
        for sale in sales[:1]:
            if sale.hidden:
                sale.hidden -= 1
                return None
            if sale.working:
                sale.working -= 1
                return _unfinished(sale.ending)
            return sale.ending
        return None

    def _good(self, purchase: Purchase) -> Good:
        good = self.goods.get(purchase.item)
        if good is None or not good.on_sale or good.stock < purchase.quantity:
            raise RejectedError("the wholesaler has none of it")
        if good.price > purchase.ceiling:
            raise RejectedError("the wholesaler wants more than the ceiling")
        if good.price * purchase.quantity > self.money:
            raise RejectedError("the wholesaler holds too little of our money")
        return good

    def _ending(self, purchase: Purchase, cost: Money) -> Supplied:
        deal = self._deals.popleft() if self._deals else _Deal()
        is_charged = deal.stage is not Stage.FAILED or deal.refunded is not None
        if is_charged:
            self.money -= cost
            self.money += deal.refunded or Money(0, cost.currency)
        return Supplied(
            stage=deal.stage,
            remote=f"W-{sum(map(len, self.sales.values())) + 1}",
            cards=self._cards(purchase, deal),
            cost=cost if is_charged else None,
            refunded=deal.refunded,
            problem=deal.problem,
        )

    def _cards(self, purchase: Purchase, deal: _Deal) -> tuple[BoughtCard, ...]:
        if deal.cards is not None:
            return deal.cards
        if purchase.target or deal.stage is Stage.FAILED:
            return ()
        numbers = range(self._made + 1, self._made + 1 + purchase.quantity)
        self._made += purchase.quantity
        return tuple(_card(f"{self.prefix}{purchase.item.upper()}-{n:06d}") for n in numbers)


def _card(card: str | BoughtCard) -> BoughtCard:
    return card if isinstance(card, BoughtCard) else BoughtCard(secret=Secret(card))


def _unfinished(ending: Supplied) -> Supplied:
    return Supplied(stage=Stage.WORKING, remote=ending.remote)


@attrs.frozen
class _Options:
    """Who stands behind this instance."""

    wholesaler: Any


class FakeSupplier(Supplier):
    """A supplier in memory; its setting `wholesaler` is the `Wholesaler` that it buys from."""

    name = "fake"
    capabilities = _ALWAYS | {Capability.FIND_PURCHASE, Capability.REPEAT_PURCHASE}
    calls_per_second = 1000.0
    look_after_s = 1.0
    Options = _Options

    def __init__(self, options: Any, client: Any) -> None:
        """Declare what the wholesaler can do now."""
        super().__init__(options, client)
        self._wholesaler: Wholesaler = options.wholesaler
        self.capabilities = self._wholesaler.capabilities

    def offers(self, items: Sequence[str]) -> Sequence[Offer]:
        """Return what the goods cost."""
        here = self._wholesaler
        return here.call(Capability.OFFERS, items, lambda: here.quote(items))

    def buy(self, purchase: Purchase) -> Supplied:
        """Buy cards."""
        here = self._wholesaler
        return here.call(Capability.BUY, purchase, lambda: here.sell(purchase))

    def top_up(self, purchase: Purchase) -> Supplied:
        """Note the target as charged."""
        here = self._wholesaler
        return here.call(Capability.TOP_UP, purchase, lambda: here.sell(purchase))

    def find_purchase(self, purchase: Purchase) -> Supplied | None:
        """Return what became of the purchase, as far as the wholesaler lets itself be asked."""
        here = self._wholesaler
        if here.finds == "nothing" or (here.finds == "number" and not purchase.remote):
            self._unsupported(Capability.FIND_PURCHASE)
        return here.call(Capability.FIND_PURCHASE, purchase, lambda: here.find(purchase))

    def balance(self) -> Money:
        """Return the money that is left."""
        here = self._wholesaler
        return here.call(Capability.BALANCE, None, lambda: here.money)

    def parse(self, inbound: Inbound, *, now: datetime) -> Hint:  # noqa: ARG002 - no time here
        """Take the body of what says `genuine` for a reference."""
        if inbound.headers.get("proof") != "genuine":
            raise VerificationError("the message is not genuine")
        return Hint(reference=inbound.body.decode("utf-8", "replace"))

    def acknowledge(self, answer: Answer) -> Reply:
        """Say the answer."""
        return Reply(body=answer.encode())
