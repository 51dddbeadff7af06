"""The channel keeps every promise of `ChannelSuite`."""

from __future__ import annotations

import pytest

from autocard.testing import ChannelSuite
from autocard_paperplane import PaperplaneChannel
from autocard_paperplane.options import ChannelOptions


class TestPaperplane(ChannelSuite):
    """A plane of the same number is the same plane."""

    @pytest.fixture(name="channel")
    def _channel(self, options, paperplane):
        own = ChannelOptions(base_url=options.base_url, credential=options.credential)
        return PaperplaneChannel(own, paperplane)

    @pytest.fixture(name="received")
    def _received(self, paperplane):
        return lambda: list(paperplane.planes)
