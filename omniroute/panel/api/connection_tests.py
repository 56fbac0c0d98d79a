"""Routes that test accounts, nodes and network proxies with real requests, also before they are added."""

import asyncio

from pydantic import Field

from omniroute.catalog.provider import Provider
from omniroute.catalog.providers import find
from omniroute.config.model import Account
from omniroute.errors import BadRequest, NotFound
from omniroute.netproxy.proxy_url import DIRECT, Proxy
from omniroute.panel.api.nodes import Server, dialect_of
from omniroute.panel.api.proxies import place_of
from omniroute.panel.proxy_json import ProxyFields, read
from omniroute.panel.routes import Body, Call, Query, post
from omniroute.routing.model_index import ModelIndex
from omniroute.routing.target import lone_target
from omniroute.store.config import accounts, nodes, snapshot
from omniroute.upstream.probe import Probe, ProbeResult
from omniroute.upstream.public_ip import IP_SERVICE, PublicIp, fetch_public_ip

LIMIT = 10.0
"""Timeout of a probe of a provider or a proxy, in seconds."""


class Asked(Query):
    model: str | None = Field(None, max_length=300, description="Ask it a tiny question, instead of listing models.")


class UntriedKey(Body):
    provider: str = Field(max_length=200, description="A provider's or a node's id or prefix.")
    api_key: str | None = Field(None, max_length=20_000, repr=False)
    base_url: str | None = Field(None, max_length=2000, description="Left out: the provider's own.")
    model: str | None = Field(None, max_length=300, description="Ask it a tiny question, instead of listing models.")


class UntriedServer(Server):
    base_url: str = Field(max_length=2000)
    api_key: str | None = Field(None, max_length=20_000, repr=False)
    model: str | None = Field(None, max_length=300, description="Ask it a tiny question, instead of listing models.")


class Tested(Body):
    valid: bool
    error: str | None
    detail: str
    status: int | None
    latency_ms: float
    models: int | None


class Trial(Body):
    proxy: ProxyFields | None = None
    level: str | None = Field(None, description="In place of `proxy`: the one that is set there, with its password.")
    id: str | None = None
    ip_service: str = Field(IP_SERVICE, pattern=r"^https?://", description="Answers with our address.")


class Tried(Body):
    success: bool
    public_ip: str | None
    error: str | None
    latency_ms: float
    proxy_url: str


@post("/api/providers/{id}/test", "See whether an account works: list its models, or ask one for a few tokens.")
async def test_account(call: Call, query: Asked) -> Tested:
    return await _tested(call, *await asyncio.to_thread(_whom, call), query.model)


@post("/api/providers/validate", "See whether a key works, without adding an account.")
async def validate_key(call: Call, body: UntriedKey) -> Tested:
    said = {"api_key": body.api_key or None, "base_url": body.base_url or None}
    drafted = await asyncio.to_thread(accounts.drafted, call.store, body.provider, **said)
    return await _tested(call, *drafted, body.model)


@post("/api/provider-nodes/validate", "See whether a server answers in a dialect, without adding a node.")
async def validate_node(call: Call, body: UntriedServer) -> Tested:
    node = nodes.drafted("new", dialect_of(body), body.base_url)
    key = accounts.checked_key(body.api_key or None, node, None)
    return await _tested(call, Account(id="", provider=node.id, name=node.name), node, key, body.model)


async def _tested(call: Call, account: Account, provider: Provider, key: str | None, model: str | None) -> Tested:
    model = model and model.removeprefix(f"{provider.prefix}/").removeprefix(f"{provider.id}/")
    proxy = call.runtime.proxy(lone_target(account, provider), call.runtime.config)
    probe = Probe(account, provider, key, LIMIT, proxy=proxy)
    async with call.door.probes:
        found = await asyncio.to_thread(_asked, probe, model or None)
    return Tested(
        valid=found.ok,
        error=None if found.ok else found.detail,
        detail=found.detail,
        status=found.status,
        latency_ms=found.latency_ms,
        models=found.models,
    )


def _asked(probe: Probe, model: str | None) -> ProbeResult:
    """Run the probe in an event loop of this thread: creating its client reads certificates, which blocks."""
    return asyncio.run(probe.test(model))


def _whom(call: Call) -> tuple[Account, Provider, str | None]:
    config, id = snapshot.load(call.store), call.path["id"]
    account = ModelIndex.of(config).everybody().get(id)
    provider = find(account.provider, config.nodes) if account else None
    if account is None or provider is None:
        raise NotFound(f"there is no account with the id {id[:100]!r}")
    return account, provider, snapshot.credentials(call.store).get(id)


@post("/api/settings/proxy/test", "Call a service through a proxy: does it work, and which address does the world see?")
async def test_proxy(call: Call, body: Trial) -> Tried:
    if body.proxy is not None:
        proxy = None if body.proxy.type == DIRECT else read(body.proxy, "proxy")
    elif body.level is not None:
        place = await asyncio.to_thread(place_of, call.store, body.level, body.id)
        if place not in call.runtime.config.proxies:
            raise BadRequest(f"{' '.join(filter(None, place))} has no proxy of its own", param="level")
        proxy = call.runtime.proxies.get(place)
    else:
        raise BadRequest("say which proxy", param="proxy")
    async with call.door.probes:
        seen = await asyncio.to_thread(_seen, body.ip_service, proxy)
    return Tried(
        success=seen.ok,
        public_ip=seen.ip,
        error=None if seen.ok else seen.detail,
        latency_ms=seen.latency_ms,
        proxy_url=proxy.masked if proxy else DIRECT,
    )


def _seen(service: str, proxy: Proxy | None) -> PublicIp:
    """Fetch the public IP in an event loop of this thread: creating the client reads certificates, which blocks."""
    return asyncio.run(fetch_public_ip(service, proxy, LIMIT))
