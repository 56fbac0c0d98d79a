"""What a reply has cost, in USD, by the price library; unknown stays unknown and is never 0."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from omniroute.catalog.library import priced
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


def load() -> None:
    """Import the price library and its table, so that the first `cost` takes no longer than the others."""
    for provider in PROVIDERS:
        priced(provider)
