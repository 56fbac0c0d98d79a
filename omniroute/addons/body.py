"""Reads the body of who has been let in; of anybody else not a byte is looked at."""

import asyncio
import zlib
from typing import Any

import orjson
from mitmproxy import http

from omniroute.addons.guard import guard
from omniroute.errors import BadRequest, TooLarge
from omniroute.proxy.attempt import BIG
from omniroute.proxy.inflate import inflater
from omniroute.routing.dedicated import at_provider
from omniroute.runtime import Runtime

PIECE = 16 * 1024
READ = ("chat", "count")
"""Kinds of requests that have a body to be read."""


class Body:
    name = "omniroute.body"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @guard
    async def request(self, flow: http.HTTPFlow) -> None:
        """Find out which model is asked, and whether for a stream."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or flow.response or not exchange.claimed or exchange.claimed.kind not in READ:
            return
        claimed = exchange.claimed
        raw = flow.request.raw_content or b""
        if encoding := flow.request.headers.get("content-encoding", ""):
            raw = await asyncio.to_thread(_inflated, raw, encoding, self.runtime.limits.max_body)
        body = await asyncio.to_thread(_json, raw) if len(raw) > BIG else _json(raw)
        exchange.raw, exchange.body = raw, body
        if claimed.kind == "count":
            return
        exchange.model = claimed.model if claimed.model is not None else _model(body)
        if claimed.provider is not None:
            exchange.model = at_provider(claimed.provider, exchange.model, exchange.config)
        exchange.stream = claimed.stream if claimed.stream is not None else _stream(body)


def _inflated(raw: bytes, encoding: str, limit: int) -> bytes:
    """Undo the client's compression; a small body that unfolds over the limit is as large as it unfolds."""
    out = bytearray()
    try:
        inflate = inflater(encoding)
        if inflate is None:
            return raw
        for start in range(0, len(raw), PIECE):
            out += inflate(raw[start : start + PIECE])
            if len(out) > limit:
                raise TooLarge(f"the request body unfolds over the limit of {limit} bytes (option omniroute_max_body)")
    except (ValueError, zlib.error) as error:
        raise BadRequest(f"the body's content-encoding {encoding!r} cannot be undone: {error}") from None
    return bytes(out)


def _json(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(
            f"the body is not JSON: {error}" if raw else "the body is empty: a JSON object is needed"
        ) from None
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    return body


def _model(body: dict[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        said = "model is missing" if model is None else "model is not a text" if model else "model is empty"
        raise BadRequest(f"{said}: name one, as in `openai/gpt-4o`", param="model")
    return model


def _stream(body: dict[str, Any]) -> bool:
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise BadRequest("stream is neither true nor false", param="stream")
    return bool(stream)
