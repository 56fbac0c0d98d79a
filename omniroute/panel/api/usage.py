"""Routes for usage analytics and call logs."""

import re
from dataclasses import asdict
from typing import Literal

from pydantic import Field

from omniroute.errors import BadRequest, NotFound
from omniroute.panel.routes import Body, Call, Query, get
from omniroute.store.history import summaries as sums
from omniroute.store.history import usage

HOUR, DAY = 3600, 86400
MOST_SERIES = 7
"""Series in one chart; further ones are summed up as OTHERS."""
OTHERS = "others"
By = Literal["provider", "model", "key", "account"]


class Sum(Body):
    name: str | None = Field(description="Null is what has no such thing: no key, or nobody who answered.")
    id: str | None
    requests: int
    failed: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    cost: float = Field(description="US dollars, of the exchanges whose cost is known.")
    unknown_cost: int = Field(description="Exchanges that used tokens at a price that is not known.")
    latency_ms: float | None
    ttft_ms: float | None


class Step(Body):
    at: float = Field(description="When it begins, as seconds of the epoch.")
    sums: list[Sum]


class Series(Body):
    id: str | None
    name: str | None


class Times(Body):
    latency: list[int] = Field([], description="Milliseconds: p50, p95, p99.")
    ttft: list[int] = Field([], description="The same to the first token.")


class Analytics(Body):
    since: float
    summary: Sum
    rows: list[Sum] = Field(description="By what was asked for, the busiest first.")
    series: list[Series] = Field(description="The busiest of them, and `others`.")
    timeline: list[Step] = Field(description="Every step of the time, each with the sums of the series that have any.")
    week: list[list[int]] = Field(description="Exchanges of each hour of the week, Monday first, in local time.")
    percentiles: dict[str, Times]


class Period(Query):
    period: str = Field("24h", description="`1h`, `24h`, `7d` or any such time, or `all`.")


class Wanted(Period):
    by: By = "provider"


class Attempt(Body):
    target: str
    account: str
    outcome: str
    status: int | None
    ms: float
    detail: str
    estimate: float | None = Field(None, description="USD that it must have cost, where another answered first.")


class Exchange(Body):
    id: str
    at: float
    key_id: str | None
    key_name: str | None
    account_id: str | None
    account_name: str | None
    provider: str | None
    model_asked: str
    model_served: str | None
    combo: str | None
    client_dialect: str
    upstream_dialect: str | None
    path: str
    streamed: bool
    status: int | None
    error: str | None
    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None
    reasoning: int | None
    cost: float | None
    attempts: tuple[Attempt, ...]
    latency_ms: float
    ttft_ms: float | None
    overhead_ms: float | None
    dropped: tuple[str, ...]
    replayed: str | None = Field(
        description="`cache`, `similar` or `idempotency` where nobody was asked, as it was answered before."
    )


class Log(Body):
    logs: list[Exchange]
    next: str = Field(description="What `before` takes for the older ones; empty at the end.")


class Looked(Period):
    search: str = Field("", max_length=200)
    outcome: Literal["", "ok", "failed"] = ""
    limit: int = Field(50, ge=1, le=500)
    before: str = Field("", max_length=60)


@get("/api/usage/analytics", "Add up a time: as a whole, by something, over time and by hour of the week.")
def analytics(call: Call, query: Wanted) -> Analytics:
    now = call.runtime.wall()
    begins = since(query.period, now)
    store, step = call.store, _step(now - begins)
    with store.view():
        rows = sums.summary(store, query.by, begins)
        shown = {row.id for row in (rows if len(rows) <= MOST_SERIES + 1 else rows[:MOST_SERIES])}
        times = {what: sums.percentiles(store, what, begins, at=(0.5, 0.95, 0.99)) for what in ("latency", "ttft")}
        series = [Series(id=row.id, name=row.name) for row in rows if row.id in shown]
        return Analytics(
            since=begins,
            summary=_sum(sums.totals(store, begins)),
            rows=[_sum(row) for row in rows],
            series=[*series, Series(id=OTHERS, name=OTHERS)] if len(rows) > len(shown) else series,
            timeline=_timeline(sums.over_time(store, query.by, begins, step), begins, now, step, shown),
            week=sums.by_hour_of_week(store, begins),
            percentiles={
                name: Times(latency=list(times["latency"].get(name, ())), ttft=list(times["ttft"].get(name, ())))
                for name in sorted(times["latency"])
            },
        )


@get("/api/usage/call-logs", "List exchanges, the newest first.")
def logs(call: Call, query: Looked) -> Log:
    wanted = usage.UsageFilter(since(query.period, call.runtime.wall()), query.search, query.outcome)
    rows, more = usage.find(call.store, wanted, limit=query.limit, before=query.before)
    return Log(logs=[_exchange(row) for row in rows], next=more)


@get("/api/usage/call-logs/{id}", "Show an exchange with all its attempts.")
def log(call: Call) -> Exchange:
    row = usage.one(call.store, call.path["id"])
    if row is None:
        raise NotFound(f"there is no exchange {call.path['id'][:100]!r}")
    return _exchange(row)


def since(period: str, now: float) -> float:
    """Return the start of a period that ends at `now`, in seconds of the epoch; 0 for `all`.

    Raises BadRequest for an invalid period.
    """
    if period == "all":
        return 0.0
    if not (found := re.fullmatch(r"([1-9][0-9]{0,3})([hd])", period)):
        raise BadRequest(f"{period[:20]!r} is no period: it takes hours or days, as 24h or 30d, or all", param="period")
    return now - int(found[1]) * (HOUR if found[2] == "h" else DAY)


def _step(length: float) -> sums.Step:
    """Choose the step of the timeline for a length in seconds, so that there are some dozens of steps."""
    return "quarter" if length <= 24 * HOUR else "hour" if length <= 7 * DAY else "day"


def _timeline(
    found: dict[float, list[sums.UsageSum]], since: float, now: float, step: sums.Step, shown: set[str | None]
) -> list[Step]:
    steps = sums.steps(since or min(found, default=now), now, step)
    return [Step(at=at, sums=_shown(found.get(at, []), shown)) for at in steps]


def _shown(those: list[sums.UsageSum], shown: set[str | None]) -> list[Sum]:
    rest = [each for each in those if each.id not in shown]
    added = {name: sum(getattr(each, name) for each in rest) for name in sums.SUMS}
    others = [Sum(name=OTHERS, id=OTHERS, latency_ms=None, ttft_ms=None, **added)] if rest else []
    return [*(_sum(each) for each in those if each.id in shown), *others]


def _sum(row: sums.UsageSum) -> Sum:
    return Sum(**asdict(row))


def _exchange(row: usage.UsageRow) -> Exchange:
    return Exchange(**asdict(row))
