"""The same notice from many threads of many processes at once: one allocation, one hand-over."""

from __future__ import annotations

from . import seller


def test_a_notice_that_comes_twelve_times_is_served_once(common_crowd):
    """Four processes with four threads repeat each notice; each reply says accepted."""
    numbers = [f"N{number:03d}" for number in range(40)]
    common_crowd.stock("steam", 80)
    with seller.opened(common_crowd.folder) as engine:
        for number in numbers:
            engine.expect(seller.order("door", number, paid=False))
    lines = [f"door {number}" for number in numbers for _ in range(3)]
    common_crowd.send(lines, threads=4, times=4, mode="notice")
    answers = common_crowd.answers()
    assert len(answers) == 480
    assert {x["reply"] for x in answers} == {"accepted"}
    assert [x for x in answers if x["refused"]] == []
    receipts = common_crowd.check(answers, served=40)
    assert {len(x.cards) for x in receipts.values()} == {2}


def test_an_order_that_is_dispatched_noticed_and_resumed_at_once(common_crowd):
    """Whoever comes first, by whichever door: the others get the same answer."""
    numbers = [f"N{number:03d}" for number in range(40)]
    common_crowd.stock("steam", 80)
    with seller.opened(common_crowd.folder) as engine:
        for number in numbers:
            engine.reserve(seller.order("door", number, paid=False), ttl_s=600)
    lines = [f"door {number}" for number in numbers]
    common_crowd.send(lines, processes=2, mode="notice")
    common_crowd.send(lines, processes=2, mode="sell", seed=8)
    common_crowd.keep_resuming()
    common_crowd.wait_for(160)
    answers = common_crowd.answers()
    assert [x for x in answers if x["refused"]] == []
    common_crowd.check(answers, served=40)
