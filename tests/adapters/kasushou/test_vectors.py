"""What is sent and signed, byte by byte as the documentation has it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from autocard.adapters.kasushou import translate
from autocard.adapters.kasushou.signature import (
    Numeral,
    compact_json,
    read_json,
    signature,
    sorted_json,
    timestamp,
)
from autocard.spi import Hint, Inbound, Money, RejectedError, Secret, VerificationError

CREDENTIAL = Secret("KSS_demo_apikey_0123456789abcdef")
TIME = "1735758245123"
NOW = datetime(2025, 1, 1, 19, 4, 5, 123000, tzinfo=UTC)
JSON = {"content-type": "application/json"}
CALLBACK = {
    "external_orderno": "KS20250102001", "ordersn": "D250102000000001", "status": 3,
    "has_back_money": "0.00", "total_price": "19.80", "recharge_hints": "成功/已发货",
    "time": "1735758260456",
}  # fmt: skip
SIGNED = (
    '{"external_orderno":"KS20250102001","has_back_money":"0.00","ordersn":"D250102000000001",'
    '"recharge_hints":"成功\\/已发货","status":3,"time":"1735758260456","total_price":"19.80"}'
)
ESCAPED = "af8ed245d0762c60ad74407a34c2c11b18fdbfd3"
UNESCAPED = "c43e6febb538a8fbd8b1a67e62b2b0c60f86bf0f"
PUSH = {"id": 10023, "time": "1735758270000"}
PUSH_SIGN = "dd548d89faf5c111b3d034007f10be1ac5c8f5ae"


@pytest.mark.parametrize(
    ("members", "text", "sign"),
    [
        ({}, "{}", "e7f1f7991876eda8b2df4a8b6ea3500ea3f0c781"),
        (
            {"external_orderno": "KS20250102001"},
            '{"external_orderno":"KS20250102001"}',
            "784477934879c33a3bc96b057996e425a398e2b3",
        ),
        (
            {
                "url": "https://shop.example.com/cb/kss", "quantity": 2, "id": 10023,
                "safe_price": Numeral("9.9"), "mark": "测试备注",
                "external_orderno": "KS20250102001",
                "attach": {"recharge_account": "13800000000"},
            },
            (
                '{"attach":{"recharge_account":"13800000000"},"external_orderno":"KS20250102001",'
                '"id":10023,"mark":"测试备注","quantity":2,"safe_price":9.9,'
                '"url":"https://shop.example.com/cb/kss"}'
            ),
            "52b6028ebe0dbc6a4b10bd5194365e5df5292bcd",
        ),
    ],
)  # fmt: skip
def test_requests_are_signed(members, text, sign, options) -> None:
    """The three documented requests have their documented signatures."""
    assert sorted_json(members) == text
    assert signature(TIME, text, CREDENTIAL) == sign
    call = translate.signed_call("order/buy", members, options, NOW)
    assert call.body == text.encode()
    assert call.url == "https://cards.example.com/api/v1/order/buy"
    assert call.headers == {
        "Content-Type": "application/json", "UserId": "10086", "Timestamp": TIME, "Sign": sign,
    }  # fmt: skip


def test_time_has_thirteen_digits() -> None:
    """A call carries milliseconds since 1970."""
    assert timestamp(NOW) == TIME


def test_only_the_top_level_is_sorted() -> None:
    """Nested objects keep their order, arrays stay arrays, empty texts stay in."""
    members = {"b": {"z": 1, "a": [True, None, "ü/"]}, "a": ""}
    assert sorted_json(members) == '{"a":"","b":{"z":1,"a":[true,null,"ü/"]}}'


def test_text_is_written_as_php_writes_it() -> None:
    """Line separators and control characters are escaped as PHP does, slashes on request."""
    assert compact_json("a/\u2028\u2029\n\x1f\x7f€") == '"a/\\u2028\\u2029\\n\\u001f\x7f€"'
    assert compact_json({"a/b": ["c/d"]}, escapes_slashes=True) == '{"a\\/b":["c\\/d"]}'


def test_numbers_keep_their_writing() -> None:
    """A number that is read and written again is the same text; words for none are kept too."""
    for text in ("3", "19.80", "-0", "1e5", "NaN", '"3"', "true", "null"):
        assert compact_json(read_json(text)) == text


# --- purchases ------------------------------------------------------------------------------


def test_purchase_of_cards(purchase, options) -> None:
    """Buying cards sends good, quantity, our number and the most that one unit may cost."""
    call = translate.buy_call(purchase, options, NOW)
    assert call.body == (
        b'{"external_orderno":"a1b2c3d4e5f6g7h8i9","id":10023,"quantity":2,"safe_price":"10.50"}'
    )


def test_purchase_with_an_address_for_messages(purchase, options) -> None:
    """The callback address is sent where one is set, its slashes as they are."""
    told = attrs.evolve(options, notify_url="https://shop.example.com/cb/kss")
    call = translate.buy_call(purchase, told, NOW)
    assert call.body.endswith(b',"url":"https://shop.example.com/cb/kss"}')


def test_purchase_of_a_top_up(top_up, options) -> None:
    """A top-up sends its target and options under the names of the good's template."""
    chosen = attrs.evolve(top_up, options={"区服": "一区", "lblName2": "x", "颜色": "red"})
    named = attrs.evolve(options, option_fields={"区服": "lblName1", "颜色": ""})
    body = json.loads(translate.top_up_call(chosen, named, NOW).body)
    assert body["attach"] == {
        "recharge_account": "13800138000", "lblName1": "一区", "lblName2": "x",
    }  # fmt: skip
    other = attrs.evolve(options, target_field="account")
    assert json.loads(translate.top_up_call(top_up, other, NOW).body)["attach"] == {
        "account": "13800138000"
    }


@pytest.mark.parametrize("name", ["区服", "zone", "lblName", "recharge_account", ""])
def test_option_without_a_field_is_refused(name, top_up, options) -> None:
    """An option that the site would not read is refused before anything is charged."""
    chosen = attrs.evolve(top_up, options={name: "一区"})
    with pytest.raises(RejectedError, match="option_fields") as caught:
        translate.top_up_call(chosen, options, NOW)
    assert "一区" not in str(caught.value)


@pytest.mark.parametrize(
    ("item", "sent"),
    [("10023", 10023), ("0", 0), ("00123", "00123"), ("10023_2", "10023_2"), ("９", "９")],
)
def test_goods_with_skus_are_texts(item, sent, purchase, options) -> None:
    """A goods id is sent as a number, one that is none as the text it is."""
    call = translate.buy_call(attrs.evolve(purchase, item=item), options, NOW)
    assert json.loads(call.body)["id"] == sent
    assert json.loads(translate.good_call(item, options, NOW).body) == {"id": sent}


def test_look_up_of_a_purchase(purchase, options) -> None:
    """A look-up names our number and looks at all days."""
    call = translate.look_up_call(purchase, options, NOW)
    assert call.body == b'{"day":0,"external_orderno":"a1b2c3d4e5f6g7h8i9"}'
    assert call.url.endswith("/api/v1/order/info")
    assert translate.balance_call(options, NOW).body == b"{}"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ceiling": Money("1.50", "USD")}, "CNY, not for USD"),
        ({"reference": ""}, "reference"),
        ({"target": "\ud800"}, "Unicode"),
        ({"options": {"lblName1": "\ud800"}}, "Unicode"),
        ({"item": "\ud800"}, "Unicode"),
    ],
)
def test_what_cannot_be_said_is_not_sent(changed, said, top_up, options) -> None:
    """A purchase that cannot be expressed is refused before anything is sent."""
    for make in (translate.buy_call, translate.top_up_call):
        with pytest.raises(RejectedError, match=said):
            make(attrs.evolve(top_up, **changed), options, NOW)


# --- messages -------------------------------------------------------------------------------


def _told(fields: dict, options, **changed) -> Hint:
    raw = changed.pop("body", json.dumps(fields, ensure_ascii=False).encode())
    inbound = Inbound(method="POST", path="/kss", headers=JSON, body=raw)
    when = datetime.fromtimestamp(1735758261, UTC) + changed.pop("later", timedelta(0))
    return translate.hint_from_inbound(inbound, options, when)


@pytest.mark.parametrize(("escapes", "sign"), [(True, ESCAPED), (False, UNESCAPED)])
def test_callbacks_are_signed(escapes, sign, options) -> None:
    """The documented message is proved with its slashes escaped, and as clones do it."""
    text = sorted_json({**CALLBACK, "status": Numeral(3)}, escapes_slashes=escapes)
    assert text == (SIGNED if escapes else SIGNED.replace("\\/", "/"))
    assert signature(CALLBACK["time"], text, CREDENTIAL) == sign
    hint = _told({**CALLBACK, "sign": sign}, options)
    assert hint == Hint(reference="KS20250102001", remote="D250102000000001")


def test_cards_of_a_callback_do_not_count(options) -> None:
    """Card and express lists are not signed, so whatever they say changes nothing."""
    for cards in ([], [{"card_no": "1", "card_password": "x", "end_time": ""}], "[]", None):
        fields = {**CALLBACK, "sign": ESCAPED, "card_list": cards, "express_list": cards}
        assert _told(fields, options).remote == "D250102000000001"


def test_numbers_of_a_callback_keep_their_type(options) -> None:
    """A status that was signed as a number is not proved as a text."""
    with pytest.raises(VerificationError):
        _told({**CALLBACK, "status": "3", "sign": ESCAPED}, options)


def test_goods_pushes_are_signed(options) -> None:
    """Only id and time of a goods change are signed; it names the good."""
    text = '{"id":10023,"time":"1735758270000"}'
    assert signature(PUSH["time"], text, CREDENTIAL) == PUSH_SIGN
    fields = {**PUSH, "status": 2, "goods_price": "9.90", "stock_num": 5, "sign": PUSH_SIGN}
    assert _told(fields, options) == Hint(items=("10023",))
    with pytest.raises(VerificationError):
        _told({**fields, "id": 10024}, options)
