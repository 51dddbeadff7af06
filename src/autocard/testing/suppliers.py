"""The conformance suite for supplier adapters: subclass it, give it fixtures, run pytest."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs
import pytest

from autocard.spi import (
    Answer,
    Capability,
    Client,
    Hint,
    Inbound,
    Money,
    Purchase,
    Response,
    Secret,
    Supplier,
    UnsupportedFeature,
)
from autocard.testing.leaks import SHORTEST, LeakDetector
from autocard.testing.mutations import (
    CountingClient,
    refusals,
    secrets_of,
    without_parameter,
)
from autocard.testing.rehearsals import CALLS, Rehearsal, no_network, told
from autocard.testing.suite import Suite
from autocard.testing.supplier_calls import CallPromises
from autocard.testing.supplier_messages import MessagePromises, parsed
from autocard.testing.supplier_trouble import TroublePromises

_OF_SUPPLIERS: Final = frozenset({Capability.RECEIVE, Capability.REPEAT_PURCHASE, *CALLS})
# Typed loosely, so that the suite needs no more than what adapters may import.
_REFERENCE: Final[Any] = "a1reference0000001"
_BEGUN: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_TELLING: Final = re.compile(r"(secret|credential|password|token|private|key)s?$")


class SupplierSuite(CallPromises, TroublePromises, MessagePromises, Suite):
    """
    What every supplier adapter must do. Subclass it with a name that begins with `Test`.

    Give these fixtures; `supplier` is required, and so are the answers of what it declares:

    - `supplier`: the adapter, built with any client and with credentials of 8 characters or more;
    - `answers`: for each declared `Capability` of a call, the `Response` of a call that succeeds,
      or the list of them where a call makes several requests. For `BUY` and `FIND_PURCHASE` take
      one that hands over cards, with texts of 8 characters or more, so that they can be looked for;
    - `purchase`, `top_up`: what `answers` sell;
    - `found`: the purchase that is looked up, where it is not `purchase`. Where only purchases
      with a `remote` are found, give it one, and answers for `FIND_PURCHASE` all the same;
    - `items`: the goods that offers are asked for; without it that of `purchase`;
    - `missing_answers`: answers to a look-up that say that there is no such purchase;
    - `refused_answers`: answers to buying that say that nothing was bought;
    - `unknown_answers`: answers to buying that leave open whether something was bought;
    - `genuine`: a list of `Inbound` messages, required with `RECEIVE`; `hints`: what `parse` must
      make of them, in their order; `now`: the time at which they are recent.

    The attribute `varying` names what differs from try to try, and `window_s` is how far a signed
    time may be away.

    Name their functions alike, such as `supplier`, or `_supplier` with `name="supplier"`: pytest
    takes the fixtures of a class in the order of their functions, and another name may lose to ours.

    Declared capabilities are tested, undeclared ones must raise `UnsupportedFeature`.
    """

    def build(self, supplier: Supplier, client: Client) -> Supplier:
        """Return an adapter like *supplier* that speaks through *client*. May be overridden."""
        return type(supplier)(supplier.options, client)

    # --- fixtures ---------------------------------------------------------------------------

    @pytest.fixture(name="supplier")
    def _0_supplier(self) -> Supplier:
        pytest.fail(
            "the suite needs a fixture 'supplier', a function named _supplier, with the adapter"
        )

    @pytest.fixture(name="answers")
    def _0_answers(self) -> Mapping[Capability, Response | Sequence[Response]]:
        return {}

    @pytest.fixture(name="purchase")
    def _0_purchase(self) -> Purchase:
        return Purchase(
            reference=_REFERENCE,
            sku="steam-50",
            item="1024",
            quantity=1,
            price=Money("9.90", "CNY"),
            ceiling=Money("10.50", "CNY"),
            begun_at=_BEGUN,
            sent_at=_BEGUN + timedelta(seconds=1),
        )

    @pytest.fixture(name="top_up")
    def _0_top_up(self, purchase: Purchase) -> Purchase:
        return attrs.evolve(purchase, target="13800138000")

    @pytest.fixture(name="found")
    def _0_found(self, supplier: Supplier, purchase: Purchase, top_up: Purchase) -> Purchase:
        return purchase if Capability.BUY in supplier.capabilities else top_up

    @pytest.fixture(name="items")
    def _0_items(self, purchase: Purchase) -> Sequence[str]:
        return [purchase.item]

    @pytest.fixture(name="missing_answers")
    def _0_missing_answers(self) -> Sequence[Response]:
        return []

    @pytest.fixture(name="refused_answers")
    def _0_refused_answers(self) -> Sequence[Response]:
        return []

    @pytest.fixture(name="unknown_answers")
    def _0_unknown_answers(self) -> Sequence[Response]:
        return []

    @pytest.fixture(name="genuine")
    def _0_genuine(self) -> list[Inbound]:
        return []

    @pytest.fixture(name="hints")
    def _0_hints(self) -> list[Hint]:
        return []

    @pytest.fixture(name="now")
    def _0_now(self) -> datetime:
        return datetime.now(UTC)

    @pytest.fixture(name="rehearsal")
    def _0_rehearsal(
        self,
        supplier: Supplier,
        answers: Mapping[Capability, Response | Sequence[Response]],
        purchase: Purchase,
        top_up: Purchase,
        found: Purchase,
        items: Sequence[str],
    ) -> Rehearsal:
        arguments: dict[Capability, Any] = {
            Capability.OFFERS: items,
            Capability.BUY: purchase,
            Capability.TOP_UP: top_up,
            Capability.FIND_PURCHASE: found,
        }
        return Rehearsal(
            supplier, lambda client: self.build(supplier, client), arguments, told(answers)
        )

    @pytest.fixture(name="canaries")
    def _0_canaries(self, supplier: Supplier, top_up: Purchase) -> LeakDetector:
        detector = LeakDetector()
        named = {f"options.{name}": secret for name, secret in secrets_of(supplier.options)}
        for name, secret in {**named, "the target": Secret(top_up.target)}.items():
            if len(secret.reveal()) >= SHORTEST:
                detector.watch(name, secret)
        return detector

    @pytest.fixture(autouse=True)
    def _skip_exempt(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", request.node.name)
        if name in self.exempt:
            pytest.skip(f"exempt: {self.exempt[name]}")

    @pytest.fixture(name="received")
    def _0_received(self, supplier: Supplier, genuine: list[Inbound]) -> list[Inbound]:
        if Capability.RECEIVE not in supplier.capabilities:
            pytest.skip("this supplier sends no messages")
        assert genuine, "RECEIVE is declared: give genuine messages in the fixture 'genuine'"
        return genuine

    # --- what a supplier says of itself -----------------------------------------------------

    def test_name_is_given(self, supplier: Supplier) -> None:
        """The adapter has a name, options that are an attrs class, and fitting capabilities."""
        assert supplier.name
        assert attrs.has(supplier.Options)
        assert isinstance(supplier.options, supplier.Options)
        assert supplier.capabilities <= _OF_SUPPLIERS

    def test_limits_are_numbers(self, supplier: Supplier) -> None:
        """What the adapter knows of its supplier's limits are numbers that a pace can keep."""
        assert supplier.calls_at_once >= 1
        assert supplier.calls_per_second > 0
        assert supplier.look_after_s >= 0
        assert supplier.misses >= 1

    def test_credentials_are_secrets(self, supplier: Supplier) -> None:
        """No setting that sounds like a credential is a plain text, and one at least is secret."""
        for field in attrs.fields(type(supplier.options)):
            if _TELLING.search(field.name):
                value = getattr(supplier.options, field.name)
                assert not (isinstance(value, str) and value), f"type options.{field.name} Secret"
        assert list(secrets_of(supplier.options)), "the options hold no Secret"

    def test_constructing_does_no_io(
        self, supplier: Supplier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Building the adapter opens no connection and makes no request."""
        monkeypatch.setattr(socket.socket, "connect", no_network)
        client = CountingClient(Response(status=200))
        self.build(supplier, client)
        assert client.requests == []

    @pytest.mark.parametrize("capability", CALLS)
    def test_undeclared_capabilities_refuse(
        self, rehearsal: Rehearsal, capability: Capability, purchase: Purchase
    ) -> None:
        """A call that the adapter does not declare raises `UnsupportedFeature`, without I/O."""
        if capability in rehearsal.supplier.capabilities:
            pytest.skip("declared")
        client = CountingClient(Response(status=200))
        unnumbered = attrs.evolve(purchase, remote="")
        with pytest.raises(UnsupportedFeature):
            rehearsal.call(
                capability, client, unnumbered if capability is Capability.FIND_PURCHASE else None
            )
        assert client.requests == []

    def test_undeclared_messages_refuse(self, supplier: Supplier, now: datetime) -> None:
        """An adapter that does not declare `RECEIVE` refuses every message as unsupported."""
        if Capability.RECEIVE in supplier.capabilities:
            pytest.skip("declared")
        with pytest.raises(UnsupportedFeature):
            supplier.parse(Inbound(method="POST", path="/"), now=now)
        with pytest.raises(UnsupportedFeature):
            supplier.acknowledge(Answer.REFUSED)

    # --- secrets ----------------------------------------------------------------------------

    def test_nothing_leaks(
        self, rehearsal: Rehearsal, genuine: list[Inbound], now: datetime, canaries: LeakDetector
    ) -> None:
        """No credential, target or card shows in a repr, a log, or an error and its variables."""
        supplier = rehearsal.supplier
        for label, secret in rehearsal.cards():
            if len(secret.reveal()) >= SHORTEST:
                canaries.watch(label, secret)
        canaries.check_value("the adapter", supplier)
        canaries.check_value("its options", supplier.options)
        with canaries:
            for capability in rehearsal.performed:
                for outcome in rehearsal.outcomes(capability, refusals()):
                    _look_at(canaries, outcome)
            for inbound in genuine if Capability.RECEIVE in supplier.capabilities else ():
                for _, changed in without_parameter(inbound):
                    _look_at(canaries, parsed(supplier, changed, now))
        canaries.assert_clean()


def _look_at(detector: LeakDetector, outcome: object) -> None:
    if isinstance(outcome, BaseException):
        detector.check_exception(outcome)
    else:
        detector.check_value("what a call returns", outcome)
