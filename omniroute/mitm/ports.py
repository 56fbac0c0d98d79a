"""What passes between the addons, which decide, and the layer, which acts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mitmproxy import http
from mitmproxy.proxy import commands

from omniroute.config.deadlines import Deadlines
from omniroute.config.server_limits import ServerLimits
from omniroute.dialects.hub import Stream, Whole
from omniroute.errors import GatewayError
from omniroute.mitm.management_relay import Relay
from omniroute.netproxy.proxy_url import Proxy
from omniroute.routing.failures import Failure

KEEP = 256 * 1024
"""Bytes of a streamed reply that stay with the flow for a person to look at."""

MAX_REPLY = 64 * 1024 * 1024
"""Bytes of a whole reply; a larger one is a failure of the target."""

BIG = 1024 * 1024
"""Bytes above which a body is read in a thread, off the event loop."""


@dataclass(frozen=True, slots=True)
class Keepalive:
    """What a client that waits for a stream is told."""

    every: float
    """Seconds of silence before it, and between two of them."""
    data: bytes
    """May stand between any two frames, and before the first."""


@dataclass(frozen=True, slots=True)
class ProgressTick:
    """What a client is told again and again from the head of its stream on, however much it hears."""

    every: float
    """Seconds between two of them."""
    render: Callable[[], bytes]
    """May stand between any two frames."""


@dataclass(slots=True, eq=False)
class Attempt:
    """One target, asked. The upper half is written by the addon, the lower half by the layer."""

    credential: Mapping[str, str] = field(repr=False)
    """Headers that are added to the copy which is sent, and never to the flow."""
    deadlines: Deadlines
    stream: Stream | None
    """Translates the reply on its way; None when the client wants it whole."""
    read_whole: Callable[[bytes], Whole]
    last: bool
    """No target comes after this one: a whole but empty reply is better than none."""
    proxy: Proxy | None = None
    """The network proxy on the way, with what opens it."""
    deadline: float | None = None
    """When the client's whole request is too late, whoever is being asked; on the desk's clock."""
    hedge_after: float | None = None
    """Seconds without content after which another target may be asked beside it; None for never."""
    request: http.Request | None = field(default=None, repr=False)
    """What is sent, where the flow shows what another attempt has sent; None for the flow's own."""
    redact: Callable[[Failure], Failure] = lambda failure: failure
    """Takes the credential out of what the upstream said: some repeat it in their errors."""

    started: float = 0.0
    sent: float = 0.0
    """When the request went out, its last byte included."""
    head_at: float | None = None
    content_at: float | None = None
    ended: float | None = None
    undecoded: bool = False
    """It waits for its whole reply to be read in a thread."""
    whole: Whole | None = None
    failure: Failure | None = None
    upstream: http.Response | None = None
    """The upstream's head as it came."""
    raw: bytearray = field(default_factory=bytearray, repr=False)
    """The upstream's reply, up to `KEEP` bytes of a stream."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What opens the upstream, without the word before it."""
        return tuple(value.rpartition(" ")[2] for value in self.credential.values())


class AttemptDelegate(Protocol):
    """Who the layer asks."""

    @property
    def server_limits(self) -> ServerLimits:
        """Return the bounds on clients that are in force."""

    def check_body(self, flow: http.HTTPFlow, received: int, size: int) -> GatewayError | None:
        """Count the bytes of a body that have arrived; return why it is refused, if it is.

        `size` is the larger of these and, before any has arrived, what the client declares.
        """

    @property
    def clock(self) -> Callable[[], float]:
        """Give seconds that only ever grow."""

    def over(self, flow: http.HTTPFlow) -> None:
        """Release what a flow holds that has ended, all hooks included."""

    def relay(self, request: http.Request) -> Relay | None:
        """Say where a request goes that is about the gateway itself; None for every other one."""

    def wait(self, flow: http.HTTPFlow) -> float | None:
        """Give the seconds after which, or with a `Turn`, it is decided who is asked; None when that is decided."""

    def attempt(self, flow: http.HTTPFlow) -> Attempt | None:
        """Give what is to be tried now; None when nothing was decided, and then nothing is sent."""

    def keepalive(self, flow: http.HTTPFlow) -> Keepalive | None:
        """Give what a client is told while it waits; None where it hears nothing before its answer."""

    def progress_tick(self, flow: http.HTTPFlow) -> ProgressTick | None:
        """Give what a client wants to be told again and again; None where it does not."""

    def may_resume(self, flow: http.HTTPFlow) -> bool:
        """Say whether somebody else is asked to go on with the stream that has broken off."""

    def hedge(self, flow: http.HTTPFlow) -> Attempt | None:
        """Give what is to be tried beside the attempt that is late; None where that goes on alone."""

    def hedge_lost(self, flow: http.HTTPFlow, attempt: Attempt) -> None:
        """Note that an attempt has ended while another goes on, which may still be the answer."""

    def early_head(self, flow: http.HTTPFlow) -> http.Response:
        """Make the head of a stream whose answer is not known yet."""

    def final_event(self, flow: http.HTTPFlow, answer: http.Response) -> bytes:
        """Say a whole answer inside a stream that has begun, as the error that ends it."""

    def try_apply_headers(self, flow: http.HTTPFlow) -> bool:
        """Make the head of `flow.response` the client's, unless somebody's `responseheaders` hook is to see it."""

    def answer(self, flow: http.HTTPFlow, error: GatewayError) -> http.Response:
        """Say an error in the client's dialect."""

    def refusal(self, path: str, error: GatewayError) -> http.Response:
        """Write an error in the dialect that a path suggests, for a request that is no flow."""

    def count_protocol_error(self, reason: str, peer: str) -> None:
        """Count a violation of the protocol by a client."""


@dataclass
class NextAttemptHook(commands.StartHook):
    """An attempt has failed, or a wait is over: write the next one, or the final answer.

    After the first content it is fired only where the desk `resumes`.
    """

    flow: http.HTTPFlow


@dataclass
class HedgeHook(commands.StartHook):
    """The attempt is late: write one to be made beside it, or none. Neither request nor response change."""

    flow: http.HTTPFlow


@dataclass
class NextPieceHook(commands.StartHook):
    """A chunk of a stream is a lot of work: let the event loop do other things before the next piece of it."""

    flow: http.HTTPFlow


@dataclass
class ReadReplyHook(commands.StartHook):
    """A whole reply is too big for the event loop: read `attempt.raw` into `attempt.whole` where it is `unread`."""

    flow: http.HTTPFlow
