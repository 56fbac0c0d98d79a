"""What the user has set up, as one value that never changes: requests in flight keep theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal, Self, get_args

from omniroute.access.client_address import UNREADABLE_ADDRESS, Networks
from omniroute.access.ip_filter import IpFilter
from omniroute.budgets.ledger import Budgets
from omniroute.catalog.pricing import Prices
from omniroute.catalog.provider import Model, Provider
from omniroute.config.settings import RetrySettings, Settings
from omniroute.netproxy.proxy_url import Proxy

pass


@dataclass(frozen=True, slots=True)
class Limit:
    """What somebody has set for an account; None is no limit."""

    rpm: int | None = None
    """Requests in any 60 seconds."""
    gap: float | None = None
    """Seconds between the beginnings of two requests."""
    concurrency: int | None = None
    """Exchanges at once, each with its whole stream."""


UNLIMITED = Limit()


type Level = Literal["account", "combo", "provider", "global"]
type Place = tuple[Level, str]
"""Where a network proxy is set, and for which: an account's id, a combo's name, a provider's id, or for all."""

type Scope = Literal["inference", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope.__value__)

LEVELS: tuple[Level, ...] = get_args(Level.__value__)
"""The first that says anything counts."""


@dataclass(frozen=True, slots=True)
class Account:
    """One credential at one provider. The credential itself is not here: a config may be shown to anyone."""

    id: str
    provider: str
    """The id of a catalog row, or a node's prefix."""
    name: str
    priority: int = 1
    """The lowest number is asked first; equal numbers by age."""
    enabled: bool = True
    base_url: str | None = None
    """Stands for the provider's own base URL where set."""
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Combo:
    """A named list of models, and of other combos, with a strategy."""

    name: str
    models: tuple[str, ...]
    strategy: str | None = None
    """None goes by the rule for all combos."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Model -> its share under `weighted`; one that is not named has 1."""
    tries: RetrySettings = field(default_factory=RetrySettings)


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name: `*` in the pattern is any run of characters, `?` is one."""

    pattern: str
    target: str
    """A model, a combo or another alias."""
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Chain:
    """Models that are asked when all that a request itself means has failed."""

    name: str
    models: tuple[str, ...]
    serves: tuple[str, ...] = ()
    """Patterns of the names that it stands behind; empty is all."""


@dataclass(frozen=True, slots=True)
class Key:
    """What a client shows us, without the part that opens anything."""

    id: str
    name: str
    digest: bytes = field(repr=False)
    """HMAC-SHA256 of the whole key under the data directory's own secret."""
    hint: str = ""
    """The last four characters, so that a person can tell keys apart."""
    allow: tuple[str, ...] = ()
    """Model patterns (`*` is any run); empty allows all."""
    created_at: float = 0.0
    revoked_at: float | None = None
    scopes: tuple[Scope, ...] = ("inference",)
    """What it is good for. One for administering does not ask models unless somebody says so too."""
    expires_at: float | None = None
    ips: Networks = UNREADABLE_ADDRESS
    """Where it may be used; empty is everywhere."""
    limit: Limit = UNLIMITED
    """How often it may ask, and how much at once."""


@dataclass(frozen=True)
class Config:
    """A snapshot of the store. `accounts` are in the order of priority, then age."""

    accounts: tuple[Account, ...] = ()
    nodes: tuple[Provider, ...] = ()
    combos: Mapping[str, Combo] = field(default_factory=lambda: MappingProxyType({}))
    keys: tuple[Key, ...] = ()
    revoked: tuple[Key, ...] = ()
    """Keys that open nothing any more: who shows one is told so."""
    doors: IpFilter = field(default_factory=IpFilter)
    aliases: tuple[Alias, ...] = ()
    """The oldest first."""
    chains: tuple[Chain, ...] = ()
    """The oldest first."""
    models: Mapping[str, tuple[Model, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Provider id -> models that the user added, or knows better."""
    limits: Mapping[str, Limit] = field(default_factory=lambda: MappingProxyType({}))
    """Account id -> what it may be asked; who is not in it may be asked without limit."""
    prices: Prices = field(default_factory=lambda: MappingProxyType({}))
    """What somebody has set, over what the price library knows."""
    budgets: Budgets = field(default_factory=lambda: MappingProxyType({}))
    """Key id -> what it may spend; who is not in it may spend without limit."""
    rules: Settings = field(default_factory=Settings)
    proxies: Mapping[Place, Proxy | None] = field(default_factory=lambda: MappingProxyType({}))
    """Without what opens them; None is a place that goes directly, whatever is said further out."""
    revision: int = 0

    @cached_property
    def hurries(self) -> bool:
        """Whether any request at all may have a deadline as a whole: each would have to look that up."""
        rules = self.rules
        own = (*rules.provider_deadlines.values(), *(combo.tries.deadlines for combo in self.combos.values()))
        return bool(rules.deadlines.total) or any("total" in said for said in (rules.combo.deadlines, *own))

    @cached_property
    def keys_by_digest(self) -> Mapping[bytes, Key]:
        """Looking up a digest leaks nothing about a key: it takes the secret to make one."""
        return {key.digest: key for key in (*self.revoked, *self.keys)}

    @cached_property
    def key_limits(self) -> Mapping[str, Limit]:
        """Give the limits of the keys that have some, by their ids."""
        return {key.id: key.limit for key in self.keys if key.limit is not UNLIMITED}

    def ready(self) -> Self:
        """Make what requests look up: where there are many keys, the first request would wait for it."""
        _ = self.keys_by_digest, self.key_limits
        return self


LITERAL, STAR, QUESTION = 11, -49, -4
"""What a character of a pattern adds to how specific it is: a literal much, a wildcard less than nothing."""


def specificity(pattern: str) -> int:
    """Weigh a pattern: of all that match a name, the heaviest counts."""
    stars, questions = pattern.count("*"), pattern.count("?")
    return LITERAL * (len(pattern) - stars - questions) + STAR * stars + QUESTION * questions


def is_wild(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def matching(name: str, aliases: Sequence[Alias]) -> list[Alias]:
    """Give the aliases with wildcards that match, the one that counts first; of equal weight the oldest is first.

    Letters match in either case. Nothing but `*` and `?` is special: `opus[1m]` means its brackets.
    """
    folded = name.casefold()
    found = [alias for alias in aliases if is_wild(alias.pattern) and matches(alias.pattern.casefold(), folded)]
    return sorted(found, key=lambda alias: (-specificity(alias.pattern), alias.created_at))


def matches(pattern: str, name: str) -> bool:
    """Match the whole of a name; without regular expressions, so that no pattern takes for ever."""
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
            # What stood for the last star was too short: give it one character more.
            tried += 1
            at, here = star + 1, tried
        else:
            return False
    return not pattern[at:].strip("*")
