"""Heads and framing against a running gateway that wants keys, by clients that show none."""

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cases import every
from harness import PATIENCE, Gateway

from omniroute.store.state import sessions

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads processor time and memory from /proc")

MIB = 1 << 20
TICKS = 100.0
"""Ticks of processor time a second (USER_HZ)."""
BEGIN = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n"
CHUNKED = BEGIN + b"transfer-encoding: chunked\r\n\r\n"
SECONDS = 4.0
"""Processor time for 16 MB of a head: 6 s and more when each piece causes work on all that came before."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    options = {"omniroute_require_api_key": "true", "flow_detail": "0"}
    with Gateway.start(tmp_path_factory.mktemp("gateway"), options=options) as running:
        yield running


def seconds(gateway: Gateway) -> float:
    """Return the processor time that the gateway has used."""
    fields = Path(f"/proc/{gateway.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(gateway: Gateway) -> int:
    for line in Path(f"/proc/{gateway.process.pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def forget_peak(gateway: Gateway) -> None:
    Path(f"/proc/{gateway.process.pid}/clear_refs").write_text("5", encoding="utf-8")


def exchange(gateway: Gateway, *pieces: bytes, leave: bool = False) -> bytes:
    """Send pieces until the gateway closes; return all that it says."""
    with socket.create_connection(("127.0.0.1", gateway.runtime["port"]), PATIENCE) as sock:
        try:
            for piece in pieces:
                sock.sendall(piece)
            if leave:
                sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            return b""
        said = b""
        while piece := sock.recv(65536):
            said += piece
        return said


def status(said: bytes) -> int:
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 "), said
    assert b"connection: close" in head.lower()
    assert json.loads(body)["error"]["message"]
    return int(head[9:12])


@every(
    ("piece", "times"),
    [(b"a" * MIB, 16), (b"x: 1\r\n" * 100_000, 10), (b"sk-" * (MIB // 3), 16), (b"\r\n x" * (MIB // 4), 16)],
    ids=["one line", "a million lines", "one line of marks of keys", "folded"],
)
@every("leave", [False, True])
def test_a_head_without_end(gateway: Gateway, piece: bytes, times: int, leave: bool) -> None:
    forget_peak(gateway)
    spent, memory = seconds(gateway), resident(gateway)
    said = exchange(gateway, BEGIN + b"x: ", *([piece] * times), leave=leave)
    assert status(said) == 431
    assert seconds(gateway) - spent < SECONDS
    assert resident(gateway) - memory < 48 * MIB
    assert httpx.get(f"{gateway.url}/healthz", timeout=PATIENCE, trust_env=False).status_code == 200


def test_the_management_paths_have_the_same_bounds(gateway: Gateway) -> None:
    for path in (b"/api/keys", b"/healthz", b"/omniroute/"):
        begin = b"GET " + path + b" HTTP/1.1\r\nhost: gateway\r\n"
        assert status(exchange(gateway, begin + b"x: " + b"a" * 70_000)) == 431
        assert status(exchange(gateway, begin + b"x: 1\r\n" * 101)) == 431
        assert status(exchange(gateway, begin + b"x: a\rb\r\n\r\n")) == 400
        bad = begin.replace(b"GET", b"POST") + b"transfer-encoding: chunked\r\n\r\n"
        assert status(exchange(gateway, bad, b"-1\r\nx\r\n")) in (400, 401, 403, 405)


@every(
    "raw",
    [
        CHUNKED + b"-1\r\n",
        CHUNKED + b"0x1\r\nx\r\n",
        CHUNKED + b"f" * 17 + b"\r\n",
        CHUNKED + b"1_0\r\n",
        CHUNKED + b"1;a\nb\r\nx\r\n",
        CHUNKED + b"1\r\nxy\r\n",
        BEGIN + b"x: a\rb\r\n\r\n",
        BEGIN + b"x: a\0b\r\n\r\n",
        BEGIN + b"x: a\x0bb\r\n\r\n",
        BEGIN + b"host: other\r\n\r\n",
        BEGIN + b"x: a\r\n b\r\n\r\n",
        BEGIN + b"x : a\r\n\r\n",
        BEGIN.replace(b"1.1", b"9.9") + b"\r\n",
        BEGIN + b"content-length: 1\r\ncontent-length: 2\r\n\r\n",
        BEGIN + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n",
        b"CONNECT a.example:443 HTTP/1.1\r\nhost: a.example\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_bytes_that_are_not_valid(gateway: Gateway, raw: bytes) -> None:
    begin = len(gateway.log())
    said = exchange(gateway, raw)
    assert status(said) in ((400, 401) if raw.startswith(CHUNKED) else (400,))
    assert "Traceback" not in gateway.log()[begin:]
    assert "crashed" not in gateway.log()[begin:]


def test_trailers_are_dropped(gateway: Gateway) -> None:
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    said = exchange(gateway, head + b"2\r\n{}\r\n0\r\nx-a: 1\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 401 ")


def test_violations_are_counted(gateway: Gateway) -> None:
    exchange(gateway, BEGIN + b"x : a\r\n\r\n")
    token = {"authorization": f"Bearer {sessions.token(gateway.store)}"}
    text = httpx.get(f"{gateway.url}/metrics", headers=token, timeout=PATIENCE, trust_env=False).text
    assert 'omniroute_protocol_errors_total{reason="head_syntax"}' in text
