"""A long import has help from other processes; nobody can tell from its outcome."""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from autocard import AutocardError, UnreadableSource
from autocard.adapters.formats import card_formats
from autocard.desks import worker, workers
from autocard.desks.framing import receive, send
from autocard.desks.pacing import MOST_TOGETHER
from autocard.desks.preparing import Prepared, Terms, prepare
from autocard.importing.reading import read_cards
from autocard.importing.values import ReadOptions
from autocard.seal.sealer import Sealer
from autocard.vault import Vault

FORMATS = {each.name: each for each in card_formats()}
HOSTS = Path(__file__).with_name("import_hosts.py")
ROWS = 9_000


@pytest.fixture(name="crew")
def _crew(monkeypatch):
    """Let one process help from the first row, wait until it does, and keep hold of what happens."""
    seen = SimpleNamespace(processes=[], answers=0, environments=[], commands=[], frames=[])
    popen, unpacked, talk = subprocess.Popen, Prepared.unpacked, workers.Workers._hand_out

    class Started(popen):
        def __init__(self, command, **options):
            seen.commands.append(command)
            seen.environments.append(options["env"])
            super().__init__(command, **options)
            seen.processes.append(self)

    def counted(data):
        seen.answers += 1
        return unpacked(data)

    def patiently(self, chunk, now_ms):
        before = talk(self, chunk, now_ms)
        for each in self._running:
            while each._thread.is_alive() and not each.is_ready and each.may_wait:
                each._thread.join(0.01)
        return before

    monkeypatch.setattr(workers.subprocess, "Popen", Started)
    monkeypatch.setattr(Prepared, "unpacked", counted)
    monkeypatch.setattr(workers.Workers, "_hand_out", patiently)
    monkeypatch.setattr(workers._Worker, "may_wait", True, raising=False)
    monkeypatch.setattr(workers, "PAYS_FROM", 0)
    monkeypatch.setattr(workers, "affordable", lambda wanted=None: 1 if wanted is None else wanted)
    return seen


def lines(count=ROWS, first=0):
    return [f"CARD-{number:07d}-ABCD" for number in range(first, first + count)]


def told(report):
    return [(r.line, str(r.verdict), r.why, r.shown, r.file) for r in report.rows()]


def table(count):
    yield "number,secret,expires_at\r\n"
    for number in range(count):
        if number % 997 == 5:
            yield f"N{number:09d},S{number - 1:09d},2020-01-01\r\n"
        elif number % 499 == 7:
            yield f"N{number - 1:09d},S{number - 1:09d},2031-01-01\r\n"
        elif number % 701 == 3:
            yield f"N{number:09d},bad\x07{number},\r\n"
        elif number % 303 == 2:
            yield f"Ｎ{number:09d},Ｓ{number:09d},\r\n"
        else:
            yield f"N{number:09d},S{number:09d},2031-01-01\r\n"


def packed(count):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a", "b", "c"):
            rows = "\n".join(f"{name}-{x}" for x in lines(count // 3))
            archive.writestr(f"{name}.txt", rows)
        archive.writestr("d.csv", "".join(table(500)))
    return file.getvalue()


SOURCES = {
    "text": lambda: io.BytesIO("\n".join([*lines(), "CARD-0000007-ABCD", "bad\x07"]).encode()),
    "csv": lambda: io.BytesIO("".join(table(ROWS)).encode()),
    "tsv": lambda: io.BytesIO("".join(table(ROWS)).replace(",", "\t").encode()),
    "jsonl": lambda: io.BytesIO(
        "\n".join(["no", '""', *(json.dumps({"secret": x}) for x in lines())]).encode()
    ),
    "json": lambda: io.BytesIO(json.dumps(lines()).encode()),
    "zip": lambda: io.BytesIO(packed(ROWS)),
    "list": lambda: ["", *lines(), "CARD-0000001-ABCD", 7],
    "mappings": lambda: ({"secret": x, "价格": 5} for x in lines()),
}
HELPED = sorted(SOURCES.keys() - {"mappings"})


@pytest.fixture(name="store_kind")
def _store_kind():
    """What is proved here does not depend on the kind of store."""
    return "sqlite"


class TestSameOutcome:
    @pytest.mark.parametrize("kind", SOURCES)
    @pytest.mark.parametrize("is_known", [False, True])
    def test_reports_are_equal_row_by_row(self, shop, crew, kind, is_known):
        """Whatever the source, and whether its cards are new or in stock."""
        outcomes = []
        for processes in (1, 0):
            folder = shop.folder / f"{processes}"
            folder.mkdir()
            engine = shop.open(store=f"sqlite:///{folder}/a.db", import_processes=processes)
            if is_known:
                engine.cards.add("steam", SOURCES[kind]())
            before = crew.answers
            report = engine.cards.add("steam", SOURCES[kind]())
            assert (crew.answers > before) == (processes == 1 and kind in HELPED)
            level = engine.cards.stock("steam")[0].available
            outcomes.append((told(report), report.added, report.rejected, level))
        assert outcomes[0] == outcomes[1]

    def test_cards_come_out_as_they_went_in(self, shop, crew, engine, cards, texts):
        """What another process sealed, this one opens."""
        cards.add("steam", lines())
        assert crew.answers
        assert texts() == lines()
        assert cards.find("CARD-0008999-ABCD").state == "delivered"

    @pytest.mark.parametrize("add", ["preview", "add"])
    def test_cards_are_known_under_other_formats_too(self, crew, cards, add):
        """What another process finds out about a card that came in another way is not lost."""
        cards.add("steam", lines())
        before = crew.answers
        report = getattr(cards, add)("steam", [*lines(), "CARD-new"], format="pair")
        assert crew.answers > before
        assert (report.added, report.in_stock) == (1, ROWS)

    def test_a_preview_has_help_too(self, crew, cards):
        """It says the same, and stores nothing."""
        report = cards.preview("steam", [*lines(), lines()[3]])
        assert (report.added, report.duplicate_in_file) == (ROWS, 1)
        assert crew.answers
        assert cards.stock() == []

    def test_progress_is_that_of_what_is_stored(self, shop, crew, cards):
        """Reading ahead does not show."""
        path = shop.path("x.txt", "\n".join(lines()).encode())
        said = []
        cards.add("steam", path, progress=said.append)
        assert crew.answers
        assert [x.rows for x in said] == [2_000, 4_000, 6_000, 8_000, 9_000]
        assert said[-1].bytes_read == said[-1].total_bytes

    def test_the_clock_is_the_hosts(self, shop, crew, cards):
        """What has expired is decided by the engine's clock, not by that of another process."""
        rows = "".join(f"{x},2026-03-01\n" for x in lines(4_000))
        source = io.BytesIO(f"secret,expires_at\n{rows}".encode())
        shop.clock.advance(400 * 86_400)
        assert cards.add("steam", source).malformed == 4_000
        assert crew.answers

    def test_orders_are_served_afterwards(self, shop, crew, engine, cards):
        """Those that waited get their cards as ever."""
        shop.buy(engine, "A1", 2)
        cards.add("steam", lines())
        assert engine.receipt("shop", "A1").outcome == "delivered"


class TestTrouble:
    def test_a_process_that_is_killed(self, crew, cards, monkeypatch):
        """What it had answered counts, the other chunks are done here; none is lost or doubled."""
        take = workers._Worker.take

        def killing(self):
            answer = take(self)
            self._process.kill()
            self._process.wait()
            return answer

        monkeypatch.setattr(workers._Worker, "take", killing)
        report = cards.add("steam", lines(40_000))
        assert (report.added, report.rejected) == (40_000, 0)
        assert 1 <= crew.answers <= MOST_TOGETHER + 2  # of twenty: those under way, and one
        assert cards.stock("steam")[0].available == 40_000

    @pytest.mark.parametrize(
        "program",
        [
            "raise SystemExit(3)",
            "import time; time.sleep(600)",
            "print('hello')",
            "import sys; sys.stdout.buffer.write(b'\\0\\0\\0\\5ready'); sys.stdout.flush()",
        ],
    )
    def test_a_process_that_does_not_come_up(self, crew, cards, monkeypatch, program):
        """It is not waited for."""
        monkeypatch.setattr(workers, "_START", program)
        monkeypatch.setattr(workers._Worker, "may_wait", False)
        assert cards.add("steam", lines()).added == ROWS
        assert [each.returncode is not None for each in crew.processes] == [True]

    def test_a_process_that_stops_answering(self, crew, cards, monkeypatch):
        """After a while this process goes on without it."""
        hand_in = workers._Worker.hand_in

        def stopping(self, request):
            self._process.send_signal(signal.SIGSTOP)
            hand_in(self, request)

        monkeypatch.setattr(workers._Worker, "hand_in", stopping)
        monkeypatch.setattr(workers, "_PATIENCE_S", 0.2)
        assert cards.add("steam", lines()).added == ROWS

    def test_no_process_to_be_had(self, crew, cards, monkeypatch):
        """Where the system refuses one the import does without."""

        def refuse(*_args, **_options):
            raise BlockingIOError("no more processes")

        monkeypatch.setattr(workers.subprocess, "Popen", refuse)
        assert cards.add("steam", lines()).added == ROWS

    def test_an_import_that_fails_leaves_no_process(self, crew, cards):
        """Whatever ends it."""

        def stop(progress):
            if progress.rows == 6_000:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            cards.add("steam", lines(), progress=stop)
        assert crew.processes[0].returncode is not None
        assert cards.stock("steam")[0].available == 6_000
        assert cards.add("steam", lines()).added == 3_000

    def test_a_source_that_breaks_off(self, crew, cards):
        """What came before is in stock; the error is as it would be without help."""

        class Breaking(io.BytesIO):
            def seekable(self):
                return False

            def read(self, size=-1):
                if self.tell() > 300_000:
                    raise OSError(5, "gone")
                return super().read(size)

        source = Breaking("\n".join(lines(40_000)).encode())
        with pytest.raises(UnreadableSource):
            cards.add("steam", source)
        assert crew.answers
        assert cards.stock("steam")[0].available % 2_000 == 0
        assert cards.stock("steam")[0].available >= 14_000

    def test_an_import_taken_back_while_it_runs(self, crew, cards):
        """Chunks that are under way are refused like the others."""

        def undo(progress):
            if progress.rows == 2_000:
                cards.undo(cards.batches()[0].id, by="ann", why="the wrong file")

        with pytest.raises(AutocardError, match="undone meanwhile"):
            cards.add("steam", lines(), progress=undo)
        assert cards.stock()[0].available == 0


class TestHosts:
    @pytest.mark.parametrize("host", ["plain", "daemon", "forked"])
    def test_nothing_of_the_host_runs_twice(self, tmp_path, host):
        """A program without an import guard, a daemonic process, two after a fork."""
        if host != "plain" and not hasattr(os, "fork"):
            pytest.skip("there is no fork here")
        command = [sys.executable, str(HOSTS), str(tmp_path), host]
        done = subprocess.run(command, capture_output=True, check=False, timeout=250)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        runs = (tmp_path / "runs").read_text().splitlines()
        assert runs == ["12000 0 True"] * (2 if host == "forked" else 1)

    @pytest.mark.parametrize(
        "program", ["/usr/bin/uwsgi", "C:\\shop\\shop.exe", "/opt/shop/manage", "", None]
    )
    def test_only_an_interpreter_is_started(self, monkeypatch, program):
        """In a server that embeds Python the executable is that server."""
        monkeypatch.setattr(sys, "executable", program)
        assert workers.affordable(4) == 0

    def test_a_frozen_program_is_not_started_again(self, monkeypatch):
        """Its executable is the program itself."""
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        assert workers.affordable(4) == 0

    def test_as_many_as_there_are_cores(self, monkeypatch):
        """Less one, and not too many; the operator may say otherwise."""
        monkeypatch.setattr(workers, "_cores", lambda: 1)
        assert (workers.affordable(), workers.affordable(3)) == (0, 3)
        monkeypatch.setattr(workers, "_cores", lambda: 64)
        assert (workers.affordable(), workers.affordable(0)) == (workers.MOST, 0)

    def test_a_short_import_starts_nothing(self, crew, cards, monkeypatch):
        """It would be over before."""
        monkeypatch.setattr(workers, "PAYS_FROM", 10_000)
        cards.add("steam", lines(10_000))
        assert crew.processes == []

    def test_the_formats_of_a_host_stay_in_it(self):
        """Importing their module elsewhere might start the host a second time."""

        class Own(type(FORMATS["opaque"])):
            pass

        assert workers._is_ours(FORMATS["opaque"])
        assert not workers._is_ours(Own("own", "Own", "x"))


class TestSecrets:
    def test_neither_arguments_nor_environment(self, crew, cards, monkeypatch):
        """Keys and cards go through the pipe; the host's own secrets do not go at all."""
        monkeypatch.setenv("SHOP_CREDENTIAL", "hunter2-hunter2")
        monkeypatch.setenv("PYTHONSTARTUP", "/tmp/evil.py")
        cards.add("steam", lines())
        assert crew.answers
        ((program, isolated, flag, code),) = crew.commands
        assert (program, isolated, flag, code) == (sys.executable, "-I", "-c", workers._START)
        (environment,) = crew.environments
        assert environment.keys() <= set(workers._ENVIRONMENT)

    def test_a_failure_says_nothing(self):
        """Neither the chunk nor the error comes back."""
        work = worker._Work(_vault(), _terms())
        assert work.answer(b"broken") == worker.UNABLE

    def test_what_was_lent_seals_like_the_lender(self):
        """Fingerprints are equal, and the lender opens what was sealed."""
        vault = _vault()
        other = Vault(Sealer.borrow(vault.sealer.lend()))
        assert other.sealer.current == vault.sealer.current
        assert other.fingerprint("a") == vault.fingerprint("a")
        sealed = other.sealer.seal("card", "s", b"f", b"plain")
        assert vault.sealer.unseal("card", "s", b"f", sealed) == b"plain"


class TestOtherSide:
    def _chunk(self, count=10):
        return next(read_cards(lines(count), FORMATS["opaque"]).chunks(2_000))

    def test_it_answers_until_the_pipe_ends(self):
        """Ready first, then an answer for every request."""
        vault, terms, chunk = _vault(), _terms(), self._chunk()
        crew = workers.Workers(vault, terms, 0)
        requests, answers = io.BytesIO(), io.BytesIO()
        send(requests, pickle.dumps((worker.build(), vault.sealer.lend(), terms)))
        send(requests, crew._request(chunk, 0))
        send(requests, b"nonsense")
        requests.seek(0)
        with pytest.raises(EOFError):
            worker.serve(requests, answers)
        answers.seek(0)
        assert receive(answers) == worker.READY
        done = Prepared.unpacked(receive(answers))
        expected = prepare(vault, terms, chunk, 0)
        assert done.lines == expected.lines
        assert [x.fingerprint for x in done.cards] == [x.fingerprint for x in expected.cards]
        assert receive(answers) == worker.UNABLE

    def test_other_code_is_not_served(self):
        """A library that was upgraded under a running host is not mixed with the old one."""
        requests, answers = io.BytesIO(), io.BytesIO()
        other = ("0.0.1", worker.build()[1])
        send(requests, pickle.dumps((other, _vault().sealer.lend(), _terms())))
        requests.seek(0)
        worker.serve(requests, answers)
        assert answers.getvalue() == b""

    def test_it_leaves_with_the_process_that_started_it(self):
        """No more requests, no more process; Ctrl-C is not for it."""
        start = [sys.executable, "-I", "-c", workers._START]
        with subprocess.Popen(start, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdin.write(json.dumps(sys.path).encode() + b"\n")
            send(process.stdin, pickle.dumps((worker.build(), _vault().sealer.lend(), _terms())))
            assert receive(process.stdout) == worker.READY
            process.send_signal(signal.SIGINT)
            process.stdin.close()
            assert process.wait(30) == 0

    @pytest.mark.parametrize("kind", HELPED)
    def test_parsers_travel(self, kind):
        """Pickled and back they make the same rows."""
        reading = read_cards(SOURCES[kind](), FORMATS["opaque"], ReadOptions())
        for piece in next(reading.chunks(2_000)):
            again = pickle.loads(pickle.dumps(piece.parser))
            assert [again.row(x) for x in piece.records] == [
                piece.parser.row(x) for x in piece.records
            ]


def test_memory_does_not_grow_with_help(shop, crew, cards):
    """Reading ahead has an end: three times the rows take hardly more memory."""

    def peak(first, count):
        path = shop.path("x.txt", "\n".join(lines(count, first)).encode())
        tracemalloc.start()
        report = cards.add("steam", path)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert report.added == count
        return most

    cards.add("steam", lines())
    small = peak(1_000_000, 40_000)
    assert peak(2_000_000, 120_000) < 1.5 * small
    assert crew.answers > 40


def _vault():
    return Vault(Sealer({3: os.urandom(32)}, os.urandom(32)))


def _terms():
    return Terms(sku="steam", card_format=FORMATS["opaque"], expires_ms=10**15)
