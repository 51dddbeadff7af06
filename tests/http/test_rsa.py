"""RSA signatures: what is signed is verified; keys are read in every usual shape."""

from __future__ import annotations

import base64
import textwrap

import attrs
import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from autocard.errors import ConfigurationError, VerificationError
from autocard.secret import Secret
from autocard.spi import rsa_sign, rsa_verify
from autocard.testing.leaks import LeakDetector


@attrs.frozen
class _Pair:
    private: str
    public: str
    private_pem: str
    public_pem: str


def _pair(key):
    private = {
        shape: key.private_bytes(shape, form.PrivateFormat.PKCS8, form.NoEncryption())
        for shape in (form.Encoding.DER, form.Encoding.PEM)
    }
    public = {
        shape: key.public_key().public_bytes(shape, form.PublicFormat.SubjectPublicKeyInfo)
        for shape in (form.Encoding.DER, form.Encoding.PEM)
    }
    return _Pair(
        base64.b64encode(private[form.Encoding.DER]).decode(),
        base64.b64encode(public[form.Encoding.DER]).decode(),
        private[form.Encoding.PEM].decode(),
        public[form.Encoding.PEM].decode(),
    )


@pytest.fixture(name="pair", scope="module")
def _pair_fixture():
    return _pair(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def test_every_shape_of_key_gives_the_same_signature(pair):
    """Bare base64, base64 with line breaks and PEM are the same key."""
    wrapped = "\r\n".join(textwrap.wrap(pair.private, 64))
    signed = {rsa_sign(Secret(text), b"m") for text in (pair.private, wrapped, pair.private_pem)}
    assert len(signed) == 1
    for public in (pair.public, pair.public_pem):
        rsa_verify(public, b"m", signed.copy().pop())


def test_another_message_or_signature_is_refused(pair):
    """A changed message, a changed signature and a signature of another key are refused."""
    signature = rsa_sign(Secret(pair.private), b"message")
    other = _pair(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    for message, given_signature in (
        (b"massage", signature),
        (b"message", "AAAA" + signature[4:]),
        (b"message", rsa_sign(Secret(other.private), b"message")),
        (b"message", ""),
    ):
        with pytest.raises(VerificationError, match="does not match"):
            rsa_verify(pair.public, message, given_signature)


def test_a_signature_has_one_spelling(pair):
    """The unused bits in front of the padding are zero, or it is refused."""
    signature = rsa_sign(Secret(pair.private), b"message")
    assert signature.endswith("==")
    for bit in range(7):
        last = chr(ord(signature[-3]) ^ 1 << bit)
        with pytest.raises(VerificationError):
            rsa_verify(pair.public, b"message", f"{signature[:-3]}{last}==")


@pytest.mark.parametrize("signature", ["%", "AAA", "é", "AA AA", "-_-_"])
def test_a_signature_is_base64(pair, signature):
    """What is not standard base64 is refused before the key is tried."""
    with pytest.raises(VerificationError, match="not base64"):
        rsa_verify(pair.public, b"m", signature)


def _elliptic():
    return _pair(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize("text", ["", "nonsense", "AAAA", "é", "-----BEGIN PRIVATE KEY-----"])
def test_an_unreadable_key_says_what_is_expected(text):
    """A malformed configured key is a configuration error that names the expected form."""
    with pytest.raises(ConfigurationError, match="PKCS #8"):
        rsa_sign(Secret(text), b"m")
    with pytest.raises(ConfigurationError, match="SubjectPublicKeyInfo"):
        rsa_verify(text, b"m", "AAAA")


def test_other_kinds_of_key_are_refused(pair):
    """An elliptic key, and the wrong half of an RSA pair, are not what is expected."""
    curve = _elliptic()
    for private in (curve.private, pair.public):
        with pytest.raises(ConfigurationError):
            rsa_sign(Secret(private), b"m")
    for public in (curve.public, pair.private):
        with pytest.raises(ConfigurationError):
            rsa_verify(public, b"m", "AAAA")


def test_a_locked_key_is_refused():
    """A private key under a password is not opened, and the error says unencrypted."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    locked = key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"password")
    )
    with pytest.raises(ConfigurationError, match="unencrypted"):
        rsa_sign(Secret(locked.decode()), b"m")


def test_an_unreadable_private_key_does_not_leak():
    """Nothing of a malformed private key shows in the error or its local variables."""
    canaries = LeakDetector()
    with pytest.raises(ConfigurationError) as caught:
        rsa_sign(Secret(canaries.plant("the key")), b"m")
    canaries.check_exception(caught.value)
    canaries.assert_clean()


@given(st.text(), st.binary(), st.text())
def test_any_text_is_verified_or_a_documented_error(public, message, signature):
    """Arbitrary keys and signatures raise the two documented errors only."""
    with pytest.raises((VerificationError, ConfigurationError)):
        rsa_verify(public, message, signature)
