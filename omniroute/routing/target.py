"""Targets, excluded targets, and the facts that plans are made from."""

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
    """How a plan came to a model: by its name, a combo, or a chain."""

    place: str
    """Description for the reason: the requested name, a position in a combo, or a step of a chain."""
    combo: Combo | None = None
    """The combo that lists the model; its retries and deadlines apply."""
    path: tuple[tuple[str, str], ...] = ()
    """(combo, entry), outermost first."""


@dataclass(frozen=True, slots=True)
class Target:
    """An account and a model that could serve the request, and the dialect to use."""

    account: Account
    provider: Provider
    model: str
    dialect: DialectName
    path: RoutePath
    position_reason: str
    """Why the account has its position among those of its provider."""
    translated: str = ""
    not_before: float | None = None
    """Seconds of the epoch: the provider has said that an earlier request is useless."""

    @property
    def name(self) -> str:
        return f"{self.provider.prefix}/{self.model}"

    def is_named(self, asked: str) -> bool:
        """Return whether a requested name is this model itself, and no alias, combo or fallback."""
        return self.model in (asked, asked.partition("/")[2])

    @property
    def reason(self) -> str:
        return f"{self.path.place}, {self.position_reason}{self.translated}"


def lone_target(account: Account, provider: Provider) -> Target:
    """Make a target of an account alone, without a combo or a specific model."""
    return Target(account, provider, "-", next(iter(provider.paths)), RoutePath("asked for by name"), "")


@dataclass(frozen=True, slots=True)
class ExcludedTarget:
    """A target that cannot serve the request; `account` is a name, None for all accounts."""

    name: str
    account: str | None
    reason: str
    until: float | None = None
    """When it becomes available again, where only time excludes it; seconds of the epoch."""
    limited: bool = False
    """Whether a rate limit or quota of the provider excludes it until then."""
    unfit: bool = False
    """Whether the request exceeds the model's capabilities."""


@dataclass(frozen=True, slots=True)
class PlanContext:
    """Knowledge beside the configuration. The defaults know no model and report no cooldown."""

    state: RoutingState = field(default_factory=lambda: RoutingState(StrategyState()))
    random: Dice = lambda: 0.0
    facts: Callable[[Provider, str], Model | None] = lambda provider, model: None
    """Capabilities of a model; None if unknown."""
    price: Callable[[Provider, str, int, int], float | None] = lambda provider, model, tokens_in, tokens_out: None
    """Cost in USD of input and output tokens; None if unknown."""


def by_user(config: Config, seen: RoutingState, dice: Dice) -> PlanContext:
    """Make a context that only knows the models that the user added."""
    return PlanContext(seen, dice, ModelIndex.of(config).added)


def by_catalog(config: Config, seen: RoutingState, dice: Dice, at: datetime) -> PlanContext:
    """Make a context with the models of the user, then of the catalog, and with prices as of `at`.

    The first lookup loads the price library, which takes most of a second: not on the event loop.
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
