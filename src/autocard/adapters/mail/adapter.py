"""Hand a mail to an SMTP server, and say precisely what is known when that fails."""

from __future__ import annotations

from autocard.adapters.mail.message import message_from_delivery, message_id_from_reference
from autocard.adapters.mail.options import MailOptions, is_address
from autocard.adapters.mail.transmit import Failure, transmit
from autocard.spi import Capability, Channel, Delivery, RejectedError


class MailChannel(Channel):
    """Sends the cards of a line to `delivery.buyer.contact`."""

    name = "mail"
    capabilities = frozenset({Capability.SEND})
    Options = MailOptions
    options: MailOptions

    def send(self, delivery: Delivery) -> str:
        """
        Hand one mail to the server and return its Message-ID.

        Raises:
            RejectedError: No usable address, nothing to send, or the server refused for good.
            TransientError: The server could not be reached or asks to come back later.
            UnknownOutcome: The connection was lost once the text was under way.

        Effects: one SMTP session. The Message-ID comes from `delivery.reference`.
        Secrets: cards go into the mail only; no error holds a card, the address or the password.
        """
        if not is_address(delivery.buyer.contact):
            raise RejectedError("buyer.contact: it is missing or not a plain ASCII mail address")
        if not delivery.cards:
            raise RejectedError("cards: there is nothing to send")
        failure = _sent(delivery, self.options)
        if failure is not None:
            raise failure
        return message_id_from_reference(delivery.reference, self.options.sender)


def _sent(delivery: Delivery, options: MailOptions) -> Failure | None:
    """
    Send *delivery* and return None, or return what went wrong.

    Returned, because an error raised here would show the cards: its traceback by the local
    variables, an encoding error by the text it carries.
    """
    recipient = delivery.buyer.contact
    try:
        message = message_from_delivery(delivery, recipient, options).as_bytes()
    except UnicodeError:
        return RejectedError("cards: one holds text that is not valid Unicode; replace it")
    return transmit(message, recipient, options)
