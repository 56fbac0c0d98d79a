"""Combos: named lists of models."""

import json
from collections.abc import Sequence

from omniroute.routing.config import Combo
from omniroute.routing.near import near
from omniroute.routing.rules import COMBO_STRATEGIES
from omniroute.store import read
from omniroute.store.database import Store
from omniroute.store.files import StoreError
from omniroute.store.names import combo_name, model_name, offer
from omniroute.store.tables import Combos

MAX_MODELS = 50


def add(store: Store, name: str, models: Sequence[str], strategy: str = "priority") -> Combo:
    """Add a combo of models that all can be reached by name. Raises StoreError and keeps nothing then."""
    combo = Combo(combo_name(name), tuple(models), strategy)
    if strategy not in COMBO_STRATEGIES:
        raise StoreError(f"{strategy!r} is no strategy: it is one of {', '.join(COMBO_STRATEGIES)}")
    if not 1 <= len(combo.models) <= MAX_MODELS:
        raise StoreError(f"a combo takes 1 to {MAX_MODELS} models, and {name!r} has {len(combo.models)}")
    for place, model in enumerate(combo.models):
        if model in combo.models[:place]:
            raise StoreError(f"the combo {name!r} lists {model!r} twice")
    with store.change():
        known = {each.name for each in read.combos(store)}
        if name in known:
            raise StoreError(f"there is a combo {name!r} already: remove it first or choose another name")
        nodes = read.nodes(store)
        for model in combo.models:
            if model in known or model == name:
                raise StoreError(f"{model!r} is a combo itself: a combo lists models only")
            model_name(model, nodes)
        row = {"name": name, "models": json.dumps(combo.models), "strategy": strategy, "created_at": store.clock()}
        store.run(Combos.insert(**row))
    return combo


def find(store: Store, name: str) -> Combo:
    """Return the combo of that name or raise StoreError with near ones."""
    known = {combo.name: combo for combo in read.combos(store)}
    if name not in known:
        raise StoreError(f"there is no combo {name!r}{offer(near(name, list(known)))}")
    return known[name]


def remove(store: Store, name: str) -> None:
    with store.change():
        store.run(Combos.delete().where(Combos.name == find(store, name).name))
