"""The fulu supplier: orders go out, their outcome is asked for, callbacks say when to ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from autocard.adapters.fulu import replies, translate
from autocard.adapters.fulu.options import FuluOptions
from autocard.spi import (
    Answer,
    Capability,
    Client,
    Hint,
    Inbound,
    Money,
    Offer,
    Purchase,
    Reply,
    Response,
    Supplied,
    Supplier,
)

_REPLIES: Final = {
    Answer.ACCEPTED: (200, b"success"),
    Answer.REFUSED: (400, b"fail"),
    Answer.LATER: (503, b"fail"),
}
_JSON: Final = {"Content-Type": "application/json"}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class FuluSupplier(Supplier):
    """
    One merchant account at 福禄 (Fulu), or at a server that speaks its language.

    Args:
        options: A `FuluOptions`.
        client: Speaks HTTP.
        now: Tells the time that calls about no purchase must carry. Replace it in tests.
    """

    name: ClassVar[str] = "fulu"
    capabilities = frozenset(
        {
            Capability.OFFERS, Capability.BUY, Capability.TOP_UP, Capability.FIND_PURCHASE,
            Capability.REPEAT_PURCHASE, Capability.BALANCE, Capability.RECEIVE,
        }
    )  # fmt: skip
    Options: ClassVar[type[Any]] = FuluOptions
    options: FuluOptions

    calls_per_second: ClassVar[float] = 3.0  # limits are not published: "a few"
    look_after_s: ClassVar[float] = 2.0  # cards are there within seconds
    misses: ClassVar[int] = 5  # no code of its own says that an order is missing

    def __init__(
        self, options: FuluOptions, client: Client, *, now: Callable[[], datetime] = _utc_now
    ) -> None:
        super().__init__(options, client)
        self._now = now

    def offers(self, items: Sequence[str]) -> Sequence[Offer]:
        """
        Return an offer for each of *items* that is on sale; several take the whole catalogue.

        Raises:
            TransientError: No usable answer; ask again later.

        Effects: one safe request, or none where no item can be a product of Fulu's.
        """
        known = [item for item in items if translate.is_item(item)]
        if not known:
            return ()
        response = self._say(translate.goods_call(known), self._now(), safe=True)
        return replies.offers_from_response(response, known, self.options)

    def buy(self, purchase: Purchase) -> Supplied:
        """
        Order cards. Fulu only says that it takes the order on; the cards come by a look-up.

        Raises:
            RejectedError: Nothing was bought: the product cannot be bought now.
            UnknownOutcome: The answer is lost or proves nothing.

        Effects: one unsafe request. The same reference again buys nothing more.
        """
        return self._place(translate.card_call(purchase, self.options), purchase)

    def top_up(self, purchase: Purchase) -> Supplied:
        """
        Have `purchase.target` charged. Fulu only says that it takes the order on.

        Raises:
            RejectedError: Nothing was bought: the product cannot be bought now, or the account
                or an option cannot be said to Fulu.
            UnknownOutcome: The answer is lost or proves nothing.

        Effects: one unsafe request. The same reference again charges nothing more.
        """
        return self._place(translate.direct_call(purchase, self.options), purchase)

    def find_purchase(self, purchase: Purchase) -> Supplied | None:
        """
        Return what became of *purchase*; None when Fulu says that there is no such order.

        Raises:
            TransientError: No usable answer, or one that says nothing about the order.

        Effects: one safe request.
        """
        response = self._say(translate.look_up_call(purchase), purchase.sent_at, safe=True)
        return replies.supplied_from_look_up(response, purchase, self.options)

    def balance(self) -> Money:
        """
        Return how much the account holds.

        Raises:
            TransientError: No usable answer; ask again later.

        Effects: one safe request.
        """
        response = self._say(translate.balance_call(), self._now(), safe=True)
        return replies.balance_from_response(response, self.options)

    def parse(self, inbound: Inbound, *, now: datetime) -> Hint:  # noqa: ARG002 - it carries no time of sending
        """
        Return which order a callback is about; whether it is Fulu's is not proved, see the options.

        Raises:
            VerificationError: It is no callback, or is not signed where that is required.
        """
        return translate.hint_from_inbound(inbound, self.options)

    def acknowledge(self, answer: Answer) -> Reply:
        """Return `success` when the callback was taken, `fail` otherwise."""
        status, body = _REPLIES[answer]
        return Reply(status=status, headers={"content-type": "text/plain"}, body=body)

    def _place(self, call: translate.Call, purchase: Purchase) -> Supplied:
        response = self._say(call, purchase.sent_at, safe=False)
        return replies.supplied_from_placing(response, purchase, self.options)

    def _say(self, call: translate.Call, now: datetime, *, safe: bool) -> Response:
        return self.client.request(
            "POST",
            self.options.gateway_url,
            safe=safe,
            headers=_JSON,
            body=translate.request_body(call, self.options, now),
        )
