"""What the webhook channel sends, to whom, and what it makes of the reply."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import attrs
import pluggy
import pytest

from autocard.adapters import webhook as package
from autocard.adapters.webhook import WebhookChannel, WebhookOptions
from autocard.spi import (
    Card,
    Delivery,
    RejectedError,
    Response,
    Secret,
    TransientError,
    UnknownOutcome,
    verify_webhook,
)

SECRET = Secret("whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=")
NEWER = Secret("whsec_QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=")
PLACED = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


class _Client:
    """Keeps what it was asked and answers with one status."""

    def __init__(self, status=204, headers=None):
        self.answer, self.calls = Response(status=status, headers=headers or {}), []

    def request(self, method, url, **rest):
        self.calls.append((method, url, rest))
        return self.answer


def _options(**changes):
    return WebhookOptions(**{"url": "https://shop.example/hook", "credential": SECRET, **changes})


def _delivery(**changes):
    cards = tuple(Card(number, "steam-50", Secret(f"CODE-{number}")) for number in (1, 2))
    return Delivery(**{
        "reference": "dl-7", "platform": "shop", "order_no": "A1001", "line_no": 1,
        "item": "卡 50", "sku": "steam-50", "cards": cards, "placed_at": PLACED,
        "sent_at": PLACED + timedelta(minutes=5), **changes,
    })  # fmt: skip


def _sent(delivery, **changes):
    client = _Client()
    number = WebhookChannel(_options(**changes), client).send(delivery)
    ((method, url, rest),) = client.calls
    assert (method, url) == ("POST", "https://shop.example/hook")
    return number, rest


def test_the_event_names_the_line_and_no_card():
    """The body is the documented event: ids and a quantity, never a card."""
    number, rest = _sent(_delivery())
    assert number == "dl-7"
    assert json.loads(rest["body"]) == {
        "type": "delivery.completed",
        "timestamp": "2026-01-02T03:04:05Z",
        "data": {
            "platform": "shop", "order_no": "A1001", "line_no": 1, "item": "卡 50",
            "sku": "steam-50", "quantity": 2, "reference": "dl-7",
        },
    }  # fmt: skip
    assert b"CODE" not in rest["body"]
    assert rest["safe"] is False
    assert rest["public_only"] is True
    assert rest["headers"]["content-type"] == "application/json"


def test_the_consumer_can_verify_it():
    """The headers verify at the time of the try, with either of two secrets."""
    _, rest = _sent(_delivery(), credential=[NEWER, SECRET])
    for secret in (NEWER, SECRET):
        now = PLACED + timedelta(minutes=5)
        assert verify_webhook([secret], rest["headers"], rest["body"], now=now) == "dl-7"
    assert rest["headers"]["webhook-timestamp"] == str(int(now.timestamp()))


def test_a_retry_changes_time_and_signature_only():
    """Id and body are the same on every try."""
    first, again = (
        _sent(_delivery(sent_at=PLACED + timedelta(seconds=after)))[1] for after in (0, 60)
    )
    assert first["body"] == again["body"]
    assert first["headers"]["webhook-id"] == again["headers"]["webhook-id"]
    assert first["headers"]["webhook-timestamp"] != again["headers"]["webhook-timestamp"]
    assert first["headers"]["webhook-signature"] != again["headers"]["webhook-signature"]


def test_a_reference_with_a_dot_gets_an_id_without():
    """The id never has a dot, whatever the reference looks like."""
    number, rest = _sent(_delivery(reference="dl.7"))
    assert number == rest["headers"]["webhook-id"]
    assert "." not in number
    assert json.loads(rest["body"])["data"]["reference"] == "dl.7"


def test_one_time_stands_for_both():
    """Where only one time is known it is used for event and try; without any nothing is sent."""
    assert _sent(_delivery(sent_at=None))[1]["headers"]["webhook-timestamp"] == "1767323045"
    assert b"03:04:05Z" in _sent(_delivery(placed_at=None, sent_at=PLACED))[1]["body"]
    client = _Client()
    with pytest.raises(RejectedError, match="sent_at"):
        WebhookChannel(_options(), client).send(_delivery(placed_at=None, sent_at=None))
    assert client.calls == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, TransientError),
        (400, TransientError),
        (401, TransientError),
        (404, TransientError),
        (410, RejectedError),
        (429, TransientError),
        (500, UnknownOutcome),
        (502, UnknownOutcome),
        (504, UnknownOutcome),
    ],
)
def test_each_failure_says_what_comes_next(status, error):
    """410 ends the deliveries to a consumer; every other failure is tried again."""
    channel = WebhookChannel(_options(), _Client(status))
    with pytest.raises(error, match=str(status)):
        channel.send(_delivery())


def test_retry_after_is_passed_on():
    """A consumer that says when to come back is believed."""
    channel = WebhookChannel(_options(), _Client(503, {"Retry-After": "120"}))
    with pytest.raises(TransientError) as caught:
        channel.send(_delivery())
    assert caught.value.retry_after_s == 120


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"url": "http://shop.example/"}, r"url: .*allow_http"),
        ({"url": "shop.example"}, "url: "),
        ({"url": "https://shop.example:8443/"}, "url: port 8443 .* add it to ports"),
        ({"url": "http://shop.example/", "allow_http": True}, "url: port 80"),
        ({"credential": Secret("whsec_short")}, "credential: "),
        ({"credential": ()}, "credential: .* at least one"),
    ],
)
def test_wrong_settings_are_named(changes, problem):
    """A setting that cannot work is refused by name before anything is sent."""
    with pytest.raises(ValueError, match=problem):
        _options(**changes)


def test_other_ports_and_private_hosts_need_permission():
    """Ports are opened one by one; private hosts may be called on any port once allowed."""
    assert _options(url="https://shop.example:8443/", ports=[443, 8443]).ports == (443, 8443)
    options = _options(url="http://127.0.0.1:5000/", allow_http=True, allow_private=True)
    client = _Client()
    WebhookChannel(options, client).send(_delivery())
    assert client.calls[0][2]["public_only"] is False


def test_secrets_do_not_show():
    """The settings show a mask."""
    assert "AQIDBA" not in repr(_options())
    assert attrs.fields(WebhookOptions).credential.type


def test_the_package_registers_the_channel():
    """The hook offers one channel."""
    offered = []
    manager = pluggy.PluginManager("autocard")
    manager.register(package)

    class _Registry:
        def channel(self, adapter):
            offered.append(adapter)

    package.autocard_register(_Registry())
    assert offered == [WebhookChannel]
