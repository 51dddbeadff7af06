"""The acg_faka adapter against a simulated shop on a real socket, and against any answer."""

from __future__ import annotations

import json
import math
import re
import threading
from contextlib import suppress
from decimal import Decimal

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autocard.adapters.acg_faka import AcgFakaOptions, AcgFakaSupplier
from autocard.spi import (
    AdapterError,
    Capability,
    Money,
    Offer,
    RejectedError,
    Response,
    Secret,
    Shape,
    Stage,
    TransientError,
    UnknownOutcome,
    UnsupportedFeature,
)
from autocard.testing import CountingClient, LeakDetector
from autocard.testing.mutations import GARBAGE

WAITING = "正在发货中，请耐心等待，如有疑问，请联系客服。"
CARDS = ["KEY-0001", "KEY-0002----pw", "<b>&x"]
SKUS = "SKUA0001?race=月卡&sku[颜色]=红&sku[尺寸]=L"


def _cny(amount: str) -> Money:
    return Money(amount, "CNY")


def _texts(supplied) -> list[str]:
    return [card.secret.reveal() for card in supplied.cards]


def _answering(options: AcgFakaOptions, *answers: object) -> AcgFakaSupplier:
    """Return a member whose shop gives one answer after the other."""
    said = iter(answers)

    class Client:
        def request(self, *_, **__):
            return Response(status=200, body=json.dumps(next(said)).encode())

    return AcgFakaSupplier(options, Client())


def _refused(message: str) -> dict:
    return {"code": 0, "msg": message}


def _success(data: object) -> dict:
    return {"code": 200, "data": data}


# --- balance ----------------------------------------------------------------------------------


def test_balance_is_told(member, member4, shop) -> None:
    """The balance comes as a number with v3 and as text with v4."""
    shop.balance = Decimal("498.50")
    assert member.balance() == member4.balance() == _cny("498.50")


def test_wrong_credentials_are_refused(member, member4, shop, client) -> None:
    """A wrong number or secret is refused with what to look at."""
    for supplier in (member, member4):
        strange = attrs.evolve(supplier.options, app_id="1001")
        with pytest.raises(RejectedError, match="app_id"):
            AcgFakaSupplier(strange, client).balance()
        wrong = attrs.evolve(supplier.options, credential=Secret("WRONGSECRET"))
        with pytest.raises(RejectedError, match="credential"):
            AcgFakaSupplier(wrong, client).balance()


@pytest.mark.parametrize("balance", [None, True, "", "1e5", "much", [], 1.005, 10**20, math.nan])
def test_unreadable_balances_are_asked_again(balance, v3) -> None:
    """A balance that is no amount is not guessed at."""
    with pytest.raises(TransientError):
        _answering(v3, _success({"balance": balance})).balance()


# --- offers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("config_as_text", [False, True])
def test_offers_are_what_a_member_pays(config_as_text, member, shop) -> None:
    """Price, stock and limits of what is chosen, and nothing for what the shop does not sell."""
    shop.config_as_text = config_as_text
    shop.sell("AUTO0001", "1.50", CARDS, least=2, most=100)
    shop.sell("RACE0001?race=month", "10", ["M1"])
    shop.sell("RACE0001?race=year", "90", ["Y1", "Y2"])
    shop.sell(SKUS, "20.00", CARDS)
    items = [
        "AUTO0001", "RACE0001?race=year", SKUS, "RACE0001", "RACE0001?race=day", "NONE0001",
        "AUTO0001?race=x", "SKUA0001?race=月卡", "SKUA0001?race=月卡&sku[颜色]=蓝&sku[尺寸]=L",
    ]  # fmt: skip
    assert member.offers(items) == [
        Offer(
            item="AUTO0001", price=_cny("1.50"), available=3, least=2, most=100,
            name="名称 AUTO0001",
        ),
        Offer(item="RACE0001?race=year", price=_cny("90"), available=2, name="名称 RACE0001"),
        Offer(item=SKUS, price=_cny("20"), available=3, name="名称 SKUA0001"),
    ]  # fmt: skip


def test_goods_off_sale_are_not_offered(member, shop) -> None:
    """A good that is not on sale has no offer."""
    shop.sell("AUTO0001", "1.50", CARDS, on_sale=False)
    assert member.offers(["AUTO0001"]) == []


def test_goods_delivered_by_hand_need_their_text(member, shop, client) -> None:
    """Only where we know its waiting text is a good on sale for us that a person delivers."""
    shop.sell("MAN0001", "5", by_hand="", stock=9)
    (offer,) = member.offers(["MAN0001"])
    assert (offer.on_sale, offer.available) == (False, 9)
    named = attrs.evolve(member.options, waiting={"MAN0001": ""})
    assert AcgFakaSupplier(named, client).offers(["MAN0001"])[0].on_sale


def test_v4_offers_take_one_request(member4, shop) -> None:
    """With v4 one list tells all; a word instead of a number means plenty."""
    shop.sell("12", "1.50", CARDS)
    shop.sell("13", "2.00", by_hand="", stock=5)
    shop.sell("14", "0.00", CARDS)
    assert member4.offers(["12", "13?acct=12345", "14", "15"]) == [
        Offer(item="12", price=_cny("1.50"), available=3, name="名称 12 默认"),
        Offer(item="13?acct=12345", price=_cny("2"), available=None, name="名称 13 默认"),
    ]
    assert shop.calls == ["/plugin/open-api/items"]


GOOD = {"code": "AUTO0001", "name": "<b>月卡</b>", "delivery_way": 0, "config": []}


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([_success([])], "describes no good"),
        ([_success(GOOD), _success({"price": "free"})], "no readable price"),
        ([_success({**GOOD, "config": 7}), _refused("密钥错误")], "credential"),
        ([_success(GOOD), _success({"price": "1", "currency_code": "USD"})], "currency"),
        ([_success(GOOD), _success({"price": "1"}), _refused("其他")], "reason of its own"),
    ],
)
def test_offers_that_cannot_be_read_are_errors(answers, error, v3) -> None:
    """Where one of the answers is not understood there is no offer, but an error."""
    with pytest.raises((TransientError, RejectedError), match=error):
        _answering(v3, *answers).offers(["AUTO0001"])


@pytest.mark.parametrize("price", [_success({"price": "0.00"}), _refused("商品不存在#0")])
def test_goods_without_a_price_are_not_offered(price, v3) -> None:
    """What costs nothing, or has no price, is not offered."""
    assert _answering(v3, _success(GOOD), price).offers(["AUTO0001"]) == []


@pytest.mark.parametrize(
    ("said", "most"), [({"minimum": "5", "maximum": 2}, 5), ({"maximum": -1}, None)]
)
def test_odd_limits_are_mended(said, most, v3) -> None:
    """Limits that contradict each other, or are no numbers, make no nonsense of an offer."""
    answers = (_success({**GOOD, **said}), _success({"price": 3}), _success({"stock": "many"}))
    (offer,) = _answering(v3, *answers).offers(["AUTO0001"])
    assert (offer.most, offer.available, offer.name) == (most, None, "月卡")
    assert offer.least == int(said.get("minimum", 1))


def test_empty_groups_need_no_choice(v3) -> None:
    """A sku group without options is not chosen from."""
    config = {"category": [], "sku": {"颜色": [], "尺寸": {"L": "1"}}}
    answers = (_success({**GOOD, "config": config}), _success({"price": 3}), _success({}))
    assert len(_answering(v3, *answers).offers(["AUTO0001?sku[尺寸]=L"])) == 1


@pytest.mark.parametrize("data", [{}, "text", None, 7])
def test_v4_lists_that_are_no_lists_are_transient(data, v4) -> None:
    """A list of goods that is no list cannot be used now, and odd rows are left out."""
    with pytest.raises(TransientError, match="not a list"):
        _answering(v4, _success(data)).offers(["12"])
    rows = [data, {"sku": data}, {"sku": [data, {"id": 12, "stock_price": data}]}]
    assert [offer.price for offer in _answering(v4, _success(rows)).offers(["12"])] in (
        [],
        [_cny("7")],
    )


def test_v4_refusals_are_errors(v4) -> None:
    """A v4 shop that refuses to list its goods is not a shop without goods."""
    with pytest.raises(RejectedError, match="reason of its own"):
        _answering(v4, {"code": 401, "msg": "no"}).offers(["12"])


# --- buying -----------------------------------------------------------------------------------


def test_cards_are_bought(member, shop, order) -> None:
    """A purchase brings its cards unchanged, what they cost, and the shop's number."""
    shop.sell("AUTO0001", "1.50", [*CARDS, "KEY-0004"])
    supplied = member.buy(order(quantity=3))
    assert supplied.stage is Stage.DONE
    assert _texts(supplied) == CARDS
    assert supplied.cost == _cny("4.50")
    assert supplied.remote.isdigit()
    assert shop.sold == {order().reference: CARDS}
    assert shop.spent == Decimal("4.50")
    assert shop.calls == ["/shared/commodity/trade"]


def test_choices_are_bought(member, shop, order) -> None:
    """Race, sku groups and fields of an item reach the shop."""
    shop.sell(SKUS, "20.00", ["RED-0001"], fields={"acct": r"^\d{3,}$"})
    assert _texts(member.buy(order(f"{SKUS}&acct=12345"))) == ["RED-0001"]


def test_lines_of_windows_are_split(simulation, v3, client, order) -> None:
    """A shop on Windows joins its cards with another line end."""
    with simulation.Simulator(newline="\r\n") as shop:
        shop.sell("AUTO0001", "1", CARDS)
        member = AcgFakaSupplier(attrs.evolve(v3, base_url=shop.url), client)
        assert _texts(member.buy(order(quantity=3))) == CARDS


def test_links_are_told_from_texts(member, shop, order) -> None:
    """A card that is an address has the shape of one."""
    shop.sell("AUTO0001", "1", ["https://cards.example.com/x?y=1", "see https://h/"])
    shapes = [card.shape for card in member.buy(order(quantity=2)).cards]
    assert shapes == [Shape.LINK, Shape.TEXT]


def test_v4_cards_are_bought(member4, shop, order, simulation) -> None:
    """With v4 cards come too, and neither their cost nor a number."""
    shop.sell("12", "1.50", CARDS)
    supplied = member4.buy(order("12", 2))
    assert (supplied.stage, _texts(supplied)) == (Stage.DONE, CARDS[:2])
    assert (supplied.cost, supplied.remote) == (None, "")
    assert shop.sold == {simulation.v4_number(order().reference): CARDS[:2]}


@pytest.mark.parametrize(
    ("item", "quantity", "said"),
    [
        ("NONE0001", 1, "no such good"), ("AUTO0001", 9, "out of stock"),
        ("AUTO0001", 1, "larger quantities"), ("AUTO0001", 11, "smaller quantities"),
        ("OFF0001", 1, "not on sale"), ("RACE0001", 1, "leaves out"),
        ("RACE0001?race=day", 1, "no such race"), ("SKUA0001?race=月卡", 1, "leaves out"),
        ("DEAR0001", 2, "balance"), ("FORM0001?acct=x", 1, "reason of its own"),
    ],
)  # fmt: skip
def test_refusals_prove_that_nothing_was_bought(item, quantity, said, member, shop, order) -> None:
    """What the shop refuses at once is certainly not bought."""
    shop.sell("AUTO0001", "1.50", CARDS, least=2, most=10)
    shop.sell("OFF0001", "1.50", CARDS, on_sale=False)
    shop.sell("RACE0001?race=month", "10", ["M1"])
    shop.sell(SKUS, "20.00", CARDS)
    shop.sell("DEAR0001", "99999.00", CARDS)
    shop.sell("FORM0001", "1", CARDS, fields={"acct": r"^\d{3,}$"})
    with pytest.raises(RejectedError, match=said):
        member.buy(order(item, quantity))
    assert shop.sold == {}


@pytest.mark.parametrize(
    ("fault", "said"),
    [("changed", "changed meanwhile"), ("firewall", "firewall"), ("banned", "banned")],
)
def test_rare_refusals_are_told(fault, said, member, shop, order) -> None:
    """Rarer refusals are refusals too."""
    shop.sell("AUTO0001", "1.50", CARDS)
    shop.fault(fault)
    with pytest.raises(RejectedError, match=said):
        member.buy(order())
    assert shop.sold == {}


@pytest.mark.parametrize("message", ["抢购已结束", "此宝贝已被他人抢走", "该商品每人只能购买1件"])
def test_other_refusals_of_the_vendor_are_known(message, v3, order) -> None:
    """Messages that the simulator never gives are known as well."""
    with pytest.raises(RejectedError) as caught:
        _answering(v3, _refused(message)).buy(order())
    assert "reason of its own" not in str(caught.value)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 409, 425, 429, 499, 503])
def test_web_servers_prove_nothing_of_a_trade(status, v3, v4, order) -> None:
    """What the shop itself says has status 200: any other one leaves open whether it sold."""
    page = Response(status=status, headers={"retry-after": "7"}, body=b"<html>x</html>")
    for options, item in ((v3, "AUTO0001"), (v4, "12")):
        member = AcgFakaSupplier(options, CountingClient(page))
        for attempts in (1, 2):
            with pytest.raises(UnknownOutcome, match=f"{status}.*may have been done"):
                member.buy(order(item, attempts=attempts))


def test_busy_servers_are_asked_later(member, shop, order) -> None:
    """A busy web server is asked a question again, and may have sold what was asked for."""
    shop.fault("http_429", on="connect")
    with pytest.raises(TransientError):
        member.balance()
    shop.fault("http_429")
    with pytest.raises(UnknownOutcome):
        member.buy(order())


@pytest.mark.parametrize(
    "fault",
    ["drop_after", "http_500_after", "html_after", "truncated", "empty", "stock_lost", "delay:1.5"],
)
def test_lost_answers_are_unknown(fault, member, shop, order) -> None:
    """When it was sold and the answer is lost, nobody claims to know."""
    shop.sell("AUTO0001", "1.50", CARDS)
    shop.fault(fault)
    with pytest.raises(UnknownOutcome):
        member.buy(order())
    assert shop.spent == Decimal("1.50")


@pytest.mark.parametrize("fault", ["drop_before", "http_500_before", "html_before"])
def test_broken_servers_are_unknown(fault, member, shop, order) -> None:
    """A server that breaks before it sells looks the same, and is unknown as well."""
    shop.sell("AUTO0001", "1.50", CARDS)
    shop.fault(fault)
    with pytest.raises(UnknownOutcome):
        member.buy(order())
    assert shop.spent == 0


def test_doubtful_texts_can_be_added(v3, v4, order) -> None:
    """A shop in another language may say in other words that it lost its own supplier."""
    for options in (v3, v4):
        more = attrs.evolve(options, doubtful=["connection lost"])
        with pytest.raises(UnknownOutcome, match="not known"):
            _answering(more, _refused("Oops, connection lost")).buy(order("12"))


@pytest.mark.parametrize("code", [1, 404, 500, -1, True, "no", None])
def test_other_codes_prove_nothing(code, v3, v4, order) -> None:
    """The native dialect refuses with 0 only; v4 with any code that speaks not of the server."""
    answer = {"code": code, "msg": "no"}
    with pytest.raises(UnknownOutcome):
        _answering(v3, answer).buy(order())
    expected = RejectedError if code in (1, 404) and code is not True else UnknownOutcome
    with pytest.raises(expected):
        _answering(v4, answer).buy(order("12"))


@pytest.mark.parametrize("answer", [{"code": 0}, {"code": 0, "msg": "x", "data": {"secret": "K"}}])
def test_half_a_refusal_proves_nothing(answer, v3, order) -> None:
    """A refusal without words, or with goods, is none."""
    with pytest.raises(UnknownOutcome):
        _answering(v3, answer).buy(order())


# --- repeating --------------------------------------------------------------------------------


def test_a_repetition_never_buys_twice(member, shop, order) -> None:
    """Sold, answer lost, asked again: the shop has it, and a person finds out what became of it."""
    shop.sell("AUTO0001", "1.50", CARDS)
    shop.fault("drop_after")
    with pytest.raises(UnknownOutcome):
        member.buy(order())
    supplied = member.buy(order(attempts=2))
    assert (supplied.stage, supplied.cards, supplied.remote) == (Stage.UNCLEAR, (), "")
    assert "under our number" in supplied.problem
    assert shop.spent == Decimal("1.50")


def test_a_repetition_buys_what_was_never_stored(member, shop, order) -> None:
    """Where the first call did not arrive, the second one buys."""
    shop.sell("AUTO0001", "1.50", CARDS)
    shop.fault("drop_before")
    with pytest.raises(UnknownOutcome):
        member.buy(order())
    assert _texts(member.buy(order(attempts=2))) == CARDS[:1]
    assert shop.spent == Decimal("1.50")


@pytest.mark.parametrize(
    "terms",
    [{"on_sale": False}, {"limit": 1}, {"least": 2}, {}],
    ids=["off", "limit", "least", "out"],
)
def test_early_refusals_of_a_repetition_prove_nothing(terms, member, shop, order) -> None:
    """
    "Out of stock" may be said because the first call bought the last card.

    The shop checks sale, limits and stock before it looks for our number.
    """
    shop.sell("AUTO0001", "1.50", ["LAST-CARD"])
    shop.fault("drop_after")
    with pytest.raises(UnknownOutcome):
        member.buy(order())
    shop.sell("AUTO0001", "1.50", [] if terms == {} else CARDS, **terms)
    supplied = member.buy(order(attempts=2))
    assert supplied.stage is Stage.UNCLEAR
    assert "refused the repetition" in supplied.problem
    assert shop.sold == {order().reference: ["LAST-CARD"]}


@pytest.mark.parametrize("cause", ["banned", "poor"])
def test_late_refusals_of_a_repetition_prove_it(cause, member, shop, order) -> None:
    """What the shop says after it found our number to be new proves that nothing was bought."""
    shop.sell("AUTO0001", "1.50", CARDS)
    shop.fault("drop_before")
    with pytest.raises(UnknownOutcome):
        member.buy(order())
    shop.banned, shop.balance = cause == "banned", Decimal(0)
    with pytest.raises(RejectedError):
        member.buy(order(attempts=2))


def test_a_late_first_call_finds_its_number_taken(member, shop, order) -> None:
    """A first call that the server takes up after the second one buys nothing more."""
    shop.sell("AUTO0001", "1.50", CARDS)
    shop.fault("slow:3")
    with pytest.raises(UnknownOutcome):
        member.buy(order())
    assert _texts(member.buy(order(attempts=2))) == CARDS[:1]
    shop.settle()
    assert shop.calls == ["/shared/commodity/trade"] * 2
    assert shop.spent == Decimal("1.50")


def test_web_servers_prove_nothing(member, shop, order) -> None:
    """A page that keeps a call out says nothing of it, and nothing of the one before."""
    shop.sell("AUTO0001", "1.50", CARDS)
    shop.fault("drop_after")
    with pytest.raises(UnknownOutcome):
        member.buy(order())
    shop.fault("http_403")
    with pytest.raises(UnknownOutcome, match="403"):
        member.buy(order(attempts=2))
    shop.fault("http_403")
    with pytest.raises(UnknownOutcome, match="403"):
        member.buy(order(reference="b00000000000000002"))


def test_settings_prove_nothing_of_a_repetition(v3, v4, order) -> None:
    """An address or item that is no longer allowed says nothing of what was sent before."""
    client = CountingClient(RejectedError("the address is not allowed"))
    for options in (v3, v4):
        with pytest.raises(UnknownOutcome, match="before"):
            AcgFakaSupplier(options, client).buy(order("AUTO0001", attempts=2))
    assert len(client.requests) == 1


def test_numbers_of_others_are_not_ours(member, shop, order) -> None:
    """Even at a first try a number that is taken is for a person."""
    shop.sell("AUTO0001", "1.50", CARDS)
    member.buy(order())
    assert member.buy(order()).stage is Stage.UNCLEAR


@pytest.mark.parametrize("repeats", ["refuses", "repeats", "buys"])
def test_v4_repetitions_are_not_trusted(repeats, member4, shop, order) -> None:
    """Whatever a v4 shop does with a repetition, its refusal is not taken for proof."""
    shop.repeats = repeats
    shop.sell("12", "1.50", CARDS)
    first = member4.buy(order("12"))
    again = member4.buy(order("12", attempts=2))
    assert shop.spent == Decimal("3.00" if repeats == "buys" else "1.50")
    if repeats == "refuses":
        assert again.stage is Stage.UNCLEAR
    elif repeats == "repeats":
        assert again == first


# --- texts in place of cards ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "said"),
    [("apology", "apology"), ("fewer", "2 cards .* 1 lines"), ("more", "2 cards .* 3 lines")],
)
def test_texts_are_no_cards(fault, said, member, shop, order) -> None:
    """An apology, or another number of lines than cards were bought, is for a person."""
    shop.sell("AUTO0001", "1.50", CARDS)
    shop.fault(fault)
    supplied = member.buy(order(quantity=2))
    assert (supplied.stage, supplied.cards) == (Stage.UNCLEAR, ())
    assert supplied.remote
    assert supplied.cost == _cny("3.00")
    assert re.search(said, supplied.problem)


def test_one_apology_is_not_one_card(member, shop, order) -> None:
    """With one card bought an apology has the right number of lines, and is still none."""
    shop.sell("AUTO0001", "1.50", CARDS)
    shop.fault("apology")
    assert member.buy(order()).stage is Stage.UNCLEAR


def test_cards_that_were_sold_before_are_for_the_core(member, shop, order) -> None:
    """A card that comes again is a card to the adapter."""
    shop.sell("AUTO0001", "1.50", CARDS)
    shop.fault("duplicate")
    assert _texts(member.buy(order(quantity=2))) == [CARDS[0]] * 2


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (None, "sent nothing"), ("", "sent nothing"), ([], "sent nothing"), ("\ud800", "none"),
        ("今天缺货", "apology"), ("KEY-1\n\nKEY-2", "3 lines"), (f"{WAITING}\nKEY-1", "2 lines"),
        ("此商品没有发货信息或正在发货中", "apology"),
    ],
)  # fmt: skip
def test_odd_contents_are_for_a_person(secret, said, v3, v4, order) -> None:
    """The shop took money; whether what came is a card, a person sees."""
    for options, content, item in ((v3, "secret", "AUTO0001"), (v4, "contents", "12")):
        more = attrs.evolve(options, apologies=["缺货"])
        supplied = _answering(more, _success({content: secret, "tradeNo": 219})).buy(order(item))
        assert (supplied.stage, supplied.cards) == (Stage.UNCLEAR, ())
        assert said in supplied.problem


@pytest.mark.parametrize("amount", [None, "x", -3, True])
def test_odd_amounts_are_not_told(amount, v3, order) -> None:
    """A charge that is no amount is left out, and the cards are kept."""
    answer = _success({"secret": "KEY-1", "amount": amount, "tradeNo": "x y"})
    supplied = _answering(v3, answer).buy(order())
    assert (supplied.stage, supplied.cost, supplied.remote) == (Stage.DONE, None, "")


# --- delivered by hand ------------------------------------------------------------------------


def _by_hand(member, client, text: str = "") -> AcgFakaSupplier:
    return AcgFakaSupplier(attrs.evolve(member.options, waiting={"MAN0001": text}), client)


@pytest.mark.parametrize("text", ["", "人工发货，\r\n请稍候。"])
def test_delivery_by_hand_is_waited_for(text, member, shop, client, order) -> None:
    """Until a person delivers the purchase is under way; then its cards are here."""
    supplier = _by_hand(member, client, text)
    shop.sell("MAN0001", "5.00", by_hand=text, stock=9)
    supplied = supplier.buy(order("MAN0001", 2))
    assert (supplied.stage, supplied.cards, supplied.cost) == (Stage.WORKING, (), _cny("10"))
    accepted = order("MAN0001", 2, remote=supplied.remote)
    assert supplier.find_purchase(accepted).stage is Stage.WORKING
    shop.deliver(order().reference, CARDS[:2])
    found = supplier.find_purchase(accepted)
    assert (found.stage, _texts(found)) == (Stage.DONE, CARDS[:2])
    assert found.remote == supplied.remote


def test_the_usual_waiting_text_needs_no_setting(member, shop, order) -> None:
    """The shop's usual text is never a card, whatever the good is said to be."""
    shop.sell("AUTO0001", "5.00", CARDS)
    shop.fault("waiting")
    assert member.buy(order()).stage is Stage.WORKING


def test_several_lines_by_hand_are_for_a_person(member, shop, client, order) -> None:
    """Who writes by hand may break lines within a card; nobody guesses where it ends."""
    supplier = _by_hand(member, client)
    shop.sell("MAN0001", "5.00", by_hand="", stock=9)
    remote = supplier.buy(order("MAN0001")).remote
    shop.deliver(order().reference, ["account: a", "password: b"])
    found = supplier.find_purchase(order("MAN0001", remote=remote))
    assert (found.stage, found.cards) == (Stage.UNCLEAR, ())


def test_waiting_without_a_number_is_for_a_person(v3, v4, order) -> None:
    """What cannot be looked up is not waited for."""
    for options, content, item in ((v3, "secret", "AUTO0001"), (v4, "contents", "12")):
        supplied = _answering(options, _success({content: WAITING})).buy(order(item))
        assert supplied.stage is Stage.UNCLEAR
        assert "by hand" in supplied.problem


def test_nothing_yet_is_waited_for(v3, order) -> None:
    """A good that is named as delivered by hand may show nothing at all until then."""
    options = attrs.evolve(v3, waiting={"MAN0001": "请稍候"})
    answer = _success({"secret": None, "tradeNo": "219261122151312226"})
    assert _answering(options, answer).buy(order("MAN0001")).stage is Stage.WORKING


# --- looking up -------------------------------------------------------------------------------


def test_only_numbers_of_the_shop_are_found(member, member4, shop, order) -> None:
    """There is no look-up by our reference, and with v4 none at all."""
    with pytest.raises(UnsupportedFeature):
        member.find_purchase(order())
    with pytest.raises(UnsupportedFeature):
        member4.find_purchase(order("12", remote="219261122151312226"))
    assert shop.calls == []


def test_a_vanished_order_is_not_bought_again(member, order) -> None:
    """An order that the shop had accepted and no longer knows is for a person, not for None."""
    found = member.find_purchase(order(remote="219261122151312226"))
    assert found.stage is Stage.UNCLEAR
    assert "no longer knows" in found.problem


def test_an_unpaid_order_is_for_a_person(v3, order) -> None:
    """What was bought from our balance is paid; where it is not, a person looks."""
    answer = _success({"secret": "KEY-1", "status": 0})
    found = _answering(v3, answer).find_purchase(order(remote="2"))
    assert (found.stage, found.cards) == (Stage.UNCLEAR, ())


@pytest.mark.parametrize(
    "answer", [_refused("密钥错误"), _success([]), _success({}), {"code": 500, "msg": "x"}, []]
)
def test_look_ups_that_say_nothing_are_repeated(answer, v3, order) -> None:
    """Only a definite answer about the order itself counts."""
    with pytest.raises(TransientError):
        _answering(v3, answer).find_purchase(order(remote="2"))


@pytest.mark.parametrize("fault", ["http_403", "http_500_before", "drop_after", "html_before"])
def test_look_ups_that_fail_are_repeated(fault, member, shop, order) -> None:
    """A look-up does no harm when it is made again."""
    shop.fault(fault, on="query")
    with pytest.raises(TransientError):
        member.find_purchase(order(remote="2"))


# --- anything ---------------------------------------------------------------------------------

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
    | st.sampled_from(["0", "1", "1.50", WAITING, "KEY-1\nKEY-2", "AUTO0001"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["secret", "contents", "status", "amount", "tradeNo", "price", "stock",
                         "balance", "code", "name", "config", "sku", "category", "id",
                         "stock_price", "minimum", "delivery_way"]), inner),
    max_leaves=8,
)  # fmt: skip
_BODIES = (
    st.binary(max_size=60)
    | st.sampled_from(GARBAGE)
    | st.fixed_dictionaries(
        {"code": st.sampled_from([200, "200", 0, 1, 500]) | _VALUES},
        optional={"msg": st.text(max_size=8), "data": _VALUES},
    ).map(lambda members: json.dumps(members).encode())
)
_SHOPS = {
    dialect: AcgFakaOptions(
        base_url="https://up.example.com", app_id="1000", credential=Secret("SECRETTEXT123"),
        dialect=dialect, waiting={"AUTO0001": ""},
    )
    for dialect in ("v3", "v4")
}  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    body=_BODIES,
    status=st.sampled_from([200, 200, 200, 404, 500]),
    dialect=st.sampled_from(["v3", "v4"]),
    attempts=st.integers(1, 2),
)
def test_any_answer_is_a_value_or_an_error(order, body, status, dialect, attempts) -> None:
    """Whatever the shop answers, a call gives a value or an adapter error."""
    supplier = AcgFakaSupplier(_SHOPS[dialect], CountingClient(Response(status=status, body=body)))
    item = "12" if dialect == "v4" else "AUTO0001"
    purchase = order(item, remote="219", attempts=attempts)
    calls = {
        Capability.OFFERS: lambda: supplier.offers([item]),
        Capability.BUY: lambda: supplier.buy(purchase),
        Capability.FIND_PURCHASE: lambda: supplier.find_purchase(purchase),
        Capability.BALANCE: supplier.balance,
    }
    for call in calls.values():
        with suppress(AdapterError):
            call()


def test_a_shop_serves_many_threads(shop, member, order) -> None:
    """Purchases at the same time each get cards of their own, and all are charged."""
    shop.sell("AUTO0001", "1.00", [f"KEY-{number:04}" for number in range(40)])
    bought: list[str] = []

    def buy(number: int) -> None:
        bought.extend(_texts(member.buy(order(quantity=2, reference=f"a{number:017}"))))

    threads = [threading.Thread(target=buy, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(bought)) == 40
    assert shop.spent == Decimal(40)


# --- the simulator itself ---------------------------------------------------------------------


def test_simulator_answers_as_the_vendor_does(shop, client, v3, simulation) -> None:
    """The smallest trade, truncated numbers, pages for wrong addresses, and the list of goods."""
    shop.sell("AUTO0001", "1.50", CARDS)

    def post(path: str, **fields: str) -> Response:
        form = {**fields, "app_id": "1000"}
        sign = simulation.sign_of(form, "A1B2C3D4E5F6A7B8")
        return client.request("POST", shop.url + path, safe=True, form={**form, "sign": sign})

    assert b"<html" in post("/shared/commodity/unheard").body
    assert json.loads(post("/shared/commodity/items").body)["data"][0]["children"][0]["code"]
    trade = "/shared/commodity/trade"
    first = json.loads(post(trade, shared_code="AUTO0001", num="1", request_no="1" * 20).body)
    assert first["data"]["amount"] == 1.5
    crashed = post(trade, shared_code="AUTO0001", num="1", request_no="1" * 19 + "2")
    assert b"<html" in crashed.body
    assert json.loads(post(trade, shared_code="AUTO0001", num="0").body)["code"] == 0
    assert json.loads(post(trade, shared_code="AUTO0001", num="1").body)["code"] == 200
    assert shop.busiest == 1


# --- secrets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["truncated", "html_after", "http_500_after", "drop_after"])
def test_errors_do_not_show_secrets(fault, shop, client, v3, order, request) -> None:
    """What goes wrong on a real connection shows no credential and no card anywhere."""
    detector = LeakDetector(own_files=[request.path.with_name("simulator.py")])
    shop.credential = detector.plant("credential")
    card = detector.plant("card")
    options = attrs.evolve(v3, base_url=shop.url, credential=Secret(shop.credential))
    member = AcgFakaSupplier(options, client)
    shop.sell("AUTO0001", "1.50", [card, card])
    with detector:
        shop.fault(fault)
        with pytest.raises(UnknownOutcome) as caught:
            member.buy(order())
        detector.check_exception(caught.value)
        supplied = member.buy(order(reference="b00000000000000002"))
        detector.check_value("what was bought", supplied)
        shop.fault(fault, on="query")
        with pytest.raises(TransientError) as caught:
            member.find_purchase(order(remote=supplied.remote))
        detector.check_exception(caught.value)
    detector.check_value("the member", member)
    detector.check_value("its options", member.options)
    detector.assert_clean()
