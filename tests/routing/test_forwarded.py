"""For whom a proxy asks, and that nobody can say it for himself."""

from contextlib import suppress
from ipaddress import ip_address

import pytest
from cases import every
from hypothesis import given
from hypothesis import strategies as st

from omniroute.access.client_address import NO_NETWORKS, ClientAddress, Networks, resolve_client
from omniroute.errors import BadRequest

PROXIES = Networks(["127.0.0.1", "10.0.0.0/8", "2001:db8:ffff::/48"])
CLIENT = "203.0.113.9"


def asked(*headers: tuple[str, str], peer: str = "10.0.0.1", trusted: Networks = PROXIES) -> ClientAddress:
    return resolve_client(peer, [(name.encode(), value.encode("latin-1")) for name, value in headers], trusted)


@every(
    ("headers", "who"),
    [
        ([], "10.0.0.1"),
        ([("X-Forwarded-For", CLIENT)], CLIENT),
        ([("x-forwarded-for", f"1.2.3.4, {CLIENT}")], CLIENT),
        ([("x-forwarded-for", f"127.0.0.1, {CLIENT}, 10.9.9.9")], CLIENT),
        ([("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", CLIENT)], CLIENT),
        ([("x-forwarded-for", f"garbage, , {CLIENT}")], CLIENT),
        ([("x-forwarded-for", f"{CLIENT}:4711")], CLIENT),
        ([("x-forwarded-for", "[2001:db8::9]:4711")], "2001:db8::9"),
        ([("x-forwarded-for", "2001:DB8::9")], "2001:db8::9"),
        ([("x-forwarded-for", f"::ffff:{CLIENT}")], CLIENT),
        ([("x-forwarded-for", "127.0.0.1")], "127.0.0.1"),
        ([("x-forwarded-for", "10.0.0.7, 10.0.0.8")], "10.0.0.7"),
        ([("Forwarded", f"for={CLIENT}")], CLIENT),
        ([("forwarded", f'by=10.0.0.1; For="{CLIENT}:80" ;proto=http')], CLIENT),
        ([("forwarded", 'for="[2001:db8::9]:4711"')], "2001:db8::9"),
        ([("forwarded", f'for=1.2.3.4;by="a,b;c", for={CLIENT}, for=10.3.3.3')], CLIENT),
        ([("forwarded", f"for={CLIENT}"), ("x-forwarded-for", CLIENT)], CLIENT),
    ],
)
def test_the_rightmost_address_that_is_no_trusted_proxy_asks(headers: list[tuple[str, str]], who: str) -> None:
    assert asked(*headers) == ClientAddress(who)


@every(
    "headers",
    [
        [("x-forwarded-for", "unknown")],
        [("x-forwarded-for", "")],
        [("x-forwarded-for", f"{CLIENT},")],
        [("x-forwarded-for", f"{CLIENT}, _hidden")],
        [("x-forwarded-for", f"{CLIENT} 10.0.0.1")],
        [("x-forwarded-for", "10.1.1.1," * 40 + "10.1.1.1")],
        [("x-forwarded-for", "9" * 5000)],
        [("forwarded", "for=unknown")],
        [("forwarded", "proto=https")],
        [("forwarded", f'for=1.2.3.4;x=", for={CLIENT}')],
        [("forwarded", 'for=1.2.3.4;x=", for="[2001:db8::9]"')],
        [("forwarded", 'for="' + "\\" * 9)],
        [("forwarded", "for=1.2.3.4"), ("x-forwarded-for", CLIENT)],
    ],
)
def test_what_cannot_be_understood_is_refused(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(BadRequest):
        asked(*headers)


@every("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
@every("value", ["127.0.0.1", "for=127.0.0.1", "garbage"])
def test_who_is_not_trusted_is_not_believed_but_noticed(header: str, value: str) -> None:
    assert asked((header, value), peer=CLIENT) == ClientAddress(CLIENT, proxied=True)
    assert asked((header, value), peer="127.0.0.1", trusted=NO_NETWORKS) == ClientAddress("127.0.0.1", proxied=True)


def test_a_trusted_proxy_that_does_not_say_whom_is_noticed_too() -> None:
    assert asked(("x-real-ip", CLIENT)) == ClientAddress("10.0.0.1", proxied=True)


def test_a_peer_without_an_address_is_nobody() -> None:
    assert asked(peer="") == ClientAddress("unknown")
    assert asked(("x-forwarded-for", "127.0.0.1"), peer="/run/socket") == ClientAddress("unknown", proxied=True)
    assert asked(peer="fe80::1%eth0") == ClientAddress("fe80::1")


headers = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=80)


@given(said=headers, real=st.ip_addresses(v=4).map(str))
def test_nothing_on_the_left_matters(said: str, real: str) -> None:
    """Whatever a client sends, the proxy appends where it came from."""
    if real.startswith("10.") or real == "127.0.0.1":
        return
    assert asked(("x-forwarded-for", f"{said}, {real}")).address == real
    try:
        who = asked(("forwarded", f"{said}, for={real}"))
    except BadRequest:
        return
    assert who.address == real


@given(st.lists(st.tuples(st.sampled_from(["x-forwarded-for", "forwarded", "x-real-ip"]), headers), max_size=4))
def test_it_gives_an_address_or_refuses(said: list[tuple[str, str]]) -> None:
    with suppress(BadRequest):
        assert ip_address(asked(*said).address)


def test_long_headers_take_no_long_time() -> None:
    """As many quotes and commas as fit: each is looked at once."""
    value = 'a="b,c",' * 20_000 + f"for={CLIENT}"
    assert asked(("forwarded", value)).address == CLIENT
