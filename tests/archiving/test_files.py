"""Archive files hold nothing readable, and are read only when every byte is as it was written."""

from __future__ import annotations

import hashlib
import io
import os

import pytest

from autocard import ConfigurationError, SealError, UnreadableSource
from autocard.archiving import files
from autocard.archiving.files import ArchiveWriter, head_of, records, written
from autocard.archiving.lines import END, told_line
from autocard.errors import AutocardError, UnknownSealKey
from autocard.model import OrderId
from autocard.records import OldRecord, RecordKind
from autocard.seal.frames import FRAME, FrameWriter, read_frames
from autocard.seal.keyring import create_keyring
from autocard.seal.sealer import Sealer, new_data_keys, next_seal_key
from autocard.testing import FakeClock, LeakDetector

NOW = FakeClock().now()


@pytest.fixture(name="keyring", scope="module")
def _keyring(tmp_path_factory):
    return create_keyring("file:keyring", base=tmp_path_factory.mktemp("keys"))


@pytest.fixture(name="rows", scope="module")
def _rows(keyring):
    return new_data_keys(keyring, NOW)


@pytest.fixture(name="sealer", scope="module")
def _sealer(keyring, rows):
    return Sealer.open(keyring, rows)


def record(number, text="x", kind=RecordKind.EVENT):
    return OldRecord(
        kind=kind, id=number, at_ms=number, order_id=OrderId(number), columns={"detail": text}
    )


def write(path, sealer, *every):
    with written(path) as file:
        writer = ArchiveWriter(file, sealer, {"name": path.name})
        for each in every:
            writer.add(each)
        sha256 = writer.finish()
    assert hashlib.sha256(path.read_bytes()).digest() == sha256
    assert path.stat().st_size == writer.size
    return path


def read(path, sealer):
    head_of(path, sealer)
    return list(records(path, sealer))


class TestFrames:
    @pytest.mark.parametrize("size", [0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME, 5 * FRAME + 7])
    def test_what_goes_in_comes_out(self, sealer, size):
        """Whatever the length, and however it is cut when it is written."""
        data = os.urandom(size)
        file = io.BytesIO()
        writer = FrameWriter(file, sealer)
        for start in range(0, size, 10_007):
            writer.write(data[start : start + 10_007])
        writer.finish()
        file.seek(0)
        frames = list(read_frames(file, sealer))
        assert b"".join(frames) == data
        assert max(map(len, frames)) <= FRAME

    def test_frames_cannot_be_moved_left_out_or_borrowed(self, sealer):
        """Each is bound to its stream, its place, and to whether it is the last."""

        def stream(text):
            file = io.BytesIO()
            writer = FrameWriter(file, sealer)
            writer.write(text * 3 * FRAME)
            writer.finish()
            data = file.getvalue()
            step = 4 + FRAME + 33
            return data[:25], [data[x : x + step] for x in range(25, len(data), step)]

        head, own = stream(b"a")
        other_head, other = stream(b"b")
        for forged in (
            own[:2], own[1:], [own[1], own[0], own[2]], [*own[:2], own[1], own[2]],
            [*own, own[2]], [other[0], *own[1:]], [own[0], own[2]], [],
        ):  # fmt: skip
            with pytest.raises(SealError):
                list(read_frames(io.BytesIO(head + b"".join(forged)), sealer))
        with pytest.raises(SealError):
            list(read_frames(io.BytesIO(other_head + b"".join(own)), sealer))
        assert len(list(read_frames(io.BytesIO(head + b"".join(own)), sealer))) == 3

    def test_a_key_that_was_rotated_still_opens_what_it_sealed(self, keyring, rows, sealer):
        """Archives outlive seal keys in use; one whose key is gone says so."""
        newer = next_seal_key(keyring, rows, NOW)
        file = io.BytesIO()
        rotated = Sealer.open(keyring, [*rows, newer])
        writer = FrameWriter(file, rotated)
        writer.write(b"x")
        writer.finish()
        file.seek(0)
        assert list(read_frames(file, rotated)) == [b"x"]
        file.seek(0)
        with pytest.raises(UnknownSealKey):
            list(read_frames(file, sealer))


class TestFiles:
    def test_every_changed_byte_is_found(self, tmp_path, sealer):
        """No byte of a file can be another one, and none can be missing or too many."""
        path = write(tmp_path / "a", sealer, record(1), record(2))
        data = path.read_bytes()
        assert read(path, sealer) == [record(1), record(2)]
        for index in range(len(data)):
            for bit in (0x01, 0x80):
                changed = bytearray(data)
                changed[index] ^= bit
                path.write_bytes(changed)
                with pytest.raises((SealError, UnreadableSource)):
                    read(path, sealer)
        for cut in range(len(data)):
            path.write_bytes(data[:cut])
            with pytest.raises((SealError, UnreadableSource)):
                read(path, sealer)
        path.write_bytes(data + b"\x00")
        with pytest.raises(SealError):
            read(path, sealer)

    def test_long_files_keep_memory_flat(self, tmp_path, sealer):
        """Reading and writing many megabytes takes a few, whatever is in them."""
        import tracemalloc

        def many():
            for number in range(60_000):
                yield record(number, os.urandom(100).hex())

        tracemalloc.start()
        path = write(tmp_path / "a", sealer, *())
        with written(tmp_path / "b") as file:
            writer = ArchiveWriter(file, sealer, {"name": "b"})
            for each in many():
                writer.add(each)
            writer.finish()
        count = sum(1 for _ in records(tmp_path / "b", sealer))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 60_000
        assert (tmp_path / "b").stat().st_size > 5_000_000
        assert peak < 3_000_000
        assert read(path, sealer) == []

    def test_only_the_owner_reads_it(self, tmp_path, sealer):
        """Nothing is left beside it."""
        path = write(tmp_path / "a", sealer, record(1))
        assert path.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == [path]

    def test_a_writer_that_fails_leaves_nothing(self, tmp_path, sealer):
        """Neither the file nor its beginning."""
        with pytest.raises(ZeroDivisionError), written(tmp_path / "a"):
            raise ZeroDivisionError
        assert list(tmp_path.iterdir()) == []

    def test_a_disk_that_refuses_is_said(self, tmp_path, sealer, monkeypatch):
        """Nothing was taken out of the store, and the message says so."""

        def full(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(files.os, "fsync", full)
        with pytest.raises(ConfigurationError, match=r"No space left.*nothing was taken out"):
            write(tmp_path / "a", sealer, record(1))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"ACSTREAM\x02" + bytes(40)])
    def test_what_is_no_archive_is_said(self, tmp_path, sealer, data):
        """As is a file that is not there."""
        (tmp_path / "a").write_bytes(data)
        with pytest.raises(UnreadableSource, match="no archive"):
            read(tmp_path / "a", sealer)
        with pytest.raises(UnreadableSource, match="cannot be read"):
            read(tmp_path / "b", sealer)

    def test_a_newer_format_says_so(self, tmp_path, sealer, monkeypatch):
        """Sealed and whole, but written by a later autocard."""
        monkeypatch.setattr(files, "FORMAT", 2)
        path = write(tmp_path / "a", sealer)
        monkeypatch.undo()
        with pytest.raises(SealError, match="newer"):
            read(path, sealer)

    @pytest.mark.parametrize(
        "lines",
        [
            [],
            [told_line("event", {"id": 1})],
            [told_line("archive", {"format": 1})],
            [told_line("archive", {"format": 1}), told_line(END, {"event": 1})],
            [told_line("archive", {"format": 1}), told_line(END, {}), told_line(END, {})],
            [told_line("archive", {"format": 1}), told_line("archive", {"format": 1})],
            [told_line("archive", {"format": 1}), told_line(END, {})[:-1]],
        ],
    )
    def test_a_sealed_file_that_contradicts_itself(self, tmp_path, sealer, lines):
        """Head first, end last, and as many records as the end says."""
        import zlib

        with written(tmp_path / "a") as file:
            frames = FrameWriter(file, sealer)
            frames.write(zlib.compress(b"".join(lines)))
            frames.finish()
        with pytest.raises(SealError, match="damaged"):
            read(tmp_path / "a", sealer)

    def test_what_is_packed_badly_is_damaged(self, tmp_path, sealer):
        """Neither cut off, nor followed by more, nor garbage."""
        import zlib

        whole = zlib.compress(told_line("archive", {"format": 1}) + told_line(END, {}))
        for packed in (whole[:-3], whole + b"more", b"garbage"):
            with written(tmp_path / "a") as file:
                frames = FrameWriter(file, sealer)
                frames.write(packed)
                frames.finish()
            with pytest.raises(SealError, match="damaged"):
                read(tmp_path / "a", sealer)
            (tmp_path / "a").unlink()

    def test_nothing_of_it_is_readable(self, tmp_path, sealer):
        """No canary is in any byte of the file."""
        eyes = LeakDetector()
        canary = eyes.plant("contact")
        path = write(tmp_path / "a", sealer, record(1, canary))
        eyes.check_tree(tmp_path)
        eyes.assert_clean()
        assert read(path, sealer)[0].columns["detail"] == canary

    def test_an_unknown_kind_of_record_is_from_a_newer_version(self, tmp_path, sealer):
        """It is not passed by in silence."""
        import zlib

        lines = [
            told_line("archive", {"format": 1}),
            told_line("purchase", {"id": 1, "at": 1, "order": None}),
            told_line(END, {"purchase": 1}),
        ]
        with written(tmp_path / "a") as file:
            frames = FrameWriter(file, sealer)
            frames.write(zlib.compress(b"".join(lines)))
            frames.finish()
        with pytest.raises(AutocardError, match="newer"):
            read(tmp_path / "a", sealer)
