"""Settings of choosing, and the providers that are blocked."""

import json
from typing import Any

from omniroute.routing.near import near
from omniroute.routing.rules import SETTINGS, Setting
from omniroute.store import read
from omniroute.store.database import Store
from omniroute.store.files import StoreError
from omniroute.store.names import offer, provider_id
from omniroute.store.tables import BlockedProviders, Settings

PER_PROVIDER = "strategy."


def known(store: Store, name: str) -> tuple[str, Setting]:
    """Give a setting by its name, and the name under which it is kept; StoreError for one that does not exist."""
    if name.startswith(PER_PROVIDER):
        provider = provider_id(name.removeprefix(PER_PROVIDER), read.nodes(store))
        return PER_PROVIDER + provider, SETTINGS["strategy"]
    if name not in SETTINGS:
        raise StoreError(f"there is no setting {name!r}{offer(near(name, list(SETTINGS)))}")
    return name, SETTINGS[name]


def put(store: Store, name: str, text: str) -> tuple[str, Any]:
    """Set something and return it; StoreError says what it takes."""
    with store.change():
        name, setting = known(store, name)
        try:
            value = setting.read(text)
        except ValueError as exc:
            raise StoreError(f"{name} {exc}, not {text!r}") from exc
        store.run(Settings.delete().where(Settings.name == name))
        store.run(Settings.insert(name=name, value=json.dumps(value)))
    return name, value


def unset(store: Store, name: str) -> str:
    """Go back to what holds where nobody has set it."""
    with store.change():
        name, _ = known(store, name)
        store.run(Settings.delete().where(Settings.name == name))
    return name


def block(store: Store, provider: str) -> str:
    """Let nobody ask a provider, and return its id."""
    with store.change():
        owner = provider_id(provider, read.nodes(store))
        if owner not in read.blocked(store):
            store.run(BlockedProviders.insert(provider=owner, created_at=store.clock()))
    return owner


def unblock(store: Store, provider: str) -> str:
    """Let a provider be asked again, and return its id."""
    with store.change():
        owner = provider_id(provider, read.nodes(store))
        if not store.run(BlockedProviders.delete().where(BlockedProviders.provider == owner)):
            raise StoreError(f"{owner} is not blocked")
    return owner
