"""Compose the mail of one delivery. Pure; holds cards, so it is sent at once and never kept."""

from __future__ import annotations

import hashlib
import html
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from autocard.adapters.mail.options import PLACEHOLDERS, TEXTS, MailOptions, Texts
from autocard.spi import Card, Delivery

_PLACEHOLDER: Final = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_NOT_FILE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def message_id_from_reference(reference: str, sender: str) -> str:
    """Return the Message-ID of *reference*: the same on every try, whatever it holds."""
    digest = hashlib.sha256(reference.encode("utf-8", "surrogatepass")).hexdigest()
    return f"<autocard.{digest[:40]}@{sender.rpartition('@')[2]}>"


def message_from_delivery(delivery: Delivery, recipient: str, options: MailOptions) -> EmailMessage:
    """
    Return the mail that hands *delivery* to *recipient*.

    Up to `attach_over` cards stand in the text; more come as a text file, and the text says so.

    Raises:
        UnicodeEncodeError: A card or name holds a lone surrogate. It carries the text: drop it.
    """
    texts = TEXTS[options.language]
    message = _head(delivery, recipient, options, texts)
    opening = filled(options.opening or texts.opening, delivery)
    closing = filled(options.closing or texts.closing, delivery)
    blocks = [_block(card, texts) for card in delivery.cards]
    is_attached = len(blocks) > options.attach_over
    shown = [filled(texts.attached, delivery)] if is_attached else blocks
    # Quoted-printable keeps every character of a card, and short lines, on any server.
    message.set_content("\n\n".join((opening, *shown, closing)) + "\n", cte="quoted-printable")
    message.add_alternative(
        _html(opening, shown, closing, preformatted=not is_attached),
        subtype="html",
        cte="quoted-printable",
    )
    if is_attached:
        _attach(message, blocks, delivery, texts)
    return message


def filled(template: str, delivery: Delivery) -> str:
    """Return *template* with its placeholders filled in once; what is filled in stays as it is."""
    values = {
        "order_no": delivery.order_no,
        "item": delivery.item,
        "quantity": str(len(delivery.cards)),
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def one_line(text: str) -> str:
    """Return *text* with every run of blanks and unprintable characters as one blank."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _head(delivery: Delivery, recipient: str, options: MailOptions, texts: Texts) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = one_line(filled(options.subject or texts.subject, delivery))[:200]
    message["From"] = Address(one_line(options.sender_name), addr_spec=options.sender)
    message["To"] = Address(addr_spec=recipient)
    message["Message-ID"] = message_id_from_reference(delivery.reference, options.sender)
    message["Auto-Submitted"] = "auto-generated"
    if delivery.placed_at is not None:
        message["Date"] = format_datetime(delivery.placed_at)
    return message


def _block(card: Card, texts: Texts) -> str:
    rows = [(texts.number, card.number)] if card.number else []
    rows.append((texts.code, card.secret.reveal()))
    rows.extend((name, value.reveal()) for name, value in card.extra.items())
    if card.expires_at is not None:
        rows.append((texts.expires, f"{card.expires_at:%Y-%m-%d %H:%M} UTC"))
    return "\n".join(f"{name}: {value}" for name, value in rows)


def _html(opening: str, shown: list[str], closing: str, *, preformatted: bool) -> str:
    tag = "pre" if preformatted else "p"
    inner = "\n".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in shown)
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head><body>\n'
        f"{_paragraphs(opening)}\n{inner}\n{_paragraphs(closing)}\n</body></html>\n"
    )


def _paragraphs(text: str) -> str:
    return f"<p>{'<br>'.join(html.escape(text).splitlines())}</p>"


def _attach(message: EmailMessage, blocks: list[str], delivery: Delivery, texts: Texts) -> None:
    # The mark tells editors on Windows that this is UTF-8.
    content = ("\ufeff" + "\r\n\r\n".join(blocks) + "\r\n").encode()
    name = _NOT_FILE.sub("-", filled(texts.file_name, delivery))[:100]
    message.add_attachment(
        content, maintype="text", subtype="plain", filename=name, params={"charset": "utf-8"}
    )
