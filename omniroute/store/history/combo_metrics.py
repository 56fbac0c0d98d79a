"""What combos have done: how often they were asked for, who answered, and what it took."""

from dataclasses import dataclass

from peewee import SQL, fn

from omniroute.store.db.database import Store
from omniroute.store.db.history_tables import ComboSlots as S
from omniroute.store.history.bounds import MAX_TIME
from omniroute.store.history.summaries import MAX_SUM, QUARTER, REALS, whole, within

SUMS = ("requests", "failed", "moved_on", "input", "output", "cost", "unknown_cost", "latency")


@dataclass(frozen=True, slots=True)
class ComboUse:
    """Exchanges that one target of a combo has ended: with an answer, or as the last that failed."""

    combo: str
    target: str
    """`provider/model`; empty where nobody was asked, or nobody could answer."""
    requests: int
    failed: int
    moved_on: int
    """Of these, how many took more than one attempt."""
    input: int
    output: int
    cost: float
    """US dollars, of the exchanges whose cost is known."""
    unknown_cost: int
    """How many exchanges used tokens at a price that is not known."""
    latency: float
    """Milliseconds, of all of these together."""
    last: float
    """When the last one began, as seconds of the epoch."""


def of_combos(store: Store, since: float) -> list[ComboUse]:
    """Add up what combos were asked for since the quarter of an hour of a moment, the busiest targets of each first.

    What the cache has answered is not in it, as nobody was asked.
    """
    added = [(fn.total if name in REALS else whole)(within(getattr(S, name), MAX_SUM)).alias(name) for name in SUMS]
    query = S.select(S.combo, S.target, *added, fn.max(S.last).alias("last"))
    query = query.where(S.slot.between(since // QUARTER * QUARTER, MAX_TIME)).group_by(S.combo, S.target)
    query = query.order_by(S.combo, SQL("requests desc"), S.target)
    return [ComboUse(**row) for row in store.rows(query)]
