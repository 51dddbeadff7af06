"""The webhook channel passes the suite for channels, on a real socket."""

from __future__ import annotations

import pytest

from autocard.adapters.webhook import WebhookChannel, WebhookOptions
from autocard.http.client import HttpClient
from autocard.spi import Secret
from autocard.testing.channels import ChannelSuite

SECRET = Secret("whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=")


class TestWebhook(ChannelSuite):
    """A consumer that answers 204 to whatever is posted."""

    @pytest.fixture(name="channel")
    def _channel(self, httpserver):
        httpserver.expect_request("/hook", method="POST").respond_with_data(status=204)
        options = WebhookOptions(
            url=httpserver.url_for("/hook"), credential=SECRET, allow_http=True, allow_private=True
        )
        with HttpClient(allow_http=True, timeout_s=5) as client:
            yield WebhookChannel(options, client)

    @pytest.fixture(name="received")
    def _received(self, httpserver):
        return lambda: [request.headers["webhook-id"] for request, _ in httpserver.log]
