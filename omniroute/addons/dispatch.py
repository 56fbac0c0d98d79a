"""Plans, and writes each attempt into the flow: mitmproxy then shows the request that the upstream gets."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypedDict

import orjson
from mitmproxy import ctx, http
from mitmproxy.flow import Error, Flow

from omniroute.addons.answers import PREFIX
from omniroute.addons.count import QUICK
from omniroute.addons.guard import guard
from omniroute.addons.head import dress
from omniroute.addons.lines import add_unsent, line_up, passed_over, really_failed
from omniroute.addons.outgoing import write
from omniroute.addons.overdue import end_of, in_time, last_moment
from omniroute.addons.recall import forgot, keep, keeps, weight, words_for
from omniroute.addons.waking import wake
from omniroute.catalog.auth import credential_headers
from omniroute.dialects import hub
from omniroute.dialects.jsonish import dump
from omniroute.dialects.needs import Needs
from omniroute.dialects.patch import asks_usage
from omniroute.dialects.recorded import Recorded
from omniroute.dialects.registry import DIALECTS
from omniroute.dialects.responses.state import reply_id
from omniroute.dialects.resume import goes_on, takes_prefill, with_beginning
from omniroute.errors import BadRequest, Exhausted, GatewayError, RateLimited
from omniroute.exchange import Asked, Exchange, Waiting
from omniroute.proxy.attempt import BIG, Attempt
from omniroute.redact import redact
from omniroute.routing.admission import place_of
from omniroute.routing.failure import Failure
from omniroute.routing.judge import CLIENTS_OWN, judge
from omniroute.routing.outcome import outcome
from omniroute.routing.patience import asked_to_think, deadlines_of
from omniroute.routing.plan import Plan, Target
from omniroute.routing.retry import again_after
from omniroute.runtime import Runtime


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

    def running(self) -> None:
        if view := getattr(ctx.master, "view", None):
            view.sig_view_update.connect(self._changed)  # mitmweb fires no hook when a person kills a flow

    def update(self, flows: Sequence[Flow]) -> None:
        """Fired when flows were changed by hand."""
        for flow in flows:
            self._changed(flow)

    def _changed(self, flow: Flow) -> None:
        """Have a flow end that was killed while it waits: mitmproxy itself would look only after the next hook."""
        killed = flow.error is not None and flow.error.msg == Error.KILLED_MESSAGE
        if killed and isinstance(flow, http.HTTPFlow):
            exchange = self.runtime.exchanges.get(flow)
            if exchange and not exchange.metered:
                wake(self.runtime, flow)

    @guard
    async def request(self, flow: http.HTTPFlow) -> None:
        """Make the plan and write its first target into the flow."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or flow.response or not exchange.claimed or exchange.claimed.kind != "chat":
            return
        if exchange.replay.joined is None:
            await self._begin(flow, exchange)

    async def _begin(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        known = self.runtime.prices_known.is_set()
        needs = Needs(exchange.body, len(exchange.raw))
        if len(exchange.raw) > BIG:
            await asyncio.to_thread(needs.look)
        exchange.plan = self.runtime.choosing.plan(exchange, needs, with_catalog=known)
        if not exchange.plan.targets:
            raise _nothing_to_ask(exchange.plan, self.runtime.wall())
        exchange.open = [*exchange.plan.targets]
        await self._set_aside(exchange, needs)
        await self._ask_next(flow, exchange)
        exchange.overhead = self.runtime.clock() - exchange.received

    async def _set_aside(self, exchange: Exchange, needs: Needs) -> None:
        """Set aside what the request may cost, where its key has a budget."""
        runtime = self.runtime
        if not runtime.spending.budgets(exchange, runtime.config):
            return
        await runtime.prices_known.wait()
        await runtime.spent.known.wait()
        if len(exchange.raw) > QUICK:
            await asyncio.to_thread(needs.look)
        runtime.spending.set_aside(exchange, needs, runtime.config)

    @guard
    async def next_attempt(self, flow: http.HTTPFlow) -> None:
        """Fired by our layer when an attempt has failed before its first content, or a wait is over."""
        exchange = self.runtime.exchanges[flow]
        if flow.response or exchange.replay.joined:
            return  # it has the answer of another, or still waits for it
        if exchange.plan is None:
            await self._begin(flow, exchange)
            return
        if waiting := exchange.waiting:
            await self._go_on(flow, exchange, waiting)
            return
        asked = exchange.last
        assert asked
        assert asked.attempt.failure
        failure = asked.attempt.failure = _understood(asked, asked.attempt.failure)
        self.runtime.choosing.ended(exchange, asked)
        if exchange.broken is asked.attempt.stream and not await _divisible(exchange):
            raise outcome(exchange.failures()[-1:], targets=1)
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
                exchange.open.insert(0, asked.target)
            if verdict != "again":
                exchange.repeats = 0 if pause is None else exchange.repeats + 1
            if verdict == "model":
                spent = (asked.target.provider.id, asked.target.model)
                exchange.open = [target for target in exchange.open if (target.provider.id, target.model) != spent]
            await self._ask_next(flow, exchange, pause=pause or 0.0)

    async def read_reply(self, flow: http.HTTPFlow) -> None:
        """Fired by our layer for a whole reply that is too big for the event loop."""
        asked = self.runtime.exchanges[flow].last
        assert asked
        asked.attempt.whole = await asyncio.to_thread(asked.attempt.read_whole, bytes(asked.attempt.raw))

    async def _go_on(self, flow: http.HTTPFlow, exchange: Exchange, waiting: Waiting) -> None:
        exchange.waiting = None
        if waiting.ticket and (taken := self.runtime.choosing.admission.take(waiting.ticket)):
            place, let_in = taken
            target = next(target for target in exchange.open if place_of(target) == place)
            if await self._try(flow, exchange, target, let_in):
                return
        await self._ask_next(flow, exchange)

    async def _ask_next(self, flow: http.HTTPFlow, exchange: Exchange, *, pause: float = 0.0) -> None:
        """Ask the first target that can be asked now, or say what the exchange waits for."""
        while exchange.open:
            exchange.open = in_time(exchange, self.runtime.clock())
            early = [self._too_early(target) for target in exchange.open]
            if pause or min(early):
                until = self.runtime.clock() + (pause or min(early))
                exchange.waiting = Waiting(min(until, last_moment(exchange, exchange.config.rules)))
                return
            ready = [target for target, seconds in zip(exchange.open, early, strict=True) if not seconds]
            if (admitted := self.runtime.choosing.admission.admit(ready)) is None:
                later = min((seconds for seconds in early if seconds), default=None)
                line_up(self.runtime, exchange, ready, partial(wake, self.runtime, flow), later)
                return
            if await self._try(flow, exchange, *admitted):
                return
        assert exchange.plan
        failures = really_failed(exchange)
        if exchange.refused is not None and all(failed.failure.kind == "unable" for failed in failures):
            raise exchange.refused  # nobody was asked: it is the request's own fault
        raise outcome(failures, targets=len(exchange.plan.targets))

    def _too_early(self, target: Target) -> float:
        """Give the seconds until a target may be asked, where its provider has named a time."""
        return max(0.0, target.not_before - self.runtime.wall()) if target.not_before is not None else 0.0

    async def _try(self, flow: http.HTTPFlow, exchange: Exchange, target: Target, let_in: float) -> bool:
        """Ask a target that the exchange was let in to; False when it cannot be told the request."""
        assert exchange.plan
        admission = self.runtime.choosing.admission
        before = exchange.open.index(target)
        if before:
            passed_over(exchange, admission.waits(exchange.open[:before]))
        del exchange.open[before]
        try:
            await self._ask(flow, exchange, target, let_in)
        except BaseException as error:
            admission.give_back(target.account.id, let_in)
            if not isinstance(error, BadRequest) or len(exchange.plan.targets) == 1:
                raise
            exchange.refused, exchange.repeats = error, 0
            add_unsent(exchange, target, Failure("unable", error.message, status=error.status))
            return False
        return True

    async def _ask(self, flow: http.HTTPFlow, exchange: Exchange, target: Target, let_in: float) -> None:
        limits, rules = self.runtime.limits, exchange.config.rules
        raw, body, lost = await words_for(self.runtime, exchange, target)
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
        api_key = self.runtime.credentials.get(target.account.id)
        ways = (exchange.dialect, target.dialect)
        told: Told = {"model": exchange.model, "names": prepared.names, "created": int(exchange.at), "reply_id": None}
        ended = None
        if exchange.dialect == "responses":
            told["reply_id"] = reply_id(exchange.id)
            if keeps(self.runtime, exchange):
                ended = partial(keep, self.runtime, exchange, target)  # by the id that the client was told
        stream = None
        if exchange.stream:
            follows, array = rules.resume.enabled, exchange.as_array
            hides = prepared.hides_usage or (follows and ways[0] == "openai" and not asks_usage(exchange.body))
            elapsed = partial(_since, self.runtime.clock, exchange.received) if exchange.tells_progress else None
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
            proxy=self.runtime.proxy(target, exchange.config),
            stream=stream,
            read_whole=lambda raw: hub.read_whole(*ways, raw, **told),
            last=not exchange.open,
            hide=partial(_without, api_key),
        )
        write(flow.request, exchange, target, prepared.raw)
        resumed = None if begun is None else len(begun)
        exchange.asked.append(Asked(target, attempt, (*lost, *prepared.dropped), let_in=let_in, resumed=resumed))
        self.runtime.choosing.began(exchange, exchange.asked[-1])

    @guard
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Make the upstream's head ours, where `Attach` has not done so without the hook."""
        if (exchange := self.runtime.exchanges.get(flow)) and flow.response:
            self.runtime.choosing.served(exchange)
            dress(exchange, flow, flow.response)


async def _divisible(exchange: Exchange) -> bool:
    """Say whether half an answer to the request can be gone on from."""
    if len(exchange.raw) > BIG:
        return await asyncio.to_thread(goes_on, exchange.dialect, exchange.body)
    return goes_on(exchange.dialect, exchange.body)


def _since(clock: Callable[[], float], start: float) -> float:
    return clock() - start


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
