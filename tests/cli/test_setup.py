"""`init`, `check`, the common options and the entry point."""

from __future__ import annotations

import runpy
import stat
import subprocess
import sys

import pytest

from autocard import __main__ as entry
from autocard.config import load_settings


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_init_writes_what_check_finds_well(empty):
    """After `init --yes` there are a configuration, a private keyring and a store, all well."""
    assert empty.run("init", "--yes").code == 0
    assert _mode(empty.folder / "autocard.keyring") == 0o600
    assert (empty.folder / "autocard.db").exists()
    assert load_settings(empty.config).skus
    assert empty.run("check").code == 0


def test_init_asks_for_what_it_needs(empty):
    """Without `--yes` the answers of a person decide."""
    done = empty.run("init", text="sqlite:///mine.db\nfile:mine.keyring\nmy-shop\n")
    assert done.code == 0
    assert (empty.folder / "mine.db").exists()
    assert _mode(empty.folder / "mine.keyring") == 0o600
    assert "[platforms.my-shop]" in empty.config.read_text("utf-8")


def test_init_stops_when_nobody_answers(empty):
    """When the input ends before the questions do, nothing is written."""
    assert empty.run("init", text="").code == 130
    assert list(empty.folder.iterdir()) == []


def test_init_overwrites_only_by_force_and_never_a_keyring(shop):
    """A second `init` is refused; with `--force` the configuration is new and the keyring is not."""
    keyring = (shop.folder / "autocard.keyring").read_bytes()
    shop.configure("# mine\n")
    refused = shop.run("init", "--yes")
    assert refused.code == 2
    assert "--force" in refused.err
    assert shop.config.read_text("utf-8").endswith("# mine\n")
    assert shop.run("init", "--yes", "--force").code == 0
    assert not shop.config.read_text("utf-8").endswith("# mine\n")
    assert (shop.folder / "autocard.keyring").read_bytes() == keyring


def test_init_leaves_no_configuration_when_it_fails(empty):
    """When the keyring cannot be made, there is no configuration and no draft of one."""
    done = empty.run("init", "--yes", "--keyring", "env:AUTOCARD_TEST_UNSET")
    assert done.code == 2
    assert not list(empty.folder.glob("autocard.toml*"))


def test_init_says_when_somebody_else_is_writing(empty):
    """A draft that lies there already is not overwritten."""
    draft = empty.folder / "autocard.toml.new"
    draft.write_text("other", "utf-8")
    done = empty.run("init", "--yes")
    assert done.code == 2
    assert "autocard.toml.new" in done.err
    assert draft.read_text("utf-8") == "other"


def test_init_says_where_it_cannot_write(empty):
    """A missing folder is an error with the path, not a traceback."""
    empty.config = empty.folder / "nowhere" / "autocard.toml"
    done = empty.run("init", "--yes")
    assert done.code == 2
    assert "nowhere" in done.err


def test_init_keeps_a_password_private(empty, monkeypatch):
    """A configuration whose store has a password is readable by its owner only."""
    import autocard.engine

    class Opened:
        def close(self):
            """Do nothing."""

    class Fake:
        @staticmethod
        def open(settings, *, create):
            return Opened()

    monkeypatch.setattr(autocard.engine, "Engine", Fake)
    store = "postgresql://li:hidden-word@db/autocard"
    done = empty.run("init", "--yes", "--store", store)
    assert done.code == 0
    assert _mode(empty.config) == 0o600
    assert "hidden-word" not in done.out + done.err


def test_init_takes_an_unreadable_address_for_private(empty):
    """An address that cannot be taken apart is refused, and never written for all to read."""
    done = empty.run("init", "--yes", "--store", "http://[")
    assert done.code in {2, 4}
    assert not empty.config.exists()


def test_init_speaks_the_language_of_the_operator(empty):
    """With `--lang zh` texts and the comments in the file are Chinese."""
    done = empty.run("--lang", "zh", "init", "--yes")
    assert "已写入" in done.out
    assert "配置" in empty.config.read_text("utf-8")


def test_init_answers_programs(empty):
    """With `--json` the answer is one document."""
    done = empty.run("init", "--yes", "--json")
    assert done.json == {"config": str(empty.config), "keyring": "file:autocard.keyring"}


def test_check_lists_what_it_looked_at(shop):
    """`check --json` names store and keyring and says that they are well."""
    report = shop.run("check", "--json").json
    assert report["ok"]
    assert {"store", "keyring"} <= {item["name"] for item in report["items"]}


def test_check_of_a_platform_that_is_not_configured(shop):
    """A platform nobody configured is an error that says what to add."""
    done = shop.run("check", "nobody")
    assert done.code == 2
    assert "[platforms.nobody]" in done.err


def test_check_that_finds_fault_ends_with_one(shop, monkeypatch):
    """When an item is not well, it is marked and the exit code is 1."""
    from autocard.engine import CheckItem, CheckReport, Engine

    report = CheckReport((CheckItem("store", ok=False, detail="is gone"),))
    monkeypatch.setattr(Engine, "check", lambda *_: report)
    done = shop.run("check")
    assert (done.code, done.out) == (1, "✗ store: is gone\n")


def test_common_options_stand_on_either_side(shop):
    """`--json` and `--lang` work before and after the name of the command."""
    assert shop.run("--json", "stock").out == shop.run("stock", "--json").out == "[]\n"
    assert shop.run("--lang", "zh", "stock").out == shop.run("stock", "--lang", "zh").out


def test_environment_chooses_configuration_and_language(shop, monkeypatch):
    """AUTOCARD_CONFIG and AUTOCARD_LANG stand in for the options."""
    done = subprocess.run(
        [sys.executable, "-m", "autocard", "stock"],
        env={**_clean_environment(), "AUTOCARD_CONFIG": str(shop.config), "AUTOCARD_LANG": "zh"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout == "没有卡密。\n"


def test_a_terminal_without_chinese_gets_escapes(shop):
    """Where the output cannot carry Chinese, it is escaped and nothing fails."""
    done = subprocess.run(
        [sys.executable, "-m", "autocard", "--lang", "zh", "--config", str(shop.config), "stock"],
        env={**_clean_environment(), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.startswith(rb"\u6ca1\u6709")


def _clean_environment():
    import os

    return {**os.environ, "PYTHONUTF8": "1"}


def test_version_is_shown(shop):
    """`--version` shows the version of the package."""
    assert shop.run("--version").out.startswith("autocard ")


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_the_command_says_how_to_get_it(missing, monkeypatch, capsys):
    """Where click or rich is not installed, the exit code is 2 and the remedy is named."""
    found = entry.find_spec
    monkeypatch.setattr(entry, "find_spec", lambda name: None if name == missing else found(name))
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 2
    assert "pip install 'autocard[cli]'" in capsys.readouterr().err


def test_the_module_can_be_run_by_name(monkeypatch, capsys):
    """`python -m autocard` is the command."""
    monkeypatch.setattr(sys, "argv", ["autocard", "--version"])
    monkeypatch.delitem(sys.modules, "autocard.__main__", raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("autocard", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("autocard ")
