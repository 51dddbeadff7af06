"""The kasushou supplier: goods are quoted and bought, purchases looked up, messages proved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from autocard.adapters.kasushou import goods, orders, translate
from autocard.adapters.kasushou.options import KasushouOptions
from autocard.spi import (
    Answer,
    Capability,
    Client,
    Hint,
    Inbound,
    Money,
    Offer,
    Purchase,
    RejectedError,
    Reply,
    Response,
    Supplied,
    Supplier,
    UnknownOutcome,
)

_REPLIES: Final = {
    Answer.ACCEPTED: (200, b"ok"),
    Answer.REFUSED: (400, b"fail"),
    Answer.LATER: (503, b"fail"),
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class KasushouSupplier(Supplier):
    """
    One customer account at a wholesaler that runs 卡速售 (Kasushou) or one of its clones.

    Args:
        options: A `KasushouOptions`.
        client: Speaks HTTP.
        now: Tells the time that calls must carry. Replace it in tests.
    """

    name: ClassVar[str] = "kasushou"
    capabilities = frozenset(
        {
            Capability.OFFERS,
            Capability.BUY,
            Capability.TOP_UP,
            Capability.FIND_PURCHASE,
            Capability.REPEAT_PURCHASE,
            Capability.BALANCE,
            Capability.RECEIVE,
        }
    )
    Options: ClassVar[type[Any]] = KasushouOptions
    options: KasushouOptions
    look_after_s: ClassVar[float] = 2.0  # the documentation has purchases looked up each 1 to 3 s

    def __init__(
        self, options: KasushouOptions, client: Client, *, now: Callable[[], datetime] = _utc_now
    ) -> None:
        super().__init__(options, client)
        self._now = now

    def offers(self, items: Sequence[str]) -> Sequence[Offer]:
        """
        Return an offer for each of *items* that the site knows.

        Raises:
            RejectedError: The site refused to say.
            TransientError: No usable answer; ask again later.

        Effects: one safe request for each of *items*, because only so the site says how many
        units one purchase may ask for.
        """
        asked = dict.fromkeys(items)
        return [offer for item in asked if (offer := self._offer(item)) is not None]

    def buy(self, purchase: Purchase) -> Supplied:
        """
        Buy cards. They are never in the answer: look the purchase up.

        The site sells once under one reference: asked again, it refuses. Whatever reason it gives
        then is raised as `UnknownOutcome`.

        Raises:
            RejectedError: Nothing was bought.
            TransientError: The request was not sent.
            UnknownOutcome: It may have been bought.

        Effects: one unsafe request.
        """
        answer = self._ordered(translate.buy_call, purchase)
        return orders.accepted(answer, purchase, self.options)

    def top_up(self, purchase: Purchase) -> Supplied:
        """
        Have the target of *purchase* charged; otherwise as `buy`.

        Effects: one unsafe request.
        """
        answer = self._ordered(translate.top_up_call, purchase)
        return orders.accepted(answer, purchase, self.options)

    def find_purchase(self, purchase: Purchase) -> Supplied | None:
        """
        Return what became of *purchase*, by its reference; None when there is none such.

        Raises:
            TransientError: No usable answer; ask again later.

        Effects: one safe request.
        """
        call = translate.look_up_call(purchase, self.options, self._now())
        return orders.found(self._send(call, safe=True), purchase, self.options)

    def balance(self) -> Money:
        """
        Return how much of our money the site holds.

        Raises:
            RejectedError: The site refused to say.
            TransientError: No usable answer; ask again later.

        Effects: one safe request.
        """
        call = translate.balance_call(self.options, self._now())
        return goods.balance(self._send(call, safe=True), self.options)

    def parse(self, inbound: Inbound, *, now: datetime) -> Hint:
        """
        Return what a message is about: a purchase, or a good whose price or stock has changed.

        Raises:
            VerificationError: It is not signed with our API key, is too old, or names nothing.
        """
        return translate.hint_from_inbound(inbound, self.options, now)

    def acknowledge(self, answer: Answer) -> Reply:
        """Return `ok` when the message was taken, `fail` otherwise: then it is sent again."""
        status, body = _REPLIES[answer]
        return Reply(status=status, headers={"content-type": "text/plain"}, body=body)

    def _offer(self, item: str) -> Offer | None:
        call = translate.good_call(item, self.options, self._now())
        return goods.offer(self._send(call, safe=True), item, self.options)

    def _ordered(
        self,
        call_of: Callable[[Purchase, KasushouOptions, datetime], translate.Call],
        purchase: Purchase,
    ) -> Response:
        try:
            return self._send(call_of(purchase, self.options, self._now()), safe=False)
        except RejectedError as error:
            if purchase.attempts == 1:
                raise
            problem = str(error)
        # That this call was not made says nothing of those before it.
        raise UnknownOutcome(f"{problem}; what was sent before may have been done; look it up")

    def _send(self, call: translate.Call, *, safe: bool) -> Response:
        return self.client.request(
            "POST", call.url, safe=safe, headers=call.headers, body=call.body
        )
