"""Who is held back right now, and why, as the running gateway has written it down."""

import time
from collections.abc import Mapping
from typing import Any

from omniroute.routing.admission import InUse
from omniroute.routing.limits import MINUTE, Limit
from omniroute.routing.names import Names
from omniroute.store import health, lockouts, read, snapshot
from omniroute.store import limits as kept
from omniroute.store.database import Store

type Rows = list[dict[str, Any]]


def cooling(store: Store) -> Rows:
    """List what is cooling down."""
    now, names = time.time(), _names(store)
    return [
        {
            "scope": scope,
            "whose": names.get(whose, whose),
            "model": model or None,
            "seconds": round(each.until - now, 1),
            "after": each.why,
            "times": each.level,
        }
        for (scope, whose, model), each in health.read(store).cooling.items()
        if each.until > now
    ]


def breakers(store: Store) -> Rows:
    """List the breakers that have counted failures, open or not."""
    now, names = time.time(), _names(store)
    return [
        {
            "scope": scope,
            "whose": names.get(whose, whose),
            "state": each.state(now),
            "failures": each.failures,
            "seconds": round(max(0.0, each.until - now), 1) if each.opened is not None else None,
        }
        for (scope, whose), each in health.read(store).breakers.items()
    ]


def limited(store: Store, *, running: bool, only: str | None = None) -> Rows:
    """List the accounts that are limited, by somebody or by their provider; or just one, limited or not."""
    now, config, seen = time.time(), snapshot.load(store), kept.seen(store)
    names = Names.of(config)
    rows = []
    for account in names.everybody().values():
        learned = {m: until - now for (of, m), until in seen.learned.items() if of == account.id and until > now}
        limit = config.limits.get(account.id)
        if account.id == only or (only is None and (limit or learned)):
            use, at = seen.in_use.get(account.id, (InUse(0, 0, 0), 0.0)) if running else (InUse(0, 0, 0), 0.0)
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
    """List who is refused for a while after wrong keys or log-ins."""
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
    return {account.id: f"{account.provider} {account.name}" for account in read.accounts(store)}
