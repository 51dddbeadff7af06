"""The Kinguin adapter against the simulated Kinguin on a real socket, faults included."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import attrs
import pytest

from autocard.adapters.kinguin import KinguinSupplier
from autocard.http.client import HttpClient
from autocard.spi import (
    Inbound,
    Money,
    Offer,
    RejectedError,
    Secret,
    Shape,
    Stage,
    TransientError,
    UnknownOutcome,
)
from autocard.testing.leaks import LeakDetector

CARDS = ("AAAAA-BBBBB-00001", "AAAAA-BBBBB-00002", "AAAAA-BBBBB-00003")
OTHER = "65a0c0ffee00112233445577"


def _texts(supplied) -> tuple[str, ...]:
    return tuple(card.secret.reveal() for card in supplied.cards)


# --- offers and balance ---------------------------------------------------------------------


def test_offers_are_asked_in_one_request(sim, store, item) -> None:
    """Several goods are quoted with one request; what is unknown is left out."""
    sim.sell(item, "5.79", CARDS)
    sim.sell(OTHER, "6.10", CARDS[:1], name="Other Game")
    offers = store.offers([OTHER, "65a0c0ffee00112233445588", "1949", item, item])
    assert offers == [
        Offer(item=OTHER, price=Money("6.10", "EUR"), available=1, most=9, name="Other Game"),
        Offer(
            item=item,
            price=Money("5.79", "EUR"),
            available=3,
            most=9,
            name="Demo Game Steam CD Key",
        ),
    ]
    assert sim.requests == ["GET /v1/products"]


def test_offers_without_a_product_id_ask_nothing(sim, store) -> None:
    """Goods that Kinguin cannot know are left out without a request."""
    assert store.offers(["1949", "steam"]) == []
    assert sim.requests == []


def test_many_offers_are_asked_a_hundred_at_a_time(sim, store) -> None:
    """More goods than a page holds are asked for in several requests."""
    items = [f"65a0c0ffee0011223344{index:04x}" for index in range(101)]
    for item in items:
        sim.sell(item, "5.79", CARDS)
    assert [offer.item for offer in store.offers(items)] == items
    assert len(sim.requests) == 2


def test_price_is_that_of_the_cheapest_text_key(sim, store, simulator, client, item) -> None:
    """With `text_only` a seller of photographs does not set the price."""
    sim.sell(item, "4.00", [simulator.Picture("/9j/4AAQ")])
    sim.sell(item, "5.79", CARDS[:1])
    sim.sell(item, "5.79", [*CARDS[1:], simulator.Picture("/9j/4AAR")])
    [offer] = store.offers([item])
    assert (offer.price, offer.available) == (Money("5.79", "EUR"), 3)
    anything = KinguinSupplier(attrs.evolve(store.options, text_only=False), client)
    [offer] = anything.offers([item])
    assert (offer.price, offer.available) == (Money("4.00", "EUR"), None)  # or 5 for 5.79


def test_product_is_quoted_where_its_offers_are_hidden(sim, store, item) -> None:
    """An account that may not see offers gets the price and the count of the product."""
    sim.shows_offers = False
    sim.sell(item, "5.79", CARDS)
    [offer] = store.offers([item])
    assert (offer.price, offer.available) == (Money("5.79", "EUR"), 3)
    sim.sell(item, "6.00", ["AAAAA-BBBBB-00004"])
    [offer] = store.offers([item])
    assert (offer.price, offer.available) == (Money("5.79", "EUR"), None)


def test_what_cannot_be_bought_is_not_on_sale(sim, store, item) -> None:
    """Sold-out goods and pre-orders are known and not on sale."""
    sim.sell(item, "5.79", [])
    sim.sell(OTHER, "5.79", CARDS, is_preorder=True)
    sold_out, coming = store.offers([item, OTHER])
    assert (sold_out.on_sale, sold_out.available) == (False, 0)
    assert not coming.on_sale


def test_balance_falls_with_a_purchase(sim, store, item, wish) -> None:
    """The balance is what the account holds, in euros."""
    sim.sell(item, "5.79", CARDS)
    assert store.balance() == Money("1000.00", "EUR")
    store.buy(wish())
    assert store.balance() == Money("994.21", "EUR")


# --- buying ---------------------------------------------------------------------------------


def test_purchase_is_accepted_and_its_card_found(sim, store, item, wish) -> None:
    """An order is accepted with one request; its key comes with the look-up."""
    sim.sell(item, "5.79", CARDS)
    accepted = store.buy(wish())
    assert (accepted.stage, accepted.cards) == (Stage.WORKING, ())
    assert accepted.cost == Money("5.79", "EUR")  # less than the ceiling that was sent
    found = store.find_purchase(wish(remote=accepted.remote))
    assert (found.stage, found.remote, found.problem) == (Stage.DONE, accepted.remote, "")
    assert _texts(found) == CARDS[:1]
    assert found.cost == Money("5.79", "EUR")
    assert sim.requests == [
        "POST /v2/order",
        "GET /v1/order",
        f"GET /v2/order/{accepted.remote}/keys",
    ]
    assert json.loads(sim.bodies[0])["products"][0]["price"] == 6.00
    assert sim.sold == {"a1reference0000001": CARDS[:1]}
    assert sim.spent == Decimal("5.79")


def test_several_sellers_serve_one_purchase(sim, store, item, wish) -> None:
    """Kinguin takes the cheapest offers at or below the ceiling, and the cost is their sum."""
    sim.sell(item, "5.99", CARDS[1:2])
    sim.sell(item, "5.79", CARDS[:1])
    sim.sell(item, "6.01", CARDS[2:])
    store.buy(wish(quantity=2))
    found = store.find_purchase(wish(quantity=2))
    assert (found.stage, found.cost) == (Stage.DONE, Money("11.78", "EUR"))
    assert _texts(found) == CARDS[:2]


def test_look_ups_may_be_repeated(sim, store, item, wish) -> None:
    """The same look-up again gives the same cards."""
    sim.sell(item, "5.79", CARDS)
    store.buy(wish())
    assert store.find_purchase(wish()) == store.find_purchase(wish())
    assert sim.spent == Decimal("5.79")


def test_keys_that_come_one_by_one_are_waited_for(sim, store, item, wish) -> None:
    """While an order is processing it is working, with what came so far."""
    sim.polls, sim.pace = 1, 1
    sim.sell(item, "5.79", CARDS)
    store.buy(wish(quantity=3))
    seen = [store.find_purchase(wish(quantity=3)) for _ in range(5)]
    assert [(one.stage, len(one.cards)) for one in seen] == [
        (Stage.WORKING, 0),
        (Stage.WORKING, 1),
        (Stage.WORKING, 2),
        (Stage.DONE, 3),
        (Stage.DONE, 3),
    ]


def test_more_keys_than_a_page_are_read_page_by_page(sim, store, item, wish, monkeypatch) -> None:
    """Keys are asked for while pages are full, up to one that is not."""
    monkeypatch.setattr("autocard.adapters.kinguin.replies.PAGE", 2)
    sim.sell(item, "5.79", [f"AAAAA-{index:05}" for index in range(4)])
    store.buy(wish(quantity=4))
    found = store.find_purchase(wish(quantity=4))
    assert (found.stage, len(found.cards)) == (Stage.DONE, 4)
    assert len([one for one in sim.requests if one.endswith("/keys")]) == 3


def test_server_that_ignores_pages_ends_the_reading(
    sim, store, item, wish, simulator, monkeypatch
) -> None:
    """A server that shows its first page for ever does not keep us for ever."""
    monkeypatch.setattr("autocard.adapters.kinguin.replies.PAGE", 2)
    monkeypatch.setattr(simulator, "_page", lambda rows, query: rows)
    sim.sell(item, "5.79", CARDS[:2])
    store.buy(wish(quantity=2))
    assert store.find_purchase(wish(quantity=2)).stage is Stage.DONE
    assert len([one for one in sim.requests if one.endswith("/keys")]) == 2


def test_text_of_a_key_is_kept_as_it_is(sim, store, item, wish) -> None:
    """A key of several lines is one card, with every character of it."""
    account = " user@example.com\r\npassword: p w\n"
    sim.sell(item, "5.79", [account])
    store.buy(wish())
    assert _texts(store.find_purchase(wish())) == (account,)


def test_photographs_come_as_images(sim, store, client, simulator, item, wish) -> None:
    """Where any key may come, a photograph is base64 text with its type."""
    sim.sell(item, "5.79", [simulator.Picture("iVBORw0KGgo=", "image/png")])
    with pytest.raises(RejectedError, match="nobody sells"):
        store.buy(wish())
    anything = KinguinSupplier(attrs.evolve(store.options, text_only=False), client)
    anything.buy(wish())
    [card] = anything.find_purchase(wish()).cards
    assert (card.shape, card.secret.reveal()) == (Shape.IMAGE, "iVBORw0KGgo=")
    assert card.extra["mime"].reveal() == "image/png"


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("ConstraintViolation", RejectedError), ("Http", RejectedError),
        ("Authorization", RejectedError), ("InsufficientBalance", RejectedError),
        ("BalanceRequired", RejectedError), ("ProductUnavailable", RejectedError),
        ("Preorder", RejectedError), ("OrderNotFound", RejectedError),
        ("OrderNotSupported", RejectedError), ("OrderNotPaid", RejectedError),
        ("DispatchNotFound", RejectedError), ("NoKeysToReturn", RejectedError),
        ("OrderFailed", UnknownOutcome), ("ResourceLock", UnknownOutcome),
        ("HttpClient", UnknownOutcome), ("Error", UnknownOutcome), ("OrderHold", UnknownOutcome),
        ("OrderNotDispatchedYet", UnknownOutcome), ("OrderPartiallyDispatched", UnknownOutcome),
        ("ProcessingPreorder", UnknownOutcome),
    ],
)  # fmt: skip
def test_kind_of_refusal_says_what_became_of_an_order(kind, error, sim, store, item, wish) -> None:
    """Each documented kind of refusal is final, or leaves open whether an order was made."""
    sim.sell(item, "5.79", CARDS)
    sim.fault(kind)
    with pytest.raises(error):
        store.buy(wish())
    assert store.find_purchase(wish()) is None


@pytest.mark.parametrize("kind", ["Error", "OrderFailed", "ResourceLock", "http_500", "HttpClient"])
def test_order_behind_a_failure_is_found(kind, sim, store, item, wish) -> None:
    """A failure that is answered after the order was made leads to the order."""
    sim.sell(item, "5.79", CARDS)
    sim.fault(f"{kind}_after")
    with pytest.raises(UnknownOutcome):
        store.buy(wish())
    assert _texts(store.find_purchase(wish())) == CARDS[:1]


def test_refusal_names_what_helps_and_the_trace(sim, store, item, wish) -> None:
    """An error says what to do and what Kinguin's support asks for, and quotes no answer."""
    sim.sell(item, "5.79", CARDS)
    with pytest.raises(RejectedError, match=r"check item, quantity .*trace 0a1b2c3d4e") as caught:
        store.buy(wish(quantity=10))
    assert "Invalid" not in str(caught.value)


def test_ceiling_below_every_offer_buys_nothing(sim, store, item, wish) -> None:
    """When nobody sells at or below the ceiling, nothing is bought."""
    sim.sell(item, "6.01", CARDS)
    with pytest.raises(RejectedError, match="at this price"):
        store.buy(wish())
    assert sim.spent == 0


def test_empty_balance_buys_nothing(sim, store, item, wish) -> None:
    """When the balance does not suffice, the error says to top it up."""
    sim.sell(item, "5.79", CARDS)
    sim.balance = Decimal("5.78")
    with pytest.raises(RejectedError, match="top it up"):
        store.buy(wish())


def test_wrong_credential_is_named(sim, store, client, item, wish) -> None:
    """A refused credential says which settings to check; a look-up never claims a failure."""
    wrong = KinguinSupplier(
        attrs.evolve(store.options, credential=Secret("another-secret-text")), client
    )
    for call in (lambda: wrong.buy(wish()), wrong.balance, lambda: wrong.offers([item])):
        with pytest.raises(RejectedError, match="check credential") as caught:
            call()
        assert "another-secret-text" not in str(caught.value)
    with pytest.raises(TransientError, match="check credential"):
        wrong.find_purchase(wish())


def test_too_many_calls_are_told_to_wait(sim, store, item, wish) -> None:
    """A request for fewer calls is transient for questions, with the seconds it names."""
    sim.sell(item, "5.79", CARDS)
    calls = {
        "search": lambda: store.find_purchase(wish()),
        "products": lambda: store.offers([item]),
        "balance": store.balance,
    }
    for route, call in calls.items():
        sim.fault("busy", on=route)
        with pytest.raises(TransientError) as caught:
            call()
        assert caught.value.retry_after_s == 7.0
    sim.fault("busy")
    with pytest.raises(UnknownOutcome):
        store.buy(wish())
    assert store.find_purchase(wish()) is None


# --- lost answers ---------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["drop", "http_500", "html"])
def test_lost_request_is_unknown_and_not_found(fault, sim, store, item, wish) -> None:
    """An order that never arrived is unknown, then missing, and may be sent again as it was."""
    sim.sell(item, "5.79", CARDS)
    sim.fault(fault)
    with pytest.raises(UnknownOutcome):
        store.buy(wish())
    assert store.find_purchase(wish()) is None
    store.buy(wish(attempts=2))
    assert store.find_purchase(wish()).stage is Stage.DONE
    assert sim.spent == Decimal("5.79")


@pytest.mark.parametrize("fault", ["drop_after", "http_500_after", "html_after", "half_after"])
def test_lost_answer_is_unknown_and_found(fault, sim, store, item, wish) -> None:
    """An order whose answer is lost is unknown, then found by our number."""
    sim.sell(item, "5.79", CARDS)
    sim.fault(fault)
    with pytest.raises(UnknownOutcome):
        store.buy(wish())
    assert _texts(store.find_purchase(wish())) == CARDS[:1]
    assert sim.spent == Decimal("5.79")


def test_late_answer_is_unknown_and_found(sim, store, item, wish) -> None:
    """An answer that comes too late is a lost one."""
    sim.sell(item, "5.79", CARDS)
    sim.fault("delay", seconds=1.0)
    with HttpClient(timeout_s=0.3, allow_http=True) as hasty:
        supplier = KinguinSupplier(store.options, hasty)
        with pytest.raises(UnknownOutcome):
            supplier.buy(wish())
        assert supplier.find_purchase(wish()).stage is Stage.DONE


@pytest.mark.parametrize("route", ["search", "keys"])
@pytest.mark.parametrize("fault", ["drop", "http_500", "html", "half_after", "OrderFailed", "Http"])
def test_failed_look_up_says_nothing(route, fault, sim, store, item, wish) -> None:
    """A look-up that fails in the search or at the keys is transient, and works the next time."""
    sim.sell(item, "5.79", CARDS)
    store.buy(wish())
    sim.fault(fault, on=route)
    with pytest.raises(TransientError):
        store.find_purchase(wish())
    assert store.find_purchase(wish()).stage is Stage.DONE


@pytest.mark.parametrize("fault", ["drop", "http_500", "html", "half_after"])
def test_failed_questions_may_be_asked_again(fault, sim, store, item) -> None:
    """A lost or unreadable answer to a question about offers or balance is transient."""
    sim.sell(item, "5.79", CARDS)
    sim.fault(fault, on="")
    with pytest.raises(TransientError):
        store.offers([item])
    sim.fault(fault, on="")
    with pytest.raises(TransientError):
        store.balance()


@pytest.mark.parametrize("mode", ["refused", "locked"])
def test_number_that_is_taken_is_looked_up(mode, sim, store, item, wish) -> None:
    """A second order of the same number is no refusal: the first one exists."""
    sim.duplicates = mode
    sim.sell(item, "5.79", CARDS)
    store.buy(wish())
    with pytest.raises(UnknownOutcome):
        store.buy(wish(attempts=2))
    assert store.find_purchase(wish()).stage is Stage.DONE
    assert sim.spent == Decimal("5.79")


@pytest.mark.parametrize("cause", ["key", "balance"])
def test_refused_repetition_may_be_due_to_the_first_order(cause, sim, store, item, wish) -> None:
    """Our own first order took the last key or the money: a repetition that is refused is looked up."""
    sim.duplicates = "created"
    sim.sell(item, "5.79", CARDS[:1] if cause == "key" else CARDS)
    sim.balance = Decimal("5.79")
    sim.fault("drop_after")
    sim.fault("late", count=1)
    with pytest.raises(UnknownOutcome):
        store.buy(wish())
    assert store.find_purchase(wish()) is None  # the search overlooks it
    with pytest.raises(UnknownOutcome, match="repeated"):
        store.buy(wish(attempts=2))
    assert _texts(store.find_purchase(wish())) == CARDS[:1]
    assert sim.spent == Decimal("5.79")


def test_search_that_lags_does_not_hide_an_accepted_order(sim, store, item, wish) -> None:
    """An order whose number is known is read by it when the search does not show it yet."""
    sim.sell(item, "5.79", CARDS)
    sim.fault("late", count=2)
    remote = store.buy(wish()).remote
    assert store.find_purchase(wish()) is None  # so several misses are needed to believe one
    assert store.find_purchase(wish(remote=remote)).stage is Stage.DONE
    assert sim.requests[-2] == f"GET /v1/order/{remote}"


def test_unknown_number_of_theirs_proves_nothing(store, wish) -> None:
    """When Kinguin does not know a number that it gave, nobody concludes that nothing was bought."""
    with pytest.raises(TransientError):
        store.find_purchase(wish(remote="PHS0000404"))


def test_second_order_of_one_number_needs_a_person(sim, store, item, wish) -> None:
    """When Kinguin made two orders of one number, both are shown, and what they cost together."""
    sim.duplicates = "created"
    sim.sell(item, "5.79", CARDS)
    store.buy(wish())
    store.buy(wish(attempts=2))
    found = store.find_purchase(wish())
    assert (found.stage, found.cost) == (Stage.UNCLEAR, Money("11.58", "EUR"))
    assert _texts(found) == CARDS[:2]
    assert "PHS0000003, PHS0000005" in found.problem
    assert found.remote == "PHS0000003"


def test_second_order_is_waited_for(sim, store, item, wish) -> None:
    """While one of two orders is being worked on, so is the purchase."""
    sim.duplicates, sim.polls = "created", 1
    sim.sell(item, "5.79", CARDS)
    store.buy(wish())
    store.find_purchase(wish())
    store.buy(wish(attempts=2))
    assert store.find_purchase(wish()).stage is Stage.WORKING
    assert store.find_purchase(wish()).stage is Stage.UNCLEAR


def test_cancelled_second_order_does_not_count(sim, store, item, wish) -> None:
    """Of two orders the one that was paid back is nothing to worry about."""
    sim.duplicates = "created"
    sim.sell(item, "5.79", CARDS)
    sim.fault("canceled")
    store.buy(wish())
    store.find_purchase(wish())
    store.buy(wish(attempts=2))
    found = store.find_purchase(wish())
    assert (found.stage, found.cost) == (Stage.DONE, Money("5.79", "EUR"))
    assert sim.spent == Decimal("5.79")


# --- orders that go wrong -------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["canceled", "refunded"])
def test_order_paid_back_without_keys_failed(ending, sim, store, item, wish) -> None:
    """An order that ended without keys was paid back and failed."""
    sim.sell(item, "5.79", CARDS)
    sim.fault(ending)
    store.buy(wish())
    found = store.find_purchase(wish())
    assert (found.stage, found.cards) == (Stage.FAILED, ())
    assert found.refunded == found.cost == Money("5.79", "EUR")
    assert sim.spent == 0


def test_order_paid_back_with_keys_is_unclear(sim, store, item, wish) -> None:
    """An order that ended with some keys needs a person, who gets those keys."""
    sim.sell(item, "5.79", CARDS)
    sim.fault("partly_refunded")
    store.buy(wish(quantity=3))
    found = store.find_purchase(wish(quantity=3))
    assert (found.stage, found.refunded) == (Stage.UNCLEAR, None)
    assert _texts(found) == CARDS[:1]
    assert "paid back" in found.problem
    assert sim.spent == Decimal("5.79")


def test_returned_order_failed(sim, store, item, wish) -> None:
    """An order whose keys were given back is paid back."""
    sim.sell(item, "5.79", CARDS)
    remote = store.buy(wish()).remote
    store.find_purchase(wish())
    request = urllib.request.Request(
        f"{sim.url}/v2/order/{remote}/keys/return", method="POST", data=b"",
        headers={"X-Api-Key": sim.credential},
    )  # fmt: skip
    with urllib.request.urlopen(request) as reply:
        assert json.load(reply)[0]["status"] == "RETURNED"
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request)
    assert store.find_purchase(wish()).stage is Stage.FAILED
    assert sim.spent == 0


@pytest.mark.parametrize(
    ("fault", "stage", "count"),
    [
        ("twice", Stage.DONE, 2), ("more", Stage.DONE, 3), ("same", Stage.DONE, 2),
        ("fewer", Stage.DONE, 1), ("empty", Stage.UNCLEAR, 1), ("null", Stage.UNCLEAR, 1),
        ("odd", Stage.UNCLEAR, 1),
    ],
)  # fmt: skip
def test_odd_lists_of_keys(fault, stage, count, sim, store, item, wish) -> None:
    """
    A completed order gives its keys, each id once; one that cannot be read needs a person.

    Too many, too few and equal keys are handed on: what to do with them is not for the adapter.
    """
    sim.sell(item, "5.79", CARDS)
    sim.fault(fault)
    store.buy(wish(quantity=2))
    found = store.find_purchase(wish(quantity=2))
    assert (found.stage, len(found.cards)) == (stage, count)
    assert bool(found.problem) == (fault in {"fewer", "empty", "null", "odd"})


def test_message_may_overtake_the_answer(sim, store, item, wish) -> None:
    """A message that comes before the answer of its order names the same purchase."""
    sim.sell(item, "5.79", CARDS)
    sim.fault("notice_first")
    accepted = store.buy(wish())
    [notice] = sim.notices
    inbound = Inbound(method="POST", path="/kinguin", headers=notice.headers, body=notice.body)
    hint = store.parse(inbound, now=wish().begun_at)
    assert (hint.reference, hint.remote) == (wish().reference, accepted.remote)


def test_threads_buy_each_their_own(sim, store, item, wish) -> None:
    """Purchases of several threads get a card each, and no card goes twice."""
    cards = [f"AAAAA-{index:05}" for index in range(24)]
    sim.sell(item, "5.79", cards)

    def one(number: int) -> tuple[str, ...]:
        purchase = wish(reference=f"a1reference{number:07}")
        store.buy(purchase)
        return _texts(store.find_purchase(purchase))

    with ThreadPoolExecutor(8) as threads:
        bought = list(threads.map(one, range(24)))
    assert sorted(card for texts in bought for card in texts) == cards
    assert sim.spent == 24 * Decimal("5.79")


# --- secrets --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", ["drop_after", "html_after", "http_500_after", "half_after", "Http"]
)
def test_errors_show_neither_credential_nor_card(fault, sim, item, wish, client, options) -> None:
    """What goes wrong on a real connection shows no secret in errors, results or logs."""
    detector = LeakDetector()
    sim.credential = detector.plant("credential")
    sim.sell(item, "5.79", [detector.plant("card one"), detector.plant("card two")])
    store = KinguinSupplier(
        attrs.evolve(options, base_url=sim.url, allow_http=True, credential=Secret(sim.credential)),
        client,
    )
    with detector:
        store.buy(wish(quantity=2))
        detector.check_value("what was found", store.find_purchase(wish(quantity=2)))
        for route in ("order", "search", "keys"):
            sim.fault(fault, on=route)
            call = store.buy if route == "order" else store.find_purchase
            with pytest.raises((TransientError, UnknownOutcome, RejectedError)) as caught:
                call(wish(quantity=2))
            detector.check_exception(caught.value)
    detector.check_value("the adapter's options", store.options)
    detector.assert_clean()
