"""Who could serve a request, with the reason, and what could not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from omniroute.catalog.models import facts
from omniroute.catalog.pricing import expected
from omniroute.catalog.provider import DialectName, Model, Provider
from omniroute.config.model import Account, Combo, Config
from omniroute.dialects.requirements import Needs
from omniroute.routing.model_index import ModelIndex, without_suffix
from omniroute.routing.strategies import Dice, RoutingState
from omniroute.routing.strategy_state import StrategyState


@dataclass(frozen=True, slots=True)
class RoutePath:
    """What led to a model."""

    place: str
    """What was asked for, a place in a combo, a step of a chain."""
    combo: Combo | None = None
    """The combo that lists the model, whose tries and deadlines count."""
    path: tuple[tuple[str, str], ...] = ()
    """(combo, what it lists), from the outermost in."""


@dataclass(frozen=True, slots=True)
class Target:
    """An account and a model that could serve the request, and the dialect in which they are asked."""

    account: Account
    provider: Provider
    model: str
    dialect: DialectName
    path: RoutePath
    position_reason: str
    """Why the account stands where it does among those of its provider."""
    translated: str = ""
    not_before: float | None = None
    """Seconds of the epoch: the provider has said that asking earlier is of no use."""

    @property
    def name(self) -> str:
        return f"{self.provider.prefix}/{self.model}"

    def is_named(self, asked: str) -> bool:
        """Tell whether a client that asks for this means the very model, and no alias, combo or fallback."""
        return self.model in (asked, asked.partition("/")[2])

    @property
    def reason(self) -> str:
        return f"{self.path.place}, {self.position_reason}{self.translated}"


def lone_target(account: Account, provider: Provider) -> Target:
    """Make a target of an account alone: asked by nobody's combo, for no model in particular."""
    return Target(account, provider, "-", next(iter(provider.paths)), RoutePath("asked for by name"), "")


@dataclass(frozen=True, slots=True)
class ExcludedTarget:
    """What the name stands for too but cannot serve the request; `account` is a name, None for all accounts."""

    name: str
    account: str | None
    reason: str
    until: float | None = None
    """When it may be asked again, where that is all that keeps it out; seconds of the epoch."""
    limited: bool = False
    """It is the provider's own limit that keeps it out until then."""
    unfit: bool = False
    """It could serve others, but asks more of the model than that can take."""


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What is known beside the config. The defaults know nothing, and hold nothing against anybody."""

    state: RoutingState = field(default_factory=lambda: RoutingState(StrategyState()))
    random: Dice = lambda: 0.0
    facts: Callable[[Provider, str], Model | None] = lambda provider, model: None
    """What a model can do."""
    price: Callable[[Provider, str, int, int], float | None] = lambda provider, model, tokens_in, tokens_out: None
    """USD for so many tokens of input and output; None is unknown."""


def by_user(config: Config, seen: RoutingState, dice: Dice) -> PlanContext:
    """Know what the user has said of models, and nothing else."""
    return PlanContext(seen, dice, ModelIndex.of(config).added)


def by_catalog(config: Config, seen: RoutingState, dice: Dice, at: datetime) -> PlanContext:
    """Know what the user has said of models, then what the catalog does, and prices as of `at`.

    The first question takes most of a second, as it reads the price library: not on the event loop.
    """
    names = ModelIndex.of(config)

    def about(provider: Provider, model: str) -> Model | None:
        found = names.added(provider, model) or facts(provider, model)
        return found or (facts(provider, without_suffix(model)) if model.endswith("]") else None)

    def price(provider: Provider, model: str, tokens_in: int, tokens_out: int) -> float | None:
        return expected(provider, without_suffix(model), tokens_in, tokens_out, at, config.prices)

    return PlanContext(seen, dice, about, price)


EMPTY_CONTEXT = PlanContext()
NO_NEEDS = Needs({})
