"""Budgets per gateway key and period, and the spending of keys, calculated from the usage history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from peewee import fn

from omniroute.budgets.ledger import NO_KEY, WARN, Budget
from omniroute.budgets.periods import PERIODS, Period
from omniroute.store.config import keys
from omniroute.store.config.validation import quoted
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.history_tables import UsageSlots
from omniroute.store.db.state_tables import BudgetEstimates
from omniroute.store.db.tables import Budgets
from omniroute.store.history import bounds
from omniroute.store.history.summaries import MAX_SUM, within

LEAST, MOST = 0.000001, 1_000_000.0
"""Smallest and largest budget, in USD."""
NOBODY = "-"
"""The reference that commands and the API use for requests without a gateway key."""
E, S = BudgetEstimates, UsageSlots


@dataclass(frozen=True, slots=True)
class Estimate:
    """An amount that counts against a budget in addition to the known cost of an exchange."""

    exchange: str
    key: str
    at: float
    usd: float


@dataclass(frozen=True, slots=True)
class SpendRecord:
    """The spending of one gateway key in one period."""

    usd: float = 0.0
    estimated: float = 0.0
    """The part of `usd` that is estimated, since the provider reported no usage."""
    unpriced: int = 0
    """Number of exchanges whose price is unknown; they are not included in `usd`."""


def owner(store: Store, ref: str) -> tuple[str, str]:
    """Return the id and the name of the key that a reference names; `-` means requests without a key.

    Raises StoreError when the reference matches no live key or several.
    """
    if ref == NOBODY:
        return NO_KEY, "no key"
    key = keys.find(store, ref)
    return key.id, key.name


def load(store: Store) -> dict[str, tuple[Budget, ...]]:
    """Return all budgets by key id, the shortest period first.

    Budgets with a period that this version does not know, stored by a newer one, are left out.
    """
    found: dict[str, list[Budget]] = {}
    for row in store.rows(Budgets.select()):
        if row["period"] in PERIODS:
            found.setdefault(row["key"], []).append(Budget(row["key"], row["period"], row["usd"], row["warn"]))
    return {key: tuple(sorted(of, key=lambda budget: PERIODS.index(budget.period))) for key, of in found.items()}


def put(store: Store, ref: str, period: str, usd: float, warn: float | None = None) -> Budget:
    """Set the budget of a key for a period, in USD.

    `warn` is the warning threshold, a part of 1; None keeps the previous one. Raises StoreError for an unknown key or
    period and for a number out of range.
    """
    if period not in PERIODS:
        raise StoreError(f"there is no period {quoted(period)}: it takes one of {', '.join(PERIODS)}")
    if not (isfinite(usd) and LEAST <= usd <= MOST):
        raise StoreError(f"a budget cannot be {usd:g}: it takes {LEAST:f} to {MOST:,.0f} USD")
    if warn is not None and not (isfinite(warn) and 0 < warn <= 1):
        raise StoreError(f"the threshold cannot be {warn * 100:g} %: it takes over 0 to 100 %")
    with store.change():
        key, _ = owner(store, ref)
        before = next((budget for budget in load(store).get(key, ()) if budget.period == period), None)
        if warn is None:
            warn = before.warn if before else WARN
        store.run(Budgets.delete().where((Budgets.key == key) & (Budgets.period == period)))
        store.run(Budgets.insert(key=key, period=period, usd=usd, warn=warn))
    return next(budget for budget in load(store)[key] if budget.period == period)


def clear(store: Store, ref: str, period: str | None = None) -> list[str]:
    """Delete the budget of a key for one period, or for all, and return those periods.

    Raises StoreError if none is set.
    """
    if period is not None and period not in PERIODS:
        raise StoreError(f"there is no period {quoted(period)}: it takes one of {', '.join(PERIODS)}")
    with store.change():
        key, name = owner(store, ref)
        gone = [budget.period for budget in load(store).get(key, ()) if period in (None, budget.period)]
        if not gone:
            raise StoreError(f"{name} has no {f'{period} ' if period else ''}budget")
        store.run(Budgets.delete().where((Budgets.key == key) & Budgets.period.in_(gone)))
    return list(gone)


def spent(store: Store, spans: Mapping[Period, tuple[float, float]]) -> dict[tuple[str, Period], SpendRecord]:
    """Add up the spending of all keys in the given periods, by (key id, period)."""
    found: dict[tuple[str, Period], SpendRecord] = {}
    with store.view():
        for period, (start, end) in spans.items():
            guessed = (
                E.select(E.key, fn.total(within(E.usd, bounds.MAX_COST)).alias("usd"))
                .where((E.at >= start) & (E.at < end))
                .group_by(E.key)
            )
            estimates = {row["key"]: float(row["usd"]) for row in store.rows(guessed)}
            costs = S.select(
                S.of, fn.total(within(S.cost, MAX_SUM)).alias("cost"), fn.total(S.unknown_cost).alias("unknown")
            )
            costs = costs.where((S.kind == "key") & (S.slot >= start) & (S.slot < end)).group_by(S.of)
            for row in store.rows(costs):
                more = estimates.pop(row["of"], 0.0)
                found[row["of"], period] = SpendRecord(float(row["cost"]) + more, more, int(row["unknown"]))
            for key, more in estimates.items():
                found[key, period] = SpendRecord(more, more)
    return found


def record(store: Store, estimates: Sequence[Estimate]) -> None:
    """Store estimates; repeating the call has no effect."""
    with store.change():
        store.run_many(
            "insert into budget_estimates (exchange, key, at, usd) values (?, ?, ?, ?) on conflict do nothing",
            [(one.exchange, one.key, one.at, bounds.number(one.usd, bounds.MAX_COST) or 0.0) for one in estimates],
        )
