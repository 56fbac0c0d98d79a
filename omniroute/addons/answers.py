"""Answers that the gateway gives itself, in the words of the client's dialect."""

import math
from dataclasses import replace
from typing import Any

import orjson
from mitmproxy import http

from omniroute.catalog.provider import DialectName
from omniroute.dialects.openai.errors import words
from omniroute.dialects.registry import DIALECTS
from omniroute.errors import GatewayError, RateLimited, UpgradeRequired
from omniroute.routing.outcome import WAIT

PREFIX = "x-omniroute-"


def json_answer(status: int, body: Any, headers: dict[str, str] | None = None) -> http.Response:
    """Make a whole JSON response."""
    fields = {"content-type": "application/json", **(headers or {})}
    return http.Response.make(status, orjson.dumps(body), fields)


def refusal(dialect: DialectName, error: GatewayError) -> http.Response:
    """Say an error. Every 429 carries Retry-After: some clients give up without it."""
    headers: dict[str, str] = {}
    wait = error.retry_after
    if wait is None and isinstance(error, RateLimited):
        wait = WAIT
    if wait is not None:
        headers["retry-after"] = str(max(1, math.ceil(wait)))
    if error.final:
        headers["x-should-retry"] = "false"  # the SDKs of OpenAI and Anthropic ask no more, and so do their clients
    if isinstance(error, UpgradeRequired):
        headers["upgrade"] = "HTTP/1.1"
    return json_answer(error.status, DIALECTS[dialect].write_error(error), headers)


def in_stream(dialect: DialectName, answer: http.Response) -> bytes:
    """Say a whole refusal as the error event of a stream that has begun. The time to wait has no header any more.

    Codex reads it out of these very words.
    """
    fault = DIALECTS[dialect].read_error(answer.status_code, answer.raw_content or b"")
    if fault.code == words(answer.status_code)[1]:
        fault = replace(fault, code=None)  # it only repeats the status, for which a stream may have another word
    if wait := answer.headers.get("retry-after"):
        fault = replace(fault, message=f"{fault.message.rstrip('.')}. Please try again in {wait}s.")
    return DIALECTS[dialect].write_fault(fault)
