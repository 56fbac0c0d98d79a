"""Errors as OpenAI Responses clients read them: like Chat Completions, but for streams."""

import orjson

from omniroute.dialects.ir import Fault
from omniroute.dialects.openai.errors import fault_body


def write_fault(fault: Fault) -> bytes:
    """Write the error event and the failed reply, which Codex waits for.

    The event says the error twice: the format has it at the top, the official SDK only raises what is below
    `error`.
    """
    error = fault_body(fault)
    event = error | {"type": "error", "sequence_number": 0, "error": error}
    response = {
        "id": "",
        "object": "response",
        "created_at": 0,
        "status": "failed",
        "error": {"code": error["code"], "message": error["message"]},
        "incomplete_details": None,
        "model": "",
        "output": [],
        "usage": None,
    }
    failed = {"type": "response.failed", "sequence_number": 1, "response": response}
    return (
        b"event: error\ndata: " + orjson.dumps(event) + b"\n\n"
        b"event: response.failed\ndata: " + orjson.dumps(failed) + b"\n\n"
    )
