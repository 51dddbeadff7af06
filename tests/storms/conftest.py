"""Servers that a test may stop and kill, and a crowd that buys while it does."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autocard import Outcome
from autocard.testing import FakeClock

from . import seller
from .servers import OwnMariaDb, OwnPostgres, missing

SERVERS = {"postgresql": OwnPostgres, "mariadb": OwnMariaDb}
PROGRAM = Path(seller.__file__)


@pytest.fixture(name="server", scope="module", params=SERVERS)
def _server(request):
    """Give a server of the test's own; one that was stopped is to be started again."""
    kind = SERVERS[request.param]
    lacking = missing(kind)
    if lacking:
        told = f"{', '.join(lacking)} not found: install {request.param}"
        if os.environ.get("AUTOCARD_REQUIRE_SERVERS") == "1":
            pytest.fail(f"AUTOCARD_REQUIRE_SERVERS=1, but {told}")
        pytest.skip(told)
    server = kind()
    yield server
    server.close()


@pytest.fixture(name="crowd")
def _crowd(tmp_path, server):
    """Give a crowd before an empty shop on a server of the test's own."""
    server.renew()
    yield from _before(tmp_path, server.url)


@pytest.fixture(name="common_crowd")
def _common_crowd(tmp_path, store_url):
    """Give a crowd before an empty shop on a store of each kind in turn."""
    yield from _before(tmp_path, store_url)


def _before(folder, url):
    crowd = Crowd(folder, url)
    seller.opened(folder, create=True).close()
    yield crowd
    crowd.go_home()


class Crowd:
    """Processes that buy, and what they were told."""

    def __init__(self, folder, url):
        self.folder = folder
        self.url = url
        self.processes = []
        self.outputs = []
        self.use("")

    def use(self, query):
        """Let processes that start from now on use the store with these settings."""
        (self.folder / "store").write_text(self.url + query)

    def stock(self, sku, count):
        with seller.opened(self.folder) as engine:
            texts = [f"{sku}-{number:05d}" for number in range(count)]
            assert engine.cards.add(sku, texts).added == count

    # --- traffic ---

    def send(self, lines, *, processes=4, threads=2, times=2, mode="sell", seed=7):
        """Let each line come to *times* different processes, in any order."""
        chance = random.Random(seed)
        shares = [[] for _ in range(processes)]
        for line in lines:
            for index in chance.sample(range(processes), times):
                shares[index].append(line)
        for share in shares:
            chance.shuffle(share)
            self._start(mode, threads, share)
        return sum(map(len, shares))

    def keep_resuming(self):
        """Let one more process advance what is unfinished, as a worker does."""
        self._start("resume", 1, [])

    def _start(self, mode, number, lines):
        said = self.folder / f"said-{len(self.processes)}"
        said.write_text("".join(f"{line}\n" for line in lines))
        told = said.with_name(f"told-{len(self.processes)}")
        with said.open("rb") as stdin, told.open("wb") as stdout:
            command = [
                sys.executable,
                "-W",
                "error",
                str(PROGRAM),
                str(self.folder),
                mode,
                str(number),
            ]
            self.processes.append(subprocess.Popen(command, stdin=stdin, stdout=stdout))
        self.outputs.append(told)

    def answered(self):
        """Return how many lines were answered so far; a process that failed is an error."""
        codes = [process.poll() for process in self.processes]
        assert {*codes} <= {None, 0}, codes
        return sum(output.read_bytes().count(b"\n") for output in self.outputs)

    def wait_for(self, answers):
        """Return once so many lines were answered."""
        deadline = time.monotonic() + 120
        while self.answered() < answers:
            assert time.monotonic() < deadline, f"only {self.answered()} of {answers} were answered"
            time.sleep(0.01)

    def answers(self):
        """Return what everybody was told, when all are done; nobody saw an undocumented error."""
        (self.folder / "stop").touch()
        assert [process.wait(timeout=200) for process in self.processes] == [0] * len(
            self.processes
        )
        lines = [line for output in self.outputs for line in output.read_text().splitlines()]
        answers = [json.loads(line) for line in lines]
        assert [x for x in answers if "error" in x] == []
        return answers

    def go_home(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    # --- what must hold ---

    def check(self, answers, *, served):
        """Every order is served once, with cards of its own; all books agree; return receipts."""
        clock = FakeClock(datetime.now(UTC) + timedelta(seconds=100))
        with seller.opened(self.folder, clock=clock) as engine:
            self._finish(engine, clock)
            report = engine.ledger.verify()
            assert report.ok, report.faults
            numbers = {tuple(x["order"]) for x in answers}
            receipts = {number: engine.receipt(*number) for number in numbers}
            delivered = {n for n, x in receipts.items() if x.outcome is Outcome.DELIVERED}
            assert len(delivered) == served, "an order was lost, or one too many was served"
            assert len(engine.orders(limit=100_000)) == len(numbers)
            cards = {n: [card.text().reveal() for card in x.cards] for n, x in receipts.items()}
            everything = [card for each in cards.values() for card in each]
            assert len(set(everything)) == len(everything), "a card is in two orders"
            wanted = {n: sum(x.quantity for x in receipts[n].lines) for n in delivered}
            assert {n: len(cards[n]) for n in delivered} == wanted
            assert sum(x.delivered for x in engine.cards.stock()) == len(everything)
        for answer in answers:
            if answer.get("cards"):
                assert answer["cards"] == cards[tuple(answer["order"])], "two answers differ"
        self._check_outside(cards)
        return receipts

    @staticmethod
    def _finish(engine, clock):
        for _ in range(20):
            if engine.resume(limit=10_000).total == 0:
                return
            clock.advance(1000)
        raise AssertionError("resume never comes to an end")

    def _check_outside(self, cards):
        """The platform was told each line once, and what it was told is what the order has."""
        seen = seller.outside(self.folder)
        lines = [tuple(x["line"]) for x in seen]
        assert len(set(lines)) == len(lines), "a line was handed over twice"
        shown = {}
        for each in sorted(seen, key=lambda x: x["line"]):
            shown.setdefault(each["line"][0], []).extend(each["cards"])
        pushed = {
            number: each
            for (platform, number), each in cards.items()
            if platform == "door" and each
        }
        assert shown == pushed
