"""Error bodies in the Gemini dialect, with Google's status names."""

import orjson

from omniroute.dialects.ir import Body, Fault
from omniroute.dialects.sse import Frame
from omniroute.dialects.upstream_errors import status_of
from omniroute.errors import GatewayError

WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
"""Google's status name by HTTP status."""
TYPES = "type.googleapis.com/google.rpc."
LASTING = "BudgetPerDayOrLonger"
"""Quota id for an exhausted budget.

Gemini CLI retries unless the id contains `PerDay` (see its googleQuotaErrors.ts).
"""


def write_error(error: GatewayError) -> Body:
    body = _body(error.status, error.message)
    if error.final and error.retry_after is not None:
        body["error"]["details"] = [
            {"@type": f"{TYPES}RetryInfo", "retryDelay": f"{error.retry_after:.0f}s"},
            {"@type": f"{TYPES}QuotaFailure", "violations": [{"subject": "budget", "quotaId": LASTING}]},
        ]
    return body


def write_fault(fault: Fault, first: Frame | None = None, last: Frame | None = None) -> bytes:
    """Write a fault twice: as an event, and as bare JSON at the end of the stream, as Google itself does.

    Google's SDKs for Python and JavaScript raise the event wherever the network splits the data. The SDK for Go and
    older ones for JavaScript take an event for a part of the reply; they raise JSON that stands outside an event.
    """
    body = orjson.dumps(_body(status_of(fault), fault.message))
    return b"data: " + body + b"\n\n" + body


def write_array_fault(fault: Fault, *, first: bool) -> bytes:
    """Write a fault as the last element of an array stream, or as the only one if `first`."""
    return (b"[" if first else b",\r\n") + orjson.dumps(_body(status_of(fault), fault.message)) + b"]"


def _body(status: int, message: str) -> Body:
    word = WORDS.get(status) or (WORDS[500] if status >= 500 else WORDS[400])
    return {"error": {"code": status, "message": message, "status": word}}
