"""What a plan goes by beside the config: memory, dice, facts and prices, each passed in."""

from collections.abc import Callable
from dataclasses import dataclass, field

from omniroute.catalog.provider import Model, Provider
from omniroute.dialects.needs import Needs
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


NOTHING_KNOWN = Known()
NO_NEEDS = Needs({})
