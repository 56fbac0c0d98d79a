"""Measures the gateway side by side with plain mitmdump, on loopback, in one run.

Every target stands in front of the same stub, and the rounds go around: each target is asked in each
round, so that a machine that slows down slows all of them. The clients are a process of their own with
raw sockets; the stub is another. Shown are medians over the rounds.

    added p50, p99   what a target adds to the stub's own latency: one client, small whole reply
    requests/s       32 keep-alive clients, small whole replies; the ratio is to plain mitmdump
    CPU a request    processor time of the target's process in that run
    big, added p50   a request of 300 KB, 60 messages, 40 tools
    CPU an event     200 events in a stream, unpaced; `translated` is a Claude client at an OpenAI upstream
    first content    time that a target adds before the first content: 32 clients, an event every 10 ms
    memory, start    resident set after the first answer and at the end; command to first answer

    access           what letting in costs alone: see access.py
    planning         what a plan costs alone: see planning.py
    admitting        what choosing and admitting add to a request: see admitting.py
    caching          what the cache adds, and what an answer out of it takes: see caching.py
    hits             how long a client waits for an answer out of the cache: see hits.py
    panel            what somebody at the panel costs the requests that pass: see panel.py
    monitor          the live monitor in a real browser while 200 exchanges a second pass: see monitor.py
    failover         what a target that refuses adds to the next one's answer: see failover.py
    waiting          what limits cost, and a thousand requests that wait: see waiting.py
    translation      each pair of dialects, no sockets: see translation.py for its columns

Plain mitmdump is told to pass streams on at once where streams are measured. Needs Linux: processor
time and memory come from /proc. Touches nothing but loopback and a folder of its own, ends what it
starts and nothing else, and takes at most two minutes, and two more for the parts (--quick: one in all).
"""

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import access
import admitting
import budgets
import caching
import failover
import hits
import monitor
import panel
import planning
import report
import scenarios
import translation
import waiting
from load import Outcome
from processes import Target, gateway, load, plain, serves_headless, stub
from scenarios import Scenario

from omniroute.dialects.hub import translates

PARTS: dict[str, Any] = {
    "access": access,
    "budgets": budgets,
    "translation": translation,
    "planning": planning,
    "admitting": admitting,
    "caching": caching,
    "hits": hits,
    "panel": panel,
    "monitor": monitor,
    "failover": failover,
    "waiting": waiting,
}
"""What is measured apart, by a module each."""
LIMIT = 100.0
"""Seconds after which no further round begins."""


class Bench:
    def __init__(self, targets: list[Target], share: float) -> None:
        self.targets, self.share = targets, share
        self.found: report.Found = defaultdict(lambda: defaultdict(list))
        self.errors: list[str] = []

    def warm_up(self) -> None:
        for target in self.targets:
            for scenario in (scenarios.SMALL, scenarios.STREAM):
                load(scenario.job(target, 0.2))
            if target.streams:
                load(scenarios.STREAM.job(target.streams, 0.2))

    def round(self) -> None:
        direct = self.targets[0]
        base = {s.name: self._ask(direct, s)[0] for s in (scenarios.SMALL, scenarios.BIG, scenarios.PACED)}
        for target in self.targets[1:]:
            note = self.found[target.name]
            small, _ = self._ask(target, scenarios.SMALL)
            for share in (50, 99):
                added = _percentile(small.latency, share) - _percentile(base["small"].latency, share)
                note[f"added p{share}"].append(added)
            busy, cpu = self._ask(target, scenarios.BUSY)
            note["rate"].append(len(busy.latency) / busy.seconds)
            note["cpu"].append(cpu * 1000 / max(1, len(busy.latency)))
            big, _ = self._ask(target, scenarios.BIG)
            note["big"].append(_percentile(big.latency, 50) - _percentile(base["big"].latency, 50))
            streaming = target.streams or target
            stream, cpu = self._ask(streaming, scenarios.STREAM)
            note["event"].append(cpu * 1e6 / max(1, stream.events))
            paced, _ = self._ask(streaming, scenarios.PACED)
            note["first"].append(_percentile(paced.first, 50) - _percentile(base["paced"].first, 50))
            if target.prefix and translates("claude", "openai"):
                told, cpu = self._ask(target, scenarios.TRANSLATED)
                note["translated"].append(cpu * 1e6 / max(1, told.events))

    def finish(self) -> None:
        for target in self.targets[1:]:
            note = self.found[target.name]
            note["idle"], note["after"], note["start"] = [target.idle], [target.memory()], [target.start]

    def _ask(self, target: Target, scenario: Scenario) -> tuple[Outcome, float]:
        before = target.cpu()
        outcome = load(scenario.job(target, self.share))
        self.errors += [f"{target.name}, {scenario.name}: {error}" for error in outcome.errors]
        return outcome, target.cpu() - before


def _percentile(values: list[float], share: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)] if ordered else float("nan")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two short rounds, half a minute")
    parser.add_argument("--rounds", type=int, default=0, help="default 4, or 2 with --quick")
    parser.add_argument("--only", choices=("gateway", *PARTS), help="a part of it")
    parser.add_argument("--json", action="store_true", help="print the medians as JSON")
    args = parser.parse_args()
    bench = run(args) if args.only in (None, "gateway") else Bench([], 1.0)
    found = {name: dict(part.measure(quick=args.quick)) for name, part in PARTS.items() if args.only in (None, name)}
    if args.json:
        print(json.dumps({**report.medians(bench.found), **found}, indent=2))
    else:
        if bench.found:
            report.show(bench.found)
        for name, part in found.items():
            PARTS[name].show(part)
    for error in sorted(set(bench.errors)):
        print(error, file=sys.stderr)
    return 1 if bench.errors else 0


def run(args: argparse.Namespace) -> Bench:
    rounds = args.rounds or (2 if args.quick else 4)
    begin = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="omniroute-bench-")))
        upstream = stack.enter_context(stub(folder / "stub"))
        targets = [upstream, stack.enter_context(plain(folder / "plain", upstream.port))]
        targets.append(stack.enter_context(gateway(folder / "gateway", upstream.port, headless=False)))
        if serves_headless():
            targets.append(stack.enter_context(gateway(folder / "headless", upstream.port, headless=True)))
        bench = Bench(targets, 0.3 if args.quick else 1.0)
        bench.warm_up()
        done = 0
        while done < rounds and time.monotonic() - begin < LIMIT:
            bench.round()
            done += 1
            print(f"round {done} of {rounds}, {time.monotonic() - begin:.0f} s", file=sys.stderr)
        bench.finish()
    return bench


if __name__ == "__main__":
    raise SystemExit(main())
