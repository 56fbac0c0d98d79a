"""The client's side of SOCKS5, byte by byte (RFC 1928, RFC 1929)."""

import ipaddress
from itertools import pairwise

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.netproxy.http_connect import TunnelRefused
from omniroute.netproxy.proxy_url import Proxy
from omniroute.netproxy.socks5 import REPLIES, Socks5

OPEN = Proxy("socks5", "proxy", 1080)
LOCKED = Proxy("socks5", "proxy", 1080, "user", "pässword", locked=True)
BOUND = {"IPv4": b"\x01" + bytes(4), "IPv6": b"\x04" + bytes(16), "name": b"\x03\x04host"}


def reply(code: int = 0, bound: bytes = BOUND["IPv4"]) -> bytes:
    return b"\x05" + bytes([code]) + b"\x00" + bound + b"\x00\x00"


def talk(way: Socks5, heard: bytes, cuts: list[int] | None = None) -> bytes:
    """Let a proxy say all its words, cut at the places given, and return what was said to it."""
    said = way.start()
    edges = [0, *sorted(cuts or []), len(heard)]
    for start, stop in pairwise(edges):
        said += way.feed(heard[start:stop])
    return said


@every("bound", BOUND)
@every(
    ("host", "address"),
    [
        ("10.1.2.3", b"\x01\x0a\x01\x02\x03"),
        ("2001:db8::1", b"\x04" + ipaddress.ip_address("2001:db8::1").packed),
        ("api.example", b"\x03\x0bapi.example"),
        ("h" * 255, b"\x03\xff" + b"h" * 255),
    ],
    ids=["IPv4", "IPv6", "name", "longest"],
)
def test_a_tunnel_in_pieces_of_any_size(host: str, address: bytes, bound: str) -> None:
    heard = b"\x05\x00" + reply(bound=BOUND[bound])
    wanted = b"\x05\x01\x00" + b"\x05\x01\x00" + address + b"\x01\xbb"
    for cut in range(len(heard) + 1):
        way = Socks5(OPEN, host, 443)
        assert talk(way, heard, [cut]) == wanted
        assert way.done
    way = Socks5(OPEN, host, 443)
    assert talk(way, heard, list(range(len(heard)))) == wanted


@given(st.data())
def test_a_login_in_pieces_of_any_size(data: st.DataObject) -> None:
    heard = b"\x05\x02\x01\x00" + reply()
    cuts = data.draw(st.lists(st.integers(0, len(heard))))
    way = Socks5(LOCKED, "10.0.0.1", 1)
    login = b"\x01\x04user\x09" + "pässword".encode()
    assert talk(way, heard, cuts) == b"\x05\x02\x00\x02" + login + b"\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x01"
    assert way.done


def test_a_proxy_that_wants_no_login_hears_none() -> None:
    way = Socks5(LOCKED, "10.0.0.1", 1)
    assert b"user" not in talk(way, b"\x05\x00" + reply())
    assert way.done


@every("code", range(1, 256))
@every("rest", [b"", b"\x00\x01" + bytes(6)], ids=["cut", "whole"])
def test_every_reply_that_refuses(code: int, rest: bytes) -> None:
    with pytest.raises(TunnelRefused) as refused:
        talk(Socks5(OPEN, "api.example", 443), b"\x05\x00\x05" + bytes([code]) + rest)
    said = str(refused.value)
    assert said.startswith("proxy socks5://proxy:1080: ")
    assert "api.example:443" in said
    assert code in REPLIES or f"({code})" in said
    assert "{" not in said


@every(
    ("proxy", "heard", "says"),
    [
        (OPEN, b"\x05\xff", "it wants a user and a password"),
        (OPEN, b"\x05\x02", "it wants a user and a password"),
        (LOCKED, b"\x05\xff", "it does not accept the user and the password"),
        (LOCKED, b"\x05\x02\x01\x01", "it does not accept the user and the password"),
        (LOCKED, b"\x05\x02\x05\xff", "it does not accept the user and the password"),
        (LOCKED, b"\x05\x01", "a way to log in that was not offered (1)"),
        (OPEN, b"HTTP/1.1 400 Bad Request\r\n\r\n", "not SOCKS5"),
        (OPEN, b"\x04", "not SOCKS5"),
        (OPEN, b"\x05\x00\x04\x00", "not SOCKS5"),
        (OPEN, b"\x05\x00\x05\x00\x00\x02\x00", "not SOCKS5"),
        (OPEN, b"\x05\x00" + reply() + b"x", "before that was asked"),
    ],
)
def test_what_is_no_tunnel(proxy: Proxy, heard: bytes, says: str) -> None:
    for cut in range(len(heard)):
        with pytest.raises(TunnelRefused) as refused:
            talk(Socks5(proxy, "api.example", 443), heard, [cut])
        assert says in str(refused.value)
        assert "pässword" not in str(refused.value)


@pytest.mark.parametrize("host", ["", "h" * 256])
def test_a_name_that_socks_cannot_say_is_refused_before_a_word(host: str) -> None:
    with pytest.raises(TunnelRefused, match=f"a host's name of {len(host)} bytes"):
        Socks5(OPEN, host, 1).start()


def test_a_login_that_socks_cannot_say() -> None:
    with pytest.raises(TunnelRefused, match="its password is longer than 255 bytes"):
        Socks5(Proxy("socks5", "proxy", 1, "u", "p" * 256), "10.0.0.1", 1).start()


@given(st.binary(max_size=300))
def test_nothing_that_is_heard_breaks_it(heard: bytes) -> None:
    way = Socks5(LOCKED, "api.example", 443)
    way.start()
    try:
        way.feed(heard)
    except TunnelRefused:
        return
    assert way.done == (len(heard) > 2 and heard[0] == 5 and not way._heard)
