"""How the gateway is doing."""

import asyncio
import os
import platform
import resource
import sys
from typing import Any

from pydantic import Field

from omniroute import __version__
from omniroute.panel.route import Body, Call, delete, get
from omniroute.store import password, settings

UNIT = 1 if sys.platform == "darwin" else 1024
"""What the system counts a process's memory in."""


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
                after=each.why,
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
