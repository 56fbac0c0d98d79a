"""Error bodies in the OpenAI Responses dialect: those of Chat Completions, except in streams."""

from collections.abc import Mapping
from typing import Any

import orjson

from omniroute.dialects.ir import Body, Fault
from omniroute.dialects.json_edit import dump
from omniroute.dialects.openai.errors import fault_body
from omniroute.dialects.responses.reply import write_head
from omniroute.dialects.sse import Frame
from omniroute.dialects.upstream_errors import TOO_LONG, status_of

CODES = {
    400: "invalid_prompt",
    402: "insufficient_quota",
    413: TOO_LONG,
    429: "rate_limit_exceeded",
    529: "server_is_overloaded",
}
"""Error code of a failed reply by HTTP status.

Codex does not retry `invalid_prompt`, `insufficient_quota`, `context_length_exceeded` and `server_is_overloaded`, and
shows advice for each. It retries any other code, after the time given in the message of a `rate_limit_exceeded`.
"""


def write_fault(fault: Fault, first: Frame | None = None, last: Frame | None = None) -> bytes:
    """Write the failure of the reply that started with the frame `first` and whose latest frame is `last`."""
    begun = _load(first).get("response")
    number = _load(last).get("sequence_number")
    head = begun if isinstance(begun, dict) else write_head("", model="", created=0)
    return write_failure(fault, head, number + 1 if isinstance(number, int) else 0)


def write_failure(fault: Fault, head: Mapping[str, Any], number: int) -> bytes:
    """Write the error event and the failed reply, which Codex waits for; `number` is the first `sequence_number`.

    The event holds the error twice: the dialect has it at the top level, the official SDK only raises what is below
    `error`.
    """
    error = fault_body(fault)
    if fault.code is None:
        error["code"] = CODES.get(status_of(fault), "server_error")
    event = error | {"type": "error", "sequence_number": number, "error": error}
    response = {**head, "status": "failed", "error": {"code": error["code"], "message": error["message"]}}
    failed = {"type": "response.failed", "sequence_number": number + 1, "response": response}
    return (
        b"event: error\ndata: " + dump(event) + b"\n\n"
        b"event: response.failed\ndata: " + dump(failed) + b"\n\n"
    )  # fmt: skip


def _load(frame: Frame | None) -> Body:
    try:
        value = orjson.loads(frame.data) if frame else None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
