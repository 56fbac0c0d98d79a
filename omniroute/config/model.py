"""The user's configuration as an immutable value: requests in flight keep the one they started with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal, Self, get_args

from omniroute.access.client_address import NO_NETWORKS, Networks
from omniroute.access.ip_filter import IpFilter
from omniroute.budgets.ledger import Budgets
from omniroute.catalog.pricing import Prices
from omniroute.catalog.provider import Model, Provider
from omniroute.config.settings import RetrySettings, Settings
from omniroute.netproxy.proxy_url import Proxy


@dataclass(frozen=True, slots=True)
class Limit:
    """The rate limit of an account or a key; None means no limit."""

    rpm: int | None = None
    """Maximum requests in any 60 seconds."""
    gap: float | None = None
    """Minimum seconds between the starts of two requests."""
    concurrency: int | None = None
    """Maximum exchanges in flight, each until the end of its stream."""


UNLIMITED = Limit()


type Level = Literal["account", "combo", "provider", "global"]
type Place = tuple[Level, str]
"""Where a network proxy is set: the level, and an account's id, a combo's name, a provider's id, or empty."""

type Scope = Literal["inference", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope.__value__)

LEVELS: tuple[Level, ...] = get_args(Level.__value__)
"""In order of precedence."""


@dataclass(frozen=True, slots=True)
class Account:
    """One credential at one provider. The credential itself is not included, so a configuration is safe to show."""

    id: str
    provider: str
    """The id of a catalog row, or a node's prefix."""
    name: str
    priority: int = 1
    """Lower numbers are used first; equal ones by age."""
    enabled: bool = True
    base_url: str | None = None
    """Replaces the provider's base URL if set."""
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Combo:
    """A named list of models, and of other combos, with a strategy."""

    name: str
    models: tuple[str, ...]
    strategy: str | None = None
    """None for the default of all combos."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Model -> its weight for the strategy `weighted`; the default is 1."""
    tries: RetrySettings = field(default_factory=RetrySettings)


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name for a model: `*` in the pattern matches any run of characters, `?` exactly one."""

    pattern: str
    target: str
    """A model, a combo or another alias."""
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Chain:
    """A fallback chain: models to try when all targets of the requested name have failed."""

    name: str
    models: tuple[str, ...]
    serves: tuple[str, ...] = ()
    """Patterns of the names that it applies to; empty for all."""


@dataclass(frozen=True, slots=True)
class Key:
    """A gateway API key, without its secret part."""

    id: str
    name: str
    digest: bytes = field(repr=False)
    """HMAC-SHA256 of the whole key, keyed with the data directory's secret."""
    hint: str = ""
    """The last four characters, to tell keys apart in listings."""
    allow: tuple[str, ...] = ()
    """Patterns of the allowed models (`*` matches any run); empty allows all."""
    created_at: float = 0.0
    revoked_at: float | None = None
    scopes: tuple[Scope, ...] = ("inference",)
    """What it may be used for. An admin key may not send inference requests unless it has that scope too."""
    expires_at: float | None = None
    ips: Networks = NO_NETWORKS
    """Networks that it may be used from; empty for any."""
    limit: Limit = UNLIMITED
    """Its rate limit."""


@dataclass(frozen=True)
class Config:
    """A snapshot of the configuration. `accounts` are sorted by priority, then age."""

    accounts: tuple[Account, ...] = ()
    nodes: tuple[Provider, ...] = ()
    combos: Mapping[str, Combo] = field(default_factory=lambda: MappingProxyType({}))
    keys: tuple[Key, ...] = ()
    revoked: tuple[Key, ...] = ()
    """Revoked keys, kept to give a specific error."""
    doors: IpFilter = field(default_factory=IpFilter)
    aliases: tuple[Alias, ...] = ()
    """Oldest first."""
    chains: tuple[Chain, ...] = ()
    """Oldest first."""
    models: Mapping[str, tuple[Model, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Provider id -> models that the user added or overrides."""
    limits: Mapping[str, Limit] = field(default_factory=lambda: MappingProxyType({}))
    """Account id -> its rate limit; an account that is missing has none."""
    prices: Prices = field(default_factory=lambda: MappingProxyType({}))
    """Prices that override those of the price library."""
    budgets: Budgets = field(default_factory=lambda: MappingProxyType({}))
    """Key id -> its budgets; a key that is missing has none."""
    rules: Settings = field(default_factory=Settings)
    proxies: Mapping[Place, Proxy | None] = field(default_factory=lambda: MappingProxyType({}))
    """Network proxies without credentials; None forces a direct connection, whatever an outer level sets."""
    revision: int = 0

    @cached_property
    def hurries(self) -> bool:
        """Whether a total deadline is set anywhere: otherwise requests skip the lookup."""
        rules = self.rules
        own = (*rules.provider_deadlines.values(), *(combo.tries.deadlines for combo in self.combos.values()))
        return bool(rules.deadlines.total) or any("total" in said for said in (rules.combo.deadlines, *own))

    @cached_property
    def keys_by_digest(self) -> Mapping[bytes, Key]:
        """Keys by digest, revoked ones too. The digest depends on a secret, so lookup timing reveals nothing."""
        return {key.digest: key for key in (*self.revoked, *self.keys)}

    @cached_property
    def key_limits(self) -> Mapping[str, Limit]:
        """Key id -> rate limit, for keys that have one."""
        return {key.id: key.limit for key in self.keys if key.limit is not UNLIMITED}

    def ready(self) -> Self:
        """Build the lookup tables now, as with many keys the first request would have to wait for them."""
        _ = self.keys_by_digest, self.key_limits
        return self


LITERAL, STAR, QUESTION = 11, -49, -4
"""Contribution of each character to a pattern's specificity."""


def specificity(pattern: str) -> int:
    """Return the specificity of a pattern: of all that match a name, the highest takes precedence."""
    stars, questions = pattern.count("*"), pattern.count("?")
    return LITERAL * (len(pattern) - stars - questions) + STAR * stars + QUESTION * questions


def is_wild(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def matching(name: str, aliases: Sequence[Alias]) -> list[Alias]:
    """Return the wildcard aliases that match a name, most specific first; equally specific ones oldest first.

    Matching ignores case. Only `*` and `?` are special: the brackets of `opus[1m]` match themselves.
    """
    folded = name.casefold()
    found = [alias for alias in aliases if is_wild(alias.pattern) and matches(alias.pattern.casefold(), folded)]
    return sorted(found, key=lambda alias: (-specificity(alias.pattern), alias.created_at))


def matches(pattern: str, name: str) -> bool:
    """Match a whole name against a pattern, with bounded backtracking, unlike a regular expression."""
    at = here = 0
    star, tried = -1, 0
    while here < len(name):
        if at < len(pattern) and pattern[at] == "*":
            star, tried = at, here
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", name[here]):
            at += 1
            here += 1
        elif star >= 0:
            # The last star matched too little: extend it by one character.
            tried += 1
            at, here = star + 1, tried
        else:
            return False
    return not pattern[at:].strip("*")
