"""
What the tests of this folder run in processes of their own.

`python seller.py FOLDER sell THREADS` reads `PLATFORM NUMBER` from standard input, one a line, and
dispatches each, again and again while the store is unavailable. It prints a JSON object for each.
`python seller.py FOLDER notice THREADS` takes the same lines for notices of payments.
`python seller.py FOLDER resume 1` advances what is unfinished until FOLDER/stop is there.
`python seller.py FOLDER host SHIFT_S` does what it is asked, with a clock that is wrong.

The URL of the store is in FOLDER/store; what the platform saw is in FOLDER/outside.jsonl.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PATIENCE_S = 120
LEASE_S = 5


AHEAD = {"seconds": 0.0}
"""How far the clock of this process goes ahead."""


def shift_clocks():
    """Let this process believe that it is later by what AHEAD says; call it before anything else."""
    import datetime as dt

    import psycopg  # noqa: F401 - compiled parts look at the library's own class
    import pymysql  # noqa: F401 - the same

    real = dt.datetime

    class Like(type(real)):
        def __instancecheck__(cls, instance):
            return isinstance(instance, real)

    class Shifted(real, metaclass=Like):
        @classmethod
        def now(cls, tz=None):
            moment = real.now(tz) + dt.timedelta(seconds=AHEAD["seconds"])
            return cls.fromtimestamp(moment.timestamp(), tz)

        @classmethod
        def utcnow(cls):
            return cls.now(dt.UTC).replace(tzinfo=None)

    dt.datetime = Shifted
    tell, tell_ns = time.time, time.time_ns
    time.time = lambda: tell() + AHEAD["seconds"]
    time.time_ns = lambda: tell_ns() + int(AHEAD["seconds"] * 1_000_000_000)


if __name__ == "__main__" and sys.argv[2] == "host":
    AHEAD["seconds"] = float(sys.argv[3])
    shift_clocks()

import attrs  # noqa: E402 - the clock is wrong first

from autocard import (  # noqa: E402 - the clock is wrong first
    Buyer,
    Engine,
    Inbound,
    Money,
    Order,
    OrderLine,
    Payment,
    StoreUnavailable,
)
from autocard.spi import (  # noqa: E402 - the clock is wrong first
    Capability,
    Platform,
    Reply,
    TransientError,
    Verified,
    hookimpl,
)


@attrs.frozen
class Options:
    folder: str


class Door(Platform):
    """A platform that hands cards over, writes down what it saw, and can be asked."""

    name = "door"
    Options = Options
    capabilities = frozenset({Capability.RECEIVE, Capability.DELIVER, Capability.FIND_DELIVERY})

    def verify(self, inbound, *, now):
        return Verified(inbound)

    def parse(self, verified):
        return attrs.evolve(order("door", verified.inbound.body.decode()), lines=())

    def acknowledge(self, answer, receipt):
        return Reply(body=answer.encode())

    def deliver(self, delivery):
        folder = Path(self.options.folder)
        if (folder / "busy").exists():
            raise TransientError("not now", retry_after_s=float((folder / "busy").read_text()))
        seen = {
            "reference": delivery.reference,
            "line": [delivery.order_no, delivery.line_no],
            "cards": [card.text().reveal() for card in delivery.cards],
        }
        # One write of one line: those of several processes do not mix.
        file = os.open(folder / "outside.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(file, f"{json.dumps(seen)}\n".encode())
        os.close(file)
        return "remote-1"

    def find_delivery(self, delivery):
        return any(x["reference"] == delivery.reference for x in outside(self.options.folder))


class Adapters:
    @hookimpl
    def autocard_register(self, registry):
        registry.platform(Door)


def outside(folder):
    """Return what the platform saw."""
    file = Path(folder) / "outside.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def opened(folder, *, create=False, clock=None, **settings):
    table = {
        "store": (folder / "store").read_text(),
        "keyring": f"file:{folder}/shop.keyring",
        "skus": {"steam": {}, "psn": {}},
        "platforms": {
            "door": {"adapter": "door", "folder": str(folder), "confirm": False, "timeout_s": 1}
        },
        "delivery": {"lease_s": LEASE_S, "first_retry_s": 1, "jitter": 0, "tries": 100},
        **settings,
    }
    return Engine.open(table, create=create, clock=clock, plugins=[Adapters()])


def order(platform, number, *, items=("steam",), paid=True):
    """Return an order of two cards of each item; its number says nothing about it."""
    price = Money("10.00", "CNY")
    return Order(
        platform=platform,
        order_no=number,
        lines=[OrderLine(item=item, quantity=2, unit_price=price) for item in items],
        payment=Payment(paid=price * 2 * len(items), reference="p") if paid else None,
        buyer=Buyer(id="u1"),
    )


def told(receipt):
    """Return what there is to say about a receipt."""
    return {
        "order": [receipt.platform, receipt.order_no],
        "outcomes": sorted({f"{x.outcome}/{x.reason}" for x in receipt.lines}),
        "cards": [card.text().reveal() for card in receipt.cards],
    }


def persistent(call):
    """Return what *call* says, called again while the store is unavailable, and each refusal."""
    refused = Counter()
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return {**call(), "refused": refused}
        except StoreUnavailable as error:
            refused[str(error)] += 1
            if time.monotonic() > deadline:
                return {"error": "it never became available again", "refused": refused}
            time.sleep(0.05)
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent wants to see it
            return {"error": f"{type(error).__name__}: {error}", "refused": refused}


def sell(engine, line):
    platform, number = line.split()
    items = ("psn", "steam") if number.startswith("M") else ("steam",)
    return persistent(lambda: told(engine.dispatch(order(platform, number, items=items))))


def notice(engine, line):
    platform, number = line.split()
    inbound = Inbound(method="POST", path="/", body=number.encode())
    return persistent(
        lambda: {
            "order": [platform, number],
            "reply": engine.receive(platform, inbound).body.decode(),
        }
    )


def patiently_opened(folder):
    """Open as a service does that is started again until it starts."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return opened(folder)
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def in_threads(work, folder, threads):
    with patiently_opened(folder) as engine, ThreadPoolExecutor(threads) as pool:
        for answer in pool.map(lambda line: work(engine, line), sys.stdin.read().splitlines()):
            print(json.dumps(answer), flush=True)


def resume(folder):
    with patiently_opened(folder) as engine:
        while not (folder / "stop").exists():
            answer = persistent(lambda: {"done": engine.resume().total})
            if "error" in answer:
                print(json.dumps(answer), flush=True)
            time.sleep(0.02)


def host(folder):
    """Do what is asked, a JSON list of a word and its arguments a line, and say what came of it."""
    with opened(folder) as engine:
        for line in sys.stdin:
            word, *arguments = json.loads(line)
            print(json.dumps(WORDS[word](engine, *arguments)), flush=True)


WORDS = {
    "now": lambda engine: [time.time(), engine._flow.clock.now().timestamp()],
    "set clock": lambda engine, seconds: AHEAD.update(seconds=seconds),
    "reserve": lambda engine, number, ttl_s: told(
        engine.reserve(order("door", number, paid=False), ttl_s=ttl_s)
    ),
    "pay": lambda engine, number: told(engine.dispatch(order("door", number))),
    "ask": lambda engine, number: told(engine.receipt("door", number)),
    "resume": lambda engine: attrs.asdict(engine.resume()),
}


if __name__ == "__main__":
    place, mode, number = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    if mode == "host":
        host(place)
    elif mode == "resume":
        resume(place)
    else:
        in_threads({"sell": sell, "notice": notice}[mode], place, int(number))
