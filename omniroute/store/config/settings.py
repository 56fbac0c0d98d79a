"""Settings of routing and resilience, and blocked providers."""

import json
from collections.abc import Sequence
from typing import Any

from omniroute.catalog.providers import find
from omniroute.config.deadlines import PHASES, split
from omniroute.config.model import Config
from omniroute.config.resilience_profiles import PROFILES
from omniroute.config.settings import resilience_of
from omniroute.config.settings_registry import RESILIENCE, SETTINGS, Setting, model
from omniroute.routing.resolve import behind_aliases
from omniroute.routing.suggestions import close_matches
from omniroute.store.config import accounts, rows
from omniroute.store.config.validation import listed_name, provider_id, suggest
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.state_tables import Breakers, Coolings
from omniroute.store.db.tables import BlockedProviders, Settings

PER_PROVIDER = "strategy."
RESET = "reset"
SHOWN = 60
"""Number of characters of an invalid value that an error message repeats."""


def known(store: Store, name: str) -> tuple[str, Setting]:
    """Return the stored name and the definition of a setting; raise StoreError for one that does not exist."""
    if name.startswith(PER_PROVIDER):
        provider = provider_id(name.removeprefix(PER_PROVIDER), rows.nodes(store))
        return PER_PROVIDER + provider, SETTINGS["strategy"]
    if place := split(name):
        provider = provider_id(place[0], rows.nodes(store))
        return f"deadlines.{provider}.{place[1]}", SETTINGS[f"deadlines.{place[1]}"]
    if name not in SETTINGS:
        raise StoreError(f"there is no setting {name!r}{suggest(close_matches(name, list(SETTINGS)))}")
    return name, SETTINGS[name]


def is_setting(name: str) -> bool:
    """Return whether a stored name is that of a setting, not that of a value with commands of its own."""
    return name in SETTINGS or name.startswith(PER_PROVIDER) or split(name) is not None


def kind_of(name: str) -> Setting:
    """Return the definition of a stored setting, which is the same for all requests and for one provider."""
    place = split(name)
    return SETTINGS[f"deadlines.{place[1]}" if place else "strategy" if name.startswith(PER_PROVIDER) else name]


def forget_provider(store: Store, provider: str) -> None:
    """Delete all settings that apply to one provider only."""
    names = [PER_PROVIDER + provider, *(f"deadlines.{provider}.{phase}" for phase in PHASES)]
    names += [f"resilience.{provider}.{field}" for field in RESILIENCE]
    store.run(Settings.delete().where(Settings.name.in_(names)))


def put(store: Store, name: str, text: str) -> tuple[str, Any]:
    """Set a setting from text and return its stored name and value.

    Raises StoreError if the name or the value is invalid.
    """
    with store.change():
        name, setting = known(store, name)
        try:
            value = setting.read(text)
        except ValueError as exc:
            raise StoreError(f"{name} {exc}, not {text[:SHOWN]!r}{'…' * (len(text) > SHOWN)}") from exc
        if setting.read is model and value:
            _check_means_something(store, value, name)
        store.run(Settings.delete().where(Settings.name == name))
        store.run(Settings.insert(name=name, value=json.dumps(value)))
    return name, value


def _check_means_something(store: Store, name: str, field: str) -> None:
    config = Config(
        nodes=rows.nodes(store),
        combos={combo.name: combo for combo in rows.combos(store)},
        aliases=rows.aliases(store),
        models=rows.models(store),
    )
    means, _, _ = behind_aliases(name, config)
    if means not in config.combos:
        listed_name(means, config.nodes, config.models, field)


def note(store: Store, name: str, value: Any) -> None:
    """Store an internal value that users do not set, within the caller's transaction; a running gateway is notified."""
    store.run(Settings.delete().where(Settings.name == name))
    store.run(Settings.insert(name=name, value=json.dumps(value)))


def unset(store: Store, name: str) -> str:
    """Delete a setting, so that its default applies, and return its stored name.

    Raises StoreError if it does not exist.
    """
    with store.change():
        name, _ = known(store, name)
        store.run(Settings.delete().where(Settings.name == name))
    return name


def block(store: Store, provider: str) -> str:
    """Block a provider and return its id. Raises StoreError for an unknown provider."""
    with store.change():
        owner = provider_id(provider, rows.nodes(store))
        if owner not in rows.blocked(store):
            store.run(BlockedProviders.insert(provider=owner, created_at=store.clock()))
    return owner


def unblock(store: Store, provider: str) -> str:
    """Unblock a provider and return its id. Raises StoreError when it is unknown or not blocked."""
    with store.change():
        owner = provider_id(provider, rows.nodes(store))
        if not store.run(BlockedProviders.delete().where(BlockedProviders.provider == owner)):
            raise StoreError(f"{owner} is not blocked")
    return owner


def of_resilience(store: Store) -> dict[str, dict[str, Any]]:
    """Return the resilience settings of profiles and providers: name -> field -> value."""
    return resilience_of(rows.settings(store))


def put_resilience(store: Store, name: str, values: dict[str, str]) -> str:
    """Set resilience fields of a profile or a provider in one transaction and return its name.

    An empty text unsets a field. Raises StoreError for an unknown provider or field and for an invalid value.
    """
    with store.change():
        owner = name if name in PROFILES else provider_id(name, rows.nodes(store))
        for field, text in values.items():
            if field not in RESILIENCE:
                raise StoreError(f"there is no field {field!r}{suggest(close_matches(field, list(RESILIENCE)))}")
            key = f"resilience.{owner}.{field}"
            try:
                value = RESILIENCE[field].read(text) if text else None
            except ValueError as exc:
                raise StoreError(f"{field} of {owner} {exc}, not {text!r}") from exc
            store.run(Settings.delete().where(Settings.name == key))
            if value is not None:
                store.run(Settings.insert(name=key, value=json.dumps(value)))
    return owner


def meant(store: Store, ref: str) -> list[str]:
    """Return the id of an account, or the id of a provider with those of all its accounts.

    Raises StoreError if neither.
    """
    provider = provider_or_none(store, ref)
    if provider is None:
        return [accounts.find(store, ref).id]
    return [provider, f"node:{provider}", *(each.id for each in rows.accounts(store) if each.provider == provider)]


def reset_health(store: Store, ids: Sequence[str]) -> None:
    """Delete the cooldowns and circuit breakers of the given accounts and providers, or of all if `ids` is empty.

    A running gateway is notified.
    """
    with store.change():
        cooling, breakers = Coolings.delete(), Breakers.delete()
        store.run(cooling.where(Coolings.whose.in_(list(ids))) if ids else cooling)
        store.run(breakers.where(Breakers.whose.in_(list(ids))) if ids else breakers)
        note(store, RESET, [store.clock(), list(ids)])


def provider_or_none(store: Store, text: str) -> str | None:
    """Return the id of the provider or node with this id or prefix, or None."""
    found = find(text, rows.nodes(store))
    return found.id if found else None
