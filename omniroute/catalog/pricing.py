"""Cost of replies in USD: by the user's prices, then by the price library.

An unknown cost is None and never 0.
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


ALL_MODELS = "*"
"""Model name that stands for every model of a provider."""


@dataclass(frozen=True, slots=True)
class Price:
    """A price set by the user, in USD per million tokens; None keeps the price library's value of a class."""

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None


type Prices = Mapping[tuple[str, str], Price]
"""(provider id, model or `ALL_MODELS`) -> the user's price."""

CLASSES: tuple[str, ...] = tuple(field.name for field in fields(Price))


@dataclass(frozen=True, slots=True)
class Rate:
    """USD per million tokens, in tiers by input length."""

    base: float
    tiers: tuple[tuple[int, float], ...] = ()

    def at(self, tokens_in: int) -> float:
        """Return the rate for the whole request: that of the highest tier that its input reaches."""
        reached = self.base
        for start, price in self.tiers:
            if tokens_in > start:
                reached = price
        return reached


def rate(price: Any) -> Rate | None:
    """Convert a price of the library, which is a number or tiered; None if there is none."""
    if price is None:
        return None
    tiers = tuple((tier.start, float(tier.price)) for tier in getattr(price, "tiers", ()))
    return Rate(float(getattr(price, "base", price)), tiers)


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of a model per class of tokens; None is unknown.

    Where they have no rate of their own, cached tokens cost as much as input, and reasoning as output.
    """

    input: Rate | None = None
    output: Rate | None = None
    cache_read: Rate | None = None
    cache_write: Rate | None = None
    reasoning: Rate | None = None
    request: Rate | None = None
    """Additional USD per thousand requests; only from the price library, for models that search the web."""

    @property
    def known(self) -> bool:
        """Whether text input and output have a rate."""
        return self.input is not None and self.output is not None

    def under(self, price: Price) -> Rates:
        """Override the rates by the user's price, class by class."""
        said = {name: getattr(price, name) for name in CLASSES}
        return replace(self, **{name: Rate(value) for name, value in said.items() if value is not None})

    def cost(self, usage: Usage) -> float | None:
        """Compute the cost of a reply in USD; None for usage that is unknown or inconsistent, or has no rate."""
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
"""Class of tokens -> the library's name, where that differs."""
UNKNOWN = Rates()


def cost(provider: Provider, model: str, usage: Usage, at: datetime, prices: Prices = NO_PRICES) -> float | None:
    """Compute the cost of a reply in USD, as of the time `at` (UTC if it has no time zone).

    None for models and classes of tokens without a rate, and for usage that is unknown or inconsistent.
    The first call imports the library, so make it off the event loop.
    """
    if usage.input is None or usage.output is None:
        return None
    return rates(provider, model, at if at.tzinfo else at.replace(tzinfo=UTC), prices).cost(usage)


def rates(provider: Provider, model: str, at: datetime, prices: Prices = NO_PRICES) -> Rates:
    """Return the rates of a model: as set for it, else for its provider, else by the library."""
    return _over(provider.id, model, UNKNOWN if provider.node else _listed(provider.id, model, at), prices)


def expected(
    provider: Provider, model: str, tokens_in: int, tokens_out: int, at: datetime, prices: Prices = NO_PRICES
) -> float | None:
    """Compute the expected cost of a request in USD, as if none of it were cached; None is unknown.

    Fast, as it is used to compare targets: the library's rates of a model are cached for the day.
    """
    listed = UNKNOWN if provider.node else _of_day(provider.id, model, at.date())
    found = _over(provider.id, model, listed, prices)
    return found.cost(Usage(tokens_in, tokens_out)) if found.known else None


def _over(provider_id: str, model: str, listed: Rates, prices: Prices) -> Rates:
    if prices:
        for name in (ALL_MODELS, model.partition("[")[0], model):  # later ones are more specific
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
    """Import the price library and its table in advance, so that the first `cost` is not slow."""
    for provider in PROVIDERS:
        priced(provider)
