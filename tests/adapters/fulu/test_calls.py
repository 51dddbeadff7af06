"""The fulu adapter against the simulated gateway on a real socket, lost answers included."""

from __future__ import annotations

import json
import math
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer

import attrs
import pytest

from autocard.adapters.fulu import FuluSupplier
from autocard.adapters.fulu.translate import Call, request_body
from autocard.http.client import HttpClient
from autocard.spi import (
    Answer,
    Inbound,
    Money,
    RejectedError,
    Secret,
    Shape,
    Stage,
    Supplied,
    TransientError,
    UnknownOutcome,
    VerificationError,
)
from autocard.testing.leaks import LeakDetector

QUERY = "fulu.order.info.get"
LOST = ["drop_before", "drop_after", "http_500", "http_502", "html", "cut", "wrong_sign"]


def _found(supplier, purchase) -> Supplied:
    supplied = supplier.find_purchase(purchase)
    assert supplied is not None
    return supplied


def _texts(supplied):
    return [card.secret.reveal() for card in supplied.cards]


# --- the usual way --------------------------------------------------------------------------


def test_cards_are_bought(supplier, gateway, purchase) -> None:
    """A purchase is accepted, worked on, and found with its cards; each call is one request."""
    gateway.working_looks = 1
    accepted = supplier.buy(purchase)
    assert (accepted.stage, accepted.cards) == (Stage.WORKING, ())
    assert _found(supplier, purchase).stage is Stage.WORKING
    supplied = _found(supplier, purchase)
    assert supplied.stage is Stage.DONE
    assert supplied.remote == accepted.remote != ""
    assert supplied.cost == Money("19.80", "CNY")
    assert tuple(_texts(supplied)) == gateway.sold[purchase.reference]
    assert [card.number for card in supplied.cards] == ["FLNO00010000", "FLNO00010001"]
    assert gateway.spent == Decimal("19.8")
    assert gateway.requests == ["fulu.order.card.add", QUERY, QUERY]


def test_account_is_charged(supplier, gateway, top_up) -> None:
    """A top-up charges its account once, with what the buyer chose."""
    chosen = attrs.evolve(top_up, options={"ChargeServer": "一区"})
    assert supplier.top_up(chosen).stage is Stage.WORKING
    assert _found(supplier, chosen).stage is Stage.DONE
    assert gateway.charged == {chosen.reference: ("13800138000", 2)}
    assert gateway.order(chosen.reference).fields["charge_game_srv"] == "一区"
    assert gateway.spent == Decimal("97.5")
    assert gateway.sold == {}


def test_goods_are_offered(supplier, gateway) -> None:
    """One item is asked for by its number, several with the catalogue; unknown ones are left out."""
    [offer] = supplier.offers(["10010001"])
    assert (offer.price, offer.available) == (Money("9.90", "CNY"), None)
    offers = supplier.offers(["20020002", "10010001", "30030003", "steam-50"])
    assert [offer.item for offer in offers] == ["20020002", "10010001"]
    gateway.take_off("10010001")
    assert supplier.offers(["10010001"]) == ()
    assert len(gateway.requests) == 3
    gateway.sell("40040004", "1")
    [offer] = supplier.offers(["40040004"])
    assert offer.available == 0


def test_nothing_is_asked_about_no_numbers(supplier, gateway) -> None:
    """Items that no product can have are not asked for."""
    assert supplier.offers(["steam-50", ""]) == ()
    assert supplier.offers([]) == ()
    assert gateway.requests == []


def test_balance_falls(supplier, gateway, purchase) -> None:
    """The balance is what is left."""
    supplier.buy(purchase)
    assert supplier.balance() == Money("9980.20", "CNY")


# --- refusals -------------------------------------------------------------------------------


def test_good_that_is_gone_is_rejected(supplier, gateway, purchase) -> None:
    """A product that is sold out or off sale is rejected, and nothing was bought."""
    with pytest.raises(RejectedError, match="3008"):
        supplier.buy(attrs.evolve(purchase, quantity=7))
    gateway.take_off("10010001")
    with pytest.raises(RejectedError, match="3001"):
        supplier.buy(purchase)
    assert gateway.spent == 0
    assert supplier.find_purchase(purchase) is None


def test_poor_account_is_looked_up(supplier, gateway, purchase) -> None:
    """A refusal of another kind is verified: there is no order, and money may still come."""
    gateway.balance = Decimal(1)
    with pytest.raises(UnknownOutcome, match="pay into"):
        supplier.buy(purchase)
    assert supplier.find_purchase(purchase) is None
    gateway.balance = Decimal(100)
    assert supplier.buy(attrs.evolve(purchase, attempts=2)).stage is Stage.WORKING
    assert gateway.spent == Decimal("19.8")


def test_same_reference_never_buys_twice(supplier, gateway, purchase) -> None:
    """A purchase sent again is refused by Fulu, and stays the one that it was."""
    supplier.buy(purchase)
    for attempts in (1, 2, 3):
        with pytest.raises(UnknownOutcome):
            supplier.buy(attrs.evolve(purchase, attempts=attempts))
    assert gateway.spent == Decimal("19.8")
    assert _found(supplier, purchase).stage is Stage.DONE


def test_other_credentials_are_turned_away(supplier, client, purchase, gateway) -> None:
    """A wrong secret buys nothing, and finds nothing missing either."""
    other = attrs.evolve(supplier.options, credential=Secret("f" * 32))
    stranger = FuluSupplier(other, client)
    with pytest.raises(UnknownOutcome, match="credential"):
        stranger.buy(purchase)
    with pytest.raises(TransientError, match="credential"):
        stranger.find_purchase(purchase)
    with pytest.raises(TransientError, match="credential"):
        stranger.balance()
    assert gateway.spent == 0


def test_clocks_that_differ_are_named(supplier, gateway, purchase) -> None:
    """A clock that is wrong is what the error says."""
    old = attrs.evolve(purchase, sent_at=datetime.now(UTC) - timedelta(minutes=11))
    with pytest.raises(UnknownOutcome, match="clock"):
        supplier.buy(old)
    gateway.fault("skew", on=QUERY, value=3600)
    with pytest.raises(TransientError, match="clock"):
        supplier.find_purchase(purchase)
    gateway.window_s = math.inf
    assert supplier.buy(old).stage is Stage.WORKING


def test_time_of_other_calls_is_now(client, gateway, supplier) -> None:
    """Offers and balance are asked for at the time that the adapter is told."""
    gateway.clock = lambda: datetime(2030, 1, 1, tzinfo=UTC)
    with pytest.raises(TransientError, match="clock"):
        supplier.balance()
    later = FuluSupplier(supplier.options, client, now=gateway.clock)
    assert later.balance() == Money("10000", "CNY")


# --- lost answers ---------------------------------------------------------------------------


@pytest.mark.parametrize("fault", LOST)
def test_lost_answer_is_found(fault, supplier, gateway, purchase) -> None:
    """When the answer to a purchase is lost, a look-up says what became of it; it costs once."""
    gateway.fault(fault)
    with pytest.raises(UnknownOutcome):
        supplier.buy(purchase)
    found = supplier.find_purchase(purchase)
    if found is None:  # it never arrived: the same reference again
        assert fault in {"drop_before", "http_502"}
        supplier.buy(attrs.evolve(purchase, attempts=2))
        found = _found(supplier, purchase)
    assert found.stage is Stage.DONE
    assert tuple(_texts(found)) == gateway.sold[purchase.reference]
    assert gateway.spent == Decimal("19.8")


@pytest.mark.parametrize("fault", LOST)
def test_lost_answers_to_questions_are_transient(fault, supplier, gateway, purchase) -> None:
    """A question without a usable answer is asked again; nothing is believed missing."""
    supplier.buy(purchase)
    gateway.fault(fault, on=(), times=3)
    for ask in (
        lambda: supplier.find_purchase(purchase),
        supplier.balance,
        lambda: supplier.offers(["10010001"]),
    ):
        with pytest.raises(TransientError):
            ask()
    assert _found(supplier, purchase).stage is Stage.DONE


def test_slow_answer_is_unknown(supplier, gateway, purchase) -> None:
    """An answer that comes too late is a lost one."""
    gateway.fault("delay", value=0.6)
    with HttpClient(timeout_s=0.3, allow_http=True) as hasty, pytest.raises(UnknownOutcome):
        FuluSupplier(supplier.options, hasty).buy(purchase)
    assert _found(supplier, purchase).stage is Stage.DONE


def test_nothing_sent_is_transient(supplier, client, purchase) -> None:
    """Where nobody listens nothing was bought for certain."""
    nowhere = attrs.evolve(supplier.options, gateway_url="http://127.0.0.1:9/api/getway")
    with pytest.raises(TransientError):
        FuluSupplier(nowhere, client).buy(purchase)


def test_unsigned_answers_are_taken(supplier, gateway, purchase) -> None:
    """An answer without a signature counts; Fulu leaves it out at times."""
    gateway.fault("empty_sign", on=(), times=2)
    supplier.buy(purchase)
    assert _found(supplier, purchase).stage is Stage.DONE


def test_odd_refusals_are_unknown(supplier, gateway, purchase) -> None:
    """A code that nobody knows is looked up first."""
    gateway.fault("refuse", value=9999)
    with pytest.raises(UnknownOutcome, match="9999"):
        supplier.buy(purchase)


def test_order_may_be_missing_for_a_while(supplier, gateway, purchase) -> None:
    """A look-up that does not see the order yet is one miss of several that are needed."""
    supplier.buy(purchase)
    gateway.fault("missing", on=QUERY, times=supplier.misses - 1)
    for _ in range(supplier.misses - 1):
        assert supplier.find_purchase(purchase) is None
    assert _found(supplier, purchase).stage is Stage.DONE


# --- what comes of an order -----------------------------------------------------------------


def _outcome(supplier, gateway, purchase, fault, looks=1) -> Supplied:
    gateway.fault(fault)
    supplier.buy(purchase)
    for _ in range(looks - 1):
        assert _found(supplier, purchase).stage is Stage.WORKING
    return _found(supplier, purchase)


def test_failed_order_is_paid_back(supplier, gateway, purchase) -> None:
    """A failed order costs nothing."""
    supplied = _outcome(supplier, gateway, purchase, "failed")
    assert supplied.stage is Stage.FAILED
    assert supplied.refunded == supplied.cost == Money("19.80", "CNY")
    assert (gateway.spent, gateway.sold) == (0, {})
    assert supplier.balance() == Money("10000", "CNY")


@pytest.mark.parametrize(
    ("fault", "number"), [("fewer", 1), ("more", 3), ("twice", 2), ("known", 2), ("apology", 2)]
)
def test_odd_lists_are_what_was_sent(fault, number, supplier, gateway, purchase) -> None:
    """Fewer, more, repeated and apologetic cards come as they were sent, for the core to judge."""
    supplier.buy(attrs.evolve(purchase, reference="b1b2c3d4e5f6g7h8i9", quantity=1))
    supplied = _outcome(supplier, gateway, purchase, fault)
    assert supplied.stage is Stage.DONE
    assert tuple(_texts(supplied)) == gateway.sold[purchase.reference]
    assert len(supplied.cards) == number
    known = gateway.sold["b1b2c3d4e5f6g7h8i9"][0]
    assert (known in _texts(supplied)) == (fault == "known")
    assert len(set(_texts(supplied))) == (1 if fault in {"fewer", "twice", "apology"} else number)


@pytest.mark.parametrize("fault", ["no_number", "null"])
def test_codes_alone_are_cards(fault, supplier, gateway, purchase) -> None:
    """A field that is empty or null is not there."""
    supplied = _outcome(supplier, gateway, purchase, fault)
    assert supplied.stage is Stage.DONE
    assert [card.number for card in supplied.cards] == ["", ""]


@pytest.mark.parametrize(
    ("fault", "kept"),
    [("no_password", 2), ("nothing", 0), ("sealed", 0), ("other_product", 2)],
)
def test_what_proves_nothing_is_for_a_person(fault, kept, supplier, gateway, purchase) -> None:
    """Halves of cards, empty ones, ones that do not open, and other products are unclear."""
    supplied = _outcome(supplier, gateway, purchase, fault)
    assert (supplied.stage, len(supplied.cards)) == (Stage.UNCLEAR, kept)
    assert supplied.problem


@pytest.mark.parametrize("fault", ["link", "picture"])
def test_links_arrive(fault, supplier, gateway, purchase) -> None:
    """Links and addresses of pictures are links."""
    supplied = _outcome(supplier, gateway, purchase, fault)
    assert supplied.stage is Stage.DONE
    assert {card.shape for card in supplied.cards} == {Shape.LINK}


def test_cards_may_come_after_the_state(supplier, gateway, purchase) -> None:
    """The state may be ahead of the cards."""
    assert _outcome(supplier, gateway, purchase, "late_cards", looks=2).stage is Stage.DONE


@pytest.mark.parametrize("fault", ["no_cards", "unknown_state", "stuck"])
def test_other_orders_keep_working(fault, supplier, gateway, purchase) -> None:
    """An order that does not come to an end is looked up again and again."""
    assert _outcome(supplier, gateway, purchase, fault, looks=4).stage is Stage.WORKING


# --- callbacks ------------------------------------------------------------------------------


def test_callback_may_come_before_the_answer(supplier, gateway, purchase) -> None:
    """A callback that overtakes the answer names the order, and a look-up finds it."""
    seen = []

    def receive(body: bytes) -> None:
        inbound = Inbound(method="POST", path="/fulu", body=body)
        seen.append(supplier.parse(inbound, now=datetime.now(UTC)))

    gateway.on_callback = receive
    gateway.fault("callback_first")
    accepted = supplier.buy(purchase)
    assert [(hint.reference, hint.remote) for hint in seen] == [
        (purchase.reference, accepted.remote)
    ]
    assert _found(supplier, purchase).stage is Stage.DONE
    assert len(gateway.callbacks) == 1


def test_callbacks_are_posted(supplier, gateway, purchase) -> None:
    """The gateway posts a callback to a registered address."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            reply = supplier.acknowledge(Answer.ACCEPTED)
            self.send_response(reply.status)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        gateway.callback_url = f"http://127.0.0.1:{server.server_address[1]}/fulu"
        supplier.buy(purchase)
        supplier.find_purchase(purchase)
        thread.join()
    assert bodies == gateway.callbacks
    assert json.loads(bodies[0])["price"] == "9.9000"


def test_replies_are_words(supplier) -> None:
    """Only an accepted callback is answered `success`, and a refusal explains nothing."""
    replies = {answer: supplier.acknowledge(answer) for answer in Answer}
    assert [(reply.status, reply.body) for reply in replies.values()] == [
        (200, b"success"), (400, b"fail"), (503, b"fail"),
    ]  # fmt: skip
    with pytest.raises(VerificationError):
        supplier.parse(Inbound(method="GET", path="/"), now=datetime.now(UTC))


# --- secrets, and the gateway itself ---------------------------------------------------------


def test_nothing_shows(simulation, client, options, purchase, top_up) -> None:
    """No credential, card or account is in an error, a repr or a log, whatever goes wrong."""
    detector = LeakDetector(own_files=[simulation.__file__, __file__])
    secret = (detector.plant("credential") * 2)[:32]
    detector.watch("the whole credential", secret)
    named, account = detector.plant("app_key"), detector.plant("the account")
    cards = [detector.plant(f"card {number}") for number in range(30)]
    with simulation.Simulator(app_key=named, app_secret=secret) as gateway, detector:
        gateway.sell("10010001", "9.9", cards=cards)
        gateway.sell_top_up("20020002", "5")
        settled = attrs.evolve(
            options, app_key=Secret(named), credential=Secret(secret), gateway_url=gateway.url
        )
        supplier = FuluSupplier(settled, client)
        for number, fault in enumerate(
            [*LOST, "refuse", "failed", "sealed", "no_password", "link"]
        ):
            for call, bought in (
                (supplier.buy, attrs.evolve(purchase, reference=f"buy{number}", quantity=1)),
                (supplier.top_up, attrs.evolve(top_up, reference=f"up{number}", target=account)),
            ):
                gateway.fault(fault, value=9999)
                for each in (call, supplier.find_purchase):
                    try:
                        detector.check_value("an answer", each(bought))
                    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
                        detector.check_exception(error)
        detector.check_value("the adapter", supplier)
        detector.check_value("its options", settled)
    detector.assert_clean()


def test_gateway_serves_many_at_once(supplier, gateway, purchase) -> None:
    """Many purchases at once get each its own cards, and cost what they cost."""
    gateway.sell("10010001", "9.9", cards=[f"CODE-{number:04}" for number in range(60)])

    def bought(number: int) -> list[str]:
        one = attrs.evolve(purchase, reference=f"thread{number:04}", quantity=2)
        supplier.buy(one)
        return _texts(_found(supplier, one))

    with ThreadPoolExecutor(8) as pool:
        texts = [text for cards in pool.map(bought, range(30)) for text in cards]
    assert len(set(texts)) == 60
    assert gateway.spent == Decimal("19.8") * 30


def _asked(gateway, options, call: Call, **changes) -> int:
    said = {**json.loads(request_body(call, options, datetime.now(UTC))), **changes}
    body = json.dumps(said, indent=1).encode()  # white space does not matter
    request = urllib.request.Request(gateway.url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answered:
        return json.load(answered)["code"]


def test_gateway_checks_what_it_is_told(gateway, supplier, options, simulation) -> None:
    """The simulated gateway takes any white space, and refuses what is malformed or unsigned."""
    info = Call("fulu.goods.info.get", {"product_id": "10010001"})
    assert _asked(gateway, options, info) == 0
    assert _asked(gateway, options, Call("fulu.goods.info.get", {"product_id": "1"})) == 3001
    assert _asked(gateway, options, info, sign="0" * 32) == simulation.BAD_SIGN
    assert _asked(gateway, options, info, version="1.0") == simulation.BAD_SIGN
    assert _asked(gateway, options, info, app_key="other") == simulation.BAD_APP
    assert _asked(gateway, options, info, biz_content="") == simulation.BAD_SIGN
    assert _asked(gateway, options, info, more="x") == simulation.BAD_CALL
    bad = [
        Call("fulu.goods.info.get", {"product_id": 10010001}), Call("fulu.nothing", {}),
        Call("fulu.order.card.add", {"product_id": "10010001", "buy_num": 1,
                                     "customer_order_no": "a1"}),
        Call("fulu.order.direct.add", {"product_id": 20020002, "buy_num": 1,
                                       "customer_order_no": "a1"}),
    ]  # fmt: skip
    for call in bad:
        assert _asked(gateway, options, call) == simulation.BAD_CALL
    with pytest.raises(ValueError, match="no fault"):
        gateway.fault("nonsense")
    assert gateway.settings({"month": "10010001"})["items"] == {"month": "10010001"}
    assert gateway.order("a1") is None
    lost = attrs.evolve(supplier.options, gateway_url=gateway.url + "/x")
    with pytest.raises(TransientError, match="404"):
        FuluSupplier(lost, supplier.client).balance()
