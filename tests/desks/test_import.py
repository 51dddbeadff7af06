"""Cards come in from every kind of source; every row gets a verdict; nothing comes in twice."""

from __future__ import annotations

import io
import json
import random
import threading
import tracemalloc
import zipfile
from datetime import timedelta

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autocard import (
    AutocardError,
    ConfigurationError,
    Money,
    Outcome,
    StoreUnavailable,
    UnreadableSource,
)
from autocard.desks import pacing
from autocard.desks.intake import Intake
from autocard.desks.pacing import Pace
from autocard.importing.values import ReadOptions
from autocard.testing import MemoryPool

THREE = ["AAAA-1", "BBBB-2", "CCCC-3"]
LINES = "".join(f"{x}\r\n" for x in THREE)


def verdicts(report):
    return [(row.line, str(row.verdict)) for row in report.rows()]


def workbook():
    book = openpyxl.Workbook()
    for row in [["卡号", "密码"], *([f"N{i}", x] for i, x in enumerate(THREE))]:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, data in members.items():
            packed.writestr(name.replace("__", "."), data)
    return file.getvalue()


FILES = {
    "cards.txt": LINES.encode(),
    "cards-gbk.txt": "".join(f"{x}----密码{x}\n" for x in THREE).encode("gbk"),
    "cards.csv": ("card_number,password\n" + "".join(f"N,{x}\n" for x in THREE)).encode(),
    "cards.xlsx": workbook(),
    "cards.zip": archive(a__txt=LINES, b__txt="DDDD-4\n"),
    "cards.jsonl": "".join(json.dumps({"secret": x}) + "\n" for x in THREE).encode(),
    "cards.json": json.dumps([{"secret": x} for x in THREE]).encode(),
}


class TestSources:
    @pytest.fixture(name="store_kind")
    def _store_kind(self):
        """Reading is the same for every kind of store."""
        return "sqlite"

    @pytest.mark.parametrize("name", FILES)
    def test_files_of_every_kind(self, shop, cards, name):
        """What a file is, is found out; every row is in stock afterwards."""
        report = cards.add("steam", shop.path(name, FILES[name]))
        count = 4 if name == "cards.zip" else 3
        assert (report.added, report.rejected, report.batch) == (count, 0, 1)
        assert report.detected
        assert cards.stock("steam")[0].available == count
        assert cards.find("zzzz") is None

    def test_the_original_text_comes_back_unchanged(self, shop, cards, texts):
        """A buyer gets what the supplier sent, Chinese characters and all."""
        cards.add("steam", shop.path("x.txt", FILES["cards-gbk.txt"]))
        assert texts() == [f"{x}----密码{x}" for x in THREE]

    @pytest.mark.parametrize(
        "source",
        [
            lambda: THREE,
            lambda: iter(THREE),
            lambda: (x for x in THREE),
            lambda: [{"secret": x} for x in THREE],
            lambda: io.BytesIO(LINES.encode()),
            lambda: io.StringIO(LINES),
            lambda: io.BytesIO(FILES["cards.xlsx"]),
        ],
    )
    def test_lists_and_file_objects(self, cards, source):
        """Whatever gives lines, mappings or bytes is a source; a file stays open."""
        given_ = source()
        assert cards.add("steam", given_).added == 3
        if hasattr(given_, "closed"):
            assert not given_.closed

    def test_columns_may_be_named_by_the_operator(self, shop, engine, cards):
        """A table nobody would guess is read as it is said to be."""
        path = shop.path("odd.csv", b"kex,foo\nS-1,N-1\nS-2,N-2\n")
        reading = ReadOptions(columns={"secret": "kex", "number": "foo"}, header=True)
        assert cards.add("steam", path, reading=reading).added == 2
        (card,) = shop.buy(engine, "A1").cards
        assert (card.secret.reveal(), card.number) == ("S-1", "N-1")

    def test_a_source_that_cannot_be_read(self, shop, cards):
        """It is refused as a whole, and the error holds no card and no frame that does."""
        broken = shop.path("x.xlsx", FILES["cards.xlsx"][:400])
        with pytest.raises(UnreadableSource) as caught:
            cards.add("steam", broken)
        assert caught.value.__context__ is None
        frames = []
        trace = caught.value.__traceback__
        while trace:
            frames.append(trace.tb_frame.f_code.co_filename)
            trace = trace.tb_next
        assert not [x for x in frames if "importing" in x]
        assert cards.stock() == []


class TestVerdicts:
    def test_every_row_is_told_of(self, shop, engine, cards):
        """Added, repeated, in stock, sold, voided, malformed: each with its line."""
        cards.add("steam", ["sold", "void", "stock"])
        shop.buy(engine, "A1")
        cards.void(cards.find("void").id, by="ann", why="shown")
        report = cards.add(
            "steam", shop.path("x.txt", b"new\nsold\n\nvoid\nstock\nnew\nbad\x07\nother\n")
        )
        assert verdicts(report) == [
            (1, "added"), (2, "sold"), (4, "voided"), (5, "in_stock"), (6, "duplicate_in_file"),
            (7, "malformed"), (8, "added"),
        ]  # fmt: skip
        assert (report.added, report.rejected, report.total) == (2, 5, 7)
        whys = {row.line: row.why for row in report.problems}
        assert whys[2] == "it came with batch 1"
        assert whys[6] == "the same card as on line 1"
        assert "void" not in {row.shown for row in report.problems}

    def test_a_card_repeated_in_a_later_chunk(self, cards):
        """Chunks do not hide repetitions, whether looking or storing."""
        lines = [f"card {i}" for i in range(2_000)] + ["card 7", "card 2000"]
        for add in (cards.preview, cards.add):
            report = add("steam", lines)
            assert (report.added, report.duplicate_in_file) == (2_001, 1)
            (problem,) = report.problems
            assert (problem.line, problem.why) == (2_001, "the same card as on an earlier line")

    def test_the_same_card_under_another_sku(self, cards):
        """A card exists once, whatever it is said to be."""
        cards.add("steam", ["one"])
        assert cards.add("psn", ["one"]).in_stock == 1

    def test_nothing_new_makes_no_batch(self, engine, cards):
        """An import that brings nothing leaves nothing behind."""
        cards.add("steam", THREE)
        before = engine.ledger.events()
        report = cards.add("steam", THREE)
        assert (report.batch, report.in_stock) == (None, 3)
        assert cards.add("steam", []).total == 0
        assert len(cards.batches()) == 1
        assert engine.ledger.events() == before


class TestExpiry:
    def test_rows_may_say_when_they_expire(self, shop, cards):
        """A row's own expiry counts before the one of the whole import."""
        later = shop.clock.now() + timedelta(days=30)
        path = shop.path("x.csv", b"password,expires_at\nAAAA1,2030-01-02\nBBBB2,\n")
        cards.add("steam", path, expires_at=later)
        assert cards.find("BBBB2").expires_at == later
        assert cards.find("AAAA1").expires_at.year == 2030

    def test_what_has_expired_does_not_come_in(self, shop, cards):
        """A dead card is a row with a problem, by its own date or by that of the import."""
        path = shop.path("x.csv", b"password,expires_at\nAAAA1,2020-01-02\nBBBB2,2030-01-01\n")
        report = cards.add("steam", path)
        assert (report.added, report.malformed) == (1, 1)
        assert report.problems[0].why == "it has expired"
        assert cards.add("psn", THREE, expires_at=shop.clock.now()).malformed == 3
        assert cards.batches("psn") == []

    def test_a_time_without_a_zone_is_refused(self, shop, cards):
        """The field is named."""
        with pytest.raises(ConfigurationError, match="expires_at"):
            cards.add("steam", THREE, expires_at=shop.clock.now().replace(tzinfo=None))


class TestSettings:
    @pytest.fixture(name="store_kind")
    def _store_kind(self):
        """Reading is the same for every kind of store."""
        return "sqlite"

    def test_unknown_names_come_with_close_ones(self, cards):
        """A misspelt sku or format is told with what may have been meant."""
        with pytest.raises(ConfigurationError, match=r"'steem'.*steam"):
            cards.add("steem", THREE)
        with pytest.raises(ConfigurationError, match="'steam'"):
            cards.add("steam", THREE, format="staem")
        assert cards.stock() == []

    def test_provenance_where_it_is_required(self, shop):
        """Without saying where cards come from they do not come in."""
        engine = shop.open(
            require_provenance=True, skus={"steam": {}, "psn": {"require_provenance": False}}
        )
        for missing in ("", "  "):
            with pytest.raises(ConfigurationError, match="provenance"):
                engine.cards.add("steam", THREE, provenance=missing)
        assert engine.cards.add("psn", ["p"]).added == 1
        assert engine.cards.add("steam", THREE, provenance="invoice 7").added == 3
        assert engine.cards.batches("steam")[0].provenance == "invoice 7"

    @pytest.mark.parametrize(
        ("cost", "kept"),
        [
            ("46.50", Money("46.50", "CNY")), (" 46.5 ", Money("46.50", "CNY")),
            ("46.50 USD", Money("46.50", "USD")), (Money("1", "JPY"), Money("1", "JPY")),
            (None, None),
        ],
    )  # fmt: skip
    def test_cost_with_and_without_currency(self, cards, cost, kept):
        """A bare number is in the currency of the settings."""
        cards.add("steam", THREE, cost=cost)
        assert cards.batches()[0].cost == kept

    @pytest.mark.parametrize(
        "cost",
        ["much", "1.234", "1 2 3", "", "46.50 cny", "-1", "-1 CNY", Money("-1", "CNY"), 5, 4.5],
    )
    def test_a_cost_that_cannot_be(self, cards, cost):
        """The message shows how to write it."""
        with pytest.raises(ConfigurationError, match=r"cost: .*46[.]50 CNY"):
            cards.add("steam", THREE, cost=cost)

    @pytest.mark.parametrize("field", ["supplier", "provenance", "imported_by", "warehouse"])
    @pytest.mark.parametrize("value", [None, 5, b"main"])
    def test_what_must_be_text_is_named(self, cards, field, value):
        """Before anything is read."""
        with pytest.raises(ConfigurationError, match=f"{field}: must be text"):
            cards.add("steam", THREE, **{field: value})

    @pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
    def test_a_warehouse_needs_a_name(self, cards, name):
        """An unusable name is refused before anything is read."""
        with pytest.raises(ConfigurationError, match="warehouse"):
            cards.add("steam", THREE, warehouse=name)

    def test_auto_guesses_the_format_and_says_so(self, cards):
        """What was guessed stands in the report and in the batch."""
        report = cards.add("steam", ["AAAAA-BBBBB-CCCCC", "DDDDD-EEEEE-FFFFF"], format="auto")
        assert f"format guessed: {report.format}" in report.detected
        assert cards.batches()[0].format == report.format
        assert report.added == 2

    def test_formats_are_listed_by_name(self, cards):
        """What can be chosen is sorted."""
        names = [x.name for x in cards.formats()]
        assert names == sorted(names)
        assert {"steam", "opaque"} <= set(names)


class TestPreview:
    @pytest.fixture(name="store_kind")
    def _store_kind(self):
        """Reading is the same for every kind of store."""
        return "sqlite"

    def test_it_stores_nothing(self, engine, cards):
        """Neither cards nor batches nor events; the report says it is dry."""
        report = cards.preview("steam", THREE, provenance="x", warehouse="new")
        assert (report.added, report.batch, report.dry_run) == (3, None, True)
        assert "would be added" in str(report)
        assert (cards.stock(), cards.batches(), engine.ledger.events()) == ([], [], [])

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(st.integers(0, 12), max_size=8),
        st.lists(st.integers(0, 12), max_size=20),
        st.integers(0, 4),
        st.booleans(),
    )
    def test_it_says_exactly_what_adding_does(self, tmp_path_factory, before, rows, sold, voids):
        """Row by row, whatever is in stock, sold, void, repeated or malformed."""
        from tests.desks.conftest import Shop

        shop = Shop(tmp_path_factory.mktemp("preview"), "sqlite:///never-made.db")
        engine = shop.open(pool=MemoryPool())
        texts = [f"card {i}" if i else "bad\x00" for i in range(13)]
        engine.cards.add("steam", [texts[i] for i in before])
        for number in range(sold):
            shop.buy(engine, f"A{number}")
        found = engine.cards.find("card 12")
        if voids and found is not None and found.state != "void":
            engine.cards.void(found.id, by="ann", why="x")
        source = [texts[i] for i in rows]
        said, done = engine.cards.preview("psn", source), engine.cards.add("psn", source)
        assert verdicts(said) == verdicts(done)
        assert (said.added, said.rejected) == (done.added, done.rejected)
        engine.close()


class TestChunks:
    def test_progress_is_told_after_every_chunk(self, shop, cards):
        """Rows and bytes grow; the length is known for a path and not for a list."""
        told = []
        lines = "".join(f"card {i}\n" for i in range(4_500)).encode()
        cards.add("steam", shop.path("x.txt", lines), progress=told.append)
        assert [x.rows for x in told] == [2_000, 4_000, 4_500]
        assert {x.total_bytes for x in told} == {len(lines)}
        assert told[-1].bytes_read == len(lines)
        told.clear()
        cards.add("psn", ["one"], progress=told.append)
        assert [(x.rows, x.total_bytes) for x in told] == [(1, None)]

    def test_a_long_import_stores_several_chunks_in_one_commit(self, engine, cards, monkeypatch):
        """Each row has its own verdict all the same, also where one card stands in two of them."""
        monkeypatch.setattr(pacing, "_ALONE_S", 60.0)  # however slow the machine is
        told = []
        lines = [f"card {i}" for i in range(21_000)]
        lines[18_000] = lines[12_000]
        with cards.add("steam", lines, progress=told.append) as report:
            (repeated,) = report.rows(problems_only=True)
        assert (repeated.line, repeated.verdict) == (18_001, "duplicate_in_file")
        assert [x.rows for x in told] == [2_000, 4_000, 6_000, 8_000, 10_000, 20_000, 21_000]
        assert report.added == cards.stock()[0].available == 20_999
        assert cards.batches()[0].added == 20_999
        assert engine.ledger.verify().faults == ()

    def test_after_a_crash_the_rest_is_added(self, shop):
        """Whole chunks are in; running the same file again brings exactly what is missing."""
        path = shop.path("x.txt", "".join(f"card {i}\n" for i in range(5_000)).encode())

        class Crash(BaseException):
            pass

        def crash(progress):
            if progress.rows == 4_000:
                raise Crash

        engine = shop.open()
        with pytest.raises(Crash):
            engine.cards.add("steam", path, progress=crash)
        engine.close()
        engine = shop.open()
        assert engine.cards.stock()[0].available == 4_000
        report = engine.cards.add("steam", path)
        assert (report.added, report.in_stock) == (1_000, 4_000)
        assert engine.cards.stock()[0].available == 5_000
        assert [x.added for x in engine.cards.batches()] == [1_000, 4_000]

    @pytest.mark.parametrize("store_kind", ["sqlite"])
    def test_a_store_that_fails_in_between_keeps_whole_chunks(self, engine, cards):
        """The error says to try again; what came before is in stock."""
        cursor = engine._flow.pool.cursor()

        def fill_disk(progress):
            pages = cursor.execute("PRAGMA page_count").fetchone()[0]
            cursor.execute(f"PRAGMA max_page_count = {pages}")

        lines = [f"card {i}" for i in range(6_000)]
        with pytest.raises(StoreUnavailable, match="disk is full"):
            cards.add("steam", lines, progress=fill_disk)
        cursor.execute("PRAGMA max_page_count = 1000000")
        kept = cards.stock()[0].available
        assert kept in {2_000, 4_000}
        assert cards.add("steam", lines).added == 6_000 - kept

    @pytest.mark.parametrize("stop", ["source", "progress", "store"])
    def test_what_stops_an_import_carries_its_report(self, engine, cards, stop):
        """Nothing comes in without a report, and the same source again adds what is missing."""
        lines = [f"card {i}" for i in range(5_000)]

        def broken_source():
            yield from lines[:4_500]
            if stop == "source":
                raise LookupError("it is gone")
            yield from lines[4_500:]

        def told(progress):
            if stop == "progress" and progress.rows == 4_000:
                raise LookupError("the host has seen enough")
            if stop == "store" and progress.rows == 2_000:
                cards.undo(cards.batches()[0].id, by="ann", why="the wrong file")

        with pytest.raises((LookupError, AutocardError)) as caught:
            cards.add("steam", broken_source(), progress=told)
        error = caught.value
        assert "at `.report`" in error.__notes__[0]
        with error.report as report:
            assert report.batch == cards.batches()[0].id
            assert report.added == report.total == (2_000 if stop == "store" else 4_000)
        assert engine.ledger.events()[-1].kind == "batch.stopped"
        assert cards.add("steam", lines).added == 5_000 - cards.batches()[-1].available

    @pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
    def test_who_leaves_takes_the_report_along(self, engine, cards, stop):
        """Ctrl-C in the middle of an import is recorded, and is raised again as it was."""

        def leave(progress):
            if progress.rows == 4_000:
                raise stop

        with pytest.raises(stop) as caught:
            cards.add("steam", [f"card {i}" for i in range(6_000)], progress=leave)
        assert caught.value.report.added == 4_000
        told = engine.ledger.events()[-1]
        assert (told.kind, told.detail["added"]) == ("batch.stopped", 4_000)

    def test_a_second_interrupt_gets_out(self, cards, monkeypatch):
        """Nothing that is done after the first one holds up the second."""

        def again(*_):
            raise KeyboardInterrupt("again")

        def leave(progress):
            monkeypatch.setattr(Intake, "_close", again)
            raise KeyboardInterrupt("once")

        with pytest.raises(KeyboardInterrupt, match="again"):
            cards.add("steam", [f"card {i}" for i in range(3_000)], progress=leave)

    def test_a_chunk_that_came_in_by_half_is_told_by_half(self, cards, monkeypatch):
        """While orders come in a chunk is stored in several commits, and one of them may fail."""
        monkeypatch.setattr(Pace, "_is_busy", lambda _: True)
        lines = [f"card {i}" for i in range(6_000)]
        store = Intake._store_turn
        turns = []

        def failing(self, *arguments):
            turns.append(arguments)
            if len(turns) == 5:
                raise StoreUnavailable("the disk is full")
            return store(self, *arguments)

        cards.add("steam", lines[:3])
        monkeypatch.setattr(Pace, "_part", _in_thousands)
        monkeypatch.setattr(Intake, "_store_turn", failing)
        with pytest.raises(StoreUnavailable) as caught:
            cards.add("steam", lines)
        with caught.value.report as report:
            assert report.added == cards.batches()[0].added == 3_997
            assert [row.line for row in report.rows()][:4] == [1, 2, 3, 4]
            assert len(list(report.rows())) == report.total == 4_000
        assert turns[-1][2]

    def test_what_brought_nothing_has_no_report(self, cards):
        """An error before the first card is as it always is."""

        def broken_source():
            yield "card"
            raise LookupError("it is gone")

        with pytest.raises(LookupError) as caught:
            cards.add("steam", broken_source())
        assert not hasattr(caught.value, "report")
        assert cards.batches() == []

    def test_an_import_taken_back_while_it_runs(self, cards):
        """What is undone stays undone: the rest of the file is refused."""

        def undo(progress):
            if progress.rows == 2_000:
                cards.undo(cards.batches()[0].id, by="ann", why="the wrong file")

        with pytest.raises(AutocardError, match="undone meanwhile"):
            cards.add("steam", [f"card {i}" for i in range(5_000)], progress=undo)
        assert cards.stock()[0].available == 0

    def test_events_tell_of_an_import(self, engine, cards):
        """Where it begins and what it came to; who did it."""
        cards.add("steam", THREE, supplier="acme", imported_by="ann")
        begun, done = engine.ledger.events()
        assert (begun.kind, begun.detail["supplier"], begun.detail["by"]) == (
            "batch.begun",
            "acme",
            "ann",
        )
        assert (done.kind, done.detail["added"], done.detail["rejected"]) == (
            "batch.imported",
            3,
            0,
        )


class TestWithOrders:
    def test_waiting_orders_are_served_first_come_first(self, shop, engine, cards):
        """As far as the new cards go, and only those of this sku."""
        for number in ("A1", "A2", "A3"):
            shop.buy(engine, number, 2)
        cards.preview("steam", THREE)
        assert engine.receipt("shop", "A1").outcome is Outcome.PENDING
        cards.add("psn", ["p1", "p2"])
        assert engine.receipt("shop", "A1").outcome is Outcome.PENDING
        cards.add("steam", [*THREE, "DDDD-4", "EEEE-5"])
        outcomes = [engine.receipt("shop", x).outcome for x in ("A1", "A2", "A3")]
        assert outcomes == ["delivered", "delivered", "pending"]
        assert cards.stock("steam")[0].available == 1

    def test_importing_while_threads_dispatch(self, shop, engine, cards):
        """Nobody gets a card twice, and everybody who was told to wait is served in the end."""
        receipts, errors = [], []

        def buy(number):
            try:
                for i in range(25):
                    receipts.append(shop.buy(engine, f"B{number}-{i}", random.randint(1, 2)))
            except Exception as error:  # noqa: BLE001 - looked at below
                errors.append(error)

        threads = [threading.Thread(target=buy, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for start in range(0, 400, 40):
            cards.add("steam", [f"card {i}" for i in range(start, start + 40)])
        for thread in threads:
            thread.join()
        engine.resume()
        assert errors == []
        shown = [engine.receipt("shop", x.order_no) for x in receipts]
        assert {x.outcome for x in shown} == {"delivered"}
        ids = [card.id for x in shown for card in x.cards]
        assert len(ids) == len(set(ids)) == cards.stock("steam")[0].delivered


@pytest.mark.parametrize("store_kind", ["sqlite"])
def test_memory_does_not_grow_with_the_file(shop, cards):
    """Three times the rows take hardly more memory at their peak."""

    def peak(first, count):
        path = shop.folder / f"{first}.txt"
        with path.open("w") as file:
            file.writelines(f"CARD-{i:0100d}\n" for i in range(first, first + count))
        tracemalloc.start()
        report = cards.add("steam", path)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert report.added == count
        report.close()
        return most

    cards.add("steam", ["warm"])
    small = peak(1_000_000, 40_000)
    assert peak(2_000_000, 120_000) < 1.5 * small


def _in_thousands(_pace, waiting):
    place, chunk = waiting.popleft()
    if len(chunk) > 1_000:
        waiting.appendleft((place, chunk[1_000:]))
    return [(place, chunk[:1_000])]


@pytest.mark.parametrize("field", ["supplier", "provenance", "imported_by"])
def test_what_not_every_store_holds_is_refused(cards, field):
    """It could not be copied to another store."""
    with pytest.raises(ConfigurationError, match=f"{field}: must be"):
        cards.add("steam", ["card"], **{field: "x" * 5_000})
    assert cards.stock() == []
