"""How an attempt failed, as a value: the layer that saw it only says so, `judge` decides what it means."""

from dataclasses import dataclass, field
from typing import Literal

from omniroute.dialects.ir import Fault

type Kind = Literal[
    "proxy",
    "connect",
    "tls",
    "deadline",
    "status",
    "fault",
    "empty",
    "cut",
    "garbage",
    "unable",
    "limited",
    "client_gone",
    "hedged",
]
"""
proxy        the network proxy could not be reached, refused, or opened no tunnel in time: the path failed, and
             nothing is known of the upstream
connect      refused, unreachable, no such host
tls          the handshake failed
deadline     too late; `phase` says which of the deadlines
status       an answer that is not 2xx
fault        an error inside a reply that began with 200
empty        a reply that ended without having said anything
cut          the connection or the reply ended too early
garbage      what came is not the upstream's dialect, or is too large to be held
unable       the request cannot be said in the target's dialect; nothing was sent
limited      the account is at its limit, and nobody waits longer for it; nothing was sent
client_gone  the client left; no fault of the target
hedged       another target was asked beside it, and has answered first; no fault of the target
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt."""

    kind: Kind
    message: str
    """One line for a person: what went wrong, without the target's name."""
    status: int | None = None
    """The upstream's status, or the one that a fault names."""
    fault: Fault | None = None
    phase: str | None = None
    retry_after: float | None = None
    """Seconds, where the upstream said so."""
    stale: bool = False
    """A kept-alive connection closed before anything came: it says nothing about the upstream."""
    body: bytes = field(default=b"", repr=False)
    """The upstream's error body, decoded, as far as it was read."""

    @property
    def label(self) -> str:
        """Say it in a word or two, for lists: `429`, `deadline first byte`, `cut`."""
        if self.kind == "status":
            return str(self.status)
        return f"{self.kind} {self.phase}" if self.phase else self.kind
