"""Snapshots of the whole configuration, and decrypted credentials."""

from types import MappingProxyType

from omniroute.config.model import Config, Place
from omniroute.config.settings import settings_of
from omniroute.netproxy.proxy_url import Proxy
from omniroute.store.config import budgets, ip_filter, prices, rows
from omniroute.store.config.accounts import sealed_for
from omniroute.store.config.proxies import sealed_for as sealed_for_proxy
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.tables import NetworkProxies, ProviderConnections


def load(store: Store) -> Config:
    """Read the configuration as of one revision. Revoked keys are in a field of their own, as they grant no access."""
    with store.view():
        keys, set_ = rows.keys(store), rows.settings(store)
        return Config(
            accounts=rows.accounts(store),
            nodes=rows.nodes(store),
            combos=MappingProxyType({combo.name: combo for combo in rows.combos(store)}),
            keys=tuple(key for key in keys if key.revoked_at is None),
            revoked=tuple(key for key in keys if key.revoked_at is not None),
            doors=ip_filter.load(store, set_),
            aliases=rows.aliases(store),
            chains=rows.chains(store),
            models=MappingProxyType(rows.models(store)),
            proxies=MappingProxyType(rows.proxies(store)),
            limits=MappingProxyType(rows.limits(store)),
            prices=MappingProxyType(prices.load(store)),
            budgets=MappingProxyType(budgets.load(store)),
            rules=settings_of(set_, rows.blocked(store)),
            revision=store.revision(),
        )


def credentials(store: Store) -> dict[str, str]:
    """Return account id -> decrypted API key. Only code that sends requests upstream may hold these.

    Raises StoreError when a key cannot be decrypted.
    """
    opened: dict[str, str] = {}
    for row in store.rows(ProviderConnections.select().where(ProviderConnections.secret.is_null(False))):
        try:
            opened[row["id"]] = store.vault.unseal(bytes(row["secret"]), sealed_for(row["id"]))
        except StoreError as exc:
            raise StoreError(
                f"the API key of the account {row['name']!r} ({row['id']}) cannot be decrypted: "
                "its row was changed by something else; remove the account and add it again"
            ) from exc
    return opened


def proxies(store: Store) -> dict[Place, Proxy]:
    """Return the network proxies with decrypted credentials. Only code that sends requests upstream may hold these.

    Raises StoreError when a credential cannot be decrypted.
    """
    opened: dict[Place, Proxy] = {}
    sealed = {
        (row["level"], row["ref"]): row["secret"]
        for row in store.rows(NetworkProxies.select().where(NetworkProxies.secret.is_null(False)))
    }
    for place, proxy in rows.proxies(store).items():
        if proxy is None:
            continue
        if place in sealed:
            try:
                credential = store.vault.unseal(bytes(sealed[place]), sealed_for_proxy(place, str(proxy)))
            except StoreError as exc:
                raise StoreError(
                    f"the password of the proxy of {' '.join(filter(None, place))} cannot be decrypted: "
                    "its row was changed by something else; set the proxy again"
                ) from exc
            proxy = proxy.locked_with(credential)
        opened[place] = proxy
    return opened
