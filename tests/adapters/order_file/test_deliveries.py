"""Delivery tables: each reference once, complete or unchanged, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import errno
import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.adapters.order_file import OrderFileOptions, OrderFilePlatform, outbox
from autocard.spi import (
    Card,
    Delivery,
    RejectedError,
    Secret,
    TransientError,
    UnknownOutcome,
)

_PLACED_AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def _card(secret="S-1", number="N-1", original="N-1----S-1", **more):
    return Card(1, "steam-50", Secret(secret), number, original=Secret(original), **more)


def _delivery(*cards, reference="dl-1", placed_at=_PLACED_AT, item="Steam 50"):
    return Delivery(
        reference=reference, platform="taobao", order_no="A1001", line_no=1, item=item,
        sku="steam-50", cards=cards or (_card(),), placed_at=placed_at,
    )  # fmt: skip


@pytest.fixture(name="platform")
def _platform(tmp_path):
    return OrderFilePlatform(OrderFileOptions(inbox=tmp_path, outbox=tmp_path), None)


def _table(path):
    text = path.read_bytes().decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:], newline=""), strict=True))


def _tables(directory):
    return sorted(path.name for path in directory.iterdir() if path.name != ".deliveries.lock")


def test_cards_stand_in_the_table_of_the_day(platform, tmp_path):
    """Each card has a row in a private table named after the day in the set offset."""
    expiry = datetime(2027, 12, 31, tzinfo=UTC)
    name = platform.deliver(_delivery(_card(), _card("S-2", "", "", expires_at=expiry)))
    assert name == "deliveries-20261122.csv"
    assert _table(tmp_path / name) == [
        list(outbox.COLUMNS),
        ["dl-1", "A1001", "1", "Steam 50", "N-1", "S-1", "N-1----S-1", ""],
        ["dl-1", "A1001", "1", "Steam 50", "", "S-2", "S-2", "2027-12-31T00:00:00+00:00"],
    ]
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert _tables(tmp_path) == [name]


def test_day_is_the_one_of_the_decision(platform):
    """The day changes at midnight in the set offset, and a delivery without time has its own."""
    late = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
    assert platform.deliver(_delivery(placed_at=late)) == "deliveries-20261123.csv"
    assert platform.deliver(_delivery(placed_at=None)) == "deliveries-undated.csv"


def test_same_reference_adds_nothing(platform, tmp_path):
    """The same reference again leaves the file untouched; another one is added behind."""
    name = platform.deliver(_delivery())
    before = (tmp_path / name).stat().st_ino
    assert platform.deliver(_delivery()) == name
    assert (tmp_path / name).stat().st_ino == before
    platform.deliver(_delivery(reference="dl-2"))
    assert [row[0] for row in _table(tmp_path / name)] == ["reference", "dl-1", "dl-2"]


def test_find_tells_what_is_there(platform):
    """A delivery is found after it was made and not before, whatever its reference begins with."""
    for reference in ("dl-1", "-dl", "=1", "'x"):
        assert platform.find_delivery(_delivery(reference=reference)) is False
        platform.deliver(_delivery(reference=reference))
        platform.deliver(_delivery(reference=reference))
        assert platform.find_delivery(_delivery(reference=reference)) is True


def test_topup_has_one_row(platform, tmp_path):
    """A delivery without cards is one row with blank cells for the card."""
    delivery = _delivery()
    object.__setattr__(delivery, "cards", ())
    assert _table(tmp_path / platform.deliver(delivery))[1:] == [
        ["dl-1", "A1001", "1", "Steam 50", "", "", "", ""]
    ]


@given(
    secret=st.text(st.characters(exclude_categories=["Cs"])),
    item=st.sampled_from(["=1+1", "+1", "-1", "@x", "'x", "\tx", "plain"]),
)
def test_cells_are_harmless_and_can_be_taken_back(tmp_path_factory, secret, item):
    """No cell starts a formula, and taking one leading apostrophe away gives it back exactly."""
    directory = tmp_path_factory.mktemp("out")
    platform = OrderFilePlatform(OrderFileOptions(inbox=directory, outbox=directory), None)
    name = platform.deliver(_delivery(_card(secret, "", secret), item=item))
    row = _table(directory / name)[1]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row)
    assert (row[3].removeprefix("'"), row[5].removeprefix("'")) == (item, secret)
    assert platform.find_delivery(_delivery())


def test_threads_write_one_table(platform, tmp_path):
    """Many deliveries at once, some of them twice, leave each reference exactly once."""
    references = [f"dl-{number % 20}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda ref: platform.deliver(_delivery(reference=ref)), references))
    written = [row[0] for row in _table(tmp_path / "deliveries-20261122.csv")[1:]]
    assert sorted(written) == sorted(set(references))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_processes_write_one_table(platform, tmp_path):
    """Processes take turns on the same table."""
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:  # pragma: no cover - runs in the child, which coverage does not see end
            for turn in range(5):
                platform.deliver(_delivery(reference=f"dl-{number}-{turn}"))
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert len(_table(tmp_path / "deliveries-20261122.csv")) == 21


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"reference,order_no\r\n",
        ("\ufeff" + ",".join(outbox.COLUMNS)).encode(),
        ("\ufeff" + ",".join(outbox.COLUMNS) + "\r\ndl-1\r\n").encode(),
        ("\ufeff" + ",".join(outbox.COLUMNS) + '\r\n"canary\r\n').encode(),
        ("\ufeff" + ",".join(outbox.COLUMNS) + "\r\n").encode() + "卡,,,,,,,\r\n".encode("gb18030"),
    ],
)
def test_table_saved_by_others_is_neither_added_to_nor_searched(platform, tmp_path, content):
    """A table that another program has changed stays as it is, and nothing is said about it."""
    path = tmp_path / "deliveries-20261122.csv"
    path.write_bytes(content)
    with pytest.raises(RejectedError, match="saved by another program") as caught:
        platform.deliver(_delivery())
    assert caught.value.__context__ is None
    with pytest.raises(TransientError, match="saved by another program"):
        platform.find_delivery(_delivery())
    assert path.read_bytes() == content


def test_empty_table_is_started_anew(platform, tmp_path):
    """A table of no bytes holds nothing and is started."""
    (tmp_path / "deliveries-20261122.csv").touch()
    assert platform.find_delivery(_delivery()) is False
    platform.deliver(_delivery())
    assert platform.find_delivery(_delivery()) is True


def test_missing_outbox_is_refused(tmp_path):
    """Without the directory nothing is delivered, and nothing is known."""
    platform = OrderFilePlatform(OrderFileOptions(inbox=tmp_path, outbox=tmp_path / "none"), None)
    with pytest.raises(RejectedError, match="outbox"):
        platform.deliver(_delivery())
    with pytest.raises(TransientError, match="outbox"):
        platform.find_delivery(_delivery())


def test_invalid_unicode_is_refused_without_the_card(platform, tmp_path):
    """A card with a lone surrogate is refused; no error in the chain holds it."""
    with pytest.raises(RejectedError, match="not valid Unicode") as caught:
        platform.deliver(_delivery(_card("canary\ud800")))
    assert caught.value.__context__ is None
    assert _tables(tmp_path) == []


def _failing(*_args, **_more):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["fsync", "mkstemp", "replace"])
def test_full_disk_leaves_the_table_as_it_was(platform, tmp_path, monkeypatch, call):
    """When writing fails the table is as before, and it may be tried again."""
    platform.deliver(_delivery())
    before = (tmp_path / "deliveries-20261122.csv").read_bytes()
    holder = {"fsync": os, "mkstemp": outbox.tempfile, "replace": Path}[call]
    monkeypatch.setattr(holder, call, _failing)
    with pytest.raises(TransientError, match="No space left"):
        platform.deliver(_delivery(reference="dl-2"))
    assert (tmp_path / "deliveries-20261122.csv").read_bytes() == before
    assert _tables(tmp_path) == ["deliveries-20261122.csv"]


def test_unconfirmed_write_is_an_unknown_outcome(platform, monkeypatch):
    """When only the directory cannot be synced the row is there and the outcome is unknown."""
    monkeypatch.setattr(outbox, "sync_directory", _failing)
    with pytest.raises(UnknownOutcome, match="cannot be synced"):
        platform.deliver(_delivery())
    assert platform.find_delivery(_delivery())


def test_unreadable_table_says_nothing(platform, tmp_path):
    """A table that cannot be read is not an empty one."""
    (tmp_path / "deliveries-20261122.csv").mkdir()
    with pytest.raises(TransientError, match="cannot be read"):
        platform.find_delivery(_delivery())
    with pytest.raises(TransientError, match="cannot be written"):
        platform.deliver(_delivery())
