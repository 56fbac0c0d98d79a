"""What combos have done: the same as plain Python's, added up row by row or when the database came up."""

from collections import defaultdict
from dataclasses import replace

import pytest
from history import NOON, ROW
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute.store.db.combo_triggers import m016_combo_slots
from omniroute.store.db.database import Store
from omniroute.store.db.history_tables import ComboSlots, UsageHistory
from omniroute.store.history import usage
from omniroute.store.history.combo_metrics import ComboUse, of_combos
from omniroute.store.history.usage import AttemptRow, UsageRow

ONE = AttemptRow("openai/m", "n", "ok", 200, 1.0, "")
ROWS = st.lists(
    st.builds(
        replace,
        st.just(ROW),
        at=st.floats(NOON - 3600, NOON + 3600),
        combo=st.none() | st.sampled_from(["mix", "other"]),
        model_served=st.none() | st.sampled_from(["a/m", "b/m"]),
        status=st.none() | st.sampled_from([200, 503]),
        error=st.none() | st.just("server"),
        cost=st.none() | st.floats(0, 100),
        attempts=st.integers(0, 3).map(lambda number: (ONE,) * number),
        latency_ms=st.floats(0, 1e6),
        replayed=st.none() | st.just("cache"),
    ),
    max_size=12,
)


def plainly(rows: list[UsageRow]) -> dict[tuple[str, str], list[UsageRow]]:
    found = defaultdict(list)
    for row in rows:
        if row.combo is not None and row.replayed is None:
            found[row.combo, row.model_served or ""].append(row)
    return found


def same(found: list[ComboUse], rows: list[UsageRow]) -> None:
    wanted = plainly(rows)
    assert {(each.combo, each.target) for each in found} == set(wanted)
    for each in found:
        theirs = wanted[each.combo, each.target]
        assert each.requests == len(theirs)
        assert each.failed == sum(row.status != 200 or row.error is not None for row in theirs)
        assert each.moved_on == sum(len(row.attempts) > 1 for row in theirs)
        assert each.input == sum(row.input or 0 for row in theirs)
        assert each.cost == pytest.approx(sum(row.cost or 0 for row in theirs))
        assert each.unknown_cost == sum(row.cost is None for row in theirs)
        assert each.latency == pytest.approx(sum(row.latency_ms for row in theirs))
        assert each.last == max(row.at for row in theirs)


@given(ROWS, st.integers(0, 12), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_it_follows_the_history(store: Store, rows: list[UsageRow], gone: int, data: st.DataObject) -> None:
    rows = [replace(row, id=f"r{number}") for number, row in enumerate(rows)]
    try:
        usage.record(store, rows)
        same(of_combos(store, 0), rows)
        edge = NOON // 900 * 900
        same(of_combos(store, NOON), [row for row in rows if row.at >= edge])
        again = [replace(row, cost=data.draw(st.none() | st.floats(0, 9))) for row in rows]
        with store.change():
            for row in again:
                store.run(UsageHistory.update(cost=row.cost).where(UsageHistory.id == row.id))
        same(of_combos(store, 0), again)
        with store.change():
            store.run(UsageHistory.delete().where(UsageHistory.id.in_([row.id for row in again[:gone]])))
        left = {(use.combo, use.target): use.requests for use in of_combos(store, 0)}
        assert left == {whose: len(theirs) for whose, theirs in plainly(again[gone:]).items()}
    finally:
        with store.change():
            store.run(UsageHistory.delete())
    assert store.rows(ComboSlots.select()) == []


def test_what_was_there_before_is_in_it(store: Store) -> None:
    rows = [replace(ROW, id=f"r{n}", combo="mix" if n % 3 else None, at=NOON + 400 * n) for n in range(20)]
    usage.record(store, rows)
    db = store.db
    before = of_combos(store, 0)
    for name in ("added", "gone", "priced"):
        db.execute_sql(f"drop trigger combo_{name}")
    db.execute_sql("drop table combo_slots")
    m016_combo_slots(db)
    assert of_combos(store, 0) == before
    same(before, rows)
