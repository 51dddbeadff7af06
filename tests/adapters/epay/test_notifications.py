"""What the epay adapter makes of notifications: quirks, forgeries, and anything at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import urlencode, urlsplit

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autocard.adapters.epay import EpayOptions, EpayPlatform
from autocard.adapters.epay.translate import (
    md5_signature,
    order_from_fields,
    rsa_signature,
    sign_notification,
)
from autocard.spi import Answer, Inbound, Money, Receipt, Secret, VerificationError, Verified

NOW = datetime(2026, 1, 1, 0, 1, 40, tzinfo=UTC)
FIELDS = {
    "pid": "1001", "trade_no": "2026010110203012345", "out_trade_no": "CK202601010001",
    "type": "alipay", "name": "product", "money": "9.9", "trade_status": "TRADE_SUCCESS",
}  # fmt: skip


def _get(query: str) -> Inbound:
    return Inbound(method="GET", path="/pay/notify", query=query)


def _order(options: EpayOptions, query: str, now: datetime = NOW):
    shop = EpayPlatform(options, client=None)
    return shop.parse(shop.verify(_get(query), now=now))


def _rsa_query(keys, fields) -> str:
    sign = rsa_signature(fields, Secret(keys.private))
    return urlencode({**fields, "sign_type": "RSA", "sign": sign})


@pytest.mark.parametrize(
    ("printed", "exact"),
    [("9.9", "9.90"), ("8", "8.00"), ("10", "10.00"), ("0.01", "0.01"), ("1.5", "1.50"),
     ("9.90", "9.90"), ("123456789.1", "123456789.10"), ("1.500", "1.50")],
)  # fmt: skip
def test_float_money_is_read_exactly(printed, exact, v1) -> None:
    """Money printed as a float becomes the exact decimal amount."""
    order = _order(v1, sign_notification({**FIELDS, "money": printed}, v1.credential))
    assert order.payment.paid == Money(exact, "CNY")


@pytest.mark.parametrize("printed", ["", "0", "0.00", "-1", "1e3", "1.0E+25", "9.999", "１", "9,9"])
def test_other_money_is_no_payment(printed, v1) -> None:
    """An amount that is zero, negative, too fine or no amount is refused."""
    query = sign_notification({**FIELDS, "money": printed}, v1.credential)
    with pytest.raises(VerificationError):
        _order(v1, query)


@pytest.mark.parametrize("status", ["", "TRADE_CLOSED", "trade_success", "WAIT_BUYER_PAY"])
def test_only_trade_success_pays(status, v1) -> None:
    """A genuine notification with another trade status pays nothing."""
    with pytest.raises(VerificationError):
        _order(v1, sign_notification({**FIELDS, "trade_status": status}, v1.credential))


def test_missing_order_number_is_an_invalid_order(v1) -> None:
    """A genuine notification without an order number names the field that is missing."""
    with pytest.raises(ValueError, match="order_no"):
        _order(v1, sign_notification({**FIELDS, "out_trade_no": ""}, v1.credential))


def test_upper_case_sign_is_accepted(v1) -> None:
    """Some forks print the MD5 in capitals; that is tolerated on input."""
    sign = md5_signature(FIELDS, v1.credential).upper()
    query = urlencode({**FIELDS, "sign": sign, "sign_type": "MD5"})
    assert _order(v1, query).order_no == "CK202601010001"


def test_text_is_signed_as_received(v1) -> None:
    """Plus signs are spaces, escapes stay escaped, and a name cut within a character verifies."""
    fields = {**FIELDS, "param": "a b&amp;c", "name": "月卡月"}
    query = sign_notification(fields, v1.credential)
    assert "a+b%26amp%3Bc" in query
    assert _order(v1, query).order_no == "CK202601010001"
    cut = {**FIELDS, "name": "月".encode()[:2].decode("utf-8", "surrogateescape")}
    query = urlencode(
        {**cut, "sign": md5_signature(cut, v1.credential), "sign_type": "MD5"},
        errors="surrogateescape",
    )
    verified = EpayPlatform(v1, client=None).verify(_get(query), now=NOW)
    assert verified.fields["name"].encode() == "\ufffd".encode()


def test_unknown_parameters_are_signed(v1) -> None:
    """A parameter nobody knows counts when it was signed, and spoils the signature when not."""
    query = sign_notification({**FIELDS, "new_in_2027": "0"}, v1.credential)
    assert _order(v1, query).order_no == "CK202601010001"
    with pytest.raises(VerificationError):
        _order(v1, sign_notification(FIELDS, v1.credential) + "&new_in_2027=0")


def test_blank_values_are_signed_or_not(v1) -> None:
    """A value of white space is dropped by new gateways and signed by old ones; both verify."""
    blank = {**FIELDS, "param": " \t "}
    for keep_blank in (False, True):
        sign = md5_signature(blank, v1.credential, keep_blank=keep_blank)
        query = urlencode({**blank, "sign": sign, "sign_type": "MD5"})
        assert _order(v1, query).order_no == "CK202601010001"
    assert _order(v1, sign_notification(FIELDS, v1.credential) + "&param=").lines == ()


def test_own_parameters_are_set_aside(v1) -> None:
    """What the merchant wrote into the notify address is not signed, nor is its escaped form."""
    options = attrs.evolve(v1, notify_query="shop=3&lang=zh")
    signed = sign_notification(FIELDS, v1.credential)
    assert _order(options, f"shop=3&lang=zh&{signed}").order_no == "CK202601010001"
    assert _order(options, f"shop=3&amp;lang=zh&{signed}").order_no == "CK202601010001"
    for foreign in (f"shop=4&lang=zh&{signed}", f"shop=3&lang=zh&more=1&{signed}"):
        with pytest.raises(VerificationError):
            _order(options, foreign)
    with pytest.raises(VerificationError):
        _order(v1, f"shop=3&{signed}")


def test_a_parameter_twice_is_refused(v1) -> None:
    """A repeated parameter is refused even with the same value: receivers would disagree."""
    query = sign_notification(FIELDS, v1.credential)
    for extra in ("money=9.9", "money=99.9", "pid=1001", "sign_type=MD5"):
        with pytest.raises(VerificationError):
            _order(v1, f"{query}&{extra}")
    with pytest.raises(VerificationError):
        _order(v1, f"{extra}&{query}")


def test_another_merchant_is_refused(v1) -> None:
    """A message for another merchant is refused, however well it is signed."""
    with pytest.raises(VerificationError):
        _order(v1, sign_notification({**FIELDS, "pid": "1002"}, v1.credential))
    with pytest.raises(VerificationError):
        _order(v1, sign_notification({**FIELDS, "pid": "01001"}, v1.credential))


def test_sign_type_never_downgrades(v1, v2, keys) -> None:
    """Each rule counts only where its own key is configured, whatever the message claims."""
    md5 = sign_notification(FIELDS, Secret(keys.md5))
    empty = sign_notification(FIELDS, Secret(""))
    dated = {**FIELDS, "timestamp": str(int(NOW.timestamp()))}
    rsa = _rsa_query(keys, dated)
    assert _order(v1, md5).order_no == _order(v2, rsa).order_no
    for options, query in ((v2, md5), (v2, empty), (v1, rsa), (v1, empty)):
        with pytest.raises(VerificationError):
            _order(options, query)
    for other in ("", "md5", "RSA2", "NONE"):
        with pytest.raises(VerificationError):
            _order(v1, md5.replace("sign_type=MD5", f"sign_type={other}"))


def test_both_flavours_are_accepted_with_both_keys(v2, keys) -> None:
    """With both keys an order's notification is checked by the rule its order was made with."""
    both = attrs.evolve(v2, credential=Secret(keys.md5))
    assert _order(both, sign_notification(FIELDS, both.credential)).order_no
    dated = {**FIELDS, "timestamp": str(int(NOW.timestamp()))}
    assert _order(both, _rsa_query(keys, dated)).order_no
    mixed = {**dated, "sign": md5_signature(dated, both.credential), "sign_type": "RSA"}
    with pytest.raises(VerificationError):
        _order(both, urlencode(mixed))


@pytest.mark.parametrize(
    ("away_s", "accepted"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)]
)
def test_rsa_time_window(away_s, accepted, v2, keys) -> None:
    """An RSA notification is accepted within 300 seconds of its time, and not beyond."""
    query = _rsa_query(keys, {**FIELDS, "timestamp": str(int(NOW.timestamp()))})
    if accepted:
        assert _order(v2, query, NOW + timedelta(seconds=away_s)).order_no
    else:
        with pytest.raises(VerificationError):
            _order(v2, query, NOW + timedelta(seconds=away_s))


@pytest.mark.parametrize(
    "timestamp", [None, "", "now", "1767225700.0", "01767225700", "١٧٦٧٢٢٥٧٠٠"]
)
def test_rsa_needs_a_plain_time(timestamp, v2, keys) -> None:
    """An RSA notification without a time, or with an odd one, is refused though it is signed."""
    fields = FIELDS if timestamp is None else {**FIELDS, "timestamp": timestamp}
    with pytest.raises(VerificationError):
        _order(v2, _rsa_query(keys, fields))


def test_a_form_is_accepted_too(v1) -> None:
    """Some forks POST the same parameters as a form."""
    shop = EpayPlatform(v1, client=None)
    body = sign_notification(FIELDS, v1.credential).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    inbound = Inbound(method="POST", path="/n", headers=headers, body=body)
    assert shop.verify(inbound, now=NOW).fields["money"] == "9.9"
    for changed in (
        attrs.evolve(inbound, headers={"content-type": "application/json"}),
        attrs.evolve(inbound, headers={}),
        attrs.evolve(inbound, method="PUT"),
        attrs.evolve(inbound, query="money=9.9"),
        attrs.evolve(inbound, body=body + b"&param=" + b"x" * 70_000),
    ):
        with pytest.raises(VerificationError):
            shop.verify(changed, now=NOW)


def test_too_many_parameters_are_refused(v1) -> None:
    """Hundreds of parameters are refused before any is checked."""
    many = "&".join(f"p{index}=" for index in range(300))
    with pytest.raises(VerificationError):
        _order(v1, f"{sign_notification(FIELDS, v1.credential)}&{many}")


def test_refusals_sound_alike(v1) -> None:
    """Whatever is wrong, the error says the same and quotes nothing."""
    good = sign_notification(FIELDS, v1.credential)
    texts = set()
    for query in ("", "a=1", good[:-1], good.replace("1001", "1002"), f"{good}&pid=1"):
        with pytest.raises(VerificationError) as caught:
            _order(v1, query)
        texts.add(str(caught.value))
    assert texts == {"epay: the notification is not proved genuine"}


def test_replies_are_one_word(v1) -> None:
    """The gateway reads `success` or not; a refusal and a delay say `fail`."""
    shop = EpayPlatform(v1, client=None)
    receipt = Receipt(platform="epay", order_no="CK202601010001", lines=())
    assert shop.acknowledge(Answer.ACCEPTED, receipt).body == b"success"
    assert shop.acknowledge(Answer.ACCEPTED, None).status == 200
    assert shop.acknowledge(Answer.REFUSED, receipt).body == b"fail"
    assert shop.acknowledge(Answer.REFUSED, None).status == 400
    assert shop.acknowledge(Answer.LATER, None).body == b"fail"
    assert shop.acknowledge(Answer.LATER, None).status == 503


_OPTIONS = EpayOptions(base_url="https://pay.example.com", pid="1", credential=Secret("secret-1"))
_NAMES = st.sampled_from([*FIELDS, "sign", "sign_type", "param"]) | st.text(max_size=5)


@settings(max_examples=100, deadline=None)
@given(
    query=st.text(max_size=80) | st.dictionaries(_NAMES, st.text(max_size=20)).map(
        lambda fields: urlencode(fields, errors="replace")
    ),
    body=st.binary(max_size=80),
    method=st.sampled_from(["GET", "POST", "get", ""]),
    kind=st.sampled_from(["application/x-www-form-urlencoded", "text/plain", ""]),
)  # fmt: skip
def test_anything_is_refused_in_words(query, body, method, kind) -> None:
    """Arbitrary messages are refused with `VerificationError`, never with another error."""
    inbound = Inbound(
        method=method, path="/", query=query, body=body, headers={"Content-Type": kind}
    )
    with pytest.raises(VerificationError):
        EpayPlatform(_OPTIONS, client=None).verify(inbound, now=NOW)


@settings(max_examples=100, deadline=None)
@given(
    fields=st.dictionaries(_NAMES, st.text(max_size=40) | st.sampled_from(["TRADE_SUCCESS", "9.9"]))
)
def test_any_signed_fields_are_verified_and_parsed_or_refused(fields) -> None:
    """Whatever a genuine gateway signs is verified, and parsed or refused with a clear error."""
    said = {name: text for name, text in fields.items() if name not in {"sign", "sign_type"}}
    said["pid"] = "1"
    query = sign_notification(said, _OPTIONS.credential)
    shop = EpayPlatform(_OPTIONS, client=None)
    verified = shop.verify(_get(query), now=NOW)
    try:
        order = shop.parse(verified)
    except (VerificationError, ValueError):
        return
    assert order.payment.paid.amount > 0


@given(fields=st.dictionaries(_NAMES, st.text(max_size=40)))
def test_parsing_is_total(fields) -> None:
    """Any fields give an order or a documented error."""
    try:
        order_from_fields({"trade_status": "TRADE_SUCCESS", "money": "1", **fields}, "CNY")
    except (VerificationError, ValueError):
        return


def test_readable_fields_survive_odd_names(v1) -> None:
    """An unsigned empty parameter with a name that is no text does not break anything."""
    query = sign_notification(FIELDS, v1.credential) + "&\ud800="
    shop = EpayPlatform(v1, client=None)
    verified = shop.verify(_get(query), now=NOW)
    assert shop.parse(Verified(verified.inbound, verified.fields)).order_no == "CK202601010001"


# --- the whole way --------------------------------------------------------------------------


@pytest.fixture(name="merchant")
def _merchant(shop, shop2) -> Iterator[SimpleNamespace]:
    """A web shop on a real socket that hands every call to the adapters."""
    seen = SimpleNamespace(orders=[], refused=0, late=False)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            platform = shop2 if parts.path == "/v2" else shop
            inbound = Inbound(
                method=self.command, path=parts.path, query=parts.query, headers=dict(self.headers)
            )
            try:
                verified = platform.verify(inbound, now=datetime.now(UTC))
                seen.orders.append(platform.parse(verified))
                answer = Answer.LATER if seen.late else Answer.ACCEPTED
            except VerificationError:
                seen.refused += 1
                answer = Answer.REFUSED
            reply = platform.acknowledge(answer, None)
            self.send_response(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    seen.base = f"http://127.0.0.1:{server.server_address[1]}"
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


def _open_pay_page(platform, client, order_no: str, notify_url: str, amount: str = "8.00") -> None:
    address = platform.payment_url(
        order_no, Money(amount, "CNY"), "VIP 月卡", notify_url, "https://shop.example.com/r"
    )
    assert b"<body>pay " in client.request("GET", address, safe=True).body


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_payment_reaches_the_shop(version, gateway, client, merchant, shop, shop2) -> None:
    """From the signed pay page to the acknowledged notification, with either version."""
    platform = shop if version == "v1" else shop2
    _open_pay_page(platform, client, "A1001", f"{merchant.base}/{version}")
    assert gateway.pay("A1001")
    assert merchant.orders[0].order_no == "A1001"
    assert merchant.orders[0].payment.paid == Money("8", "CNY")
    assert "money=8&" in gateway.notified[0]
    assert "name=product" in gateway.notified[0]


def test_notifications_are_repeated_until_acknowledged(gateway, client, merchant, shop) -> None:
    """An unacknowledged V1 notification comes again, byte for byte, five times in all."""
    _open_pay_page(shop, client, "A1001", f"{merchant.base}/v1")
    merchant.late = True
    assert not gateway.pay("A1001")
    order = gateway.orders[0]
    assert [gateway.notify(order) for _ in range(6)] == [False] * 6
    assert len(gateway.notified) == 5
    assert len(set(gateway.notified)) == 1
    assert len(merchant.orders) == 5


def test_late_v2_notifications_are_dated_anew(gateway, client, merchant, shop2) -> None:
    """A V2 notification is built again for every send, so its time stays within the window."""
    import time

    gateway.clock = lambda: time.time() - 1000
    _open_pay_page(
        EpayPlatform(
            shop2.options, client, now=lambda: datetime.now(UTC) - timedelta(seconds=1000)
        ),
        client, "A1001", f"{merchant.base}/v2",
    )  # fmt: skip
    assert not gateway.pay("A1001")
    assert merchant.refused == 1
    gateway.clock = time.time
    assert gateway.notify(gateway.orders[0])


def test_slow_and_broken_shops_are_not_acknowledged(gateway, client, merchant, shop) -> None:
    """The gateway waits a limited time for the shop, and takes no answer for a failure."""
    gateway.limit_s = 0.2
    _open_pay_page(shop, client, "A1001", "http://127.0.0.1:9/v1")
    assert not gateway.pay("A1001")
