"""What the gateway asks itself, through its own port, for a person who has logged in.

Such a request shows nothing that lets it in: it is known by its connection, both ends of which are told here before a
byte is sent on it. So there is no credential that could be shown, saved or stolen, and nobody else has that connection.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from omniroute.access.client_address import ClientAddress
from omniroute.config.model import Config

type End = Sequence[object]
"""An address as sockets give it: the host, the port, and whatever else."""


@dataclass(slots=True, eq=False)
class InternalRequest:
    """One request of ours."""

    principal: ClientAddress
    """For whom it is asked; the doors have let them in."""
    key: str | None = None
    """The id of the key under which it counts; None counts under none, and needs none."""
    config: Config | None = None
    """In place of the one in force."""
    dry_run: bool = False
    """It is asked of nobody real: neither the history nor a budget knows of it."""
    exchange: str = ""
    """The id of what it has become."""
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set as soon as that is known."""


class InternalRequests:
    """Those that are on their way, by the two ends of their connections."""

    def __init__(self) -> None:
        self._expected: dict[tuple[str, str], InternalRequest] = {}

    def expect(self, near: End, far: End, visit: InternalRequest) -> None:
        """Know a connection that has just been opened; `near` is its end on the side that asks."""
        self._expected[_named(near), _named(far)] = visit

    def forget(self, visit: InternalRequest) -> None:
        """Know it no more."""
        self._expected = {ends: each for ends, each in self._expected.items() if each is not visit}

    def take(self, near: End, far: End, exchange: str) -> InternalRequest | None:
        """Give the visit that comes by a connection, which is good for one request."""
        if not self._expected:
            return None
        if visit := self._expected.pop((_named(near), _named(far)), None):
            visit.exchange = exchange
            visit.begun.set()
        return visit


def _named(end: End) -> str:
    host = ip_address(str(end[0]).partition("%")[0])
    plain = host.ipv4_mapped or host if isinstance(host, IPv6Address) else host
    return f"{plain} {end[1]}"
