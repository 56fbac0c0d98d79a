"""Plans, and has each attempt written into the flow: mitmproxy then shows the request that the upstream gets."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import orjson
from mitmproxy import ctx, http
from mitmproxy.flow import Error, Flow

from omniroute.addons.attempt_builder import start_attempt
from omniroute.addons.count_tokens import QUICK
from omniroute.addons.failover import (
    add_unsent,
    enqueue,
    failed_attempts,
    handle_failure,
    latest_deadline,
    leave_out_cooling,
    record_skipped,
    targets_in_time,
)
from omniroute.addons.guard import guard
from omniroute.addons.reply_headers import safe_value
from omniroute.addons.response_headers import PREFIX, apply_gateway_headers
from omniroute.dialects.requirements import Needs
from omniroute.dialects.resume import can_continue
from omniroute.errors import BadRequest, Exhausted, GatewayError, RateLimited
from omniroute.gateway.exchange import AttemptRecord, Exchange, Waiting
from omniroute.gateway.runtime import Runtime
from omniroute.mitm.commands import WaiterNotified
from omniroute.mitm.ports import BIG
from omniroute.routing.admission_queue import place_of
from omniroute.routing.attempt_policy import retry_delay
from omniroute.routing.failures import CLIENTS_OWN, Failure, Verdict, outcome
from omniroute.routing.plan import Plan, Target


def notify_waiter(runtime: Runtime, flow: http.HTTPFlow) -> None:
    """Tell the layer of a waiting flow that its turn has come."""
    if handler := ctx.master.addons.get("proxyserver").connections.get(flow.client_conn.id):
        runtime.tasks.start(handler.server_event(WaiterNotified(flow)), "turn")


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
                notify_waiter(self.runtime, flow)

    @guard
    async def request(self, flow: http.HTTPFlow) -> None:
        """Make the plan and write its first target into the flow."""
        exchange = self.runtime.exchanges.get(flow)
        if exchange is None or flow.response or not exchange.claimed or exchange.claimed.kind != "chat":
            return
        if exchange.replay.following is None:
            await self._begin(flow, exchange)

    async def _begin(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        known = self.runtime.prices_known.is_set()
        needs = Needs(exchange.body, len(exchange.raw_body))
        if len(exchange.raw_body) > BIG:
            async with self.runtime.large_bodies:
                await asyncio.to_thread(needs.look)
        exchange.plan = self.runtime.choosing.plan(exchange, needs, with_catalog=known)
        if not exchange.plan.targets:
            raise _no_target(exchange.plan, self.runtime.wall())
        exchange.remaining = [*exchange.plan.targets]
        await self._set_aside(exchange, needs)
        await self._ask_next(flow, exchange)
        exchange.overhead = self.runtime.clock() - exchange.received

    async def _set_aside(self, exchange: Exchange, needs: Needs) -> None:
        """Set aside what the request may cost, where its key has a budget."""
        runtime = self.runtime
        rehearsal = exchange.internal is not None and exchange.internal.dry_run
        if rehearsal or not runtime.spending.budgets(exchange, runtime.config):
            return
        await runtime.prices_known.wait()
        await runtime.spent.known.wait()
        if len(exchange.raw_body) > QUICK:
            await asyncio.to_thread(needs.look)
        runtime.spending.reserve(exchange, needs, runtime.config)

    @guard
    async def next_attempt(self, flow: http.HTTPFlow) -> None:
        """Fired by our layer when an attempt has failed before its first content, or a wait is over."""
        exchange = self.runtime.exchanges[flow]
        if flow.response or exchange.replay.following:
            return  # it has the answer of another, or still waits for it
        if exchange.plan is None:
            await self._begin(flow, exchange)
            return
        if waiting := exchange.waiting:
            await self._go_on(flow, exchange, waiting)
            return
        asked = exchange.last
        assert asked
        verdict = handle_failure(self.runtime, exchange, asked)
        if (broken := exchange.broken) and broken is asked.attempt.stream and not await _divisible(exchange):
            asked.unresumed = "the request asks for more than one text, or for a document"
            raise outcome([asked.failed], targets=1)
        if exchange.decisive_refusal and not exchange.broken:
            asked, verdict = exchange.decisive_refusal, "stop"
        failure = asked.failed.failure
        if verdict == "stop" and (told := _own_error_body(exchange, asked, failure)):
            exchange.error = failure.message
            flow.response = told
        elif verdict == "stop":
            raise outcome([asked.failed], targets=1)
        else:
            await self._ask_next(flow, exchange, pause=_left_open(exchange, asked, verdict))

    async def read_reply(self, flow: http.HTTPFlow) -> None:
        """Fired by our layer for a whole reply that is too big for the event loop."""
        attempt = next(asked.attempt for asked in self.runtime.exchanges[flow].attempts_made if asked.attempt.undecoded)
        attempt.whole = await asyncio.to_thread(attempt.read_whole, bytes(attempt.raw))

    async def _go_on(self, flow: http.HTTPFlow, exchange: Exchange, waiting: Waiting) -> None:
        exchange.waiting = None
        if waiting.ticket and (taken := self.runtime.choosing.admission.take(waiting.ticket)):
            place, let_in = taken
            leave_out_cooling(self.runtime, exchange)
            ready = [
                target for target in exchange.remaining if place_of(target) == place and not self._too_early(target)
            ]
            if not ready:  # it began to cool down while the exchange waited for it
                self.runtime.choosing.admission.give_back(place[0], let_in)
            elif await self._try(flow, exchange, ready[0], let_in):
                return
        await self._ask_next(flow, exchange)

    async def _ask_next(self, flow: http.HTTPFlow, exchange: Exchange, *, pause: float = 0.0) -> None:
        """Ask the first target that can be asked now, or say what the exchange waits for."""
        while exchange.remaining:
            exchange.remaining = targets_in_time(exchange, self.runtime.clock())
            if leave_out_cooling(self.runtime, exchange) and not exchange.remaining:
                break
            early = [self._too_early(target) for target in exchange.remaining]
            if pause or min(early):
                until = self.runtime.clock() + (pause or min(early))
                exchange.waiting = Waiting(min(until, latest_deadline(exchange, exchange.config.rules)))
                return
            ready = [target for target, seconds in zip(exchange.remaining, early, strict=True) if not seconds]
            if (admitted := self.runtime.choosing.admission.admit(ready)) is None:
                later = min((seconds for seconds in early if seconds), default=None)
                enqueue(self.runtime, exchange, ready, partial(notify_waiter, self.runtime, flow), later)
                return
            if await self._try(flow, exchange, *admitted):
                return
        assert exchange.plan
        failures = failed_attempts(exchange)
        if exchange.broken and exchange.last:
            exchange.last.unresumed = "every other target failed or is cooling down"
        if not failures:
            left = (*exchange.plan.excluded, *exchange.left)
            raise _no_target(replace(exchange.plan, excluded=left), self.runtime.wall())
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
        before = exchange.remaining.index(target)
        if before:
            record_skipped(exchange, admission.waits(exchange.remaining[:before]))
        del exchange.remaining[before]
        try:
            await start_attempt(self.runtime, exchange, target, let_in, flow.request)
        except BaseException as error:
            admission.give_back(target.account.id, let_in)
            if not isinstance(error, BadRequest) or len(exchange.plan.targets) == 1:
                raise
            exchange.refused, exchange.repeats = error, 0
            add_unsent(exchange, target, Failure("unable", error.message, status=error.status))
            return False
        return True

    @guard
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Make the upstream's head ours, where `Attach` has not done so without the hook."""
        if (exchange := self.runtime.exchanges.get(flow)) and flow.response:
            self.runtime.choosing.served(exchange)
            apply_gateway_headers(exchange, flow, flow.response)


def _left_open(exchange: Exchange, asked: AttemptRecord, verdict: Verdict) -> float:
    """Make of the open targets those that are of use after a failure; give the seconds to wait before the next one."""
    rules, combo = exchange.config.rules, asked.target.path.combo
    pause = None if verdict == "again" else retry_delay(asked.failed.failure, combo, rules, exchange.repeats)
    if verdict == "again" or pause is not None:
        exchange.remaining.insert(0, asked.target)
    if verdict != "again":
        exchange.repeats = 0 if pause is None else exchange.repeats + 1
    if verdict == "model":
        exchange.spend_model(asked.target)
    return pause or 0.0


async def _divisible(exchange: Exchange) -> bool:
    """Say whether half an answer to the request can be gone on from."""
    if len(exchange.raw_body) > BIG:
        return await asyncio.to_thread(can_continue, exchange.dialect, exchange.body)
    return can_continue(exchange.dialect, exchange.body)


def _no_target(made: Plan, now: float) -> GatewayError:
    why = "; ".join(
        f"{left.name}{f' ({left.account})' if left.account else ''}: {left.reason}" for left in made.excluded
    )
    said = f"no target of {made.requested!r} can be asked: {why}"
    resting = [left for left in made.excluded if left.until is not None]
    if resting:
        soonest = max(0.0, min(left.until for left in resting if left.until is not None) - now)
        limited = all(left.limited for left in resting)
        return RateLimited(said, retry_after=soonest) if limited else Exhausted(said, retry_after=soonest)
    return BadRequest(said, param="model") if any(left.unfit for left in made.excluded) else Exhausted(said)


def _own_error_body(exchange: Exchange, asked: AttemptRecord, failure: Failure) -> http.Response | None:
    """Pass a refusal of the client's own making on as it came: clients act on its details."""
    if failure.kind != "status" or failure.status not in CLIENTS_OWN or asked.target.dialect != exchange.dialect:
        return None
    try:
        body = orjson.loads(failure.body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict) or "error" not in body:
        return None
    route = {"content-type": "application/json", PREFIX + "route": safe_value(asked.target.name)}
    return http.Response.make(failure.status, failure.body, route)
