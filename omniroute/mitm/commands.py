"""What a stream says to its layer, and hears from it, beyond mitmproxy's own words."""

import time
from dataclasses import dataclass, field

from mitmproxy import http
from mitmproxy.connection import Connection
from mitmproxy.proxy.events import Event
from mitmproxy.proxy.layers.http import GetHttpConnection
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import ResponseProtocolError

from omniroute.dialects.ir import Fault
from omniroute.mitm.ports import Attempt
from omniroute.mitm.tunnel import PATH_FAILED, ProxiedServer
from omniroute.netproxy.proxy_url import Proxy
from omniroute.routing.failures import Failure, Kind
from omniroute.routing.retry_after import parse_retry_after


@dataclass(eq=False)
class Dial(GetHttpConnection):
    """Ask for a connection without standing still: a deadline or the client's leaving can come in between.

    A connection that has failed never matches: mitmproxy keeps it and answers every later dial with its
    error, so that a client that keeps its own connection open would never reach that host again.
    """

    blocking = False
    fresh: bool = False
    """Do not reuse an open connection."""
    proxy: Proxy | None = field(default=None, repr=False)
    """A connection through another one, or one that another password opens, is not this one."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def connection_spec_matches(self, connection: Connection) -> bool:
        """Tell whether a connection leads to the same place by the same way."""
        if self.proxy is None:
            return connection.error is None and super().connection_spec_matches(connection)
        return (
            isinstance(connection, ProxiedServer)
            and connection.error is None
            and (connection.address, connection.tls, connection.proxy) == (self.address, self.tls, self.proxy)
        )


@dataclass
class DeadlineReached(HttpEvent):
    """The stream's deadline has passed."""


@dataclass
class Crashed(HttpEvent):
    """Handling an event of the stream has raised an exception."""


@dataclass
class WaiterNotified(Event):
    """What a flow has waited for is there, or a person has killed it: said to its connection at any moment."""

    flow: http.HTTPFlow


OURS: dict[str, Kind] = {"empty": "empty", "cut": "cut", "garbage": "garbage"}
"""Faults that the dialects found themselves, and not an error that the upstream told us."""

CUT = "connection lost"

NOT_HTTP = ("Cannot parse", "unexpected server response", "HTTP/2 protocol error", "Invalid HTTP/2", "Received ")
"""How mitmproxy's words begin for a head that cannot be read."""


def connect_failure(error: str) -> Failure:
    """Make a failure of a connection that never came to be; the words are mitmproxy's, or our tunnel's."""
    if error.startswith(PATH_FAILED):
        return Failure("proxy", error)
    if "TLS" in error or "ertificate" in error:
        return Failure("tls", f"the TLS handshake failed: {error}")
    return Failure("connect", f"cannot connect: {error}")


def stream_failure(fault: Fault) -> Failure:
    """Make a failure of what a stream or a whole reply turned out to be; some errors name the time to wait in words."""
    kind = OURS.get(fault.kind, "fault")
    wait = parse_retry_after({}, fault.message, time.time()) if kind == "fault" else None
    return Failure(kind, fault.message, status=fault.status, fault=fault, retry_after=wait)


def fault_of(failure: Failure) -> Fault:
    """Make of a failure after the first content what the client will read inside its stream.

    Some clients know by words alone that asking again may help: opencode by these.
    """
    kind, words = ("timeout_error", "stream timed out") if failure.kind == "deadline" else ("api_error", CUT)
    return failure.fault or Fault(kind, f"{words}: {failure.message}")


def protocol_failure(event: ResponseProtocolError, attempt: Attempt, *, stale: bool) -> Failure:
    """Make a failure of a connection that broke before the reply was whole."""
    if attempt.upstream is not None:
        return Failure("cut", "the connection broke in the middle of the reply")
    if event.message.startswith(NOT_HTTP):
        return Failure("garbage", "what came is not HTTP")
    return Failure("cut", "the connection closed before a reply came", stale=stale)


def copy_head[M: (http.Request, http.Response)](message: M) -> M:
    """Copy a message without its body. Made of parts that were checked before, so nothing is checked again."""
    made = type(message).__new__(type(message))
    made.data = type(message.data).__new__(type(message.data))
    vars(made.data).update(vars(message.data))
    headers = made.data.headers = http.Headers.__new__(http.Headers)
    headers.fields = message.data.headers.fields
    made.data.content = None
    return made
