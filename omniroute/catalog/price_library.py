"""Access to the price library, and the mapping of provider ids.

Importing it takes most of a second, so it is imported at the first use, off the event loop.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from omniroute.catalog.provider import Provider

if TYPE_CHECKING:
    from genai_prices.types import Provider as PricedProvider

NAMES = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "openrouter": "openrouter",
    "deepseek": "deepseek",
    "groq": "groq",
    "xai": "x-ai",
    "mistral": "mistral",
    "perplexity": "perplexity",
    "together": "together",
    "fireworks": "fireworks",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "glm": "zai",
    "minimax": "minimax",
    "kimi": "moonshotai",
}
"""Our provider id -> the library's. NVIDIA is missing: its endpoint is a trial without prices."""


def priced(provider: Provider) -> PricedProvider | None:
    """Return the library's entry for a provider; None for a node, whatever its prefix."""
    return None if provider.node else priced_by_id(provider.id)


@cache
def priced_by_id(provider_id: str) -> PricedProvider | None:
    """Return the library's entry for a provider of the catalog; None if it has none."""
    from genai_prices.data_snapshot import get_snapshot

    name = NAMES.get(provider_id)
    return next((known for known in get_snapshot().providers if known.id == name), None)
