"""In which order accounts, and the models of a combo, are asked.

Pure: what is remembered and the dice are arguments, so equal state gives equal orders. Every strategy gives
each of what it was given, once: the first is asked, the others are there for when it fails.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf

from omniroute.catalog.provider import Provider
from omniroute.config.model import Account
from omniroute.errors import GatewayError
from omniroute.routing.health import CooldownInfo
from omniroute.routing.strategy_state import StrategyState

type Dice = Callable[[], float]
"""Gives a number from 0 up to, but not including, 1 with each call, all equally often."""


type Resting = Callable[[Provider, Account, str], CooldownInfo | None]
"""Says why an account is not to be asked for a model now."""


def no_cooldowns(provider: Provider, account: Account, model: str) -> CooldownInfo | None:
    """Hold nothing against anybody."""
    return None


@dataclass(frozen=True, slots=True)
class RoutingState:
    """What the gateway has seen so far, as far as an order may depend on it."""

    counters: StrategyState
    load: Callable[[str], float] = lambda account: 0.0
    """Account id -> how badly it stands: exchanges in flight, and ten for each failure since it last answered."""
    cooldown: Resting = no_cooldowns
    now: float = 0.0
    """Seconds of the epoch."""


@dataclass(frozen=True, slots=True)
class ComboOption:
    """One of the things that a combo lists."""

    name: str
    weight: float = 1.0
    used: int = 0
    """How often the combo has led to it."""
    price: float | None = None
    """USD that the request is expected to cost there; None is unknown."""


type ByAccount = Callable[[Sequence[Account], RoutingState, Dice, int], list[Account]]
"""(accounts in the order of priority and age, what was seen, dice, sticky limit) -> their order."""
type ByChoice = Callable[[Sequence[ComboOption], int, Dice], list[ComboOption]]
"""(choices as they are listed, how often the combo has been asked, dice) -> their order."""


def found[Strategy](strategies: Mapping[str, Strategy], name: str) -> Strategy:
    """Find a strategy by its name; GatewayError for one that a newer program has stored."""
    if strategy := strategies.get(name):
        return strategy
    raise GatewayError(f"there is no strategy {name!r}; there are: {', '.join(strategies)}")


def shuffled[Thing](things: Sequence[Thing], dice: Dice) -> list[Thing]:
    """Shuffle as Fisher and Yates do: every order is equally likely."""
    order = list(things)
    for last in range(len(order) - 1, 0, -1):
        other = int(dice() * (last + 1))
        order[last], order[other] = order[other], order[last]
    return order


def fill_first(accounts: Sequence[Account], seen: RoutingState, dice: Dice, sticky: int) -> list[Account]:
    """By priority: the next one is asked only when all before it cannot answer."""
    return list(accounts)


def account_round_robin(accounts: Sequence[Account], seen: RoutingState, dice: Dice, sticky: int) -> list[Account]:
    """Stay on the account that was asked last for `sticky` calls in a row, then go to the one that waits longest."""
    order = least_used(accounts, seen, dice, sticky)
    newest = seen.counters.newest(accounts[0].provider) if accounts else None
    if newest is None or newest[1] >= sticky:
        return order
    return sorted(order, key=lambda account: account.id != newest[0])


def p2c(accounts: Sequence[Account], seen: RoutingState, dice: Dice, sticky: int) -> list[Account]:
    """Draw two at random and take the one that stands better; again among the rest."""
    left, order = list(accounts), []
    while len(left) > 1:
        first = int(dice() * len(left))
        second = (first + 1 + int(dice() * (len(left) - 1))) % len(left)
        better = first if seen.load(left[first].id) <= seen.load(left[second].id) else second
        order.append(left.pop(better))
    return order + left


def account_random(accounts: Sequence[Account], seen: RoutingState, dice: Dice, sticky: int) -> list[Account]:
    """Shuffle."""
    return shuffled(accounts, dice)


def least_used(accounts: Sequence[Account], seen: RoutingState, dice: Dice, sticky: int) -> list[Account]:
    """Take first who was not asked for the longest time; who never was, by priority."""
    return sorted(accounts, key=lambda account: seen.counters.serial(account.id))


ACCOUNT: Mapping[str, ByAccount] = {
    "fill-first": fill_first,
    "round-robin": account_round_robin,
    "p2c": p2c,
    "random": account_random,
    "least-used": least_used,
    # The accounts of one provider have one price list, so that priority alone tells them apart.
    "cost-optimized": fill_first,
}


def priority(choices: Sequence[ComboOption], turn: int, dice: Dice) -> list[ComboOption]:
    """As they were written down."""
    return list(choices)


def round_robin(choices: Sequence[ComboOption], turn: int, dice: Dice) -> list[ComboOption]:
    """Start one further down with each request."""
    start = turn % len(choices) if choices else 0
    return [*choices[start:], *choices[:start]]


def random(choices: Sequence[ComboOption], turn: int, dice: Dice) -> list[ComboOption]:
    """Shuffle."""
    return shuffled(choices, dice)


def weighted(choices: Sequence[ComboOption], turn: int, dice: Dice) -> list[ComboOption]:
    """Draw the first by weight; the others follow by falling weight. All without weight are equal."""
    if not choices:
        return []
    sums = list(accumulate(choice.weight for choice in choices))
    if not sums[-1]:
        sums = list(range(1, len(choices) + 1))
    drawn = dice() * sums[-1]
    # Of weights next to nothing, rounding may draw what lies behind them all.
    first = next((place for place, reached in enumerate(sums) if drawn < reached), sums.index(sums[-1]))
    others = [choice for place, choice in enumerate(choices) if place != first]
    return [choices[first], *sorted(others, key=lambda choice: -choice.weight)]


def combo_least_used(choices: Sequence[ComboOption], turn: int, dice: Dice) -> list[ComboOption]:
    """Take first what the combo has led to least often."""
    return sorted(choices, key=lambda choice: choice.used)


def cost_optimized(choices: Sequence[ComboOption], turn: int, dice: Dice) -> list[ComboOption]:
    """Take first what this request is expected to cost least at; unknown prices come last."""
    return sorted(choices, key=lambda choice: inf if choice.price is None else choice.price)


COMBO: Mapping[str, ByChoice] = {
    "priority": priority,
    "round-robin": round_robin,
    "random": random,
    "weighted": weighted,
    "least-used": combo_least_used,
    "cost-optimized": cost_optimized,
}
