"""Nodes: custom providers that the user added."""

from typing import get_args

from omniroute.catalog.provider import DialectName, Provider
from omniroute.catalog.providers import node
from omniroute.routing.suggestions import close_matches
from omniroute.store.config import rows, settings
from omniroute.store.config.validation import base_url as checked_url
from omniroute.store.config.validation import label, node_prefix, suggest
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.tables import BlockedProviders, CustomModels, ProviderConnections, ProviderNodes

DIALECTS: tuple[str, ...] = get_args(DialectName.__value__)


def add(store: Store, prefix: str, dialect: DialectName, base_url: str, name: str | None = None) -> Provider:
    """Add a node under its own prefix.

    Raises StoreError, and stores nothing, for an invalid value or a prefix in use.
    """
    added = drafted(prefix, dialect, base_url, name)
    with store.change():
        if any(known.prefix == prefix for known in rows.nodes(store)):
            raise StoreError(
                f"there is a node {prefix!r} already: remove it first or choose another prefix", field="prefix"
            )
        store.run(
            ProviderNodes.insert(
                prefix=prefix, name=added.name, dialect=dialect, base_url=added.base_url, created_at=store.clock()
            )
        )
    return added


def drafted(prefix: str, dialect: DialectName, base_url: str, name: str | None = None) -> Provider:
    """Validate a node and return it without storing it. Raises StoreError for an invalid value."""
    if dialect not in DIALECTS:
        raise StoreError(f"{dialect!r} is no dialect: it is one of {', '.join(DIALECTS)}", field="dialect")
    return node(node_prefix(prefix), dialect, checked_url(base_url), prefix if name is None else label(name, "a node"))


def edit(
    store: Store,
    prefix: str,
    *,
    dialect: DialectName | None = None,
    base_url: str | None = None,
    name: str | None = None,
) -> Provider:
    """Change fields of a node; None leaves a field unchanged.

    Raises StoreError for an unknown node or an invalid value. The prefix cannot be changed, since combos, aliases and
    client settings refer to it.
    """
    with store.change():
        before = next((each for each in rows.nodes(store) if each.prefix == prefix), None)
        if before is None:
            raise StoreError(f"there is no node {prefix!r}")
        if dialect is not None and dialect not in DIALECTS:
            raise StoreError(f"{dialect!r} is no dialect: it is one of {', '.join(DIALECTS)}", field="dialect")
        changed = node(
            prefix,
            next(iter(before.paths)) if dialect is None else dialect,
            before.base_url if base_url is None else checked_url(base_url),
            before.name if name is None else label(name, "a node"),
        )
        values = {"name": changed.name, "dialect": next(iter(changed.paths)), "base_url": changed.base_url}
        store.run(ProviderNodes.update(**values).where(ProviderNodes.prefix == prefix))
    return changed


def remove(store: Store, prefix: str) -> int:
    """Remove a node with its accounts and return the number of those accounts.

    Raises StoreError if there is no such node. Its custom models, its block and its settings are deleted too, so that
    they do not apply to a later node with the same prefix. Combos and aliases that name its models stay, and no longer
    resolve.
    """
    with store.change():
        known = [each.prefix for each in rows.nodes(store)]
        if prefix not in known:
            raise StoreError(f"there is no node {prefix!r}{suggest(close_matches(prefix, known))}")
        store.run(ProviderNodes.delete().where(ProviderNodes.prefix == prefix))
        store.run(CustomModels.delete().where(CustomModels.provider == prefix))
        store.run(BlockedProviders.delete().where(BlockedProviders.provider == prefix))
        settings.forget_provider(store, prefix)
        return store.run(ProviderConnections.delete().where(ProviderConnections.provider == prefix))
