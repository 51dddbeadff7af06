"""
What test_crashes.py runs in a process of its own: hosts of a merchant that die on the way.

A victim serves the order of FOLDER/order.json, or hears the message of FOLDER/message.json, and dies
right before or right after a commit or a request to a supplier.
"""

from __future__ import annotations

import json

from tests.harness.crashing import Fuse, be_victims

from autocard import Engine, Inbound
from autocard.codec import order_from_json
from autocard.http.client import HttpClient
from autocard.testing import FakeClock


def act(folder, point):
    """Serve the order, or hear the message, and go on for some minutes; or die on the way."""
    fuse = Fuse(folder)
    fuse.around_commits()
    fuse.around(HttpClient, "request", "a request")
    clock = FakeClock()
    clock.advance(float((folder / "seconds").read_text()))
    engine = Engine.open(folder / "shop.toml", clock=clock)
    fuse.at = point
    message = folder / "message.json"
    if message.exists():
        name, headers, body = json.loads(message.read_text())
        inbound = Inbound(method="POST", path="/", headers=headers, body=body.encode())
        engine.receive(name, inbound)
    else:
        engine.dispatch(order_from_json(json.loads((folder / "order.json").read_text()), "shop"))
    for _ in range(3):
        clock.advance(90)
        engine.resume()


if __name__ == "__main__":
    be_victims(act)
