"""Rate limits of accounts, and their current use as stored by the running gateway for other processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from omniroute.config.model import Account, Config, Limit
from omniroute.routing.admission_queue import AdmissionChanges, LimitUse
from omniroute.routing.model_index import ModelIndex
from omniroute.routing.rate_limits import MINUTE
from omniroute.routing.target import Target
from omniroute.store.config import accounts, snapshot
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.state_tables import LearnedLimits, LimitsBegun, LimitsInUse
from omniroute.store.db.tables import AccountLimits

MOST = 1_000_000
KEY = "key:"
APART = 1e-5
"""Seconds added to the stored start of a request when another request of the account started at the same time."""
LONGEST_GAP = 600_000
"""Largest gap between two requests, in milliseconds."""


@dataclass(frozen=True, slots=True)
class LimitState:
    """The use of rate limits as the gateway stored it last."""

    in_use: Mapping[str, tuple[LimitUse, float]]
    """Account id -> its use, and the time of that measurement, in seconds of the epoch."""
    learned: Mapping[tuple[str, str], float]
    """(account id, model) -> the time until which the provider refuses requests, in seconds of the epoch."""


def find(store: Store, ref: str) -> Account:
    """Return an account, or the implicit account of a node that has none.

    Raises StoreError when none or several match.
    """
    config = snapshot.load(store)
    prefix = ref.removeprefix("node:")
    for node in config.nodes:
        if node.prefix == prefix and len(found := ModelIndex.of(config).accounts(node)) == 1:
            return found[0]
    return accounts.find(store, ref)


def put(store: Store, account: str, limit: Limit) -> None:
    """Replace all limits of an account; None means no limit. Raises StoreError for a value out of range."""
    for field, name, value, least, most in (
        ("rpm", "requests a minute", limit.rpm, 1, MOST),
        ("gap_ms", "the gap in ms", None if limit.gap is None else limit.gap * 1000, 1, LONGEST_GAP),
        ("concurrency", "the concurrency", limit.concurrency, 1, MOST),
    ):
        if value is not None and not (isfinite(value) and least <= value <= most):
            raise StoreError(f"{name} cannot be {value:g}: it takes {least} to {most:,}", field=field)
    with store.change():
        store.run(AccountLimits.delete().where(AccountLimits.account == account))
        if limit != Limit():
            store.run(
                AccountLimits.insert(account=account, rpm=limit.rpm, gap=limit.gap, concurrency=limit.concurrency)
            )


def seen(store: Store) -> LimitState:
    """Return the use and the learned limits that the gateway has stored."""
    return LimitState(
        {
            row["account"]: (LimitUse(row["in_flight"], row["waiting"], row["minute"]), row["at"])
            for row in store.rows(LimitsInUse.select())
        },
        {(row["account"], row["model"]): row["until"] for row in store.rows(LearnedLimits.select())},
    )


def start(store: Store) -> Mapping[tuple[str, str], float]:
    """Delete the stored use of the previous gateway process, which is out of date, and return the learned limits."""
    with store.change():
        store.run(LimitsInUse.delete())
    return seen(store).learned


def begun(store: Store, now: float) -> Mapping[str, Sequence[float]]:
    """Return the start times of requests in the last minute, by account id: seconds of the epoch, the oldest first.

    Entries of gateway keys are named by `of_key`.
    """
    found: dict[str, list[float]] = {}
    for row in store.rows(LimitsBegun.select().where(LimitsBegun.at > now - MINUTE).order_by(LimitsBegun.at)):
        found.setdefault(row["account"], []).append(row["at"])
    return found


def save_begun(store: Store, begun: Sequence[tuple[str, float]], at: float) -> None:
    """Store start times of requests, and delete those over a minute old.

    `begun` holds (account id or `of_key` name, seconds before `at`).
    """
    if not begun:
        return
    with store.change():
        store.run(LimitsBegun.delete().where(LimitsBegun.at <= at - MINUTE))
        for account, age in begun:
            moment = at - age
            while not store.run(LimitsBegun.insert(account=account, at=moment).on_conflict_ignore().as_rowcount()):
                moment += APART  # several started at the same time, and each of them counts


def of_key(id: str) -> str:
    """Return the name under which the request start times of a gateway key are stored, beside those of accounts."""
    return f"{KEY}{id}"


def begun_by_key(begun: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """Select the start times of gateway keys from the result of `begun`, by key id."""
    return {name.removeprefix(KEY): times for name, times in begun.items() if name.startswith(KEY)}


def save(store: Store, changes: AdmissionChanges, at: float) -> None:
    """Store changed use, learned limits and request start times as of `at`.

    Not idempotent: start times are added each time.
    """
    with store.change():
        store.run_many(
            "insert or replace into limits_in_use (account, in_flight, waiting, minute, at) values (?, ?, ?, ?, ?)",
            [
                (account, use.in_flight, use.waiting, use.minute, at)
                for account, use in changes.in_use.items()
                if use is not None
            ],
        )
        store.run_many(
            "delete from limits_in_use where account = ?",
            [(account,) for account, use in changes.in_use.items() if use is None],
        )
        store.run_many(
            "insert or replace into learned_limits (account, model, until) values (?, ?, ?)",
            [(*place, at + seconds) for place, seconds in changes.learned.items() if seconds is not None],
        )
        save_begun(store, changes.begun, at)
        store.run_many(
            "delete from learned_limits where account = ? and model = ?",
            [place for place, seconds in changes.learned.items() if seconds is None],
        )


def at_limits(config: Config, seen: LimitState, now: float) -> dict[tuple[str, str | None], str]:
    """Return why accounts or single models are at their limit, by (account id, model or None for all models)."""
    full: dict[tuple[str, str | None], str] = {}
    for account, limit in config.limits.items():
        use, at = seen.in_use.get(account, (None, 0.0))
        if use is None:
            continue
        if limit.concurrency is not None and use.in_flight >= limit.concurrency:
            full[account, None] = f"{use.in_flight} of {limit.concurrency} at once"
        elif limit.rpm is not None and at + MINUTE > now and use.minute >= limit.rpm:
            full[account, None] = f"{use.minute} of {limit.rpm} requests a minute"
    for (account, model), until in seen.learned.items():
        if until > now:
            full[account, model] = f"its provider allows no request for {until - now:,.1f} s"
    return full


def limited(target: Target, full: Mapping[tuple[str, str | None], str]) -> str | None:
    """Return the reason why a target is at its limit now, or None."""
    return full.get((target.account.id, target.model)) or full.get((target.account.id, None))
