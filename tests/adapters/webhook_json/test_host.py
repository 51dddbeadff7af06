"""webhook_json against a host on a real socket, and the corners of its own messages."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Response as HostResponse

from autocard.adapters import webhook_json as package
from autocard.adapters.webhook_json import WebhookJsonOptions, WebhookJsonPlatform
from autocard.adapters.webhook_json.translate import number_from_response
from autocard.http.client import HttpClient
from autocard.spi import (
    Answer,
    Capability,
    Card,
    Delivery,
    Inbound,
    Receipt,
    RejectedError,
    Response,
    Secret,
    UnknownOutcome,
    UnsupportedFeature,
    VerificationError,
    Verified,
    verify_webhook,
    webhook_headers,
)
from autocard.testing import LeakDetector
from autocard.testing.channels import sample_delivery

SECRET = Secret("whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=")
SEED = Secret("whsk_" + base64.b64encode(bytes([7] * 32)).decode())
PUBLIC = Secret("whpk_6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Host:
    """A shop's back end: verifies what comes and hands each delivery over once."""

    def __init__(self):
        self.handed_over = {}
        self.messages = []
        self.lose_answers = 0

    def __call__(self, request):
        body = request.get_data()
        try:
            message_id = verify_webhook([SECRET], request.headers, body, now=NOW)
        except VerificationError:
            return HostResponse(status=401)
        self.messages.append(body)
        self.handed_over.setdefault(message_id, json.loads(body))
        if self.lose_answers:
            self.lose_answers -= 1
            return HostResponse(status=502)
        return HostResponse(json.dumps({"delivery_no": f"D-{len(self.handed_over)}"}))


@pytest.fixture(name="host")
def _host():
    return Host()


@pytest.fixture(name="platform")
def _platform(httpserver, host):
    httpserver.expect_request("/deliveries", method="POST").respond_with_handler(host)
    options = _options(
        deliver_url=httpserver.url_for("/deliveries"), allow_http=True, allow_private=True
    )
    with HttpClient(allow_http=True, timeout_s=5) as client:
        yield WebhookJsonPlatform(options, client)


def _options(**changes):
    given_options = {"credential": SECRET, "deliver_url": "https://shop.example/d", **changes}
    return WebhookJsonOptions(**given_options)


def _delivery(sent_at=NOW, **changes):
    card = Card(
        1, "steam-50", Secret("S-€\ud800"), "N-1", {"pin": Secret("1234")},
        expires_at=datetime(2027, 1, 1, tzinfo=UTC), original=Secret("N-1----S"),
    )  # fmt: skip
    plain = Card(2, "steam-50", Secret("S-2"))
    return Delivery(**{
        "reference": "dl-7", "platform": "shop", "order_no": "A1001", "line_no": 1,
        "item": "steam-50", "sku": "steam-50", "cards": (card, plain), "sent_at": sent_at,
        **changes,
    })  # fmt: skip


def _signed(body, secret=SECRET):
    return webhook_headers([secret], "msg_1", int(NOW.timestamp()), body)


def _inbound(body, method="POST", secret=SECRET):
    return Inbound(method=method, path="/", headers=_signed(body, secret), body=body)


# --- delivering -------------------------------------------------------------------------------


def test_the_host_gets_the_cards(platform, host):
    """The host verifies the message and reads every part of every card."""
    assert platform.deliver(_delivery()) == "D-1"
    assert host.handed_over["dl-7"] == {
        "reference": "dl-7", "order_no": "A1001", "line_no": 1, "item": "steam-50",
        "sku": "steam-50",
        "cards": [
            {"number": "N-1", "secret": "S-€\ud800", "text": "N-1----S",
             "expires_at": "2027-01-01T00:00:00Z", "extra": {"pin": "1234"}},
            {"number": "", "secret": "S-2", "text": "", "expires_at": None, "extra": {}},
        ],
    }  # fmt: skip


def test_a_repeated_delivery_is_handed_over_once(platform, host):
    """After a lost answer the same reference again is the same message to the host."""
    host.lose_answers = 1
    with pytest.raises(UnknownOutcome):
        platform.deliver(_delivery())
    assert platform.deliver(_delivery(sent_at=NOW + timedelta(minutes=2))) == "D-1"
    assert len(host.handed_over) == 1
    assert len(set(host.messages)) == 1
    assert len(host.messages) == 2


def test_a_host_that_refuses_says_never(platform):
    """A message that the host cannot verify, here because of its time, is refused for good."""
    with pytest.raises(RejectedError, match="401"):
        platform.deliver(_delivery(sent_at=NOW - timedelta(days=1)))


def test_a_delivery_without_time_is_not_sent(platform, host):
    """Without a time nothing can be signed, so nothing is sent."""
    with pytest.raises(RejectedError, match="sent_at"):
        platform.deliver(_delivery(sent_at=None))
    assert host.messages == []
    assert platform.deliver(_delivery(sent_at=None, placed_at=NOW)) == "D-1"


def test_private_hosts_need_permission(httpserver):
    """Cards are not posted to a private address unless that is allowed."""
    options = _options(deliver_url=httpserver.url_for("/"), allow_http=True)
    with HttpClient(allow_http=True) as client:
        platform = WebhookJsonPlatform(options, client)
        with pytest.raises(RejectedError, match="public"):
            platform.deliver(_delivery())
    assert httpserver.log == []


@given(st.binary() | st.sampled_from([b"[" * 100_000, b'{"delivery_no": 1}', b"1" * 5000]))
def test_any_reply_gives_a_number_or_none(body):
    """Whatever a successful host answers, the number is a short printable text or empty."""
    assert number_from_response(Response(status=200, body=body)) == ""


@pytest.mark.parametrize(
    ("number", "kept"), [("D-77", "D-77"), ("a\nb", ""), ("x" * 128, "x" * 128), ("x" * 129, "")]
)
def test_only_plain_numbers_are_kept(number, kept):
    """A number with line breaks or of unreasonable length is not kept."""
    body = json.dumps({"delivery_no": number}).encode()
    assert number_from_response(Response(status=200, body=body)) == kept


# --- receiving --------------------------------------------------------------------------------


def test_only_posts_are_orders():
    """A signed message by another method is refused."""
    platform = WebhookJsonPlatform(_options(), None)
    assert platform.verify(_inbound(b"{}"), now=NOW).fields == {"webhook-id": "msg_1"}
    with pytest.raises(VerificationError, match="POST"):
        platform.verify(_inbound(b"{}", method="GET"), now=NOW)


def test_hosts_may_sign_with_a_private_half():
    """A host that keeps its private half is verified with the public one."""
    options = _options(credential=PUBLIC, deliver_credential=SEED)
    platform = WebhookJsonPlatform(options, None)
    assert platform.verify(_inbound(b"{}", secret=SEED), now=NOW)
    with pytest.raises(VerificationError):
        platform.verify(_inbound(b"{}"), now=NOW)


def test_our_own_deliveries_pay_nothing():
    """A delivery sent back to us is genuine by its signature, but it is no paid order."""
    delivery = {"reference": "dl-7", "order_no": "A1001", "line_no": 1, "cards": []}
    verified = Verified(_inbound(json.dumps(delivery).encode()))
    with pytest.raises(VerificationError, match="payment"):
        WebhookJsonPlatform(_options(), None).parse(verified)


def test_the_window_can_be_set():
    """`tolerance_s` says how far a message's time may be away."""
    platform = WebhookJsonPlatform(_options(tolerance_s=10), None)
    platform.verify(_inbound(b"{}"), now=NOW + timedelta(seconds=10))
    with pytest.raises(VerificationError):
        platform.verify(_inbound(b"{}"), now=NOW + timedelta(seconds=11))


def test_the_replies():
    """Accepted is told with the outcome; refused and later are told without a word."""
    platform = WebhookJsonPlatform(_options(), None)
    receipt = Receipt(platform="shop", order_no="A1001", lines=())
    accepted = platform.acknowledge(Answer.ACCEPTED, receipt)
    assert (accepted.status, json.loads(accepted.body)) == (
        200, {"status": "accepted", "order_no": "A1001", "outcome": receipt.outcome}
    )  # fmt: skip
    assert json.loads(platform.acknowledge(Answer.ACCEPTED, None).body) == {"status": "accepted"}
    refused = platform.acknowledge(Answer.REFUSED, receipt)
    assert (refused.status, refused.body) == (401, b"")
    later = platform.acknowledge(Answer.LATER, None)
    assert (later.status, later.body, later.headers) == (503, b"", {"retry-after": "30"})


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"credential": Secret("whsec_short")}, "^credential: "),
        ({"credential": SEED}, "^credential: .*give whpk_"),
        ({"credential": PUBLIC}, "^deliver_credential: .*cannot sign"),
        ({"deliver_credential": PUBLIC}, "^deliver_credential: "),
        ({"deliver_url": "http://shop.example/"}, "^deliver_url: .*allow_http"),
        ({"deliver_url": "shop.example"}, "^deliver_url: "),
        ({"tolerance_s": 0}, "^tolerance_s: "),
        ({"tolerance_s": 3601}, "^tolerance_s: "),
    ],
)
def test_wrong_settings_are_named(changes, problem):
    """A setting that cannot work is refused by name."""
    with pytest.raises(ValueError, match=problem):
        _options(**changes)


def test_several_credentials_are_accepted():
    """While a secret is being replaced both are accepted, and the newest signs first."""
    newer = Secret("whsec_QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=")
    options = _options(credential=[newer, SECRET])
    assert options.signing == (newer, SECRET)
    assert WebhookJsonPlatform(options, None).verify(_inbound(b"{}"), now=NOW)


def test_the_package_registers_the_platform():
    """The hook offers one platform."""
    offered = []

    class _Registry:
        def platform(self, adapter):
            offered.append(adapter)

    package.autocard_register(_Registry())
    assert offered == [WebhookJsonPlatform]


def test_without_an_address_it_only_receives():
    """A platform that is told no address offers no delivery, and refuses to make one."""
    platform = WebhookJsonPlatform(WebhookJsonOptions(credential=SECRET), client=None)
    assert platform.capabilities == {Capability.RECEIVE}
    with pytest.raises(UnsupportedFeature):
        platform.deliver(sample_delivery(LeakDetector()))
