"""Byte for byte: what Fulu signs, what it answers, and how its cards open."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest

from autocard.adapters.fulu import replies, translate
from autocard.adapters.fulu.signature import compact, is_signed, parsed, signature, signing_text
from autocard.adapters.fulu.translate import Call, request_body
from autocard.spi import (
    Hint,
    Inbound,
    Money,
    Response,
    Secret,
    Shape,
    Stage,
    VerificationError,
    aes_ecb_decrypt,
)

SECRET = Secret("9f8e7d6c5b4a39281706f5e4d3c2b1a0")
NOW = datetime(2025, 1, 1, 19, 4, 5, tzinfo=UTC)  # 03:04:05 of the next day in Beijing

INFO = '{"app_key":"demoAppKey0001","method":"fulu.user.info.get","timestamp":"2025-01-02 03:04:05","version":"2.0","format":"json","charset":"utf-8","sign_type":"md5","app_auth_token":"","biz_content":"{}"}'
INFO_SORTED = ' """""""""""""""""""""""""""""""""""",,,,,,,,---....0000000000112222345558:::::::::::AK_____aaaaaabccdddeeeeeeeeeeeeffffgghhhiiiiijkklmmmmmmnnnnnnnoooooooopppppppprrrrssssssttttttttttttuuuuuvyyyz{{}}'
CARDS = r'{"app_key":"demoAppKey0001","method":"fulu.order.card.add","timestamp":"2025-01-02 03:04:05","version":"2.0","format":"json","charset":"utf-8","sign_type":"md5","app_auth_token":"","biz_content":"{\"product_id\":10010001,\"buy_num\":2,\"customer_order_no\":\"T202501020001\",\"shop_type\":\"淘宝\"}"}'
RESULT = '{"name":"演示商户","balance":1234.5,"is_open":1}'
RESULT_SORTED = '"""""""",,.112345:::_aaabceeeilmnnnops{}商户演示'
OPENED = {
    "a0qSVwqxI1yWw8l+cmD8tw==": "FLNO00010001",
    "56PKd+vL24IWLhCmA5RZ/Q==": "PWD-8888-AAAA",
    "3hBffB+U9bRIxyubciFtmHYG96nt/AzBh7zNUbTsl4A=": "卡密-测试/02",
    "dgb3qe38DMGHvM1RtOyXgA==": "",
}
ACCOUNT = r'{"code":0,"message":"接口调用成功","result":"{\"name\":\"演示商户\",\"balance\":1234.5,\"is_open\":1}","sign":"08eb284ef6506231d14a0f9d231ec1f4"}'
FOUND = r'{"code":0,"message":"接口调用成功","result":"{\"order_id\":\"25010200000001\",\"customer_order_no\":\"T202501020001\",\"product_id\":10010001,\"product_name\":\"测试月卡\",\"charge_account\":null,\"buy_num\":2,\"order_type\":3,\"order_price\":9.9,\"order_state\":\"success\",\"create_time\":\"2025-01-02 03:04:06\",\"finish_time\":\"2025-01-02 03:04:08\",\"area\":null,\"server\":null,\"type\":null,\"operator_serial_number\":\"\",\"cards\":[{\"card_number\":\"a0qSVwqxI1yWw8l+cmD8tw==\",\"card_pwd\":\"56PKd+vL24IWLhCmA5RZ/Q==\",\"card_type\":0,\"card_deadline\":\"2026-01-02 00:00:00\"},{\"card_number\":\"zw/2p6kXqiJGLeC94VL5jQ==\",\"card_pwd\":\"3hBffB+U9bRIxyubciFtmHYG96nt/AzBh7zNUbTsl4A=\",\"card_type\":0,\"card_deadline\":\"2026-01-02 00:00:00\"}]}","sign":"663645fe4bfd177d33216e1e84f163e9"}'
CALLBACK = '{"order_id":"25010200000001","charge_finish_time":"2025-01-02 03:04:08","customer_order_no":"T202501020001","order_status":"success","recharge_description":"充值成功","product_id":"10010001","price":"9.9000","buy_num":"2","operator_serial_number":"","sign":"db0140d105eac6937c252c4a9c2c573f"}'


def _signed(before: str, sign: str) -> bytes:
    return f'{before[:-1]},"sign":"{sign}"}}'.encode()


def test_request_without_content_is_signed(options) -> None:
    """The call for the account is the published one, byte for byte."""
    body = request_body(translate.balance_call(), options, NOW)
    assert signing_text(INFO) == INFO_SORTED
    assert body == _signed(INFO, "e423a4e8d1c1c51ab4f80bd50daee418")


def test_request_with_chinese_content_is_signed(options, purchase) -> None:
    """A purchase is the published one, byte for byte: raw Chinese, escaped inner quotes."""
    bought = attrs.evolve(purchase, reference="T202501020001")
    call = translate.card_call(bought, attrs.evolve(options, shop_type="淘宝"))
    assert CARDS.count("\\") == 12
    assert signing_text(CARDS).endswith("yyyyyz{{}}宝淘")
    assert request_body(call, options, NOW) == _signed(CARDS, "c7961a28bf2af4285c6a2e07dbca55b2")


def test_order_of_names_does_not_matter() -> None:
    """Characters are sorted, so a signature does not depend on the order of names."""
    members = parsed(CARDS)
    turned = dict(reversed(members.items()))
    assert signature(compact(turned), SECRET) == signature(compact(members), SECRET)


def test_nothing_is_escaped_needlessly(options) -> None:
    """`/`, `&`, `<` and `>` stand in a call as they are."""
    body = request_body(Call("m", {"shop": "a/b&<c>"}), options, NOW).decode()
    assert r"{\"shop\":\"a/b&<c>\"}" in body


def test_response_is_signed() -> None:
    """The signature of an answer covers its result alone."""
    assert signing_text(RESULT) == RESULT_SORTED
    assert signature(RESULT, SECRET) == "08eb284ef6506231d14a0f9d231ec1f4"
    assert is_signed(RESULT, "08EB284EF6506231D14A0F9D231EC1F4", SECRET)
    assert not is_signed(RESULT, "18eb284ef6506231d14a0f9d231ec1f4", SECRET)


@pytest.mark.parametrize(("sealed", "plain"), OPENED.items())
def test_cards_open(sealed, plain) -> None:
    """Each published ciphertext opens to its plaintext."""
    assert aes_ecb_decrypt(SECRET, sealed) == Secret(plain)


def test_account_is_read(options) -> None:
    """The published answer about the account gives its balance."""
    response = Response(status=200, body=ACCOUNT.encode())
    assert replies.balance_from_response(response, options) == Money("1234.50", "CNY")


def test_order_is_read(options, purchase) -> None:
    """The published answer to a look-up gives its cards, cost and number."""
    bought = attrs.evolve(purchase, reference="T202501020001")
    response = Response(status=200, body=FOUND.encode())
    supplied = replies.supplied_from_look_up(response, bought, options)
    assert supplied is not None
    assert (supplied.stage, supplied.remote) == (Stage.DONE, "25010200000001")
    assert supplied.cost == Money("19.80", "CNY")
    assert [(card.number, card.secret.reveal(), card.shape) for card in supplied.cards] == [
        ("FLNO00010001", "PWD-8888-AAAA", Shape.TEXT),
        ("FLNO00010002", "卡密-测试/02", Shape.TEXT),
    ]
    assert supplied.cards[0].expires_at == datetime(2026, 1, 1, 16, tzinfo=UTC)


def test_callback_is_read(options) -> None:
    """The published callback names its order, and its signature holds by the presumed rule."""
    inbound = Inbound(method="POST", path="/fulu", body=CALLBACK.encode())
    strict = attrs.evolve(options, require_callback_sign=True)
    for each in (options, strict):
        hint = translate.hint_from_inbound(inbound, each)
        assert hint == Hint(reference="T202501020001", remote="25010200000001")
    changed = attrs.evolve(inbound, body=CALLBACK.replace("9.9000", "9.8000").encode())
    assert translate.hint_from_inbound(changed, options) == hint
    with pytest.raises(VerificationError):
        translate.hint_from_inbound(changed, strict)
