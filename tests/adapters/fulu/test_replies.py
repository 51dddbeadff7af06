"""What the fulu adapter makes of Fulu's answers: each class of error, each quirk of cards."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.adapters.fulu import FuluOptions, FuluSupplier
from autocard.adapters.fulu.replies import (
    balance_from_response,
    offers_from_response,
    supplied_from_look_up,
    supplied_from_placing,
)
from autocard.spi import (
    AdapterError,
    Money,
    Purchase,
    RejectedError,
    Response,
    Secret,
    Shape,
    Stage,
    TransientError,
    UnknownOutcome,
)
from autocard.testing.leaks import LeakDetector
from autocard.testing.mutations import GARBAGE, CountingClient

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
PURCHASE = Purchase(
    reference="a1b2c3d4e5f6g7h8i9", sku="month", item="10010001", quantity=2,
    price=Money("9.90", "CNY"), ceiling=Money("10", "CNY"), begun_at=BEGUN, sent_at=BEGUN,
)  # fmt: skip
NO_FORM = (
    *GARBAGE,
    b'{"code": "0", "message": "", "result": ""}',
    b'{"code": true, "message": "", "result": ""}',
    b'{"code": 0.0, "message": "", "result": ""}',
    b'{"code": 3008, "message": "", "result": {}}',
    b'{"code": 3008, "message": 7, "result": ""}',
    b'{"code": 3008, "message": "", "result": "", "sign": 7}',
    b'{"code": NaN, "message": "", "result": ""}',
    b'{"code": 3008, "message": "no result"}',
    b'{"code": 1e9999999999999999999, "message": "", "result": ""}',
)


def _refusal(code: int, message: str = "系统错误", result: str | None = "") -> Response:
    said = {"code": code, "message": message, "result": result, "sign": ""}
    return Response(status=200, body=json.dumps(said).encode())


@pytest.fixture(name="card")
def _card(simulation):
    """Makes a card as Fulu sends it, each field sealed by itself."""

    def card(number="FLNO00010001", password="PWD-8888-AAAA", **more):
        def sealed(text):
            return simulation.encrypted(text, "9f8e7d6c5b4a39281706f5e4d3c2b1a0")

        return {
            "card_number": sealed(number), "card_pwd": sealed(password), "card_type": 0,
            "card_deadline": "2026-01-02 00:00:00", **more,
        }  # fmt: skip

    return card


@pytest.fixture(name="looked_up")
def _looked_up(answer, order, purchase, options):
    """Makes what is said of the purchase when it is looked up and Fulu shows it so."""

    def looked_up(**more):
        return supplied_from_look_up(answer(order(**more)), purchase, options)

    return looked_up


# --- the envelope ---------------------------------------------------------------------------


@pytest.mark.parametrize("body", NO_FORM)
def test_other_forms_prove_nothing(body, options, purchase) -> None:
    """An answer in another form leaves a purchase unknown and a question to be asked again."""
    response = Response(status=200, body=body)
    with pytest.raises(UnknownOutcome):
        supplied_from_placing(response, purchase, options)
    with pytest.raises(TransientError):
        supplied_from_look_up(response, purchase, options)
    with pytest.raises(TransientError):
        offers_from_response(response, ["1"], options)
    with pytest.raises(TransientError):
        balance_from_response(response, options)


@pytest.mark.parametrize("status", [201, 302, 400, 403, 404, 429, 500, 503])
def test_other_statuses_prove_nothing(status, answer, order, options, purchase) -> None:
    """Whatever the body says: without HTTP 200 a purchase is unknown, a question is repeated."""
    response = attrs.evolve(answer(order()), status=status)
    with pytest.raises(UnknownOutcome, match=str(status)):
        supplied_from_placing(response, purchase, options)
    with pytest.raises(TransientError, match=str(status)):
        supplied_from_look_up(response, purchase, options)


def test_wrong_signatures_prove_nothing(answer, order, options, purchase) -> None:
    """A result that is signed by somebody else counts for nothing."""
    other = attrs.evolve(options, credential=Secret("f" * 32))
    for message in ("", "商品库存不足"):
        response = answer(order(order_state="failed"), message=message)
        with pytest.raises(UnknownOutcome, match="not proved"):
            supplied_from_placing(response, purchase, other)
        with pytest.raises(TransientError, match="not proved"):
            supplied_from_look_up(response, purchase, other)


def test_empty_signatures_are_let_pass(answer, order, options, purchase) -> None:
    """Fulu leaves signatures out at times: only one that is there has to fit."""
    said = json.loads(answer(order()).body)
    for sign in ("", None):
        response = Response(status=200, body=json.dumps({**said, "sign": sign}).encode())
        assert supplied_from_placing(response, purchase, options).stage is Stage.WORKING
    del said["sign"]
    response = Response(status=200, body=json.dumps(said).encode())
    assert supplied_from_placing(response, purchase, options).stage is Stage.WORKING


def test_results_that_nobody_can_sign_prove_nothing(options, purchase) -> None:
    """A lone surrogate in a signed result is a wrong signature, not another error."""
    said = {"code": 0, "message": "", "result": "\ud800", "sign": "0" * 32}
    with pytest.raises(UnknownOutcome, match="not proved"):
        supplied_from_placing(
            Response(status=200, body=json.dumps(said).encode()), purchase, options
        )


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [3001, 3002, 3003, 3004, 3005, 3008])
def test_refused_products_are_final(code, options, purchase) -> None:
    """A refusal about the product means that nothing was bought, and another may be."""
    with pytest.raises(RejectedError, match=str(code)):
        supplied_from_placing(_refusal(code, "商品库存不足"), purchase, options)


@pytest.mark.parametrize("code", [-1, 1, 3006, 3007, 3009, 5000])
def test_other_refusals_are_looked_up_first(code, options, purchase) -> None:
    """A refusal of another kind may not be the whole truth."""
    with pytest.raises(UnknownOutcome, match="look the order up"):
        supplied_from_placing(_refusal(code), purchase, options)


def test_codes_are_settings(options, purchase) -> None:
    """Which refusals are final is a setting."""
    other = attrs.evolve(options, refused_codes=(5000,))
    with pytest.raises(RejectedError):
        supplied_from_placing(_refusal(5000), purchase, other)
    with pytest.raises(UnknownOutcome):
        supplied_from_placing(_refusal(3008), purchase, other)


def test_any_refusal_of_a_repeated_purchase_is_looked_up(options, purchase) -> None:
    """Sent again, even a refusal about the product may only mean that the first one was taken."""
    again = attrs.evolve(purchase, attempts=2)
    with pytest.raises(UnknownOutcome):
        supplied_from_placing(_refusal(3008, "商品库存不足"), again, options)


@pytest.mark.parametrize(
    ("message", "hint"),
    [("签名错误", "credential"), ("IP不在白名单", "console"), ("ip 未授权", "console"),
     ("请求时间已过期", "clock"), ("账户余额不足", "pay into"), ("VIP已下架", "3999; look"), ("IPTV已下架", "3999; look"),
     ("未知", "3999; look")],
)  # fmt: skip
def test_messages_give_people_a_hint(message, hint, options, purchase) -> None:
    """Known words of a message become advice; they decide nothing about the purchase."""
    with pytest.raises(UnknownOutcome, match=hint):
        supplied_from_placing(_refusal(3999, message), purchase, options)


@pytest.mark.parametrize("result", ["", None, "null"])
def test_missing_order_is_none(result, options, purchase) -> None:
    """A refused look-up without a result says that there is no such order."""
    assert supplied_from_look_up(_refusal(3999, "订单不存在", result), purchase, options) is None


@pytest.mark.parametrize("message", ["签名错误", "IP 未授权", "请求时间已过期"])
def test_call_that_was_turned_away_says_nothing(message, options, purchase) -> None:
    """Whoever is turned away at the door has not been told that the order is missing."""
    with pytest.raises(TransientError, match="says nothing about the order"):
        supplied_from_look_up(_refusal(3999, message), purchase, options)


def test_refused_look_up_with_a_result_says_nothing(answer, order, options, purchase) -> None:
    """A refusal that shows an order is no statement that there is none."""
    with pytest.raises(TransientError):
        supplied_from_look_up(answer(order(), code=3999, message=""), purchase, options)


def test_codes_of_missing_orders_are_settings(options, purchase) -> None:
    """Where the codes are known, only they say that an order is missing."""
    settled = attrs.evolve(options, missing_codes=(4004,))
    assert supplied_from_look_up(_refusal(4004, "查询时间"), purchase, settled) is None
    with pytest.raises(TransientError, match="3999"):
        supplied_from_look_up(_refusal(3999, "订单不存在"), purchase, settled)


def test_refused_questions_are_asked_again(options) -> None:
    """A refusal tells nothing about goods or the account."""
    for ask in (
        lambda: offers_from_response(_refusal(3001), ["1"], options),
        lambda: balance_from_response(_refusal(1, "签名错误"), options),
    ):
        with pytest.raises(TransientError, match="code"):
            ask()


# --- orders ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["untreated", "processing", "auditing", "", None, 7])
def test_unfinished_order_is_working(state, looked_up) -> None:
    """Every state but the two final ones is work in progress, unknown words included."""
    supplied = looked_up(order_state=state)
    assert (supplied.stage, supplied.remote) == (Stage.WORKING, "25010200000001")
    assert supplied.cost == Money("19.80", "CNY")


def test_failed_order_is_paid_back(looked_up) -> None:
    """A failed order was paid back whole."""
    supplied = looked_up(order_state="failed")
    assert (supplied.stage, supplied.cost, supplied.refunded) == (
        Stage.FAILED, Money("19.80", "CNY"), Money("19.80", "CNY"),
    )  # fmt: skip


def test_failed_order_with_cards_is_unclear(looked_up, card) -> None:
    """Cards for a failed order contradict it; a person sees both."""
    supplied = looked_up(order_state="failed", cards=[card()])
    assert supplied.stage is Stage.UNCLEAR
    assert len(supplied.cards) == 1


def test_state_may_be_ahead_of_the_cards(looked_up, options, answer, order, top_up) -> None:
    """Success without cards is not the end of a purchase of cards; of a top-up it is."""
    for cards in (None, []):
        assert looked_up(order_state="success", cards=cards).stage is Stage.WORKING
    charged = answer(order(order_state="success", product_id=20020002, order_type=4))
    assert supplied_from_look_up(charged, top_up, options).stage is Stage.DONE


def test_cards_of_an_unfinished_order_are_left_there(looked_up, card) -> None:
    """What is shown before the order is finished is not taken yet."""
    supplied = looked_up(order_state="processing", cards=[card()])
    assert (supplied.stage, supplied.cards) == (Stage.WORKING, ())


def test_placing_may_be_finished_at_once(answer, order, card, purchase, options) -> None:
    """An order that is finished when it is placed is taken as it is."""
    finished = answer(order(order_state="success", cards=[card(), card(password="B")]))
    assert supplied_from_placing(finished, purchase, options).stage is Stage.DONE
    failed = answer(order(order_state="failed"))
    assert supplied_from_placing(failed, purchase, options).stage is Stage.FAILED


@pytest.mark.parametrize("number", ["b9", "", None, 7])
def test_other_orders_say_nothing_of_ours(number, answer, order, purchase, options) -> None:
    """An answer about another order, or about none, settles nothing."""
    response = answer(order(customer_order_no=number, order_state="failed"))
    with pytest.raises(UnknownOutcome):
        supplied_from_placing(response, purchase, options)
    with pytest.raises(TransientError):
        supplied_from_look_up(response, purchase, options)


@pytest.mark.parametrize("result", ["", "null", "[]", "{}", "0", "{", '"text"'])
def test_success_without_an_order_settles_nothing(result, answer, purchase, options) -> None:
    """A success that shows no order is neither a purchase nor its absence."""
    with pytest.raises(UnknownOutcome):
        supplied_from_placing(answer(result), purchase, options)
    with pytest.raises(TransientError):
        supplied_from_look_up(answer(result), purchase, options)


@pytest.mark.parametrize("odd", [{"product_id": 10010002}, {"product_id": "x"}, {"buy_num": 3}])
@pytest.mark.parametrize("state", ["success", "failed", "processing"])
def test_orders_for_something_else_are_unclear(odd, state, looked_up, card) -> None:
    """Our reference on another product or number of units is for a person, cards included."""
    supplied = looked_up(order_state=state, cards=[card()], **odd)
    assert supplied.stage is Stage.UNCLEAR
    assert len(supplied.cards) == 1


@pytest.mark.parametrize(
    "same", [{"product_id": "10010001"}, {"product_id": None}, {"buy_num": None}, {"buy_num": "2"}]
)
def test_products_have_numbers_or_texts(same, looked_up) -> None:
    """A product's number may be a text, and what is not said does not contradict."""
    assert looked_up(**same).stage is Stage.WORKING


@pytest.mark.parametrize("remote", [None, 7, "", "a b", "\ud800", "x" * 65])
def test_odd_numbers_of_orders_are_left_out(remote, looked_up) -> None:
    """A number of Fulu's that is no number is not kept."""
    assert looked_up(order_id=remote).remote == ""


@pytest.mark.parametrize(
    ("price", "cost"),
    [("9.9000", "19.80"), (10, "20.00"), (0, "0.00"), (9.9875, "19.98"), ("9.98751", "19.98")],
)
def test_cost_is_price_times_units(price, cost, looked_up) -> None:
    """What Fulu names is the price of one; parts of a fen are rounded up."""
    assert looked_up(order_price=price).cost == Money(cost, "CNY")


@pytest.mark.parametrize("price", [None, "", "x", "1e3", True, [], -1, 10**40, 1e300])
def test_odd_prices_are_no_cost(price, looked_up) -> None:
    """What is no price gives no cost, and no error."""
    assert looked_up(order_price=price).cost is None


def test_price_of_absurd_size_is_no_cost(answer, order, purchase, options) -> None:
    """A number with a huge exponent does no harm."""
    text = json.dumps(order()).replace("9.9", "9.9e999999999999")
    assert supplied_from_look_up(answer(text), purchase, options).cost is None


# --- cards ----------------------------------------------------------------------------------


def _first(supplied):
    [card] = supplied.cards
    return card.secret.reveal(), card.number, card.shape


def test_fields_are_stripped(looked_up, card) -> None:
    """White space around a card is the vendor's, not the card's."""
    supplied = looked_up(order_state="success", cards=[card(" A1\t", "\n P1 \r\n")])
    assert _first(supplied) == ("P1", "A1", Shape.TEXT)


@pytest.mark.parametrize("number", ["", None, "sealed"])
def test_code_alone_is_the_password(number, looked_up, card) -> None:
    """A card of one code has no number: empty, null, or the seal of nothing."""
    said = card("") if number == "sealed" else card(card_number=number)
    supplied = looked_up(order_state="success", cards=[said])
    assert supplied.stage is Stage.DONE
    assert _first(supplied) == ("PWD-8888-AAAA", "", Shape.TEXT)


@pytest.mark.parametrize("password", ["", None, "sealed"])
def test_number_without_a_password_is_unclear(password, looked_up, card) -> None:
    """A number alone is half a card: it is kept, and a person looks at it."""
    said = card(password="") if password == "sealed" else card(card_pwd=password)
    supplied = looked_up(order_state="success", cards=[said])
    assert supplied.stage is Stage.UNCLEAR
    assert supplied.problem == "1 of 1 cards without a password"
    assert _first(supplied) == ("FLNO00010001", "", Shape.TEXT)


@pytest.mark.parametrize("card_type", [1, 2, "2"])
def test_links_are_links(card_type, looked_up, card) -> None:
    """A picture's address and a short link are links, in whichever of the two fields they come."""
    url = "https://s.example.com/x1"
    for said in (card("", url), card(url, "")):
        supplied = looked_up(order_state="success", cards=[{**said, "card_type": card_type}])
        assert supplied.stage is Stage.DONE
        assert _first(supplied) == (url, "", Shape.LINK)


@pytest.mark.parametrize("card_type", [0, None, 3, "x", True])
def test_other_types_are_texts(card_type, looked_up, card) -> None:
    """Everything else is judged as a text."""
    supplied = looked_up(order_state="success", cards=[card(card_type=card_type)])
    assert supplied.cards[0].shape is Shape.TEXT


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        ({"card_number": "", "card_pwd": None}, "empty"),
        ({"card_pwd": "not base64"}, "cannot be opened with the credential"),
        ({"card_number": "AAAA"}, "cannot be opened with the credential"),
        ({"card_pwd": 7}, "cannot be opened with the credential"),
    ],
)
def test_cards_that_are_none_are_left_out(odd, problem, looked_up, card) -> None:
    """An empty card and one that does not open are left out; the rest comes, for a person."""
    supplied = looked_up(order_state="success", cards=[card(), card(**odd)])
    assert (supplied.stage, len(supplied.cards)) == (Stage.UNCLEAR, 1)
    assert supplied.problem == f"1 of 2 cards {problem}"


@pytest.mark.parametrize("cards", [[None], ["text"], [7], {}, "text", 7])
def test_odd_lists_of_cards_are_unclear(cards, looked_up) -> None:
    """Cards in another form are for a person."""
    for state in ("success", "failed"):
        supplied = looked_up(order_state=state, cards=cards)
        assert (supplied.stage, supplied.cards) == (Stage.UNCLEAR, ())


def test_shorter_lists_are_handed_on(looked_up, card) -> None:
    """Fewer or more cards than bought are what the supplier sent; the core counts them."""
    for number in (1, 3):
        supplied = looked_up(order_state="success", cards=[card()] * number)
        assert (supplied.stage, len(supplied.cards)) == (Stage.DONE, number)


@pytest.mark.parametrize(
    ("deadline", "moment"),
    [
        ("2026-01-02 00:00:00", datetime(2026, 1, 1, 16, tzinfo=UTC)), ("", None), (None, None),
        ("0001-01-01 00:00:00", None), ("soon", None), (7, None),
    ],
)  # fmt: skip
def test_deadlines_are_in_beijing(deadline, moment, looked_up, card) -> None:
    """A deadline is Beijing's time; what is none is none."""
    supplied = looked_up(order_state="success", cards=[card(card_deadline=deadline)])
    assert supplied.cards[0].expires_at == moment


# --- goods and balance ----------------------------------------------------------------------


def _row(**more):
    return {
        "product_id": 10010001, "product_name": "测试月卡", "product_type": "卡密",
        "face_value": 10, "purchase_price": 9.9, "sales_status": "上架", "stock_status": "充足",
        "template_id": "", "details": "", **more,
    }  # fmt: skip


def _offers(answer, options, *rows, items=("10010001",)):
    return offers_from_response(answer(list(rows)), items, options)


def test_good_is_offered(answer, options) -> None:
    """A good on sale has a price, and no number of pieces."""
    [offer] = _offers(answer, options, _row())
    assert (offer.item, offer.price) == ("10010001", Money("9.90", "CNY"))
    assert (offer.available, offer.on_sale, offer.name) == (None, True, "测试月卡")


@pytest.mark.parametrize(
    ("stock", "available"), [("充足", None), ("警报", None), ("断货", 0), (None, None)]
)
def test_stock_is_three_words(stock, available, answer, options) -> None:
    """Only "sold out" says how many there are."""
    [offer] = _offers(answer, options, _row(stock_status=stock))
    assert offer.available == available


@pytest.mark.parametrize("status", ["下架", "维护中", "库存维护", "?", None])
def test_other_states_are_not_on_sale(status, answer, options) -> None:
    """A good in any other state cannot be bought now."""
    [offer] = _offers(answer, options, _row(sales_status=status))
    assert not offer.on_sale


def test_only_what_was_asked_is_offered(answer, options) -> None:
    """Each item that was asked for has one offer, in the order asked; others have none."""
    rows = (_row(product_id="2"), _row(), _row(product_id=3), _row(purchase_price=1), None, [], {})
    offers = _offers(answer, options, *rows, items=("10010001", "2", "2", "4"))
    assert [(offer.item, str(offer.price)) for offer in offers] == [
        ("10010001", "9.90 CNY"), ("2", "9.90 CNY"),
    ]  # fmt: skip


@pytest.mark.parametrize("price", [None, 0, -1, "x", True, 1e300])
def test_goods_without_a_price_are_left_out(price, answer, options) -> None:
    """What has no price is no offer."""
    assert _offers(answer, options, _row(purchase_price=price)) == ()


def test_prices_are_rounded_up(answer, options) -> None:
    """A part of a fen counts as a whole one, so that no ceiling is passed unseen."""
    [offer] = _offers(answer, options, _row(purchase_price=9.9001))
    assert offer.price == Money("9.91", "CNY")


@pytest.mark.parametrize("name", [None, 7, "", "\ud800\x00\n"])
def test_odd_names_are_left_out(name, answer, options) -> None:
    """A name that cannot be shown is none."""
    [offer] = _offers(answer, options, _row(product_name=name))
    assert offer.name == ""


def test_empty_lists_offer_nothing(answer, options) -> None:
    """A good that is not on sale is not listed at all."""
    for result in ("[]", "null", ""):
        assert offers_from_response(answer(result), ["1"], options) == ()


@pytest.mark.parametrize("result", ["{}", "7", "{", '"text"'])
def test_lists_that_are_no_lists_are_asked_again(result, answer, options) -> None:
    """A catalogue in another form tells nothing."""
    with pytest.raises(TransientError, match="not a list"):
        offers_from_response(answer(result), ["1"], options)


@pytest.mark.parametrize(
    ("balance", "held"), [(1234.5, "1234.50"), ("7.0099", "7.00"), (-3, "-3.00"), (0, "0.00")]
)
def test_balance_is_rounded_down(balance, held, answer, options) -> None:
    """A part of a fen buys nothing."""
    response = answer({"name": "演示商户", "balance": balance, "is_open": 1})
    assert balance_from_response(response, options) == Money(held, "CNY")


@pytest.mark.parametrize("result", [{}, {"balance": None}, {"balance": "x"}, [], "null", ""])
def test_account_without_a_balance_is_asked_again(result, answer, options) -> None:
    """Without an amount there is no balance."""
    with pytest.raises(TransientError, match="how much"):
        balance_from_response(answer(result), options)


# --- anything -------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["success", "failed", "a1b2c3d4e5f6g7h8i9", "56PKd+vL24IWLhCmA5RZ/Q=="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["customer_order_no", "order_state", "cards", "card_pwd", "card_number",
                         "order_price", "product_id", "purchase_price", "balance", "buy_num"]),
        inner, max_size=6,
    ),
    max_leaves=12,
)  # fmt: skip
_BODIES = st.binary() | st.builds(
    lambda code, result: json.dumps({
        "code": code, "message": "", "sign": "",
        "result": result if isinstance(result, str) else json.dumps(result),
    }).encode(),
    st.sampled_from([0, 0, 0, 3001, 9]), _JSON,
)  # fmt: skip


@given(_BODIES, st.sampled_from([200, 200, 200, 204, 302, 404, 500]))
def test_any_answer_is_a_value_or_an_error(body, status) -> None:
    """Whatever Fulu answers, a call returns a value or raises an `AdapterError`."""
    options = FuluOptions(
        app_key=Secret("k"), credential=Secret("9f8e7d6c5b4a39281706f5e4d3c2b1a0")
    )
    supplier = FuluSupplier(options, CountingClient(Response(status=status, body=body)))
    calls = (
        lambda: supplier.buy(PURCHASE),
        lambda: supplier.top_up(attrs.evolve(PURCHASE, target="13800138000")),
        lambda: supplier.find_purchase(PURCHASE),
        lambda: supplier.offers([PURCHASE.item]),
        supplier.balance,
    )
    for call in calls:
        try:
            call()
        except AdapterError as error:
            assert str(error)  # noqa: PT017 - an error is one of two right ends


def test_nothing_shows_in_errors(answer, order, purchase, options, simulation) -> None:
    """Neither account nor card nor credential is in any error or repr."""
    detector = LeakDetector()
    account, number = detector.plant("the account"), detector.plant("the number")
    password, secret = detector.plant("the card"), (detector.plant("credential") * 2)[:32]
    detector.watch("the whole credential", secret)
    settled = attrs.evolve(options, credential=Secret(secret))
    cards = [
        {"card_number": simulation.encrypted(number, secret),
         "card_pwd": simulation.encrypted(password, secret)},
        {"card_number": number, "card_pwd": password},
    ]  # fmt: skip
    shown = order(order_state="success", charge_account=account, cards=cards)
    for odd in ({}, {"order_state": "failed"}, {"customer_order_no": account}, {"cards": account}):
        said = {"code": 0, "message": account, "sign": "", "result": json.dumps({**shown, **odd})}
        for change in ({}, {"code": 3008}, {"code": 9}, {"sign": "0" * 32}, {"result": account}):
            response = Response(status=200, body=json.dumps({**said, **change}).encode())
            for read in (supplied_from_placing, supplied_from_look_up):
                try:
                    detector.check_value("an answer", read(response, purchase, settled))
                except AdapterError as error:
                    detector.check_exception(error)
    detector.assert_clean()
