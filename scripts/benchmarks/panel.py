"""What somebody at the panel costs the requests that pass meanwhile: 32 clients, small whole answers, real processes.

One gateway is asked in turn with nobody at the panel, with its pages open (Health, Usage and its log, each asking
as often as it does in a browser), and with the live monitor open beside them. The history has 100,000 rows. The
ratio is to nobody, in the same round; medians over the rounds. The goal is to lose 5 % at the most. The browser
itself is not counted: it is another machine's, or another core's.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from processes import HERE, Target, gateway, load, stub
from rich.console import Console
from rich.table import Table
from scenarios import BUSY

from omniroute.store.db.database import Store
from omniroute.store.history import usage
from omniroute.store.history.usage import AttemptRow, UsageRow
from omniroute.store.state import sessions

ROWS = 100_000
PAGES = [
    [10, "/api/monitoring/health"],
    [10, "/api/usage/analytics?period=1h"],
    [10, "/api/rate-limits"],
    [30, "/api/usage/analytics?period=24h&by=model"],
    [5, "/api/usage/call-logs?limit=50"],
]
WAYS: dict[str, dict[str, Any] | None] = {
    "nobody": None,
    "pages": {"pages": PAGES, "live": False},
    "pages and live monitor": {"pages": PAGES, "live": True},
}
GOAL = 0.95

type Found = dict[str, dict[str, float]]


def measure(*, quick: bool) -> Found:
    """Ask in each way in turn, several rounds."""
    taken: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="omniroute-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        upstream = stack.enter_context(stub(folder / "stub"))
        target = stack.enter_context(gateway(folder / "gateway", upstream.port, headless=True))
        with contextlib.closing(Store(folder / "gateway" / "data")) as store:
            token = sessions.token(store)
            for begin in range(0, ROWS, 1000):
                usage.record(store, [_row(number) for number in range(begin, begin + 1000)])
        for turn in range(4 if quick else 8):
            rates = {}
            for way, job in WAYS.items():
                with _somebody(target, token, job):
                    before = target.cpu()
                    outcome = load(BUSY.job(target, 4.0 if not quick else 2.0))
                    cpu = target.cpu() - before
                if outcome.errors:
                    print(way, outcome.errors[0], file=sys.stderr)
                rates[way] = len(outcome.latency) / outcome.seconds
                if turn:  # the first warms up
                    taken[way]["rate"].append(rates[way])
                    taken[way]["ratio"].append(rates[way] / rates["nobody"])
                    taken[way]["cpu"].append(cpu * 1000 / max(1, len(outcome.latency)))
    return {way: {what: median(values) for what, values in note.items()} for way, note in taken.items()}


@contextmanager
def _somebody(target: Target, token: str, job: dict[str, Any] | None) -> Iterator[None]:
    if job is None:
        yield
        return
    process = subprocess.Popen(
        [sys.executable, str(HERE / "viewer.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(json.dumps({"url": f"http://127.0.0.1:{target.port}", "token": token, **job}) + "\n")
        process.stdin.flush()
        if process.stdout.readline() != "ready\n":
            raise SystemExit("the panel does not answer")
        yield
        if process.poll() is not None:
            raise SystemExit("who looked at the panel has left")
    finally:
        process.terminate()
        process.wait(10)
        process.stdin.close()
        process.stdout.close()


def _row(number: int) -> UsageRow:
    return UsageRow(
        id=f"r{number:07}", at=time.time() - 20 * number, key_id="k1", key_name="mine", account_id="a1",
        account_name="work", provider="openai", model_asked=f"model-{number % 20}", model_served="openai/gpt",
        combo=None, client_dialect="claude", upstream_dialect="openai", path="/v1/messages", streamed=True, status=200,
        error=None,
        input=10, output=5, cache_read=4, cache_write=0, reasoning=2, cost=0.25,
        attempts=(AttemptRow("openai/gpt", "work", "ok", 200, 80.0, ""),),
        latency_ms=120.0, ttft_ms=40.0, overhead_ms=1.5, dropped=(),
    )  # fmt: skip


def show(found: Found) -> None:
    table = Table(title=f"Requests that pass while somebody is at the panel (goal: {GOAL:g} of what passes else)")
    for name in ("at the panel", "requests/s", "ratio", "CPU a request"):
        table.add_column(name, justify="left" if name == "at the panel" else "right")
    for way, note in found.items():
        table.add_row(way, f"{note['rate']:.0f}", f"{note['ratio']:.3f}", f"{note['cpu']:.2f} ms")
    Console().print(table)
