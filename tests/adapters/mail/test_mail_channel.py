"""The mail channel against real servers on real sockets: what arrives, and what is known if not."""

from __future__ import annotations

import email
import email.policy
import ipaddress
import re
import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from autocard.adapters import mail as mail_package
from autocard.adapters.mail import MailChannel, MailOptions
from autocard.adapters.mail import transmit as transmit_module
from autocard.adapters.mail.message import message_from_delivery, one_line
from autocard.adapters.mail.options import is_address
from autocard.spi import (
    Buyer,
    Card,
    Delivery,
    RejectedError,
    Secret,
    TransientError,
    UnknownOutcome,
)

_PAGE = Path(__file__).parents[3] / "docs" / "adapters" / "mail.md"
_CONTACT = "canary.buyer@example.com"
_PASSWORD = "canary-password"


def _card(number="N-1", secret="canary-SECRET=1", **more):
    return Card(1, "steam-50", Secret(secret), number, **more)


def _delivery(*cards, contact=_CONTACT, item="Steam 50", reference="dl-1", order_no="A1001"):
    return Delivery(
        reference=reference, platform="shop", order_no=order_no, line_no=1, item=item,
        sku="steam-50", cards=cards or (_card(),), buyer=Buyer(contact=contact),
        placed_at=datetime(2026, 11, 22, 8, 0, tzinfo=UTC),
    )  # fmt: skip


def _options(port=25, **more):
    values = {"security": "none", "allow_plain": True, "sender": "shop@example.com", **more}
    return MailOptions(**{"host": "127.0.0.1", "port": port, "timeout_s": 5.0, **values})


def _channel(port, **more):
    return MailChannel(_options(port, **more), None)


def _chain(error):
    """Return everything a reader of the traceback could see."""
    texts = []
    while error is not None:
        texts.extend([repr(error), *getattr(error, "__notes__", ())])
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


# --- servers ----------------------------------------------------------------------------------


class _Inbox:
    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.mails.append(envelope)
        return "250 OK"


@pytest.fixture(name="certificate", scope="module")
def _certificate(tmp_path_factory):
    signer = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signer.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    directory = tmp_path_factory.mktemp("tls")
    pem = directory / "certificate.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = directory / "private.pem"
    private.write_bytes(
        signer.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, private)
    return pem, context


def _authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"shop" and data.password == _PASSWORD.encode()
    return AuthResult(success=good, handled=False)


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextmanager
def _serving(inbox, **more):
    controller = Controller(inbox, hostname="127.0.0.1", port=_free_port(), **more)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture(name="inbox")
def _inbox():
    return _Inbox()


@pytest.fixture(name="plain_port")
def _plain_port(inbox):
    with _serving(inbox) as port:
        yield port


class _Script:
    """A server that answers from a list: text as it stands, None by closing the connection."""

    def __init__(self, *answers):
        self.answers = answers
        self.heard = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)

    def _serve(self):
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rb") as lines:
            for answer in self.answers:
                if answer is None:
                    return
                connection.sendall(answer.encode() + b"\r\n")
                self._listen(lines, answer)

    def _listen(self, lines, answer):
        line = lines.readline()
        self.heard.append(line)
        if answer.startswith("354"):
            while line not in {b".\r\n", b"QUIT\r\n", b""}:
                line = lines.readline()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join(10)
        self.listener.close()


_EHLO = "250 hello"
_UP_TO_DATA = ("220 hi", _EHLO, "250 sender", "250 recipient")


# --- what arrives -------------------------------------------------------------------------------


def _received(inbox):
    (envelope,) = inbox.mails
    return email.message_from_bytes(envelope.content, policy=email.policy.SMTP)


def test_package_registers_the_channel():
    """The hook offers the channel under its adapter name, with sending only."""
    offered = []
    registry = type("R", (), {"channel": lambda _self, adapter: offered.append(adapter)})()
    mail_package.autocard_register(registry)
    assert [(adapter.name, adapter.capabilities) for adapter in offered] == [("mail", {"send"})]


def test_mail_arrives_with_text_and_html(plain_port, inbox):
    """One mail reaches the buyer, with every part of the card in text and in HTML."""
    card = _card(extra={"pin": Secret("<77>")}, expires_at=datetime(2027, 12, 31, tzinfo=UTC))
    sent = _channel(plain_port, sender_name="小店").send(_delivery(card, item="Steam 50 元"))
    mail = _received(inbox)
    assert inbox.mails[0].rcpt_tos == [_CONTACT]
    assert inbox.mails[0].mail_from == "shop@example.com"
    assert mail["To"] == _CONTACT
    assert mail["From"] == "小店 <shop@example.com>"
    assert mail["Subject"] == "您的订单 A1001 已发货:Steam 50 元 × 1"
    assert mail["Date"].datetime == datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
    assert mail["Message-ID"] == sent
    text = mail.get_body(("plain",)).get_content()
    assert (
        "卡号: N-1\n卡密: canary-SECRET=1\npin: <77>\n有效期至: 2027-12-31 00:00 UTC"
        in text.replace("\r\n", "\n")
    )
    assert "&lt;77&gt;" in mail.get_body(("html",)).get_content()


def test_language_and_own_texts(plain_port, inbox):
    """English texts and texts of one's own are used, with their placeholders filled in."""
    channel = _channel(
        plain_port, language="en", subject="{quantity} x {item}", opening="Order {order_no}\nHi"
    )
    channel.send(_delivery(_card(), _card(number="")))
    mail = _received(inbox)
    text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert mail["Subject"] == "2 x Steam 50"
    assert text.startswith("Order A1001\nHi\n\nNumber: N-1\nCode: canary-SECRET=1\n\nCode: canary")
    assert "Please keep this to yourself" in text
    assert "<p>Order A1001<br>Hi</p>" in mail.get_body(("html",)).get_content()


def test_many_cards_come_as_an_attachment(plain_port, inbox):
    """Above the limit the cards are attached as text, and the body says so and holds none."""
    cards = [_card(secret=f"canary-{index}") for index in range(3)]
    _channel(plain_port, attach_over=2).send(_delivery(*cards, order_no="订单/1"))
    mail = _received(inbox)
    text = mail.get_body(("plain",)).get_content()
    (attached,) = mail.iter_attachments()
    assert "卡密共 3 张,见附件" in text
    assert "canary-" not in text + mail.get_body(("html",)).get_content()
    assert attached.get_filename() == "cards--1.txt"
    assert attached.get_content_type() == "text/plain"
    content = attached.get_content()
    assert [f"canary-{index}" in content for index in range(3)] == [True] * 3


def test_as_many_cards_as_the_limit_stand_in_the_text(plain_port, inbox):
    """Exactly as many cards as allowed are not attached."""
    _channel(plain_port, attach_over=2).send(_delivery(_card(), _card()))
    assert not list(_received(inbox).iter_attachments())


def test_same_reference_has_the_same_message_id(plain_port, inbox):
    """A mail sent again carries the same Message-ID, so that mail programs show it once."""
    channel = _channel(plain_port)
    first, second = channel.send(_delivery()), channel.send(_delivery())
    assert first == second != channel.send(_delivery(reference="dl-2"))
    assert re.fullmatch(r"<autocard\.[0-9a-f]{40}@example\.com>", first)
    assert len(inbox.mails) == 3


def test_dots_and_long_lines_survive(plain_port, inbox):
    """A card that is a dot, or very long, arrives as it was."""
    secret = "." + "长" * 3000
    _channel(plain_port).send(_delivery(_card(secret=".", number=""), _card(secret=secret)))
    assert secret in _received(inbox).get_body(("plain",)).get_content()
    assert max(map(len, inbox.mails[0].content.split(b"\r\n"))) < 998


def test_starttls_and_login(certificate, inbox):
    """With starttls the session is encrypted, the server proved, and the login made."""
    pem, context = certificate
    server = {"require_starttls": True, "authenticator": _authenticate, "auth_required": True}
    with _serving(inbox, tls_context=context, **server) as port:
        more = {"security": "starttls", "ca_file": pem, "username": "shop"}
        _channel(port, credential=Secret(_PASSWORD), **more).send(_delivery())
        with pytest.raises(RejectedError, match=r"AUTH for good \(code 535\)") as caught:
            _channel(port, credential=Secret("canary-wrong"), **more).send(_delivery())
    assert len(inbox.mails) == 1
    assert "canary" not in _chain(caught.value)


def test_tls_from_the_first_byte(certificate, inbox):
    """With tls the mail arrives, and an untrusted certificate is refused."""
    pem, context = certificate
    with _serving(inbox, ssl_context=context) as port:
        _channel(port, security="tls", ca_file=pem).send(_delivery())
        with pytest.raises(RejectedError, match="certificate is not trusted"):
            _channel(port, security="tls").send(_delivery())
    assert len(inbox.mails) == 1


def test_untrusted_starttls_is_refused(certificate, inbox):
    """A server with an unknown certificate gets neither password nor card."""
    with (
        _serving(inbox, tls_context=certificate[1]) as port,
        pytest.raises(RejectedError, match="set ca_file"),
    ):
        _channel(port, security="starttls").send(_delivery())
    assert inbox.mails == []


def test_wrong_name_in_the_certificate_is_refused(certificate, inbox):
    """A trusted certificate of another name is refused."""
    pem, context = certificate
    with (
        _serving(inbox, tls_context=context) as port,
        pytest.raises(RejectedError, match="for its name"),
    ):
        _channel(port, host="localhost", security="starttls", ca_file=pem).send(_delivery())


def test_missing_starttls_is_refused(plain_port, inbox):
    """A server without STARTTLS is refused, never spoken to in plain text."""
    with pytest.raises(RejectedError, match="STARTTLS"):
        _channel(plain_port, security="starttls").send(_delivery())
    assert inbox.mails == []


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_unreadable_ca_file_is_refused(tmp_path, content):
    """A missing or malformed ca_file is named."""
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(RejectedError, match="ca_file"):
        _channel(1, security="tls", ca_file=path).send(_delivery())


# --- what is known when it fails ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (("421 busy " + _CONTACT,), TransientError),
        (("554 no",), RejectedError),
        ((None,), TransientError),
        (("nonsense",), TransientError),
        (("220 hi", None), TransientError),
        (("220 hi", "421 later", "421 later"), TransientError),
        (("220 hi", "500 what", "550 no"), RejectedError),
        (("220 hi", _EHLO, "451 " + _CONTACT), TransientError),
        (("220 hi", _EHLO, "550 " + _CONTACT), RejectedError),
        (("220 hi", _EHLO, "250 ok", "450 " + _CONTACT), TransientError),
        (("220 hi", _EHLO, "250 ok", "550 " + _CONTACT), RejectedError),
        (("220 hi", _EHLO, "250 ok", "354 early"), TransientError),
        (("220 hi", _EHLO, "250 ok", None), TransientError),
        ((*_UP_TO_DATA, "451 " + _CONTACT), TransientError),
        ((*_UP_TO_DATA, "554 " + _CONTACT), RejectedError),
        ((*_UP_TO_DATA, None), UnknownOutcome),
        ((*_UP_TO_DATA, "250 odd"), UnknownOutcome),
        ((*_UP_TO_DATA, "354 go", "451 " + _CONTACT), TransientError),
        ((*_UP_TO_DATA, "354 go", "554 " + _CONTACT), RejectedError),
        ((*_UP_TO_DATA, "354 go", None), UnknownOutcome),
        ((*_UP_TO_DATA, "354 go", "nonsense"), UnknownOutcome),
        ((*_UP_TO_DATA, "354 go", "354 again"), UnknownOutcome),
        ((*_UP_TO_DATA, "354 go", "250 " + "x" * 10_000), UnknownOutcome),
    ],
)
def test_each_failure_has_its_meaning(answers, error):
    """Codes and lost connections map to what the caller may do; nothing secret is in the error."""
    with _Script(*answers) as script, pytest.raises(error) as caught:
        _channel(script.port).send(_delivery())
    assert type(caught.value) is error
    assert "canary" not in _chain(caught.value)
    assert caught.value.__context__ is None


def test_lost_farewell_changes_nothing():
    """Once the server took the mail, a failing QUIT is no failure."""
    with _Script(*_UP_TO_DATA, "354 go", "250 taken", None) as script:
        assert _channel(script.port).send(_delivery()).startswith("<autocard.")


def test_silent_server_times_out():
    """A server that says nothing is a transient failure after the set time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        channel = _channel(silent.getsockname()[1], timeout_s=0.2)
        with pytest.raises(TransientError):
            channel.send(_delivery())


def test_unreachable_server_is_transient():
    """A refused connection may be tried again."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(TransientError, match="ConnectionRefusedError"):
        _channel(port).send(_delivery())


def test_server_without_login_is_refused():
    """When the server offers no login that is known, a person must look."""
    with _Script("220 hi", "250-hello\r\n250 AUTH GSSAPI", "221 bye") as script:
        channel = _channel(script.port, username="shop", credential=Secret(_PASSWORD))
        with pytest.raises(RejectedError, match="no way to log in"):
            channel.send(_delivery())


@pytest.mark.parametrize("mechanism", ["PLAIN", "CRAM-MD5"])
def test_password_that_is_not_ascii_is_refused_and_not_shown(mechanism):
    """The encoding error behind it would hold the password; it is left behind."""
    challenge = ("334 PDEyMz4=",) if mechanism == "CRAM-MD5" else ()
    hello = f"250-hello\r\n250 AUTH {mechanism}"
    with _Script("220 hi", hello, *challenge, "221 bye", None) as script:
        channel = _channel(script.port, username="shop", credential=Secret("canary-密"))
        with pytest.raises(RejectedError, match="ASCII only") as caught:
            channel.send(_delivery())
    assert caught.value.__context__ is None


def test_temporary_login_failure_is_transient():
    """A server that cannot check the password now is asked again later."""
    with _Script("220 hi", "250-hello\r\n250 AUTH PLAIN", "454 later", "221 bye") as script:
        channel = _channel(script.port, username="shop", credential=Secret(_PASSWORD))
        with pytest.raises(TransientError, match="AUTH now"):
            channel.send(_delivery())


def test_tls_port_is_the_default():
    """Port 0 takes the usual port of each kind of security."""
    assert transmit_module.PORTS == {"starttls": 587, "tls": 465, "none": 25}


# --- input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "contact",
    [
        "", "canary", "canary@", "@example.com", "a b@example.com", "a@b@example.com",
        "canary@example.com\r\nBcc: x@example.com", "canary@example.com, x@example.com",
        "买家@example.com", "canary@例子.中国", "<canary@example.com>", "canary@-x.com",
        "canary@example.com>", ".canary@example.com", "canary\x00@example.com",
        "a" * 65 + "@example.com", "canary@" + "a." * 130 + "com", "canary@example.com\n",
    ],
)  # fmt: skip
def test_unusable_address_is_refused_without_its_value(contact):
    """A missing or unusable address names the field, not the value; no server is asked."""
    delivery = _delivery()
    object.__setattr__(delivery.buyer, "contact", contact)
    with pytest.raises(RejectedError, match=r"buyer\.contact") as caught:
        _channel(1).send(delivery)
    assert "canary" not in _chain(caught.value)


@given(text=st.text() | st.from_regex(r"[^\s@]+@[^\s@]+\.[a-z]+"))
def test_accepted_addresses_cannot_inject(text):
    """No accepted address holds anything that could end a header or a command."""
    if is_address(text):
        assert text.isascii()
        assert not re.search(r"[\s<>,;:\"\\()\x00-\x1f]", text)


def test_nothing_to_send_is_refused():
    """A delivery without cards is refused."""
    delivery = _delivery()
    object.__setattr__(delivery, "cards", ())
    with pytest.raises(RejectedError, match="nothing to send"):
        _channel(1).send(delivery)


@pytest.mark.parametrize("attach_over", [0, 20])
def test_invalid_unicode_is_refused_without_the_card(attach_over):
    """A card with a lone surrogate is refused; no error in the chain holds it."""
    with pytest.raises(RejectedError, match="not valid Unicode") as caught:
        _channel(1, attach_over=attach_over).send(_delivery(_card(secret="canary\ud800")))
    assert caught.value.__context__ is None


@settings(max_examples=100)
@given(item=st.text(), order_no=st.text(), subject=st.text(st.characters(exclude_characters="{}")))
def test_headers_cannot_be_injected(item, order_no, subject):
    """Whatever item, order number and subject hold, the mail has the same headers."""
    options = _options(subject=one_line(subject) + "{item}{order_no}")
    delivery = _delivery(item="", order_no="")
    object.__setattr__(delivery, "item", item.encode(errors="replace").decode())
    object.__setattr__(delivery, "order_no", order_no.encode(errors="replace").decode())
    raw = message_from_delivery(delivery, _CONTACT, options).as_bytes()
    names = email.message_from_bytes(raw, policy=email.policy.SMTP).keys()
    assert sorted(names) == [
        "Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID",
        "Subject", "To",
    ]  # fmt: skip


def test_placeholders_are_filled_in_once():
    """What is filled in is not looked through again."""
    raw = message_from_delivery(_delivery(item="{order_no}"), _CONTACT, _options(subject="{item}"))
    assert raw["Subject"] == "{order_no}"


def test_date_is_left_to_the_server_when_unknown():
    """Without the time of the decision there is no Date header, and so nothing that changes."""
    delivery = _delivery()
    object.__setattr__(delivery, "placed_at", None)
    assert "Date" not in message_from_delivery(delivery, _CONTACT, _options())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"allow_plain": False}, "allow_plain"),
        ({"security": "ssl"}, "security"),
        ({"host": "mail.example.com:25"}, "host"),
        ({"host": ""}, "host"),
        ({"port": 65536}, "port"),
        ({"port": -1}, "port"),
        ({"username": "shop"}, "go together"),
        ({"credential": Secret("x")}, "go together"),
        ({"username": "a\nb", "credential": Secret("x")}, "username"),
        ({"sender": "Shop <shop@example.com>"}, "sender"),
        ({"sender_name": "a\r\nBcc: x"}, "sender_name"),
        ({"language": "fr"}, "language"),
        ({"subject": "a\nb"}, "subject"),
        ({"subject": "{price}"}, r"\{order_no\}, \{item\}, \{quantity\}"),
        ({"opening": "{0}"}, "opening"),
        ({"closing": "{item.secret}"}, "closing"),
        ({"closing": "\ud800"}, "closing"),
        ({"attach_over": -1}, "attach_over"),
        ({"timeout_s": 0}, "timeout_s"),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    """Each wrong setting is named when the options are made."""
    with pytest.raises(ValueError, match=message):
        _options(**wrong)


def test_options_show_no_password():
    """The repr of the options masks the credential."""
    options = _options(username="shop", credential=Secret(_PASSWORD))
    assert _PASSWORD not in repr(options)


def test_samples_on_the_page_run():
    """Every Python block of the page runs on its own."""
    blocks = re.findall(r"```python\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(_PAGE), "exec"), {})
