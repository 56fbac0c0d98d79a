"""Rows made into values: what is set up, as the rest of the program knows it."""

import json

from omniroute.catalog.provider import Provider
from omniroute.catalog.providers import node
from omniroute.routing.config import Account, Combo, Key
from omniroute.store.database import Store
from omniroute.store.tables import ApiKeys, Combos, ProviderConnections, ProviderNodes


def accounts(store: Store) -> tuple[Account, ...]:
    """Return all accounts in the order of priority, then age."""
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
    return tuple(Combo(row["name"], tuple(json.loads(row["models"])), row["strategy"]) for row in store.rows(query))


def keys(store: Store) -> tuple[Key, ...]:
    """Return all keys, the oldest first, with those that were revoked."""
    return tuple(
        Key(
            id=row["id"],
            name=row["name"],
            digest=bytes(row["digest"]),
            hint=row["hint"],
            allow=tuple(json.loads(row["allow"])),
            created_at=row["created_at"],
            revoked_at=row["revoked_at"],
        )
        for row in store.rows(ApiKeys.select().order_by(ApiKeys.created_at, ApiKeys.id))
    )
