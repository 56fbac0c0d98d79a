"""Summaries of the usage history: by provider, model, key, account or day, and over time.

Whole slots of 15 minutes are read from the rollups that triggers maintain, so that months cost no more than days; only
the time before the first whole slot is read from the history itself.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import ceil
from typing import Any, Literal, get_args

from peewee import SQL, Case, ModelSelect, Select, fn

from omniroute.store.db.database import Row, Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.history_tables import UsageHistory, UsageLatencies, UsageSlots
from omniroute.store.history import bounds
from omniroute.store.history.bounds import MAX_COST, MAX_COUNT, MAX_MS, MAX_TIME

type By = Literal["provider", "model", "key", "account", "day"]
type Kind = Literal["total", "provider", "model", "key", "account"]
type Step = Literal["quarter", "hour", "day"]
type What = Literal["latency", "ttft"]

MAX_SUM = 1e15
"""Upper bound of the sums of one slot; a larger value is corrupt and ignored."""
MINUTE, QUARTER, HOUR = 60, 900, 3600
H, S, L = UsageHistory, UsageSlots, UsageLatencies
# Dimension -> the columns of the history with its id and its display name.
KINDS: dict[str, tuple[Any, Any]] = {
    "total": (SQL("''"), SQL("null")),
    "provider": (fn.coalesce(H.provider, ""), H.provider),
    "model": (fn.coalesce(H.model_served, H.model_asked), fn.coalesce(H.model_served, H.model_asked)),
    "key": (fn.coalesce(H.key_id, ""), H.key_name),
    "account": (fn.coalesce(H.account_id, ""), H.account_name),
}


@dataclass(frozen=True, slots=True)
class UsageSum:
    """Sums over many exchanges. Keys and accounts are grouped by id and named as in the last exchange."""

    name: str | None
    """None collects exchanges without a value in this dimension: without a key, or without an account that answered."""
    id: str | None
    requests: int
    failed: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    cost: float
    """Over the exchanges whose cost is known."""
    unknown_cost: int
    """Number of exchanges that used tokens at an unknown price."""
    latency_ms: float | None
    ttft_ms: float | None


@dataclass(frozen=True, slots=True)
class MinuteSum:
    """Sums over the exchanges that began in one minute."""

    at: float
    requests: int = 0
    input: int = 0
    output: int = 0
    cost: float = 0.0
    """Over the exchanges whose cost is known."""


SUMS = ("requests", "failed", "input", "output", "cache_read", "cache_write", "reasoning", "cost", "unknown_cost")
TIMES = ("latency", "ttft", "ttfts")
REALS = ("cost", "latency", "ttft")


def summary(store: Store, by: By, since: float) -> list[UsageSum]:
    """Add up the exchanges since a time by one dimension: days in order of time, others with the busiest first.

    Days are those of local time. Raises StoreError for an unknown dimension.
    """
    if by not in get_args(By.__value__):
        raise StoreError(f"usage cannot be summed by {by!r}: it takes one of {', '.join(get_args(By.__value__))}")
    if by == "day":
        day = fn.strftime("%Y-%m-%d", SQL("slot"), "unixepoch", "localtime")
        query = _added("total", since, day.alias("of"), day.alias("name")).order_by(SQL("1"))
    else:
        # SQLite takes bare columns from the row with the maximum `last`, so the name is that of the last exchange.
        query = _added(by, since, SQL("of"), SQL("name")).order_by(SQL("requests desc"), SQL("name"))
    return [_sum(row) for row in store.rows(query)]


def totals(store: Store, since: float) -> UsageSum:
    """Add up all exchanges since a time."""
    found = store.rows(_added("total", since, SQL("of"), SQL("name")))
    return _sum(found[0]) if found else UsageSum(None, None, *(0,) * 7, 0.0, 0, None, None)


def over_time(store: Store, by: Kind, since: float, step: Step) -> dict[float, list[UsageSum]]:
    """Add up the exchanges since a time per time step: start of the step in seconds of the epoch -> one sum per id.

    Days are those of local time, so some have 23 or 25 hours.
    """
    day = fn.strftime("%Y-%m-%d", SQL("slot"), "unixepoch", "localtime")
    at = {"quarter": SQL("slot"), "hour": SQL("slot / 3600 * 3600"), "day": day}[step]
    found: dict[float, list[UsageSum]] = {}
    for row in store.rows(_added(by, since, SQL("of"), SQL("name"), at.alias("step")).order_by(SQL("step"))):
        moment = row.pop("step")
        begins = float(moment) if step != "day" else datetime.fromisoformat(moment).timestamp()
        found.setdefault(begins, []).append(_sum(row))
    return found


def steps(since: float, until: float, step: Step) -> Iterator[float]:
    """Yield the start times of the steps that `over_time` uses, including steps without exchanges."""
    if step == "day":
        day = date.fromtimestamp(since)
        while (begins := datetime.combine(day, time.min).timestamp()) < until:
            yield begins
            day += timedelta(days=1)
    else:
        length = {"quarter": QUARTER, "hour": HOUR}[step]
        yield from map(float, range(int(since // length * length), math.ceil(until), length))


def by_minute(store: Store, minutes: int, now: float) -> list[MinuteSum]:
    """Add up the exchanges of each of the last minutes, the current one last.

    The exchanges are read from the history itself, so `minutes` should be small.
    """
    begins = [now // MINUTE * MINUTE - MINUTE * back for back in reversed(range(minutes))]
    minute = (H.at.cast("integer") / MINUTE * MINUTE).alias("minute")
    tokens = (whole(within(column, MAX_COUNT)).alias(column.name) for column in (H.input, H.output))
    cost = fn.total(within(H.cost, MAX_COST)).alias("cost")
    query = H.select(minute, fn.count(SQL("*")).alias("requests"), *tokens, cost)
    found = {row.pop("minute"): row for row in store.rows(query.where(H.at >= begins[0]).group_by(SQL("1")))}
    return [MinuteSum(at, **found.get(int(at), {})) for at in begins]


def by_hour_of_week(store: Store, since: float) -> list[list[int]]:
    """Count the exchanges per hour of the week, Monday first, in local time."""
    cells = [[0] * 24 for _ in range(7)]
    for at, (whole,) in over_time(store, "total", since, "quarter").items():
        local = datetime.fromtimestamp(at)
        cells[local.weekday()][local.hour] += whole.requests
    return cells


def percentiles(store: Store, what: What, since: float, *, at: tuple[float, ...]) -> dict[str, tuple[int, ...]]:
    """Return latency percentiles of successful exchanges since the full hour before a time: provider -> milliseconds.

    Values are rounded to two significant digits.
    """
    chosen = L.select(L.provider, L.bucket, whole(within(L.number, MAX_SUM)).alias("number"))
    chosen = chosen.where((L.what == what) & (L.slot >= since // HOUR * HOUR))
    counts: dict[str, list[tuple[int, int]]] = {}
    for row in store.rows(chosen.group_by(L.provider, L.bucket).order_by(L.provider, L.bucket)):
        counts.setdefault(row["provider"], []).append((row["bucket"], row["number"]))
    return {provider: tuple(_percentile(of, part) for part in at) for provider, of in counts.items()}


def _percentile(counts: list[tuple[int, int]], part: float) -> int:
    rank = part * sum(number for _, number in counts)
    for bucket, number in counts:
        rank -= number
        if rank <= 0:
            return bucket
    return counts[-1][0]


def _added(kind: str, since: float, of: Any, name: Any, *more: Any) -> Select:
    """Add up the rollups and the history before their first whole slot, grouped by the id `of` and by `more`."""
    edge = -(-since // QUARTER) * QUARTER
    both = (_kept(kind, edge) + _rest(kind, since, edge)).alias("both")
    columns = [
        (fn.total(SQL(column)) if column in REALS else whole(SQL(column))).alias(column) for column in (*SUMS, *TIMES)
    ]
    query = Select([both], [of, name, *more, *columns, fn.max(SQL("last"))])
    return query.group_by(SQL("1"), *(SQL(str(3 + at)) for at in range(len(more))))


def _kept(kind: str, edge: float) -> "ModelSelect[UsageSlots]":
    columns = [fn.coalesce(within(getattr(S, column), MAX_SUM), 0).alias(column) for column in (*SUMS, *TIMES)]
    return S.select(S.of, S.name, S.slot, *columns, S.last).where((S.kind == kind) & S.slot.between(edge, MAX_TIME))


def _rest(kind: str, since: float, edge: float) -> "ModelSelect[UsageHistory]":
    of, name = KINDS[kind]
    failed = H.status.is_null() | (H.status >= 400) | H.error.is_null(False)
    unknown = within(H.cost, MAX_COST).is_null() & (fn.coalesce(H.input, 0) + fn.coalesce(H.output, 0) > 0)
    counts = (H.input, H.output, H.cache_read, H.cache_write, H.reasoning)
    tokens = [fn.coalesce(within(column, MAX_COUNT), 0) for column in counts]
    cost, latency, ttft = within(H.cost, MAX_COST), within(H.latency_ms, MAX_MS), within(H.ttft_ms, MAX_MS)
    slot = H.at.cast("integer") / QUARTER * QUARTER
    return H.select(
        *(of, name, slot, SQL("1"), failed, *tokens, fn.coalesce(cost, 0.0), unknown, fn.coalesce(latency, 0.0)),
        *(fn.coalesce(ttft, 0.0), ttft.is_null(False), H.at),
    ).where((H.at >= since) & (H.at < edge))


def within(column: Any, most: float) -> Any:
    """Return an SQL expression for a column that is null where the value is not a number from 0 to `most`."""
    return Case(None, [(fn.typeof(column).in_(["integer", "real"]) & column.between(0, most), column)])


def whole(column: Any) -> Any:
    """Return an SQL sum of integers; unlike SQLite's `sum` it raises no error when the result overflows."""
    return fn.total(column).cast("integer")


def _sum(row: Row) -> UsageSum:
    requests, firsts = row["requests"], row["ttfts"]
    return UsageSum(
        name=row["name"],
        id=row["of"] or None,
        **{column: row[column] for column in SUMS},
        latency_ms=row["latency"] / requests if requests else None,
        ttft_ms=row["ttft"] / firsts if firsts else None,
    )


MOST = 100_000
"""Number of exchanges that `since` reads, the newest ones."""

type Times = dict[str, list[float]]
"""Sorted milliseconds by name: `total`, `firstContent`, and `gateway` for the overhead of the gateway."""


def since(store: Store, at: float) -> tuple[Times, bool]:
    """Return the timings of successful exchanges since a time, and whether there were more than `MOST`."""
    asked = H.select(H.latency_ms, H.ttft_ms, H.overhead_ms).where(H.at >= at, H.status.between(200, 299))
    rows = store.rows(asked.order_by(H.at.desc()).limit(MOST + 1))
    names = {"total": "latency_ms", "firstContent": "ttft_ms", "gateway": "overhead_ms"}
    kept = rows[:MOST]
    times = {
        name: sorted(ms for row in kept if (ms := bounds.number(row[of], bounds.MAX_MS)) is not None)
        for name, of in names.items()
    }
    return times, len(rows) > MOST


def percentile(ordered: Sequence[float], part: float) -> float | None:
    """Return a percentile of sorted values by the nearest-rank method, `part` from 0 to 1; None for no values."""
    return ordered[max(0, ceil(part * len(ordered)) - 1)] if ordered else None
