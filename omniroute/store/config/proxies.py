"""Network proxies. Their credentials are encrypted before they are written to disk."""

from omniroute.config.model import LEVELS, Level, Place
from omniroute.netproxy.proxy_url import DIRECT, Proxy, read_proxy
from omniroute.store.config import accounts, combos, rows
from omniroute.store.config.validation import provider_id
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError
from omniroute.store.db.tables import NetworkProxies


def place(store: Store, level: str, ref: str | None) -> Place:
    """Resolve a level and a reference to the place that a proxy is set for.

    Accounts are found as by `accounts.find`, combos by name, providers by id or prefix. Raises StoreError if not found.
    """
    match level:
        case "global" if ref is None:
            return "global", ""
        case "global":
            raise StoreError("global is for all: it takes no name")
        case "account" | "combo" | "provider" if not ref:
            raise StoreError(f"say which {level}")
        case "account":
            return "account", accounts.find(store, str(ref)).id
        case "combo":
            return "combo", combos.find(store, str(ref)).name
        case "provider":
            return "provider", provider_id(str(ref), rows.nodes(store))
        case _:
            raise StoreError(f"{level!r} is no level: it is one of {', '.join(LEVELS)}")


def put(store: Store, level: str, ref: str | None, url: str) -> tuple[Place, Proxy | None]:
    """Set the network proxy of a place, or `direct` for connections without one.

    Raises StoreError for an invalid URL.
    """
    try:
        proxy = None if url == DIRECT else read_proxy(url)
    except ValueError as exc:
        raise StoreError(f"{exc}; or {DIRECT}") from exc
    with store.change():
        where = place(store, level, ref)
        _delete(store, where)
        said = str(proxy) if proxy else DIRECT
        secret = store.vault.seal(proxy.credential, sealed_for(where, said)) if proxy and proxy.locked else None
        store.run(
            NetworkProxies.insert(level=where[0], ref=where[1], url=said, secret=secret, created_at=store.clock())
        )
    return where, proxy.bare() if proxy else None


def clear(store: Store, level: str, ref: str | None) -> Place:
    """Delete the proxy setting of a place, so that the next level applies; raise StoreError if none is set."""
    with store.change():
        where = place(store, level, ref)
        if not _delete(store, where):
            raise StoreError(f"{' '.join(filter(None, where))} has no proxy of its own")
    return where


def sealed_for(where: Place, url: str) -> str:
    """Return the associated data that binds an encrypted proxy credential to its place and URL."""
    return f"proxy {' '.join(where)} {url}"


def _delete(store: Store, where: tuple[Level, str]) -> int:
    return store.run(
        NetworkProxies.delete().where((NetworkProxies.level == where[0]) & (NetworkProxies.ref == where[1]))
    )
