"""`resume`, `run`, `verify`, `events`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from autocard.cli import working as room
from autocard.engine import Engine
from autocard.errors import StoreUnavailable


def test_resume_tells_what_it_did(shop):
    """A waiting order is served after stock came, and counted; then nothing is due."""
    assert shop.run("resume").out == "Nothing was due.\n"
    assert set(shop.run("resume", "--json").json) == {
        "lapsed", "confirmed", "bought", "served", "delivered", "delayed",
    }  # fmt: skip


def test_resume_ends_with_one_when_a_delivery_failed(shop, monkeypatch):
    """A delivery that was tried and not done needs a look."""
    from autocard.resuming import ResumeReport

    monkeypatch.setattr(Engine, "resume", lambda *_: ResumeReport(served=2, delayed=1))
    done = shop.run("resume")
    assert done.code == 1
    assert done.out == "2 waiting lines served\n1 deliveries were tried and not done\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_run_goes_on_until_a_signal_and_ends_well(shop, name):
    """A running worker answers SIGINT and SIGTERM by finishing its pass and ending with 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "autocard", "--config", str(shop.config), "run", "--every", "0.05"],
        stdout=subprocess.PIPE,
        env={**os.environ, "AUTOCARD_LANG": "en", "PYTHONUTF8": "1"},
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Working every 0.05 s")
        process.send_signal(getattr(signal, name))
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.endswith("Stopped; the last pass was finished.\n")


def _stop_after(passes, monkeypatch, reports):
    """Let `resume` answer *reports* in turn and ask to stop with the last."""
    from autocard.resuming import ResumeReport

    left = list(reports)

    def resume(*_):
        report = left.pop(0)
        if not left:
            signal.raise_signal(signal.SIGTERM)
        if isinstance(report, Exception):
            raise report
        return ResumeReport(**report)

    monkeypatch.setattr(Engine, "resume", resume)


def test_run_tells_passes_that_did_something(shop, monkeypatch):
    """Quiet passes are quiet; a store that is away is told and tried again; all in order."""
    reports = [{"served": 1}, {}, StoreUnavailable("the database is locked"), {"delivered": 2}]
    _stop_after(4, monkeypatch, reports)
    done = shop.run("run", "--every", "0.01")
    assert done.code == 0
    assert done.out.splitlines()[1:-1] == ["1 waiting lines served", "2 deliveries done"]
    assert done.err == "error: the database is locked\n"


def test_run_writes_lines_of_json(shop, monkeypatch):
    """With `--json` each pass that did something is one line."""
    _stop_after(2, monkeypatch, [{"served": 1}, StoreUnavailable("locked")])
    lines = [json.loads(line) for line in shop.run("run", "--json").out.splitlines()]
    assert lines[0]["served"] == 1
    assert lines[1]["error"] == {"kind": "StoreUnavailable", "message": "locked"}


def test_run_gives_the_signals_back(shop, monkeypatch):
    """After `run` the handlers of the process are what they were."""
    before = signal.getsignal(signal.SIGTERM)
    _stop_after(1, monkeypatch, [{}])
    shop.run("run")
    assert signal.getsignal(signal.SIGTERM) is before


def test_waiting_ends_soon_after_somebody_asked():
    """A long wait is over within a moment once a stop is asked for."""
    stop = room.Stop()
    began = time.monotonic()
    timer = threading.Timer(0.05, lambda: setattr(stop, "is_asked", True))
    timer.start()
    stop.wait(3600)
    timer.join()
    assert time.monotonic() - began < 60


def test_verify_says_whether_the_books_agree(shop, monkeypatch):
    """Agreeing books are 0; a fault is told and is 1."""
    from autocard.desks.ledger import LedgerDesk, VerifyReport

    shop.stock_up()
    assert shop.run("verify").out == "The books agree: 3 cards.\n"
    assert shop.run("verify", "--json").json == {"ok": True, "faults": [], "cards": 3}
    report = VerifyReport(faults=("level and count differ",), cards=3)
    monkeypatch.setattr(LedgerDesk, "verify", lambda _: report)
    done = shop.run("verify")
    assert done.code == 1
    assert "level and count differ" in done.out


def test_events_are_shown_in_order(shop):
    """Events can be paged and narrowed to one order."""
    assert shop.run("events").out == "No events.\n"
    shop.stock_up()
    for name in ("A1", "A2"):
        shop.run("dispatch", str(shop.order(name)))
    found = shop.run("events", "--json").json
    assert [event["id"] for event in found] == sorted(event["id"] for event in found)
    later = shop.run("events", "--json", "--after", str(found[0]["id"])).json
    assert later == found[1:]
    mine = shop.run("events", "--json", "--platform", "shop", "--order", "A2").json
    assert mine
    assert {event["order_no"] for event in mine} == {"A2"}
    assert "A2" in shop.run("events").out


def test_events_of_an_order_need_both_names(shop):
    """A platform without an order number is a usage error; an unknown order is 2."""
    assert shop.run("events", "--platform", "shop").code == 2
    assert shop.run("events", "--platform", "shop", "--order", "A9").code == 2


@pytest.mark.parametrize("every", ["nan", "-nan", "inf", "0", "90000", "soon"])
def test_run_refuses_a_time_that_is_none(shop, every):
    """What is no time to wait is a usage error, not a loop without a rest."""
    done = shop.run("run", f"--every={every}")
    assert (done.code, "--every" in done.err) == (2, True)
