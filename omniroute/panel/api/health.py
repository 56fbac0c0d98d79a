"""Routes for the health of the gateway and its providers, cooldowns, and latency percentiles."""

import asyncio
import os
import platform
import resource
import sys
from statistics import fmean
from typing import Any

from pydantic import Field

from omniroute import __version__
from omniroute.errors import NotFound
from omniroute.panel.routes import Body, Call, Query, delete, get, post
from omniroute.routing.model_index import ModelIndex
from omniroute.store.config import settings
from omniroute.store.history import summaries
from omniroute.store.history.summaries import percentile
from omniroute.store.state import password

UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes per unit of `ru_maxrss` on this platform."""


class System(Body):
    version: str
    python: str
    platform: str
    pid: int
    uptime: float = Field(description="Seconds since the start.")
    peak_memory: int = Field(description="Bytes that the process has held at most.")
    loop_lag: float = Field(description="Largest lag of the event loop in the last minute, in milliseconds.")
    loop_lag_max: float = Field(description="Largest lag since the start, in milliseconds.")
    connections: int = Field(description="Client connections.")
    connections_limit: int = Field(description="Client connections that there can be; 0 where they are not bounded.")
    requests: int = Field(description="Client requests under way.")


class Breaker(Body):
    scope: str
    state: str
    failures: int
    seconds: float | None = Field(description="Until one exchange may try.")


class Cooling(Body):
    scope: str
    whose: str
    model: str | None
    seconds: float
    after: str
    cause: str = Field(description="As `rate`, `quota`, `auth` or `server`.")
    times: int


class Storage(Body):
    reason: str | None = Field(description="Why the database takes no writes now.")
    waiting: int = Field(description="Usage records that are written when it does again.")
    dropped: int = Field(description="Usage records since the start for which there was no room in memory.")
    rejected: int = Field(description="Usage records since the start that the database refused.")


class Health(Body):
    status: str = Field(description="`ok`, or `degraded` while a breaker is open or the database takes no writes.")
    timestamp: float
    system: System
    provider_health: dict[str, Breaker]
    account_health: dict[str, Breaker]
    cooling: list[Cooling]
    lockouts: list[dict[str, Any]]
    setup_complete: bool
    storage: Storage


class Reset(Body):
    ok: bool
    message: str


@get("/api/monitoring/health", "Say how the gateway and its providers are doing.")
async def health(call: Call) -> Health:
    runtime = call.runtime
    now, seen = runtime.wall(), runtime.choosing.health.snapshot()
    by_scope: dict[str, dict[str, Breaker]] = {"provider": {}, "account": {}}
    for (scope, whose), each in seen.breakers.items():
        left = max(0.0, each.until - now) if each.opened is not None else None
        by_scope[scope][whose] = Breaker(scope=scope, state=each.state(now), failures=each.failures, seconds=left)
    clients = runtime.clients
    opened = any(each.state == "OPEN" for found in by_scope.values() for each in found.values())
    writes = call.store.write_health
    return Health(
        status="degraded" if opened or writes.reason else "ok",
        timestamp=now,
        system=System(
            version=__version__,
            python=platform.python_version(),
            platform=sys.platform,
            pid=os.getpid(),
            uptime=now - runtime.started_at,
            peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT,
            loop_lag=round(runtime.loop_watchdog.lag.recent(runtime.clock()) * 1000, 1),
            loop_lag_max=round(runtime.loop_watchdog.lag.maximum * 1000, 1),
            connections=len(clients.connections) if clients else 0,
            connections_limit=clients.connections.limit if clients else 0,
            requests=len(runtime.in_flight),
        ),
        provider_health=by_scope["provider"],
        account_health=by_scope["account"],
        cooling=[
            Cooling(
                scope=scope,
                whose=whose,
                model=model or None,
                seconds=each.until - now,
                after=each.reason,
                cause=each.cause,
                times=each.level,
            )
            for (scope, whose, model), each in seen.cooling.items()
            if each.until > now
        ],
        lockouts=[
            {"identifier": name, "until": each.until, "failures": each.failures}
            for name, each in runtime.gate.lockouts.locked(now).items()
        ],
        setup_complete=await asyncio.to_thread(password.is_set, call.store),
        storage=Storage(
            reason=writes.reason, waiting=len(runtime.pending.rows), dropped=writes.dropped, rejected=writes.rejected
        ),
    )


@delete("/api/monitoring/health", "Forget cool-downs and close all breakers.")
def reset(call: Call) -> Reset:
    settings.reset_health(call.store, [])
    return Reset(ok=True, message="All cool-downs are over, and all breakers closed.")


class HeldBack(Body):
    provider: str
    model: str
    account: str
    reason: str = Field(description="As `rate`, `quota`, `auth` or `server`.")
    remaining_ms: int
    unavailable_since: float = Field(description="Seconds of the epoch.")


class Availability(Body):
    unavailable_count: int
    models: list[HeldBack] = Field(description="By account, too: what fails at one may be well at another.")


class Which(Body):
    """A model of a provider, at all of the provider's accounts."""

    provider: str = Field(max_length=200)
    model: str = Field(max_length=300)


class Cleared(Body):
    success: bool
    cleared: int = Field(description="Accounts that may be asked for it again.")


@get("/api/models/availability", "List the models that are held back after failures, at which accounts, and how long.")
async def availability(call: Call) -> Availability:
    now, known = call.runtime.wall(), ModelIndex.of(call.runtime.config).everybody()
    held = [
        HeldBack(
            provider=known[whose].provider,
            model=model,
            account=known[whose].name,
            reason=each.cause,
            remaining_ms=int((each.until - now) * 1000),
            unavailable_since=each.started_at,
        )
        for (_, whose, model), each in call.runtime.choosing.health.snapshot().cooling.items()
        if model and each.until > now and whose in known
    ]
    return Availability(unavailable_count=len(held), models=held)


@post("/api/models/availability", "Let a model be asked again at all accounts of a provider.")
async def clear(call: Call, body: Which) -> Cleared:
    names = ModelIndex.of(call.runtime.config)
    provider = names.provider(body.provider)
    if provider is None:
        raise NotFound(f"there is no provider {body.provider!r}", param="provider")
    accounts = [account.id for account in names.accounts(provider)]
    return Cleared(success=True, cleared=call.runtime.choosing.retry(accounts, body.model))


LONGEST = 24 * 3600 * 1000


class Window(Query):
    window_ms: int = Field(300_000, ge=1000, le=LONGEST, description="How far to look back.")


class Times(Body):
    count: int
    p50: float | None = Field(description="Milliseconds, as all here; null where nothing was answered.")
    p95: float | None
    p99: float | None
    avg: float | None


class Summary(Times):
    window_ms: int
    cut: bool = Field(description="There were more exchanges than are looked at: these are the newest 100,000.")
    phase_breakdown: dict[str, Times] = Field(
        description="`firstContent`: until the first content; `gateway`: what the gateway itself took before it asked."
    )


@get("/api/telemetry/summary", "How long the exchanges of the last minutes took that were answered.")
def summary(call: Call, query: Window) -> Summary:
    found, cut = summaries.since(call.store, call.store.clock() - query.window_ms / 1000)
    parts = {name: _times(ordered) for name, ordered in found.items() if name != "total"}
    total = _times(found["total"])
    return Summary(**total.model_dump(), window_ms=query.window_ms, cut=cut, phase_breakdown=parts)


def _times(ordered: list[float]) -> Times:
    p50, p95, p99 = (percentile(ordered, part) for part in (0.5, 0.95, 0.99))
    return Times(count=len(ordered), p50=p50, p95=p95, p99=p99, avg=fmean(ordered) if ordered else None)
