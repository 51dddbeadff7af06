"""Which addresses may be called: the form of a URL, and whether a host is public."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from autocard.errors import RejectedError

Resolve = Callable[..., Sequence[tuple[Any, ...]]]
"""What `socket.getaddrinfo` is."""

_IP = ipaddress.IPv4Address | ipaddress.IPv6Address
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f\\]")

# Reachable like public addresses, or reaching others through them, and yet not the internet.
_REFUSED: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",  # carrier-grade NAT; some clouds keep their metadata service there
        "168.63.129.16/32",  # Azure's host agent, on a public address
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
        "192.88.99.0/24",  # 6to4 relays
        "::/96",  # IPv4-compatible, obsolete
        "64:ff9b:1::/48",  # local NAT64
        "100::/64",  # discard
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "fec0::/10",  # site-local, obsolete
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def checked_url(url: str, *, allow_http: bool) -> SplitResult:
    """
    Return the parts of *url*, whose scheme and host are fit to be called.

    Raises:
        RejectedError: It is not an absolute `https` address (`http` where *allow_http*), holds
            a user name or password, or is malformed. The message does not quote it.
    """
    parts: SplitResult | None = None
    try:
        if not _UNSAFE.search(url):
            parts = urlsplit(url)
            parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        parts = None  # raised below, where the error that quotes the address is not its context
    if parts is None or not parts.hostname:
        raise RejectedError("the address is malformed; it must look like https://host/path")
    if parts.scheme == "http" and not allow_http:
        raise RejectedError("the address must begin with https://, or allow_http must be set")
    if parts.scheme not in {"http", "https"}:
        raise RejectedError("the address must begin with https://")
    if "@" in parts.netloc:
        raise RejectedError("the address must not hold a user name or password")
    return parts


def redacted(parts: SplitResult) -> str:
    """Return the address without its query, for people to read."""
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def public_addresses(host: str, port: int, resolve: Resolve) -> list[str]:
    """
    Return the addresses of *host*, every one of them public.

    One private address among them refuses the host: nobody mixes them in good faith.

    Raises:
        RejectedError: An address is private, loopback, link-local, multicast, reserved, shared
            (carrier-grade NAT), a metadata service, or one of these inside an IPv6 address.
        OSError: The name does not resolve.

    Effects: a look-up of the name.
    """
    found = resolve(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    if not addresses or not all(_is_public(ipaddress.ip_address(each)) for each in addresses):
        raise RejectedError("the host does not resolve to public addresses only; it is not called")
    return list(dict.fromkeys(addresses))


def _is_public(address: _IP) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address in _NAT64:
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    if any(address in network for network in _REFUSED):
        return False
    return address.is_global and not address.is_multicast
