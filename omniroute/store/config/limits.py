"""What accounts may be asked, and what the running gateway says of that, so that other processes can show it."""

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
"""Seconds between the noted beginnings of requests that began at the same moment."""
LONGEST_GAP = 600_000
"""Milliseconds."""


@dataclass(frozen=True, slots=True)
class LimitState:
    """What the gateway wrote down last."""

    in_use: Mapping[str, tuple[LimitUse, float]]
    """Account id -> what it was doing, and when that was."""
    learned: Mapping[tuple[str, str], float]
    """(account id, model) -> until when its provider allows no request; both are seconds of the epoch."""


def find(store: Store, ref: str) -> Account:
    """Find an account, or the one that a node without accounts has; StoreError when nobody is meant."""
    config = snapshot.load(store)
    prefix = ref.removeprefix("node:")
    for node in config.nodes:
        if node.prefix == prefix and len(found := ModelIndex.of(config).accounts(node)) == 1:
            return found[0]
    return accounts.find(store, ref)


def put(store: Store, account: str, limit: Limit) -> None:
    """Set all limits of an account; None is no limit. StoreError says which value is out of range."""
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
    """Return what the gateway has written down."""
    return LimitState(
        {
            row["account"]: (LimitUse(row["in_flight"], row["waiting"], row["minute"]), row["at"])
            for row in store.rows(LimitsInUse.select())
        },
        {(row["account"], row["model"]): row["until"] for row in store.rows(LearnedLimits.select())},
    )


def start(store: Store) -> Mapping[tuple[str, str], float]:
    """Take up what was learned; what accounts were doing when the last gateway ended says nothing any more."""
    with store.change():
        store.run(LimitsInUse.delete())
    return seen(store).learned


def begun(store: Store, now: float) -> Mapping[str, Sequence[float]]:
    """Give when accounts were asked in the last minute: account id -> seconds of the epoch, the oldest first."""
    found: dict[str, list[float]] = {}
    for row in store.rows(LimitsBegun.select().where(LimitsBegun.at > now - MINUTE).order_by(LimitsBegun.at)):
        found.setdefault(row["account"], []).append(row["at"])
    return found


def save_begun(store: Store, begun: Sequence[tuple[str, float]], at: float) -> None:
    """Write when requests of accounts, and of keys by `of_key`, have begun: how many seconds before `at`."""
    if not begun:
        return
    with store.change():
        store.run(LimitsBegun.delete().where(LimitsBegun.at <= at - MINUTE))
        for account, age in begun:
            moment = at - age
            while not store.run(LimitsBegun.insert(account=account, at=moment).on_conflict_ignore().as_rowcount()):
                moment += APART  # several began at the same moment, and each counts


def of_key(id: str) -> str:
    """Name what the requests of a key are noted under, beside those of accounts."""
    return f"{KEY}{id}"


def begun_by_key(begun: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """Take those of keys out of what `begun` gives, by the keys' ids."""
    return {name.removeprefix(KEY): times for name, times in begun.items() if name.startswith(KEY)}


def save(store: Store, changes: AdmissionChanges, at: float) -> None:
    """Write what has changed at a time. Repeated, it counts what has begun once more."""
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
    """Say why accounts, or models of theirs, would be passed over: by account id, and model where it is one."""
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
    """Say why a target would be passed over now; None when it would not be."""
    return full.get((target.account.id, target.model)) or full.get((target.account.id, None))
