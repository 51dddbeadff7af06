"""Kinguin's webhook messages: who sent them is proved, what they say is only a hint."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.adapters.kinguin import KinguinOptions, KinguinSupplier
from autocard.spi import Answer, Hint, Inbound, Secret, VerificationError

NOW = datetime(2026, 1, 2, 3, 4, 9, tzinfo=UTC)
ITEM = "65a0c0ffee00112233445566"
STATUS = {
    "orderId": "PHSDEMO0001", "orderExternalId": "ord-1001-1", "status": "completed",
    "updatedAt": "2026-01-02T03:04:09.125+00:00",
}  # fmt: skip
UPDATE = {
    "kinguinId": 90210, "productId": ITEM, "qty": 845, "textQty": 845, "price": 4.45,
    "cheapestOfferId": ["611222acff9ca40001f0b020"], "updatedAt": "2026-01-02T03:04:09.015+00:00",
}  # fmt: skip
OPTIONS = KinguinOptions(
    credential=Secret("kgn_demo_4f1d"), webhook_secret=Secret("demo-webhook-secret")
)
STORE = KinguinSupplier(OPTIONS, client=None)


def _message(event: str, body: Any, secret: str = "demo-webhook-secret") -> Inbound:
    return Inbound(
        method="POST",
        path="/kinguin",
        headers={
            "Content-Type": "aplication/json",
            "X-Event-Name": event,
            "X-Event-Secret": secret,
        },
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
    )


@pytest.mark.parametrize(
    ("event", "body", "hint"),
    [
        ("order.status", STATUS, Hint(reference="ord-1001-1", remote="PHSDEMO0001")),
        ("order.complete", STATUS, Hint(reference="ord-1001-1", remote="PHSDEMO0001")),
        ("order.status", {**STATUS, "orderExternalId": None}, Hint(remote="PHSDEMO0001")),
        ("order.status", {**STATUS, "orderId": 7}, Hint(reference="ord-1001-1")),
        ("product.update", UPDATE, Hint(items=(ITEM,))),
    ],
)  # fmt: skip
def test_messages_become_hints(event, body, hint) -> None:
    """A message names an order by both numbers, or a product, whatever its content type."""
    assert STORE.parse(_message(event, body), now=NOW) == hint


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("order.status", {}), ("order.status", []), ("order.status", b"<html>"),
        ("order.status", {"orderId": "a/b", "orderExternalId": "a b"}), ("order.status", b""),
        ("product.update", {}), ("product.update", {"productId": 7}), ("order.created", STATUS),
        ("", STATUS), ("order.status", b"[" * 60_000), ("order.status", b'{"a":"' + b"a" * 70_000),
    ],
)  # fmt: skip
def test_messages_that_name_nothing_are_refused(event, body) -> None:
    """A message of another kind, or without a usable number, is refused."""
    with pytest.raises(VerificationError):
        STORE.parse(_message(event, body), now=NOW)


@pytest.mark.parametrize("secret", ["", "demo-webhook-secre", "demo-webhook-secret ", "\ud800"])
def test_wrong_secret_is_refused(secret) -> None:
    """A message whose secret differs is refused, and the refusal shows neither secret."""
    with pytest.raises(VerificationError) as caught:
        STORE.parse(_message("order.status", STATUS, secret), now=NOW)
    assert str(caught.value) == "kinguin: the message is not proved genuine"


def test_message_without_header_or_by_get_is_refused() -> None:
    """A message needs the header, and to be posted."""
    message = _message("order.status", STATUS)
    for odd in (attrs.evolve(message, headers={}), attrs.evolve(message, method="GET")):
        with pytest.raises(VerificationError):
            STORE.parse(odd, now=NOW)


def test_without_a_configured_secret_everything_is_refused() -> None:
    """A store without a webhook secret accepts no message, one without a secret least of all."""
    store = KinguinSupplier(attrs.evolve(OPTIONS, webhook_secret=Secret("")), client=None)
    for secret in ("", "demo-webhook-secret"):
        with pytest.raises(VerificationError):
            store.parse(_message("order.status", STATUS, secret), now=NOW)


def test_replies_have_no_body() -> None:
    """A message that was taken is answered 204; no reply has a body."""
    replies = {answer: STORE.acknowledge(answer) for answer in Answer}
    assert replies[Answer.ACCEPTED].status == 204
    assert replies[Answer.REFUSED].status == 401
    assert replies[Answer.LATER].status == 503
    assert {reply.body for reply in replies.values()} == {b""}


@given(body=st.binary(max_size=200), event=st.sampled_from(["order.status", "product.update", "x"]))
def test_any_message_is_a_hint_or_refused(body, event) -> None:
    """Whatever the body of a message, it gives a hint or is refused."""
    try:
        hint = STORE.parse(_message(event, body), now=NOW)
    except VerificationError:
        return
    assert isinstance(hint, Hint)


def test_simulated_messages_arrive(sim, store, item, wish) -> None:
    """The simulated Kinguin posts a message that the adapter understands."""
    received: list[Inbound] = []

    class Shop(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(
                Inbound(method="POST", path=self.path, headers=dict(self.headers), body=body)
            )
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Shop) as shop:
        thread = threading.Thread(target=shop.handle_request)
        thread.start()
        sim.webhook_url = f"http://127.0.0.1:{shop.server_address[1]}/kinguin"
        sim.sell(item, "5.79", ["AAAAA-BBBBB-00001"])
        remote = store.buy(wish()).remote
        store.find_purchase(wish())
        thread.join()
    hints = [store.parse(inbound, now=NOW) for inbound in received]
    assert hints == [Hint(reference=wish().reference, remote=remote)]
