"""Makes an attempt out of a target: the request in its dialect, its deadlines, and what translates the reply."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import TypedDict
from urllib.parse import SplitResult, urlsplit

from mitmproxy import http

from omniroute.addons.conversations import keep, keeps, request_for_target, total_size
from omniroute.addons.failover import end_of
from omniroute.catalog.endpoints import credential_headers, endpoint
from omniroute.catalog.provider import Provider
from omniroute.dialects import hub
from omniroute.dialects.json_edit import asks_usage, dump
from omniroute.dialects.responses.conversation import reply_id
from omniroute.dialects.resume import continuation_request, takes_prefill
from omniroute.dialects.stream_recorder import StreamRecorder
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.gateway.runtime import Runtime
from omniroute.mitm.ports import BIG, Attempt
from omniroute.redaction import redact
from omniroute.routing.attempt_policy import deadlines_of, feature_flag, wants_reasoning
from omniroute.routing.failures import Failure
from omniroute.routing.target import Target

CLIENT_HEADERS = (b"user-agent", b"accept-language")
"""What is passed on to an upstream of another dialect; to the same dialect everything is."""


@lru_cache(maxsize=4096)
def _split(url: str) -> SplitResult:
    return urlsplit(url)


def write_upstream_request(request: http.Request, exchange: Exchange, target: Target, raw: bytes) -> None:
    """Make the request of a flow that of its target; the credential is added on the way out."""
    same = exchange.dialect == target.dialect
    url = _split(
        endpoint(
            target.provider,
            target.dialect,
            base_url=target.account.base_url,
            model=target.model,
            stream=exchange.stream,
        )
    )
    query = exchange.query if same else url.query
    data = request.data
    data.host = url.hostname or ""
    data.port = url.port or (443 if url.scheme == "https" else 80)
    data.scheme = url.scheme.encode()
    data.authority = b""
    data.method = b"POST"
    data.path = (f"{url.path}?{query}" if query else url.path).encode()
    data.headers = http.Headers(_headers(exchange, target.provider, same, url.netloc, len(raw)))
    data.content = raw


def _headers(exchange: Exchange, provider: Provider, same: bool, host: str, length: int) -> list[tuple[bytes, bytes]]:
    fields = [(b"host", host.encode())]
    if same:
        fields += exchange.headers
    else:
        fields += [f for f in exchange.headers if f[0].lower() in CLIENT_HEADERS]
    present = {name.lower() for name, _ in fields}
    ours = ((name.lower().encode(), value.encode()) for name, value in provider.headers.items())
    fields += [field for field in ours if field[0] not in present]
    if b"content-type" not in present:
        fields.append((b"content-type", b"application/json"))
    fields += [(b"accept-encoding", b"identity"), (b"content-length", str(length).encode())]
    return fields


class ReplyContext(TypedDict):
    """What a translated reply needs to know of its request."""

    model: str
    names: Mapping[str, str]
    created: int
    reply_id: str | None


async def start_attempt(
    runtime: Runtime, exchange: Exchange, target: Target, let_in: float, request: http.Request
) -> AttemptRecord:
    """Make of a request that of a target, and note that it is being asked."""
    limits, rules = runtime.limits, exchange.config.rules
    await runtime.save_windows(exchange, target)
    raw, body, lost = await request_for_target(runtime, exchange, target)
    broken = exchange.broken
    begun = broken.said if broken else None

    def say() -> hub.Prepared:
        asks, asking = raw, body
        if begun is not None:
            prefill = rules.thinking.mode == "passthrough" and takes_prefill(
                exchange.dialect, target.dialect, target.model, body
            )
            asking = continuation_request(exchange.dialect, body, begun, prefill=prefill)
            asks = dump(asking)
        return hub.prepare(
            exchange.dialect,
            target.dialect,
            asks,
            asking,
            model=target.model,
            stream=exchange.stream,
            stream_usage=limits.stream_usage and target.provider.quirks.stream_usage,
            max_output=target.provider.max_output(target.model),
            cache_breakpoints=limits.cache_breakpoints,
            shape=rules.shape,
            renamed=not target.is_named(exchange.model),
        )

    if total_size(exchange) > BIG:
        async with runtime.large_bodies:
            prepared = await asyncio.to_thread(say)
    else:
        prepared = say()
    api_key = runtime.credentials.get(target.account.id)
    ways = (exchange.dialect, target.dialect)
    told: ReplyContext = {
        "model": exchange.model,
        "names": prepared.names,
        "created": int(exchange.at),
        "reply_id": None,
    }
    ended = None
    if exchange.dialect == "responses":
        told["reply_id"] = reply_id(exchange.id)
        if keeps(runtime, exchange):
            ended = partial(keep, runtime, exchange, target)  # by the id that the client was told
    stream = None
    if exchange.stream:
        follows, array = feature_flag("resume", target, rules).enabled, exchange.as_array
        hides = prepared.hides_usage or (follows and ways[0] == "openai" and not asks_usage(exchange.body))
        elapsed = partial(_since, runtime.clock, exchange.received) if exchange.tells_progress else None
        kind = StreamRecorder if exchange.replay.leading else hub.Stream
        stream = kind(
            *ways,
            hides_usage=hides,
            as_array=array,
            ended=ended,
            elapsed=elapsed,
            follows=follows,
            resumes=broken,
            **told,
        )
    attempt = Attempt(
        credential=credential_headers(target.provider, api_key),
        deadlines=deadlines_of(target, rules, thinking=wants_reasoning(exchange.body, rules)),
        deadline=end_of(exchange, target, rules),
        proxy=runtime.proxy(target, exchange.config),
        stream=stream,
        read_whole=lambda raw: hub.read_whole(*ways, raw, **told),
        last=not exchange.remaining,
        hedge_after=runtime.choosing.hedge_after(exchange, target),
        redact=partial(_without, api_key),
    )
    write_upstream_request(request, exchange, target, prepared.raw)
    resumed = None if begun is None else len(begun)
    asked = AttemptRecord(target, attempt, (*lost, *prepared.dropped), admitted_at=let_in, resumed=resumed)
    exchange.attempts_made.append(asked)
    runtime.choosing.attempt_started(exchange, asked)
    return asked


def _since(clock: Callable[[], float], start: float) -> float:
    return clock() - start


def _without(secret: str | None, failure: Failure) -> Failure:
    """Take out what nobody may see, before anybody can."""
    secrets = [secret] if secret else []
    fault = failure.fault
    return replace(
        failure,
        message=redact(failure.message, secrets),
        fault=fault and replace(fault, message=redact(fault.message, secrets)),
        body=redact(failure.body.decode("utf-8", "replace"), secrets).encode(),
    )
