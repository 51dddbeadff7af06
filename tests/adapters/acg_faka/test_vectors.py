"""Every test vector of the signature, against the adapter and the simulated shop."""

from __future__ import annotations

import attrs
import pytest

from autocard.adapters.acg_faka.signature import signature, signing_text
from autocard.adapters.acg_faka.translate import signed_call, trade_call
from autocard.spi import Secret

APP_KEY = "A1B2C3D4E5F6A7B8"
MEMBER = {"app_id": "1000", "app_key": APP_KEY}
# What vanishes on the way in PHP, null and empty lists, is not among the fields.
TRADE = {
    "shared_code": "AUTO0001", "contact": "buyer@example.com", "num": "2", "card_id": "0",
    "device": "0", "password": "", "race": "", "request_no": "174260101120000123", **MEMBER,
}  # fmt: skip
CHOSEN = {
    **TRADE, "race": "月卡", "sku[颜色]": "红 色", "sku[尺寸]": "L", "contact": "张三", "num": "1",
    "request_no": "174260101120000124", "shared_code": "SKUA0001",
}  # fmt: skip
VECTORS = {
    "A": (
        MEMBER,
        "app_id=1000&app_key=A1B2C3D4E5F6A7B8",
        "adcd28bfe00c23ba22cfe8f710289cd4",
    ),
    "B": (
        TRADE,
        (
            "app_id=1000&app_key=A1B2C3D4E5F6A7B8&card_id=0&contact=buyer@example.com&device=0"
            "&num=2&request_no=174260101120000123&shared_code=AUTO0001"
        ),
        "a59e46394e0533becd1e75239dd52e84",
    ),
    "C": (
        CHOSEN,
        (
            "app_id=1000&app_key=A1B2C3D4E5F6A7B8&card_id=0&contact=张三&device=0&num=1&race=月卡"
            "&request_no=174260101120000124&shared_code=SKUA0001&sku[颜色]=红 色&sku[尺寸]=L"
        ),
        "9965cfff053109840b6bcb6856055f6f",
    ),
    "D": (
        {"code": "A+B%20C", "app_id": "1000"},
        "app_id=1000&code=A+B%20C",
        "cbcacdf5078345d15fb8b8af5ef1cde6",
    ),
    "E": (
        {"b": "1", "B": "2", "a10": "x", "a9": "y", "_z": "0", "1": "n", "app_id": "1000"},
        "1=n&B=2&_z=0&a10=x&a9=y&app_id=1000&b=1",
        "e96b25318d3e454f74723fd60112d307",
    ),
    "F": (
        {"sku_id": "12", "quantity": "1", "trade_no": "b9b66af68b04c4bccec08713"},
        "quantity=1&sku_id=12&trade_no=b9b66af68b04c4bccec08713",
        "a9b970349b10d1a48a3f0f30c59a5ce5",
    ),
    "G": ({}, "", "d2e77757fbafc9d0db3ce9ebfbef9c16"),
    "H": (
        {
            "shared_code": "AUTO0001", "num": "1", "contact": "x", "card_id": "0",
            "request_no": "CK0000000000000001", "app_id": "1000",
        },
        "app_id=1000&card_id=0&contact=x&num=1&request_no=CK0000000000000001&shared_code=AUTO0001",
        "1add4f3dd35c148b2cd959d51c1f746c",
    ),
}  # fmt: skip
EACH = pytest.mark.parametrize(("fields", "text", "sign"), VECTORS.values(), ids=VECTORS)


@EACH
def test_signature_is_the_vendors(fields, text, sign) -> None:
    """The string that is signed and the signature are those of the vendor's routine."""
    assert signing_text(fields) == text
    assert signature(fields, Secret(APP_KEY)) == sign


@EACH
def test_simulator_signs_alike(fields, text, sign, simulation) -> None:
    """The simulated shop, which was written apart, makes the same signature."""
    assert simulation.sign_of(fields, APP_KEY) == sign


def test_own_signature_is_not_signed() -> None:
    """A `sign` that is there already is left out of the string."""
    assert signing_text({"a": "1", "sign": "x"}) == "a=1"


def test_trade_is_vector_b_without_the_secret(v3, order) -> None:
    """A purchase is the vendor's own form, but `app_key` is never sent."""
    options = attrs.evolve(v3, contact="buyer@example.com")
    call = trade_call(order(quantity=2, reference="174260101120000123"), options)
    without = {name: value for name, value in TRADE.items() if name != "app_key"}
    assert {name: value for name, value in call.form.items() if name != "sign"} == without
    assert call.form["sign"] == signature(without, Secret(APP_KEY))
    assert call.url == "https://up.example.com/shared/commodity/trade"
    assert call.headers == {}


def test_trade_with_choices_is_vector_c_without_the_secret(v3, order) -> None:
    """Race and choices of an item are sent as the vendor's own client sends them."""
    options = attrs.evolve(v3, contact="张三")
    item = "SKUA0001?race=月卡&sku[颜色]=红 色&sku[尺寸]=L"
    call = trade_call(order(item, reference="174260101120000124"), options)
    without = {name: value for name, value in CHOSEN.items() if name != "app_key"}
    assert {name: value for name, value in call.form.items() if name != "sign"} == without
    expected = VECTORS["C"][1].replace("&app_key=A1B2C3D4E5F6A7B8", "")
    assert signing_text(call.form) == expected


def test_v4_trade_is_vector_f(v4, order) -> None:
    """With v4 the reference is sent as a digest, and the signature as a header."""
    call = trade_call(order("12", reference="174260101120000123"), v4)
    assert call.form == VECTORS["F"][0]
    assert call.headers == {"Api-Id": "1000", "Api-Signature": VECTORS["F"][2]}
    assert call.url == "https://up.example.com/plugin/open-api/trade"


def test_v4_connect_is_vector_g(v4) -> None:
    """With v4 an empty body is signed too."""
    call = signed_call("connect", {}, v4)
    assert call.form == {}
    assert call.headers["Api-Signature"] == VECTORS["G"][2]
