"""The only way out to the network over HTTP."""

from __future__ import annotations

import json as json_text
import os
import re
import socket
import threading
import weakref
from collections.abc import Callable, Mapping
from http.client import HTTPException
from types import TracebackType
from typing import Any, Final, Self, final
from urllib.parse import urlencode

import attrs
import requests
from requests.utils import get_environ_proxies
from urllib3 import exceptions as wire_errors

from autocard.errors import (
    AdapterError,
    RejectedError,
    StoreError,
    TransientError,
    UnknownOutcome,
)
from autocard.http.address import Resolve, checked_url, redacted
from autocard.http.connection import Wire
from autocard.model import Response

_LOST: Final = (
    requests.RequestException,
    wire_errors.HTTPError,
    HTTPException,
    OSError,
    ValueError,
)
_METHOD: Final = re.compile(r"[A-Z]{1,16}")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"


@attrs.frozen
class _Body:
    """What the caller gave to send; at most one of the three."""

    form: Mapping[str, str] | None = attrs.field(repr=False)
    json: Any = attrs.field(repr=False)
    body: bytes | None = attrs.field(repr=False)


@attrs.frozen
class _Call:
    """One request, ready to be sent; `place` is its address without the query."""

    prepared: requests.PreparedRequest = attrs.field(repr=False)
    place: str
    is_safe: bool


def _always() -> bool:
    return True


@final
class HttpClient:
    """
    Implements `autocard.spi.Client` on real connections, one set for each thread.

    Proxies, `.netrc` and cookies are not used; redirects are not followed; certificates are
    always verified. A client may be shared between threads and survives `fork`.

    Args:
        timeout_s: Seconds, > 0, for one whole call: connecting, sending, and reading the answer.
            Only the look-up of the host's name is beyond its reach.
        max_bytes: The longest answer that is read.
        allow_http: Allow addresses without TLS.
        use_environment: Use the proxies that the environment names (`HTTPS_PROXY`, …).
        ca_file: PEM file with the authorities to trust instead of the usual ones.
        speaking_allowed: False while a store transaction is open on this thread.
        resolve: Looks up names for `public_only` calls; as `socket.getaddrinfo`.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 20.0,
        max_bytes: int = 8_388_608,
        allow_http: bool = False,
        use_environment: bool = False,
        ca_file: str = "",
        speaking_allowed: Callable[[], bool] = _always,
        resolve: Resolve = socket.getaddrinfo,
    ) -> None:
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._allow_http = allow_http
        self._use_environment = use_environment
        self._verify = ca_file or True
        self._speaking_allowed = speaking_allowed
        self._resolve = resolve
        self._start()

    def request(
        self,
        method: str,
        url: str,
        *,
        safe: bool,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | None = None,
        public_only: bool = False,
    ) -> Response:
        """
        Make one request and return its answer, whatever its status. See `autocard.spi.Client`.

        Raises:
            TransientError: Nothing was sent, or the call is *safe* and its answer is lost.
            UnknownOutcome: The call is not *safe*, something was sent, and the answer is lost
                or longer than `max_bytes`.
            RejectedError: The address, a header or the body is not allowed, or the answer to a
                *safe* call is longer than `max_bytes`.
            StoreError: A store transaction is open on this thread; nothing was sent.

        Effects: network, one request. Errors name the address without its query.
        """
        self._insist_on_silence_in_transactions()
        call: _Call | RejectedError
        try:
            call = self._call(_Body(form, json, body), method, url, params, headers, is_safe=safe)
        except RejectedError as error:
            call = error.with_traceback(None)
        # Crash reporters send the local variables of every frame; these hold cards and credentials.
        del url, params, headers, form, json, body
        if isinstance(call, RejectedError):
            raise call
        return self._speak(call, public_only=public_only)

    def close(self) -> None:
        """Close the connections of all threads. The client stays usable and opens new ones."""
        with self._lock:
            wires = list(self._wires)
        for wire in wires:
            wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- one call -------------------------------------------------------------------------

    def _call(
        self,
        content: _Body,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        *,
        is_safe: bool,
    ) -> _Call:
        checked_url(url, allow_http=self._allow_http)
        kind, data = _encoded(content)
        own = {"Accept-Encoding": "identity", "User-Agent": "autocard"} | kind
        prepared = _prepared(method, url, params, _headers(own, headers), data)
        # Once more, because what is called is what requests made of the address.
        parts = checked_url(prepared.url or "", allow_http=self._allow_http)
        return _Call(prepared, redacted(parts), is_safe)

    def _insist_on_silence_in_transactions(self) -> None:
        if not self._speaking_allowed():
            raise StoreError(
                "never speak inside a transaction: commit first, then make the call; "
                "nothing was sent"
            )

    def _speak(self, call: _Call, *, public_only: bool) -> Response:
        wire = self._wire(public_only=public_only)
        try:
            answer, body = wire.fetch(
                call.prepared,
                timeout_s=self._timeout_s,
                max_bytes=self._max_bytes,
                verify=self._verify,
                proxies={} if public_only else self._proxies(call.prepared.url or ""),
            )
        except _LOST as error:
            problem = self._problem(error)
        else:
            if body is not None:
                return Response(status=answer.status_code, headers=answer.headers, body=body)
            problem = ""
        # Raised here and not above: the errors of the wire hold addresses with their query.
        raise self._lost(call, problem, is_sent=wire.exchange.is_sent)

    def _lost(self, call: _Call, problem: str, *, is_sent: bool) -> AdapterError:
        error: AdapterError
        if is_sent and not call.is_safe:
            error = UnknownOutcome(
                f"{problem or self._too_long()}; the call was sent, look up its outcome"
            )
        elif problem:
            error = TransientError(problem)
        else:
            error = RejectedError(self._too_long())
        error.add_note(f"{call.prepared.method} {call.place}")
        return error

    def _too_long(self) -> str:
        return f"the answer has more than {self._max_bytes:,} bytes"

    def _problem(self, error: Exception) -> str:
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        if isinstance(reason, wire_errors.NameResolutionError):
            return "the name of the host does not resolve"
        timeouts = (requests.Timeout, wire_errors.TimeoutError, TimeoutError)
        if isinstance(error, timeouts) and not isinstance(reason, wire_errors.NewConnectionError):
            return f"no complete answer within {self._timeout_s:g} s"
        if isinstance(error, requests.exceptions.SSLError):
            return "the TLS connection failed; check the certificate of the host"
        return "the connection failed or broke"

    def _proxies(self, url: str) -> Mapping[str, str]:
        return get_environ_proxies(url) if self._use_environment else {}

    # --- connections ----------------------------------------------------------------------

    def _start(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._of_thread = threading.local()
        self._wires: weakref.WeakSet[Wire] = weakref.WeakSet()

    def _wire(self, *, public_only: bool) -> Wire:
        if os.getpid() != self._pid:
            self._start()  # a forked child must not write on its parent's connections
        name = "public" if public_only else "any"
        wire: Wire | None = getattr(self._of_thread, name, None)
        if wire is None:
            wire = Wire(resolve=self._resolve if public_only else None)
            setattr(self._of_thread, name, wire)
            with self._lock:
                self._wires.add(wire)
        return wire


def _encoded(content: _Body) -> tuple[dict[str, str], bytes | None]:
    """Return the Content-Type (where we know it) and the bytes to send."""
    if [content.form, content.json, content.body].count(None) < 2:
        raise TypeError("give one of form, json and body")
    try:
        if content.form is not None:
            return {"Content-Type": _FORM}, urlencode(content.form).encode()
        if content.json is not None:
            return {"Content-Type": _JSON}, _compact(content.json)
        return {}, content.body
    except ValueError:
        pass  # raised below, because an encoding error holds the whole text
    raise RejectedError("the body holds a character or number that cannot be sent; nothing sent")


def _compact(json: Any) -> bytes:
    options: dict[str, Any] = {"separators": (",", ":"), "ensure_ascii": False}
    return json_text.dumps(json, allow_nan=False, **options).encode()


def _headers(own: Mapping[str, str], given: Mapping[str, str] | None) -> dict[str, str]:
    """Return both, *given* winning whatever the case of its names."""
    extra = dict(given or {})
    for name, value in extra.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise RejectedError("a header has a character that HTTP does not allow; nothing sent")
    taken = {name.lower() for name in extra}
    return {name: value for name, value in own.items() if name.lower() not in taken} | extra


def _prepared(
    method: str,
    url: str,
    params: Mapping[str, str] | None,
    headers: Mapping[str, str],
    content: bytes | None,
) -> requests.PreparedRequest:
    if not _METHOD.fullmatch(method):
        raise RejectedError("a method is written in capital letters, such as POST")
    try:
        return requests.Request(
            method, url.partition("#")[0], params=params, headers=headers, data=content
        ).prepare()
    except (requests.RequestException, ValueError, wire_errors.HTTPError):
        pass  # raised below, because these errors quote the address
    raise RejectedError("the address is malformed; it must look like https://host/path")
