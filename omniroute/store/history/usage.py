"""The usage history, with one row per exchange."""

import json
import logging
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import or_
from typing import Any, Literal

from peewee import SQL

from omniroute.store.db.database import Row, Store
from omniroute.store.db.disk_errors import disk_error
from omniroute.store.db.files import StoreError
from omniroute.store.db.history_tables import UsageHistory
from omniroute.store.history import bounds

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt at a target."""

    target: str
    """`prefix/model`."""
    account: str
    """Name of the account."""
    outcome: str
    """`ok`, or the kind of failure."""
    status: int | None
    ms: float
    detail: str
    estimate: float | None = None
    """Estimated cost in USD of an attempt that hedging cancelled because another one had answered first."""


@dataclass(frozen=True, slots=True)
class UsageRow:
    """The usage record of one exchange. Tokens and cost are None where they are unknown, never estimated."""

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
    """Time to the first token in milliseconds."""
    overhead_ms: float | None
    """Milliseconds in the gateway before the upstream request; None without one."""
    dropped: tuple[str, ...]
    replayed: str | None = None
    """`cache`, `similar` or `idempotency` when the response is that of an earlier exchange and no target was tried."""


ATTEMPT_FIELDS = tuple(field.name for field in fields(AttemptRow))
COLUMNS = tuple(field.name for field in fields(UsageRow))
# Ids are random, so a row with a known id is the same row and writing is safe to repeat.
INSERT = (
    f"insert into usage_history ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))}) "
    "on conflict (id) do nothing"
)
H = UsageHistory


def record(store: Store, rows: Sequence[UsageRow]) -> None:
    """Write usage records to the history; a record that the database refuses is logged, counted and left out.

    Raises StoreError, with no record written, when the database takes no writes.
    """
    with store.change():
        try:
            with store.db.atomic():
                store.db.connection().executemany(INSERT, [_values(row) for row in rows])
        except Exception as exc:
            if _is_disk(store, exc):
                raise
        else:
            return
        refused = 0
        for row in rows:
            try:
                with store.db.atomic():
                    store.db.connection().execute(INSERT, _values(row))
            except Exception as exc:
                refused += 1
                if _is_disk(store, exc) or (refused == len(rows) and isinstance(exc, sqlite3.OperationalError)):
                    raise  # the database failed, not the row
                log.error("a usage record was refused by the database and left out: %s", type(exc).__name__)
    store.write_health.reject(refused)


def _is_disk(store: Store, exc: Exception) -> bool:
    """Return whether an error concerns the whole database; else the transaction continues without the statement."""
    return not store.db.connection().in_transaction or disk_error(exc, store.data_dir) is not None


def models(store: Store) -> list[tuple[str, str]]:
    """Return all models that have served an exchange, as (provider id, model)."""
    query = H.select(H.provider, H.model_served).where(H.provider.is_null(False) & H.model_served.is_null(False))
    return [(row["provider"], row["model_served"].partition("/")[2]) for row in store.rows(query.distinct())]


def recent(store: Store, limit: int) -> list[UsageRow]:
    """Return the latest usage records, the newest first."""
    return [_row(row) for row in store.rows(H.select().order_by(H.at.desc(), SQL("rowid desc")).limit(limit))]


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Filter for usage records."""

    since: float = 0.0
    search: str = ""
    """Substring of the id, or of the name of a model, a provider, an account or a key."""
    outcome: Literal["", "ok", "failed"] = ""


def find(store: Store, wanted: UsageFilter, *, limit: int, before: str = "") -> tuple[list[UsageRow], str]:
    """Return usage records, the newest first, and the cursor of the next page for `before`, empty on the last page.

    Raises StoreError for an invalid cursor.
    """
    query = H.select(H, SQL("rowid")).where(H.at >= wanted.since).order_by(H.at.desc(), SQL("rowid desc"))
    if wanted.search:
        part = "%" + re.sub(r"([%_!])", r"!\1", wanted.search) + "%"
        named = (H.id, H.model_asked, H.model_served, H.provider, H.account_name, H.key_name)
        query = query.where(reduce(or_, (SQL(f"{column.name} like ? escape '!'", [part]) for column in named)))
    failed = H.status.is_null() | (H.status >= 400) | H.error.is_null(False)
    if wanted.outcome:
        query = query.where(failed if wanted.outcome == "failed" else ~failed)
    if before:
        at, rowid = _place(before)
        query = query.where((H.at < at) | ((H.at == at) & (SQL("rowid") < rowid)))
    rows = store.rows(query.limit(limit + 1))
    more = f"{rows[limit - 1]['at']!r},{rows[limit - 1]['rowid']}" if len(rows) > limit else ""
    return [_row({name: row[name] for name in COLUMNS}) for row in rows[:limit]], more


def one(store: Store, id: str) -> UsageRow | None:
    """Return the usage record with this id, or None."""
    found = store.rows(H.select().where(H.id == id))
    return _row(found[0]) if found else None


def _place(before: str) -> tuple[float, int]:
    at, _, rowid = before.partition(",")
    try:
        return float(at), int(rowid)
    except ValueError:
        raise StoreError(f"{before[:60]!r} is no place in the history") from None


def _values(row: UsageRow) -> tuple[Any, ...]:
    """Return the column values of a record within bounds, as upstream numbers and client texts may be anything."""
    plain = bounded({name: getattr(row, name) for name in COLUMNS})
    attempts = [{name: getattr(attempt, name) for name in ATTEMPT_FIELDS} for attempt in row.attempts]
    for attempt in attempts:
        attempt["ms"] = bounds.number(attempt["ms"], bounds.MAX_MS) or 0.0
    plain["attempts"] = json.dumps(attempts)  # JSON in ASCII, so any text can be stored
    plain["dropped"] = json.dumps(row.dropped)
    return tuple(plain.values())


def bounded(row: Row) -> Row:
    """Return a row with numbers out of bounds set to unknown or zero, and with texts that can be stored and sent."""
    plain = {name: bounds.text(value) if isinstance(value, str) else value for name, value in row.items()}
    for name in ("input", "output", "cache_read", "cache_write", "reasoning"):
        plain[name] = bounds.count(row[name])
    for name in ("ttft_ms", "overhead_ms"):
        plain[name] = bounds.number(row[name], bounds.MAX_MS)
    plain["cost"] = bounds.number(row["cost"], bounds.MAX_COST)
    plain["status"] = bounds.status(row["status"])
    plain["latency_ms"] = bounds.number(row["latency_ms"], bounds.MAX_MS) or 0.0
    plain["at"] = bounds.number(row["at"], bounds.MAX_TIME) or 0.0
    return plain


def _row(row: Row) -> UsageRow:
    """Convert a stored row, which another program may have changed, into a record."""
    attempts = tuple(attempt for each in _list(row["attempts"]) if (attempt := _attempt(each)))
    dropped = tuple(each for each in _list(row["dropped"]) if isinstance(each, str))
    return UsageRow(**bounded(row) | {"attempts": attempts, "dropped": dropped})


def _attempt(stored: object) -> AttemptRow | None:
    try:
        attempt = AttemptRow(**stored)  # type: ignore[arg-type]
    except TypeError:
        return None
    return replace(attempt, status=bounds.status(attempt.status), ms=bounds.number(attempt.ms, bounds.MAX_MS) or 0.0)


def _list(stored: object) -> list[Any]:
    try:
        found = json.loads(stored) if isinstance(stored, str) else []
    except ValueError:
        return []
    return found if isinstance(found, list) else []
