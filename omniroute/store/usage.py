"""The history: one row for each exchange."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from peewee import SQL

from omniroute.store.database import Store
from omniroute.store.queries import Row
from omniroute.store.tables import UsageHistory


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


COLUMNS = tuple(field.name for field in fields(UsageRow))
# A row that is recorded again is the same row: ids are random, so writing is safe to repeat.
INSERT = (
    f"insert into usage_history ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))}) "
    "on conflict (id) do nothing"
)
H = UsageHistory


def record(store: Store, rows: Sequence[UsageRow]) -> None:
    """Write exchanges to the history, all or none."""
    with store.change():
        store.run_many(INSERT, [_values(row) for row in rows])


def recent(store: Store, limit: int) -> list[UsageRow]:
    """Return the last exchanges, the newest first."""
    return [_row(row) for row in store.rows(H.select().order_by(H.at.desc(), SQL("rowid desc")).limit(limit))]


def _values(row: UsageRow) -> tuple[Any, ...]:
    plain = {name: getattr(row, name) for name in COLUMNS}
    plain["attempts"] = json.dumps([asdict(attempt) for attempt in row.attempts])
    plain["dropped"] = json.dumps(row.dropped)
    return tuple(plain.values())


def _row(row: Row) -> UsageRow:
    attempts = tuple(AttemptRow(**attempt) for attempt in json.loads(row["attempts"]))
    return UsageRow(**row | {"attempts": attempts, "dropped": tuple(json.loads(row["dropped"]))})
