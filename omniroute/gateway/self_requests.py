"""Requests that the gateway sends to itself, through its own port, for a panel user who has logged in.

Such a request carries no credential: it is recognized by both ends of its connection, which are registered here before
the first byte is sent. So there is no credential that could be shown, saved or stolen, and no other client can have
that connection.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from omniroute.access.client_address import ClientAddress
from omniroute.config.model import Config

type End = Sequence[object]
"""A socket address: the host, the port, and further elements."""


@dataclass(slots=True, eq=False)
class InternalRequest:
    """One request of the gateway to itself."""

    principal: ClientAddress
    """The client on behalf of which it is sent; access control has admitted it."""
    key: str | None = None
    """The id of the key that it counts under; None counts under none, and needs none."""
    config: Config | None = None
    """The configuration to use in place of the one in force."""
    dry_run: bool = False
    """Whether it reaches no real provider; it then appears in neither the history nor a budget."""
    exchange: str = ""
    """The id of its exchange."""
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set as soon as `exchange` is set."""


class InternalRequests:
    """Pending internal requests, by the two ends of their connections."""

    def __init__(self) -> None:
        self._expected: dict[tuple[str, str], InternalRequest] = {}

    def expect(self, near: End, far: End, visit: InternalRequest) -> None:
        """Register a connection that has just been opened; `near` is the end of the requesting side."""
        self._expected[_named(near), _named(far)] = visit

    def forget(self, visit: InternalRequest) -> None:
        """Remove a pending request."""
        self._expected = {ends: each for ends, each in self._expected.items() if each is not visit}

    def take(self, near: End, far: End, exchange: str) -> InternalRequest | None:
        """Return and remove the request registered for a connection, and set its exchange id; None if there is none."""
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
