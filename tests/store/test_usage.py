import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute.store import usage
from omniroute.store.database import Store
from omniroute.store.files import StoreError
from omniroute.store.usage import AttemptRow, By, UsageRow, UsageSum

NOON = datetime(2026, 3, 10, 12).timestamp()
ROW = UsageRow(
    id="r",
    at=NOON,
    key_id="k1",
    key_name="laptop",
    account_id="a1",
    account_name="work",
    provider="openai",
    model_asked="smart",
    model_served="openai/gpt-4o",
    combo="smart",
    client_dialect="claude",
    upstream_dialect="openai",
    path="/v1/messages",
    streamed=True,
    status=200,
    error=None,
    input=10,
    output=5,
    cache_read=4,
    cache_write=3,
    reasoning=2,
    cost=0.25,
    attempts=(
        AttemptRow("groq/llama", "first", "rate_limited", 429, 12.5, "too many"),
        AttemptRow("openai/gpt-4o", "work", "ok", 200, 80.0, ""),
    ),
    latency_ms=100.0,
    ttft_ms=40.0,
    overhead_ms=1.5,
    dropped=("seed", "logit_bias"),
)
NOTHING = replace(
    ROW, id="n", key_id=None, key_name=None, account_id=None, account_name=None, provider=None, model_served=None,
    combo=None, upstream_dialect=None, status=None, error="client gone", input=None, output=None, cache_read=None,
    cache_write=None, reasoning=None, cost=None, attempts=(), ttft_ms=None, overhead_ms=None, dropped=(),
)  # fmt: skip


def write(store: Store, *rows: UsageRow) -> None:
    usage.record(store, [replace(row, id=f"{row.id}{number}") for number, row in enumerate(rows)])


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


def test_all_or_none(store: Store) -> None:
    with pytest.raises(StoreError):
        usage.record(store, [ROW, replace(ROW, id="x", path=None)])  # type: ignore[arg-type]
    assert usage.recent(store, 10) == []


def test_the_sum_counts_what_is_known(store: Store) -> None:
    write(
        store,
        ROW,
        replace(ROW, status=500, error="server", cost=0.5, latency_ms=300.0, ttft_ms=None),
        replace(ROW, cost=None),
        replace(ROW, cost=None, input=0, output=0),  # used nothing, so no cost is missing
        NOTHING,
    )
    total = UsageSum(None, None, 5, 2, 30, 15, 16, 12, 8, 0.75, 1, 140.0, 40.0)
    assert usage.totals(store, 0) == total
    assert usage.summary(store, "provider", 0) == [
        UsageSum("openai", "openai", 4, 1, 30, 15, 16, 12, 8, 0.75, 1, 150.0, 40.0),
        UsageSum(None, None, 1, 1, 0, 0, 0, 0, 0, 0.0, 0, 100.0, None),
    ]


def test_an_empty_history_adds_up_to_nothing(store: Store) -> None:
    assert usage.totals(store, 0) == UsageSum(None, None, 0, 0, 0, 0, 0, 0, 0, 0.0, 0, None, None)
    assert usage.summary(store, "model", 0) == []


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("provider", [("openai", 3), (None, 1), ("groq", 1)]),
        ("model", [("openai/gpt-4o", 3), ("groq/llama", 1), ("smart", 1)]),
        ("key", [("new name", 4), (None, 1)]),
        ("account", [("work", 3), (None, 1), ("free", 1)]),
    ],
)
def test_sums_come_busiest_first_under_the_last_name(store: Store, by: By, names: list[tuple[str, int]]) -> None:
    groq = {"provider": "groq", "account_id": "a2", "account_name": "free", "model_served": "groq/llama"}
    renamed = replace(ROW, at=NOON + 5, key_name="new name")
    write(store, ROW, renamed, replace(ROW, at=NOON + 1), replace(ROW, **groq), NOTHING)
    assert sorted((each.name or "", each.requests) for each in usage.summary(store, by, 0)) == sorted(
        (name or "", number) for name, number in names
    )
    counts = [each.requests for each in usage.summary(store, by, 0)]
    assert counts == sorted(counts, reverse=True)


def test_two_keys_of_one_name_are_two(store: Store) -> None:
    write(store, ROW, replace(ROW, key_id="k2"))
    assert [(each.name, each.id) for each in usage.summary(store, "key", 0)] == [("laptop", "k1"), ("laptop", "k2")]


def test_only_what_is_not_older_counts(store: Store) -> None:
    write(store, ROW, replace(ROW, at=NOON - 1))
    assert usage.totals(store, NOON).requests == 1
    assert usage.totals(store, NOON + 1).requests == 0


@pytest.fixture
def far_west(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Pacific/Honolulu")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_west")
def test_a_day_is_a_local_day(store: Store) -> None:
    midnight = datetime(2026, 3, 10).timestamp()
    write(store, replace(ROW, at=midnight + 90_000), replace(ROW, at=midnight - 1), replace(ROW, at=midnight))
    days = [(each.name, each.requests) for each in usage.summary(store, "day", 0)]
    assert days == [("2026-03-09", 1), ("2026-03-10", 1), ("2026-03-11", 1)]


def test_a_sum_by_something_else_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="summed by 'colour': it takes one of provider, model, key, account, day"):
        usage.summary(store, "colour", 0)  # type: ignore[arg-type]


NUMBER = st.none() | st.integers(0, 2**40)
ROWS = st.lists(
    st.builds(
        replace,
        st.just(ROW),
        at=st.floats(0, 2**33),
        provider=st.none() | st.sampled_from(["a", "b", ""]),
        status=st.none() | st.sampled_from([200, 399, 400, 503]),
        error=st.none() | st.text(),
        input=NUMBER,
        output=NUMBER,
        cost=st.none() | st.floats(0, 100),
        latency_ms=st.floats(0, 1e6),
        dropped=st.lists(st.text()).map(tuple),
    ),
    max_size=8,
)


@given(ROWS, st.floats(0, 2**33))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_sums_are_those_of_plain_python(store: Store, rows: list[UsageRow], since: float) -> None:
    try:
        write(store, *rows)
        counted = [row for row in rows if row.at >= since]
        sums = usage.summary(store, "provider", since)
        assert {each.name for each in sums} == {row.provider for row in counted}
        for each in sums:
            theirs = [row for row in counted if row.provider == each.name]
            assert each.requests == len(theirs)
            assert each.failed == sum(
                row.status is None or row.status >= 400 or row.error is not None for row in theirs
            )
            assert each.input == sum(row.input or 0 for row in theirs)
            assert each.cost == pytest.approx(sum(row.cost or 0 for row in theirs))
            assert each.unknown_cost == sum(
                row.cost is None and (row.input or 0) + (row.output or 0) > 0 for row in theirs
            )
            assert each.latency_ms == pytest.approx(sum(row.latency_ms for row in theirs) / len(theirs))
    finally:
        with store.change():
            store.run(usage.UsageHistory.delete())


@pytest.mark.parametrize("ask", [*("provider", "model", "key", "account", "day"), "totals", "recent"])
def test_old_rows_are_not_even_looked_at(store: Store, ask: str) -> None:
    asked: list[str] = []
    connection = store.db.connection()
    connection.set_trace_callback(asked.append)
    if ask == "totals":
        usage.totals(store, NOON)
    elif ask == "recent":
        usage.recent(store, 5)
    else:
        usage.summary(store, ask, NOON)  # type: ignore[arg-type]
    connection.set_trace_callback(None)
    (sql,) = [sql for sql in asked if "usage_history" in sql]
    plan = " / ".join(row[3] for row in connection.execute(f"explain query plan {sql}"))
    assert "usage_history_at" in plan
    assert ("SEARCH" in plan) is (ask != "recent")
    assert ask != "recent" or "B-TREE" not in plan  # no sorting of a million rows


def test_a_broken_disk_is_a_store_error(store: Store) -> None:
    with sqlite3.connect(store.path) as other:
        other.execute("drop table usage_history")
    other.close()
    with pytest.raises(StoreError, match="no such table"):
        usage.record(store, [ROW])
    with pytest.raises(StoreError, match="no such table"):
        usage.recent(store, 1)
