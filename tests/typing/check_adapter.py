"""An adapter and a policy as the type checker sees them; nothing runs this file."""

from __future__ import annotations

from typing import assert_type

import attrs

from autocard.spi import (
    Capability,
    Channel,
    Client,
    Delivery,
    History,
    Hold,
    Match,
    Order,
    OrderLine,
    Registry,
    Reject,
    Response,
    Secret,
    hookimpl,
)


@attrs.frozen
class PostOptions:
    """The settings of the channel below."""

    url: str
    credential: Secret


class PostChannel(Channel):
    """The smallest channel: translate out, one request, translate in."""

    name = "post"
    capabilities = frozenset({Capability.SEND})
    Options = PostOptions

    def __init__(self, options: PostOptions, client: Client) -> None:
        """Keep the options and the client."""
        super().__init__(options, client)

    def send(self, delivery: Delivery) -> str:
        """Hand over the cards."""
        cards = [card.text().reveal() for card in delivery.cards]
        answer = self.client.request("POST", "https://example.com", safe=False, json=cards)
        assert_type(answer, Response)
        return answer.headers.get("x-number", "")


@hookimpl
def autocard_register(registry: Registry) -> None:
    """Offer the channel."""
    registry.channel(PostChannel)


@hookimpl
def autocard_assess(order: Order, line: OrderLine, history: History) -> Hold | Reject | None:
    """Hold large lines of strangers."""
    if history.first_order_at is None and line.quantity > 100:
        return Hold(f"{order.order_no}: a stranger wants {line.quantity}")
    return None


@hookimpl
def autocard_match(order: Order, line: OrderLine) -> Match | None:
    """Sell to resellers from their own warehouse."""
    if order.buyer.level == "reseller":
        return Match("steam-50", sources=("warehouse:resale",))
    return None
