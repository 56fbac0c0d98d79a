"""How long the exchanges of the last minutes took, exactly: from their rows, and not from what is added up."""

from collections.abc import Sequence
from math import ceil

from omniroute.store import bounds
from omniroute.store.database import Store
from omniroute.store.kept import UsageHistory as H

MOST = 100_000
"""Rows that are looked at, the newest."""

type Times = dict[str, list[float]]
"""Milliseconds in order, by what took them: `total`, `firstContent`, and `gateway`, which is what it added itself."""


def since(store: Store, at: float) -> tuple[Times, bool]:
    """Give the times of exchanges that were answered since, and whether there were more than can be looked at."""
    asked = H.select(H.latency_ms, H.ttft_ms, H.overhead_ms).where(H.at >= at, H.status.between(200, 299))
    rows = store.rows(asked.order_by(H.at.desc()).limit(MOST + 1))
    names = {"total": "latency_ms", "firstContent": "ttft_ms", "gateway": "overhead_ms"}
    kept = rows[:MOST]
    times = {
        name: sorted(ms for row in kept if (ms := bounds.number(row[of], bounds.MAX_MS)) is not None)
        for name, of in names.items()
    }
    return times, len(rows) > MOST


def percentile(ordered: Sequence[float], part: float) -> float | None:
    """Give the least of the values that so large a part of them does not pass; None of nothing."""
    return ordered[max(0, ceil(part * len(ordered)) - 1)] if ordered else None
