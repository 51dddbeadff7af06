"""The calls of a supplier adapter, made with answers that were written down, and with trouble."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl, urlsplit

import attrs
import pytest

from autocard import AdapterError
from autocard.spi import (
    Capability,
    Client,
    Money,
    Offer,
    Purchase,
    RejectedError,
    Response,
    Secret,
    Stage,
    Supplied,
    Supplier,
    TransientError,
    UnsupportedFeature,
)
from autocard.testing.mutations import (
    CountingClient,
    RehearsedClient,
    SentRequest,
    cut_short,
    read_json,
    reworded,
)

CALLS: Final[Mapping[Capability, str]] = MappingProxyType(
    {
        Capability.OFFERS: "offers",
        Capability.BUY: "buy",
        Capability.TOP_UP: "top_up",
        Capability.FIND_PURCHASE: "find_purchase",
        Capability.BALANCE: "balance",
    }
)
SPENDS: Final = (Capability.BUY, Capability.TOP_UP)
QUERIES: Final = (Capability.OFFERS, Capability.FIND_PURCHASE, Capability.BALANCE)
Answers = Response | Sequence[Response]


def told(answers: Mapping[Capability, Answers]) -> Mapping[Capability, Sequence[Response]]:
    """Return *answers* with a list for each capability."""
    return {
        capability: [said] if isinstance(said, Response) else list(said)
        for capability, said in answers.items()
    }


@attrs.frozen
class Ending:
    """
    How a call ended in which one answer was replaced.

    Args:
        outcome: What it returned, or the `AdapterError` that it raised.
        is_bought: Whether a request that is not safe had been made by then.
        is_query: Whether the answer was to a safe request.
    """

    outcome: object
    is_bought: bool
    is_query: bool


@attrs.frozen
class Rehearsal:
    """One supplier, what it is asked, and what it is answered."""

    supplier: Supplier
    build: Callable[[Client], Supplier]
    arguments: Mapping[Capability, Any]
    answers: Mapping[Capability, Sequence[Response]]

    @property
    def performed(self) -> tuple[Capability, ...]:
        """The calls that are made: what is declared, and look-ups that have answers."""
        found = Capability.FIND_PURCHASE
        return tuple(
            capability
            for capability in CALLS
            if capability in self.supplier.capabilities
            or (capability is found and found in self.answers)
        )

    def need(self, capability: Capability) -> None:
        """Skip the test unless *capability* is performed; fail it where answers are missing."""
        if capability not in self.performed:
            pytest.skip("not declared")
        if not self.answers.get(capability):
            pytest.fail(
                f"give what the supplier answers to a call of {CALLS[capability]} that succeeds "
                f"in the fixture 'answers', for Capability.{capability.name}"
            )

    def needed_answers(self, capability: Capability) -> Sequence[Response]:
        """Return the answers of a call that succeeds; skips and fails as `need`."""
        self.need(capability)
        return self.answers[capability]

    def client(
        self, capability: Capability, *, at: int | None = None, trouble: Any = None
    ) -> RehearsedClient:
        """Return a client that gives the answers of *capability*, and *trouble* at one request."""
        return RehearsedClient(self.needed_answers(capability), at=at, trouble=trouble)

    def call(self, capability: Capability, client: Client, argument: Any = None) -> object:
        """Make a call through *client*; a connection past it is an `AssertionError`."""
        method = getattr(self.build(client), CALLS[capability])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket.socket, "connect", no_network)
            patch.setattr(socket, "getaddrinfo", no_network)
            if capability is Capability.BALANCE:
                return method()
            return method(argument if argument is not None else self.arguments[capability])

    def outcome(self, capability: Capability, client: Client, argument: Any = None) -> object:
        """Return what a call returns or the `AdapterError` that it raises."""
        try:
            return self.call(capability, client, argument)
        except UnsupportedFeature:
            raise
        except AdapterError as error:
            return error

    def perform(self, capability: Capability, argument: Any = None) -> RehearsedClient:
        """Make a call that succeeds; return the client, which has noted its requests."""
        client = self.client(capability)
        outcome = self.outcome(capability, client, argument)
        assert not isinstance(outcome, AdapterError), (
            f"the answer of a call that succeeds was refused: {outcome!r}"
        )
        said, made = len(self.answers[capability]), len(client.requests)
        assert made == said, f"{said} answers were given, and {made} requests were made"
        return client

    def result(self, capability: Capability) -> object:
        """Return what a call returns that succeeds."""
        self.perform(capability)
        return self.call(capability, self.client(capability))

    def troubled(
        self, capability: Capability, trouble: Response | Exception, *, at: int | None = None
    ) -> Iterator[Ending]:
        """Make a call with *trouble* as the answer to each request in turn, or to that *at*."""
        numbers = range(len(self.needed_answers(capability))) if at is None else (at,)
        for number in numbers:
            client = self.client(capability, at=number, trouble=trouble)
            outcome = self.outcome(capability, client)
            made = client.requests[: number + 1]
            assert len([one for one in client.requests if not one.safe]) <= 1, (
                "buying was tried again within one call"
            )
            yield Ending(outcome, not all(one.safe for one in made), made[-1].safe)

    def outcomes(
        self, capability: Capability, answers: Iterable[Response | Exception]
    ) -> Iterator[object]:
        """Yield how calls end that get one of *answers*, or their own cut, reworded or misplaced."""
        for answer in answers:
            yield self.outcome(capability, CountingClient(answer))
        for number, genuine in enumerate(self.needed_answers(capability)):
            bodies = [*cut_short(genuine.body), *(body for _, body in reworded(genuine.body))]
            spoilt = [attrs.evolve(genuine, body=body) for body in bodies]
            spoilt += [attrs.evolve(genuine, status=status) for status in (200, 302, 404, 429, 500)]
            for trouble in spoilt:
                yield from (
                    ending.outcome for ending in self.troubled(capability, trouble, at=number)
                )

    def cards(self) -> Iterator[tuple[str, Secret]]:
        """Yield what is valuable in the cards of the calls that succeed, each with a label."""
        for capability in (*SPENDS, Capability.FIND_PURCHASE):
            if capability in self.performed:
                supplied = self.result(capability)
                for card in supplied.cards if isinstance(supplied, Supplied) else ():
                    yield "the card", card.secret
                    yield "the number of the card", Secret(card.number)
                    yield from (
                        (f"the {name} of the card", one) for name, one in card.extra.items()
                    )

    def problem_of(self, capability: Capability, outcome: object) -> str:
        """Return what does not make sense about the *outcome* of a call, or ""."""
        if isinstance(outcome, AdapterError):
            return ""
        if capability is Capability.OFFERS:
            return problem_of_offers(outcome, self.arguments[capability])
        if capability is Capability.BALANCE:
            return "" if isinstance(outcome, Money) else "the balance is no Money"
        if outcome is None and capability is Capability.FIND_PURCHASE:
            return ""
        return problem_of_supplied(outcome, self.arguments[capability])


def problem_of_offers(offers: Any, items: Sequence[str]) -> str:
    """Return what does not make sense about *offers* for *items*, or ""."""
    if not isinstance(offers, Sequence) or not all(isinstance(offer, Offer) for offer in offers):
        return "offers are a sequence of Offer"
    named = [offer.item for offer in offers]
    wrong = [
        (not set(named) <= set(items), "an offer is for an item that was not asked for"),
        (len(set(named)) < len(named), "an item has two offers"),
        (any(offer.price.amount <= 0 for offer in offers), "a price is not above zero"),
        (any((offer.available or 0) < 0 for offer in offers), "fewer than none are available"),
        (any(offer.least < 1 for offer in offers), "`least` is below 1"),
        (any(offer.most is not None and offer.most < 1 for offer in offers), "`most` is below 1"),
        (
            any(offer.supplier or offer.sku or offer.cost for offer in offers),
            "supplier, sku and cost are written in by whoever asked",
        ),
    ]
    return next((problem for is_wrong, problem in wrong if is_wrong), "")


def problem_of_supplied(supplied: Any, purchase: Purchase) -> str:
    """Return what does not make sense about what is said of *purchase*, or ""."""
    if not isinstance(supplied, Supplied):
        return "a purchase is answered with Supplied"
    cost, refunded = supplied.cost, supplied.refunded
    wrong = [
        (not _is_charge(cost) or not _is_charge(refunded), "a charge is no Money of 0 or more"),
        (
            supplied.stage is Stage.DONE and not supplied.cards and not purchase.target,
            "a purchase of cards is DONE without a card; it is UNCLEAR",
        ),
    ]
    if cost is not None and refunded is not None:
        is_same = cost.currency == refunded.currency
        wrong.append((not is_same, "cost and refund are in two currencies"))
        wrong.append((is_same and refunded > cost, "more was paid back than charged"))
    return next((problem for is_wrong, problem in wrong if is_wrong), "")


def is_failed(outcome: object) -> bool:
    """Say whether *outcome* claims that nothing was bought."""
    if isinstance(outcome, Supplied):
        return outcome.stage is Stage.FAILED
    return isinstance(outcome, (RejectedError, TransientError))


def _is_charge(money: object) -> bool:
    return money is None or (isinstance(money, Money) and money.amount >= 0)


def written(request: SentRequest, without: frozenset[str] = frozenset()) -> str:
    """Return all that *request* says as one text, *without* what stands under these names."""
    address = urlsplit(request.url)
    left_out = frozenset(name.lower() for name in without)
    pairs = (
        parse_qsl(address.query, keep_blank_values=True),
        request.params.items(),
        request.headers.items(),
        request.form.items(),
    )
    said = [[pair for pair in part if pair[0].lower() not in left_out] for part in pairs]
    inner = (_without(request.json, left_out), _body(request.body, left_out))
    whereto = (request.method, address._replace(query="").geturl())
    return json.dumps([*whereto, *said, *inner], ensure_ascii=False)


def _body(body: bytes, left_out: frozenset[str]) -> Any:
    said = read_json(body)
    if left_out and isinstance(said, (dict, list)):
        return _without(said, left_out)
    text = body.decode("latin-1")
    if left_out and "=" in text:
        return [
            pair
            for pair in parse_qsl(text, keep_blank_values=True)
            if pair[0].lower() not in left_out
        ]
    return text


def _without(value: Any, left_out: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _without(inner, left_out)
            for name, inner in value.items()
            if str(name).lower() not in left_out
        }
    return [_without(one, left_out) for one in value] if isinstance(value, list) else value


def no_network(*_: object, **__: object) -> NoReturn:
    """Stand in for what opens connections."""
    raise AssertionError("a connection was opened past the client")
