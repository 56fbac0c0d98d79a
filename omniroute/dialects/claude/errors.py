"""Error bodies in the Anthropic Messages dialect."""

import orjson

from omniroute.dialects.ir import Body, Fault
from omniroute.dialects.sse import Frame
from omniroute.dialects.upstream_errors import TOO_LONG, status_of
from omniroute.errors import GatewayError

WORDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Error type by HTTP status."""


NO_THREADS = "thread_unsupported_request"
"""Error code on which Anthropic's SDK retries without a message thread."""
LOST_THREADS = ("thread_not_found", "thread_already_continued", "thread_continue_in_flight")
"""Anthropic's error codes on which its SDK starts a new thread with the whole conversation."""


def write_error(error: GatewayError) -> Body:
    body = _body(error.status, _words(error.message, error.code))
    if error.code == NO_THREADS:
        body["error"]["details"] = {"error_code": NO_THREADS, "unsupported": ["thread"]}
    elif error.code in LOST_THREADS:
        body["error"]["details"] = {"error_code": error.code}
    return body


def write_fault(fault: Fault, first: Frame | None = None, last: Frame | None = None) -> bytes:
    body = _body(status_of(fault), _words(fault.message, fault.code))
    return b"event: error\ndata: " + orjson.dumps(body) + b"\n\n"


def _words(message: str, code: str | None) -> str:
    """Prefix the message of a too long conversation with Anthropic's text, by which Claude Code recognizes it."""
    own = "prompt is too long"
    return f"{own}: {message}" if code == TOO_LONG and own not in message.lower() else message


def _body(status: int, message: str) -> Body:
    kind = WORDS.get(status) or (WORDS[500] if status >= 500 else WORDS[400])
    return {"type": "error", "error": {"type": kind, "message": message}}
