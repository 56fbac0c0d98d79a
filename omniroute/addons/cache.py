"""Answers what was answered before, and lets equal requests wait for the one that is being answered."""

import asyncio
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import orjson
from mitmproxy import http

from omniroute.addons.cache_key import cache_key, digest, owner
from omniroute.addons.dispatch import notify_waiter
from omniroute.addons.guard import guard
from omniroute.addons.reply_headers import safe_value
from omniroute.addons.response_headers import PREFIX
from omniroute.cache.answer import MAX_ANSWER, CachedAnswer
from omniroute.cache.single_flight import Flight, Source
from omniroute.dialects.dialect import UNREADABLE
from omniroute.dialects.request_identity import is_certain
from omniroute.dialects.stream_recorder import StreamRecorder
from omniroute.dialects.translate import CODECS
from omniroute.errors import BadRequest, TimedOut
from omniroute.gateway.exchange import Exchange, Waiting
from omniroute.gateway.runtime import Runtime
from omniroute.mitm.ports import BIG

if TYPE_CHECKING:
    from omniroute.addons.semantic_cache import SemanticCache

PATIENCE = 900.0
"""Seconds that a request waits for the answer of another, where no deadline says less."""
SHARED = (400, 404, 413, 422)
"""Refusals that an equal request would get too: who waits gets the same one."""
WHOLE = ("stop", "stop_sequence", "tool_calls")
"""Why a reply ended that is kept. One that was cut off or filtered may come better next time."""


class Cache:
    name = "omniroute.replay"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.similar: SemanticCache | None = None

    def done(self) -> None:
        if self.similar:
            self.similar.close()

    @guard
    async def request(self, flow: http.HTTPFlow) -> None:
        """Look for an answer, or for a request under way that will have it."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or flow.response or not exchange.claimed or exchange.claimed.kind != "chat":
            return
        name = flow.request.headers.get("idempotency-key", "")
        request = "" if name else flow.request.headers.get("x-request-id", "")
        if (
            (name or request)
            and exchange.config.rules.idempotency.window
            and await self._once(flow, exchange, name, request)
        ):
            return
        await self._cached(flow, exchange)

    @guard
    async def next_attempt(self, flow: http.HTTPFlow) -> None:
        """Go on when another has been answered, or has failed."""
        exchange = self.runtime.exchanges[flow]
        if (flight := exchange.replay.following) is None:
            return
        late = exchange.waiting is not None and 0 < exchange.waiting.until <= self.runtime.clock()
        if flight.answer:
            self._tell(flow, exchange, flight.answer, flight)
        elif flight.leader is exchange:
            exchange.replay.following = exchange.waiting = None
            exchange.replay.leading.append(flight)
            if flight.kind == "idempotency":
                await self._cached(flow, exchange)
        elif late and flight.kind == "idempotency":
            raise TimedOut("an equal request with the same name has not been answered in time")
        elif late:
            self._leave(exchange)  # it asks by itself

    async def response(self, flow: http.HTTPFlow) -> None:
        """Let the others have the answer, too."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or not (exchange.replay.leading or exchange.replay.key or exchange.replay.following):
            return
        answer = _answer(flow, exchange)
        if exchange.replay.key and answer and not exchange.replay.answer:
            large = len(answer.body) > BIG
            reason = await asyncio.to_thread(_reason, answer) if large else _reason(answer)
            if reason in WHOLE:
                acts = reason == "tool_calls"  # on the very words of its own request
                kept = replace(answer, bucket="", vector=b"") if acts else answer
                self.runtime.replays.keep(exchange.replay.key, kept, self.runtime.config.rules)
        self._end(exchange, answer)

    def error(self, flow: http.HTTPFlow) -> None:
        """The client has left: whoever waits for its answer asks instead."""
        if exchange := self.runtime.exchanges.get(flow):
            self._end(exchange, None)

    async def _once(self, flow: http.HTTPFlow, exchange: Exchange, name: str, request: str) -> bool:
        """Say whether a request of this name was sent before, and is answered with that."""
        progress = flow.request.headers.get(PREFIX + "progress", "")
        parts = (exchange.raw_body, exchange.query.encode(), progress.encode())
        said = await asyncio.to_thread(digest, *parts) if len(exchange.raw_body) > BIG else digest(*parts)
        scope = (owner(exchange), exchange.path, name or request, "" if name else said)
        # Some clients give several requests one X-Request-Id, so it means the same only with the same body.
        key = digest(*(part.encode("utf-8", "surrogateescape") for part in (*scope, "key" if name else "id")))
        flight = self.runtime.replays.flight("idempotency", key)
        if flight is None:
            exchange.replay.leading.append(self.runtime.replays.lead("idempotency", key, said, exchange))
            return False
        if flight.meaning != said:
            raise BadRequest(
                "this Idempotency-Key came with another body a moment ago: use a new one for a new request",
                status=422,
                code="idempotency_key_reused",
            )
        self._join(flow, exchange, flight)
        return True

    async def _cached(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        rules, replay = exchange.config.rules, exchange.replay
        wishes = _wishes(flow.request.headers)
        if "bypass" in wishes:
            replay.status = "BYPASS"
            return
        if exchange.stream or not rules.cache.enabled or exchange.recalled or not _certain(exchange):
            return
        what = (self.runtime, exchange, exchange.body)
        if len(exchange.raw_body) > BIG:
            async with self.runtime.large_bodies:
                key = await asyncio.to_thread(cache_key, *what)
        else:
            key = cache_key(*what)
        replay.status = "BYPASS" if "refresh" in wishes else "MISS"
        replay.key = key
        if "refresh" in wishes:
            return
        replays = self.runtime.replays
        if answer := replays.find(key, self.runtime.config.rules):
            self._tell(flow, exchange, answer, None)
        elif flight := replays.flight("cache", key):
            self._join(flow, exchange, flight)
        else:
            replay.leading.append(replays.lead("cache", key, key, exchange))
            if rules.cache.similar and (answer := await (await self._similar()).look(exchange)):
                self._tell(flow, exchange, answer, None)

    async def _similar(self) -> "SemanticCache":
        """Load what few use and takes its time when it is used first, beside the traffic."""
        if self.similar is None:
            similar = await asyncio.to_thread(import_module, "omniroute.addons.semantic_cache")
            self.similar = self.similar or similar.SemanticCache(self.runtime)
        return self.similar

    def _join(self, flow: http.HTTPFlow, exchange: Exchange, flight: Flight) -> None:
        if flight.answer:
            self._tell(flow, exchange, flight.answer, flight)
            return
        now, total = self.runtime.clock(), exchange.config.rules.deadlines.total
        waiting = exchange.waiting = Waiting(exchange.received + total if total else now + PATIENCE)
        exchange.replay.following = flight
        flight.waiting[exchange] = partial(_wake, self.runtime, flow, waiting)

    def _tell(self, flow: http.HTTPFlow, exchange: Exchange, answer: CachedAnswer, flight: Flight | None) -> None:
        """Give an answer of another exchange, in the very words."""
        replay = exchange.replay
        same: Source = "cache" if answer.similarity is None else "similar"
        replay.answer, replay.source = answer, "idempotency" if flight and flight.kind == "idempotency" else same
        replay.following = exchange.waiting = None
        headers = {"content-type": answer.content_type}
        if answer.route:
            headers[PREFIX + "route"] = safe_value(answer.route)
        if answer.dropped:
            headers[PREFIX + "dropped"] = safe_value(", ".join(answer.dropped))
        if answer.similarity is not None:
            headers[PREFIX + "similarity"] = f"{answer.similarity:.3f}"
        if replay.source != "idempotency":
            replay.status = "HIT"
            headers["age"] = str(max(0, int(self.runtime.wall() - answer.at)))
        if exchange.stream:
            headers["cache-control"] = "no-cache"
        flow.response = http.Response.make(answer.status, answer.body, headers)

    def _leave(self, exchange: Exchange) -> None:
        if flight := exchange.replay.following:
            exchange.replay.following = exchange.waiting = None
            flight.waiting.pop(exchange, None)
            if flight.leader is exchange and flight.answer is None:
                exchange.replay.leading.append(flight)  # it was to lead, and has not begun

    def _end(self, exchange: Exchange, answer: CachedAnswer | None) -> None:
        self._leave(exchange)
        leads, exchange.replay.leading = exchange.replay.leading, []
        for flight in leads:
            self.runtime.replays.end(flight, answer, self.runtime.config.rules)


def _wake(runtime: Runtime, flow: http.HTTPFlow, waiting: Waiting) -> None:
    waiting.until = 0.0  # should its layer not stand still yet, it will not begin to
    notify_waiter(runtime, flow)


def _certain(exchange: Exchange) -> bool:
    return is_certain(exchange.dialect, exchange.body)


def _wishes(headers: http.Headers) -> set[str]:
    """Read what the client wants of the cache: `bypass` leaves it alone, `refresh` only does not read it."""
    said = {part.strip().lower() for part in headers.get("cache-control", "").split(",")}
    if headers.get(PREFIX + "no-cache", "").strip().lower() in {"true", "1", "yes"} or "no-store" in said:
        return {"bypass"}
    return {"refresh"} if "no-cache" in said else set()


def _answer(flow: http.HTTPFlow, exchange: Exchange) -> CachedAnswer | None:
    """Give what others may be told too; None for what has failed, or was told in part."""
    if exchange.replay.answer:
        return exchange.replay.answer
    response, served = flow.response, exchange.served
    if response is None:
        return None
    body, kind = response.raw_content or b"", response.headers.get("content-type", "application/json")
    if served is None:
        if exchange.early_head_sent or (status := response.status_code) not in SHARED:
            return None
        return CachedAnswer(exchange.at, exchange.dialect, body, status, kind, stands=False)
    if served.attempt.failure or response.status_code != 200:
        return None
    if isinstance(stream := served.attempt.stream, StreamRecorder):
        if stream.record is None or not stream.done:
            return None
        body = bytes(stream.record)
    elif stream is not None or len(body) > MAX_ANSWER:
        return None
    return CachedAnswer(
        exchange.at,
        exchange.dialect,
        body,
        content_type=kind,
        route=served.target.name,
        dropped=served.dropped,
        usage=exchange.usage,
        bucket=exchange.replay.bucket,
        vector=exchange.replay.vector,
    )


def _reason(answer: CachedAnswer) -> str:
    """Say why an answer came to its end; empty for one that cannot be kept however it ended."""
    if not answer.stands:
        return ""
    try:
        body = orjson.loads(answer.body)
        several = len(body.get("choices") or body.get("candidates") or ()) > 1
        return "" if several else CODECS[answer.dialect].read_reply(body).reason
    except UNREADABLE:
        return ""
