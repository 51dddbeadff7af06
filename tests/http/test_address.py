"""Which addresses count as public, and which URLs may be called."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.errors import RejectedError
from autocard.http.address import checked_url, public_addresses, redacted


def _resolving(*addresses):
    def resolve(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    return resolve


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8",
        "64:ff9b::808:808", "2001:4860:4860::8888",
    ],
)  # fmt: skip
def test_public_addresses_are_returned(address):
    """An address of the internet is returned as it was resolved, once."""
    assert public_addresses("shop.example", 443, _resolving(address, address)) == [address]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "168.63.129.16",
        "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "203.0.113.7", "224.0.0.1",
        "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "::127.0.0.1", "::8.8.8.8", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
        "fec0::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
        "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(address):
    """Private, local, shared, reserved, metadata and tunnelled addresses are refused."""
    for found in ((address,), ("8.8.8.8", address), (address, "8.8.8.8")):
        with pytest.raises(RejectedError, match="public"):
            public_addresses("shop.example", 443, _resolving(*found))


def test_no_address_is_refused():
    """A host without any address is not called."""
    with pytest.raises(RejectedError):
        public_addresses("shop.example", 443, _resolving())


def test_people_see_addresses_without_query():
    """Scheme, host, port and path may be shown; the query may not."""
    parts = checked_url("https://shop.example:8443/a/b?sign=1#c", allow_http=False)
    assert redacted(parts) == "https://shop.example:8443/a/b"


@given(st.text())
def test_any_text_is_an_address_or_rejected(text):
    """Arbitrary text gives parts with a host and a scheme, or `RejectedError`."""
    for url in (text, f"https://{text}", f"http://{text}"):
        try:
            parts = checked_url(url, allow_http=True)
        except RejectedError:
            continue
        assert parts.hostname
        assert parts.scheme in {"http", "https"}
