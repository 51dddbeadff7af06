"""A run that dies anywhere loses nothing; the next one goes on, and nothing leaves twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("known_plugins")


def run(url, folder, *template):
    """Let children archive, each dying one point later; return how they ended."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.archiving.crash_child", url, str(folder), "1", *map(str, template)],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout)
    assert set(codes[:-1]) == {1}, done.stderr
    assert codes[-1] == 0, done.stderr
    return codes


def settled(shop, engine, stores, all_before):
    """Say that every record is in exactly one place, and every file is in the books."""
    places = Counter(shop.archived(engine)) + Counter(shop.here(stores))
    assert [x for x, times in places.items() if times > 1] == []
    assert set(all_before) - set(places) == set()
    assert {x[0] for x in set(places) - set(all_before)} <= {"event"}
    assert [x.name for x in shop.files()] == sorted(x.name for x in engine.ledger.archives())
    assert all(x.is_finished for x in engine.ledger.archives())
    assert engine.check().ok
    assert engine.ledger.verify().ok


def test_runs_that_die_one_after_the_other_come_to_the_end(shop, engine, stores):
    """Each dies one point later than the one before, on what that one left; the last comes through."""
    shop.live(engine)
    before, all_before = shop.shown(engine), shop.here(stores)
    assert len(run(shop.url, shop.folder)) > 10
    assert shop.shown(engine) == before
    settled(shop, engine, stores, all_before)


@pytest.mark.parametrize("store_kind", ["sqlite"])
def test_a_run_that_dies_anywhere_is_finished_by_the_next(shop, engine, stores, tmp_path):
    """At every point, from the same beginning: the receipts are what they were all the time."""
    shop.live(engine)
    before, all_before = shop.shown(engine), shop.here(stores)
    engine.close()
    template = tmp_path / "template"
    (template / "archives").mkdir(parents=True)
    shutil.copy(shop.folder / "shop.keyring", template)
    shutil.copy(Path(sa.make_url(shop.url).database), template / "shop.db")
    codes = run("", tmp_path / "places", template)
    assert len(codes) > 40
    for point in range(1, len(codes) + 1):
        folder = tmp_path / "places" / str(point)
        heir = type(shop)(folder, f"sqlite:///{folder}/shop.db", to=folder / "archives")
        heir.clock = shop.clock
        with heir.open(create=False) as again:
            assert heir.shown(again) == before, point
            assert again.ledger.verify().ok, point
            heir.archive(again)
            assert heir.shown(again) == before, point
            settled(heir, again, stores, all_before)
