"""The IP filter: allow list, deny list and bans by client address. Off unless configured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from omniroute.access.client_address import (
    NO_NETWORKS,
    ClientAddress,
    Fields,
    Networks,
    read_address,
    resolve_client,
)
from omniroute.errors import Forbidden

type Mode = Literal["off", "blacklist", "whitelist", "whitelist-priority"]

MODES: tuple[str, ...] = get_args(Mode.__value__)


@dataclass(frozen=True, slots=True)
class Ban:
    """A temporary ban of a network."""

    until: float
    """Seconds of the epoch."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IpFilter:
    """The lists and their mode. Bans apply in every mode, and before the lists."""

    mode: str = "off"
    """`blacklist` refuses denied addresses, `whitelist` those not allowed; `whitelist-priority` refuses those that are
    denied and not allowed."""
    allow: Networks = NO_NETWORKS
    deny: Networks = NO_NETWORKS
    bans: Mapping[str, Ban] = field(default_factory=dict)
    """Network -> its ban; expired ones are ignored."""
    banned: Networks = NO_NETWORKS
    """The networks of `bans`."""
    trusted: Networks = NO_NETWORKS
    """Proxies with trusted forwarding headers."""

    def refusal(self, address: str, now: float) -> str | None:
        """Return why requests from an address are refused; None when they are not."""
        if self.mode == "off" and not self.banned:
            return None
        try:
            found = read_address(address)
        except ValueError:
            return "its address is unknown, and the gateway goes by addresses"
        for network in self.banned.matches(found):
            if (until := self.bans[network].until) > now:
                return f"it is banned for another {_span(until - now)}"
        match self.mode:
            case "blacklist":
                refused = found in self.deny
            case "whitelist":
                refused = found not in self.allow
            case "whitelist-priority":
                refused = found not in self.allow and found in self.deny
            case _:
                refused = False
        return "the gateway's list of addresses keeps it out" if refused else None


def check(peer: str, fields: Fields, doors: IpFilter, now: float) -> ClientAddress:
    """Determine the client address and check it, for inference and management requests alike.

    `peer` is the remote address of the connection, `fields` are the request headers. Raises Forbidden for a refused
    address, BadRequest where the headers of a trusted proxy are unreadable.
    """
    who = resolve_client(peer, fields, doors.trusted)
    if why := doors.refusal(who.address, now):
        raise Forbidden(f"{who.address} may not use this gateway: {why}")
    return who


def _span(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(1, round(seconds))} s"
