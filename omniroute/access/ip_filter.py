"""Who may come in at all, by the address that a request comes from. Nobody is kept out unless somebody says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from omniroute.access.client_address import (
    UNREADABLE_ADDRESS,
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
    """Somebody who is kept out for a time."""

    until: float
    """Seconds of the epoch."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IpFilter:
    """The lists, and how they act. Bans act in every mode, and no list goes before them."""

    mode: str = "off"
    """`blacklist` keeps out who is denied, `whitelist` who is not allowed; `whitelist-priority` keeps out who is
    denied and not allowed."""
    allow: Networks = UNREADABLE_ADDRESS
    deny: Networks = UNREADABLE_ADDRESS
    bans: Mapping[str, Ban] = field(default_factory=dict)
    """Network -> its ban; those that are over are passed by."""
    banned: Networks = UNREADABLE_ADDRESS
    """The networks of `bans`."""
    trusted: Networks = UNREADABLE_ADDRESS
    """Proxies that are believed for whom they ask."""

    def refusal(self, address: str, now: float) -> str | None:
        """Say why nobody comes in from an address; None when they may."""
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
    """Say who comes in, for inference and for management alike.

    `peer` is the other end of the connection, `fields` the headers as they came. Forbidden for who is kept out,
    BadRequest where a trusted proxy cannot be understood.
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
