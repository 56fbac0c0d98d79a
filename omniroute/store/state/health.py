"""Persistence of cooldowns and circuit breakers across restarts, and listings of the current state."""

import time
from collections.abc import Mapping
from typing import Any

from omniroute.config.model import Limit
from omniroute.routing.admission_queue import LimitUse
from omniroute.routing.health import Breaker, Cooldown, Health, HealthChanges, Snapshot
from omniroute.routing.model_index import ModelIndex
from omniroute.routing.rate_limits import MINUTE
from omniroute.store.config import limits as kept
from omniroute.store.config import rows as rows_module
from omniroute.store.config import snapshot
from omniroute.store.db.database import Store
from omniroute.store.db.state_tables import Breakers, Coolings
from omniroute.store.state import lockouts


def read(store: Store) -> Snapshot:
    """Return the saved cooldowns and circuit breakers."""
    cooling = {
        (row["scope"], row["whose"], row["model"]): Cooldown(
            row["until"], row["since"], row["level"], row["cause"], row["why"], row["told"]
        )
        for row in store.rows(Coolings.select())
    }
    breakers = {
        (row["scope"], row["whose"]): Breaker(row["failures"], row["opened"], row["recovery"])
        for row in store.rows(Breakers.select())
    }
    return Snapshot(cooling, breakers)


def load(store: Store) -> Health:
    """Restore the health state from the database."""
    return Health(read(store))


def save(store: Store, changes: HealthChanges) -> None:
    """Store changes; repeating the call has no effect."""
    with store.change():
        store.run_many(
            "insert or replace into coolings (scope, whose, model, until, since, level, cause, why, told) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *key,
                    cooling.until,
                    cooling.started_at,
                    cooling.level,
                    cooling.cause,
                    cooling.reason,
                    cooling.provider_named,
                )
                for key, cooling in changes.cooling.items()
                if cooling
            ],
        )
        store.run_many(
            "insert or replace into breakers (scope, whose, failures, opened, recovery) values (?, ?, ?, ?, ?)",
            [
                (*key, breaker.failures, breaker.opened, breaker.recovery)
                for key, breaker in changes.breakers.items()
                if breaker
            ],
        )
        store.run_many(
            "delete from coolings where scope = ? and whose = ? and model = ?",
            [key for key, cooling in changes.cooling.items() if cooling is None],
        )
        store.run_many(
            "delete from breakers where scope = ? and whose = ?",
            [key for key, breaker in changes.breakers.items() if breaker is None],
        )


type Rows = list[dict[str, Any]]


def cooling(store: Store) -> Rows:
    """List the current cooldowns."""
    now, names = time.time(), _names(store)
    return [
        {
            "scope": scope,
            "whose": names.get(whose, whose),
            "model": model or None,
            "seconds": round(each.until - now, 1),
            "after": each.reason,
            "times": each.level,
        }
        for (scope, whose, model), each in read(store).cooling.items()
        if each.until > now
    ]


def breakers(store: Store) -> Rows:
    """List the circuit breakers with counted failures, open or not."""
    now, names = time.time(), _names(store)
    return [
        {
            "scope": scope,
            "whose": names.get(whose, whose),
            "state": each.state(now),
            "failures": each.failures,
            "seconds": round(max(0.0, each.until - now), 1) if each.opened is not None else None,
        }
        for (scope, whose), each in read(store).breakers.items()
    ]


def limited(store: Store, *, running: bool, only: str | None = None) -> Rows:
    """List the accounts with rate limits, set by the user or learned from the provider, or only the account `only`."""
    now, config, seen = time.time(), snapshot.load(store), kept.seen(store)
    names = ModelIndex.of(config)
    rows = []
    for account in names.everybody().values():
        learned = {m: until - now for (of, m), until in seen.learned.items() if of == account.id and until > now}
        limit = config.limits.get(account.id)
        if account.id == only or (only is None and (limit or learned)):
            use, at = seen.in_use.get(account.id, (LimitUse(0, 0, 0), 0.0)) if running else (LimitUse(0, 0, 0), 0.0)
            rows.append(
                {
                    "account": account.name,
                    "account_id": account.id,
                    "provider": account.provider,
                    **as_json(limit or Limit()),
                    "in_flight": use.in_flight,
                    "last_minute": use.minute if at + MINUTE > now else 0,
                    "waiting": use.waiting,
                    "shut": {model: round(seconds, 1) for model, seconds in learned.items()},
                }
            )
    return rows


def locked(store: Store) -> Rows:
    """List the identifiers that are refused for a while after wrong keys or failed logins."""
    now = time.time()
    return [
        {"identifier": name, "failures": each.failures, "seconds": round(each.until - now, 1), "locked": each.locked}
        for name, each in sorted(lockouts.load(store).items())
        if each.until > now
    ]


def as_json(limit: Limit) -> dict[str, Any]:
    gap = None if limit.gap is None else round(limit.gap * 1000, 3)
    return {"rpm": limit.rpm, "gap_ms": gap, "concurrency": limit.concurrency}


def _names(store: Store) -> Mapping[str, str]:
    return {account.id: f"{account.provider} {account.name}" for account in rows_module.accounts(store)}
