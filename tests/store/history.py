"""Rows of the history to test with."""

from dataclasses import replace
from datetime import datetime

from omniroute.store.db.database import Store
from omniroute.store.history import usage
from omniroute.store.history.usage import AttemptRow, UsageRow

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
