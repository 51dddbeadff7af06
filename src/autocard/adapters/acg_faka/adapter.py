"""The acg_faka supplier: goods are quoted, bought and looked up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from autocard.adapters.acg_faka import cards, replies, translate
from autocard.adapters.acg_faka.goods import Good
from autocard.adapters.acg_faka.options import AcgFakaOptions
from autocard.spi import (
    Capability,
    Client,
    Money,
    Offer,
    Purchase,
    RejectedError,
    Response,
    Supplied,
    Supplier,
    UnknownOutcome,
)


class AcgFakaSupplier(Supplier):
    """
    Our membership of one 异次元发卡 (acg-faka) shop; purchases are paid from its balance.

    With dialect v4 what the shop does with a repetition is not known, so that
    `Capability.REPEAT_PURCHASE` is not among the capabilities of the instance.

    Args:
        options: An `AcgFakaOptions`.
        client: Speaks HTTP.
    """

    name: ClassVar[str] = "acg_faka"
    capabilities = frozenset(
        {Capability.OFFERS, Capability.BUY, Capability.REPEAT_PURCHASE, Capability.BALANCE}
    )
    Options: ClassVar[type[Any]] = AcgFakaOptions
    options: AcgFakaOptions

    calls_at_once: ClassVar[int] = 1  # two purchases can block each other in the shop's database
    look_after_s: ClassVar[float] = 30.0  # what is looked up here is delivered by a person

    def __init__(self, options: AcgFakaOptions, client: Client) -> None:
        super().__init__(options, client)
        if options.dialect == "v4":
            self.capabilities = type(self).capabilities - {Capability.REPEAT_PURCHASE}

    def offers(self, items: Sequence[str]) -> Sequence[Offer]:
        """
        Return an offer for each of *items* that the shop sells in this way.

        Raises:
            RejectedError: An item is malformed, or the shop refused to say.
            TransientError: No usable answer.

        Effects: with v3 three safe requests for each item, because only `valuation` knows what a
        member pays; with v4 one safe request for all of them.
        """
        goods = {item: translate.good_of(item, self.options) for item in items}
        if self.options.dialect == "v4":
            return replies.v4_offers_from_reply(self._ask("items"), goods, self.options)
        found = (self._offer(item, good) for item, good in goods.items())
        return [offer for offer in found if offer is not None]

    def buy(self, purchase: Purchase) -> Supplied:
        """
        Buy cards, paid from our balance at the shop.

        The shop refuses a second trade under one reference, and a repetition never buys twice.
        What it is told then rarely proves what became of the first call: see
        `cards.supplied_from_trade`.

        Effects: one unsafe request that carries the reference; with v4 a digest of it.
        """
        return cards.supplied_from_trade(self._trade(purchase), purchase, self.options)

    def find_purchase(self, purchase: Purchase) -> Supplied | None:
        """
        Return what became of a purchase whose number at the shop is known.

        Raises:
            TransientError: No definite answer.
            UnsupportedFeature: It has no `remote`, or the dialect is v4: there is no other way.

        Effects: one safe request.
        """
        if not purchase.remote or self.options.dialect == "v4":
            self._unsupported(Capability.FIND_PURCHASE)
        response = self._ask("commodity/query", tradeNo=purchase.remote)
        return cards.supplied_from_query(response, purchase, self.options)

    def balance(self) -> Money:
        """
        Return how much of our money the shop holds.

        Raises:
            RejectedError: The shop refused to say.
            TransientError: No usable answer.

        Effects: one safe request.
        """
        path = "connect" if self.options.dialect == "v4" else "authentication/connect"
        return replies.balance_from_reply(self._ask(path), self.options)

    def _offer(self, item: str, good: Good) -> Offer | None:
        described = self._ask("commodity/item", code=good.code)
        terms = replies.terms_from_reply(described, good, self.options)
        if terms is None:
            return None
        valued = self._ask(
            "commodity/valuation", code=good.code, num="1", card_id="0", **good.chosen()
        )
        price = replies.price_from_reply(valued, self.options)
        if price is None or price.amount <= 0:
            return None  # a good without a price is set up by half
        counted = self._ask("commodity/stock", code=good.code, **good.chosen())
        available = replies.stock_from_reply(counted, self.options)
        return replies.offer_of(item, good, terms, price, available, self.options.waiting)

    def _trade(self, purchase: Purchase) -> Response:
        try:
            return self._send(translate.trade_call(purchase, self.options), safe=False)
        except RejectedError as error:
            if purchase.attempts == 1:
                raise
            problem = str(error)
        # That this call was not made says nothing of those before it.
        raise UnknownOutcome(f"{problem}; what was sent before may have been done")

    def _ask(self, path: str, **fields: str) -> Response:
        return self._send(translate.signed_call(path, fields, self.options), safe=True)

    def _send(self, call: translate.Call, *, safe: bool) -> Response:
        return self.client.request(
            "POST", call.url, safe=safe, form=call.form, headers=call.headers
        )
