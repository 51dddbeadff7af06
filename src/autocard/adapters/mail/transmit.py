"""
One SMTP session, step by step.

Failures are returned, not raised: what `smtplib` raises may hold the address, the password or the
server's words about them, and must not hang behind the error that callers see.
Source: RFC 5321 (SMTP), sections 4.2 and 4.5.3.2; RFC 3207 (STARTTLS); RFC 4954 (AUTH).
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Callable
from typing import Final

from autocard.adapters.mail.options import PORTS, MailOptions
from autocard.spi import RejectedError, TransientError, UnknownOutcome

Failure = RejectedError | TransientError | UnknownOutcome

_NOT_CERTIFIED: Final = (
    "the mail server's certificate is not trusted for its name; check host, or set ca_file"
)


def transmit(message: bytes, recipient: str, options: MailOptions) -> Failure | None:
    """
    Return None when the server took *message* for *recipient*, else what is known instead.

    Effects: one SMTP session; closes it.
    """
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
    except OSError:  # also what the TLS library raises
        return RejectedError("ca_file: it cannot be read as PEM certificates")
    server: smtplib.SMTP | None = None
    try:
        server = _connected(options, context)
        failure = _prepared(server, recipient, options, context)
        return failure or _handed_over(server, message)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not get out with its text
        return _before_data(error)
    finally:
        if server is not None:
            _leave(server)


def _connected(options: MailOptions, context: ssl.SSLContext) -> smtplib.SMTP:
    port = options.port or PORTS[options.security]
    # The sender's domain introduces us: a look-up of this machine's own name may hang.
    name = options.sender.rpartition("@")[2]
    if options.security == "tls":
        return smtplib.SMTP_SSL(
            options.host, port, local_hostname=name, timeout=options.timeout_s, context=context
        )
    return smtplib.SMTP(options.host, port, local_hostname=name, timeout=options.timeout_s)


def _prepared(
    server: smtplib.SMTP, recipient: str, options: MailOptions, context: ssl.SSLContext
) -> Failure | None:
    """Go up to the point where only the text is missing."""
    if options.security == "starttls":
        server.starttls(context=context)
    server.ehlo_or_helo_if_needed()
    if options.username:
        server.login(options.username, options.credential.reveal())
    steps: tuple[tuple[str, Callable[[], tuple[int, bytes]]], ...] = (
        ("MAIL", lambda: server.mail(options.sender)),
        ("RCPT", lambda: server.rcpt(recipient)),
    )
    for name, step in steps:
        code, _ = step()
        if not 200 <= code < 300:
            return _refusal(code, name)
    return None


def _handed_over(server: smtplib.SMTP, message: bytes) -> Failure | None:
    """Send the text. From here on, only a clear answer says that it was not taken."""
    try:
        code, _ = server.data(message)
        if 200 <= code < 300:
            return None
    except smtplib.SMTPDataError as error:  # DATA itself was answered with something but 354
        code = error.smtp_code
    except Exception:  # noqa: BLE001 - lost, garbled or overlong: the text may have arrived
        return UnknownOutcome("the mail server's answer to the text was lost")
    if 400 <= code < 600:
        return _refusal(code, "DATA")
    return UnknownOutcome("the mail server's answer to the text makes no sense")


def _before_data(error: Exception) -> Failure:
    """Say what *error* means while the server cannot have taken anything."""
    if isinstance(error, smtplib.SMTPResponseException):
        step = "AUTH" if isinstance(error, smtplib.SMTPAuthenticationError) else "the greeting"
        return _refusal(error.smtp_code, step)
    if isinstance(error, ssl.SSLCertVerificationError):
        return RejectedError(_NOT_CERTIFIED)
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return TransientError("the mail server closed the connection before the text was sent")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return RejectedError("the mail server does not offer the STARTTLS or AUTH that is set")
    if isinstance(error, smtplib.SMTPException):
        return RejectedError("the mail server offers no way to log in that is known here")
    if isinstance(error, ValueError):
        return RejectedError("username, credential or host: mail servers take ASCII only")
    return TransientError(f"the mail server cannot be reached ({type(error).__name__})")


def _refusal(code: int, step: str) -> Failure:
    # The server's own words often repeat the address; the code says enough.
    if 500 <= code < 600:
        return RejectedError(f"the mail server refused {step} for good (code {code})")
    return TransientError(f"the mail server did not accept {step} now (code {code})")


def _leave(server: smtplib.SMTP) -> None:
    with contextlib.suppress(Exception):  # what happened is known already; this is a courtesy
        server.docmd("QUIT")
    server.close()
