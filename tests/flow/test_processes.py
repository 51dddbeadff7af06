"""Many processes and threads sell from one stock: nobody fails, nothing is sold twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.flow import process_child as child

from autocard import Outcome, Reason

pytestmark = pytest.mark.long


@pytest.fixture(name="shop_folder")
def _shop_folder(tmp_path, shop_url):
    (tmp_path / "store").write_text(shop_url)
    child.opened(tmp_path, create=True).close()
    yield tmp_path
    with child.opened(tmp_path) as engine:
        report = engine.ledger.verify()
        assert report.ok, report.faults


def _stock(folder, start, count):
    with child.opened(folder) as engine:
        assert engine.cards.add("steam", _texts(start, count)).added == count


def _texts(start, count):
    return [f"STEAM-{number:06d}" for number in range(start, start + count)]


def _start(folder, numbers, mode="dispatch"):
    """Start a process that dispatches *numbers*; what it says goes to a file."""
    orders = folder / f"orders-{len(list(folder.iterdir()))}.in"
    orders.write_text("".join(f"{number}\n" for number in numbers))
    with orders.open("rb") as said, orders.with_suffix(".out").open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, child.__file__, str(folder), mode], stdin=said, stdout=told
        )
    return process, orders.with_suffix(".out")


def _answers(outputs):
    """Return what each order was answered, over all processes; no caller saw an error."""
    answers = defaultdict(set)
    for output in outputs:
        for line in output.read_text().splitlines():
            number, outcome, cards = [*line.split(" ", 2), "", ""][:3]
            assert outcome in {"delivered", "pending"}, line
            answers[number].add((outcome, cards))
    return answers


def _cards(answers):
    """Return the cards by order: each order was answered with one card only, each card once."""
    found = {}
    for number, each in answers.items():
        shown = {cards for _, cards in each if cards}
        assert len(shown) <= 1, f"{number} was shown {shown}"
        for cards in shown:
            found[number] = cards
    assert len(set(found.values())) == len(found), "one card was shown for two orders"
    return found


def test_eight_processes_sell_what_there_is_and_no_more(shop_folder):
    """2,000 orders, each sent twice, of 1,500 cards: 1,500 are served, 500 wait, then all are."""
    _stock(shop_folder, 0, 1500)
    numbers = [f"N{number:04d}" for number in range(2000)]
    shares = [[] for _ in range(8)]
    chance = random.Random(7)
    for number in numbers:
        for index in chance.sample(range(8), 2):  # two different processes
            shares[index].append(number)
    for share in shares:
        chance.shuffle(share)
    running = [_start(shop_folder, share) for share in shares]
    assert [process.wait(timeout=200) for process, _ in running] == [0] * 8
    answers = _answers(output for _, output in running)
    assert set(answers) == set(numbers)
    assert len(_cards(answers)) == 1500
    waiting = [n for n, each in answers.items() if {x for x, _ in each} == {"pending"}]
    assert len(waiting) == 500
    with child.opened(shop_folder) as engine:
        assert len(engine.orders(outcome=Outcome.PENDING, limit=3000)) == 500
        assert engine.cards.add("steam", _texts(1500, 500)).added == 500
        receipts = [engine.dispatch(child.order(number)) for number in numbers]
        assert all(x.replayed and x.outcome is Outcome.DELIVERED for x in receipts)
        texts = {card.text().reveal() for x in receipts for card in x.cards}
        assert texts == set(_texts(0, 2000))
        before = _cards(answers)
        for receipt in receipts:
            (card,) = receipt.cards
            assert before.get(receipt.order_no, card.text().reveal()) == card.text().reveal()


def test_killed_processes_leave_their_work_to_others(shop_folder):
    """SIGKILL in the middle loses nothing: whoever sends the orders again gets the same cards."""
    _stock(shop_folder, 0, 400)
    numbers = [f"N{number:04d}" for number in range(400)]
    victims = [_start(shop_folder, numbers[index::4]) for index in range(4)]
    deadline = time.monotonic() + 60
    for process, output in victims:
        while output.stat().st_size < 500 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    codes = [process.wait(timeout=60) for process, _ in victims]
    assert -signal.SIGKILL in codes
    others = [_start(shop_folder, numbers[index:] + numbers[:index]) for index in (0, 200)]
    assert [process.wait(timeout=200) for process, _ in others] == [0, 0]
    for _, output in victims:
        _drop_torn_line(output)
    answers = _answers(output for _, output in [*victims, *others])
    assert set(_cards(answers).values()) == set(_texts(0, 400))


def _drop_torn_line(output):
    whole, _, _ = output.read_text().rpartition("\n")
    output.write_text(whole)


def test_a_forked_child_may_use_the_engine_of_its_parent(shop_folder):
    """After a fork parent and children go on with one engine, in threads too."""
    _stock(shop_folder, 0, 200)
    process, output = _start(shop_folder, [], "fork")
    assert process.wait(timeout=120) == 0
    found = _cards(_answers([output]))
    assert len(found) == 2 + 7 * 20 + 10


def test_threads_share_one_engine(shop_folder):
    """Eight threads dispatch the same orders on one engine; each order has its one card."""
    _stock(shop_folder, 0, 60)
    with child.opened(shop_folder) as engine, ThreadPoolExecutor(8) as threads:
        numbers = [f"N{number}" for number in range(80)] * 2
        random.Random(3).shuffle(numbers)
        told = list(threads.map(lambda number: child.dispatch(engine, number), numbers))
        output = shop_folder / "told"
        output.write_text("\n".join(told))
        assert len(_cards(_answers([output]))) == 60
        (level,) = engine.cards.stock()
        assert (level.available, level.delivered) == (0, 60)


def test_ten_threads_with_one_order_make_one_allocation(shop_folder):
    """The same order ten times at the same moment takes its cards once."""
    _stock(shop_folder, 0, 30)
    together = threading.Barrier(10)
    with child.opened(shop_folder) as engine:

        def send(_):
            together.wait()
            return engine.dispatch(child.order("A1", 3))

        with ThreadPoolExecutor(10) as threads:
            receipts = list(threads.map(send, range(10)))
        assert sum(not receipt.replayed for receipt in receipts) == 1
        assert len({tuple(x.text().reveal() for x in r.cards) for r in receipts}) == 1
        assert engine.cards.stock()[0].delivered == 3
        assert [x.kind for x in engine.ledger.events()].count("line.delivered") == 1


def test_a_wait_that_ends_is_no_loss(shop_folder):
    """Orders that came in through several processes wait in the order they were accepted."""
    first, second = (_start(shop_folder, [f"{name}{i}" for i in range(20)]) for name in "AB")
    assert [x.wait(timeout=60) for x, _ in (first, second)] == [0, 0]
    with child.opened(shop_folder) as engine:
        waiting = engine.orders(outcome=Outcome.PENDING, limit=100)
        assert {x.lines[0].reason for x in waiting} == {Reason.SHORT}
        engine.cards.add("steam", _texts(0, 15))
        served = {x.order_no for x in engine.orders(outcome=Outcome.DELIVERED)}
        assert served == {x.order_no for x in waiting[::-1][:15]}
