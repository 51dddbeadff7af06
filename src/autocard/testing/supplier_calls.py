"""What suppliers promise about their calls, for the conformance suite: one request, good sense."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, Final

import attrs
import pytest

from autocard.spi import (
    Capability,
    Money,
    Response,
    Stage,
    Supplied,
    UnknownOutcome,
)
from autocard.testing.mutations import CountingClient, SentRequest
from autocard.testing.rehearsals import (
    QUERIES,
    SPENDS,
    Rehearsal,
    is_failed,
    problem_of_offers,
    problem_of_supplied,
    written,
)

# Typed loosely, so that the suite needs no more than what adapters may import.
_OTHER: Final[Any] = ("b2reference0000002", "c3reference0000003")


class CallPromises:
    """Tests of the conformance suite about calls that go well."""

    varying: ClassVar[frozenset[str]] = frozenset()
    """Names of parameters, headers and JSON members that differ from try to try: time, signature."""

    def carries(self, request: SentRequest, reference: str) -> bool:
        """Say whether *request* carries *reference*. To be overridden where it is encrypted."""
        return reference in written(request)

    @pytest.mark.parametrize("capability", SPENDS)
    def test_purchase_is_one_unsafe_request(
        self, rehearsal: Rehearsal, capability: Capability
    ) -> None:
        """Buying makes one request that is not safe, and it carries the reference."""
        client = rehearsal.perform(capability)
        unsafe = [request for request in client.requests if not request.safe]
        assert len(unsafe) == 1, "buying makes one unsafe request"
        reference = rehearsal.arguments[capability].reference
        assert self.carries(unsafe[0], reference), "the request does not carry the reference"

    @pytest.mark.parametrize("capability", SPENDS)
    def test_purchase_is_answered(self, rehearsal: Rehearsal, capability: Capability) -> None:
        """What is said of a purchase that succeeds makes sense, and it did not fail."""
        supplied = rehearsal.result(capability)
        problem = problem_of_supplied(supplied, rehearsal.arguments[capability])
        assert not problem, problem
        assert isinstance(supplied, Supplied)
        assert supplied.stage in (Stage.WORKING, Stage.DONE), (
            f"the answer of a call that succeeds was taken for {supplied.stage.name}"
        )

    @pytest.mark.parametrize("capability", SPENDS)
    def test_same_purchase_is_the_same_request(
        self, rehearsal: Rehearsal, capability: Capability
    ) -> None:
        """A purchase that is sent again is the same request, but for what `varying` names."""
        first = rehearsal.arguments[capability]
        again = attrs.evolve(
            first, sent_at=first.sent_at + timedelta(minutes=5), attempts=first.attempts + 1
        )
        sent = [
            written(request, self.varying)
            for purchase in (first, first, again)
            for request in rehearsal.perform(capability, purchase).requests
            if not request.safe
        ]
        assert len(set(sent)) == 1, "the same purchase was written in several ways; see `varying`"

    @pytest.mark.parametrize("capability", SPENDS)
    def test_other_purchase_is_another_request(
        self, rehearsal: Rehearsal, capability: Capability
    ) -> None:
        """Two purchases are told apart by their references, whatever else is equal."""
        first = rehearsal.arguments[capability]
        reference = next(other for other in _OTHER if other != first.reference)
        client = rehearsal.client(capability)
        rehearsal.outcome(capability, client, attrs.evolve(first, reference=reference))
        sent = [request for request in client.requests if not request.safe]
        assert all(self.carries(request, reference) for request in sent), "no reference is sent"
        assert not any(self.carries(request, first.reference) for request in sent), (
            "another purchase was sent with the reference of the first"
        )

    @pytest.mark.parametrize("capability", SPENDS)
    def test_refusals_are_errors(
        self, rehearsal: Rehearsal, capability: Capability, refused_answers: Sequence[Response]
    ) -> None:
        """Where the supplier says that nothing was bought, so does the adapter."""
        rehearsal.need(capability)
        for trouble in refused_answers:
            for ending in rehearsal.troubled(capability, trouble):
                if ending.is_bought and not ending.is_query:
                    assert is_failed(ending.outcome), f"{ending.outcome!r} for a refusal"

    @pytest.mark.parametrize("capability", SPENDS)
    def test_unknown_answers_are_unknown(
        self, rehearsal: Rehearsal, capability: Capability, unknown_answers: Sequence[Response]
    ) -> None:
        """Where the supplier leaves open what it did, nobody claims to know."""
        rehearsal.need(capability)
        for trouble in unknown_answers:
            for ending in rehearsal.troubled(capability, trouble):
                if ending.is_bought and not ending.is_query:
                    assert isinstance(ending.outcome, UnknownOutcome), (
                        f"{ending.outcome!r} for an answer that leaves it open"
                    )

    @pytest.mark.parametrize("capability", QUERIES)
    def test_queries_are_safe(self, rehearsal: Rehearsal, capability: Capability) -> None:
        """Asking makes requests, and all of them are safe to repeat."""
        client = rehearsal.perform(capability)
        assert client.requests, "nothing was asked through the client"
        assert all(request.safe for request in client.requests), "a query is safe to repeat"

    def test_offers_are_for_what_was_asked(
        self, rehearsal: Rehearsal, items: Sequence[str]
    ) -> None:
        """There is an offer for what was asked, none for other goods, and each has a price."""
        offers = rehearsal.result(Capability.OFFERS)
        problem = problem_of_offers(offers, items)
        assert not problem, problem
        assert offers, "the answer of a call that succeeds gave no offer"

    def test_found_purchase_is_told(self, rehearsal: Rehearsal) -> None:
        """What is said of a purchase that is found makes sense."""
        supplied = rehearsal.result(Capability.FIND_PURCHASE)
        problem = problem_of_supplied(supplied, rehearsal.arguments[Capability.FIND_PURCHASE])
        assert not problem, problem

    def test_missing_purchase_is_none(
        self, rehearsal: Rehearsal, missing_answers: Sequence[Response]
    ) -> None:
        """None means that the supplier says that there is no such purchase."""
        rehearsal.need(Capability.FIND_PURCHASE)
        for answer in missing_answers:
            outcome = rehearsal.outcome(Capability.FIND_PURCHASE, CountingClient(answer))
            assert outcome is None, f"{outcome!r} for an answer of `missing_answers`"

    def test_balance_is_money(self, rehearsal: Rehearsal) -> None:
        """The balance is `Money`."""
        balance = rehearsal.result(Capability.BALANCE)
        assert isinstance(balance, Money), "the balance is no Money"
