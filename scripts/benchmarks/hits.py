"""How long a client waits for an answer out of the cache: one client, small whole answers, real processes.

Each round asks the stub itself, plain mitmdump in front of it, and the gateway in both its forms, each for what it has
answered before and for what it has not, so that a machine that slows down slows all of them. Medians over the rounds,
in milliseconds from the request to the last byte of its answer; the goal is 2 ms for a hit.
"""

import json
import secrets
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from load import NUMBER, Job
from processes import Target, gateway, load, plain, stub
from rich.console import Console
from rich.table import Table

REQUESTS = 300
GOAL = 2.0

type Found = dict[str, dict[str, float]]


def measure(*, quick: bool) -> Found:
    """Ask all of them in turn, several rounds."""
    taken: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="omniroute-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        upstream = stack.enter_context(stub(folder / "stub"))
        ways = [upstream, stack.enter_context(plain(folder / "plain", upstream.port))]
        for headless in (False, True):
            place = folder / f"gateway{headless:d}"
            ways.append(stack.enter_context(gateway(place, upstream.port, headless=headless)))
        for turn in range(3 if quick else 6):
            for way in ways:
                for kind in ("miss", "hit") if way.prefix else ("asked",):
                    latency, cpu = _ask(way, kind)
                    if turn:  # the first warms up
                        note = taken[f"{way.name}, {kind}"]
                        for share in (50, 99):
                            note[f"p{share}"].append(sorted(latency)[len(latency) * share // 100])
                        note["cpu"].append(cpu)
    return {name: {what: median(values) for what, values in note.items()} for name, note in taken.items()}


def _ask(way: Target, kind: str) -> tuple[list[float], float]:
    words = "What does the clock say?" if kind == "hit" else f"What does the clock say {NUMBER}{secrets.token_hex(8)}?"
    said = {"model": f"{way.prefix}m", "temperature": 0, "messages": [{"role": "user", "content": words}]}
    before = way.cpu()
    outcome = load(Job(way.port, "/v1/chat/completions", json.dumps(said), 1, REQUESTS, 10.0))
    if outcome.errors:
        print(way.name, kind, outcome.errors[0], file=sys.stderr)
    return outcome.latency, (way.cpu() - before) * 1000 / max(1, len(outcome.latency))


def show(found: Found) -> None:
    table = Table(title="An answer out of the cache beside all others (one client; medians)")
    for name in ("", "p50", "p99", "CPU"):
        table.add_column(name, justify="left" if not name else "right")
    for name, note in found.items():
        late = f"  (the goal is {GOAL:g} ms)" if name.endswith("hit") else ""
        table.add_row(name, f"{note['p50']:.2f} ms{late}", f"{note['p99']:.2f} ms", f"{note['cpu']:.2f} ms")
    Console().print(table)
