"""How patient the gateway is with whom: profiles for kinds of accounts, and what a provider has of its own."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import urlsplit

from omniroute.catalog.provider import Provider


@dataclass(frozen=True, slots=True)
class ResilienceProfile:
    """Seconds, but for the counts and factors."""

    failures: int = 5
    """Failures in a row that open a breaker."""
    recovery: float = 30.0
    """How long a breaker stays open before one exchange may try."""
    base: float = 3.0
    """The first cool-down where the provider names no time."""
    rate: float = 10.0
    """The same for a rate limit."""
    quota: float = 3600.0
    """The same for a quota that is used up."""
    auth: float = 120.0
    """The same for a credential that is refused."""
    factor: float = 2.0
    """How much longer each further cool-down is."""
    most: float = 300.0
    """The longest cool-down that the gateway thinks of itself; a provider may name a longer one."""
    jitter: float = 0.2
    """The part of a cool-down that is left to the dice, so that accounts do not come back all at once."""


PROFILES: dict[str, ResilienceProfile] = {
    "apikey": ResilienceProfile(),
    "local": ResilienceProfile(failures=3, recovery=5.0, base=0.5, rate=1.0, auth=5.0, most=10.0),
}
"""A server of one's own is back the moment that it has been started again."""


@dataclass(frozen=True, slots=True)
class Resilience:
    """What is set for profiles and for providers: name -> field -> value."""

    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def profile(self, provider: Provider, base_url: str | None = None) -> ResilienceProfile:
        """Give what holds for a provider, and for an account of it that has a base URL of its own."""
        return self.of("local" if is_local(base_url or provider.base_url) else "apikey", provider.id)

    def of(self, kind: str, provider: str = "") -> ResilienceProfile:
        """Give a profile as it is set, with what a provider has of its own on top."""
        return replace(PROFILES[kind], **{**self.own.get(kind, {}), **self.own.get(provider, {})})


FIELDS = tuple(each.name for each in fields(ResilienceProfile))


def is_local(url: str) -> bool:
    """Tell whether a URL leads to this machine or into a private network."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith((".local", ".localhost", ".internal"))
    return address.is_loopback or address.is_private
