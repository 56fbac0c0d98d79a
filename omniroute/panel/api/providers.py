"""Routes for accounts and for the list of all providers."""

from dataclasses import replace

from pydantic import Field

from omniroute.catalog.provider import Auth, DialectName
from omniroute.catalog.providers import PROVIDERS
from omniroute.config.model import Limit
from omniroute.errors import BadRequest, NotFound
from omniroute.panel.account_view import AccountView, account_views
from omniroute.panel.proxy_json import ProxyFields, at_place
from omniroute.panel.routes import Body, Call, delete, get, post, put
from omniroute.routing.model_index import ModelIndex
from omniroute.store.config import accounts, limits, rows, snapshot
from omniroute.store.state import health


class Row(Body):
    id: str
    prefix: str
    name: str
    base_url: str
    dialects: list[DialectName]
    auth: Auth
    node: bool
    blocked: bool
    breaker: str | None = Field(description="Of the provider as a whole, where it has counted failures.")
    models: int
    proxy: ProxyFields | None


class Connections(Body):
    connections: list[AccountView]
    providers: list[Row] = Field(description="The nodes, then all of the catalog.")
    proxy: ProxyFields | None = Field(description="For all.")


class One(Body):
    connection: AccountView


class AccountChange(Body):
    """A change of an account; omitted fields keep their values."""

    name: str | None = Field(None, max_length=200)
    api_key: str | None = Field(None, max_length=20_000, repr=False)
    priority: int | None = Field(None, description="The lowest is asked first.")
    base_url: str | None = Field(None, max_length=2000, description="Empty is the provider's own.")
    enabled: bool | None = None
    is_active: bool | None = Field(None, description="The same as `enabled`.")
    rpm: int | None = Field(None, description="Requests a minute; 0 is no limit.")
    gap_ms: float | None = Field(None, description="Milliseconds between two requests; 0 is no limit.")
    concurrency: int | None = Field(None, description="Exchanges at once; 0 is no limit.")


class NewAccount(AccountChange):
    provider: str = Field(max_length=200, description="A provider's or a node's id or prefix.")


class Removed(Body):
    removed: str
    combos: list[str] = Field(description="Those that it could serve.")


@get("/api/providers", "List the accounts with how they stand, and every provider.")
def list_(call: Call) -> Connections:
    config = snapshot.load(call.store)
    names, breakers, now = ModelIndex.of(config), health.read(call.store).breakers, call.runtime.wall()
    return Connections(
        connections=account_views(call.store, config, call.runtime.wall()),
        providers=[
            Row(
                id=each.id,
                prefix=each.prefix,
                name=each.name,
                base_url=each.base_url,
                dialects=list(each.paths),
                auth=each.auth,
                node=each.node,
                blocked=each.id in config.rules.blocked,
                breaker=found.state(now) if (found := breakers.get(("provider", each.id))) else None,
                models=len(list(names.models(each))),
                proxy=at_place(config.proxies, ("provider", each.id)),
            )
            for each in (*config.nodes, *PROVIDERS)
        ],
        proxy=at_place(config.proxies, ("global", "")),
    )


@post("/api/providers", "Add an account.", status=201)
def create(call: Call, body: NewAccount) -> One:
    with call.store.change():
        made = accounts.add(
            call.store,
            body.provider,
            api_key=body.api_key or None,
            name=body.name or None,
            priority=1 if body.priority is None else body.priority,
            base_url=body.base_url or None,
        )
        _set(call, made.id, body)
    return _one(call, made.id)


@get("/api/providers/{id}", "Show an account.")
def show(call: Call) -> One:
    return _one(call, call.path["id"])


@put("/api/providers/{id}", "Change an account; it acts at once.")
def change(call: Call, body: AccountChange) -> One:
    id = call.path["id"]
    found = _one(call, id).connection
    with call.store.change():
        if not found.implied:
            accounts.edit(call.store, id, name=body.name, priority=body.priority, base_url=body.base_url)
            if body.api_key:
                accounts.set_key(call.store, id, body.api_key)
        elif body.model_fields_set - {"rpm", "gap_ms", "concurrency"}:
            raise BadRequest("a node without an account has nothing but limits: add an account to it")
        _set(call, id, body)
    return _one(call, id)


@delete("/api/providers/{id}", "Remove an account and its key for good.")
def remove(call: Call) -> Removed:
    found = _one(call, call.path["id"]).connection
    if found.implied:
        raise BadRequest("this account goes with its node: remove the node, or add an account with a key to it")
    accounts.remove(call.store, found.id)
    return Removed(removed=found.id, combos=found.combos)


def _set(call: Call, id: str, body: AccountChange) -> None:
    """Store the limits of an account and whether it is enabled, as far as they are given."""
    gap = None if body.gap_ms is None else body.gap_ms / 1000
    said = {name: value for name, value in (("rpm", body.rpm), ("gap", gap), ("concurrency", body.concurrency))}
    if changed := {name: value or None for name, value in said.items() if value is not None}:
        before = rows.limits(call.store).get(id, Limit())
        limits.put(call.store, id, replace(before, **changed))  # type: ignore[arg-type]
    enabled = body.is_active if body.enabled is None else body.enabled
    if enabled is not None:
        accounts.set_enabled(call.store, id, enabled)


def _one(call: Call, id: str) -> One:
    found = next(
        (each for each in account_views(call.store, snapshot.load(call.store), call.runtime.wall()) if each.id == id),
        None,
    )
    if found is None:
        raise NotFound(f"there is no account with the id {id[:100]!r}")
    return One(connection=found)
