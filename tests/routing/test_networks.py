"""Networks of addresses, with the standard library as the judge."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from cases import every
from hypothesis import assume, given
from hypothesis import strategies as st

from omniroute.access.client_address import Address, Network, Networks, networks, read_address, read_network

MAPPED = IPv6Network("::ffff:0:0/96")


@st.composite
def near_addresses(draw: st.DrawFn, version: int) -> Address:
    """Addresses that share their beginnings, so that networks have something to catch."""
    bits = 32 if version == 4 else 128
    bases = (0x0A000000, 0xC0A80100, 0x7F000000) if version == 4 else (0x20010DB8 << 96, 1, 0xFE80 << 112)
    base = draw(st.sampled_from(bases))
    return ip_address((base ^ draw(st.integers(0, 2 ** draw(st.integers(0, bits)) - 1))).to_bytes(bits // 8))


@st.composite
def some_networks(draw: st.DrawFn) -> Network:
    version = draw(st.sampled_from((4, 6)))
    address = draw(near_addresses(version))
    found = ip_network(f"{address}/{draw(st.integers(0, address.max_prefixlen))}", strict=False)
    assume(not (isinstance(found, IPv6Network) and found.overlaps(MAPPED)))
    return found


@given(st.lists(some_networks(), max_size=30), st.sampled_from((4, 6)).flatmap(near_addresses))
def test_a_set_holds_what_any_of_its_networks_holds(known: list[Network], address: Address) -> None:
    assume(address.version == 4 or address not in MAPPED)
    found = Networks(map(str, known))
    judged = [each for each in dict.fromkeys(known) if address in each]
    assert (address in found) == bool(judged)
    assert set(found.matches(address)) == set(map(str, judged))
    sizes = [ip_network(text).prefixlen for text in found.matches(address)]
    assert sizes == sorted(sizes, reverse=True), "the smallest comes first"


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_ipv4_inside_ipv6_is_ipv4(address: Address, size: int) -> None:
    plain = IPv4Network((int(address), size), strict=False)
    mapped = f"::ffff:{plain.network_address}/{size + 96}"
    assert read_network(mapped) == plain
    assert read_address(f"::ffff:{address}") == address
    assert address in Networks([mapped])


@given(some_networks())
def test_the_usual_form_is_read_as_itself(network: Network) -> None:
    assert read_network(str(network)) == network
    assert read_network(f"  {network} ") == network


@every(
    ("text", "words"),
    [
        ("", "is no address and no network"),
        ("10.0.0.0/33", "is no address and no network"),
        ("10.0.0", "is no address and no network"),
        ("10.0.0.256", "is no address and no network"),
        ("010.0.0.1", "is no address and no network"),
        ("example.com", "is no address and no network"),
        ("10.0.0.0/-1", "is no address and no network"),
        ("2001:db8::/129", "is no address and no network"),
        ("10.0.0.1/8", "did you mean 10.0.0.0/8?"),
        ("2001:db8::1/32", "did you mean 2001:db8::/32?"),
        ("fe80::1%eth0", "names an interface"),
        ("1" * 100, "is too long"),
    ],
)
def test_what_is_no_network(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        read_network(text)


def test_many_cost_no_more_than_few() -> None:
    """Counted and not timed: an address is looked up once for each length that occurs."""
    many = Networks(f"10.{n >> 8}.{n & 255}.0/24" for n in range(10_000))
    assert len(many._sets[4]) == 1
    every = Networks(f"{ip_address(2**127 + (1 << (128 - size)))}/{size}" for size in range(2, 129))
    assert len(every._sets[6]) == 127


def test_the_same_texts_are_read_once() -> None:
    few, many = ("10.0.0.0/8", "::1"), [f"10.0.{n}.0/24" for n in range(200)]
    assert networks(*few) is networks(*few)
    assert networks(*many) is networks(*list(many))
    assert networks(*few) == Networks(few)
    assert not networks()
