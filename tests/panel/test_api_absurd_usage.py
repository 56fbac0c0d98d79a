"""Usage records with absurd values, as older versions have stored them, break no page, command or export."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from history import NOON, ROW
from panel_api import StartApi

from omniroute.store.config import budgets
from omniroute.store.db.database import Store
from omniroute.store.history import combo_metrics, reprice, summaries, usage
from omniroute.store.transfer import export

COLUMNS = ("input", "output", "cache_read", "cache_write", "reasoning", "cost", "ttft_ms", "overhead_ms", "latency_ms")
VALUES = (9223372036854775807, 1e308, -5, "many", b"\xff", float("inf"))
PAGES = (
    *(
        f"/api/usage/analytics?period={period}&by={by}"
        for period in ("24h", "all")
        for by in ("model", "key", "account")
    ),
    "/api/usage/history?period=all",
    "/api/usage/request-logs",
    "/api/usage/call-logs",
    "/api/usage/budget",
    "/api/combos/metrics",
    "/api/telemetry/summary",
    "/api/monitoring/health",
    "/metrics",
    "/api/db-backups/export",
    "/api/db-backups/exportAll",
)


def spoil(store: Store) -> None:
    """Change records behind the program's back, in every column, and some moments and lists too."""
    with store.change():
        db = store.db.connection()
        for number, value in enumerate(VALUES):
            for column in COLUMNS:
                db.execute(f"update usage_history set {column} = ? where id = ?", (value, f"r{number}"))
        db.execute("update usage_history set attempts = 'no json', dropped = '3', status = 'x' where id = 'r6'")
        db.execute("update usage_history set attempts = '[1, {}, {\"ms\": 5}]', dropped = '[1]' where id = 'r7'")
        for number, value in enumerate((9223372036854775807, -1e300, "now")):
            db.execute("update usage_history set at = ? where id = ?", (value, f"r{8 + number}"))
        # what was added behind the triggers' back, and what overflowed before they were bounded
        db.execute("update usage_slots set input = 9223372036854775807, cost = 1e308 where kind in ('total', 'model')")
        db.execute("update usage_latencies set number = 9223372036854775807")
        db.execute("update combo_slots set output = 9223372036854775807")


@pytest.mark.parametrize("spoiled", [True, False], ids=["behind the back", "added by hand"])
async def test_no_page_breaks(start: StartApi, tmp_path: Path, spoiled: bool) -> None:
    api = await start(lambda: NOON)
    usage.record(api.store, [replace(ROW, id=f"r{number}", at=NOON - number * 400, combo="c") for number in range(20)])
    if spoiled:
        spoil(api.store)
    else:
        names = "id, at, model_asked, client_dialect, path, streamed, status, input, output, cost, attempts, latency_ms"
        with api.store.change():
            for number, value in enumerate(VALUES):
                row = (f"x{number}", NOON - 10, "m", "openai", "/", 0, 200, value, value, value, "no json", value, "?")
                sql = f"insert into usage_history ({names}, dropped, combo) values ({', '.join('?' * 13)}, 'c')"
                api.store.db.connection().execute(sql, row)
    async with api.client(token=True) as client:
        for page in PAGES:
            reply = await client.get(page)
            assert reply.status_code == 200, (page, reply.text)
            if reply.headers["content-type"].startswith("application/json"):
                json.loads(reply.text, parse_constant=pytest.fail)  # no NaN and no Infinity
    export.export_all(api.store, tmp_path / "all.tar.gz")
    assert len(usage.recent(api.store, 100)) == (20 if spoiled else 26)
    for by in ("provider", "model", "key", "account", "day"):
        assert summaries.summary(api.store, by, 0)
    summaries.by_minute(api.store, 10, NOON)
    combo_metrics.of_combos(api.store, 0)
    summaries.since(api.store, 0)
    budgets.spent(api.store, {"day": (0.0, NOON + 1)})
    reprice.reprice(api.store, lambda provider, model, usage, at: 0.5, ["openai"], since=0)
    if not spoiled:  # what triggers take in is bounded
        total = summaries.totals(api.store, 0)
        assert (total.requests, total.input) == (26, sum(ROW.input or 0 for _ in range(20)))
