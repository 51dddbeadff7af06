"""The smallest shop: it passes what comes in to the engine and sends back what the engine says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler

from autocard.demo.serving import Server
from autocard.model import Inbound, Reply

PLATFORM = "shop"
_PATIENCE_S = 20.0


class Shop:
    """Receives notifications at /notify; *receive* is the engine's own method."""

    def __init__(self, receive: Callable[[str, Inbound], Reply]) -> None:
        self._receive = receive
        self._server = Server(self._handler())

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self._server.port

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receive = self._receive

        class Passing(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                inbound = Inbound(
                    method="GET",
                    path=path,
                    query=query,
                    headers=dict(self.headers.items()),
                    remote_addr=str(self.client_address[0]),
                )
                reply = receive(PLATFORM, inbound)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_: object) -> None:
                """Say nothing: a demonstration has its own words."""

        return Passing


def notify(port: int, query: str) -> tuple[int, bytes]:
    """Call the shop at *port* as a gateway does and return status and body of its answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", f"/notify?{query}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def notify_at_once(port: int, query: str, times: int) -> list[tuple[int, bytes]]:
    """Call the shop *times* from as many threads, all starting together."""
    gate = threading.Barrier(times)

    def call(_: int) -> tuple[int, bytes]:
        gate.wait(_PATIENCE_S)
        return notify(port, query)

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(call, range(times)))
