"""
What test_crashes.py runs in a process of its own: hosts of a merchant that die on the way.

`python -m tests.supply.market.victim` reads `K FOLDER` from standard input, one a line, and forks a
victim for each. It serves the order of FOLDER/order.json, or hears the message of
FOLDER/message.json, and dies by `os._exit(1)` at the K-th point: right before or right after a commit
or a request to a supplier. For each the exit code is printed; where it died is in FOLDER/died-at.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.supply.crash_child import Fuse

from autocard import Engine, Inbound
from autocard.codec import order_from_json
from autocard.http.client import HttpClient
from autocard.plugins import Plugins
from autocard.testing import FakeClock


def around_requests(fuse):
    """Let every request pass a point before it leaves and one when its answer is here."""
    request = HttpClient.request

    def request_with_points(client, *arguments, **options):
        fuse.point("before a request")
        answer = request(client, *arguments, **options)
        fuse.point("after a request")
        return answer

    HttpClient.request = request_with_points


def act(folder, point):
    """Serve the order, or hear the message, and go on for some minutes; or die on the way."""
    fuse = Fuse(folder)
    fuse.around_commits()
    around_requests(fuse)
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
    os._exit(0)


def main():
    for line in sys.stdin:
        point, folder = line.rstrip("\n").split(" ", 1)
        victim = os.fork()
        if victim == 0:
            try:
                act(Path(folder), int(point))
            finally:
                os._exit(2)
        print(os.waitstatus_to_exitcode(os.waitpid(victim, 0)[1]), flush=True)


if __name__ == "__main__":
    # Looked for once, not by each victim.
    found = Plugins()._published()
    Plugins._published = lambda _: found
    main()
