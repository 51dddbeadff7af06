"""The Kinguin supplier: one order for each purchase, its cards looked up afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import quote

from autocard.adapters.kinguin import orders, replies, translate
from autocard.adapters.kinguin.options import KinguinOptions
from autocard.spi import (
    Answer,
    Capability,
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

_STATUS: Final = {Answer.ACCEPTED: 204, Answer.REFUSED: 401, Answer.LATER: 503}


class KinguinSupplier(Supplier):
    """
    One store at Kinguin, paid from the prepaid balance of its account in euros.

    Kinguin does not promise to refuse a second order with the same number, so an order whose
    answer is lost is looked up, three times at least, before it is sent again.

    Source: Kinguin eCommerce API, as of July 2025.
    """

    name: ClassVar[str] = translate.SUPPLIER
    capabilities = frozenset(
        {
            Capability.OFFERS,
            Capability.BUY,
            Capability.FIND_PURCHASE,
            Capability.BALANCE,
            Capability.RECEIVE,
        }
    )
    Options: ClassVar[type[Any]] = KinguinOptions
    options: KinguinOptions

    calls_per_second: ClassVar[float] = 4.0  # no limit is published; a look-up is two requests
    look_after_s: ClassVar[float] = 5.0
    misses: ClassVar[int] = 3

    def offers(self, items: Sequence[str]) -> list[Offer]:
        """
        Return the cheapest offer for each of *items* (`productId`) that is listed.

        Raises:
            RejectedError: Kinguin refused.
            TransientError: No usable answer.

        Effects: one safe request for each hundred items.
        Source: Kinguin eCommerce API, "Products API v1".
        """
        known = [item for item in dict.fromkeys(items) if translate.is_product_id(item)]
        offers: list[Offer] = []
        for at in range(0, len(known), replies.PAGE):
            some = known[at : at + replies.PAGE]
            page = self._ask("v1/products", productId=",".join(some), limit=str(replies.PAGE))
            offers += replies.offers_from_response(page, some, text_only=self.options.text_only)
        return offers

    def buy(self, purchase: Purchase) -> Supplied:
        """
        Order at most `purchase.ceiling` for each unit; the answer is an order without cards.

        Raises:
            RejectedError: Nothing was bought.
            TransientError: The request was not sent.
            UnknownOutcome: It may have been bought. Every refusal of an order that was sent before
                is one.

        Effects: one unsafe request.
        Source: Kinguin eCommerce API, "Orders API v2", "Place an order".
        """
        return orders.supplied_from_creation(self._ordered(purchase), purchase)

    def find_purchase(self, purchase: Purchase) -> Supplied | None:
        """
        Return what became of *purchase* and the cards that came; None when there is no order of it.

        Raises:
            TransientError: No usable answer.

        Effects: two safe requests, one more where the search does not show an order that we have
        a number of, one more for each further hundred cards.
        Source: Kinguin eCommerce API, "Search orders", "Get order" and "Download keys".
        """
        found = [(order, self._cards(order.remote)) for order in self._orders(purchase)]
        if not found:
            return None
        return orders.supplied_from_orders(found, purchase.quantity)

    def balance(self) -> Money:
        """
        Return what is left of the prepaid balance, in euros.

        Raises:
            RejectedError: Kinguin refused.
            TransientError: No usable answer.

        Effects: one safe request.
        Source: Kinguin eCommerce API, "Balance".
        """
        return replies.balance_from_response(self._ask("v1/balance"))

    def parse(self, inbound: Inbound, *, now: datetime) -> Hint:  # noqa: ARG002 - messages are not dated safely
        """
        Return what a message is about. Its header proves the sender, nothing proves its body.

        Raises:
            VerificationError: It lacks the webhook secret, or is not of a kind that we know.

        Source: Kinguin eCommerce API, "Webhooks".
        """
        return translate.hint_from_inbound(inbound, self.options.webhook_secret)

    def acknowledge(self, answer: Answer) -> Reply:
        """Return a reply without a body: 204 when the message was taken."""
        return Reply(status=_STATUS[answer])

    def _ordered(self, purchase: Purchase) -> Response:
        try:
            return self.client.request(
                "POST",
                self.options.url("v2/order"),
                safe=False,
                headers={**translate.headers(self.options), "Content-Type": "application/json"},
                body=translate.order_body(purchase, text_only=self.options.text_only),
            )
        except RejectedError as error:
            if purchase.attempts == 1:
                raise
            problem = str(error)
        # That this call was not made says nothing of those before it.
        raise UnknownOutcome(f"{problem}; what was sent before may have been done; look it up")

    def _orders(self, purchase: Purchase) -> tuple[orders.RemoteOrder, ...]:
        reference = purchase.reference
        page = self._ask("v1/order", orderExternalId=reference, limit=str(replies.PAGE))
        found = orders.orders_from_search(page, reference)
        if not purchase.remote or any(order.remote == purchase.remote for order in found):
            return found
        response = self._ask(f"v1/order/{quote(purchase.remote, safe='')}")
        return (*found, orders.order_from_response(response, purchase))

    def _cards(self, remote: str) -> tuple[orders.RemoteCard, ...]:
        cards: tuple[orders.RemoteCard, ...] = ()
        page_no = 0
        while True:
            page_no += 1
            page = orders.cards_from_response(
                self._ask(f"v2/order/{remote}/keys", page=str(page_no), limit=str(replies.PAGE))
            )
            fresh = orders.fresh_cards(page, cards)
            cards += fresh
            # A server that ignores the page would show its first one for ever.
            if len(page) < replies.PAGE or not fresh:
                return cards

    def _ask(self, path: str, **params: str) -> Response:
        return self.client.request(
            "GET",
            self.options.url(path),
            safe=True,
            params=params,
            headers=translate.headers(self.options),
        )
