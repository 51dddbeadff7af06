"""Ciphers of other people's wire formats: what opens, what does not, and what never shows."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.errors import ConfigurationError
from autocard.secret import Secret
from autocard.spi import aes_ecb_decrypt
from autocard.testing.leaks import LeakDetector

AES_256 = Secret("9f8e7d6c5b4a39281706f5e4d3c2b1a0")


def test_a_text_opens():
    """Text of any language comes out whole, as a secret."""
    opened = aes_ecb_decrypt(AES_256, "3hBffB+U9bRIxyubciFtmHYG96nt/AzBh7zNUbTsl4A=")
    assert opened == Secret("卡密-测试/02")


@pytest.mark.parametrize(
    "sealed",
    ["", "AAAA", "not base64", "a0qSVwqxI1yWw8l+cmD8tw", "卡密", "\ud800",
     base64.b64encode(bytes(16)).decode(), base64.b64encode(bytes(17)).decode()],
)  # fmt: skip
def test_what_does_not_open_is_none(sealed):
    """No base64, no whole blocks, no padding: there is no text in it, and no error."""
    assert aes_ecb_decrypt(AES_256, sealed) is None


def test_another_credential_does_not_open():
    """What another credential sealed is nothing to this one."""
    assert aes_ecb_decrypt(Secret("f" * 32), "56PKd+vL24IWLhCmA5RZ/Q==") is None


@pytest.mark.parametrize("length", [0, 15, 31, 33])
def test_a_credential_of_another_length_is_an_error(length):
    """A credential that is no AES key is refused, and shown nowhere."""
    detector = LeakDetector()
    credential = (detector.plant("the credential") * 2)[:length]
    with pytest.raises(ConfigurationError, match="16, 24 or 32") as caught:
        aes_ecb_decrypt(Secret(credential), "a0qSVwqxI1yWw8l+cmD8tw==")
    detector.check_exception(caught.value)
    detector.assert_clean()


def test_a_credential_that_is_no_text_is_an_error():
    """A lone surrogate is no key, and becomes no other error."""
    with pytest.raises(ConfigurationError):
        aes_ecb_decrypt(Secret("\ud800" * 16), "a0qSVwqxI1yWw8l+cmD8tw==")


@given(st.text() | st.binary(max_size=80).map(lambda raw: base64.b64encode(raw).decode()))
def test_anything_opens_or_is_none(sealed):
    """Whatever came, the answer is a secret or nothing."""
    assert isinstance(aes_ecb_decrypt(AES_256, sealed), Secret | None)
