"""Sums of the history: the same as plain Python's, whichever quarters of an hour they are read from."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from history import NOON, NOTHING, ROW, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.history_tables import UsageHistory, UsageLatencies, UsageSlots
from omniroute.store.history import summaries
from omniroute.store.history.summaries import By, Step, UsageSum
from omniroute.store.history.usage import UsageRow


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
    assert summaries.totals(store, 0) == total
    assert summaries.summary(store, "provider", 0) == [
        UsageSum("openai", "openai", 4, 1, 30, 15, 16, 12, 8, 0.75, 1, 150.0, 40.0),
        UsageSum(None, None, 1, 1, 0, 0, 0, 0, 0, 0.0, 0, 100.0, None),
    ]


def test_an_empty_history_adds_up_to_nothing(store: Store) -> None:
    assert summaries.totals(store, 0) == UsageSum(None, None, 0, 0, 0, 0, 0, 0, 0, 0.0, 0, None, None)
    assert summaries.summary(store, "model", 0) == []


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
    assert sorted((each.name or "", each.requests) for each in summaries.summary(store, by, 0)) == sorted(
        (name or "", number) for name, number in names
    )
    counts = [each.requests for each in summaries.summary(store, by, 0)]
    assert counts == sorted(counts, reverse=True)


def test_two_keys_of_one_name_are_two(store: Store) -> None:
    write(store, ROW, replace(ROW, key_id="k2"))
    assert [(each.name, each.id) for each in summaries.summary(store, "key", 0)] == [("laptop", "k1"), ("laptop", "k2")]


def test_only_what_is_not_older_counts(store: Store) -> None:
    write(store, ROW, replace(ROW, at=NOON - 1))
    assert summaries.totals(store, NOON).requests == 1
    assert summaries.totals(store, NOON + 1).requests == 0


@pytest.fixture
def far_west(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Pacific/Honolulu")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_west")
def test_a_day_is_a_local_day(store: Store) -> None:
    midnight = datetime(2026, 3, 10).timestamp()
    write(store, replace(ROW, at=midnight + 90_000), replace(ROW, at=midnight - 1), replace(ROW, at=midnight))
    days = [(each.name, each.requests) for each in summaries.summary(store, "day", 0)]
    assert days == [("2026-03-09", 1), ("2026-03-10", 1), ("2026-03-11", 1)]


def test_a_sum_by_something_else_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="summed by 'colour': it takes one of provider, model, key, account, day"):
        summaries.summary(store, "colour", 0)  # type: ignore[arg-type]


MOMENTS = st.floats(0, 2**33) | st.floats(NOON - 1800, NOON + 1800)
NUMBER = st.none() | st.integers(0, 10**9)
ROWS = st.lists(
    st.builds(
        replace,
        st.just(ROW),
        at=MOMENTS,
        provider=st.none() | st.sampled_from(["a", "b"]),
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


@given(ROWS, MOMENTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_sums_are_those_of_plain_python(store: Store, rows: list[UsageRow], since: float) -> None:
    try:
        write(store, *rows)
        counted = [row for row in rows if row.at >= since]
        found = summaries.summary(store, "provider", since)
        assert {each.name for each in found} == {row.provider for row in counted}
        for each in found:
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
            store.run(UsageHistory.delete())


def test_what_is_priced_anew_or_taken_out_is_so_in_the_sums(store: Store) -> None:
    write(store, ROW, replace(ROW, cost=None), NOTHING)
    with store.change():
        store.run(UsageHistory.update(cost=2.0).where(UsageHistory.id == "r1"))
        store.run(UsageHistory.update(cost=None).where(UsageHistory.id == "r0"))
    (openai, _) = summaries.summary(store, "provider", 0)
    assert (openai.cost, openai.unknown_cost) == (2.0, 1)
    with store.change():
        store.run(UsageHistory.delete().where(UsageHistory.id == "r1"))
    assert (summaries.totals(store, 0).requests, summaries.totals(store, 0).cost) == (2, 0.0)
    with store.change():
        store.run(UsageHistory.delete())
    assert store.rows(UsageSlots.select()) == store.rows(UsageLatencies.select()) == []


@pytest.mark.parametrize(("step", "length"), [("quarter", 900), ("hour", 3600), ("day", 86400)])
def test_over_time_each_step_has_its_own(store: Store, step: Step, length: int) -> None:
    begin = datetime(2026, 3, 10).timestamp()
    rows = [
        replace(ROW, at=begin + 7),
        replace(ROW, at=begin + length),
        replace(ROW, at=begin + length + 5, provider="x"),
    ]
    write(store, *rows)
    for since in (0, begin + 1):
        found = summaries.over_time(store, "provider", since, step)
        assert [(at - begin, sorted(each.name or "" for each in those)) for at, those in found.items()] == [
            (0, ["openai"]),
            (length, ["openai", "x"]),
        ]


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(("step", "count"), [("quarter", 47 * 4), ("hour", 47), ("day", 3)])
def test_steps_are_those_of_the_sums(store: Store, step: Step, count: int) -> None:
    """Over the night that has 23 hours."""
    begin = datetime(2026, 3, 28, 12).timestamp()
    end = begin + 47 * 3600
    write(store, *(replace(ROW, at=begin + 300 * number) for number in range(47 * 12)))
    times = list(summaries.steps(begin, end, step))
    assert times == list(summaries.over_time(store, "total", begin, step))
    assert len(times) == count


def test_each_hour_of_the_week_has_its_cell(store: Store) -> None:
    write(store, ROW, replace(ROW, at=NOON + 3599), replace(ROW, at=NOON + 7 * 86400), replace(ROW, at=NOON - 1))
    cells = summaries.by_hour_of_week(store, 0)
    assert (cells[1][12], cells[1][11]) == (3, 1)  # a Tuesday
    assert sum(map(sum, cells)) == 4


def test_percentiles_are_of_what_went_well(store: Store) -> None:
    times = [float(ms) for ms in range(1, 1001)]
    write(store, *(replace(ROW, latency_ms=ms) for ms in times), replace(ROW, latency_ms=9e5, status=500))
    found = summaries.percentiles(store, "latency", NOON, at=(0.5, 0.95, 0.99))
    assert found.keys() == {"openai"}
    for told, true in zip(found["openai"], (500, 950, 990), strict=True):
        assert told == pytest.approx(true, rel=0.05)
    assert summaries.percentiles(store, "ttft", NOON + 3600, at=(0.5,)) == {}


@pytest.mark.parametrize("by", ["provider", "model", "key", "account", "day"])
def test_what_is_added_up_already_is_not_read_again(store: Store, by: By) -> None:
    """Only the part of a quarter of an hour that comes before the sums is read from the history, by its index."""
    asked: list[str] = []
    connection = store.db.connection()
    connection.set_trace_callback(asked.append)
    summaries.summary(store, by, NOON + 1)
    connection.set_trace_callback(None)
    (sql,) = [sql for sql in asked if "usage_history" in sql]
    plan = " / ".join(row[3] for row in connection.execute(f"explain query plan {sql}"))
    assert "usage_history_at (at>? AND at<?)" in plan
    assert "SEARCH t1 USING PRIMARY KEY (kind=? AND slot>? AND slot<?)" in plan
