"""Standard Webhooks 1.0 to the letter: every vector, every negative case."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.errors import ConfigurationError, RejectedError, VerificationError
from autocard.secret import Secret
from autocard.spi import same, verify_webhook, webhook_headers, webhook_id, webhook_problem
from autocard.testing.leaks import LeakDetector

_PUBLISHED = json.loads(Path(__file__).with_name("webhook_vectors.json").read_text("utf-8"))
VECTORS = _PUBLISHED["vectors"]
ROTATION = _PUBLISHED["rotation"]
FIRST = VECTORS[ROTATION["vector"]]
SEED = bytes([7] * 32)


def _at(vector, seconds=0.0):
    return datetime.fromtimestamp(vector["timestamp"], UTC) + timedelta(seconds=seconds)


def _sign(vector, **changes):
    said = {**vector, **changes}
    return webhook_headers(
        [Secret(said["signs"])], said["id"], said["timestamp"], said["body"].encode()
    )


def _verify(vector, headers=None, body=None, seconds=0.0, secrets=None):
    return verify_webhook(
        secrets or [Secret(vector["verifies"])],
        _sign(vector) if headers is None else headers,
        vector["body"].encode() if body is None else body,
        now=_at(vector, seconds),
    )


def _prefixed(prefix, raw):
    return Secret(prefix + base64.b64encode(raw).decode())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vectors_are_signed_and_verified(vector):
    """Each published vector gives its signature, and the signature is verified."""
    headers = _sign(vector)
    assert headers == {
        "webhook-id": vector["id"],
        "webhook-timestamp": str(vector["timestamp"]),
        "webhook-signature": vector["signature"],
    }
    assert _verify(vector, headers) == vector["id"]


def test_rotation_lists_newest_first_and_either_verifies():
    """Two secrets give two entries in their order; each secret alone verifies them."""
    secrets = [Secret(text) for text in ROTATION["secrets"]]
    headers = webhook_headers(secrets, FIRST["id"], FIRST["timestamp"], FIRST["body"].encode())
    assert headers["webhook-signature"] == ROTATION["signature"]
    for secret in secrets:
        assert _verify(FIRST, headers, secrets=[secret]) == FIRST["id"]
    assert _verify(FIRST, secrets=secrets[::-1]) == FIRST["id"]


@pytest.mark.parametrize("vector", VECTORS[:2], ids=["v1", "v1a"])
def test_one_space_more_is_refused(vector):
    """A body with one space more is not the body that was signed."""
    with pytest.raises(VerificationError):
        _verify(vector, body=vector["body"].encode() + b" ")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_any_bit_of_a_header_counts(vector, header):
    """No header has a second spelling, not even in the unused last bits of base64."""
    headers = _sign(vector)
    text = headers[header]
    for at, character in enumerate(text):
        for bit in range(7):
            changed = text[:at] + chr(ord(character) ^ 1 << bit) + text[at + 1 :]
            with pytest.raises(VerificationError):
                _verify(vector, {**headers, header: changed})


@pytest.mark.parametrize("seconds", [301, -301, 300.001])
def test_other_times_are_refused(seconds):
    """A timestamp more than 300 seconds old or ahead is refused."""
    with pytest.raises(VerificationError, match="clocks"):
        _verify(FIRST, seconds=seconds)


@pytest.mark.parametrize("seconds", [300, -300, 0])
def test_the_edge_of_the_window_is_accepted(seconds):
    """Exactly 300 seconds away is still recent."""
    assert _verify(FIRST, seconds=seconds) == FIRST["id"]


def test_local_time_zones_do_not_matter():
    """The present may be given in any zone."""
    zone = timezone(timedelta(hours=8))
    now = _at(FIRST).astimezone(zone)
    body = FIRST["body"].encode()
    assert verify_webhook([Secret(FIRST["verifies"])], _sign(FIRST), body, now=now)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        " ",
        FIRST["signature"].replace("v1,", "v2,"),
        FIRST["signature"].replace("v1,", "v1a,"),
        FIRST["signature"].replace("v1,", "V1,"),
        FIRST["signature"].removeprefix("v1,"),
        FIRST["signature"].replace("v1,", "v1:"),
        "v1,",
        "v1,é",
        "v1,====",
        FIRST["signature"][:-4],
        FIRST["signature"].replace("+", "-").replace("/", "_"),
    ],
)
def test_foreign_and_broken_signatures_are_refused(signature):
    """No entry of a known version that matches means refusal, never another error."""
    with pytest.raises(VerificationError, match="no webhook signature matches"):
        _verify(FIRST, {**_sign(FIRST), "webhook-signature": signature})


def test_odd_entries_beside_a_good_one_are_skipped():
    """Entries without a comma or of other versions do not spoil the good one."""
    good = FIRST["signature"]
    headers = _sign(FIRST) | {"webhook-signature": f"nonsense v9,AAAA v1,%% v1,AAAA  {good} v1a,AA"}
    assert _verify(FIRST, headers) == FIRST["id"]


def test_a_short_ed25519_signature_is_refused():
    """A signature of the wrong length is no match, not an error."""
    vector = VECTORS[1]
    with pytest.raises(VerificationError):
        _verify(vector, {**_sign(vector), "webhook-signature": "v1a,AAAA"})


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_all_three_headers_are_needed(name):
    """Without any one of the three headers there is nothing to verify."""
    headers = _sign(FIRST)
    del headers[name]
    with pytest.raises(VerificationError):
        _verify(FIRST, headers)


def test_header_names_are_found_in_any_case():
    """HTTP does not tell upper from lower case in names."""
    assert _verify(FIRST, {name.title(): text for name, text in _sign(FIRST).items()})


@pytest.mark.parametrize(
    "seconds", ["", "1.5", "-1", "+1", "1e9", " 1", "١٢٣", "9" * 13, "abc", "1_0"]
)
def test_a_timestamp_is_digits(seconds):
    """Anything but decimal digits is refused before it is used."""
    with pytest.raises(VerificationError, match="malformed"):
        _verify(FIRST, {**_sign(FIRST), "webhook-timestamp": seconds})


def test_bytes_do_not_move_between_id_and_body():
    """An id with a dot is refused, so what was signed as body cannot pose as a timestamp."""
    seconds = FIRST["timestamp"]
    signed = _sign(FIRST, body=f"{seconds}.pay")
    moved = signed | {"webhook-id": f"{FIRST['id']}.{seconds}"}
    with pytest.raises(VerificationError):
        _verify(FIRST, moved, body=b"pay")


@pytest.mark.parametrize("message_id", ["", "a.b", "a b", "a\r\nx: y", "é", "x" * 257, "\x7f"])
def test_an_unfit_id_is_not_sent(message_id):
    """The producer refuses an id that is empty, has a dot, or does not fit into a header."""
    with pytest.raises(RejectedError, match="without a dot"):
        _sign(FIRST, id=message_id)


def test_a_missing_prefix_is_whsec():
    """Imported secrets may lack the prefix, and padding anywhere may be missing."""
    bare = FIRST["signs"].removeprefix("whsec_").rstrip("=")
    assert _sign(FIRST, signs=bare) == _sign(FIRST)
    assert _sign(FIRST, signs=f"  {FIRST['signs']}\n") == _sign(FIRST)


def test_a_seed_of_32_bytes_signs_like_the_long_form():
    """A private key may be the seed alone."""
    long = next(vector for vector in VECTORS if vector["name"].startswith("K "))
    seed = _prefixed("whsk_", SEED).reveal()
    assert _sign(long, signs=seed) == _sign(long)


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        (Secret("whsec_%%%"), "standard base64"),
        (Secret(""), "standard base64"),
        (Secret("whsec_geheim"), "24 to 64"),
        (_prefixed("whsec_", bytes(23)), "24 to 64"),
        (_prefixed("whsec_", bytes(65)), "24 to 64"),
        (_prefixed("whpk_", bytes(32)), "cannot sign"),
        (_prefixed("whsk_", bytes(33)), "32 or 64"),
        (_prefixed("whsk_", SEED + bytes(32)), "do not belong together"),
    ],
)
def test_unfit_signing_secrets_are_configuration_errors(secret, problem):
    """A secret that cannot sign is named as such, without showing it."""
    assert problem in webhook_problem([secret], signing=True)
    with pytest.raises(ConfigurationError, match=problem):
        webhook_headers([secret], "msg_1", 1, b"")


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        (_prefixed("whsk_", SEED), "give whpk_"),
        (_prefixed("whpk_", bytes(31)), "32 bytes"),
        (Secret("whpk_????"), "standard base64"),
    ],
)
def test_unfit_verifying_secrets_are_configuration_errors(secret, problem):
    """A secret that cannot verify is a configuration error, even when the message is bad too."""
    with pytest.raises(ConfigurationError, match=problem):
        verify_webhook([secret], {}, b"", now=_at(FIRST))


@pytest.mark.parametrize("signing", [True, False])
def test_no_secret_is_a_configuration_error(signing):
    """An empty list of secrets neither signs nor accepts."""
    assert "at least one" in webhook_problem([], signing=signing)
    with pytest.raises(ConfigurationError):
        webhook_headers([], "msg_1", 1, b"")
    with pytest.raises(ConfigurationError):
        verify_webhook([], _sign(FIRST), b"", now=_at(FIRST))


def test_malformed_secrets_do_not_leak():
    """No part of a malformed secret shows in the error or its local variables."""
    canaries = LeakDetector()
    for prefix in ("whsec_", "whsk_", "whpk_", "whsec_!"):
        secret = Secret(prefix + canaries.plant(prefix))
        with pytest.raises(ConfigurationError) as caught:
            webhook_headers([secret], "msg_1", 1, b"")
        canaries.check_exception(caught.value)
    canaries.assert_clean()


@given(
    st.dictionaries(
        st.sampled_from(["webhook-id", "Webhook-Timestamp", "webhook-signature", "x"]), st.text()
    ),
    st.binary(max_size=40),
)
def test_any_message_is_proved_or_refused(headers, body):
    """Arbitrary headers and bodies are refused, with no other error."""
    secrets = [Secret(FIRST["verifies"]), Secret(VECTORS[1]["verifies"])]
    with pytest.raises(VerificationError):
        verify_webhook(secrets, headers, body, now=_at(FIRST))


@given(st.text(alphabet="abcAZ09_-", min_size=1, max_size=40), st.binary(), st.integers(0, 10**10))
def test_what_is_signed_is_verified(message_id, body, seconds):
    """Any body with any fitting id and time goes through."""
    headers = webhook_headers([Secret(FIRST["signs"])], message_id, seconds, body)
    now = datetime.fromtimestamp(seconds, UTC)
    assert verify_webhook([Secret(FIRST["verifies"])], headers, body, now=now) == message_id


@given(st.text())
def test_every_reference_gives_an_id(reference):
    """Whatever a reference looks like, its id is the same each time and fits a header."""
    found = webhook_id(reference)
    assert found == webhook_id(reference)
    assert webhook_headers([Secret(FIRST["signs"])], found, 1, b"")["webhook-id"] == found


def test_plain_references_are_their_own_id():
    """A reference without special characters is the id; others do not collide with it."""
    assert webhook_id("dl_7-A") == "dl_7-A"
    assert webhook_id("dl.7") != webhook_id("dl:7")
    assert "." not in webhook_id("dl.7")


@given(st.text() | st.binary(), st.text() | st.binary())
def test_same_is_equality(left, right):
    """Texts are compared by their bytes, whatever characters they hold."""

    def raw(value):
        return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value

    assert same(left, right) is (raw(left) == raw(right))
    assert same(left, left)
