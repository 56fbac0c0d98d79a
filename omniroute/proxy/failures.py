"""What the layer saw, as a `Failure`."""

import time

from mitmproxy.proxy.layers.http._events import ResponseProtocolError

from omniroute.dialects.ir import Fault
from omniroute.proxy.attempt import Attempt
from omniroute.proxy.tunnel import PATH_FAILED
from omniroute.routing.failure import Failure, Kind
from omniroute.routing.times import read_wait

OURS: dict[str, Kind] = {"empty": "empty", "cut": "cut", "garbage": "garbage"}
"""Faults that the dialects found themselves, and not an error that the upstream told us."""

CUT = "connection lost"

NOT_HTTP = ("Cannot parse", "unexpected server response", "HTTP/2 protocol error", "Invalid HTTP/2", "Received ")
"""How mitmproxy's words begin for a head that cannot be read."""


def of_dial(error: str) -> Failure:
    """Make a failure of a connection that never came to be; the words are mitmproxy's, or our tunnel's."""
    if error.startswith(PATH_FAILED):
        return Failure("proxy", error)
    if "TLS" in error or "ertificate" in error:
        return Failure("tls", f"the TLS handshake failed: {error}")
    return Failure("connect", f"cannot connect: {error}")


def of_fault(fault: Fault) -> Failure:
    """Make a failure of what a stream or a whole reply turned out to be; some errors name the time to wait in words."""
    kind = OURS.get(fault.kind, "fault")
    wait = read_wait({}, fault.message, time.time()) if kind == "fault" else None
    return Failure(kind, fault.message, status=fault.status, fault=fault, retry_after=wait)


def fault_of(failure: Failure) -> Fault:
    """Make of a failure after the first content what the client will read inside its stream.

    Some clients know by words alone that asking again may help: opencode by these.
    """
    kind, words = ("timeout_error", "stream timed out") if failure.kind == "deadline" else ("api_error", CUT)
    return failure.fault or Fault(kind, f"{words}: {failure.message}")


def of_protocol_error(event: ResponseProtocolError, attempt: Attempt, *, stale: bool) -> Failure:
    """Make a failure of a connection that broke before the reply was whole."""
    if attempt.upstream is not None:
        return Failure("cut", "the connection broke in the middle of the reply")
    if event.message.startswith(NOT_HTTP):
        return Failure("garbage", "what came is not HTTP")
    return Failure("cut", "the connection closed before a reply came", stale=stale)
