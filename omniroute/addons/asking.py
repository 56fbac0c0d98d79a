"""Makes an attempt out of a target: the request in its dialect, its deadlines, and what translates the reply."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypedDict

from mitmproxy import http

from omniroute.addons.outgoing import write
from omniroute.addons.overdue import end_of
from omniroute.addons.recall import keep, keeps, weight, words_for
from omniroute.catalog.auth import credential_headers
from omniroute.dialects import hub
from omniroute.dialects.jsonish import dump
from omniroute.dialects.patch import asks_usage
from omniroute.dialects.recorded import Recorded
from omniroute.dialects.responses.state import reply_id
from omniroute.dialects.resume import takes_prefill, with_beginning
from omniroute.exchange import Asked, Exchange
from omniroute.proxy.attempt import BIG, Attempt
from omniroute.redact import redact
from omniroute.routing.failure import Failure
from omniroute.routing.patience import asked_to_think, deadlines_of
from omniroute.routing.plan import Target
from omniroute.routing.switches import switched
from omniroute.runtime import Runtime


class Told(TypedDict):
    """What a translated reply needs to know of its request."""

    model: str
    names: Mapping[str, str]
    created: int
    reply_id: str | None


async def ask(runtime: Runtime, exchange: Exchange, target: Target, let_in: float, request: http.Request) -> Asked:
    """Make of a request that of a target, and note that it is being asked."""
    limits, rules = runtime.limits, exchange.config.rules
    await runtime.save_windows(exchange, target)
    raw, body, lost = await words_for(runtime, exchange, target)
    broken = exchange.broken
    begun = broken.said if broken else None

    def say() -> hub.Prepared:
        asks, asking = raw, body
        if begun is not None:
            prefill = rules.thinking.mode == "passthrough" and takes_prefill(
                exchange.dialect, target.dialect, target.model, body
            )
            asking = with_beginning(exchange.dialect, body, begun, prefill=prefill)
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

    prepared = await asyncio.to_thread(say) if weight(exchange) > BIG else say()
    api_key = runtime.credentials.get(target.account.id)
    ways = (exchange.dialect, target.dialect)
    told: Told = {"model": exchange.model, "names": prepared.names, "created": int(exchange.at), "reply_id": None}
    ended = None
    if exchange.dialect == "responses":
        told["reply_id"] = reply_id(exchange.id)
        if keeps(runtime, exchange):
            ended = partial(keep, runtime, exchange, target)  # by the id that the client was told
    stream = None
    if exchange.stream:
        follows, array = switched("resume", target, rules).enabled, exchange.as_array
        hides = prepared.hides_usage or (follows and ways[0] == "openai" and not asks_usage(exchange.body))
        elapsed = partial(_since, runtime.clock, exchange.received) if exchange.tells_progress else None
        kind = Recorded if exchange.replay.leads else hub.Stream
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
        deadlines=deadlines_of(target, rules, thinking=asked_to_think(exchange.body, rules)),
        until=end_of(exchange, target, rules),
        proxy=runtime.proxy(target, exchange.config),
        stream=stream,
        read_whole=lambda raw: hub.read_whole(*ways, raw, **told),
        last=not exchange.open,
        hedge_after=runtime.choosing.hedge_after(exchange, target),
        hide=partial(_without, api_key),
    )
    write(request, exchange, target, prepared.raw)
    resumed = None if begun is None else len(begun)
    asked = Asked(target, attempt, (*lost, *prepared.dropped), let_in=let_in, resumed=resumed)
    exchange.asked.append(asked)
    runtime.choosing.began(exchange, asked)
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
