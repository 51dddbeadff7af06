"""The supplier suite passes honest adapters and catches each kind of broken one."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
from datetime import UTC, datetime
from typing import ClassVar

import attrs
import pytest

from autocard import AdapterError
from autocard.spi import (
    Answer,
    BoughtCard,
    Capability,
    Hint,
    Inbound,
    Money,
    Offer,
    RejectedError,
    Reply,
    Response,
    Secret,
    Stage,
    Supplied,
    Supplier,
    TransientError,
    UnknownOutcome,
    UnsupportedFeature,
    VerificationError,
    same,
)
from autocard.testing.mutations import CountingClient, reworded
from autocard.testing.rehearsals import (
    Rehearsal,
    problem_of_offers,
    problem_of_supplied,
    written,
)
from autocard.testing.suppliers import SupplierSuite

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
URL = "https://tiny.example.com"


def _json(**said) -> Response:
    return Response(status=200, body=json.dumps(said).encode())


SOLD = _json(state="sold", number="R-1", cost="9.90", cards=["AAAA-BBBB-0001"])
CHARGED = _json(state="sold", number="R-2", cost="9.90", cards=[])
NONE_SUCH = _json(state="none such")
SOLD_OUT = _json(state="sold out")
BUSY = _json(state="busy")
PRICED = Response(status=200, body=b'{"goods": [{"item": "1024", "price": "9.90"}]}')
HELD = _json(balance="1000.00")


@attrs.frozen(kw_only=True)
class TinyOptions:
    """Settings of the tiny supplier."""

    credential: Secret = attrs.field(default=Secret("tiny-credential"))
    key: object = ""


class Tiny(Supplier):
    """An honest little supplier: one JSON answer for each call, a signed callback."""

    name = "tiny"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.RECEIVE,
            Capability.OFFERS,
            Capability.BUY,
            Capability.TOP_UP,
            Capability.FIND_PURCHASE,
            Capability.REPEAT_PURCHASE,
            Capability.BALANCE,
        }
    )
    Options = TinyOptions

    def offers(self, items):
        goods = self._asked("/goods", items=",".join(items)).get("goods")
        if not isinstance(goods, list):
            raise TransientError("tiny: the goods are not understood")
        return [offer for good in goods if (offer := _offer(good)) and offer.item in items]

    def buy(self, purchase):
        return _supplied(self._order(purchase, "/orders"), is_card=True)

    def top_up(self, purchase):
        return _supplied(self._order(purchase, "/charges"), is_card=False)

    def find_purchase(self, purchase):
        response = self._sent("GET", "/orders", safe=True, params={"no": purchase.reference})
        try:
            if _state(response) == "none such":
                return None
            return _supplied(response, is_card=not purchase.target)
        except UnknownOutcome:
            pass
        raise TransientError("tiny: the look-up is not understood")

    def balance(self):
        money = _money(self._asked("/balance").get("balance"))
        if money is None:
            raise TransientError("tiny: the balance is not understood")
        return money

    def parse(self, inbound, *, now):
        time, _, said = inbound.query.partition("&no=")
        time = time.removeprefix("time=")
        if not same(inbound.headers.get("x-sign", ""), _sign(inbound.query)):
            raise VerificationError("tiny: not genuine")
        if abs(now.timestamp() - int(time)) > 60:
            raise VerificationError("tiny: too old")
        return Hint(reference=said)

    def acknowledge(self, answer):
        return Reply(status=200 if answer is Answer.ACCEPTED else 400)

    def _order(self, purchase, path):
        return self.client.request(
            "POST",
            URL + path,
            safe=False,
            headers={"x-sent": str(purchase.sent_at)},
            json={"no": purchase.reference, "item": purchase.item, "to": purchase.target},
        )

    def _asked(self, path, **params):
        return _members(self._sent("GET", path, safe=True, params=params))

    def _sent(self, method, path, **said):
        return self.client.request(method, URL + path, **said)


def _members(response):
    try:
        said = json.loads(response.body) if response.status == 200 else {}
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _state(response):
    return _members(response).get("state")


def _money(text):
    try:
        return Money(text, "CNY") if isinstance(text, str) else None
    except ValueError:
        return None


def _offer(good):
    item, price = (good.get("item"), good.get("price")) if isinstance(good, dict) else ("", "")
    money = _money(price)
    return Offer(item=item, price=money) if money is not None and isinstance(item, str) else None


def _supplied(response, *, is_card):
    if _state(response) == "sold out":
        raise RejectedError("tiny: nothing was bought")
    if _state(response) != "sold":
        raise UnknownOutcome("tiny: the answer is not understood; look it up")
    cards = _cards(response)
    return Supplied(
        stage=Stage.DONE if cards or not is_card else Stage.UNCLEAR,
        cards=cards,
        cost=_money(_members(response).get("cost")),
    )


def _cards(response):
    texts = _members(response).get("cards")
    kept = texts if isinstance(texts, list) else []
    return tuple(BoughtCard(secret=Secret(text)) for text in kept if isinstance(text, str))


def _sign(text: str) -> str:
    raw = text.encode("utf-8", "surrogatepass")
    return hmac.new(b"tiny-credential", raw, hashlib.sha256).hexdigest()


def _message() -> Inbound:
    query = f"time={int(NOW.timestamp())}&no=a1reference0000001"
    return Inbound(method="GET", path="/", query=query, headers={"x-sign": _sign(query)})


ANSWERS = {
    Capability.OFFERS: PRICED,
    Capability.BUY: SOLD,
    Capability.TOP_UP: CHARGED,
    Capability.FIND_PURCHASE: [SOLD],
    Capability.BALANCE: HELD,
}


class TestTiny(SupplierSuite):
    """An honest adapter passes."""

    window_s = 60.0
    varying: ClassVar[frozenset[str]] = frozenset({"X-Sent"})

    @pytest.fixture(name="supplier")
    def _supplier(self):
        return Tiny(TinyOptions(), CountingClient(SOLD))

    @pytest.fixture(name="answers")
    def _answers(self):
        return ANSWERS

    @pytest.fixture(name="missing_answers")
    def _missing_answers(self):
        return [NONE_SUCH]

    @pytest.fixture(name="refused_answers")
    def _refused_answers(self):
        return [SOLD_OUT]

    @pytest.fixture(name="unknown_answers")
    def _unknown_answers(self):
        return [BUSY]

    @pytest.fixture(name="genuine")
    def _genuine(self):
        return [_message()]

    @pytest.fixture(name="hints")
    def _hints(self):
        return [Hint(reference="a1reference0000001")]

    @pytest.fixture(name="now")
    def _now(self):
        return NOW


class Staged(Tiny):
    """One that wants a token first, sells at once or later, and finds by its own number only."""

    capabilities = frozenset({Capability.BUY})

    def buy(self, purchase):
        self._enter(error=TransientError)
        response = self._order(purchase, "/orders")
        number = _members(response).get("number")
        if _state(response) != "sold" or not isinstance(number, str):
            raise UnknownOutcome("tiny: the answer is not understood; look it up")
        return Supplied(stage=Stage.WORKING, remote=number)

    def find_purchase(self, purchase):
        if not purchase.remote:
            raise UnsupportedFeature("tiny: finds by its own number only")
        self._enter(error=TransientError)
        return super().find_purchase(purchase)

    def offers(self, items):
        return Supplier.offers(self, items)

    def top_up(self, purchase):
        return Supplier.top_up(self, purchase)

    def balance(self):
        return Supplier.balance(self)

    def parse(self, inbound, *, now):
        return Supplier.parse(self, inbound, now=now)

    def acknowledge(self, answer):
        return Supplier.acknowledge(self, answer)

    def _enter(self, error):
        said = _members(self._sent("POST", "/enter", safe=True, body=b"me=tiny&at=1"))
        if not isinstance(said.get("token"), str):
            raise error("tiny: no token")


ENTERED = _json(token="of-this-minute")


class TestStaged(SupplierSuite):
    """An adapter whose calls are several requests, and whose look-ups need a number, passes."""

    varying: ClassVar[frozenset[str]] = frozenset({"x-sent", "at"})

    @pytest.fixture(name="supplier")
    def _supplier(self):
        return Staged(TinyOptions(), CountingClient(SOLD))

    @pytest.fixture(name="answers")
    def _answers(self):
        return {
            Capability.BUY: [ENTERED, SOLD],
            Capability.FIND_PURCHASE: [ENTERED, SOLD],
        }

    @pytest.fixture(name="found")
    def _found(self, purchase):
        return attrs.evolve(purchase, remote="R-1")


class Following(Staged):
    """One that asks for the cards right after it has bought them."""

    def buy(self, purchase):
        supplied = super().buy(purchase)
        try:
            response = self._sent("GET", "/orders", safe=True, params={"no": purchase.reference})
        except AdapterError:
            return supplied
        cards = _cards(response)
        return attrs.evolve(supplied, stage=Stage.DONE, cards=cards) if cards else supplied

    find_purchase = Supplier.find_purchase


class TestFollowing(TestStaged):
    """An adapter that bought, and cannot read more after that, still says that it bought."""

    @pytest.fixture(name="supplier")
    def _supplier(self):
        return Following(TinyOptions(), CountingClient(SOLD))

    @pytest.fixture(name="answers")
    def _answers(self):
        return {Capability.BUY: [ENTERED, SOLD, SOLD]}


class Mute(Supplier):
    """A supplier that declares nothing."""

    name = "mute"
    Options = TinyOptions


class TestMute(SupplierSuite):
    """An adapter without capabilities passes by refusing everything."""

    exempt: ClassVar[dict[str, str]] = {"test_nothing_leaks": "shows that a reason skips a test"}

    @pytest.fixture(name="supplier")
    def _supplier(self):
        return Mute(TinyOptions(), CountingClient(SOLD))


# --- broken ones ----------------------------------------------------------------------------


class Doubling(Tiny):
    def buy(self, purchase):
        self._order(purchase, "/orders")
        return super().buy(purchase)


class Stubborn(Tiny):
    def buy(self, purchase):
        try:
            return super().buy(purchase)
        except UnknownOutcome:
            return super().buy(purchase)


class Harmless(Tiny):
    def buy(self, purchase):
        response = self._sent("POST", "/orders", safe=True, params={"no": purchase.reference})
        return _supplied(response, is_card=True)


class Anonymous(Tiny):
    def buy(self, purchase):
        return super().buy(attrs.evolve(purchase, reference="ours"))


class Renaming(Tiny):
    def buy(self, purchase):
        reference = f"{purchase.reference}{purchase.attempts}"
        return super().buy(attrs.evolve(purchase, reference=reference))


class Sticky(Tiny):
    def buy(self, purchase):
        return super().buy(attrs.evolve(purchase, reference="a1reference0000001"))


class Empty(Tiny):
    def buy(self, purchase):
        return attrs.evolve(super().buy(purchase), cards=())


class Hasty(Tiny):
    def buy(self, purchase):
        super().buy(purchase)
        return Supplied(stage=Stage.FAILED)


class Denying(Tiny):
    def buy(self, purchase):
        try:
            return super().buy(purchase)
        except UnknownOutcome:
            raise RejectedError("tiny: nothing was bought") from None


class Believing(Tiny):
    def buy(self, purchase):
        response = self._order(purchase, "/orders")
        return (
            _supplied(response, is_card=True)
            if _members(response)
            else Supplied(stage=Stage.WORKING)
        )


class Negating(Tiny):
    def buy(self, purchase):
        response = self._order(purchase, "/orders")
        if _members(response) and _state(response) != "sold":
            raise RejectedError("tiny: nothing was bought")
        return _supplied(response, is_card=True)


class Forgetful(Tiny):
    def find_purchase(self, purchase):
        response = self._sent("GET", "/orders", safe=True, params={"no": purchase.reference})
        return _supplied(response, is_card=True) if _state(response) == "sold" else None


class Strict(Tiny):
    def find_purchase(self, purchase):
        try:
            return super().find_purchase(purchase)
        except TransientError:
            raise RejectedError("tiny: cannot be looked up") from None


class Listing(Tiny):
    def find_purchase(self, purchase):
        response = self._sent("GET", "/orders", safe=True, params={"no": purchase.reference})
        if response.status == 200 and response.body.startswith((b"[]", b'{"state": "none')):
            return None
        if _state(response) != "sold":
            raise TransientError("tiny: the look-up is not understood")
        return _supplied(response, is_card=True)


class Unsafe(Tiny):
    def balance(self):
        return _money(_members(self._sent("POST", "/balance", safe=False)).get("balance"))


class Silent(Tiny):
    def balance(self):
        return Money("1.00", "CNY")


class Poor(Tiny):
    def balance(self):
        return super().balance().amount


class Fragile(Tiny):
    def balance(self):
        return Money(json.loads(self._sent("GET", "/balance", safe=True).body)["balance"], "CNY")


class Generous(Tiny):
    def offers(self, items):
        return [*super().offers(items), Offer(item="1025", price=Money("1.00", "CNY"))]


class Quiet(Tiny):
    def offers(self, items):
        super().offers(items)
        return []


class Wrapping(Tiny):
    def offers(self, items):
        try:
            return super().offers(items)
        except TransientError:
            raise TransientError("tiny: no offers") from None


class Dialling(Tiny):
    def balance(self):
        socket.create_connection(("127.0.0.1", 9))
        return super().balance()


class Losing(Following):
    def buy(self, purchase):
        supplied = Staged.buy(self, purchase)
        response = self._sent("GET", "/orders", safe=True, params={"no": purchase.reference})
        if _state(response) != "sold":
            raise TransientError("tiny: the cards are not understood")
        return supplied


class Boastful(Staged):
    capabilities = frozenset({Capability.BUY, Capability.BALANCE})


class Modest(Tiny):
    capabilities = frozenset({Capability.RECEIVE})

    def balance(self):
        return Money("1.00", "CNY")


class Odd(Tiny):
    capabilities = frozenset({Capability.DELIVER})
    calls_at_once = 0


class Unproved(Tiny):
    def parse(self, inbound, *, now):
        return Hint(
            reference=inbound.query.partition("&no=")[2], remote=inbound.headers.get("x", "")
        )


class Signless(Tiny):
    def parse(self, inbound, *, now):
        signed = {"x-sign": inbound.headers.get("x-sign", _sign(inbound.query))}
        hint = super().parse(attrs.evolve(inbound, headers=signed), now=now)
        return attrs.evolve(hint, remote=inbound.headers.get("x-sign", ""))


class Timeless(Tiny):
    def parse(self, inbound, *, now):
        return super().parse(inbound, now=NOW)


class Crashing(Tiny):
    def parse(self, inbound, *, now):
        inbound.body.decode()
        return super().parse(inbound, now=now)


class Remembering(Tiny):
    last = ""

    def parse(self, inbound, *, now):
        hint = super().parse(inbound, now=now)
        self.last = hint.reference
        return hint

    def acknowledge(self, answer):
        return Reply(status=400, body=self.last.encode())


class Chatty(Tiny):
    def balance(self):
        logging.getLogger("tiny").debug("asking with %s", self.options.credential.reveal())
        return super().balance()


class Loose(Tiny):
    def buy(self, purchase):
        response = self._order(purchase, "/orders")
        said = _members(response)
        return _supplied(response, is_card=bool(said))


class Pointing(Tiny):
    def top_up(self, purchase):
        supplied = super().top_up(purchase)
        if supplied.cost:
            return supplied
        raise UnknownOutcome(f"tiny: is {purchase.target} charged?")


class Eager(Tiny):
    def __init__(self, options, client) -> None:
        super().__init__(options, client)
        client.request("GET", URL, safe=True)


def _given(name, *arguments):
    return SupplierSuite.__dict__[f"_0_{name}"].__wrapped__(TestTiny(), *arguments)


def _supplier(broken) -> Supplier:
    return broken(TinyOptions(), CountingClient(SOLD))


def _rehearsal(broken, answers=ANSWERS) -> Rehearsal:
    """Return what the suite makes of a supplier of the class *broken*."""
    purchase = _given("purchase")
    top_up = _given("top_up", purchase)
    return _given("rehearsal", _supplier(broken), answers, purchase, top_up, purchase, ["1024"])


def _check(name, broken, *arguments, answers=ANSWERS) -> None:
    """Let one test of the suite look at a supplier of the class *broken*."""
    getattr(TestTiny(), name)(_rehearsal(broken, answers), *arguments)


BUY, FIND = Capability.BUY, Capability.FIND_PURCHASE
CALLERS = [
    (Doubling, "test_purchase_is_one_unsafe_request", [BUY], "request number 2; 1 were expected"),
    (Harmless, "test_purchase_is_one_unsafe_request", [BUY], "makes one unsafe request"),
    (Anonymous, "test_purchase_is_one_unsafe_request", [BUY], "does not carry the reference"),
    (Empty, "test_purchase_is_answered", [BUY], "DONE without a card"),
    (Hasty, "test_purchase_is_answered", [BUY], "taken for FAILED"),
    (Renaming, "test_same_purchase_is_the_same_request", [BUY], "written in several ways"),
    (Sticky, "test_other_purchase_is_another_request", [BUY], "no reference"),
    (Believing, "test_refusals_are_errors", [BUY, [BUSY]], "for a refusal"),
    (Denying, "test_unknown_answers_are_unknown", [BUY, [BUSY]], "RejectedError"),
    (Unsafe, "test_queries_are_safe", [Capability.BALANCE], "safe to repeat"),
    (Silent, "test_queries_are_safe", [Capability.BALANCE], "0 requests were made"),
    (Dialling, "test_queries_are_safe", [Capability.BALANCE], "past the client"),
    (Generous, "test_offers_are_for_what_was_asked", [["1024"]], "not asked for"),
    (Quiet, "test_offers_are_for_what_was_asked", [["1024"]], "gave no offer"),
    (Tiny, "test_missing_purchase_is_none", [[SOLD]], "DONE.* for an answer"),
    (Poor, "test_balance_is_money", [], "Money"),
    (Wrapping, "test_errors_of_the_client_go_through", [Capability.OFFERS], "not sent"),
    (Stubborn, "test_errors_of_the_client_go_through", [BUY], "request number 2"),
    (Denying, "test_garbage_proves_nothing", [BUY, [], []], "RejectedError"),
    (Believing, "test_garbage_proves_nothing", [BUY, [], []], "WORKING"),
    (Forgetful, "test_garbage_proves_nothing", [FIND, [], []], "None for HTTP 200"),
    (Strict, "test_garbage_proves_nothing", [FIND, [], []], "RejectedError"),
    (Forgetful, "test_garbage_finds_no_purchase_missing", [[]], "None for HTTP 301"),
    (Listing, "test_garbage_finds_no_purchase_missing", [[]], "one of `missing_answers`"),
    (Denying, "test_cut_answers_prove_nothing", [BUY], "RejectedError"),
    (Forgetful, "test_cut_answers_prove_nothing", [FIND], "None for HTTP 200"),
    (Listing, "test_cut_answers_find_no_purchase_missing", [[NONE_SUCH]], "half an answer"),
    (Negating, "test_odd_words_prove_no_failure", [BUY, [], []], "an odd state"),
    (Forgetful, "test_odd_words_prove_no_failure", [FIND, [], []], "an odd state"),
    (Generous, "test_any_answer_is_a_value_or_an_error", [Capability.OFFERS], "not asked for"),
    (Fragile, "test_any_answer_is_a_value_or_an_error", [Capability.BALANCE], "an amount is"),
]


AFTERWARDS = [
    ("test_errors_of_the_client_go_through", [BUY]),
    ("test_garbage_proves_nothing", [BUY, [], []]),
    ("test_cut_answers_prove_nothing", [BUY]),
    ("test_odd_words_prove_no_failure", [BUY, [], []]),
]


@pytest.mark.parametrize(("check", "arguments"), AFTERWARDS)
def test_denying_what_was_bought_before_is_caught(check, arguments) -> None:
    """A call that bought, then asked and failed at that, must not say that nothing was bought."""
    with pytest.raises(AssertionError):
        _check(check, Losing, *arguments, answers={BUY: [ENTERED, SOLD, SOLD]})


@pytest.mark.parametrize(("broken", "check", "arguments", "said"), CALLERS)
def test_broken_callers_are_caught(broken, check, arguments, said) -> None:
    """Each check of calls fails for the adapter that breaks its rule, and says why."""
    with pytest.raises((AssertionError, TypeError), match=said):
        _check(check, broken, *arguments)


RECEIVERS = [
    (Unproved, "test_flipped_bytes_are_refused", "another hint with a changed"),
    (Signless, "test_dropped_parts_are_refused", "another hint without header x-sign"),
    (Unproved, "test_dropped_parts_are_refused", "another hint without parameter"),
    (Timeless, "test_stale_messages_are_refused", "accepted long after"),
    (Crashing, "test_anything_is_a_hint_or_refused", "codec can't decode"),
    (Remembering, "test_every_answer_has_a_reply", "depends on what"),
]


@pytest.mark.parametrize(("broken", "check", "said"), RECEIVERS)
def test_broken_receivers_are_caught(broken, check, said) -> None:
    """Each check of messages fails for the adapter that breaks its rule."""
    with pytest.raises((AssertionError, UnicodeDecodeError), match=said):
        getattr(TestTiny(), check)(_supplier(broken), [_message()], NOW)


def test_wrong_hints_are_caught() -> None:
    """What `parse` makes is compared with the hints that were expected."""
    with pytest.raises(AssertionError):
        TestTiny().test_genuine_messages_are_accepted(
            _supplier(Tiny), [_message()], NOW, [Hint(reference="another")]
        )


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Chatty, "options.credential as text in .* log record"),
        (Loose, "the card as text in local said"),
        (Pointing, "the target as text in"),
    ],
)
def test_leaks_are_caught(broken, said) -> None:
    """A credential in a log, a card in a local variable and a target in an error are caught."""
    rehearsal = _rehearsal(broken)
    top_up = rehearsal.arguments[Capability.TOP_UP]
    detector = _given("canaries", rehearsal.supplier, top_up)
    with pytest.raises(AssertionError, match=said):
        TestTiny().test_nothing_leaks(rehearsal, [_message()], NOW, detector)


def test_capabilities_are_caught_both_ways() -> None:
    """A declared call that is not there, and one that is there and not declared, are caught."""
    with pytest.raises(UnsupportedFeature):
        _check("test_balance_is_money", Boastful)
    purchase = _given("purchase")
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        _check("test_undeclared_capabilities_refuse", Modest, Capability.BALANCE, purchase)
    with pytest.raises(AssertionError):
        TestTiny().test_name_is_given(_supplier(Odd))
    with pytest.raises(AssertionError):
        TestTiny().test_limits_are_numbers(_supplier(Odd))


def test_declared_calls_need_answers() -> None:
    """Who declares a capability and gives no answer is told which, not let pass."""
    with pytest.raises(pytest.fail.Exception, match=r"in the fixture 'answers', for .*BALANCE"):
        _check("test_balance_is_money", Tiny, answers={})


def test_numbers_of_requests_are_caught() -> None:
    """A call that makes fewer or more requests than there are answers is caught."""
    for balances in ([HELD, HELD], [ENTERED]):
        with pytest.raises(AssertionError):
            _check("test_balance_is_money", Tiny, answers={Capability.BALANCE: balances})


@pytest.mark.parametrize("options", [TinyOptions(key="plain"), TinyOptions(credential="plain")])
def test_plain_credentials_are_caught(options) -> None:
    """A credential that is a plain text is caught."""
    with pytest.raises(AssertionError, match="type options"):
        TestTiny().test_credentials_are_secrets(Tiny(options, CountingClient(SOLD)))


def test_options_without_a_secret_are_caught() -> None:
    """Options that hold no `Secret` at all are caught."""
    with pytest.raises(AssertionError, match="no Secret"):
        TestTiny().test_credentials_are_secrets(
            Tiny(TinyOptions(credential=None), CountingClient(SOLD))
        )


def test_io_while_constructing_is_caught(monkeypatch) -> None:
    """A request in the constructor is caught."""
    with pytest.raises(AssertionError):
        TestTiny().test_constructing_does_no_io(_supplier(Eager), monkeypatch)


CARD = BoughtCard(secret=Secret("AAAA-BBBB-0001"))
ONE, TWO = Money("1.00", "CNY"), Money("2.00", "CNY")
SENSELESS = [
    ("another", "answered with Supplied"),
    (Supplied(stage=Stage.DONE), "DONE without a card"),
    (Supplied(stage=Stage.DONE, cards=(CARD,), cost=Money("-1.00", "CNY")), "0 or more"),
    (Supplied(stage=Stage.UNCLEAR, cost=ONE, refunded=TWO), "more was paid back"),
    (Supplied(stage=Stage.UNCLEAR, cost=ONE, refunded=Money("1.00", "EUR")), "two currencies"),
]


@pytest.mark.parametrize(("supplied", "problem"), SENSELESS)
def test_senseless_purchases_are_caught(supplied, problem) -> None:
    """What cannot be true of a purchase is named."""
    assert problem in problem_of_supplied(supplied, _given("purchase"))


def test_answers_fit_their_calls() -> None:
    """None is an answer of a look-up alone, and a balance is money."""
    rehearsal = _rehearsal(Tiny)
    assert rehearsal.problem_of(FIND, None) == ""
    assert rehearsal.problem_of(BUY, None)
    assert rehearsal.problem_of(Capability.BALANCE, 5) == "the balance is no Money"


GOOD = Offer(item="1024", price=ONE)
OFFERS = [
    ([], ""),
    ([GOOD], ""),
    (iter([GOOD]), "a sequence"),
    ([ONE], "a sequence"),
    ([attrs.evolve(GOOD, item="1025")], "not asked for"),
    ([GOOD, GOOD], "two offers"),
    ([attrs.evolve(GOOD, price=Money("0.00", "CNY"))], "above zero"),
    ([attrs.evolve(GOOD, available=-1)], "fewer than none"),
    ([attrs.evolve(GOOD, least=0)], "`least`"),
    ([attrs.evolve(GOOD, most=0)], "`most`"),
    ([attrs.evolve(GOOD, sku="steam-50")], "whoever asked"),
]


@pytest.mark.parametrize(("offers", "problem"), OFFERS)
def test_senseless_offers_are_caught(offers, problem) -> None:
    """What cannot be true of offers is named."""
    found = problem_of_offers(offers, ["1024"])
    assert problem in found
    assert bool(problem) == bool(found)


def test_requests_are_compared_without_what_varies() -> None:
    """Time and signature are left out of queries, forms, JSON and bodies, whatever their case."""
    said = {"no": "1", "Sign": "x", "deep": [{"sign": "y"}]}
    client = CountingClient(SOLD)
    client.request("POST", f"{URL}/?sign=1&no=1", safe=False, params={"sign": "2"}, json=said)
    client.request("POST", URL, safe=False, form={"SIGN": "3", "no": "1"}, headers={"sign": "4"})
    client.request("POST", URL, safe=False, body=json.dumps(said).encode())
    client.request("POST", URL, safe=False, body=b"no=1&sign=5")
    client.request("POST", URL, safe=False, body="密".encode())
    left = [written(request, frozenset({"sign"})) for request in client.requests]
    assert not [text for text in left if "sign" in text.lower()]
    assert all('"no"' in text for text in left[:-1])
    assert 'sign"' in written(client.requests[3]) or "sign=5" in written(client.requests[3])


def test_words_of_an_answer_are_replaced_one_by_one() -> None:
    """Each place of a JSON answer is dropped and changed, the rest stays; other texts have none."""
    changed = [(where, json.loads(body)) for where, body in reworded(b'{"a": [1], "b": 2}')]
    assert {where for where, _ in changed} == {"a", "a.0", "b"}
    assert ("a", {"b": 2}) in changed
    assert ("a.0", {"a": [None], "b": 2}) in changed
    assert list(reworded(b"<html>")) == []


def test_exemptions_need_a_test_and_a_reason() -> None:
    """An exemption that names no test, or gives no reason, is refused at once."""
    for exempt in ({"test_of_nothing": "why"}, {"test_nothing_leaks": " "}, {"build": "why"}):
        with pytest.raises(TypeError, match="exempt"):
            type("TestWrong", (SupplierSuite,), {"exempt": exempt})


def test_suite_itself_collects_nothing() -> None:
    """The base class is no test; subclasses are."""
    assert not SupplierSuite.__test__
    assert TestTiny.__test__
    with pytest.raises(pytest.fail.Exception, match="fixture 'supplier'"):
        _given("supplier")
