"""A signed webhook for each delivery, by Standard Webhooks 1.0. It never carries a card."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from autocard.adapters.webhook.translate import check_reply, event_from_delivery
from autocard.spi import (
    Capability,
    Channel,
    Delivery,
    RejectedError,
    Secret,
    checked_url,
    webhook_problem,
)


def _secrets(value: Secret | Iterable[Secret]) -> tuple[Secret, ...]:
    return (value,) if isinstance(value, Secret) else tuple(value)


@attrs.frozen(kw_only=True)
class WebhookOptions:
    """
    Settings of the `webhook` channel.

    Args:
        url: The consumer's address, `https://…`.
        credential: `whsec_…` or `whsk_…`; while one is being replaced several, newest first.
        allow_http: Allow an address without TLS; for tests.
        allow_private: Allow hosts in private networks and on this machine, on any port.
        ports: The ports that may be called otherwise.

    Raises:
        ValueError: A setting cannot be used; the message names it.
    """

    url: str
    credential: tuple[Secret, ...] = attrs.field(converter=_secrets)
    allow_http: bool = False
    allow_private: bool = False
    ports: tuple[int, ...] = attrs.field(default=(443,), converter=tuple)

    def __attrs_post_init__(self) -> None:
        problem = _address_problem(self)
        if problem:
            raise ValueError(f"url: {problem}")
        problem = webhook_problem(self.credential, signing=True)
        if problem:
            raise ValueError(f"credential: {problem}")


def _address_problem(options: WebhookOptions) -> str:
    try:
        parts = checked_url(options.url, allow_http=options.allow_http)
    except RejectedError as error:
        return str(error)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if options.allow_private or port in options.ports:
        return ""
    return f"port {port} is not among the ports that may be called; add it to ports"


class WebhookChannel(Channel):
    """
    Posts a `delivery.completed` event: which line of which order is done, without its cards.

    Source: Standard Webhooks 1.0.
    """

    name = "webhook"
    capabilities = frozenset({Capability.SEND, Capability.REPEAT_DELIVERY})
    Options = WebhookOptions

    def send(self, delivery: Delivery) -> str:
        """
        Post the event of *delivery* and return its `webhook-id`, the same on every try.

        Raises:
            RejectedError: The consumer answered 410 (it wants no more events), or its address
                is not allowed.
            TransientError: The consumer refused it or could not be reached.
            UnknownOutcome: It may have arrived. Sending it again is harmless: consumers know
                the id.

        Effects: one unsafe request.
        """
        event = event_from_delivery(delivery, self.options.credential)
        response = self.client.request(
            "POST",
            self.options.url,
            safe=False,
            headers=event.headers,
            body=event.body,
            public_only=not self.options.allow_private,
        )
        check_reply(response)
        return event.headers["webhook-id"]
