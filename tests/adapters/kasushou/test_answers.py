"""What each answer of a site means, to the letter: states, errors, cards, money, goods."""

from __future__ import annotations

import decimal
import json
from datetime import UTC, datetime
from decimal import Decimal

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autocard.adapters.kasushou import KasushouSupplier
from autocard.spi import (
    AdapterError,
    BoughtCard,
    Money,
    Offer,
    RejectedError,
    Response,
    Secret,
    Stage,
    Supplied,
    TransientError,
    UnknownOutcome,
)
from autocard.testing import CountingClient

REFERENCE = "a1b2c3d4e5f6g7h8i9"
SOLD = {
    "ordersn": "D250102000000001", "external_orderno": REFERENCE, "total_price": "19.80",
}  # fmt: skip
ORDER = {
    **SOLD, "recharge_info": [{"n": "充值账号", "v": "13800000000", "k": "recharge_account"}],
    "recharge_hints": "", "status": 3, "has_back_money": "0.00",
    "card_list": [
        {"card_no": "KS0001", "card_password": "PW0001"},
        {"card_no": "KS0002", "card_password": "PW0002"},
    ],
}  # fmt: skip
CARDS = (
    BoughtCard(number="KS0001", secret=Secret("PW0001")),
    BoughtCard(number="KS0002", secret=Secret("PW0002")),
)


def _body(data: object, code: object = 200, msg: object = "ok") -> bytes:
    return json.dumps({"code": code, "msg": msg, "data": data}).encode()


# --- buying ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "cost"),
    [
        ({}, "19.80"), ({"total_price": 19.8}, "19.80"), ({"total_price": "19.8012"}, "19.81"),
        ({"total_price": 20}, "20.00"), ({"total_price": "0.0001"}, "0.01"),
        ({"total_price": "-1"}, None), ({"total_price": "abc"}, None), ({"total_price": None}, None),
        ({"total_price": "1e3"}, None),
    ],
)  # fmt: skip
def test_accepted_purchase_is_worked_on(changed, cost, answering, purchase) -> None:
    """An accepted purchase is in progress, with the site's number and cost rounded up to cents."""
    supplied = answering(_body({**SOLD, **changed})).buy(purchase)
    assert supplied == Supplied(
        stage=Stage.WORKING,
        remote="D250102000000001",
        cost=None if cost is None else Money(cost, "CNY"),
    )


def test_number_of_ours_may_be_missing(answering, purchase) -> None:
    """A clone that does not repeat our number has accepted the purchase all the same."""
    supplied = answering(_body({"ordersn": 17})).buy(purchase)
    assert supplied == Supplied(stage=Stage.WORKING, remote="17")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("余额不足", "balance"), ("用户余额不足", "balance"), ("商品库存不足", "stock"),
        ("商品价格高于安全价格", "ceiling"), ("签名错误", "credential"), ("Sign error", "credential"),
        ("充值账号格式错误", "account"), ("商品已下架", "item"), ("系统繁忙", "not known here"),
        ("", "not known here"), (None, "not known here"),
    ],
)  # fmt: skip
def test_refusals_are_final(words, said, answering, purchase, top_up) -> None:
    """A refusal means that nothing was bought; why is told in our words, not in theirs."""
    for status in (200, 400, 403):
        supplier = answering(_body([], 400, words), status)
        with pytest.raises(RejectedError, match=said) as caught:
            supplier.buy(purchase)
        assert not words or words not in str(caught.value)
        with pytest.raises(RejectedError):
            supplier.top_up(top_up)


@pytest.mark.parametrize("words", ["订单号重复", "请勿重复提交", "该外部订单号已存在"])
def test_repeated_numbers_are_looked_up(words, answering, purchase) -> None:
    """A refusal because our number was used before says that something may have been bought."""
    with pytest.raises(UnknownOutcome, match="used before"):
        answering(_body([], 400, words)).buy(purchase)


def test_words_for_repeated_numbers_are_configured(answering, purchase) -> None:
    """A clone's own words for a number that was used before can be given."""
    with pytest.raises(RejectedError):
        answering(_body([], 400, "dup order")).buy(purchase)
    with pytest.raises(UnknownOutcome):
        answering(_body([], 400, "DUP order"), repeated_words=("Dup",)).buy(purchase)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("余额不足", "balance"), ("商品库存不足", "stock"), ("商品价格高于安全价格", "ceiling"),
        ("签名错误", "credential"), ("商品已购买过，请勿再次提交", ""), ("订单号已使用", ""),
        ("商品订单号已使用", ""), ("error", ""), ("", ""),
    ],
)  # fmt: skip
def test_refusal_of_a_repeated_purchase_is_unknown(
    words, said, answering, purchase, top_up
) -> None:
    """Sent again, a purchase may be refused because of its first order: that is looked up."""
    for call, bought in (("buy", purchase), ("top_up", top_up)):
        supplier = answering(_body([], 400, words))
        with pytest.raises(
            UnknownOutcome, match=f"refused a repeated purchase.*{said}.*look it up"
        ):
            getattr(supplier, call)(attrs.evolve(bought, attempts=2))


def test_repetition_that_is_not_sent_is_unknown(options, purchase, top_up) -> None:
    """That a repetition cannot be sent says nothing of what was sent before."""
    client = CountingClient(RejectedError("the address is not allowed"))
    supplier = KasushouSupplier(options, client)
    strange = attrs.evolve(top_up, options={"区服": "1"})
    with pytest.raises(RejectedError, match="not allowed"):
        supplier.buy(purchase)
    with pytest.raises(RejectedError, match="no field"):
        supplier.top_up(strange)
    with pytest.raises(UnknownOutcome, match="before may have been done; look it up"):
        supplier.buy(attrs.evolve(purchase, attempts=2))
    with pytest.raises(UnknownOutcome, match="no field"):
        supplier.top_up(attrs.evolve(strange, attempts=2))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (_body([], 500, "unknown"), 200), (_body(SOLD), 500), (_body([], 400, "余额不足"), 502),
        (b"<html>", 200), (b"<html>", 403), (b"<html>", 404), (b"", 200), (b"", 302),
        (_body(SOLD, 0), 200), (_body(SOLD, 1), 200), (_body(SOLD, True), 200),
        (_body(SOLD, "2e2"), 200), (_body(SOLD, "9" * 5000), 200), (_body(SOLD, None), 200),
        (_body([]), 200), (_body([SOLD]), 200), (_body({"total_price": "1.00"}), 200),
        (_body({**SOLD, "external_orderno": "another"}), 200), (_body({**SOLD, "ordersn": ""}), 200),
        (_body({**SOLD, "ordersn": "a b"}), 200), (_body({**SOLD, "ordersn": "x" * 65}), 200),
        (_body({**SOLD, "ordersn": "\ud800"}), 200), (b'{"code":200', 200),
    ],
)  # fmt: skip
def test_everything_else_is_unknown(body, status, answering, purchase, top_up) -> None:
    """Whatever is neither a success nor a refusal of this purchase may have bought it."""
    with pytest.raises(UnknownOutcome):
        answering(body, status).buy(purchase)
    with pytest.raises(UnknownOutcome):
        answering(body, status).top_up(attrs.evolve(top_up, reference=REFERENCE))


@pytest.mark.parametrize("status", [425, 429, 503])
def test_busy_server_proves_nothing(status, options, purchase, top_up) -> None:
    """A server that is busy may have bought; only a question is simply asked again, later."""
    client = CountingClient(Response(status=status, headers={"retry-after": "7"}, body=b"<html>"))
    supplier = KasushouSupplier(options, client)
    with pytest.raises(UnknownOutcome, match=str(status)):
        supplier.buy(purchase)
    with pytest.raises(UnknownOutcome, match=str(status)):
        supplier.top_up(top_up)
    for ask in (lambda: supplier.find_purchase(purchase), supplier.balance):
        with pytest.raises(TransientError) as caught:
            ask()
        assert caught.value.retry_after_s == 7.0


@pytest.mark.parametrize("code", [0, 1, "1"])
def test_clones_say_success_in_their_own_way(code, answering, purchase) -> None:
    """The codes that mean success are configured, as numbers; a text of one is taken too."""
    supplier = answering(_body(SOLD, code), success_codes=(0, 1))
    assert supplier.buy(purchase).stage is Stage.WORKING
    with pytest.raises(UnknownOutcome):
        answering(_body(SOLD, 200), success_codes=(0, 1)).buy(purchase)


# --- looking up -----------------------------------------------------------------------------


def _found(answering, purchase, **changed) -> Supplied | None:
    return answering(_body([{**ORDER, **changed}])).find_purchase(purchase)


def test_documented_order_is_served(answering, purchase) -> None:
    """The order of the documentation is done, with its cards, cost and number."""
    assert _found(answering, purchase) == Supplied(
        stage=Stage.DONE, remote="D250102000000001", cards=CARDS, cost=Money("19.80", "CNY")
    )


@pytest.mark.parametrize("status", [1, 2, "1", "2"])
def test_order_in_progress_has_no_cards(status, answering, purchase) -> None:
    """An order that waits or is processed is looked at again, whatever it lists already."""
    supplied = _found(answering, purchase, status=status)
    assert supplied.stage is Stage.WORKING
    assert supplied.cards == ()


@pytest.mark.parametrize("listed", [[], None, "", "[]", {}, [None], [{}], [""], [" ", {"card_no": " "}],
                                    [{"card_no": "", "card_password": None}], "[", [[]]])  # fmt: skip
def test_success_without_cards_is_in_progress(listed, answering, purchase, top_up) -> None:
    """A success of card goods counts once its cards are there; a top-up has none."""
    assert _found(answering, purchase, card_list=listed).stage is Stage.WORKING
    charged = attrs.evolve(top_up, reference=REFERENCE)
    assert _found(answering, charged, card_list=listed) == Supplied(
        stage=Stage.DONE, remote="D250102000000001", cost=Money("19.80", "CNY")
    )


def test_unpaid_order_failed(answering, purchase) -> None:
    """An order for which the balance was not enough failed, and says what to do."""
    supplied = _found(answering, purchase, status=-1, card_list=[])
    assert supplied.stage is Stage.FAILED
    assert "pay money in" in supplied.problem


@pytest.mark.parametrize("status", [4, 5, "5"])
@pytest.mark.parametrize(
    ("total", "back"),
    [("19.80", "19.80"), ("19.8000", 19.8), ("19.8123", "19.8123"), ("0", "0.00")],
)
def test_order_paid_back_in_full_failed(status, total, back, answering, purchase) -> None:
    """Called off and paid back to the last cent, an order failed; cards it lists are not ours."""
    supplied = _found(answering, purchase, status=status, total_price=total, has_back_money=back)
    assert supplied.stage is Stage.FAILED
    assert supplied.cards == ()
    assert supplied.cost == supplied.refunded


@pytest.mark.parametrize("status", [4, 5])
@pytest.mark.parametrize(
    ("total", "back", "refunded"),
    [
        ("19.80", "9.90", "9.90"), ("19.80", "0.00", None), ("19.80", "19.7999", "19.79"),
        ("19.80", None, None), (None, "19.80", "19.80"),
        ("x", "x", None), ("19.80", "-19.80", None),
    ],
)  # fmt: skip
def test_order_paid_back_in_part_is_unclear(
    status, total, back, refunded, answering, purchase
) -> None:
    """Called off without all of the money, an order needs a person, who also gets its cards."""
    supplied = _found(answering, purchase, status=status, total_price=total, has_back_money=back)
    assert supplied.stage is Stage.UNCLEAR
    assert supplied.cards == CARDS
    assert supplied.refunded == (None if refunded is None else Money(refunded, "CNY"))


@pytest.mark.parametrize("status", [0, 6, "x", None, [], 3.5, -2])
def test_unknown_state_is_unclear(status, answering, purchase) -> None:
    """A state that is not documented needs a person."""
    assert _found(answering, purchase, status=status).stage is Stage.UNCLEAR


@pytest.mark.parametrize("back", ["5.00", "19.80", 0.01])
@pytest.mark.parametrize("listed", [ORDER["card_list"], []])
def test_served_order_that_was_paid_back_is_unclear(
    back, listed, answering, purchase, top_up
) -> None:
    """A success of which money came back is one in part only: a person sees what was served."""
    charged = attrs.evolve(top_up, reference=REFERENCE)
    for bought in (purchase, charged):
        supplied = _found(answering, bought, has_back_money=back, card_list=listed)
        assert supplied.stage is Stage.UNCLEAR
        assert supplied.refunded == Money(str(back), "CNY")
        assert supplied.cards == (CARDS if listed else ())
        assert "paid money back" in supplied.problem


@pytest.mark.parametrize("status", [3, 4, 5])
def test_more_paid_back_than_charged_is_unclear(status, answering, purchase, top_up) -> None:
    """Where more came back than was paid, no amount is believed, and a person looks."""
    charged = attrs.evolve(top_up, reference=REFERENCE)
    for bought in (purchase, charged):
        supplied = _found(answering, bought, status=status, has_back_money="25.00")
        assert (supplied.stage, supplied.refunded) == (Stage.UNCLEAR, None)
        assert (supplied.cost, supplied.cards) == (Money("19.80", "CNY"), CARDS)
        assert "more than the order cost" in supplied.problem
    assert _found(answering, purchase, status=9, has_back_money="25.00").refunded is None


def test_missing_order_is_none(answering, purchase) -> None:
    """An empty list says that there is no such order."""
    assert answering(_body([])).find_purchase(purchase) is None
    assert answering(_body({"list": [], "total": 0})).find_purchase(purchase) is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (_body([], 400, "订单不存在"), 200), (_body([], 400, "签名错误"), 200), (_body([], 500), 200),
        (_body(None), 200), (_body({}), 200), (_body("[]"), 200), (_body({"list": None}), 200),
        (_body([None]), 200), (_body([{**ORDER, "external_orderno": "another"}]), 200),
        (_body([{**ORDER, "external_orderno": ""}]), 200), (b"<html>", 404), (b"[]", 200),
        (b"", 200), (_body([]), 500), (_body([]), 404), (_body([], 1), 200),
    ],
)  # fmt: skip
def test_unusable_look_up_is_transient(body, status, answering, purchase) -> None:
    """A look-up that says nothing definite is made again; it never means that there is none."""
    with pytest.raises(TransientError):
        answering(body, status).find_purchase(purchase)


def test_order_is_found_by_the_number_of_the_site(answering, purchase) -> None:
    """Where a clone keeps our number back, its own one tells that it is this purchase."""
    known = attrs.evolve(purchase, remote="D250102000000001")
    assert _found(answering, known, external_orderno=None).stage is Stage.DONE
    other = attrs.evolve(purchase, remote="D250102000000009")
    with pytest.raises(TransientError):
        _found(answering, other, external_orderno=None)


def test_other_orders_are_left_aside(answering, purchase) -> None:
    """Of several orders that are told, only ours counts."""
    other = {**ORDER, "external_orderno": "another", "card_list": ["OTHER"]}
    assert answering(_body([other, ORDER])).find_purchase(purchase).cards == CARDS


def test_two_orders_under_one_number_are_unclear(answering, purchase) -> None:
    """Two orders under our number need a person, who gets the cards of both."""
    again = {**ORDER, "ordersn": "D250102000000002", "card_list": ["PW0003"]}
    supplied = answering(_body([ORDER, again])).find_purchase(purchase)
    assert supplied.stage is Stage.UNCLEAR
    assert supplied.cards == (*CARDS, BoughtCard(secret=Secret("PW0003")))


# --- cards ----------------------------------------------------------------------------------


def _cards(answering, purchase, listed) -> tuple[BoughtCard, ...]:
    return _found(answering, purchase, card_list=listed).cards


@pytest.mark.parametrize(
    ("listed", "number", "secret"),
    [
        ([{"card_no": "", "card_password": "PW1"}], "", "PW1"),
        ([{"card_no": None, "card_password": "PW1"}], "", "PW1"),
        ([{"card_password": " PW1\n"}], "", "PW1"),
        ([{"card_no": "KS1", "card_password": ""}], "KS1", ""),
        ([{"card_no": 1234567890123456789012, "card_password": 9.10}], "1234567890123456789012", "9.1"),
        (["PW1"], "", "PW1"),
        ([1234], "", "1234"),
        ('[{"card_no":"KS1","card_password":"PW1"}]', "KS1", "PW1"),
        ([{}, "PW1", None], "", "PW1"),
    ],
)  # fmt: skip
def test_cards_come_in_several_shapes(listed, number, secret, answering, purchase) -> None:
    """Objects, texts and JSON in a text are cards; empty fields are empty, blank entries none."""
    assert _cards(answering, purchase, listed) == (
        BoughtCard(number=number, secret=Secret(secret)),
    )


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        ("2027-01-01 00:00:00", datetime(2026, 12, 31, 16, tzinfo=UTC)),
        ("2027-01-01", datetime(2027, 1, 1, 15, 59, 59, tzinfo=UTC)),
        ("1798732800", datetime(2026, 12, 31, 16, tzinfo=UTC)),
        (1798732800000, datetime(2026, 12, 31, 16, tzinfo=UTC)),
        ("", None), (None, None), (0, None), ("0000-00-00 00:00:00", None),
        ("1970-01-01 08:00:00", None),
    ],
)  # fmt: skip
def test_cards_end_in_beijing(written, ends, answering, purchase) -> None:
    """An end of a card is Beijing time; an empty one is none."""
    entry = {"card_no": "", "card_password": "PW1", "end_time": written}
    (card,) = _cards(answering, purchase, [entry])
    assert card.expires_at == ends
    assert card.extra == {}


@pytest.mark.parametrize("written", ["长期", "2027-13-01", "0001-01-01 00:00:00", "31.12.2027"])
def test_odd_end_is_kept(written, answering, purchase) -> None:
    """An end that is not understood is kept for people to read."""
    entry = {"card_no": "", "card_password": "PW1", "end_time": written}
    (card,) = _cards(answering, purchase, [entry])
    assert card.expires_at is None
    assert card.extra == {"end_time": Secret(written)}


# --- goods ----------------------------------------------------------------------------------

GOOD = {
    "id": 10023, "goods_name": "点卡 50", "goods_img": "", "goods_type": 1, "face_value": "10.0000",
    "goods_price": "9.9000", "status": 1, "stock_num": 5, "can_buy": "", "can_no_buy": "",
    "can_price": "0", "need_balance": "0", "start_count": 1, "end_count": 10,
}  # fmt: skip
OFFER = Offer(
    item="10023", price=Money("9.90", "CNY"), available=5, least=1, most=10, name="点卡 50"
)


def _offers(answering, changed, **settings) -> list[Offer]:
    return list(answering(_body({**GOOD, **changed}), **settings).offers(["10023"]))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {}), ({"id": "10023"}, {}), ({"id": None}, {}), ({"status": "1"}, {}),
        ({"goods_price": "9.9001"}, {"price": Money("9.91", "CNY")}),
        ({"goods_price": 9.9}, {}), ({"status": 2}, {"on_sale": False}),
        ({"status": 3}, {"on_sale": False}), ({"status": None}, {"on_sale": False}),
        ({"goods_type": 2}, {}), ({"goods_type": 3}, {"on_sale": False}),
        ({"stock_num": -1}, {"available": 0}), ({"stock_num": "7"}, {"available": 7}),
        ({"stock_num": None}, {"available": None}), ({"stock_num": "many"}, {"available": None}),
        ({"start_count": 3}, {"least": 3}), ({"start_count": 0}, {"least": 1}),
        ({"end_count": 0}, {"most": None}), ({"end_count": -1}, {"most": None}),
        ({"goods_name": None}, {"name": ""}), ({"can_no_buy": "京东"}, {}),
    ],
)  # fmt: skip
def test_goods_become_offers(changed, expected, answering) -> None:
    """Price, stock and limits of a good are told; prices are rounded up to cents."""
    assert _offers(answering, changed) == [attrs.evolve(OFFER, **expected)]


@pytest.mark.parametrize(
    ("changed", "on_sale"),
    [
        ({}, True), ({"can_buy": "拼多多, 京东"}, True), ({"can_buy": "淘宝"}, False),
        ({"can_no_buy": "淘宝,京东"}, False), ({"can_no_buy": "淘宝"}, True),
    ],
)  # fmt: skip
def test_goods_may_be_forbidden_where_we_sell(changed, on_sale, answering) -> None:
    """A good that may not be sold on our channel is not on sale for us."""
    (offer,) = _offers(answering, changed, sales_channel="京东")
    assert offer.on_sale is on_sale


@pytest.mark.parametrize(
    "changed", [{"goods_price": ""}, {"goods_price": "0.00"}, {"goods_price": "-1"},
                {"goods_price": None}, {"id": 10024}],
)  # fmt: skip
def test_goods_without_a_price_are_asked_for_again(changed, answering) -> None:
    """An answer without a price, or about another good, is none."""
    with pytest.raises(TransientError):
        _offers(answering, changed)
    with pytest.raises(TransientError):
        answering(_body([])).offers(["10023"])


def test_unknown_goods_have_no_offer(answering) -> None:
    """A good that the site does not know is left out; any other refusal is told."""
    assert answering(_body([], 400, "商品不存在")).offers(["1", "2"]) == []
    with pytest.raises(RejectedError, match="credential"):
        answering(_body([], 400, "签名错误")).offers(["1"])


@pytest.mark.parametrize(
    ("held", "expected"),
    [("123.45", "123.45"), ("123.4599", "123.45"), (7, "7.00"), ("-3.001", "-3.01"), ("0", "0")],
)
def test_balance_is_rounded_down(held, expected, answering) -> None:
    """The balance is what is certainly there, a debt included."""
    assert answering(_body({"balance": held})).balance() == Money(expected, "CNY")


def test_unusable_balance(answering) -> None:
    """A balance that is none is asked for again; a refusal is told."""
    for data in ([], {}, {"balance": "much"}, {"balance": None}):
        with pytest.raises(TransientError):
            answering(_body(data)).balance()
    with pytest.raises(RejectedError):
        answering(_body([], 400, "用户不存在")).balance()


def test_host_may_count_with_few_digits(answering, purchase) -> None:
    """Amounts are exact whatever precision the host has set for its own decimals."""
    with decimal.localcontext(decimal.Context(prec=3)):
        supplied = _found(answering, purchase, total_price="123456.7891", has_back_money="0.1234")
    assert supplied.cost == Money(Decimal("123456.79"), "CNY")
    assert supplied.refunded == Money("0.12", "CNY")


# --- anything at all ------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ODD = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3)
                   | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6)  # fmt: skip


def _try(make, body, purchase, status=200) -> None:
    supplier = make(body, status)
    for call in (
        lambda: supplier.buy(purchase),
        lambda: supplier.find_purchase(purchase),
        lambda: supplier.offers(["10023"]),
        supplier.balance,
    ):
        try:
            call()
        except AdapterError:
            continue


@given(body=st.binary(max_size=200), status=st.integers(100, 599))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_a_value_or_an_error(body, status, adapters, bought) -> None:
    """Whatever a server sends, a call returns something or raises an `AdapterError`."""
    _try(adapters, body, bought, status)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_fields_give_a_value_or_an_error(data, adapters, bought) -> None:
    """Whatever stands in the fields of an answer, a call returns something or raises."""
    row = {**ORDER, **GOOD, "balance": "1.00"}
    names = data.draw(st.lists(st.sampled_from(sorted(row)), max_size=4))
    odd = {**row, **{name: data.draw(ODD) for name in names}}
    for shape in (odd, [odd], {"list": [odd]}):
        _try(adapters, _body(shape), bought)


@pytest.fixture(name="adapters", scope="module")
def _adapters():
    from autocard.adapters.kasushou import KasushouOptions

    options = KasushouOptions(
        base_url="https://cards.example.com", user_id="1", credential=Secret("secret-api-key")
    )
    return lambda body, status: KasushouSupplier(
        options, CountingClient(Response(status=status, body=body))
    )


@pytest.fixture(name="bought", scope="module")
def _bought():
    from autocard.spi import Purchase

    moment = datetime(2026, 1, 2, tzinfo=UTC)
    return Purchase(
        reference=REFERENCE, sku="s", item="10023", quantity=2, price=Money("9.90", "CNY"),
        ceiling=Money("9.90", "CNY"), begun_at=moment, sent_at=moment,
    )  # fmt: skip
