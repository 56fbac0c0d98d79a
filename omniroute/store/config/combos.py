"""Combos: named lists of models and of other combos."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from math import isfinite

from omniroute.config.model import Combo
from omniroute.config.settings import COMBO_STRATEGIES, RetrySettings
from omniroute.config.settings_registry import SETTINGS
from omniroute.routing.resolve import MAX_DEPTH
from omniroute.routing.suggestions import close_matches
from omniroute.store.config import rows
from omniroute.store.config.validation import combo_name, listed_name, suggest
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.state_tables import ComboCalls
from omniroute.store.db.tables import Combos

MAX_MODELS = 50
MAX_LEAVES = 500
"""Maximum number of models in a combo including its nested combos; each request plans all of them."""
MAX_WEIGHT = 1_000_000.0
NO_TRIES = RetrySettings()


def add(
    store: Store,
    name: str,
    models: Sequence[str],
    strategy: str | None = None,
    weights: Mapping[str, float] | None = None,
    tries: RetrySettings = NO_TRIES,
) -> Combo:
    """Add a combo. Raises StoreError, and stores nothing, when the name is taken or the combo is not valid."""
    combo = Combo(combo_name(name), tuple(models), strategy, dict(weights or {}), tries)
    with store.change():
        known = {each.name: each for each in rows.combos(store)}
        if name in known:
            raise StoreError(
                f"there is a combo {name!r} already: edit or remove it, or choose another name", field="name"
            )
        _check(store, combo, known)
        store.run(Combos.insert(**_row(combo), created_at=store.clock()))
    return combo


def edit(store: Store, name: str, changed: Callable[[Combo], Combo]) -> Combo:
    """Replace a combo by the result of `changed`, within one transaction, and return it. Raises StoreError like `add`.

    Weights of models that are no longer listed are deleted, unless `changed` has set new ones. The call counters of the
    combo are reset.
    """
    with store.change():
        known = {each.name: each for each in rows.combos(store)}
        before = find(store, name)
        combo = changed(before)
        old = {model for model, weight in combo.weights.items() if before.weights.get(model) == weight}
        gone = old - set(combo.models)
        combo = replace(combo, weights={model: n for model, n in combo.weights.items() if model not in gone})
        _check(store, combo, known | {name: combo})
        store.run(Combos.update(**_row(combo)).where(Combos.name == name))
        _forget_turns(store, combo.name)
    return combo


def find(store: Store, name: str) -> Combo:
    """Return the combo with this name, or raise StoreError with similar names."""
    known = {combo.name: combo for combo in rows.combos(store)}
    if name not in known:
        raise StoreError(f"there is no combo {name!r}{suggest(close_matches(name, list(known)))}")
    return known[name]


def remove(store: Store, name: str) -> None:
    with store.change():
        store.run(Combos.delete().where(Combos.name == find(store, name).name))
        _forget_turns(store, name)


def _forget_turns(store: Store, name: str) -> None:
    """Reset the call counters of a combo; a new member would otherwise get all requests until its counter caught up."""
    store.run(ComboCalls.delete().where(ComboCalls.combo == name))


def _row(combo: Combo) -> dict[str, str]:
    return {
        "name": combo.name,
        "models": json.dumps(combo.models),
        "strategy": combo.strategy or "",
        "weights": json.dumps(dict(combo.weights)),
        "tries": json.dumps(asdict(combo.tries)),
    }


def _check(store: Store, combo: Combo, known: Mapping[str, Combo]) -> None:
    if combo.strategy is not None and combo.strategy not in COMBO_STRATEGIES:
        raise StoreError(
            f"{combo.strategy!r} is no strategy: it is one of {', '.join(COMBO_STRATEGIES)}", field="strategy"
        )
    if not 1 <= len(combo.models) <= MAX_MODELS:
        raise StoreError(
            f"a combo takes 1 to {MAX_MODELS} models, and {combo.name!r} has {len(combo.models)}", field="models"
        )
    for place, model in enumerate(combo.models):
        if model in combo.models[:place]:
            raise StoreError(f"the combo {combo.name!r} lists {model!r} twice", field="models")
    for model, weight in combo.weights.items():
        if model not in combo.models:
            raise StoreError(
                f"the weight of {model!r} has no use: the combo {combo.name!r} does not list it", field="models"
            )
        if not isfinite(weight) or not 0 <= weight <= MAX_WEIGHT:
            raise StoreError(
                f"the weight of {model!r} is {weight:g}: it takes a number from 0 to {MAX_WEIGHT:,.0f}", field="models"
            )
    _check_tries(combo.tries)
    nodes, added = rows.nodes(store), rows.models(store)
    for model in combo.models:
        if model != combo.name and model not in known:
            listed_name(model, nodes, added)
    _check_nesting(combo, known)


def _check_tries(tries: RetrySettings) -> None:
    said = {"combo.retries": tries.retries, "combo.retry_delay": tries.retry_delay}
    said |= {"combo.hedge": tries.hedge, "combo.resume": tries.resume}
    said |= {f"combo.{phase}_timeout": seconds for phase, seconds in tries.deadlines.items()}
    for name, value in said.items():
        if value is None:
            continue
        if name not in SETTINGS:
            raise StoreError(f"there is no deadline {name.removeprefix('combo.')!r}", field="tries")
        try:
            SETTINGS[name].read(str(value))
        except ValueError as exc:
            field = name.removeprefix("combo.")
            raise StoreError(f"{field} {exc}, not {value}", field=f"tries.{field}") from exc


def _check_nesting(combo: Combo, known: Mapping[str, Combo]) -> None:
    """Check the combo and all combos that may contain it for cycles, depth and size.

    Raises StoreError for a cycle, for nesting deeper than `MAX_DEPTH`, and for more than `MAX_LEAVES` models.
    """
    everything = {**known, combo.name: combo}
    for start in everything.values():
        leaves = _walk(start, everything, ())
        if leaves > MAX_LEAVES:
            raise StoreError(
                f"the combo {start.name!r} would lead to {leaves:,} models, and {MAX_LEAVES} are the most: "
                "what is nested in it counts wherever it is listed",
                field="models",
            )


def _walk(combo: Combo, known: Mapping[str, Combo], above: tuple[str, ...]) -> int:
    """Count the models of a combo including nested ones.

    Raises StoreError for a cycle or for nesting over `MAX_DEPTH`.
    """
    above = (*above, combo.name)
    leaves = 0
    for listed in combo.models:
        if listed in above:
            circle = " → ".join((*above[above.index(listed) :], listed))
            raise StoreError(f"the combo {above[0]!r} would lead back to itself: {circle}", field="models")
        if inner := known.get(listed):
            if len(above) == MAX_DEPTH:
                deep = " → ".join((*above, listed))
                raise StoreError(
                    f"combos are nested to a depth of {MAX_DEPTH} at most, and this goes deeper: {deep}", field="models"
                )
            leaves += _walk(inner, known, above)
        else:
            leaves += 1
    return leaves
