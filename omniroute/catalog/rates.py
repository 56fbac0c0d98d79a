"""The arithmetic of prices: what tokens of each class cost, counted once each.

Every dialect's numbers are read into one form before they come here: the input includes what a cache gave
or took, the output includes reasoning. So nothing is added on top of them; what is cheaper or dearer than the
rest is taken out first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from omniroute.dialects.ir import Usage

EVERY = "*"
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

    def under(self, price: Price) -> "Rates":
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
