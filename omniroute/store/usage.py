"""The history: one row for each exchange, and what it adds up to."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from peewee import SQL, ModelSelect, fn

from omniroute.store.database import Store
from omniroute.store.files import StoreError
from omniroute.store.queries import Row
from omniroute.store.tables import UsageHistory

type By = Literal["provider", "model", "key", "account", "day"]


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One target, asked."""

    target: str
    """`prefix/model`."""
    account: str
    """The account's name."""
    outcome: str
    """`ok`, or the kind of the failure."""
    status: int | None
    ms: float
    detail: str


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One exchange. Tokens and cost are None where nobody said them, never a guess."""

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
    attempts: tuple[AttemptRow, ...]
    latency_ms: float
    ttft_ms: float | None
    """Time to the first token."""
    overhead_ms: float | None
    """Time in the gateway before the upstream was asked; None when it never was."""
    dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UsageSum:
    """Many exchanges added up. Names are those of the last exchange: keys and accounts are told apart by id."""

    name: str | None
    """None collects what has no such thing: no key, or no account that answered."""
    id: str | None
    requests: int
    failed: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    cost: float
    """Of the exchanges whose cost is known."""
    unknown_cost: int
    """How many exchanges used tokens at a price that is not known."""
    latency_ms: float | None
    ttft_ms: float | None


COLUMNS = tuple(field.name for field in fields(UsageRow))
# A row that is recorded again is the same row: ids are random, so writing is safe to repeat.
INSERT = (
    f"insert into usage_history ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))}) "
    "on conflict (id) do nothing"
)
H = UsageHistory
DAY = fn.strftime("%Y-%m-%d", H.at, "unixepoch", "localtime")
# What a sum is grouped by, and the name that it shows.
GROUPS: dict[str, tuple[Any, Any]] = {
    "provider": (H.provider, H.provider),
    "model": (fn.coalesce(H.model_served, H.model_asked), fn.coalesce(H.model_served, H.model_asked)),
    "key": (H.key_id, H.key_name),
    "account": (H.account_id, H.account_name),
    "day": (DAY, DAY),
}


def record(store: Store, rows: Sequence[UsageRow]) -> None:
    """Write exchanges to the history, all or none."""
    with store.change():
        store.run_many(INSERT, [_values(row) for row in rows])


def summary(store: Store, by: By, since: float) -> list[UsageSum]:
    """Add up the exchanges since a moment: days in their order, anything else the busiest first.

    A day is one of the local time.
    """
    if by not in GROUPS:
        raise StoreError(f"usage cannot be summed by {by!r}: it takes one of {', '.join(get_args(By.__value__))}")
    group, name = GROUPS[by]
    # SQLite takes the other columns from the row that has the maximum, here the last exchange's name.
    query = _sums(since, name.alias("of_name"), group.alias("of"), fn.max(H.at)).group_by(SQL("of"))
    query = query.order_by(SQL("of")) if by == "day" else query.order_by(SQL("requests desc"), SQL("of_name"))
    return [_sum(row) for row in store.rows(query)]


def totals(store: Store, since: float) -> UsageSum:
    """Add up all exchanges since a moment."""
    return _sum(store.rows(_sums(since))[0])


def recent(store: Store, limit: int) -> list[UsageRow]:
    """Return the last exchanges, the newest first."""
    return [_row(row) for row in store.rows(H.select().order_by(H.at.desc(), SQL("rowid desc")).limit(limit))]


def _sums(since: float, *more: Any) -> "ModelSelect[UsageHistory]":
    failed = H.status.is_null() | (H.status >= 400) | H.error.is_null(False)
    unknown = H.cost.is_null() & (fn.coalesce(H.input, 0) + fn.coalesce(H.output, 0) > 0)
    tokens = (H.input, H.output, H.cache_read, H.cache_write, H.reasoning)
    return H.select(
        *more,
        fn.count(SQL("*")).alias("requests"),
        fn.total(failed).alias("failed"),
        *(fn.coalesce(fn.sum(column), 0).alias(column.name) for column in tokens),
        fn.total(H.cost).alias("cost"),
        fn.total(unknown).alias("unknown_cost"),
        fn.avg(H.latency_ms).alias("latency_ms"),
        fn.avg(H.ttft_ms).alias("ttft_ms"),
    ).where(H.at >= since)


def _sum(row: Row) -> UsageSum:
    return UsageSum(
        name=row.get("of_name"),
        id=row.get("of"),
        requests=row["requests"],
        failed=int(row["failed"]),
        input=row["input"],
        output=row["output"],
        cache_read=row["cache_read"],
        cache_write=row["cache_write"],
        reasoning=row["reasoning"],
        cost=row["cost"],
        unknown_cost=int(row["unknown_cost"]),
        latency_ms=row["latency_ms"],
        ttft_ms=row["ttft_ms"],
    )


def _values(row: UsageRow) -> tuple[Any, ...]:
    plain = {name: getattr(row, name) for name in COLUMNS}
    plain["attempts"] = json.dumps([asdict(attempt) for attempt in row.attempts])
    plain["dropped"] = json.dumps(row.dropped)
    return tuple(plain.values())


def _row(row: Row) -> UsageRow:
    attempts = tuple(AttemptRow(**attempt) for attempt in json.loads(row["attempts"]))
    return UsageRow(**row | {"attempts": attempts, "dropped": tuple(json.loads(row["dropped"]))})
