"""Messages of a site: what is proved, what is refused, and what is made of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autocard.adapters.kasushou import KasushouOptions, KasushouSupplier
from autocard.adapters.kasushou.signature import signature, sorted_json
from autocard.spi import Answer, Hint, Inbound, Secret, VerificationError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = Secret("KSS_demo_apikey_0123456789abcdef")
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
FIELDS = {
    "external_orderno": "a1b2c3d4e5f6g7h8i9", "ordersn": "D1", "status": "3",
    "has_back_money": "0.00", "total_price": "19.80", "recharge_hints": "a/b",
    "time": str(int(NOW.timestamp() * 1000)),
}  # fmt: skip
HINT = Hint(reference="a1b2c3d4e5f6g7h8i9", remote="D1")


def _signed(fields: dict) -> dict:
    text = sorted_json(fields, escapes_slashes=True)
    return {**fields, "sign": signature(str(fields.get("time")), text, KEY)}


def _inbound(fields: dict, headers: dict = JSON, method: str = "POST") -> Inbound:
    body = urlencode(fields) if headers is FORM else json.dumps(fields)
    return Inbound(method=method, path="/kss", headers=headers, body=body.encode())


@pytest.fixture(name="supplier", scope="module")
def _supplier() -> KasushouSupplier:
    return KasushouSupplier(
        KasushouOptions(base_url="https://cards.example.com", user_id="1", credential=KEY), None
    )


def _is_refused(supplier, inbound, now=NOW) -> bool:
    try:
        supplier.parse(inbound, now=now)
    except VerificationError as error:
        return str(error) == "kasushou: the message is not proved genuine"
    return False


@pytest.mark.parametrize(
    "headers", [JSON, FORM, {"Content-Type": "Application/JSON; charset=utf-8"}]
)
def test_messages_come_as_json_or_form(headers, supplier) -> None:
    """A message may be JSON or, from clones, a form."""
    assert supplier.parse(_inbound(_signed(FIELDS), headers), now=NOW) == HINT


def test_json_may_be_called_a_form(supplier) -> None:
    """PHP calls a body a form unless it is told otherwise."""
    inbound = attrs.evolve(_inbound(_signed(FIELDS)), headers=FORM)
    assert supplier.parse(inbound, now=NOW) == HINT


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"time": FIELDS["time"], "ordersn": "D1", "status": 3, "content": "补/发",
          "screenshot": ["https://i/1"]}, Hint(remote="D1")),
        ({"time": FIELDS["time"], "external_orderno": "KS1", "extra": {"b": 1, "a": [1.50]}},
         Hint(reference="KS1")),
        ({"time": int(FIELDS["time"]), "ordersn": 17}, Hint(remote="17")),
        ({"time": FIELDS["time"], "id": "10023_2"}, Hint(items=("10023_2",))),
    ],
)  # fmt: skip
def test_other_messages(fields, hint, supplier) -> None:
    """After-sales, numbers as numbers, nested fields and goods with SKUs are understood."""
    assert supplier.parse(_inbound(_signed(fields)), now=NOW) == hint


def test_fields_of_goods_are_not_signed(supplier) -> None:
    """What a push says of a good beside its id may be anything: it is asked for anew."""
    fields = _signed({"id": 10023, "time": FIELDS["time"]})
    for more in ({}, {"stock_num": 1}, {"goods_sku_id": 7, "goods_price": None, "status": []}):
        assert supplier.parse(_inbound({**fields, **more}), now=NOW) == Hint(items=("10023",))


@pytest.mark.parametrize(
    "changed",
    [
        {"sign": ""}, {"sign": None}, {"sign": "0" * 40}, {"sign": 1}, {"sign": "\ud800"},
        {"status": 3}, {"status": "4"}, {"ordersn": "D2"}, {"extra": ""}, {"time": "1"},
        {"external_orderno": ""}, {"recharge_hints": "a\\/b"},
    ],
)  # fmt: skip
def test_changed_messages_are_refused(changed, supplier) -> None:
    """Every field that is signed counts, and so does every one that is added."""
    assert _is_refused(supplier, _inbound({**_signed(FIELDS), **changed}))
    for name in FIELDS:
        less = {field: text for field, text in _signed(FIELDS).items() if field != name}
        assert _is_refused(supplier, _inbound(less))


@pytest.mark.parametrize(
    "fields",
    [
        {"time": FIELDS["time"]}, {"time": FIELDS["time"], "ordersn": ""},
        {"time": FIELDS["time"], "ordersn": "", "external_orderno": ""},
        {"time": FIELDS["time"], "ordersn": "D 1"}, {"time": FIELDS["time"], "ordersn": "x" * 65},
        {"time": FIELDS["time"], "ordersn": ["D1"]}, {"time": FIELDS["time"], "id": ""},
        {"time": FIELDS["time"], "id": "a b"}, {"time": FIELDS["time"], "id": None},
        {"time": FIELDS["time"][:10], "ordersn": "D1"}, {"time": None, "ordersn": "D1"},
        {"time": "١" * 13, "ordersn": "D1"}, {"ordersn": "D1"},
    ],
)  # fmt: skip
def test_messages_that_name_nothing_are_refused(fields, supplier) -> None:
    """Signed or not, a message without a usable number or time is refused."""
    assert _is_refused(supplier, _inbound(_signed(fields)))


def test_messages_of_another_time_are_refused(supplier) -> None:
    """The signed time may be two hours away, as the site repeats messages, and no more."""
    inbound = _inbound(_signed(FIELDS))
    for seconds in (-7200, 0, 4500, 7200):
        assert supplier.parse(inbound, now=NOW + timedelta(seconds=seconds)) == HINT
    for seconds in (-7201, 7201, 86_400):
        assert _is_refused(supplier, inbound, NOW + timedelta(seconds=seconds))


def test_messages_of_another_kind_are_refused(supplier) -> None:
    """Only a POST of JSON or a form within a megabyte is read, and no field may come twice."""
    good = _inbound(_signed(FIELDS))
    deep = b'{"ordersn":"D1","time":"%s","x":%s}' % (
        FIELDS["time"].encode(), b"[" * 600 + b"]" * 600,
    )  # fmt: skip
    for changed in (
        {"method": "GET"}, {"method": "PUT"}, {"headers": {}},
        {"headers": {"content-type": "text/plain"}}, {"body": b""}, {"body": b"[]"},
        {"body": b"{"}, {"body": b"\xff"}, {"body": good.body + b" " * 1_048_576}, {"body": deep},
    ):  # fmt: skip
        assert _is_refused(supplier, attrs.evolve(good, **changed))
    form = _inbound(_signed(FIELDS), FORM)
    for body in (form.body + b"&ordersn=D1", form.body + b"&x", form.body + b"&x=%ff",
                 form.body + b"&a=1" * 300):  # fmt: skip
        assert _is_refused(supplier, attrs.evolve(form, body=body))


def test_key_of_another_customer_is_refused(supplier, options) -> None:
    """A message that was signed with another API key is not for us."""
    other = attrs.evolve(options, credential=Secret("another-api-key"))
    assert _is_refused(KasushouSupplier(other, None), _inbound(_signed(FIELDS)))


def test_replies_are_short(supplier) -> None:
    """The site reads `ok`; a refusal explains nothing, and a message for later comes again."""
    said = {answer: supplier.acknowledge(answer) for answer in Answer}
    assert (said[Answer.ACCEPTED].status, said[Answer.ACCEPTED].body) == (200, b"ok")
    assert (said[Answer.REFUSED].status, said[Answer.REFUSED].body) == (400, b"fail")
    assert (said[Answer.LATER].status, said[Answer.LATER].body) == (503, b"fail")


@given(
    body=st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(["id", "time", "sign", "ordersn", "card_list", "x"]),
        st.none() | st.text(max_size=5) | st.just(FIELDS["time"]) | st.lists(st.integers()),
    ).map(lambda fields: json.dumps(fields).encode()),
    headers=st.sampled_from([JSON, FORM, {}]),
)
@settings(max_examples=300, deadline=None)
def test_any_message_is_refused(body, headers, supplier) -> None:
    """Whatever arrives that nobody signed is refused, and with nothing but a refusal."""
    assert _is_refused(supplier, Inbound(method="POST", path="/", headers=headers, body=body))
