"""What a plan costs alone: the pure code that each request runs through, by strategy. No sockets.

    20 targets     a combo of 20 models at 20 providers with 50 accounts between them, one enabled at each
    50 accounts    a combo of 20 models at 10 providers with 5 accounts each: a plan of some 100 targets

Each is shown as the median of many plans, in milliseconds of processor time; the goal is 0.2 ms.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from statistics import median

from rich.console import Console
from rich.table import Table

from omniroute.catalog import pricing
from omniroute.catalog.provider import Provider
from omniroute.catalog.providers import PROVIDERS, node
from omniroute.config.model import Account, Combo, Config
from omniroute.config.settings import ACCOUNT_STRATEGIES, COMBO_STRATEGIES, Settings
from omniroute.dialects.requirements import Needs
from omniroute.routing.plan import plan
from omniroute.routing.strategies import RoutingState
from omniroute.routing.strategy_state import StrategyState
from omniroute.routing.target import PlanContext, by_catalog

BODY = {"messages": [{"role": "user", "content": "hello " * 200}], "tools": [{}]}
NOW = datetime(2026, 11, 1, tzinfo=UTC)

type Found = dict[str, dict[str, float]]


def measure(*, quick: bool) -> Found:
    """Plan again and again, every strategy in each round, so that a machine that slows down slows all."""
    pricing.load()
    rounds = 30 if quick else 200
    nodes = tuple(node(f"n{n}", "openai", "http://127.0.0.1:1") for n in range(20 - len(PROVIDERS)))
    few = (*PROVIDERS, *nodes)[:20]
    configs = {"20 targets": _config(few, 50, nodes, 1), "50 accounts": _config(PROVIDERS[:10], 50, (), 5)}
    times: dict[str, dict[str, list[float]]] = {name: {} for name in configs}
    for _ in range(rounds):
        for name, config in configs.items():
            for label, variant in _variants(config):
                began = time.process_time()
                made = plan("mix", variant, client="claude", needs=Needs(BODY, 2000), known=_known(variant))
                times[name].setdefault(label, []).append((time.process_time() - began) * 1000)
                assert len(made.targets) >= 20
    return {name: {label: median(taken) for label, taken in each.items()} for name, each in times.items()}


_VARIANTS: dict[int, list[tuple[str, Config]]] = {}


def _variants(config: Config) -> list[tuple[str, Config]]:
    """Make each variant once: a config keeps what its names have turned out to mean, as in a running gateway."""
    kept = _VARIANTS.get(id(config))
    if kept is None:
        kept = _VARIANTS[id(config)] = [
            *(
                (f"combo {strategy}", replace(config, combos={"mix": replace(config.combos["mix"], strategy=strategy)}))
                for strategy in COMBO_STRATEGIES
            ),
            *(
                (f"accounts {strategy}", replace(config, rules=Settings(strategy=strategy)))
                for strategy in ACCOUNT_STRATEGIES
            ),
        ]
    return kept


def _known(config: Config) -> PlanContext:
    return by_catalog(config, RoutingState(StrategyState()), Random(1).random, NOW)


def _config(providers: tuple[Provider, ...], accounts: int, nodes: tuple[Provider, ...], enabled: int) -> Config:
    made = [
        Account(f"a{n}", providers[n % len(providers)].id, f"a{n}", enabled=n // len(providers) < enabled)
        for n in range(accounts)
    ]
    models = tuple(f"{providers[n % len(providers)].prefix}/model-{n}" for n in range(20))
    return Config(accounts=tuple(made), nodes=nodes, combos={"mix": Combo("mix", models)})


def show(found: Found) -> None:
    table = Table(title="A plan (medians)")
    table.add_column("")
    for name in found:
        table.add_column(name, justify="right")
    for label in next(iter(found.values())):
        table.add_row(label, *(f"{each[label]:.3f} ms" for each in found.values()))
    Console().print(table)
