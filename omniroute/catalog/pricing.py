"""What a reply has cost, in USD: by what somebody has set, then by the price library.

Unknown stays unknown and is never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from omniroute.catalog.price_library import priced, priced_by_id
from omniroute.catalog.provider import Provider
from omniroute.catalog.providers import PROVIDERS
from omniroute.dialects.ir import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo


PER_MILLION = "*"
"""Stands for every model of a provider."""


@dataclass(frozen=True, slots=True)
class Price:
    """What somebody has set, in USD for a million tokens; None leaves a class as the price library has it."""

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None


type Prices = Mapping[tuple[str, str], Price]
"""(provider id, model or `EVERY`) -> what is set."""

CLASSES: tuple[str, ...] = tuple(field.name for field in fields(Price))


@dataclass(frozen=True, slots=True)
class Rate:
    """USD for a million tokens, by how long the input is."""

    base: float
    tiers: tuple[tuple[int, float], ...] = ()

    def at(self, tokens_in: int) -> float:
        """Charge the whole request by the highest tier that its input reaches."""
        reached = self.base
        for start, price in self.tiers:
            if tokens_in > start:
                reached = price
        return reached


def rate(price: Any) -> Rate | None:
    """Take a price as the library has it: a number, or one with tiers."""
    if price is None:
        return None
    tiers = tuple((tier.start, float(tier.price)) for tier in getattr(price, "tiers", ()))
    return Rate(float(getattr(price, "base", price)), tiers)


@dataclass(frozen=True, slots=True)
class Rates:
    """What the classes of tokens of one model cost; None is unknown.

    Where only the rest is priced, cached tokens cost what input does, and reasoning what output does.
    """

    input: Rate | None = None
    output: Rate | None = None
    cache_read: Rate | None = None
    cache_write: Rate | None = None
    reasoning: Rate | None = None
    request: Rate | None = None
    """USD for a thousand requests, on top; only the price library says that, of models that search."""

    @property
    def known(self) -> bool:
        """Whether an answer in text has a price."""
        return self.input is not None and self.output is not None

    def under(self, price: Price) -> Rates:
        """Put what somebody has set over it, class by class."""
        said = {name: getattr(price, name) for name in CLASSES}
        return replace(self, **{name: Rate(value) for name, value in said.items() if value is not None})

    def cost(self, usage: Usage) -> float | None:
        """Add up what a reply has cost; None for usage that is unknown or contradicts itself, or has no price."""
        if usage.input is None or usage.output is None:
            return None
        read, written, thought = usage.cache_read or 0, usage.cache_write or 0, usage.reasoning or 0
        fresh, said = usage.input - read - written, usage.output - thought
        if min(fresh, said, read, written, thought) < 0:
            return None
        if self.input is None or (usage.output and self.output is None):
            return None
        n = usage.input
        into = fresh * self.input.at(n)
        into += read * (self.cache_read or self.input).at(n)
        into += written * (self.cache_write or self.input).at(n)
        into += 1000 * self.request.at(n) if self.request else 0
        if self.output is None:
            return into / 1_000_000
        return (into + said * self.output.at(n) + thought * (self.reasoning or self.output).at(n)) / 1_000_000


NO_PRICES: Prices = MappingProxyType({})
NAMES = {"reasoning": "output_reasoning_mtok", "request": "requests_kcount"}
"""How the library calls a class where that is not the class's own name."""
UNKNOWN = Rates()


def cost(provider: Provider, model: str, usage: Usage, at: datetime, prices: Prices = NO_PRICES) -> float | None:
    """Price a reply as at the time `at` (UTC where it names no zone).

    None for models and kinds of tokens without a price, and for usage that is unknown or contradicts itself.
    The first call imports the library, so call it off the event loop.
    """
    if usage.input is None or usage.output is None:
        return None
    return rates(provider, model, at if at.tzinfo else at.replace(tzinfo=UTC), prices).cost(usage)


def rates(provider: Provider, model: str, at: datetime, prices: Prices = NO_PRICES) -> Rates:
    """Give what each class of tokens costs: as set for the model, else for its provider, else by the library."""
    return _over(provider.id, model, UNKNOWN if provider.node else _listed(provider.id, model, at), prices)


def expected(
    provider: Provider, model: str, tokens_in: int, tokens_out: int, at: datetime, prices: Prices = NO_PRICES
) -> float | None:
    """Price a request that has not been made, in USD, as if nothing of it were cached; None is unknown.

    For comparing, so it is quick: what the library says of a model is kept for the day.
    """
    listed = UNKNOWN if provider.node else _of_day(provider.id, model, at.date())
    found = _over(provider.id, model, listed, prices)
    return found.cost(Usage(tokens_in, tokens_out)) if found.known else None


def _over(provider_id: str, model: str, listed: Rates, prices: Prices) -> Rates:
    if prices:
        for name in (PER_MILLION, model.partition("[")[0], model):  # the later the more exact
            if said := prices.get((provider_id, name)):
                listed = listed.under(said)
    return listed


@lru_cache(maxsize=4096)
def _of_day(provider_id: str, model: str, day: date) -> Rates:
    return _listed(provider_id, model, datetime(day.year, day.month, day.day, 12, tzinfo=UTC))


def _listed(provider_id: str, model: str, at: datetime) -> Rates:
    if (found := _found(provider_id, model)) is None:
        return UNKNOWN
    listed = vars(found.get_prices(at))
    return Rates(**{name: rate(listed.get(NAMES.get(name, f"{name}_mtok"))) for name in (*CLASSES, "request")})


@lru_cache(maxsize=4096)
def _found(provider_id: str, model: str) -> ModelInfo | None:
    known = priced_by_id(provider_id)
    return known.find_model(model) if known else None


def load() -> None:
    """Import the price library and its table, so that the first `cost` takes no longer than the others."""
    for provider in PROVIDERS:
        priced(provider)
