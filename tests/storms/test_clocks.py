"""Hosts whose clocks are an hour apart agree on every reservation and retry: the database's time rules."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from . import seller
from .conftest import PROGRAM

pytestmark = pytest.mark.parametrize("store_kind", ["postgresql", "mariadb"])
HOUR_S = 3600


class Host:
    """A process of its own, whose clock is wrong by *shift_s*."""

    def __init__(self, folder, shift_s):
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", str(PROGRAM), str(folder), "host", str(shift_s)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip

    def ask(self, *words):
        self._process.stdin.write(json.dumps(words) + "\n")
        answer = self._process.stdout.readline()
        assert answer, "the host broke down"
        return json.loads(answer)

    def close(self):
        self._process.stdin.close()
        assert self._process.wait(timeout=60) == 0
        self._process.stdout.close()


@pytest.fixture(name="hosts")
def _hosts(common_crowd):
    """Return a host that is half an hour behind and one that is half an hour ahead."""
    common_crowd.stock("steam", 4)
    with ExitStack() as stack:
        hosts = [Host(common_crowd.folder, shift) for shift in (-HOUR_S / 2, HOUR_S / 2)]
        for host in hosts:
            stack.callback(host.close)
        yield hosts


def test_the_clocks_are_wrong_and_the_engines_right(hosts):
    """The instruments work: the hosts differ by an hour, their engines by less than a second."""
    (slow, slow_engine), (fast, fast_engine) = (host.ask("now") for host in hosts)
    assert HOUR_S - 30 < fast - slow < HOUR_S + 30
    assert abs(fast_engine - slow_engine) < 30
    assert abs(fast_engine - datetime.now(UTC).timestamp()) < 30


@pytest.mark.parametrize("first", [0, 1])
def test_a_reservation_lasts_as_long_as_it_was_made_for(hosts, first):
    """The other host neither ends it early nor holds it longer, whichever of them is ahead."""
    one, other = hosts[first], hosts[1 - first]
    one.ask("reserve", "LONG", 600)
    one.ask("reserve", "SHORT", 5)
    assert other.ask("resume")["lapsed"] == 0
    time.sleep(5.5)
    assert other.ask("resume")["lapsed"] == 1
    assert other.ask("ask", "SHORT")["outcomes"] == ["cancelled/expired"]
    assert one.ask("ask", "LONG")["outcomes"] == ["pending/unpaid"]
    assert other.ask("pay", "LONG")["outcomes"] == ["delivered/"]


@pytest.mark.parametrize("first", [0, 1])
def test_a_busy_platform_is_tried_again_when_it_said(common_crowd, hosts, first):
    """What one host put off for five seconds the other sends after five seconds."""
    one, other = hosts[first], hosts[1 - first]
    busy = common_crowd.folder / "busy"
    busy.write_text("5")
    assert one.ask("pay", "N1")["outcomes"] == ["pending/delivering"]
    busy.unlink()
    assert other.ask("resume")["delivered"] == 0
    time.sleep(5.5)
    assert other.ask("resume")["delivered"] == 1
    assert one.ask("ask", "N1")["outcomes"] == ["delivered/"]


def test_a_card_that_works_for_half_an_hour_is_sold_by_both(common_crowd, hosts):
    """A host that is ahead does not think it expired; a host behind does not sell a dead one."""
    with seller.opened(common_crowd.folder) as engine:
        engine.cards.add(
            "psn", ["PSN-1", "PSN-2"], expires_at=datetime.now(UTC) + timedelta(minutes=15)
        )
        engine.cards.undo(1, by="eve", why="only the others")
        engine.cards.add(
            "steam", ["DEAD-1", "DEAD-2"], expires_at=datetime.now(UTC) + timedelta(seconds=1)
        )
        engine.cards.add(
            "steam", ["S-1", "S-2"], expires_at=datetime.now(UTC) + timedelta(minutes=15)
        )
    time.sleep(1.5)
    behind, ahead = hosts
    assert ahead.ask("pay", "N1")["outcomes"] == ["delivered/"]
    with seller.opened(common_crowd.folder) as engine:
        engine.cards.add(
            "steam", ["DEAD-3", "DEAD-4"], expires_at=datetime.now(UTC) + timedelta(seconds=1)
        )
    time.sleep(1.5)
    assert behind.ask("pay", "N2")["outcomes"] == ["pending/short"]


def test_a_clock_that_is_set_while_it_works(hosts):
    """An operator who sets the clock of a running host two hours ahead ends no reservation."""
    host = hosts[0]
    host.ask("reserve", "N1", 600)
    host.ask("set clock", 2 * HOUR_S)
    assert host.ask("now")[0] > time.time() + HOUR_S
    assert host.ask("resume")["lapsed"] == 0
    assert host.ask("pay", "N1")["outcomes"] == ["delivered/"]
