"""Known models of each provider: those of the catalog, then those of the price library."""

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
"""Ids of proper models: variants after a colon (batch, free) and shorthands of the library do not match."""

_OTHER = re.compile(r"audio|embed|guard|image|realtime|computer-use|claude-[23]")
"""Models of the price library to leave out: those not for chat, and retired families."""

_GEMINI = re.compile(r"gemini-\d[\d.]*-(pro|flash|flash-lite)(-preview)?")
"""The library's Google also lists models of other makers, and image, speech and robotics models."""

_TEXT = {"input_mtok", "output_mtok"}


def known_models(provider: Provider) -> tuple[Model, ...]:
    """List the models of a provider with their facts. Cached, so only the first call for a provider takes time.

    The very first call imports the price library, so make it off the event loop.
    """
    return provider.models if provider.node else _known(provider.id)


def facts(provider: Provider, model: str) -> Model | None:
    """Return the facts of one model, or None; as slow as `known_models` at the first call for a provider."""
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
    """Return whether an entry of the price table is a chat model that is still served."""
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
    """Build a model with the id of the provider's own API, as the library omits common prefixes and case."""
    match row.id:
        case "fireworks":
            return Model(f"accounts/fireworks/models/{info.id}", context=info.context_window)
        case "glm":
            return Model(info.id.lower(), context=info.context_window)
        case _:
            return Model(info.id, context=info.context_window)
