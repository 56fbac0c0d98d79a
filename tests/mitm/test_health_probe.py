"""Health probes are recognised only where they stand plain and whole."""

from cases import every

from omniroute.mitm.health_probe import Probe, read_probe, write_answer

PLAIN = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def test_plain_ones() -> None:
    assert read_probe(PLAIN) == Probe("/healthz", False, ((b"Host", b"x"),), len(PLAIN), True)
    assert read_probe(PLAIN + b"GET / HTTP/1.1") == read_probe(PLAIN)
    found = read_probe(b"HEAD /readyz?x=1 HTTP/1.1\r\nhost: x\r\nConnection: close\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
    assert found
    assert (found.path, found.head_only, found.keep_alive) == ("/readyz", True, False)
    assert (b"X-Forwarded-For", b"1.2.3.4") in found.fields
    old = read_probe(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert old
    assert not old.keep_alive


@every(
    "data",
    [
        b"",
        PLAIN[:-1],
        b"GET /healthzz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\rY: z\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\0\r\n\r\n",
        b"GET /healthz HTTP/1.1\nHost: x\n\n",
    ],
)
def test_everything_else_takes_the_usual_way(data: bytes) -> None:
    assert read_probe(data) is None


def test_answers() -> None:
    probe = read_probe(PLAIN)
    assert probe
    head, _, body = write_answer(probe, 503, "Service Unavailable", b"{}", 0.4).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"retry-after: 1" in head
    assert b"connection: keep-alive" in head
    assert b"content-length: 2" in head
    assert body == b"{}"
    head_only = read_probe(PLAIN.replace(b"GET", b"HEAD"))
    assert head_only
    assert write_answer(head_only, 200, "OK", b"{}").endswith(b"content-length: 2\r\nconnection: keep-alive\r\n\r\n")
