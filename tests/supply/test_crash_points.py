"""A buyer dies right before or right after every commit and every call; nothing is bought twice."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from autocard import Outcome
from autocard.plugins import Plugins

CHILD = Path(__file__).with_name("crash_child.py")
# On a server the rows are put back before each victim, which takes its time.
ON_SERVERS = ("BuyAsked", "BuyBlind")


def _load():
    spec = importlib.util.spec_from_file_location("autocard_supply_crash_child", CHILD)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


child = _load()


@pytest.fixture(autouse=True)
def _entry_points(monkeypatch):
    """Looked for once, not by every engine that is opened here."""
    found = Plugins()._published()
    monkeypatch.setattr(Plugins, "_published", lambda _: found)


@pytest.fixture(name="victims", scope="module")
def _victims():
    """Return the process that forks victims, for all scenarios."""
    with subprocess.Popen(
        [sys.executable, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        bufsize=1,
    ) as process:  # fmt: skip
        yield process
        process.stdin.close()
        assert process.wait(timeout=60) == 0


class World:
    """A store as it was before the scenario, and folders for victims that act on copies of it."""

    def __init__(self, folder, url, stores):
        self.folder = folder
        self.template = folder / "template"
        self.template.mkdir()
        self._url, self._stores, self._rows = url, stores, None
        if not url.startswith("sqlite"):
            (self.template / "store").write_text(url)

    @property
    def is_many(self):
        """Say whether each victim has a store of its own."""
        return self._rows is None

    def close_template(self):
        """Nobody has it open any more: what it holds is what every victim begins with."""
        assert not list(self.template.glob("*-wal"))
        if (self.template / "store").exists():
            self._rows = self._stores.rows(self._url)

    def place(self, point):
        """Return the folder of a new victim. On a server there is one at a time."""
        place = self.folder / str(point)
        shutil.copytree(self.template, place)
        if self._rows is not None:
            self._stores.refill(self._url, self._rows)
        return place


@pytest.mark.parametrize(
    ("store_kind", "name"),
    [("sqlite", name) for name in child.SCENARIOS]
    + [(kind, name) for kind in ("postgresql", "mariadb") for name in ON_SERVERS],
)
def test_whoever_comes_next_buys_nothing_twice(tmp_path, shop_url, stores, victims, name):
    """Wherever a process dies, the next one resumes: each line is served once, the books agree."""
    scenario = child.SCENARIOS[name]()
    world = World(tmp_path, shop_url, stores)
    with child.opened(world.template, create=True) as engine:
        scenario.prepare(engine, world.template)
    world.close_template()
    deaths = []
    for place, death in _kill_everywhere(victims, world, name):
        deaths.append(death)
        try:
            _recover(scenario, place)
        except AssertionError as error:
            error.add_note(f"{name}: died {death} (point {len(deaths)})")
            raise
    assert len(deaths) > scenario.least, deaths
    assert any("commit" in death for death in deaths)


def _kill_everywhere(victims, world, name):
    """Yield the folder of each victim and where it died; the last one came through."""
    following = _victim(victims, world, name, 1)
    for point in range(1, 100):
        place = following
        code = victims.stdout.readline().strip()
        assert code in {"0", "1"}, f"victim {point} failed with {code}"
        if code == "1" and world.is_many:  # the next one dies while this one's store is looked at
            following = _victim(victims, world, name, point + 1)
        died_at = place / child.DIED_AT
        yield place, died_at.read_text() if died_at.exists() else "nowhere"
        if code == "0":
            return
        if not world.is_many:
            following = _victim(victims, world, name, point + 1)
    raise AssertionError("it never comes through")


def _victim(victims, world, name, point):
    place = world.place(point)
    victims.stdin.write(f"{name} {point} {place}\n")
    return place


def _recover(scenario, folder):
    """Go on as another host, as the caller who never got an answer, and as a diligent person."""
    with child.opened(folder, after_s=600) as engine:
        _resume_until_quiet(engine)
        scenario.again(engine, folder)
        _resume_until_quiet(engine)
        if _waits_for_a_person(engine):
            child.resolve(engine, folder)
            _resume_until_quiet(engine)
        report = engine.ledger.verify()
        assert report.ok, report.faults
        sales = child.journal(folder)
        _sold_once(engine, scenario, sales)
        _served_once(engine, scenario, sales)
        assert engine.resume().total == 0


def _resume_until_quiet(engine):
    for _ in range(10):
        engine._flow.clock.advance(child.LEASE_S + 100)
        if engine.resume().total == 0:
            return
    raise AssertionError("resume never comes to an end")


def _waits_for_a_person(engine):
    """Say whether a person has to look; only where a supplier cannot be asked."""
    left = [x for x in engine.supply.purchases(limit=99) if x.state not in {"done", "failed"}]
    assert all(x.state == "held" and x.supplier == "blind" for x in left), left
    report = engine.ledger.verify() if left else None
    assert not report or report.ok, report.faults
    return bool(left)


def _sold_once(engine, scenario, sales):
    """What suppliers sold is what was needed, under one number each, and every cent is known."""
    sold = [x for x in sales if x["quantity"]]
    assert max(Counter(x["reference"] for x in sold).values()) == 1, sold
    assert sum(x["quantity"] for x in sold) == scenario.sold, sold
    purchases = {x.reference: x for x in engine.supply.purchases(limit=1000)}
    for sale in sold:
        purchase = purchases.pop(sale["reference"])
        assert purchase.state == "done"
        assert purchase.cost == child.PRICE * sale["quantity"]
        for text in sale["cards"]:
            assert engine.cards.find(text), "a card was paid for and is not in the store"
    assert {x.state for x in purchases.values()} <= {"failed"}


def _served_once(engine, scenario, sales):
    """Each order has its cards, and a platform was shown just these, once."""
    shown = []
    for number in scenario.served:
        (line,) = engine.receipt(scenario.platform, number).lines
        assert line.outcome is Outcome.DELIVERED, line
        texts = [card.text().reveal() for card in line.cards]
        assert len(texts) == (0 if scenario.item.endswith("phone") else line.quantity)
        shown += texts
    assert len(set(shown)) == len(shown), "one card was shown for two lines"
    delivered = [x["delivered"] for x in sales if "delivered" in x]
    assert delivered == ([] if scenario.platform == "direct" else [shown])
