"""Servers that behave as badly as the internet does, on sockets of this machine."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def read_request(conn):
    """Return the head and body of one request."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(x.split(b":")[1]) for x in lines if x.startswith(b"content-length")), 0)
    while len(body) < length:
        body += conn.recv(65536)
    return head + b"\r\n\r\n" + body


class RawServer:
    """Accepts connections and hands each to `behave`; keeps what `read` took from them."""

    def __init__(self, behave, context=None):
        self.behave, self.context = behave, context
        self.requests, self.connections, self.open = [], 0, []
        self.stop = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.05)
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def url(self, path="/", host="127.0.0.1", scheme="http"):
        return f"{scheme}://{host}:{self.port}{path}"

    def read(self, conn):
        request = read_request(conn)
        if request:
            self.requests.append(request)
        return request

    def _accept(self):
        while not self.stop.is_set():
            try:
                conn, _ = self.listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            self.open.append(conn.dup())
            thread = threading.Thread(target=self._serve, args=(conn, self.open[-1]))
            self.threads.append(thread)
            thread.start()

    def _serve(self, conn, twin):
        with contextlib.suppress(OSError), conn:
            conn.settimeout(10)
            if self.context is not None:
                with self.context.wrap_socket(conn, server_side=True) as secure:
                    self.behave(self, secure)
            else:
                self.behave(self, conn)
        with contextlib.suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.stop.set()
        for conn in self.open:
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
            conn.close()
        for thread in self.threads:
            thread.join(10)
        self.listener.close()


def answer(data):
    """Return a behaviour that answers every request of a connection with *data*."""

    def behave(server, conn):
        while server.read(conn):
            conn.sendall(data)

    return behave


@pytest.fixture(name="serve")
def _serve():
    servers = []

    def serve(behave, context=None):
        servers.append(RawServer(behave, context))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


@attrs.frozen
class Authority:
    """A certificate for 127.0.0.1 and shop.example, and the file that makes it trusted."""

    file: str
    context: ssl.SSLContext


@pytest.fixture(name="authority", scope="session")
def _authority(tmp_path_factory):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "invented")])
    now = datetime.now(UTC)
    names = [x509.DNSName("shop.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    directory = tmp_path_factory.mktemp("tls")
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (directory / "ca.pem").write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (directory / "server.pem").write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    return Authority(str(directory / "ca.pem"), context)


@pytest.fixture(name="answer")
def _answer():
    return answer


@pytest.fixture(name="ok")
def _ok():
    return OK
