"""Fallback chains: models that are tried after all targets of the requested model have failed."""

import json
from collections.abc import Sequence

from omniroute.config.model import Chain
from omniroute.routing.suggestions import close_matches
from omniroute.store.config import rows
from omniroute.store.config.combos import MAX_MODELS
from omniroute.store.config.validation import combo_name, listed_name, patterns, suggest
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.tables import FallbackChains


def add(store: Store, name: str, models: Sequence[str], serves: Sequence[str] = ()) -> Chain:
    """Add a chain after the existing ones.

    Raises StoreError, and stores nothing, for an invalid name or pattern, an unknown or repeated model, or a name in
    use.
    """
    chain = Chain(combo_name(name, "a chain"), tuple(models), patterns(serves))
    if not 1 <= len(chain.models) <= MAX_MODELS:
        raise StoreError(
            f"a chain takes 1 to {MAX_MODELS} models, and {name!r} has {len(chain.models)}", field="models"
        )
    for place, model in enumerate(chain.models):
        if model in chain.models[:place]:
            raise StoreError(f"the chain {name!r} lists {model!r} twice", field="models")
    with store.change():
        known = {each.name for each in rows.chains(store)}
        if name in known:
            raise StoreError(f"there is a chain {name!r} already: remove it first or choose another name", field="name")
        combos = {combo.name for combo in rows.combos(store)}
        nodes, added = rows.nodes(store), rows.models(store)
        for model in chain.models:
            if model == name or model in known:
                whose = "itself" if model == name else f"the chain {model!r}"
                raise StoreError(
                    f"the chain {name!r} names {whose}: a chain lists models only, so that it has an end",
                    field="models",
                )
            if model in combos:
                raise StoreError(
                    f"{model!r} is a combo: a chain lists models only, so that it has an end", field="models"
                )
            listed_name(model, nodes, added)
        row = {"models": json.dumps(chain.models), "serves": json.dumps(chain.serves)}
        store.run(FallbackChains.insert(name=name, created_at=store.clock(), **row))
    return chain


def find(store: Store, name: str) -> Chain:
    """Return the chain with this name, or raise StoreError with similar names."""
    known = {chain.name: chain for chain in rows.chains(store)}
    if name not in known:
        raise StoreError(f"there is no chain {name!r}{suggest(close_matches(name, list(known)))}")
    return known[name]


def remove(store: Store, name: str) -> None:
    with store.change():
        store.run(FallbackChains.delete().where(FallbackChains.name == find(store, name).name))
