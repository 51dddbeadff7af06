"""The client on real sockets: one request, bounded, honest about what is known, and discreet."""

from __future__ import annotations

import gzip
import socket
import threading
import time

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autocard.errors import RejectedError, StoreError, TransientError, UnknownOutcome
from autocard.http import client as client_module
from autocard.http import connection as connection_module
from autocard.http.client import HttpClient
from autocard.model import Response
from autocard.testing.leaks import LeakDetector


@pytest.fixture(name="client")
def _client():
    with HttpClient(timeout_s=2, allow_http=True, max_bytes=1000) as client:
        yield client


def _closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _lost(safe):
    return pytest.raises(TransientError if safe else UnknownOutcome)


both = pytest.mark.parametrize("safe", [True, False], ids=["safe", "unsafe"])

# --- what is sent -----------------------------------------------------------------------------


def test_json_is_compact_utf8(client, serve, answer, ok):
    """A JSON body has no spaces, keeps Chinese characters, and says what it is."""
    server = serve(answer(ok))
    reply = client.request("POST", server.url("/a"), safe=False, json={"名": [1, "€"]})
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == '{"名":[1,"€"]}'.encode()
    assert head.startswith(b"POST /a HTTP/1.1\r\n")
    assert b"Content-Type: application/json" in head
    assert (reply.status, reply.body) == (200, b"ok")


def test_form_and_query_are_encoded(client, serve, answer, ok):
    """Form fields and parameters are percent-encoded UTF-8; a query in the address is kept."""
    server = serve(answer(ok))
    client.request(
        "POST", server.url("/a?x=1"), safe=False, params={"q": "a b&"}, form={"名": "1+1"}
    )
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /a?x=1&q=a+b%26 HTTP/1.1\r\n")
    assert body == b"%E5%90%8D=1%2B1"
    assert b"Content-Type: application/x-www-form-urlencoded" in head


def test_bytes_are_sent_as_given(client, serve, answer, ok):
    """A body of bytes is not touched, and headers of the caller win in any case."""
    server = serve(answer(ok))
    headers = {"content-type": "text/plain", "USER-AGENT": "mine"}
    client.request("PUT", server.url(), safe=True, body=b"\x00 \xff", headers=headers)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == b"\x00 \xff"
    assert head.count(b"mine") == 1
    assert b"autocard" not in head


def test_a_fragment_is_not_sent(client, serve, answer, ok):
    """What follows # in an address stays here."""
    server = serve(answer(ok))
    client.request("GET", server.url("/a#part"), safe=True)
    assert server.requests[0].startswith(b"GET /a HTTP/1.1")


def test_only_one_body_is_taken(client):
    """Two kinds of body at once are a mistake in the program."""
    with pytest.raises(TypeError, match="one of form, json and body"):
        client.request("POST", "http://127.0.0.1/", safe=True, form={}, body=b"")


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "get"},
        {"method": "GET / HTTP/1.1\r\nx: y"},
        {"headers": {"x": "a\r\nb: c"}},
        {"headers": {"x": "卡"}},
        {"headers": {"x y": "z"}},
        {"json": {"card": "\ud800"}},
        {"json": float("nan")},
        {"form": {"card": "\ud800"}},
        {"url": "http://127.0.0.1:x/"},
        {"url": "http://127.0.0.1:99999/"},
        {"url": "http://[::1/"},
        {"url": "http:///path"},
        {"url": "http://a b/"},
        {"url": "http://a\\b/"},
        {"url": "http://u:p@127.0.0.1/"},
        {"url": "ftp://127.0.0.1/"},
        {"url": "/path"},
        {"url": "http://*.example/"},
        {"url": "http://\u2100.example/"},
    ],
)
def test_what_cannot_be_sent_is_rejected(client, wrong):
    """Malformed methods, headers, bodies and addresses are refused before anything is sent."""
    call = {"method": "POST", "url": f"http://127.0.0.1:{_closed_port()}/", **wrong}
    with pytest.raises(RejectedError):
        client.request(safe=False, **call)


def test_plain_http_needs_permission(serve, answer, ok):
    """Without `allow_http` an address without TLS is refused."""
    server = serve(answer(ok))
    with pytest.raises(RejectedError, match="allow_http"):
        HttpClient().request("GET", server.url(), safe=True)
    assert server.connections == 0


def test_nothing_is_said_inside_a_transaction(serve, answer, ok):
    """While a store transaction is open on this thread the client refuses, and sends nothing."""
    server = serve(answer(ok))
    client = HttpClient(allow_http=True, speaking_allowed=lambda: False)
    with pytest.raises(StoreError, match="never speak inside a transaction"):
        client.request("GET", server.url(), safe=True)
    assert server.connections == 0


# --- what comes back --------------------------------------------------------------------------


def test_redirects_are_not_followed(client, serve, answer):
    """A redirect is an answer like any other, and its body is bounded too."""
    server = serve(
        answer(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nno")
    )
    reply = client.request("GET", server.url("/a"), safe=True)
    assert reply.status == 302
    assert reply.headers["location"] == "/b"
    assert reply.headers["x-a"] == "1"
    assert len(server.requests) == 1


def test_cookies_are_not_kept(client, serve, answer):
    """A cookie of one answer is not sent with the next request."""
    server = serve(
        answer(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n")
    )
    client.request("GET", server.url(), safe=True)
    client.request("GET", server.url(), safe=True)
    assert b"cookie" not in server.requests[1].lower()


def test_compressed_answers_are_read(client, serve, answer):
    """A server that compresses although we did not ask is understood."""
    packed = gzip.compress(b"hello")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    server = serve(answer(head.encode() + packed))
    assert client.request("GET", server.url(), safe=True).body == b"hello"
    assert b"Accept-Encoding: identity" in server.requests[0]


@both
def test_too_long_answers_are_cut_off(client, serve, safe):
    """Reading stops at `max_bytes`, even when the answer never ends."""

    def endless(server, conn):
        server.read(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            conn.sendall(b"3e8\r\n" + b"x" * 1000 + b"\r\n")

    with pytest.raises(RejectedError if safe else UnknownOutcome, match="1,000 bytes"):
        client.request("GET", serve(endless).url(), safe=safe)


def test_the_longest_answer_is_read(client, serve, answer):
    """An answer of exactly `max_bytes` is fine."""
    server = serve(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000))
    assert len(client.request("GET", server.url(), safe=True).body) == 1000


# --- what is known when it fails --------------------------------------------------------------


@both
def test_nobody_there_is_certainly_not_done(client, safe):
    """A refused connection is transient even for unsafe calls: nothing was sent."""
    with pytest.raises(TransientError, match="connection failed") as caught:
        client.request("POST", f"http://127.0.0.1:{_closed_port()}/a?k=v", safe=safe)
    assert caught.value.__notes__[0].startswith("POST http://127.0.0.1:")
    assert caught.value.__notes__[0].endswith("/a")


@both
def test_an_unknown_name_is_certainly_not_done(client, safe):
    """A host that does not resolve is transient."""
    with pytest.raises(TransientError, match="does not resolve"):
        client.request("POST", "http://nobody.invalid/", safe=safe)


@both
def test_an_untrusted_certificate_is_certainly_not_done(serve, answer, ok, authority, safe):
    """A certificate nobody vouches for ends the call before the request is sent."""
    server = serve(answer(ok), authority.context)
    with HttpClient() as client, pytest.raises(TransientError, match="TLS"):
        client.request("POST", server.url(scheme="https"), safe=safe)
    assert server.requests == []


def test_the_name_in_the_certificate_counts(serve, answer, ok, authority):
    """A trusted certificate is accepted for its own names only."""
    server = serve(answer(ok), authority.context)
    with HttpClient(ca_file=authority.file) as client:
        assert client.request("GET", server.url(scheme="https"), safe=True).body == b"ok"
        with pytest.raises(TransientError, match="TLS"):
            client.request("GET", server.url(scheme="https", host="localhost"), safe=True)


def test_a_server_that_is_not_tls_is_certainly_not_done(serve):
    """A failed handshake is transient for unsafe calls."""
    server = serve(lambda _, conn: conn.sendall(b"HTTP/1.1 400 no\r\n\r\n"))
    with HttpClient() as client, pytest.raises(TransientError):
        client.request("POST", server.url(scheme="https"), safe=False)


@both
@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
def test_a_broken_answer_is_lost(client, serve, safe, start):
    """Once sent, a call whose answer breaks off is unknown; a safe one may be repeated."""

    def behave(server, conn):
        server.read(conn)
        conn.sendall(start)

    server = serve(behave)
    with _lost(safe):
        client.request("POST", server.url(), safe=safe, body=b"1")
    assert len(server.requests) == 1


def _drip(server, conn, piece):
    while not server.stop.is_set():
        conn.sendall(piece)
        time.sleep(0.05)


def _silence(server, conn):
    server.read(conn)
    server.stop.wait(60)


def _endless_head(server, conn):
    server.read(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\n")
    _drip(server, conn, b"x")


def _endless_body(server, conn):
    server.read(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    _drip(server, conn, b"x")


@both
@pytest.mark.parametrize("behave", [_silence, _endless_head, _endless_body])
def test_the_deadline_is_for_the_whole_call(serve, safe, behave):
    """A server that is silent, or sends a byte now and then, is left at the deadline."""
    server = serve(behave)
    began = time.monotonic()
    with HttpClient(timeout_s=0.4, allow_http=True) as client, _lost(safe) as caught:
        client.request("GET", server.url(), safe=safe)
    assert "0.4 s" in str(caught.value)
    assert 0.3 < time.monotonic() - began < 30


def test_the_deadline_holds_over_tls(serve, authority):
    """Encrypted bytes that drip in are left at the deadline too."""
    server = serve(_endless_body, authority.context)
    began = time.monotonic()
    client = HttpClient(timeout_s=0.5, ca_file=authority.file)
    with pytest.raises(UnknownOutcome):
        client.request("GET", server.url(scheme="https"), safe=False)
    assert time.monotonic() - began < 30


def test_a_past_deadline_is_a_timeout():
    """Asking for time that is not left says so."""
    with pytest.raises(TimeoutError):
        connection_module.Exchange(deadline=time.monotonic() - 1).left_s()


# --- discretion -------------------------------------------------------------------------------


def test_nothing_said_shows_in_errors_and_logs(client, serve, answer, ok):
    """Query, headers and bodies show in no log, error, note, context or local variable."""
    canaries = LeakDetector()
    query, header, card, reply = map(canaries.plant, ("query", "header", "card", "reply"))

    def truncated(server, conn):
        server.read(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + reply.encode())

    behaviours = [
        answer(ok),
        truncated,
        answer(b"HTTP/1.1 200 OK\r\nbroken header\r\nContent-Length: 2\r\n\r\nok"),
        lambda server, conn: server.read(conn),
    ]
    urls = [serve(behave).url("/path") for behave in behaviours]
    urls += [f"http://127.0.0.1:{_closed_port()}/", "http://nobody.invalid/", "http://a b/", "x"]
    with canaries:
        for url in urls:
            for given_body in ({"json": {"card": card}}, {"form": {"card": f"{card}\ud800"}}):
                _note(canaries, client, url, query, {"X-Credential": header}, given_body)
        _note(canaries, client, urls[0], query, {"X-Credential": f"{header}\n"}, {})
    canaries.assert_clean()


def _note(canaries, client, url, query, headers, given_body):
    for safe in (True, False):
        try:
            client.request(
                "POST", f"{url}?a={query}", safe=safe, params={"b": query}, headers=headers,
                **given_body,
            )  # fmt: skip
        except (RejectedError, TransientError, UnknownOutcome) as error:
            canaries.check_exception(error)


def test_proxies_of_the_environment_need_permission(serve, answer, ok, monkeypatch):
    """A proxy that the environment names is used when asked for, and only then."""
    proxy, direct = serve(answer(ok)), serve(answer(ok))
    monkeypatch.setenv("http_proxy", proxy.url())
    monkeypatch.delenv("no_proxy", raising=False)
    with HttpClient(allow_http=True) as client:
        client.request("GET", direct.url("/a?q=1"), safe=True)
    assert (len(direct.requests), len(proxy.requests)) == (1, 0)
    with HttpClient(allow_http=True, use_environment=True) as client:
        client.request("GET", direct.url("/a?q=1"), safe=True)
    assert proxy.requests[0].startswith(f"GET {direct.url('/a?q=1')} HTTP/1.1".encode())


def test_netrc_is_not_read(client, serve, answer, ok, monkeypatch, tmp_path):
    """Passwords in a .netrc file are not sent."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login u password p\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(answer(ok))
    client.request("GET", server.url(), safe=True)
    assert b"authorization" not in server.requests[0].lower()


# --- public addresses -------------------------------------------------------------------------


def test_private_hosts_are_refused(client, serve, answer, ok):
    """With `public_only` a host on this machine is refused and not even connected to."""
    server = serve(answer(ok))
    for host in ("127.0.0.1", "localhost", "2130706433", "127.1"):
        with pytest.raises(RejectedError, match="public"):
            client.request("POST", server.url(host=host), safe=False, public_only=True)
    with pytest.raises(RejectedError, match="public"):
        client.request("POST", "http://[::ffff:7f00:1]/", safe=False, public_only=True)
    assert server.connections == 0
    assert client.request("GET", server.url(), safe=True).status == 200


def test_the_checked_address_is_called_by_its_name(serve, answer, ok, authority, monkeypatch):
    """The connection goes to the address that was checked; Host and TLS keep the name."""
    server = serve(answer(ok), authority.context)
    looked_up = []

    def resolve(host, port, **_):
        looked_up.append((host, port))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("autocard.http.address._is_public", lambda _: True)
    with HttpClient(ca_file=authority.file, resolve=resolve) as client:
        for host in ("shop.example", "127.0.0.1"):
            url = server.url(scheme="https", host=host)
            assert client.request("GET", url, safe=True, public_only=True).body == b"ok"
        url = server.url(scheme="https", host="other.example")
        with pytest.raises(TransientError, match="TLS"):
            client.request("GET", url, safe=True, public_only=True)
    assert looked_up[0] == ("shop.example", server.port)
    assert f"Host: shop.example:{server.port}".encode() in server.requests[0]


def test_the_first_address_that_answers_is_used(serve, answer, ok, monkeypatch):
    """A host with several addresses is reached at any that is up; none is transient."""
    server = serve(answer(ok))
    addresses = ["127.0.0.2", "127.0.0.1"]

    def resolve(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr("autocard.http.address._is_public", lambda _: True)
    with HttpClient(allow_http=True, resolve=resolve) as client:
        url = server.url(host="shop.example")
        assert client.request("GET", url, safe=True, public_only=True).body == b"ok"
        gone = f"http://shop.example:{_closed_port()}/"
        with pytest.raises(TransientError, match="connection failed"):
            client.request("POST", gone, safe=False, public_only=True)


def test_an_unknown_public_name_is_transient(serve):
    """A name that does not resolve is transient, whoever looks it up."""

    def resolve(*_, **__):
        raise socket.gaierror(-2, "unknown")

    with HttpClient(resolve=resolve) as client, pytest.raises(TransientError, match="resolve"):
        client.request("POST", "https://shop.example/", safe=False, public_only=True)


# --- connections ------------------------------------------------------------------------------


def test_a_connection_is_kept_for_a_moment(client, serve, answer, ok, monkeypatch):
    """Calls in quick succession share a connection; after a pause a new one is opened."""
    server = serve(answer(ok))
    for _ in range(2):
        client.request("GET", server.url(), safe=True)
    assert server.connections == 1
    monkeypatch.setattr(connection_module, "_IDLE_S", 0.0)
    client.request("GET", server.url(), safe=True)
    assert server.connections == 2


def test_every_thread_has_its_own_connection(client, serve, answer, ok):
    """Threads that share a client do not share connections; closing closes them all."""
    server = serve(answer(ok))
    replies = []

    def call():
        replies.append(client.request("GET", server.url(), safe=True))

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reply.body for reply in replies] == [b"ok"] * 3
    assert server.connections == 3
    client.close()
    assert client.request("GET", server.url(), safe=True).body == b"ok"


def test_a_forked_child_opens_its_own_connection(client, serve, answer, ok, monkeypatch):
    """After a fork the parent's connection is left alone."""
    server = serve(answer(ok))
    client.request("GET", server.url(), safe=True)
    parents = client._of_thread.any
    monkeypatch.setattr(client_module.os, "getpid", lambda: -1)
    client.request("GET", server.url(), safe=True)
    assert client._of_thread.any is not parents
    assert server.connections == 2
    parents.close()


def test_the_answer_is_a_frozen_value(client, serve, answer, ok):
    """What comes back cannot be changed."""
    reply = client.request("GET", serve(answer(ok)).url(), safe=True)
    assert isinstance(reply, Response)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        reply.status = 500


def _nowhere(*_, **__):
    raise socket.gaierror(-2, "unknown")


@given(st.text(max_size=30), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2))
def test_any_address_is_called_or_refused(rest, headers):
    """Arbitrary addresses and headers are rejected or do not resolve; there is no other error."""
    with HttpClient(resolve=_nowhere) as client, pytest.raises((RejectedError, TransientError)):
        client.request("GET", f"https://{rest}", safe=True, headers=headers, public_only=True)
