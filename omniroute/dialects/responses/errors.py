"""Errors as OpenAI Responses clients read them: like Chat Completions, but for streams."""

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
"""Status -> what a failed reply is said to have failed by.

Codex gives up at `invalid_prompt`, `insufficient_quota`, `context_length_exceeded` and `server_is_overloaded`, each
with its own advice; anything else it asks again, after the time that a message of `rate_limit_exceeded` names.
"""


def write_fault(fault: Fault, first: Frame | None = None, last: Frame | None = None) -> bytes:
    """Fail the reply that began with `first` and was last heard of in `last`."""
    begun = _load(first).get("response")
    number = _load(last).get("sequence_number")
    head = begun if isinstance(begun, dict) else write_head("", model="", created=0)
    return write_failure(fault, head, number + 1 if isinstance(number, int) else 0)


def write_failure(fault: Fault, head: Mapping[str, Any], number: int) -> bytes:
    """Write the error event and the failed reply, which Codex waits for; `number` is the first one's place.

    The event says the error twice: the format has it at the top, the official SDK only raises what is below
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
