"""The rules that choosing goes by, with what holds where nobody has set anything.

A rule that names a provider or a combo goes before the one for all of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from omniroute.access.lockouts import LockoutSettings
from omniroute.budgets.ledger import BudgetSettings
from omniroute.config.deadlines import PHASES, DeadlineSettings, of_providers
from omniroute.config.resilience_profiles import Resilience
from omniroute.config.server_limits import ServerLimits
from omniroute.dialects.shaping.common import Shape, ThinkingSettings

MOST_HOURS = 8760.0
MOST_KEPT = 1000


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """Copies that nobody has asked for by name."""

    every: float = 24.0
    """Hours between two; 0 for none."""
    keep: int = 10
    """How many stay of each reason."""


MAX_ENTRIES = 100_000
MAX_BYTES = 4 * 1024**3
MAX_TTL = 30 * 86400.0
MAX_WINDOW = 3600.0
MAX_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Answers to whole requests at temperature 0, for whoever asks the same again."""

    enabled: bool = True
    ttl: float = 3600.0
    """Seconds that an answer is given again."""
    entries: int = 500
    bytes: int = 64 * 1024 * 1024
    """Of all answers together."""
    shared: bool = False
    """An answer is given to every key, and not only to the one that asked first."""
    similar: str = ""
    """The model that embeds what users say, so that who says nearly the same gets the same answer; empty is off."""
    similarity: float = 0.97
    """The cosine from which on that is nearly the same."""
    similar_timeout: float = 2.0
    """Seconds that a request waits for that model."""
    cleared: float = 0.0
    """When somebody last wanted all of them to be forgotten, as seconds of the epoch."""


@dataclass(frozen=True, slots=True)
class IdempotencySettings:
    """Answers to requests with a name of their own, for who sends one of them twice."""

    window: float = 5.0
    """Seconds after an answer in which it is given again; 0 lets no request be the same as another."""
    entries: int = 1000
    bytes: int = 64 * 1024 * 1024
    """Of all answers together."""


MOST_RESUMED = 3


@dataclass(frozen=True, slots=True)
class ResumeSettings:
    """Whether another target goes on from there."""

    enabled: bool = False
    most: int = 1
    """How often one answer is gone on with."""


@dataclass(frozen=True, slots=True)
class HedgeSettings:
    """Whether the next target is asked too, when one is later than it mostly is."""

    enabled: bool = False
    least: float = 1.0
    """Seconds that every target is given."""
    share: float = 0.05
    """The part of all requests that this is done for at most."""


type AccountStrategy = Literal["fill-first", "round-robin", "p2c", "random", "least-used", "cost-optimized"]
type ComboStrategy = Literal["priority", "round-robin", "random", "weighted", "least-used", "cost-optimized"]

ACCOUNT_STRATEGIES: tuple[str, ...] = get_args(AccountStrategy.__value__)
COMBO_STRATEGIES: tuple[str, ...] = get_args(ComboStrategy.__value__)
MAX_STICKY = 1000
MAX_RETRIES = 10
MAX_DELAY = 30.0
MAX_WAIT = 300.0
MAX_QUEUE = 100_000
MAX_DEADLINE = 86400.0
MAX_TRIES = 1000


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How a combo asks each of its targets. None goes by the rule for all combos."""

    retries: int | None = None
    """How often a target is asked again after a failure that may pass, before the next one is asked."""
    retry_delay: float | None = None
    """Seconds before each of these."""
    hedge: bool | None = None
    """Whether the next target is asked too, when one is late."""
    resume: bool | None = None
    """Whether the next target goes on with an answer that has broken off."""
    deadlines: Mapping[str, float] = field(default_factory=dict)
    """Phase -> seconds."""


@dataclass(frozen=True, slots=True)
class ComboDefaults:
    """What holds for a combo that says nothing else itself."""

    strategy: str = "priority"
    retries: int = 0
    retry_delay: float = 0.0
    hedge: bool | None = None
    resume: bool | None = None
    """None is as for all requests, here and above."""
    queue_timeout: float | None = None
    """Seconds, as the five below; None is as for the provider, or for all requests."""
    connect_timeout: float | None = None
    first_byte_timeout: float | None = None
    first_content_timeout: float | None = None
    idle_timeout: float | None = None
    total_timeout: float | None = None

    @property
    def deadlines(self) -> Mapping[str, float]:
        """Phase -> seconds, for the phases that are set."""
        found = {phase: getattr(self, f"{phase}_timeout") for phase in PHASES}
        return {phase: seconds for phase, seconds in found.items() if seconds is not None}


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How requests wait for accounts that are at their limits."""

    size: int = 1000
    """Requests that wait for one account; more are refused at once."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of choosing, each with what holds where nobody has set it."""

    strategy: str = "fill-first"
    strategies: Mapping[str, str] = field(default_factory=dict)
    """Provider id -> its own strategy."""
    sticky_limit: int = 3
    affinity: bool = True
    combo: ComboDefaults = field(default_factory=ComboDefaults)
    queue: QueueSettings = field(default_factory=QueueSettings)
    lockout: LockoutSettings = field(default_factory=LockoutSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    deadlines: DeadlineSettings = field(default_factory=DeadlineSettings)
    provider_deadlines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Provider id -> phase -> seconds, where a provider has its own."""
    resilience: Resilience = field(default_factory=Resilience)
    cooldowns: bool = True
    cooldown_wait: float = 10.0
    """Seconds that a request waits for the end of a cool-down when there is nobody else to ask."""
    thinking: ThinkingSettings = field(default_factory=ThinkingSettings)
    system_prompt: str = ""
    """What every model is told before the client's own instructions."""
    cache: CacheSettings = field(default_factory=CacheSettings)
    idempotency: IdempotencySettings = field(default_factory=IdempotencySettings)
    resume: ResumeSettings = field(default_factory=ResumeSettings)
    hedge: HedgeSettings = field(default_factory=HedgeSettings)
    server: ServerLimits = field(default_factory=ServerLimits)
    blocked: frozenset[str] = frozenset()
    """Ids of providers that nobody may ask."""
    trusted_proxies: str = ""
    """Networks of proxies that are believed for whom they ask, with commas between them."""
    reset: tuple[float, tuple[str, ...]] = (0.0, ())
    """When somebody last wanted cool-downs and breakers to be forgotten, and whose; of nobody in particular: all."""
    repriced: float = 0.0
    """When somebody last had the history priced anew: what is spent is then read anew."""
    unlocks: frozenset[tuple[float, str]] = frozenset()
    """When somebody lately unlocked an identifier, and which; `*` is all of them."""

    @property
    def shape(self) -> Shape:
        """What is done to every request; a cache of answers has to have it in its keys."""
        return Shape(self.thinking, self.system_prompt)

    def strategy_of(self, provider: str) -> str:
        """Say how the accounts of a provider are ordered."""
        return self.strategies.get(provider, self.strategy)


GROUPS: dict[str, type[Any]] = {
    "combo": ComboDefaults,
    "queue": QueueSettings,
    "deadlines": DeadlineSettings,
    "thinking": ThinkingSettings,
    "lockout": LockoutSettings,
    "backup": BackupSettings,
    "cache": CacheSettings,
    "idempotency": IdempotencySettings,
    "resume": ResumeSettings,
    "hedge": HedgeSettings,
    "server": ServerLimits,
    "budget": BudgetSettings,
}
"""The rules that belong together, each a field of `Rules` of that name."""


def resilience_of(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Pick what is set for profiles and providers, kept as `resilience.NAME.FIELD`: name -> field -> value."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        head, _, rest = name.partition(".")
        if head == "resilience":
            whose, _, what = rest.rpartition(".")
            found.setdefault(whose, {})[what] = value
    return found


def settings_of(values: Mapping[str, Any], blocked: frozenset[str] = frozenset()) -> Settings:
    """Make the rules out of the settings that somebody has set; a setting `GROUP.NAME` is a field of its group."""
    made_here = {"strategies", "provider_deadlines", "blocked", "resilience", "reset", "unlocks", *GROUPS}
    plain = {f.name for f in fields(Settings)} - made_here
    return Settings(
        **_of(plain, values),
        **{group: kind(**_of((f.name for f in fields(kind)), values, f"{group}.")) for group, kind in GROUPS.items()},
        strategies={name.partition(".")[2]: value for name, value in values.items() if name.startswith("strategy.")},
        provider_deadlines=of_providers(values),
        resilience=Resilience(resilience_of(values)),
        blocked=blocked,
        reset=(values["reset"][0], tuple(values["reset"][1])) if "reset" in values else (0.0, ()),
        unlocks=frozenset((at, name) for at, name in values.get("unlocks", ())),
    )


def _of(names: Iterable[str], values: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    return {name: values[start + name] for name in names if start + name in values}
