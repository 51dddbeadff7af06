"""`autocard demo`: it succeeds, cleans up, and says so when something does not hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from autocard import demo
from autocard.demo import scenes, victim
from autocard.demo.gateway import Gateway
from autocard.demo.kills import kill_in_the_loop, let_die_before_push
from autocard.demo.orders import DEAD, PRICE, till_orders
from autocard.demo.shop import Shop, notify, notify_at_once
from autocard.demo.stage import CREDENTIAL, PID, cards_in, set_stage
from autocard.demo.telling import Teller
from autocard.engine import Engine
from autocard.model import Reply
from autocard.secret import Secret


def _demo(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "autocard", "demo", *arguments],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder), "PYTHONUTF8": "1", "AUTOCARD_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_demo_succeeds_anywhere_and_cleans_up(tmp_path):
    """In an empty directory every claim holds, the exit code is 0 and nothing is left."""
    done = _demo(tmp_path, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    story = json.loads(done.stdout)
    assert story["ok"]
    names = {claim["name"] for claim in story["claims"] if claim["holds"]}
    assert {"one_card", "forged_stored", "killed", "kill_once", "push_once", "searched"} <= names
    assert list(tmp_path.iterdir()) == []
    assert done.stderr == ""


def _quick(monkeypatch, folder):
    """Let the story play in *folder* with one kill only."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(scenes, "KILLS", ((3, 0.0),))
    monkeypatch.setattr(scenes, "ORDERS", 8)


def test_the_demo_speaks_chinese_and_keeps_its_folder(empty, monkeypatch):
    """With `--keep` the folder stays for a look with the other commands; all of it in Chinese."""
    _quick(monkeypatch, empty.folder)
    done = empty.run("--lang", "zh", "demo", "--keep")
    assert done.code == 0, done.out + done.err
    assert "全部成立" in done.out
    assert "✗" not in done.out
    (folder,) = empty.folder.iterdir()
    assert (folder / "autocard.db").exists()
    empty.config = folder / "autocard.toml"
    assert empty.run("verify").code == 0


def test_a_claim_that_does_not_hold_is_shown_and_ends_with_one(empty, monkeypatch):
    """A broken promise is not glossed over."""

    def play(language, show, *, keep):
        teller = Teller(language, show)
        teller.step("books")
        teller.say("cleaned")
        teller.claim("one_card", False)
        return demo.Story(claims=tuple(teller.claims), seconds=0.1)

    monkeypatch.setattr(demo, "play", play)
    done = empty.run("demo")
    assert done.code == 1
    assert "✗ Exactly one card" in done.out
    assert "did not hold" in done.out


def test_a_story_without_claims_proves_nothing():
    """An empty story is not a success."""
    assert not demo.Story(claims=(), seconds=0.0).ok


def test_the_folder_goes_when_the_story_breaks_off(tmp_path, monkeypatch):
    """An error in the middle leaves nothing behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def fail(_):
        raise RuntimeError("in the middle")

    monkeypatch.setattr(scenes, "play_scenes", fail)
    with pytest.raises(RuntimeError):
        demo.play("en", lambda *_: None)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(name="stage")
def _stage(tmp_path):
    gateway = Gateway(PID, CREDENTIAL)
    yield set_stage(tmp_path, gateway, Teller("en", lambda *_: None))
    gateway.close()


def test_the_shipped_file_is_what_the_story_says(stage):
    """It is GB18030 and not UTF-8, with 200 cards, one of them twice, and one cut short."""
    data = stage.card_file.read_bytes()
    with pytest.raises(UnicodeDecodeError):
        data.decode("utf-8")
    assert len(data.decode("gb18030").splitlines()) == 1 + 200 + 1 + 1
    assert len(cards_in(data)) == 200


def test_the_gateway_answers_only_who_it_knows(stage):
    """A wrong merchant key, and an order nobody paid, get the refusals of a real gateway."""
    answer = stage.gateway._answer
    assert answer({"pid": PID, "key": "wrong"})["code"] == -3
    known = {"pid": PID, "key": CREDENTIAL.reveal()}
    assert answer({**known, "out_trade_no": "A1"})["code"] == -1
    stage.gateway.pay("A1", PRICE)
    assert answer({**known, "out_trade_no": "A1"})["money"] == "50.00"
    assert stage.gateway.asked == ["A1", "A1"]


def test_the_gateway_signs_as_the_adapter_checks(stage):
    """Two independent readings of the specification agree on the signature."""
    with Engine.open(stage.config, create=True) as engine:
        shop = Shop(engine.receive)
        try:
            stage.gateway.pay("A1", PRICE)
            query = stage.gateway.notice("A1")
            assert notify(shop.port, query.replace("A1", "A2")) == (400, b"fail")
            assert notify(shop.port, query) == (200, b"success")
        finally:
            shop.close()


def test_the_shop_passes_replies_on_as_they_are():
    """Status, headers and body of a reply reach the caller; ten callers get ten answers."""
    seen = []

    def receive(platform, inbound):
        seen.append((platform, inbound.path, inbound.query))
        return Reply(status=202, headers={"X-Shop": "yes"}, body=b"later")

    shop = Shop(receive)
    try:
        assert notify_at_once(shop.port, "a=1", 3) == [(202, b"later")] * 3
    finally:
        shop.close()
    assert seen == [("shop", "/notify", "a=1")] * 3


def test_a_search_that_finds_something_breaks_its_claim(stage):
    """When a card lies readable in a file of the store, the claim does not hold."""
    (stage.folder / "autocard.db").write_bytes(stage.cards[7].lower().encode("utf-16-le"))
    scenes.search_for_cards(stage, scenes._stored_bytes(stage))
    claims = {claim.name: claim.holds for claim in stage.teller.claims}
    assert claims == {"searched": False, "search_works": True}


def test_a_push_that_never_comes_breaks_its_claim(stage, monkeypatch):
    """When resume() does not write the file in time, the story says so."""
    monkeypatch.setattr(scenes, "_PATIENCE_S", 0.15)
    with Engine.open(stage.config, create=True) as engine:
        scenes.recover_the_push(stage, engine, died=True)
    claims = {claim.name: claim.holds for claim in stage.teller.claims}
    assert claims == {
        "push_died": True, "push_visible": False, "push_resumed": False, "push_once": False,
    }  # fmt: skip


def test_a_victim_that_does_not_start_is_not_counted(stage):
    """A process that ends by itself was not killed at work."""
    stage.config.write_text("nonsense", "utf-8")
    assert kill_in_the_loop(stage, 5, [(1, 0.0)]) == 0
    assert not let_die_before_push(stage)


def test_a_victim_that_hangs_is_ended(stage, monkeypatch):
    """Nobody waits for ever for a process to die."""
    import subprocess as processes

    from autocard.demo import kills

    monkeypatch.setattr(kills, "_PATIENCE_S", 0.2)
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    real = processes.Popen
    monkeypatch.setattr(kills.subprocess, "Popen", lambda _, **settings: real(sleeping, **settings))
    assert not let_die_before_push(stage)
    assert kill_in_the_loop(stage, 5, [(1, 0.0)]) == 0


def test_the_victim_goes_round_until_it_is_stopped(stage, monkeypatch):
    """It dispatches its orders again and again, printing each number."""
    with Engine.open(stage.config, create=True) as engine:
        engine.cards.add("steam-50", stage.card_file)
    lines = []

    class Ended(Exception):
        """Stands in for the kill."""

    class Out:
        def write(self, line):
            """Take a line; end after the fifth."""
            lines.append(line.strip())
            if len(lines) == 5:
                raise Ended

        def flush(self):
            """Do nothing."""

    monkeypatch.setattr(victim.sys, "stdout", Out())
    with pytest.raises(Ended):
        victim.main([str(stage.config), "killed", "2"])
    numbers = [order.order_no for order in till_orders(2)]
    assert lines == [*numbers, *numbers, numbers[0]]


def test_the_victim_dies_when_it_opens_a_delivery(stage, monkeypatch):
    """Before a push it installs its end, which strikes on a delivery file and on nothing else."""
    hooks = []
    ends = []
    monkeypatch.setattr(victim.sys, "addaudithook", hooks.append)
    monkeypatch.setattr(victim.os, "_exit", ends.append)
    Engine.open(stage.config, create=True).close()
    victim.main([str(stage.config), "before-push", "1"])
    (hook,) = hooks
    hook("open", (str(stage.tray / "other"), None, 0))
    hook("open", (7, None, 0))
    hook("socket.connect", (str(stage.tray / ".delivery-1"),))
    assert ends == []
    hook("open", (str(stage.tray / ".delivery-1.part"), None, 0))
    assert ends == [DEAD]


def test_credential_of_the_demo_is_a_secret():
    """Even an invented credential is not printed by accident."""
    assert isinstance(CREDENTIAL, Secret)
    assert CREDENTIAL.reveal() not in repr(CREDENTIAL)
    assert Path(scenes.__file__).with_name("cards_gbk.csv").exists()
