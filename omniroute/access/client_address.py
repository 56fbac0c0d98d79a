"""Determine the client address behind proxies from `X-Forwarded-For`, and `Forwarded` of RFC 7239.

Each proxy appends the address of its own client on the right, while everything further left may be forged. So the
chain is read from the right, and the first address that is no trusted proxy is the client.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from omniroute.errors import BadRequest

type Address = IPv4Address | IPv6Address

IPV6_SITE_PREFIX = 64
"""Prefix length of an IPv6 site. Its owner has all addresses in it, so failures are counted for the network."""
UNKNOWN = "unknown"
BROWSER_MARK = "browser-"
"""Prefix of a source that is no address, but a browser that has logged in before."""
MAX_ADDRESS_LENGTH = 100
"""Maximum characters of an address with its zone."""


@lru_cache(maxsize=4096)
def read_address(text: str) -> Address:
    """Parse an IP address. Raises ValueError for any other text.

    An IPv4-mapped IPv6 address becomes the IPv4 address. A zone id is ignored, as it names a local interface only.
    """
    if len(text) > MAX_ADDRESS_LENGTH:
        raise ValueError("too long for an address")
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def source_of(text: str) -> str:
    """Return the source that failures are counted for: IPv4 address, IPv6 network, or a known browser."""
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
    return str(IPv6Network((address, IPV6_SITE_PREFIX), strict=False))


def is_loopback(text: str) -> bool:
    """Return whether an address is a loopback address."""
    try:
        return read_address(text).is_loopback
    except ValueError:
        return False


type Network = IPv4Network | IPv6Network

MAX_NETWORK_LENGTH = 64
"""Maximum characters of a network in CIDR notation."""
SMALL = 16
"""Number of networks up to which a set counts as small, as those of keys do."""
MAPPED = IPv6Network("::ffff:0:0/96")


def read_network(text: str) -> Network:
    """Parse an address or a network such as 10.0.0.0/8. Raises ValueError with the reason.

    IPv4-mapped IPv6 becomes IPv4. Host bits beyond the prefix length are refused, as they are mostly a mistake.
    """
    text = text.strip()
    if len(text) > MAX_NETWORK_LENGTH:
        raise ValueError(f"{text[:MAX_NETWORK_LENGTH]!r}… is too long for a network")
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
    """An immutable set of networks.

    There is one hash table per prefix length that occurs, so a lookup takes one step per prefix length: at most 33 for
    IPv4 and 129 for IPv6, and mostly one or two.
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
        """Yield the networks that contain an address, as they were written, smallest first."""
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
    """Return a set of networks, cached by its texts, so that unrelated configuration changes do not rebuild it."""
    return (_small if len(texts) <= SMALL else _large)(texts)


_small = lru_cache(maxsize=1024)(Networks)
_large = lru_cache(maxsize=4)(Networks)
"""Long lists take much memory, so only the newest are cached."""

NO_NETWORKS = networks()


type Fields = Sequence[tuple[bytes, bytes]]

PROXY_HEADERS = frozenset(
    b"forwarded via x-real-ip x-client-ip x-cluster-client-ip x-original-forwarded-for x-original-host x-forwarded "
    b"x-proxyuser-ip x-envoy-external-address x-envoy-original-path x-appengine-user-ip x-azure-clientip "
    b"x-azure-socketip x-arr-log-id true-client-ip cf-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 cf-visitor "
    b"cf-ray cdn-loop fastly-client-ip fly-client-ip wl-proxy-client-ip proxy-client-ip client-ip".split()
)
"""Headers that only proxies add: any of these, or one that begins with `x-forwarded-`, marks a request as proxied."""
PROXY_PREFIX = b"x-forwarded-"
HOPS = 32
"""Maximum number of trusted proxies in a chain."""
PIECE = {separator: re.compile(rf'(?:[^{separator}"]|"(?:[^"\\]|\\.)*")*') for separator in ",;"}
PORT = re.compile(r"(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class ClientAddress:
    """The client that a request comes from."""

    address: str
    """In canonical form; `unknown` where it is not an IP address."""
    proxied: bool = False
    """Whether an untrusted proxy has relayed the request."""


NO_CLIENT = ClientAddress(UNKNOWN)


def resolve_client(peer: str, fields: Fields, trusted: Networks) -> ClientAddress:
    """Return the client: the peer, or the client of a trusted proxy. Raises BadRequest for unreadable headers."""
    said = [
        (low, value) for name, value in fields if (low := name.lower()) in PROXY_HEADERS or low.startswith(PROXY_PREFIX)
    ]
    try:
        here = read_address(peer)
    except ValueError:
        return ClientAddress(UNKNOWN, proxied=bool(said))
    if not said or here not in trusted:
        return ClientAddress(str(here), proxied=bool(said))
    found = {
        _client(list(parts), trusted, peer)
        for parts in (
            _listed(value for name, value in said if name == b"x-forwarded-for"),
            _forwarded(value for name, value in said if name == b"forwarded"),
        )
        if parts
    }
    if len(found) > 1:
        raise BadRequest(
            f"the proxy {here} asks for two clients at once: let it set either X-Forwarded-For or Forwarded, "
            "and take the other one away"
        )
    return ClientAddress(found.pop()) if found else ClientAddress(str(here), proxied=True)


def _client(parts: list[str], trusted: Networks, peer: str) -> str:
    """Return the rightmost address that is not trusted, or the leftmost one when all are."""
    for part in parts[: -HOPS - 1 : -1]:
        address = _address(part, peer)
        if read_address(address) not in trusted:
            return address
    if len(parts) > HOPS:
        raise BadRequest(f"the proxy {peer} asks through more than {HOPS} others")
    return address


def _address(part: str, peer: str) -> str:
    match = PORT.fullmatch(part)
    bare = part if match is None else match[1] or match[2] or ""
    try:
        return str(read_address(bare))
    except ValueError:
        raise BadRequest(f"the proxy {peer} asks for {part[:60]!r}, which is no address") from None


def _listed(values: Iterable[bytes]) -> list[str]:
    return [part.strip() for value in values for part in value.decode("latin-1").split(",")]


def _forwarded(values: Iterable[bytes]) -> list[str]:
    """Return the `for` parameter of each hop; the whole element where it has none."""
    return [_for(element) for value in values for element in _pieces(value.decode("latin-1"), ",")]


def _pieces(text: str, separator: str) -> Iterator[str]:
    """Split outside quotes. Raises BadRequest for an unclosed quote, which could swallow what the proxy added."""
    at = 0
    while True:
        piece = PIECE[separator].match(text, at)
        assert piece  # it also matches the empty string
        yield piece[0]
        at = piece.end()
        if at == len(text):
            return
        if text[at] != separator:
            raise BadRequest("the header Forwarded has quotes that do not end")
        at += 1


def _for(element: str) -> str:
    for pair in _pieces(element, ";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            value = value.strip()
            return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] == '"' else value
    return element
