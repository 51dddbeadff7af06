"""A process dies right before or right after every commit and every outside call; nothing is lost."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from autocard import Outcome, Reason
from autocard.plugins import Plugins

CHILD = Path(__file__).with_name("crash_child.py")


def _load():
    spec = importlib.util.spec_from_file_location("autocard_crash_child", CHILD)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


child = _load()


@pytest.fixture(autouse=True)
def _entry_points(monkeypatch):
    """Looked for once, not by every engine that is opened here."""
    found = Plugins()._published()
    monkeypatch.setattr(Plugins, "_published", lambda _: found)


class World:
    """A store as it was before the scenario, and folders for victims that act on copies of it."""

    def __init__(self, folder, url, stores):
        self.folder = folder
        self.template = folder / "template"
        self.template.mkdir()
        self._url, self._stores, self._rows = url, stores, None
        if not url.startswith("sqlite"):
            (self.template / "store").write_text(url)

    def close_template(self):
        """Nobody has it open any more: what it holds is what every victim begins with."""
        # Everything is in the database file now, so that copying the folder copies the store.
        assert not list(self.template.glob("*-wal"))
        journal = self.template / "outside.jsonl"
        if journal.exists():
            journal.rename(self.template / "outside-before.jsonl")
        if (self.template / "store").exists():
            self._rows = self._stores.rows(self._url)

    def place(self, point):
        """Return the folder of a new victim. On a server there is one at a time."""
        place = self.folder / str(point)
        shutil.copytree(self.template, place)
        if self._rows is not None:
            self._stores.refill(self._url, self._rows)
        return place


@pytest.mark.parametrize("name", child.SCENARIOS)
def test_whoever_comes_next_finds_everything(tmp_path, shop_url, stores, name):
    """Wherever a process dies, the next one resumes: the order is served once, the books agree."""
    scenario = child.SCENARIOS[name]()
    world = World(tmp_path, shop_url, stores)
    with child.opened(world.template, create=True) as engine:
        scenario.prepare(engine)
    world.close_template()
    deaths = []
    for place, death in _kill_everywhere(world, name):
        deaths.append(death)
        try:
            _recover(scenario, place)
        except AssertionError as error:
            error.add_note(f"{name}: died {death} (point {len(deaths)})")
            raise
    assert len(deaths) > scenario.least, deaths
    assert any("commit" in death for death in deaths)


def _kill_everywhere(world, name):
    """Yield the folder of each victim and where it died; the last one came through."""
    victims = subprocess.Popen(
        [sys.executable, str(CHILD), name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    with victims:
        for point in range(1, 100):
            place = world.place(point)
            victims.stdin.write(f"{place}\n")
            code = victims.stdout.readline().strip()
            assert code in {"0", "1"}, f"victim {point} failed with {code}"
            died_at = place / child.DIED_AT
            yield place, died_at.read_text() if died_at.exists() else "nowhere"
            if code == "0":
                break
        victims.stdin.close()
        assert victims.wait(timeout=60) == 0


def _recover(scenario, folder):
    """Go on as another host, and as the caller who never got an answer."""
    with child.opened(folder, after_s=600) as engine:
        _resume_until_quiet(engine)
        scenario.again(engine, folder)
        _resume_until_quiet(engine)
        report = engine.ledger.verify()
        assert report.ok, report.faults
        seen = _seen(folder)
        _outside_is_consistent(seen)
        _served_once(engine, scenario, seen)
        scenario.check(engine, seen)
        assert engine.resume().total == 0


def _resume_until_quiet(engine):
    for _ in range(10):
        if engine.resume().total == 0:
            return
        engine._flow.clock.advance(child.LEASE_S + 100)
    raise AssertionError("resume never comes to an end")


def _seen(folder):
    found = []
    for name in ("outside-before.jsonl", "outside.jsonl"):
        if (folder / name).exists():
            found += [json.loads(line) for line in (folder / name).read_text().splitlines()]
    return found


def _outside_is_consistent(seen):
    """A line's cards are the same wherever and however often they are shown."""
    cards, references, times = defaultdict(set), defaultdict(set), defaultdict(int)
    for each in seen:
        if each["kind"] == "delivery":
            line = (each["order_no"], each["line_no"])
            cards[line].add(tuple(each["cards"]))
            references[*line, each["by"]].add(each["reference"])
            times[*line, each["by"]] += 1
    assert all(len(each) == 1 for each in cards.values()), cards
    assert all(len(each) == 1 for each in references.values()), references
    for place, count in times.items():
        assert count == 1 or place[-1] == "repeating", f"{place} was told {count} times"
    every = [card for each in cards.values() for (shown,) in [each] for card in shown]
    assert len(every) == len(set(every)), "one card was shown for two lines"


def _served_once(engine, scenario, seen):
    """Each order has its cards, and a pushed one was shown just these."""
    shown = {
        (each["order_no"], each["line_no"]): each["cards"]
        for each in seen
        if each["kind"] == "delivery"
    }
    receipts = [x for x in engine.orders(limit=1000) if x.order_no in scenario.served]
    assert len(receipts) == len(scenario.served)
    for each in receipts:
        receipt = engine.receipt(each.platform, each.order_no)
        for line in receipt.lines:
            if scenario.may_stay_unknown and line.outcome is Outcome.HELD:
                assert line.reason is Reason.UNKNOWN_DELIVERY
                continue
            assert line.outcome is Outcome.DELIVERED, line
            texts = [card.text().reveal() for card in line.cards]
            assert len(set(texts)) == line.quantity
            if (receipt.order_no, line.line_no) in shown or receipt.platform != "direct":
                assert shown[receipt.order_no, line.line_no] == texts
