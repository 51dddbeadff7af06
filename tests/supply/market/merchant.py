"""A merchant with a TOML file, two hosts, and somebody who looks into what the engine holds."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import count, pairwise
from pathlib import Path
from random import Random
from typing import Any, Self

from autocard import Engine, Money, Order, OrderLine, Outcome, Payment
from autocard.states import PurchaseState
from autocard.testing import FakeClock

from .sellers import Sale, Seller, is_card

CEILINGS = {"game": "50.00 CNY", "gift": "80.00 CNY", "phone": "50.00 CNY"}
PRICES = {"game": "59.00", "gift": "99.00", "phone": "50.00"}
_STEP_S = 90
_PASSES = 80
_OPEN = ("due", "sending", "unknown", "accepted")
_OVER = ("done", "failed")


class Merchant:
    """
    Sells what *sellers* have, from a warehouse first. Its hosts are open within `with`.

    Args:
        folder: Where its settings are written; an empty store and its keyring are there.
        sellers: Where it buys; started.
        hosts: How many engines serve the one store.
        patience_s: How long a purchase may take before a person looks.
    """

    def __init__(
        self,
        folder: Path,
        sellers: Sequence[Seller],
        *,
        hosts: int = 1,
        patience_s: float = 900.0,
    ) -> None:
        self.sellers = {seller.name: seller for seller in sellers}
        self.clock = FakeClock()
        self.hosts: list[Engine] = []
        self.orders: dict[str, Order] = {}
        self.own: set[str] = set()
        self.decided: set[str] = set()
        """The references of purchases about which a person said what became of them."""
        self._numbers = count(1)
        self._ticking = threading.Lock()
        self._number = hosts
        self._path = folder / "shop.toml"
        self._path.write_text(self._settings(patience_s), encoding="utf-8")

    def __enter__(self) -> Self:
        self.hosts = [Engine.open(self._path, clock=self.clock) for _ in range(self._number)]
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self.hosts:
            engine.close()

    @property
    def engine(self) -> Engine:
        """The first host."""
        return self.hosts[0]

    @property
    def skus(self) -> list[str]:
        """What can be bought somewhere."""
        return [sku for sku in PRICES if any(x.sells(sku) for x in self.sellers.values())]

    def _settings(self, patience_s: float) -> str:
        """Return the settings as a merchant would write them."""
        lines = ['store = "sqlite:///shop.db"', 'keyring = "file:shop.keyring"', ""]
        lines += _table("supply", {
            "offer_s": 1.0, "sync_every_s": 0, "lease_s": 60.0, "longest_look_s": 120.0,
        })  # fmt: skip
        for name, seller in self.sellers.items():
            usual = {
                "calls_per_second": 10_000,
                "timeout_s": 0.5,
                "pause_s": 10.0,
                "patience_s": patience_s,
            }
            lines += _table(f"suppliers.{name}", {**seller.table(), **usual})
        for sku in self.skus:
            sources = [f"supplier:{name}" for name, x in self.sellers.items() if x.sells(sku)]
            table: dict[str, Any] = {"ceiling": CEILINGS[sku]}
            if sku == "phone":
                table |= {"kind": "topup", "target": "phone", "sources": sources}
            else:
                table |= {"sources": ["warehouse:main", *sources]}
            lines += _table(f"skus.{sku}", table)
        return "\n".join(lines)

    def import_cards(self, number: int) -> None:
        """Put so many cards of every sku but top-ups into the warehouse."""
        for sku in self.skus:
            if sku != "phone":
                cards = [f"OWN-CARD-{sku}-{at}" for at in range(number)]
                self.engine.cards.add(sku, cards)
                self.own.update(cards)

    # --- selling ----------------------------------------------------------------------------

    def order(self, *wishes: tuple[str, int]) -> Order:
        """Return a paid order of *wishes*, each a sku and a quantity; it is remembered."""
        number = next(self._numbers)
        lines = [
            OrderLine(
                item=sku, quantity=quantity, unit_price=Money(PRICES[sku], "CNY"),
                target=f"138{number:08}" if sku == "phone" else "",
            )
            for sku, quantity in wishes
        ]  # fmt: skip
        paid = sum((line.unit_price * line.quantity for line in lines), Money(0, "CNY"))
        payment = Payment(paid=paid, paid_at=self.clock.now(), reference=f"pay-{number}")
        order = Order(platform="shop", order_no=f"A{number}", lines=lines, payment=payment)
        self.orders[order.order_no] = order
        return order

    def serve(self, number: int, *, threads: int, seed: int) -> None:
        """Take *number* orders in at every host at once, resuming in between, all in bad weather."""
        weather = Random(seed)
        visits = [self._visit(weather) for _ in range(number)]
        takers = [
            threading.Thread(target=self._take, args=(self.hosts[at % len(self.hosts)], visits[at::threads]))
            for at in range(threads)
        ]  # fmt: skip
        for taker in takers:
            taker.start()
        for taker in takers:
            taker.join()
        assert len(self.orders) == number
        for name in self.orders:
            assert self.engine.receipt("shop", name) is not None, "an order was lost"

    def _visit(self, weather: Random) -> tuple[Order, list[tuple[Seller, str, bool]], bool]:
        """Return an order, what goes wrong at suppliers with it, and whether it comes twice."""
        skus = weather.sample(self.skus, k=weather.choice([1, 1, 2]))
        order = self.order(*((sku, 1 if sku == "phone" else weather.randint(1, 3)) for sku in skus))
        troubles = []
        if weather.random() < 0.2:
            seller = weather.choice(list(self.sellers.values()))
            is_look = weather.random() < 0.25
            fault = weather.choice(seller.looking if is_look else seller.buying)
            troubles.append((seller, fault, is_look))
        return order, troubles, weather.random() < 0.05

    def _take(self, engine: Engine, visits: Sequence[Any]) -> None:
        for at, (order, troubles, is_repeated) in enumerate(visits, start=1):
            for seller, fault, is_look in troubles:
                seller.spoil(fault, look=is_look)
            engine.dispatch(order)
            if is_repeated:
                again = engine.dispatch(order)
                assert again.replayed, again
            with self._ticking:
                self.clock.advance(0.3)
            if at % 20 == 0:
                engine.resume(limit=30)
            if at % 40 == 0:
                for seller in self.sellers.values():
                    for sku in seller.items:
                        seller.stock(sku, 40)

    # --- afterwards ---------------------------------------------------------------------------

    def settle(self) -> None:
        """Let time go on until nothing more happens by itself."""
        for _ in range(_PASSES):
            self.clock.advance(_STEP_S)
            for seller in self.sellers.values():
                seller.work()
            is_idle = not self.engine.resume(limit=300).total
            if is_idle and not self._is_open():
                return

    def _is_open(self) -> bool:
        desk = self.engine.supply
        return any(desk.purchases(state=PurchaseState(state), limit=1) for state in _OPEN)

    def purchases(self) -> list[Any]:
        """Return all purchases, oldest first."""
        return self.engine.supply.purchases(limit=100_000)[::-1]

    def decide(self) -> None:
        """Look every held purchase up in its supplier's own records, until none is left."""
        for _ in range(20):
            if not self.decide_once():
                return
            self.settle()
        raise AssertionError("there is always something more to decide about")

    def decide_once(self) -> bool:
        """Decide about what is held at this moment, and say whether there was anything."""
        held = self.engine.supply.purchases(state=PurchaseState.HELD, limit=100_000)
        sales = {name: seller.sales() for name, seller in self.sellers.items()}
        self._throw_away(sales)
        for purchase in held:
            self._decide(purchase, sales[purchase.supplier].get(purchase.reference))
        return bool(held)

    def _throw_away(self, sales: Mapping[str, Mapping[str, Sale]]) -> None:
        """Void what was set aside and is no card."""
        texts = {x for own in sales.values() for sale in own.values() for x in sale.cards}
        for text in texts:
            found = None if is_card(text) else self.engine.cards.find(text)
            if found is not None and found.state == "available":
                self.engine.cards.void(found.id, by="li", why="an apology is no card")

    def _decide(self, purchase: Any, sale: Sale | None) -> None:
        self.decided.add(purchase.reference)
        desk, cost = self.engine.supply, self.cost(purchase, sale)
        if sale is None or not (sale.cards or sale.is_charged):
            desk.resolve(
                purchase.reference, "failed", by="li", why="not in their records", cost=cost
            )
            return
        cards = dict.fromkeys(filter(is_card, sale.cards))
        found = {text: self.engine.cards.find(text) for text in cards}
        aside = [x for x in found.values() if x is not None and x.warehouse == "quarantine"]
        lacking = [text for text, record in found.items() if record is None]
        if aside:
            self.engine.cards.move(
                purchase.sku, origin="quarantine", destination="main", quantity=len(aside), by="li"
            )
        typed = lacking[: purchase.quantity - purchase.arrived] if purchase.warehouse else []
        desk.resolve(
            purchase.reference, "bought", by="li", why="found in their records", cards=typed,
            cost=cost,
        )  # fmt: skip

    def cost(self, purchase: Any, sale: Sale | None) -> Money:
        """Return what the supplier's records say that a purchase cost."""
        paid = Decimal(0) if sale is None else sale.paid
        return Money(paid, purchase.price.currency)

    # --- the books ----------------------------------------------------------------------------

    def check(self) -> None:
        """Insist that the books agree with what the suppliers have on record, to the cent."""
        assert not self._is_open(), "something is open for ever"
        self.check_what_always_holds()
        self._check_cards()
        self._check_charges()

    def check_what_always_holds(self) -> None:
        """Insist that nothing was bought twice, and on every cent, also of what is still open."""
        assert self.engine.ledger.verify().faults == ()
        for seller in self.sellers.values():
            self._check_money(seller)
        self._check_needs()

    def _check_money(self, seller: Seller) -> None:
        """What was taken is what purchases cost, each of them, or hangs on one that is not over."""
        purchases = {x.reference: x for x in self.purchases() if x.supplier == seller.name}
        sales = seller.sales()
        assert {x for x, sale in sales.items() if sale.times > 1} == set(), (
            "one number bought twice"
        )
        assert sales.keys() <= purchases.keys()
        paid = {x: sales[x].paid if x in sales else Decimal(0) for x in purchases}
        costs = {
            name: paid[name] if x.state not in _OVER else Decimal(0) if x.cost is None else x.cost.amount
            for name, x in purchases.items()
        }  # fmt: skip
        assert costs == paid
        assert sum(costs.values()) == seller.spent
        added = self._added(seller)
        for name, purchase in purchases.items():
            if purchase.warehouse and purchase.state in _OVER and name not in self.decided:
                assert costs[name] == added[name] * seller.price(purchase.sku)

    def _added(self, seller: Seller) -> Counter[str]:
        """Return how many cards of each purchase are in the store, sold or not."""
        added: Counter[str] = Counter()
        for batch in self.engine.cards.batches():
            if batch.supplier == seller.name:
                assert batch.cost == Money(seller.price(batch.sku), seller.currency)
                added[batch.provenance.split()[1]] += batch.added
        return added

    def _check_needs(self) -> None:
        """Nothing is bought for a line before it is known how the purchase before it ended."""
        needs: dict[tuple[str, int], list[Any]] = {}
        for purchase in self.purchases():
            needs.setdefault((purchase.order_no, purchase.line_no), []).append(purchase)
        for purchases in needs.values():
            for earlier, later in pairwise(purchases):
                assert earlier.state in _OVER, "bought again before the first was clear"
                assert earlier.changed_at <= later.begun_at

    def _check_cards(self) -> None:
        """No card in two orders, and each order that is served got what it asked for."""
        sold: Counter[str] = Counter()
        for name, order in self.orders.items():
            receipt = self.engine.receipt("shop", name)
            for line, wish in zip(receipt.lines, order.lines, strict=True):
                is_served = line.outcome is Outcome.DELIVERED
                assert is_served or line.why, f"{name} waits, and nobody knows why"
                wanted = 0 if wish.target or not is_served else wish.quantity
                assert len(line.cards) == wanted
                sold.update(card.text().reveal() for card in line.cards)
        assert {text for text, number in sold.items() if number > 1} == set()
        paid_for = {x for seller in self.sellers.values() for x in _cards(seller)}
        assert sold.keys() <= paid_for | self.own, "a card came from nowhere"

    def _check_charges(self) -> None:
        """A target is charged once for a line that is served, and for no other but a held one."""
        charged: Counter[tuple[str, int]] = Counter()
        sales = {x: y for seller in self.sellers.values() for x, y in seller.sales().items()}
        for purchase in self.purchases():
            if not purchase.warehouse and purchase.reference in sales:
                charged[purchase.order_no, purchase.line_no] += 1
        for name, order in self.orders.items():
            receipt = self.engine.receipt("shop", name)
            for number, (line, wish) in enumerate(zip(receipt.lines, order.lines, strict=True), 1):
                if wish.target and line.outcome is not Outcome.HELD:
                    assert charged[name, number] == (line.outcome is Outcome.DELIVERED)
                assert charged[name, number] <= 1

    def outcomes(self) -> Counter[str]:
        """Return how many lines stand where."""
        receipts = [self.engine.receipt("shop", name) for name in self.orders]
        return Counter(f"{line.outcome}/{line.reason}" for x in receipts for line in x.lines)


def _cards(seller: Seller) -> set[str]:
    return {text for sale in seller.sales().values() for text in sale.cards if is_card(text)}


def _table(name: str, members: Mapping[str, Any]) -> list[str]:
    return [f"[{name}]", *(f"{member} = {_value(value)}" for member, value in members.items()), ""]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{name}" = {_value(x)}' for name, x in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
