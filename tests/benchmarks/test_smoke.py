"""The command works and says what it is meant to say. What it measures is not judged here."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.benchmarks.places import MARIADB, POSTGRESQL, reachable

ROOT = Path(__file__).parents[2]
STORES = ("sqlite", "postgresql", "mariadb")
COMMAND = [sys.executable, "-m", "tests.benchmarks", "--tiny"]


@pytest.fixture(name="run", scope="module")
def _run(tmp_path_factory):
    folder, into = tmp_path_factory.mktemp("stores"), tmp_path_factory.mktemp("page")
    ran = subprocess.run(
        [*COMMAND, "--folder", str(folder), "--into", str(into)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return ran, folder, into


@pytest.fixture(name="sections")
def _sections(run):
    found = [json.loads(path.read_text("utf-8")) for path in run[2].glob("*.json")]
    return {section["name"]: section for section in found}


@pytest.fixture(name="rows")
def _rows(sections):
    return [row for section in sections.values() for row in section["rows"]]


def test_every_store_that_answers_is_measured(run, sections, tmp_path):
    """One command measures all stores, and says which server was left out."""
    with reachable(tmp_path, set(STORES)) as stores:
        answering = {store.name for store in stores}
    assert set(sections) == {"starting", *answering}
    for title in {"PostgreSQL", "MariaDB"} - {each["title"] for each in sections.values()}:
        assert f"{title} is left out" in run[0].stderr


@pytest.mark.parametrize("store", STORES)
def test_every_budget_has_a_row(sections, store):
    """Each budget of the design is measured on each store that has it."""
    if store not in sections:
        pytest.skip(f"no server for {store} answers")
    names = {row["name"] for row in sections[store]["rows"] if row["budget"]}
    everywhere = {
        "Engine.dispatch, direct",
        "dispatch_many, batches of 100",
        "peak memory of importing 300 cards from CSV",
        "dispatch p50, 300 cards in stock",
        "cards.stock(), 300 cards, 10 sold",
        "flash sale: cards served twice",
        "flash sale: cards not served",
        "flash sale: orders with an error",
    }
    files = {
        "cards.add, 300 cards from CSV",
        "dispatch p99 while a process imports 200 cards",
    }
    assert names >= (everywhere | files if store == "sqlite" else everywhere)


def test_what_starting_takes_has_budgets(sections):
    """The budgets that belong to no store are measured once."""
    assert {row["name"] for row in sections["starting"]["rows"] if row["budget"]} == {
        "import autocard",
        "adapters and drivers loaded by import autocard",
    }


def test_a_flash_sale_serves_every_card_once(rows):
    """Whatever the speed is: no card twice, none left, no order with an error."""
    found = [row for row in rows if row["name"].startswith("flash sale: ")]
    assert found
    assert not any(row["value"] for row in found)


def test_a_row_says_what_was_measured_and_against_what(rows):
    """A ratio never stands without what it was measured against."""
    for row in rows:
        assert row["name"]
        assert row["value"] >= 0
        assert (row["met"] is None) == (not row["budget"])
        assert row["ratio"] is None or row["floor"] > 0


def test_the_table_is_printed_and_written_between_the_marks(run, rows):
    """The terminal and the page show the same rows."""
    ran, _, into = run
    page = (into / "index.md").read_text("utf-8")
    between = page.partition("<!-- figures: begin -->")[2].partition("<!-- figures: end -->")[0]
    for row in rows:
        assert row["name"] in ran.stdout
        assert f"| {row['name']} |" in between


def test_every_chart_has_a_bar_for_every_budget(run, sections):
    """The charts are well-formed and show all rows with a budget."""
    for name, section in sections.items():
        texts = _texts(run[2] / f"{name}.svg")
        assert {row["name"] for row in section["rows"] if row["budget"]} <= texts


def test_a_chart_shows_all_stores_by_processes(run, sections):
    """What more processes bring is drawn for every store together."""
    texts = _texts(run[2] / "processes.svg")
    stores = [each for name, each in sections.items() if name != "starting"]
    assert {f"{section['title']}, 2" for section in stores} <= texts


def _texts(path):
    chart = ET.parse(path).getroot()
    return {element.text for element in chart.iter("{http://www.w3.org/2000/svg}text")}


def test_a_server_that_cannot_be_reached_is_left_out(tmp_path, monkeypatch, capsys):
    """A user without servers gets the rest, and a line that says what is missing."""
    monkeypatch.setenv(POSTGRESQL, "postgresql://127.0.0.1:1")
    monkeypatch.setenv(MARIADB, "mysql://127.0.0.1:1")
    with reachable(tmp_path, set(STORES)) as stores:
        assert [store.name for store in stores] == ["sqlite"]
    told = capsys.readouterr().err
    assert f"PostgreSQL is left out: no server answers (OperationalError); set {POSTGRESQL}" in told
    assert "MariaDB is left out" in told


def test_a_command_that_is_stopped_leaves_nothing_behind(tmp_path):
    """Whoever ends a long run finds no folder and no database of it."""
    folder = tmp_path / "stores"
    folder.mkdir()
    command = [*COMMAND[:-1], "--store", "sqlite", "--folder", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        running.stderr.readline()  # it is at work
        running.terminate()
        running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM
    assert not list(folder.iterdir())


def test_nothing_of_the_machine_but_its_size_is_published(run):
    """Neither host names nor paths get into the files, and no store is left behind."""
    _, folder, into = run
    for file in into.iterdir():
        text = file.read_text("utf-8")
        assert str(folder) not in text
        assert str(ROOT) not in text
        assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text)
    assert not list(folder.iterdir())
