"""Routes for usage metrics of combos and for testing their targets."""

import asyncio
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Literal

from pydantic import Field

from omniroute.panel.api.connection_tests import LIMIT
from omniroute.panel.api.usage import Period, since
from omniroute.panel.routes import Body, Call, get, post
from omniroute.routing.plan import plan
from omniroute.routing.target import Target
from omniroute.store.config import combos, snapshot
from omniroute.store.history.combo_metrics import ComboUse, of_combos
from omniroute.upstream.probe import Probe


class OfTarget(Body):
    total_requests: int
    total_failures: int
    avg_latency_ms: float
    cost: float


class OfCombo(Body):
    total_requests: int
    total_successes: int
    total_failures: int
    success_rate: float = Field(description="From 0 to 1.")
    fallback_count: int = Field(description="Exchanges that took more than one attempt.")
    input_tokens: int
    output_tokens: int
    cost: float = Field(description="US dollars, of the exchanges whose cost is known.")
    unknown_cost: int = Field(description="Exchanges that used tokens at a price that is not known.")
    avg_latency_ms: float
    last_used_at: float = Field(description="Seconds of the epoch.")
    by_target: dict[str, OfTarget] = Field(description="By who has answered, the busiest first.")


class Metrics(Body):
    since: float = Field(description="Seconds of the epoch; it begins with the quarter of an hour of that.")
    metrics: dict[str, OfCombo] = Field(description="By the combo's name; those that were asked for.")


class TargetTested(Body):
    model: str
    account: str
    status: Literal["ok", "error"]
    status_code: int | None
    error: str | None
    latency_ms: float


class Which(Body):
    combo_name: str = Field(max_length=200)


class ComboTested(Body):
    combo_name: str
    results: list[TargetTested] = Field(description="In the order in which they would be asked.")


@get("/api/combos/metrics", "Say what combos have done, but for what the cache has answered.")
def metrics(call: Call, query: Period) -> Metrics:
    begins = since(query.period, call.runtime.wall())
    found = groupby(of_combos(call.store, begins), key=lambda use: use.combo)
    return Metrics(since=begins, metrics={name: _added(list(uses)) for name, uses in found})


def _added(uses: list[ComboUse]) -> OfCombo:
    requests, failures = sum(use.requests for use in uses), sum(use.failed for use in uses)
    return OfCombo(
        total_requests=requests,
        total_successes=requests - failures,
        total_failures=failures,
        success_rate=1 - failures / requests,
        fallback_count=sum(use.moved_on for use in uses),
        input_tokens=sum(use.input for use in uses),
        output_tokens=sum(use.output for use in uses),
        cost=sum(use.cost for use in uses),
        unknown_cost=sum(use.unknown_cost for use in uses),
        avg_latency_ms=sum(use.latency for use in uses) / requests,
        last_used_at=max(use.last for use in uses),
        by_target=_by_target(uses),
    )


def _by_target(uses: Iterable[ComboUse]) -> dict[str, OfTarget]:
    return {
        use.target: OfTarget(
            total_requests=use.requests,
            total_failures=use.failed,
            avg_latency_ms=use.latency / use.requests,
            cost=use.cost,
        )
        for use in uses
        if use.target
    }


@post("/api/combos/test", "Ask every target of a combo a tiny question, and say what each did.")
async def test_combo(call: Call, body: Which) -> ComboTested:
    name, targets, keys = await asyncio.to_thread(_targets, call, body.combo_name)

    async def ask(target: Target) -> TargetTested:
        proxy = call.runtime.proxy(target, call.runtime.config)
        probe = Probe(target.account, target.provider, keys.get(target.account.id), LIMIT, proxy=proxy)
        async with call.door.probes:
            found = await asyncio.to_thread(asyncio.run, probe.ask(target.dialect, target.model))
        return TargetTested(
            model=target.name,
            account=target.account.name,
            status="ok" if found.ok else "error",
            status_code=found.status,
            error=None if found.ok else found.detail,
            latency_ms=found.latency_ms,
        )

    return ComboTested(combo_name=name, results=list(await asyncio.gather(*map(ask, targets))))


def _targets(call: Call, name: str) -> tuple[str, tuple[Target, ...], Mapping[str, str]]:
    found = combos.find(call.store, name).name
    return found, plan(found, snapshot.load(call.store), client=None).targets, snapshot.credentials(call.store)
