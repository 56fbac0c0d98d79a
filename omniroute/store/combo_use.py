"""What combos have done: how often they were asked for, who answered, and what it took."""

from dataclasses import dataclass

from peewee import SQL, fn

from omniroute.store.database import Store
from omniroute.store.kept import UsageHistory as H


@dataclass(frozen=True, slots=True)
class Use:
    """Exchanges that one target of a combo has ended: with an answer, or as the last that failed."""

    combo: str
    target: str | None
    """`provider/model`; None where nobody was asked, or nobody could answer."""
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
    latency_ms: float
    """Of all of these together."""
    last: float
    """When the last one began, as seconds of the epoch."""


def of_combos(store: Store, since: float) -> list[Use]:
    """Add up what combos were asked for since a moment; what the cache answered is not in it, as nobody was asked."""
    failed = H.status.is_null() | (H.status >= 400) | H.error.is_null(False)
    unknown = H.cost.is_null() & (fn.coalesce(H.input, 0) + fn.coalesce(H.output, 0) > 0)
    query = H.select(
        H.combo,
        H.model_served.alias("target"),
        fn.count(SQL("*")).alias("requests"),
        fn.sum(failed).alias("failed"),
        fn.sum(fn.json_array_length(H.attempts) > 1).alias("moved_on"),
        fn.coalesce(fn.sum(H.input), 0).alias("input"),
        fn.coalesce(fn.sum(H.output), 0).alias("output"),
        fn.coalesce(fn.sum(H.cost), 0.0).alias("cost"),
        fn.sum(unknown).alias("unknown_cost"),
        fn.sum(H.latency_ms).alias("latency_ms"),
        fn.max(H.at).alias("last"),
    )
    asked = (H.at >= since) & H.combo.is_null(False) & H.replayed.is_null()
    query = query.where(asked).group_by(H.combo, SQL("target")).order_by(H.combo, SQL("requests desc"), SQL("target"))
    return [Use(**row) for row in store.rows(query)]
