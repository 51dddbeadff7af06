"""What is old leaves for sealed files; nothing that a host can ask for changes by it."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs
import pytest

from autocard import (
    ConfigurationError,
    IllegalTransition,
    InvalidOrder,
    OrderArchived,
    OrderNotFound,
    Outcome,
    Reason,
    SealError,
)


class TestArchive:
    def test_what_is_finished_leaves_and_what_is_told_stays(self, shop, engine):
        """Receipts, stock and orders are as before; the books agree."""
        shop.live(engine)
        before = shop.shown(engine)
        events = engine.ledger.events(limit=10_000)
        report = shop.archive(engine, why="year end")
        assert shop.shown(engine) == before
        assert engine.ledger.verify().ok
        (archive,) = report.archives
        assert (archive.orders, archive.intents, archive.is_finished) == (3, 1, True)
        assert archive.events > 0
        assert archive.movements > 0
        assert report.cleared == archive.total == report.total
        assert engine.ledger.archives() == [archive]
        assert (archive.by, archive.why, archive.size) == ("ann", "year end", _size(shop))
        left = engine.ledger.events(limit=10_000)
        gone = [x for x in engine.ledger.open_archive(shop.files()[0]) if x.kind == "event"]
        kept = {x.id for x in left}
        assert {x.id for x in gone} | kept >= {x.id for x in events}
        assert not {x.id for x in gone} & kept

    def test_nothing_old_makes_no_file(self, shop, engine):
        """A store without old records is left alone, and so is the folder."""
        shop.stock(engine, 2)
        engine.dispatch(shop.order("A1"))
        report = shop.archive(engine)
        assert (report.total, report.cleared, report.archives) == (0, 0, ())
        assert shop.files() == []
        assert engine.ledger.archives() == []

    def test_archiving_again_finds_nothing(self, shop, engine):
        """What has left does not leave twice."""
        shop.live(engine)
        shop.archive(engine)
        assert shop.archive(engine).total == 0
        assert len(shop.files()) == 1

    def test_the_same_order_again_gets_the_same_cards(self, shop, engine):
        """Exactly once holds without the payload: by number and digest."""
        shop.live(engine)
        first = engine.receipt("till", "A1")
        shop.archive(engine)
        again = engine.dispatch(shop.order("A1", 2, reference="p2"))
        assert (again.cards, again.replayed) == (first.cards, True)
        with pytest.raises(Exception, match="other lines"):
            engine.dispatch(shop.order("A1", 3))

    def test_live_orders_go_on_as_if_nothing_had_happened(self, shop, engine):
        """Waiting, held and reserved orders keep everything they need."""
        shop.live(engine)
        shop.pass_days(10)
        shop.archive(engine)
        shop.stock(engine, 120, start=100)
        assert len(engine.receipt("till", "W1").cards) == 99
        assert len(engine.dispatch(shop.order("R1", 3)).cards) == 3
        engine.review.approve("till", "H1", by="ann", sku="steam")
        assert len(engine.receipt("till", "H1").cards) == 1

    def test_ids_of_events_are_never_given_twice(self, shop, engine):
        """Who pages through events sees every new one, though the old ones are gone."""
        shop.live(engine)
        shop.pass_days()
        engine.ledger.archive(shop.clock.now() - timedelta(seconds=1), to=shop.to, by="ann")
        last = engine.ledger.events(limit=10_000)[-1].id
        shop.archive(engine, days=0.00001)
        engine.dispatch(shop.order("N3"))
        assert [x.kind for x in engine.ledger.events(after=last)][-1] == "line.delivered"

    def test_many_records_go_into_several_files(self, shop, engine, monkeypatch):
        """A file is not longer than it should be; each order is whole in one of them."""
        monkeypatch.setattr("autocard.archiving.making.MOST", 1)
        monkeypatch.setattr("autocard.archiving.making.AT_ONCE", 2)
        monkeypatch.setattr("autocard.store.old.PAGE", 2)
        shop.live(engine)
        before = shop.shown(engine)
        report = shop.archive(engine)
        assert len(report.archives) > 2
        assert shop.shown(engine) == before
        for path in shop.files():
            found = list(engine.ledger.open_archive(path))
            orders = {x.order_no for x in found if x.kind == "order"}
            told = {x.order_no for x in found if x.kind == "event" and x.order_no}
            assert orders == told or not orders

    @pytest.mark.parametrize("by", ["", "ann"])
    def test_what_cannot_be_is_refused_before_anything_is_read(self, shop, engine, by):
        """A moment that is not past, a nameless operator, a folder that is not there."""
        if not by:
            with pytest.raises(InvalidOrder, match="by: "):
                shop.archive(engine, by=by)
            return
        with pytest.raises(InvalidOrder, match="past"):
            shop.archive(engine, days=-1)
        with pytest.raises(ValueError, match="time zone"):
            engine.ledger.archive(datetime(2020, 1, 1), to=shop.to, by=by)  # noqa: DTZ001 - meant
        with pytest.raises(ConfigurationError, match="make it first"):
            shop.archive(engine, to=shop.folder / "nowhere")

    def test_an_order_that_moves_on_meanwhile_stays(self, shop, engine, monkeypatch):
        """What happens between writing and clearing is not lost: the order keeps everything."""
        from autocard.archiving import making

        shop.live(engine)
        check = making.Archivist._check

        def disturb(self, archive):
            check(self, archive)
            engine.review.resend("push", "P1", by="ann", why="lost")
            engine.dispatch(shop.order("C1"))

        monkeypatch.setattr(making.Archivist, "_check", disturb)
        report = shop.archive(engine)
        assert report.archives[0].orders == 3
        assert report.cleared < report.total
        kinds = [x.kind for x in engine.ledger.events(platform="push", order_no="P1")]
        assert "line.resent" in kinds
        assert engine.receipt("till", "C1").lines[0].reason is Reason.CANCELLED
        engine.review.resend("push", "P1", by="ann", why="once more")

    @pytest.mark.parametrize("moment", ["_filled", "_check", "_let_it_count", "_clear"])
    def test_a_second_run_takes_over_from_the_first(self, shop, engine, monkeypatch, moment):
        """Wherever the first one is, each record ends in one archive, and one file is left."""
        from autocard.archiving import making

        shop.live(engine)
        before = shop.shown(engine)
        act = getattr(making.Archivist, moment)
        second = []

        def interrupted(self, archive, *more):
            if not second:
                second.append(None)
                second[0] = shop.archive(engine, by="second")
            return act(self, archive, *more)

        monkeypatch.setattr(making.Archivist, moment, interrupted)
        if moment == "_clear":  # what counts is cleared by whoever comes; the first has less to do
            shop.archive(engine, by="first")
        else:
            with pytest.raises(IllegalTransition, match="another run"):
                shop.archive(engine, by="first")
        monkeypatch.undo()
        assert second[0].total > 0
        assert shop.shown(engine) == before
        names = [x.name for x in engine.ledger.archives()]
        assert [x.name for x in shop.files()] == sorted(names)
        archived = shop.archived(engine)
        assert len(archived) == len(set(archived))

    def test_a_file_that_is_written_while_it_is_taken_over(self, shop, engine, monkeypatch):
        """The first finds its file gone, and says why."""
        from autocard.archiving import making

        shop.live(engine)
        add = making.ArchiveWriter.finish
        second = []

        def interrupted(self):
            if not second:
                second.append(None)
                second[0] = shop.archive(engine, by="second")
            return add(self)

        monkeypatch.setattr(making.ArchiveWriter, "finish", interrupted)
        with pytest.raises(IllegalTransition, match="another run"):
            shop.archive(engine, by="first")
        assert [x.name for x in shop.files()] == [x.name for x in engine.ledger.archives()]


class TestNeedsThePayload:
    def test_resending_says_what_to_do_first(self, shop, engine):
        """The message names the archive; after restoring it works as before."""
        shop.live(engine)
        shop.archive(engine)
        (archive,) = engine.ledger.archives()
        with pytest.raises(OrderArchived, match=archive.name) as caught:
            engine.review.resend("push", "P1", by="ann", why="lost")
        assert caught.value.archive == archive.name
        engine.ledger.restore(shop.to / archive.name, "push", "P1", by="ann", why="lost")
        sent = shop.script.calls
        engine.review.resend("push", "P1", by="ann", why="lost")
        assert shop.script.calls > sent

    def test_a_late_payment_with_its_lines_is_served(self, shop, engine):
        """A reservation that lapsed long ago and is paid now gets cards, as without archives."""
        shop.stock(engine, 3)
        engine.reserve(shop.order("L1", paid=False), ttl_s=60)
        shop.pass_days()
        engine.resume()
        shop.pass_days()
        assert shop.archive(engine).archives[0].orders == 1
        assert len(engine.dispatch(shop.order("L1")).cards) == 1
        kinds = [x.kind for x in engine.ledger.events(platform="till", order_no="L1")]
        assert "order.restored" in kinds

    def test_a_late_payment_without_lines_waits_for_a_person(self, shop, engine):
        """It is HELD, says which archive to restore from, and is served after that."""
        shop.stock(engine, 3)
        engine.reserve(shop.order("L1", paid=False), ttl_s=60)
        shop.pass_days()
        engine.resume()
        shop.pass_days()
        shop.archive(engine)
        (archive,) = engine.ledger.archives()
        paid = attrs.evolve(shop.order("L1", reference="late"), lines=())
        line = engine._flow.dispatch(paid).lines[0]
        assert (line.outcome, line.reason) == (Outcome.HELD, Reason.EXPIRED)
        assert archive.name in line.why
        assert [x.order_no for x in engine.review.pending()] == ["L1"]
        assert engine._flow.dispatch(paid).replayed
        with pytest.raises(OrderArchived):
            engine.review.approve("till", "L1", by="ann")
        engine.ledger.restore(shop.to / archive.name, "till", "L1", by="ann")
        assert len(engine.review.approve("till", "L1", by="ann").cards) == 1
        stored = engine._flow.pool.order("till", "L1")
        assert engine._flow.vault.open_order(stored).payment.reference == "late"


class TestRestore:
    def test_it_is_what_it_was(self, shop, engine):
        """Payload and intents are back, an event says who did it, and the books agree."""
        shop.live(engine)
        pool, vault = engine._flow.pool, engine._flow.vault
        before = {name: vault.open_order(pool.order(*name)) for name in shop.NUMBERS}
        shop.archive(engine)
        (archive,) = engine.ledger.archives()
        for name in shop.NUMBERS[:3]:
            receipt = attrs.evolve(engine.receipt(*name), replayed=False)
            assert engine.ledger.restore(shop.to / archive.name, *name, by="li") == receipt
            assert vault.open_order(pool.order(*name)) == before[name]
            (told,) = engine.ledger.events(platform=name[0], order_no=name[1])
            assert (told.kind, told.detail["by"]) == ("order.restored", "li")
        assert engine.ledger.verify().ok
        shop.pass_days(2)
        again = shop.archive(engine).archives[0]
        assert again.orders >= 3  # nothing happened to them for as long as to others
        assert engine.ledger.verify().ok

    def test_what_cannot_be_restored(self, shop, engine):
        """Unknown, not archived, or in another archive: each is said."""
        shop.live(engine)
        shop.archive(engine)
        path = shop.files()[0]
        with pytest.raises(OrderNotFound):
            engine.ledger.restore(path, "till", "X9", by="ann")
        with pytest.raises(IllegalTransition, match="in no archive"):
            engine.ledger.restore(path, "till", "N1", by="ann")
        with pytest.raises(InvalidOrder, match="by: "):
            engine.ledger.restore(path, "till", "A1", by="")
        shop.pass_days()
        shop.archive(engine)
        other = next(x for x in shop.files() if x != path)
        with pytest.raises(IllegalTransition, match=path.name):
            engine.ledger.restore(other, "till", "A1", by="ann")


def _size(shop):
    return sum(path.stat().st_size for path in shop.files())


def test_verify_misses_an_archive(shop, engine, stores):
    """An order whose archive the books do not know, or whose payload is gone, is told of."""
    shop.live(engine)
    shop.archive(engine)
    stores.run(shop.url, "DELETE FROM autocard_archives")
    assert any("do not have" in x for x in engine.ledger.verify().faults)
    stores.run(shop.url, "UPDATE autocard_orders SET archive = NULL")
    assert any("no payload" in x for x in engine.ledger.verify().faults)
    engine.close()


def test_a_file_of_another_store_does_not_open(shop, engine, new_url, tmp_path):
    """Its seal is not ours."""
    shop.live(engine)
    shop.archive(engine)
    folder = tmp_path / "other"
    folder.mkdir()
    other = type(shop)(folder, new_url())
    with pytest.raises(SealError):
        other.open().ledger.open_archive(shop.files()[0])
    other.engines[0].close()
