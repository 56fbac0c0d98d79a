"""The history: rows come back as they were, in their order."""

import sqlite3
from dataclasses import replace

import pytest
from cases import every
from history import NOON, NOTHING, ROW, write

from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.history import usage


def test_a_row_comes_back_as_it_was(store: Store) -> None:
    before = store.revision()
    usage.record(store, [ROW, replace(NOTHING, at=NOON + 1)])
    assert usage.recent(store, 10) == [replace(NOTHING, at=NOON + 1), ROW]
    assert usage.recent(store, 1) == [replace(NOTHING, at=NOON + 1)]
    assert store.revision() == before


def test_of_the_same_moment_the_last_written_is_the_newest(store: Store) -> None:
    write(store, ROW, ROW, ROW)
    assert [row.id for row in usage.recent(store, 10)] == ["r2", "r1", "r0"]


def test_recording_again_changes_nothing(store: Store) -> None:
    usage.record(store, [ROW])
    usage.record(store, [replace(ROW, status=500), replace(ROW, id="other")])
    assert {row.id: row.status for row in usage.recent(store, 10)} == {"r": 200, "other": 200}


def test_a_row_that_is_refused_takes_no_other_along(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    bad = [replace(ROW, id="x", path=None, error="secret words"), replace(ROW, id="y", model_asked=None)]  # type: ignore[arg-type]
    usage.record(store, [ROW, *bad, replace(ROW, id="z")])
    assert {row.id for row in usage.recent(store, 10)} == {ROW.id, "z"}
    assert store.write_health.rejected == 2
    assert caplog.messages == ["a usage record was refused by the database and left out: IntegrityError"] * 2
    assert "secret words" not in caplog.text


ABSURD = [9223372036854775807, 10**26, -5, 1e308, float("inf"), float("nan"), "many", b"x", []]


def test_numbers_out_of_bounds_are_unknown_and_take_no_other_row_along(store: Store) -> None:
    counts = ("input", "output", "cache_read", "cache_write", "reasoning", "cost", "ttft_ms", "overhead_ms", "status")
    rows = [
        replace(ROW, id=str(number), at=value, latency_ms=value, **dict.fromkeys(counts, value))  # type: ignore[arg-type]
        for number, value in enumerate(ABSURD)
    ]
    usage.record(store, [*rows, ROW])
    assert store.write_health.rejected == 0
    found = {row.id: row for row in usage.recent(store, 100)}
    assert found.pop(ROW.id) == ROW
    assert len(found) == len(rows)
    assert all(getattr(row, name) is None for row in found.values() for name in counts)


def test_texts_that_are_no_unicode_are_stored(store: Store) -> None:
    attempt = replace(ROW.attempts[0], detail="\ud800")
    usage.record(
        store, [replace(ROW, model_asked="a\ud800b", error="\udfff", dropped=("\ud800",), attempts=(attempt,))]
    )
    (row,) = usage.recent(store, 1)
    assert (row.model_asked, row.error) == ("a?b", "?")


def test_old_rows_are_not_even_looked_at(store: Store) -> None:
    asked: list[str] = []
    connection = store.db.connection()
    connection.set_trace_callback(asked.append)
    usage.recent(store, 5)
    connection.set_trace_callback(None)
    (sql,) = [sql for sql in asked if "usage_history" in sql]
    plan = " / ".join(row[3] for row in connection.execute(f"explain query plan {sql}"))
    assert "usage_history_at" in plan
    assert "B-TREE" not in plan  # no sorting of a million rows


def test_a_broken_disk_is_a_store_error(store: Store) -> None:
    with sqlite3.connect(store.path) as other:
        other.execute("drop table usage_history")
    other.close()
    with pytest.raises(StoreError, match="no such table"):
        usage.record(store, [ROW])
    with pytest.raises(StoreError, match="no such table"):
        usage.recent(store, 1)


def test_pages_of_the_history_leave_nothing_out(store: Store) -> None:
    write(store, *(replace(ROW, at=NOON + number // 3) for number in range(20)))
    found, before = [], ""
    while True:
        rows, before = usage.find(store, usage.UsageFilter(NOON), limit=6, before=before)
        found += [row.id for row in rows]
        if not before:
            break
    assert found == [row.id for row in usage.recent(store, 50)]


@every(
    ("wanted", "ids"),
    [
        (usage.UsageFilter(), {"r0", "n1", "r2"}),
        (usage.UsageFilter(search="LAPTOP"), {"r0", "r2"}),
        (usage.UsageFilter(search="gpt-4o"), {"r0"}),
        (usage.UsageFilter(search="100%"), {"r2"}),
        (usage.UsageFilter(search="%"), {"r2"}),
        (usage.UsageFilter(search="_"), set()),
        (usage.UsageFilter(search="' or 1=1 --"), set()),
        (usage.UsageFilter(outcome="failed"), {"n1", "r2"}),
        (usage.UsageFilter(outcome="ok"), {"r0"}),
        (usage.UsageFilter(since=NOON + 1), {"n1"}),
        (usage.UsageFilter(since=NOON + 1, outcome="ok"), set()),
    ],
)
def test_what_is_looked_for_is_found(store: Store, wanted: usage.UsageFilter, ids: set[str]) -> None:
    write(store, ROW, replace(NOTHING, at=NOON + 1), replace(ROW, model_served="100%", status=500, error="server"))
    rows, _ = usage.find(store, wanted, limit=10)
    assert {row.id for row in rows} == ids
    assert usage.one(store, "r0") == replace(ROW, id="r0")
    assert usage.one(store, "x") is None


def test_a_place_that_is_none_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="no place in the history"):
        usage.find(store, usage.UsageFilter(), limit=1, before="1; drop")
