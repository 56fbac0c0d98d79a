"""Where a request comes from: an address as it is counted, matched and shown."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

type Address = IPv4Address | IPv6Address

SITE = 64
"""Bits that name a network in IPv6. Whoever has one has all addresses in it, so what is counted is the network."""
UNKNOWN = "unknown"
BROWSER_MARK = "browser-"
"""The beginning of a source that is no address, but a browser that has logged in before."""
LONGEST = 100
"""Characters of an address with its zone."""


@lru_cache(maxsize=4096)
def read_address(text: str) -> Address:
    """Read an address; ValueError when it is none.

    An IPv4 address inside an IPv6 one is the IPv4 address. A zone says by which interface somebody came, not who.
    """
    if len(text) > LONGEST:
        raise ValueError("too long for an address")
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def source_of(text: str) -> str:
    """Name whom tries from an address are counted for: the address, or its network in IPv6; a browser for itself."""
    if text.startswith(BROWSER_MARK):
        return text
    try:
        return _source(read_address(text))
    except ValueError:
        return UNKNOWN


@lru_cache(maxsize=4096)
def _source(address: Address) -> str:
    if isinstance(address, IPv4Address) or address.is_loopback:
        return str(address)
    return str(IPv6Network((address, SITE), strict=False))


def is_loopback(text: str) -> bool:
    """Tell whether an address is this machine's own."""
    try:
        return read_address(text).is_loopback
    except ValueError:
        return False
