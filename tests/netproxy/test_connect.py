"""CONNECT, as an HTTP proxy hears it and answers it."""

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.netproxy.http_connect import MAX_HEAD, NO_TUNNEL, HttpConnect, TunnelRefused
from omniroute.netproxy.proxy_url import Proxy

OPEN = Proxy("http", "proxy", 3128)
LOCKED = Proxy("http", "proxy", 3128, "user", "p:ss", locked=True)


def test_what_is_said() -> None:
    assert HttpConnect(OPEN, "api.example", 443).start() == (
        b"CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\r\n"
    )
    said = HttpConnect(LOCKED, "2001:db8::1", 8443).start()
    assert said.startswith(b"CONNECT [2001:db8::1]:8443 HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic dXNlcjpwOnNz\r\n" in said


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 204\r\nX: y\r\nContent-Length: 5\r\n\r\n"])
def test_a_tunnel_in_pieces_of_any_size(head: bytes) -> None:
    for cut in range(len(head)):
        way = HttpConnect(OPEN, "h", 1)
        assert (way.feed(head[:cut]), way.done) == (b"", False)
        assert (way.feed(head[cut:]), way.done) == (b"", True)


@every("status", range(100, 600))
def test_every_status(status: int) -> None:
    way = HttpConnect(LOCKED, "api.example", 443)
    head = f"HTTP/1.1 {status} user p:ss\r\nX: p:ss\r\n\r\np:ss".encode()
    if 200 <= status < 300:
        way.feed(head[:-4])
        assert way.done
        return
    with pytest.raises(TunnelRefused) as refused:
        way.feed(head)
    said = str(refused.value)
    assert said.startswith("proxy http://proxy:3128: ")
    assert str(status) in said
    assert "p:ss" not in said
    assert refused.value.may_forward == (status in NO_TUNNEL)


@pytest.mark.parametrize("proxy", [OPEN, LOCKED])
def test_who_is_not_let_in(proxy: Proxy) -> None:
    with pytest.raises(TunnelRefused) as refused:
        HttpConnect(proxy, "h", 1).feed(b"HTTP/1.1 407 No\r\n\r\n")
    wants = "does not accept the user and the password" if proxy.credential else "wants a user and a password"
    assert wants in str(refused.value)


def test_the_words_of_a_forwarded_request_that_are_the_proxys() -> None:
    refused = TunnelRefused(OPEN, "it opens no tunnel (403)", status=403)
    assert "wants a user" in str(refused.again(407))
    assert "forwards nothing" in str(refused.again(403))
    assert refused.again(200) is None
    assert refused.again(500) is None


@every(
    "heard",
    [b"\x05\x00", b"SSH-2.0", b"HTTP/2 200 OK\r\n\r\n", b"HTTP/1.1 2x0\r\n\r\n", b"HTTP/1.1200 \r\n\r\n", b"\r\n\r\n"],
)
def test_what_is_not_http(heard: bytes) -> None:
    with pytest.raises(TunnelRefused, match="not HTTP"):
        HttpConnect(OPEN, "h", 1).feed(heard)


def test_a_head_without_end_and_words_before_their_time() -> None:
    with pytest.raises(TunnelRefused, match="not HTTP"):
        HttpConnect(OPEN, "h", 1).feed(b"HTTP/1.1 200 OK\r\n" + b"x" * MAX_HEAD)
    with pytest.raises(TunnelRefused, match="before that was asked"):
        HttpConnect(OPEN, "h", 1).feed(b"HTTP/1.1 200 OK\r\n\r\nx")


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_nothing_that_is_heard_breaks_it(pieces: list[bytes]) -> None:
    way = HttpConnect(OPEN, "h", 1)
    try:
        for piece in pieces:
            assert way.feed(piece) == b""
    except TunnelRefused:
        return
    assert not way.done
