"""One short method for each capability: translate out, make one request, translate in."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from autocard.spi import (
    Answer,
    Capability,
    Channel,
    Delivery,
    Inbound,
    Order,
    Payment,
    Platform,
    Receipt,
    Reply,
    Response,
    Secret,
    Verified,
)
from autocard_paperplane import translate
from autocard_paperplane.options import ChannelOptions, PlatformOptions


class PaperplanePlatform(Platform):
    """One shop at Paperplane: its orders come in, their cards go back."""

    name: ClassVar[str] = translate.NAME
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.RECEIVE, Capability.CONFIRM, Capability.DELIVER, Capability.FIND_DELIVERY}
    )
    Options: ClassVar[type[Any]] = PlatformOptions
    options: PlatformOptions

    def verify(self, inbound: Inbound, *, now: datetime) -> Verified:
        """Prove a message genuine and recent; otherwise `VerificationError`."""
        translate.check_message(
            inbound, self.options.credential, now=now, window_s=self.options.window_s
        )
        return Verified(inbound)

    def parse(self, verified: Verified) -> Order:
        """Return the paid order of a proved message; otherwise `InvalidOrder`."""
        return translate.order_from_message(verified.inbound.body)

    def acknowledge(self, answer: Answer, receipt: Receipt | None) -> Reply:  # noqa: ARG002 - it reads the status only
        """Return 200, 401 or 503, without a word."""
        return translate.reply_from_answer(answer)

    def confirm(self, order: Order) -> Payment | None:
        """Ask for the payment of *order*. Effects: one safe request."""
        response = self._ask("orders", order=order.order_no)
        return translate.payment_from_response(response, order.order_no)

    def deliver(self, delivery: Delivery) -> str:
        """
        Hand the cards of a line over and return Paperplane's number for it.

        Effects: one unsafe request. Paperplane does not promise to take a reference once only,
        so that REPEAT_DELIVERY is not declared; it can be asked instead, by `find_delivery`.
        """
        response = self.client.request(
            "POST",
            _address(self.options, "deliveries"),
            safe=False,
            headers=_headers(self.options.credential),
            # Not kept in a variable, which a crash report would show.
            json=translate.cards_from_delivery(delivery),
        )
        return translate.number_from_response(response, "delivery")

    def find_delivery(self, delivery: Delivery) -> bool:
        """Ask whether *delivery* arrived. Effects: one safe request."""
        response = self._ask("deliveries", reference=delivery.reference)
        return translate.found_from_response(response)

    def _ask(self, page: str, **params: str) -> Response:
        return self.client.request(
            "GET",
            _address(self.options, page),
            safe=True,
            params=params,
            headers=_headers(self.options.credential),
        )


class PaperplaneChannel(Channel):
    """Flies the cards to the buyer. One number is one plane, however often it is sent."""

    name: ClassVar[str] = translate.NAME
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.SEND, Capability.REPEAT_DELIVERY}
    )
    Options: ClassVar[type[Any]] = ChannelOptions
    options: ChannelOptions

    def send(self, delivery: Delivery) -> str:
        """Send one plane and return its number at Paperplane. Effects: one unsafe request."""
        response = self.client.request(
            "POST",
            _address(self.options, "planes"),
            safe=False,
            headers=_headers(self.options.credential),
            json=translate.plane_from_delivery(delivery),
        )
        return translate.number_from_response(response, "plane")


def _address(options: ChannelOptions, page: str) -> str:
    return f"{options.base_url.rstrip('/')}/v1/{page}"


def _headers(credential: Secret) -> dict[str, str]:
    return {"authorization": f"Bearer {credential.reveal()}"}
