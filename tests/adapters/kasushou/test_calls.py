"""The kasushou adapter against the simulated site on a real socket, faults included."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal

import attrs
import pytest

from autocard.adapters.kasushou import KasushouOptions, KasushouSupplier
from autocard.http.client import HttpClient
from autocard.spi import (
    Hint,
    Inbound,
    Money,
    RejectedError,
    Secret,
    Stage,
    TransientError,
    UnknownOutcome,
    VerificationError,
)
from autocard.testing import LeakDetector

COST = Money("19.80", "CNY")


def _shown(supplied) -> list[str]:
    return [card.secret.reveal() for card in supplied.cards]


# --- the usual way --------------------------------------------------------------------------


def test_cards_are_bought(supplier, site, purchase) -> None:
    """Buying is accepted; looked up, it is done with its cards, and the money is gone once."""
    first = supplier.buy(purchase)
    assert (first.stage, first.cards, first.cost) == (Stage.WORKING, (), COST)
    found = supplier.find_purchase(purchase)
    assert (found.stage, found.remote, found.cost) == (Stage.DONE, first.remote, COST)
    assert _shown(found) == ["PW-AAAA-0001", "PW-AAAA-0002"]
    assert [card.number for card in found.cards] == ["KS0001", "KS0002"]
    assert site.sold == {purchase.reference: _shown(found)}
    assert site.spent == Decimal("19.80")
    assert site.calls == ["order/buy", "order/info"]


def test_target_is_charged(supplier, site, top_up) -> None:
    """A top-up is accepted; looked up, it is done without cards, and was charged once."""
    assert supplier.top_up(top_up).stage is Stage.WORKING
    found = supplier.find_purchase(top_up)
    assert (found.stage, found.cards, found.cost) == (Stage.DONE, (), Money("9.80", "CNY"))
    assert site.charged == {top_up.reference: ["13800138000"]}


def test_purchase_is_looked_at_until_it_is_done(supplier, site, purchase) -> None:
    """While the site works, so does the purchase."""
    site.looks = 2
    supplier.buy(purchase)
    stages = [supplier.find_purchase(purchase).stage for _ in range(3)]
    assert stages == [Stage.WORKING, Stage.WORKING, Stage.DONE]


def test_cards_may_come_after_the_success(supplier, site, purchase) -> None:
    """A success without cards is not done yet."""
    site.fault("late_cards", 1)
    supplier.buy(purchase)
    assert supplier.find_purchase(purchase).stage is Stage.WORKING
    assert supplier.find_purchase(purchase).stage is Stage.DONE


@pytest.mark.parametrize("card_style", ["objects", "texts", "json"])
@pytest.mark.parametrize("listed_style", ["list", "object"])
def test_clones_write_differently(card_style, listed_style, supplier, site, purchase) -> None:
    """Cards as texts or JSON, orders in an object, numbers for money and code 1 are read alike."""
    site.card_style, site.listed_style, site.money_is_numeric = card_style, listed_style, True
    site.success_code = 1
    cloned = KasushouSupplier(attrs.evolve(supplier.options, success_codes=(0, 1)), supplier.client)
    assert cloned.buy(purchase).cost == COST
    assert _shown(cloned.find_purchase(purchase)) == ["PW-AAAA-0001", "PW-AAAA-0002"]
    assert cloned.balance() == Money("9980.20", "CNY")
    assert cloned.offers(["10023"])[0].price == Money("9.90", "CNY")


def test_goods_are_quoted(supplier, site) -> None:
    """Offers tell price, stock and limits; unknown goods are left out, each is asked for once."""
    site.sell("10024", "3.1234", ["x"], least=2, most=5, status=2)
    site.sell("9_1", "1.00", ["y"])
    offers = {offer.item: offer for offer in supplier.offers(["10023", "10024", "9_1", "77", "77"])}
    assert list(offers) == ["10023", "10024", "9_1"]
    assert (offers["10023"].available, offers["10023"].on_sale) == (5, True)
    assert offers["10024"].price == Money("3.13", "CNY")
    assert (offers["10024"].least, offers["10024"].most) == (2, 5)
    assert not offers["10024"].on_sale
    assert site.calls.count("goods/info") == 4


def test_balance_falls(supplier, purchase) -> None:
    """The balance falls by what is spent."""
    assert supplier.balance() == Money("10000.00", "CNY")
    supplier.buy(purchase)
    assert supplier.balance() == Money("9980.20", "CNY")


def test_unknown_purchase_is_none(supplier, purchase) -> None:
    """A purchase that never arrived is told as missing."""
    assert supplier.find_purchase(purchase) is None


def test_time_may_be_set(site, options, client, purchase) -> None:
    """The time that calls carry comes from the clock that was given; the site minds its length."""
    supplier = KasushouSupplier(
        attrs.evolve(options, base_url=site.url),
        client,
        now=lambda: datetime(2025, 1, 1, tzinfo=UTC),
    )
    assert supplier.buy(purchase).stage is Stage.WORKING


# --- refusals -------------------------------------------------------------------------------


def test_price_above_the_ceiling_spends_nothing(supplier, site, purchase) -> None:
    """When the price has risen above the ceiling, nothing is bought."""
    site.sell("10023", "10.51")
    with pytest.raises(RejectedError, match="ceiling"):
        supplier.buy(purchase)
    site.sell("10023", "10.50")
    supplier.buy(purchase)
    assert site.spent == Decimal("21.00")


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"quantity": 6}, "stock"), ({"item": "77"}, "item"), ({"quantity": 0}, "not known here")],
)
def test_refused_purchases_cost_nothing(changed, said, supplier, site, purchase) -> None:
    """What the site refuses is rejected with a reason, and costs nothing."""
    with pytest.raises(RejectedError, match=said):
        supplier.buy(attrs.evolve(purchase, **changed))
    assert (site.spent, site.sold) == (0, {})


def test_goods_that_are_paused_are_not_sold(supplier, site, purchase) -> None:
    """A good that is off sale is refused; so is a purchase that the balance does not cover."""
    site.goods["10023"].status = 2
    with pytest.raises(RejectedError, match="item"):
        supplier.buy(purchase)
    site.goods["10023"].status = 1
    site.paid_in = Decimal("19.79")
    with pytest.raises(RejectedError, match="balance"):
        supplier.buy(purchase)


@pytest.mark.parametrize(
    "changed", [{"credential": Secret("another-api-key")}, {"user_id": "10087"}]
)
def test_wrong_credential_is_named(changed, supplier, site, client, purchase) -> None:
    """A refused credential says which settings to check, and does not show them."""
    wrong = KasushouSupplier(attrs.evolve(supplier.options, **changed), client)
    for call in (lambda: wrong.buy(purchase), wrong.balance):
        with pytest.raises(RejectedError, match="user_id or credential") as caught:
            call()
        assert "another-api-key" not in str(caught.value)
    with pytest.raises(TransientError):
        wrong.find_purchase(purchase)
    assert site.spent == 0


def test_wrong_address_is_named(supplier, client, purchase) -> None:
    """A page that is not there proves nothing about a purchase."""
    lost = KasushouSupplier(
        attrs.evolve(supplier.options, base_url=f"{supplier.options.base_url}shop"), client
    )
    with pytest.raises(UnknownOutcome, match="404"):
        lost.buy(purchase)
    with pytest.raises(TransientError, match="404"):
        lost.find_purchase(purchase)


# --- lost answers ---------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["drop_before", "html", "http_500", "code_500"])
def test_lost_before_it_was_bought(fault, supplier, site, purchase) -> None:
    """An answer that says nothing is unknown; looked up there is nothing, and it can be sent again."""
    site.fault(fault)
    with pytest.raises(UnknownOutcome):
        supplier.buy(purchase)
    assert supplier.find_purchase(purchase) is None
    supplier.buy(attrs.evolve(purchase, attempts=2))
    assert site.spent == Decimal("19.80")


@pytest.mark.parametrize("fault", ["drop_after", "html_after", "http_500_after", "code_500_after"])
def test_lost_after_it_was_bought(fault, supplier, site, purchase) -> None:
    """A purchase whose answer is lost is found with its cards; sent again it is not sold again."""
    site.fault(fault)
    with pytest.raises(UnknownOutcome):
        supplier.buy(purchase)
    with pytest.raises(UnknownOutcome, match="used before"):
        supplier.buy(attrs.evolve(purchase, attempts=2))
    found = supplier.find_purchase(purchase)
    assert _shown(found) == site.sold[purchase.reference]
    assert site.spent == Decimal("19.80")


def test_late_answer_is_lost(supplier, site, purchase) -> None:
    """An answer that comes too late is unknown; the purchase is found."""
    site.fault("delay", 1.0)
    with HttpClient(timeout_s=0.3, allow_http=True) as client:
        hurried = KasushouSupplier(supplier.options, client)
        with pytest.raises(UnknownOutcome):
            hurried.buy(purchase)
    assert supplier.find_purchase(purchase).stage is Stage.DONE


def test_wrong_signature_bought_nothing(supplier, site, purchase) -> None:
    """A signature that the site does not accept buys nothing."""
    site.fault("wrong_signature")
    with pytest.raises(RejectedError, match="credential"):
        supplier.buy(purchase)
    assert supplier.find_purchase(purchase) is None


@pytest.mark.parametrize(
    "fault",
    ["drop_before", "drop_after", "html", "http_500", "code_500", "wrong_signature", "other"],
)
def test_failed_look_up_is_transient(fault, supplier, site, purchase) -> None:
    """A look-up that fails says nothing, and the next one finds the purchase."""
    supplier.buy(purchase)
    supplier.buy(attrs.evolve(purchase, reference="z" * 18))
    site.fault(fault, call="order/info")
    with pytest.raises(TransientError):
        supplier.find_purchase(purchase)
    assert supplier.find_purchase(purchase).stage is Stage.DONE


def test_lagging_look_up_finds_nothing(supplier, site, purchase) -> None:
    """A site that does not show an order yet says that there is none; the next look finds it."""
    supplier.buy(purchase)
    site.fault("missing", call="order/info")
    assert supplier.find_purchase(purchase) is None
    assert supplier.find_purchase(purchase).stage is Stage.DONE


def test_many_at_once_are_sold_once_each(supplier, site, purchase) -> None:
    """Threads that send one purchase at the same moment get it sold once."""
    outcomes = []

    def buy() -> None:
        try:
            outcomes.append(supplier.buy(purchase).stage)
        except UnknownOutcome:
            outcomes.append("unknown")

    threads = [threading.Thread(target=buy) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == ["unknown"] * 5 + ["working"]
    assert site.spent == Decimal("19.80")


@pytest.mark.parametrize("cause", ["balance", "stock", "price", "paused"])
def test_refused_repetition_may_be_due_to_the_first_order(cause, supplier, site, purchase) -> None:
    """Refused for a good reason and bought before all the same: what comes next is a look-up."""
    site.fault("drop_after")
    with pytest.raises(UnknownOutcome):
        supplier.buy(purchase)
    words = {"balance": "余额不足", "stock": "商品库存不足", "price": "商品价格高于安全价格"}
    site.fault("refuse", words.get(cause, "商品已下架"))
    with pytest.raises(UnknownOutcome, match="repeated"):
        supplier.buy(attrs.evolve(purchase, attempts=2))
    assert supplier.find_purchase(purchase).stage is Stage.DONE
    assert site.spent == Decimal("19.80")


# --- what is sold ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        ("fewer", ["PW-AAAA-0001"]),
        ("more", ["PW-AAAA-0001", "PW-AAAA-0002", "PW-AAAA-0003"]),
        ("duplicate", ["PW-AAAA-0001", "PW-AAAA-0001"]),
        ("blank", ["PW-AAAA-0001", ""]),
        ("apology", ["PW-AAAA-0001", "库存紧张，请联系客服补发"]),
    ],
)
def test_odd_cards_are_passed_on(fault, shown, supplier, site, purchase) -> None:
    """Too few, too many, the same or no card: they are told as they came, for the core to judge."""
    site.fault(fault)
    supplier.buy(purchase)
    found = supplier.find_purchase(purchase)
    assert found.stage is Stage.DONE
    assert _shown(found) == shown


def test_known_cards_are_passed_on(supplier, site, purchase) -> None:
    """Cards that were sold before are told too; only the core knows them."""
    supplier.buy(purchase)
    site.fault("known")
    again = attrs.evolve(purchase, reference="z" * 18)
    supplier.buy(again)
    assert _shown(supplier.find_purchase(again)) == _shown(supplier.find_purchase(purchase))


@pytest.mark.parametrize(
    ("fault", "stage", "spent"),
    [
        ("cancelled", Stage.FAILED, "0"), ("refunded", Stage.FAILED, "0"),
        ("refunded_with_cards", Stage.FAILED, "0"), ("unpaid", Stage.FAILED, "0"),
        ("partial_refund", Stage.UNCLEAR, "9.90"), ("odd_status", Stage.UNCLEAR, "19.80"),
    ],
)  # fmt: skip
def test_purchases_end_badly(fault, stage, spent, supplier, site, purchase) -> None:
    """Paid back in full or never paid is failed; everything else that went wrong is unclear."""
    site.fault(fault)
    supplier.buy(purchase)
    found = supplier.find_purchase(purchase)
    assert found.stage is stage
    assert found.problem
    assert stage is not Stage.FAILED or not found.cards
    assert site.spent == Decimal(spent)


def test_top_up_may_be_paid_back_in_part(supplier, site, top_up) -> None:
    """A top-up that the site calls a success, and of which it paid money back, is unclear."""
    supplier.top_up(top_up)
    site.refund(top_up.reference, "4.90", status=3)
    found = supplier.find_purchase(top_up)
    assert (found.stage, found.refunded) == (Stage.UNCLEAR, Money("4.90", "CNY"))


def test_served_purchase_may_be_paid_back(supplier, site, purchase) -> None:
    """A purchase that was served and is called off later tells it at the next look."""
    supplier.buy(purchase)
    assert supplier.find_purchase(purchase).stage is Stage.DONE
    site.refund(purchase.reference, "5.00")
    assert supplier.find_purchase(purchase).stage is Stage.UNCLEAR
    site.refund(purchase.reference)
    assert supplier.find_purchase(purchase).stage is Stage.FAILED


# --- messages -------------------------------------------------------------------------------


class _Post:
    """The address that a site posts to: passes what arrives to an adapter."""

    def __init__(self, httpserver) -> None:
        self.hints: list[Hint] = []
        self.supplier: KasushouSupplier | None = None
        self.url = httpserver.url_for("/kss")
        httpserver.expect_request("/kss", method="POST").respond_with_handler(self._take)

    def _take(self, request):
        from werkzeug import Response as Answered

        from autocard.spi import Answer

        inbound = Inbound(
            method="POST", path="/kss", headers=dict(request.headers), body=request.get_data()
        )
        self.hints.append(self.supplier.parse(inbound, now=datetime.now(UTC)))
        reply = self.supplier.acknowledge(Answer.ACCEPTED)
        return Answered(reply.body, status=reply.status, headers=dict(reply.headers))


def test_message_may_come_before_the_answer(supplier, site, purchase, httpserver) -> None:
    """The site calls back before it answers; the message names the purchase by both numbers."""
    post = _Post(httpserver)
    post.supplier = KasushouSupplier(
        attrs.evolve(supplier.options, notify_url=post.url), supplier.client
    )
    site.fault("callback_first")
    remote = post.supplier.buy(purchase).remote
    assert post.hints == [Hint(reference=purchase.reference, remote=remote)]
    assert site.called_back == [(purchase.reference, 200)]


@pytest.mark.parametrize(
    "how",
    [
        {}, {"form": True}, {"cards_as_text": True}, {"numeric": True}, {"escapes": False},
        {"hints": "成功/已发货"},
    ],
)  # fmt: skip
def test_messages_of_the_site_are_proved(how, supplier, site, purchase) -> None:
    """Whichever way the site writes its message, it names the purchase."""
    remote = supplier.buy(purchase).remote
    supplier.find_purchase(purchase)
    headers, body = site.callback(purchase.reference, **how)
    inbound = Inbound(method="POST", path="/kss", headers=headers, body=body)
    expected = Hint(reference=purchase.reference, remote=remote)
    assert supplier.parse(inbound, now=datetime.now(UTC)) == expected


def test_other_messages_of_the_site_are_proved(supplier, site, purchase) -> None:
    """Goods changes and after-sales name what they are about; a clock that is off is refused."""
    remote = supplier.buy(purchase).remote
    told = []
    for headers, body in (site.goods_push("10023"), site.after_sales_push(purchase.reference)):
        inbound = Inbound(method="POST", path="/kss", headers=headers, body=body)
        told.append(supplier.parse(inbound, now=datetime.now(UTC)))
    assert told == [Hint(items=("10023",)), Hint(remote=remote)]
    site.skew_s = 8000
    headers, body = site.goods_push("10023")
    inbound = Inbound(method="POST", path="/kss", headers=headers, body=body)
    with pytest.raises(VerificationError):
        supplier.parse(inbound, now=datetime.now(UTC))


# --- the site itself ------------------------------------------------------------------------


def test_empty_number_of_ours_would_buy_again(supplier, site, options) -> None:
    """The site does not tell purchases without our number apart, so the adapter never sends one."""
    from autocard.adapters.kasushou.translate import signed_call

    for _ in range(2):
        members = {"id": 10023, "quantity": 1, "external_orderno": ""}
        call = signed_call("order/buy", members, supplier.options, datetime.now(UTC))
        supplier.client.request("POST", call.url, safe=False, headers=call.headers, body=call.body)
    assert site.spent == Decimal("19.80")


def test_body_must_be_sorted(supplier, site) -> None:
    """The site checks the signature over the raw body and over the sorted one; both must fit."""
    from autocard.adapters.kasushou.signature import compact_json, signature, timestamp

    time, text = timestamp(datetime.now(UTC)), compact_json({"page": 1, "limit": 5})
    headers = {
        "UserId": site.user_id, "Timestamp": time, "Content-Type": "application/json",
        "Sign": signature(time, text, supplier.options.credential),
    }  # fmt: skip
    answer = supplier.client.request(
        "POST", supplier.options.page("goods/list"), safe=True, headers=headers, body=text.encode()
    )
    assert b"\\u7b7e\\u540d" in answer.body


def test_nothing_leaks(site, client, purchase, top_up) -> None:
    """No credential, target or card shows in errors, their variables, reprs or logs."""
    detector = LeakDetector(own_files=[__file__])
    site.api_key = detector.plant("the API key")
    card, number = detector.plant("the card"), detector.plant("its number")
    options = KasushouOptions(
        base_url=site.url, user_id=site.user_id, credential=Secret(site.api_key)
    )
    site.sell("555", "1.00", [(number, card)] * 20)
    supplier = KasushouSupplier(options, client)
    bought = attrs.evolve(purchase, item="555", quantity=1)
    charged = attrs.evolve(top_up, target=detector.plant("the target"))
    faults = ["drop_after", "html_after", "code_500_after", "refuse", "apology", "odd_status"]
    with detector:
        for count, fault in enumerate(faults):
            site.fault(fault, f"{card} {charged.target} 失败", times=2)
            number_ = f"r{count:017d}"
            calls = [
                lambda ref=number_: supplier.buy(attrs.evolve(bought, reference=ref)),
                lambda ref=number_: supplier.top_up(attrs.evolve(charged, reference=ref + "t")),
                lambda ref=number_: supplier.find_purchase(attrs.evolve(bought, reference=ref)),
            ]
            for call in calls:
                _look_at(detector, call)
        supplier.buy(bought)
        site.fault("other", call="order/info")
        _look_at(detector, lambda: supplier.find_purchase(attrs.evolve(bought, reference="q" * 18)))
        supplier.find_purchase(bought)
        headers, body = site.callback(bought.reference, api_key="wrong")
        inbound = Inbound(method="POST", path="/", headers=headers, body=body)
        _look_at(detector, lambda: supplier.parse(inbound, now=datetime.now(UTC)))
    detector.check_value("the adapter", supplier)
    detector.check_value("its options", options)
    detector.assert_clean()


def _look_at(detector, call) -> None:
    try:
        detector.check_value("what a call returns", call())
    except Exception as error:  # noqa: BLE001 - whatever is raised is looked at
        detector.check_exception(error)
