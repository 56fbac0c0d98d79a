"""What a budget adds to a request: setting aside what it may cost, and settling it. No sockets.

Medians in milliseconds of processor time, for one target and for five, with three budgets at the key and other keys'
money in the ledger. `check` is the ledger alone, whose goal is 0.02 ms; `set aside` counts the request's tokens and
prices the targets, too.
"""

import time
from datetime import UTC, datetime
from statistics import median

from rich.console import Console
from rich.table import Table

from omniroute.budgets.ledger import NO_KEY, Budget, BudgetSettings
from omniroute.budgets.periods import PERIODS
from omniroute.catalog import pricing
from omniroute.catalog.providers import PROVIDERS
from omniroute.config.model import Account, Config
from omniroute.config.settings import Settings
from omniroute.dialects.requirements import Needs
from omniroute.gateway.budget_enforcer import BudgetEnforcer
from omniroute.gateway.exchange import Exchange
from omniroute.routing.target import RoutePath, Target

BODY = {"messages": [{"role": "user", "content": "hello " * 200}], "max_tokens": 500}
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
KEYS = 10_000

type Found = dict[str, float]


def measure(*, quick: bool) -> Found:
    """Set aside and settle again and again."""
    pricing.load()
    spending = BudgetEnforcer(lambda: NOW)
    spending.ledger.zone = UTC
    for key in range(KEYS):
        spending.ledger.spend(f"k{key}", 0.01, NOW)
    budgets = tuple(Budget(NO_KEY, period, 1e6) for period in PERIODS)
    config = Config(budgets={NO_KEY: budgets}, rules=Settings(budget=BudgetSettings("UTC")))
    times: dict[str, list[float]] = {}
    for _ in range(200 if quick else 2000):
        began = time.process_time()
        assert spending.ledger.refusal(budgets, 0.01, NOW) is None
        spending.ledger.settle(spending.ledger.hold(NO_KEY, 0.01, NOW), 0.01)
        times.setdefault("check", []).append((time.process_time() - began) * 1000)
        for count in (1, 5):
            exchange = Exchange("id", NOW, 0.0, "openai", "/v1/chat/completions", "", (), config)
            exchange.open = _targets(count)
            began = time.process_time()
            spending.set_aside(exchange, Needs(BODY, 1300), config)
            between = time.process_time()
            exchange.cost = 0.01
            spending.settle(exchange, config)
            ended = time.process_time()
            times.setdefault(f"set aside, {count} targets", []).append((between - began) * 1000)
            times.setdefault(f"settle, {count} targets", []).append((ended - between) * 1000)
    return {name: median(taken) for name, taken in times.items()}


def _targets(count: int) -> list[Target]:
    return [
        Target(Account(f"a{n}", row.id, f"a{n}"), row, row.models[0].id, "openai", RoutePath("asked"), "first")
        for n, row in enumerate(PROVIDERS[:count])
    ]


def show(found: Found) -> None:
    table = Table(title="Budgets (medians)")
    table.add_column("")
    table.add_column("ms", justify="right")
    for name, ms in found.items():
        table.add_row(name, f"{ms:.4f}")
    Console().print(table)
