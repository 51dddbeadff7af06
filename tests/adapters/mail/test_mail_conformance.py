"""The mail channel passes the suite for channels."""

from __future__ import annotations

import email
import socket
import threading
from unittest.mock import Mock

import pytest
from aiosmtpd.controller import Controller

from autocard.adapters.mail import MailChannel, MailOptions
from autocard.testing.channels import ChannelSuite


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def _channel_to(port):
    options = MailOptions(
        host="127.0.0.1", port=port, security="none", allow_plain=True, sender="a@example.com"
    )
    return MailChannel(options, None)


class _Inbox:
    def __init__(self):
        self.ids = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.ids.append(email.message_from_bytes(envelope.content)["Message-ID"])
        return "250 OK"


class TestMailChannel(ChannelSuite):
    """Conformance, with a mail server as the receiver."""

    @pytest.fixture(name="inbox")
    def _inbox(self):
        return _Inbox()

    @pytest.fixture(name="channel")
    def _channel(self, inbox, monkeypatch):
        # The receiving server logs every line it hears; only our side is under test here.
        monkeypatch.setattr("aiosmtpd.smtp.log", Mock())
        controller = Controller(inbox, hostname="127.0.0.1", port=_free_port())
        controller.start()
        yield _channel_to(controller.port)
        controller.stop()

    @pytest.fixture(name="received")
    def _received(self, inbox):
        return lambda: inbox.ids

    @pytest.fixture(name="losing")
    def _losing(self):
        listener = socket.create_server(("127.0.0.1", 0))

        def lose():
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                for answer in (b"220 hi", b"250 hi", b"250 ok", b"250 ok", b"354 go"):
                    connection.sendall(answer + b"\r\n")
                    lines.readline()

        thread = threading.Thread(target=lose, daemon=True)
        thread.start()
        yield _channel_to(listener.getsockname()[1])
        thread.join(10)
        listener.close()
