"""What choosing and admitting add to a request: all of the gateway's own deciding. No sockets.

A plan by what is remembered, felt and known of models and prices; the deadlines; a place at accounts that are
limited in all ways; and the notes that an attempt has begun and ended well. For a plain model and for combos of
5 and 20 models, by strategy; medians in milliseconds of processor time. The goal is 0.1 ms for the usual 1 to 5.
"""

import gc
import time
from statistics import median

from rich.console import Console
from rich.table import Table

from omniroute.addons.failover import targets_in_time
from omniroute.catalog import models, pricing
from omniroute.catalog.providers import PROVIDERS
from omniroute.config.model import Account, Combo, Config, Limit
from omniroute.config.settings import Settings
from omniroute.dialects.hub import Whole
from omniroute.dialects.requirements import Needs
from omniroute.gateway.exchange import AttemptRecord, Exchange
from omniroute.gateway.router import Router
from omniroute.mitm.ports import Attempt
from omniroute.routing.attempt_policy import deadlines_of, wants_reasoning

BODY = {"messages": [{"role": "user", "content": "hello " * 200}], "tools": [{}]}
HEADERS = tuple((f"x-header-{n}".encode(), b"some value") for n in range(10))
CASES = {
    "a model": ("one", "fill-first", 1),
    "5 models": ("five", "priority", 1),
    "5 models, least-used": ("five", "least-used", 1),
    "5 models, cost-optimized": ("five", "cost-optimized", 1),
    "a model, 5 accounts": ("one", "p2c", 5),
    "20 models": ("twenty", "priority", 1),
}

type Found = dict[str, float]


def measure(*, quick: bool) -> Found:
    """Decide again and again, every case in each round, so that a machine that slows down slows all."""
    pricing.load()
    for provider in PROVIDERS:
        models.known_models(provider)
    runs = {name: _Run(*case) for name, case in CASES.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    gc.collect()
    for _ in range(100 if quick else 1000):
        for name, run in runs.items():
            began = time.thread_time()
            run.once()
            times[name].append((time.thread_time() - began) * 1000)
    return {name: median(taken) for name, taken in times.items()}


class _Run:
    def __init__(self, model: str, strategy: str, accounts: int) -> None:
        chosen = PROVIDERS[:20]
        made = [Account(f"{p.id}-{n}", p.id, f"{p.id}-{n}") for p in chosen for n in range(accounts)]
        listed = [f"{p.prefix}/{p.models[0].id if p.models else 'model'}" for p in chosen]
        names = {"five": listed[:5], "twenty": listed}
        how = None if model == "one" else strategy
        self.model = listed[0] if model == "one" else model
        self.config = Config(
            accounts=tuple(made),
            combos={name: Combo(name, tuple(models), how) for name, models in names.items()},
            limits={account.id: Limit(rpm=1_000_000, gap=1e-9, concurrency=9) for account in made},
            rules=Settings(strategy=strategy if model == "one" else "fill-first"),
        )
        self.choosing = Router(clock=time.monotonic, wall=time.time)
        self.choosing.admission.set(self.config.limits)

    def once(self) -> None:
        """Do what `Dispatch` does for a request that is answered by the first who is asked."""
        now = time.monotonic()
        exchange = Exchange("id", 0.0, now, "openai", "/v1/chat/completions", "", HEADERS, self.config)
        exchange.model, exchange.body, exchange.received = self.model, BODY, now
        exchange.plan = self.choosing.plan(exchange, Needs(BODY, 2000), with_catalog=True)
        exchange.open = [*exchange.plan.targets]
        exchange.open = targets_in_time(exchange, now)
        admitted = self.choosing.admission.admit(exchange.open)
        assert admitted
        target, let_in = admitted
        deadlines = deadlines_of(target, self.config.rules, thinking=wants_reasoning(BODY, self.config.rules))
        attempt = Attempt({}, deadlines, None, lambda raw: Whole(raw), last=False)
        asked = AttemptRecord(target, attempt, let_in=let_in)
        self.choosing.began(exchange, asked)
        attempt.content_at = now
        self.choosing.ended(exchange, asked)


def show(found: Found) -> None:
    table = Table(title="Choosing and admitting (medians; the goal is 0.1 ms for 1 to 5)")
    table.add_column("")
    table.add_column("", justify="right")
    for name, taken in found.items():
        table.add_row(name, f"{taken:.3f} ms")
    Console().print(table)
