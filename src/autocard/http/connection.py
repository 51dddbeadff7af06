"""Connections that keep a deadline, know whether anything was sent, and log no query string."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Mapping
from http.client import HTTPResponse, RemoteDisconnected
from typing import Any, Final

import attrs
import requests
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from autocard.http.address import Resolve, public_addresses

_CHUNK_BYTES: Final = 16_384
# A server may close a kept connection just while we write on it, and then nobody knows whether
# the call was done. Servers keep idle connections for 5 s or longer.
_IDLE_S: Final = 2.0


@attrs.define
class Exchange:
    """
    One call in progress; one thread has one at a time.

    Args:
        resolve: Looks up names where only public addresses may be called; else None.
    """

    resolve: Resolve | None = None
    deadline: float = 0.0
    """`time.monotonic()` at which we give up."""
    is_sent: bool = False
    """True from the moment the first byte of the request may have left."""
    target: str = ""
    """The path with its query; only the last layer gets to see it."""

    def left_s(self) -> float:
        """Return the seconds left; `TimeoutError` when there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


class Wire(HTTPAdapter):
    """
    The connections of one thread.

    Args:
        resolve: When given, names are resolved with it, all addresses must be public, and the
            connection is made to the address that was checked. TLS still proves the name.
    """

    def __init__(self, *, resolve: Resolve | None = None) -> None:
        self.exchange = Exchange(resolve)
        self._pools = _pools(self.exchange)
        self._used_at = time.monotonic()
        super().__init__(max_retries=0)

    def fetch(
        self,
        prepared: requests.PreparedRequest,
        *,
        timeout_s: float,
        max_bytes: int,
        verify: bool | str,
        proxies: Mapping[str, str],
    ) -> tuple[requests.Response, bytes | None]:
        """Return the answer and its body; no body when that has more than *max_bytes*."""
        if time.monotonic() - self._used_at > _IDLE_S:
            self.close()
        self.exchange.is_sent = False
        self.exchange.deadline = time.monotonic() + timeout_s
        # Called without a Session: no cookies, no netrc, no redirects, no unbounded reading.
        response = self.send(
            prepared, stream=True, timeout=timeout_s, verify=verify, proxies=dict(proxies)
        )
        try:
            return response, _read(response, max_bytes)
        finally:
            response.close()
            self._used_at = time.monotonic()

    def request_url(
        self, request: requests.PreparedRequest, proxies: Mapping[str, str] | None
    ) -> str:
        """Keep the query from everything that logs addresses or puts them into errors."""
        self.exchange.target = super().request_url(request, proxies)
        return self.exchange.target.partition("?")[0]

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._use_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        self._use_pools(manager)
        return manager

    def _use_pools(self, manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = self._pools


def _read(response: requests.Response, max_bytes: int) -> bytes | None:
    body = bytearray()
    for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > max_bytes:
            return None
    return bytes(body)


class _TimedReader(io.RawIOBase):
    """Reads from a socket, never beyond the deadline, and insists on a whole head."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, exchange: Exchange) -> None:
        self._raw, self._sock, self._exchange = raw, sock, exchange
        self.is_head = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        # A server that sends a byte now and then would outlast any time-out for a single read.
        self._sock.settimeout(self._exchange.left_s())
        count = self._raw.readinto(buffer)
        if count == 0 and self.is_head:
            # The standard library would take half a head for a success without content.
            raise RemoteDisconnected("the answer ended within its head")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _WatchedConnection(HTTPConnection):
    """What both kinds of connection add; `exchange` is set by `_pools`."""

    exchange: Exchange

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        self.exchange.is_sent = True
        super().request(*args, **kwargs)

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        super().putrequest(method, self.exchange.target or url, *args, **kwargs)

    def _new_conn(self) -> socket.socket:
        if self.exchange.resolve is None:
            return super()._new_conn()
        try:
            addresses = public_addresses(self.host, self.port, self.exchange.resolve)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from None
        for address in addresses:
            try:
                return create_connection(
                    (address, self.port),
                    self.exchange.left_s(),
                    socket_options=self.socket_options,
                )
            except OSError:
                continue
        raise NewConnectionError(self, "no address of the host answers")


def _pools(exchange: Exchange) -> dict[str, type[HTTPConnectionPool]]:
    """Return connection pools whose connections work for *exchange*."""

    class Answer(HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            super().__init__(sock, *args, **kwargs)
            self._reader = _TimedReader(self.fp.detach(), sock, exchange)
            self.fp = io.BufferedReader(self._reader)

        def begin(self) -> None:
            super().begin()
            self._reader.is_head = False

    class Plain(_WatchedConnection):
        response_class = Answer

    class Secure(_WatchedConnection, HTTPSConnection):
        response_class = Answer

    Plain.exchange = Secure.exchange = exchange

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
