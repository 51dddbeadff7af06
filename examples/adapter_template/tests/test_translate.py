"""Whatever Paperplane says, translating gives a value or an error that says what to do next."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard import AdapterError, InvalidOrder
from autocard.spi import RejectedError, Response, TransientError, UnknownOutcome, VerificationError
from autocard_paperplane.options import PlatformOptions
from autocard_paperplane.translate import (
    found_from_response,
    number_from_response,
    order_from_message,
    payment_from_response,
)

ANYTHING = st.one_of(
    st.binary(max_size=60),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    ["order", "lines", "price", "paid", "paid_at", "currency", "buyer", "state"]
                ),
                inner,
            ),
        ),
        max_leaves=12,
    ).map(lambda said: json.dumps(said).encode()),
)


@given(body=ANYTHING)
def test_any_message_is_an_order_or_refused(body):
    """A proved message is an order with lines and a payment, or a documented error."""
    try:
        order = order_from_message(body)
    except (InvalidOrder, VerificationError):
        return
    assert order.lines
    assert order.payment is not None


@given(body=ANYTHING, status=st.sampled_from([200, 204, 302, 404, 429, 500, 503]))
def test_any_answer_is_a_value_or_an_adapter_error(body, status):
    """No answer to a call surfaces as another exception."""
    response = Response(status=status, body=body)
    for read in (
        lambda: payment_from_response(response, "PP-1001"),
        lambda: number_from_response(response, "delivery"),
        lambda: found_from_response(response),
    ):
        try:
            read()
        except AdapterError:
            continue


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lines": []}, "lines"),
        ({"lines": [{"item": "gift-50", "count": 2}]}, "lines.price"),
        ({"lines": [{"item": "gift-50", "count": 0, "price": "1"}]}, "quantity"),
        ({"order": ""}, "order_no"),
    ],
)
def test_a_malformed_order_is_named(message, change, field):
    """The error names the field, so that a person can ask Paperplane about it."""
    with pytest.raises(InvalidOrder) as caught:
        order_from_message(json.dumps(message | change).encode())
    assert caught.value.field == field


def test_a_message_without_an_amount_pays_nothing(message):
    """Nothing is served for a message that does not say how much was paid."""
    for paid in (None, "0.00", 100, "9.999"):
        with pytest.raises(VerificationError):
            order_from_message(json.dumps(message | {"paid": paid}).encode())


def test_states_of_an_order():
    """Open is unpaid, refunded is a refusal, and the answer about another order says nothing."""

    def said(state, order="PP-1001"):
        return Response(status=200, body=json.dumps({"order": order, "state": state}).encode())

    assert payment_from_response(said("open"), "PP-1001") is None
    with pytest.raises(RejectedError):
        payment_from_response(said("refunded"), "PP-1001")
    for response in (said("open", "PP-2"), said("paid"), said("new")):
        with pytest.raises(TransientError):
            payment_from_response(response, "PP-1001")


def test_an_answer_without_a_number_is_unknown():
    """Something that answers 200 but names no delivery may have taken the cards."""
    with pytest.raises(UnknownOutcome):
        number_from_response(Response(status=200, body=b"{}"), "delivery")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"base_url": "ftp://api.paperplane.example"}, "base_url"),
        ({"base_url": "https://api.paperplane.example/?a=1"}, "base_url"),
        ({"credential": "short"}, "credential"),
        ({"window_s": 0}, "window_s"),
    ],
)
def test_settings_are_checked(options, change, field):
    """A setting that cannot be used is named, and a credential is never quoted."""
    from autocard.spi import Secret

    given_ = {
        "base_url": options.base_url,
        "credential": options.credential,
        "window_s": options.window_s,
    }
    if "credential" in change:
        change = {"credential": Secret(change["credential"])}
    with pytest.raises(ValueError, match=f"^{field}: ") as caught:
        PlatformOptions(**(given_ | change))
    assert "short" not in str(caught.value)
