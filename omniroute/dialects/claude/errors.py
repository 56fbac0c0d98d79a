"""Errors as Anthropic Messages clients read them."""

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
"""Status -> type."""


NO_THREADS = "thread_unsupported_request"
"""A code that Anthropic's SDK acts on: it asks again, without a message thread."""
LOST_THREADS = ("thread_not_found", "thread_already_continued", "thread_continue_in_flight")
"""Anthropic's own codes, on which its SDK begins a new thread with the whole conversation."""


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
    """Say Anthropic's own words for a conversation that is too long: Claude Code looks for them, and has no code."""
    own = "prompt is too long"
    return f"{own}: {message}" if code == TOO_LONG and own not in message.lower() else message


def _body(status: int, message: str) -> Body:
    kind = WORDS.get(status) or (WORDS[500] if status >= 500 else WORDS[400])
    return {"type": "error", "error": {"type": kind, "message": message}}
