"""What a plan goes by beside the config: memory, dice, facts and prices, each passed in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from omniroute.catalog.models import facts
from omniroute.catalog.prices import expected
from omniroute.catalog.provider import Model, Provider
from omniroute.dialects.needs import Needs
from omniroute.routing.config import Config
from omniroute.routing.names import Names, without_suffix
from omniroute.routing.strategies import Dice, Seen
from omniroute.routing.turns import Turns


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the config. The defaults know nothing, and hold nothing against anybody."""

    seen: Seen = field(default_factory=lambda: Seen(Turns()))
    dice: Dice = lambda: 0.0
    facts: Callable[[Provider, str], Model | None] = lambda provider, model: None
    """What a model can do."""
    price: Callable[[Provider, str, int, int], float | None] = lambda provider, model, tokens_in, tokens_out: None
    """USD for so many tokens of input and output; None is unknown."""


def by_user(config: Config, seen: Seen, dice: Dice) -> Known:
    """Know what the user has said of models, and nothing else."""
    return Known(seen, dice, Names.of(config).added)


def by_catalog(config: Config, seen: Seen, dice: Dice, at: datetime) -> Known:
    """Know what the user has said of models, then what the catalog does, and prices as of `at`.

    The first question takes most of a second, as it reads the price library: not on the event loop.
    """
    names = Names.of(config)

    def about(provider: Provider, model: str) -> Model | None:
        found = names.added(provider, model) or facts(provider, model)
        return found or (facts(provider, without_suffix(model)) if model.endswith("]") else None)

    def price(provider: Provider, model: str, tokens_in: int, tokens_out: int) -> float | None:
        return expected(provider, without_suffix(model), tokens_in, tokens_out, at, config.prices)

    return Known(seen, dice, about, price)


NOTHING_KNOWN = Known()
NO_NEEDS = Needs({})
