"""What is known about a provider's models: those of its row first, then what the price library knows."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from omniroute.catalog.price_library import priced
from omniroute.catalog.provider import Model, Provider
from omniroute.catalog.providers import PROVIDERS

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo

_PLAIN = re.compile(r"[\w.-]+(/[\w.-]+)*")
"""Variants behind a colon (batch, free) and the library's own shorthands are no models of their own."""

_OTHER = re.compile(r"audio|embed|guard|image|realtime|computer-use|claude-[23]")
"""What else the price table remembers: models for other work than chat, and families that were shut down."""

_GEMINI = re.compile(r"gemini-\d[\d.]*-(pro|flash|flash-lite)(-preview)?")
"""The library's Google has other makers' models too, and models of pictures, speech and robots."""

_TEXT = {"input_mtok", "output_mtok"}


def known_models(provider: Provider) -> tuple[Model, ...]:
    """List the models with their facts; kept, so only the first call for a provider takes time.

    The very first one imports the price library: call it off the event loop.
    """
    return provider.models if provider.node else _known(provider.id)


def facts(provider: Provider, model: str) -> Model | None:
    """Give what is known about one model; as slow as `known_models` at the first call for a provider."""
    return _by_id(provider.id).get(model) if not provider.node else None


@cache
def _by_id(provider_id: str) -> dict[str, Model]:
    return {model.id: model for model in _known(provider_id)}


@cache
def _known(provider_id: str) -> tuple[Model, ...]:
    row = next(provider for provider in PROVIDERS if provider.id == provider_id)
    library = priced(row)
    if library is None:
        return row.models
    found = {model.id: library.find_model(model.id) for model in row.models}
    listed = {info.id for info in found.values() if info}
    ours = [_with_facts(model, found[model.id]) for model in row.models]
    others = [_model(row, info) for info in library.models if info.id not in listed and _is_current(row, info)]
    return (*ours, *(model for model in others if model.id not in found))


def _with_facts(model: Model, found: ModelInfo | None) -> Model:
    if found is None or model.context is not None:
        return model
    return replace(model, context=found.context_window)


def _is_current(row: Provider, info: ModelInfo) -> bool:
    """Tell chat models that are still served from the long memory of a price table."""
    newest = info.prices[-1].prices if isinstance(info.prices, list) else info.prices
    prices = {key for key, value in vars(newest).items() if value is not None}
    return (
        not info.deprecated
        and info.context_window is not None
        and prices >= _TEXT
        and bool(_PLAIN.fullmatch(info.id))
        and not _OTHER.search(info.id)
        and (row.id != "openrouter" or "/" in info.id)
        and (row.id != "gemini" or bool(_GEMINI.fullmatch(info.id)))
    )


def _model(row: Provider, info: ModelInfo) -> Model:
    """Name a model as the provider's own API does: the library leaves out what is the same for all, and case."""
    match row.id:
        case "fireworks":
            return Model(f"accounts/fireworks/models/{info.id}", context=info.context_window)
        case "glm":
            return Model(info.id.lower(), context=info.context_window)
        case _:
            return Model(info.id, context=info.context_window)
