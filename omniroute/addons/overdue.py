"""The deadline of a whole request: whom there is still time to ask, and what is said when it is over."""

from math import inf

from omniroute.errors import TimedOut
from omniroute.exchange import Exchange
from omniroute.routing.patience import deadline_of
from omniroute.routing.plan import Target
from omniroute.routing.rules import Rules


def end_of(exchange: Exchange, target: Target, rules: Rules) -> float | None:
    """Give when an exchange is too late at a target, on the runtime's clock; None for never."""
    total = deadline_of(target, "total", rules)
    return exchange.received + total if total else None


def last_moment(exchange: Exchange, rules: Rules) -> float:
    """Give when it is too late for all targets that are yet to be asked."""
    return max((_end(exchange, target, rules) for target in exchange.open), default=inf)


def in_time(exchange: Exchange, now: float) -> list[Target]:
    """Give the open targets that there is time for; TimedOut when it is too late for all of them."""
    if not exchange.config.hurries:
        return exchange.open
    rules = exchange.config.rules
    left = still_open(exchange, now)
    if not left:
        seconds = max(deadline_of(target, "total", rules) for target in exchange.open)
        tried = "; ".join(map(str, exchange.failures()))
        raise TimedOut(f"the deadline for the whole request of {seconds:g} s has passed{tried and f': {tried}'}")
    return left


def still_open(exchange: Exchange, now: float) -> list[Target]:
    """Give the open targets that there is time for."""
    return [target for target in exchange.open if _end(exchange, target, exchange.config.rules) > now]


def _end(exchange: Exchange, target: Target, rules: Rules) -> float:
    end = end_of(exchange, target, rules)
    return inf if end is None else end
