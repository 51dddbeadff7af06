"""Many processes buy for one shop at once: each order is bought for once, or waits with a reason."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.supply import process_child as child

from autocard import Outcome, Reason
from autocard.testing import FakeClock


@pytest.fixture(name="folder")
def _folder(tmp_path, shop_url):
    (tmp_path / "store").write_text(shop_url)
    with child.opened(tmp_path, create=True) as engine:
        engine.cards.add("by-lying", ["OLD-1"])
        engine.dispatch(child.order("lying-first", "by-lying"))
        engine.cards.add("gift", ["G-1", "G-2", "G-3"])
    yield tmp_path
    with child.opened(tmp_path) as engine:
        report = engine.ledger.verify()
        assert report.ok, report.faults


def _run(folder, mode, shares):
    """
    Let somebody work on each of *shares* at once; return all that they say.

    Processes where the store is a file; on a server it is all the same who has a connection, and
    threads begin at once.
    """
    if (folder / "store").read_text().startswith("sqlite"):
        return _run_processes(folder, mode, shares)
    with child.opened(folder) as one, child.opened(folder) as other, ThreadPoolExecutor(8) as pool:
        engines = ([one, other] * len(shares))[: len(shares)]
        told = pool.map(
            lambda *each: list(child.work(*each)), engines, [mode] * len(shares), shares
        )
        return [line for lines in told for line in lines]


def _run_processes(folder, mode, shares):
    done = subprocess.run(
        [sys.executable, child.__file__, str(folder), mode],
        input=json.dumps([list(share) for share in shares]), text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    told = [folder / f"told-{number}" for number in range(len(shares))]
    return [line for file in told for line in file.read_text().splitlines()]


def _each_once(folder):
    """Insist that no number was sold twice, and that no need was bought for after it was clear."""
    found = Counter(x["reference"] for x in child.sold(folder))
    assert not found or max(found.values()) == 1
    return found


def test_fifty_orders_at_once_are_bought_for_once_each(folder):
    """From one that is slow, one that lies and one that is down; each order comes twice."""
    names = ["slow"] * 20 + ["lying"] * 20 + ["down"] * 10
    numbers = [f"{name}-{i}" for i, name in enumerate(names)]
    shares = [[] for _ in range(8)]
    chance = random.Random(11)
    for number in numbers:
        for index in chance.sample(range(8), 2):
            shares[index].append(number)
    told = [line.split(" ") for line in _run(folder, "dispatch", shares)]
    assert not [line for line in told if line[1] == "error"]
    assert {line[0] for line in told} == set(numbers)
    clock = FakeClock(_later())
    with child.opened(folder, clock=clock) as engine:
        for _ in range(30):
            if not engine.resume().total:
                break
            clock.advance(1000)
        else:
            raise AssertionError("resume never comes to an end")
        receipts = {number: engine.receipt("shop", number) for number in numbers}
        _each_stands_as_it_should(engine, receipts)
        _each_line_was_sold_once(engine, folder, receipts)
    shown = {line[0]: line[3] for line in told if line[3] != "-"}
    for number, text in shown.items():
        assert [card.text().reveal() for card in receipts[number].cards] == [text]


def _later():
    return FakeClock().now().replace(year=2100)


def _each_stands_as_it_should(engine, receipts):
    stands = defaultdict(Counter)
    cards = Counter()
    for number, receipt in receipts.items():
        (line,) = receipt.lines
        stands[number.split("-")[0]][line.outcome, line.reason] += 1
        cards.update(card.text().reveal() for card in line.cards)
        assert line.why or line.outcome is Outcome.DELIVERED
    assert not cards or max(cards.values()) == 1
    assert not {"N/A", "OLD-1"} & set(cards)
    assert stands["slow"] == {(Outcome.DELIVERED, Reason.NONE): 20}
    assert stands["down"] == {(Outcome.HELD, Reason.SUPPLY): 10}
    assert set(stands["lying"]) <= {(Outcome.DELIVERED, Reason.NONE), (Outcome.HELD, Reason.SUPPLY)}
    # A card that should have been another's may not be the answer to all of them.
    held = engine.supply.purchases(state="held", limit=1000)
    assert len(held) == stands["lying"][Outcome.HELD, Reason.SUPPLY]
    assert {x.supplier for x in held} <= {"lying"}


def _each_line_was_sold_once(engine, folder, receipts):
    found = _each_once(folder)
    orders = Counter(
        x.order_no for x in engine.supply.purchases(limit=1000) if x.reference in found
    )
    wanted = {number for number in receipts if not number.startswith("down")}
    assert orders == dict.fromkeys(wanted, 1)


def test_eight_processes_that_see_low_stock_restock_it_once(folder):
    """All resume again and again, while one of them buys and all the others look."""
    with child.opened(folder) as engine:
        engine.dispatch(child.order("G", "gift"))
        assert engine.supply.restock(dry_run=True)[0].quantity == 5
    _run(folder, "resume", [range(6)] * 8)
    _each_once(folder)
    assert [x["quantity"] for x in child.sold(folder)] == [5]
    with child.opened(folder) as engine:
        assert sum(x.available for x in engine.cards.stock("gift")) == 7
        assert len(engine.supply.purchases()) == 1
