"""A process dies right before or right after every commit and every outside call; nothing is lost."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest
from tests.flow import crash_child as child
from tests.harness.crashing import Scene, victims_of

from autocard import Outcome, Reason

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("known_plugins")]


@pytest.fixture(name="victims", scope="module")
def _victims():
    with victims_of("tests.flow.crash_child") as victims:
        yield victims


@pytest.mark.parametrize("name", child.SCENARIOS)
def test_whoever_comes_next_finds_everything(tmp_path, shop_url, stores, victims, name):
    """Wherever a process dies, the next one resumes: the order is served once, the books agree."""
    scenario = child.SCENARIOS[name]()
    scene = Scene(tmp_path, shop_url, stores)
    (scene.template / "scenario").write_text(name)
    with child.opened(scene.template, create=True) as engine:
        scenario.prepare(engine)
    journal = scene.template / "outside.jsonl"
    if journal.exists():
        journal.rename(scene.template / "outside-before.jsonl")
    scene.close_template()
    deaths = []
    for place, death in scene.kill_everywhere(victims):
        deaths.append(death)
        try:
            _recover(scenario, place)
        except AssertionError as error:
            error.add_note(f"{name}: died {death} (point {len(deaths)})")
            raise
    assert len(deaths) > scenario.least, deaths
    assert any("commit" in death for death in deaths)


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
