"""Plans, and writes each attempt into the flow: mitmproxy then shows the request that the upstream gets."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import TypedDict
from urllib.parse import SplitResult, urlsplit

import orjson
from mitmproxy import http

from omniroute.addons.answers import PREFIX
from omniroute.addons.guard import guard
from omniroute.addons.head import dress
from omniroute.addons.recall import forgot, keep, keeps, weight, words_for
from omniroute.catalog.auth import credential_headers
from omniroute.catalog.provider import Provider
from omniroute.catalog.urls import endpoint
from omniroute.dialects import hub
from omniroute.dialects.needs import Needs
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.responses.state import reply_id
from omniroute.errors import BadRequest, Exhausted, GatewayError, RateLimited
from omniroute.exchange import Asked, Exchange
from omniroute.proxy.attempt import BIG, Attempt
from omniroute.redact import redact
from omniroute.routing.failure import Failure
from omniroute.routing.judge import CLIENTS_OWN, judge
from omniroute.routing.outcome import outcome
from omniroute.routing.plan import Plan, Target
from omniroute.routing.retry import again_after, deadlines_of
from omniroute.runtime import Runtime

ABOUT_THE_CLIENT = (b"user-agent", b"accept-language")
"""What is passed on to an upstream of another dialect; to the same dialect everything is."""


class Told(TypedDict):
    """What a translated reply needs to know of its request."""

    model: str
    names: Mapping[str, str]
    created: int
    reply_id: str | None


class Dispatch:
    name = "omniroute.dispatch"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @guard
    async def request(self, flow: http.HTTPFlow) -> None:
        """Make the plan and write its first target into the flow."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or flow.response or not exchange.claimed or exchange.claimed.kind != "chat":
            return
        known = self.runtime.prices_known.is_set()
        needs = Needs(exchange.body, len(exchange.raw))
        if len(exchange.raw) > BIG:
            await asyncio.to_thread(needs.look)
        exchange.plan = self.runtime.choosing.plan(exchange, needs, with_catalog=known)
        if not exchange.plan.targets:
            raise _nothing_to_ask(exchange.plan, self.runtime.wall())
        await self._ask_next(flow, exchange)
        exchange.overhead = self.runtime.clock() - exchange.received

    @guard
    async def next_attempt(self, flow: http.HTTPFlow) -> None:
        """Fired by our layer when an attempt has failed before its first content."""
        exchange = self.runtime.exchanges[flow]
        asked = exchange.last
        assert asked
        assert asked.attempt.failure
        failure = asked.attempt.failure = _understood(asked, asked.attempt.failure)
        self.runtime.choosing.ended(exchange, asked)
        verdict = "again" if forgot(exchange, failure) else judge(failure).verdict
        if verdict == "stop" and (told := _in_its_own_words(exchange, asked, failure)):
            exchange.error = failure.message
            flow.response = told
        elif verdict == "stop":
            raise outcome(exchange.failures()[-1:], targets=1)
        else:
            rules, combo = exchange.config.rules, asked.target.way.combo
            pause = None if verdict == "again" else again_after(failure, combo, rules, exchange.repeats)
            if verdict == "again" or pause is not None:
                exchange.position -= 1
            if verdict != "again":
                exchange.repeats = 0 if pause is None else exchange.repeats + 1
            if verdict == "model":
                exchange.spent.add((asked.target.provider.id, asked.target.model))
            await self._ask_next(flow, exchange, pause=pause or 0.0)

    async def read_reply(self, flow: http.HTTPFlow) -> None:
        """Fired by our layer for a whole reply that is too big for the event loop."""
        asked = self.runtime.exchanges[flow].last
        assert asked
        asked.attempt.whole = await asyncio.to_thread(asked.attempt.read_whole, bytes(asked.attempt.raw))

    async def _ask_next(self, flow: http.HTTPFlow, exchange: Exchange, *, pause: float = 0.0) -> None:
        assert exchange.plan
        targets = exchange.plan.targets
        refused: BadRequest | None = None
        for target in targets[exchange.position + 1 :]:
            exchange.position += 1
            if (target.provider.id, target.model) in exchange.spent:
                continue
            try:
                await self._ask(flow, exchange, target, pause or self._wait_for(target))
            except BadRequest as error:
                if len(targets) == 1:
                    raise
                refused = error
                unable = Attempt({}, self.runtime.limits.deadlines, None, _unread, last=False)
                unable.failure = Failure("unable", error.message, status=error.status)
                exchange.asked.append(Asked(target, unable))
                pause, exchange.repeats = 0.0, 0
                continue
            return
        failures = exchange.failures()
        if refused is not None and all(failed.failure.kind == "unable" for failed in failures):
            raise refused  # nobody was asked: it is the request's own fault
        raise outcome(failures, targets=len(targets))

    def _wait_for(self, target: Target) -> float:
        """Give the seconds until a target may be asked, where its provider has named a time."""
        return max(0.0, target.not_before - self.runtime.wall()) if target.not_before is not None else 0.0

    async def _ask(self, flow: http.HTTPFlow, exchange: Exchange, target: Target, pause: float) -> None:
        limits = self.runtime.limits

        raw, body, lost = await words_for(self.runtime, exchange, target)

        def say() -> hub.Prepared:
            return hub.prepare(
                exchange.dialect,
                target.dialect,
                raw,
                body,
                model=target.model,
                stream=exchange.stream,
                stream_usage=limits.stream_usage and target.provider.quirks.stream_usage,
                max_output=target.provider.max_output(target.model),
                cache_breakpoints=limits.cache_breakpoints,
            )

        prepared = await asyncio.to_thread(say) if weight(exchange) > BIG else say()
        api_key = self.runtime.credentials.get(target.account.id)
        ways = (exchange.dialect, target.dialect)
        told: Told = {"model": exchange.model, "names": prepared.names, "created": int(exchange.at), "reply_id": None}
        ended = None
        if exchange.dialect == "responses":
            told["reply_id"] = reply_id(exchange.id)
            if keeps(self.runtime, exchange):
                ended = partial(keep, self.runtime, exchange, target)
        stream = None
        if exchange.stream:
            hides, array = prepared.hides_usage, exchange.as_array
            stream = hub.Stream(*ways, hides_usage=hides, as_array=array, ended=ended, **told)
        attempt = Attempt(
            credential=credential_headers(target.provider, api_key),
            deadlines=replace(limits.deadlines, **deadlines_of(target.way.combo, exchange.config.rules)),
            pause=pause,
            proxy=self.runtime.proxy(target, exchange.config),
            stream=stream,
            read_whole=lambda raw: hub.read_whole(*ways, raw, **told),
            last=exchange.position + 1 == len(exchange.plan.targets) if exchange.plan else True,
            hide=partial(_without, api_key),
        )
        exchange.asked.append(Asked(target, attempt, (*lost, *prepared.dropped)))
        self.runtime.choosing.began(exchange, exchange.asked[-1])
        _write(flow.request, exchange, target, prepared.raw)

    @guard
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Make the upstream's head ours, where `Attach` has not done so without the hook."""
        if (exchange := self.runtime.exchanges.get(flow)) and flow.response:
            dress(exchange, flow, flow.response)


def _understood(asked: Asked, failure: Failure) -> Failure:
    """Read what the upstream said of its error."""
    if failure.kind == "status" and failure.status is not None:
        fault = DIALECTS[asked.target.dialect].read_error(failure.status, failure.body)
        failure = replace(failure, fault=fault, message=f"{failure.status} {fault.message}")
    return failure


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


def _unread(raw: bytes) -> hub.Whole:
    raise AssertionError("an attempt that was never sent has no reply")


def _nothing_to_ask(made: Plan, now: float) -> GatewayError:
    why = "; ".join(f"{left.name}{f' ({left.account})' if left.account else ''}: {left.why}" for left in made.left)
    said = f"no target of {made.asked!r} can be asked: {why}"
    resting = [left for left in made.left if left.until is not None]
    if resting:
        soonest = max(0.0, min(left.until for left in resting if left.until is not None) - now)
        limited = all(left.limited for left in resting)
        return RateLimited(said, retry_after=soonest) if limited else Exhausted(said, retry_after=soonest)
    return BadRequest(said, param="model") if any(left.unfit for left in made.left) else Exhausted(said)


def _in_its_own_words(exchange: Exchange, asked: Asked, failure: Failure) -> http.Response | None:
    """Pass a refusal of the client's own making on as it came: clients act on its details."""
    if failure.kind != "status" or failure.status not in CLIENTS_OWN or asked.target.dialect != exchange.dialect:
        return None
    try:
        body = orjson.loads(failure.body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict) or "error" not in body:
        return None
    route = {"content-type": "application/json", PREFIX + "route": asked.target.name}
    return http.Response.make(failure.status, failure.body, route)


@lru_cache(maxsize=4096)
def _split(url: str) -> SplitResult:
    return urlsplit(url)


def _write(request: http.Request, exchange: Exchange, target: Target, raw: bytes) -> None:
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
        fields += [f for f in exchange.headers if f[0].lower() in ABOUT_THE_CLIENT]
    present = {name.lower() for name, _ in fields}
    ours = ((name.lower().encode(), value.encode()) for name, value in provider.headers.items())
    fields += [field for field in ours if field[0] not in present]
    if b"content-type" not in present:
        fields.append((b"content-type", b"application/json"))
    fields += [(b"accept-encoding", b"identity"), (b"content-length", str(length).encode())]
    return fields
