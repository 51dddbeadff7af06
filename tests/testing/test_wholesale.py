"""The supplier in memory sells, delays, refuses and pays back as it is told to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import attrs
import pytest

from autocard.registry import AdapterRegistry
from autocard.spi import (
    Answer,
    BoughtCard,
    Capability,
    Hint,
    Inbound,
    Money,
    Purchase,
    RejectedError,
    Secret,
    Stage,
    TransientError,
    UnknownOutcome,
    UnsupportedFeature,
    VerificationError,
)
from autocard.testing import FakeSupplier, Good, ScriptedAdapters, Wholesaler

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BUY, FIND = Capability.BUY, Capability.FIND_PURCHASE


def _wholesaler(**habits) -> Wholesaler:
    goods = {"g1": Good(Money("9.00", "CNY"), stock=5), "g2": Good(Money("1.00", "CNY"))}
    return Wholesaler(goods, money=Money("100.00", "CNY"), **habits)


def _supplier(wholesaler) -> FakeSupplier:
    return FakeSupplier(FakeSupplier.Options(wholesaler), None)


def _purchase(reference="p1", *, quantity=1, **others) -> Purchase:
    kept = {
        "sku": "steam",
        "item": "g1",
        "price": Money("9.00", "CNY"),
        "ceiling": Money("9.50", "CNY"),
        "begun_at": NOW,
        "sent_at": NOW,
        **others,
    }
    return Purchase(reference=reference, quantity=quantity, **kept)


def _texts(supplied):
    return [card.secret.reveal() for card in supplied.cards]


def test_cards_are_sold_for_money() -> None:
    """A purchase gives new cards, takes stock and money, and is remembered."""
    wholesaler = _wholesaler()
    supplier = _supplier(wholesaler)
    supplied = supplier.buy(_purchase(quantity=2))
    assert (supplied.stage, supplied.remote) == (Stage.DONE, "W-1")
    assert _texts(supplied) == ["FAKE-G1-000001", "FAKE-G1-000002"] == list(wholesaler.sold)
    assert supplied.cost == Money("18.00", "CNY") == wholesaler.spent
    assert supplier.balance() == Money("82.00", "CNY")
    assert supplier.offers(["g1", "g9"])[0].available == 3
    assert [capability for capability, _ in wholesaler.calls] == [BUY, "balance", "offers"]


def test_targets_are_charged() -> None:
    """A top-up notes its target and hands over no card."""
    wholesaler = _wholesaler()
    supplied = _supplier(wholesaler).top_up(_purchase(target="13800138000"))
    assert (supplied.stage, supplied.cards) == (Stage.DONE, ())
    assert wholesaler.charged == ("13800138000",)


@pytest.mark.parametrize(
    "purchase",
    [
        _purchase(item="g9"),
        _purchase(quantity=6),
        _purchase(ceiling=Money("8.99", "CNY")),
        _purchase(item="g2", quantity=101),
    ],
)
def test_what_cannot_be_sold_is_refused(purchase) -> None:
    """Unknown goods, too many, too dear and too little money are refused, and cost nothing."""
    wholesaler = _wholesaler()
    with pytest.raises(RejectedError):
        _supplier(wholesaler).buy(purchase)
    assert (wholesaler.sold, wholesaler.spent) == ((), Money(0, "CNY"))


def test_the_same_reference_is_refused_repeated_or_bought_twice() -> None:
    """What a reference does that is known is a habit, and the adapter declares what it promises."""
    refusing, repeating, buying = (
        _wholesaler(again=again) for again in ("refuses", "repeats", "buys")
    )
    for wholesaler in (refusing, repeating, buying):
        supplier = _supplier(wholesaler)
        is_safe = Capability.REPEAT_PURCHASE in supplier.capabilities
        assert is_safe == (wholesaler is not buying)
        first = supplier.buy(_purchase())
        if wholesaler is refusing:
            with pytest.raises(UnknownOutcome, match="look it up"):
                supplier.buy(_purchase())
        else:
            assert (supplier.buy(_purchase()) == first) == (wholesaler is repeating)
        assert len(wholesaler.sold) == (2 if wholesaler is buying else 1)


def test_purchases_are_looked_up_as_far_as_they_can_be() -> None:
    """By reference, by number only, or not at all; what was never bought is not found."""
    by_reference, by_number, by_nothing = (
        _supplier(_wholesaler(finds=finds)) for finds in ("reference", "number", "nothing")
    )
    bought = [supplier.buy(_purchase()) for supplier in (by_reference, by_number, by_nothing)]
    assert by_reference.find_purchase(_purchase()) == bought[0]
    assert by_reference.find_purchase(_purchase("p2")) is None
    assert by_number.find_purchase(_purchase(remote="W-1")) == bought[1]
    assert by_number.find_purchase(_purchase(remote="W-2")) is None
    for supplier in (by_number, by_nothing):
        assert FIND not in supplier.capabilities
        with pytest.raises(UnsupportedFeature):
            supplier.find_purchase(_purchase())


def test_answers_may_come_late() -> None:
    """A purchase may be hidden first, then unfinished, each for some look-ups."""
    wholesaler = _wholesaler(hides=1, waits=2)
    supplier = _supplier(wholesaler)
    assert supplier.buy(_purchase()).stage is Stage.WORKING
    found = [supplier.find_purchase(_purchase()) for _ in range(4)]
    assert [said and said.stage for said in found] == [None, "working", "working", "done"]
    supplier.buy(_purchase("p2"))
    wholesaler.finish()
    assert supplier.find_purchase(_purchase("p2")).stage is Stage.DONE


def test_answers_may_be_lost_before_and_after() -> None:
    """An exception alone happens before the purchase, one in a tuple after it, None not at all."""
    wholesaler = _wholesaler()
    supplier = _supplier(wholesaler)
    wholesaler.fail(BUY, TransientError("down"), (UnknownOutcome("lost"),), None)
    with pytest.raises(TransientError):
        supplier.buy(_purchase("p1"))
    with pytest.raises(UnknownOutcome):
        supplier.buy(_purchase("p2"))
    supplier.buy(_purchase("p3"))
    assert list(wholesaler.sales) == ["p2", "p3"]
    assert supplier.find_purchase(_purchase("p1")) is None


def test_deals_say_what_is_handed_over() -> None:
    """The next purchases get the cards, the end and the refund that were arranged, then new ones."""
    wholesaler = _wholesaler()
    supplier = _supplier(wholesaler)
    known = BoughtCard(secret=Secret("KNOWN-0001"), number="7")
    wholesaler.deal(["ONE"])
    wholesaler.deal(["A", known, "A"], stage=Stage.UNCLEAR, problem="an apology")
    wholesaler.deal(stage=Stage.FAILED)
    wholesaler.deal(stage=Stage.FAILED, refunded=Money("9.00", "CNY"))
    partial, odd, failed, returned, usual = (
        supplier.buy(_purchase(f"p{number}")) for number in range(5)
    )
    assert _texts(partial) == ["ONE"]
    assert (_texts(odd), odd.stage, odd.problem) == (
        ["A", "KNOWN-0001", "A"], Stage.UNCLEAR, "an apology",
    )  # fmt: skip
    assert (failed.cards, failed.cost, failed.refunded) == ((), None, None)
    assert (returned.cards, returned.cost) == ((), returned.refunded)
    assert _texts(usual) == ["FAKE-G1-000001"]
    assert wholesaler.spent == Money("27.00", "CNY")
    assert supplier.balance() == Money("73.00", "CNY")


def test_purchases_are_paid_back_later() -> None:
    """All of it back is a failure, part of it is unclear; the money returns."""
    wholesaler = _wholesaler()
    supplier = _supplier(wholesaler)
    wholesaler.deal(stage=Stage.FAILED)
    for reference in ("free", "all", "part"):
        supplier.buy(_purchase(reference))
    wholesaler.refund("all")
    wholesaler.refund("part", Money("4.00", "CNY"))
    assert supplier.find_purchase(_purchase("all")).stage is Stage.FAILED
    assert supplier.find_purchase(_purchase("part")).stage is Stage.UNCLEAR
    assert wholesaler.spent == Money("5.00", "CNY")
    assert wholesaler.money == Money("95.00", "CNY")
    with pytest.raises(ValueError, match="never charged"):
        wholesaler.refund("free")


def test_messages_name_a_reference() -> None:
    """A message that is called genuine gives its body as reference; any other is refused."""
    supplier = _supplier(_wholesaler())
    inbound = Inbound(method="POST", path="/", body=b"p1", headers={"proof": "genuine"})
    assert supplier.parse(inbound, now=NOW) == Hint(reference="p1")
    with pytest.raises(VerificationError):
        supplier.parse(attrs.evolve(inbound, headers={}), now=NOW)
    assert supplier.acknowledge(Answer.LATER).body == b"later"


def test_threads_never_buy_the_same_card() -> None:
    """Many threads together get every card once, and the money is right."""
    wholesaler = _wholesaler()
    supplier = _supplier(wholesaler)
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(lambda number: supplier.buy(_purchase(f"p{number}", item="g2")), range(100))
        )
    assert len(set(wholesaler.sold)) == 100
    assert wholesaler.money == Money(0, "CNY")


def test_plugin_offers_it() -> None:
    """The plugin of the adapters in memory offers the supplier under its name."""
    registry = AdapterRegistry()
    ScriptedAdapters().autocard_register(registry)
    assert registry.suppliers["fake"] is FakeSupplier
