"""The epay adapter against the simulated gateway on a real socket, faults included."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest import mock

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autocard.adapters.epay import EpayOptions, EpayPlatform
from autocard.adapters.epay.translate import credential_fields, md5_signature, signed_fields
from autocard.http.client import HttpClient
from autocard.spi import (
    Capability,
    Money,
    Order,
    Refund,
    RejectedError,
    Response,
    Secret,
    TransientError,
    UnknownOutcome,
    VerificationError,
)
from autocard.testing.leaks import LeakDetector
from autocard.testing.mutations import CountingClient

ORDER = Order(platform="epay", order_no="A1001")
BOTH = pytest.mark.parametrize("version", ["v1", "v2"])


@pytest.fixture(name="platform")
def _platform(version, shop, shop2) -> EpayPlatform:
    return shop if version == "v1" else shop2


def _buy(gateway, order_no: str = "A1001", money: str = "9.90", *, status: int = 1):
    """Put an order into the gateway as if a buyer had been there."""
    order = gateway._create(
        {
            "out_trade_no": order_no, "money": money, "name": "VIP", "type": "alipay",
            "notify_url": "https://shop.example.com/n", "return_url": "https://shop.example.com/r",
        },
        version=0,
    )  # fmt: skip
    order.status = status
    order.paid_s = gateway.clock() if status else None
    return order


def _refund(amount: str = "9.90", reference: str = "refund-A1001-1") -> Refund:
    return Refund(
        reference=reference, platform="epay", order_no="A1001", amount=Money(amount, "CNY")
    )


# --- confirm --------------------------------------------------------------------------------


@BOTH
def test_paid_order_is_confirmed(version, platform, gateway) -> None:
    """A paid order is confirmed with its amount, the gateway's number and an aware time."""
    gateway.clock = lambda: 1767234062.0
    bought = _buy(gateway)
    gateway.clock = time.time
    payment = platform.confirm(ORDER)
    assert payment.paid == Money("9.90", "CNY")
    assert payment.reference == bought.trade_no
    assert payment.paid_at == datetime(2026, 1, 1, 2, 21, 2, tzinfo=UTC)
    assert payment.paid_at.utcoffset() == timedelta(0)
    assert len(gateway.requests) == 1


@BOTH
@pytest.mark.parametrize("status", [0, 4])
def test_unpaid_order_is_not_confirmed(version, status, platform, gateway) -> None:
    """An unpaid or merely authorised order has no payment."""
    _buy(gateway, status=status)
    assert platform.confirm(ORDER) is None


@BOTH
def test_unknown_order_is_not_confirmed(version, platform) -> None:
    """An order whose buyer never reached the gateway has no payment."""
    assert platform.confirm(ORDER) is None


@BOTH
@pytest.mark.parametrize(("status", "said"), [(2, "refunded"), (3, "frozen"), (7, "unknown")])
def test_order_that_must_not_be_served_is_rejected(
    version, status, said, platform, gateway
) -> None:
    """A refunded or frozen order raises, so that it is held and not taken for unpaid."""
    _buy(gateway, status=status)
    with pytest.raises(RejectedError, match=said):
        platform.confirm(ORDER)


@BOTH
def test_integers_may_be_text(version, platform, gateway) -> None:
    """Older servers print pid and status as text; both are read."""
    gateway.integers_as_text = True
    _buy(gateway)
    assert platform.confirm(ORDER).paid == Money("9.90", "CNY")


def test_wrapped_json_is_read(shop, gateway) -> None:
    """A JSON object inside a JSON string is read, as some gateways send it."""
    _buy(gateway)
    gateway.faults.append("wrapped")
    assert shop.confirm(ORDER).paid == Money("9.90", "CNY")


@BOTH
@pytest.mark.parametrize("fault", ["drop", "drop_after", "html", "http_502", "delay:3"])
def test_failed_question_may_be_asked_again(version, fault, shop, shop2, gateway) -> None:
    """A lost, late or unreadable answer to a query is transient."""
    options = (shop if version == "v1" else shop2).options
    _buy(gateway)
    gateway.faults.append(fault)
    with HttpClient(timeout_s=0.4, allow_http=True) as client:
        platform = EpayPlatform(options, client)
        with pytest.raises(TransientError):
            platform.confirm(ORDER)
        assert platform.confirm(ORDER) is not None


@pytest.mark.parametrize("fault", ["wrong_sign", "unsigned"])
def test_v2_success_needs_a_valid_signature(fault, shop2, gateway) -> None:
    """A V2 success that is not signed, or signed by another, is never believed."""
    _buy(gateway)
    gateway.faults.append(fault)
    with pytest.raises(RejectedError, match="platform_public_key"):
        shop2.confirm(ORDER)


def test_wrong_credential_is_named(shop, client) -> None:
    """A refused credential says which settings to check, and does not show them."""
    options = attrs.evolve(shop.options, credential=Secret("another-secret-text"))
    with pytest.raises(RejectedError, match="pid, key, signature or clock") as caught:
        EpayPlatform(options, client).confirm(ORDER)
    assert "another-secret-text" not in str(caught.value)


def test_v2_clock_must_agree(shop2, client) -> None:
    """A V2 call whose time is off is refused by the gateway, and the error names the clock."""
    late = EpayPlatform(shop2.options, client, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(RejectedError, match="clock"):
        late.confirm(ORDER)


def test_v2_without_rewriting(shop2, gateway, client) -> None:
    """Where the web server does not know /api/ addresses, calls go to api.php?s=."""
    _buy(gateway)
    options = attrs.evolve(shop2.options, rewriting=False)
    platform = EpayPlatform(options, client)
    assert platform.confirm(ORDER) is not None
    assert gateway.requests == ["POST /api.php"]
    address = platform.payment_url(
        "A2", Money(1, "CNY"), "VIP", "https://shop.example.com/n", "https://shop.example.com/r"
    )
    assert b"<body>pay " in client.request("GET", address, safe=True).body


def _answering(options: EpayOptions, members: dict) -> EpayPlatform:
    return EpayPlatform(
        options, CountingClient(Response(status=200, body=json.dumps(members).encode()))
    )


PAID = {
    "code": 1, "trade_no": "T1", "out_trade_no": "A1001", "pid": 1001, "money": "9.90", "status": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    "odd",
    [{"out_trade_no": "A1002"}, {"out_trade_no": None}, {"pid": 1002}, {"money": "9.999"},
     {"money": None}, {"money": 0}, {"status": None}, {"code": -3}, {"code": 7}],
)  # fmt: skip
def test_answers_about_something_else_are_rejected(odd, v1) -> None:
    """An answer about another order or merchant, or without an amount, pays nothing."""
    with pytest.raises(RejectedError):
        _answering(v1, {**PAID, **odd}).confirm(ORDER)


def test_odd_extras_do_not_matter(v1) -> None:
    """Numbers as JSON floats, odd times and odd references are read without harm."""
    odd = {"money": 9.9, "endtime": "0000-00-00 00:00:00", "trade_no": "\x00" * 600}
    payment = _answering(v1, {**PAID, **odd}).confirm(ORDER)
    assert (payment.paid, payment.paid_at, payment.reference) == (Money("9.90", "CNY"), None, "")
    assert _answering(v1, {**PAID, "pid": None}).confirm(ORDER) is not None
    first = {**PAID, "endtime": "0001-01-01 00:00:00"}
    assert _answering(v1, first).confirm(ORDER).paid_at is None


def test_parameters_with_the_credential_hide_it(v1, keys) -> None:
    """The parameters that carry the MD5 key show only their names."""
    assert repr(credential_fields(v1, act="order")) == "<pid, key, act>"


def test_v2_reply_that_no_bytes_decode_to_is_rejected(v2) -> None:
    """A V2 reply with a lone surrogate cannot have been signed."""
    with pytest.raises(RejectedError):
        _answering(v2, {**PAID, "code": 0, "sign": "AAAA", "name": "\ud800"}).confirm(ORDER)


# --- fetch ----------------------------------------------------------------------------------


@BOTH
def test_fetch_lists_paid_orders(version, platform, gateway) -> None:
    """Every paid order is listed once, over several pages, and no other."""
    gateway.clock = time.time
    for index in range(61):
        _buy(gateway, f"A{index}", status=1 if index % 20 == 0 else (0, 2, 3, 4)[index % 4])
    orders = list(platform.fetch(None))
    assert [order.order_no for order in orders] == ["A60", "A40", "A20", "A0"]
    assert all(order.payment.paid == Money("9.90", "CNY") for order in orders)
    assert all(order.lines == () and order.placed_at is not None for order in orders)
    assert len(gateway.requests) == (3 if version == "v1" else 7)


@BOTH
def test_fetch_looks_back_as_far_as_orders_may_be_paid(version, platform, gateway) -> None:
    """An order made long before *since* is found when it was paid after it."""
    now = int(time.time())
    for index, age_s in enumerate((90_000, 80_000, 70_000, 60)):
        gateway.clock = lambda age_s=age_s: now - age_s
        _buy(gateway, f"A{index}")
    gateway.orders[0].paid_s = gateway.orders[1].paid_s = now
    gateway.clock = lambda: now - 50_000
    for index in range(60):  # more than a page of orders that were never paid
        _buy(gateway, f"B{index}", status=0)
    gateway.clock = time.time
    since = datetime.fromtimestamp(now - 1000, UTC)
    listed = [order.order_no for order in platform.fetch(since)]
    assert listed == ["A3", "A1", "A0"]


def test_fetch_stops_at_old_orders(shop, gateway) -> None:
    """Pages of orders that are too old to have been paid since are not read."""
    now = int(time.time())
    gateway.clock = lambda: now - 200_000
    for index in range(120):
        _buy(gateway, f"A{index}")
    gateway.clock = time.time
    assert list(shop.fetch(datetime.fromtimestamp(now, UTC))) == []
    assert len(gateway.requests) == 1


def test_fetch_ends_when_the_gateway_ignores_the_offset(shop, gateway) -> None:
    """A gateway that always shows its first page does not keep us for ever."""
    gateway.ignore_offset = True
    _buy(gateway)
    assert len(list(shop.fetch(None))) == 1
    assert len(gateway.requests) == 2


def test_v2_list_is_only_a_hint(shop2, gateway, monkeypatch) -> None:
    """What the unsigned V2 list claims is dropped when the signed answer differs."""
    _buy(gateway, "A1", status=0)
    bought = _buy(gateway, "A2", "5.00")
    listed = gateway._row

    def claimed(order):
        return {**listed(order), "status": 1, "money": "500.00"}

    monkeypatch.setattr(gateway, "_page", lambda said, _: [] if int(said["offset"]) else [
        claimed(order) for order in gateway.orders
    ])  # fmt: skip
    orders = list(shop2.fetch(None))
    assert [(order.order_no, order.payment.paid) for order in orders] == [
        (bought.out_trade_no, Money("5", "CNY"))
    ]


def test_refused_lists_are_errors(shop, shop2, gateway, client, monkeypatch) -> None:
    """A list that the gateway refuses is an error, not an empty list."""
    gateway.rsa_only = True
    with pytest.raises(RejectedError, match="to list orders"):
        list(shop.fetch(None))
    _buy(gateway)
    refusal = sys.modules["epay_simulator"].Refusal(-3, "RSA签名校验失败")
    with monkeypatch.context() as patch:
        patch.setattr(gateway, "_find", mock.Mock(side_effect=refusal))
        with pytest.raises(RejectedError, match="to look up the order"):
            list(shop2.fetch(None))
    gateway.faults.extend(["", "wrong_sign"])
    with pytest.raises(RejectedError, match="platform_public_key"):
        list(shop2.fetch(None))
    with pytest.raises(RejectedError, match="does not know this call"):
        list(
            EpayPlatform(attrs.evolve(shop2.options, base_url=f"{gateway.base}api"), client).fetch(
                None
            )
        )


@pytest.mark.parametrize("rows", [{}, "text", 7])
def test_lists_that_are_no_lists_are_transient(rows, v1) -> None:
    """A page whose rows are no list cannot be used now."""
    with pytest.raises(TransientError):
        list(_answering(v1, {"code": 1, "data": rows}).fetch(None))


def test_unusable_rows_are_left_out(v1) -> None:
    """Rows without a usable number or amount are left out, the others are not."""
    good = {key: said for key, said in PAID.items() if key != "code"}
    rows = [
        None,
        [],
        {},
        {**good, "out_trade_no": "#1"},
        {**good, "money": "x"},
        {**good, "trade_no": "T2"},
    ]
    orders = list(_answering(v1, {"code": 1, "data": rows}).fetch(None))
    assert [order.payment.reference for order in orders] == ["T2"]


# --- refund ---------------------------------------------------------------------------------


@BOTH
def test_refund_pays_back(version, platform, gateway) -> None:
    """A refund is paid back once and gives the gateway's number for it."""
    _buy(gateway)
    number = platform.refund(_refund("4.00"))
    assert number.isdigit()
    assert gateway.paid_back == [Decimal("4.00")]
    assert len(gateway.requests) == 1


def test_v2_refund_may_be_repeated(shop2, gateway) -> None:
    """The same V2 refund again is answered with the first number and pays nothing more."""
    _buy(gateway)
    assert shop2.refund(_refund("4.00")) == shop2.refund(_refund("4.00"))
    assert gateway.paid_back == [Decimal("4.00")]


@BOTH
def test_refused_refund_is_rejected(version, platform, gateway) -> None:
    """Too large a refund, an unpaid order and an unknown order are refused for certain."""
    with pytest.raises(RejectedError, match="the refund"):
        platform.refund(_refund())
    _buy(gateway, status=0)
    with pytest.raises(RejectedError, match="the refund"):
        platform.refund(_refund())
    gateway.orders[0].status = 1
    with pytest.raises(RejectedError, match="the refund"):
        platform.refund(_refund("9.91"))
    assert gateway.paid_back == []


@BOTH
@pytest.mark.parametrize("fault", ["drop", "drop_after", "http_502", "html"])
def test_lost_refund_is_unknown(version, fault, platform, gateway) -> None:
    """When the answer to a refund is lost or unreadable, nobody claims to know."""
    _buy(gateway)
    gateway.faults.append(fault)
    with pytest.raises(UnknownOutcome):
        platform.refund(_refund())


@pytest.mark.parametrize("fault", ["wrong_sign", "unsigned"])
def test_unproved_refund_is_unknown(fault, shop2, gateway) -> None:
    """A V2 refund whose answer is not proved genuine has an unknown outcome."""
    _buy(gateway)
    gateway.faults.append(fault)
    with pytest.raises(UnknownOutcome, match="not proved"):
        shop2.refund(_refund())


@pytest.mark.parametrize("odd", [{"code": 1}, {"code": 0, "out_trade_no": "A9"}, {"code": "ok"}])
def test_refund_answers_that_do_not_fit_are_unknown(odd, v1) -> None:
    """An answer with another code, or about another order, settles nothing."""
    with pytest.raises(UnknownOutcome):
        _answering(v1, odd).refund(_refund())


def test_refund_answer_about_another_reference_is_unknown(v2, shop2, gateway, monkeypatch) -> None:
    """A V2 answer must speak of our own refund number."""
    _buy(gateway)
    answered = gateway._refund
    monkeypatch.setattr(
        gateway, "_refund", lambda form: {**answered(form), "out_refund_no": "other-one"}
    )
    with pytest.raises(UnknownOutcome):
        shop2.refund(_refund())


@pytest.mark.parametrize(
    ("refund", "said"),
    [(_refund(reference="12345"), "reference"), (_refund("0"), "amount"),
     (attrs.evolve(_refund(), amount=Money(1, "USD")), "CNY"),
     (attrs.evolve(_refund(), order_no="A 1"), "order_no")],
)  # fmt: skip
def test_refunds_that_cannot_be_said_are_not_sent(refund, said, shop2, gateway) -> None:
    """A refund that the protocol cannot express is refused before anything is sent."""
    with pytest.raises(RejectedError, match=said):
        shop2.refund(refund)
    assert gateway.requests == []


# --- anything -------------------------------------------------------------------------------

_SHOPS = [
    EpayOptions(base_url="https://pay.example.com", pid="1001", credential=Secret("secret-1")),
]
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
    | st.sampled_from(["0", "1", "A1001", "9.9"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*PAID, "data"]), inner),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    body=st.binary(max_size=60)
    | st.dictionaries(st.sampled_from([*PAID, "data", "msg", "sign"]), _VALUES).map(
        lambda members: json.dumps(members).encode()
    ),
    status=st.sampled_from([200, 404, 500]),
    capability=st.sampled_from([Capability.CONFIRM, Capability.FETCH, Capability.REFUND]),
)
def test_any_answer_is_a_value_or_an_error(body, status, capability) -> None:
    """Whatever the gateway answers, a call gives a value or an adapter error."""
    platform = EpayPlatform(_SHOPS[0], CountingClient(Response(status=status, body=body)))
    calls = {
        Capability.CONFIRM: lambda: platform.confirm(ORDER),
        Capability.FETCH: lambda: list(platform.fetch(None)),
        Capability.REFUND: lambda: platform.refund(_refund()),
    }
    try:
        calls[capability]()
    except (TransientError, RejectedError, UnknownOutcome, VerificationError):
        return


# --- the simulator itself -------------------------------------------------------------------


def test_simulator_answers_as_the_specification_says(gateway, client, v1, shop2) -> None:
    """Strict MD5, text/html for a success, HTML for an unknown type, and the ten-day window."""

    def create(**changed: str) -> Response:
        said = {
            "pid": "1001", "type": "alipay", "out_trade_no": "A1", "name": "VIP", "money": "1.50",
            "notify_url": "https://shop.example.com/n", "clientip": "203.0.113.7", **changed,
        }  # fmt: skip
        said = {**said, "sign": md5_signature(said, v1.credential), "sign_type": "MD5"}
        said |= {name: text for name, text in changed.items() if name == "sign"}
        return client.request("POST", f"{gateway.base}mapi.php", safe=False, form=said)

    first = create()
    assert first.headers["content-type"].startswith("text/html")
    assert json.loads(first.body)["code"] == 1
    assert b"\\/" in first.body
    assert json.loads(create().body)["trade_no"] == json.loads(first.body)["trade_no"]
    assert json.loads(create(money="1.51").body)["code"] == -1
    assert json.loads(create(sign="0" * 32).body)["code"] == -3
    assert json.loads(create(clientip="nowhere").body)["code"] == -1
    assert json.loads(create(out_trade_no="#1").body)["code"] == -1
    assert b"<html" in create(out_trade_no="A2", type="cowries").body
    gateway.orders[0].status = 1
    assert json.loads(create().body)["code"] == -1
    gateway.orders[0].created_s -= 900_000
    assert json.loads(create().body)["code"] == 1
    create(out_trade_no="A3", param="a b&c", name="VIP")
    gateway.hide_names = False
    assert "param=a+b%26amp%3Bc" in gateway.notification(gateway.orders[-1])
    empty = client.request("GET", f"{gateway.base}api.php", safe=True, params={"act": "x"})
    assert json.loads(empty.body) == {"code": -5, "msg": "No Act!"}


def test_v2_simulator_refuses_as_the_specification_says(gateway, client, v2) -> None:
    """Failed checks carry no signature; business failures do."""

    def post(method: str, **fields: str) -> dict:
        form = signed_fields(v2, datetime.now(UTC), **fields)
        reply = client.request("POST", f"{gateway.base}api/{method}", safe=False, form=form)
        return json.loads(reply.body)

    assert post("pay/create", out_trade_no="A1", money="1", name="VIP")["pay_type"] == "jump"
    closed = post("pay/close", out_trade_no="A1")
    assert closed["code"] == -1
    assert closed["sign"]
    assert "sign" not in post("pay/query", out_trade_no="A2")
    assert "sign" not in post("pay/unheard", out_trade_no="A2")
    assert post("merchant/info")["money"] == "119.74"


# --- secrets --------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("fault", ["drop", "html", "http_502"])
def test_errors_do_not_show_credentials(version, fault, platform, gateway, keys) -> None:
    """What goes wrong on a real connection shows no credential in errors or logs."""
    detector = LeakDetector()
    detector.watch("credential", keys.md5)
    detector.watch("private key", keys.private)
    with detector:
        for call in (lambda: platform.confirm(ORDER), lambda: platform.refund(_refund())):
            gateway.faults.append(fault)
            with pytest.raises((TransientError, UnknownOutcome)) as caught:
                call()
            detector.check_exception(caught.value)
    detector.check_value("the adapter's options", platform.options)
    detector.assert_clean()
