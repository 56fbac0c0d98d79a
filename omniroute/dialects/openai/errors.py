"""Error bodies in the Chat Completions dialect."""

import orjson

from omniroute.dialects.ir import Body, Fault
from omniroute.dialects.sse import Frame
from omniroute.dialects.upstream_errors import status_of
from omniroute.errors import GatewayError, NotFound

WORDS = {
    400: ("invalid_request_error", "bad_request"),
    401: ("authentication_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("permission_error", "forbidden"),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    500: ("server_error", "internal_server_error"),
    502: ("server_error", "bad_gateway"),
    503: ("server_error", "service_unavailable"),
    504: ("server_error", "gateway_timeout"),
    529: ("service_unavailable_error", "server_is_overloaded"),
}
"""Error type and code by HTTP status."""

SPENT = "insufficient_quota"
"""Error type and code for an exhausted quota, which no retry can fix.

OpenAI's SDKs decide on a retry by the status alone; Codex also reads this code and does not retry.
"""


def words(status: int) -> tuple[str, str]:
    """Return the error type and code for a status; an unlisted status gets those of its class (4xx or 5xx)."""
    if found := WORDS.get(status):
        return found
    return WORDS[500] if status >= 500 else ("invalid_request_error", WORDS[400][1])


def write_error(error: GatewayError) -> Body:
    kind, code = words(error.status)
    if error.status == 400 and error.param == "model":
        code = "model_not_found"
    elif isinstance(error, NotFound):
        code = "not_found"  # for an unknown path: the default code of this status is about models
    elif error.code == SPENT:
        kind = SPENT
    return {"error": {"message": error.message, "type": kind, "code": error.code or code, "param": error.param}}


def write_fault(fault: Fault, first: Frame | None = None, last: Frame | None = None) -> bytes:
    """Write the error as a chunk followed by `[DONE]`, without which some clients keep waiting."""
    return b"data: " + orjson.dumps({"error": fault_body(fault)}) + b"\n\ndata: [DONE]\n\n"


def fault_body(fault: Fault) -> Body:
    kind, code = words(status_of(fault))
    return {"message": fault.message, "type": kind, "code": fault.code or code, "param": None}
