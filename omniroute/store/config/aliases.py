"""Aliases: alternative names for models and combos."""

from omniroute.catalog.providers import find
from omniroute.config.model import Alias, Config
from omniroute.routing.resolve import behind_aliases
from omniroute.routing.suggestions import close_matches
from omniroute.store.config import rows
from omniroute.store.config.validation import listed_name, pattern, suggest
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.tables import ModelAliases


def add(store: Store, alias: str, target: str) -> Alias:
    """Add an alias, or replace the target of an existing one.

    Raises StoreError for an invalid pattern, for an alias that a combo or a provider prefix would hide, for an unknown
    target, and for an alias that leads back to itself.
    """
    try:
        pattern(alias)
    except StoreError as error:
        raise StoreError(str(error), field="alias") from error
    with store.change():
        known = rows.aliases(store)
        same = next((other for other in known if other.pattern.casefold() == alias.casefold()), None)
        made = Alias(same.pattern if same else alias, target, same.created_at if same else store.clock())
        _check(store, made, [other for other in known if other is not same])
        store.run(ModelAliases.delete().where(ModelAliases.pattern == made.pattern))
        store.run(ModelAliases.insert(pattern=made.pattern, target=target, created_at=made.created_at))
    return made


def remove(store: Store, alias: str) -> None:
    with store.change():
        known = [other.pattern for other in rows.aliases(store)]
        found = next((name for name in known if name.casefold() == alias.casefold()), None)
        if found is None:
            raise StoreError(f"there is no alias {alias!r}{suggest(close_matches(alias, known))}")
        store.run(ModelAliases.delete().where(ModelAliases.pattern == found))


def _check(store: Store, alias: Alias, others: list[Alias]) -> None:
    combos = {combo.name: combo for combo in rows.combos(store)}
    nodes, added = rows.nodes(store), rows.models(store)
    prefix, slash, _ = alias.pattern.partition("/")
    if alias.pattern in combos:
        raise StoreError(
            f"{alias.pattern!r} is a combo, which goes before any alias: choose another name", field="alias"
        )
    if slash and (owner := find(prefix, nodes)):
        raise StoreError(
            f"the alias {alias.pattern!r} would never act: what begins with {prefix}/ is a model of {owner.name}",
            field="alias",
        )
    config = Config(nodes=nodes, combos=combos, aliases=(*others, alias), models=added)
    means, taken, _ = behind_aliases(alias.target, config)
    if alias in taken and (len(taken) > 1 or alias.target.casefold() == alias.pattern.casefold()):
        round_trip = " → ".join([alias.pattern, *(other.pattern for other in taken)])
        raise StoreError(f"the alias {alias.pattern!r} would lead back to itself: {round_trip}", field="model")
    if means not in combos:
        listed_name(means, nodes, added, field="model")
