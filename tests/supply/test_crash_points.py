"""A buyer dies right before or right after every commit and every call; nothing is bought twice."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.harness.crashing import Scene, victims_of
from tests.supply import crash_child as child

from autocard import Outcome

# On a server the rows are put back before each victim, which takes its time.
ON_SERVERS = ("BuyAsked", "BuyBlind")

pytestmark = pytest.mark.usefixtures("known_plugins")


@pytest.fixture(name="victims", scope="module")
def _victims():
    with victims_of("tests.supply.crash_child") as victims:
        yield victims


@pytest.mark.parametrize(
    ("store_kind", "name"),
    [("sqlite", name) for name in child.SCENARIOS]
    + [(kind, name) for kind in ("postgresql", "mariadb") for name in ON_SERVERS],
)
def test_whoever_comes_next_buys_nothing_twice(tmp_path, shop_url, stores, victims, name):
    """Wherever a process dies, the next one resumes: each line is served once, the books agree."""
    scenario = child.SCENARIOS[name]()
    scene = Scene(tmp_path, shop_url, stores)
    (scene.template / "scenario").write_text(name)
    with child.opened(scene.template, create=True) as engine:
        scenario.prepare(engine, scene.template)
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
