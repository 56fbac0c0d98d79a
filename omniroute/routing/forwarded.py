"""For whom a proxy asks: `X-Forwarded-For`, and `Forwarded` of RFC 7239.

Each proxy writes the address of its own client at the right end, and anybody may have written what stands on the left
of that. So the chain is read from the right, and the first address that is no trusted proxy is who asks.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from omniroute.errors import BadRequest
from omniroute.routing.networks import Networks
from omniroute.routing.sources import UNKNOWN, read_address

type Fields = Sequence[tuple[bytes, bytes]]

PROXY_HEADERS = frozenset(
    b"forwarded via x-real-ip x-client-ip x-cluster-client-ip x-original-forwarded-for x-original-host x-forwarded "
    b"x-proxyuser-ip x-envoy-external-address x-envoy-original-path x-appengine-user-ip x-azure-clientip "
    b"x-azure-socketip x-arr-log-id true-client-ip cf-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 cf-visitor "
    b"cf-ray cdn-loop fastly-client-ip fly-client-ip wl-proxy-client-ip proxy-client-ip client-ip".split()
)
"""Headers that only proxies add: any of these, or one that begins with `x-forwarded-`, marks a request as relayed."""
PROXY_PREFIX = b"x-forwarded-"
HOPS = 32
"""Trusted proxies in a row; nobody has more."""
PIECE = {separator: re.compile(rf'(?:[^{separator}"]|"(?:[^"\\]|\\.)*")*') for separator in ",;"}
PORT = re.compile(r"(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Comer:
    """Who asks."""

    address: str
    """In its usual form; `unknown` where it is none."""
    relayed: bool = False
    """A proxy that nobody has called trusted says that it asks for somebody."""


NOBODY = Comer(UNKNOWN)


def comer(peer: str, fields: Fields, trusted: Networks) -> Comer:
    """Say who asks: the peer, or whom a trusted peer asks for. BadRequest where that cannot be read."""
    said = [
        (low, value) for name, value in fields if (low := name.lower()) in PROXY_HEADERS or low.startswith(PROXY_PREFIX)
    ]
    try:
        here = read_address(peer)
    except ValueError:
        return Comer(UNKNOWN, relayed=bool(said))
    if not said or here not in trusted:
        return Comer(str(here), relayed=bool(said))
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
    return Comer(found.pop()) if found else Comer(str(here), relayed=True)


def _client(parts: list[str], trusted: Networks, peer: str) -> str:
    """Find the rightmost address that is not trusted, or the leftmost one when all are."""
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
    """Give the `for` of each hop; of one that does not say it, what it says."""
    return [_for(element) for value in values for element in _pieces(value.decode("latin-1"), ",")]


def _pieces(text: str, separator: str) -> Iterator[str]:
    """Split where no quotes are open. Quotes that stay open could swallow what the proxy itself has said."""
    at = 0
    while True:
        piece = PIECE[separator].match(text, at)
        assert piece  # it matches nothing too
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
