"""What the fulu adapter says to Fulu, and what it makes of callbacks."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.adapters.fulu import translate
from autocard.adapters.fulu.signature import signature
from autocard.spi import Hint, Inbound, RejectedError, Secret, VerificationError
from autocard.testing.leaks import LeakDetector
from autocard.testing.mutations import GARBAGE

NOW = datetime(2026, 1, 1, 20, 30, tzinfo=UTC)
SAID = {"order_id": "25010200000001", "customer_order_no": "a1b2c3", "order_status": "success"}


def _post(said) -> Inbound:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return Inbound(method="POST", path="/fulu/callback", body=body)


# --- calls ----------------------------------------------------------------------------------


def test_every_field_of_the_envelope_is_a_text(options, purchase) -> None:
    """The ten fields come as texts, in Beijing's time, the empty token among them."""
    call = translate.card_call(purchase, options)
    said = json.loads(translate.request_body(call, options, NOW))
    assert len(said) == 10
    assert all(isinstance(text, str) for text in said.values())
    assert said["timestamp"] == "2026-01-02 04:30:00"
    assert (said["app_auth_token"], said["version"], said["sign_type"]) == ("", "2.0", "md5")


def test_cards_are_bought_by_number(options, purchase) -> None:
    """A purchase of cards carries product, number and reference, and no price."""
    call = translate.card_call(purchase, options)
    assert call.method == "fulu.order.card.add"
    assert call.content == {
        "product_id": 10010001, "buy_num": 2, "customer_order_no": purchase.reference,
    }  # fmt: skip


def test_account_is_charged_with_what_was_chosen(options, top_up) -> None:
    """Choices find their fields by Fulu's own names, its templates' names, and the settings."""
    chosen = {
        "charge_game_role": "战士", "ChargeGame": "英雄", "大区": "一区", "备注": "快点",
        "charge_ip": "",
    }  # fmt: skip
    settled = attrs.evolve(
        options, option_fields={"大区": "charge_game_region", "备注": ""}, shop_type="京东"
    )
    call = translate.direct_call(attrs.evolve(top_up, options=chosen), settled)
    assert call.method == "fulu.order.direct.add"
    assert call.content == {
        "product_id": 20020002, "customer_order_no": top_up.reference, "buy_num": 2,
        "charge_account": "13800138000", "charge_game_role": "战士", "charge_game_name": "英雄",
        "charge_game_region": "一区", "shop_type": "京东",
    }  # fmt: skip


@pytest.mark.parametrize("item", ["", "0", "steam-50", "1.5", "-1", "１００", "1" * 19])
def test_items_that_are_no_numbers_are_not_sent(item, options, purchase, top_up) -> None:
    """A good without a number is refused before anything is sent."""
    for call, bought in ((translate.card_call, purchase), (translate.direct_call, top_up)):
        with pytest.raises(RejectedError, match="nothing was sent"):
            call(attrs.evolve(bought, item=item), options)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"target": ""}, "the account"), ({"target": "1" * 51}, "1 to 50"),
        ({"target": "name😀"}, "emoji"), ({"target": "name\ud800"}, "emoji"),
        ({"options": {"charge_type": "x" * 21}}, "charge_type must have 1 to 20"),
        ({"options": {"ContactType": "1" * 16}}, "contact_tel must have 1 to 15"),
        ({"options": {"区服": "一区"}}, "no field for the option '区服'"),
    ],
)  # fmt: skip
def test_what_fulu_cannot_be_told_is_not_sent(change, said, options, top_up) -> None:
    """An account or choice that has no place in the call is refused, not left out."""
    with pytest.raises(RejectedError, match=said):
        translate.direct_call(attrs.evolve(top_up, **change), options)


def test_refused_accounts_are_not_quoted(options, top_up) -> None:
    """The account and the choices show neither in errors nor in the call itself."""
    detector = LeakDetector()
    account, password = detector.plant("the account"), detector.plant("the password")
    plain = attrs.evolve(top_up, target=account, options={"charge_password": password})
    call = translate.direct_call(plain, options)
    assert call.content["charge_password"] == password
    detector.check_value("the call", call)
    wrong = (
        attrs.evolve(plain, target=account * 5),
        attrs.evolve(plain, options={"charge_password": password * 5}),
        attrs.evolve(plain, options={"other": password}),
    )
    for each in wrong:
        with pytest.raises(RejectedError) as caught:
            translate.direct_call(each, options)
        detector.check_exception(caught.value)
    detector.assert_clean()


def test_one_product_is_asked_for_by_number() -> None:
    """One product is listed alone; for several the whole catalogue is."""
    assert translate.goods_call(["1"]).content == {"product_id": "1"}
    assert translate.goods_call(["1", "2"]).content == {}


# --- callbacks ------------------------------------------------------------------------------


def test_callback_is_a_hint(options) -> None:
    """A callback names an order; whether it is signed does not matter unless it is required."""
    assert translate.hint_from_inbound(_post(SAID), options) == Hint(
        reference="a1b2c3", remote="25010200000001"
    )


@pytest.mark.parametrize(
    "said",
    [
        {}, [], {**SAID, "order_id": ""}, {**SAID, "customer_order_no": ""},
        {**SAID, "customer_order_no": "a b"}, {**SAID, "order_id": "x" * 65},
        {**SAID, "buy_num": 2}, {**SAID, "note": None}, {**SAID, "note": "x" * 70_000},
        {"order_id": "25010200000001"}, *GARBAGE,
    ],
)  # fmt: skip
def test_other_messages_are_refused(said, options) -> None:
    """What is no callback is refused, with one text for every cause."""
    with pytest.raises(VerificationError, match="not a callback about an order"):
        translate.hint_from_inbound(_post(said), options)


def test_callbacks_are_posted(options) -> None:
    """A callback comes as a POST."""
    with pytest.raises(VerificationError):
        translate.hint_from_inbound(attrs.evolve(_post(SAID), method="GET"), options)


def test_signature_is_required_where_the_settings_say_so(options) -> None:
    """With `require_callback_sign` an unsigned or changed callback is refused."""
    strict = attrs.evolve(options, require_callback_sign=True)
    with pytest.raises(VerificationError):
        translate.hint_from_inbound(_post(SAID), strict)
    text = json.dumps(SAID, ensure_ascii=False, separators=(",", ":"))
    signed = {**SAID, "sign": signature(text, Secret(options.credential.reveal()))}
    assert translate.hint_from_inbound(_post(signed), strict).reference == "a1b2c3"
    with pytest.raises(VerificationError):
        translate.hint_from_inbound(_post({**signed, "order_status": "failed"}), strict)


@given(st.binary() | st.dictionaries(st.sampled_from([*SAID, "sign"]), st.text()))
def test_anything_is_a_hint_or_refused(said) -> None:
    """Whatever is posted gives a hint or a `VerificationError`."""
    from autocard.adapters.fulu import FuluOptions

    strict = FuluOptions(
        app_key=Secret("k"), credential=Secret("s" * 32), require_callback_sign=True
    )
    for options in (strict, attrs.evolve(strict, require_callback_sign=False)):
        try:
            hint = translate.hint_from_inbound(_post(said), options)
        except VerificationError:
            continue
        assert hint.reference
