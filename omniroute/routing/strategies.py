"""Strategies: the order of a provider's accounts, and of a combo's models.

Pure: state and random numbers are arguments, so equal state gives equal orders. Every strategy returns each of its
inputs once: the first is tried, the others are for failover.
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
"""Returns a uniform random number in [0, 1)."""


type Resting = Callable[[Provider, Account, str], CooldownInfo | None]
"""Returns the cooldown of an account for a model, if there is one."""


def no_cooldowns(provider: Provider, account: Account, model: str) -> CooldownInfo | None:
    """Report no cooldown for any target."""
    return None


@dataclass(frozen=True, slots=True)
class RoutingState:
    """Observed state that an order may depend on."""

    counters: StrategyState
    load: Callable[[str], float] = lambda account: 0.0
    """Account id -> its load: exchanges in flight, plus the weight of a recent failure."""
    cooldown: Resting = no_cooldowns
    now: float = 0.0
    """Seconds of the epoch."""


@dataclass(frozen=True, slots=True)
class ComboOption:
    """One entry of a combo, with the values that strategies sort by."""

    name: str
    weight: float = 1.0
    used: int = 0
    """How often the combo has selected it."""
    price: float | None = None
    """Expected cost of the request in USD; None if unknown."""


type ByAccount = Callable[[Sequence[Account], RoutingState, Dice, int], list[Account]]
"""(accounts by priority and age, observed state, dice, sticky limit) -> their order."""
type ByChoice = Callable[[Sequence[ComboOption], int, Dice], list[ComboOption]]
"""(entries as listed, number of requests to the combo, dice) -> their order."""


def found[Strategy](strategies: Mapping[str, Strategy], name: str) -> Strategy:
    """Return a strategy by name. Raises GatewayError for an unknown one, such as a newer version may have stored."""
    if strategy := strategies.get(name):
        return strategy
    raise GatewayError(f"there is no strategy {name!r}; there are: {', '.join(strategies)}")


def shuffled[Thing](things: Sequence[Thing], dice: Dice) -> list[Thing]:
    """Shuffle by Fisher-Yates: every order is equally likely."""
    order = list(things)
    for last in range(len(order) - 1, 0, -1):
        other = int(dice() * (last + 1))
        order[last], order[other] = order[other], order[last]
    return order


def fill_first(accounts: Sequence[Account], seen: RoutingState, dice: Dice, sticky: int) -> list[Account]:
    """Order by priority: each account is used only when all before it fail."""
    return list(accounts)


def account_round_robin(accounts: Sequence[Account], seen: RoutingState, dice: Dice, sticky: int) -> list[Account]:
    """Stay on the last used account for `sticky` calls in a row, then go to the least recently used one."""
    order = least_used(accounts, seen, dice, sticky)
    newest = seen.counters.newest(accounts[0].provider) if accounts else None
    if newest is None or newest[1] >= sticky:
        return order
    return sorted(order, key=lambda account: account.id != newest[0])


def p2c(accounts: Sequence[Account], seen: RoutingState, dice: Dice, sticky: int) -> list[Account]:
    """Power of two choices: draw two at random and take the one with the lower load; repeat with the rest."""
    left, order = list(accounts), []
    while len(left) > 1:
        first = int(dice() * len(left))
        second = (first + 1 + int(dice() * (len(left) - 1))) % len(left)
        better = first if seen.load(left[first].id) <= seen.load(left[second].id) else second
        order.append(left.pop(better))
    return order + left


def account_random(accounts: Sequence[Account], seen: RoutingState, dice: Dice, sticky: int) -> list[Account]:
    """Order at random."""
    return shuffled(accounts, dice)


def least_used(accounts: Sequence[Account], seen: RoutingState, dice: Dice, sticky: int) -> list[Account]:
    """Order by last use, oldest first; accounts never used come first, by priority."""
    return sorted(accounts, key=lambda account: seen.counters.serial(account.id))


ACCOUNT: Mapping[str, ByAccount] = {
    "fill-first": fill_first,
    "round-robin": account_round_robin,
    "p2c": p2c,
    "random": account_random,
    "least-used": least_used,
    # All accounts of a provider have the same prices, so only priority distinguishes them.
    "cost-optimized": fill_first,
}


def priority(choices: Sequence[ComboOption], turn: int, dice: Dice) -> list[ComboOption]:
    """Keep the order of the configuration."""
    return list(choices)


def round_robin(choices: Sequence[ComboOption], turn: int, dice: Dice) -> list[ComboOption]:
    """Start one entry further with each request."""
    start = turn % len(choices) if choices else 0
    return [*choices[start:], *choices[:start]]


def random(choices: Sequence[ComboOption], turn: int, dice: Dice) -> list[ComboOption]:
    """Order at random."""
    return shuffled(choices, dice)


def weighted(choices: Sequence[ComboOption], turn: int, dice: Dice) -> list[ComboOption]:
    """Draw the first by weight; the others follow by falling weight. If all weights are 0, draw uniformly."""
    if not choices:
        return []
    sums = list(accumulate(choice.weight for choice in choices))
    if not sums[-1]:
        sums = list(range(1, len(choices) + 1))
    drawn = dice() * sums[-1]
    # With tiny weights, rounding may draw a number beyond all sums.
    first = next((place for place, reached in enumerate(sums) if drawn < reached), sums.index(sums[-1]))
    others = [choice for place, choice in enumerate(choices) if place != first]
    return [choices[first], *sorted(others, key=lambda choice: -choice.weight)]


def combo_least_used(choices: Sequence[ComboOption], turn: int, dice: Dice) -> list[ComboOption]:
    """Order by how often the combo has selected each entry, least first."""
    return sorted(choices, key=lambda choice: choice.used)


def cost_optimized(choices: Sequence[ComboOption], turn: int, dice: Dice) -> list[ComboOption]:
    """Order by expected cost, lowest first; unknown prices come last."""
    return sorted(choices, key=lambda choice: inf if choice.price is None else choice.price)


COMBO: Mapping[str, ByChoice] = {
    "priority": priority,
    "round-robin": round_robin,
    "random": random,
    "weighted": weighted,
    "least-used": combo_least_used,
    "cost-optimized": cost_optimized,
}
