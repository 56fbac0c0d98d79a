"""Routes for the rate limits of accounts, lockouts of clients, and circuit breakers."""

from dataclasses import replace
from typing import Literal

from pydantic import Field

from omniroute.config.model import Limit
from omniroute.panel.routes import Body, Call, get, post
from omniroute.store.config import limits
from omniroute.store.config import rows as read
from omniroute.store.db.database import Store
from omniroute.store.state import health, lockouts


class Limited(Body):
    connection_id: str
    provider: str
    name: str
    rpm: int | None = Field(description="Requests in any 60 seconds; null is no limit, as in the others.")
    gap_ms: float | None = Field(description="Milliseconds between two requests.")
    concurrency: int | None = Field(description="Exchanges at once.")
    running: int
    queued: int
    minute: int = Field(description="Requests in the last 60 seconds.")
    shut: dict[str, float] = Field(description="Model -> seconds for which its provider allows no request.")


class RateLimits(Body):
    connections: list[Limited] = Field(description="The accounts that are limited, by somebody or by their provider.")


class Change(Body):
    """A change of an account's limits; omitted fields keep their values, 0 removes a limit."""

    connection_id: str = Field(description="An account's id or name, or a node's prefix.")
    rpm: int | None = None
    gap_ms: float | None = None
    concurrency: int | None = None


class Locked(Body):
    identifier: str
    seconds: float = Field(description="Until who this is may try again.")
    failures: int
    locked: bool = Field(description="False for who is only slowed.")


class Breaker(Body):
    scope: str
    whose: str
    state: str
    failures: int
    seconds: float | None = Field(description="Until an open one lets an exchange try.")


class Policies(Body):
    circuit_breakers: list[Breaker]
    locked_identifiers: list[Locked]


class Unlock(Body):
    action: Literal["unlock"]
    identifier: str | None = Field(None, max_length=200, description="Everybody, if it is left out.")


class Unlocked(Body):
    unlocked: list[str]


@get("/api/rate-limits", "Show the accounts that have limits, and how near they are to them.")
def show(call: Call) -> RateLimits:
    return _rate_limits(call.store)


@post("/api/rate-limits", "Limit an account, or a node, from now on.")
def change(call: Call, body: Change) -> RateLimits:
    gap = None if body.gap_ms is None else body.gap_ms / 1000
    said = {name: value for name, value in (("rpm", body.rpm), ("gap", gap), ("concurrency", body.concurrency))}
    with call.store.change():
        account = limits.find(call.store, body.connection_id)
        before = read.limits(call.store).get(account.id, Limit())
        changed = {name: value or None for name, value in said.items() if value is not None}
        limits.put(call.store, account.id, replace(before, **changed))  # type: ignore[arg-type]
    return _rate_limits(call.store)


@get("/api/policies", "Show who is locked out, and the breakers that have counted failures.")
def policies(call: Call) -> Policies:
    return Policies(
        circuit_breakers=[Breaker(**row) for row in health.breakers(call.store)],
        locked_identifiers=[Locked(**row) for row in health.locked(call.store)],
    )


@post("/api/policies", "Unlock who is locked out.")
def unlock(call: Call, body: Unlock) -> Unlocked:
    whom = lockouts.EVERYBODY if body.identifier is None else body.identifier
    return Unlocked(unlocked=lockouts.unlock(call.store, whom))


def _rate_limits(store: Store) -> RateLimits:
    rows = health.limited(store, running=True)
    return RateLimits(
        connections=[
            Limited(
                connection_id=row["account_id"],
                provider=row["provider"],
                name=row["account"],
                rpm=row["rpm"],
                gap_ms=row["gap_ms"],
                concurrency=row["concurrency"],
                running=row["in_flight"],
                queued=row["waiting"],
                minute=row["last_minute"],
                shut=row["shut"],
            )
            for row in rows
        ]
    )
