"""An HTTP server on a free port of this machine, each request in a thread of its own."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    # Ten callers at once must not be turned away at the door.
    request_queue_size = 64


class Server:
    """Listens on 127.0.0.1 from the moment it is made until it is closed."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._listening = _Listening(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listening.server_address[1])

    def close(self) -> None:
        """Stop listening and free the port."""
        self._listening.shutdown()
        self._listening.server_close()
        self._thread.join()

    def _serve(self) -> None:
        self._listening.serve_forever(poll_interval=0.05)
