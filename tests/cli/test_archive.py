"""`archive`, `archive list`, `archive show`, `archive restore`, `migrate`."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing

import pytest

from autocard.cli import archive as room


@pytest.fixture(name="old")
def _old(shop):
    """Return a folder for archives, beside a shop whose records are a minute older than an hour."""
    shop.stock_up(3)
    for number in ("A1", "A2"):
        assert shop.run("dispatch", str(shop.order(number))).code == 0
    with closing(sqlite3.connect(shop.folder / "autocard.db")) as store, store:
        for column, table in (
            ("accepted_at", "orders"), ("changed_at", "lines"), ("at", "events"),
            ("at", "movements"),
        ):  # fmt: skip
            store.execute(f"UPDATE autocard_{table} SET {column} = {column} - 3660000")
    folder = shop.folder / "archives"
    folder.mkdir()
    return folder


def archived(shop, folder):
    done = shop.run("archive", "--older-than", "1h", "--to", str(folder), "--json")
    assert done.code == 0, done.err
    return done.json


def test_old_records_leave_and_are_listed(shop, old):
    """The file is in the folder, with the fingerprint that the list shows."""
    told = archived(shop, old)
    (made,) = told["archives"]
    (file,) = old.iterdir()
    assert made["name"] == file.name
    assert made["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (made["orders"], made["is_finished"], made["by"]) == (2, True, "li")
    assert told["cleared"] == made["orders"] + made["events"] + made["movements"]
    assert shop.run("archive", "list", "--json").json == [made]
    assert file.name in shop.run("archive", "list").out
    assert shop.run("verify").code == 0


def test_sentences_say_what_happened(shop, old):
    """For people: what went where, and that nothing is left to do."""
    options = ("archive", "--older-than", "1h", "--to", str(old), "--why", "old")
    assert shop.run("archive", "list").out == "No archives.\n"
    told = shop.run(*options).out
    assert "2 orders, 0 intents" in told
    assert "records left the store" in told
    assert shop.run(*options).out == "Nothing was old enough.\n"
    assert shop.run(*options, "--lang", "zh").out == "没有足够旧的记录。\n"


def test_an_archive_is_shown_without_and_with_what_buyers_wrote(shop, old):
    """Contacts are shown with `--reveal` only; one order can be picked out."""
    (name,) = [made["name"] for made in archived(shop, old)["archives"]]
    file = str(old / name)
    everything = shop.run("archive", "show", file, "--json").json
    assert {x["kind"] for x in everything} == {"order", "event", "movement"}
    one = shop.run("archive", "show", file, "--order", "shop/A1", "--json").json
    assert {x["order_no"] for x in one} == {"A1"}
    assert not any("order" in x for x in one)
    shown = shop.run("archive", "show", file, "--order", "shop/A1", "--reveal", "--json").json
    assert shown[0]["order"]["buyer"]["contact"] == "canary.buyer@example.com"
    assert "is whole: 2 records" in shop.run("archive", "show", file, "--limit", "2").out
    assert "canary.buyer" in shop.run("archive", "show", file, "--reveal").out


def test_an_order_is_restored(shop, old):
    """What an operator is told to do first works."""
    (name,) = [made["name"] for made in archived(shop, old)["archives"]]
    refused = shop.run("resend", "shop", "A1", "--why", "lost")
    assert (refused.code, name in refused.err) == (3, True)
    done = shop.run("archive", "restore", str(old / name), "shop", "A1", "--why", "lost", "--json")
    assert (done.code, done.json["order_no"]) == (0, "A1")
    events = shop.run("events", "--platform", "shop", "--order", "A1", "--json").json
    assert [(x["kind"], x["detail"]["by"]) for x in events] == [("order.restored", "li")]
    again = shop.run("archive", "restore", str(old / name), "shop", "A1")
    assert again.code == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("archive",), 2),
        (("archive", "--older-than", "1h"), 2),
        (("archive", "--older-than", "1 year", "--to", "."), 2),
        (("archive", "--older-than", "0d", "--to", "."), 2),
        (("archive", "--older-than", "1h", "--to", "nowhere"), 2),
        (("archive", "show", "nowhere"), 2),
        (("archive", "show", "autocard.toml"), 2),
        (("archive", "show", "nowhere", "--order", "A1"), 2),
        (("archive", "restore", "nowhere", "shop", "A9"), 2),
        (("archive", "restore", "nowhere", "shop", "A1"), 3),
    ],
)
def test_what_cannot_be_done_is_said(shop, old, monkeypatch, arguments, code):
    """Each mistake has the exit code that says what to do."""
    monkeypatch.chdir(shop.folder)
    done = shop.run(*arguments)
    assert done.code == code, done.err
    assert done.err


def test_a_damaged_archive_ends_with_five(shop, old):
    """Nothing of it is shown."""
    (name,) = [made["name"] for made in archived(shop, old)["archives"]]
    file = old / name
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    done = shop.run("archive", "show", str(file))
    assert (done.code, done.out) == (5, "")
    assert name in done.err


def test_an_archive_that_was_cut_off_needs_a_look(shop, old, monkeypatch):
    """`check` and `archive list` say so until the next run has finished it."""
    from autocard.archiving.making import Archivist

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Archivist, "_clear", die)
        assert shop.run("archive", "--older-than", "1h", "--to", str(old)).code == 130
    assert shop.run("archive", "list").code == 1
    done = shop.run("check")
    assert (done.code, "archive` again" in done.out) == (1, True)
    elsewhere = shop.folder / "elsewhere"
    elsewhere.mkdir()
    wrong = shop.run("archive", "--older-than", "1h", "--to", str(elsewhere))
    assert (wrong.code, "was not finished" in wrong.err) == (2, True)
    told = archived(shop, old)
    assert [made["is_finished"] for made in told["archives"]] == [True]
    assert (shop.run("archive", "list").code, shop.run("check").code) == (0, 0)


def test_ages_are_hours_days_and_weeks():
    """What an age means."""
    assert {text: room._age(None, None, text).total_seconds() for text in ("36h", "2d", "1w")} == {
        "36h": 36 * 3600, "2d": 2 * 86_400, "1w": 7 * 86_400,
    }  # fmt: skip


def make_older(shop):
    """Take a store back to what the release before it had."""
    with closing(sqlite3.connect(shop.folder / "autocard.db")) as store, store:
        for name in ("purchases", "suppliers", "offers", "sales"):
            store.execute(f"DROP TABLE autocard_{name}")
        store.execute("DROP INDEX autocard_events_loose")
        store.execute("UPDATE autocard_version SET version_num = '0003'")


class TestMigrate:
    def test_an_older_store_is_brought_up_to_date(self, shop):
        """`check` says what to run; that says which schema it found; then all is well."""
        make_older(shop)
        refused = shop.run("check")
        assert (refused.code, "`autocard migrate`" in refused.err) == (4, True)
        assert shop.run("migrate", "--json").json == {"before": "0003", "now": "0004"}
        assert "is the newest" in shop.run("migrate").out
        assert shop.run("check").code == 0

    def test_what_it_says(self, shop):
        """Both languages name the schema found and the one there is now."""
        make_older(shop)
        assert shop.run("migrate").out == "The store had schema 0003; it has 0004 now.\n"
        assert "0004" in shop.run("migrate", "--lang", "zh").out

    def test_a_database_without_tables_gets_them(self, shop):
        """As a host's own database may be."""
        (shop.folder / "autocard.db").unlink()
        with closing(sqlite3.connect(shop.folder / "autocard.db")) as store, store:
            store.execute("CREATE TABLE host (x)")
        assert "had no autocard tables" in shop.run("migrate").out

    def test_a_store_that_is_not_there_or_newer_is_refused(self, shop):
        """A misspelt path makes no new store; a newer one is left alone."""
        with closing(sqlite3.connect(shop.folder / "autocard.db")) as store, store:
            store.execute("UPDATE autocard_version SET version_num = '9999'")
        assert shop.run("migrate").code == 4
        for file in shop.folder.glob("autocard.db*"):
            file.unlink()
        done = shop.run("migrate")
        assert (done.code, "no database" in done.err) == (2, True)
        assert not (shop.folder / "autocard.db").exists()
