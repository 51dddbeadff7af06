"""With a real engine on a real store, found by its entry point, speaking to a server on loopback."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from autocard import Engine
from autocard.testing import LeakDetector

CARDS = ["PLANE-7KQX-M2WP", "plane-2222-zzzz"]


@pytest.fixture(name="server")
def _server(paperplane):
    """Serve the Paperplane in memory on 127.0.0.1."""

    class Passing(BaseHTTPRequestHandler):
        def do_GET(self):
            self._pass(None)

        def do_POST(self):
            self._pass(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _pass(self, said):
            path, _, query = self.path.partition("?")
            params = dict(pair.split("=") for pair in query.split("&") if pair)
            response = paperplane.request(
                self.command, path, safe=True, params=params, headers=self.headers, json=said
            )
            self.send_response(response.status)
            self.send_header("content-length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(name="settings")
def _settings(server, options, tmp_path):
    table = {
        "adapter": "paperplane",
        "base_url": server,
        "credential": options.credential.reveal(),
        "allow_http": True,
    }
    return {
        "store": f"sqlite:///{tmp_path}/shop.db",
        "keyring": f"file:{tmp_path}/shop.keyring",
        "platforms": {"planes": table | {"deliver": ["platform", "channel:post"]}},
        "channels": {"post": table},
        "skus": {"gift-50": {"format": "paperplane"}},
    }


def test_an_order_is_served_once(settings, paperplane, sign, message):
    """A signed message is confirmed and its cards are delivered, however often it comes."""
    inbound = sign(message, now=datetime.now(UTC))
    with Engine.open(settings, create=True) as engine:
        report = engine.cards.add("gift-50", [*CARDS, "GLIDER-7KQX-M2WP"], provenance="test")
        replies = [engine.receive("planes", inbound) for _ in range(3)]
        receipt = engine.receipt("planes", "PP-1001")
    assert report.added == 2
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert receipt.outcome == "delivered"
    assert [said["cards"] for said in paperplane.deliveries.values()] == [CARDS]
    assert [said["to"] for said in paperplane.planes.values()] == ["u1@example.com"]


def test_a_forged_message_is_refused(settings, sign, message, options):
    """A message that somebody else signed stores nothing."""
    forged = sign(message, credential=type(options.credential)("somebody else's secret"))
    with Engine.open(settings, create=True) as engine:
        assert engine.receive("planes", forged).status == 401
        assert engine.receipt("planes", "PP-1001") is None


def test_nothing_secret_is_left_behind(settings, sign, message, tmp_path):
    """Neither cards nor the credential are in a log or in any byte of the store."""
    detector = LeakDetector()
    for number, card in enumerate(CARDS):
        detector.watch(f"card {number}", card)
    detector.watch("credential", settings["channels"]["post"]["credential"])
    with detector, Engine.open(settings, create=True) as engine:
        engine.cards.add("gift-50", CARDS, provenance="test")
        engine.receive("planes", sign(message, now=datetime.now(UTC)))
        engine.receive("planes", sign(message))
    detector.check_tree(tmp_path)
    detector.assert_clean()
