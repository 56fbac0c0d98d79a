"""Routes for the network proxies to providers. Proxy credentials are accepted and never returned."""

from pydantic import Field

from omniroute.catalog.providers import find
from omniroute.config.model import Place
from omniroute.errors import BadRequest, NotFound
from omniroute.netproxy.proxy_url import DIRECT
from omniroute.panel.proxy_json import ProxyFields, at_place, read, shown, url
from omniroute.panel.routes import Body, Call, Query, delete, get, put
from omniroute.routing.proxy_choice import choose_proxy
from omniroute.routing.target import lone_target
from omniroute.store.config import proxies, snapshot
from omniroute.store.config import rows as stored
from omniroute.store.db.database import Store
from omniroute.store.db.files import StoreError

LEVELS = {"key": "account"}
"""Accepted alternative names of levels -> the names of the store."""
MAPS = {"providers": "provider", "combos": "combo", "keys": "account"}


class Proxies(Body):
    global_: ProxyFields | None = Field(None, alias="global")
    providers: dict[str, ProxyFields | None] = Field({}, description="By their ids.")
    combos: dict[str, ProxyFields | None] = Field({}, description="By their names.")
    keys: dict[str, ProxyFields | None] = Field({}, description="By the ids of accounts.")


class Change(Proxies):
    """A change of proxies: a part of the map, or one place with its proxy. Null removes the proxy of a place."""

    level: str | None = Field(None, description="`global`, `provider`, `combo`, or `key` (which is an account).")
    id: str | None = None
    proxy: ProxyFields | None = None


class Asked(Query):
    level: str | None = None
    id: str | None = None
    resolve: str | None = Field(None, description="An account's id: which proxy counts for it.")


class There(Query):
    level: str
    id: str | None = None


class AtPlace(Body):
    level: str
    id: str | None
    proxy: ProxyFields | None


class Counts(Body):
    proxy: ProxyFields | None
    level: str
    level_id: str | None


@get("/api/settings/proxy", "Show the network proxies: all, that of one place, or which counts for an account.")
def show(call: Call, query: Asked) -> Proxies | AtPlace | Counts:
    if query.resolve is not None:
        return _counting(call, query.resolve)
    if query.level is None:
        return _all(call.store)
    place = place_of(call.store, query.level, query.id)
    return AtPlace(level=query.level, id=place[1] or None, proxy=at_place(stored.proxies(call.store), place))


@put("/api/settings/proxy", "Set network proxies, all or none; they act at once.")
def change(call: Call, body: Change) -> Proxies:
    with call.store.change():
        if body.level is not None:
            if "proxy" not in body.model_fields_set:
                raise BadRequest("say which proxy, or null for none", param="proxy")
            _put(call.store, (body.level, body.id), body.proxy, "proxy")
        if "global_" in body.model_fields_set:
            _put(call.store, ("global", None), body.global_, "global")
        for name, level in MAPS.items():
            for ref, each in getattr(body, name).items():
                _put(call.store, (level, ref), each, f"{name}.{ref}")
    return _all(call.store)


@delete("/api/settings/proxy", "Let a place say nothing about proxies any more.")
def clear(call: Call, query: There) -> Proxies:
    with call.store.change():
        _put(call.store, (query.level, query.id), None, "id")
    return _all(call.store)


def _all(store: Store) -> Proxies:
    set_ = stored.proxies(store)
    maps = {name: {ref: shown(set_[level, ref]) for level, ref in set_ if level == of} for name, of in MAPS.items()}
    return Proxies.model_validate({"global": at_place(set_, ("global", "")), **maps})


def _counting(call: Call, id: str) -> Counts:
    config = snapshot.load(call.store)
    account = next((each for each in config.accounts if each.id == id), None)
    provider = find(account.provider, config.nodes) if account else None
    if account is None or provider is None:
        raise NotFound(f"there is no account with the id {id[:100]!r}")
    path = choose_proxy(lone_target(account, provider), config, call.runtime.environment)
    level, ref = path.place or ("environment" if path.variable else "none", path.variable)
    return Counts(proxy=shown(path.proxy) if path.place or path.proxy else None, level=level, level_id=ref or None)


def place_of(store: Store, level: str, id: str | None) -> Place:
    try:
        return proxies.place(store, LEVELS.get(level, level), id)
    except StoreError as error:
        raise BadRequest(str(error), param="id" if level in (*LEVELS, "combo", "provider") else "level") from error


def _put(store: Store, where: tuple[str, str | None], said: ProxyFields | None, field: str) -> None:
    """Set or remove the proxy of a place; stored credentials stay if the same proxy is given without a username."""
    place = place_of(store, *where)
    level, ref = place[0], place[1] or None
    before = stored.proxies(store)
    if said is None:
        if place in before:
            proxies.clear(store, level, ref)
    elif said.type == DIRECT:
        proxies.put(store, level, ref, DIRECT)
    else:
        proxy, known = read(said, field), before.get(place)
        if said.username is None and known is not None and str(known) == str(proxy):
            return
        proxies.put(store, level, ref, url(proxy))
