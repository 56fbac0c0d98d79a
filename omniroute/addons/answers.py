"""Answers that the gateway gives itself, in the words of the client's dialect."""

import math
from typing import Any

import orjson
from mitmproxy import http

from omniroute.catalog.provider import DialectName
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
    if isinstance(error, UpgradeRequired):
        headers["upgrade"] = "HTTP/1.1"
    return json_answer(error.status, DIALECTS[dialect].write_error(error), headers)
