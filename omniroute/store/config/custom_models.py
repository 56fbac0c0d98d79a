"""Custom models: models that the user adds to a provider, or whose catalog entry the user overrides."""

from omniroute.catalog.provider import Model
from omniroute.routing.suggestions import close_matches
from omniroute.store.config import rows
from omniroute.store.config.validation import label, model_id, provider_id, suggest
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.tables import CustomModels

MOST_TOKENS = 1_000_000_000


def add(store: Store, provider: str, model: Model) -> str:
    """Add a custom model, or replace its stored properties, and return the id of its provider.

    Raises StoreError for an unknown provider, an invalid name, or a number of tokens out of range.
    """
    model_id(model.id)
    if model.name is not None:
        label(model.name, "a model")
    for what, tokens in (("the context", model.context), ("the longest answer", model.max_output)):
        if tokens is not None and not 1 <= tokens <= MOST_TOKENS:
            raise StoreError(f"{what} of {model.id!r} is {tokens}: it takes 1 to {MOST_TOKENS:,} tokens")
    with store.change():
        owner = provider_id(provider, rows.nodes(store))
        _delete(store, owner, model.id)
        facts = {name: getattr(model, name) for name in ("name", "context", "max_output", "images", "tools")}
        store.run(CustomModels.insert(provider=owner, model=model.id, created_at=store.clock(), **facts))
    return owner


def remove(store: Store, provider: str, model: str) -> str:
    """Remove a custom model and return the id of its provider; raise StoreError if it does not exist."""
    with store.change():
        owner = provider_id(provider, rows.nodes(store))
        if not _delete(store, owner, model):
            known = [added.id for added in rows.models(store).get(owner, ())]
            raise StoreError(f"no model {model!r} was added to {owner}{suggest(close_matches(model, known))}")
    return owner


def _delete(store: Store, owner: str, model: str) -> int:
    return store.run(CustomModels.delete().where((CustomModels.provider == owner) & (CustomModels.model == model)))
