"""Choice of the network proxy for a target: the most specific setting applies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from omniroute.catalog.endpoints import endpoint
from omniroute.config.model import Config, Place
from omniroute.netproxy.env_proxies import ProxyEnvironment
from omniroute.netproxy.proxy_url import Proxy
from omniroute.routing.target import Target


@dataclass(frozen=True, slots=True)
class ProxyChoice:
    """The proxy for an upstream, and the setting that it comes from."""

    proxy: Proxy | None = None
    """None for a direct connection."""
    place: Place | None = None
    variable: str = ""
    """Name of the environment variable that it comes from, if any."""

    @property
    def origin(self) -> str:
        """Name of its setting: `account 1a2b3c4d`, `global`, `HTTPS_PROXY`; empty if there is none."""
        return self.variable or (" ".join(filter(None, self.place)) if self.place else "")

    def __str__(self) -> str:
        way = self.proxy.masked if self.proxy else "direct"
        return f"{way} ({self.origin})" if self.origin else way


DIRECT = ProxyChoice()


def choose_proxy(target: Target, config: Config, environment: ProxyEnvironment) -> ProxyChoice:
    """Choose the proxy by account, combo (inner before outer), provider, global setting, environment, in this order."""
    if config.proxies:
        for place in _places(target):
            if place in config.proxies:
                return ProxyChoice(config.proxies[place], place)
    if environment.https or environment.http:
        base_url = target.account.base_url
        return choose_proxy_for(
            endpoint(target.provider, target.dialect, base_url=base_url, model=target.model, stream=False),
            environment,
        )
    return DIRECT


def choose_proxy_for(url: str, environment: ProxyEnvironment) -> ProxyChoice:
    """Choose the proxy for a URL by the environment alone."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if found := environment.proxy_for(parts.scheme, parts.hostname or "", port):
        return ProxyChoice(found[0], variable=found[1])
    return DIRECT


def opened(path: ProxyChoice, proxies: Mapping[Place, Proxy]) -> Proxy | None:
    """Return the chosen proxy with its credentials; None for a direct connection."""
    return proxies.get(path.place, path.proxy) if path.proxy and path.place else path.proxy


def _places(target: Target) -> Iterator[Place]:
    yield "account", target.account.id
    if target.path.combo:
        yield "combo", target.path.combo.name
    for combo, _ in reversed(target.path.path):
        yield "combo", combo
    yield "provider", target.provider.id
    yield "global", ""
