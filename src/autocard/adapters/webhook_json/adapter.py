"""Orders in and deliveries out as signed JSON; the shape to copy when a host has none yet."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import attrs

from autocard.adapters.webhook_json.translate import (
    message_from_delivery,
    number_from_response,
    reply_from_answer,
)
from autocard.spi import (
    Answer,
    Capability,
    Client,
    Delivery,
    Inbound,
    Order,
    Platform,
    Receipt,
    RejectedError,
    Reply,
    Secret,
    VerificationError,
    Verified,
    check_status,
    checked_url,
    order_from_body,
    verify_webhook,
    webhook_problem,
)


def _secrets(value: Secret | Iterable[Secret]) -> tuple[Secret, ...]:
    return (value,) if isinstance(value, Secret) else tuple(value)


@attrs.frozen(kw_only=True)
class WebhookJsonOptions:
    """
    Settings of the `webhook_json` platform.

    Args:
        credential: What proves the host's messages: `whsec_…` or `whpk_…`; several while one is
            being replaced.
        deliver_url: Where deliveries are posted, `https://…`; without it the platform takes none.
        deliver_credential: What signs deliveries: `whsec_…` or `whsk_…`, newest first; without
            it *credential*.
        tolerance_s: How far a message's time may lie from ours, in seconds, 1 to 3600.
        allow_http: Allow an address without TLS. The cards travel to it in plain text.
        allow_private: Allow a host in a private network or on this machine.

    Raises:
        ValueError: A setting cannot be used; the message names it.
    """

    credential: tuple[Secret, ...] = attrs.field(converter=_secrets)
    deliver_url: str = ""
    deliver_credential: tuple[Secret, ...] = attrs.field(default=(), converter=_secrets)
    tolerance_s: int = 300
    allow_http: bool = False
    allow_private: bool = False

    def __attrs_post_init__(self) -> None:
        for field, problem in (
            ("credential", webhook_problem(self.credential, signing=False)),
            ("deliver_url", _address_problem(self)),
            ("deliver_credential", _signing_problem(self)),
            ("tolerance_s", "" if 1 <= self.tolerance_s <= 3600 else "must be 1 to 3600"),
        ):
            if problem:
                raise ValueError(f"{field}: {problem}")

    @property
    def signing(self) -> tuple[Secret, ...]:
        """What deliveries are signed with."""
        return self.deliver_credential or self.credential


def _signing_problem(options: WebhookJsonOptions) -> str:
    is_used = options.deliver_url or options.deliver_credential
    return webhook_problem(options.signing, signing=True) if is_used else ""


def _address_problem(options: WebhookJsonOptions) -> str:
    if not options.deliver_url:
        return ""
    try:
        checked_url(options.deliver_url, allow_http=options.allow_http)
    except RejectedError as error:
        return str(error)
    return ""


class WebhookJsonPlatform(Platform):
    """
    A host of our own making: its messages carry Standard Webhooks headers, and so do ours.

    Source: Standard Webhooks 1.0 for the headers; the bodies are described in the
        documentation of this adapter.
    """

    name = "webhook_json"
    capabilities = frozenset({Capability.RECEIVE, Capability.DELIVER, Capability.REPEAT_DELIVERY})
    Options = WebhookJsonOptions

    def __init__(self, options: WebhookJsonOptions, client: Client) -> None:
        """Keep *options* and *client*; without an address to post to nothing can be delivered."""
        super().__init__(options, client)
        if not options.deliver_url:
            self.capabilities = frozenset({Capability.RECEIVE})

    def verify(self, inbound: Inbound, *, now: datetime) -> Verified:
        """
        Return the message, proved genuine by its signature and recent by its time.

        Raises:
            VerificationError: It is not a POST, or not proved.
        """
        if inbound.method != "POST":
            raise VerificationError("orders come by POST")
        message_id = verify_webhook(
            self.options.credential,
            inbound.headers,
            inbound.body,
            now=now,
            tolerance_s=self.options.tolerance_s,
        )
        return Verified(inbound, {"webhook-id": message_id})

    def parse(self, verified: Verified) -> Order:
        """
        Return the order of a proved message; `order.platform` is the name of this adapter.

        Raises:
            VerificationError: It says nothing of a payment, so it pays no order.
            InvalidOrder: It is malformed; the error names the field.
        """
        order = order_from_body(verified.inbound.body, self.name)
        if order.payment is None:
            raise VerificationError("the message has no payment; it does not pay an order")
        return order

    def acknowledge(self, answer: Answer, receipt: Receipt | None) -> Reply:
        """Return 200 with the outcome, 401 without a word, or 503. It never holds a card."""
        return reply_from_answer(answer, receipt)

    def deliver(self, delivery: Delivery) -> str:
        """
        Post the cards to the host and return its `delivery_no`, or "" when it names none.

        Raises:
            RejectedError: The host refused (4xx), or its address is not allowed.
            TransientError: It was certainly not taken.
            UnknownOutcome: It may have been taken. Repeating is harmless: the host knows the
                `webhook-id`, which is made of the reference.

        Effects: one unsafe request.
        Secrets: reveals each card once, into the body of the request only.
        """
        if Capability.DELIVER not in self.capabilities:
            self._unsupported(Capability.DELIVER)
        message = message_from_delivery(delivery, self.options.signing)
        response = self.client.request(
            "POST",
            self.options.deliver_url,
            safe=False,
            headers=message.headers,
            body=message.body,
            public_only=not self.options.allow_private,
        )
        check_status(response, safe=False)
        return number_from_response(response)
