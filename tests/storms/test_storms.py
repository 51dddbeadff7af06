"""The database fails in the middle of traffic: hosts wait or call again, and each order is served once."""

from __future__ import annotations

import threading
import time

import pytest

from autocard import Outcome, StoreUnavailable

from . import seller

ORDERS = [f"{'door' if number % 3 == 0 else 'till'} N{number:04d}" for number in range(300)]


class TestConnections:
    def test_connections_are_killed_again_and_again(self, crowd, server):
        """Every tenth of a second all connections are cut; whoever calls again is served once."""
        crowd.stock("steam", 2 * len(ORDERS))
        sent = crowd.send(ORDERS)
        crowd.keep_resuming()
        cut = 0
        while crowd.answered() < sent:
            cut += server.cut_connections()
            time.sleep(0.1)
        answers = crowd.answers()
        assert cut >= 3, "nothing was disturbed"
        crowd.check(answers, served=len(ORDERS))

    def test_what_was_cut_off_is_one_documented_error(self, crowd, server):
        """Without patience the host is told `StoreUnavailable`, in a few plain sentences."""
        crowd.use("?wait_s=0")
        crowd.stock("steam", 2 * len(ORDERS))
        sent = crowd.send(ORDERS)
        while crowd.answered() < sent:
            server.cut_connections()
            time.sleep(0.05)
        answers = crowd.answers()
        crowd.check(answers, served=len(ORDERS))
        words = {text.partition(" (")[0] for x in answers for text in x["refused"]}
        assert words, "nobody was refused anything"
        assert all(
            word.startswith(
                (
                    "the database broke the connection off",
                    "the database cannot be reached",
                    "the connection broke during the commit",
                    "the database is busy",
                )
            )
            for word in words
        ), words


class TestServers:
    def test_the_server_stops_dies_and_comes_back(self, crowd, server):
        """It shuts down for seconds, dies without a word and restarts; nothing is lost or doubled."""
        crowd.stock("steam", 2 * len(ORDERS))
        sent = crowd.send(ORDERS)
        crowd.keep_resuming()
        crowd.wait_for(sent // 8)
        server.stop()
        time.sleep(2)
        server.start()
        for share in (3, 5):
            crowd.wait_for(sent * share // 8)
            server.kill()
            server.start()
        crowd.wait_for(sent * 6 // 8)
        server.stop()
        server.start()
        crowd.check(crowd.answers(), served=len(ORDERS))

    def test_a_server_that_is_gone_is_told_in_time(self, crowd, server):
        """As long as there is none the host hears of it after `wait_s`, and is served afterwards."""
        crowd.use("?wait_s=0.5")
        crowd.stock("steam", 4)
        with seller.opened(crowd.folder) as engine:
            engine.dispatch(seller.order("till", "N1"))
            server.stop()
            try:
                begun = time.monotonic()
                for call in (
                    lambda: engine.dispatch(seller.order("till", "N2")),
                    lambda: engine.dispatch_many([seller.order("till", "N2")]),
                    lambda: engine.receipt("till", "N1"),
                    engine.cards.stock,
                    engine.resume,
                ):
                    with pytest.raises(StoreUnavailable, match=r"cannot be reached|broke"):
                        call()
                assert time.monotonic() - begun < 20
                with pytest.raises(StoreUnavailable):
                    seller.opened(crowd.folder)
            finally:
                server.start()
            assert engine.dispatch(seller.order("till", "N1")).replayed
            assert engine.dispatch(seller.order("till", "N2")).outcome is Outcome.DELIVERED

    def test_a_server_that_freezes_and_thaws(self, crowd, server):
        """One that answers nothing for two seconds delays orders; it costs no error."""
        crowd.stock("steam", 2 * len(ORDERS))
        sent = crowd.send(ORDERS)
        crowd.wait_for(sent // 4)
        with server.frozen():
            time.sleep(2)
        answers = crowd.answers()
        assert [x for x in answers if x["refused"]] == []
        crowd.check(answers, served=len(ORDERS))


class TestLocks:
    def test_the_victim_of_a_deadlock_is_made_again(self, crowd, server):
        """Another program and an order wait for each other; the order loses, and is served."""
        crowd.stock("psn", 2)
        crowd.stock("steam", 2)
        with seller.opened(crowd.folder) as engine, server.rival() as rival:
            before = server.deadlocks()
            order = seller.order("till", "M1", items=("steam", "psn"))
            rival.lock("psn")
            receipts = []
            call = threading.Thread(target=lambda: receipts.append(engine.dispatch(order)))
            call.start()
            server.wait_until_somebody_waits()
            rival.lock("steam")  # which the order has taken
            rival.give_up()
            call.join(timeout=60)
            (receipt,) = receipts
            assert receipt.outcome is Outcome.DELIVERED
            assert len(receipt.cards) == 4
            assert server.deadlocks() > before
            report = engine.ledger.verify()
            assert report.ok, report.faults

    def test_orders_that_want_the_last_cards_of_each_other(self, crowd, server):
        """Lines in opposite order, stock for half of them: nobody fails, no card is left or doubled."""
        numbers = [f"N{number:03d}" for number in range(120)]
        crowd.stock("psn", 120)
        crowd.stock("steam", 120)
        failures, receipts = [], []

        def buy(engine, items, part):
            for number in part:
                try:
                    order = seller.order("till", f"{items[0]}-{number}", items=items)
                    receipts.append(engine.dispatch(order))
                except Exception as error:  # noqa: BLE001 - whatever it is, it must not be
                    failures.append(error)

        with seller.opened(crowd.folder) as engine:
            threads = [
                threading.Thread(target=buy, args=(engine, items, numbers[start::4]))
                for items in (("psn", "steam"), ("steam", "psn"))
                for start in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert failures == []
            assert len(receipts) == 240
            cards = [card.text().reveal() for x in receipts for card in x.cards]
            assert len(set(cards)) == len(cards) == 240
            report = engine.ledger.verify()
            assert report.ok, report.faults

    def test_a_rival_that_holds_on_is_waited_for(self, crowd, server):
        """A row that stays locked costs `StoreUnavailable` after `wait_s`; then it is served."""
        crowd.use("?wait_s=1")
        crowd.stock("steam", 2)
        with seller.opened(crowd.folder) as engine, server.rival() as rival:
            rival.lock("steam")
            with pytest.raises(StoreUnavailable, match="busy"):
                engine.dispatch(seller.order("till", "N1"))
            assert engine.receipt("till", "N1") is None
            rival.give_up()
            assert engine.dispatch(seller.order("till", "N1")).outcome is Outcome.DELIVERED

    @pytest.mark.parametrize("server", ["postgresql"], indirect=True)
    def test_serialization_failures_are_made_again(self, crowd, server):
        """Where the database serializes strictly, what it refuses is tried again by itself."""
        server.serialize()
        crowd.stock("steam", 2 * len(ORDERS))
        crowd.send(ORDERS)
        crowd.keep_resuming()
        answers = crowd.answers()
        assert [x for x in answers if x["refused"]] == []
        crowd.check(answers, served=len(ORDERS))


class TestShortStock:
    def test_no_more_is_sold_than_there_is_while_connections_are_killed(self, crowd, server):
        """Stock for two thirds of the orders: so many are served, the others wait in their turn."""
        crowd.stock("steam", 400)
        sent = crowd.send(ORDERS)
        while crowd.answered() < sent:
            server.cut_connections()
            time.sleep(0.2)
        answers = crowd.answers()
        receipts = crowd.check(answers, served=200)
        waiting = [x for x in receipts.values() if x.outcome is Outcome.PENDING]
        assert len(waiting) == 100
        with seller.opened(crowd.folder) as engine:
            assert (
                engine.cards.add("steam", [f"more-{number}" for number in range(200)]).added == 200
            )
        crowd.check(answers, served=300)
