"""The file channel passes the suite for channels."""

from __future__ import annotations

import pytest

from autocard.adapters.file import FileChannel, FileOptions
from autocard.testing.channels import ChannelSuite


class TestFileChannel(ChannelSuite):
    """Conformance, with a directory as the receiver."""

    @pytest.fixture(name="channel", params=["txt", "csv", "json"])
    def _channel(self, tmp_path, request):
        (tmp_path / "out").mkdir()
        return FileChannel(FileOptions(directory=tmp_path / "out", format=request.param), None)

    @pytest.fixture(name="received")
    def _received(self, tmp_path):
        return lambda: [path.name for path in (tmp_path / "out").iterdir()]

    @pytest.fixture(name="losing")
    def _losing(self, channel, monkeypatch):
        def fail(_directory):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr("autocard.adapters.file.adapter._sync_directory", fail)
        return channel
