"""The order_file platform passes the suite for platforms, as far as it has no requests to make."""

from __future__ import annotations

from typing import ClassVar

import pytest

from autocard.adapters.order_file import OrderFileOptions, OrderFilePlatform
from autocard.testing.platforms import PlatformSuite

_NO_REQUESTS = "it speaks to a directory, not through the client; its own tests cover failures"


class TestOrderFilePlatform(PlatformSuite):
    """Conformance, with two directories."""

    exempt: ClassVar = {
        "test_declared_call_makes_one_request": _NO_REQUESTS,
        "test_lost_reply_is_unknown": _NO_REQUESTS,
        "test_failed_query_is_transient": _NO_REQUESTS,
    }

    @pytest.fixture(name="platform")
    def _platform(self, tmp_path):
        for name in ("inbox", "outbox"):
            (tmp_path / name).mkdir()
        return OrderFilePlatform(
            OrderFileOptions(inbox=tmp_path / "inbox", outbox=tmp_path / "outbox"), None
        )

    @pytest.fixture(name="foreign")
    def _foreign(self, platform):
        path = platform.options.outbox / "deliveries-20260101.csv"
        path.write_text("saved by another program")
        return path

    def test_nothing_leaks_when_it_fails(self, platform, delivery, canaries, foreign):
        """A refused delivery shows no card in errors, their local variables or logs."""
        for call in (platform.deliver, platform.find_delivery):
            with canaries, pytest.raises(Exception, match="another program") as caught:
                call(delivery)
            canaries.check_exception(caught.value)
        canaries.assert_clean()
