"""Counters for metrics: the number of their series is bounded, whatever they count."""

from dataclasses import replace

from omniroute.gateway.metrics import MAX_OUTCOMES, MAX_PROVIDERS, OTHER, Metrics
from omniroute.store.history.usage import AttemptRow, UsageRow

ROW = UsageRow(
    id="a", at=1.0, key_id=None, key_name=None, account_id=None, account_name=None, provider="openai", model_asked="m",
    model_served=None, combo=None, client_dialect="openai", upstream_dialect=None, path="/v1", streamed=False,
    status=200, error=None, input=2, output=3, cache_read=None, cache_write=None, reasoning=None, cost=None,
    attempts=(), latency_ms=5.0, ttft_ms=1.0, overhead_ms=None, dropped=(),
)  # fmt: skip


def test_providers_beyond_the_bound_count_as_other() -> None:
    tally = Metrics()
    for number in range(MAX_PROVIDERS + 50):
        tally.add(replace(ROW, provider=f"node-{number}"))
    tally.add(replace(ROW, provider="node-0"))
    assert len(tally.latency) == len(tally.ttft) == MAX_PROVIDERS + 1
    assert tally.exchanges[OTHER, "200"] == 50
    assert tally.tokens[OTHER, "output"] == 150
    assert tally.exchanges["node-0", "200"] == 2
    assert tally.exchanges.total() == MAX_PROVIDERS + 51


def test_statuses_outcomes_and_reasons_are_bounded() -> None:
    tally = Metrics()
    for number in range(2000):
        tally.add(replace(ROW, status=number, attempts=(AttemptRow("t", "a", f"{number}", number, 1.0, ""),)))
        tally.protocol_error(f"reason {number}")
    assert len(tally.exchanges) == 502, "0, 100 to 599, and all others"
    assert len(tally.attempts) == len(tally.protocol_errors) == MAX_OUTCOMES + 1
    assert tally.attempts[OTHER] == tally.protocol_errors[OTHER] == 2000 - MAX_OUTCOMES
