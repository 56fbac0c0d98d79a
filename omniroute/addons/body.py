"""Reads the body of who has been let in; of anybody else not a byte is looked at."""

import asyncio
import gc
import zlib
from typing import Any

import orjson
from mitmproxy import http

from omniroute.addons.guard import guard
from omniroute.dialects.json_bounds import JsonBounds, check, scan
from omniroute.errors import BadRequest, TooLarge
from omniroute.gateway import allocator
from omniroute.gateway.body_budget import BodyAccount
from omniroute.gateway.exchange import Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.mitm.decompress import in_pieces
from omniroute.mitm.ports import BIG
from omniroute.routing.resolve import at_provider

PIECE = 16 * 1024
TRIM_AFTER = 1.0
"""Seconds from the end of a large body to the return of its memory."""
READ = ("chat", "count")
"""Kinds of requests that have a body to be read."""


class RequestBody:
    name = "omniroute.body"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._trims = False

    @guard
    async def request(self, flow: http.HTTPFlow) -> None:
        """Find out which model is asked, and whether for a stream."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or flow.response or not exchange.claimed or exchange.claimed.kind not in READ:
            return
        claimed = exchange.claimed
        raw = flow.request.raw_content or b""
        bounds = self._bounds(exchange)
        if encoding := flow.request.headers.get("content-encoding", ""):
            account = self.runtime.bodies.account(flow)
            async with self.runtime.large_bodies:
                raw = await asyncio.to_thread(_inflated, raw, encoding, self.runtime.limits.max_body, account)
            flow.request.data.content = raw
            flow.request.headers.pop("content-encoding", None)
        if len(raw) > BIG:
            async with self.runtime.large_bodies:
                body = await asyncio.to_thread(_json, raw, bounds)
        else:
            body = _json(raw, bounds)
        exchange.raw_body, exchange.body = raw, body
        if claimed.kind == "count":
            return
        exchange.model = claimed.model if claimed.model is not None else _model(body)
        if claimed.provider is not None:
            exchange.model = at_provider(claimed.provider, exchange.model, exchange.config)
        exchange.stream = claimed.stream if claimed.stream is not None else _stream(body)

    def _bounds(self, exchange: Exchange) -> JsonBounds:
        server = self.runtime.config.rules.server
        return JsonBounds(server.json_depth, server.messages)

    def response(self, flow: http.HTTPFlow) -> None:
        """Return the bytes of the body to the budget: the request is over."""
        self._close(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        """Return the bytes of the body to the budget: the client has left, or the flow was killed."""
        self._close(flow)

    def _close(self, flow: http.HTTPFlow) -> None:
        if self.runtime.bodies.close(flow) > BIG and not self._trims:
            self._trims = True
            self.runtime.tasks.start(self._trim(), "trim")

    async def _trim(self) -> None:
        """Return the memory of large bodies to the system, once for all that end within a while."""
        await asyncio.sleep(TRIM_AFTER)
        self._trims = False
        await asyncio.to_thread(_release)


def _release() -> None:
    gc.collect()  # frames of mitmproxy refer to each other; what is loaded at the start is frozen, so this is quick
    allocator.trim()


def _inflated(raw: bytes, encoding: str, limit: int, account: BodyAccount) -> bytes:
    """Undo the client's compression in bounded steps: what it decompresses to counts against all bounds on bodies."""
    out = bytearray()
    try:
        pieces = in_pieces(encoding)
        if pieces is None:
            return raw
        for start in range(0, len(raw), PIECE):
            for piece in pieces(raw[start : start + PIECE]):
                out += piece
                if len(out) > limit:
                    out.clear()  # the frames of an error may stay for long
                    raise TooLarge(f"the request body decompresses to over {limit} bytes (option omniroute_max_body)")
                account.resize(len(raw) + len(out))
    except (ValueError, zlib.error) as error:
        raise BadRequest(f"the body's content-encoding {encoding!r} cannot be undone: {error}") from None
    account.resize(len(out))
    return bytes(out)


def _json(raw: bytes, bounds: JsonBounds) -> dict[str, Any]:
    scan(raw, bounds)
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if any(word in str(error).lower() for word in ("recursion", "depth limit")):
            raise bounds.too_deep() from None
        raise BadRequest(
            f"the body is not JSON: {error}" if raw else "the body is empty: a JSON object is needed"
        ) from None
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    check(body, raw, bounds)
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
