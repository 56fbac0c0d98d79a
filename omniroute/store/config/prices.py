"""Custom prices, which override those of the price library."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from omniroute.catalog.pricing import ALL_MODELS, CLASSES, Price, Rate, rates
from omniroute.catalog.provider import Provider
from omniroute.catalog.providers import PROVIDERS, find
from omniroute.config.model import Config
from omniroute.store.config import rows as read
from omniroute.store.config.validation import model_id, provider_id, quoted
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.tables import Prices

MOST = 100_000.0
"""Highest price in USD per million tokens, some hundred times that of the most expensive model."""


def load(store: Store) -> dict[tuple[str, str], Price]:
    """Return all custom prices: (provider id, model or `*`) -> price."""
    query = Prices.select().order_by(Prices.provider, Prices.model)
    return {
        (row["provider"], row["model"]): Price(**{name: row[name] for name in CLASSES}) for row in store.rows(query)
    }


def named(store: Store, ref: str) -> tuple[str, str]:
    """Parse `PROVIDER/MODEL`, or `PROVIDER/*` for all its models, into (provider id, model).

    Raises StoreError if invalid.
    """
    prefix, slash, model = ref.partition("/")
    if not slash or not model:
        raise StoreError(f"{quoted(ref)} names no model: say PROVIDER/MODEL, or PROVIDER/* for all of its models")
    owner = provider_id(prefix, read.nodes(store))
    return owner, ALL_MODELS if model == ALL_MODELS else model_id(model)


def put(store: Store, ref: str, price: Price) -> tuple[tuple[str, str], Price]:
    """Set the given token classes of a price and return its place and the whole price; other classes are unchanged.

    Raises StoreError for an unknown provider or a price out of range.
    """
    said = {name: value for name in CLASSES if (value := getattr(price, name)) is not None}
    for name, value in said.items():
        if not (isfinite(value) and 0 <= value <= MOST):
            raise StoreError(f"the price of {name} cannot be {value:g}: it takes 0 to {MOST:,.0f} USD a million tokens")
    with store.change():
        place = named(store, ref)
        held = load(store).get(place, Price())
        made = Price(**{name: said.get(name, getattr(held, name)) for name in CLASSES})
        _delete(store, place)
        store.run(Prices.insert(provider=place[0], model=place[1], **{name: getattr(made, name) for name in CLASSES}))
    return place, made


def reset(store: Store, ref: str) -> tuple[str, str]:
    """Delete a custom price, so that the price library applies, and return its place.

    Raises StoreError if none is set.
    """
    with store.change():
        place = named(store, ref)
        if not _delete(store, place):
            raise StoreError(f"no price is set for {quoted('/'.join(place))}")
    return place


def reset_all(store: Store) -> int:
    """Delete all custom prices and return how many there were."""
    with store.change():
        return store.run(Prices.delete())


def shown_as(store: Store, place: tuple[str, str]) -> str:
    """Return a (provider id, model) pair as `prefix/model`."""
    provider = find(place[0], read.nodes(store))
    return f"{provider.prefix if provider else place[0]}/{place[1]}"


def _delete(store: Store, place: tuple[str, str]) -> int:
    return store.run(Prices.delete().where((Prices.provider == place[0]) & (Prices.model == place[1])))


def rows(config: Config, seen: Iterable[tuple[str, str]], everything: bool) -> list[dict[str, Any]]:
    """List the prices of models that were used, are configured or have a custom price, in USD per million tokens.

    `seen` holds the used (provider id, model) pairs. A tiered price is `{"base": …, "over": {tokens: price}}`.
    `everything` adds all models of the price library.
    """
    from omniroute.catalog.models import known_models  # imported late, as it loads the price library

    places = {(owner, model): True for owner, model in config.prices}
    places |= {(owner, model.id): True for owner, added in config.models.items() for model in added}
    for combo in config.combos.values():
        for name in combo.models:
            prefix, _, model = name.partition("/")
            if (listed := find(prefix, config.nodes)) and model:
                places[listed.id, model] = True
    places |= dict.fromkeys(seen, True)
    for row in PROVIDERS if everything else ():
        places |= {(row.id, model.id): True for model in known_models(row)}
    found = [_row(config, owner, model) for owner, model in sorted(places)]
    return [row for row in found if row]


def _row(config: Config, owner: str, model: str) -> dict[str, Any]:
    provider = find(owner, config.nodes)
    if provider is None:
        return {}  # the node was removed
    found = rates(provider, model, datetime.now(UTC), config.prices)
    wide, exact = (asdict(config.prices.get((owner, of), Price())) for of in (ALL_MODELS, model))
    said = wide | {name: value for name, value in exact.items() if value is not None}
    own = [name for name in CLASSES if said[name] is not None]
    return {
        "model": f"{provider.prefix}/{model}",
        "provider": owner,
        **{name: _tiers(said[name] if model == ALL_MODELS else getattr(found, name)) for name in CLASSES},
        "known": None if model == ALL_MODELS else found.known,
        "set": own,
        "by": _by(provider, model, found.known, own),
    }


def _by(provider: Provider, model: str, known: bool, own: list[str]) -> str:
    if model == ALL_MODELS:
        return "set by you, for all models"
    if not known:
        return "unknown" if not own else "unknown: set --input and --output"
    return "set by you" if own else "price library"


def _tiers(found: Rate | float | None) -> Any:
    if not isinstance(found, Rate):
        return found
    if not found.tiers:
        return found.base
    return {"base": found.base, "over": {str(start): price for start, price in found.tiers}}
