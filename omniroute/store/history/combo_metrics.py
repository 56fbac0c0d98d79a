"""Metrics of combos: requests, failures, fallbacks, tokens, cost and latency per target."""

from dataclasses import dataclass

from peewee import SQL, fn

from omniroute.store.db.database import Store
from omniroute.store.db.history_tables import ComboSlots as S
from omniroute.store.history.bounds import MAX_TIME
from omniroute.store.history.summaries import MAX_SUM, QUARTER, REALS, whole, within

SUMS = ("requests", "failed", "moved_on", "input", "output", "cost", "unknown_cost", "latency")


@dataclass(frozen=True, slots=True)
class ComboUse:
    """Sums over the exchanges in which one target of a combo was the last one tried, successfully or not."""

    combo: str
    target: str
    """`provider/model`; empty where no target was tried, or none has answered."""
    requests: int
    failed: int
    moved_on: int
    """Number of exchanges with more than one attempt."""
    input: int
    output: int
    cost: float
    """USD, over the exchanges whose cost is known."""
    unknown_cost: int
    """Number of exchanges that used tokens at an unknown price."""
    latency: float
    """Sum over all exchanges in milliseconds."""
    last: float
    """Start time of the last exchange, in seconds of the epoch."""


def of_combos(store: Store, since: float) -> list[ComboUse]:
    """Add up the exchanges of combos by target since a time rounded down to 15 minutes, the busiest targets first.

    Cache hits are not counted, since no target was tried for them.
    """
    added = [(fn.total if name in REALS else whole)(within(getattr(S, name), MAX_SUM)).alias(name) for name in SUMS]
    query = S.select(S.combo, S.target, *added, fn.max(S.last).alias("last"))
    query = query.where(S.slot.between(since // QUARTER * QUARTER, MAX_TIME)).group_by(S.combo, S.target)
    query = query.order_by(S.combo, SQL("requests desc"), S.target)
    return [ComboUse(**row) for row in store.rows(query)]
