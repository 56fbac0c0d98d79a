"""Conversion of configuration rows into the dataclasses of the config model."""

import json
from dataclasses import replace
from functools import lru_cache
from typing import Any

from omniroute.access.client_address import networks
from omniroute.catalog.provider import Model, Provider
from omniroute.catalog.providers import node
from omniroute.config.model import UNLIMITED, Account, Alias, Chain, Combo, Key, Limit, Place
from omniroute.config.settings import RetrySettings
from omniroute.netproxy.proxy_url import DIRECT, Proxy, read_proxy
from omniroute.store.db.database import Store
from omniroute.store.db.tables import (
    AccountLimits,
    ApiKeys,
    BlockedProviders,
    Combos,
    CustomModels,
    FallbackChains,
    ModelAliases,
    NetworkProxies,
    ProviderConnections,
    ProviderNodes,
    Settings,
)


def accounts(store: Store) -> tuple[Account, ...]:
    """Return all accounts, ordered by priority, then age."""
    query = ProviderConnections.select().order_by(
        ProviderConnections.priority, ProviderConnections.created_at, ProviderConnections.id
    )
    return tuple(
        Account(
            id=row["id"],
            provider=row["provider"],
            name=row["name"],
            priority=row["priority"],
            enabled=row["enabled"],
            base_url=row["base_url"],
            created_at=row["created_at"],
        )
        for row in store.rows(query)
    )


def nodes(store: Store) -> tuple[Provider, ...]:
    """Return all nodes, the oldest first."""
    query = ProviderNodes.select().order_by(ProviderNodes.created_at, ProviderNodes.prefix)
    return tuple(node(row["prefix"], row["dialect"], row["base_url"], row["name"]) for row in store.rows(query))


def combos(store: Store) -> tuple[Combo, ...]:
    """Return all combos, the oldest first."""
    query = Combos.select().order_by(Combos.created_at, Combos.name)
    return tuple(
        Combo(
            row["name"],
            tuple(json.loads(row["models"])),
            row["strategy"] or None,
            json.loads(row["weights"]),
            RetrySettings(**json.loads(row["tries"])),
        )
        for row in store.rows(query)
    )


def aliases(store: Store) -> tuple[Alias, ...]:
    """Return all aliases, the oldest first."""
    query = ModelAliases.select().order_by(ModelAliases.created_at, ModelAliases.pattern)
    return tuple(Alias(row["pattern"], row["target"], row["created_at"]) for row in store.rows(query))


def chains(store: Store) -> tuple[Chain, ...]:
    """Return all chains, the oldest first."""
    query = FallbackChains.select().order_by(FallbackChains.created_at, FallbackChains.name)
    return tuple(
        Chain(row["name"], tuple(json.loads(row["models"])), tuple(json.loads(row["serves"])))
        for row in store.rows(query)
    )


def models(store: Store) -> dict[str, tuple[Model, ...]]:
    """Return the custom models by provider id, the oldest first."""
    found: dict[str, list[Model]] = {}
    for row in store.rows(CustomModels.select().order_by(CustomModels.created_at, CustomModels.model)):
        known = {name: row[name] for name in ("name", "context", "max_output", "images", "tools")}
        found.setdefault(row["provider"], []).append(Model(row["model"], **known))
    return {provider: tuple(added) for provider, added in found.items()}


def settings(store: Store) -> dict[str, Any]:
    """Return the stored settings by name."""
    return {row["name"]: json.loads(row["value"]) for row in store.rows(Settings.select().order_by(Settings.name))}


def limits(store: Store) -> dict[str, Limit]:
    """Return the rate limits of accounts by account id."""
    return {
        row["account"]: Limit(row["rpm"], row["gap"], row["concurrency"]) for row in store.rows(AccountLimits.select())
    }


def blocked(store: Store) -> frozenset[str]:
    """Return the ids of the blocked providers."""
    return frozenset(row["provider"] for row in store.rows(BlockedProviders.select()))


def proxies(store: Store) -> dict[Place, Proxy | None]:
    """Return the network proxies by place, without their credentials; None means a direct connection."""
    found: dict[Place, Proxy | None] = {}
    for row in store.rows(NetworkProxies.select().order_by(NetworkProxies.level, NetworkProxies.ref)):
        proxy = None if row["url"] == DIRECT else replace(read_proxy(row["url"]), locked=row["secret"] is not None)
        found[row["level"], row["ref"]] = proxy
    return found


def keys(store: Store) -> tuple[Key, ...]:
    """Return all keys including revoked ones, the oldest first."""
    return tuple(
        Key(
            id=row["id"],
            name=row["name"],
            digest=bytes(row["digest"]),
            hint=row["hint"],
            allow=_texts(row["allow"]),
            created_at=row["created_at"],
            revoked_at=row["revoked_at"],
            scopes=_texts(row["scopes"]),
            expires_at=row["expires_at"],
            ips=networks(*_texts(row["ips"])),
            limit=UNLIMITED
            if row["rpm"] is None and row["concurrency"] is None
            else Limit(row["rpm"], None, row["concurrency"]),
        )
        for row in store.rows(ApiKeys.select().order_by(ApiKeys.created_at, ApiKeys.id))
    )


@lru_cache(maxsize=1024)
def _texts(text: str) -> tuple[Any, ...]:
    """Parse a JSON list of strings; cached, since thousands of keys have the same few values."""
    return tuple(json.loads(text))
