"""The status of budgets, formatted for the command line and the panel."""

from collections.abc import Callable, Iterable
from typing import Any

from omniroute.budgets.ledger import Budget, BudgetStatus
from omniroute.budgets.periods import PERIODS, Period, span, zone_of
from omniroute.store.config import snapshot
from omniroute.store.config.budgets import SpendRecord, spent
from omniroute.store.db.database import Store

type Held = Callable[[str, Period, float], float]
"""(key id, period, its start) -> USD reserved for running requests."""


def standings(store: Store, found: Iterable[Budget], now: float, held: Held | None = None) -> list[dict[str, Any]]:
    """Return the status of budgets from the usage history; `held` gives reservations, which only a gateway knows."""
    config = snapshot.load(store)
    names = {key.id: key.name for key in config.keys} | {"": "no key"}
    spans = {period: span(period, now, zone_of(config.rules.budget.zone)) for period in PERIODS}
    amounts = spent(store, spans)
    rows = []
    for one in sorted(found, key=lambda budget: names.get(budget.key, budget.key)):
        if one.key not in names:
            continue  # its key was revoked
        of = amounts.get((one.key, one.period), SpendRecord())
        start, end = spans[one.period]
        aside = held(one.key, one.period, start) if held else None
        stands = BudgetStatus(one, of.usd, aside or 0.0, end)
        rows.append(
            {
                "key": names[one.key],
                "key_id": one.key or None,
                "period": one.period,
                "limit": one.limit,
                "spent": round(of.usd, 9),
                "set_aside": None if aside is None else round(aside, 9),
                "left": round(max(0.0, stands.left), 9),
                "part": of.usd / one.limit,
                "warn": one.warn,
                "state": "spent" if of.usd >= one.limit else "warn" if stands.at_warning else "ok",
                "estimated": round(of.estimated, 9),
                "unpriced": of.unpriced,
                "zone": config.rules.budget.zone,
                "began_at": start,
                "resets_at": stands.resets_at,
            }
        )
    return rows
