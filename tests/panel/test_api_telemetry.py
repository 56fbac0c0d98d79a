"""Times of the last minutes: exact, of answered exchanges alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from panel_api import Api

from omniroute.store.history import summaries, usage
from omniroute.store.history.summaries import percentile
from omniroute.store.history.usage import UsageRow


def row(number: int, at: float, latency: float) -> UsageRow:
    return UsageRow(
        id=f"t{number}", at=at, key_id=None, key_name=None, account_id="a", account_name="a", provider="p",
        model_asked="m", model_served="p/m", combo=None, client_dialect="openai", upstream_dialect="openai", path="/",
        streamed=False, status=200, error=None, input=1, output=1, cache_read=0, cache_write=0, reasoning=0, cost=None,
        attempts=(), latency_ms=latency, ttft_ms=latency / 2, overhead_ms=None, dropped=(),
    )  # fmt: skip


async def test_the_last_minutes_are_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    now = api.store.clock()
    rows = [row(n, now - 1, float(n)) for n in range(1, 101)]
    old, failed = row(200, now - 3600, 9e9), replace(row(201, now - 1, 9e9), status=502)
    usage.record(api.store, [*rows, old, failed])
    async with api.client(token=True) as client:
        said = (await client.get("/api/telemetry/summary")).json()
        assert (said["count"], said["p50"], said["p95"], said["p99"], said["avg"]) == (100, 50, 95, 99, 50.5)
        assert said["phaseBreakdown"]["firstContent"]["p50"] == 25
        assert said["phaseBreakdown"]["gateway"] == {"count": 0, "p50": None, "p95": None, "p99": None, "avg": None}
        assert said["cut"] is False
        assert (await client.get("/api/telemetry/summary?windowMs=7200000")).json()["count"] == 101
        for wrong in ("0", "-1", "x", "86400001"):
            assert (await client.get(f"/api/telemetry/summary?windowMs={wrong}")).status_code == 400
        monkeypatch.setattr(summaries, "MOST", 10)
        said = (await client.get("/api/telemetry/summary")).json()
        assert (said["count"], said["cut"]) == (10, True)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_the_least_value_that_so_many_do_not_pass(values: list[float], part: float) -> None:
    values.sort()
    found = percentile(values, part)
    assert found in values
    assert sum(value <= found for value in values) >= part * len(values) - 1e-6
    assert sum(value < found for value in values) <= part * len(values)
