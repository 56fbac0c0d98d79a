"""A day of 100,000 requests with accounts that fail and recover: the load follows the strategy, nobody starves.

The pure code that the gateway runs decides; only the upstreams are made up. A minute of the day is one step of
the accounts' health.
"""

from collections import Counter
from random import Random

import pytest

from omniroute.catalog.providers import node
from omniroute.config.model import Account, Combo, Config
from omniroute.config.settings import Settings
from omniroute.routing.plan import plan
from omniroute.routing.rate_limits import InFlight
from omniroute.routing.strategies import RoutingState
from omniroute.routing.strategy_state import StrategyState
from omniroute.routing.target import PlanContext

REQUESTS = 100_000
MINUTES = 24 * 60
SHORT = 7 * MINUTES
"""Requests of a day that asks one strategy about one model."""
BOX = node("box", "openai", "http://127.0.0.1:1")
BARN = node("barn", "openai", "http://127.0.0.1:2")
ACCOUNTS = [Account(f"{at}{n}", at, f"{at}{n}", priority=n) for at in ("box", "barn") for n in range(4)]


def day(rules: Settings, combo: Combo, requests: int = REQUESTS) -> tuple[dict[str, float], Counter, Counter]:
    """Give what each account served for each minute that it was well, what each model served, and what nobody did."""
    dice = Random(20)
    config = Config(accounts=tuple(ACCOUNTS), nodes=(BOX, BARN), combos={"mix": combo}, rules=rules)
    turns = StrategyState()
    loads = InFlight()
    now = 0.0
    known = PlanContext(RoutingState(turns, lambda account: loads.load(account, now)), dice.random)
    down: dict[str, int] = {}
    by_account: Counter = Counter()
    by_model: Counter = Counter()
    unserved: Counter = Counter()
    well: Counter = Counter()
    for number in range(requests):
        now = number * MINUTES * 60 / requests
        if number % (requests // MINUTES) == 0:
            minute = number * MINUTES // requests
            down = {account: until for account, until in down.items() if until > minute}
            if dice.random() < 0.05:
                down[dice.choice(ACCOUNTS).id] = minute + int(dice.expovariate(1 / 20)) + 1
            well.update(account.id for account in ACCOUNTS if account.id not in down)
        made = plan("mix", config, client="openai", known=known)
        turns.advance(combo for combo, _ in made.targets[0].path.path)
        for target in made.targets:
            turns.record_call(target.provider.id, target.account.id, now)
            loads.started(target.account.id)
            loads.ended(target.account.id, failed=target.account.id in down, now=now)
            turns.counter(target.path.path)
            if target.account.id not in down:
                by_account[target.account.id] += 1
                by_model[target.name] += 1
                break
        else:
            unserved[number] += 1
    return {account: served / well[account] for account, served in by_account.items()}, by_model, unserved


@pytest.mark.parametrize("strategy", ["round-robin", "p2c", "random", "least-used"])
def test_strategies_that_spread_give_each_healthy_account_its_part(strategy) -> None:
    by_account, _, unserved = day(Settings(strategy=strategy), Combo("mix", ("box/m",)), SHORT)
    assert not unserved
    assert len(by_account) == 4
    assert max(by_account.values()) < 1.3 * min(by_account.values()), by_account


def test_fill_first_leaves_its_first_only_when_that_fails() -> None:
    by_account, _, unserved = day(Settings(), Combo("mix", ("box/m",)), SHORT)
    assert not unserved
    ranked = [by_account.get(f"box{n}", 0.0) for n in range(4)]
    assert ranked == sorted(ranked, reverse=True)
    assert ranked[0] > 0.7 * sum(ranked)


def test_weights_hold_over_a_whole_day_of_failures() -> None:
    combo = Combo("mix", ("box/m", "barn/n"), "weighted", {"box/m": 3.0, "barn/n": 1.0})
    by_account, by_model, unserved = day(Settings(strategy="round-robin"), combo)
    assert not unserved
    assert 0.72 < by_model["box/m"] / REQUESTS < 0.78, by_model
    assert len(by_account) == 8, "no account starves"
