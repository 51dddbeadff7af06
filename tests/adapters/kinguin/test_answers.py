"""What the Kinguin adapter makes of answers, documented ones and any others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autocard.adapters.kinguin import KinguinOptions, KinguinSupplier
from autocard.adapters.kinguin.orders import cards_from_response
from autocard.adapters.kinguin.replies import offers_from_response
from autocard.spi import (
    AdapterError,
    Capability,
    Money,
    Purchase,
    RejectedError,
    Response,
    Secret,
    Stage,
    Supplied,
    TransientError,
    UnknownOutcome,
)
from autocard.testing.mutations import CountingClient, RehearsedClient
from autocard.testing.rehearsals import problem_of_offers, problem_of_supplied

ITEM = "65a0c0ffee00112233445566"
OPTIONS = KinguinOptions(credential=Secret("kgn_demo_4f1d"))
WISH = Purchase(
    reference="ord-1001-1", sku="demo-game", item=ITEM, quantity=1, price=Money("5.79", "EUR"),
    ceiling=Money("6.00", "EUR"), begun_at=datetime(2026, 1, 2, tzinfo=UTC),
    sent_at=datetime(2026, 1, 2, tzinfo=UTC),
)  # fmt: skip
ORDER = {
    "totalPrice": 5.79, "requestTotalPrice": 6.00, "paymentPrice": 5.79, "status": "processing",
    "userEmail": "api@store.example", "storeId": 7, "createdAt": "2026-01-02T03:04:05+00:00",
    "orderId": "PHSDEMO0001", "orderExternalId": "ord-1001-1",
    "products": [{
        "kinguinId": 90210, "offerId": "65a0deadbeef001122334455", "productId": ITEM, "qty": 1,
        "name": "Demo Game Steam CD Key", "price": 5.79, "totalPrice": 5.79, "requestPrice": 6.00,
        "isPreorder": False, "releaseDate": "2020-10-07", "keyType": "text"}],
    "totalQty": 1, "isPreorder": False,
}  # fmt: skip
KEY = {
    "id": "67a1b2c3d4e5f60718293a4b", "serial": "AAAAA-BBBBB-CCCCC", "type": "text/plain",
    "name": "Demo Game Steam CD Key", "kinguinId": 90210, "offerId": "65a0deadbeef001122334455",
    "productId": ITEM,
}  # fmt: skip
PRODUCT = {
    "kinguinId": 90210, "productId": ITEM, "name": "Demo Game Steam CD Key", "price": 5.79,
    "qty": 845, "textQty": 800, "totalQty": 845, "offersCount": 1, "isPreorder": False,
}  # fmt: skip
UNAUTHORIZED = {
    "kind": "Authorization", "status": 401, "detail": "Invalid authentication data.",
    "type": "Unauthorized",
}  # fmt: skip


def _json(said: Any, status: int = 200) -> Response:
    return Response(status=status, body=json.dumps(said).encode())


def _listed(*orders: Any) -> Response:
    return _json({"results": list(orders), "item_count": len(orders)})


def _telling(*answers: Response) -> KinguinSupplier:
    return KinguinSupplier(OPTIONS, RehearsedClient(answers))


def _bought(said: Any, status: int = 201, **changes: Any) -> Supplied:
    return _telling(_json(said, status)).buy(attrs.evolve(WISH, **changes))


def _found(order: Any, *keys: Any) -> Supplied | None:
    return _telling(_listed({**ORDER, **order}), _json(list(keys))).find_purchase(WISH)


# --- orders ---------------------------------------------------------------------------------


def test_documented_order_is_accepted() -> None:
    """The documented answer to an order is an accepted purchase that cost what was charged."""
    assert _bought(ORDER) == Supplied(
        stage=Stage.WORKING, remote="PHSDEMO0001", cost=Money("5.79", "EUR")
    )


@pytest.mark.parametrize("status", ["processing", "completed", "canceled", "refunded", "new-one"])
def test_any_order_that_was_made_is_looked_up(status) -> None:
    """Whatever its status, an order that was made is accepted, and the look-up tells the rest."""
    assert _bought({**ORDER, "status": status}).stage is Stage.WORKING


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({"paymentPrice": "5.79"}, "5.79"), ({"paymentPrice": 5.29}, "5.29"),
        ({"paymentPrice": None}, "5.79"), ({"paymentPrice": 0}, "0.00"),
        ({"paymentPrice": -1, "totalPrice": 5.69}, "5.69"),
        ({"paymentPrice": [], "totalPrice": "x"}, None),
    ],
)  # fmt: skip
def test_cost_is_what_was_charged(changes, cost) -> None:
    """The cost is what the balance was charged, as number or text, else the total, never the wish."""
    expected = None if cost is None else Money(cost, "EUR")
    assert _bought({**ORDER, **changes}).cost == expected


@pytest.mark.parametrize(
    "odd",
    [{"orderId": None}, {"orderId": ""}, {"orderId": "../balance"}, {"orderId": 7}, {"status": None},
     {"status": ""}, {"orderExternalId": "ord-1001-2"}, {"orderExternalId": None}],
)  # fmt: skip
def test_odd_answer_to_an_order_is_unknown(odd) -> None:
    """An answer without a usable number or status, or about another order, settles nothing."""
    with pytest.raises(UnknownOutcome):
        _bought({**ORDER, **odd})


@pytest.mark.parametrize("status", [301, 403, 404, 409, 422, 500, 503])
def test_answer_that_is_not_theirs_is_unknown(status) -> None:
    """A page of a proxy, whatever its status, does not say that nothing was bought."""
    page = Response(status=status, headers={"retry-after": "5"}, body=b"<html>sorry</html>")
    with pytest.raises(UnknownOutcome):
        _telling(page).buy(WISH)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, RejectedError), (404, RejectedError), (422, RejectedError), (408, UnknownOutcome),
     (409, UnknownOutcome), (423, UnknownOutcome), (500, UnknownOutcome), (503, UnknownOutcome),
     (429, UnknownOutcome), (425, UnknownOutcome)],
)  # fmt: skip
def test_status_speaks_for_a_kind_that_is_not_known(status, error) -> None:
    """The status decides about kinds of refusal that are not documented."""
    with pytest.raises(error):
        _bought({"kind": "NewKind", "status": status}, status)


def test_kind_goes_before_status() -> None:
    """A documented kind decides whatever status came with it."""
    with pytest.raises(RejectedError):
        _bought({"kind": "ProductUnavailable"}, 500)
    with pytest.raises(UnknownOutcome):
        _bought({"kind": "OrderFailed", "retryable": True}, 400)


@pytest.mark.parametrize("status", [425, 429])
@pytest.mark.parametrize("kind", ["Http", "ProductUnavailable", ""])
def test_busy_server_proves_nothing_of_an_order(status, kind) -> None:
    """Nowhere is it promised that a request for fewer calls comes before anything is done."""
    said = {"kind": kind, "status": status} if kind else "slow down"
    with pytest.raises(UnknownOutcome):
        _bought(said, status)
    with pytest.raises(TransientError):
        _telling(_json(said, status)).balance()


@pytest.mark.parametrize(
    "kind",
    ["ProductUnavailable", "InsufficientBalance", "BalanceRequired", "Authorization", "Preorder",
     "ConstraintViolation", "Http", "OrderNotFound", "OrderNotPaid", "NewKind"],
)  # fmt: skip
def test_refusal_of_a_repeated_order_is_unknown(kind) -> None:
    """Sent again, an order may be refused because the first one took the last key or the money."""
    refused = {"kind": kind, "status": 400, "trace": "0a1b2c3d4e"}
    with pytest.raises(RejectedError):
        _bought(refused, 400)
    with pytest.raises(UnknownOutcome, match=r"refused a repeated order.*0a1b2c3d4e.*look it up"):
        _bought(refused, 400, attempts=2)


def test_repetition_that_is_not_sent_is_unknown() -> None:
    """That a repetition cannot be sent says nothing of what was sent before."""
    supplier = KinguinSupplier(OPTIONS, CountingClient(RejectedError("not allowed")))
    for wish in (WISH, attrs.evolve(WISH, item="1949")):
        with pytest.raises(RejectedError):
            supplier.buy(wish)
        with pytest.raises(UnknownOutcome, match="before may have been done; look it up"):
            supplier.buy(attrs.evolve(wish, attempts=2))


@pytest.mark.parametrize(
    "named",
    [{"propertyPath": "orderExternalId"}, {"detail": 'Invalid "orderExternalId" property.'},
     {"invalidValue": "ord-1001-1"}, {"detail": "The order ord-1001-1 exists."}],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["ConstraintViolation", "Http", "OrderNotSupported", "NewKind"])
def test_complaint_about_our_number_is_unknown(named, kind) -> None:
    """A refusal that names our number may mean that the order exists."""
    with pytest.raises(UnknownOutcome):
        _bought({"kind": kind, "status": 400, **named}, 400)


def test_refusal_without_title_and_trace_is_read() -> None:
    """The answer to a wrong API key has a shape of its own."""
    with pytest.raises(RejectedError, match=r"list of IP addresses$"):
        _bought(UNAUTHORIZED, 401)


@pytest.mark.parametrize("trace", ["ABC'; drop", "A" * 5000, 7, None])
def test_odd_traces_are_not_quoted(trace) -> None:
    """A trace that is none is left out of the error."""
    with pytest.raises(RejectedError) as caught:
        _bought({"kind": "Http", "trace": trace}, 400)
    assert "trace" not in str(caught.value)


# --- look-ups -------------------------------------------------------------------------------


def test_no_order_is_missing() -> None:
    """Only an empty list that counts none, or `OrderNotFound`, says that there is no order."""
    assert _telling(_listed()).find_purchase(WISH) is None
    assert _telling(_json({"kind": "OrderNotFound"}, 404)).find_purchase(WISH) is None


@pytest.mark.parametrize(
    "said",
    [
        {"results": []}, {"results": [], "item_count": 1}, {"results": [], "item_count": None},
        {"results": [], "item_count": False}, {"results": [], "item_count": "0"},
        {"results": None, "item_count": 0}, {"results": [7], "item_count": 0},
        {"results": [{}], "item_count": 1}, {"item_count": 0}, [], None,
        {"results": [{**ORDER, "orderExternalId": "other"}], "item_count": 1},
        {"results": [{**ORDER, "orderExternalId": None}], "item_count": 1},
        {"results": [ORDER, {**ORDER, "orderId": None}], "item_count": 2},
        {"results": [{**ORDER, "status": 1}], "item_count": 1},
    ],
)  # fmt: skip
def test_odd_search_says_nothing(said) -> None:
    """A search with anything odd in it, such as orders of other numbers, proves no absence."""
    with pytest.raises(TransientError):
        _telling(_json(said)).find_purchase(WISH)


@pytest.mark.parametrize("kind", ["OrderNotFound", "Http"])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_refused_search_says_nothing(kind, status) -> None:
    """A refusal of another kind or status than "not found" proves no absence."""
    with pytest.raises(TransientError):
        _telling(_json({"kind": kind}, status)).find_purchase(WISH)


@pytest.mark.parametrize(
    "odd",
    [{"orderId": "PHSDEMO0002"}, {"orderExternalId": "ord-1001-2"}, {"status": None}],
)  # fmt: skip
def test_order_read_by_its_number_must_be_the_one(odd) -> None:
    """An order read by Kinguin's number that is another one, or unreadable, says nothing."""
    known = attrs.evolve(WISH, remote="PHSDEMO0001")
    with pytest.raises(TransientError):
        _telling(_listed(), _json({**ORDER, **odd})).find_purchase(known)
    unnamed = {**ORDER, "orderExternalId": None, "status": "completed"}
    found = _telling(_listed(), _json(unnamed), _json([KEY])).find_purchase(known)
    assert found.stage is Stage.DONE


def test_status_that_is_not_documented_is_waited_out() -> None:
    """An order in an unknown status is working, and says so."""
    found = _found({"status": "on-hold"}, KEY)
    assert (found.stage, len(found.cards)) == (Stage.WORKING, 1)
    assert "not documented" in found.problem


def test_last_key_may_come_while_the_order_is_read() -> None:
    """A processing order whose keys are all there is done."""
    assert _found({}, KEY).stage is Stage.DONE


def test_completed_order_without_keys_is_unclear() -> None:
    """A completed order that lists no key proves nothing."""
    found = _found({"status": "completed"})
    assert (found.stage, found.problem) == (
        Stage.UNCLEAR,
        "the order is completed with 0 of 1 cards",
    )


def test_unreadable_key_of_a_cancelled_order_is_unclear() -> None:
    """A cancelled order with a key that cannot be read was not cleanly paid back."""
    assert _found({"status": "canceled"}, {**KEY, "serial": ""}).stage is Stage.UNCLEAR


def test_two_orders_without_cost_have_none() -> None:
    """Where one of two orders does not say its cost, neither does their sum."""
    bare = {**ORDER, "orderId": "PHSDEMO0002", "paymentPrice": None, "totalPrice": None}
    done = [{**one, "status": "completed"} for one in (ORDER, bare)]
    supplier = _telling(_listed(*done), _json([KEY]), _json([{**KEY, "id": "x"}]))
    found = supplier.find_purchase(WISH)
    assert (found.stage, found.cost, len(found.cards)) == (Stage.UNCLEAR, None, 2)


def test_two_cancelled_orders_failed() -> None:
    """When every order of a number was paid back, the purchase failed."""
    both = [{**ORDER, "status": "canceled"}, {**ORDER, "orderId": "B", "status": "refunded"}]
    found = _telling(_listed(*both), _json([]), _json([])).find_purchase(WISH)
    assert (found.stage, found.remote) == (Stage.FAILED, "PHSDEMO0001")


@pytest.mark.parametrize(
    ("changes", "is_card"),
    [
        ({"type": "text/plain; charset=utf-8"}, True), ({"type": "Text/Plain"}, True),
        ({"type": "image/gif"}, True), ({"type": None}, False), ({"type": "text/html"}, False),
        ({"serial": "   "}, False), ({"serial": 7}, False), ({"id": None}, True), ({"id": 7}, True),
    ],
)  # fmt: skip
def test_kinds_of_keys(changes, is_card) -> None:
    """Text and pictures are cards; what is empty or of another kind is none."""
    [key] = cards_from_response(_json([{**KEY, **changes}]))
    assert (key.card is not None) == is_card


def test_keys_without_id_are_told_apart_by_their_text() -> None:
    """Older answers give no id; the same text is the same key then."""
    bare = {name: said for name, said in KEY.items() if name != "id"}
    assert _found({}, bare, bare).stage is Stage.DONE
    assert len(_found({}, bare, {**bare, "serial": "AAAAA-BBBBB-DDDDD"}).cards) == 2


# --- offers ---------------------------------------------------------------------------------


def _offers(*products: Any, text_only: bool = True):
    return offers_from_response(_listed(*products), [ITEM], text_only=text_only)


@pytest.mark.parametrize(
    ("changes", "price", "available", "on_sale"),
    [
        ({}, "5.79", 800, True), ({"textQty": None}, "5.79", 845, True),
        ({"textQty": 0}, "5.79", 0, False), ({"qty": "845", "textQty": None}, "5.79", None, True),
        ({"textQty": -1}, "5.79", 0, False), ({"textQty": True}, "5.79", 845, True),
        ({"isPreorder": True}, "5.79", 800, False), ({"offers": "hidden"}, "5.79", 800, True),
        ({"offers": [{"price": 5, "isPreorder": True, "textQty": 3}]}, "5.79", 800, True),
        ({"offers": [{"price": 6, "textQty": 3}, {"price": 5, "textQty": 0}]}, "6.00", 3, True),
        ({"offers": [{"price": 6, "textQty": 3}, {"price": 0, "textQty": 5}]}, "6.00", 3, True),
        ({"offers": [{"price": 6, "qty": 3}, {"price": 6}]}, "6.00", None, True),
        ({"offers": [{"price": 5, "qty": 2}, {"price": 5.1, "qty": 50}]}, "5.00", None, True),
        ({"offers": [{"price": 5, "qty": 2}, {"price": 5.1}]}, "5.00", None, True),
        ({"offers": [{"price": 5, "qty": 2}, {"price": 5.1, "qty": 0}]}, "5.00", 2, True),
        ({"offers": [{"price": 5, "qty": 0}, {"price": 5.1, "qty": 0}]}, "5.00", 0, False),
        ({"totalQty": 900}, "5.79", None, True), ({"totalQty": None}, "5.79", 800, True),
        ({"totalQty": 900, "textQty": 0}, "5.79", 0, False),
        ({"name": None}, "5.79", 800, True),
    ],
)  # fmt: skip
def test_products_become_offers(changes, price, available, on_sale) -> None:
    """The cheapest seller with keys sets the price; without dearer ones also the count."""
    [offer] = _offers({**PRODUCT, **changes})
    assert (offer.price, offer.available) == (Money(price, "EUR"), available)
    assert offer.on_sale is on_sale


@pytest.mark.parametrize(
    "odd", [{"price": 0}, {"price": None}, {"price": "x"}, {"productId": None}, {"productId": "ab"}]
)
def test_products_without_a_price_are_left_out(odd) -> None:
    """What has no price, or was not asked for, is no offer."""
    assert _offers({**PRODUCT, **odd}) == []


def test_product_that_is_gone_is_no_offer() -> None:
    """Kinguin may answer "not found" for what is sold out; that is no error."""
    gone = _json({"kind": "ProductUnavailable", "status": 404}, 404)
    assert offers_from_response(gone, [ITEM], text_only=True) == []
    with pytest.raises(TransientError):
        offers_from_response(Response(status=404, body=b"<html>"), [ITEM], text_only=True)


@pytest.mark.parametrize("said", [{}, {"results": None}, {"results": [1]}, [], {"balance": "x"}])
def test_odd_answers_to_questions_are_transient(said) -> None:
    """An answer without the list or the amount that was asked for cannot be used."""
    with pytest.raises(TransientError):
        offers_from_response(_json(said), [ITEM], text_only=True)
    with pytest.raises(TransientError):
        _telling(_json(said)).balance()


# --- anything -------------------------------------------------------------------------------

_NAMES = st.sampled_from(
    sorted({*ORDER, *KEY, *PRODUCT, *UNAUTHORIZED, "results", "item_count", "balance", "offers"})
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
    | st.sampled_from([ITEM, "ord-1001-1", "PHSDEMO0001", "completed", "canceled", "5.79", "\ud800",
                       "OrderFailed", "Http", "text/plain"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=6),
    max_leaves=12,
)  # fmt: skip
_LIKELY = st.dictionaries(_NAMES, _VALUES, max_size=6).map(
    lambda odd: {"results": [{**ORDER, **PRODUCT, **odd}], "item_count": 1, **odd}
)


@settings(max_examples=300, deadline=None)
@given(
    body=st.binary(max_size=60)
    | (_VALUES | _LIKELY | _LIKELY.map(lambda said: [said])).map(
        lambda said: json.dumps(said).encode()
    ),
    status=st.sampled_from([200, 201, 204, 302, 400, 401, 404, 409, 429, 500, 503]),
    capability=st.sampled_from(
        [Capability.OFFERS, Capability.BUY, Capability.FIND_PURCHASE, Capability.BALANCE]
    ),
    remote=st.sampled_from(["", "PHSDEMO0001"]),
)
def test_any_answer_is_a_value_or_an_error(body, status, capability, remote) -> None:
    """Whatever Kinguin answers, a call gives a value that makes sense or an adapter error."""
    client = CountingClient(Response(status=status, body=body))
    supplier, wish = KinguinSupplier(OPTIONS, client), attrs.evolve(WISH, remote=remote)
    calls = {
        Capability.OFFERS: lambda: problem_of_offers(supplier.offers([ITEM]), [ITEM]),
        Capability.BUY: lambda: problem_of_supplied(supplier.buy(wish), wish),
        Capability.FIND_PURCHASE: lambda: _problem(supplier.find_purchase(wish), wish),
        Capability.BALANCE: lambda: supplier.balance() and "",
    }
    try:
        assert calls[capability]() == ""
    except AdapterError:
        return


def _problem(found: Supplied | None, wish: Purchase) -> str:
    return "" if found is None else problem_of_supplied(found, wish)
