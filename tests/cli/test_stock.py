"""`import`, `stock`, `batches`, `undo`, `void`, `move`, `find`."""

from __future__ import annotations

import csv
import io
import os
import sys
import threading
from pathlib import Path

import pytest

from autocard.cli import sources
from autocard.cli import stock as room


def test_import_from_a_file_reports_each_kind_of_row(shop, cards):
    """A malformed and a double row are told with their lines, masked, and end with 1."""
    file = shop.folder / "cards.txt"
    file.write_text("\n".join([cards[0], cards[1], cards[0]]), "utf-8")
    done = shop.run("import", "steam-50", str(file), "--format", "steam", "--supplier", "acme")
    assert done.code == 1
    assert "2 of 3 rows added" in done.out
    assert "duplicate_in_file" in done.out
    batch = shop.run("batches", "--json").json[0]
    assert (batch["supplier"], batch["added"], batch["imported_by"]) == ("acme", 2, "li")


def test_import_again_is_no_trouble(shop):
    """The same cards again add nothing and end with 0."""
    shop.stock_up()
    shop.stock_up()
    assert shop.run("stock", "--json").json[0]["available"] == 3


def test_import_answers_programs(shop, cards):
    """The JSON report has counts and problems, one report for each file."""
    for name, lines in (("a", cards[:2]), ("b", cards[1:3])):
        (shop.folder / name).write_text("\n".join(lines), "utf-8")
    files = [str(shop.folder / name) for name in "ab"]
    first, second = shop.run("import", "steam-50", *files, "--json").json["reports"]
    assert (first["rows"], first["added"], first["batch"]) == (2, 2, 1)
    assert (second["added"], second["in_stock"]) == (1, 1)
    assert second["problems"][0]["verdict"] == "in_stock"


def test_import_dry_run_stores_nothing(shop, cards):
    """`--dry-run` says what would happen."""
    done = shop.run("import", "steam-50", "-", "--dry-run", text=cards[0])
    assert "would be added" in done.out
    assert "Nothing was stored" in done.out
    assert shop.run("stock", "--json").json == []


def test_import_writes_a_report_of_every_row(shop, cards):
    """`--report` leaves a CSV file with a verdict for each row."""
    target = shop.folder / "rows.csv"
    shop.run("import", "steam-50", "-", "--report", str(target), text="\n".join(cards[:2]))
    rows = list(csv.reader(io.StringIO(target.read_text("utf-8-sig"))))
    assert [row[2] for row in rows[1:]] == ["added", "added"]
    assert not any(card in target.read_text("utf-8-sig") for card in cards)


@pytest.mark.parametrize("command", ["stock", "batches"])
def test_a_misspelt_sku_is_no_empty_shelf(shop, command):
    """A sku without cards is empty; one that does not exist is an error with close names."""
    assert shop.run(command, "steam-50").code == 0
    done = shop.run(command, "stem-50")
    assert done.code == 2
    assert "there is no sku 'stem-50'; did you mean 'steam-50'" in done.err


@pytest.mark.parametrize("language", ["en", "zh"])
def test_import_says_how_to_take_it_back(shop, cards, language):
    """The command that is offered works as it is offered."""
    done = shop.run("--lang", language, "import", "steam-50", "-", text=cards[0])
    offered = next(line for line in done.out.splitlines() if "autocard undo" in line)
    assert shop.run(*offered.partition("autocard ")[2].split()).code == 0


def test_import_says_where_its_report_cannot_go(shop, cards):
    """A report that has no folder is an error before any card is in."""
    target = shop.folder / "nowhere" / "rows.csv"
    done = shop.run("import", "steam-50", "-", "--report", str(target), text=cards[0])
    assert done.code == 2
    assert "nowhere" in done.err
    assert shop.run("stock", "--json").out.strip() == "[]"


@pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
def test_import_does_not_write_its_report_over_the_cards(shop, cards, link):
    """A report that is the card file, by whatever name, is a usage error; the cards stay."""
    file = target = shop.folder / "cards.txt"
    file.write_text(cards[0], "utf-8")
    if link is not None:
        target = shop.folder / "report.csv"
        getattr(target, link)(file)
    done = shop.run("import", "steam-50", str(file), "--dry-run", "--report", str(target))
    assert done.code == 2
    assert f"--report would overwrite {file}" in done.err
    assert file.read_text("utf-8") == cards[0]


@pytest.mark.parametrize(
    "name", ["autocard.toml", "autocard.keyring", "autocard.db", "autocard.db-wal"]
)
def test_import_does_not_write_its_report_over_what_is_ours(shop, cards, name):
    """Configuration, keyring and store stay what they are."""
    target = shop.folder / name
    before = target.read_bytes() if target.exists() else None
    done = shop.run("import", "steam-50", "-", "--report", str(target), text=cards[0])
    assert done.code == 2
    assert f"overwrite {target}" in done.err
    assert before is None or target.read_bytes() == before
    assert shop.run("stock", "--json").json == []


def test_import_does_not_write_its_report_over_its_input(shop, cards, monkeypatch):
    """The card file may come in by the standard input as well."""
    file = shop.folder / "cards.txt"
    file.write_text(cards[0], "utf-8")
    with file.open() as stdin:
        number = stdin.fileno()
        monkeypatch.setattr(sources, "_stdin_number", lambda: number)
        done = shop.run("import", "steam-50", "-", "--report", str(file), text=cards[1])
    assert (done.code, file.read_text("utf-8")) == (2, cards[0])


def test_import_tells_before_its_report_fails(shop, cards, monkeypatch):
    """When the disk is full by then, the screen has said what came in."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("autocard.importing.report.ImportReport.to_csv", full)
    done = shop.run("import", "steam-50", "-", "--report", "rows.csv", text=cards[0])
    assert done.code == 1
    assert "1 of 1 rows added" in done.out
    assert "No space left" in done.err


def test_import_answers_programs_also_where_its_report_fails(shop, cards):
    """The JSON error stands beside what came in, with the exit code of the text."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no disk that is always full")
    options = ["import", "steam-50", "-", "--report", "/dev/full"]
    done = shop.run(*options, "--json", text=cards[0])
    assert (done.json["reports"][0]["added"], done.json["reports"][0]["batch"]) == (1, 1)
    assert done.json["error"]["kind"] == "FileError"
    assert (done.code, done.json["error"]["exit"]) == (1, 1)
    assert shop.run(*options, text=cards[1]).code == 1


def _broken(folder, *, rows=16_000):
    """Write a file whose first rows are cards and whose end is no UTF-8."""
    file = folder / "broken.txt"
    lines = "".join(f"AAAAA-BBBBB-{number:05}\n" for number in range(rows))
    file.write_bytes(lines.encode() + b"\xff\xff\n")
    return file


def test_import_tells_programs_what_came_in_before_it_stopped(shop, cards):
    """A source that breaks off half way: the answer has batch and counts beside the error."""
    first = shop.folder / "first.txt"
    first.write_text(cards[0], "utf-8")
    options = ["import", "steam-50", str(first), str(_broken(shop.folder)), "--encoding", "utf-8"]
    done = shop.run(*options, "--json")
    assert done.json["error"]["kind"] == "UnreadableSource"
    whole, half = done.json["reports"]
    assert (whole["added"], whole["batch"]) == (1, 1)
    assert (half["added"] > 0, half["batch"]) == (True, 2)
    assert shop.run("stock", "--json").json[0]["available"] == half["added"] + 1
    assert done.code == 2


def test_import_that_stopped_says_so_also_where_its_report_fails(shop):
    """What stopped the import is not hidden by a disk that is full as well."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no disk that is always full")
    options = ["--encoding", "utf-8", "--report", "/dev/full"]
    done = shop.run("import", "steam-50", str(_broken(shop.folder)), *options)
    assert done.code == 2
    assert "No space left" in done.err
    assert "utf-8" in done.err.lower()


def test_import_shows_the_first_problems_and_counts_the_others(shop):
    """Of many bad rows the first twenty are listed, the others counted."""
    done = shop.run("import", "steam-50", "-", "--format", "steam", text="XX\n" * 25)
    assert "and 5 more" in done.out


def test_import_reads_as_it_is_told(shop, cards):
    """Encoding, delimiter, header, columns, cost and expiry reach the importer."""
    data = f"面值|码\n五十|{cards[0]}\n".encode("gb18030")
    done = shop.run(
        "import", "steam-50", "-", "--kind", "csv", "--encoding", "gb18030", "--delimiter", "|",
        "--header", "--column", "secret=1", "--column", "face=面值", "--cost", "46.50 CNY",
        "--expires-at", "2099-12-31", "--warehouse", "backup", "--provenance", "invoice 118",
        "--sheet", "cards", "--comments", "--json",
        text=data,
    )  # fmt: skip
    assert done.code == 0, done.err
    batch = shop.run("batches", "steam-50", "--json").json[0]
    assert (batch["cost"], batch["warehouse"]) == ("46.50 CNY", "backup")
    record = shop.run("find", "-", "--json", text=cards[0]).json
    assert record["expires_at"] == "2099-12-31T15:59:59Z"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cost", "46.50"], "46.50 CNY"),
        (["--cost", "much CNY"], "46.50 CNY"),
        (["--cost", "-5 CNY"], "must not be negative"),
        (["--expires-at", "soon"], "2026-12-31"),
        (["--column", "secret"], "secret=1"),
        (["--kind", "pdf"], "'text'"),
    ],
)
def test_import_explains_a_wrong_option(shop, options, told):
    """A value that cannot be is a usage error with an example of one that can."""
    done = shop.run("import", "steam-50", "-", *options, text="")
    assert done.code == 2
    assert told in done.err


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["nowhere.txt"], "no such file"),
        (["-", "-"], "once"),
        (["-", "nowhere.txt", "--report", "r.csv"], "one FILE"),
        (["-", "."], "is a folder"),
    ],
)
def test_import_refuses_files_before_it_begins(shop, files, told):
    """What is wrong with the list of files is said before the first is read."""
    done = shop.run("import", "steam-50", *files)
    assert done.code == 2
    assert told in done.err


def test_import_reads_a_pipe_by_its_name(shop, cards):
    """What `<(…)` of a shell names is read like the standard input."""
    name = shop.folder / "pipe"
    os.mkfifo(name)
    writing = threading.Thread(target=lambda: name.write_text("\n".join(cards[:2]), "utf-8"))
    writing.start()
    done = shop.run("import", "steam-50", str(name), "--json")
    writing.join()
    assert (done.code, done.json["reports"][0]["added"]) == (0, 2)


def test_import_reads_an_empty_device(shop):
    """A device is read, too; that it holds nothing is told as for an empty file."""
    empty = shop.folder / "empty.txt"
    empty.touch()
    device, file = (
        shop.run("import", "steam-50", os.devnull),
        shop.run("import", "steam-50", str(empty)),
    )
    assert (device.code, "no such file" in device.err) == (file.code, False)


def test_import_of_an_unknown_sku_is_an_error(shop, cards):
    """A sku that is not configured is refused."""
    done = shop.run("import", "steam-500", "-", text=cards[0])
    assert done.code == 2
    assert "steam-50" in done.err


def test_import_of_a_picture_is_an_error(shop):
    """A file that cannot hold cards is refused with what to do."""
    done = shop.run("import", "steam-50", "-", text=b"\x89PNG\r\n\x1a\n")
    assert done.code == 2


def test_import_shows_a_bar_to_somebody_who_watches(shop, cards, monkeypatch, capsys):
    """On a terminal the callback moves a bar, by bytes or by rows."""
    import attrs

    from autocard.cli.program import Invocation

    @attrs.frozen
    class Progress:
        rows: int
        bytes_read: int
        total_bytes: int | None

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with room._progress(Invocation(language="en"), "cards.txt") as move:
        move(Progress(5, 100, 200))
        move(Progress(6, 120, None))
    assert move is not None
    with room._progress(Invocation(as_json=True), "cards.txt") as move:
        assert move is None


def test_stock_and_batches_are_tables_for_people(shop):
    """Levels and batches are shown with their names and numbers."""
    assert shop.run("stock").out == "No cards.\n"
    assert shop.run("batches").out == "No batches.\n"
    shop.stock_up()
    assert "main" in shop.run("stock", "steam-50").out
    assert "steam-50" in shop.run("batches").out


def test_undo_takes_unsold_cards_back(shop):
    """`undo` empties the batch and shows it as undone."""
    shop.stock_up()
    assert "3 unsold cards" in shop.run("undo", "1", "--why", "wrong price").out
    assert shop.run("batches", "--json").json[0]["undone"]
    assert "✓" in shop.run("batches").out


def test_undo_answers_programs_and_refuses_strangers(shop):
    """The JSON answer counts; an unknown batch is 2."""
    shop.stock_up()
    assert shop.run("undo", "1", "--why", "x", "--json").json == {"batch": 1, "cards": 3}
    assert shop.run("undo", "99", "--why", "x").code == 2
    assert shop.run("undo", "1").code == 2


def test_void_takes_a_card_out_of_use(shop, cards):
    """A void card is found as void."""
    shop.stock_up()
    card = shop.run("find", "-", "--json", text=cards[0]).json["id"]
    assert shop.run("void", str(card), "--why", "recalled").out == f"Card {card} is void.\n"
    assert shop.run("find", "-", "--json", text=cards[0]).json["state"] == "void"
    assert shop.run("void", "2", "--why", "recalled", "--json").json == {"card": 2}


def test_move_carries_cards_and_says_when_there_were_fewer(shop):
    """Moving more cards than there are moves those and ends with 1."""
    shop.stock_up()
    done = shop.run("move", "steam-50", "2", "--from", "main", "--to", "backup")
    assert (done.code, "2 cards" in done.out) == (0, True)
    done = shop.run("move", "steam-50", "9", "--from", "main", "--to", "backup", "--json")
    assert (done.code, done.json) == (1, {"sku": "steam-50", "moved": 1})


@pytest.mark.parametrize("number", ["0", "99999999999999999999999", "9223372036854775808"])
@pytest.mark.parametrize(
    "command",
    [
        ["undo", "N", "--why", "x"],
        ["void", "N", "--why", "x"],
        ["move", "steam-50", "N", "--from", "main", "--to", "b"],
        ["review", "fulfil", "shop", "A1", "1", "--pick", "N"],
        ["orders", "--limit", "N"],
    ],
)
def test_a_number_that_no_database_has_is_a_usage_error(shop, command, number):
    """A number that is too large is refused before a store sees it."""
    done = shop.run(*(number if word == "N" else word for word in command))
    assert done.code == 2
    assert "range" in done.err


@pytest.mark.parametrize("why", ["", "  "])
@pytest.mark.parametrize(
    "command", [["undo", "1", "--why"], ["void", "1", "--why"], ["cancel", "s", "A", "--reason"]]
)
def test_a_reason_that_is_needed_is_not_blank(shop, command, why):
    """An empty reason is none."""
    shop.stock_up()
    done = shop.run(*command, why)
    assert (done.code, "say in a few words why" in done.err) == (2, True)
    assert shop.run("stock", "--json").json[0]["available"] == 3


def test_find_takes_the_text_from_the_input_only(shop, cards):
    """A card is found by its text from a pipe; as an argument the text is refused."""
    shop.stock_up()
    assert "available" in shop.run("find", "-", text=f"{cards[0]}\n").out
    assert "available" in shop.run("find", text=f"{cards[0]}\n").out
    refused = shop.run("find", "SOME-TEXT")
    assert refused.code == 2
    assert "SOME-TEXT" not in refused.err


def test_find_of_an_unknown_card_ends_with_one(shop, cards):
    """A card nobody imported is told as such."""
    done = shop.run("find", "-", text=cards[5])
    assert (done.code, "No card" in done.out) == (1, True)
    assert shop.run("find", "-", "--json", text=cards[5]).out == "null\n"


def test_find_of_nothing_is_a_usage_error(shop):
    """An empty text cannot be looked for."""
    assert shop.run("find", "-", text="\n").code == 2


def test_find_asks_on_a_terminal_without_showing(shop, cards, monkeypatch):
    """At a terminal the text is asked for and not echoed."""
    shop.stock_up()
    asked = {}

    def prompt(question, **settings):
        asked.update(settings)
        return cards[0]

    monkeypatch.setattr(room.click, "prompt", prompt)
    monkeypatch.setattr(room, "_is_terminal", lambda: True)
    assert shop.run("find").code == 0
    assert asked["hide_input"]


def test_who_does_it_is_the_login_or_the_operator(shop, monkeypatch):
    """Without `--by` and AUTOCARD_BY the login counts; a process without one is the operator."""
    import getpass

    shop.stock_up()
    monkeypatch.setattr(getpass, "getuser", lambda: "wang")
    environment = {"AUTOCARD_BY": None}
    assert shop.run("void", "1", "--why", "x", env=environment).code == 0

    def nobody():
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert shop.run("void", "2", "--why", "x", env=environment).code == 0
    found = shop.run("events", "--json").json
    voided = [event["detail"]["by"] for event in found if event["kind"] == "card.voided"]
    assert voided == ["wang", "operator"]
