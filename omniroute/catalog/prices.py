"""What a reply has cost, in USD, by the price library; unknown stays unknown and is never 0."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from omniroute.catalog.library import priced, priced_by_id
from omniroute.catalog.provider import Provider
from omniroute.catalog.providers import PROVIDERS
from omniroute.dialects.ir import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo
    from genai_prices.types import Provider as PricedProvider


def cost(provider: Provider, model: str, usage: Usage, at: datetime) -> float | None:
    """Price a reply as on the day of `at` (UTC where it names no zone).

    None for nodes, for models and kinds of tokens without a price, and for usage that is unknown or
    contradicts itself. The first call imports the library, so call it off the event loop.
    """
    if usage.input is None or usage.output is None:
        return None
    known = priced(provider)
    found = known.find_model(model) if known else None
    if known is None or found is None:
        return None
    return _price(known, found, usage, at if at.tzinfo else at.replace(tzinfo=UTC))


def _price(known: PricedProvider, found: ModelInfo, usage: Usage, at: datetime) -> float | None:
    from genai_prices import Usage as Counted

    # The library adds up what has a price: tokens without one would be free instead of unknown.
    prices = vars(found.get_prices(at))
    if prices.get("input_mtok") is None or (usage.output and prices.get("output_mtok") is None):
        return None
    try:
        # Its input includes what the cache gave and took, its output includes reasoning, just as ours do.
        counted = Counted(
            input_tokens=usage.input,
            output_tokens=usage.output,
            cache_read_tokens=usage.cache_read,
            cache_write_tokens=usage.cache_write,
            output_reasoning_tokens=usage.reasoning,
        )
        return float(found.calc_price(counted, known, genai_request_timestamp=at).total_price)
    except (ValueError, OverflowError):  # negative counts, or more from the cache than there was input
        return None


def expected(provider: Provider, model: str, tokens_in: int, tokens_out: int, at: datetime) -> float | None:
    """Price a request that has not been made, in USD, as if nothing of it were cached; None is unknown.

    For comparing, so it is quick: what the library says of a model is kept for the day.
    """
    rates = None if provider.node else _rates(provider.id, model, at.date())
    if rates is None:
        return None
    into, out = rates
    return (into.at(tokens_in) * tokens_in + out.at(tokens_in) * tokens_out) / 1_000_000


@dataclass(frozen=True, slots=True)
class _Rate:
    """USD for a million tokens, by how long the input is."""

    base: float
    tiers: tuple[tuple[int, float], ...]

    def at(self, tokens_in: int) -> float:
        """Charge the whole request by the highest tier that its input reaches."""
        reached = self.base
        for start, price in self.tiers:
            if tokens_in > start:
                reached = price
        return reached


@lru_cache(maxsize=4096)
def _rates(provider_id: str, model: str, day: date) -> tuple[_Rate, _Rate] | None:
    found = known.find_model(model) if (known := priced_by_id(provider_id)) else None
    prices = vars(found.get_prices(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))) if found else {}
    into, out = prices.get("input_mtok"), prices.get("output_mtok")
    return None if into is None or out is None else (_rate(into), _rate(out))


def _rate(price: Any) -> _Rate:
    tiers = tuple((tier.start, float(tier.price)) for tier in getattr(price, "tiers", ()))
    return _Rate(float(getattr(price, "base", price)), tiers)


def load() -> None:
    """Import the price library and its table, so that the first `cost` takes no longer than the others."""
    for provider in PROVIDERS:
        priced(provider)
