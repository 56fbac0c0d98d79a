"""In which order the models of a combo are tried.

A strategy is a pure function from the models as written down to the order, so that a plan can be shown
without making a request.
"""

from collections.abc import Callable, Sequence

from omniroute.errors import GatewayError
from omniroute.routing.resolve import Leg

type Strategy = Callable[[Sequence[Leg]], list[Leg]]


def priority(legs: Sequence[Leg]) -> list[Leg]:
    """As they were written down."""
    return list(legs)


STRATEGIES: dict[str, Strategy] = {"priority": priority}


def strategy(name: str) -> Strategy:
    """Find a strategy by its name; GatewayError for one that a newer program has stored."""
    if found := STRATEGIES.get(name):
        return found
    raise GatewayError(f"there is no strategy {name!r}; there are: {', '.join(STRATEGIES)}")
