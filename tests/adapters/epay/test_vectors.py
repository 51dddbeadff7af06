"""Every test vector of the epay specification, section 3.4, against the adapter and simulator."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from autocard.adapters.epay import EpayPlatform
from autocard.adapters.epay.replies import members_from_reply
from autocard.adapters.epay.signature import is_rsa_signed
from autocard.adapters.epay.translate import (
    md5_signature,
    payment_form,
    rsa_signature,
    sign_notification,
    signing_text,
)
from autocard.spi import Inbound, Money, Response, Secret

SHOP = "https://shop.example.com"
A = {
    "pid": "1001", "type": "alipay", "out_trade_no": "CK202601010001",
    "notify_url": f"{SHOP}/pay/notify", "return_url": f"{SHOP}/pay/return", "name": "VIP月卡",
    "money": "9.90", "clientip": "203.0.113.7", "device": "pc", "param": "",
}  # fmt: skip
B = {
    "pid": "1001", "trade_no": "2026010110203012345", "out_trade_no": "CK202601010001",
    "type": "alipay", "name": "product", "money": "9.9", "trade_status": "TRADE_SUCCESS",
    "param": "a b&amp;c",
}  # fmt: skip
C = {
    "pid": "1001", "type": "wxpay", "out_trade_no": "CK202601010002",
    "notify_url": f"{SHOP}/n?src=1", "return_url": f"{SHOP}/r", "name": "测试 50%+1",
    "money": "0.01", "clientip": "203.0.113.7", "device": "mobile", "param": "  ", "zero": "0",
}  # fmt: skip
D = {
    "pid": "1001", "type": "alipay", "method": "web", "out_trade_no": "CK202601010003",
    "notify_url": f"{SHOP}/pay/notify", "return_url": f"{SHOP}/pay/return", "name": "VIP月卡",
    "money": "9.90", "clientip": "203.0.113.7", "device": "pc", "timestamp": "1767225600",
}  # fmt: skip
E = {
    "code": 0, "trade_no": "2026010108000012345", "pay_type": "qrcode",
    "pay_info": "https://qr.example.com/pay/abc?x=1", "timestamp": "1767225601",
}  # fmt: skip
F = {
    "pid": "1001", "trade_no": "2026010108000012345", "out_trade_no": "CK202601010003",
    "type": "alipay", "name": "product", "money": "9.9", "trade_status": "TRADE_SUCCESS",
    "api_trade_no": "4200001234", "buyer": "2088001", "timestamp": "1767225700",
}  # fmt: skip
TEXTS = {
    "A": "clientip=203.0.113.7&device=pc&money=9.90&name=VIP月卡"
    "&notify_url=https://shop.example.com/pay/notify&out_trade_no=CK202601010001&pid=1001"
    "&return_url=https://shop.example.com/pay/return&type=alipay",
    "B": "money=9.9&name=product&out_trade_no=CK202601010001&param=a b&amp;c&pid=1001"
    "&trade_no=2026010110203012345&trade_status=TRADE_SUCCESS&type=alipay",
    "C": "clientip=203.0.113.7&device=mobile&money=0.01&name=测试 50%+1"
    "&notify_url=https://shop.example.com/n?src=1&out_trade_no=CK202601010002&pid=1001"
    "&return_url=https://shop.example.com/r&type=wxpay&zero=0",
    "D": "clientip=203.0.113.7&device=pc&method=web&money=9.90&name=VIP月卡"
    "&notify_url=https://shop.example.com/pay/notify&out_trade_no=CK202601010003&pid=1001"
    "&return_url=https://shop.example.com/pay/return&timestamp=1767225600&type=alipay",
    "E": "code=0&pay_info=https://qr.example.com/pay/abc?x=1&pay_type=qrcode"
    "&timestamp=1767225601&trade_no=2026010108000012345",
    "F": "api_trade_no=4200001234&buyer=2088001&money=9.9&name=product"
    "&out_trade_no=CK202601010003&pid=1001&timestamp=1767225700"
    "&trade_no=2026010108000012345&trade_status=TRADE_SUCCESS&type=alipay",
}
MD5 = {
    "A": "1f4d0140a751ef6b13c2a6fbba70e1c1",
    "B": "23fbf25fc78902b4dd97843d51fce052",
    "C": "ac514b0cb4a80d6170fe2022e554999f",
}
SIGN_D = (
    "r9odk+pypwl73jgWKBKwtOCuaj/LyCsyKXWyMbeBo4XQHFWWO2U2jMyHe3RJ3K5o610f4m44eFAcNTg4jrw4"
    "7H18cjuQaexZvz8s7+5Y0/BtEtVdCWBKy75gM+BnxsXyb9HdFupXcCBD+CaXWyBxk4wNPj68mb1teTB0fZ5g"
    "Dou9BUV4B3HUxWAzsDGkrGkHegRNnnypOAojQtGhmd+OFG0T1P8TqHqBGcfuQrmAPyAN8vti9GefwLO3ykY6"
    "FdA3zF9jJl9RuyN/zuL2b/S3KXvnZyv8DX2uSYeCKsAMO5pWbc8zPFiFHuBapWKz1z6Oq3FARVDPl6rsvcqf"
    "KxpSrA=="
)
SIGN_E = (
    "gAxseTNvV4cowXNlDIWznoefBtE+sBFLSCrkMobz8AoFlQOIpIo6DhM/fXaym9QcaHnEVXWyGH8d+NdBlQWx"
    "osM0NDZih4I4SFYhRirSdENB66v2SmQyJgY743hvBzOos2J/Ppk+M7EqLOtcnsD0PLziavw74Ey+LsGgx+9D"
    "ECkxq+nX5W6tlzuAqeCiAuTREnXeiDw+fJeyPCVV3fzWfFIzF1oZGjVYbmSJ7IaDpdzGO1iKFZ0dmjM/RaKW"
    "5FfsUf3tAPuTpWjnoYrMJ+4PQ93kNOQsqrhPwYBqIun2afcgW9VejqkfjSP26fLJOrY0u7S2sJCbOSqTjYpZ"
    "i9nD2Q=="
)
SIGN_F = (
    "K7KoBi3kgqhcpw7UrDJA8OqI5XKrgtiy4rSLSmLge153k8a/J0mdDZg1V41FjOUkwjFpMdQmNH19eo/c3y9l"
    "ICVKTCTvyJuhJvqZHR5Y5Uzg0jkyWAwyvWUDIEo/LZInPMyXOTe2bTBsHRf9v8qBn7zPL4y/lTfPRZFYQBCo"
    "npClLbimr7on+tjUHVWlGysgmpRMrqeIVUiIwfXfgAlUjdOanVK3PB6rUFs2uJzbLDKTRekDGtg5AHUngPLe"
    "5LB2go0xPWFmeq/ERHZJb889ZyLNJZOMVmUymfOoCsjATS3Vk+A9Xunxrgs9u/5iJCxxQj+DXVl6Of4iud2w"
    "KIsbFQ=="
)
FIELDS = {"A": A, "B": B, "C": C, "D": D, "E": {**E, "code": "0"}, "F": F}
RSA = {"D": SIGN_D, "E": SIGN_E, "F": SIGN_F}


@pytest.mark.parametrize("letter", "ABCDEF")
def test_signing_text_is_that_of_the_specification(letter) -> None:
    """The string to sign is built letter by letter as the specification prints it."""
    assert signing_text(FIELDS[letter]) == TEXTS[letter]


@pytest.mark.parametrize("letter", "ABC")
def test_md5_vectors(letter, keys) -> None:
    """The MD5 vectors come out as printed, in lower case."""
    assert md5_signature(FIELDS[letter], Secret(keys.md5)) == MD5[letter]


@pytest.mark.parametrize("letter", "DEF")
def test_rsa_vectors(letter, keys) -> None:
    """The RSA vectors come out as printed, and are verified with the public half."""
    assert rsa_signature(FIELDS[letter], Secret(keys.private)) == RSA[letter]
    assert is_rsa_signed({**FIELDS[letter], "sign": RSA[letter]}, keys.public)


@pytest.mark.parametrize("letter", "ABCDEF")
def test_simulator_signs_alike(letter, gateway) -> None:
    """The simulated gateway, written apart, agrees with every vector."""
    if letter in MD5:
        assert gateway.md5(FIELDS[letter]) == MD5[letter]
    else:
        assert gateway.rsa(FIELDS[letter]) == RSA[letter]


def test_vector_b_is_accepted_as_a_notification(v1) -> None:
    """The V1 notification vector is verified and parsed: the amount is exactly 9.90."""
    query = urlencode({**B, "sign": MD5["B"], "sign_type": "MD5"})
    assert sign_notification(B, v1.credential) == query
    shop = EpayPlatform(v1, client=None)
    verified = shop.verify(Inbound(method="GET", path="/n", query=query), now=datetime.now(UTC))
    order = shop.parse(verified)
    assert verified.fields["param"] == "a b&amp;c"
    assert (order.platform, order.order_no, order.lines) == ("epay", "CK202601010001", ())
    assert order.payment.paid == Money("9.90", "CNY")
    assert order.payment.reference == "2026010110203012345"


def test_vector_f_is_accepted_as_a_notification(v2) -> None:
    """The V2 notification vector is verified within its time window and parsed."""
    query = urlencode({**F, "sign_type": "RSA", "sign": SIGN_F})
    shop = EpayPlatform(v2, client=None)
    now = datetime.fromtimestamp(1767225700, UTC)
    order = shop.parse(shop.verify(Inbound(method="GET", path="/n", query=query), now=now))
    assert order.order_no == "CK202601010003"
    assert order.payment.paid == Money("9.90", "CNY")


def test_vector_e_is_accepted_as_a_reply(v2) -> None:
    """The V2 reply vector, with its number 0 and escaped slashes, is proved genuine."""
    body = json.dumps({**E, "sign_type": "RSA", "sign": SIGN_E}).replace("/", "\\/").encode()
    members = members_from_reply(Response(status=200, body=body), v2, safe=True)
    assert members["pay_info"] == "https://qr.example.com/pay/abc?x=1"


def test_payment_form_signs_like_vector_a(v1) -> None:
    """A V1 form has the fields of vector A that a browser sends, signed by the same recipe."""
    form = payment_form(
        v1, order_no="CK202601010001", amount=Money("9.90", "CNY"), name="VIP月卡",
        notify_url=A["notify_url"], return_url=A["return_url"], method="alipay",
    )  # fmt: skip
    sent = {name: text for name, text in A.items() if name not in {"clientip", "device", "param"}}
    assert form == {**sent, "sign": md5_signature(sent, v1.credential), "sign_type": "MD5"}


def test_payment_form_signs_like_vector_d(v2) -> None:
    """A V2 form carries the time it was signed at, and verifies with the public half."""
    form = payment_form(
        v2, order_no="CK202601010003", amount=Money("9.90", "CNY"), name="VIP月卡",
        notify_url=D["notify_url"], return_url=D["return_url"], method="alipay",
        now=datetime.fromtimestamp(1767225600, UTC),
    )  # fmt: skip
    assert form["timestamp"] == "1767225600"
    assert form["sign_type"] == "RSA"
    assert is_rsa_signed(form, v2.platform_public_key)
