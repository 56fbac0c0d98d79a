"""What accounts may be asked, and what the running gateway says of that, so that other processes can show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from omniroute.routing.admission import Changes, InUse
from omniroute.routing.config import Account
from omniroute.routing.limits import MINUTE, Limit
from omniroute.routing.names import Names
from omniroute.store import accounts, snapshot
from omniroute.store.database import Store
from omniroute.store.files import StoreError
from omniroute.store.noted import LearnedLimits, LimitsBegun, LimitsInUse
from omniroute.store.tables import AccountLimits

MOST = 1_000_000
KEY = "key:"
APART = 1e-5
"""Seconds between the noted beginnings of requests that began at the same moment."""
LONGEST_GAP = 600_000
"""Milliseconds."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the gateway wrote down last."""

    in_use: Mapping[str, tuple[InUse, float]]
    """Account id -> what it was doing, and when that was."""
    learned: Mapping[tuple[str, str], float]
    """(account id, model) -> until when its provider allows no request; both are seconds of the epoch."""


def find(store: Store, ref: str) -> Account:
    """Find an account, or the one that a node without accounts has; StoreError when nobody is meant."""
    config = snapshot.load(store)
    prefix = ref.removeprefix("node:")
    for node in config.nodes:
        if node.prefix == prefix and len(found := Names.of(config).accounts(node)) == 1:
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


def seen(store: Store) -> Seen:
    """Return what the gateway has written down."""
    return Seen(
        {
            row["account"]: (InUse(row["in_flight"], row["waiting"], row["minute"]), row["at"])
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


def save(store: Store, changes: Changes, at: float) -> None:
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
