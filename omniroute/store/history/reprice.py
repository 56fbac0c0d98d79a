"""Repricing of the usage history in batches, so that other writers wait for one batch at most."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isclose

from omniroute.dialects.ir import Usage
from omniroute.store.db.database import Store
from omniroute.store.db.history_tables import UsageHistory
from omniroute.store.db.tables import Settings
from omniroute.store.history import bounds

PIECE = 2000
"""Number of rows that are read, and updated in one transaction."""
PAUSE = 0.01
"""Seconds between two batches, in which a running gateway can write."""
REPRICED = "repriced"
H = UsageHistory

type Pricing = Callable[[str, str, Usage, float], float | None]
"""(provider id, model, tokens, seconds of the epoch) -> USD, or None if unknown."""


@dataclass(slots=True)
class RepriceResult:
    """Result of a repricing: numbers of rows, and total USD before and after."""

    rows: int = 0
    changed: int = 0
    before: float = 0.0
    after: float = 0.0
    unknown_before: int = 0
    unknown_after: int = 0


def reprice(
    store: Store,
    price: Pricing,
    providers: Iterable[str],
    *,
    since: float,
    model: str | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> RepriceResult:
    """Recalculate the cost of all exchanges since a time that the given providers served; `model` is `prefix/model`.

    Exchanges of other providers keep their cost, since their prices are no longer known. Exchanges that start after the
    repricing has started are left out, as they have current prices. A price that is no longer known makes the cost
    unknown. An interrupted run keeps its completed batches, and a new run does the rest.
    """
    done, last = RepriceResult(), (since, "")
    until = store.clock()
    wanted = (H.at <= until) & H.provider.in_(list(providers)) & H.model_served.is_null(False)
    if model is not None:
        wanted &= H.model_served == model
    columns = (H.id, H.at, H.provider, H.model_served, H.cost)
    tokens = (H.input, H.output, H.cache_read, H.cache_write, H.reasoning)
    while True:
        after = (H.at > last[0]) | ((H.at == last[0]) & (H.id > last[1]))
        query = H.select(*columns, *tokens).where((H.at >= last[0]) & after & wanted).order_by(H.at, H.id).limit(PIECE)
        rows = store.rows(query)
        changed = []
        for row in rows:
            counts = [bounds.count(row[column.name]) for column in tokens]
            usage = Usage(counts[0], counts[1], counts[2], counts[3], counts[4])
            made = price(row["provider"], row["model_served"].partition("/")[2], usage, row["at"])
            before = bounds.number(row["cost"], bounds.MAX_COST)
            _count(done, before, made, used=bool(usage.input or usage.output))
            if not _same(before, made):
                changed.append((made, row["id"]))
        if changed:
            with store.change():
                store.run_many("update usage_history set cost = ? where id = ?", changed)
            done.changed += len(changed)
        if len(rows) < PIECE:
            break
        last = rows[-1]["at"], rows[-1]["id"]
        pause(PAUSE)
    if done.changed:
        with store.change():  # a running gateway then reloads the spending of keys
            store.run(Settings.delete().where(Settings.name == REPRICED))
            store.run(Settings.insert(name=REPRICED, value=json.dumps(store.clock())))
    return done


def _count(done: RepriceResult, before: float | None, after: float | None, *, used: bool) -> None:
    done.rows += 1
    done.before += before or 0.0
    done.after += after or 0.0
    done.unknown_before += used and before is None
    done.unknown_after += used and after is None


def _same(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is after
    return isclose(before, after, rel_tol=1e-9, abs_tol=1e-12)
