"""The way to the price library: which of its providers is ours.

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
"""Our id -> the library's. NVIDIA is not in it: its endpoint is a trial without prices."""


def priced(provider: Provider) -> PricedProvider | None:
    """Give what the library knows about a provider; nothing about a node, whatever its prefix."""
    return None if provider.node else priced_by_id(provider.id)


@cache
def priced_by_id(provider_id: str) -> PricedProvider | None:
    """Give what the library knows about a row of the catalog."""
    from genai_prices.data_snapshot import get_snapshot

    name = NAMES.get(provider_id)
    return next((known for known in get_snapshot().providers if known.id == name), None)
