"""Resilience profiles: cooldown and circuit breaker parameters by kind of account, with overrides per provider."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import urlsplit

from omniroute.catalog.provider import Provider


@dataclass(frozen=True, slots=True)
class ResilienceProfile:
    """Parameters of cooldowns and circuit breakers. Times are seconds."""

    failures: int = 5
    """Failures in a row that open a circuit breaker."""
    recovery: float = 30.0
    """Seconds for which a breaker stays open before it lets a probe through."""
    base: float = 3.0
    """First cooldown where the provider gives no time."""
    rate: float = 10.0
    """First cooldown after a rate limit."""
    quota: float = 3600.0
    """First cooldown after a used-up quota."""
    auth: float = 120.0
    """First cooldown after a refused credential."""
    factor: float = 2.0
    """Factor for each further cooldown."""
    most: float = 300.0
    """Maximum of a computed cooldown; a provider may give a longer one."""
    jitter: float = 0.2
    """Random fraction of a cooldown, so that accounts do not come back all at once."""


PROFILES: dict[str, ResilienceProfile] = {
    "apikey": ResilienceProfile(),
    "local": ResilienceProfile(failures=3, recovery=5.0, base=0.5, rate=1.0, auth=5.0, most=10.0),
}
"""Profile name -> parameters. A local server has short times, as it is back as soon as it is restarted."""


@dataclass(frozen=True, slots=True)
class Resilience:
    """Overrides of profiles and providers: name -> field -> value."""

    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def profile(self, provider: Provider, base_url: str | None = None) -> ResilienceProfile:
        """Return the parameters for a provider, and for an account of it that has its own base URL."""
        return self.of("local" if is_local(base_url or provider.base_url) else "apikey", provider.id)

    def of(self, kind: str, provider: str = "") -> ResilienceProfile:
        """Return a profile with its overrides, then those of a provider."""
        return replace(PROFILES[kind], **{**self.own.get(kind, {}), **self.own.get(provider, {})})


FIELDS = tuple(each.name for each in fields(ResilienceProfile))


def is_local(url: str) -> bool:
    """Return whether a URL points to this machine or a private network."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith((".local", ".localhost", ".internal"))
    return address.is_loopback or address.is_private
