"""The file channel: one complete private file for each reference, or a clear refusal."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.adapters import file as file_package
from autocard.adapters.file import FileChannel, FileOptions
from autocard.adapters.file import adapter as adapter_module
from autocard.adapters.file.adapter import slug_from_reference
from autocard.adapters.file.render import COLUMNS, harmless
from autocard.spi import (
    Buyer,
    Card,
    Delivery,
    RejectedError,
    Secret,
    TransientError,
    UnknownOutcome,
    UnsupportedFeature,
)

_PAGE = Path(__file__).parents[3] / "docs" / "adapters" / "file.md"
_EXPIRY = datetime(2027, 12, 31, tzinfo=UTC)


def _names(directory):
    return [path.name for path in directory.iterdir()]


def _card(secret="S-1", number="N-1", original="N-1----S-1", **more):
    return Card(1, "steam-50", Secret(secret), number, original=Secret(original), **more)


def _delivery(*cards, reference="dl-1", item="Steam 50"):
    return Delivery(
        reference=reference, platform="shop", order_no="A1001", line_no=1, item=item,
        sku="steam-50", cards=cards or (_card(),), buyer=Buyer(contact="u1@example.com"),
    )  # fmt: skip


def _channel(directory, file_format="txt"):
    return FileChannel(FileOptions(directory=str(directory), format=file_format), None)


def test_package_registers_the_channel():
    """The hook offers the channel under its adapter name."""
    offered = []
    registry = type("R", (), {"channel": lambda _self, adapter: offered.append(adapter)})()
    file_package.autocard_register(registry)
    assert [adapter.name for adapter in offered] == ["file"]


def test_text_file_is_private_and_holds_the_original_text(tmp_path):
    """A text delivery is one file with mode 0600 and a line for each card."""
    name = _channel(tmp_path).send(_delivery(_card(), _card(original="二号卡")))
    path = tmp_path / name
    assert name == "delivery-dl-1.txt"
    assert path.read_bytes() == "N-1----S-1\n二号卡\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _names(tmp_path) == [name]


def test_card_without_original_text_is_written_from_its_parts(tmp_path):
    """A card that came in parts is written as number and secret."""
    name = _channel(tmp_path).send(_delivery(_card(original=""), _card(original="", number="")))
    assert (tmp_path / name).read_text("utf-8") == "N-1 S-1\nS-1\n"


@pytest.mark.parametrize("file_format", ["txt", "csv", "json"])
def test_same_reference_leaves_one_file_with_the_same_content(tmp_path, file_format):
    """Sending again changes nothing, not even the file's identity."""
    channel = _channel(tmp_path, file_format)
    name = channel.send(_delivery())
    before = ((tmp_path / name).read_bytes(), (tmp_path / name).stat().st_ino)
    assert channel.send(_delivery()) == name
    assert ((tmp_path / name).read_bytes(), (tmp_path / name).stat().st_ino) == before
    assert _names(tmp_path) == [name]


def test_damaged_file_is_written_again(tmp_path):
    """What stands under the name but differs is replaced as a whole; a link is not followed."""
    channel = _channel(tmp_path / "out")
    (tmp_path / "out").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / "out" / "delivery-dl-1.txt").symlink_to(elsewhere)
    assert not channel.find(_delivery())
    name = channel.send(_delivery())
    assert (tmp_path / "out" / name).read_text() == "N-1----S-1\n"
    assert not (tmp_path / "out" / name).is_symlink()
    assert elsewhere.read_text() == "mine"


def test_csv_cells_cannot_run_as_formulas(tmp_path):
    """CSV opens with a mark, has the documented columns, and no cell starts a formula."""
    card = _card(secret="=1+1", number="@n", original="+x\n-y", expires_at=_EXPIRY)
    name = _channel(tmp_path, "csv").send(_delivery(card, item="-item"))
    text = (tmp_path / name).read_bytes().decode("utf-8")
    assert text.startswith("\ufeff")
    heading, row = csv.reader(io.StringIO(text[1:], newline=""))
    assert tuple(heading) == COLUMNS
    assert row == [
        "dl-1", "A1001", "1", "'-item", "'@n", "'=1+1", "'+x\n-y", "2027-12-31T00:00:00+00:00",
    ]  # fmt: skip


@given(cell=st.text())
def test_harmless_cells_can_be_taken_back(cell):
    """Taking one leading apostrophe away gives every cell back, and none starts a formula."""
    written = harmless(cell)
    assert written.removeprefix("'") == cell if written != cell else not cell.startswith("'")
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_json_holds_every_part_and_nothing_of_the_buyer(tmp_path):
    """JSON gives the card back exactly and leaves the buyer out."""
    card = _card(secret="=密", extra={"pin": Secret("77")}, expires_at=_EXPIRY)
    name = _channel(tmp_path, "json").send(_delivery(card))
    text = (tmp_path / name).read_text("utf-8")
    assert json.loads(text)["cards"] == [
        {
            "number": "N-1",
            "secret": "=密",
            "extra": {"pin": "77"},
            "text": "N-1----S-1",
            "expires_at": "2027-12-31T00:00:00+00:00",
        }
    ]
    assert json.loads(text)["reference"] == "dl-1"
    assert "example.com" not in text


def test_sent_delivery_is_found_and_another_is_not(tmp_path):
    """find tells what is there from what is not."""
    channel = _channel(tmp_path)
    assert channel.find(_delivery()) is False
    channel.send(_delivery())
    assert channel.find(_delivery()) is True
    assert channel.find(_delivery(reference="dl-2")) is False


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_text("x"), "not a directory"),
        (lambda path: path.symlink_to(path.parent), "symbolic link"),
    ],
)
def test_unusable_directory_is_refused_and_hides_nothing(tmp_path, make, message):
    """A missing, linked or wrong directory refuses to send, and finding says nothing is known."""
    make(tmp_path / "out")
    channel = _channel(tmp_path / "out")
    with pytest.raises(RejectedError, match=message):
        channel.send(_delivery())
    with pytest.raises(TransientError, match=message):
        channel.find(_delivery())


def test_impossible_directory_name_is_refused():
    """A name that no file system has is a refusal too."""
    with pytest.raises(RejectedError, match="directory"):
        _channel("a\x00b").send(_delivery())


@pytest.mark.parametrize("file_format", ["txt", "csv", "json"])
def test_invalid_unicode_is_refused_without_the_card(tmp_path, file_format):
    """A card with a lone surrogate is refused; no error in the chain holds the card."""
    with pytest.raises(RejectedError, match="not valid Unicode") as caught:
        _channel(tmp_path, file_format).send(_delivery(_card(secret="S\ud800", original="S\ud800")))
    assert caught.value.__context__ is None
    assert _names(tmp_path) == []


def _failing(*_args, **_more):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["fsync", "mkstemp", "replace"])
def test_full_disk_leaves_nothing(tmp_path, monkeypatch, call):
    """When the file cannot be written it is not there, not even in part, and may be tried again."""
    holder = {"fsync": os, "mkstemp": adapter_module.tempfile, "replace": Path}[call]
    monkeypatch.setattr(holder, call, _failing)
    with pytest.raises(TransientError, match="No space left"):
        _channel(tmp_path).send(_delivery())
    assert _names(tmp_path) == []


def test_unconfirmed_write_is_an_unknown_outcome(tmp_path, monkeypatch):
    """When only the directory cannot be synced the file is there and the outcome is unknown."""
    monkeypatch.setattr(adapter_module, "_sync_directory", _failing)
    with pytest.raises(UnknownOutcome, match="cannot be synced"):
        _channel(tmp_path).send(_delivery())
    assert _channel(tmp_path).find(_delivery())


def test_search_that_fails_says_so(tmp_path):
    """A name too long for the file system is not reported as missing."""
    channel = _channel(tmp_path)
    channel._file_name = lambda _delivery: "x" * 5000
    with pytest.raises(TransientError, match="cannot be searched"):
        channel.find(_delivery())


@given(first=st.text(), second=st.text())
def test_any_reference_has_its_own_safe_file_name(first, second):
    """No reference leaves the directory, and two references never share a name."""
    name = slug_from_reference(first)
    assert re.fullmatch(r"[a-z0-9_-]*(\.[0-9a-f]{32})?", name)
    assert 1 <= len(name) <= 80
    assert (first == second) == (name == slug_from_reference(second))


@pytest.mark.parametrize("settings", [{"directory": 1}, {"directory": "x", "format": "xml"}])
def test_wrong_settings_are_refused(settings):
    """A directory that is no path and an unknown format are refused when the options are made."""
    with pytest.raises((TypeError, ValueError)):
        FileOptions(**settings)


def test_reference_of_another_case_has_another_file(tmp_path):
    """References that differ only in case do not meet on a file system that ignores case."""
    names = {_channel(tmp_path).send(_delivery(reference=ref)).lower() for ref in ("dl-1", "DL-1")}
    assert len(names) == 2


def test_options_are_frozen():
    """Options cannot be changed after they were checked."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        FileOptions(directory="x").directory = "y"


def test_undeclared_capabilities_are_the_base_class(tmp_path):
    """The channel overrides exactly what it declares."""
    assert FileChannel.capabilities == {"send", "find_sent", "repeat_delivery"}
    with pytest.raises(UnsupportedFeature):
        _channel(tmp_path)._unsupported("refund")


def test_samples_on_the_page_run(tmp_path, monkeypatch):
    """Every Python block of the page runs on its own."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(_PAGE), "exec"), {})
