"""Networks of addresses: read, and searched at the same cost however many there are."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from omniroute.routing.sources import Address

type Network = IPv4Network | IPv6Network

LONGEST = 64
"""Characters of a network as people write it."""
SMALL = 16
"""Networks of a list that many may have, such as those of keys."""
MAPPED = IPv6Network("::ffff:0:0/96")


def read_network(text: str) -> Network:
    """Read an address or a network such as 10.0.0.0/8; ValueError says what is wrong with it.

    IPv4 inside IPv6 is IPv4. Bits behind the network's length are refused: mostly they are a slip of the pen.
    """
    text = text.strip()
    if len(text) > LONGEST:
        raise ValueError(f"{text[:LONGEST]!r}… is too long for a network")
    if "%" in text:
        raise ValueError(f"{text!r} names an interface: leave out what begins with '%'")
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no address and no network: say it as in 203.0.113.7 or 10.0.0.0/8") from None
    if "/" in text and found.network_address != ip_network(text.partition("/")[0]).network_address:
        raise ValueError(f"{text!r} has bits behind its length: did you mean {found}?")
    if isinstance(found, IPv6Network) and found.subnet_of(MAPPED):
        return IPv4Network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - 96))
    return found


class Networks:
    """A set of networks that never changes.

    They lie in a set for each length that occurs, so an address is looked up once for each: at most 33 times in
    IPv4 and 129 times in IPv6, and mostly once or twice.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts = tuple(texts)
        sets: dict[tuple[int, int], dict[int, str]] = {}
        for text in self.texts:
            network = read_network(text)
            shift = network.max_prefixlen - network.prefixlen
            sets.setdefault((network.version, shift), {})[int(network.network_address) >> shift] = text
        self._sets: dict[int, tuple[tuple[int, dict[int, str]], ...]] = {
            version: tuple((shift, sets[v, shift]) for v, shift in sorted(sets) if v == version) for version in (4, 6)
        }

    def matches(self, address: Address) -> Iterator[str]:
        """Give the networks that an address is in, as they were written; the smallest first."""
        number = int(address)
        for shift, known in self._sets[address.version]:
            if (text := known.get(number >> shift)) is not None:
                yield text

    def __contains__(self, address: Address) -> bool:
        return next(self.matches(address), None) is not None

    def __bool__(self) -> bool:
        return bool(self.texts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Networks) and self.texts == other.texts

    def __hash__(self) -> int:
        return hash(self.texts)

    def __repr__(self) -> str:
        return f"Networks({', '.join(self.texts)})"


def networks(*texts: str) -> Networks:
    """Make a set of networks, or give the one that was made of the same texts: a change elsewhere costs nothing."""
    return (_small if len(texts) <= SMALL else _large)(texts)


_small = lru_cache(maxsize=1024)(Networks)
_large = lru_cache(maxsize=4)(Networks)
"""Of a long list only the newest are worth their memory."""

NOWHERE = networks()
