"""The head of a reply: what `reply_headers` lets pass stays, what the gateway did comes."""

import math
from dataclasses import replace
from typing import Any

import orjson
from mitmproxy import http

from omniroute.addons.reply_headers import JSON, passed_back, safe_value, stream_type
from omniroute.catalog.provider import DialectName
from omniroute.dialects.openai.errors import words
from omniroute.dialects.registry import DIALECTS
from omniroute.errors import GatewayError, RateLimited, UpgradeRequired
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.routing.failures import WAIT

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


def error_event(dialect: DialectName, answer: http.Response) -> bytes:
    """Say a whole refusal as the error event of a stream that has begun. The time to wait has no header any more.

    Codex reads it out of these very words.
    """
    fault = DIALECTS[dialect].read_error(answer.status_code, answer.raw_content or b"")
    if fault.code == words(answer.status_code)[1]:
        fault = replace(fault, code=None)  # it only repeats the status, for which a stream may have another word
    if wait := answer.headers.get("retry-after"):
        fault = replace(fault, message=f"{fault.message.rstrip('.')}. Please try again in {wait}s.")
    return DIALECTS[dialect].write_fault(fault)


REQUEST_IDS = {"openai": "x-request-id", "responses": "x-request-id", "claude": "request-id"}
"""Where each dialect's providers say the name of a request: the SDKs keep it with a reply, and with an error.

Qwen Code asks again after a stream that broke off only where there is one.
"""
STREAM = "text/event-stream; charset=utf-8"


def early_head(request: http.Request, at: float) -> http.Response:
    """Make the head of a stream that nobody has answered yet."""
    headers = http.Headers(((b"content-type", STREAM.encode()), (b"cache-control", b"no-cache")))
    if request.http_version == "HTTP/1.1":
        headers["transfer-encoding"] = "chunked"
    return http.Response(request.data.http_version, 200, b"OK", headers, None, None, at, None)


def apply_gateway_headers(exchange: Exchange, flow: http.HTTPFlow, response: http.Response) -> None:
    """Make the upstream's head, or that of our own answer, what the client gets."""
    ours = {PREFIX + "request-id": exchange.id}
    replay = exchange.replay
    if replay.status and not exchange.early_head_sent:
        ours[PREFIX + "cache"] = replay.status
    if replay.source == "idempotency":
        ours[PREFIX + "idempotent"] = "true"
    if (exchange.plan or replay.answer) and not exchange.early_head_sent:
        ours[PREFIX + "attempts"] = str(exchange.attempts)
    if exchange.overhead is not None:
        ours[PREFIX + "overhead-ms"] = f"{exchange.overhead * 1000:.2f}"
    streams = exchange.early_head_sent or (exchange.served is not None and exchange.served.attempt.stream is not None)
    if streams and exchange.tells_progress:
        ours[PREFIX + "progress"] = "enabled"
    if exchange.budget_warning:
        ours[PREFIX + "budget-warning"] = exchange.budget_warning
    kept = response.headers.fields
    if served := exchange.served:
        kept, more = _passed_back(exchange, served, response, flow.request.http_version)
        ours |= more
        response.data.http_version = flow.request.data.http_version
        response.data.status_code, response.data.reason = 200, b"OK"  # whichever 2xx, in the upstream's words
    elif flow.request.method == "HEAD":
        response.data.content = b""  # the head stays as it would be for GET, its content-length too
    name = REQUEST_IDS.get(exchange.dialect)
    if name is not None and not any(field.lower() == name.encode() for field, _ in kept):
        ours[name] = exchange.id
    made = ((name.encode(), safe_value(value).encode()) for name, value in ours.items())
    response.headers.fields = (*kept, *made)


def _passed_back(
    exchange: Exchange, served: AttemptRecord, response: http.Response, http_version: str
) -> tuple[tuple[tuple[bytes, bytes], ...], dict[str, str]]:
    """Give what stays of an upstream's headers, and what is put in place of the others."""
    secrets = [secret.encode() for secret in served.attempt.secrets]
    more = {PREFIX + "route": served.target.name}
    if exchange.hedge:
        more[PREFIX + "hedged"] = "true"
    if served.dropped:
        more[PREFIX + "dropped"] = ", ".join(served.dropped)
    if served.attempt.stream is None:
        more |= {"content-type": JSON, "content-length": str(len(response.raw_content or b""))}
    else:
        same = exchange.dialect == served.target.dialect
        given = response.headers.get("content-type", "") if same else ""
        more |= {"cache-control": "no-cache", "content-type": stream_type(given, as_array=exchange.as_array)}
        if http_version == "HTTP/1.1":
            more["transfer-encoding"] = "chunked"
    names = [name.encode() for name in more]
    return passed_back(response.headers.fields, without=names, secrets=secrets), more
