"""Side calls over real sockets: each fault of the network is named, and every call ends in time."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from omniroute.upstream.client import MAX_BODY, describe, fetch, provider_client


def call(url: str, timeout: float = 5.0, **headers: str) -> tuple[int, bytes]:
    async def run() -> tuple[int, bytes]:
        async with provider_client(timeout) as client:
            return await fetch(client, "GET", url, headers)

    return asyncio.run(run())


@contextmanager
def server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept one connection and let `talk` have it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(120)
                with suppress(OSError):  # the client has hung up, as it should
                    talk(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(120)


def read_request(connection: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(65536)
    return got


def test_a_call_that_is_answered_says_who_we_are() -> None:
    heard: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        heard.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nhi")

    with server(talk) as port:
        assert call(f"http://127.0.0.1:{port}/a", cookie="no") == (201, b"hi")
    assert b"user-agent: omniroute/" in heard[0].lower()


def test_the_shells_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with server(talk) as port:
        assert call(f"http://127.0.0.1:{port}/")[0] == 200


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(OSError, match=f"^127.0.0.1:{port} refuses connections: is it running"):
        call(f"http://127.0.0.1:{port}/v1")


def test_a_host_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(OSError, match=r"^the host of nowhere\.invalid is not known$"):
        call("http://nowhere.invalid/v1")


@pytest.mark.parametrize(
    ("said", "says"),
    [(b"", "within 0.3 s"), (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "within 0.3 s")],
)
def test_a_provider_that_hangs_is_left(said: bytes, says: str) -> None:
    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(said)
        connection.recv(1)

    with server(talk) as port, pytest.raises(OSError, match=says):
        call(f"http://127.0.0.1:{port}/", timeout=0.3)


def test_a_provider_that_drips_is_left_in_time() -> None:
    stop = threading.Event()

    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not stop.wait(0.05):
            connection.sendall(b".")

    with server(talk) as port:
        with pytest.raises(OSError, match=r"no whole answer from .* within 0\.5 s"):
            call(f"http://127.0.0.1:{port}/", timeout=0.5)
        stop.set()


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-hello\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"])
def test_a_provider_that_breaks_off(said: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(said)

    with server(talk) as port, pytest.raises(OSError, match=r"^127.0.0.1:\d+ broke the connection: "):
        call(f"http://127.0.0.1:{port}/")


def test_a_body_in_another_encoding_than_it_says() -> None:
    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nplain")

    with server(talk) as port, pytest.raises(OSError, match="not in the encoding it names"):
        call(f"http://127.0.0.1:{port}/")


def test_plain_http_where_tls_is_expected() -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with server(talk) as port, pytest.raises(OSError, match=f"^TLS with 127.0.0.1:{port} failed: "):
        call(f"https://127.0.0.1:{port}/")


def test_an_endless_body_is_cut() -> None:
    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        while True:
            connection.sendall(b"x" * 1_000_000)

    with server(talk) as port:
        assert len(call(f"http://127.0.0.1:{port}/", timeout=120)[1]) == MAX_BODY


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://[::1/x"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(OSError, match=r"is no usable URL$"):
        call(url)


def test_a_certificate_that_is_not_valid() -> None:
    wrong = ssl.SSLCertVerificationError(1, "certificate verify failed")
    wrong.verify_message = "self-signed certificate"
    outer = OSError("all failed")
    outer.__cause__ = ExceptionGroup("several", [wrong])
    assert describe(outer, "https://a:1/x", 1.0) == "the certificate of a:1 is not valid: self-signed certificate"
