"""Accounts: one credential at one provider each, encrypted before it is written to disk."""

from dataclasses import replace

from omniroute.catalog.provider import Provider
from omniroute.catalog.providers import PROVIDERS
from omniroute.catalog.providers import find as find_provider
from omniroute.config.model import Account
from omniroute.routing.suggestions import close_matches
from omniroute.store.config import rows
from omniroute.store.config.validation import SHORTEST_ID_PREFIX, first_free, label, new_id, suggest
from omniroute.store.config.validation import base_url as checked_url
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.tables import ProviderConnections

MAX_API_KEY = 10_000
MAX_PRIORITY = 1_000_000


def add(
    store: Store,
    provider: str,
    *,
    api_key: str | None,
    name: str | None = None,
    priority: int = 1,
    base_url: str | None = None,
) -> Account:
    """Add an account at a provider or node, given by its id or prefix.

    Raises StoreError, and stores nothing, for an unknown provider, an invalid value or a name that is taken.
    """
    _check_priority(priority)
    with store.change():
        draft, served_by, key = drafted(store, provider, api_key=api_key, base_url=base_url)
        theirs = [account.name for account in rows.accounts(store) if account.provider == served_by.id]
        account = replace(
            draft,
            id=new_id(),
            name=first_free(served_by.id, theirs) if name is None else label(name, "an account"),
            priority=priority,
            created_at=store.clock(),
        )
        _check_free(account.name, served_by.id, theirs)
        store.run(
            ProviderConnections.insert(
                id=account.id,
                provider=account.provider,
                name=account.name,
                secret=None if key is None else store.vault.seal(key, sealed_for(account.id)),
                priority=account.priority,
                enabled=account.enabled,
                base_url=account.base_url,
                created_at=account.created_at,
            )
        )
    return account


def drafted(
    store: Store, provider: str, *, api_key: str | None, base_url: str | None = None
) -> tuple[Account, Provider, str | None]:
    """Validate an account without storing it, and return it with its provider and its checked API key.

    The returned account has an empty id. Raises StoreError for an unknown provider, an invalid key or an invalid URL.
    """
    served_by = _provider(provider, rows.nodes(store))
    key = checked_key(api_key, served_by, base_url)
    url = None if base_url is None else checked_url(base_url)
    return Account(id="", provider=served_by.id, name=served_by.name, base_url=url), served_by, key


def find(store: Store, ref: str) -> Account:
    """Return the one account that matches a reference.

    Tried in this order: id, name, provider or prefix, and the beginning of the id. Raises StoreError when none or
    several match.
    """
    with store.view():
        accounts, nodes = rows.accounts(store), rows.nodes(store)
    provider = find_provider(ref, nodes)
    ways = (
        [account for account in accounts if account.id == ref],
        [account for account in accounts if account.name == ref],
        [account for account in accounts if provider and account.provider == provider.id],
        [account for account in accounts if len(ref) >= SHORTEST_ID_PREFIX and account.id.startswith(ref)],
    )
    meant = next((found for found in ways if found), [])
    if len(meant) == 1:
        return meant[0]
    if meant:
        choices = ", ".join(f"{account.id} ({account.provider}, {account.name!r})" for account in meant)
        raise StoreError(f"{ref!r} means several accounts: say which by its id: {choices}")
    names = dict.fromkeys(word for account in accounts for word in (account.name, account.provider))
    raise StoreError(f"there is no account {ref!r}{suggest(close_matches(ref, list(names)))}")


def set_enabled(store: Store, id: str, enabled: bool) -> None:
    """Enable or disable an account; a disabled one stays stored but is not used for requests.

    Raises StoreError if unknown.
    """
    with store.change():
        if not store.run(ProviderConnections.update(enabled=enabled).where(ProviderConnections.id == id)):
            raise StoreError(f"there is no account with the id {id!r}")


def set_key(store: Store, id: str, api_key: str | None) -> Account:
    """Replace the credential of an account and enable it.

    Raises StoreError, and changes nothing, when that is not possible.
    """
    with store.change():
        account = next((each for each in rows.accounts(store) if each.id == id), None)
        if account is None:
            raise StoreError(f"there is no account with the id {id!r}")
        key = checked_key(api_key, _provider(account.provider, rows.nodes(store)), account.base_url)
        sealed = None if key is None else store.vault.seal(key, sealed_for(id))
        store.run(ProviderConnections.update(secret=sealed, enabled=True).where(ProviderConnections.id == id))
    return replace(account, enabled=True)


def edit(
    store: Store,
    id: str,
    *,
    name: str | None = None,
    priority: int | None = None,
    base_url: str | None = None,
) -> Account:
    """Change fields of an account; None leaves a field unchanged, an empty base URL restores the provider's default.

    Raises StoreError for an unknown account, an invalid value or a name that is taken.
    """
    with store.change():
        accounts = rows.accounts(store)
        account = next((each for each in accounts if each.id == id), None)
        if account is None:
            raise StoreError(f"there is no account with the id {id!r}")
        if name is not None:
            theirs = [each.name for each in accounts if each.provider == account.provider and each.id != id]
            _check_free(label(name, "an account"), account.provider, theirs)
            account = replace(account, name=name)
        if priority is not None:
            _check_priority(priority)
            account = replace(account, priority=priority)
        if base_url is not None:
            account = replace(account, base_url=checked_url(base_url) if base_url else None)
        values = {"name": account.name, "priority": account.priority, "base_url": account.base_url}
        store.run(ProviderConnections.update(**values).where(ProviderConnections.id == id))
    return account


def with_key(store: Store) -> frozenset[str]:
    """Return the ids of the accounts that have a credential, without decrypting any."""
    kept = ProviderConnections.select(ProviderConnections.id).where(ProviderConnections.secret.is_null(False))
    return frozenset(row["id"] for row in store.rows(kept))


def remove(store: Store, id: str) -> None:
    with store.change():
        if not store.run(ProviderConnections.delete().where(ProviderConnections.id == id)):
            raise StoreError(f"there is no account with the id {id!r}")


def sealed_for(id: str) -> str:
    """Return the associated data that binds an encrypted credential to its account."""
    return f"account {id}"


def _check_priority(priority: int) -> None:
    if not 0 <= priority <= MAX_PRIORITY:
        raise StoreError(
            f"the priority {priority!r} is out of range: it is 0 to {MAX_PRIORITY}, the lowest first", field="priority"
        )


def _check_free(name: str, provider: str, taken: list[str]) -> None:
    if name in taken:
        raise StoreError(f"{provider!r} has an account named {name!r} already: give another name", field="name")


def _provider(ref: str, nodes: tuple[Provider, ...]) -> Provider:
    if provider := find_provider(ref, nodes):
        return provider
    known = dict.fromkeys(name for each in (*nodes, *PROVIDERS) for name in (each.id, each.prefix))
    raise StoreError(f"there is no provider {ref!r}{suggest(close_matches(ref, list(known)))}", field="provider")


def checked_key(api_key: str | None, provider: Provider, base_url: str | None) -> str | None:
    """Return an API key without surrounding whitespace, or None where the provider needs none.

    Raises StoreError if invalid.
    """
    # Error messages never contain the key, not even an invalid one.
    if api_key is None:
        if provider.auth == "none" or provider.node or base_url is not None:
            return None  # a mirror or a custom server may need no key
        raise StoreError(f"{provider.id!r} needs an API key", field="api_key")
    key = api_key.strip()
    if not key:
        raise StoreError(f"the API key for {provider.id!r} is empty", field="api_key")
    if len(key) > MAX_API_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise StoreError(
            f"the API key for {provider.id!r} is not one line of printable characters: copy it again", field="api_key"
        )
    return key
