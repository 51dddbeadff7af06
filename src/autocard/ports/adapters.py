"""
What adapters promise to the flow, and what they may use.

Adapters subclass `Platform`, `Supplier`, `Channel` or `CardFormat`. A method that belongs to a
capability the class does not declare keeps raising `UnsupportedFeature`; nothing is approximated.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, NoReturn, Protocol

from autocard.bargain import Hint, Offer, Purchase, Supplied
from autocard.errors import UnsupportedFeature
from autocard.model import (
    Answer,
    CardParts,
    Delivery,
    Inbound,
    Order,
    Payment,
    Receipt,
    Refund,
    Reply,
    Response,
    StockLevel,
    Verified,
)
from autocard.money import Money


class Capability(StrEnum):
    """What an adapter can do. Declared ones are tested; all others must refuse."""

    RECEIVE = "receive"
    """Platform or supplier: verify, parse and acknowledge messages sent to us."""
    CONFIRM = "confirm"
    """Platform: can be asked whether an order is paid."""
    FETCH = "fetch"
    """Platform: lists new orders on request."""
    DELIVER = "deliver"
    """Platform: takes the cards of a line."""
    FIND_DELIVERY = "find_delivery"
    """Platform: can be asked whether a delivery arrived."""
    REPEAT_DELIVERY = "repeat_delivery"
    """Platform or channel: the same reference twice still hands over once, provably."""
    REFUND = "refund"
    PUBLISH_STOCK = "publish_stock"
    SEND = "send"
    """Channel: hands the cards of a line to the buyer."""
    FIND_SENT = "find_sent"
    """Channel: can be asked whether something was sent."""
    OFFERS = "offers"
    """Supplier: says what it offers, and for how much."""
    BUY = "buy"
    """Supplier: sells cards."""
    TOP_UP = "top_up"
    """Supplier: charges an account."""
    FIND_PURCHASE = "find_purchase"
    """Supplier: can be asked what became of a purchase, by our reference."""
    REPEAT_PURCHASE = "repeat_purchase"
    """Supplier: the same reference twice never buys twice, whatever it answers."""
    BALANCE = "balance"
    """Supplier: can be asked how much of our money it holds."""


class Client(Protocol):
    """The only way an adapter speaks HTTP."""

    def request(
        self,
        method: str,
        url: str,
        *,
        safe: bool,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | None = None,
        public_only: bool = False,
    ) -> Response:
        """
        Make one request and return its answer, whatever its status. Redirects are not followed.

        Args:
            method: GET, POST, …
            url: Absolute; `http` only where the options allow it.
            safe: True when making the call twice does no harm (a query).
            params: Added to the query string.
            headers: Extra headers.
            form: Body as `application/x-www-form-urlencoded`.
            json: Body as JSON (UTF-8, compact).
            body: Body as given; set the Content-Type in *headers*.
            public_only: Refuse hosts that resolve to a private or local address.

        Raises:
            TransientError: Certainly not done, or safe to repeat.
            UnknownOutcome: An unsafe call was sent and its answer is lost.
            RejectedError: The address is not allowed.

        Effects: network, one request. Refuses to run while a store transaction is open.
        """
        ...


class Adapter(ABC):
    """What platforms, suppliers and channels have in common."""

    name: ClassVar[str]
    """The adapter name: the entry-point name, and `adapter = …` in the configuration."""
    capabilities: frozenset[Capability] = frozenset()
    """What the class can do; an instance may offer less when its options leave something out."""
    Options: ClassVar[type[Any]]
    """Frozen attrs class of the settings; credentials are typed `Secret`."""

    def __init__(self, options: Any, client: Client) -> None:
        """Keep *options* and *client*. No I/O here."""
        self.options = options
        self.client = client

    def _unsupported(self, capability: Capability) -> NoReturn:
        raise UnsupportedFeature(f"the {self.name} adapter does not offer {capability}")


class Platform(Adapter):
    """Where orders come from and results go."""

    def verify(self, inbound: Inbound, *, now: datetime) -> Verified:  # noqa: ARG002 - for RECEIVE
        """
        Prove *inbound* genuine: signature in constant time, time window against *now*.

        Raises:
            VerificationError: It is not; the message says nothing about why to the outside.
        """
        self._unsupported(Capability.RECEIVE)

    def parse(self, verified: Verified) -> Order:  # noqa: ARG002 - for RECEIVE
        """
        Translate a proved message. Pure; no lines when the message knows only a number.

        Raises:
            VerificationError: It is genuine but not the kind of message that pays an order.
            InvalidOrder: It is genuine but malformed.
        """
        self._unsupported(Capability.RECEIVE)

    def acknowledge(self, answer: Answer, receipt: Receipt | None) -> Reply:  # noqa: ARG002 - for RECEIVE
        """Return the reply this platform expects; a refusal explains nothing."""
        self._unsupported(Capability.RECEIVE)

    def confirm(self, order: Order) -> Payment | None:  # noqa: ARG002 - for CONFIRM
        """
        Ask the platform about *order*: its payment, or None when it is not paid.

        Effects: one safe request.
        """
        self._unsupported(Capability.CONFIRM)

    def fetch(self, since: datetime | None) -> Iterable[Order]:  # noqa: ARG002 - for FETCH
        """
        Return orders paid since *since* (None: as far back as the platform lists).

        Orders may be returned again; the engine knows them. Effects: safe requests.
        """
        self._unsupported(Capability.FETCH)

    def deliver(self, delivery: Delivery) -> str:  # noqa: ARG002 - for DELIVER
        """
        Hand the cards over and return the platform's own number for it, or "".

        Effects: one unsafe request that carries `delivery.reference`.
        """
        self._unsupported(Capability.DELIVER)

    def find_delivery(self, delivery: Delivery) -> bool:  # noqa: ARG002 - for FIND_DELIVERY
        """
        Return True when *delivery* arrived, False when it certainly did not.

        Effects: one safe request.
        """
        self._unsupported(Capability.FIND_DELIVERY)

    def refund(self, refund: Refund) -> str:  # noqa: ARG002 - for REFUND
        """Pay back and return the platform's number for it. Effects: one unsafe request."""
        self._unsupported(Capability.REFUND)

    def publish_stock(self, levels: Sequence[StockLevel]) -> None:  # noqa: ARG002 - for PUBLISH_STOCK
        """Tell the platform what is available. Effects: one request."""
        self._unsupported(Capability.PUBLISH_STOCK)


class Channel(Adapter):
    """Another way to reach the buyer: mail, signed webhook, file."""

    def send(self, delivery: Delivery) -> str:  # noqa: ARG002 - for SEND
        """Hand the cards over; return the channel's number for it. Effects: one unsafe call."""
        self._unsupported(Capability.SEND)

    def find(self, delivery: Delivery) -> bool:  # noqa: ARG002 - for FIND_SENT
        """Return True when *delivery* was sent, False when it certainly was not."""
        self._unsupported(Capability.FIND_SENT)


class Supplier(Adapter):
    """
    Where cards and top-ups are bought.

    A method that answers returns what the supplier says, whatever it is; one that cannot tell
    raises. `RejectedError` means that nothing was bought and the same again will not help,
    `TransientError` that certainly nothing was bought and the same again may, `UnknownOutcome`
    that it may or may not have been. An answer that is not in the supplier's own shape, such as
    an HTML page, is an `UnknownOutcome` of `buy` and `top_up` and a `TransientError` elsewhere.
    """

    calls_at_once: ClassVar[int] = 4
    """How many calls one account may be making at the same time."""
    calls_per_second: ClassVar[float] = 5.0
    """How many calls one account may begin within a second."""
    look_after_s: ClassVar[float] = 2.0
    """How long after a call it makes sense to look a purchase up, for the first time."""
    misses: ClassVar[int] = 3
    """How often in a row a purchase must be found missing before that is believed."""

    def offers(self, items: Sequence[str]) -> Sequence[Offer]:  # noqa: ARG002 - for OFFERS
        """
        Return an offer for each of *items* that the supplier knows; unknown ones are left out.

        Effects: safe requests; one where the supplier allows it.
        """
        self._unsupported(Capability.OFFERS)

    def buy(self, purchase: Purchase) -> Supplied:  # noqa: ARG002 - for BUY
        """
        Buy cards. With REPEAT_PURCHASE it may be called again with the same reference.

        Effects: one unsafe request that carries `purchase.reference`.
        """
        self._unsupported(Capability.BUY)

    def top_up(self, purchase: Purchase) -> Supplied:  # noqa: ARG002 - for TOP_UP
        """Have `purchase.target` charged. Effects: one unsafe request with the reference."""
        self._unsupported(Capability.TOP_UP)

    def find_purchase(self, purchase: Purchase) -> Supplied | None:  # noqa: ARG002 - for FIND_PURCHASE
        """
        Return what became of *purchase*; None when the supplier says that there is none such.

        Also asked by `purchase.remote`, where only that is known to be enough. A supplier that
        finds accepted purchases by its own number only declares no FIND_PURCHASE and still
        answers here for a purchase with a `remote`.

        Raises:
            TransientError: It could not be asked, or said nothing definite.
            UnsupportedFeature: It cannot be found without `remote`.

        Effects: safe requests.
        """
        self._unsupported(Capability.FIND_PURCHASE)

    def balance(self) -> Money:
        """Return how much of our money the supplier holds. Effects: one safe request."""
        self._unsupported(Capability.BALANCE)

    def parse(self, inbound: Inbound, *, now: datetime) -> Hint:  # noqa: ARG002 - for RECEIVE
        """
        Return what a message is about, its signature proved where the supplier signs.

        Raises:
            VerificationError: It is not proved genuine, too old, or not of a kind we know.
        """
        self._unsupported(Capability.RECEIVE)

    def acknowledge(self, answer: Answer) -> Reply:  # noqa: ARG002 - for RECEIVE
        """Return the reply this supplier expects; a refusal explains nothing."""
        self._unsupported(Capability.RECEIVE)


class CardFormat(ABC):
    """
    How the cards of one product look in text. Pure; knows no file and no store.

    No message may quote the card: say what is wrong, not what it says.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """One line for people, such as "Steam product key"."""
    example: ClassVar[str]
    """An invented card of this format."""

    @abstractmethod
    def split(self, text: str) -> tuple[str, ...]:
        """Return the pieces of one line of text. Never raises for any text."""

    @abstractmethod
    def parse(self, text: str, pieces: tuple[str, ...]) -> CardParts:
        """
        Make a card of its original *text* and its *pieces*.

        Full-width characters may be normalised here where the format is ASCII only.

        Raises:
            ValueError: There is no card in it; the message does not quote it.
        """

    @abstractmethod
    def normalise(self, parts: CardParts) -> str:
        """Return the text that is equal for equal cards; it is fingerprinted, never shown."""

    @abstractmethod
    def check(self, parts: CardParts) -> str:
        """Return what is wrong with the card in a few words, or ""."""

    @abstractmethod
    def mask(self, parts: CardParts) -> str:
        """Return a text for lists that shows at most four characters of the card."""

    @abstractmethod
    def render(self, parts: CardParts) -> str:
        """Return the card as a buyer should read it."""


class Registry(Protocol):
    """What `autocard_register` is handed. Two things under one name are an `AdapterConflict`."""

    def platform(self, adapter: type[Platform]) -> None:
        """Offer a platform adapter under its `name`."""
        ...

    def supplier(self, adapter: type[Supplier]) -> None:
        """Offer a supplier adapter under its `name`."""
        ...

    def channel(self, adapter: type[Channel]) -> None:
        """Offer a channel adapter under its `name`."""
        ...

    def card_format(self, card_format: CardFormat) -> None:
        """Offer a card format under its `name`."""
        ...
