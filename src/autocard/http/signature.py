"""Signatures on messages: RSA and Standard Webhooks 1.0. Checks raise; no default accepts."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from autocard.clock import to_ms
from autocard.errors import ConfigurationError, RejectedError, VerificationError
from autocard.secret import Secret

_PEM_FRAME: Final = re.compile(r"-----[A-Z0-9 ]+-----")
_SPACE: Final = re.compile(r"\s+")
# A dot would let bytes move between id, timestamp and body without changing what is signed.
_MESSAGE_ID: Final = re.compile(r"[!-\-/-~]{1,256}")
_PLAIN_REFERENCE: Final = re.compile(r"[A-Za-z0-9_\-]{1,128}")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")
_HMAC_BYTES: Final = range(24, 65)
_KEY_BYTES: Final = 32

_Check = Callable[[bytes, bytes], bool]


def same(left: bytes | str, right: bytes | str) -> bool:
    """Return True when both are equal; the time taken does not say where they differ."""
    return hmac.compare_digest(_raw(left), _raw(right))


def _raw(value: bytes | str) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


def _decoded(text: str) -> bytes | None:
    """Return the bytes behind standard base64, or None; line breaks must be gone already."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _signature(text: str) -> bytes | None:
    """Return the bytes behind a signature, or None; one spelling only, to the last unused bit."""
    raw = _decoded(text)
    return raw if raw and base64.b64encode(raw).decode() == text else None


# --- RSA ------------------------------------------------------------------------------------


def rsa_sign(private_b64: Secret, message: bytes) -> str:
    """
    Return the base64 signature of *message*: RSA, SHA-256, PKCS #1 v1.5.

    Args:
        private_b64: PKCS #8 in base64 on one line or with line breaks; PEM is accepted too.
        message: The exact bytes to sign.

    Raises:
        ConfigurationError: The key cannot be read or is not an RSA private key.
    """
    signature = _rsa_private(private_b64).sign(message, padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode()


def rsa_verify(public_b64: str, message: bytes, signature_b64: str) -> None:
    """
    Return when *signature_b64* is the RSA signature (SHA-256, PKCS #1 v1.5) of *message*.

    Args:
        public_b64: SubjectPublicKeyInfo in base64; PEM is accepted too.
        message: The exact bytes that were signed.
        signature_b64: Standard base64, as it came.

    Raises:
        VerificationError: It is not.
        ConfigurationError: The key cannot be read or is not an RSA public key.
    """
    public = _rsa_public(public_b64)
    signature = _signature(signature_b64)
    if signature is None and signature_b64:
        raise VerificationError("the RSA signature is not base64")
    try:
        public.verify(signature or b"", message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise VerificationError("the RSA signature does not match") from None


def _der(text: str) -> bytes:
    return _decoded(_SPACE.sub("", _PEM_FRAME.sub("", text))) or b""


def _rsa_private(credential: Secret) -> RSAPrivateKey:
    found: object = None
    # The error is raised below, so that no exception that has seen the key is its context.
    with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
        found = load_der_private_key(_der(credential.reveal()), password=None)
    if isinstance(found, RSAPrivateKey):
        return found
    raise ConfigurationError(
        "the private key is not readable: give an unencrypted RSA private key as PKCS #8, "
        "either bare base64 or PEM (-----BEGIN PRIVATE KEY-----)"
    )


def _rsa_public(text: str) -> RSAPublicKey:
    found: object = None
    with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
        found = load_der_public_key(_der(text))
    if isinstance(found, RSAPublicKey):
        return found
    raise ConfigurationError(
        "the public key is not readable: give an RSA public key as SubjectPublicKeyInfo, "
        "either bare base64 or PEM (-----BEGIN PUBLIC KEY-----)"
    )


# --- Standard Webhooks ----------------------------------------------------------------------


def webhook_id(reference: str) -> str:
    """
    Return the message id for *reference*: the same on every try, and without a dot.

    A reference of letters, digits, `_` and `-` is its own id; any other is hashed.
    """
    if _PLAIN_REFERENCE.fullmatch(reference):
        return reference
    return "msg_" + hashlib.sha256(_raw(reference)).hexdigest()[:30]


def webhook_problem(secrets: Sequence[Secret], *, signing: bool) -> str:
    """
    Return what is wrong with *secrets* for signing or for verifying, or "".

    For the check of an adapter's settings: what passes it never fails later.
    """
    if not secrets:
        return "webhooks need at least one secret, such as whsec_…"
    keys = [_key(secret) for secret in secrets]
    return next(filter(None, (_problem(each, signing=signing) for each in keys)), "")


def webhook_headers(
    secrets: Sequence[Secret], message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """
    Return the three headers that prove *body* ours, one signature for each secret.

    Args:
        secrets: `whsec_…` (HMAC-SHA256; the prefix may be missing) or `whsk_…` (Ed25519);
            while a secret is being replaced, the newest first.
        message_id: The same on every try; visible ASCII without a dot.
        timestamp: Unix seconds of this try.
        body: Exactly the bytes that will be sent.

    Raises:
        RejectedError: *message_id* cannot be signed; nothing may be sent.
        ConfigurationError: There is no secret, or one is malformed.

    Source: Standard Webhooks 1.0, sections "Signature scheme" and "Webhook headers".
    """
    if not _MESSAGE_ID.fullmatch(message_id):
        raise RejectedError("a webhook id is 1 to 256 visible ASCII characters without a dot")
    keys = _keys(secrets, signing=True)
    signed = _signed(message_id, str(int(timestamp)), body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(timestamp)),
        "webhook-signature": " ".join(_entry(each, signed) for each in keys),
    }


def verify_webhook(
    secrets: Sequence[Secret],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    tolerance_s: int = 300,
) -> str:
    """
    Return the message id of a webhook that is proved genuine and recent.

    Entries of other versions and malformed entries are skipped; one match is enough.

    Args:
        secrets: `whsec_…` (the prefix may be missing) or `whpk_…`; all that are in force.
        headers: As they came; names in any case.
        body: Exactly the bytes that came.
        now: The present, aware.
        tolerance_s: How far its time may lie from *now*, in both directions, in seconds.

    Raises:
        VerificationError: A header is missing or malformed, the time is too far away, or no
            signature matches.
        ConfigurationError: There is no secret, or one is malformed.

    Source: Standard Webhooks 1.0, section "Verifying signatures".
    """
    checks = [_check(each) for each in _keys(secrets, signing=False)]
    lower = {name.lower(): value for name, value in headers.items()}
    message_id, seconds = lower.get("webhook-id", ""), lower.get("webhook-timestamp", "")
    if not _MESSAGE_ID.fullmatch(message_id) or not _SECONDS.fullmatch(seconds):
        raise VerificationError("the webhook id or timestamp is missing or malformed")
    if abs(to_ms(now) - int(seconds) * 1000) > tolerance_s * 1000:
        raise VerificationError("the webhook timestamp is too old or too new; compare the clocks")
    signed = _signed(message_id, seconds, body)
    for entry in lower.get("webhook-signature", "").split(" "):
        version, _, encoded = entry.partition(",")
        signature = _signature(encoded)
        if signature and any(check(signature, signed) for name, check in checks if name == version):
            return message_id
    raise VerificationError("no webhook signature matches")


def _signed(message_id: str, seconds: str, body: bytes) -> bytes:
    return f"{message_id}.{seconds}.".encode() + body


@attrs.frozen
class _Key:
    """A webhook secret: its prefix (`whsec_` where there is none) and its decoded bytes."""

    prefix: str
    raw: bytes = attrs.field(repr=False)


def _keys(secrets: Sequence[Secret], *, signing: bool) -> list[_Key]:
    problem = webhook_problem(secrets, signing=signing)
    if problem:
        raise ConfigurationError(problem)
    return [_key(secret) for secret in secrets]


def _key(secret: Secret) -> _Key:
    text = secret.reveal().strip()
    prefix = next((known for known in ("whsk_", "whpk_") if text.startswith(known)), "whsec_")
    encoded = text.removeprefix(prefix).rstrip("=")
    return _Key(prefix, _decoded(encoded + "=" * (-len(encoded) % 4)) or b"")


def _problem(key: _Key, *, signing: bool) -> str:
    """Return what is wrong with *key*, or ""; never what it holds."""
    if not key.raw:
        return "a webhook secret is whsec_, whsk_ or whpk_ followed by standard base64"
    if key.prefix == "whsec_":
        is_long = len(key.raw) in _HMAC_BYTES
        return "" if is_long else "whsec_ is followed by the base64 of 24 to 64 random bytes"
    if key.prefix == "whsk_":
        return _private_problem(key.raw) if signing else "whsk_ belongs to the sender; give whpk_"
    if signing:
        return "whpk_ is the public half and cannot sign; give whsk_ or whsec_"
    return "" if len(key.raw) == _KEY_BYTES else "whpk_ is followed by the base64 of 32 bytes"


def _private_problem(raw: bytes) -> str:
    if len(raw) not in {_KEY_BYTES, 2 * _KEY_BYTES}:
        return "whsk_ is followed by the base64 of 32 or 64 bytes"
    public = _ed25519(raw).public_key().public_bytes_raw()
    if raw[_KEY_BYTES:] and not same(raw[_KEY_BYTES:], public):
        return "the two halves of the whsk_ secret do not belong together; copy it again"
    return ""


def _ed25519(raw: bytes) -> Ed25519PrivateKey:
    """Return the key of a 32-byte seed; a public key may follow the seed."""
    return Ed25519PrivateKey.from_private_bytes(raw[:_KEY_BYTES])


def _entry(key: _Key, signed: bytes) -> str:
    if key.prefix == "whsk_":
        return "v1a," + base64.b64encode(_ed25519(key.raw).sign(signed)).decode()
    return "v1," + base64.b64encode(hmac.digest(key.raw, signed, "sha256")).decode()


def _check(key: _Key) -> tuple[str, _Check]:
    if key.prefix == "whpk_":
        return "v1a", _ed25519_check(Ed25519PublicKey.from_public_bytes(key.raw))

    def matches(signature: bytes, signed: bytes) -> bool:
        return same(hmac.digest(key.raw, signed, "sha256"), signature)

    return "v1", matches


def _ed25519_check(public: Ed25519PublicKey) -> _Check:
    def matches(signature: bytes, signed: bytes) -> bool:
        try:
            public.verify(signature, signed)
        except InvalidSignature:
            return False
        return True

    return matches
