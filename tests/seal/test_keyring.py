"""Keyrings: opened, created, rotated, and refused with a reason that quotes nothing."""

from __future__ import annotations

import base64
import contextlib
import copy
import errno
import json
import os
import pickle
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autocard.errors import ConfigurationError, UnknownSealKey
from autocard.seal import keyring as keyring_module
from autocard.seal.keyring import create_keyring, open_keyring, rotate_keyring

_RAW = bytes(range(200, 232))
_TEXT = base64.b64encode(_RAW).decode()


def _shown(error):
    """Return what a crash report with local variables would hold."""
    frames = []
    trace = error.__traceback__.tb_next  # the first frame is the test's own
    while trace is not None:
        frames.append(repr(trace.tb_frame.f_locals))
        trace = trace.tb_next
    return "\n".join([repr(error), *frames])


def _document(*rows: object) -> str:
    return json.dumps({"keys": list(rows)})


def _row(key_id: object = "k-1", secret: object = _TEXT) -> dict[str, object]:
    return {"id": key_id, "secret": secret}


def _write(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def test_created_keyring_is_private_and_opens_again(tmp_path):
    """A created keyring file has mode 0600, opens again, and leaves no draft behind."""
    made = create_keyring("file:a.keyring", base=tmp_path)
    opened = open_keyring("file:a.keyring", base=tmp_path)
    assert stat.S_IMODE((tmp_path / "a.keyring").stat().st_mode) == 0o600
    assert opened.current == made.current
    assert opened.unwrap(made.current, made.wrap(b"d" * 32, b"c"), b"c") == b"d" * 32
    assert [path.name for path in tmp_path.iterdir()] == ["a.keyring"]


def test_absolute_path_ignores_base(tmp_path):
    """An absolute path is taken as it is."""
    create_keyring(f"file:{tmp_path / 'k'}", base=Path("/nowhere"))
    assert open_keyring("file:k", base=tmp_path).current.startswith("k-")


def test_existing_file_is_never_overwritten(tmp_path):
    """Creating over an existing file is refused and leaves its content alone."""
    path = _write(tmp_path / "k", "mine")
    with pytest.raises(ConfigurationError, match="never overwritten"):
        create_keyring("file:k", base=tmp_path)
    assert path.read_text() == "mine"


def test_racing_creators_agree_on_one_keyring(tmp_path):
    """Of many threads creating the same keyring exactly one succeeds."""
    made: list[str] = []
    refused: list[ConfigurationError] = []

    def create() -> None:
        try:
            made.append(create_keyring("file:k", base=tmp_path).current)
        except ConfigurationError as error:
            refused.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(refused) == 7
    assert open_keyring("file:k", base=tmp_path).current == made[0]


def test_file_that_appears_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    """A keyring that another process publishes between the look and the write survives."""
    _write(tmp_path / "k", "theirs")
    monkeypatch.setattr(Path, "exists", lambda _self: False)
    with pytest.raises(ConfigurationError, match="never overwritten"):
        create_keyring("file:k", base=tmp_path)
    assert (tmp_path / "k").read_text() == "theirs"
    assert not os.path.lexists(tmp_path / "k.new")


def test_directory_that_cannot_be_written_is_a_configuration_error(tmp_path):
    """A missing directory is named, not a traceback."""
    with pytest.raises(ConfigurationError, match="cannot be written"):
        create_keyring("file:missing/k", base=tmp_path)


def test_variable_holds_the_same_content(tmp_path, monkeypatch):
    """The content of a keyring file works as an environment variable."""
    made = create_keyring("file:k", base=tmp_path)
    monkeypatch.setenv("RING", (tmp_path / "k").read_text())
    assert open_keyring("env:RING", base=tmp_path).current == made.current


def test_missing_variable_says_how_to_fill_it(tmp_path, monkeypatch):
    """A missing variable is an error that explains the value and prints none."""
    monkeypatch.delenv("RING", raising=False)
    with pytest.raises(ConfigurationError, match="RING is not set; create a keyring file"):
        open_keyring("env:RING", base=tmp_path)


@pytest.mark.parametrize("make", [create_keyring, rotate_keyring])
def test_variable_cannot_be_written(tmp_path, make):
    """Creating or rotating a variable is refused with an explanation."""
    with pytest.raises(ConfigurationError, match="RING"):
        make("env:RING", base=tmp_path)


def test_missing_file_says_what_to_do(tmp_path):
    """A missing keyring file is an error that names the way out."""
    with pytest.raises(ConfigurationError, match="create=True"):
        open_keyring("file:k", base=tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o602, 0o610])
def test_open_modes_are_refused(tmp_path, mode):
    """A file that other users may touch is refused, with the command that mends it."""
    _write(tmp_path / "k", _document(_row()), mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        open_keyring("file:k", base=tmp_path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_private_modes_are_accepted(tmp_path, mode):
    """Read-write and read-only files of the owner are accepted."""
    _write(tmp_path / "k", _document(_row()), mode)
    assert open_keyring("file:k", base=tmp_path).current == "k-1"


def test_windows_modes_are_not_looked_at(monkeypatch):
    """On Windows the mode says nothing and is not checked."""
    monkeypatch.setattr(keyring_module.os, "name", "nt")
    accepted = not keyring_module._is_open_to_others(0o100666)
    monkeypatch.undo()
    assert accepted


def test_directory_and_pipe_are_refused(tmp_path):
    """What is not a regular file is refused at once; a named pipe does not block."""
    (tmp_path / "directory").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("directory", "pipe"):
        with pytest.raises(ConfigurationError, match="keyring"):
            open_keyring(f"file:{name}", base=tmp_path)


@pytest.mark.parametrize(
    "spec", ["", "k", "file:", "env:", "http:x", "file:a\x00b", "env:\ud800", "file:\ud800"]
)
def test_malformed_spec_is_refused(tmp_path, spec):
    """A spec that is neither file:PATH nor env:NAME is refused."""
    for make in (open_keyring, create_keyring, rotate_keyring):
        with pytest.raises(ConfigurationError, match="file:PATH or env:NAME"):
            make(spec, base=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "should look like"),
        ("[]", "should look like"),
        ("{}", "should look like"),
        ('{"keys": []}', "should look like"),
        ('{"keys": {}}', "should look like"),
        (b"\xff\xfe", "should look like"),
        ("[" * 60_000, "should look like"),
        ('{"keys": [1' + "0" * 9000 + "]}", "should look like"),
        (_document(1), r"keys\[0\] must have exactly"),
        (_document({"id": "a"}), "must have exactly"),
        (_document({**_row(), "more": 1}), "must have exactly"),
        (_document(_row(key_id=1)), r"keys\[0\].id"),
        (_document(_row(key_id="a b")), r"keys\[0\].id"),
        (_document(_row(key_id="a\n")), r"keys\[0\].id"),
        (_document(_row(), _row("k-2", secret=1)), r"keys\[1\].secret"),
        (_document(_row(secret="é")), r"keys\[0\].secret"),
        (_document(_row(secret="!!!!")), r"keys\[0\].secret"),
        (_document(_row(secret=_TEXT[:-4])), r"keys\[0\].secret"),
        (_document(_row(), _row()), "the same id"),
        ("x" * 70_000, "larger than"),
    ],
)
def test_malformed_content_is_named_and_not_quoted(tmp_path, content, message):
    """Wrong content is an error that says where, with nothing of the content in it or behind it."""
    _write(tmp_path / "k", content)
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_keyring("file:k", base=tmp_path)
    assert caught.value.__context__ is None
    assert _TEXT[:8] not in _shown(caught.value)


@settings(max_examples=100)
@given(
    content=st.binary()
    | st.text().map(str.encode)
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["keys", "id", "secret"]), inner)
        ),
    ).map(lambda value: json.dumps({"keys": value}).encode())
)
def test_arbitrary_bytes_are_a_configuration_error(tmp_path_factory, content):
    """Whatever a keyring file holds, opening it gives a keyring or a ConfigurationError."""
    path = _write(tmp_path_factory.mktemp("k") / "k", content)
    with pytest.raises(ConfigurationError):
        open_keyring("file:k", base=path.parent)


def test_rotated_keyring_wraps_with_the_new_key_and_opens_the_old(tmp_path):
    """Rotation puts a new key first and keeps the older ones."""
    before = create_keyring("file:k", base=tmp_path)
    wrapped = before.wrap(b"d" * 32, b"")
    after = rotate_keyring("file:k", base=tmp_path)
    again = open_keyring("file:k", base=tmp_path)
    assert after.current == again.current != before.current
    assert again.unwrap(before.current, wrapped, b"") == b"d" * 32
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600


def test_racing_rotations_lose_no_key(tmp_path):
    """Every rotation that reported success is in the file afterwards."""
    create_keyring("file:k", base=tmp_path)
    made: list[str] = []

    def rotate() -> None:
        with contextlib.suppress(ConfigurationError):
            made.append(rotate_keyring("file:k", base=tmp_path).current)

    threads = [threading.Thread(target=rotate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = [row["id"] for row in json.loads((tmp_path / "k").read_text())["keys"]]
    assert made
    assert set(made) == set(written[:-1])


def test_rotation_of_a_damaged_keyring_changes_nothing(tmp_path):
    """A keyring that cannot be read is not replaced, and the lock is gone afterwards."""
    _write(tmp_path / "k", "damaged")
    with pytest.raises(ConfigurationError, match="should look like"):
        rotate_keyring("file:k", base=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["k"]
    assert (tmp_path / "k").read_text() == "damaged"


def test_unwritable_keyring_shows_no_key(tmp_path, monkeypatch):
    """When the disk is full nothing is left behind, and no traceback shows the new key."""

    def full(_fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    raw = bytes(range(32))
    monkeypatch.setattr(keyring_module.os, "urandom", lambda _size: raw)
    monkeypatch.setattr(keyring_module.os, "fsync", full)
    with pytest.raises(ConfigurationError, match="No space left") as caught:
        create_keyring("file:k", base=tmp_path)
    assert caught.value.__context__ is None
    assert base64.b64encode(raw).decode()[:8] not in _shown(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_rotation_waits_for_nobody_and_loses_nothing(tmp_path):
    """While another rotation is under way, a second one is refused and changes nothing."""
    create_keyring("file:k", base=tmp_path)
    (tmp_path / "k.new").touch()
    content = (tmp_path / "k").read_bytes()
    with pytest.raises(ConfigurationError, match=r"\.new"):
        rotate_keyring("file:k", base=tmp_path)
    assert (tmp_path / "k").read_bytes() == content
    assert (tmp_path / "k.new").exists()


def test_unknown_and_wrong_keys_are_told_apart(tmp_path):
    """A missing id, another key by the same id and a damaged row each get their own message."""
    _write(tmp_path / "one", _document(_row()))
    _write(tmp_path / "two", _document(_row(secret=base64.b64encode(bytes(32)).decode())))
    one, two = (open_keyring(f"file:{name}", base=tmp_path) for name in ("one", "two"))
    wrapped = one.wrap(b"d" * 32, b"c")
    with pytest.raises(UnknownSealKey, match="does not hold the key 'k-9'"):
        one.unwrap("k-9", wrapped, b"c")
    with pytest.raises(UnknownSealKey, match="another key has the same id"):
        two.unwrap("k-1", wrapped, b"c")
    with pytest.raises(UnknownSealKey, match="was changed"):
        one.unwrap("k-1", wrapped, b"other")
    for damaged in (b"", b"\x02" + wrapped[1:], wrapped[:20]):
        with pytest.raises(UnknownSealKey, match="damaged"):
            one.unwrap("k-1", damaged, b"c")


def test_keyring_shows_ids_only_and_is_not_copied(tmp_path):
    """repr holds no key material, and copies and pickles are refused."""
    _write(tmp_path / "k", _document(_row()))
    opened = open_keyring("file:k", base=tmp_path)
    assert repr(opened) == "LocalKeyring(ids=['k-1'])"
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="not copied or pickled"):
            attempt(opened)
